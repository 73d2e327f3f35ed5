"""What surfels of real pictures weigh on the wire, and how their pictures look after it (docs/adr/0019)."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pytest
from photo_world import photo

from wonderzoom.clients.blocks import block_of
from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import aim, frame_of, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.runtime.surfel_blocks import bounds_of, payload_of, wire_name
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import FitSettings
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World


@dataclass(frozen=True)
class Made:
    """A world that the embedded generator made of a photo and zoomed into once, and the cameras of its two frames."""

    world: World
    cameras: tuple[Camera, Camera]
    renderer: CpuRenderer


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    with CpuRenderer(1) as renderer:
        pipeline = Pipeline(EmbeddedGenerator(1), renderer, CpuFitter(1), 1, FitSettings())
        first = pipeline.create(CreateRequest(photo(144, 108), seed=5))
        world = World(first.header)
        world.apply(first.commit)
        root = world.node(first.node)
        zoomed = pipeline.zoom(
            world, ZoomRequest(aim(world, renderer, root, (0.43, 0.5), 4.0).camera, seed=2)
        )
        world.apply(zoomed.commit)
        frames = frame_of(world.node(root.id), world.header), frame_of(world.node(zoomed.node), world.header)
        yield Made(world, frames, renderer)


def sent(level: Block) -> tuple[Block, int]:
    """A block after the wire, and the bytes that it took there."""
    payload, bounds = payload_of(level), bounds_of(level)
    return block_of(level.node, level.cell, payload, bounds, level.hash), len(payload) + len(bounds)


def test_a_surfel_of_a_real_picture_is_twelve_bytes(made: Made) -> None:
    blocks = made.world.blocks
    weight = sum(sent(block)[1] for block in blocks)
    assert any(block.children for block in blocks) and any(block.parents for block in blocks)
    assert weight <= 12.0 * sum(block.count for block in blocks)


def test_pictures_of_what_was_sent_are_45_decibels_from_those_of_the_world(made: Made) -> None:
    settings = settings_of(made.world.header)
    # Whole, orbited, between the two scales where both are half there, and so small that pyramids are drawn.
    root, zoomed = made.cameras
    for camera in (
        root,
        root.orbited(0.15, 0.1),
        root.resized(72, 54),
        zoomed,
        zoomed.zoomed(0.5),
        zoomed.zoomed(0.7),
    ):
        visible = visible_set(made.world, camera, settings)
        known = replace(visible, blocks=tuple(sent(level)[0] for level in visible.blocks), chosen=None)
        exact, after = (made.renderer.render(each, camera, settings).color for each in (visible, known))
        error = float(np.mean((exact.astype(np.float64) - after) ** 2))
        assert 10.0 * math.log10(1.0 / error) >= 45.0
        assert exact.std() > 0.01


def test_levels_have_names_of_their_own(made: Made) -> None:
    visible = visible_set(made.world, made.cameras[0].resized(36, 27), settings_of(made.world.header))
    names = [wire_name(level, number) for level, number in zip(visible.blocks, visible.mips, strict=True)]
    assert len(set(names)) == len(names) and {len(name) for name in names} == {16}
    one = visible.blocks[0]
    assert len({wire_name(one, number) for number in range(9)}) == 9
