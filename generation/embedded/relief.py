"""Light on micro relief: a flat picture with heights becomes a picture of bumps.

Owns: slopes that do not ring at steps, and a light under which a flat surface keeps its colour. What faces
the light becomes warmer and what turns away cooler, as under a sun and a sky.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
Double = NDArray[np.float64]

LIGHT = np.array([-0.45, -0.60, 0.66]) / np.linalg.norm(
    [-0.45, -0.60, 0.66]
)  # from the upper left, toward us
AMBIENT = 0.45
# Slopes beyond this (tan 54 degrees) are compressed: one steep step must not turn black.
STEEPEST = 1.4
# Light is computed on sRGB values: this power brings its contrast down to what linear light would show there.
ENCODED = 0.65
# Steeper on both sides: a sliver between two elements, not a slope.
CLIFF = 20.0
# Share of the ordinary central slope beside the one-sided one, so that crests are not flat.
ROUNDING = 0.05
WARMTH = np.array([0.055, 0.010, -0.060])  # change of RGB from shade (-1) to light (+1)


def _one_sided(height: Double, axis: int, pixel: Double) -> Double:
    """Slope per pixel along an axis: the smaller of both sides' slopes, 0 at crests (minmod limiter).

    A step between two elements then shades one element or the other, never a bright or dark line between.
    """
    if height.shape[axis] < 2:
        return np.zeros_like(height)
    step = np.diff(height, axis=axis)
    ends = [(0, 0), (0, 0)]
    ends[axis] = (1, 1)
    step = np.pad(step, ends, mode="edge")
    ahead, behind = (step[1:], step[:-1]) if axis == 0 else (step[:, 1:], step[:, :-1])
    least = np.minimum(np.abs(ahead), np.abs(behind)) / pixel
    limited = np.where((ahead * behind > 0) & (least < CLIFF), np.sign(ahead) * least, 0.0)
    both = np.clip(0.5 * (ahead + behind) / pixel, -1.2, 1.2)
    return (1 - ROUNDING) * limited + ROUNDING * both


def relit(color: F32, height: Double, occlusion: F32, pixel: Double | float) -> F32:
    """Shade ``color`` [H, W, 3] by ``height`` [H, W] metres (toward the viewer) and openness [H, W].

    ``pixel``: metres per pixel, one number or [H, W].
    """
    pixel = np.asarray(pixel, np.float64)
    gx, gy = _one_sided(height, 1, pixel), _one_sided(height, 0, pixel)
    steep = np.hypot(gx, gy)
    gentle = np.tanh(steep / STEEPEST) * STEEPEST / np.maximum(steep, 1e-9)
    gx, gy = gx * gentle, gy * gentle
    up = 1.0 / np.sqrt(1.0 + gx * gx + gy * gy)
    facing = np.maximum(0.0, (LIGHT[2] - gx * LIGHT[0] - gy * LIGHT[1]) * up) / LIGHT[2]
    shade = (AMBIENT * (0.6 + 0.4 * up) + (1 - AMBIENT) * facing) ** ENCODED * occlusion
    warm = np.clip(shade - 1.0, -1.0, 1.0)[..., None] * WARMTH
    return (color * (shade[..., None] * (1.0 + warm))).astype(np.float32)
