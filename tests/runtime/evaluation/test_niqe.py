"""NIQE: the densities that it fits are found again, and what spoils a photo takes it away from pristine ones."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import gamma
from skimage import data

from wonderzoom.runtime.evaluation import niqe
from wonderzoom.runtime.evaluation.niqe import FEATURES, PATCH, FittedNiqe, Pristine, TooFewPatches

PHOTO = data.coffee()  # 400 x 600


def surface(texture: np.ndarray) -> np.ndarray:
    return np.stack([texture] * 3, -1)


@pytest.fixture(scope="module", autouse=True)
def few_patches() -> Iterator[None]:
    """So that a few photos make a model: a poor one, but quick."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(niqe, "LEAST_PATCHES", 70)
        yield


@pytest.fixture(scope="module")
def pristine(few_patches: None) -> Pristine:
    return niqe.fit([data.astronaut(), *map(surface, (data.brick(), data.gravel(), data.grass()))])


@settings(max_examples=12, deadline=None)
@given(st.floats(0.8, 4.0), st.floats(0.2, 3.0), st.floats(0.2, 3.0), st.integers(0, 99))
def test_an_asymmetric_gaussian_is_found_again(shape: float, left: float, right: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    # |x / scale| ^ shape is gamma distributed; a side has the share of its scale.
    size = rng.gamma(1.0 / shape, 1.0, 50_000) ** (1.0 / shape)
    side = rng.random(size.shape) < left / (left + right)
    found = niqe.asymmetric(np.where(side, -left * size, right * size)[None])
    mean = (right - left) * gamma(2.0 / shape) / gamma(1.0 / shape)
    assert found[0][0] == pytest.approx(shape, rel=0.15)
    assert (found[1][0], found[2][0]) == (pytest.approx(left, rel=0.15), pytest.approx(right, rel=0.15))
    assert found[3][0] == pytest.approx(mean, abs=0.1 * (left + right))


def test_patches_without_any_detail_have_numbers_all_the_same() -> None:
    flat = np.full((2 * PATCH, PATCH, 3), 90, np.uint8)
    features, sharpness = niqe.patch_features(flat)
    assert features.shape == (2, FEATURES) and np.isfinite(features).all() and (sharpness == 0.0).all()


def test_local_mean_and_contrast_are_those_of_a_gaussian_window() -> None:
    grey = np.random.default_rng(0).uniform(0, 255, (20, 30))
    found, contrast = niqe.normalised(grey)
    offsets = np.arange(-3, 4)
    window = np.exp(-0.5 * (offsets / niqe.DEVIATION) ** 2)
    window = np.outer(window, window) / window.sum() ** 2
    for y, x in ((3, 3), (10, 17), (16, 26)):
        around = grey[y - 3 : y + 4, x - 3 : x + 4]
        mean = (window * around).sum()
        deviation = math.sqrt((window * (around - mean) ** 2).sum())
        assert contrast[y, x] == pytest.approx(deviation, rel=1e-6)
        assert found[y, x] == pytest.approx((grey[y, x] - mean) / (deviation + 1.0), rel=1e-6)


def test_features_are_those_of_each_patch_alone() -> None:
    features, sharpness = niqe.patch_features(PHOTO)
    assert features.shape == (4 * 6, FEATURES) and sharpness.shape == (24,)
    row, column = 2, 3
    inner = PHOTO[row * PATCH - 8 : (row + 1) * PATCH + 8, column * PATCH - 8 : (column + 1) * PATCH + 8]
    fine, contrast = niqe.normalised(inner.astype(float) @ niqe.GREY)
    index = row * 6 + column
    alone = niqe.scale_features(fine[None, 8:-8, 8:-8])[0]
    np.testing.assert_allclose(features[index, :18], alone, rtol=1e-9)
    assert sharpness[index] == pytest.approx(contrast[8:-8, 8:-8].mean())


def test_only_sharp_patches_of_a_photo_count() -> None:
    half = PHOTO.copy()
    half[:, :288] = cv2.GaussianBlur(PHOTO[:, :288], (0, 0), 4.0)
    sharp = np.concatenate([surface(data.grass())] * 2, 1)
    both = niqe.fit([sharp, sharp, half])
    features, sharpness = niqe.patch_features(half)
    chosen = sharpness >= niqe.SHARP * sharpness.max()
    assert 0 < chosen.sum() < len(chosen) and both.photos == 3
    ones, contrast = niqe.patch_features(sharp)
    ones = ones[contrast >= niqe.SHARP * contrast.max()]
    assert both.patches == 2 * len(ones) + chosen.sum()
    np.testing.assert_allclose(both.mean, np.concatenate([ones, ones, features[chosen]]).mean(0))


def test_what_spoils_a_photo_takes_it_further_away(pristine: Pristine) -> None:
    def blurred(deviation: float) -> np.ndarray:
        return np.asarray(cv2.GaussianBlur(PHOTO, (0, 0), deviation), np.uint8)

    noise = np.random.default_rng(0).normal(0.0, 25.0, PHOTO.shape)
    noisy = np.clip(PHOTO + noise, 0, 255).astype(np.uint8)
    squeezed = cv2.imdecode(cv2.imencode(".jpg", PHOTO, [cv2.IMWRITE_JPEG_QUALITY, 8])[1], cv2.IMREAD_COLOR)
    scores = [niqe.niqe(np.asarray(each, np.uint8), pristine) or 0.0
              for each in (PHOTO, blurred(1.0), blurred(2.0), noisy, squeezed)]  # fmt: skip
    assert scores[0] < scores[1] < scores[2] and scores[0] < scores[3] and scores[0] < scores[4]


def test_the_distance_is_that_of_two_gaussians(pristine: Pristine) -> None:
    features, _ = niqe.patch_features(PHOTO)
    gap = features.mean(0) - pristine.mean
    spread = 0.5 * (np.cov(features.T) + pristine.covariance)
    expected = math.sqrt(gap @ np.linalg.solve(spread, gap))
    assert niqe.niqe(PHOTO, pristine) == pytest.approx(expected, rel=1e-6)
    same = Pristine(features.mean(0), np.cov(features.T), 24, 1)
    assert niqe.niqe(PHOTO, same) == pytest.approx(0.0, abs=1e-6)


def test_small_pictures_have_no_score(pristine: Pristine) -> None:
    scorer = FittedNiqe(pristine)
    small, large = PHOTO[:100, :100], PHOTO[:100, :300]
    assert niqe.niqe(small, pristine) is None and scorer.score([small], "") == {niqe.KEY: None}
    value = niqe.niqe(large, pristine)
    assert value is not None and scorer.score([small, large], "") == {niqe.KEY: value}


def test_too_few_photos_make_no_model() -> None:
    with pytest.raises(TooFewPatches, match="sharp patches of 96 pixels in 2 photos; 70 are needed"):
        niqe.fit([PHOTO, np.zeros((20, 20, 3), np.uint8)])
    with pytest.raises(TooFewPatches, match="0 sharp patches"):
        niqe.fit([])


def test_the_photos_are_part_of_what_scores_depend_on(pristine: Pristine) -> None:
    other = Pristine(pristine.mean + 1e-9, pristine.covariance, pristine.patches, pristine.photos)
    assert FittedNiqe(pristine).identity == FittedNiqe(pristine).identity != FittedNiqe(other).identity
