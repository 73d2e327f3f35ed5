"""What an editing model changed: a mask, and the picture in which all else is as before, pixel by pixel.

An editor hands back a whole picture: what was asked for, and besides a little drift of colour and the blur of its
autoencoder everywhere. Order: the drift is fitted (an affine map of colour, on the third of the pixels that agree
best) and taken out; differences are measured in CIELAB after a light blur; strong ones, with the weaker ones that
hang together with them, are the change (hysteresis); specks go, gaps close. A map of all colours alone, such as
"at night", is therefore no change: it would recolour what exists, which stays as it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

BLUR = 1.0  # pixels of a picture of 512, more in larger ones: what an autoencoder moves edges by
# Units of CIELAB. 10 is seen at a glance, 4 by looking closely; a busy picture is let off up to 25 and 12, so that
# a picture that is new all over is still a change.
STRONG, WEAK = 10.0, 4.0
MOST_STRONG, MOST_WEAK = 25.0, 12.0
# This quantile of the differences is the editor's noise; it must be outside the change, which fills up to 60 %.
QUIET = 0.3
STRONG_NOISE, WEAK_NOISE = 6.0, 3.0  # times the noise
LEAST_PIXELS = 64  # a smaller region is a speck (the pipeline makes no node of fewer)
LEAST_SHARE = 5e-4  # of the picture, likewise
CLOSED = 0.006  # of the short side: gaps of twice that close
FEATHER = 2  # pixels outside the change over which it fades in, inside the mask
# The fit of colour: rounds, pixels that are looked at, the share of them that it is made on (a change of 60 % still
# leaves more), and how strongly it is held to "no drift".
FIT_ROUNDS, FIT_PIXELS, FIT_AGREEING, FIT_RIDGE = 8, 20_000, 0.35, 1e-4
FIT_WIDENED = 3.0  # the last round takes all pixels that differ by at most this times more


@dataclass(frozen=True, slots=True)
class Change:
    """What is new in a picture."""

    mask: Mask  # [H, W]
    image: F32  # [H, W, 3] outside the mask the old picture exactly

    @property
    def share(self) -> float:
        """Of the picture's pixels."""
        return float(self.mask.mean())


def without_drift(after: F32, before: F32) -> F32:
    """``after`` under the affine map of colour that brings the best-agreeing third of its pixels to ``before``.

    Least trimmed squares: each round fits on the pixels that agreed best in the last one.
    """
    stride = max(1, int(np.sqrt(after.shape[0] * after.shape[1] / FIT_PIXELS)))
    source = after[::stride, ::stride].reshape(-1, 3).astype(np.float64)
    target = before[::stride, ::stride].reshape(-1, 3).astype(np.float64)
    source = np.concatenate([source, np.ones((len(source), 1))], 1)
    same = np.eye(4, 3)
    held = FIT_RIDGE * len(source) * np.eye(4)
    fitted = same
    for number in range(FIT_ROUNDS):
        wrong = np.abs(source @ fitted - target).sum(1)
        limit = np.quantile(wrong, FIT_AGREEING) * (FIT_WIDENED if number == FIT_ROUNDS - 1 else 1.0)
        best = wrong <= limit
        a, b = source[best], target[best]
        fitted = np.linalg.solve(a.T @ a + held, a.T @ b + held @ same)
    mapped = after.reshape(-1, 3) @ fitted[:3] + fitted[3]
    return np.clip(mapped.reshape(after.shape), 0.0, 1.0).astype(np.float32)


def difference(after: F32, before: F32) -> F32:
    """How much each pixel [H, W] differs, in units of CIELAB, after a light blur."""
    sigma = BLUR * max(1.0, min(after.shape[:2]) / 512.0)

    def lab(picture: F32) -> F32:
        soft = cv2.GaussianBlur(np.clip(picture, 0.0, 1.0), (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        return np.asarray(cv2.cvtColor(soft.astype(np.float32), cv2.COLOR_RGB2LAB), np.float32)

    return np.linalg.norm(lab(after) - lab(before), axis=-1).astype(np.float32)


def changed(after: F32, before: F32) -> Mask:
    """Where ``after`` [H, W, 3], its drift taken out, shows something else than ``before``."""
    amount = difference(after, before)
    noise = float(np.quantile(amount, QUIET))
    weak = amount > min(max(WEAK, WEAK_NOISE * noise), MOST_WEAK)
    strong = amount > min(max(STRONG, STRONG_NOISE * noise), MOST_STRONG)
    count, found = cv2.connectedComponents(weak.astype(np.uint8), connectivity=8)
    labels = np.asarray(found, np.int64)
    has_strong = np.zeros(count, np.bool_)
    has_strong[labels[strong]] = True
    has_strong[0] = False
    mask = has_strong[labels]
    radius = max(1, round(CLOSED * min(mask.shape)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    padded = np.pad(mask.astype(np.uint8), radius, mode="edge")
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)[radius:-radius, radius:-radius] > 0
    least = max(LEAST_PIXELS, round(LEAST_SHARE * mask.size))
    return _without_specks(~_without_specks(~closed, least), least)


def _without_specks(mask: Mask, least: int) -> Mask:
    """Regions of at least so many pixels."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    kept = np.asarray(stats[:, cv2.CC_STAT_AREA] >= least, np.bool_)
    kept[0] = False
    return kept[np.asarray(labels, np.int64)]


def change(image: F32, before: F32, after: F32) -> Change:
    """What an editor changed in ``image`` [H, W, 3].

    ``before``: the image as the editor was shown it (at its working size and back), ``after``: what it made of it;
    all of one size, sRGB in [0, 1].
    """
    fitted = without_drift(after, before)
    core = changed(fitted, before)
    if not core.any():
        return Change(core, image)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * FEATHER + 1, 2 * FEATHER + 1))
    mask = cv2.dilate(core.astype(np.uint8), kernel) > 0
    outside = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3)
    weight = np.clip(1.0 - outside / (FEATHER + 1.0), 0.0, 1.0)[..., None]
    mixed = image + weight * (fitted - image)
    return Change(mask, np.where(mask[..., None], mixed, image).astype(np.float32))


# ---- what of it stands off the surface -------------------------------------------------------------
COMPACT = 0.6  # of its convex hull that a thing fills; moss, snow and cracks spread and fill less
MOST_THING = 0.6  # of the picture: more is the surface itself
MOST_CUT = 0.25  # of its outline along the picture's rim: more goes on beyond, as surfaces do


def standing(mask: Mask) -> Mask:
    """The regions of a change that are taken for things rather than for a material, by their shape alone.

    A rule of thumb, for where no detector says: a thing is compact, at most 60 % of the picture, and ends
    within it.
    """
    result = np.zeros_like(mask)
    count, labels = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    rim = np.ones_like(mask)
    rim[1:-1, 1:-1] = False
    for label in range(1, count):
        region = labels == label
        area = int(region.sum())
        outlines, _ = cv2.findContours(region.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        outline = max(outlines, key=len)
        hull = np.zeros(mask.shape, np.uint8)
        cv2.fillConvexPoly(hull, cv2.convexHull(outline), 1)
        compact = area >= COMPACT * int(hull.sum())
        cut = int((region & rim).sum()) > MOST_CUT * len(outline)
        if compact and not cut and area <= MOST_THING * mask.size:
            result |= region
    return result
