"""The lie of the land: a meadow that slopes to a lake, wooded hills behind it, mountains at the end.

Metres; x to the right, y away from the painter, z up; the painter stands at the origin on z = 0. Everything
is a formula of the place, so terrain, plants and shadows agree about it.
"""

# pyright: basic
from __future__ import annotations

import math

from numba import njit

from tools.demo_picture.noise import KERNEL, fractal, plane_noise, ridged, smoothstep

LAKE = -15.4  # water level
SLOPE = 0.072  # of the meadow toward the lake
EYE_HEIGHT = 1.05


@njit(**KERNEL)
def path_x(y):
    """Where the footpath is at distance y."""
    bend = 1.0 - math.exp(-y / 9.0)
    return -0.85 - 1.3 * bend + 1.5 * bend * math.sin(y * 0.085 + 0.4) - 0.055 * y


@njit(**KERNEL)
def path_share(x, y):
    """1 on the trodden ground of the path, 0 off it, with a ragged border."""
    width = 0.27 + 0.08 * plane_noise(x * 2.1, y * 2.1, 61) + 0.12 * plane_noise(x * 7.0, y * 7.0, 62)
    away = abs(x - path_x(y))
    return (1.0 - smoothstep(width, width + 0.30, away)) * (1.0 - smoothstep(75.0, 110.0, y))


@njit(**KERNEL)
def meadow_height(x, y):
    far = math.sqrt(x * x + y * y)
    rolling = 1.1 * fractal(x / 26.0, y / 26.0, 3, 3) * smoothstep(6.0, 60.0, far)
    bumps = 0.10 * fractal(x / 3.1, y / 3.1, 3, 5) * smoothstep(1.0, 4.0, far)
    side = 0.0011 * x * x / (1.0 + 0.0004 * x * x)  # a shallow dale along the line of sight
    fall = SLOPE * y if y > 0 else 0.0
    return -fall + rolling * 0.9 + bumps + side * 6.0 * smoothstep(20.0, 120.0, y) - 0.07 * path_share(x, y)


@njit(**KERNEL)
def height(x, y):
    """Height of the ground (of the lake's bed where there is water)."""
    far = math.sqrt(x * x + y * y)
    low = meadow_height(x, min(y, 230.0)) if far < 420.0 else -17.0
    if far < 120.0:
        return low
    # The valley floor takes over; the lake lies in it.
    shore = fractal(x / 90.0, y / 90.0, 4, 11)
    oval = math.sqrt(((x - 45.0) / 250.0) ** 2 + ((y - 345.0) / 138.0) ** 2) + 0.16 * shore
    floor = LAKE - 5.0 + 7.5 * smoothstep(0.72, 1.18, oval)
    h = low + (floor - low) * smoothstep(150.0, 215.0, y)
    # Hills from the far shore on.
    rise = smoothstep(470.0, 1500.0, y)
    if rise > 0.0:
        knolls = 0.5 + 0.75 * fractal(x / 420.0 + 2.2, y / 420.0, 5, 21)
        h += rise * (
            34.0 + 150.0 * max(0.0, knolls) * (0.45 + 0.55 * smoothstep(-150.0, 900.0, abs(x - 60.0)))
        )
    # Mountains.
    up = smoothstep(1900.0, 6200.0, y)
    if up > 0.0:
        warp = 260.0 * fractal(x / 1500.0, y / 1500.0, 2, 41)
        crest = ridged((x + warp) / 2300.0 + 0.63, (y - warp) / 2300.0 + 0.21, 9, 31)
        middle = math.exp(-(((x - 620.0) / 2300.0) ** 2))
        h += up * (180.0 + 1180.0 * crest * (0.55 + 0.60 * middle))
    return h


@njit(**KERNEL)
def wood(x, y):
    """How dense the forest is: 0 on meadows, 1 in closed wood."""
    if y < 430.0 or y > 2600.0:
        return 0.0
    patch = fractal(x / 210.0 + 7.0, y / 210.0, 4, 71)
    return smoothstep(-0.10, 0.16, patch + 0.16 * smoothstep(500.0, 1200.0, y)) * smoothstep(430.0, 520.0, y)
