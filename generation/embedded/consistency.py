"""Iterative back projection: what is generated agrees with what was seen (Sec. 3.2).

I_i low-passed and downsampled equals O_i. The low-pass is that of the world itself: a surfel of one coarse
pixel is a Gaussian, so an observation holds less contrast near its own resolution than a picture would.
Matching the blurred picture instead of the picture keeps the generated content crisp at that scale. Large
differences are removed by factors (they keep the hue of dark and bright detail), small ones by sums; every
correction is smooth, so that no grid of coarse pixels shows.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.features import LUMA

F32 = NDArray[np.float32]

# Standard deviation in coarse pixels of what surfels of Nyquist scale (0.7) do beyond a box of one pixel.
SEEN_SIGMA = 0.5
CORRECTION_SIGMA = 0.3  # coarse pixels: below, the cubic's teeth show; above, it takes more rounds
RATIO_ROUNDS = 1
TONE_SIGMA = 1.5  # coarse pixels: above what edges differ by, below what a thing covers
SUM_ROUNDS = 5
# What both low-passes take from the finest coarse structure, the sums give back: half the rounds.
SHARPENED = 2.0
# Factors are taken of colour + FLOOR, so that black stays finite; one round changes by at most this much.
FLOOR = 0.05
LEAST_FACTOR, MOST_FACTOR = 0.5, 2.0
# The first correction of brightness follows the edges of the image: linear in its own logarithm within
# windows of this radius (coarse pixels), where that explains more than this much variance.
WINDOW, UNEXPLAINED = 2, 4e-3
STEEPEST = 0.25  # it changes contrast by at most a factor of 1 + this; more, and a chain of zooms runs away
SHOULDER = 0.78  # brighter values bend toward 1 instead of clipping


def seen(image: F32, factor: float) -> F32:
    """How a picture [H, W, C] looks through pixels ``factor`` times larger: low-passed, then averaged."""
    size = (max(1, round(image.shape[1] / factor)), max(1, round(image.shape[0] / factor)))
    soft = cv2.GaussianBlur(image, (0, 0), SEEN_SIGMA * factor, borderType=cv2.BORDER_REFLECT)
    return np.asarray(cv2.resize(soft, size, interpolation=cv2.INTER_AREA), np.float32)


def observed(observation: F32, factor: float) -> F32:
    """O_i at its own resolution: averages over coarse pixels (it is low-passed already)."""
    size = (max(1, round(observation.shape[1] / factor)), max(1, round(observation.shape[0] / factor)))
    return np.asarray(cv2.resize(observation, size, interpolation=cv2.INTER_AREA), np.float32)


def _contrast(image: F32, target: F32, factor: float) -> F32:
    """Factor [H, W] that gives edges of the image the contrast they have in the target, without halos."""
    guide = np.log(seen(image, factor) @ LUMA + FLOOR)
    wanted = np.log(target @ LUMA + FLOOR) - guide

    def mean(values: NDArray[np.floating]) -> F32:
        size = (2 * WINDOW + 1, 2 * WINDOW + 1)
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT), np.float32)

    mean_guide, mean_wanted = mean(guide), mean(wanted)
    slope = (mean(guide * wanted) - mean_guide * mean_wanted) / (
        mean(guide * guide) - mean_guide * mean_guide + UNEXPLAINED
    )
    slope = np.clip(slope, -STEEPEST, STEEPEST)
    both = np.stack([mean(slope), mean(mean_wanted - slope * mean_guide)], -1)
    fine = cv2.resize(both, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
    soft = cv2.GaussianBlur(image @ LUMA, (0, 0), 0.25 * factor, borderType=cv2.BORDER_REFLECT)
    return np.exp(fine[..., 0] * np.log(soft + FLOOR) + fine[..., 1])


def consistent(image: F32, observation: F32, factor: float) -> F32:
    """``image`` [H, W, 3] corrected until ``seen(image)`` equals ``observed(observation)``.

    ``factor``: size of a coarse pixel in pixels of the image, > 1; both pictures sRGB, the same size, the
    observation in [0, 1], the image of any brightness.
    """
    target = observed(observation, factor)
    full = (image.shape[1], image.shape[0])
    sigma = CORRECTION_SIGMA * factor

    def spread(coarse: F32, sharpened: float = 0.0) -> F32:
        if sharpened > 0:
            soft = cv2.GaussianBlur(coarse, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
            coarse = np.asarray(coarse + sharpened * (coarse - soft), np.float32)
        fine = cv2.resize(coarse, full, interpolation=cv2.INTER_CUBIC)
        return np.asarray(cv2.GaussianBlur(fine, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)

    image = np.maximum(image, 0.0)
    image = image * (target.mean((0, 1)) / np.maximum(image.mean((0, 1)), 1e-6))
    image = image * _contrast(image, target, factor)[..., None]
    strongest = image.max(-1, keepdims=True)
    over = np.maximum(strongest - SHOULDER, 0.0)
    bent = np.minimum(strongest, SHOULDER) + (1 - SHOULDER) * np.tanh(over / (1 - SHOULDER))
    image = image * (bent / np.maximum(strongest, 1e-6))
    for _ in range(RATIO_ROUNDS):
        ratio = np.clip((target + FLOOR) / (seen(image, factor) + FLOOR), LEAST_FACTOR, MOST_FACTOR)
        image = within((image + FLOOR) * spread(np.asarray(ratio, np.float32)) - FLOOR)
    for _ in range(SUM_ROUNDS):
        image = within(image + spread(target - seen(image, factor), SHARPENED))
    return np.clip(image, 0.0, 1.0).astype(np.float32)


def within(image: F32) -> F32:
    """Colours in [0, 1]: what is too bright turns pale instead of turning yellow, channel by channel."""
    image = np.maximum(image, 0.0)
    bright = image.max(-1) > 1.0
    if bright.any():
        color = image[bright]
        strongest = color.max(-1, keepdims=True)
        grey = np.minimum(color @ LUMA, 1.0)[..., None]
        share = (strongest - 1.0) / np.maximum(strongest - grey, 1e-6)
        image[bright] = np.minimum(color + share * (grey - color), 1.0)
    return image


def toned(image: F32, observation: F32, factor: float) -> F32:
    """``image`` with the light and colour of the observation over several coarse pixels; detail is untouched.

    For things that were drawn again: their edges and texture are exact, but glass and shadow show surroundings
    that this view does not hold.
    """
    missing = observed(observation, factor) - seen(image, factor)
    missing = cv2.GaussianBlur(missing, (0, 0), TONE_SIGMA, borderType=cv2.BORDER_REFLECT)
    fine = cv2.resize(missing, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.clip(image + fine, 0.0, 1.0).astype(np.float32)
