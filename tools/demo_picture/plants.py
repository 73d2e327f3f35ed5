"""Grass, stalks, pebbles and a tree's shadow as triangles, and where things grow.

The same plants at every distance would be too many far away and too few near: numbers are even over the
logarithm of the distance, so the picture is equally dense everywhere, and what is far is drawn with fewer,
broader triangles.
"""

# pyright: basic
from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.demo_picture.country import EYE_HEIGHT, height, path_share
from tools.demo_picture.noise import KERNEL, fractal
from tools.demo_picture.raster import Triangles

Array = NDArray[np.float64]
NEAREST = 0.9  # metres
HALF_VIEW = 0.66  # half width of the view at distance 1, with some margin


@njit(**KERNEL)
def ground_heights(x, y, out):
    for i in range(len(x)):
        out[i] = height(x[i], y[i])


@njit(**KERNEL)
def field(x, y, size, seed, out):
    for i in range(len(x)):
        out[i] = fractal(x[i] / size, y[i] / size, 3, seed)


@njit(**KERNEL)
def path_shares(x, y, out):
    for i in range(len(x)):
        out[i] = path_share(x[i], y[i])


def heights(x: Array, y: Array) -> Array:
    out = np.empty_like(x)
    ground_heights(x, y, out)
    return out


def drift(x: Array, y: Array, size: float, seed: int) -> Array:
    """Smooth randomness of the place, about [-1, 1]."""
    out = np.empty_like(x)
    field(x, y, size, seed, out)
    return out


def trodden(x: Array, y: Array) -> Array:
    out = np.empty_like(x)
    path_shares(x, y, out)
    return out


def scattered(rng: np.random.Generator, count: int, near: float, far: float) -> tuple[Array, Array]:
    """Places in view, even over the logarithm of the distance."""
    y = near * np.exp(rng.uniform(0, 1, count) * math.log(far / near))
    return rng.uniform(-1, 1, count) * HALF_VIEW * (y + 0.5), y


@njit(**KERNEL)
def blade_triangles(blades, segments, corners, color, open_, through):
    """Blades [N, 12]: x, y, z, height, width, azimuth, bend, r, g, b, base openness, translucency."""
    n = 0
    left, right_, mid = np.zeros((segments + 1, 3)), np.zeros((segments + 1, 3)), np.zeros(segments + 1)
    for i in range(len(blades)):
        x, y, z, tall, wide, turn, bend = (
            blades[i, 0], blades[i, 1], blades[i, 2], blades[i, 3], blades[i, 4], blades[i, 5], blades[i, 6]
        )  # fmt: skip
        ca, sa = math.cos(turn), math.sin(turn)
        # The flat of the blade turns with its lean, but never edge-on to the eye for good.
        bx, by = -sa, ca
        for k in range(segments + 1):
            t = k / segments
            out = bend * t * t * tall
            up = tall * t * (1.0 - 0.32 * abs(bend) * t)
            w = 0.5 * wide * (1.0 - t**2.2) + 0.0002
            px, py, pz = x + ca * out, y + sa * out, z + up
            left[k, 0], left[k, 1], left[k, 2] = px - bx * w, py - by * w, pz
            right_[k, 0], right_[k, 1], right_[k, 2] = px + bx * w, py + by * w, pz
            base = blades[i, 10]
            mid[k] = base + (1.0 - base) * t**0.8
        for k in range(segments):
            for half in range(2 if k < segments - 1 else 1):
                if half == 0:
                    corners[n, 0], corners[n, 1], corners[n, 2] = left[k], right_[k], left[k + 1]
                    open_[n, 0], open_[n, 1], open_[n, 2] = mid[k], mid[k], mid[k + 1]
                else:
                    corners[n, 0], corners[n, 1], corners[n, 2] = right_[k], right_[k + 1], left[k + 1]
                    open_[n, 0], open_[n, 1], open_[n, 2] = mid[k], mid[k + 1], mid[k + 1]
                t = (k + 0.5) / segments
                for c in range(3):
                    color[n, c] = blades[i, 7 + c] * (0.72 + 0.45 * t)
                through[n] = blades[i, 11]
                n += 1


def blades_to_triangles(blades: Array, segments: int) -> Triangles:
    count = len(blades) * (2 * segments - 1)
    made = Triangles(
        np.empty((count, 3, 3), np.float32), np.empty((count, 3), np.float32), np.empty((count, 3), np.float32),
        np.empty(count, np.float32),
    )  # fmt: skip
    blade_triangles(blades, segments, made.corners, made.color, made.open_, made.through)
    return made


def grass(rng: np.random.Generator, count: int, pixel: float) -> Triangles:
    """Meadow grass in view; ``pixel``: size of a pixel at distance 1."""
    x, y = scattered(rng, count, NEAREST, 170.0)
    share = trodden(x, y)
    tuft = drift(x, y, 0.55, 201)
    broad = drift(x, y, 5.0, 202)
    dry = drift(x, y, 2.4, 203) + 0.4 * rng.normal(0, 1, count)
    keep = (rng.uniform(0, 1, count) > share * 1.25) & (rng.uniform(-1.3, 0.6, count) < tuft + 0.55)
    x, y, tuft, broad, dry, share = (a[keep] for a in (x, y, tuft, broad, dry, share))
    n = len(x)
    tall = (
        (0.24 + 0.10 * tuft + 0.07 * broad)
        * rng.uniform(0.6, 1.25, n)
        * (1 - 0.65 * np.clip(share * 2, 0, 1))
    )
    tall = np.maximum(tall, 0.05) * (1 + 0.25 * np.clip(y / 60, 0, 1))
    wide = np.maximum(rng.uniform(0.0026, 0.0052, n), 0.75 * pixel * y)
    wind = 0.35 + 0.5 * drift(x, y, 7.0, 204)
    turn = wind + rng.normal(0, 1.25, n)
    bend = np.clip(rng.normal(0.42, 0.30, n), -0.3, 1.1)
    hue = np.clip(dry * 0.5 + 0.3, 0, 1)[:, None]
    color = np.array([0.075, 0.165, 0.022]) * (1 - hue) + np.array([0.235, 0.235, 0.045]) * hue
    straw = rng.uniform(0, 1, n) < 0.05
    color[straw] = (0.42, 0.33, 0.13)
    color *= rng.uniform(0.72, 1.3, (n, 1))
    z = heights(x, y) - 0.01
    base = np.full(n, 0.10) + 0.25 * np.clip(y / 50, 0, 1)
    blades = np.column_stack([x, y, z, tall, wide, turn, bend, color, base, np.full(n, 0.55)])
    near = y < 9.0
    return Triangles.joined([blades_to_triangles(blades[near], 5), blades_to_triangles(blades[~near], 2)])


def seed_heads(rng: np.random.Generator, count: int, pixel: float) -> Triangles:
    """Tall stalks with golden plumes: they carry the low light."""
    x, y = scattered(rng, count, 1.4, 45.0)
    keep = (drift(x, y, 4.0, 401) > -0.05 + rng.normal(0, 0.15, count)) & (trodden(x, y) < 0.1)
    x, y = x[keep], y[keep]
    n = len(x)
    z = heights(x, y)
    tall = rng.uniform(0.42, 0.68, n)
    turn, bend = 0.4 + rng.normal(0, 0.7, n), rng.uniform(0.1, 0.42, n)
    wide = np.maximum(0.0022, 0.55 * pixel * y)
    straw = np.array([0.36, 0.29, 0.11]) * rng.uniform(0.8, 1.2, (n, 1))
    stalks = np.column_stack([x, y, z, tall, wide, turn, bend, straw, np.full(n, 0.3), np.full(n, 0.4)])
    parts = [blades_to_triangles(stalks, 5)]
    for k in range(9):
        t = 0.72 + 0.28 * k / 8
        out = bend * t * t * tall
        up = tall * t * (1 - 0.32 * bend * t)
        at = np.column_stack([x + np.cos(turn) * out, y + np.sin(turn) * out, z + up])
        tuft = np.column_stack([
            at, rng.uniform(0.022, 0.04, n) * (1.2 - 0.6 * abs(k - 4) / 4), np.maximum(0.004, 0.5 * pixel * y),
            turn + rng.normal(0, 1.6, n), rng.uniform(0.5, 1.3, n), straw * 1.35, np.full(n, 0.8), np.full(n, 0.8),
        ])  # fmt: skip
        parts.append(blades_to_triangles(tuft, 2))
    return Triangles.joined(parts)


def fan(points: Array, centre: Array) -> Array:
    a, b = points, np.roll(points, -1, 0)
    return np.stack([np.broadcast_to(centre, a.shape), a, b], 1)


def pebbles(rng: np.random.Generator, count: int) -> Triangles:
    """Stones of the path: flattened octahedra, turned at random."""
    x, y = scattered(rng, count * 12, 1.3, 40.0)
    keep = trodden(x, y) > rng.uniform(0.55, 1.3, len(x))
    x, y = x[keep][:count], y[keep][:count]
    n = len(x)
    size = 0.004 + 0.018 * rng.uniform(0, 1, n) ** 5
    size = size * (1 + 0.02 * y)
    ring = np.array(
        [[1, 0, 0], [0.3, 0.9, 0.15], [-0.8, 0.6, 0], [-0.9, -0.4, 0.1], [0, -1, 0], [0.75, -0.6, 0.1]]
    )
    top = np.array([0.05, 0.0, 0.62])
    faces = fan(ring, top)
    turn = rng.uniform(0, 2 * np.pi, n)
    c, s = np.cos(turn), np.sin(turn)
    rotate = np.stack(
        [np.stack([c, s, 0 * c], -1), np.stack([-s, c, 0 * c], -1), np.stack([0 * c, 0 * c, 1 + 0 * c], -1)],
        1,
    )
    at = np.stack([x, y, heights(x, y) - 0.1 * size], -1)
    world = np.einsum("tcl,nls->ntcs", faces, rotate) * size[:, None, None, None] + at[:, None, None, :]
    grey = (
        rng.uniform(0.7, 1.3, (n, 1, 1)) * np.array([0.40, 0.33, 0.25]) * rng.uniform(0.92, 1.08, (n, 1, 3))
    )
    total = n * len(faces)
    return Triangles(
        world.reshape(-1, 3, 3).astype(np.float32),
        np.broadcast_to(grey, (n, len(faces), 3)).reshape(-1, 3).astype(np.float32),
        np.full((total, 3), 0.9, np.float32),
        np.zeros(total, np.float32),
    )


def tree_shade(rng: np.random.Generator, x: float, y: float, tall: float) -> Triangles:
    """What a tree keeps from the sun: leaves in a few round clumps, and a trunk. Never drawn, only its shadow."""
    clumps = np.array(
        [[0, 0, 0.68], [-0.26, 0.05, 0.62], [0.27, 0, 0.60], [0.05, 0.22, 0.74], [0, -0.2, 0.82]]
    )
    n = 5200
    centre = clumps[rng.integers(0, len(clumps), n)] + rng.normal(0, 0.105, (n, 3))
    leaf = rng.normal(0, 1, (n, 3, 3))
    leaf /= np.linalg.norm(leaf, axis=2, keepdims=True)
    corners = centre[:, None, :] * tall + leaf * 0.13 + np.array([x, y, height(x, y)])
    trunk = np.array(
        [[[-0.035, 0, 0], [0.035, 0, 0], [0.02, 0, 0.6]], [[-0.035, 0, 0], [0.02, 0, 0.6], [-0.02, 0, 0.6]]]
    )
    trunk = trunk * tall + np.array([x, y, height(x, y)])
    joined = np.concatenate([corners, trunk]).astype(np.float32)
    count = len(joined)
    return Triangles(
        joined, np.zeros((count, 3), np.float32), np.ones((count, 3), np.float32), np.zeros(count, np.float32)
    )


def eye_level() -> float:
    return EYE_HEIGHT + height(0.0, 0.0)
