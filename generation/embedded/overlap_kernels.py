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
    TWO_PI,
    U,
    mix,
    smoothstep,
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


@njit(**KERNEL)
def blade(g, x, y, theta, seed, o):
    """The highest of the strips that cover the point; their lattice is stretched along the orientation."""
    s = g[SIZE]
    aspect = g[ASPECT]
    c = math.cos(theta)
    sn = math.sin(theta)
    X = c * x + sn * y
    Y = -sn * x + c * y
    cell_w = s * aspect * 0.42
    cell_h = s * 0.62
    ix = np.int64(math.floor(X / cell_w))
    iy = np.int64(math.floor(Y / cell_h))
    best = -1.0
    gap = 1.0
    reach = s * 0.22  # of the contact shadow beside a strip
    result = seed
    for j in range(-3, 4):
        for i in range(-2, 3):
            h = mix(ix + i, iy + j, seed)
            if unit_c(h) > g[DENSITY]:
                continue
            rank = unit_a(mix(ix + i, iy + j, seed + U(7))) * 0.6 + 0.4 * unit_b(h)
            if rank <= best:
                continue
            px = (ix + i + unit_a(h)) * cell_w
            py = (iy + j + unit_b(h)) * cell_h
            h2 = mix(ix + i, iy + j, seed + U(13))
            turn = (unit_a(h2) - 0.5) * 2 * g[JITTER]
            length = s * aspect * (0.35 + 0.3 * unit_b(h2))
            width = s * 0.5 * (0.6 + 0.8 * unit_c(h2))
            ca = math.cos(turn)
            sa = math.sin(turn)
            lx = ca * (X - px) + sa * (Y - py)
            if lx < -length or lx > length:
                continue
            ly = -sa * (X - px) + ca * (Y - py) - (unit_a(h) - 0.5) * 0.9 / length * lx * lx
            t = (lx / length + 1) * 0.5  # 0 at the root, 1 at the tip
            w = width * (1 - t * t * t) * (0.55 + 0.45 * min(1.0, t * 5))
            away = abs(ly) - w
            if away > 0:
                if away < reach and abs(lx) < length * 0.9:
                    gap = min(gap, away / reach)
                continue
            best = rank
            gap = 1.0
            e = abs(ly) / (w + 1e-300)
            o[CX], o[CY] = c * px - sn * py, sn * px + c * py
            o[LX], o[LY], o[ANGLE] = lx, ly, theta + turn
            o[BRIGHT] = (unit_b(h2) - 0.5) * 2 * g[LIGHT] + g[LIGHT] * 0.5 * (t - 0.5)
            o[SHIFT] = (unit_c(h2) - 0.5) * 2 * g[HUE]
            o[RISE] = g[HEIGHT] * s * ((1 - e * e) * 0.45 + rank * 1.5 + 0.15 * (1 - e))
            o[OPEN] = 1 - g[SHADE] * (0.30 * e**4 + 0.45 * (1 - rank) ** 2)
            o[ACCENTED] = 1.0 if unit_c(mix(ix + i, iy + j, seed + U(19))) < g[ACCENT] else 0.0
            result = h2
    return uncovered(g, best, gap, result, o)


@njit(**KERNEL)
def leaf(g, x, y, theta, seed, footprint, o):
    """The highest of the pointed ovals that cover the point, with midrib and side veins."""
    s = g[SIZE]
    cell = s * 0.5
    ix = np.int64(math.floor(x / cell))
    iy = np.int64(math.floor(y / cell))
    best = -1.0
    gap = 1.0
    reach = s * 0.22
    along = theta if g[TURN] < 0.5 else 0.0
    spread = g[JITTER] if g[TURN] < 0.5 else math.pi
    result = seed
    for j in range(-2, 3):
        for i in range(-2, 3):
            h = mix(ix + i, iy + j, seed)
            if unit_c(h) > g[DENSITY]:
                continue
            rank = unit_a(mix(ix + i, iy + j, seed + U(7)))
            if rank <= best:
                continue
            px = (ix + i + unit_a(h)) * cell
            py = (iy + j + unit_b(h)) * cell
            h2 = mix(ix + i, iy + j, seed + U(13))
            a = along + (unit_a(h2) - 0.5) * 2 * spread
            length = s * (0.42 + 0.22 * unit_b(h2))
            ca = math.cos(a)
            sa = math.sin(a)
            lx = ca * (x - px) + sa * (y - py)
            if lx < -length or lx > length:
                continue
            ly = -sa * (x - px) + ca * (y - py) - (unit_a(h) - 0.5) * 0.5 / length * lx * lx
            t = (lx / length + 1) * 0.5
            w = length / g[ASPECT] * (0.8 + 0.4 * unit_c(h2)) * math.sin(math.pi * t**0.8) ** 0.8
            away = abs(ly) - w
            if away > 0:
                if away < reach and abs(lx) < length * 0.9:
                    gap = min(gap, away / reach)
                continue
            best = rank
            gap = 1.0
            e = abs(ly) / (w + 1e-300)
            o[CX], o[CY], o[LX], o[LY], o[ANGLE] = px, py, lx, ly, a
            o[BRIGHT] = (unit_b(h2) - 0.5) * 2 * g[LIGHT] + g[LIGHT] * 0.5 * (t - 0.5)
            o[SHIFT] = (unit_c(h2) - 0.5) * 2 * g[HUE]
            side = (t - e * 0.25) * g[VEIN]
            o[RISE] = (
                g[HEIGHT]
                * s
                * (
                    (1 - e * e) * 0.12
                    + rank * 0.5
                    - 0.10 * (1 - smoothstep(0.0, 0.12, e))
                    + 0.08 * math.sin(side * TWO_PI)
                )
            )
            if g[VEIN] > 0:
                fold = abs((t - e * 0.28) * g[VEIN] % 1.0 - 0.5) * 2
                midrib = 1 - smoothstep(0.0, 0.07 + footprint / (w + 1e-300), e)
                o[BRIGHT] += 0.22 * (max(midrib, 0.6 * (1 - smoothstep(0.0, 0.25, fold))) - 0.2)
            o[OPEN] = 1 - g[SHADE] * (0.30 * e**4 + 0.45 * (1 - rank) ** 2)
            o[ACCENTED] = 1.0 if unit_c(mix(ix + i, iy + j, seed + U(19))) < g[ACCENT] else 0.0
            result = h2
    return uncovered(g, best, gap, result, o)


@njit(inline="always")
def uncovered(g, best, gap, result, o):
    """Darken the ground between overlapping elements and the contact shadows on them."""
    if best < 0:
        o[COVERED] = 0.0
        o[OPEN] = 1 - g[SHADE] * 0.75
        o[RISE] = -0.3 * g[HEIGHT] * g[SIZE]
        o[BRIGHT] = -g[LIGHT]
    else:
        o[OWN] = 1.0
        o[OPEN] *= 1 - g[SHADE] * 0.5 * (1 - gap) ** 1.5
    return result
