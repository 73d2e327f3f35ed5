"""I'_i: the view that was asked for, as fine as it was asked for (stage ``upscale``).

Nothing generated is ever enlarged: the photo's content goes on as detail of its chart, laid patches and
placed things are drawn again, in the order in which they came: moss on a beetle lies on the beetle. The result
agrees with what the coarse scene shows here. Things stand in front of the agreement, not in it: the surface is
corrected where one sees it, the things' own pixels are exact already.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import register_depth
from wonderzoom.generation.embedded.chart import Charts, ChartView
from wonderzoom.generation.embedded.consistency import consistent, toned
from wonderzoom.generation.embedded.laying import cover_of, lay
from wonderzoom.generation.embedded.memory import EmbeddedMemory, LaidMaterial, PlacedThing, history
from wonderzoom.generation.embedded.standing import Drawn, draw_things
from wonderzoom.generation.embedded.surface import draw_surface
from wonderzoom.generation.embedded.tracing import lin, srgb
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Things = tuple[PlacedThing, ...]

# Keys of ``ZoomContext.shared``: ChartView, zeta before anything new [H, W], relief in metres [H, W], and what
# stands in the view (Drawn or None).
CHART, ZETA, RELIEF, STANDING = "chart", "zeta", "relief", "standing"
# Observations within this many coarse pixels of a thing hold its colour.
BLEED = 1.5
VISIBLE = 0.02  # of a pixel: less of a thing does not colour the observation
OPAQUE = 0.995  # of a pixel: what lies behind so much of a thing is not drawn at all
LEAST_FACTOR = 1.05  # below, there is nothing to agree about
# Colour behind things comes from ever wider averages of what is seen beside them (coarse pixels).
WIDTHS = (2.0, 6.0, 18.0, 54.0)


class EmbeddedUpscaler:
    """Stage ``upscale``; keeps measured charts between zooms."""

    def __init__(self, charts: Charts) -> None:
        self._charts = charts

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> F32:
        """The view without anything new, [H, W, 3] sRGB in [0, 1]."""
        observation, threads = context.observation, context.threads
        factor = max(LEAST_FACTOR, observation.factor)
        zeta, _ = register_depth(observation.zeta, observation.color, observation.factor)
        chart = self._charts.view(
            context.world, context.parent.id, observation.camera, zeta, context.request.seed
        )
        context.shared[CHART], context.shared[ZETA] = chart, zeta
        brush = _Brush(chart, observation.camera, threads, control)
        ground, later = _in_order(history(context.world), chart)
        drawn = [brush.things(step) if isinstance(step, tuple) else None for step in later]
        control.progress(0.4)
        hidden = np.zeros(zeta.shape, np.float32)
        for step, things in zip(later, drawn, strict=True):
            np.maximum(hidden, brush.cover(step) if things is None else things.alpha, out=hidden)
        image, height = brush.surface(ground, hidden)
        control.progress(0.8)
        if float(hidden.min()) < OPAQUE:
            image = consistent(image, _without(observation.color, hidden, factor), factor)
        standing: Drawn | None = None
        for step, things in zip(later, drawn, strict=True):
            if things is not None:
                image, standing = over(things, image), _in_front(things, standing)
            elif not isinstance(step, tuple):
                image, height = brush.laid(step, image, height)
        context.shared[RELIEF], context.shared[STANDING] = height, standing
        return toned(image, observation.color, factor) if later else image


@dataclass(frozen=True, slots=True)
class _Brush:
    """Draws what nodes have added into one view."""

    chart: ChartView
    camera: Camera
    threads: int
    control: Control

    def surface(self, ground: list[LaidMaterial], hidden: F32) -> tuple[F32, F64]:
        """Picture and relief of the chart with the patches on it, where it is not hidden; black elsewhere."""
        image, height = np.zeros((*hidden.shape, 3), np.float32), np.zeros(hidden.shape)
        open_ = hidden < OPAQUE
        if not open_.any():
            return image, height
        rows, columns = np.flatnonzero(open_.any(1)), np.flatnonzero(open_.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        chart = self.chart
        seen = draw_surface(
            chart.picture,
            mirrored_places(chart.places[part], chart.picture.image.shape[:2]),
            np.ascontiguousarray(chart.scale[part]),
            chart.metres,
            chart.seed,
            self.threads,
            self.control.cancelled,
        )
        image[part], height[part] = np.clip(seen.image, 0.0, None), seen.height
        for material in ground:
            image, height = self.laid(material, image, height)
        return image, height

    def laid(self, material: LaidMaterial, image: F32, height: F64) -> tuple[F32, F64]:
        """Picture and relief with a patch over them."""
        chart = self.chart
        laid = lay(
            material, image, chart.places, chart.scale, chart.metres, self.threads, self.control.cancelled
        )
        return (
            (image, height) if laid is None else (laid.image, np.where(laid.cover > 0.5, laid.height, height))
        )

    def things(self, things: Things) -> Drawn:
        """Things over black."""
        black = np.zeros((*self.chart.scale.shape, 3), np.float32)
        return draw_things(things, self.camera, black, self.threads, self.control.cancelled)

    def cover(self, material: LaidMaterial | Things) -> F32:
        """How much of each pixel a patch covers."""
        assert isinstance(material, LaidMaterial)
        chart = self.chart
        return cover_of(material, chart.places, chart.scale, self.threads, self.control.cancelled)


def _in_order(
    memories: list[EmbeddedMemory], chart: ChartView
) -> tuple[list[LaidMaterial], list[LaidMaterial | Things]]:
    """(patches on the bare surface, then things and the patches on them) in the order in which they came.

    Patches of an outer chart are in the picture of this one already.
    """
    name = "" if chart.is_root else chart.node
    ground: list[LaidMaterial] = []
    later: list[LaidMaterial | Things] = []
    for memory in memories:
        for material in memory.materials:
            if material.chart == name:
                (later if later else ground).append(material)
        if memory.things:
            later.append(memory.things)
    return ground, later


def _in_front(new: Drawn, old: Drawn | None) -> Drawn:
    """The geometry of things with later things before them; the picture is that of the later ones alone."""
    if old is None:
        return new
    solid = new.owner >= 0
    number = new.owner + 1 + int(old.owner.max())
    return Drawn(
        new.image,
        np.maximum(new.alpha, old.alpha),
        np.where(solid, new.zeta, old.zeta),
        np.where(solid[..., None], new.normals, old.normals),
        np.where(solid, number, old.owner).astype(np.int32),
        new.shade,
    )


def over(drawn: Drawn, image: F32) -> F32:
    """Things that were drawn over black, over a picture instead (sRGB)."""
    if not (drawn.alpha > 0.0).any():
        return image
    return srgb(lin(image) * (1.0 - drawn.alpha[..., None]) + lin(drawn.image))


def _without(observed: F32, cover: F32, factor: float) -> F32:
    """The observation as if what covers the surface were not there: filled from beside it."""
    size = 2 * int(np.ceil(BLEED * factor)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    hidden = cv2.dilate((cover > VISIBLE).astype(np.uint8), kernel) > 0
    if not hidden.any() or hidden.all():
        return observed
    known = (~hidden).astype(np.float32)
    seen = observed * known[..., None]
    result, filled = observed.copy(), ~hidden
    for width in WIDTHS:
        sigma = width * factor
        mass = cv2.GaussianBlur(known, (0, 0), sigma)
        blurred = cv2.GaussianBlur(seen, (0, 0), sigma)
        take = ~filled & (mass > 1e-3)
        result[take] = blurred[take] / mass[take, None]
        filled = filled | take
    result[~filled] = seen.sum((0, 1)) / max(float(known.sum()), 1.0)
    return result


def mirrored_places(places: F64, size: tuple[int, ...]) -> F64:
    """Places [..., 2] beside a chart of ``size`` (height, width), mirrored into it: its border would be streaks."""
    limits = np.array([size[1], size[0]], np.float64)
    outside = (places < 0.0) | (places > limits)
    folded = limits - np.abs(np.mod(places, 2.0 * limits) - limits)
    return np.ascontiguousarray(np.where(outside, folded, places))


def chart_of(context: ZoomContext) -> ChartView:
    """The chart that the upscaler used in this zoom."""
    chart = context.shared.get(CHART)
    if not isinstance(chart, ChartView):
        raise ValueError("this stage works with the embedded upscaler, which has not run")
    return chart
