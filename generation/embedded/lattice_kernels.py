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
U = np.uint64
TWO_PI = 2.0 * math.pi
UNIT = 1.0 / (1 << 20)


@njit(inline="always")
def mix(i, j, seed):
    """Hash of a lattice place (splitmix64 finaliser over odd multiples)."""
    h = (U(i) * U(0x9E3779B97F4A7C15)) ^ (U(j) * U(0xC2B2AE3D27D4EB4F) + U(seed) * U(0x165667B19E3779F9))
    h ^= h >> U(30)
    h *= U(0xBF58476D1CE4E5B9)
    h ^= h >> U(27)
    h *= U(0x94D049BB133111EB)
    h ^= h >> U(31)
    return h


@njit(inline="always")
def unit_a(h):
    """First of three independent numbers in [0, 1) from one hash."""
    return float(h >> U(44)) * UNIT


@njit(inline="always")
def unit_b(h):
    return float((h >> U(24)) & U(0xFFFFF)) * UNIT


@njit(inline="always")
def unit_c(h):
    return float((h >> U(4)) & U(0xFFFFF)) * UNIT


@njit(inline="always")
def smoothstep(a, b, x):
    t = (x - a) / (b - a)
    t = 0.0 if t < 0 else (1.0 if t > 1 else t)
    return t * t * (3 - 2 * t)


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
    total = 0.0
    for a in range(2):
        for b in range(2):
            g = TWO_PI * unit_a(mix(i + a, j + b, seed))
            total += (
                (ux if a else 1 - ux)
                * (uy if b else 1 - uy)
                * (math.cos(g) * (fx - a) + math.sin(g) * (fy - b))
            )
    return total * 1.5


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
