"""Boxes hold their surfels and are no larger than they must be; intervals hold the scales at which they show."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.cells import LN2, Cell
from wonderzoom.scene_graph.coverage_loops import NumpyLoops
from wonderzoom.scene_graph.extent import bounds_interval, surfel_boxes
from wonderzoom.scene_graph.surfels import REACH, THICKNESS, Bounds, Surfels


def scattered(count: int, seed: int) -> Surfels:
    """Surfels of any orientation, from specks to the size of their cell."""
    rng = np.random.default_rng(seed)
    return Surfels(
        rng.uniform(-0.5, 0.5, (count, 3)).astype(np.float32),
        rng.normal(size=(count, 4)).astype(np.float32),
        rng.uniform(-7.0, 0.0, (count, 2)).astype(np.float32),
        np.full(count, 0.5, np.float32),
        np.zeros((count, 3), np.uint8),
        rng.uniform(-6.0, -1.0, count).astype(np.float32),
        np.zeros(count, np.uint16),
        np.zeros(count, np.uint8),
    )


@settings(max_examples=25)
@given(st.lists(st.integers(1, 40), min_size=1, max_size=6), st.integers(0, 999))
def test_a_box_is_the_hull_of_its_ellipsoids(counts: list[int], seed: int) -> None:
    """Support function of an ellipsoid along an axis: the norm of the axis in its own scaled frame."""
    parts = [scattered(count, seed + i) for i, count in enumerate(counts)]
    boxes = surfel_boxes(parts)
    for part, box in zip(parts, boxes, strict=True):
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        for row in range(len(part)):
            sigma = np.exp(
                [*part.log_scales[row].astype(float), float(part.native[row]) + math.log(THICKNESS)]
            )
            matrix = quat_to_matrix(part.quats[row].astype(np.float64)) * sigma
            reach = REACH * np.linalg.norm(matrix, axis=1)
            mean = part.means[row].astype(np.float64)
            low, high = np.minimum(low, mean - reach), np.maximum(high, mean + reach)
        assert box[0] == pytest.approx(low, rel=1e-9, abs=1e-9)
        assert box[1] == pytest.approx(high, rel=1e-9, abs=1e-9)


def test_boxes_do_not_depend_on_their_company(monkeypatch: pytest.MonkeyPatch) -> None:
    """Octree digests compare them bit by bit: one at a time, all at once, in batches of any size."""
    counts = [1 + 17 * i for i in range(9)]

    def parts() -> list[Surfels]:
        return [scattered(count, count) for count in counts]  # new ones, that know no box yet

    together = surfel_boxes(parts())
    for part, box in zip(parts(), together, strict=True):
        assert np.array_equal(surfel_boxes([part])[0], box)
    monkeypatch.setattr(NumpyLoops, "batch_rows", 50)
    assert np.array_equal(surfel_boxes(parts()), together)
    assert surfel_boxes([]).shape == (0, 2, 3)


def test_an_interval_is_in_the_units_of_the_world() -> None:
    owners = np.zeros(3, np.int16)
    parent, child = np.array([1.0, np.inf, 2.0], np.float32), np.array([-1.0, -3.0, -2.0], np.float32)
    bounds = Bounds(parent, child, owners, owners, ("a",))
    low, high = bounds_interval(Cell(10, 0, 0, 0), bounds)
    assert low == pytest.approx(-3.0 - 10.0 * LN2)
    assert high == math.inf
    assert bounds_interval(Cell(10, 0, 0, 0), Bounds.open(2)) == (-math.inf, math.inf)
