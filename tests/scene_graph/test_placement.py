"""Placing is exact and complete: every surfel once, where it was, at the octave of its scale."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_strategies import cameras
from worlds import facing, first_camera, lift, plane_view

from wonderzoom.scene_graph import placement
from wonderzoom.scene_graph.camera import Camera, level_of_scale, quat_to_matrix
from wonderzoom.scene_graph.cells import LN2, Cell, Position
from wonderzoom.scene_graph.placement import MAX_MERGE, MIN_BLOCK, order_of, place
from wonderzoom.scene_graph.surfels import Surfels


def scattered(camera: Camera, count: int, seed: int, spread: float = 3.0) -> dict[str, Any]:
    """Arguments of ``place``: surfels anywhere in the picture, scales within ``spread`` octaves."""
    rng = np.random.default_rng(seed)
    uv = rng.uniform(0, [camera.width, camera.height], (count, 2))
    points = camera.unproject(uv, rng.uniform(-30.0, 200.0, count))
    return {
        "means": points,
        "quats": rng.normal(size=(count, 4)),
        "log_scales": rng.normal(size=(count, 2)),
        "opacities": rng.uniform(0.1, 1.0, count),
        # Colours number the rows, so that a test finds each one again.
        "colors": np.stack([np.arange(count) >> s & 255 for s in (0, 8, 16)], -1).astype(np.uint8),
        "ln_native": camera.ln_scale + rng.uniform(0.0, spread, count) * LN2,
        "view": rng.integers(0, 3, count).astype(np.uint16),
        "kind": rng.integers(0, 3, count).astype(np.uint8),
    }


def numbers(surfels: Surfels) -> np.ndarray:
    return surfels.colors.astype(np.int64) @ [1, 256, 65536]


@settings(max_examples=20)
@given(cameras(), st.integers(1, 1500), st.integers(0, 99))
def test_every_surfel_is_placed_once_and_where_it_was(camera: Camera, count: int, seed: int) -> None:
    given_ = scattered(camera, count, seed)
    blocks = place(camera, **given_)
    found = np.concatenate([numbers(s) for s in blocks.values()])
    assert sorted(found) == list(range(count))
    for cell, surfels in blocks.items():
        rows = numbers(surfels)
        frame = camera.cell_frame(cell)
        assert np.abs(surfels.means).max() <= 0.5
        # float32 in a cell of up to 64 * 2^MAX_MERGE native pixels: 3e-5 of a native pixel.
        back = surfels.means.astype(np.float64) @ frame.matrix.T + frame.origin
        assert np.abs(back - given_["means"][rows]).max() <= 4e-8 * frame.edge_px + 1e-9
        native = surfels.native.astype(np.float64) + cell.ln_edge
        assert native == pytest.approx(given_["ln_native"][rows], abs=1e-6, rel=1e-12)
        scales = surfels.log_scales.astype(np.float64) + math.log(frame.edge_px)
        assert scales == pytest.approx(given_["log_scales"][rows], abs=1e-5)
        turned = camera.rotation @ quat_to_matrix(surfels.quats)
        assert turned == pytest.approx(quat_to_matrix(given_["quats"][rows]), abs=1e-5)
        assert np.array_equal(surfels.view, given_["view"][rows])
        assert np.array_equal(surfels.kind, given_["kind"][rows])


@settings(max_examples=25)
@given(cameras(), st.integers(1, 3000), st.integers(0, 99))
def test_blocks_are_of_the_octave_or_merged_upward_because_small(
    camera: Camera, count: int, seed: int
) -> None:
    blocks = place(camera, **scattered(camera, count, seed))
    for cell, surfels in blocks.items():
        own = np.array([level_of_scale(float(x) + cell.ln_edge) for x in surfels.native])
        up = own - cell.level
        # A scale at the edge of an octave may round to either side in float32.
        assert up.min() >= -1 and up.max() <= MAX_MERGE + 1
        if len(surfels) < MIN_BLOCK:
            assert up.max() >= MAX_MERGE - 1


def test_big_blocks_stay_where_they_belong() -> None:
    camera = first_camera(128, 128, 120.0)
    view = plane_view(camera, facing(camera))
    blocks = lift(view, facing(camera))
    level = level_of_scale(camera.ln_scale)
    for cell, surfels in blocks.items():
        assert cell.level == level or len(surfels) < MIN_BLOCK * 8
    assert any(cell.level == level for cell in blocks)


@given(cameras(st.integers(5, 40)), st.integers(1, 600), st.integers(0, 99))
def test_a_deeper_world_has_the_same_blocks_deeper(camera: Camera, count: int, seed: int) -> None:
    """Law 9, columns: only the cells differ."""
    down = 500
    deep = replace(
        camera,
        pivot=Position(Cell(camera.pivot.cell.level + down, *camera.pivot.cell.index), camera.pivot.offset),
        ln_distance=camera.ln_distance - down * LN2,
    )
    given_ = scattered(camera, count, seed)
    here = place(camera, **given_)
    there = place(deep, **{**given_, "ln_native": given_["ln_native"] - down * LN2})
    matched = 0
    for cell, surfels in there.items():
        twin = here.get(Cell(cell.level - down, *cell.index))
        if twin is not None and np.array_equal(numbers(surfels), numbers(twin)):
            matched += len(surfels)
            assert np.abs(surfels.means - twin.means).max() < 1e-6
    # A surfel on the very edge of an octave or a cell may round to the other side; none other may move.
    assert matched >= 0.9 * count


def test_the_order_of_cells_and_rows_is_fixed() -> None:
    camera = first_camera(64, 64)
    given_ = scattered(camera, 2000, 4)
    shuffle = np.random.default_rng(8).permutation(2000)
    blocks = place(camera, **given_)
    other = place(camera, **{name: column[shuffle] for name, column in given_.items()})
    assert list(blocks) == sorted(blocks) == list(other)
    for cell, surfels in blocks.items():
        assert sorted(numbers(surfels)) == sorted(numbers(other[cell]))
        # Neighbours in the block are neighbours in space.
        if len(surfels) > 200:
            near = np.linalg.norm(np.diff(surfels.means, axis=0), axis=1).mean()
            far = np.linalg.norm(surfels.means - surfels.means[::-1], axis=1).mean()
            assert near < 0.7 * far


def test_far_apart_surfels_do_not_need_a_common_range() -> None:
    """Cells that do not pack into one integer go the slower way, to the same result."""
    camera = first_camera(64, 64)
    given_ = scattered(camera, 400, 5)
    given_["means"] = given_["means"] * np.where(np.arange(400) % 2, 1e7, 1.0)[:, None]
    blocks = place(camera, **given_)
    assert sorted(np.concatenate([numbers(s) for s in blocks.values()])) == list(range(400))


def test_nothing_gives_nothing() -> None:
    camera = first_camera()
    assert place(camera, **scattered(camera, 0, 1)) == {}


def test_a_surfel_without_a_place_is_refused() -> None:
    camera = first_camera()
    given_ = scattered(camera, 3, 1)
    with pytest.raises(ValueError, match="not finite"):
        place(camera, **{**given_, "means": given_["means"] * np.nan})
    with pytest.raises(ValueError, match="does not belong to this view"):
        place(camera, **{**given_, "ln_native": given_["ln_native"] - 60.0})


def test_merging_keeps_the_parity_of_cells() -> None:
    steps = np.arange(-6, 7)[:, None].repeat(3, 1)
    for pivot in ((4, 5, 6), (-3, 1 << 80, (1 << 80) + 1)):
        parents = placement._parent_steps(steps, pivot)  # pyright: ignore[reportPrivateUsage]
        for row, up in zip(steps.tolist(), parents.tolist(), strict=True):
            assert up == [((p + s) >> 1) - (p >> 1) for p, s in zip(pivot, row, strict=True)]


@given(st.lists(st.sampled_from([0, 1, 5, 2**30, 2**61]), min_size=1, max_size=40))
def test_rows_of_equal_keys_stay_in_order(keys: list[int]) -> None:
    """Also where a key and the number of its row do not fit into one integer."""
    key = np.array(keys)
    assert order_of(key).tolist() == np.argsort(key, kind="stable").tolist()
