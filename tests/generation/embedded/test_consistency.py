"""What is generated agrees with what was seen: low-passed and downsampled, I_i equals O_i."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.embedded.consistency import consistent, observed, seen, toned

SIDE = 160


def observation(factor: float, seed: int) -> np.ndarray:
    """A blurred coarse picture of moderate contrast, as surfels of ``factor`` pixels show it."""
    rng = np.random.default_rng(seed)
    n = int(SIDE / factor) + 1
    coarse = 0.2 + 0.6 * cv2.GaussianBlur(rng.random((n, n, 3)).astype(np.float32), (0, 0), 1.0)
    fine = cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    return np.clip(cv2.GaussianBlur(fine, (0, 0), 0.5 * factor), 0, 1)


def texture(seed: int, contrast: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.exp(contrast * rng.standard_normal((SIDE, SIDE, 1))).astype(np.float32)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-12))


@settings(max_examples=12)
@given(
    st.floats(1.6, 10.0), st.floats(0.02, 0.25), st.floats(0.2, 5.0), st.integers(0, 3), st.integers(0, 1000)
)
def test_low_passed_and_downsampled_it_equals_what_was_seen(
    factor: float, contrast: float, gain: float, channel: int, seed: int
):
    seen_before = observation(factor, seed)
    tint = np.ones(3, np.float32)
    tint[channel % 3] = 1.3
    drawn = seen_before * texture(seed, contrast) * tint * np.float32(gain)
    image = consistent(drawn, seen_before, factor)
    assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
    assert psnr(seen(image, factor), observed(seen_before, factor)) >= 40


def test_detail_survives():
    """The correction removes what disagrees and leaves the finer texture in place."""
    before = observation(6.0, 1)
    drawn = before * 0.5 * texture(2, 0.15)
    image = consistent(drawn.astype(np.float32), before, 6.0)

    def fine(picture: np.ndarray) -> np.ndarray:
        log = np.log(picture.mean(-1) + 0.05)
        return log - cv2.GaussianBlur(log, (0, 0), 2.0)

    assert np.corrcoef(fine(image).ravel(), fine(drawn).ravel())[0, 1] > 0.95
    assert 0.6 < fine(image).std() / fine(before * texture(2, 0.15)).std() < 1.4


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_black_and_white_stay_finite(level: float):
    before = np.full((SIDE, SIDE, 3), level, np.float32)
    image = consistent(before * texture(0, 0.2), before, 4.0)
    assert np.isfinite(image).all()
    assert np.abs(image.mean() - level) < 0.06


def test_an_edge_gets_its_contrast_without_a_halo():
    """A step that is too weak in the image is strengthened at the step, not in a band beside it."""
    before = np.full((SIDE, SIDE, 3), 0.25, np.float32)
    before[:, SIDE // 2 :] = 0.75
    before = np.asarray(cv2.GaussianBlur(before, (0, 0), 3.0), np.float32)
    weak = np.full((SIDE, SIDE, 3), 0.45, np.float32)
    weak[:, SIDE // 2 :] = 0.55
    image = consistent(weak, before, 6.0)[SIDE // 2, :, 0]
    assert image[SIDE // 2 - 8] < 0.32 and image[SIDE // 2 + 8] > 0.68
    assert image.max() < 0.86 and image.min() > 0.14


@pytest.mark.parametrize("factor", [2.0, 4.0, 8.0])
def test_toning_takes_light_and_leaves_detail(factor: float) -> None:
    rng = np.random.default_rng(3)
    image = (0.5 + 0.1 * rng.standard_normal((128, 128, 3))).astype(np.float32).clip(0.2, 0.8)
    darker = (image * 0.0 + image.mean((0, 1)) - np.array([0.15, 0.05, 0.0], np.float32)).astype(np.float32)
    result = toned(image, darker, factor)
    assert np.abs(result.mean((0, 1)) - darker.mean((0, 1))).max() < 0.01
    fine = image - cv2.GaussianBlur(image, (0, 0), factor)
    kept = result - cv2.GaussianBlur(result, (0, 0), factor)
    assert np.corrcoef(fine.ravel(), kept.ravel())[0, 1] > 0.97
