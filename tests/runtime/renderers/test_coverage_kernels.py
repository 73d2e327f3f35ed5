"""Compiled bounds are numpy's, to the bit, wherever points, depths and scales lie."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
from hypothesis import strategies as st
from laws import law
from trees import Soil, Zoom, plant, zoom_lists
from worlds import first_camera

from wonderzoom.runtime.renderers import coverage_kernels
from wonderzoom.runtime.renderers.coverage_kernels import CompiledLoops
from wonderzoom.scene_graph import coverage_loops
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.coverage_loops import (
    POINTS,
    Balls,
    CoverageLoops,
    Frames,
    Lens,
    NumpyLoops,
    Spots,
)
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.surfels import Surfels


@contextmanager
def using(loops: CoverageLoops) -> Generator[None]:
    before = coverage_loops.use(loops)
    try:
        yield
    finally:
        coverage_loops.use(before)


@law(
    zoom_lists(most=5),
    st.floats(-0.8, 0.8),
    st.booleans(),
    st.sampled_from([0, 180]),
    st.sampled_from([0.3, 0.7, 3.0]),
    examples=8,
)
def test_worlds_are_the_same_to_the_bit(
    zooms: tuple[Zoom, ...], tilt: float, radial: bool, down: int, sigma: float
) -> None:
    """Every node's bounds, and those that its removal leaves behind."""
    tree = plant(zooms, Soil(tilt=tilt, radial=radial, levels_down=down, sigma=sigma))
    digests: list[list[str]] = []
    for loops in (NumpyLoops(), CompiledLoops()):
        with using(loops):
            world = tree.world()
            digests.append([world.digest()])
            world.apply(world.propose_removal(tree.id(1)))
            digests[-1].append(world.digest())
    assert digests[0] == digests[1]


def a_lens(rng: np.random.Generator, radial: bool) -> Lens:
    """A view with holes in its mask, and depths of every kind."""
    zeta = rng.choice([0.0, 1.0, -2.0, 7.5, np.nan], (9, 12)).astype(np.float32)
    return Lens.of(View(first_camera(12, 9, 10.0), rng.random((9, 12)) < 0.8, zeta), radial)


def some_spots(rng: np.random.Generator, count: int) -> Spots:
    """Behind the eye, on the rim of the picture, at its depth, at equal scales, far larger than it."""
    points = rng.choice([-6.0, 0.0, 4.5, 6.0, -4.5, 1e6], (3, count)) + rng.choice(
        [0.0, 0.3, 1e-9], (3, count)
    )
    points[2] = rng.choice([-11.0, -9.9, 0.0, 2.0, 9.5, 1e3], count)
    scale = rng.choice([-5.0, -4.0, -np.inf], count, p=[0.5, 0.4, 0.1])
    return Spots(points, rng.choice([0.1, 2.0, 500.0], count), np.full(count, 64.0), scale, np.zeros(count))


@law(st.integers(0, 2**32 - 1), st.integers(1, 40), st.booleans(), examples=40)
def test_views_settle_alike_at_the_edges_of_everything(seed: int, count: int, radial: bool) -> None:
    """As ``some_spots`` are; off the mask; at scales that differ by sqrt 2 to the last bits; of known parents."""
    rng = np.random.default_rng(seed)
    lens = a_lens(rng, radial)
    spots = some_spots(rng, count)
    of_block = np.sort(rng.integers(0, 3, count))
    far = rng.choice([0.0, 0.0, 650.0 / LN2])  # beyond what a ratio of scales is told of
    frames = Frames(
        rng.choice([0.0, 3.0], (3, 3)),
        np.full(3, 64.0),
        lens.camera.ln_scale + np.log(64.0) + np.array([0.0, 0.0, far * LN2]),
        rng.choice([-np.inf, -4.5, np.inf], 3, p=[0.6, 0.2, 0.2]),
    )
    means = ((spots.points.T - frames.middle[of_block]) / 64.0).astype(np.float32)
    scale = (
        NumpyLoops().look(lens, Balls(of_block, means, *np.zeros((3, count))), frames, np.arange(count)).scale
    )
    gap = rng.choice([0.0, 1.0, -1.0, 0.5 * LN2, -0.5 * LN2, 2.0], count) + rng.choice(
        [0.0, 1e-15, -1e-9], count
    )
    native = np.where(np.isfinite(scale), scale + gap, -4.0)
    balls = Balls(of_block, means, spots.reach / 64.0, np.exp(native - frames.ln_edge[of_block]), native)
    found = []
    for loops in (NumpyLoops(), CompiledLoops()):
        known = np.where(np.arange(count) % 3 == 0, np.inf, np.where(np.arange(count) % 3 == 1, scale, -4.4))
        parent, owner = known.copy(), np.resize([-1, 5, 2], count)
        rows, fine, centre = loops.settle(lens, balls, frames, 3, parent, owner)
        spread = np.resize([1e-3, 0.1, 20.0], (len(rows), 2))
        quats = np.resize(np.array([0.3, 1.0, -0.2, 0.5, 0.9], np.float32), (len(rows), 4))
        rims = [loops.rims(lens, fine, quats, spread, whole) for whole in (True, False)]
        found.append((parent, owner, rows, *(getattr(fine, f.name) for f in fields(fine)), centre, *rims))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@law(st.integers(0, 2**32 - 1), st.integers(1, 40), examples=40)
def test_views_fold_alike_at_the_edges_of_everything(seed: int, count: int) -> None:
    """As ``some_spots`` are, off the mask, and where another view was nearer."""
    rng = np.random.default_rng(seed)
    lens, spots = a_lens(rng, False), some_spots(rng, count)
    centre, local = rng.random(count) < 0.8, np.sort(rng.permutation(2 * count)[:count])
    quats = rng.normal(size=(count, 4)).astype(np.float32)
    spread = rng.choice([1e-3, 0.1, 20.0], (count, 2))
    found = []
    for loops in (NumpyLoops(), CompiledLoops()):
        nearest, whose = np.full((2 * count, POINTS), -np.inf), np.full((2 * count, POINTS), -1)
        nearest[::3, ::2] = -4.5
        loops.fold(lens, spots, centre, quats, spread, local, 3, nearest, whose)
        rims = [loops.rims(lens, spots, quats, spread, whole) for whole in (True, False)]
        found.append((nearest, whose, *rims))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


@law(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(0, 5), examples=40)
def test_blocks_get_the_same_bounds_and_names(seed: int, count: int, names: int) -> None:
    """Of blocks of one row and of many, where there is no bound, and where a block uses no name."""
    rng = np.random.default_rng(seed)
    of_block, ln_edge = np.sort(rng.integers(0, 4, count)), rng.normal(size=4) * 300.0
    parent, child = (
        np.where(rng.random(count) < 0.3, none, rng.normal(size=count)) for none in (np.inf, -np.inf)
    )
    parents, children = (rng.integers(-1, names, count) for _ in range(2))
    one, other = (
        each.limits(of_block, ln_edge, (parent, child), (parents, children), names)
        for each in (NumpyLoops(), CompiledLoops())
    )
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)
        assert mine.dtype == theirs.dtype


@law(st.integers(0, 2**32 - 1), st.integers(1, 60), examples=40)
def test_boxes_are_the_same(seed: int, count: int) -> None:
    """Of runs of one surfel and of many, as flat and as long as they come, however their rotations are scaled."""
    rng = np.random.default_rng(seed)
    means = rng.uniform(-0.5, 0.5, (count, 3)).astype(np.float32)
    quats = (rng.normal(size=(count, 4)) * rng.choice([0.1, 1.0, 1.7], (count, 1))).astype(np.float32)
    across, thick = np.exp(rng.uniform(-12.0, 2.0, (count, 2))), np.exp(rng.uniform(-12.0, 0.0, count))
    starts = np.unique(np.append(rng.integers(0, count, rng.integers(0, 5)), 0))
    one, other = (each.boxes(means, quats, across, thick, starts) for each in (NumpyLoops(), CompiledLoops()))
    np.testing.assert_array_equal(one, other)
    reach = np.exp(rng.uniform(-12.0, 2.0, count))
    one, other = (each.hulls(means, reach, starts) for each in (NumpyLoops(), CompiledLoops()))
    np.testing.assert_array_equal(one, other)


@law(st.integers(0, 2**32 - 1), st.integers(1, 60), examples=40)
def test_sizes_are_the_same(seed: int, count: int) -> None:
    """Of discs, of lines, and of blocks at any level."""
    rng = np.random.default_rng(seed)
    log_scales = rng.choice([-12.0, -3.0, 1e-20, 0.0, 2.0], (count, 2)).astype(np.float32)
    across, native = np.exp(log_scales.astype(np.float64)), rng.normal(size=count).astype(np.float32)
    of_block, ln_edge = np.sort(rng.integers(0, 3, count)), rng.normal(size=3) * 300.0
    one, other = (
        each.sizes(log_scales, across, native, ln_edge, of_block) for each in (NumpyLoops(), CompiledLoops())
    )
    for mine, theirs in zip(one, other, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@law(
    st.sampled_from(["means", "quats", "log_scales", "opacities", "native"]),
    st.sampled_from([np.nan, np.inf, -np.inf, 0.0, 0.3, -0.3, 1.0, 1.1, -0.6, 13.0, -13.0]),
    st.integers(0, 29),
    examples=60,
)
def test_a_wrong_number_is_seen_in_any_row(name: str, number: float, row: int) -> None:
    rng = np.random.default_rng(row)
    columns: dict[str, Any] = {
        "means": rng.uniform(-0.5, 0.5, (30, 3)).astype(np.float32),
        "quats": np.tile(np.array([0.5, -0.5, 0.5, 0.5], np.float32), (30, 1)),
        "log_scales": rng.uniform(-7.0, 0.0, (30, 2)).astype(np.float32),
        "opacities": rng.uniform(0.1, 1.0, 30).astype(np.float32),
        "colors": np.zeros((30, 3), np.uint8),
        "native": rng.uniform(-6.0, -1.0, 30).astype(np.float32),
        "view": np.zeros(30, np.uint16),
        "kind": np.zeros(30, np.uint8),
    }
    assert CompiledLoops().sound(Surfels(**columns))
    column = columns[name].copy()
    column[row] = number
    changed = Surfels(**{**columns, name: column})
    assert CompiledLoops().sound(changed) == NumpyLoops().sound(changed) == changed.is_sound()


def test_a_process_uses_what_it_has_warmed_up() -> None:
    with using(NumpyLoops()):
        thread = coverage_kernels.warm_up_in_background()
        thread.join(300.0)
        assert isinstance(coverage_loops.loops(), CompiledLoops)
