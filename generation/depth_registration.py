"""D_i from D_target: depth that agrees with the coarse geometry and keeps its silhouettes (Sec. 3.2).

The rendered target is right on average and wrong in two ways: inside surfaces it steps from surfel to
surfel, at silhouettes its edge lies within a coarse pixel of the true one. So: smooth inside, and at
depth edges choose near or far per pixel by the colours of I_i (a matte), never an average of both.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# A jump of more than this many coarse pixels of depth within a coarse pixel to either side is an edge:
# slopes beyond tan^-1 3 = 72 degrees are silhouettes rather than surfaces.
EDGE_SLOPE = 6.0


def fill_from_nearest(values: F32, known: Mask) -> F32:
    """``values`` with unknown pixels taken from the nearest known one (all zero when nothing is known)."""
    if known.all():
        return values
    if not known.any():
        return np.zeros_like(values)
    found = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    rows, columns = np.asarray(found, np.int64)
    return values[rows, columns]


def guided_filter(guide: F32, values: F32, radius: int, epsilon: float) -> F32:
    """He et al. 2013: ``values`` smoothed along the edges of a grey ``guide`` (both [H, W])."""

    def mean(x: NDArray[np.floating]) -> F32:
        size = (2 * radius + 1, 2 * radius + 1)
        return np.asarray(
            cv2.blur(np.asarray(x, np.float32), size, borderType=cv2.BORDER_REFLECT), np.float32
        )

    mean_guide, mean_values = mean(guide), mean(values)
    slope = (mean(guide * values) - mean_guide * mean_values) / (
        mean(guide * guide) - mean_guide * mean_guide + epsilon
    )
    return mean(slope) * guide + mean(mean_values - slope * mean_guide)


def register_depth(target: F32, image: F32, coarse: float) -> tuple[F32, Mask]:
    """Zeta [H, W] and its depth edges, from the target [H, W] (NaN where unknown) and I_i [H, W, 3].

    ``coarse``: size of a pixel of the target in pixels of the image.
    """
    known = np.isfinite(target)
    zeta = fill_from_nearest(np.where(known, target, 0.0).astype(np.float32), known)
    coarse = float(max(1.0, coarse))
    window = np.ones((2 * int(np.ceil(coarse)) + 1,) * 2, np.uint8)
    near, far = cv2.erode(zeta, window), cv2.dilate(zeta, window)
    edge = (far - near) > EDGE_SLOPE * coarse
    sigma = 0.6 * coarse
    if not edge.any():
        smooth = cv2.GaussianBlur(zeta, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        return np.asarray(smooth, np.float32), np.asarray(edge, np.bool_)

    def averaged(weights: F32) -> F32:
        """Local means of ``zeta`` over what has weight; where nothing near has, those of the nearest."""
        total = cv2.GaussianBlur(weights, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        sums = cv2.GaussianBlur(zeta * weights, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
        mean = np.where(total > 1e-3, sums / np.maximum(total, 1e-6), zeta)
        return fill_from_nearest(mean.astype(np.float32), total > 1e-3)

    in_zone = edge.astype(np.float32)
    smooth = averaged(1.0 - in_zone)
    is_near = (zeta < 0.5 * (near + far)).astype(np.float32)
    grey = image @ np.array([0.299, 0.587, 0.114], np.float32)
    # epsilon 1e-3: colour steps of 3 % of the range already carry the edge
    matte = guided_filter(
        grey, np.where(edge, is_near, 0.5).astype(np.float32), int(np.ceil(1.5 * coarse)), 1e-3
    )
    choose_near = np.where(edge, matte, 1.0) > 0.5

    near_side, far_side = averaged(is_near * in_zone), averaged((1.0 - is_near) * in_zone)
    # A soft border of the edge zone would mix near and far again: the switch is hard on purpose.
    result = np.where(edge, np.where(choose_near, near_side, far_side), smooth)
    return result.astype(np.float32), edge
