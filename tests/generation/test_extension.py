"""A camera that looks beside what exists: what is closed, what is left alone, and how the new joins the old."""

import math
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_generator import PlainStages, failing_at, plain_generator

from wonderzoom.generation.extension import (
    EMPTY_SHARE,
    Beside,
    factor_of,
    holes_of,
    is_empty,
    joined,
    seen_sky,
)
from wonderzoom.generation.jobs import AlreadyCovered, CreateRequest, GenerationError, ZoomRequest
from wonderzoom.generation.observation import observe
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.stages import Outpainted, ZoomContext
from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.ports import Control, FitSettings, RenderedView
from wonderzoom.scene_graph.surfels import STRUCTURE, block_hash
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

SIZE = (96, 72)
FIT = FitSettings(iterations=12)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def pipeline(renderer: CpuRenderer, stages: PlainStages | None = None, outpaints: bool = True) -> Pipeline:
    return Pipeline(plain_generator(stages, outpaints), renderer, CpuFitter(1), 1, FIT)


@pytest.fixture(scope="module")
def created(renderer: CpuRenderer) -> World:
    """A floor under a sky."""
    coarse = np.random.default_rng(0).random((SIZE[1] // 8, SIZE[0] // 8, 3))
    picture = np.clip(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), 0.0, 1.0)
    depth = np.repeat(np.linspace(4.0, 2.0, SIZE[1], dtype=np.float32)[:, None], SIZE[0], 1)
    sky = np.zeros((SIZE[1], SIZE[0]), np.bool_)
    sky[: SIZE[1] // 3] = True
    request = CreateRequest((picture * 255).astype(np.uint8), depth=depth, sky=sky, focal=80.0)
    made = pipeline(renderer).create(request)
    world = World(made.header)
    world.apply(made.commit)
    return world


def panned(world: World, across: float, down: float = 0.0) -> Camera:
    """The root's frame, moved by so much of its size."""
    assert world.root is not None
    frame = frame_of(world.root, world.header)
    point = frame.unproject(
        np.array([(0.5 + across) * frame.width, (0.5 + down) * frame.height]), np.array(0.0)
    )
    return frame.looking_at(point)


def look(world: World, renderer: CpuRenderer, camera: Camera) -> RenderedView:
    settings = settings_of(world.header)
    return renderer.render(visible_set(world, camera, settings), camera, settings)


def empty(world: World, renderer: CpuRenderer, camera: Camera) -> float:
    """Share of the frame that shows nothing."""
    return float((look(world, renderer, camera).alpha < 0.5).mean())


@pytest.mark.parametrize("knows_depth", [True, False])
@pytest.mark.parametrize("across", [0.3, -0.3])
def test_a_view_beside_what_exists_is_closed_and_what_was_there_is_not_touched(
    created: World, renderer: CpuRenderer, across: float, knows_depth: bool
) -> None:
    world, camera = created.copy(), panned(created, across)
    before = {block.key: block.hash for block in world.blocks}
    assert empty(world, renderer, camera) > 0.2
    made = pipeline(renderer, PlainStages(knows_depth=knows_depth)).zoom(world, ZoomRequest(camera))
    assert world.digest() == created.digest()
    world.apply(made.commit)
    assert empty(world, renderer, camera) <= 0.005
    assert look(world, renderer, camera).alpha.min() > 0.7  # at the seam, too
    now = {b.key: block_hash(b.cell, b.node, b.surfels) for b in world.blocks if b.key in before}
    assert now == before
    assert world.check() == []
    assert {view.role for view in world.node(made.node).views} == {"main", "sky"}


def test_nothing_lies_twice_and_stays_when_one_steps_back(created: World, renderer: CpuRenderer) -> None:
    """Surfels are new only where nothing is; with nothing coarser to fade into, they have no parent."""
    world, camera = created.copy(), panned(created, 0.3)
    observation = observe(world, camera, renderer)
    holes = holes_of(world, observation)
    made = pipeline(renderer).zoom(world, ZoomRequest(camera))
    masks = [view.mask for view in made.commit.added[0].views]
    assert np.array_equal(np.any(masks, axis=0), holes)
    assert not (holes & observation.covered & (observation.alpha > 0.9)).any()
    assert all((block.surfels.kind == STRUCTURE).all() for block in made.commit.blocks)
    assert all(np.isinf(block.bounds.parent).all() for block in made.commit.blocks)
    world.apply(made.commit)
    back = camera.zoomed(0.4)
    assert look(world, renderer, back).alpha.mean() > look(created, renderer, back).alpha.mean() + 0.02


def test_the_same_request_gives_the_same_and_is_then_covered(created: World, renderer: CpuRenderer) -> None:
    world, camera = created.copy(), panned(created, 0.25, -0.1)
    first, again = (pipeline(renderer).zoom(world, ZoomRequest(camera)) for _ in range(2))
    world.apply(first.commit)
    other = created.copy()
    other.apply(again.commit)
    assert world.digest() == other.digest()
    with pytest.raises(AlreadyCovered) as error:
        pipeline(renderer).zoom(world, ZoomRequest(camera))
    assert error.value.node in world.nodes
    # Whoever leaves, what is left is what it would be alone.
    left = pipeline(renderer).zoom(world, ZoomRequest(panned(created, -0.3)))
    world.apply(left.commit)
    world.apply(world.propose_removal(first.node))
    alone = created.copy()
    (node,) = left.commit.added
    alone.apply(alone.propose(node, [(block.cell, block.surfels) for block in left.commit.blocks]))
    assert world.digest() == alone.digest()
    world.apply(world.propose_removal(left.node))
    assert world.digest() == created.digest()


def test_a_zoom_at_the_rim_is_closed_too(created: World, renderer: CpuRenderer) -> None:
    world, camera = created.copy(), panned(created, 0.45, 0.2).zoomed(3.0)
    assert empty(world, renderer, camera) > 0.1
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(camera)).commit)
    assert empty(world, renderer, camera) <= 0.005


def test_a_generator_that_paints_nothing_leaves_it_empty(created: World, renderer: CpuRenderer) -> None:
    camera = panned(created, 0.3)
    with pytest.raises(AlreadyCovered):
        pipeline(renderer, outpaints=False).zoom(created, ZoomRequest(camera))


def test_a_failure_leaves_the_world_alone(created: World, renderer: CpuRenderer) -> None:
    digest = created.digest()
    with pytest.raises(GenerationError):
        pipeline(renderer, PlainStages(failing_at("outpaint"))).zoom(
            created, ZoomRequest(panned(created, 0.3))
        )
    assert created.digest() == digest


def test_what_is_full_is_not_extended(created: World, renderer: CpuRenderer) -> None:
    camera = panned(created, 0.0).zoomed(2.0)
    observation = observe(created, camera, renderer)
    assert not is_empty(holes_of(created, observation))
    assert factor_of(observation) == pytest.approx(2.0, rel=0.1)
    sky = seen_sky(created, observation)
    assert sky[:10].all() and not sky[-40:].any()
    assert 0.0 < EMPTY_SHARE <= 0.01


@settings(max_examples=25, deadline=None)
@given(
    shift=st.floats(-0.15, 0.15),
    tilt=st.floats(-0.3, 0.3),
    border=st.integers(12, 36),
    octaves=st.integers(0, 60),
)
def test_new_depth_meets_the_old_at_the_rim_and_is_itself_beyond(
    shift: float, tilt: float, border: int, octaves: int
) -> None:
    """A plane, and an estimate of its other half that is off by a factor: no step at the seam, at any depth."""
    height, width = 24, 48
    camera = initial_camera(40.0, width, height, 0.0).zoomed(2.0**octaves)
    perspective = max(camera.inverse_f, 1e-9)
    scale = min(1.0, 1.0 / (40.0 * perspective))  # native pixels of the plane's relief
    true = np.broadcast_to(tilt * (np.arange(width) - 24.0) * scale, (height, width)).astype(np.float64)
    holes = np.broadcast_to(np.arange(width) >= border, (height, width))
    seen = np.where(holes, np.nan, true).astype(np.float32)
    off = (np.exp(np.log1p(true * perspective) + shift * 40.0 * scale * perspective) - 1.0) / perspective
    nothing = np.zeros_like(holes)
    estimated = np.where(holes, off, true).astype(np.float32)
    found = joined(camera, estimated, seen, Beside(holes, nothing, seen), nothing)
    assert np.array_equal(found[~holes], seen[~holes])
    step = np.abs(found[:, border] - seen[:, border - 1])
    assert step.max() <= abs(tilt) * scale + 0.1 * abs(shift) * 40.0 * scale + 1e-3
    far = np.abs(found - off)[:, -1].max()
    lacks = abs(shift) * 40.0 * scale * 1.2 + 3.0 * abs(tilt) * scale
    assert far <= lacks * math.exp(-(width - border - 3) / 4.8) + 1e-3


def test_new_content_hides_the_fill_that_it_replaces() -> None:
    camera = initial_camera(40.0, 48, 24, 0.0)
    seen = np.zeros((24, 48), np.float32)
    seen[:, 30:] = 10.0
    seen[:, 40:] = np.nan
    holes = np.zeros(seen.shape, np.bool_)
    holes[:, 30:] = True
    nothing = np.zeros_like(holes)
    found = joined(camera, np.full_like(seen, 25.0), seen, Beside(holes, nothing, seen), nothing)
    assert (found[:, 30:40] < 10.0).all() and np.isfinite(found).all()
    assert np.isclose(found[:, 47], 25.0, atol=1.0).all()


class OnlySky(PlainStages):
    """Paints nothing but sky."""

    def outpaint(self, context: ZoomContext, holes: np.ndarray, control: Control) -> Outpainted:
        return replace(super().outpaint(context, holes, control), sky=holes)


def test_a_look_at_nothing_but_more_sky_is_an_extension(created: World, renderer: CpuRenderer) -> None:
    world = created.copy()
    camera = panned(created, 0.0, -0.4).zoomed(1.3)
    assert empty(world, renderer, camera) > 0.05
    made = pipeline(renderer, OnlySky()).zoom(world, ZoomRequest(camera))
    world.apply(made.commit)
    assert empty(world, renderer, camera) <= 0.005
    assert world.check() == []
