"""Surfels of several blocks as one: the same rows, and no copy where they lie in one piece."""

import numpy as np
import pytest
from hypothesis import strategies as st
from laws import law

from wonderzoom.scene_graph.coverage_loops import loops
from wonderzoom.scene_graph.joining import Joined, concatenate
from wonderzoom.scene_graph.surfels import Surfels


def rows(count: int, seed: int = 0) -> Surfels:
    rng = np.random.default_rng(seed)
    return Surfels(
        rng.uniform(-0.5, 0.5, (count, 3)).astype(np.float32),
        rng.normal(size=(count, 4)).astype(np.float32),
        rng.uniform(-7.0, 0.0, (count, 2)).astype(np.float32),
        rng.uniform(0.1, 1.0, count).astype(np.float32),
        rng.integers(0, 256, (count, 3), np.uint8),
        rng.uniform(-6.0, -1.0, count).astype(np.float32),
        rng.integers(0, 9, count).astype(np.uint16),
        np.zeros(count, np.uint8),
    )


def same(one: Surfels, other: Surfels) -> bool:
    pairs = zip(one.columns().values(), other.columns().values(), strict=True)
    return all(np.array_equal(mine, theirs) for mine, theirs in pairs)


@law(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=5), examples=40)
def test_parts_that_were_cut_anywhere_are_put_together_in_their_order(cuts: list[tuple[int, int]]) -> None:
    """Following each other, apart, overlapping, backwards, empty, and cut of what was cut."""
    whole = rows(30)
    parts = [whole.take(slice(min(cut), None)).take(slice(0, max(cut) - min(cut))) for cut in cuts]
    wanted = np.concatenate([np.arange(min(cut), max(cut)) for cut in cuts])
    assert same(concatenate(parts), whole.take(wanted))


def test_what_lies_in_one_piece_is_not_copied() -> None:
    whole = rows(30)
    parts = [whole.take(slice(a, b)) for a, b in ((3, 8), (8, 9), (9, 30))]
    assert np.shares_memory(concatenate(parts).means, whole.means)
    apart = [parts[0], parts[2]]
    assert same(concatenate(apart), whole.take(np.r_[3:8, 9:30]))
    assert same(
        concatenate([rows(4, 1), rows(5, 2)]), concatenate([rows(4, 1), rows(5, 2).take(slice(None))])
    )


def test_runs_hold_all_parts_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(loops()), "batch_rows", 10)
    parts = [rows(count, count) for count in (3, 4, 5, 1, 20, 2)]
    runs = Joined.in_runs(parts)
    assert [run.counts for run in runs] == [[3, 4, 5], [1, 20], [2]]
    assert [part for run in runs for part in run.parts] == parts
    for run in runs:
        run.tell()
    for part in parts:
        native = part.native.astype(np.float64)
        assert part.known_native == (native.min(), native.max(), native.mean())
