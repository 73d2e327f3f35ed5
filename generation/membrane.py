"""Filling what is not known: smoothly from what is (colours under things, depth behind them)."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]


def membrane(values: NDArray[np.floating], known: Mask) -> F32:
    """``values`` [H, W, C] with the unknown part filled from the known one, which stays as it is.

    A push-pull pyramid: close to the known part its values, far from it wider and wider averages. All zero
    where nothing is known.
    """
    channels = values.shape[2]
    weight = known.astype(np.float32)
    levels: list[tuple[F32, F32]] = [(values.astype(np.float32) * weight[..., None], weight)]
    while max(levels[-1][1].shape) > 2:
        color, weight = levels[-1]
        size = ((weight.shape[1] + 1) // 2, (weight.shape[0] + 1) // 2)
        color = cv2.resize(color, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0], channels)
        weight = cv2.resize(weight, size, interpolation=cv2.INTER_AREA).reshape(size[1], size[0])
        # A cell that knows a quarter of its area knows enough.
        sure = np.minimum(1.0, 4.0 * weight)
        scaled = color * (sure / np.maximum(weight, 1e-8))[..., None]
        levels.append((np.asarray(scaled, np.float32), np.asarray(sure, np.float32)))
    color, weight = levels[-1]
    result = color / np.maximum(weight, 1e-8)[..., None]
    for color, weight in levels[-2::-1]:
        size = (weight.shape[1], weight.shape[0])
        grown = cv2.resize(result, size, interpolation=cv2.INTER_LINEAR).reshape(color.shape)
        result = color + (1.0 - weight[..., None]) * grown
    return np.asarray(result, np.float32)
