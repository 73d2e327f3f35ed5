# pyright: basic
"""Hash lattices and noise in space, for numba: what ``lattice_kernels`` is on a surface, in three dimensions.

Owns: value noise, its fractal sum and scattered points of a 3-D lattice. The mixing function and the numbers
drawn from a hash are those of ``lattice_kernels``. Seeds and hashes are unsigned 64-bit; never mix them with
signed numbers, or numba turns both into floats.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U, mix, unit_a, unit_b, unit_c


@njit(inline="always")
def mix3(i, j, k, seed):
    """Hash of a place of the 3-D lattice."""
    return mix(i, j, U(seed) ^ (U(k) * U(0xD6E8FEB86659FD93)))


@njit(**KERNEL)
def noise3(x, y, z, seed):
    """Value noise in [-1, 1] with a continuous second derivative."""
    xi, yi, zi = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - xi, y - yi, z - zi
    ux = fx * fx * fx * (fx * (fx * 6 - 15) + 10)
    uy = fy * fy * fy * (fy * (fy * 6 - 15) + 10)
    uz = fz * fz * fz * (fz * (fz * 6 - 15) + 10)
    i, j, k = np.int64(xi), np.int64(yi), np.int64(zi)
    total = 0.0
    for corner in range(8):
        a, b, c = corner & 1, (corner >> 1) & 1, corner >> 2
        weight = (ux if a else 1 - ux) * (uy if b else 1 - uy) * (uz if c else 1 - uz)
        total += weight * unit_a(mix3(i + a, j + b, k + c, seed))
    return total * 2 - 1


@njit(**KERNEL)
def fractal3(x, y, z, octaves, seed):
    """Sum of octaves of noise, roughly in [-0.6, 0.6]."""
    amplitude, total = 0.5, 0.0
    for octave in range(octaves):
        total += amplitude * noise3(x, y, z, U(seed) + U(octave))
        x, y, z = x * 2.03 + 1.7, y * 2.03 + 9.2, z * 2.03 + 3.1
        amplitude *= 0.5
    return total


@njit(**KERNEL)
def cellular3(x, y, z, seed):
    """Distance to the nearest and second nearest scattered point, and the nearest one's hash."""
    i, j, k = np.int64(math.floor(x)), np.int64(math.floor(y)), np.int64(math.floor(z))
    first, second, found = 9.0, 9.0, U(0)
    for cell in range(27):
        a, b, c = i + cell % 3 - 1, j + (cell // 3) % 3 - 1, k + cell // 9 - 1
        h = mix3(a, b, c, seed)
        dx = a + 0.1 + 0.8 * unit_a(h) - x
        dy = b + 0.1 + 0.8 * unit_b(h) - y
        dz = c + 0.1 + 0.8 * unit_c(h) - z
        square = dx * dx + dy * dy + dz * dz
        if square < first:
            second, first, found = first, square, h
        elif square < second:
            second = square
    return math.sqrt(first), math.sqrt(second), found
