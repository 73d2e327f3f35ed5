"""Triangles to samples: which triangle is in front, where the sun reaches, and how a leaf looks there.

A plain z-buffer. The same kernel draws the picture (key = 1 / depth) and the shadow map (key = height toward
the sun): in both, the larger key is in front and keys are linear over the screen.
"""

# pyright: basic
from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.demo_picture.light import GROUND, HAZE_LENGTH, SKY, SUN, haze_color
from tools.demo_picture.noise import KERNEL

Array = NDArray[np.float64]
BAND = 48  # sample rows a band of work


@dataclass(slots=True)
class Triangles:
    """T triangles of plants."""

    corners: NDArray[np.float32]  # [T, 3, 3] scene metres
    color: NDArray[np.float32]  # [T, 3] albedo, linear
    open_: NDArray[np.float32]  # [T, 3] share of the sky that each corner sees
    through: NDArray[np.float32]  # [T] light that passes from behind

    @staticmethod
    def joined(parts: list[Triangles]) -> Triangles:
        return Triangles(
            np.concatenate([p.corners for p in parts]),
            np.concatenate([p.color for p in parts]),
            np.concatenate([p.open_ for p in parts]),
            np.concatenate([p.through for p in parts]),
        )


@njit(**KERNEL)
def fill_rows(first, last, order, start, end, screen, key, owner):
    """Draw triangles ``order[start:end]`` into sample rows [first, last). screen: [T, 3, 3] x, y, key."""
    width = key.shape[1]
    for n in range(start, end):
        t = order[n]
        ax, ay, az = screen[t, 0, 0], screen[t, 0, 1], screen[t, 0, 2]
        bx, by, bz = screen[t, 1, 0], screen[t, 1, 1], screen[t, 1, 2]
        cx, cy, cz = screen[t, 2, 0], screen[t, 2, 1], screen[t, 2, 2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9:
            continue
        y0, y1 = (
            max(first, int(math.ceil(min(ay, by, cy) - 0.5))),
            min(last - 1, int(math.floor(max(ay, by, cy) - 0.5))),
        )
        x0, x1 = (
            max(0, int(math.ceil(min(ax, bx, cx) - 0.5))),
            min(width - 1, int(math.floor(max(ax, bx, cx) - 0.5))),
        )
        inverse = 1.0 / area
        for y in range(y0, y1 + 1):
            py = y + 0.5
            for x in range(x0, x1 + 1):
                px = x + 0.5
                u = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * inverse
                v = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * inverse
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                k = u * az + v * bz + w * cz
                if k > key[y, x]:
                    key[y, x], owner[y, x] = k, t


def fill(
    screen: NDArray[np.float32], height: int, width: int, threads: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Largest key and its triangle [H, W] (-inf and -1 where there is none)."""
    key, owner = np.full((height, width), -np.inf, np.float32), np.full((height, width), -1, np.int32)
    low, high = screen[..., 1].min(1), screen[..., 1].max(1)
    inside = (high >= 0) & (low < height) & (screen[..., 0].max(1) >= 0) & (screen[..., 0].min(1) < width)
    bands = []
    for first in range(0, height, BAND):
        last = min(height, first + BAND)
        rows = np.flatnonzero(inside & (high >= first) & (low < last))
        bands.append((first, last, rows))

    def work(band: tuple[int, int, Array]) -> None:
        fill_rows(band[0], band[1], band[2], 0, len(band[2]), screen, key, owner)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, bands))
    return key, owner


@dataclass(frozen=True, slots=True)
class ShadowMap:
    """Heights toward the sun of what the sun sees, over a patch of the meadow."""

    axes: Array  # [3, 3] rows: across, along, toward the sun
    origin: tuple[float, float]  # of the map, metres along the first two axes
    cell: float  # metres
    key: NDArray[np.float32]  # [h, w]

    @staticmethod
    def of(triangles: Triangles, sun: Array, reach: float, cell: float, threads: int) -> ShadowMap:
        """Shadow map of triangles nearer than ``reach`` metres."""
        across = np.cross(sun, [0.0, 0.0, 1.0])
        across /= np.linalg.norm(across)
        axes = np.stack([across, np.cross(sun, across), sun])
        near = triangles.corners[:, :, :2].max(1)
        chosen = triangles.corners[np.hypot(near[:, 0], near[:, 1]) < reach].astype(np.float64)
        local = chosen @ axes.T
        low, high = local.min((0, 1)), local.max((0, 1))
        screen = np.concatenate([(local[..., :2] - low[:2]) / cell, local[..., 2:]], -1).astype(np.float32)
        size = np.ceil((high - low)[:2] / cell).astype(int) + 1
        key, _ = fill(screen, int(size[1]), int(size[0]), threads)
        return ShadowMap(axes, (float(low[0]), float(low[1])), cell, key)


@njit(**KERNEL)
def sun_share(x, y, z, axes, ox, oy, cell, key, bias):
    """Share of the sun that plants leave at a point: 3 x 3 looks into the shadow map."""
    a = (axes[0, 0] * x + axes[0, 1] * y + axes[0, 2] * z - ox) / cell
    b = (axes[1, 0] * x + axes[1, 1] * y + axes[1, 2] * z - oy) / cell
    c = axes[2, 0] * x + axes[2, 1] * y + axes[2, 2] * z + bias
    i, j = int(math.floor(a)), int(math.floor(b))
    lit, n = 0.0, 0
    for dj in range(-1, 2):
        for di in range(-1, 2):
            jj, ii = j + dj, i + di
            if jj < 0 or ii < 0 or jj >= key.shape[0] or ii >= key.shape[1]:
                lit += 1.0
            elif key[jj, ii] < c:
                lit += 1.0
            n += 1
    return lit / n


@njit(**KERNEL)
def shade_rows(
    first, last, samples, screen, corners, color, open_, through, key, owner, eye, corner, right, down, sun,
    axes, ox, oy, cell, shadow, land, land_depth, over, over_alpha, over_depth, picture, depth,
):  # fmt: skip
    """Pixels of rows [first, last): plants over land, traced things between them; linear colour and depth."""
    depths = np.zeros(samples * samples)
    for row in range(first, last):
        for column in range(picture.shape[1]):
            r, g, b = 0.0, 0.0, 0.0
            for k in range(samples * samples):
                sy, sx = row * samples + k // samples, column * samples + k % samples
                u, v = (sx + 0.5) / samples, (sy + 0.5) / samples
                dx = corner[0] + u * right[0] + v * down[0]
                dy = corner[1] + u * right[1] + v * down[1]
                dz = corner[2] + u * right[2] + v * down[2]
                t = owner[sy, sx]
                ground = land_depth[row, column]
                z = 1.0 / key[sy, sx] if t >= 0 else 1e30
                if t >= 0 and z > ground + 0.25 + 0.02 * ground:
                    t, z = -1, 1e30
                if t >= 0:
                    px, py, pz = eye[0] + dx * z, eye[1] + dy * z, eye[2] + dz * z
                    x, y = sx + 0.5, sy + 0.5
                    ax, ay = screen[t, 0, 0], screen[t, 0, 1]
                    bx, by = screen[t, 1, 0], screen[t, 1, 1]
                    cx, cy = screen[t, 2, 0], screen[t, 2, 1]
                    inverse = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
                    wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) * inverse
                    wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) * inverse
                    wa, wb = (
                        min(1.0, max(0.0, wa)) * screen[t, 0, 2],
                        min(1.0, max(0.0, wb)) * screen[t, 1, 2],
                    )
                    wc = max(0.0, 1.0 / z - wa - wb)
                    total = wa + wb + wc
                    sky = (wa * open_[t, 0] + wb * open_[t, 1] + wc * open_[t, 2]) / total
                    e0 = corners[t, 1, 0] - corners[t, 0, 0]
                    e1 = corners[t, 1, 1] - corners[t, 0, 1]
                    e2 = corners[t, 1, 2] - corners[t, 0, 2]
                    f0 = corners[t, 2, 0] - corners[t, 0, 0]
                    f1 = corners[t, 2, 1] - corners[t, 0, 1]
                    f2 = corners[t, 2, 2] - corners[t, 0, 2]
                    nx, ny, nz = e1 * f2 - e2 * f1, e2 * f0 - e0 * f2, e0 * f1 - e1 * f0
                    size = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-20
                    if nx * dx + ny * dy + nz * dz > 0.0:
                        size = -size
                    nx, ny, nz = nx / size, ny / size, nz / size
                    lit = nx * sun[0] + ny * sun[1] + nz * sun[2]
                    share = sun_share(px, py, pz, axes, ox, oy, cell, shadow, -0.012)
                    share = share * (0.25 + 0.75 * sky)
                    direct = max(0.0, lit) + through[t] * max(0.0, -lit) * 1.15 + 0.16 * through[t]
                    length = math.sqrt(dx * dx + dy * dy + dz * dz)
                    hx, hy, hz = sun[0] - dx / length, sun[1] - dy / length, sun[2] - dz / length
                    half = (nx * hx + ny * hy + nz * hz) / math.sqrt(hx * hx + hy * hy + hz * hz)
                    gleam = 0.10 * max(0.0, half) ** 24 * share * (1.0 if lit > 0 else 0.0)
                    up = 0.5 + 0.5 * nz
                    clear = math.exp(-(((z * length) / HAZE_LENGTH) ** 1.15))
                    for i in range(3):
                        ambient = (SKY[i] * (0.45 + 0.55 * up) + GROUND[i] * (1.0 - up)) * sky
                        c = color[t, i] * (SUN[i] * direct * share + ambient) + SUN[i] * gleam
                        c = c * clear + haze_color(dx, dy, dz, sun, i) * (1.0 - clear) * 0.86
                        if i == 0:
                            cr = c
                        elif i == 1:
                            cg = c
                        else:
                            cb = c
                    where = z
                else:
                    where = ground
                    cr, cg, cb = land[row, column, 0], land[row, column, 1], land[row, column, 2]
                    if ground < 60.0:
                        px, py, pz = eye[0] + dx * ground, eye[1] + dy * ground, eye[2] + dz * ground
                        share = sun_share(px, py, pz, axes, ox, oy, cell, shadow, 0.03)
                        dark = 0.30 + 0.70 * share
                        cr, cg, cb = cr * dark, cg * (dark + 0.02), cb * (dark + 0.05)
                a = over_alpha[row, column]
                if a > 0.0 and over_depth[row, column] < where:
                    cr = over[row, column, 0] + cr * (1.0 - a)
                    cg = over[row, column, 1] + cg * (1.0 - a)
                    cb = over[row, column, 2] + cb * (1.0 - a)
                    if a > 0.5:
                        where = over_depth[row, column]
                depths[k] = where
                r, g, b = r + cr, g + cg, b + cb
            n = samples * samples
            picture[row, column, 0], picture[row, column, 1], picture[row, column, 2] = r / n, g / n, b / n
            depth[row, column] = np.sort(depths)[n // 2]
