"""A photo's own content, larger: sharper than cubic interpolation and true to what it came from."""

import cv2
import numpy as np
import pytest

from wonderzoom.generation.embedded.base_upscaling import FACTORS, back_projected, upscaled


def shapes(side: int = 192) -> np.ndarray:
    """Overlapping discs of many colours: the truth that an upscaler should find."""
    rng = np.random.default_rng(3)
    picture = np.full((4 * side, 4 * side, 3), 0.4, np.float32)
    for _ in range(60):
        centre = rng.integers(0, 4 * side, 2)
        color = [float(c) for c in rng.uniform(0.05, 0.95, 3)]
        cv2.circle(picture, [int(c) for c in centre], int(rng.uniform(10, 120)), color, -1, cv2.LINE_AA)
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def averaged(picture: np.ndarray, factor: int) -> np.ndarray:
    size = (picture.shape[1] // factor, picture.shape[0] // factor)
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-12))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_it_is_nearer_to_the_truth_than_cubic_interpolation(factor: int):
    truth = shapes()
    small = averaged(truth, factor)
    cubic = cv2.resize(small, (truth.shape[1], truth.shape[0]), interpolation=cv2.INTER_CUBIC)
    assert psnr(upscaled(small, factor), truth) > psnr(cubic, truth) + 0.5


@pytest.mark.parametrize("factor", FACTORS)
def test_averages_over_its_pixels_stay(factor: int):
    small = averaged(shapes(), 4)
    fine = upscaled(small, factor)
    assert fine.shape == (small.shape[0] * factor, small.shape[1] * factor, 3)
    assert fine.dtype == np.float32 and fine.min() >= 0 and fine.max() <= 1
    assert psnr(averaged(fine, factor), small) > 40


def test_the_same_picture_gives_the_same_bytes():
    small = averaged(shapes(), 4)
    assert np.array_equal(upscaled(small, 4), upscaled(small.copy(), 4))


def test_back_projection_reaches_the_coarse_picture():
    small = averaged(shapes(), 4)
    grey = np.full((small.shape[0] * 4, small.shape[1] * 4, 3), 0.5, np.float32)
    errors = [psnr(averaged(back_projected(grey, small, n), 4), small) for n in (1, 2, 4)]
    assert errors == sorted(errors) and errors[-1] > 40


def test_other_factors_are_refused():
    with pytest.raises(ValueError, match="enlarges by"):
        upscaled(np.zeros((4, 4, 3), np.float32), 3)
