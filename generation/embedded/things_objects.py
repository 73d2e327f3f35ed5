"""Stones, drops, gems, coins, keys and buildings, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    BANDS,
    BRICKS,
    CLOUDS,
    SHINGLES,
)
from wonderzoom.generation.embedded.shape_frames import aligned, turned
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip
from wonderzoom.generation.embedded.things_insects import Rng, scaled


def pebble(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    grey = color or (0.34, 0.32, 0.30)
    stone = s.material(
        Material(
            grey, scaled(grey, 1.5), CLOUDS, 2.2, reflectance=0.035, roughness=0.55, mottle=0.3,
            mottle_frequency=4, ladder="plaster", largest=0.5,
        ),
    )  # fmt: skip
    banded = s.material(
        Material(
            (0.42, 0.33, 0.25), (0.25, 0.20, 0.17), BANDS, 9.0, reflectance=0.035, roughness=0.5, mottle=0.25,
            mottle_frequency=4, ladder="plaster", largest=0.3,
        ),
    )  # fmt: skip
    dark = s.material(
        Material(
            (0.12, 0.12, 0.13), (0.45, 0.44, 0.42), BANDS, 5.0, -0.85, roughness=0.4, mottle=0.2,
            ladder="plaster", largest=0.3,
        ),
    )  # fmt: skip
    yaw = float(rng.uniform(0, np.pi))
    s.ellipsoid((0, 0, 0.42), (0.85, 0.62, 0.46), stone, rotation=turned(yaw, 0, 0.1))
    s.ellipsoid((0.3 * np.cos(yaw), 0.3 * np.sin(yaw), 0.47), (0.5, 0.5, 0.34), stone, blend=0.25)
    s.ellipsoid((-0.35 * np.cos(yaw), -0.30 * np.sin(yaw), 0.36), (0.45, 0.42, 0.34), stone, blend=0.25)
    s.part()
    s.ellipsoid((-0.85, -0.55, 0.20), (0.34, 0.28, 0.21), banded, rotation=turned(1.0 + yaw, 0, 0.1))
    s.part()
    s.ellipsoid((0.75, -0.75, 0.14), (0.26, 0.20, 0.15), dark, rotation=turned(2.0 + yaw))
    s.part()
    s.ellipsoid((0.05, -0.98, 0.07), (0.12, 0.10, 0.075), banded, rotation=turned(yaw))
    return s


def dewdrop(rng: Rng, color: RGB | None = None) -> Shape:
    """A bead of water with smaller ones: clear bodies that show the sky upside down."""
    s = Shape()
    water = s.material(
        Material(
            color or (0.90, 0.95, 0.92), opacity=0.72, reflectance=0.05, roughness=0.02, gloss=1.2,
            mottle=0.0, refraction=1.33, ladder=None,
        ),
    )  # fmt: skip
    s.ellipsoid((0, 0, 0.22), (0.74, 0.74, 0.52), water, floor=-0.22)
    placed = [(0.0, 0.0, 0.74)]
    while len(placed) < 15:
        a, r, q = rng.uniform(0, 2 * np.pi), rng.uniform(0.8, 1.5), rng.uniform(0.05, 0.22)
        x, y = float(r * np.cos(a)), float(r * np.sin(a))
        if all(np.hypot(x - u, y - v) > q + w + 0.02 for u, v, w in placed):
            placed.append((x, y, float(q)))
            s.part()
            s.ellipsoid((x, y, 0.3 * q), (q, q, 0.74 * q), water, floor=-0.3 * q)
    return s


def crystal_planes(
    radius: float, length: float, tip: float, sides: int = 6
) -> list[tuple[float, float, float, float]]:
    planes = [(0.0, 0.0, -1.0, 0.0)]
    for i in range(sides):
        a = 2 * np.pi * i / sides
        planes.append((float(np.cos(a)), float(np.sin(a)), 0.0, radius))
        rise = radius / tip
        planes.append((float(np.cos(a)), float(np.sin(a)), float(rise), float(rise * length)))
    return planes


def gem(rng: Rng, color: RGB | None = None) -> Shape:
    """A cluster of six-sided quartz crystals on rough rock."""
    s = Shape()
    violet = color or (0.50, 0.20, 0.78)
    quartz = s.material(
        Material(
            violet, reflectance=0.06, roughness=0.03, gloss=1.3, mottle=0.04, refraction=1.54, coat=0.8,
            ladder="glaze", largest=0.02, relief=0.5,
        ),
    )  # fmt: skip
    rock = s.material(
        Material(
            (0.24, 0.22, 0.21), scaled(violet, 0.35), CLOUDS, 5.0, roughness=0.7, mottle=0.35,
            mottle_frequency=6, ladder="rock", largest=0.2,
        ),
    )  # fmt: skip
    s.ellipsoid((0, 0, 0.02), (0.66, 0.58, 0.18), rock, floor=-0.02)
    for i in range(7):
        a = 2 * np.pi * i / 7
        s.ellipsoid(
            (0.42 * np.cos(a), 0.40 * np.sin(a), 0.05), (0.22, 0.18, 0.15), rock, rotation=turned(a),
            blend=0.10,
        )  # fmt: skip
    for i in range(13):
        lead = i == 0
        a = 0.0 if lead else i * 2.399 + rng.uniform(-0.3, 0.3)
        lean = 0.06 if lead else rng.uniform(0.18, 0.85)
        length = 1.45 if lead else rng.uniform(0.45, 1.15) * (1.05 - 0.45 * lean)
        radius = 0.20 if lead else rng.uniform(0.07, 0.155)
        d = np.array([np.sin(lean) * np.cos(a), np.sin(lean) * np.sin(a), np.cos(lean)])
        root = np.array([0.0, 0.0, 0.02]) if lead else np.array(
            [0.30 * np.sin(lean) * np.cos(a), 0.30 * np.sin(lean) * np.sin(a), 0.03],
        )  # fmt: skip
        s.part()
        s.convex(
            root, crystal_planes(radius, length, radius * rng.uniform(1.1, 1.7)), quartz,
            0.5 * length + radius, rotation=turned(rng.uniform(0, 1)) @ aligned(d), bevel=0.006,
            centre=root + d * 0.5 * length,
        )  # fmt: skip
    return s


def diamond(rng: Rng, color: RGB | None = None) -> Shape:
    """A round brilliant, resting on its side."""
    s = Shape()
    stone = s.material(
        Material(
            color or (0.93, 0.96, 0.98), reflectance=0.17, roughness=0.02, gloss=1.2, mottle=0.0,
            refraction=2.2, coat=1.0, ladder=None,
        ),
    )  # fmt: skip
    planes = [(0.0, 0.0, 1.0, 0.36)]
    for i in range(8):
        a = 2 * np.pi * i / 8
        c, d = float(np.cos(a)), float(np.sin(a))
        planes.append((c, d, 1.15, 0.92))  # crown mains
        planes.append((c, d, -0.86, 0.80))  # pavilion mains
        h = a + np.pi / 8
        planes.append((float(np.cos(h)), float(np.sin(h)), 0.62, 0.94))  # stars and girdle facets
        planes.append((float(np.cos(h)), float(np.sin(h)), -0.74, 0.815))
    for i in range(16):
        a = 2 * np.pi * i / 16 + np.pi / 16
        planes.append((float(np.cos(a)), float(np.sin(a)), 0.0, 0.90))
    tilt = turned(0.4 + float(rng.uniform(-0.3, 0.3)), 0.80)
    s.convex((0, 0, 0.66), planes, stone, 1.12, rotation=tilt, bevel=0.004)
    return s


def coin(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    gold = color or (0.86, 0.58, 0.19)
    metal = s.material(
        Material(
            gold, reflectance=0.6, roughness=0.24, metal=1.0, mottle=0.10, mottle_frequency=5, hue=0.03,
            ladder="metal", largest=0.12,
        ),
    )  # fmt: skip
    s.cylinder((0, 0, 0.07), 1.0, 0.07, metal, rounding=0.02)
    for i in range(90):  # reeded edge
        a = 2 * np.pi * i / 90
        s.cylinder(
            (1.008 * np.cos(a), 1.008 * np.sin(a), 0.07), 0.018, 0.07, metal, rounding=0.006, operation=-1.0,
        )  # fmt: skip
    s.part()
    s.torus((0, 0, 0.142), 0.94, 0.032, metal)
    for i in range(48):
        a = 2 * np.pi * i / 48
        s.part()
        s.ellipsoid((0.855 * np.cos(a), 0.855 * np.sin(a), 0.142), (0.018, 0.018, 0.014), metal)
    s.part()  # a head in profile, low relief
    z = 0.135
    s.ellipsoid((-0.02, 0.12, z), (0.27, 0.25, 0.075), metal)
    s.ellipsoid((0.12, 0.02, z), (0.17, 0.20, 0.07), metal, blend=0.06)
    s.chain([(0.21, 0.12, z + 0.02), (0.32, 0.00, z + 0.02)], 0.035, 0.03, metal, 0.04)
    s.ellipsoid((0.26, -0.08, z + 0.01), (0.05, 0.025, 0.03), metal, blend=0.03)
    s.ellipsoid((0.20, -0.19, z), (0.09, 0.07, 0.055), metal, blend=0.05)
    s.ellipsoid((-0.02, -0.26, z), (0.14, 0.20, 0.06), metal, blend=0.08)
    s.ellipsoid((-0.06, -0.52, z - 0.01), (0.40, 0.15, 0.06), metal, blend=0.08)
    for i in range(9):  # laurel
        a = 2.3 - 0.30 * i
        s.ellipsoid(
            (-0.02 + 0.25 * np.cos(a), 0.13 + 0.24 * np.sin(a), z + 0.055), (0.085, 0.030, 0.02), metal,
            rotation=turned(a + 1.9), blend=0.008,
        )  # fmt: skip
    for i in range(18):  # letters: dashes along the rim
        for side in (1, -1):
            a = np.pi / 2 * (1 - side) + side * (-0.62 + 0.075 * i)
            if i in (5, 11):
                continue
            s.part()
            s.box(
                (0.72 * np.cos(a), 0.72 * np.sin(a), 0.14),
                (0.048 if i % 3 else 0.03, 0.012 if i % 2 else 0.018, 0.016), metal, rotation=turned(a),
                rounding=0.006,
            )  # fmt: skip
    return s


def key(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    brass = color or (0.72, 0.46, 0.16)
    metal = s.material(
        Material(
            brass, scaled(brass, 0.35), CLOUDS, 4.0, reflectance=0.5, roughness=0.27, metal=0.9, mottle=0.2,
            mottle_frequency=5, ladder="metal", largest=0.1,
        ),
    )  # fmt: skip
    z = 0.11
    for a in (0.0, 2 * np.pi / 3, -2 * np.pi / 3):  # bow: three rings
        s.torus((-0.92 - 0.20 * np.cos(a), 0.20 * np.sin(a), z), 0.205, 0.058, metal, blend=0.04)
    s.ball((-0.92, 0, z), 0.075, metal, 0.05)
    s.chain([(-0.66, 0, z), (0.2, 0, z), (1.2, 0, z)], 0.085, 0.075, metal, 0.03)
    s.ball((1.22, 0, z), 0.085, metal, 0.02)
    for x in (-0.60, -0.52, 0.52):
        s.torus((x, 0, z), 0.075, 0.042, metal, rotation=aligned((1, 0, 0)), blend=0.02)
    s.box((0.93, 0.24, z), (0.19, 0.17, 0.035), metal, rounding=0.012, blend=0.02)
    for x, y, w in ((0.85, 0.40, 0.035), (1.0, 0.34, 0.03), (0.93, 0.22, 0.028), (0.78, 0.25, 0.05)):
        depth = float(rng.uniform(0.06, 0.10))
        s.box((x, y, z), (w, depth, 0.1), metal, rounding=0.004, operation=-1.0)
    return s


def house(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    wall = s.material(
        Material(
            color or (0.72, 0.62, 0.48), scaled(color, 0.7) if color else (0.50, 0.42, 0.34), BRICKS, 9.0,
            roughness=0.9, mottle=0.14, mottle_frequency=4, ladder="plaster", largest=0.03,
        ),
    )  # fmt: skip
    tiles = s.material(
        Material(
            (0.46, 0.15, 0.075), (0.20, 0.06, 0.035), SHINGLES, 11.0, roughness=0.75, mottle=0.25,
            mottle_frequency=5, ladder="plaster", largest=0.03,
        ),
    )  # fmt: skip
    glass = s.material(
        Material((0.06, 0.09, 0.12), reflectance=0.10, roughness=0.05, gloss=1.6, mottle=0.0, ladder=None),
    )  # fmt: skip
    frame = s.material(Material((0.84, 0.82, 0.78), roughness=0.5, mottle=0.08, ladder="wood", largest=0.02))
    door = s.material(
        Material(
            (0.16, 0.26, 0.22), (0.10, 0.17, 0.15), BANDS, 60.0, roughness=0.45, mottle=0.2, ladder="wood",
            largest=0.05,
        ),
    )  # fmt: skip
    stone = s.material(
        Material(
            (0.36, 0.34, 0.32), (0.22, 0.21, 0.20), BRICKS, 14.0, roughness=0.9, mottle=0.3,
            mottle_frequency=6, ladder="rock", largest=0.05,
        ),
    )  # fmt: skip
    bush = s.material(
        Material(
            (0.07, 0.19, 0.03), roughness=0.8, mottle=0.4, mottle_frequency=9, translucency=0.3,
            ladder="foliage", largest=0.05,
        ),
    )  # fmt: skip
    s.box((0, 0, 0.36), (0.75, 0.52, 0.36), wall, rounding=0.005)
    s.part()
    s.box((0, 0, 0.03), (0.79, 0.56, 0.035), stone)
    s.part()  # gable: a turned box cut at the eaves
    s.box((0, 0, 0.70), (0.745, 0.372, 0.372), wall, rotation=turned(0, 0, np.pi / 4), rounding=0.002)
    s.box((0, 0, 0.2), (1, 1, 0.5), wall, operation=-1.0)
    for side in (1, -1):
        s.part()
        s.box(
            (0, 0.305 * side, 0.965), (0.86, 0.46, 0.028), tiles, rotation=turned(0, 0, -side * np.pi / 4),
            rounding=0.004,
        )  # fmt: skip
        s.part()
        for x in (0.855, -0.855):  # barge boards
            s.box(
                (x, 0.30 * side, 0.945), (0.018, 0.455, 0.045), frame,
                rotation=turned(0, 0, -side * np.pi / 4), rounding=0.003,
            )  # fmt: skip
    s.part()
    s.chain([(-0.86, 0, 1.30), (0.86, 0, 1.30)], 0.035, 0.035, tiles)
    s.part()
    s.box((-0.4, 0.2, 1.2), (0.10, 0.09, 0.28), stone, rounding=0.004)
    s.box((-0.4, 0.2, 1.48), (0.12, 0.11, 0.02), stone, rounding=0.004)
    for x in (-0.44, -0.36):
        s.part()
        s.cylinder((x, 0.2, 1.53), 0.03, 0.05, tiles, rounding=0.006)
    s.part()
    s.box((0.76, 0.0, 0.27), (0.02, 0.12, 0.24), door)
    s.part()
    s.box((0.755, 0, 0.28), (0.015, 0.15, 0.275), frame)
    s.part()
    s.ball(
        (0.785, 0.085, 0.27), 0.016,
        s.material(
            Material(
                (0.8, 0.6, 0.25), metal=1.0, reflectance=0.6, roughness=0.2, ladder="metal", largest=0.02,
            ),
        ),
    )  # fmt: skip
    s.part()
    s.box((0.86, 0, 0.02), (0.10, 0.18, 0.022), stone)

    def window(at: tuple[float, float, float], across: tuple[float, float, float]) -> None:
        """Glass, frame and bars on a wall whose outward normal has the zero of ``across``."""
        n = np.array([1.0 if c == 0 else 0.0 for c in across]) * np.sign(np.array(at))
        half = np.array(across)
        centre = np.array(at)
        s.part()
        s.box(centre + 0.004 * n, half + 0.012 * np.abs(n), glass, rounding=0.0)
        s.part()
        s.box(centre, half + 0.026 * (1 - np.abs(n)) + 0.012 * np.abs(n), frame, rounding=0.002)
        flat = half * (1 - np.abs(n))
        s.part()
        s.box(centre + 0.014 * n, np.where(np.array([0, 0, 1]) > 0, flat, 0.008), frame, rounding=0.0)
        s.part()
        s.box(
            centre + 0.014 * n, np.where(np.array([0, 0, 1]) > 0, 0.008, flat + 0.008 * np.abs(n)), frame,
            rounding=0.0,
        )  # fmt: skip
        s.part()
        s.box(
            centre + 0.02 * n - np.array([0, 0, half[2] + 0.03]),
            half * (1 - np.array([0, 0, 1])) + 0.03 * np.abs(n) + np.array([0, 0, 0.012]), stone,
            rounding=0.003,
        )  # fmt: skip

    for y in (0.33, -0.33):
        window((0.752, y, 0.42), (0.0, 0.09, 0.12))
    for x in (0.4, -0.05, -0.5):
        for side in (0.522, -0.522):
            window((x, side, 0.42), (0.10, 0.0, 0.13))
    s.part()
    s.cylinder((0.752, 0, 0.84), 0.085, 0.02, glass, rotation=aligned((1, 0, 0)))
    s.part()
    s.torus((0.765, 0, 0.84), 0.09, 0.014, frame, rotation=aligned((1, 0, 0)))
    for x, y in ((0.92, 0.40), (0.90, -0.42), (-0.1, -0.66), (0.62, -0.64)):
        s.part()
        for _ in range(6):
            r = rng.uniform(0.06, 0.10)
            s.ball(
                (x + rng.uniform(-0.07, 0.07), y + rng.uniform(-0.07, 0.07), 0.5 * r + rng.uniform(0, 0.06)),
                float(r), bush, 0.02,
            )  # fmt: skip
    return s


OBJECTS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "pebble": pebble, "dewdrop": dewdrop, "gem": gem, "diamond": diamond, "coin": coin, "key": key,
    "house": house,
}  # fmt: skip
