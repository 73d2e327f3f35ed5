# pyright: basic
"""Pixels that several surfaces share, for numba: found in the geometry buffer, traced again more finely.

Owns: which pixels are edges, their sub-samples and what a pixel is made of then. Everything else of a picture
needs one ray a pixel, because colours and micro detail are band-limited by the footprint.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL
from wonderzoom.generation.embedded.shade_kernels import shade, visible
from wonderzoom.generation.embedded.trace_kernels import (
    NEVER,
    approach,
    cull,
    entry,
    facing_normal,
    find,
    look,
)

SAMPLES = 4  # on a rotated grid: four levels for edges of every direction
GRAZING = 6.0  # footprints: neighbours farther apart in depth lie on different surfaces
CREASE = 0.5  # cosine between the normals of neighbours that share a pixel with a sharp ridge


@njit(inline="always")
def sample_place(k):
    """Position of sub-sample k inside its pixel."""
    return (0.375 if k == 0 else (0.875 if k == 1 else (0.125 if k == 2 else 0.625))), 0.125 + 0.25 * k


@njit(**KERNEL)
def edge_rows(first, last, scale, pixel, spread, owners, depth, normals, partial, edge):
    """Mark pixels of rows [first, last) that more than one surface may share."""
    height, width = owners.shape
    for y in range(first, last):
        for x in range(width):
            own = owners[y, x]
            if own < 0:
                edge[y, x] = partial[y, x]
                continue
            far = GRAZING * (1 + spread * depth[y, x]) * pixel / scale
            found = False
            for k in range(4):
                yy, xx = y + (k == 0) - (k == 1), x + (k == 2) - (k == 3)
                if yy < 0 or xx < 0 or yy >= height or xx >= width:
                    continue
                if owners[yy, xx] < 0 or abs(depth[yy, xx] - depth[y, x]) > far:
                    found = True
                    break
                alike = (
                    normals[y, x, 0] * normals[yy, xx, 0] + normals[y, x, 1] * normals[yy, xx, 1]
                    + normals[y, x, 2] * normals[yy, xx, 2]
                )  # fmt: skip
                if alike < CREASE:
                    found = True
                    break
            edge[y, x] = found


@njit(inline="always")
def twin(owners, own, y, x):
    """The pixel at or beside (y, x) that shows primitive ``own``; (-1, -1) if none does."""
    height, width = owners.shape
    if owners[y, x] == own:
        return y, x
    for yy in range(max(y - 1, 0), min(y + 2, height)):
        for xx in range(max(x - 1, 0), min(x + 2, width)):
            if owners[yy, xx] == own:
                return yy, xx
    return -1, -1


@njit(**KERNEL)
def refine_rows(
    first, last, P, B, T, M, anchor, forward, step_x, step_y, spread, seed, light, sun, sky, ground, stride, edge,
    owners, depth, points, normals, visibility, tint, cavity, relief, radiance, alpha,
    new_owners, new_depth, new_points, new_normals, new_relief,
):  # fmt: skip
    """Trace and light the sub-samples of edge pixels in rows [first, last), ``first`` a multiple of TILE.

    Colour becomes the opacity-weighted mean, alpha the share that is covered; geometry (``new_...``) the mean over
    the samples of the surface that covers most of the pixel, so that no point floats between a leg and what lies
    behind it. Reads only what no row writes.
    """
    height, width = owners.shape
    every, chosen = np.arange(P.shape[0]), np.empty(P.shape[0], np.int64)
    own_of, depth_of, opacity_of = np.empty(SAMPLES, np.int64), np.empty(SAMPLES), np.empty(SAMPLES)
    point_of, normal_of, light_of = np.empty((SAMPLES, 3)), np.empty((SAMPLES, 3)), np.empty((SAMPLES, 3))
    cx, cy = 0.5 * width, 0.5 * height
    pixel_x = math.sqrt(step_x[0] ** 2 + step_x[1] ** 2 + step_x[2] ** 2)
    pixel_y = math.sqrt(step_y[0] ** 2 + step_y[1] ** 2 + step_y[2] ** 2)
    pixel = max(pixel_x, pixel_y)
    scale = math.sqrt(forward[0] ** 2 + forward[1] ** 2 + forward[2] ** 2)
    eye = -1 / spread if spread > 0 else -NEVER
    for y in range(first, last):
        for x in range(width):
            if not edge[y, x]:
                continue
            u, v = x + 0.5 - cx, y + 0.5 - cy
            sx, sy, sz = (
                u * step_x[0] + v * step_y[0], u * step_x[1] + v * step_y[1], u * step_x[2] + v * step_y[2],
            )  # fmt: skip
            ox, oy, oz = anchor[0] + sx, anchor[1] + sy, anchor[2] + sz
            dx, dy, dz = forward[0] + spread * sx, forward[1] + spread * sy, forward[2] + spread * sz
            count, _solid = cull(B, every, P.shape[0], ox, oy, oz, dx, dy, dz, pixel, spread, chosen)
            size = math.sqrt(dx * dx + dy * dy + dz * dz)
            begin = approach(
                P, B, T, chosen, count, ox, oy, oz, dx / size, dy / size, dz / size, eye * size, pixel,
                pixel * spread / size,
            )  # fmt: skip
            alpha[y, x], new_owners[y, x] = 0.0, -1
            if begin == NEVER:
                continue
            begin /= size
            hits = 0
            for k in range(SAMPLES):
                own_of[k] = -1
                right, down = sample_place(k)
                u, v = x + right - cx, y + down - cy
                sx, sy, sz = (
                    u * step_x[0] + v * step_y[0], u * step_x[1] + v * step_y[1], u * step_x[2] + v * step_y[2],
                )  # fmt: skip
                ox, oy, oz = anchor[0] + sx, anchor[1] + sy, anchor[2] + sz
                dx, dy, dz = forward[0] + spread * sx, forward[1] + spread * sy, forward[2] + spread * sz
                size = math.sqrt(dx * dx + dy * dy + dz * dz)
                dx, dy, dz = dx / size, dy / size, dz / size
                start, stop = entry(B, chosen, count, ox, oy, oz, dx, dy, dz, 0.0)
                t, own, _passage = find(
                    P, B, T, chosen, count, ox, oy, oz, dx, dy, dz, max(start, begin * size), stop, 0.5 * pixel,
                    0.5 * spread * pixel / size,
                )  # fmt: skip
                if own < 0:
                    continue
                footprint = (1 + spread * t / size) * pixel
                px, py, pz = ox + dx * t, oy + dy * t, oz + dz * t
                nx, ny, nz = facing_normal(P, B, T, chosen, count, px, py, pz, dx, dy, dz, 0.5 * footprint)
                r, g, b, _u, _v = look(P, M, own, px, py, pz, nx, ny, nz, footprint, seed)
                hollow = 1.0
                yy, xx = twin(owners, own, y, x)
                if yy >= 0:
                    r, g, b = r * tint[yy, xx, 0], g * tint[yy, xx, 1], b * tint[yy, xx, 2]
                    hollow = np.float64(cavity[yy, xx])
                open_sky, open_sun = visible(
                    owners, depth, normals, visibility, stride, scale, x, y, t / size, nx, ny, nz
                )
                r, g, b, opacity = shade(
                    P, T, M, own, light, sun, sky, ground, px, py, pz, nx, ny, nz, nx, ny, nz, -dx, -dy, -dz,
                    open_sky, open_sun, hollow, r, g, b,
                )  # fmt: skip
                own_of[k], depth_of[k], opacity_of[k] = own, t / size, opacity
                point_of[k, 0], point_of[k, 1], point_of[k, 2] = px, py, pz
                normal_of[k, 0], normal_of[k, 1], normal_of[k, 2] = nx, ny, nz
                light_of[k, 0], light_of[k, 1], light_of[k, 2] = r, g, b
                hits += 1
            if hits == 0:
                continue
            # The sample that most others agree with in depth stands for the pixel; the nearest of equals.
            best, votes = -1, 0
            reach = GRAZING * pixel / scale
            for k in range(SAMPLES):
                if own_of[k] < 0:
                    continue
                agree = 0
                for j in range(SAMPLES):
                    if own_of[j] >= 0 and abs(depth_of[j] - depth_of[k]) < reach * (1 + spread * depth_of[k]):
                        agree += 1
                if agree > votes or (agree == votes and depth_of[k] < depth_of[best]):
                    best, votes = k, agree
            weight, total, mean_depth = 0.0, 0, 0.0
            radiance[y, x, :], new_points[y, x, :] = 0.0, 0.0
            nx, ny, nz = 0.0, 0.0, 0.0
            for k in range(SAMPLES):
                if own_of[k] < 0:
                    continue
                weight += opacity_of[k]
                for c in range(3):
                    radiance[y, x, c] += light_of[k, c] * opacity_of[k]
                if abs(depth_of[k] - depth_of[best]) < reach * (1 + spread * depth_of[best]):
                    total += 1
                    mean_depth += depth_of[k] - depth_of[best]
                    for c in range(3):
                        new_points[y, x, c] += point_of[k, c]
                    nx, ny, nz = nx + normal_of[k, 0], ny + normal_of[k, 1], nz + normal_of[k, 2]
            radiance[y, x, :] /= max(weight, 1e-6)
            alpha[y, x] = weight / SAMPLES
            new_owners[y, x] = own_of[best]
            new_depth[y, x] = depth_of[best] + mean_depth / total
            new_points[y, x, :] /= total
            size = max(math.sqrt(nx * nx + ny * ny + nz * nz), 1e-12)
            new_normals[y, x, 0], new_normals[y, x, 1], new_normals[y, x, 2] = nx / size, ny / size, nz / size
            yy, xx = twin(owners, own_of[best], y, x)
            new_relief[y, x] = relief[yy, xx] if yy >= 0 else 0.0
