# pyright: basic
"""Colour and surface coordinates of a point on a primitive, for numba.

Owns: the colour patterns of materials, band-limited by the pixel footprint so that they neither alias nor
run out, and the unwrapping of every primitive to a chart on which the micro-detail ladders live. Does not
own: the ladders (``detail``) or light (``shade_kernels``).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U, smoothstep, unit_a, unit_b, unit_c
from wonderzoom.generation.embedded.sdf_kernels import NOWHERE, leaf_at, outline, to_local
from wonderzoom.generation.embedded.shape_columns import (
    ALONG,
    BANDS,
    BRICKS,
    CHAIN_BANDS,
    CLOUDS,
    COLOR,
    CONE,
    CYLINDER,
    DISC_RINGS,
    FEATHERS,
    FOLIAGE,
    HEIGHT,
    HUE,
    IRIS,
    KIND,
    LADYBUG,
    LEAF_TINT,
    LEAF_VEINS,
    LENGTH,
    MOTTLE,
    MOTTLE_FREQUENCY,
    PARAM,
    PATTERN,
    PATTERN_OFFSET,
    PATTERN_SCALE,
    PETAL_STREAKS,
    RADIAL,
    REVOLUTION,
    RINGS,
    SCALES,
    SECOND,
    SHEET,
    SHINGLES,
    SPECKLE,
    SPOTS,
    TORUS,
    WING_MARGIN,
)
from wonderzoom.generation.embedded.space_kernels import cellular3, fractal3, mix3, noise3

MOTTLE_STEP = 5.0  # ratio of successive mottling scales
MOTTLE_RUNGS = 22  # 5 ** 22 > 1e15: past the end of float64


@njit(**KERNEL)
def local_point(P, i, x, y, z):
    """Coordinates in the primitive's own frame (in the blade's frame for foliage) and the blade's hash."""
    lx, ly, lz = to_local(P, i, x, y, z)
    if int(P[i, KIND]) == FOLIAGE:
        _, lx, ly, lz, h = leaf_at(P, i, lx, ly, lz, NOWHERE)
        return lx, ly, lz, h
    return lx, ly, lz, U(0)


@njit(**KERNEL)
def unwrap(P, i, lx, ly, lz, nx, ny, nz):
    """Chart coordinates in object units; (nx, ny, nz) is the local normal, which picks the face to project on."""
    kind, p = int(P[i, KIND]), PARAM
    if kind == SHEET or kind == FOLIAGE:
        return lx, ly
    if kind == CONE:
        return P[i, ALONG] + lz * (P[i, ALONG + 1] - P[i, ALONG]) / P[i, p], math.atan2(ly, lx) * P[i, p + 1]
    if kind == TORUS:
        q = math.sqrt(lx * lx + ly * ly) - P[i, p]
        return math.atan2(ly, lx) * P[i, p], math.atan2(lz, q) * P[i, p + 1]
    if kind == REVOLUTION or kind == CYLINDER:
        if abs(nz) > 0.75:
            return lx, ly
        radius = P[i, p] if kind == CYLINDER else 0.5
        return lz, math.atan2(ly, lx) * radius
    ax, ay, az = abs(nx), abs(ny), abs(nz)
    # Offsets keep the three projections from repeating the same texture.
    if az >= ax * 0.8 and az >= ay * 0.8:
        return lx, ly
    if ay > ax:
        return lx + 31.0, lz
    return ly + 57.0, lz


@njit(inline="always")
def spot(x, y, cx, cy, radius):
    return math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) - radius


@njit(inline="always")
def line(x, width):
    """1 on the integer lines of x, falling to 0 at ``width`` (fraction of a period)."""
    return 1 - smoothstep(0.0, width, 0.5 - abs(x - math.floor(x) - 0.5))


@njit(**KERNEL)
def leaf_veins(u, v, aspect, repeats, strength, footprint, seed):
    """Midrib, side veins and two finer nets of a leaf; u along 0..1, v across in half widths, footprint in u."""
    side = abs(v)
    mid = 1 - smoothstep(0.0, 0.05 * (1 - 0.7 * u) + footprint, side)
    second = line((u - side * 0.28) * repeats + 0.5, 0.05 + footprint * repeats)
    f1, f2, _ = cellular3(u * repeats * 6, v * aspect * repeats * 6, 0.5, seed + U(5))
    third = 1 - smoothstep(0.0, 0.16, f2 - f1)
    fine = 0.0
    visible = smoothstep(0.6, 0.1, footprint * repeats * 26)
    if visible > 0:
        f1, f2, _ = cellular3(u * repeats * 26, v * aspect * repeats * 26, 0.5, seed + U(6))
        fine = (1 - smoothstep(0.0, 0.2, f2 - f1)) * visible
    net = max(mid, max(0.7 * second, max(0.38 * third, 0.2 * fine)))
    return net * strength + 0.15 * fractal3(u * 3, v * 3, 0.0, 3, seed)


@njit(inline="always")
def ladybug_spots(x, y, z, footprint):
    """Seven spots, mirrored, and the dark seam between the wing cases (units of the elytra ellipsoid)."""
    side = abs(y)
    d = min(spot(x, side, 0.44, 0.0, 0.15), spot(x, side, 0.10, 0.45, 0.165))
    d = min(d, min(spot(x, side, -0.40, 0.30, 0.150), spot(x, side, -0.14, 0.76, 0.105)))
    d += 0.012 * noise3(x * 7, y * 7, z * 7, U(4)) + 0.004 * noise3(x * 31, y * 31, z * 31, U(5))
    edge = 0.010
    seam = 0.92 * (1 - smoothstep(0.004, 0.013 + footprint, side))
    return max(1 - smoothstep(-edge, edge + footprint, d), seam)


@njit(inline="always")
def pattern(P, i, M, m, lx, ly, lz, h, footprint, seed):
    """How much of the second colour shows, before clamping."""
    kind, scale, offset, p = int(M[m, PATTERN]), M[m, PATTERN_SCALE], M[m, PATTERN_OFFSET], PARAM
    if kind == SPOTS:
        f1, _, _ = cellular3(lx * scale, ly * scale, lz * scale, seed + U(3))
        return 1 - smoothstep(offset, offset + max(0.04, footprint * scale), f1)
    if kind == BANDS:
        wobble = 0.6 * noise3(lx * 3, ly * 3, lz * 3, U(9)) + 0.12 * noise3(lx * 17, ly * 17, lz * 17, U(8))
        return smoothstep(-0.15, 0.15, math.sin(lx * scale + wobble) + offset)
    if kind == CHAIN_BANDS:
        s = P[i, ALONG] + lz * (P[i, ALONG + 1] - P[i, ALONG]) / P[i, p]
        a = math.atan2(ly, lx)
        wobble = 0.5 * noise3(s * 2.0, math.cos(a) * 2, math.sin(a) * 2, seed)
        return smoothstep(-0.4, 0.5, math.sin(s * scale + wobble) + offset + 0.4 * math.sin(a * 2 + 0.7))
    if kind == PETAL_STREAKS:
        u = lx / P[i, p]
        v = ly / (outline(int(P[i, p + 2]), u, P[i, p + 1]) + 1e-6)
        base = 0.5 * smoothstep(0.35, -0.1, u) * offset + 0.25 * u
        return (
            base + 0.35 * noise3(u * 1.5, v * scale, 0.0, seed) + 0.22 * noise3(u * 4, v * scale * 3, 1.0, seed + U(1))
            + 0.10 * noise3(u * 9, v * scale * 9, 2.0, seed + U(2))
        )  # fmt: skip
    if kind == LEAF_VEINS:
        length, width = P[i, p], P[i, p + 1]
        return leaf_veins(lx / length, ly / width, width / length, scale, offset, footprint / width, seed)
    if kind == LEAF_TINT:  # foliage: every blade its own shade, with veins when near
        cell = P[i, p + 3]
        shade = unit_c(h) * 0.7
        if footprint > 0.05 * cell:
            return shade
        veins = leaf_veins(
            0.5 + lx / cell,
            ly / (cell * 0.5 * P[i, p + 5]),
            P[i, p + 5],
            scale,
            offset,
            footprint / cell * 3,
            h,
        )
        return shade * 0.6 + veins * 0.6
    if kind == WING_MARGIN:
        length, width = P[i, p], P[i, p + 1]
        u, side = lx / length, abs(ly)
        rim = min((outline(int(P[i, p + 2]), u, width) + 1e-6 - side) / width, (1 - u) * 1.6)
        rim += 0.05 * noise3(lx * 9, ly * 9, 0.0, seed)
        dark = 1 - smoothstep(0.10, 0.22, rim)
        veins = line(math.atan2(ly, lx + 0.05) * scale, 0.07)
        f1, _, _ = cellular3(lx * 14, ly * 14, 0.5, seed + U(2))
        pale = (
            (1 - smoothstep(0.16, 0.22, f1))
            * smoothstep(0.02, 0.06, rim)
            * (1 - smoothstep(0.10, 0.14, rim))
            * offset
        )
        return max(dark, veins) - 2.0 * pale  # pale dots along the dark margin
    if kind == HEIGHT:
        return smoothstep(0.0, 1.0, lz * scale + offset)
    if kind == CLOUDS:
        return 0.5 + 0.9 * fractal3(lx * scale, ly * scale, lz * scale, 5, seed)
    if kind == RINGS:
        r = math.sqrt(lx * lx + ly * ly) * scale + 0.8 * fractal3(lx * 2, ly * 2, lz * 0.5, 3, seed)
        return r - math.floor(r)
    if kind == LADYBUG:
        return ladybug_spots(lx, ly, lz, footprint)
    if kind == BRICKS or kind == SHINGLES:
        y = lz * scale if kind == BRICKS else ly * scale
        row = math.floor(y)
        x = ((lx + ly) if kind == BRICKS else lx) * scale * 0.5 + 0.5 * (int(row) & 1)
        fx = x - math.floor(x)
        shade = unit_a(mix3(np.int64(math.floor(x)), np.int64(row), np.int64(kind), U(3)))
        if kind == BRICKS:
            joint = min(min(fx, 1 - fx) * 2, min(y - row, 1 - (y - row)))
            return max(1 - smoothstep(0.04, 0.12, joint), 0.35 * shade)
        return max(
            1 - smoothstep(0.0, 0.22, y - row), max(1 - smoothstep(0.02, 0.07, min(fx, 1 - fx)), 0.7 * shade)
        )
    if kind == LENGTH:
        return smoothstep(0.0, 1.0, lx * scale + offset)
    if kind == RADIAL:
        return 2 * abs(math.atan2(ly, lx) * scale - math.floor(math.atan2(ly, lx) * scale) - 0.5)
    if kind == DISC_RINGS:
        return smoothstep(offset * 0.35, offset, math.sqrt(lx * lx + ly * ly) * scale)
    if kind == SPECKLE:
        f1, _, found = cellular3(lx * scale, ly * scale, lz * scale, seed + U(3))
        return (1 - smoothstep(0.25, 0.45, f1)) * (1.0 if unit_b(found * U(11)) < offset else 0.0)
    if kind == SCALES or kind == FEATHERS:  # overlapping rows toward -x (fish) or -x drawn out (bird)
        a = math.atan2(lz, ly) * (1.0 if kind == SCALES else 0.8) * 3.0
        x = lx * scale * (1.0 if kind == SCALES else 0.6)
        row = math.floor(x)
        v = a * scale * 0.12 + 0.5 * (int(row) & 1)
        fx, fv = x - row, v - math.floor(v) - 0.5
        d = math.sqrt((1 - fx) * (1 - fx) * 0.8 + fv * fv * 2.2)
        if kind == SCALES:
            return smoothstep(0.55, 0.85, d) * offset + 0.25 * smoothstep(0.3, 0.0, d)
        return smoothstep(0.35, 0.9, d) * offset + 0.18 * line(fv * 14, 0.3) * (
            1 - min(1.0, footprint * scale * 14)
        )
    if kind == IRIS:
        return smoothstep(offset, offset + 0.04, math.sqrt(lx * lx + lz * lz) * scale)
    return 0.0


@njit(**KERNEL)
def colour(P, i, M, m, lx, ly, lz, h, footprint, seed):
    """Linear RGB of the surface without its micro ladder."""
    t = pattern(P, i, M, m, lx, ly, lz, h, footprint, seed)
    t = 0.0 if t < 0 else (1.0 if t > 1 else t)
    amount, f = M[m, MOTTLE], M[m, MOTTLE_FREQUENCY]
    n, warm = 1.0, 0.0
    if amount > 0:
        n += 1.6 * amount * fractal3(lx * f, ly * f, lz * f, 4, seed + U(31))
        warm = M[m, HUE] * noise3(lx * f * 0.7, ly * f * 0.7, lz * f * 0.7, seed + U(77))
        f *= MOTTLE_STEP
        for rung in range(MOTTLE_RUNGS):  # ever finer mottling, as far as the footprint resolves it
            pixels = 1.0 / (f * footprint)
            if pixels < 2.0:
                break
            n += (
                amount
                * 0.30
                * smoothstep(2.0, 6.0, pixels)
                * fractal3(lx * f, ly * f, lz * f, 2, seed + U(40) + U(rung))
            )
            f *= MOTTLE_STEP
    if h != U(0):
        n *= 0.75 + 0.5 * unit_a(h)
    c, s = COLOR, SECOND
    return (
        (M[m, c] + (M[m, s] - M[m, c]) * t) * n * (1 + warm),
        (M[m, c + 1] + (M[m, s + 1] - M[m, c + 1]) * t) * n,
        (M[m, c + 2] + (M[m, s + 2] - M[m, c + 2]) * t) * n * (1 - warm),
    )
