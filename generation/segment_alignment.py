"""Segment-wise alignment: each segment of a picture stands where the target depth says (Sec. 3.2).

Depth estimators are right about shapes and drift between them. One shift a segment, the median of what the
target says there, takes the drift away and keeps every shape. What is new has no target and is left alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F32 = NDArray[np.float32]

# A median of fewer pixels follows single surfels of the coarse scene.
MIN_PIXELS = 32
# The target is the coarse scene: up to half a coarse pixel it has no opinion of its own.
TOLERANCE = 0.5  # coarse pixels


def align_segments(
    zeta: F32,  # [H, W] native pixels; NaN where unknown
    target: F32,  # [H, W] native pixels; NaN where there is none
    segments: NDArray[np.int32],  # [H, W] labels from 0
    free: NDArray[np.bool_],  # [H, W] pixels that the target says nothing about, however finite
    coarse: float,  # native pixels of this view in one pixel of the target's surfels
) -> F32:
    """``zeta`` with each segment shifted by the median of what it lacks to the target.

    A segment with too few target pixels, or within the target's own tolerance, stays where it is.
    """
    known = np.isfinite(zeta) & np.isfinite(target) & ~free
    if not known.any():
        return zeta
    count = int(segments.max()) + 1
    labels = np.arange(count)
    pixels = np.bincount(segments[known], minlength=count)
    missing = np.where(known, target - zeta, 0.0).astype(np.float64)
    shift = np.asarray(ndimage.median(missing, np.where(known, segments, -1), labels), np.float64)
    shift[(pixels < MIN_PIXELS) | ~np.isfinite(shift) | (np.abs(shift) <= TOLERANCE * coarse)] = 0.0
    return (zeta + shift[segments]).astype(np.float32)
