"""Grass and flowers as triangles, and where they grow.

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


# ---- flowers: a template is (corners [T, 3, 3], color [T, 3], openness [T, 3], through [T]) in units of its height
def _fan(points: Array, centre: Array) -> Array:
    a, b = points, np.roll(points, -1, 0)
    return np.stack([np.broadcast_to(centre, a.shape), a, b], 1)


def _petal(length: float, width: float, rise: float, droop: float, pieces: int, notch: float = 0.0) -> Array:
    """A petal along +x from the origin: strips of quads over its length, broadest past the middle."""
    t = np.linspace(0, 1, pieces + 1)
    half = 0.5 * width * np.sin(np.pi * np.clip(0.12 + 0.80 * t, 0, 1)) ** 0.8
    half[-1] *= notch
    z = rise * t - droop * t * t
    cup = 0.18 * half
    rows = [np.stack([length * t, s * half, z + (cup if s else 0 * cup)], -1) for s in (-1, 0, 1)]
    quads = []
    for a, b in zip(rows, rows[1:], strict=False):
        for k in range(pieces):
            quads += [[a[k], b[k], b[k + 1]], [a[k], b[k + 1], a[k + 1]]]
    return np.array(quads)


def _turned(points: Array, angle: float) -> Array:
    c, s = math.cos(angle), math.sin(angle)
    return points @ np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]])


def _dome(radius: float, tall: float, rings: int, sides: int) -> Array:
    out = []
    for k in range(rings):
        a0, a1 = 0.5 * np.pi * k / rings, 0.5 * np.pi * (k + 1) / rings
        for i in range(sides):
            p = 2 * np.pi * np.array([i, i + 1]) / sides
            at = [
                [radius * math.sin(a) * math.cos(q), radius * math.sin(a) * math.sin(q), tall * math.cos(a)]
                for a in (a0, a1)
                for q in p
            ]
            out += [[at[0], at[2], at[3]], [at[0], at[3], at[1]]]
    return np.array(out)


class Template:
    """Triangles of one flower head; the head looks along +z, its stem ends at the origin."""

    def __init__(self) -> None:
        self.corners: list[Array] = []
        self.color: list[Array] = []
        self.through: list[Array] = []
        self.open_: list[Array] = []

    def add(
        self,
        corners: Array,
        color: tuple[float, float, float],
        through: float,
        rng: np.random.Generator | None = None,
        dark: float = 1.0,
    ) -> None:
        n = len(corners)
        tint = np.array(color)[None] * (rng.uniform(0.88, 1.1) if rng is not None else 1.0)
        self.corners.append(corners)
        self.color.append(np.repeat(tint, n, 0))
        self.through.append(np.full(n, through))
        radius = np.linalg.norm(corners[..., :2], axis=-1)
        self.open_.append(np.clip(dark + (1 - dark) * radius / max(1e-6, radius.max()), 0, 1))

    def arrays(self) -> tuple[Array, Array, Array, Array]:
        return (
            np.concatenate(self.corners),
            np.concatenate(self.color),
            np.concatenate(self.through),
            np.concatenate(self.open_),
        )


def daisy(rng: np.random.Generator, fine: bool) -> Template:
    made = Template()
    petals = 17 if fine else 8
    for i in range(petals):
        p = _petal(
            1.0 * rng.uniform(0.9, 1.06),
            0.30 if fine else 0.62,
            0.12,
            rng.uniform(0.12, 0.38),
            4 if fine else 1,
            0.5,
        )
        p = p + np.array([0.20, 0, -0.02 * (i % 2)])
        made.add(
            _turned(p, 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / petals), (0.80, 0.79, 0.74), 0.45, rng, 0.8
        )
    made.add(_dome(0.34, 0.18, 3 if fine else 1, 10 if fine else 5), (0.78, 0.47, 0.025), 0.1)
    return made


def poppy(rng: np.random.Generator, fine: bool) -> Template:
    made = Template()
    for i in range(5):
        p = _petal(1.0, 1.15, rng.uniform(0.55, 0.95), rng.uniform(0.0, 0.35), 6 if fine else 2, 0.75)
        if fine:
            p[..., 2] += 0.05 * np.sin(p[..., 1] * 16 + i)
        made.add(
            _turned(p, 2 * np.pi * (i + rng.uniform(-0.1, 0.1)) / 5), (0.72, 0.045, 0.012), 0.65, rng, 0.55
        )
    made.add(_dome(0.20, 0.26, 2, 8 if fine else 4), (0.035, 0.03, 0.02), 0.0)
    return made


def cornflower(rng: np.random.Generator, fine: bool) -> Template:
    made = Template()
    petals = 11 if fine else 6
    for i in range(petals):
        p = _petal(0.95 * rng.uniform(0.85, 1.1), 0.42, rng.uniform(0.25, 0.6), 0.1, 3 if fine else 1, 0.95)
        made.add(
            _turned(p, 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / petals), (0.085, 0.115, 0.62), 0.5, rng, 0.6
        )
    made.add(_dome(0.28, 0.3, 2, 6), (0.16, 0.06, 0.38), 0.2)
    return made


def buttercup(rng: np.random.Generator, fine: bool) -> Template:
    made = Template()
    for i in range(5):
        p = _petal(0.9, 0.95, 0.45, 0.1, 4 if fine else 1, 0.8)
        made.add(_turned(p, 2 * np.pi * i / 5), (0.86, 0.58, 0.015), 0.5, rng, 0.75)
    made.add(_dome(0.22, 0.2, 2, 6), (0.72, 0.50, 0.03), 0.1)
    return made


def clover(rng: np.random.Generator, fine: bool) -> Template:
    made = Template()
    count = 46 if fine else 12
    for k in range(count):
        a, share = k * 2.39996, (k + 0.5) / count
        polar = 2.1 * share**0.7
        d = np.array([math.sin(polar) * math.cos(a), math.sin(polar) * math.sin(a), math.cos(polar)])
        side = np.cross(d, [0.3, 0.2, 1.0])
        side /= np.linalg.norm(side)
        w = 0.13 if fine else 0.28
        made.add(
            np.array([[d * 0.35 - side * w, d * 0.35 + side * w, d * rng.uniform(0.85, 1.05)]]),
            (0.62, 0.20, 0.42),
            0.5,
            rng,
        )
    return made


def placed(
    rng: np.random.Generator, make, x: Array, y: Array, tall: Array, radius: Array, stem: tuple[float, float, float],
    pixel: float, facing: float, fine: bool, variants: int = 5,
) -> Triangles:  # fmt: skip
    """Instances of a flower with stems; heads look up and, by ``facing``, toward the light and the eye."""
    templates = [make(rng, fine).arrays() for _ in range(variants)]
    n = len(x)
    z = heights(x, y)
    lean = rng.normal(0, 0.16, (n, 2))
    tip = np.column_stack([x + lean[:, 0] * tall, y + lean[:, 1] * tall, z + tall])
    look = np.column_stack([-0.30 + lean[:, 0], -0.55 + lean[:, 1], np.full(n, 1.0 / max(facing, 1e-3))])
    look += rng.normal(0, 0.28, (n, 3))
    look /= np.linalg.norm(look, axis=1, keepdims=True)
    which = rng.integers(0, variants, n)
    parts = []
    for v in range(variants):
        rows = np.flatnonzero(which == v)
        if not len(rows):
            continue
        corners, color, through, open_ = templates[v]
        axis_z = look[rows]
        spin = rng.uniform(0, 2 * np.pi, len(rows))
        side = np.stack([np.cos(spin), np.sin(spin), np.zeros(len(rows))], -1)
        axis_x = side - axis_z * (side * axis_z).sum(1, keepdims=True)
        axis_x /= np.linalg.norm(axis_x, axis=1, keepdims=True)
        frame = np.stack([axis_x, np.cross(axis_z, axis_x), axis_z], 1)  # [n, 3 local, 3 scene]
        world = (
            np.einsum("tcl,nls->ntcs", corners, frame) * radius[rows, None, None, None]
            + tip[rows, None, None, :]
        )
        tint = rng.uniform(0.85, 1.12, (len(rows), 1, 1))
        parts.append(
            Triangles(
                world.reshape(-1, 3, 3).astype(np.float32),
                (color[None] * tint).reshape(-1, 3).astype(np.float32),
                np.broadcast_to(open_[None], (len(rows), *open_.shape)).reshape(-1, 3).astype(np.float32),
                np.broadcast_to(through[None], (len(rows), len(through))).reshape(-1).astype(np.float32),
            )
        )
    # Stems: blades that end at the head.
    dx, dy = tip[:, 0] - x, tip[:, 1] - y
    wide = np.maximum(0.05 * radius + 0.0012, 0.6 * pixel * y)
    stems = np.column_stack([
        x, y, z - 0.01, tall * 1.01, wide, np.arctan2(dy, dx), np.hypot(dx, dy) / tall,
        np.broadcast_to(np.array(stem), (n, 3)), np.full(n, 0.25), np.full(n, 0.3),
    ])  # fmt: skip
    made = blades_to_triangles(stems, 4)
    # A blade tapers; a stem does not: widen its upper end a little by drawing it twice, turned.
    stems[:, 5] += 0.5 * np.pi
    stems[:, 6] = 0.0
    return Triangles.joined([*parts, made])


def flowers(rng: np.random.Generator, pixel: float) -> Triangles:
    """All flowers of the meadow, in drifts."""
    parts: list[Triangles] = []

    def sow(make, count, near, far, size, seed, threshold, tall, radius, facing, bias=None):
        x, y = scattered(rng, count, near, far)
        density = drift(x, y, size, seed)
        if bias is not None:
            density = density + bias(x, y)
        keep = (density > threshold + rng.normal(0, 0.10, count)) & (trodden(x, y) < 0.2)
        x, y = x[keep], y[keep]
        n = len(x)
        grown = tall * rng.uniform(0.72, 1.22, n)
        # Far heads are drawn at least a pixel and a half across, so that drifts stay a colour.
        head = np.maximum(radius * rng.uniform(0.8, 1.2, n), 0.85 * pixel * y)
        for fine, part in ((True, y < 7.0), (False, y >= 7.0)):
            if part.any():
                parts.append(
                    placed(
                        rng,
                        make,
                        x[part],
                        y[part],
                        grown[part],
                        head[part],
                        (0.09, 0.16, 0.03),
                        pixel,
                        facing,
                        fine,
                    )
                )

    sow(
        daisy,
        5200,
        1.15,
        90.0,
        3.0,
        301,
        0.02,
        0.34,
        0.024,
        0.9,
        lambda x, y: 0.28 * np.exp(-((x + 1.2) ** 2) / 6.0),
    )
    sow(poppy, 3000, 1.5, 110.0, 4.2, 302, 0.10, 0.46, 0.040, 0.7, lambda x, y: 0.22 * (x < -0.25 * y) - 0.05)
    sow(cornflower, 2600, 1.4, 60.0, 2.6, 303, 0.13, 0.42, 0.022, 0.6)
    sow(buttercup, 4200, 1.3, 90.0, 3.3, 304, 0.12, 0.36, 0.014, 0.7)
    sow(clover, 2200, 1.2, 40.0, 2.2, 305, 0.16, 0.26, 0.016, 0.2)
    return Triangles.joined(parts)


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


def eye_level() -> float:
    return EYE_HEIGHT + height(0.0, 0.0)
