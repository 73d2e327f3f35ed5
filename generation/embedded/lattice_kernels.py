# pyright: basic
"""Hash lattices and noise, for numba: the randomness of all detail as pure functions of integer places.

Owns: the 64-bit mixing function, uniform numbers from its bits, gradient noise and its fractal sum. No state:
the same place and seed give the same number in any thread, window and zoom. No fastmath, so that neither
the order of additions nor contraction depends on the machine.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

KERNEL = {"nogil": True, "cache": True, "error_model": "numpy"}
SMALL = {"nogil": True, "error_model": "numpy"}  # helpers: LLVM inlines them into cached kernels
U = np.uint64
TWO_PI = 2.0 * math.pi
UNIT = 1.0 / (1 << 20)


@njit(**SMALL)
def mix(i, j, seed):
    """Hash of a lattice place (splitmix64 finaliser over odd multiples)."""
    h = (U(i) * U(0x9E3779B97F4A7C15)) ^ (U(j) * U(0xC2B2AE3D27D4EB4F) + U(seed) * U(0x165667B19E3779F9))
    h ^= h >> U(30)
    h *= U(0xBF58476D1CE4E5B9)
    h ^= h >> U(27)
    h *= U(0x94D049BB133111EB)
    h ^= h >> U(31)
    return h


@njit(**SMALL)
def unit_a(h):
    """First of three independent numbers in [0, 1) from one hash."""
    return float(h >> U(44)) * UNIT


@njit(**SMALL)
def unit_b(h):
    return float((h >> U(24)) & U(0xFFFFF)) * UNIT


@njit(**SMALL)
def unit_c(h):
    return float((h >> U(4)) & U(0xFFFFF)) * UNIT


@njit(**SMALL)
def smoothstep(a, b, x):
    t = (x - a) / (b - a)
    t = 0.0 if t < 0 else (1.0 if t > 1 else t)
    return t * t * (3 - 2 * t)


@njit(**SMALL)
def thin(width, footprint):
    """A dark line of this width as a pixel can show it: at least 1.3 pixels wide, fainter by as much."""
    shown = max(width, 1.3 * footprint)
    return shown, width / shown


@njit(**SMALL)
def again(h):
    """A second hash from a first, cheaper than a new place."""
    h ^= h >> U(32)
    h *= U(0xD6E8FEB86659FD93)
    h ^= h >> U(32)
    h *= U(0xD6E8FEB86659FD93)
    return h ^ (h >> U(32))


@njit(**SMALL)
def slope_at(h, dx, dy):
    """What a lattice point's random gradient contributes at (dx, dy) from it; the gradient fills a square."""
    return (unit_a(h) - 0.5) * dx + (unit_b(h) - 0.5) * dy


@njit(**KERNEL)
def noise(x, y, seed):
    """Gradient noise, about -1..1, with a continuous second derivative."""
    xi = math.floor(x)
    yi = math.floor(y)
    fx = x - xi
    fy = y - yi
    i = np.int64(xi)
    j = np.int64(yi)
    ux = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
    uy = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
    n00 = slope_at(mix(i, j, seed), fx, fy)
    n10 = slope_at(mix(i + 1, j, seed), fx - 1, fy)
    n01 = slope_at(mix(i, j + 1, seed), fx, fy - 1)
    n11 = slope_at(mix(i + 1, j + 1, seed), fx - 1, fy - 1)
    top = n00 + ux * (n10 - n00)
    return 3.7 * (top + uy * (n01 + ux * (n11 - n01) - top))


@njit(**KERNEL)
def fractal(x, y, octaves, seed):
    """Sum of octaves of noise, each turned 36 degrees and twice as fine, so that no axis shows."""
    amplitude = 0.55
    total = 0.0
    for octave in range(octaves):
        total += amplitude * noise(x, y, seed + U(octave))
        amplitude *= 0.5
        x, y = 1.62 * x - 1.18 * y + 3.7, 1.18 * x + 1.62 * y + 1.3
    return total
