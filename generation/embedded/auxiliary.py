"""What C_i does not see of what it made: behind new things, and their other sides (stage ``auxiliary``).

Things are functions, so their sides are traced, not guessed: from cameras around each thing, keeping only what no
earlier view has seen. Behind a thing stands the picture without it, at the depth that was there before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import register_depth
from wonderzoom.generation.embedded.editing import THINGS
from wonderzoom.generation.embedded.memory import PlacedThing
from wonderzoom.generation.embedded.standing import draw_things
from wonderzoom.generation.embedded.things import build
from wonderzoom.generation.stages import Edited, Layer, ZoomContext
from wonderzoom.scene_graph.camera import Camera, bounded_exp, quat_to_matrix
from wonderzoom.scene_graph.ports import Control
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Where the cameras stand around a thing: (yaw, pitch) in degrees; they see the sides that an orbit shows.
AROUND = ((-38.0, 0.0), (38.0, 0.0), (0.0, 30.0), (0.0, -25.0))
RIM = 3  # pixels behind a thing's edge that the picture under it reaches out: no crack when a camera moves
HIDDEN = 2.0  # pixels: deeper than this behind what a view shows, a point is not seen by it
MOST_SIDE = (
    420  # pixels of an auxiliary view's sides: a thing larger than that shows its sides in deeper zooms
)
MOST_THINGS = 4  # whose sides are traced: of many small ones, the largest
MARGIN = 1.15  # of the bounding sphere
MIN_PIXELS = 24  # fewer newly seen pixels are no layer


class EmbeddedAuxiliaryViews:
    """Stage ``auxiliary``."""

    def synthesise(self, context: ZoomContext, edited: Edited, main: Layer, control: Control) -> list[Layer]:
        """Fill behind new things, and their sides."""
        things = context.shared.get(THINGS)
        if edited.under is None or not isinstance(things, tuple) or not things:
            return []
        layers = [_behind(context, edited, edited.under, main)]
        chosen = _largest(things)
        seen: list[Layer] = [main]
        for number, thing in enumerate(chosen):
            for angles in AROUND:
                layer = _side(thing, angles, main.camera, seen, context.threads, control)
                if layer is not None:
                    layers.append(layer)
                    seen.append(layer)
            control.progress((number + 1) / len(chosen))
        return layers


def _largest(things: Sequence[PlacedThing]) -> list[PlacedThing]:
    return sorted(things, key=lambda thing: -thing.ln_unit)[:MOST_THINGS]


def _behind(context: ZoomContext, edited: Edited, under: F32, main: Layer) -> Layer:
    """The old surface where new things hide it."""
    size = 2 * RIM + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    hidden = cv2.dilate(edited.structure.astype(np.uint8), kernel) > 0
    zeta, _ = register_depth(context.observation.zeta, under, context.observation.factor)
    shown = main.mask & ~edited.structure  # there the main layer is this surface
    return Layer(main.camera, under, zeta, hidden & ~shown, "fill", FILL)


def _side(
    thing: PlacedThing,
    angles: tuple[float, float],
    camera: Camera,
    seen: Sequence[Layer],
    threads: int,
    control: Control,
) -> Layer | None:
    """What a camera beside a thing sees of it that no earlier layer does."""
    base = camera.view_point(thing.place.position)
    depth = 1.0 + float(base[2]) * camera.inverse_f
    shape = build(thing.kind, thing.seed, thing.color)
    radius = shape.radius * bounded_exp(thing.ln_unit - camera.ln_scale) / max(depth, 1e-3)
    if depth <= 1e-2 or MARGIN * 2 * radius > 4 * MOST_SIDE:
        return None
    side = int(min(MOST_SIDE, max(16, 2 * math.ceil(MARGIN * radius))))
    yaw, pitch = (math.radians(angle) for angle in angles)
    beside = camera.looking_at(base).orbited(yaw, pitch)
    view = _cropped(beside, thing, shape.centre, side)
    black = np.zeros((view.height, view.width, 3), np.float32)
    drawn = draw_things([thing], view, black, threads, control.cancelled)
    mask = drawn.owner >= 0
    if int(mask.sum()) < MIN_PIXELS:
        return None
    points = view.unproject(view.pixel_centres(), np.nan_to_num(drawn.zeta))
    for layer in seen:
        mask &= ~_sees(layer, view, points)
    if int(mask.sum()) < MIN_PIXELS:
        return None
    return Layer(view, drawn.image, drawn.zeta, mask, "auxiliary", STRUCTURE, drawn.normals)


def _cropped(camera: Camera, thing: PlacedThing, centre: NDArray[np.float64], side: int) -> Camera:
    """A square window of ``side`` pixels of a camera around a thing's bounding sphere, at the same scale."""
    unit_px = bounded_exp(thing.ln_unit - camera.ln_scale)
    middle = camera.rotation @ quat_to_matrix(thing.quat) @ centre * unit_px
    middle = middle + camera.view_point(thing.place.position)
    uv, _ = camera.project(middle)
    return replace(
        camera,
        cx=camera.cx + 0.5 * side - float(uv[0]),
        cy=camera.cy + 0.5 * side - float(uv[1]),
        width=side,
        height=side,
    )


def _sees(layer: Layer, view: Camera, points: NDArray[np.float64]) -> Mask:
    """Which view points [H, W, 3] of ``view`` an earlier layer shows: in its mask, not behind its depth."""
    matrix, origin = layer.camera.map_from(view)
    there = points @ matrix.T + origin
    uv, w = layer.camera.project(there)
    height, width = layer.mask.shape
    inside = (w > 1e-3) & (uv[..., 0] >= 0) & (uv[..., 0] < width) & (uv[..., 1] >= 0) & (uv[..., 1] < height)
    column = np.clip(uv[..., 0], 0, width - 1).astype(np.intp)
    row = np.clip(uv[..., 1], 0, height - 1).astype(np.intp)
    with np.errstate(invalid="ignore"):
        in_front = there[..., 2] <= layer.zeta[row, column] + HIDDEN * np.maximum(w, 1e-3)
    return inside & layer.mask[row, column] & in_front
