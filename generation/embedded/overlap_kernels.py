# pyright: basic
"""Overlapping elements, for numba: blades and leaves, the highest of those that cover a point.

Owns: their lattices, outlines, curvature and contact shadows. The frame that is handed on lies along the
midrib and bends with it, so that veins and cells follow the blade.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import (
    KERNEL,
    SMALL,
    TWO_PI,
    U,
    again,
    mix,
    noise,
    smoothstep,
    thin,
    unit_a,
    unit_b,
    unit_c,
)
from wonderzoom.generation.embedded.rungs import (
    ACCENT,
    ACCENTED,
    ANGLE,
    ASPECT,
    BRIGHT,
    COVERED,
    CX,
    CY,
    DENSITY,
    HEIGHT,
    HUE,
    JITTER,
    LIGHT,
    LX,
    LY,
    OPEN,
    OWN,
    RISE,
    SHADE,
    SHIFT,
    SIZE,
    TURN,
    VEIN,
)  # fmt: skip

# Blades lie in layers, the upper ones over the lower: the first layer that covers a point ends the search.
LAYERS = 3
PITCH_ALONG, PITCH_ACROSS = 1.0, 1.15  # of the lattice, in blade lengths (size times aspect) and sizes
HALF_LENGTH, LENGTH_SPREAD = 0.38, 0.16  # in pitches
HALF_WIDTH, WIDTH_SPREAD = 0.30, 0.40  # in sizes
# All blades of a layer follow one smooth flow of this wavelength (pitches): they bend, but never leave their
# row by more than the search sees.
FLOW = 1.6
REACH = 0.22  # sizes: width of the contact shadow beside a blade or leaf


@njit(**SMALL)
def rim(e, half_width, footprint):
    """Darkening toward the edge of a strip, e = 1 there; fainter where a pixel is wider than the dark rim."""
    return e * e * e * e * min(1.0, 0.4 * half_width / footprint)


@njit(**KERNEL)
def blade(g, x, y, theta, seed, footprint, o):
    """The highest of the strips that cover the point; they run along the orientation and bend."""
    s = g[SIZE]
    along = s * g[ASPECT] * PITCH_ALONG
    across = s * PITCH_ACROSS
    reach, depth = thin(REACH * s, footprint)
    bend = g[JITTER] * FLOW * along * 0.16  # the flow's steepest slope is then about the jitter
    gap = 1.0
    found = seed
    for layer in range(LAYERS):
        own = seed + U(31 * layer + 7)
        lean = theta + g[JITTER] * 0.5 * (layer - 1)
        c = math.cos(lean)
        sn = math.sin(lean)
        X = c * x + sn * y
        straight = -sn * x + c * y
        Y = straight + bend * noise(X / (FLOW * along), straight / (FLOW * along), own)
        ix = np.int64(math.floor(X / along))
        iy = np.int64(math.floor(Y / across))
        best = -1.0
        for j in range(-1, 2):
            for i in range(-1, 2):
                h = mix(ix + i, iy + j, own)
                if unit_c(h) > g[DENSITY]:
                    continue
                lx = X - (ix + i + unit_a(h)) * along
                h2 = again(h)
                length = along * (HALF_LENGTH + LENGTH_SPREAD * unit_b(h2))
                if lx < -length or lx > length:
                    continue
                # A slight bow of its own, at most half a row.
                q = lx / length
                ly = Y - (iy + j + unit_b(h)) * across - (unit_a(h2) - 0.5) * 0.8 * across * (q * q - 0.3)
                t = (q + 1) * 0.5  # 0 at the root, 1 at the tip
                w = s * (HALF_WIDTH + WIDTH_SPREAD * unit_c(h2)) * (1 - t * t * t)
                if t < 0.1:
                    w *= math.sqrt(t * 10)
                away = abs(ly) - w
                if away > 0:
                    if away < reach and abs(q) < 0.9:
                        gap = min(gap, away / reach)
                    continue
                h3 = again(h2)
                rank = (LAYERS - 1 - layer + unit_a(h3)) / LAYERS
                if rank <= best:
                    continue
                best = rank
                e = abs(ly) / (w + 1e-300)
                o[CX] = x - (c * lx - sn * ly)
                o[CY] = y - (sn * lx + c * ly)
                o[LX], o[LY], o[ANGLE] = lx, ly, lean
                o[BRIGHT] = (unit_b(h3) - 0.5) * 2 * g[LIGHT] + g[LIGHT] * 0.5 * (t - 0.5)
                o[SHIFT] = (unit_c(h3) - 0.5) * 2 * g[HUE]
                o[RISE] = g[HEIGHT] * s * ((1 - e * e) * 0.45 + rank * 1.5 + 0.15 * (1 - e))
                o[OPEN] = 1 - g[SHADE] * (0.30 * rim(e, w, footprint) + 0.45 * (1 - rank) ** 2)
                h4 = again(h3)
                o[ACCENTED] = 1.0 if unit_a(h4) < g[ACCENT] else 0.0
                found = h4
        if best >= 0:
            return uncovered(g, best, gap, depth, found, o)
    return uncovered(g, -1.0, gap, depth, seed, o)


@njit(**KERNEL)
def leaf(g, x, y, theta, seed, footprint, o):
    """The highest of the pointed ovals that cover the point, with midrib and side veins."""
    s = g[SIZE]
    cell = s * 0.5
    ix = np.int64(math.floor(x / cell))
    iy = np.int64(math.floor(y / cell))
    best = -1.0
    gap = 1.0
    along = theta if g[TURN] < 0.5 else 0.0
    spread = g[JITTER] if g[TURN] < 0.5 else math.pi
    reach, depth = thin(REACH * s, footprint)
    result = seed
    for j in range(-2, 3):
        for i in range(-2, 3):
            h = mix(ix + i, iy + j, seed)
            if unit_c(h) > g[DENSITY]:
                continue
            h2 = again(h)
            rank = unit_a(h2)
            if rank <= best:
                continue
            dx = x - (ix + i + unit_a(h)) * cell
            dy = y - (iy + j + unit_b(h)) * cell
            length = s * (0.42 + 0.22 * unit_b(h2))
            if dx * dx + dy * dy > length * length:
                continue
            h3 = again(h2)
            a = along + (unit_a(h3) - 0.5) * 2 * spread
            ca = math.cos(a)
            sa = math.sin(a)
            lx = ca * dx + sa * dy
            q = lx / length
            ly = -sa * dx + ca * dy - (unit_b(h3) - 0.5) * 0.5 * length * (q * q - 0.3)
            w = length / g[ASPECT] * (0.85 + 0.4 * unit_c(h2)) * (1 - q * q) * (1 - 0.35 * q)
            away = abs(ly) - w
            if away > 0:
                if away < reach and abs(q) < 0.9:
                    gap = min(gap, away / reach)
                continue
            best = rank
            gap = 1.0
            t = (q + 1) * 0.5
            e = abs(ly) / (w + 1e-300)
            o[CX], o[CY], o[LX], o[LY], o[ANGLE] = x - dx, y - dy, lx, ly, a
            h4 = again(h3)
            o[BRIGHT] = (unit_a(h4) - 0.5) * 2 * g[LIGHT] + g[LIGHT] * 0.5 * (t - 0.5)
            o[SHIFT] = (unit_b(h4) - 0.5) * 2 * g[HUE]
            o[ACCENTED] = 1.0 if unit_c(h4) < g[ACCENT] else 0.0
            blunt = (1 - e * e) * 0.12 + rank * 0.5 - 0.10 * (1 - smoothstep(0.0, 0.12, e))
            if g[VEIN] > 0:
                fold = abs((t - e * 0.28) * g[VEIN] % 1.0 - 0.5) * 2
                midrib = 1 - smoothstep(0.0, 0.07 + footprint / (w + 1e-300), e)
                o[BRIGHT] += 0.22 * (max(midrib, 0.6 * (1 - smoothstep(0.0, 0.25, fold))) - 0.2)
                blunt += 0.08 * math.sin((t - e * 0.25) * g[VEIN] * TWO_PI)
            o[RISE] = g[HEIGHT] * s * blunt
            o[OPEN] = 1 - g[SHADE] * (0.30 * rim(e, w, footprint) + 0.45 * (1 - rank) ** 2)
            result = again(h4)
    return uncovered(g, best, gap, depth, result, o)


@njit(**SMALL)
def uncovered(g, best, gap, depth, result, o):
    """Darken the ground between overlapping elements and the contact shadows on them."""
    if best < 0:
        o[COVERED] = 0.0
        o[OPEN] = 1 - g[SHADE] * 0.75
        o[RISE] = -0.3 * g[HEIGHT] * g[SIZE]
        o[BRIGHT] = -g[LIGHT]
    else:
        o[OWN] = 1.0
        o[OPEN] *= 1 - g[SHADE] * 0.5 * depth * (1 - gap) * (1 - gap)
    return result
