"""Lenses: millimetres and pixels are two words for one angle."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.optics import FOCAL_RANGE_MM, focal_mm, focal_pixels

SIDES = st.floats(10.0, 50_000.0)


@given(st.floats(*FOCAL_RANGE_MM), SIDES, SIDES)
def test_millimetres_and_pixels_are_inverse(mm: float, width: float, height: float) -> None:
    assert focal_mm(focal_pixels(mm, width, height), width, height) == pytest.approx(mm)


def test_a_film_frame_is_its_own_equivalent() -> None:
    assert focal_pixels(50.0, 36.0, 24.0) == pytest.approx(50.0)


def test_the_angle_across_the_diagonal_does_not_depend_on_the_shape() -> None:
    for width, height in ((4000, 3000), (3000, 4000), (1920, 1080)):
        pixels = focal_pixels(24.0, width, height)
        angle = 2 * math.atan(math.hypot(width, height) / 2 / pixels)
        assert math.degrees(angle) == pytest.approx(84.06, abs=0.01)  # what a 24 mm lens is sold with
