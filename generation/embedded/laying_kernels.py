# pyright: basic
"""The outline of a patch of material, for numba: a disc whose edge is fractal at every zoom."""

from __future__ import annotations

import math

from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U, fractal

RAGGED = 0.9  # radii by which the edge wanders
WANDER = 1.7  # noise periods per radius


@njit(**KERNEL)
def patch_rows(first, last, offsets, radius, pixel, seed, cover):
    """How much of each pixel the patch covers: rows [first, last) of cover [H, W].

    offsets [H, W, 2] chart pixels from the patch's centre; pixel [H, W] chart pixels per pixel of the view. Every
    octave down to the pixel shapes the edge, so it is never a straight line.
    """
    for y in range(first, last):
        for x in range(cover.shape[1]):
            u, v = offsets[y, x, 0] / radius, offsets[y, x, 1] / radius
            away = math.sqrt(u * u + v * v)
            if away > 1.05 + RAGGED:
                cover[y, x] = 0.0
                continue
            soft = 1.5 * pixel[y, x] / radius
            octaves = min(40, max(2, int(math.log2(1.0 / max(soft, 1e-15)))))
            inside = 1.05 - away + RAGGED * fractal(u * WANDER + 3.0, v * WANDER, octaves, U(seed))
            share = inside / max(soft, 0.02) + 0.5
            cover[y, x] = min(1.0, max(0.0, share))
