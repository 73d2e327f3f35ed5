"""NIQE, the Natural Image Quality Evaluator, fitted to photos that a person chooses.

Mittal, Soundararajan and Bovik, "Making a completely blind image quality analyzer", IEEE Signal Processing
Letters 20 (3), 2013. Owns features and distance. The paper's own model comes of 125 photos that are not ours to
give away; so there is none here, and numbers of different photos are not to be compared with each other.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
F64 = NDArray[np.float64]

KEY = "niqe_fitted"
PATCH = 96  # pixels, at the first of two scales
SHARP = 0.75  # of its photo's sharpest patch: less sharp ones are not pristine
WINDOW, DEVIATION = 7, 7.0 / 6.0  # of the Gaussian that mean and contrast are taken with
FEATURES = 36  # 18 at each of two scales
LEAST_PATCHES = 10 * FEATURES  # with 80 the covariance is so narrow that a photo made smaller scores 9 to 28
GREY = np.array([0.299, 0.587, 0.114])


def _ln_gamma(values: F64) -> F64:
    return np.array([math.lgamma(value) for value in values])


# Exponents of the densities that are fitted, and what of a density's moments tells which one it is.
_SHAPES = np.arange(0.2, 10.0, 0.001)
_RATIOS = np.exp(2.0 * _ln_gamma(2.0 / _SHAPES) - _ln_gamma(1.0 / _SHAPES) - _ln_gamma(3.0 / _SHAPES))


class TooFewPatches(Exception):
    """Photos that no model can be fitted to."""


@dataclass(frozen=True, slots=True)
class Pristine:
    """What the patches of good photos are like: a Gaussian over their features."""

    mean: F64  # [36]
    covariance: F64  # [36, 36]
    patches: int  # that it comes of
    photos: int


class FittedNiqe:
    """A column of an evaluation (``learned.Scorer``)."""

    def __init__(self, pristine: Pristine) -> None:
        self._pristine = pristine
        digest = hashlib.blake2b(pristine.mean.tobytes() + pristine.covariance.tobytes(), digest_size=8)
        self.identity = f"niqe {digest.hexdigest()}"

    def score(self, pictures: Sequence[U8], prompt: str) -> dict[str, float | None]:
        """See ``Scorer``; words are not looked at. None of pictures that are too small."""
        found = [niqe(picture, self._pristine) for picture in pictures]
        known = [value for value in found if value is not None]
        return {KEY: math.fsum(known) / len(known) if known else None}


def fit(photos: Iterable[U8]) -> Pristine:
    """The model of photos [H, W, 3], of their sharp patches. Raises TooFewPatches."""
    found: list[F64] = []
    count = 0
    for photo in photos:
        count += 1
        features, sharpness = patch_features(photo)
        if len(features):
            found.append(features[sharpness >= SHARP * sharpness.max()])
    features = np.concatenate(found) if found else np.zeros((0, FEATURES))
    if len(features) < LEAST_PATCHES:
        raise TooFewPatches(
            f"{len(features)} sharp patches of {PATCH} pixels in {count} photos; {LEAST_PATCHES} are needed"
        )
    return Pristine(features.mean(0), np.cov(features, rowvar=False), len(features), count)


def niqe(picture: U8, pristine: Pristine) -> float | None:
    """How far [H, W, 3] is from pristine photos, 0 and more; None below two patches of 96 pixels."""
    features, _ = patch_features(picture)
    if len(features) < 2:
        return None
    gap = features.mean(0) - pristine.mean
    spread = 0.5 * (np.cov(features, rowvar=False) + pristine.covariance)
    return math.sqrt(max(0.0, float(gap @ np.linalg.pinv(spread, hermitian=True) @ gap)))


def patch_features(picture: U8) -> tuple[F64, F64]:
    """(features [N, 36], sharpness [N]) of the N whole patches of a picture [H, W, 3], row by row."""
    grey = picture.astype(np.float64) @ GREY
    rows, columns = grey.shape[0] // PATCH, grey.shape[1] // PATCH
    if not rows * columns:
        return np.zeros((0, FEATURES)), np.zeros(0)
    grey = grey[: rows * PATCH, : columns * PATCH]
    # The mean of two by two pixels is both low-pass and reduction.
    half = np.asarray(cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.float64)
    fine, contrast = normalised(grey)
    coarse, _ = normalised(half)
    features = [scale_features(_patches(fine, PATCH)), scale_features(_patches(coarse, PATCH // 2))]
    return np.concatenate(features, 1), _patches(contrast, PATCH).mean((1, 2))


def normalised(grey: F64) -> tuple[F64, F64]:
    """(grey [H, W] without local mean and contrast (the paper's Eq. 1), local contrast)."""

    def local(values: F64) -> F64:
        size = (WINDOW, WINDOW)
        return np.asarray(
            cv2.GaussianBlur(values, size, DEVIATION, borderType=cv2.BORDER_REPLICATE), np.float64
        )

    mean = local(grey)
    contrast = np.sqrt(np.maximum(local(grey * grey) - mean * mean, 0.0))
    return (grey - mean) / (contrast + 1.0), contrast


def scale_features(patches: F64) -> F64:
    """[N, 18] of normalised patches [N, P, P]: the shape of their values and of products of neighbours.

    Shape and variance of a generalised Gaussian (Eq. 4); of each of four products (beside, below, both diagonals)
    shape, mean, left and right scale of an asymmetric one (Eq. 8 to 12).
    """
    shape, left, right, _ = asymmetric(patches.reshape(len(patches), -1))
    variance = (patches**2).mean((1, 2))
    columns = [shape, variance]
    products = (
        patches[:, :, :-1] * patches[:, :, 1:],
        patches[:, :-1] * patches[:, 1:],
        patches[:, :-1, :-1] * patches[:, 1:, 1:],
        patches[:, :-1, 1:] * patches[:, 1:, :-1],
    )
    for product in products:
        shape, left, right, mean = asymmetric(product.reshape(len(patches), -1))
        columns += [shape, mean, left, right]
    return np.stack(columns, 1)


def asymmetric(samples: F64) -> tuple[F64, F64, F64, F64]:
    """(shape, left scale, right scale, mean) of an asymmetric generalised Gaussian in each row [N, M].

    By moments (Lasmar, Stitou and Berthoumieu 2009): deviations of both sides, then the exponent whose density
    has this ratio of squared mean magnitude to variance.
    """
    below = _deviation(samples, samples < 0.0)
    above = _deviation(samples, samples > 0.0)
    squared = np.maximum((samples**2).mean(1), 1e-12)
    ratio = np.abs(samples).mean(1) ** 2 / squared
    skew = below / above
    ratio *= (skew**3 + 1.0) * (skew + 1.0) / (skew**2 + 1.0) ** 2
    shape = np.interp(ratio, _RATIOS, _SHAPES)
    scale = np.exp(0.5 * (_ln_gamma(1.0 / shape) - _ln_gamma(3.0 / shape)))
    left, right = below * scale, above * scale
    return shape, left, right, (right - left) * np.exp(_ln_gamma(2.0 / shape) - _ln_gamma(1.0 / shape))


def _deviation(samples: F64, side: NDArray[np.bool_]) -> F64:
    """Root mean square of the samples on one side; hardly anything where there are none."""
    total = np.where(side, samples**2, 0.0).sum(1)
    return np.sqrt(total / np.maximum(side.sum(1), 1) + 1e-12)


def _patches(values: F64, size: int) -> F64:
    """[H, W] in whole patches [N, size, size], row by row."""
    rows, columns = values.shape[0] // size, values.shape[1] // size
    return values.reshape(rows, size, columns, size).swapaxes(1, 2).reshape(-1, size, size)
