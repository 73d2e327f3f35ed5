"""Trees, leaves, ferns, grass and cacti, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    BLADE,
    CLOUDS,
    HAIR,
    LEAF,
    LEAF_TINT,
    LEAF_VEINS,
    LENGTH,
    LOBED,
    NEEDLE,
    PETAL,
    RADIAL,
)
from wonderzoom.generation.embedded.shape_frames import aligned, turned
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip
from wonderzoom.generation.embedded.things_flowers import (
    GOLDEN_ANGLE,
    leaf_material,
    petal_material,
    stem_material,
)
from wonderzoom.generation.embedded.things_insects import Rng, scaled


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
        count = 6 if i < 6 else 5
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
                (root + tip) / 2 + 0.05 * d, (0.54 * reach + 0.04, 0.20 * reach + 0.06, 0.080), needles,
                0.080, NEEDLE, 0.16, seed=int(rng.integers(1 << 20)), rotation=frame,
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
    "leaf": leaf,
    "fern": fern,
    "tree": tree,
    "pine": pine,
    "grass": grass_tuft,
    "cactus": cactus,
}
