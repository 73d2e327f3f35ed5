"""Flowers, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from wonderzoom.generation.embedded.shape_columns import (
    FAN,
    LEAF,
    LEAF_VEINS,
    LOBED,
    PETAL,
    PETAL_STREAKS,
    RADIAL,
    SPECKLE,
)
from wonderzoom.generation.embedded.shape_frames import aligned, turned
from wonderzoom.generation.embedded.shapes import RGB, Array, Material, Shape  # fmt: skip
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
    shape: Shape, centre: Array, frame: Array, radius: float, dome: float, count: int, size: float,
    materials: tuple[int, int], split: float,
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
    shape: Shape, centre: ArrayLike, frame: Array, radius: float, rng: Rng, petal: int, disc: int, floret: int,
    sepal: int, rows: int = 2, petals: int = 19,
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


FLOWERS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "sunflower": sunflower,
    "daisy": daisy,
    "poppy": poppy,
    "tulip": tulip,
}
