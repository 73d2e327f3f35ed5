"""Plots: round ticks around the numbers, a line a world, and the law where it can be seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.evaluation.plots import COLORS, LAW, PANEL, Panel, plot, ticks


@given(st.floats(-1e3, 1e3), st.floats(0.0, 1e3))
def test_ticks_reach_around_the_numbers(low: float, span: float) -> None:
    marks = ticks(low, low + span)
    assert marks[0] <= low + 1e-6 and marks[-1] >= low + span - 1e-6
    assert 2 <= len(marks) <= 7
    steps = np.diff(marks)
    assert np.allclose(steps, steps[0])


def test_ticks_are_round() -> None:
    assert ticks(0.0, 40.0) == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert ticks(31.0, 38.0) == [30.0, 32.0, 34.0, 36.0, 38.0]
    assert ticks(5.0, 5.0) == pytest.approx([4.5, 4.75, 5.0, 5.25, 5.5])


def colours(picture: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(int(c) for c in row) for row in np.unique(picture.reshape(-1, 3), axis=0)}


def test_every_line_is_drawn_in_its_colour_and_the_law_where_it_can_be_seen() -> None:
    lines = {"garden": [(1.0, 30.0), (2.0, 36.0)], "coffee": [(1.0, 33.0)]}
    shown = np.asarray(plot([Panel("render", lines, (32.0, np.inf))], "depth", 1))
    assert shown.shape[1] == PANEL[0]
    assert {COLORS[0], COLORS[1], LAW} <= colours(shown)
    without = np.asarray(plot([Panel("render", lines, (3.0, np.inf))], "depth", 1))
    assert LAW not in colours(without)


def test_a_panel_of_nothing_is_said_to_be_empty() -> None:
    empty = np.asarray(plot([Panel("render", {})], "depth", 1))
    full = np.asarray(plot([Panel("render", {"a": [(1.0, 2.0)]})], "depth", 1))
    assert COLORS[0] in colours(full) and COLORS[0] not in colours(empty)
