# pyright: basic
"""Which material a place of the chart has, for numba.

Owns: the border between two materials. Between pixels of the chart weights are interpolated, and the place
where they are looked up is moved by noise of every size down to a pixel of the view: a border is irregular at
every depth instead of a straight ramp.
"""

from __future__ import annotations

from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, SMALL, U, noise

SWAY = 0.45  # chart pixels: how far the noise of one pixel's size moves a border
FADE = 0.42  # each octave moves it by this much of the one before
MOST_OCTAVES = 10  # a border seen a thousand times closer is smooth, and hardly ever seen


@njit(**KERNEL)
def sway(x, y, pixel, seed):
    """Displacement (dx, dy) in chart pixels of a place (chart pixels), with octaves down to ``pixel``."""
    dx = 0.0
    dy = 0.0
    size = 1.0
    amount = SWAY
    octave = U(0)
    while size > 2 * pixel and amount > 0.25 * pixel and octave < U(MOST_OCTAVES):
        dx += amount * noise(x / size + 0.37, y / size, seed + octave)
        dy += amount * noise(x / size, y / size + 0.73, seed + octave + U(50))
        size *= 0.5
        amount *= FADE
        octave += U(1)
    return dx, dy


@njit(**SMALL)
def cell_of(places, y, x, dx, dy, height, width):
    """Upper left pixel (column, row) and bilinear weights at a place moved by (dx, dy)."""
    u = min(max(places[y, x, 0] + dx - 0.5, 0.0), width - 1.0)
    v = min(max(places[y, x, 1] + dy - 0.5, 0.0), height - 1.0)
    i = min(int(u), width - 2)
    j = min(int(v), height - 2)
    return i, j, u - i, v - j


@njit(**KERNEL)
def label_rows(first, last, places, pixel, weights, seed, labels):
    """Rows first..last-1: the heaviest of ``weights`` [h, w, K] at ``places`` [H, W, 2] (its pixels)."""
    height, width, count = weights.shape
    for y in range(first, last):
        for x in range(places.shape[1]):
            dx, dy = sway(places[y, x, 0], places[y, x, 1], pixel[y, x], U(seed))
            i, j, fx, fy = cell_of(places, y, x, dx, dy, height, width)
            best = -1.0
            for k in range(count):
                w = (1 - fy) * ((1 - fx) * weights[j, i, k] + fx * weights[j, i + 1, k]) + fy * (
                    (1 - fx) * weights[j + 1, i, k] + fx * weights[j + 1, i + 1, k]
                )
                if w > best:
                    best = w
                    labels[y, x] = k


@njit(**KERNEL)
def sample_rows(first, last, places, pixel, fields, swaying, seed, result):
    """Rows first..last-1: ``fields`` [h, w, K] at ``places`` [H, W, 2], bilinear in full float64.

    ``swaying``: the places are moved as borders between materials are.
    """
    height, width, count = fields.shape
    dx = 0.0
    dy = 0.0
    for y in range(first, last):
        for x in range(places.shape[1]):
            if swaying:
                dx, dy = sway(places[y, x, 0], places[y, x, 1], pixel[y, x], U(seed))
            i, j, fx, fy = cell_of(places, y, x, dx, dy, height, width)
            for k in range(count):
                result[y, x, k] = (1 - fy) * ((1 - fx) * fields[j, i, k] + fx * fields[j, i + 1, k]) + fy * (
                    (1 - fx) * fields[j + 1, i, k] + fx * fields[j + 1, i + 1, k]
                )
