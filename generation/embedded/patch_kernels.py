# pyright: basic
"""The irregular edge of a laid patch, for numba."""

from __future__ import annotations

import math

from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, noise, smoothstep

ROUGH = 0.45  # of the radius: how far the coarsest noise moves the edge
WAVES = 1.6  # of the coarsest noise per radius
MOST_OCTAVES = 48  # finer noise is added until a pixel is reached; 48 halvings are beyond float64's use
SOFT = 1.5  # pixels over which the edge fades


@njit(**KERNEL)
def patch_rows(first, last, places, scale, cx, cy, radius, seed, mask):
    """Cover 0..1 of rows first ... last of a view; places and radius in pixels of the chart."""
    for y in range(first, last):
        for x in range(places.shape[1]):
            dx, dy = (places[y, x, 0] - cx) / radius, (places[y, x, 1] - cy) / radius
            distance = math.hypot(dx, dy)
            pixel = scale[y, x] / radius
            if distance > 1.0 + 2.0 * ROUGH + SOFT * pixel:
                continue
            edge, amplitude, frequency = 1.0, ROUGH, WAVES
            for octave in range(MOST_OCTAVES):
                if frequency * pixel > 0.5:
                    break
                edge += amplitude * noise(dx * frequency, dy * frequency, seed + octave)
                amplitude *= 0.5
                frequency *= 2.0
            mask[y, x] = 1.0 - smoothstep(edge - SOFT * pixel, edge + SOFT * pixel, distance)
