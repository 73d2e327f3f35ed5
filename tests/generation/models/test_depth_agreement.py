"""A network's depth and the target agree: straight lines, the blend, and things that stand."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_perception import disc

from wonderzoom.generation.depth_registration import register_depth
from wonderzoom.generation.models.depth_agreement import (
    FARTHEST,
    MOST_SHARE,
    agreeing,
    fit_line,
    from_disparity,
    standing,
    to_disparity,
)

HEIGHT, WIDTH = 72, 96
EVERYWHERE = np.ones((HEIGHT, WIDTH), np.bool_)
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
GREY = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)


def bumps(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((HEIGHT, WIDTH)).astype(np.float32)


# ---- the domain -------------------------------------------------------------------------------------
@settings(max_examples=30)
@given(st.floats(-0.9, 900.0), st.floats(0.5, 1e12))
def test_disparity_and_back_is_the_same_depth(part: float, focal: float) -> None:
    zeta = np.array([part * focal], np.float32)
    back = from_disparity(to_disparity(zeta, 1 / focal), 1 / focal)
    # Far away float32 disparity is coarse: its error grows with depth.
    assert abs(back[0] - zeta[0]) <= 2e-6 * (1.0 + abs(part)) * max(1.0, 1.0 + part) * focal


def test_disparity_is_a_straight_line_of_one_over_depth() -> None:
    focal = 80.0
    zeta = np.linspace(-60, 400, 50, dtype=np.float32)
    inverse = 1.0 / (1.0 + zeta / focal)
    assert np.allclose(to_disparity(zeta, 1 / focal), focal * (1.0 - inverse), atol=1e-4)


def test_at_long_focal_lengths_disparity_is_depth() -> None:
    zeta = np.linspace(-200, 200, 9, dtype=np.float32)
    for inverse_f in (0.0, 1e-30):
        assert np.array_equal(to_disparity(zeta, inverse_f), zeta)
        assert np.allclose(from_disparity(zeta, inverse_f), zeta)


def test_disparity_beyond_infinity_is_merely_far_and_before_the_eye_merely_near() -> None:
    zeta = from_disparity(np.array([2e3, -1e9], np.float32), 1e-2)
    assert zeta[0] == pytest.approx(100.0 * (FARTHEST - 1.0), rel=1e-3) and -100.0 < zeta[1] < -99.0


# ---- the line ---------------------------------------------------------------------------------------
@settings(max_examples=10)
@given(st.floats(0.01, 1e3), st.floats(-1e3, 1e3), st.integers(0, 9))
def test_scale_and_shift_are_found_among_outliers(scale: float, shift: float, seed: int) -> None:
    predicted = bumps(seed)
    target = (scale * predicted + shift).astype(np.float32)
    target[::5, ::3] += 50.0 * scale  # surfels of something in front
    line = fit_line(predicted, target, EVERYWHERE)
    assert line.scale == pytest.approx(scale, rel=0.02)
    assert line.shift == pytest.approx(shift, abs=0.02 * scale + 1e-3 * abs(shift))


@pytest.mark.parametrize("predicted", [np.full((HEIGHT, WIDTH), 3.0, np.float32), -ROWS])
def test_a_constant_or_contrary_prediction_is_only_shifted(predicted: np.ndarray) -> None:
    line = fit_line(predicted, ROWS, EVERYWHERE)
    assert (line.scale, line.shift) == (0.0, float(np.median(ROWS)))


def test_a_few_pixels_settle_no_line_and_none_settle_nothing() -> None:
    few = np.zeros_like(EVERYWHERE)
    few[:3, 0] = True
    assert fit_line(ROWS, 2 * ROWS, few).scale == 0.0
    assert fit_line(ROWS, 2 * ROWS, ~EVERYWHERE).shift == 0.0


# ---- the blend --------------------------------------------------------------------------------------
@settings(max_examples=10)
@given(st.integers(0, 9), st.floats(0.0, 200.0), st.floats(1.0, 12.0))
def test_it_is_never_worse_than_the_target_whatever_the_network_says(
    seed: int, height: float, coarse: float
) -> None:
    target = (0.3 * COLUMNS).astype(np.float32)
    surface, edge = register_depth(target, GREY, coarse)
    zeta = agreeing((height * bumps(seed)).astype(np.float32), surface, edge, EVERYWHERE, coarse)
    assert np.abs(zeta - surface).max() <= MOST_SHARE * WIDTH + 1e-4


def test_fine_shape_is_the_networks_and_coarse_shape_the_targets() -> None:
    target = (0.3 * COLUMNS).astype(np.float32)
    fine = 0.3 * np.sin(COLUMNS * 2.0 * np.pi / 4.0)  # a period of half a coarse pixel
    predicted = (target + 100.0 + 3.0 * np.sin(ROWS / 30.0) + fine).astype(np.float32)
    surface, edge = register_depth(target, GREY, 8.0)
    zeta = agreeing(predicted, surface, edge, EVERYWHERE, 8.0)
    inner = (slice(16, -16), slice(16, -16))  # at borders the surface itself is a one-sided mean
    coarse = cv2.GaussianBlur(zeta - surface, (0, 0), 4.0)[inner]
    shown, fine = (zeta - surface)[inner], fine[inner]
    assert np.corrcoef(shown.ravel(), fine.ravel())[0, 1] > 0.8
    assert 0.8 < shown.std() / fine.std() < 1.3
    assert np.abs(coarse).max() < 0.5 < 2.0 < np.ptp(predicted - surface)


def test_a_network_that_gets_the_known_part_wrong_has_nothing_to_say() -> None:
    hole = disc(HEIGHT, WIDTH, 36, 48, 20)
    target = np.where(hole, np.nan, 0.3 * COLUMNS).astype(np.float32)
    surface, edge = register_depth(target, GREY, 4.0)
    wrong = (60.0 * bumps()).astype(np.float32)
    assert np.allclose(agreeing(wrong, surface, edge, ~hole, 4.0), surface)


def test_a_silhouette_is_the_targets_alone() -> None:
    target = np.where(COLUMNS < WIDTH // 2, np.float32(-40.0), np.float32(40.0))
    shifted = np.where(COLUMNS < WIDTH // 2 + 6, np.float32(-40.0), np.float32(40.0))
    surface, edge = register_depth(
        target, (np.repeat(target[..., None], 3, -1) / 80 + 0.5).astype(np.float32), 4.0
    )
    zeta = agreeing(shifted, surface, edge, EVERYWHERE, 4.0)
    assert edge.any() and np.array_equal(zeta[edge], surface[edge])


def test_holes_are_the_networks_and_join_what_is_known() -> None:
    truth = (0.2 * COLUMNS + 10.0 * np.sin(ROWS / 9.0)).astype(np.float32)
    hole = disc(HEIGHT, WIDTH, 36, 48, 20)
    surface, edge = register_depth(np.where(hole, np.nan, truth).astype(np.float32), GREY, 2.0)
    zeta = agreeing(truth - 300.0, surface, edge, ~hole, 2.0)
    assert np.abs(zeta - truth)[hole].max() < min(1.0, 0.25 * np.abs(surface - truth)[hole].max())


def test_what_is_invented_stays_within_a_width_of_what_is_known() -> None:
    hole = disc(HEIGHT, WIDTH, 36, 48, 20)
    wild = np.where(hole, np.float32(1e6), np.float32(0.0))
    surface, edge = register_depth(np.where(hole, np.nan, ROWS).astype(np.float32), GREY, 2.0)
    assert agreeing(wild, surface, edge, ~hole, 2.0).max() <= ROWS.max() + WIDTH + 1e-3


# ---- things -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("scale", [0.0, 1.0, 1e3])
def test_a_thing_touches_the_surface_and_none_of_it_lies_behind(scale: float) -> None:
    ground = (-0.8 * ROWS).astype(np.float32)  # nearer toward the bottom of the picture
    thing = disc(HEIGHT, WIDTH, 30, 40, 14)
    cap = -np.sqrt(np.maximum(14.0**2 - (ROWS - 30) ** 2 - (COLUMNS - 40) ** 2, 0.0)).astype(np.float32)
    zeta = standing(cap, scale, ground, thing)
    assert np.isnan(zeta[~thing]).all() and (zeta[thing] <= ground[thing]).all()
    touching = (ground - zeta)[thing] < 1e-3
    assert 0.01 < touching.mean() < 0.2
    size = np.sqrt(thing.sum())
    deep = np.ptp(zeta[thing])
    assert 0.05 * size < deep < 1.9 * size


def test_a_ball_on_level_ground_is_round() -> None:
    ground = np.zeros((HEIGHT, WIDTH), np.float32)
    thing = disc(HEIGHT, WIDTH, 30, 40, 14)
    cap = -np.sqrt(np.maximum(14.0**2 - (ROWS - 29.5) ** 2 - (COLUMNS - 39.5) ** 2, 0.0)).astype(np.float32)
    zeta = standing(cap, 1.0, ground, thing)
    free = thing & (zeta < -1e-3)
    assert np.ptp((zeta - cap)[free]) < 0.1 and np.abs(zeta - cap)[thing].max() < 3.0


def test_a_thing_without_shape_stands_upright_and_each_thing_for_itself() -> None:
    ground = (-0.8 * ROWS).astype(np.float32)
    one, two = disc(HEIGHT, WIDTH, 20, 20, 9), disc(HEIGHT, WIDTH, 50, 70, 9)
    zeta = standing(np.ones((HEIGHT, WIDTH), np.float32), 1.0, ground, one | two)
    for thing, row in ((one, 20), (two, 50)):
        free = thing & (zeta < ground - 1e-3)
        assert np.ptp(zeta[free]) < 1e-3  # upright
        assert zeta[thing].min() == pytest.approx(-0.8 * (row + 8), abs=1.5)  # and its foot on the ground
