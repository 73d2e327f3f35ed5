"""What is seen is chosen alike by compiled loops and by numpy's, to the bit, wherever cells, depths and scales lie."""

import math
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import pytest
from deep_chain import plane_chain
from hypothesis import strategies as st
from laws import law
from scene_strategies import cameras, cells
from trees import Soil, Zoom, plant, zoom_lists

from wonderzoom.runtime.renderers import selection_kernels
from wonderzoom.runtime.renderers.selection_kernels import CompiledLoops
from wonderzoom.scene_graph import selection_loops
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.frustum import CellTable
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.refinement import Candidates
from wonderzoom.scene_graph.selection_loops import Asked, Gaze, NumpyLoops, SelectionLoops
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
    rows, last = np.arange(len(some)), rng.integers(0, 9, len(some))
    boxes = rng.uniform(-0.6, 0.0, (len(some), 2, 3)) * rng.choice([0.0, 1.0], (len(some), 1, 1))
    boxes[:, 1] *= -1.0
    native = np.sort(camera.ln_scale + rng.uniform(-5.0, 5.0, (len(some), 2)))
    asked = Asked(rows, rows, boxes, native, last)
    gaze = Gaze.of(camera, 4.0, radial=radial)
    one, other = (loops.ask(asked, CellTable.of(some).seen_from(camera), gaze, camera) for loops in BOTH)
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


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
