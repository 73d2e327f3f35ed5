"""What is seen is chosen alike by compiled loops and by numpy's, to the bit, wherever cells, depths and scales lie."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np
import pytest
from deep_chain import plane_chain
from hypothesis import strategies as st
from laws import law
from numpy.typing import NDArray
from scene_strategies import cameras, cells
from trees import Soil, Zoom, plant, zoom_lists

from wonderzoom.runtime.renderers import selection_kernels
from wonderzoom.runtime.renderers.selection_kernels import CompiledLoops
from wonderzoom.scene_graph import selection_loops
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.columns import MOST_LEVELS, BlockColumns
from wonderzoom.scene_graph.frustum import CellTable
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.refinement import Candidates
from wonderzoom.scene_graph.selection_loops import Gaze, NumpyLoops, SelectionLoops
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels
from wonderzoom.scene_graph.visible_set import visible_set, wanted_rows
from wonderzoom.scene_graph.world import World

BOTH = (NumpyLoops(), CompiledLoops())


@contextmanager
def using(loops: SelectionLoops) -> Generator[None]:
    before = selection_loops.use(loops)
    try:
        yield
    finally:
        selection_loops.use(before)


def sets(world: World, views: list[Camera], how: RenderSettings) -> list[list[object]]:
    """The visible sets of a viewer who goes through some views, by each of the loops."""
    found: list[list[object]] = []
    for loops in BOTH:
        before: VisibleSet | None = None
        found.append([])
        with using(loops):
            for camera in views:
                before = visible_set(world, camera, how, before)
                standing = wanted_rows(world, camera, how, standing_by=True).tolist()
                found[-1].append((before.blocks, before.mips, before.shared, standing))
    return found


@law(
    zoom_lists(most=5),
    st.floats(-0.8, 0.8),
    st.sampled_from([0, 300]),
    st.integers(0, 5),
    st.lists(st.floats(-3.0, 3.0), min_size=1, max_size=4),
    st.none() | st.integers(1, 2000),
    st.booleans(),
    st.sampled_from(["optical_mass", "none"]),
    examples=8,
)
def test_the_same_is_seen(
    zooms: tuple[Zoom, ...],
    tilt: float,
    down: int,
    which: int,
    factors: list[float],
    budget: int | None,
    radial: bool,
    modulation: str,
) -> None:
    """Of random trees, through a viewer's zooms and turns, with what was drawn before told."""
    tree = plant(zooms, Soil(24, 18, tilt=tilt, levels_down=down, radial=radial))
    camera = tree.cameras[which % len(tree.cameras)]
    views = [camera.orbited(0.3 * factor, 0.2 * factor).zoomed(math.exp(factor)) for factor in factors]
    metric = "radial" if radial else "depth"
    how = RenderSettings(18, metric, modulation=modulation, mips=True, budget=budget)  # type: ignore[arg-type]
    compiled, expected = sets(tree.world(), views, how)
    assert compiled == expected


def test_the_same_is_seen_deep_down() -> None:
    """Where blocks far larger than the view are asked surfel by surfel, and cells have hundreds of anchors."""
    chain = plane_chain(20)
    views = [chain.cameras[k].zoomed(factor) for k in (20, 3, 13) for factor in (0.3, 1.0, 2.7)]
    compiled, expected = sets(chain.world, views, RenderSettings(h_ref=chain.world.header.h_ref, mips=True))
    assert compiled == expected
    assert all(blocks for blocks, *_ in expected)  # type: ignore[misc]


@law(cameras(), st.integers(0, 12), st.integers(1, 60), st.booleans(), st.integers(0, 2**32 - 1), examples=40)
def test_the_same_blocks_are_met(camera: Camera, up: int, count: int, any_scale: bool, seed: int) -> None:
    """From any camera, of cells of many sizes around its pivot, also where there is no room for them at first."""
    rng = np.random.default_rng(seed)
    above, tree = camera.pivot.cell.ancestor(up), Octree()
    made: dict[Cell, Block] = {}
    for down in rng.integers(0, 2 * up + 2, count).tolist():
        near = [(i << down) + int(rng.integers(0, 1 << down)) for i in above.index]
        cell = Cell(above.level + down, *near)
        made[cell] = speck(cell, rng)
    tree.change(added=made.values())
    offset = None if any_scale else camera.ln_render_scale(64)
    cramped = CompiledLoops()
    cramped._room = 9
    found: list[list[int]] = []
    for loops in (*BOTH, cramped):
        with using(loops):
            found.append(sorted(tree.walk(camera, 4.0, offset, radial=bool(seed % 2)).tolist()))
    assert found[0] == found[1] == found[2]


def speck(cell: Cell, rng: np.random.Generator) -> Block:
    """A block of one surfel anywhere in a cell, from a point to half of it, with or without bounds."""
    surfel = Surfels(
        rng.uniform(-0.5, 0.5, (1, 3)).astype(np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        rng.uniform(-11.0, -2.0, (1, 2)).astype(np.float32),
        np.full(1, 0.5, np.float32),
        np.zeros((1, 3), np.uint8),
        np.full(1, -4.2, np.float32),
        np.zeros(1, np.uint16),
        np.zeros(1, np.uint8),
    )
    bounds = Bounds.open(1)
    if rng.random() < 0.5:
        bounds = replace(
            bounds, parent=np.float32(rng.uniform(-4.0, 0.0, 1)), child=np.float32(rng.uniform(-9.0, -4.5, 1))
        )
    return Block(cell, "a", surfel, bounds)


@law(
    cameras(),
    st.lists(cells(), min_size=1, max_size=8),
    st.booleans(),
    st.integers(0, 2**32 - 1),
    examples=40,
)
def test_what_blocks_ask_for_is_the_same(camera: Camera, some: list[Cell], radial: bool, seed: int) -> None:
    """Near, far, behind, beyond what float64 can square, of boxes that are points."""
    rng = np.random.default_rng(seed)
    rows, blocks = np.arange(len(some)), BlockColumns()
    boxes = rng.uniform(-0.6, 0.0, (len(some), 2, 3)) * rng.choice([0.0, 1.0], (len(some), 1, 1))
    boxes[:, 1] *= -1.0
    blocks.slot[rows], blocks.box[rows], blocks.levels[rows] = rows, boxes, rng.integers(1, 10, len(some))
    blocks.native[rows] = np.sort(camera.ln_scale + rng.uniform(-5.0, 5.0, (len(some), 2)))
    blocks.sizes[rows] = rng.integers(0, 1000, (len(some), MOST_LEVELS))
    gaze = Gaze.of(camera, 4.0, radial=radial)
    one, other = (
        loops.ask(rows, blocks, CellTable.of(some).seen_from(camera), gaze, camera) for loops in BOTH
    )
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name))


@law(st.integers(0, 3000), st.integers(0, 2**32 - 1), examples=20)
def test_rows_are_ordered_matched_and_spread_alike(count: int, seed: int) -> None:
    """Some of many, in no order; others of which some are the same."""
    rng = np.random.default_rng(seed)
    blocks = BlockColumns()
    blocks.make_room(5000)
    blocks.rank[:5000] = rng.permutation(5000) * rng.integers(1, 1000)
    some, others = (rng.permutation(5000)[:n] for n in (count, count // 2))
    finest, last = rng.integers(0, 5, count), rng.integers(5, 9, count)
    coarsest = np.minimum(finest + rng.integers(0, 3, count), last)
    found: list[list[NDArray[np.int64]]] = []
    for loops in BOTH:
        rows, known = loops.in_order(some, blocks), loops.in_order(others, blocks)
        levels = loops.matched(rows, known, np.arange(len(known)), blocks)
        found.append([rows, levels, *loops.spread(rows, finest, coarsest, last)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)
    rows, levels, each, drawn, _ = found[0]
    assert sorted(rows.tolist()) == sorted(some.tolist())
    assert (np.diff(blocks.rank[rows]) > 0).all()
    assert (levels >= 0).sum() == len(np.intersect1d(some, others))
    assert each.tolist() == np.repeat(rows, coarsest - finest + 1).tolist()
    assert (
        drawn.sum()
        == (np.arange(9) * ((np.arange(9) >= finest[:, None]) & (np.arange(9) <= coarsest[:, None]))).sum()
    )


@law(st.integers(1, 60), st.integers(0, 2**32 - 1), st.integers(1, 100_000), st.booleans(), examples=60)
def test_a_budget_buys_the_same(count: int, seed: int, budget: int, told: bool) -> None:
    """Also among blocks that are worth the same, of which there are more than surfels, or that are told of before."""
    rng = np.random.default_rng(seed)
    sizes = np.sort(rng.choice([1, 2, 5, 60, 900, 9000], (count, 7)))[:, ::-1].copy()
    last = rng.integers(0, 7, count)
    sizes[np.arange(7) >= last[:, None]] = 1
    finest = rng.integers(0, last + 1)
    coarsest = np.minimum(finest + rng.integers(0, 3, count), last)
    octaves, coverage = rng.choice([-900.0, 0.3, 1.7, 4.0], count), rng.choice([1e-3, 20.0, 3e4], count)
    before = rng.integers(-1, 7, count) if told else None
    candidates = Candidates(sizes, finest, coarsest, last, octaves, coverage)
    (one, drawn), (other, also) = (loops.refine(candidates, budget, before) for loops in BOTH)
    np.testing.assert_array_equal(one[drawn], other[drawn])
    np.testing.assert_array_equal(drawn, also)


@pytest.mark.timeout(300)
def test_a_process_uses_what_it_has_warmed_up() -> None:
    with using(NumpyLoops()):
        thread = selection_kernels.warm_up_in_background()
        thread.join(300.0)
        assert isinstance(selection_loops.loops(), CompiledLoops)
