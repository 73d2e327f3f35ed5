# pyright: basic
"""Sphere tracing of a window of rays, for numba: what every pixel meets.

Owns: the choice of the primitives that a tile of pixels can meet, the march along a ray, and the geometry buffer
(depth, point, normal, primitive, colour, chart). Does not own: sun and sky at a point (``visibility_kernels``)
or light on the surface (``shade_kernels``). Kernels fill whole rows of preallocated arrays, so bands of rows can
run on any number of threads with the same result.

Precision: a ray is never followed from the eye. Pixel (x, y) looks along

    point(t) = anchor + offset + t * (forward + spread * offset)
    offset   = (x + 0.5 - cx) * step_x + (y + 0.5 - cy) * step_y

where the anchor is a point of the central ray beside the thing and the offset a small number of its own: a pixel
of 1e-11 units keeps its digits although the eye may be 1e12 units away (spread = 0: infinitely far).
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U
from wonderzoom.generation.embedded.sdf_kernels import distance
from wonderzoom.generation.embedded.shape_columns import (
    AXIS,
    BALL,
    BALL_BLEND,
    BALL_OPERATION,
    BALL_REACH,
    FOLIAGE,
    INTERSECT,
    KIND,
    MATERIAL,
    ROTATION,
    SHARED,
    THIN,
)
from wonderzoom.generation.embedded.surface_kernels import colour, local_point, unwrap

TILE = 16  # pixels; primitives are culled once per tile ...
BLOCK = 4  # ... and again for every block of pixels, which share one approach
MAX_STEPS = 200
HIT = 0.3  # of the footprint: close enough to be on the surface, before polishing
POLISH = 4  # further steps of the found distance, at most ...
POLISHED = 0.02  # ... until this much of the footprint is left
MISSED = 0.75  # of the footprint: a ray that passes this near shares its pixel with the thing
SMOOTHEST = 2e-5  # object units: normals are measured over at least this ...
SHARPEST = 2.5e-3  # ... and at most this, so that thin blades keep their faces
NEVER = 1e18  # ray parameter of rays that meet nothing


@njit(**KERNEL)
def line_gap(B, i, px, py, pz, dx, dy, dz):
    """Squared distance of a line from the axis of primitive i, and where along the line: (gap, middle, half)."""
    ex, ey, ez = B[i, BALL] - px, B[i, BALL + 1] - py, B[i, BALL + 2] - pz
    t = ex * dx + ey * dy + ez * dz
    cx, cy, cz = ex - t * dx, ey - t * dy, ez - t * dz
    ax, ay, az = B[i, AXIS], B[i, AXIS + 1], B[i, AXIS + 2]
    along = ax * dx + ay * dy + az * dz
    ax, ay, az = ax - along * dx, ay - along * dy, az - along * dz
    square = ax * ax + ay * ay + az * az
    if square > 1e-30:
        k = -(cx * ax + cy * ay + cz * az) / square
        k = -1.0 if k < -1 else (1.0 if k > 1 else k)
        cx, cy, cz = cx + k * ax, cy + k * ay, cz + k * az
    return cx * cx + cy * cy + cz * cz, t, abs(along)


@njit(**KERNEL)
def cull(B, among, number, px, py, pz, dx, dy, dz, wide, spread, chosen):
    """Those of the listed primitives that a beam meets: (count, whether any of them is solid).

    The beam starts at p along d (any length) with half width ``wide``, which grows by ``spread`` times itself
    per unit of ray parameter.
    """
    size = math.sqrt(dx * dx + dy * dy + dz * dz)
    dx, dy, dz = dx / size, dy / size, dz / size
    count, solid = 0, False
    for q in range(number):
        i = among[q]
        gap, t, half = line_gap(B, i, px, py, pz, dx, dy, dz)
        near = B[i, THIN] + B[i, BALL_BLEND] + SHARPEST
        grown = 1 + spread * (t + half + near) / size
        beam = near + wide * max(grown, 0.0)
        if (gap < beam * beam and grown > 0) or B[i, BALL_OPERATION] == INTERSECT:
            chosen[count] = i
            count += 1
            solid = solid or B[i, BALL_OPERATION] > 0
    return count, solid


@njit(**KERNEL)
def entry(B, chosen, count, ox, oy, oz, dx, dy, dz, widen):
    """Interval of a unit ray inside the bounding balls of the solid primitives, the balls made ``widen`` larger."""
    start, stop = NEVER, -NEVER
    for q in range(count):
        i = chosen[q]
        if B[i, BALL_OPERATION] <= 0:
            continue
        ex, ey, ez = B[i, BALL] - ox, B[i, BALL + 1] - oy, B[i, BALL + 2] - oz
        t = ex * dx + ey * dy + ez * dz
        cx, cy, cz = ex - t * dx, ey - t * dy, ez - t * dz
        ball = B[i, BALL_REACH] + 0.5 * B[i, BALL_BLEND] + widen
        gap = ball * ball - (cx * cx + cy * cy + cz * cz)
        if gap > 0:
            gap = math.sqrt(gap)
            start, stop = min(start, t - gap), max(stop, t + gap)
    return start, stop


@njit(**KERNEL)
def approach(P, B, T, chosen, count, ox, oy, oz, dx, dy, dz, nearest, radius, spread):
    """How far a cone of rays can go before any of them may touch something; NEVER if none will.

    The cone's radius at t is ``radius + t * spread``. It replaces most of the steps of every ray inside.
    """
    start, stop = entry(B, chosen, count, ox, oy, oz, dx, dy, dz, max(radius, radius + spread))
    t = max(start, nearest)
    for _ in range(MAX_STEPS):
        if t > stop:
            return NEVER
        wide = max(radius + t * spread, 0.0)
        d, _owner = distance(P, B, T, chosen, count, ox + dx * t, oy + dy * t, oz + dz * t, 0.0)
        if d < 1.3 * wide:
            break
        t += (d - wide) * 0.95
    return t


@njit(**KERNEL)
def find(P, B, T, chosen, count, ox, oy, oz, dx, dy, dz, start, stop, footprint, spread):
    """First hit along a unit ray from o, between start and stop: (t, primitive or -1, nearest passage).

    The footprint at t is ``footprint + t * spread``; the passage is in footprints.
    """
    t, owner, d, passage = start, -1, 0.0, 1e9
    for _ in range(MAX_STEPS):
        if t > stop:
            return 0.0, -1, passage
        d, owner = distance(P, B, T, chosen, count, ox + dx * t, oy + dy * t, oz + dz * t, 0.0)
        pixels = d / (footprint + t * spread)
        passage = min(passage, pixels)
        if pixels < HIT:
            break
        t += d * 0.95
    if owner < 0 or d > 2 * (footprint + t * spread):
        return 0.0, -1, passage
    for _ in range(POLISH):
        if abs(d) < POLISHED * (footprint + t * spread):
            break
        t += d
        d, _owner = distance(P, B, T, chosen, count, ox + dx * t, oy + dy * t, oz + dz * t, 0.0)
    return t, owner, passage


@njit(**KERNEL)
def facing_normal(P, B, T, chosen, count, x, y, z, dx, dy, dz, footprint):
    """Unit normal of the surface at a point, turned against the ray."""
    e = min(max(footprint * 0.7, SMOOTHEST), SHARPEST)
    nx, ny, nz = 0.0, 0.0, 0.0
    for corner in range(4):  # of a tetrahedron: one evaluation less than central differences, times two
        sx = 1.0 if corner == 0 or corner == 3 else -1.0
        sy = 1.0 if corner >= 2 else -1.0
        sz = 1.0 if corner == 1 or corner == 3 else -1.0
        d, _owner = distance(P, B, T, chosen, count, x + sx * e, y + sy * e, z + sz * e, 0.0)
        nx, ny, nz = nx + sx * d, ny + sy * d, nz + sz * d
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    if size == 0:
        return -dx, -dy, -dz
    if nx * dx + ny * dy + nz * dz > 0:
        size = -size
    return nx / size, ny / size, nz / size


@njit(**KERNEL)
def look(P, M, owner, px, py, pz, nx, ny, nz, footprint, seed):
    """Colour and chart of a surface point: (r, g, b, u, v)."""
    m, r = int(P[owner, MATERIAL]), ROTATION
    lx, ly, lz, blade = local_point(P, owner, px, py, pz)
    own = U(seed) if M[m, SHARED] > 0.5 else U(seed) + U(owner * 101)
    red, green, blue = colour(P, owner, M, m, lx, ly, lz, blade, footprint, own)
    lnx = P[owner, r] * nx + P[owner, r + 1] * ny + P[owner, r + 2] * nz
    lny = P[owner, r + 3] * nx + P[owner, r + 4] * ny + P[owner, r + 5] * nz
    lnz = P[owner, r + 6] * nx + P[owner, r + 7] * ny + P[owner, r + 8] * nz
    u, v = unwrap(P, owner, lx, ly, lz, lnx, lny, lnz)
    # Parts of one material do not continue each other's texture unless they share a seed.
    shift = 0.0 if M[m, SHARED] > 0.5 else owner * 3.7
    if int(P[owner, KIND]) == FOLIAGE:
        shift += np.int64(blade & U(1023)) * 0.37
    return red, green, blue, u + shift, v + shift


@njit(**KERNEL)
def trace_rows(
    first, last, P, B, T, M, anchor, forward, step_x, step_y, spread, seed,
    depth, points, normals, owners, chart, colors, partial,
):  # fmt: skip
    """Geometry buffer of rows [first, last), ``first`` a multiple of TILE.

    depth [H, W] ray parameter, points [H, W, 3], normals [H, W, 3], owners [H, W] primitive or -1, chart
    [H, W, 2] object units, colors [H, W, 3], partial [H, W] rays that pass so near that they share the pixel.
    """
    height, width = owners.shape
    every = np.arange(P.shape[0])
    chosen, own = np.empty(P.shape[0], np.int64), np.empty(P.shape[0], np.int64)
    cx, cy = 0.5 * width, 0.5 * height
    pixel_x = math.sqrt(step_x[0] ** 2 + step_x[1] ** 2 + step_x[2] ** 2)
    pixel_y = math.sqrt(step_y[0] ** 2 + step_y[1] ** 2 + step_y[2] ** 2)
    pixel = max(pixel_x, pixel_y)
    eye = -1 / spread if spread > 0 else -NEVER  # ray parameter of the eye
    for top in range(first, last, TILE):
        bottom = min(top + TILE, last)
        for left in range(0, width, TILE):
            right = min(left + TILE, width)
            u, v = 0.5 * (left + right) - cx, 0.5 * (top + bottom) - cy
            sx, sy, sz = (
                u * step_x[0] + v * step_y[0], u * step_x[1] + v * step_y[1], u * step_x[2] + v * step_y[2],
            )  # fmt: skip
            number, solid = cull(
                B, every, P.shape[0], anchor[0] + sx, anchor[1] + sy, anchor[2] + sz, forward[0] + spread * sx,
                forward[1] + spread * sy, forward[2] + spread * sz, 0.5 * (TILE + 2) * (pixel_x + pixel_y), spread,
                chosen,
            )  # fmt: skip
            if not solid:
                continue
            for block_y in range(top, bottom, BLOCK):
                for block_x in range(left, right, BLOCK):
                    trace_block(
                        P, B, T, M, chosen, number, own, anchor, forward, step_x, step_y, spread, cx, cy, pixel, eye,
                        seed, block_y, min(block_y + BLOCK, bottom), block_x, min(block_x + BLOCK, right),
                        depth, points, normals, owners, chart, colors, partial,
                    )  # fmt: skip


@njit(inline="always")
def trace_block(
    P, B, T, M, among, number, chosen, anchor, forward, step_x, step_y, spread, cx, cy, pixel, eye, seed,
    top, bottom, left, right, depth, points, normals, owners, chart, colors, partial,
):  # fmt: skip
    """The geometry buffer of one block of pixels."""
    u, v = 0.5 * (left + right) - cx, 0.5 * (top + bottom) - cy
    sx, sy, sz = u * step_x[0] + v * step_y[0], u * step_x[1] + v * step_y[1], u * step_x[2] + v * step_y[2]
    ox, oy, oz = anchor[0] + sx, anchor[1] + sy, anchor[2] + sz
    dx, dy, dz = forward[0] + spread * sx, forward[1] + spread * sy, forward[2] + spread * sz
    wide = 0.75 * (BLOCK + 2) * pixel  # half the diagonal, one pixel of margin
    count, solid = cull(B, among, number, ox, oy, oz, dx, dy, dz, wide, spread, chosen)
    if not solid:
        return
    size = math.sqrt(dx * dx + dy * dy + dz * dz)
    begin = approach(
        P,
        B,
        T,
        chosen,
        count,
        ox,
        oy,
        oz,
        dx / size,
        dy / size,
        dz / size,
        eye * size,
        wide,
        wide * spread / size,
    )
    if begin == NEVER:
        return
    begin /= size
    for y in range(top, bottom):
        for x in range(left, right):
            u, v = x + 0.5 - cx, y + 0.5 - cy
            sx, sy, sz = (
                u * step_x[0] + v * step_y[0], u * step_x[1] + v * step_y[1], u * step_x[2] + v * step_y[2],
            )  # fmt: skip
            ox, oy, oz = anchor[0] + sx, anchor[1] + sy, anchor[2] + sz
            dx, dy, dz = forward[0] + spread * sx, forward[1] + spread * sy, forward[2] + spread * sz
            size = math.sqrt(dx * dx + dy * dy + dz * dz)
            dx, dy, dz = dx / size, dy / size, dz / size
            start, stop = entry(B, chosen, count, ox, oy, oz, dx, dy, dz, 0.0)
            start = max(max(start, begin * size), eye * size)
            t, owner, passage = find(
                P, B, T, chosen, count, ox, oy, oz, dx, dy, dz, start, stop, pixel, spread * pixel / size
            )
            if owner < 0:
                partial[y, x] = passage < MISSED
                continue
            footprint = (1 + spread * t / size) * pixel
            px, py, pz = ox + dx * t, oy + dy * t, oz + dz * t
            nx, ny, nz = facing_normal(P, B, T, chosen, count, px, py, pz, dx, dy, dz, footprint)
            r, g, b, cu, cv = look(P, M, owner, px, py, pz, nx, ny, nz, footprint, seed)
            colors[y, x, 0], colors[y, x, 1], colors[y, x, 2] = r, g, b
            chart[y, x, 0], chart[y, x, 1] = cu, cv
            depth[y, x] = t / size
            owners[y, x] = owner
            normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = nx, ny, nz
            points[y, x, 0], points[y, x, 1], points[y, x, 2] = px, py, pz
