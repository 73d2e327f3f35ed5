"""Compiled bounds are numpy's, to the bit, wherever points, depths and scales lie."""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
from hypothesis import strategies as st
from laws import law
from trees import Soil, Zoom, plant, zoom_lists
from worlds import first_camera

from wonderzoom.runtime.renderers import coverage_kernels
from wonderzoom.runtime.renderers.coverage_kernels import CompiledLoops
from wonderzoom.scene_graph import coverage_loops
from wonderzoom.scene_graph.coverage_loops import POINTS, CoverageLoops, Lens, NumpyLoops, Spots
from wonderzoom.scene_graph.scale_node import View


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


@law(st.integers(0, 2**32 - 1), st.integers(1, 40), examples=40)
def test_loops_agree_at_the_edges_of_everything(seed: int, count: int) -> None:
    """Behind the eye, on the rim of the picture, at its depth, off its mask, at equal scales, far larger than it."""
    rng = np.random.default_rng(seed)
    camera = first_camera(12, 9, 10.0)
    zeta = rng.choice([0.0, 1.0, -2.0, 7.5, np.nan], (9, 12)).astype(np.float32)
    lens = Lens.of(View(camera, rng.random((9, 12)) < 0.8, zeta))
    points = rng.choice([-6.0, 0.0, 4.5, 6.0, -4.5, 1e6], (3, count)) + rng.choice(
        [0.0, 0.3, 1e-9], (3, count)
    )
    points[2] = rng.choice([-11.0, -9.9, 0.0, 2.0, 9.5, 1e3], count)
    native = rng.choice([-5.0, -4.0], count)
    near = native + rng.choice([0.0, 1.0, -1.0, 0.5 * np.log(2.0), -0.5 * np.log(2.0)], count)
    scale = np.where(rng.random(count) < 0.1, -np.inf, near)
    spots = Spots(points, rng.choice([0.1, 2.0, 500.0], count), np.full(count, 64.0), scale, native)
    rows = np.sort(rng.permutation(2 * count)[:count])
    quats = rng.normal(size=(count, 4)).astype(np.float32)
    spread = rng.choice([1e-3, 0.1, 20.0], (count, 2))
    found = []
    for loops in (NumpyLoops(), CompiledLoops()):
        parent, owner = np.resize([np.inf, -4.0, -3.0], 2 * count), np.resize([-1, 5, 2], 2 * count)
        which, centre = loops.settle(lens, spots, rows, 3, parent, owner)
        nearest, whose = np.full((count, POINTS), -np.inf), np.full((count, POINTS), -1)
        nearest[::3, ::2] = -4.5
        fine = spots.take(which)
        loops.fold(lens, fine, centre, quats[which], spread[which], which, 3, nearest, whose)
        found.append((parent, owner, which, centre, nearest, whose))
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one, other)


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


def test_a_process_uses_what_it_has_warmed_up() -> None:
    with using(NumpyLoops()):
        thread = coverage_kernels.warm_up_in_background()
        thread.join(300.0)
        assert isinstance(coverage_loops.loops(), CompiledLoops)
