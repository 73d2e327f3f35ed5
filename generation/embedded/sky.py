"""Where a photo shows the sky.

Sky is smooth, blue or pale or the colour of a low sun, and it is what the top edge of the picture is made of:
all three together, since a blue wall, a white cup or a bright cloth have two of them. Owns the test and its
thresholds; answers "no sky" rather than a doubtful one, because a surface that becomes sky is torn off the
scene and put at its far end.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.features import Features, blurred, grey

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Mean |Laplacian| of luminance over a few pixels: clear sky and clouds stay below, leaves and walls above.
SMOOTH = 0.03
# The sky must own this share of the top edge, and this share of the picture ...
MIN_TOP_SHARE = 0.7
MIN_SHARE = 0.05
# ... and hardly reach the bottom edge, where a backdrop or a table would; deep blue is rarely either.
MAX_BOTTOM_SHARE = 0.05
MAX_BLUE_BOTTOM_SHARE = 0.3
# A part of the sky touches the top edge over at least this share of it; a lamp does not.
MIN_PART_SHARE = 0.15
# Patches up to this share of the picture are gaps (of the sky's colour, behind twigs and struts) or clouds
# (holes brighter than this share of the sky around them and not upright); dark specks are birds.
MAX_PATCH_SHARE = 0.02
CLOUD = 0.85
UPRIGHT = 1.5  # height over width
SPECK_SHARE = 2e-4
# The smoothness test stops this many pixels short of the skyline; the last ones are judged by colour alone.
RIM = 7
SAME_COLOR = 0.10  # largest difference to the sky nearby, of full range: clouds' edges pass, leaves do not
LIKELY = 0.45  # likeness from which a colour may be sky


def between(values: F32, low: float | F32, high: float, softness: float) -> F32:
    """1 inside [low, high], 0 outside, with a logistic border ``softness`` wide."""
    rising = np.clip((values - low) / softness, -60.0, 60.0)
    falling = np.clip((high - values) / softness, -60.0, 60.0)
    return (1.0 / ((1.0 + np.exp(-rising)) * (1.0 + np.exp(-falling)))).astype(np.float32)


def sky_likeness(features: Features) -> F32:
    """How much the colour of each pixel could be that of a sky: 0..1, [H, W]."""
    hue, saturation, value = features.hue, features.saturation, features.value
    blue = between(hue, 185.0, 262.0, 10.0) * np.clip(saturation * 5.0, 0.0, 1.0) * (value > 0.12)
    pale = np.clip((0.22 - saturation) * 12.0, 0.0, 1.0) * between(value, 0.62, 2.0, 0.04)
    # Dusk and a low sun: violet, pink, orange. Pink and violet may be dim; orange is only sky when it glows.
    warm = (hue + 180.0) % 360.0 - 180.0
    dimmest = 0.4 + 0.3 * np.clip((warm + 30.0) / 50.0, 0.0, 1.0)
    glow = (
        between(warm, -98.0, 60.0, 10.0)
        * between(value, dimmest, 2.0, 0.04)
        * between(saturation, -1.0, 0.6, 0.05)
    )
    return np.maximum.reduce([blue, pale, 0.8 * glow]).astype(np.float32)


def sky_mask(image: F32, features: Features) -> Mask:
    """Pixels [H, W] of the sky of a picture [H, W, 3]; all False where there is none."""
    height, width = image.shape[:2]
    bend = blurred(np.abs(cv2.Laplacian(features.luminance, cv2.CV_32F)), 2.0)
    likely = sky_likeness(features) > LIKELY
    candidate = ((bend < SMOOTH) & likely).astype(np.uint8)
    candidate = cv2.morphologyEx(candidate, cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
    candidate = cv2.morphologyEx(candidate, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    top = max(2, height // 40)
    count, labels = cv2.connectedComponents(candidate)
    at_top = np.bincount(labels[:top].ravel(), minlength=count) >= MIN_PART_SHARE * top * width
    at_top[0] = False
    sky = at_top[labels]
    if sky.mean() < MIN_SHARE or sky[:top].mean() < MIN_TOP_SHARE:
        return np.zeros((height, width), np.bool_)
    blue = float(features.saturation[sky].mean()) > 0.35
    if sky[-max(2, height // 12) :].mean() > (MAX_BLUE_BOTTOM_SHARE if blue else MAX_BOTTOM_SHARE):
        return np.zeros((height, width), np.bool_)
    return _to_the_skyline(image, sky, likely)


def _to_the_skyline(image: F32, sky: Mask, likely: Mask) -> Mask:
    """The sky grown to where its colour ends, through the gaps of trees and masts, with its clouds."""
    nearby = _spread(image, sky)
    alike = likely & (np.abs(image - nearby).max(-1) < SAME_COLOR)
    rim = cv2.dilate(sky.astype(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)) > 0
    grown = sky | (alike & rim)
    found = _patches(alike & ~grown)
    lowest = int(np.flatnonzero(grown.any(1))[-1])
    gap = (found.area < MAX_PATCH_SHARE * sky.size) & (found.top + found.height <= lowest)
    gap |= found.top == 0
    gap[0] = False
    grown |= gap[found.labels]
    holes = _patches(~grown)
    # Mean brightness of each hole relative to the sky around it.
    ratio = grey(image) / np.maximum(grey(nearby), 1e-3)
    bright = np.bincount(holes.labels.ravel(), ratio.ravel(), len(holes.area)) > CLOUD * holes.area
    cloud = bright & (holes.area < MAX_PATCH_SHARE * sky.size) & (holes.height < UPRIGHT * holes.width)
    cloud |= holes.area < SPECK_SHARE * sky.size
    cloud[0] = False
    return grown | cloud[holes.labels]


def _spread(image: F32, sky: Mask) -> F32:
    """The colour of the nearest sky everywhere: averages of ever wider windows until each pixel has one."""
    weight = sky.astype(np.float32)
    result = np.zeros_like(image)
    open_ = np.ones(sky.shape, np.bool_)
    for sigma in (2.0 * RIM, 8.0 * RIM, 32.0 * RIM):
        # It is smooth: an eighth of the pixels is enough.
        size = (max(1, image.shape[1] // 8), max(1, image.shape[0] // 8))
        both = np.concatenate([image * weight[..., None], weight[..., None]], -1)
        small = np.asarray(cv2.resize(both, size, interpolation=cv2.INTER_AREA), np.float32)
        both = blurred(small, sigma / 8.0)
        both = cv2.resize(both, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_LINEAR)
        take = open_ & (both[..., 3] > 0.02)
        result[take] = both[take, :3] / both[take, 3:]
        open_ &= ~take
    return result


@dataclass(frozen=True, slots=True, eq=False)
class _Patches:
    """Connected patches of a mask; entry 0 of each column is what lies outside of it."""

    labels: NDArray[np.int32]  # [H, W]
    top: NDArray[np.int32]  # [P] rows
    width: NDArray[np.int32]  # [P] of the bounding box
    height: NDArray[np.int32]  # [P]
    area: NDArray[np.int32]  # [P] pixels


def _patches(mask: Mask) -> _Patches:
    _, found, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    labels, boxes = np.asarray(found, np.int32), np.asarray(stats, np.int32)
    columns = (cv2.CC_STAT_TOP, cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT, cv2.CC_STAT_AREA)
    return _Patches(labels, *(boxes[:, column] for column in columns))
