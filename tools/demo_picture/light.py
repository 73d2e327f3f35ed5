"""The light of the evening: sun, sky and haze as colours, in linear RGB."""

# pyright: basic
from __future__ import annotations

import math

import numpy as np
from numba import njit

from tools.demo_picture.noise import KERNEL, cloud_noise, smoothstep

ELEVATION, AZIMUTH = math.radians(17.0), math.radians(-78.0)  # azimuth from straight ahead, left is negative
SUN_DIRECTION = np.array(
    [
        math.sin(AZIMUTH) * math.cos(ELEVATION),
        math.cos(AZIMUTH) * math.cos(ELEVATION),
        math.sin(ELEVATION),
    ]
)
SUN = np.array([3.50, 2.12, 0.92])
SKY = np.array([0.20, 0.29, 0.48])  # what a surface that faces up gets from the blue half
GROUND = np.array([0.17, 0.19, 0.08])  # what comes back from the meadow
HAZE_NEAR_SUN = np.array([1.16, 0.82, 0.52])
HAZE_AWAY = np.array([0.40, 0.47, 0.62])
HAZE_LENGTH = 12500.0  # metres to 1 - 1/e of haze

CLOUD_BASE, CLOUD_TOP = 1500.0, 2500.0
CLOUD_STEPS, LIGHT_STEPS = 56, 5


@njit(**KERNEL)
def sunward(dx, dy, dz, sun):
    """Cosine of the angle between a direction and the sun."""
    return (dx * sun[0] + dy * sun[1] + dz * sun[2]) / math.sqrt(dx * dx + dy * dy + dz * dz)


@njit(**KERNEL)
def haze_color(dx, dy, dz, sun, channel):
    c = sunward(dx, dy, dz, sun)
    near = math.exp((c - 1.0) * 2.2)
    return HAZE_AWAY[channel] * (1.0 - near) + HAZE_NEAR_SUN[channel] * near


@njit(**KERNEL)
def clear_sky(dx, dy, dz, sun, channel):
    """Radiance of the cloudless sky."""
    up = max(0.0, dz / math.sqrt(dx * dx + dy * dy + dz * dz))
    zenith = (0.055, 0.185, 0.52)[channel]
    low = (1.02, 0.74, 0.50)[channel]
    t = math.exp(-up * 5.6)
    c = sunward(dx, dy, dz, sun)
    glow = math.exp((c - 1.0) * 3.0)
    disc = math.exp((c - 1.0) * 24.0)
    warm = (1.0, 0.72, 0.38)[channel]
    base = zenith * (1.0 - t) + low * t * (0.62 + 0.38 * glow)
    return base + warm * (0.42 * glow * (0.35 + 0.65 * t) + 0.55 * disc)


@njit(**KERNEL)
def cloud_density(x, y, z, octaves):
    """Cumulus: flat below, billowing above."""
    level = (z - CLOUD_BASE) / (CLOUD_TOP - CLOUD_BASE)
    if level <= 0.0 or level >= 1.0:
        return 0.0
    shape = cloud_noise(x / 1500.0 + 3.1, y / 1900.0 + 1.7, z / 1100.0, 2, 5) * 1.25
    cover = shape - 0.30 - 0.55 * level * level + 0.12 * (1.0 - level)
    if cover < -0.35:
        return 0.0
    cover += 0.62 * cloud_noise(x / 430.0, y / 430.0, z / 330.0, octaves, 17)
    return max(0.0, cover) * smoothstep(0.0, 0.10, level)


@njit(**KERNEL)
def clouds(dx, dy, dz, sun, out):
    """Clouds along a ray: premultiplied colour into out[0:3] and their opacity into out[3]."""
    out[:] = 0.0
    if dz <= 0.008:
        return
    begin, end = CLOUD_BASE / dz, CLOUD_TOP / dz
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    if begin * length > 42000.0:
        return
    step = (end - begin) / CLOUD_STEPS
    through = 1.0
    c = sunward(dx, dy, dz, sun)
    forward = 0.55 + 0.95 * math.exp((c - 1.0) * 2.6)
    for k in range(CLOUD_STEPS):
        t = begin + (k + 0.5) * step
        x, y, z = dx * t, dy * t, dz * t
        d = cloud_density(x, y, z, 4)
        if d <= 0.0:
            continue
        shade, reach = 0.0, 40.0
        for _ in range(LIGHT_STEPS):
            x, y, z = x + sun[0] * reach, y + sun[1] * reach, z + sun[2] * reach
            shade += cloud_density(x, y, z, 2) * reach
            reach *= 1.5
        lit = math.exp(-shade * 0.010) * (1.0 - 0.55 * math.exp(-d * 14.0))
        level = (dz * t - CLOUD_BASE) / (CLOUD_TOP - CLOUD_BASE)
        alpha = 1.0 - math.exp(-d * step * length * 0.010)
        fade = math.exp(-max(0.0, t * length - 6000.0) / 17000.0)
        for i in range(3):
            ambient = SKY[i] * (0.75 + 0.55 * level) + 0.10
            color = ambient + SUN[i] * lit * forward * 0.62
            haze = haze_color(dx, dy, dz, sun, i)
            out[i] += through * alpha * (color * fade + haze * (1.0 - fade))
        through *= 1.0 - alpha
        if through < 0.01:
            break
    out[3] = 1.0 - through
