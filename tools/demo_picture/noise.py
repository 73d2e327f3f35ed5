"""Smooth random functions of the plane and of space: the raw material of terrain, clouds and tints."""

# pyright: basic
from __future__ import annotations

import math

import numpy as np
from numba import njit

KERNEL = {"cache": True, "nogil": True, "fastmath": False, "error_model": "numpy"}


@njit(inline="always")
def mixed(a, b, c):
    """A well mixed number in [0, 1) of three integers."""
    h = np.uint64(a) * np.uint64(0x9E3779B97F4A7C15)
    h ^= np.uint64(b) * np.uint64(0xC2B2AE3D27D4EB4F)
    h ^= np.uint64(c) * np.uint64(0x165667B19E3779F9)
    h ^= h >> np.uint64(29)
    h *= np.uint64(0xBF58476D1CE4E5B9)
    h ^= h >> np.uint64(32)
    h *= np.uint64(0x94D049BB133111EB)
    h ^= h >> np.uint64(29)
    return np.float64(h >> np.uint64(11)) / 9007199254740992.0


@njit(inline="always")
def eased(t):
    return t * t * t * (t * (t * 6.0 - 15.0) + 10.0)


@njit(inline="always")
def smoothstep(low, high, x):
    t = (x - low) / (high - low)
    t = min(1.0, max(0.0, t))
    return t * t * (3.0 - 2.0 * t)


@njit(**KERNEL)
def plane_noise(x, y, seed):
    """Value noise in [-1, 1] with cells of size 1."""
    fx, fy = math.floor(x), math.floor(y)
    i, j = np.int64(fx), np.int64(fy)
    u, v = eased(x - fx), eased(y - fy)
    a, b = mixed(i, j, seed), mixed(i + 1, j, seed)
    c, d = mixed(i, j + 1, seed), mixed(i + 1, j + 1, seed)
    return 2.0 * (a + (b - a) * u + (c - a) * v + (a - b - c + d) * u * v) - 1.0


@njit(**KERNEL)
def space_noise(x, y, z, seed):
    """Value noise in [-1, 1] of space with cells of size 1."""
    fz = math.floor(z)
    k = np.int64(fz)
    w = eased(z - fz)
    low = plane_noise(x, y, seed + k * 7919)
    high = plane_noise(x, y, seed + (k + 1) * 7919)
    return low + (high - low) * w


@njit(**KERNEL)
def fractal(x, y, octaves, seed):
    """Sum of octaves, each turned against the last so that no lattice shows; about [-1, 1]."""
    total, size = 0.0, 0.5
    for k in range(octaves):
        total += size * plane_noise(x, y, seed + k)
        x, y = (
            1.62 * x + 1.21 * y + 17.3,
            -1.21 * x + 1.62 * y - 9.1,
        )  # 2.02 times finer, turned by 37 degrees
        size *= 0.5
    return total


@njit(**KERNEL)
def cloud_noise(x, y, z, octaves, seed):
    total, size = 0.0, 0.5
    for k in range(octaves):
        total += size * space_noise(x, y, z, seed + 101 * k)
        x, y, z = 1.62 * x + 1.21 * y + 17.3, -1.21 * x + 1.62 * y - 9.1, 2.05 * z + 3.7
        size *= 0.5
    return total


@njit(**KERNEL)
def ridged(x, y, octaves, seed):
    """Mountain ridges in [0, about 1.2]: sharp crests, each octave strongest where the one before is high."""
    total, size, weight = 0.0, 0.55, 1.0
    for k in range(octaves):
        crest = 1.0 - abs(plane_noise(x, y, seed + k))
        crest *= crest * weight
        weight = min(1.0, max(0.0, crest * 1.6))
        total += crest * size
        x, y = 1.62 * x + 1.21 * y + 5.1, -1.21 * x + 1.62 * y + 3.9
        size *= 0.48
    return total
