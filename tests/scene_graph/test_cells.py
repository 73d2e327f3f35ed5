"""Cells and positions are exact: checked against rational arithmetic at any pair of levels."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scene_strategies import cells, levels, offsets, positions

from wonderzoom.scene_graph.cells import (
    LN2,
    MAX_SHIFT,
    ORIGIN,
    ORIGIN_CELL,
    Cell,
    Position,
    common_ancestor,
    frames_in,
    saturated_shift,
)

HALF = Fraction(1, 2)


def power(exponent: int) -> Fraction:
    return Fraction(2) ** exponent


def centre(cell: Cell) -> list[Fraction]:
    return [(i + HALF) * power(-cell.level) for i in cell.index]


def exact(position: Position) -> list[Fraction]:
    edge = power(-position.cell.level)
    return [c + Fraction(o) * edge for c, o in zip(centre(position.cell), position.offset, strict=True)]


def assert_close(got: float, want: Fraction, relative: float = 2.0**-51) -> None:
    if abs(want) > power(MAX_SHIFT - 1):
        assert abs(got) >= 2.0 ** (MAX_SHIFT - 1) and math.copysign(1.0, got) == math.copysign(1.0, want)
    elif abs(want) < power(-MAX_SHIFT):
        assert abs(got) <= 2.0 ** (1 - MAX_SHIFT)
    else:
        assert abs(Fraction(got) - want) <= Fraction(relative) * abs(want)


@given(cells(), st.integers(0, 200))
def test_an_ancestor_contains_and_halves(cell: Cell, up: int) -> None:
    above = cell.ancestor(up)
    assert above.contains(cell)
    assert above.ln_edge == pytest.approx(cell.ln_edge + up * LN2)
    low, edge = [i * power(-above.level) for i in above.index], power(-above.level)
    for c, corner in zip(centre(cell), low, strict=True):
        assert corner < c < corner + edge


def test_an_ancestor_is_not_finer() -> None:
    with pytest.raises(ValueError, match="0 or more levels up, got -1"):
        ORIGIN_CELL.ancestor(-1)


@given(cells())
def test_children_partition_their_cell(cell: Cell) -> None:
    children = cell.children()
    assert len(set(children)) == 8
    assert all(child.ancestor() == cell and cell.contains(child) for child in children)
    assert not any(a.contains(b) for a in children for b in children if a != b)


@given(cells(), cells())
def test_the_difference_of_two_cells_is_exact_at_any_pair_of_levels(a: Cell, b: Cell) -> None:
    edge = power(-b.level)
    for got, x, y in zip(a.centre_from(b), centre(a), centre(b), strict=True):
        assert_close(float(got), (x - y) / edge)


@given(cells(), cells())
def test_edges_are_powers_of_two(a: Cell, b: Cell) -> None:
    assert_close(a.edge_in(b), power(b.level - a.level))


@given(st.lists(cells(), min_size=1, max_size=5))
def test_the_common_ancestor_is_the_smallest(several: list[Cell]) -> None:
    top = common_ancestor(several)
    assert all(top.contains(cell) for cell in several)
    assert not any(all(child.contains(cell) for cell in several) for child in top.children())


@given(st.lists(cells(), max_size=6), cells())
def test_many_cells_are_framed_as_one_by_one(several: list[Cell], other: Cell) -> None:
    edges, centres = frames_in(several, other)
    assert edges.tolist() == [cell.edge_in(other) for cell in several]
    assert centres.tolist() == [cell.centre_from(other).tolist() for cell in several]


def test_no_common_ancestor_across_zero() -> None:
    with pytest.raises(ValueError, match="both sides of the edge"):
        common_ancestor([Cell(0, -1, 0, 0), Cell(0, 0, 0, 0)])
    with pytest.raises(ValueError, match="at least one"):
        common_ancestor([])


def test_the_origin_has_room_on_both_sides() -> None:
    """Neighbours of the first cell at every level meet it again: nothing sits on the edge of the world."""
    for level in range(1, 40):
        cell = ORIGIN.rebased(level).cell
        for axis in range(3):
            for side in (-1, 1):
                index = list(cell.index)
                index[axis] += side
                assert common_ancestor([cell, Cell(level, *index)]).level > -40


@given(positions(), st.integers(0, 1900))
def test_a_finer_frame_loses_nothing(position: Position, down: int) -> None:
    finer = position.rebased(position.cell.level + down)
    assert all(-0.5 <= o <= 0.5 for o in finer.offset)
    assert exact(finer) == exact(position)


@given(st.floats(-0.5, 0.5), st.integers(0, 1900))
def test_any_offset_rounds_by_no_more_than_its_finer_frame(offset: float, down: int) -> None:
    position = Position(ORIGIN_CELL, (offset, offset, offset))
    finer = position.rebased(down)
    error = abs(exact(finer)[0] - exact(position)[0])
    assert error <= power(-down - 54)


@given(positions(), st.integers(0, 1900))
def test_down_and_up_again_is_the_same_point(position: Position, down: int) -> None:
    assert position.rebased(position.cell.level + down).rebased(position.cell.level) == position


@given(positions(), st.integers(0, 1900))
def test_a_coarser_frame_rounds_once(position: Position, up: int) -> None:
    coarser = position.rebased(position.cell.level - up)
    assert coarser.cell.contains(position.cell)
    edge = power(-coarser.cell.level)
    for got, want in zip(exact(coarser), exact(position), strict=True):
        assert abs(got - want) <= edge * power(-53)


@example(
    Position(Cell(-5, 0, 0, 0), (0.0, 0.0, -0.4453125)), Position(Cell(0, 0, 0, 0), (0.0, 0.0, 5 * 2.0**-53))
)
@given(positions(), positions())
def test_the_vector_between_two_points(a: Position, b: Position) -> None:
    edge = power(-b.cell.level)
    for got, x, y in zip(a.from_(b), exact(a), exact(b), strict=True):
        want = (x - y) / edge
        if abs(want) < power(MAX_SHIFT - 1):
            assert abs(Fraction(float(got)) - want) <= Fraction(1, 1 << 51) * max(abs(want), 1)


@given(positions(), st.tuples(*[st.floats(-1e6, 1e6)] * 3))
def test_moving_is_adding(position: Position, vector: tuple[float, float, float]) -> None:
    moved = position.moved(np.array(vector))
    assert moved.cell.level == position.cell.level
    assert all(-0.5 <= o <= 0.5 for o in moved.offset)
    edge = power(-position.cell.level)
    for got, start, step in zip(exact(moved), exact(position), vector, strict=True):
        assert abs(got - start - Fraction(step) * edge) <= edge * Fraction(1e6) * power(-52)


@given(offsets, levels)
def test_a_point_outside_its_cell_is_rebased_into_its_neighbour(offset: float, level: int) -> None:
    outside = Position(Cell(level, 1 << 20, 5, 5), (offset + 3.0, offset, offset))
    inside = outside.rebased(level)
    assert inside.cell.ix in ((1 << 20) + 2, (1 << 20) + 3, (1 << 20) + 4)
    assert exact(inside) == exact(outside)


def test_a_position_is_finite() -> None:
    with pytest.raises(ValueError, match="finite offsets"):
        Position(ORIGIN_CELL, (0.0, math.nan, 0.0))


@given(st.floats(-1e300, 1e300), st.integers(-5000, 5000))
def test_shifts_saturate_instead_of_overflowing(value: float, shift: int) -> None:
    got = saturated_shift(value, shift)
    assert math.isfinite(got)
    if got != 0.0:
        assert math.copysign(1.0, got) == math.copysign(1.0, value)
