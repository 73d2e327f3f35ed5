"""Segments go where the target is, as wholes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.segment_alignment import align_segments

SHAPE = (24, 32)
NOWHERE = np.zeros(SHAPE, np.bool_)


def halves() -> np.ndarray:
    """Label 0 on the left, 1 on the right."""
    return np.repeat((np.arange(SHAPE[1]) >= SHAPE[1] // 2)[None], SHAPE[0], 0).astype(np.int32)


def shape_of(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.0, 0.1, SHAPE).astype(np.float32)


@given(st.floats(-50.0, 50.0), st.floats(-50.0, 50.0), st.integers(0, 99))
def test_a_drift_of_a_segment_is_taken_away_and_its_shape_kept(left: float, right: float, seed: int) -> None:
    target = shape_of(seed)
    drift = np.where(halves() == 0, np.float32(left), np.float32(right))
    aligned = align_segments(target + drift, target, halves(), NOWHERE, 0.0)
    assert np.abs(aligned - target).max() < 1e-4 + 1e-6 * max(abs(left), abs(right))


def test_within_the_targets_own_tolerance_nothing_moves() -> None:
    target = shape_of(0)
    assert np.array_equal(
        align_segments(target + np.float32(1.9), target, halves(), NOWHERE, 4.0), target + np.float32(1.9)
    )


def test_new_things_and_what_has_no_target_pull_nothing() -> None:
    target = shape_of(1)
    target[:, :16] = np.nan
    free = NOWHERE.copy()
    free[:, 16:] = True
    zeta = np.full(SHAPE, 9.0, np.float32)
    assert np.array_equal(align_segments(zeta, target, halves(), free, 0.0), zeta)


def test_a_few_target_pixels_do_not_move_a_segment() -> None:
    target = np.full(SHAPE, np.nan, np.float32)
    target[0, :8] = 0.0
    zeta = np.full(SHAPE, 9.0, np.float32)
    assert np.array_equal(align_segments(zeta, target, halves(), NOWHERE, 0.0), zeta)


def test_an_outlier_in_the_target_does_not_move_a_segment() -> None:
    target = shape_of(2)
    zeta = target.copy()
    target[3:6, 3:6] += 500.0  # a surfel of something in front
    assert np.abs(align_segments(zeta, target, halves(), NOWHERE, 1.0) - zeta).max() == 0.0
