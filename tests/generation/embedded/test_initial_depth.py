"""Depth of E_0: a supplied map wins, a guess is right in kind, and both say what a unit is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from skimage import data

from wonderzoom.generation.embedded.depth_guess import EYE_HEIGHT, horizon_of, stepped
from wonderzoom.generation.embedded.initial_depth import InitialDepthStage, without_terraces
from wonderzoom.generation.jobs import CreateRequest, GenerationError
from wonderzoom.generation.stages import InitialDepth
from wonderzoom.scene_graph.ports import Cancelled, Control

FOCAL = 200.0


def estimate(request: CreateRequest, control: Control | None = None) -> InitialDepth:
    return InitialDepthStage(1).estimate(request, FOCAL, control or Control())


def landscape(seed: int = 0) -> np.ndarray:
    """A clear sky over grass with a post that stands in it."""
    rng = np.random.default_rng(seed)
    picture = np.empty((192, 256, 3), np.float64)
    share = np.linspace(0, 1, 80)[:, None, None]
    picture[:80] = np.array([0.25, 0.45, 0.85]) * (1 - share) + np.array([0.65, 0.78, 0.95]) * share
    picture[80:] = np.array([0.2, 0.35, 0.1]) + rng.normal(0, 0.03, (112, 256, 1))
    picture[40:150, 120:134] = (0.55, 0.15, 0.1)
    return (np.clip(picture, 0, 1) * 255).astype(np.uint8)


def plain(height: int = 40, width: int = 60) -> np.ndarray:
    return np.full((height, width, 3), 90, np.uint8)


# ---- a map that was supplied --------------------------------------------------------------------
def test_a_supplied_map_wins_over_every_guess() -> None:
    rng = np.random.default_rng(1)
    depth = rng.uniform(1.0, 9.0, (192, 256)).astype(np.float32)
    sky = np.zeros((192, 256), np.bool_)
    sky[:30] = True
    found = estimate(CreateRequest(landscape(), depth, sky, metres_per_unit=0.5))
    assert np.array_equal(found.depth, depth) and np.array_equal(found.sky, sky)
    assert found.metres_per_unit == 0.5 and found.notes == ()


def test_the_far_end_of_a_map_is_sky_only_where_it_looks_like_sky() -> None:
    picture = landscape()
    depth = np.full((192, 256), 20.0, np.float32)
    depth[80:] = np.linspace(20.0, 2.0, 112)[:, None]
    found = estimate(CreateRequest(picture, depth))
    assert found.sky[:35].mean() > 0.99 and not found.sky[82:].any()
    assert not estimate(CreateRequest(plain(192, 256), depth)).sky.any()


def test_infinity_is_sky_and_holes_take_the_nearest_depth() -> None:
    depth = np.full((40, 60), 3.0, np.float32)
    depth[:10] = np.inf
    depth[20, 20], depth[21, 20], depth[22, 20] = np.nan, 0.0, -1.0
    found = estimate(CreateRequest(plain(), depth))
    assert found.sky[:10].all() and not found.sky[10:].any()
    assert (found.depth[10:] == 3.0).all()


@pytest.mark.parametrize(
    ("depth", "says"),
    [
        (np.ones((40, 61), np.float32), "40 x 60"),
        (np.full((40, 60), np.nan, np.float32), "0.0% of the depth map"),
        (np.zeros((40, 60), np.float32), "0.0% of the depth map"),
    ],
)
def test_a_map_that_cannot_be_used_is_refused_with_its_numbers(depth: np.ndarray, says: str) -> None:
    with pytest.raises(GenerationError, match=says):
        estimate(CreateRequest(plain(), depth))


def test_maps_in_metres_are_taken_so_and_others_are_scaled_by_their_near_part() -> None:
    metres = np.linspace(1.0, 30.0, 2400, dtype=np.float32).reshape(40, 60)
    assert estimate(CreateRequest(plain(), metres)).metres_per_unit == 1.0
    steps = estimate(CreateRequest(plain(), metres * 4000))
    near = np.quantile(metres * 4000, 0.05) * steps.metres_per_unit
    assert near == pytest.approx(0.5, rel=0.01) and "unit" in steps.notes[0]


@given(slope=st.floats(0.05, 0.3), width=st.floats(3.0, 7.0))
@settings(max_examples=20, deadline=None)
def test_terraces_become_the_slope_they_were_made_from(slope: float, width: float) -> None:
    rows, columns = np.mgrid[0:100, 0:120].astype(np.float32)
    truth = 40.0 + slope * (rows + 0.5 * columns)
    step = width * slope
    truth[:, 80:] += 60.0  # another surface, far behind
    stored = (np.rint(truth / step) * step).astype(np.float32)
    found = without_terraces(stored, np.ones(stored.shape, np.bool_))
    assert np.abs(found - stored).max() <= 0.5 * step * 1.01
    assert np.abs(found - truth).mean() < 0.6 * np.abs(stored - truth).mean()
    wall = np.abs(np.diff(stored[:, :80], axis=0)) > 0
    assert np.quantile(np.abs(np.diff(found[:, :80], axis=0))[wall], 0.9) < 0.75 * step
    assert (found[:, 80:] - found[:, 79:80] > 55.0).all()  # the edge is where it was


def test_things_that_really_are_flat_keep_their_outlines() -> None:
    depth = np.full((60, 60), 5.0, np.float32)
    depth[20:40, 20:40] = 3.0
    assert without_terraces(depth, np.ones(depth.shape, np.bool_)) is depth


def test_maps_with_many_values_are_left_alone() -> None:
    depth = np.random.default_rng(3).uniform(1, 2, (200, 200)).astype(np.float32)
    assert without_terraces(depth, np.ones(depth.shape, np.bool_)) is depth


# ---- a guess ------------------------------------------------------------------------------------
def test_the_ground_is_a_plane_below_a_standing_persons_eye() -> None:
    found = estimate(CreateRequest(landscape()))
    horizon = horizon_of(found.sky)
    assert abs(horizon - 80) <= 3
    rows = np.arange(110, 190)
    expected = EYE_HEIGHT * FOCAL / (rows + 0.5 - horizon)
    assert np.median(found.depth[110:190, 10:90], axis=1) == pytest.approx(expected, rel=0.15)
    assert found.metres_per_unit == 1.0 and found.sky[:70, :100].all()


def test_what_stands_in_the_ground_is_nearer_than_what_is_behind_it() -> None:
    depth = estimate(CreateRequest(landscape())).depth
    post, foot, behind = depth[60:130, 124:130], depth[148, 127], depth[85:110, 60:100]
    assert np.ptp(post) < 0.4 * np.median(post)
    assert np.median(post) < 2.5 * foot < np.median(behind)


def test_the_middle_of_a_picture_of_a_thing_is_at_arms_length_and_nearer_below() -> None:
    found = estimate(CreateRequest(data.coffee()))
    assert not found.sky.any()
    assert np.median(found.depth) == pytest.approx(0.5, rel=0.05)
    assert np.median(found.depth[-60:]) < np.median(found.depth[:60])
    assert found.depth.max() / found.depth.min() < 4.0


def test_the_guess_orders_a_real_room_as_its_measured_depth_does() -> None:
    left, _, disparity = data.stereo_motorcycle()
    known = np.isfinite(disparity) & (disparity > 0)
    found = estimate(CreateRequest(left))
    rank = np.asarray(stats.spearmanr(1.0 / found.depth[known][::7], disparity[known][::7]))[0]
    assert rank > 0.70  # by the row alone it is 0.67


@given(seed=st.integers(0, 10**6), height=st.integers(2, 70), width=st.integers(2, 70))
@settings(max_examples=15, deadline=None)
def test_any_picture_has_a_positive_depth_and_the_same_one_twice(seed: int, height: int, width: int) -> None:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    first, second = estimate(CreateRequest(picture)), estimate(CreateRequest(picture))
    assert first.depth.dtype == np.float32 and first.depth.shape == (height, width)
    assert np.isfinite(first.depth).all() and first.depth.min() > 0
    assert first.depth.tobytes() == second.depth.tobytes()


def test_slopes_become_steps_and_planes_stay_planes() -> None:
    ramp = np.repeat(np.interp(np.arange(60), [27, 33], [0.3, 0.8])[None], 20, 0).astype(np.float32)
    step = np.abs(np.diff(stepped(ramp)[10]))
    assert (step > 0.01).sum() <= 2 and step.max() > 0.24 and step.argmax() in (29, 30)
    plane = np.repeat(np.linspace(0, 1, 400, dtype=np.float32)[:, None], 8, 1)
    assert np.array_equal(stepped(plane), plane)


def test_a_cancelled_estimate_ends() -> None:
    with pytest.raises(Cancelled):
        estimate(CreateRequest(plain()), Control(cancelled=lambda: True))
