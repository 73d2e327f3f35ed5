"""I'_i: the view that was asked for, as fine as it was asked for (stage ``upscale``).

Nothing generated is ever enlarged: the photo's content goes on as detail of its chart, laid patches and
placed things are drawn again. The result agrees with what the coarse scene shows here. Things stand in front of
the agreement, not in it: the surface is corrected where one sees it, the things' pixels are exact already.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import register_depth
from wonderzoom.generation.embedded.chart import Charts, ChartView
from wonderzoom.generation.embedded.consistency import consistent
from wonderzoom.generation.embedded.laying import lay
from wonderzoom.generation.embedded.memory import gather
from wonderzoom.generation.embedded.standing import Drawn, draw_things
from wonderzoom.generation.embedded.surface import draw_surface
from wonderzoom.generation.embedded.tracing import lin, srgb
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Keys of ``ZoomContext.shared``: ChartView, zeta before anything new [H, W], relief in metres [H, W], Drawn.
CHART, ZETA, RELIEF, STANDING = "chart", "zeta", "relief", "standing"
# Observations within this many coarse pixels of a thing hold its colour.
BLEED = 1.5
VISIBLE = 0.02  # of a pixel: less of a thing does not colour the observation
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
        surface = draw_surface(
            chart.picture, chart.places, chart.scale, chart.metres, chart.seed, threads, control.cancelled
        )
        control.progress(0.6)
        things, materials = gather(context.world)
        image, height = np.clip(surface.image, 0.0, None), surface.height
        for each in materials:
            if each.chart != ("" if chart.is_root else chart.node):
                continue  # an outer chart's: it is in the picture of this one
            laid = lay(each, image, chart.places, chart.scale, chart.metres, threads, control.cancelled)
            if laid is not None:
                image, height = laid.image, np.where(laid.cover > 0.5, laid.height, height)
        context.shared[RELIEF] = height
        control.progress(0.75)
        black = np.zeros_like(image)
        drawn = draw_things(things, observation.camera, black, threads, control.cancelled)
        context.shared[STANDING] = drawn
        control.progress(0.9)
        behind = _without(observation.color, drawn, factor)
        image = consistent(image.astype(np.float32), behind, factor)
        return over(drawn, image)


def over(drawn: Drawn, image: F32) -> F32:
    """Things that were drawn over black, over a picture instead (sRGB)."""
    if not (drawn.alpha > 0.0).any():
        return image
    return srgb(lin(image) * (1.0 - drawn.alpha[..., None]) + lin(drawn.image))


def _without(observed: F32, drawn: Drawn, factor: float) -> F32:
    """The observation as if the things were not there: filled from beside them."""
    size = 2 * int(np.ceil(BLEED * factor)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    hidden = cv2.dilate((drawn.alpha > VISIBLE).astype(np.uint8), kernel) > 0
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


def chart_of(context: ZoomContext) -> ChartView:
    """The chart that the upscaler used in this zoom."""
    chart = context.shared.get(CHART)
    if not isinstance(chart, ChartView):
        raise ValueError("this stage works with the embedded upscaler, which has not run")
    return chart
