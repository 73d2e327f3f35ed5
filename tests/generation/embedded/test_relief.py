"""Light on heights: bumps lit from the upper left, flat ground unchanged, no lines at steps."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.generation.embedded.relief import relit

SIDE = 32
GREY = np.full((SIDE, SIDE, 3), 0.5, np.float32)
OPEN = np.ones((SIDE, SIDE), np.float32)


@given(st.floats(1e-12, 1e3), st.floats(-1e3, 1e3))
def test_flat_ground_keeps_its_colour(pixel: float, height: float):
    flat = relit(GREY, np.full((SIDE, SIDE), height * pixel), OPEN, pixel)
    assert np.allclose(flat, GREY, atol=1e-6)


@given(st.floats(1e-11, 1.0), st.integers(0, 100))
def test_only_heights_in_pixels_matter(pixel: float, seed: int):
    bumps = np.random.default_rng(seed).random((SIDE, SIDE))
    one = relit(GREY, bumps, OPEN, 1.0)
    assert np.allclose(relit(GREY, bumps * pixel, OPEN, np.full((SIDE, SIDE), pixel)), one, atol=1e-5)


def test_a_bump_is_bright_toward_the_light_and_warm_there():
    v, u = np.mgrid[0:SIDE, 0:SIDE] - SIDE / 2
    bump = 6.0 * np.exp(-(u * u + v * v) / 40.0)
    picture = relit(GREY, bump, OPEN, 1.0)
    lit, dark = picture[12, 12], picture[20, 20]
    assert lit.mean() > 0.52 and dark.mean() < 0.42
    assert lit[0] / lit[2] > dark[0] / dark[2]


def test_a_step_between_two_flats_draws_no_line():
    step = np.zeros((SIDE, SIDE))
    step[:, SIDE // 2 :] = 50.0
    picture = relit(GREY, step, OPEN, 1.0)
    assert np.abs(picture - GREY).max() < 0.05


def test_closed_places_are_dark():
    shut = np.full((SIDE, SIDE), 0.4, np.float32)
    assert np.allclose(relit(GREY, np.zeros((SIDE, SIDE)), shut, 1.0).mean(), 0.2, atol=0.02)
