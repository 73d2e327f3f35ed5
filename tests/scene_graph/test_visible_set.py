"""A visible set has everything that can show, in one order, at a cost that follows what is seen."""

import importlib
import math
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from laws import law
from trees import Soil, Zoom, plant, zoom_lists
from worlds import nested_world

from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph import selection_loops
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.extent import bounds_interval
from wonderzoom.scene_graph.mips import level_count, make_mips, mip
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.selection_loops import WALK_BATCH
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World


def everything(world: World) -> VisibleSet:
    """All blocks, whatever the camera."""
    blocks = tuple(world.blocks)
    return VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), world.revision)


@settings(max_examples=12)
@given(
    zoom_lists(most=3),
    st.floats(-0.6, 0.6),
    st.integers(0, 3),
    st.floats(-1.2, 1.2),
    st.floats(-0.8, 0.8),
    st.floats(-2.0, 2.0),
    st.sampled_from(["optical_mass", "paper", "none"]),
    st.booleans(),
)
def test_what_is_left_out_would_not_show(
    zooms: tuple[Zoom, ...],
    tilt: float,
    which: int,
    yaw: float,
    pitch: float,
    ln_factor: float,
    modulation: str,
    radial: bool,
) -> None:
    """The oracle draws the same picture, to the last bit, from the visible set and from everything."""
    tree = plant(zooms, Soil(12, 9, tilt=tilt, radial=radial))
    world = tree.world()
    camera = tree.cameras[which % len(tree.cameras)].orbited(yaw, pitch).zoomed(math.exp(ln_factor))
    metric = "radial" if radial else "depth"
    how = RenderSettings(h_ref=9, metric=metric, modulation=modulation)  # type: ignore[arg-type]
    some, whole = visible_set(world, camera, how), everything(world)
    one, other = (ReferenceRenderer().render(visible, camera, how) for visible in (some, whole))
    assert np.array_equal(one.color, other.color)
    assert np.array_equal(one.alpha, other.alpha)
    assert one.drawn == other.drawn


@settings(max_examples=10)
@given(zoom_lists(most=4), st.integers(0, 4), st.floats(-1.0, 1.0))
def test_the_order_is_that_of_nodes_and_cells(zooms: tuple[Zoom, ...], which: int, ln_factor: float) -> None:
    """Whatever the order of insertion."""
    tree = plant(zooms)
    siblings = [k for k, parent in enumerate(tree.parents) if parent == 0]
    late = [0, *reversed(siblings), *(k for k, parent in enumerate(tree.parents) if parent > 0)]
    camera = tree.cameras[which % len(tree.cameras)].zoomed(math.exp(ln_factor))
    how = RenderSettings(h_ref=12)
    first, second = (visible_set(tree.world(order), camera, how) for order in (None, late))
    keys = [block.key for block in first.blocks]
    assert keys == sorted(keys) == [block.key for block in second.blocks]
    assert (first.mips, first.residencies) == ((0,) * len(keys), (1.0,) * len(keys))
    assert first.revision == len(tree.nodes)


def test_what_is_beside_the_picture_or_of_another_scale_is_left_out() -> None:
    """A set that holds everything would pass the laws above."""
    world, cameras = nested_world(3, ratio=8.0)
    names = [next(n for n, node in world.nodes.items() if node.views[0].camera == c) for c in cameras]
    how = RenderSettings(h_ref=36)
    assert names[3] in {block.node for block in visible_set(world, cameras[3], how).blocks}
    # From afar only the root shows; on the way down each node shows with what is left of the coarser ones.
    assert {block.node for block in visible_set(world, cameras[0].zoomed(0.7), how).blocks} == {names[0]}
    plain = visible_set(world, cameras[3], RenderSettings(h_ref=36, modulation="none"))
    assert {block.node for block in plain.blocks} == set(names)
    assert plain.surfel_count < sum(len(block.surfels) for block in world.blocks)
    half_way = visible_set(world, cameras[3].zoomed(1.0 / math.sqrt(8.0)), how)
    assert {names[2], names[3]} <= {block.node for block in half_way.blocks}
    assert names[3] not in {block.node for block in visible_set(world, cameras[2].zoomed(0.7), how).blocks}
    # One D beyond the plane, looking on: all of it lies behind.
    behind = replace(
        cameras[0], pivot=cameras[0].position(np.array([0.0, 0.0, 2.0 * math.exp(cameras[0].ln_f)]))
    )
    assert visible_set(world, behind, how).blocks == ()


def test_a_bias_of_octaves_shows_what_is_eight_times_coarser() -> None:
    world, cameras = nested_world(1, ratio=8.0)
    root = next(name for name, node in world.nodes.items() if node.parent is None)
    sharp = visible_set(world, cameras[1], RenderSettings(h_ref=36))
    coarse = visible_set(world, cameras[1], RenderSettings(h_ref=36, lod_bias=3.5))
    assert len({block.node for block in sharp.blocks} - {root}) == 1
    assert {block.node for block in coarse.blocks} == {root}


def pyramids(world: World) -> VisibleSet:
    """All levels of all blocks, whatever the camera."""
    drawn: list[tuple[Block, int, tuple[int, int]]] = []
    for block in world.blocks:
        count = level_count(block)
        make_mips([block], count, [view.camera for view in world.node(block.node).views])
        drawn += [(mip(block, level), level, (0, count - 1)) for level in range(count)]
    blocks, levels, shared = zip(*drawn, strict=True)
    return VisibleSet(blocks, levels, (1.0,) * len(blocks), world.revision, shared)


@settings(max_examples=6)
@given(
    zoom_lists(most=2), st.floats(-0.6, 0.6), st.integers(0, 2), st.floats(-0.8, 0.8), st.floats(-2.5, 0.5)
)
def test_levels_that_are_left_out_would_not_show(
    zooms: tuple[Zoom, ...], tilt: float, which: int, yaw: float, ln_factor: float
) -> None:
    """The same picture from the levels that a camera asks for and from all of them."""
    tree = plant(zooms, Soil(12, 9, tilt=tilt))
    world = tree.world()
    camera = tree.cameras[which % len(tree.cameras)].orbited(yaw, 0.2).zoomed(math.exp(ln_factor))
    how = RenderSettings(h_ref=9, mips=True)
    some, whole = visible_set(world, camera, how), pyramids(world)
    assert len(some.blocks) < len(whole.blocks)
    one, other = (ReferenceRenderer().render(visible, camera, how) for visible in (some, whole))
    np.testing.assert_allclose(one.color, other.color, atol=1e-6)
    assert one.drawn == other.drawn


@law(zoom_lists(most=4), st.integers(0, 4), st.floats(-1.5, 1.0), st.integers(1, 400), examples=8)
def test_law_8_a_budget_is_never_exceeded_and_drops_nothing(
    zooms: tuple[Zoom, ...], which: int, ln_factor: float, budget: int
) -> None:
    """It is kept to the surfel, by coarser levels of the same blocks; what was drawn before only matters
    where both fit."""
    tree = plant(zooms, Soil(24, 18))
    world = tree.world()
    camera = tree.cameras[which % len(tree.cameras)].zoomed(math.exp(ln_factor))
    free = visible_set(world, camera, RenderSettings(h_ref=18, mips=True))
    how = RenderSettings(h_ref=18, mips=True, budget=budget)
    kept = visible_set(world, camera, how)
    assert kept.surfel_count <= budget
    keys = {block.key for block in free.blocks}
    assert {block.key for block in kept.blocks} <= keys
    if budget >= len(keys):
        assert {block.key for block in kept.blocks} == keys
    if budget >= free.surfel_count:
        assert (kept.blocks, kept.shared) == (free.blocks, free.shared)
    assert visible_set(world, camera, how, kept).shared == kept.shared
    again = visible_set(world.copy(), camera, how)
    assert (again.mips, again.shared) == (kept.mips, kept.shared)
    with pytest.raises(ValueError, match="budget"):
        RenderSettings(budget=budget)


JITTER, STEPS = 1e-3, 8  # of the view; how often


@pytest.fixture(scope="module")
def layers() -> ModuleType:
    """Layers of thousands of blocks behind each other, as far as a choice can tell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).parents[2]))
        return importlib.import_module("benchmarks.scene_graph.visible_set")


@pytest.fixture(scope="module")
def layered(layers: ModuleType) -> World:
    return layers.layered(2500)


@law(
    ln_across=st.floats(math.log(3.0), math.log(40.0)),
    yaw=st.floats(0.1, 0.8),  # a view along the axes sees whole columns of equal blocks come at once
    pitch=st.floats(0.1, 0.8),
    share=st.floats(0.05, 1.2),
    turns=st.lists(st.floats(0.0, 2.0 * math.pi), min_size=STEPS, max_size=STEPS),
    examples=5,
)
def test_law_8_a_jitter_of_a_thousandth_of_the_view_flips_few_blocks(
    layers: ModuleType,
    layered: World,
    ln_across: float,
    yaw: float,
    pitch: float,
    share: float,
    turns: list[float],
) -> None:
    """Less than 1 % of them change their level from one frame to the next, in the mean over some steps around one
    place; the budget is a share of what would be drawn without one."""
    across = math.exp(ln_across)  # cells
    camera = layers.camera(across, 0).orbited(yaw, pitch)
    free = visible_set(layered, camera, RenderSettings(h_ref=layers.HEIGHT, mips=True))
    budget = max(1, int(share * layers.size_of(free)))
    how = RenderSettings(h_ref=layers.HEIGHT, mips=True, budget=budget)
    before = visible_set(layered, camera, how)
    flips = seen = 0
    for turn in turns:
        step = JITTER * across * np.array([math.cos(turn), math.sin(turn), 0.0])
        moved = replace(camera, pivot=camera.pivot.moved(camera.rotation.T @ step))
        after = visible_set(layered, moved, how, before)
        assert layers.size_of(after) <= budget
        known, new = layers.levels_of(before), layers.levels_of(after)
        flips += sum(known[key] != new[key] for key in known.keys() & new.keys())
        seen += len(known)
        before = after
    assert seen > 100 * STEPS
    assert flips < 0.01 * seen


def test_what_was_drawn_before_is_known_across_commits() -> None:
    """By node and cell where the world has changed since."""
    world, cameras = nested_world(1)
    how = RenderSettings(h_ref=36, mips=True, budget=600)
    camera = cameras[0].zoomed(0.9)
    before = visible_set(world, camera, how)
    rows = np.arange(len(before.chosen[0])) if before.chosen else np.empty(0)
    assert len(rows) == len({block.key for block in before.blocks})
    world.revision += 1
    assert visible_set(world, camera, how, before).shared == before.shared


def specks(count: int, first: int) -> list[Block]:
    """Blocks of one surfel in a row of cells that begins at index ``first``."""
    surfels = Surfels(
        np.zeros((1, 3), np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.full((1, 2), -4.5, np.float32),
        np.full(1, 0.5, np.float32),
        np.zeros((1, 3), np.uint8),
        np.full(1, -4.2, np.float32),
        np.zeros(1, np.uint16),
        np.zeros(1, np.uint8),
    )
    return [Block(Cell(10, first + i, 900, 900), "a", surfels, Bounds.open(1)) for i in range(count)]


def test_cost_follows_what_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted in cells and blocks that a walk tests: four times the content elsewhere costs a batch more."""
    visited: list[int] = []
    tested = selection_loops.boxes_in_pixels

    def counted(centres: np.ndarray, edges: np.ndarray, boxes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        visited[-1] += len(edges)
        return tested(centres, edges, boxes)

    monkeypatch.setattr(selection_loops, "boxes_in_pixels", counted)
    near = specks(60, 1000)
    ln_scale = -10.0 * math.log(2.0) - math.log(64.0)  # a cell spans 64 pixels
    pivot = Position(Cell(10, 1030, 900, 900), (0.0, 0.0, 0.0))
    camera = Camera(pivot, (1.0, 0.0, 0.0, 0.0), ln_scale + 6.0, 6.0, 6.0, 320.0, 240.0, 640, 480)
    for elsewhere in (600, 2400):
        tree = Octree()
        tree.change(added=[*near, *specks(elsewhere, 1 << 20)])
        visited.append(0)
        assert 5 < len(tree.touching(camera)) < len(near)
    assert visited[1] <= visited[0] + WALK_BATCH


def test_intervals_cull_as_weights_do() -> None:
    """Blocks that a set leaves out for their scale have no weight there, and the others may have."""
    world, cameras = nested_world(2, ratio=4.0)
    how = RenderSettings(h_ref=36)
    for factor in (0.3, 1.0, 2.0):
        camera = cameras[2].zoomed(factor)
        r = camera.ln_render_scale(36)
        kept = {block.key for block in visible_set(world, camera, how).blocks}
        for block in world.octree.touching(camera, 2.0):
            low, high = bounds_interval(block.cell, block.bounds)
            if low + 0.5 < r < high - 0.5:
                assert block.key in kept
            if r < low - 0.5 or r > high + 0.5:
                assert block.key not in kept
