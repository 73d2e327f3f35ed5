"""D_i from D_target: the same surfaces, smooth inside, with the picture's silhouettes."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.depth_registration import fill_from_nearest, guided_filter, register_depth

SIDE = 96


def disc(radius: float, x: float = SIDE / 2, y: float = SIDE / 2) -> np.ndarray:
    v, u = np.mgrid[0:SIDE, 0:SIDE] + 0.5
    return np.hypot(u - x, v - y) < radius


def seen_coarsely(zeta: np.ndarray, coarse: int) -> np.ndarray:
    """What surfels ``coarse`` pixels wide show of a depth: one value each."""
    small = zeta[coarse // 2 :: coarse, coarse // 2 :: coarse]
    return cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST).astype(np.float32)


@settings(max_examples=25)
@given(st.floats(-1.2, 1.2), st.floats(-1.2, 1.2), st.sampled_from([2, 4, 6, 8]))
def test_a_plane_stays_a_plane_without_steps(slope_x: float, slope_y: float, coarse: int):
    v, u = (np.mgrid[0:SIDE, 0:SIDE] + 0.5).astype(np.float32)
    plane = slope_x * u + slope_y * v
    zeta, edge = register_depth(
        seen_coarsely(plane, coarse), np.full((SIDE, SIDE, 3), 0.5, np.float32), coarse
    )
    assert not edge.any()
    inside = np.s_[2 * coarse : -2 * coarse, 2 * coarse : -2 * coarse]
    assert np.abs(zeta - plane)[inside].max() < coarse * (abs(slope_x) + abs(slope_y)) + 1e-3
    step = np.abs(np.diff(zeta, axis=1))[inside]
    assert step.max() < abs(slope_x) * 2.5 + 1e-3  # the coarse target steps by slope * coarse


@pytest.mark.parametrize("coarse", [4, 8])
def test_a_silhouette_follows_the_picture_not_the_coarse_pixels(coarse: int):
    near = disc(30.0, 47.3, 49.1)
    target = seen_coarsely(np.where(near, -200.0, 0.0), coarse)
    image = np.where(near[..., None], 0.9, 0.1).astype(np.float32).repeat(3, -1)
    zeta, edge = register_depth(target, image, coarse)
    assert edge.any()
    assert set(np.unique(zeta.round())) <= {-200.0, 0.0}  # near or far, never between
    wrong_before = ((target < -100) != near).mean()
    wrong_after = ((zeta < -100) != near).mean()
    assert wrong_after < 0.5 * wrong_before


def test_where_the_target_knows_nothing_the_nearest_depth_goes_on():
    target = np.full((SIDE, SIDE), 7.0, np.float32)
    target[:, SIDE // 2 :] = np.nan
    zeta, edge = register_depth(target, np.full((SIDE, SIDE, 3), 0.5, np.float32), 4.0)
    assert np.allclose(zeta, 7.0, atol=1e-4) and not edge.any()


def test_a_target_of_nothing_is_the_plane_of_the_pivot():
    zeta, edge = register_depth(
        np.full((SIDE, SIDE), np.nan, np.float32), np.zeros((SIDE, SIDE, 3), np.float32), 4.0
    )
    assert (zeta == 0).all() and not edge.any()


def test_filling_keeps_what_is_known():
    values = np.arange(12, dtype=np.float32).reshape(3, 4)
    known = values % 2 == 0
    filled = fill_from_nearest(values, known)
    assert np.array_equal(filled[known], values[known])
    assert set(filled[~known]) <= set(values[known])


@given(st.floats(0.1, 0.9), st.integers(2, 8))
def test_a_guided_filter_keeps_an_edge_of_its_guide(level: float, radius: int):
    guide = np.zeros((40, 40), np.float32)
    guide[:, 20:] = 1.0
    rng = np.random.default_rng(0)
    values = level * guide + 0.05 * rng.standard_normal((40, 40)).astype(np.float32)
    smooth = guided_filter(guide, values.astype(np.float32), radius, 1e-3)
    assert np.abs(smooth[:, 19].mean()) < 0.03 and np.abs(smooth[:, 20].mean() - level) < 0.03
    assert smooth[:, :19].std() < values[:, :19].std()
