"""The light of a world, as far as one picture tells: the sun, the sky and what the ground throws back.

The direction is a convention of the embedded generator, not an estimate: over the left shoulder of the first
camera, so that forms read well. Brightness and tint are measured, so that a thing sits in the picture's own
light: dim in a dim room, bluish under a blue sky.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.features import LUMA
from wonderzoom.generation.embedded.tracing import lin

F32 = NDArray[np.float32]
RGB = tuple[float, float, float]

# Toward the sun in world axes, which are those of C_0: x right, y down, z forward.
SUN_DIRECTION = (-0.45, -0.72, -0.53)
# Brightness of the picture's bright parts (quantile of luminance) that full daylight gives.
BRIGHT_QUANTILE = 0.9
DAYLIGHT = 0.55
LEAST_KEY, MOST_KEY = 0.35, 1.15
SUN, SKY = np.array([1.22, 1.15, 1.0]), np.array([0.42, 0.48, 0.58])  # full daylight, linear
SKY_SHARE = 0.35  # how much the picture's upper part tints the sky
GROUND_SHARE = 0.75  # how much the surroundings tint what the ground reflects
GROUND_GAIN = 0.8


@dataclass(frozen=True, slots=True)
class Light:
    """Linear RGB of the sun, of the sky and of what the ground throws back."""

    sun: RGB
    sky: RGB
    ground: RGB


def _triple(values: NDArray[np.floating]) -> RGB:
    """Rounded, so that the last bits of a platform's pow() do not enter a stored state."""
    r, g, b = (round(float(v), 5) for v in values)
    return (r, g, b)


def _tint(color: NDArray[np.floating]) -> NDArray[np.float64]:
    """A colour's hue at luminance 1, softened."""
    return np.sqrt(color / max(float(color @ LUMA), 1e-3))


def light_of(whole: F32, around: F32) -> Light:
    """``whole`` [H, W, 3] sRGB: the first picture of the world; ``around``: the view that things go into."""
    luminance = lin(whole) @ LUMA
    key = float(np.clip(np.quantile(luminance, BRIGHT_QUANTILE) / DAYLIGHT, LEAST_KEY, MOST_KEY))
    upper = lin(whole[: max(1, len(whole) // 5)]).mean((0, 1))
    local = lin(around).mean((0, 1))
    sky = SKY * key * ((1 - SKY_SHARE) + SKY_SHARE * _tint(upper))
    ground = GROUND_GAIN * ((1 - GROUND_SHARE) * float(local @ LUMA) + GROUND_SHARE * local) * np.sqrt(key)
    return Light(_triple(SUN * key), _triple(sky), _triple(ground))
