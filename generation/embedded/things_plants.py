"""Flowers, leaves, mushrooms, fruit and trees, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from wonderzoom.generation.embedded.shapes import (
    BLADE,
    CLOUDS,
    FAN,
    HAIR,
    LEAF,
    LEAF_TINT,
    LEAF_VEINS,
    LENGTH,
    LOBED,
    NEEDLE,
    PETAL,
    PETAL_STREAKS,
    RADIAL,
    RGB,
    SPECKLE,
    Array,
    Material,
    Shape,
    aligned,
    turned,
)  # fmt: skip
from wonderzoom.generation.embedded.things_insects import Rng, scaled

GREEN: RGB = (0.10, 0.24, 0.03)
GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))


def petal_material(color: RGB, second: RGB) -> Material:
    return Material(
        color, second, PETAL_STREAKS, 5.0, 0.8, reflectance=0.03, roughness=0.5, translucency=0.55,
        mottle=0.06, mottle_frequency=4, hue=0.03, shared=False, ladder="petalo", largest=0.02, relief=0.7,
    )  # fmt: skip


def leaf_material(color: RGB = GREEN) -> Material:
    return Material(
        color, (0.20, 0.36, 0.08) if color == GREEN else scaled(color, 1.9), LEAF_VEINS, 7.0, 0.75,
        reflectance=0.04, roughness=0.4, translucency=0.45, mottle=0.12, shared=False, ladder="leafo",
        largest=0.25,
    )  # fmt: skip


def stem_material(color: RGB = (0.16, 0.28, 0.06)) -> Material:
    return Material(
        color, reflectance=0.03, roughness=0.6, mottle=0.2, mottle_frequency=6, ladder="limb", largest=0.05,
    )  # fmt: skip


def disc_material(color: RGB, second: RGB) -> Material:
    return Material(
        color, second, SPECKLE, 24.0, 0.55, reflectance=0.02, roughness=0.8, mottle=0.3, mottle_frequency=10,
        ladder="disc", largest=0.05,
    )  # fmt: skip


def phyllotaxis(
    shape: Shape, centre: Array, frame: Array, radius: float, dome: float, count: int, size: float, materials: tuple[int, int],
    split: float,
) -> None:  # fmt: skip
    """Florets on a sunflower spiral over a shallow dome; ``split``: radius share where the second material starts."""
    for k in range(count):
        share = np.sqrt((k + 0.5) / count)
        angle = k * GOLDEN_ANGLE
        local = np.array(
            [radius * share * np.cos(angle), radius * share * np.sin(angle), dome * (1 - share * share)],
        )  # fmt: skip
        outward = frame.T @ np.array([local[0] * dome, local[1] * dome, radius * 0.9])
        grown = size * (0.62 + 0.38 * share)
        shape.part()
        shape.ellipsoid(
            centre + frame.T @ local, (grown * 0.72, grown * 0.72, grown), materials[int(share > split)],
            rotation=aligned(outward),
        )  # fmt: skip


def flower_head(
    shape: Shape, centre: ArrayLike, frame: Array, radius: float, rng: Rng, petal: int, disc: int, floret: int, sepal: int,
    rows: int = 2, petals: int = 19,
) -> None:  # fmt: skip
    """A sunflower's head: disc with florets, rows of petals, green sepals behind."""
    c, out = np.asarray(centre, np.float64), frame.T
    shape.part()
    shape.ellipsoid(
        c - out @ np.array([0, 0, 0.06 * radius]), (radius * 0.45, radius * 0.45, radius * 0.12), disc,
        rotation=frame,
    )  # fmt: skip
    phyllotaxis(
        shape, c - out @ np.array([0, 0, 0.01 * radius]), frame, 0.42 * radius, 0.055 * radius, 150,
        0.040 * radius, (disc, floret), 0.55,
    )  # fmt: skip
    for row in range(rows):
        for i in range(petals):
            a = 2 * np.pi * (i + 0.5 * row + rng.uniform(-0.22, 0.22)) / petals
            length, width = radius * rng.uniform(0.56, 0.70) * (1 - 0.05 * row), radius * rng.uniform(
                0.085, 0.12,
            )  # fmt: skip
            turn = turned(a, rng.uniform(0.05, 0.32) - 0.16 * row, rng.uniform(-0.35, 0.35)) @ frame
            root = c + out @ np.array(
                [np.cos(a) * radius * 0.37, np.sin(a) * radius * 0.37, -radius * (0.035 + 0.02 * row)],
            )  # fmt: skip
            shape.part()
            shape.sheet(
                root, turn, length, width, petal, PETAL, bend=rng.uniform(-0.28, 0.12),
                cup=rng.uniform(0.12, 0.30), thickness=0.006 * radius, curl=rng.uniform(-0.25, 0.1),
            )  # fmt: skip
    for i in range(12):
        a = 2 * np.pi * (i + rng.uniform(-0.2, 0.2)) / 12
        shape.part()
        root = c + out @ np.array([np.cos(a) * radius * 0.25, np.sin(a) * radius * 0.25, -0.10 * radius])
        shape.sheet(
            root, turned(a, -0.1) @ frame, radius * 0.42, radius * 0.12, sepal, LEAF, bend=0.1, cup=0.1,
            thickness=0.01 * radius,
        )  # fmt: skip


def sunflower(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    yellow = color or (0.92, 0.52, 0.015)
    petal = s.material(petal_material(yellow, scaled(yellow, 0.62)))
    disc = s.material(disc_material((0.13, 0.060, 0.016), (0.30, 0.16, 0.03)))
    floret = s.material(disc_material((0.30, 0.15, 0.025), (0.62, 0.36, 0.04)))
    leaf = s.material(leaf_material())
    flower_head(s, (0, 0, 0.55), aligned((0.75, -0.35, 0.55)), 1.0, rng, petal, disc, floret, leaf)
    return s


def daisy(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    white = color or (0.86, 0.85, 0.80)
    petal = s.material(petal_material(white, scaled(white, 0.9)))
    disc = s.material(disc_material((0.62, 0.36, 0.02), (0.85, 0.58, 0.05)))
    floret = s.material(disc_material((0.80, 0.50, 0.03), (0.90, 0.66, 0.08)))
    leaf, stem = s.material(leaf_material()), s.material(stem_material())
    frame = aligned((0.25, -0.15, 1.0))
    c, out = np.array([0, 0, 0.62]), frame.T
    s.ellipsoid(c + out @ np.array([0, 0, 0.0]), (0.26, 0.26, 0.12), disc, rotation=frame)
    phyllotaxis(s, c + out @ np.array([0, 0, 0.03]), frame, 0.245, 0.085, 90, 0.032, (disc, floret), 0.45)
    for row in range(2):
        for i in range(15):
            a = 2 * np.pi * (i + 0.5 * row + rng.uniform(-0.15, 0.15)) / 15
            turn = turned(a, rng.uniform(0.02, 0.25), rng.uniform(-0.3, 0.3)) @ frame
            root = c + out @ np.array([np.cos(a) * 0.2, np.sin(a) * 0.2, -0.01 - 0.02 * row])
            s.part()
            s.sheet(
                root, turn, 0.78 * rng.uniform(0.85, 1.05), 0.115, petal, PETAL, bend=rng.uniform(-0.25, 0),
                cup=0.25, thickness=0.006,
            )  # fmt: skip
    s.part()
    s.chain([(0, 0, 0), (0.02, 0.02, 0.3), (0, 0, 0.58)], 0.045, 0.04, stem)
    for a in (0.6, 2.8, 4.4):
        s.part()
        s.sheet((0, 0, 0.03), turned(a, 0.3), 0.75, 0.17, leaf, LOBED, bend=-0.3, cup=0.2, wave=0.03)
    return s


def poppy(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    red = color or (0.78, 0.035, 0.012)
    petal = s.material(petal_material(red, scaled(red, 0.35)))
    dark = s.material(
        Material((0.025, 0.022, 0.018), roughness=0.7, mottle=0.3, ladder="hairy", largest=0.05),
    )  # fmt: skip
    pod = s.material(
        Material(
            (0.20, 0.30, 0.10), (0.08, 0.10, 0.04), RADIAL, 1.6, roughness=0.6, mottle=0.2, ladder="limb",
        ),
    )  # fmt: skip
    leaf, stem = s.material(leaf_material()), s.material(stem_material())
    frame = aligned((0.3, -0.3, 1.0))
    c, out = np.array([0, 0, 0.75]), frame.T
    s.ellipsoid(c + out @ np.array([0, 0, 0.12]), (0.11, 0.11, 0.14), pod, rotation=frame)
    s.part()
    s.cylinder(c + out @ np.array([0, 0, 0.25]), 0.10, 0.012, pod, rotation=frame)
    for i in range(44):  # stamens
        a, lean = i * GOLDEN_ANGLE, rng.uniform(0.15, 0.32)
        tip = c + out @ np.array([np.cos(a) * lean, np.sin(a) * lean, rng.uniform(0.16, 0.26)])
        s.part()
        s.cone(c + out @ np.array([np.cos(a) * 0.1, np.sin(a) * 0.1, 0.05]), tip, 0.006, 0.005, dark)
        s.ellipsoid(tip, (0.016, 0.016, 0.026), dark, blend=0.008)
    for i in range(5):
        a = 2 * np.pi * i / 5 + 0.3 + rng.uniform(-0.1, 0.1)
        turn = turned(a, 0.72 - 0.12 * (i % 2), rng.uniform(-0.15, 0.15)) @ frame
        s.part()
        s.sheet(c, turn, 0.88, 0.54, petal, FAN, bend=-0.45, cup=0.22, thickness=0.005, wave=0.05)
    s.part()
    s.chain([(0, 0, 0), (0.05, 0.03, 0.3), (0.03, 0.02, 0.55), (0, 0, 0.74)], 0.035, 0.03, stem)
    for a in (1.0, 3.6):
        s.part()
        s.sheet((0, 0, 0.05), turned(a, 0.5), 0.7, 0.2, leaf, LOBED, bend=-0.4, cup=0.15, wave=0.03)
    return s


def tulip(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    red = color or (0.72, 0.05, 0.10)
    petal = s.material(petal_material(red, scaled(red, 1.35) if color else (0.9, 0.45, 0.06)))
    leaf, stem = s.material(leaf_material((0.09, 0.25, 0.06))), s.material(stem_material())
    c = np.array([0, 0, 1.05])
    for row in range(2):
        for i in range(3):
            a = 2 * np.pi * (i + 0.5 * row) / 3 + rng.uniform(-0.08, 0.08)
            s.part()
            root = c + np.array([np.cos(a), np.sin(a), 0]) * (0.10 - 0.03 * row)
            s.sheet(
                root, turned(a, 0.72 + 0.1 * row), 0.80, 0.36, petal, PETAL, bend=0.75, cup=0.75,
                thickness=0.008, curl=-0.25,
            )  # fmt: skip
    s.part()
    s.ellipsoid(c + np.array([0, 0, 0.02]), (0.14, 0.14, 0.08), stem)
    s.chain([(0.02, 0, 0), (0.04, 0.02, 0.5), (0, 0, 1.03)], 0.055, 0.05, stem)
    for a, length in ((0.4, 1.05), (2.6, 0.9), (4.5, 0.75)):
        s.part()
        s.sheet(
            (0.03 * np.cos(a), 0.03 * np.sin(a), 0.02), turned(a, 1.25), length, 0.17, leaf, LEAF, bend=-0.35,
            cup=0.35, thickness=0.01, wave=0.03,
        )  # fmt: skip
    return s


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
        s.revolve(at, [(0, 0), (0.26, 0), (0.25, 0.08), (0.19, 0.2), (0.14, 0.45), (0.13, 0.75), (0.15, 0.95), (0, 0.98)], stem, rounding=0.03 * size) if size == 1 else s.cone(
            at, at + turn.T @ np.array([0, 0, 0.95 * size]), 0.2 * size, 0.13 * size, stem,
        )  # fmt: skip
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


def leaf(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    blade = s.material(
        Material(
            color or (0.085, 0.24, 0.028), scaled(color, 1.9) if color else (0.24, 0.42, 0.09), LEAF_VEINS,
            8.0, 0.8, reflectance=0.045, roughness=0.34, translucency=0.4, mottle=0.14, ladder="leafo",
            largest=0.25,
        ),
    )  # fmt: skip
    s.sheet(
        (-1.0, 0, 0.16), turned(0, 0.0, 0.12), 2.0, 0.62, blade, LEAF, bend=-0.05,
        cup=float(rng.uniform(0.16, 0.26)), thickness=0.008, curl=0.12, wave=0.05,
    )  # fmt: skip
    s.part()
    s.chain(
        [(-1.4, 0.03, 0.05), (-1.2, 0.02, 0.12), (-1.0, 0.0, 0.16), (-0.2, 0, 0.155)],
        [0.035, 0.03, 0.028, 0.008], 0, blade,
    )  # fmt: skip
    return s


def fern(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    blade = s.material(leaf_material(color or (0.07, 0.23, 0.03)))
    stem = s.material(stem_material())
    for frond in range(5):
        a = 2 * np.pi * frond / 5 + rng.uniform(-0.3, 0.3)
        lean = rng.uniform(0.75, 1.05)
        d = np.array([np.cos(a), np.sin(a)])
        path = [np.array([*(d * t * lean), 1.25 * t - 0.62 * t * t]) for t in np.linspace(0.02, 1.15, 12)]
        s.part()
        s.chain(path, 0.02, 0.005, stem)
        for k in range(2, 12):
            t = (k - 1) / 11
            size = 0.34 * np.sin(np.pi * (0.12 + 0.86 * t)) ** 0.8
            slope = float(np.arctan2(path[k][2] - path[k - 1][2], lean / 11))
            for side in (1, -1):
                s.part()
                turn = turned(a + side * (1.15 - 0.3 * t), slope * 0.45 - 0.1, side * 0.25)
                s.sheet(
                    path[k], turn, float(size), float(size * 0.17), blade, LOBED, bend=-0.25, cup=0.15,
                    thickness=0.004,
                )  # fmt: skip
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


def tree(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    bark = s.material(
        Material(
            (0.16, 0.11, 0.075), (0.08, 0.05, 0.03), CLOUDS, 4.0, roughness=0.9, mottle=0.35,
            mottle_frequency=4, ladder="bark",
        ),
    )  # fmt: skip
    green = color or (0.055, 0.17, 0.018)
    leaves = s.material(
        Material(
            green, (green[0] * 2.6, green[1] * 1.9, green[2] * 2.2), LEAF_TINT, 5.0, 0.6, reflectance=0.04,
            roughness=0.45, translucency=0.5, mottle=0.30, mottle_frequency=3, hue=0.15, ladder="leafo",
            largest=0.05,
        ),
    )  # fmt: skip
    s.chain(
        [(0, 0, -0.02), (0.02, 0, 0.12), (0.04, 0.0, 0.45), (0, 0.04, 0.95), (0.02, 0.02, 1.4)],
        [0.20, 0.14, 0.12, 0.08, 0.03], 0, bark, 0.03,
    )  # fmt: skip
    for i in range(5):  # roots
        a = i * 1.3 + rng.uniform(-0.3, 0.3)
        s.cone(
            (0.06 * np.cos(a), 0.06 * np.sin(a), 0.07), (0.27 * np.cos(a), 0.27 * np.sin(a), -0.01), 0.07,
            0.02, bark, blend=0.06,
        )  # fmt: skip
    crowns = []
    for i in range(9):
        a, t = i * GOLDEN_ANGLE + rng.uniform(-0.3, 0.3), i / 8
        reach = 0.62 * np.sin(np.pi * (0.28 + 0.62 * t))
        tip = np.array([reach * np.cos(a), reach * np.sin(a), 1.02 + 0.72 * t + rng.uniform(-0.06, 0.06)])
        root = np.array([0.02, 0.02, 0.55 + 0.6 * t])
        middle = (root + tip) / 2 + np.array([0, 0, -0.05])
        s.part()
        s.chain([root, middle, tip], [0.055, 0.035, 0.015], 0, bark, 0.02)
        crowns.append((tip, rng.uniform(0.33, 0.43)))
    crowns.append((np.array([0.0, 0.0, 1.42]), 0.5))
    for tip, size in crowns:
        s.part()
        s.foliage(
            tip, (size, size, size * 0.8), leaves, 0.085, slender=0.50, hollow=0.35,
            seed=int(rng.integers(1 << 20)), density=0.86,
        )  # fmt: skip
    return s


def pine(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    bark = s.material(
        Material((0.15, 0.10, 0.07), roughness=0.9, mottle=0.3, mottle_frequency=4, ladder="bark"),
    )  # fmt: skip
    green = color or (0.028, 0.095, 0.036)
    needles = s.material(
        Material(
            green, scaled(green, 2.0), LEAF_TINT, 3.0, 0.3, reflectance=0.04, roughness=0.5,
            translucency=0.25, mottle=0.35, mottle_frequency=5, hue=0.1, ladder="limb", largest=0.05,
        ),
    )  # fmt: skip
    s.chain([(0, 0, -0.02), (0, 0, 0.3), (0, 0, 2.0)], [0.12, 0.085, 0.012], 0, bark)
    layers = 10
    for i in range(layers):
        share = i / layers
        z, length = 0.34 + 1.52 * share, 0.72 * (1 - share) ** 0.85 + 0.06
        count = 8 if i < 5 else 6
        for j in range(count):
            a = j * 2 * np.pi / count + i * 0.62 + rng.uniform(-0.15, 0.15)
            d = np.array([np.cos(a), np.sin(a), 0.0])
            reach = length * rng.uniform(0.88, 1.05)
            root = np.array([0, 0, z + 0.10])
            tip = reach * d + np.array([0, 0, z - 0.20 * length + rng.uniform(-0.03, 0.03)])
            s.part()
            s.cone(root, tip, 0.016, 0.005, bark)
            s.part()
            frame = aligned(np.cross(tip - root, np.cross((0, 0, 1.0), tip - root)), tip - root)
            s.foliage(
                (root + tip) / 2 + 0.05 * d, (0.54 * reach + 0.04, 0.17 * reach + 0.06, 0.075), needles,
                0.072, NEEDLE, 0.17, seed=int(rng.integers(1 << 20)), rotation=frame,
            )  # fmt: skip
    s.part()
    s.foliage((0, 0, 1.95), (0.08, 0.08, 0.17), needles, 0.055, NEEDLE, 0.16, seed=int(rng.integers(1 << 20)))
    return s


def grass_tuft(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    green = color or (0.11, 0.26, 0.03)
    blade = s.material(
        Material(
            green, (green[0] * 2.2, green[1] * 1.6, green[2] * 2.4), LENGTH, 0.8, reflectance=0.035,
            roughness=0.5, translucency=0.5, mottle=0.18, shared=False, ladder="leafo", largest=0.05,
        ),
    )  # fmt: skip
    for _ in range(64):
        a, r = rng.uniform(0, 2 * np.pi), 0.32 * np.sqrt(rng.uniform())
        length = rng.uniform(0.8, 1.6)
        s.part()
        s.sheet(
            (r * np.cos(a), r * np.sin(a), -0.02),
            turned(a + rng.uniform(-0.6, 0.6), rng.uniform(0.95, 1.45), rng.uniform(-0.5, 0.5)), length,
            0.035, blade, BLADE, bend=-rng.uniform(0.1, 0.5), cup=0.2, thickness=0.005,
        )  # fmt: skip
    return s


def cactus(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    green = color or (0.10, 0.24, 0.07)
    flesh = s.material(
        Material(
            green, scaled(green, 1.5), RADIAL, 12 / (2 * np.pi), roughness=0.45, translucency=0.15,
            mottle=0.12, ladder="skin", largest=0.05,
        ),
    )  # fmt: skip
    spine = s.material(
        Material((0.85, 0.78, 0.55), roughness=0.5, translucency=0.3, mottle=0.1, ladder="limb"),
    )  # fmt: skip
    bloom = s.material(petal_material((0.85, 0.16, 0.36), (0.95, 0.6, 0.65)))
    profile = [
        (0, 0), (0.3, 0.02), (0.46, 0.2), (0.55, 0.5), (0.52, 0.85), (0.38, 1.1), (0.15, 1.22), (0, 1.2),
    ]  # fmt: skip
    s.revolve((0, 0, 0), profile, flesh, rounding=0.03, lobes=12, lobe_depth=0.09)
    s.part()
    s.foliage(
        (0, 0, 0.6), (0.62, 0.62, 0.68), spine, 0.13, HAIR, 0.035, hollow=0.74,
        seed=int(rng.integers(1 << 20)), density=0.55,
    )  # fmt: skip
    for i in range(9):
        s.part()
        s.sheet(
            (0.05, -0.05, 1.22), turned(i * 0.7, 0.75 + 0.15 * (i % 2)), 0.34, 0.09, bloom, PETAL, bend=-0.2,
            cup=0.25, thickness=0.005,
        )  # fmt: skip
    return s


PLANTS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "sunflower": sunflower, "daisy": daisy, "poppy": poppy, "tulip": tulip, "mushroom": mushroom,
    "leaf": leaf, "fern": fern, "berry": berry, "acorn": acorn, "tree": tree, "pine": pine,
    "grass": grass_tuft, "cactus": cactus,
}  # fmt: skip
