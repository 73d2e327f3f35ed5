"""Sixty zooms of 8x by the embedded generator: each finds what it needs, remembers little, and is seen and picked."""

import math

import numpy as np
import pytest
from photo_world import photo

from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import aim, frame_of, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.picking import pick
from wonderzoom.scene_graph.ports import FitSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

# Off the edge between the two halves of the photo, and further from the rim than a coarse surfel reaches.
AT = (0.43, 0.5)


def counted(visible: VisibleSet) -> list[int]:
    return [len(block.surfels) for block in visible.blocks]


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_sixty_zooms_are_as_good_at_the_end_as_at_the_start() -> None:
    with CpuRenderer(1) as renderer:
        pipeline = Pipeline(EmbeddedGenerator(1), renderer, CpuFitter(1), 1, FitSettings(iterations=20))
        made = pipeline.create(CreateRequest(photo(144, 108), seed=5))
        world = World(made.header)
        world.apply(made.commit)
        node = world.node(made.node)
        first, settings = node.main.camera, settings_of(world.header)
        counts: list[int] = []
        detail: list[float] = []
        for number in range(60):
            zoomed = pipeline.zoom(world, ZoomRequest(aim(world, renderer, node, AT, 8.0).camera, seed=2))
            world.apply(zoomed.commit)
            node = world.node(zoomed.node)
            assert len(node.generator_state) < 4096
            camera = frame_of(node, world.header)
            visible = visible_set(world, camera, settings)
            seen = renderer.render(visible, camera, settings)
            found = pick(seen, visible, camera, camera.cx, camera.cy)
            assert found is not None, number
            uv, _ = camera.project(camera.view_point(found.position))
            assert np.abs(uv - [camera.cx, camera.cy]).max() < 0.5
            assert np.quantile(seen.alpha, 0.05) > 0.9, number
            owners = np.repeat([block.node == node.id for block in visible.blocks], counted(visible))
            assert owners[seen.surfel_ids[seen.surfel_ids >= 0]].mean() > 0.9, number
            counts.append(seen.drawn)
            detail.append(float(seen.color.std()))
        assert first.ln_scale - node.main.camera.ln_scale > 59.0 * math.log(8.0)
        # No deeper frame costs more, and none is a blank wall.
        assert max(counts[30:]) <= 1.5 * max(counts[5:30])
        assert min(detail) > 0.01
        assert world.check() == []
