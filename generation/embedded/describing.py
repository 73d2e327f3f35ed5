"""Words for what a view shows, from the world's own provenance (stage ``describe``).

No model looks at pixels: materials are those of the chart at this place, things those that stand in the view.
"""

from __future__ import annotations

import numpy as np

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.chart import Charts
from wonderzoom.generation.embedded.memory import gather
from wonderzoom.generation.embedded.standing import Standing
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Control

# A material on less of the view than this is not what it shows.
MENTIONED = 0.15
# Places that are looked at: a few dozen across the view say which materials there are.
STRIDE = 16


class EmbeddedDescriber:
    """Stage ``describe``."""

    def __init__(self, charts: Charts) -> None:
        self._charts = charts

    def describe(self, context: ZoomContext, control: Control) -> tuple[str, ...]:
        """Materials, the commonest first, then things."""
        observation = context.observation
        zeta = fill_from_nearest(np.nan_to_num(observation.zeta), np.isfinite(observation.zeta))
        chart = self._charts.view(
            context.world, context.parent.id, observation.camera, zeta, context.request.seed
        )
        materials = chart.picture.materials
        height, width = materials.weights.shape[:2]
        places = chart.places[::STRIDE, ::STRIDE].reshape(-1, 2)
        column = np.clip(places[:, 0].astype(int), 0, width - 1)
        row = np.clip(places[:, 1].astype(int), 0, height - 1)
        share = materials.weights[row, column].mean(0)
        order = np.argsort(-share, kind="stable")
        words = [materials.names[i] for i in order if share[i] > MENTIONED]
        camera = observation.camera
        for thing in gather(context.world)[0]:
            if Standing.of(thing, camera).window(camera) is not None and thing.kind not in words:
                words.append(thing.kind)
        return tuple(words)
