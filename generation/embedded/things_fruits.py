"""Mushrooms, berries and acorns, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    CLOUDS,
    LEAF,
    RADIAL,
    SPECKLE,
)
from wonderzoom.generation.embedded.shape_frames import aligned, turned
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip
from wonderzoom.generation.embedded.things_flowers import (
    GOLDEN_ANGLE,
    leaf_material,
)
from wonderzoom.generation.embedded.things_insects import Rng, scaled


def mushroom(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    cap = s.material(
        Material(
            color or (0.58, 0.035, 0.014), scaled(color, 0.75) if color else (0.66, 0.10, 0.02), CLOUDS, 2.0,
            reflectance=0.05, roughness=0.22, mottle=0.15, coat=0.5, ladder="glaze", largest=0.1,
        ),
    )  # fmt: skip
    wart = s.material(
        Material((0.86, 0.82, 0.72), roughness=0.8, mottle=0.12, ladder="plaster", largest=0.05),
    )  # fmt: skip
    stem = s.material(
        Material(
            (0.90, 0.86, 0.76), roughness=0.7, mottle=0.14, mottle_frequency=4, ladder="fibre", largest=0.12,
        ),
    )  # fmt: skip
    gills = s.material(
        Material(
            (0.80, 0.75, 0.64), (0.40, 0.33, 0.26), RADIAL, 14.0, roughness=0.8, mottle=0.1, ladder="fibre",
            largest=0.02,
        ),
    )  # fmt: skip

    def grow(x: float, y: float, size: float, lean: float) -> None:
        tip = np.array([lean, 0.0, 1.0])
        turn = aligned(tip)
        at = np.array([x, y, 0.0])
        s.part()
        if size == 1:
            foot = [
                (0, 0),
                (0.26, 0),
                (0.25, 0.08),
                (0.19, 0.2),
                (0.14, 0.45),
                (0.13, 0.75),
                (0.15, 0.95),
                (0, 0.98),
            ]
            s.revolve(at, foot, stem, rounding=0.03 * size)
        else:
            s.cone(at, at + turn.T @ np.array([0, 0, 0.95 * size]), 0.2 * size, 0.13 * size, stem)
        up = turn.T @ np.array([0.0, 0.0, 1.0])
        profile = [
            (0, 1.42), (0.25, 1.38), (0.5, 1.26), (0.70, 1.08), (0.80, 0.90), (0.77, 0.86), (0.5, 0.98),
            (0, 0.98),
        ]  # fmt: skip
        s.part()
        s.revolve(at, [(r * size, z * size) for r, z in profile], cap, rotation=turn, rounding=0.03 * size)
        s.part()
        profile = [(0, 0.97), (0.5, 0.965), (0.745, 0.862), (0.5, 0.93), (0, 0.93)]
        s.revolve(at, [(r * size, z * size) for r, z in profile], gills, rotation=turn, rounding=0.004)
        if size == 1:
            s.part()
            s.revolve(
                at + 0.68 * up, [(0.12, 0.08), (0.33, -0.03), (0.31, -0.06), (0.12, 0.02)], stem,
                rounding=0.012,
            )  # fmt: skip
        for k in range(46 if size == 1 else 16):  # warts, rows on the dome
            share, a = np.sqrt((k + 0.5) / (46 if size == 1 else 16)), k * GOLDEN_ANGLE + rng.uniform(
                -0.3, 0.3,
            )  # fmt: skip
            r = 0.80 * share
            z = float(np.interp(r, [0, 0.25, 0.5, 0.70, 0.82], [1.44, 1.40, 1.285, 1.10, 0.93]))
            n = turn.T @ np.array([np.cos(a) * r * 1.1, np.sin(a) * r * 1.1, 0.9 - 0.3 * r])
            w = size * rng.uniform(0.025, 0.062)
            s.part()
            s.ellipsoid(
                at + turn.T @ np.array([r * np.cos(a), r * np.sin(a), z]) * size,
                (w, w * rng.uniform(0.7, 1.0), w * 0.5), wart, rotation=aligned(n),
            )  # fmt: skip

    grow(0.0, 0.0, 1.0, 0.0)
    grow(0.56, 0.36, 0.42, 0.18)
    grow(-0.52, 0.48, 0.30, -0.15)
    return s


def berry(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    flesh = s.material(
        Material(
            color or (0.60, 0.018, 0.014), scaled(color, 0.7) if color else (0.72, 0.07, 0.02), CLOUDS, 2.0,
            reflectance=0.06, roughness=0.16, mottle=0.12, translucency=0.25, coat=0.5, ladder="glaze",
            largest=0.05,
        ),
    )  # fmt: skip
    seed = s.material(Material((0.78, 0.52, 0.14), roughness=0.4, mottle=0.1, ladder="wood", largest=0.02))
    leaf_ = s.material(leaf_material((0.10, 0.28, 0.04)))
    profile = [
        (0, 0.02), (0.13, 0.05), (0.25, 0.13), (0.38, 0.27), (0.49, 0.45), (0.56, 0.65), (0.58, 0.83),
        (0.52, 1.0), (0.40, 1.10), (0.2, 1.15), (0, 1.14),
    ]  # fmt: skip
    s.revolve((0, 0, 0), profile, flesh, rounding=0.06)
    heights, radii = [z for _, z in profile[:9]], [r + 0.06 for r, _ in profile[:9]]
    for k in range(110):  # seeds, each in a pit of the flesh
        z = 0.06 + 1.0 * (k + 0.5) / 110
        r, a = float(np.interp(z, heights, radii)), k * GOLDEN_ANGLE
        slope = float(np.interp(z + 0.03, heights, radii) - np.interp(z - 0.03, heights, radii)) / 0.06
        n = np.array([np.cos(a), np.sin(a), -slope])
        at = np.array([r * np.cos(a), r * np.sin(a), z])
        s.ellipsoid(
            at, (0.036, 0.026, 0.022), flesh, rotation=aligned(n, (0, 0, 1)), blend=0.02, operation=-1.0,
        )  # fmt: skip
    for k in range(110):
        z = 0.06 + 1.0 * (k + 0.5) / 110
        r, a = float(np.interp(z, heights, radii)) - 0.012, k * GOLDEN_ANGLE
        s.part()
        s.ellipsoid(
            (r * np.cos(a), r * np.sin(a), z), (0.022, 0.014, 0.014), seed,
            rotation=aligned((np.cos(a), np.sin(a), 0), (0, 0, 1)),
        )  # fmt: skip
    for i in range(11):
        s.part()
        s.sheet(
            (0, 0, 1.19), turned(i * 0.571, -0.02 + 0.2 * (i % 2)), 0.52 * rng.uniform(0.85, 1.1), 0.115,
            leaf_, LEAF, bend=-0.45 if i % 2 else 0.15, cup=0.2,
        )  # fmt: skip
    s.part()
    s.chain([(0, 0, 1.17), (0.03, 0.01, 1.3), (0.09, 0.02, 1.42)], 0.04, 0.03, leaf_)
    return s


def acorn(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    brown = color or (0.40, 0.20, 0.055)
    nut = s.material(
        Material(
            brown, scaled(brown, 0.62), RADIAL, 5.0, reflectance=0.05, roughness=0.16, mottle=0.18, coat=0.5,
            ladder="wood", largest=0.2,
        ),
    )  # fmt: skip
    cup = s.material(
        Material(
            (0.30, 0.20, 0.10), (0.16, 0.10, 0.05), SPECKLE, 12.0, 0.5, roughness=0.9, mottle=0.25,
            ladder="bark", largest=0.1,
        ),
    )  # fmt: skip
    turn = turned(0.5, 0.95)
    at = np.array([0.0, 0.0, 0.47])
    s.revolve(
        at,
        [
            (0, -0.76), (0.03, -0.70), (0.07, -0.63), (0.2, -0.53), (0.32, -0.38), (0.40, -0.15),
            (0.43, 0.08), (0, 0.2),
        ],
        nut, rotation=turn, rounding=0.015,
    )  # fmt: skip
    s.part()
    s.revolve(
        at,
        [(0, 0.5), (0.15, 0.49), (0.30, 0.43), (0.43, 0.3), (0.48, 0.12), (0.46, 0.05), (0.4, 0.15), (0, 0.3)],
        cup, rotation=turn, rounding=0.012,
    )  # fmt: skip
    for k in range(120):  # scales of the cup
        t = (k + 0.5) / 120
        z, r, a = (
            0.50 - 0.42 * t**1.3,
            0.515 * np.sin(0.5 * np.pi * min(1.0, t * 1.1 + 0.05)) ** 0.8,
            k * GOLDEN_ANGLE,
        )
        n = np.array([np.cos(a) * t, np.sin(a) * t, 1.05 - t])
        s.part()
        s.ellipsoid(
            at + turn.T @ np.array([r * np.cos(a), r * np.sin(a), z]), (0.050, 0.042, 0.022), cup,
            rotation=aligned(n, (0, 0, -1)) @ turn,
        )  # fmt: skip
    s.part()
    s.chain(
        [at + turn.T @ np.array([0, 0, 0.48]), at + turn.T @ np.array([0.05, 0, 0.70])], 0.035, 0.045, cup,
    )  # fmt: skip
    return s


FRUITS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "mushroom": mushroom,
    "berry": berry,
    "acorn": acorn,
}
