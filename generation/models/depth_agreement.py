"""What a network says about depth, brought into agreement with what the world knows.

Owns the domain in which a network's output is a straight line of the target, that line's robust fit, the blend of
both (low frequencies and silhouettes of the target, fine shape of the network), and how a new thing stands on the
surface. Does not own networks. Depth is zeta: native pixels relative to the pivot, larger is farther.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.membrane import membrane
from wonderzoom.scene_graph.camera import NEAR

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# In units of the pivot's depth: what is farther carries no parallax (as in ``initial_scene``).
FARTHEST = 1000.0
# Fewer known pixels than this do not settle a line.
LEAST_PIXELS = 16
# A prediction that varies less than this share of its size is constant: its numbers end there.
CONSTANT = 1e-4
REWEIGHTINGS = 8  # of least squares toward least absolute differences; the line has settled to 0.1 % by then
# The target knows what is larger than one of its own pixels; finer shape is the network's.
COARSE_SIGMA = 1.0  # coarse pixels
PASSES = 3  # of the low pass: at borders means are one-sided, and each pass takes most of what that leaves
# The network may differ from the target by a coarse pixel, which the target can't resolve, but never by more than
# this share of the width: the law on depth, kept at every known pixel.
MOST_SHARE = 0.01
# A thing is at least this deep and at most as deep as its size (the root of its area): what stands on flat ground
# has no surroundings that tell its scale.
LEAST_DEEP, MOST_DEEP = 0.1, 1.0
# So much of a thing touches the surface; a single pixel would hang it on an outlier.
TOUCHING = 0.02
OUTLIERS = (0.005, 0.995)  # of a thing's depths: beyond are mixtures at its outline


@dataclass(frozen=True, slots=True)
class Line:
    """target = scale * prediction + shift."""

    scale: float
    shift: float

    def __call__(self, values: NDArray[np.floating]) -> F32:
        return (self.scale * values + self.shift).astype(np.float32)


def to_disparity(zeta: F32, inverse_f: float) -> F32:
    """Disparity in native pixels, larger is farther: zeta / w with w = 1 + zeta / f the depth over the pivot's.

    A straight line of 1 / depth, and so of what relative networks predict; at long focal lengths it is zeta.
    """
    w = np.maximum(1.0 + zeta.astype(np.float64) * inverse_f, NEAR)
    return (zeta / w).astype(np.float32)


def from_disparity(disparity: NDArray[np.floating], inverse_f: float) -> F32:
    """The inverse, between the nearest depth that is rendered and ``FARTHEST``."""
    part = np.clip(disparity.astype(np.float64) * inverse_f, 1.0 - 1.0 / NEAR, 1.0 - 1.0 / FARTHEST)
    value = part / inverse_f if inverse_f > 0.0 else disparity.astype(np.float64)
    return (value / (1.0 - part)).astype(np.float32)


def fit_line(predicted: F32, target: F32, mask: Mask) -> Line:
    """Scale and shift of a prediction that best give the target on ``mask``: least absolute differences (Eq. 5).

    Shift only (scale 0, the median) where the prediction is constant, runs against the target, or too little is
    known: its shape has no say then.
    """
    x, y = predicted[mask].astype(np.float64), target[mask].astype(np.float64)
    if len(x) == 0:
        return Line(0.0, 0.0)
    flat = Line(0.0, float(np.median(y)))
    if len(x) < LEAST_PIXELS or float(x.std()) < CONSTANT * max(1e-6, float(np.abs(x).mean())):
        return flat
    centre, spread = float(x.mean()), float(x.std())
    x = (x - centre) / spread
    weight = np.ones_like(x)
    scale, shift = 0.0, 0.0
    smallest = 1e-3 * float(y.std()) + 1e-6
    for _ in range(REWEIGHTINGS):
        total, mean_x, mean_y = weight.sum(), (weight * x).sum(), (weight * y).sum()
        mean_x, mean_y = mean_x / total, mean_y / total
        variance = (weight * (x - mean_x) ** 2).sum()
        if variance <= 1e-12 * total:
            return flat
        scale = float((weight * (x - mean_x) * (y - mean_y)).sum() / variance)
        shift = float(mean_y - scale * mean_x)
        weight = 1.0 / np.maximum(np.abs(scale * x + shift - y), smallest)
    if scale <= 0.0:
        return flat
    return Line(scale / spread, shift - scale * centre / spread)


def agreeing(predicted: F32, surface: F32, edge: Mask, known: Mask, coarse: float) -> F32:
    """Zeta [H, W]: the fine shape of ``predicted`` on the old ``surface``; where nothing is known, the prediction.

    ``surface`` and its depth edges ``edge`` are ``register_depth``'s, ``known`` is where the target has them from;
    ``coarse`` is the size of one of the target's pixels. Where known, the result differs from the surface by less
    than min(a coarse pixel, 1 % of the width); at depth edges not at all. Elsewhere the prediction is shifted so
    that it joins, and stays within one width of what is known. A network that gets the known part wrong has the
    less to say, there and elsewhere.
    """
    if not known.any():
        return surface
    coarse, width = max(1.0, coarse), predicted.shape[1]
    sure = (known & ~edge) if (known & ~edge).any() else known
    weight, sigma = sure.astype(np.float32), COARSE_SIGMA * coarse
    total = cv2.GaussianBlur(weight, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    near_sure = total > 0.1  # a tenth of the window: what leaks in from farther is no mean
    joined = predicted
    for _ in range(PASSES):
        difference = (surface - joined) * weight
        sums = cv2.GaussianBlur(difference, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        lacking = np.where(near_sure, sums / np.maximum(total, 1e-6), 0.0)
        joined = joined + membrane(lacking[..., None], near_sure)[..., 0]
    most = np.float32(min(coarse, MOST_SHARE * width))
    joined = surface + _trust(predicted[sure], surface[sure], float(most)) * (joined - surface)
    fine = most * np.tanh((joined - surface) / most)
    low, high = float(surface[known].min()) - width, float(surface[known].max()) + width
    shown = surface + np.where(edge, np.float32(0.0), fine)
    return np.where(known, shown, np.clip(joined, low, high)).astype(np.float32)


def _trust(predicted: F32, surface: F32, resolution: float) -> np.float32:
    """What share of the known depth's variation a prediction explains, [0, 1]; errors of the resolution don't count."""
    varies = float(np.abs(surface - np.median(surface)).mean())
    missing = surface - predicted
    wrong = float(np.abs(missing - np.median(missing)).mean())
    return np.float32(np.clip(1.0 - wrong / (varies + resolution), 0.0, 1.0))


def standing(relative: F32, scale: float, surface: F32, mask: Mask) -> F32:
    """Zeta [H, W] of new things on ``mask``, NaN elsewhere: each touches the surface, none of it lies behind.

    ``relative`` is what the network says (larger is farther), ``scale`` what makes its surroundings fit.
    """
    zeta = np.full(mask.shape, np.nan, np.float32)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    for label in range(1, count):
        inside = labels == label
        raw, ground = relative[inside].astype(np.float64), surface[inside].astype(np.float64)
        size = float(len(raw)) ** 0.5
        near, far = np.quantile(raw, OUTLIERS)
        spread = float(far - near)
        if spread > CONSTANT * max(1e-6, float(np.abs(raw).mean())):
            deep = min(max(spread * scale, LEAST_DEEP * size), MOST_DEEP * size)
            shape = (np.clip(raw, near, far) - far) * (deep / spread)
        else:
            shape = np.zeros_like(raw)  # nothing is known of its shape: it stands upright
        shift = float(np.quantile(ground - shape, TOUCHING))
        zeta[inside] = np.minimum(shape + shift, ground)
    return zeta
