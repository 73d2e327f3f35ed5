# pyright: basic
"""Elements on a jittered lattice, for numba: the nearest point owns a spot, the second makes the wall.

Owns: pebbles, cells, facets, grains, cracks, pits, drops, beads and vein nets. The frame that is handed on is
a pure shift and rotation, free of the warps that make outlines irregular: otherwise nested patterns swirl.
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
)  # fmt: skip
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
    LIGHT,
    LX,
    LY,
    OPEN,
    OWN,
    RISE,
    SHADE,
    SHIFT,
    SIZE,
    VEIN,
    Kind,
)  # fmt: skip

PEBBLES, CELLS, PITS, CRACKS, FACETS, GRAINS = (int(k) for k in (
    Kind.PEBBLES, Kind.CELLS, Kind.PITS, Kind.CRACKS, Kind.FACETS, Kind.GRAINS,
))  # fmt: skip


# The cell of a point and its neighbours, nearest first.
NEAR_I = np.array([0, -1, 1, 0, 0, -1, 1, -1, 1])
NEAR_J = np.array([0, 0, 0, -1, 1, -1, -1, 1, 1])
INSET = 0.08  # lattice points keep this far from their cell's border
LEAST_SIZE, SIZE_SPREAD = 0.65, 0.7  # of squared distances, where sizes differ


@njit(**SMALL)
def gap(offset, f):
    """Distance along one axis from a point at ``f`` in its cell to lattice points ``offset`` cells away."""
    return 0.0 if offset == 0 else (f + INSET if offset < 0 else 1.0 + INSET - f)


@njit(**KERNEL)
def two_nearest(x, y, sizes_differ, seed):
    """Nearest lattice point (x, y), its hash, its squared distance and that of the second nearest."""
    ix = np.int64(math.floor(x))
    iy = np.int64(math.floor(y))
    fx = x - ix
    fy = y - iy
    d1 = 9.0
    d2 = 9.0
    bx = 0.0
    by = 0.0
    owner = U(0)
    least = LEAST_SIZE if sizes_differ else 1.0
    for n in range(9):
        i = NEAR_I[n]
        j = NEAR_J[n]
        gx = gap(i, fx)
        gy = gap(j, fy)
        if least * (gx * gx + gy * gy) >= d2:
            continue
        h = mix(ix + i, iy + j, seed)
        px = ix + i + INSET + (1 - 2 * INSET) * unit_a(h)
        py = iy + j + INSET + (1 - 2 * INSET) * unit_b(h)
        d = (px - x) ** 2 + (py - y) ** 2
        if sizes_differ:
            d *= LEAST_SIZE + SIZE_SPREAD * unit_c(h)
        if d < d1:
            d2 = d1
            d1 = d
            bx = px
            by = py
            owner = h
        elif d < d2:
            d2 = d
    return bx, by, owner, d1, d2


@njit(**KERNEL)
def cell(kind, g, x, y, theta, seed, footprint, o):
    """Kinds that live on a jittered lattice: the nearest point owns the spot, the second gives the wall."""
    s = g[SIZE]
    height = g[HEIGHT] * s
    shade = g[SHADE]
    f = footprint / s
    c = math.cos(theta)
    sn = math.sin(theta)
    stretch = g[ASPECT]
    X0 = (c * x + sn * y) / (s * stretch)
    Y0 = (-sn * x + c * y) / s
    X = X0
    Y = Y0
    if kind == PEBBLES or kind == CRACKS:  # irregular outlines
        X += 0.35 * noise(X0 * 1.3, Y0 * 1.3, seed + U(5))
        Y += 0.35 * noise(X * 1.3 + 7, Y0 * 1.3, seed + U(6))
    bx, by, owner, d1, d2 = two_nearest(X, Y, kind == PEBBLES or kind == GRAINS, seed)
    r = math.sqrt(d1)
    wall = math.sqrt(d2) - r
    dx = X - bx
    dy = Y - by
    h2 = again(owner)
    h3 = again(h2)
    turn = (unit_b(h3) - 0.5) * (TWO_PI if kind != CELLS else 1.0)  # living tissue keeps its grain
    ct = math.cos(turn)
    st = math.sin(turn)
    ox = (X0 - bx) * s * stretch
    oy = (Y0 - by) * s
    o[OWN] = 1.0
    o[CX] = (c * bx * stretch - sn * by) * s
    o[CY] = (sn * bx * stretch + c * by) * s
    o[LX] = ct * ox + st * oy
    o[LY] = -st * ox + ct * oy
    o[ANGLE] = theta + turn
    o[BRIGHT] = (unit_b(h2) - 0.5) * 2 * g[LIGHT]
    o[SHIFT] = (unit_c(h2) - 0.5) * 2 * g[HUE]
    o[ACCENTED] = 1.0 if unit_a(h3) < g[ACCENT] else 0.0
    if kind == PEBBLES:
        k = smoothstep(0.0, 0.34, wall)
        o[RISE] = height * math.sqrt(max(0.0, 1 - (1 - k) ** 2)) * 0.45 * (0.6 + 0.8 * unit_c(h2))
        line, depth = thin(0.20, f)
        o[OPEN] = 1 - shade * depth * (1 - smoothstep(0.0, line, wall))
    elif kind == GRAINS:
        k = smoothstep(0.0, 0.22, wall)
        g1 = TWO_PI * unit_b(owner)
        tilt = dx * math.cos(g1) + dy * math.sin(g1)
        o[RISE] = height * (k * 0.25 + 0.22 * tilt * k + 0.25 * unit_a(h2))
        line, depth = thin(0.14, f)
        o[OPEN] = 1 - shade * depth * (1 - smoothstep(0.0, line, wall))
    elif kind == CELLS:
        nx = dx - 0.18 * (unit_a(h2) - 0.5)
        ny = dy - 0.18 * (unit_b(h2) - 0.5)
        nucleus = (1 - smoothstep(0.13, 0.17, math.sqrt(nx * nx + ny * ny))) * g[VEIN]
        o[RISE] = height * (smoothstep(0.0, 0.5, wall) * 0.35 + 0.06 * nucleus)
        line, depth = thin(0.16, f)
        o[OPEN] = 1 - shade * depth * (1 - smoothstep(0.0, line, wall))
        o[BRIGHT] -= 0.28 * nucleus
        o[SHIFT] += 0.10 * nucleus
    elif kind == FACETS:
        g1 = TWO_PI * unit_b(h2)
        line, depth = thin(0.06, f)
        o[RISE] = height * (0.55 * (dx * math.cos(g1) + dy * math.sin(g1)) + 0.3 * unit_c(owner))
        o[OPEN] = 1 - shade * depth * (1 - smoothstep(0.0, line, wall))
    elif kind == CRACKS:
        line, depth = thin(0.07 + 0.05 * noise(X * 2, Y * 2, seed + U(2)), f)
        k = smoothstep(0.0, line, wall)
        o[RISE] = height * (0.12 * k + 0.10 * smoothstep(0.0, 0.4, wall))
        o[OPEN] = 1 - shade * depth * (1 - k)
        o[BRIGHT] *= 0.5
    elif kind == PITS:
        radius = 0.16 + 0.2 * unit_b(h2)
        present = 1.0 if unit_c(h2) < g[DENSITY] else 0.0
        k = smoothstep(radius * 0.55, radius, r)
        rim = math.exp(-(((r - radius * 1.1) / 0.08) ** 2))
        o[RISE] = height * present * (0.05 * rim - 0.35 * (1 - k))
        o[OPEN] = 1 - shade * (1 - smoothstep(radius * 0.4, radius, r)) * present
        o[BRIGHT] *= 0.25
        o[ACCENTED] *= (1 - k) * present
        o[OWN] = 0.0
    else:  # DROPS
        radius = 0.12 + 0.30 * unit_b(h2) ** 2
        present = unit_c(h2) < g[DENSITY]
        if present and r < radius:
            k = 1 - (r / radius) ** 2
            o[RISE] = height * radius * math.sqrt(k) * 0.8
            o[OPEN] = 1 - 0.25 * smoothstep(0.75, 1.0, r / radius)
            o[BRIGHT] = 0.25 * smoothstep(0.3, 1.0, (dx + dy) / radius) + 0.1
        else:
            o[BRIGHT] = o[SHIFT] = o[ACCENTED] = o[OWN] = 0.0
            if present:  # its shadow falls away from the light
                o[OPEN] = 1 - 0.35 * shade * (
                    1 - smoothstep(radius, radius * 1.35, math.hypot(dx - 0.06, dy - 0.08))
                )
    if o[OWN] == 0.0:
        o[CX], o[CY], o[LX], o[LY], o[ANGLE] = x, y, x, y, 0.0
        return seed + U(3)
    return h2


@njit(**KERNEL)
def bead(g, x, y, theta, seed, footprint, o):
    """Spheres in a triangular lattice with slight disorder; missing ones leave a pit."""
    s = g[SIZE]
    c = math.cos(theta)
    sn = math.sin(theta)
    X = (c * x + sn * y) / s
    Y = (-sn * x + c * y) / s
    row = 0.8660254037844386
    iy = np.int64(math.floor(Y / row))
    nearest = 9.0
    bx = 0.0
    by = 0.0
    owner = U(0)
    for j in range(-1, 2):
        shift = 0.5 * ((iy + j) & 1)
        ix = np.int64(math.floor(X - shift))
        for i in range(-1, 2):
            h = mix(ix + i, iy + j, seed)
            px = ix + i + 0.5 + shift + 0.16 * (unit_a(h) - 0.5)
            py = (iy + j + 0.5) * row + 0.16 * (unit_b(h) - 0.5)
            d = (px - X) ** 2 + (py - Y) ** 2
            if d < nearest:
                nearest = d
                bx = px
                by = py
                owner = h
    h2 = again(owner)
    h3 = again(h2)
    radius = 0.44 + 0.10 * unit_a(h2)
    q = math.sqrt(nearest) / radius
    if unit_c(owner) > g[DENSITY]:  # a fault
        o[OPEN] = 1 - g[SHADE] * (1 - 0.5 * smoothstep(0.5, 1.2, q))
        o[RISE] = -0.3 * g[HEIGHT] * s
        o[COVERED] = 0.0
        return h2
    turn = TWO_PI * unit_b(h2)
    ct = math.cos(turn)
    st = math.sin(turn)
    ox = (X - bx) * s
    oy = (Y - by) * s
    o[OWN] = 1.0
    o[CX], o[CY] = (c * bx - sn * by) * s, (sn * bx + c * by) * s
    o[LX], o[LY], o[ANGLE] = ct * ox + st * oy, -st * ox + ct * oy, theta + turn
    o[BRIGHT] = (unit_c(h2) - 0.5) * 2 * g[LIGHT]
    o[SHIFT] = (unit_a(h3) - 0.5) * 2 * g[HUE]
    o[ACCENTED] = 1.0 if unit_b(h3) < g[ACCENT] else 0.0
    o[RISE] = g[HEIGHT] * s * 0.45 * math.sqrt(max(0.0, 1 - q * q))
    o[OPEN] = 1 - g[SHADE] * smoothstep(0.72, 1.08, q)
    return h2


@njit(**KERNEL)
def vein(g, x, y, theta, seed, footprint, o):
    """A net of ridges between lattice cells; it leaves the frame alone."""
    s = g[SIZE]
    height = g[HEIGHT] * s
    c = math.cos(theta)
    sn = math.sin(theta)
    X = (c * x + sn * y) / s / g[ASPECT]
    Y = (-sn * x + c * y) / s
    _, _, owner, d1, d2 = two_nearest(X, Y, False, seed)
    wall = math.sqrt(d2) - math.sqrt(d1)
    k = 1 - smoothstep(0.03, 0.16 + footprint / s * 0.6, wall)
    o[BRIGHT] = g[LIGHT] * (k - 0.25) + (unit_a(owner) - 0.5) * g[LIGHT] * 0.5
    o[RISE] = height * (0.25 * smoothstep(0.0, 0.6, wall) - k * 0.16)
    o[OPEN] = 1 - g[SHADE] * 0.35 * k
    return seed + U(31)
