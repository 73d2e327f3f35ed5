# pyright: basic
"""One step down a ladder, for numba: which element of a rung covers a point, and how it looks there.

Owns: the choice by kind, regular rows (scales, weave) and kinds without elements (streaks, ripples, clouds).
A step reads a rung's row, a point in the frame of the coarser element, the orientation there, a seed and the
pixel footprint, fills a result (``rungs``) and returns the element's seed. How rungs add up: ``detail``.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.cell_kernels import bead, cell, vein
from wonderzoom.generation.embedded.lattice_kernels import (
    KERNEL,
    SMALL,
    U,
    fractal,
    mix,
    noise,
    smoothstep,
    thin,
    unit_a,
    unit_b,
    unit_c,
)
from wonderzoom.generation.embedded.overlap_kernels import blade, leaf
from wonderzoom.generation.embedded.rungs import (
    ACCENT,
    ACCENTED,
    ANGLE,
    ASPECT,
    BRIGHT,
    COVERED,
    CX,
    CY,
    HEIGHT,
    HUE,
    KIND,
    LIGHT,
    LX,
    LY,
    OPEN,
    OWN,
    RISE,
    SHADE,
    SHIFT,
    SIZE,
    Kind,
)  # fmt: skip

BLADES, LEAVES, SCALES, WEAVE, BEADS, VEINS, STREAKS, RIPPLES, CLOUDS = (int(k) for k in (
    Kind.BLADES, Kind.LEAVES, Kind.SCALES, Kind.WEAVE, Kind.BEADS,
    Kind.VEINS, Kind.STREAKS, Kind.RIPPLES, Kind.CLOUDS,
))  # fmt: skip


@njit(**SMALL)
def nothing(x, y, o):
    """The result where a rung leaves everything as it is."""
    o[OWN] = 0.0
    o[CX], o[CY], o[LX], o[LY], o[ANGLE] = x, y, x, y, 0.0
    o[BRIGHT] = o[SHIFT] = o[RISE] = o[ACCENTED] = 0.0
    o[OPEN] = o[COVERED] = 1.0


@njit(**KERNEL)
def plate(kind, g, x, y, theta, seed, footprint, o):
    """Regular rows: overlapping scales, and woven yarns."""
    s = g[SIZE]
    c = math.cos(theta)
    sn = math.sin(theta)
    X = (c * x + sn * y) / s
    Y = (-sn * x + c * y) / s
    o[OWN] = 1.0
    if kind == SCALES:
        row = math.floor(X)
        offset = 0.5 * (np.int64(row) & 1)
        column = math.floor(Y + offset)
        fx = X - row
        fy = Y + offset - column - 0.5
        if fx + 1.6 * fy * fy < 0.5:  # the rounded end of the row before lies over this spot
            row -= 1.0
            offset = 0.5 * (np.int64(row) & 1)
            column = math.floor(Y + offset)
            fx = X - row
            fy = Y + offset - column - 0.5
        h = mix(np.int64(row), np.int64(column), seed)
        mx = row
        my = column - offset + 0.5
        o[LX], o[LY], o[ANGLE] = (X - mx) * s, (Y - my) * s, theta
        o[BRIGHT] = (unit_a(h) - 0.5) * 2 * g[LIGHT] + g[LIGHT] * (fx - 1)
        o[SHIFT] = (unit_b(h) - 0.5) * 2 * g[HUE]
        o[RISE] = g[HEIGHT] * s * (fx * 0.28 - 0.25 * fy * fy)
        line, depth = thin(0.22, footprint / s)
        o[OPEN] = 1 - g[SHADE] * depth * (1 - smoothstep(0.0, line, fx - 0.5 + 1.6 * fy * fy)) * 0.8
        o[ACCENTED] = 1.0 if unit_c(h) < g[ACCENT] else 0.0
    else:  # WEAVE
        ix = math.floor(X)
        iy = math.floor(Y)
        mx = ix + 0.5
        my = iy + 0.5
        fx = X - mx
        fy = Y - my
        over = ((np.int64(ix) + np.int64(iy)) & 1) == 0
        across = fy if over else fx
        along = fx if over else fy
        h = mix(np.int64(iy if over else ix), np.int64(1 if over else 2), seed)  # one yarn, one seed
        round_ = (
            math.sqrt(max(0.0, 0.25 - across * across * 0.95)) * max(0.0, math.cos(along * math.pi)) ** 0.6
        )
        if over:
            o[LX], o[LY], o[ANGLE] = fx * s, fy * s, theta
        else:
            o[LX], o[LY], o[ANGLE] = fy * s, -fx * s, theta + 0.5 * math.pi
        o[BRIGHT] = (unit_a(h) - 0.5) * 2 * g[LIGHT] + (round_ - 0.35) * 0.6
        o[SHIFT] = (unit_b(h) - 0.5) * 2 * g[HUE]
        o[RISE] = g[HEIGHT] * s * round_ * 1.2
        o[OPEN] = 1 - g[SHADE] * (1 - smoothstep(0.05, 0.32, round_))
    o[CX] = (c * mx - sn * my) * s
    o[CY] = (sn * mx + c * my) * s
    return h


@njit(**KERNEL)
def field(kind, g, x, y, theta, seed, o):
    """Kinds without elements: they colour and raise the ground and leave its frame alone."""
    s = g[SIZE]
    height = g[HEIGHT] * s
    c = math.cos(theta)
    sn = math.sin(theta)
    X = (c * x + sn * y) / s
    Y = (-sn * x + c * y) / s
    if kind == STREAKS:
        sway = Y + 0.5 * noise(X / g[ASPECT] * 0.6, Y * 0.25, seed + U(4))
        broad = noise(X / g[ASPECT], sway, seed)
        thin = noise(X / g[ASPECT] * 1.7, sway * 2.3, seed + U(1))
        n = broad * 0.65 + thin * 0.35
        o[BRIGHT] = n * g[LIGHT] * 1.6
        o[SHIFT] = thin * g[HUE]
        o[RISE] = height * n * 0.5
        o[OPEN] = 1 - g[SHADE] * smoothstep(0.1, 0.6, -n)
        return seed + U(21)
    if kind == RIPPLES:
        n = 0.0
        amplitude = 1.0
        f = 1.0
        for k in range(4):
            crest = 1 - abs(noise(X * f * 0.6 + k * 3.1, Y * g[ASPECT] * f, seed + U(k))) * 1.6
            n += amplitude * crest * abs(crest)
            amplitude *= 0.5
            f *= 1.9
        o[RISE] = height * n * 0.35
        o[BRIGHT] = g[LIGHT] * (n - 0.7)
        return seed + U(23)
    n = fractal(X + 0.5 * fractal(X * 0.7, Y * 0.7, 2, seed + U(9)), Y, 5, seed)  # CLOUDS
    o[BRIGHT] = n * g[LIGHT] * 1.8
    o[SHIFT] = n * g[HUE]
    o[RISE] = height * n * 0.6
    o[OPEN] = 1 - g[SHADE] * smoothstep(0.0, 0.6, -n)
    return seed + U(29)


@njit(**KERNEL)
def step(g, x, y, theta, seed, footprint, o):
    """Evaluate one rung at a point; returns the seed of the element that was found."""
    nothing(x, y, o)
    kind = int(g[KIND])
    if kind == BLADES:
        return blade(g, x, y, theta, seed, footprint, o)
    if kind == LEAVES:
        return leaf(g, x, y, theta, seed, footprint, o)
    if kind == SCALES or kind == WEAVE:
        return plate(kind, g, x, y, theta, seed, footprint, o)
    if kind == BEADS:
        return bead(g, x, y, theta, seed, footprint, o)
    if kind == STREAKS or kind == RIPPLES or kind == CLOUDS:
        return field(kind, g, x, y, theta, seed, o)
    if kind == VEINS:
        return vein(g, x, y, theta, seed, footprint, o)
    return cell(kind, g, x, y, theta, seed, footprint, o)
