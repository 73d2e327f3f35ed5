"""The memory stage: what the embedded generator keeps with a node (see ``memory`` for the record itself)."""

from __future__ import annotations

import math

import numpy as np

from wonderzoom.generation.embedded.chart import (
    ChartView,
    chart_node,
    metres_below,
    places_on,
    starts_chart,
    wrapped,
)
from wonderzoom.generation.embedded.editing import PROMPTED, Prompted
from wonderzoom.generation.embedded.memory import EmbeddedMemory, metres_per_pixel
from wonderzoom.generation.embedded.outpainting import BESIDE
from wonderzoom.generation.embedded.upscaling import CHART
from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.stages import Edited, InitialDepth, Layer, ZoomContext


class MemoryStage:
    """``stages.Memory`` of the embedded generator; holds no state between calls."""

    def initial(self, request: CreateRequest, depth: InitialDepth, main: Layer) -> bytes:
        """Of E_0: how large a pixel of the picture is at the depth of its pivot."""
        ground = ~depth.sky if not depth.sky.all() else np.ones_like(depth.sky)
        pivot_depth = float(np.median(depth.depth[ground]))
        metres = pivot_depth * depth.metres_per_unit * math.exp(-main.camera.ln_f)
        return EmbeddedMemory(metres_per_pixel=metres).encode()

    def after_zoom(self, context: ZoomContext, edited: Edited) -> bytes:
        """Of E_i: what its prompt added; the size of a chart pixel goes down the chain."""
        prompted = context.shared.get(PROMPTED)
        added = prompted if isinstance(prompted, Prompted) else Prompted()
        chart = context.shared.get(CHART)
        metres, starts = metres_per_pixel(context.world, context.parent), False
        beside = context.shared.get(BESIDE) is True
        if isinstance(chart, ChartView):
            metres, starts = metres_below(chart, beside), beside or starts_chart(chart)
        return EmbeddedMemory(
            metres_per_pixel=metres,
            chart=starts,
            things=added.things,
            materials=added.materials,
            measured=beside and starts,
        ).encode()


class ForeignMemoryStage(MemoryStage):
    """``stages.Memory`` of a generator whose pictures a model makes: each is a chart, measured as a photo is."""

    def after_zoom(self, context: ZoomContext, edited: Edited) -> bytes:
        """Of E_i: how large a pixel of its picture is, and what an embedded editor has added."""
        prompted = context.shared.get(PROMPTED)
        added = prompted if isinstance(prompted, Prompted) else Prompted()
        camera, zeta = context.observation.camera, context.observation.zeta
        chart = chart_node(context.world, context.parent.id)
        _, scale = places_on(chart.main.camera, camera, np.nan_to_num(zeta))
        middle = float(scale[scale.shape[0] // 2, scale.shape[1] // 2])
        metres = wrapped(metres_per_pixel(context.world, context.parent) * middle)
        return EmbeddedMemory(
            metres_per_pixel=metres, chart=True, measured=True, things=added.things, materials=added.materials
        ).encode()
