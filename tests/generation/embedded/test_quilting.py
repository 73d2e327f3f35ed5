"""Quilting: where content beside a picture comes from."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.embedded.quilting import Move, quilt


def stripes(height: int, width: int, period: int) -> np.ndarray:
    """Features with a period across and a gradient down: [h, w, 2]."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([(x % period) / period, y / height], -1).astype(np.float32)


def brought(features: np.ndarray, labels: np.ndarray, moves: list[Move]) -> np.ndarray:
    """What the labels bring."""
    result = features.copy()
    for label, move in enumerate(moves):
        rows, columns = np.nonzero(labels == label)
        x, y = move.source(columns + 0.5, rows + 0.5)
        result[rows, columns] = features[
            np.clip(np.floor(y).astype(int), 0, len(features) - 1),
            np.clip(np.floor(x).astype(int), 0, features.shape[1] - 1),
        ]
    return result


@settings(max_examples=6, deadline=None)
@given(start=st.integers(0, 20), stop=st.integers(30, 60), period=st.integers(5, 9))
def test_everything_wanted_gets_content_from_the_picture_at_its_height(
    start: int, stop: int, period: int
) -> None:
    features = stripes(20, 64, period)
    known = np.zeros((20, 64), np.bool_)
    known[:, start:stop] = True
    seen = np.where(known[..., None], features, 0.0).astype(np.float32)
    found = quilt(seen, known, known, ~known)
    assert ((found.labels >= 0) == ~known).all()
    again = quilt(seen, known, known, ~known)
    assert np.array_equal(found.labels, again.labels) and found.moves == again.moves
    sources = [
        move.source(np.nonzero(found.labels == k)[1] + 0.5, np.array(0.5))[0]
        for k, move in enumerate(found.moves)
    ]
    inside = [((x > start) & (x < stop)).mean() for x in sources if len(x)]
    assert all(share > 0.9 for share in inside)
    assert np.abs(brought(seen, found.labels, found.moves)[..., 1] - features[..., 1]).max() <= 0.16


def test_a_coarse_border_is_matched_by_the_sharp_piece_that_goes_on_as_it_does() -> None:
    features = stripes(20, 80, 8)
    known = np.zeros((20, 80), np.bool_)
    known[:, :60] = True
    sharp = known.copy()
    sharp[:, 48:] = False
    found = quilt(np.where(known[..., None], features, 0.0).astype(np.float32), known, sharp, ~known)
    off = np.abs(brought(features, found.labels, found.moves) - features)[:, 60:68]
    assert np.median(off) < 0.02


def test_a_move_is_the_same_in_a_mirrored_picture() -> None:
    move = Move(-1, 30.0, 0.25, 2.0)
    x, y = np.array([3.5, 17.5]), np.array([4.5, 9.5])
    across, down = move.source(x, y)
    mirrored, same = move.flipped(64).source(64.0 - x, y)
    assert np.allclose(64.0 - mirrored, across) and np.array_equal(down, same)
    assert move.flipped(64).flipped(64) == move
