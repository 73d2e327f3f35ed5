"""E_0: what a photo hides, painted by a model: behind depth edges and past the frame.

Which pixels are hidden, and how deep they lie, is geometry: ``embedded.hidden_layers`` finds it and fills the
pixels smoothly. Here a model paints over that guess, which keeps colour and depth together. One call a layer, on
the layer's surroundings only; the largest layers first, since in a meadow there would be dozens that nobody sees.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.hidden_layers import HiddenLayersStage
from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.models.outpaint import KleinPainting, Painting, SdPainting, painted
from wonderzoom.generation.models.running import portion
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, Control

Mask = NDArray[np.bool_]

_BEHIND = (
    "The same place with what stands in front taken away: continue the surfaces behind it, their material, texture "
    "and light, up to where they end. Add nothing new."
)
_BESIDE = (
    "The same scene, going on past the border of the picture: continue ground, sky and everything that the border "
    "cuts off, in the same light and perspective."
)
# Two pixels of depth apart: a layer shows something else there than the picture does.
_ELSEWHERE = 2.0
# A model needs to see what it continues: this much around the hole, as a share of the hole's size and in pixels.
_AROUND, _AROUND_LEAST = 0.5, 64


class _Inpainter:
    """Paints the layers of the embedded stage with one kind of model; holds no state between calls."""

    def __init__(self, bench: Workbench, painting: Painting, most_layers: int, least_pixels: int) -> None:
        self._bench, self._painting = bench, painting
        self._most, self._least = most_layers, least_pixels

    def complete(
        self, request: CreateRequest, main: Layer, sky: Layer | None, control: Control
    ) -> list[Layer]:
        """Fill layers behind the main layer and past the frame. Raises Cancelled and ModelUnavailable."""
        layers = HiddenLayersStage(self._bench.threads).complete(
            request, main, sky, Control(control.cancelled)
        )
        sizes = np.array([int(layer.mask.sum()) for layer in layers], np.int64)
        order = np.argsort(-sizes, kind="stable")[: self._most]
        chosen = [int(i) for i in order if sizes[i] >= self._least]
        for done, index in enumerate(chosen):
            part = portion(control, done / len(chosen), (done + 1) / len(chosen))
            seed = derived_seed(request.seed, "inpaint", index)
            layers[index] = self._painted(request.prompt, main, layers[index], seed, part)
        if control.cancelled():
            raise Cancelled
        control.progress(1.0)
        return layers

    def _painted(self, words: str, main: Layer, layer: Layer, seed: int, control: Control) -> Layer:
        """``layer`` with what it does not know from the picture painted by the model, where it has surfels."""
        beside = layer.camera != main.camera
        holes = (_outside(layer.camera, main.camera) if beside else _not_shown(main, layer)) | layer.mask
        window = _surroundings(layer.mask)
        prompt = _BESIDE if beside else _BEHIND
        prompt = f"{words}. {prompt}" if words else prompt
        image = layer.image.copy()
        image[window] = painted(
            self._bench, self._painting, "auxiliary", np.ascontiguousarray(layer.image[window]), holes[window],
            prompt, seed, control,
        )  # fmt: skip
        return replace(layer, image=image)


class KleinInpainter(_Inpainter):
    """``stages.Inpainter`` on FLUX.2-klein, with the editor's own weights."""

    class Options(KleinPainting, frozen=True, kw_only=True, forbid_unknown_fields=True):
        most_layers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 12  # one call each
        least_pixels: Annotated[int, msgspec.Meta(ge=1)] = 64  # smaller holes keep the smooth fill

    def __init__(self, bench: Workbench, options: Options) -> None:
        super().__init__(bench, options, options.most_layers, options.least_pixels)


class SdInpainter(_Inpainter):
    """``stages.Inpainter`` on an inpainting model of Stable Diffusion 1 or 2."""

    class Options(SdPainting, frozen=True, kw_only=True, forbid_unknown_fields=True):
        most_layers: Annotated[int, msgspec.Meta(ge=0, le=64)] = 8  # one call each, of more steps
        least_pixels: Annotated[int, msgspec.Meta(ge=1)] = 64  # smaller holes keep the smooth fill

    def __init__(self, bench: Workbench, options: Options) -> None:
        super().__init__(bench, options, options.most_layers, options.least_pixels)


def _not_shown(main: Layer, layer: Layer) -> Mask:
    """[H, W] pixels at which a layer of the picture's own camera does not continue what the picture shows.

    Grown by a pixel: beside an outline colours are mixed with what stands in front.
    """
    with np.errstate(invalid="ignore"):
        same = main.mask & (np.abs(layer.zeta - main.zeta) <= _ELSEWHERE)
    return cv2.dilate((~same).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0


def _outside(wide: Camera, camera: Camera) -> Mask:
    """[H, W] pixels of ``wide`` (same eye, same axes) that lie past the frame of ``camera``, or across it."""
    ratio_x, ratio_y = math.exp(camera.ln_fx - wide.ln_fx), math.exp(camera.ln_fy - wide.ln_fy)
    uv = wide.pixel_centres()
    x = (uv[..., 0] - wide.cx) * ratio_x + camera.cx
    y = (uv[..., 1] - wide.cy) * ratio_y + camera.cy
    half_x, half_y = 0.5 * ratio_x, 0.5 * ratio_y
    inside = (x >= half_x) & (y >= half_y) & (x <= camera.width - half_x) & (y <= camera.height - half_y)
    return ~inside


def _surroundings(mask: Mask) -> tuple[slice, slice]:
    """The rows and columns of the mask's box, with what a model must see around it."""
    ranges: list[slice] = []
    for axis, side in enumerate(mask.shape):
        along = np.flatnonzero(mask.any(1 - axis))
        begin, end = int(along[0]), int(along[-1]) + 1
        around = max(_AROUND_LEAST, round(_AROUND * (end - begin)))
        ranges.append(slice(max(0, begin - around), min(side, end + around)))
    return ranges[0], ranges[1]
