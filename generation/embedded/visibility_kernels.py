# pyright: basic
"""Sun and sky at points of a scene, for numba: soft shadows and ambient occlusion.

Owns: how much of the sun and of the sky a point sees past a shape's primitives; for points of the thing itself
and of the ground around it alike. Solid primitives are marched. Foliage is not: its leaves are too many, so it
dims light like a mist, by the length of the ray inside its ellipsoid (Beer-Lambert).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL
from wonderzoom.generation.embedded.sdf_kernels import distance
from wonderzoom.generation.embedded.shape_columns import (
    BALL,
    BALL_BLEND,
    BALL_OPERATION,
    BALL_REACH,
    FOLIAGE,
    INTERSECT,
    KIND,
    PARAM,
    POSITION,
    ROTATION,
    THIN,
)
from wonderzoom.generation.embedded.trace_kernels import line_gap

TILE = 8  # grid points; nearby primitives are chosen once per tile
LIFT = 0.012  # object units: shadow rays start this far off the surface
SHORTEST = 0.018  # object units: least step of a shadow ray
STEPS = 40
HARDNESS = 9.0  # of shadow edges: an occluder seen within 1/9 of its distance dims the sun
SKY_STEPS = 3
DENSITY = 0.7  # extinction of foliage per (slenderness / cell): about a leaf's area over its volume
DARKEST = 0.12  # share of the sky left in the deepest crevice


@njit(**KERNEL)
def through_foliage(P, leafy, count, x, y, z, dx, dy, dz):
    """Share of light along a unit ray from a point that foliage lets through."""
    thickness = 0.0
    for q in range(count):
        i = leafy[q]
        r, p = ROTATION, PARAM
        gx, gy, gz = x - P[i, POSITION], y - P[i, POSITION + 1], z - P[i, POSITION + 2]
        ex = (P[i, r] * gx + P[i, r + 1] * gy + P[i, r + 2] * gz) / P[i, p]
        ey = (P[i, r + 3] * gx + P[i, r + 4] * gy + P[i, r + 5] * gz) / P[i, p + 1]
        ez = (P[i, r + 6] * gx + P[i, r + 7] * gy + P[i, r + 8] * gz) / P[i, p + 2]
        fx = (P[i, r] * dx + P[i, r + 1] * dy + P[i, r + 2] * dz) / P[i, p]
        fy = (P[i, r + 3] * dx + P[i, r + 4] * dy + P[i, r + 5] * dz) / P[i, p + 1]
        fz = (P[i, r + 6] * dx + P[i, r + 7] * dy + P[i, r + 8] * dz) / P[i, p + 2]
        a, b = fx * fx + fy * fy + fz * fz, ex * fx + ey * fy + ez * fz
        inside = b * b - a * (ex * ex + ey * ey + ez * ez - 1)
        if inside <= 0:
            continue
        inside = math.sqrt(inside)
        length = (-b + inside) / a - max((-b - inside) / a, 0.0)
        if length > 0:
            thickness += length * P[i, p + 5] * P[i, p + 8] / P[i, p + 3]
    return math.exp(-DENSITY * thickness)


@njit(inline="always")
def sky_seen(P, B, T, nearby, count, x, y, z, nx, ny, nz, step, on_thing):
    """Sky light left at a point, 1 open .. DARKEST; for points on the thing the plane z = 0 occludes too."""
    total, weight = 0.0, 1.0
    for j in range(1, SKY_STEPS + 1):
        h = step * j * j
        d, _owner = distance(P, B, T, nearby, count, x + nx * h, y + ny * h, z + nz * h, h)
        if on_thing:
            d = min(d, z + nz * h)
        total += max(0.0, h - d) * weight / h
        weight *= 0.6
    return max(DARKEST, 1 - 0.55 * total)


@njit(inline="always")
def sun_seen(P, B, T, nearby, count, x, y, z, light, far):
    """Soft shadow: how much of the sun is seen from a point, 0 .. 1."""
    left, t = 1.0, 1.5 * LIFT
    for _ in range(STEPS):
        d, _owner = distance(
            P, B, T, nearby, count, x + light[0] * t, y + light[1] * t, z + light[2] * t, t / HARDNESS
        )
        left = min(left, HARDNESS * d / t)
        if left < 0.02:
            return 0.0
        t += max(d * 0.9, SHORTEST)
        if t > far:
            break
    left = max(left, 0.0)
    return left * left * (3 - 2 * left)


@njit(**KERNEL)
def see_rows(first, last, P, B, T, light, sky_step, far, on_thing, valid, points, normals, visibility):
    """(sky, sun) [h, w, 2] of grid rows [first, last), ``first`` a multiple of TILE.

    valid [h, w], points [h, w, 3], normals [h, w, 3]. ``sky_step``: object units of the first occlusion sample;
    ``far``: how far a shadow ray is followed; ``on_thing``: the points are the shape's own. Only primitives near
    a tile's points, or near the beam from them to the sun, are asked.
    """
    columns = valid.shape[1]
    nearby, leafy = np.empty(P.shape[0], np.int64), np.empty(P.shape[0], np.int64)
    sky_range = sky_step * SKY_STEPS * SKY_STEPS
    low, high = np.empty(3), np.empty(3)
    for top in range(first, last, TILE):
        bottom = min(top + TILE, last)
        for left in range(0, columns, TILE):
            right = min(left + TILE, columns)
            low[:], high[:] = 1e18, -1e18
            for y in range(top, bottom):
                for x in range(left, right):
                    if valid[y, x]:
                        for c in range(3):
                            low[c], high[c] = min(low[c], points[y, x, c]), max(high[c], points[y, x, c])
            if low[0] > high[0]:
                continue
            mx, my, mz = 0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), 0.5 * (low[2] + high[2])
            wide = 0.5 * math.sqrt(
                (high[0] - low[0]) ** 2 + (high[1] - low[1]) ** 2 + (high[2] - low[2]) ** 2
            )
            count, leaves = np.int64(0), np.int64(0)  # typed: a literal 0 would compile all callees twice
            for i in range(B.shape[0]):
                gap, along, half = line_gap(B, i, mx, my, mz, light[0], light[1], light[2])
                ball = B[i, THIN] + B[i, BALL_BLEND] + wide
                beam = ball + 2 * LIFT + max(0.0, along + half + ball) / HARDNESS
                shades = gap < beam * beam and along + half > -ball and along - half < far + ball
                ex, ey, ez = B[i, BALL] - mx, B[i, BALL + 1] - my, B[i, BALL + 2] - mz
                reach = B[i, BALL_REACH] + B[i, BALL_BLEND] + wide + sky_range
                close = ex * ex + ey * ey + ez * ez < reach * reach
                if int(P[i, KIND]) == FOLIAGE:  # few enough to take them all
                    leafy[leaves] = i
                    leaves += 1
                elif shades or close or B[i, BALL_OPERATION] == INTERSECT:
                    nearby[count] = i
                    count += 1
            if count + leaves == 0:
                continue
            for y in range(top, bottom):
                for x in range(left, right):
                    if not valid[y, x]:
                        continue
                    px, py, pz = points[y, x, 0], points[y, x, 1], points[y, x, 2]
                    nx, ny, nz = (
                        np.float64(normals[y, x, 0]), np.float64(normals[y, x, 1]), np.float64(normals[y, x, 2]),
                    )  # fmt: skip
                    sky, sun = 1.0, 0.0
                    if count:
                        sky = sky_seen(P, B, T, nearby, count, px, py, pz, nx, ny, nz, sky_step, on_thing)
                    if leaves:
                        sky *= 0.3 + 0.7 * through_foliage(P, leafy, leaves, px, py, pz, nx, ny, nz)
                    if nx * light[0] + ny * light[1] + nz * light[2] > -0.25:
                        sun = 1.0
                        px, py, pz = px + nx * LIFT, py + ny * LIFT, pz + nz * LIFT
                        if count:
                            sun = sun_seen(P, B, T, nearby, count, px, py, pz, light, far)
                        if leaves and sun > 0:
                            sun *= through_foliage(P, leafy, leaves, px, py, pz, light[0], light[1], light[2])
                    visibility[y, x, 0], visibility[y, x, 1] = sky, sun
