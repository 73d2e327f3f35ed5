"""Flowers as triangles: one room for the heads' shapes and for where each kind grows.

A head is a template in units of its radius that looks along +z with its stem's end at the origin; instances
are turned, tinted and set on stems. Near heads have fine templates, far ones a dozen triangles.
"""

# pyright: basic
from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from tools.demo_picture.plants import blades_to_triangles, drift, heights, scattered, trodden
from tools.demo_picture.raster import Triangles

Array = NDArray[np.float64]


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
