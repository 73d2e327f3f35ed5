"""Insects, spiders and other small crawlers, as data.

Every function takes a seeded generator (pose and spots vary a little) and an optional body colour, and returns
a shape in object coordinates: z up, x forward, base at z = 0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    BANDS,
    CLOUDS,
    FAN,
    HAIR,
    LADYBUG,
    WING_MARGIN,
)
from wonderzoom.generation.embedded.shape_frames import turned
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip

Rng = np.random.Generator


Point = tuple[float, float, float]


def scaled(color: RGB, factor: float) -> RGB:
    return (color[0] * factor, color[1] * factor, color[2] * factor)


def cuticle(color: RGB, roughness: float = 0.25, reflectance: float = 0.05) -> Material:
    """Hard insect skin."""
    return Material(
        color, reflectance=reflectance, roughness=roughness, mottle=0.18, coat=0.4, ladder="cuticle",
    )  # fmt: skip


def limb(color: RGB) -> Material:
    return Material(color, reflectance=0.05, roughness=0.32, mottle=0.2, ladder="limb")


def compound_eye(color: RGB = (0.012, 0.011, 0.012)) -> Material:
    return Material(color, reflectance=0.07, roughness=0.12, mottle=0.0, coat=0.3, ladder="eye")


def legs(
    shape: Shape, material: int, hips: Sequence[Point], knees: Sequence[Point], feet: Sequence[Point], rng: Rng,
    thick: float = 0.035, thin: float = 0.018,
) -> None:  # fmt: skip
    """Pairs of legs with thigh, shin and a two-jointed foot; every foot stands a little differently."""
    for side in (1, -1):
        for hip, knee, foot in zip(hips, knees, feet, strict=True):
            sway = rng.uniform(-0.06, 0.06, 2)
            top = np.array([hip[0], hip[1] * side, hip[2]])
            middle = np.array([knee[0] + 0.5 * sway[0], knee[1] * side, knee[2]])
            end = np.array([foot[0] + sway[0], (foot[1] + sway[1]) * side, foot[2]])
            ankle = middle + (end - middle) * 0.72
            toe = end + np.array([0.09 * np.sign(end[0] + 0.01), 0.04 * side, 0.0])
            shape.part()
            thigh = [thick * 0.9, thick * 1.3, thick * 0.95]
            shape.chain([top, top + 0.45 * (middle - top), middle], thigh, 0.0, material)
            shape.part()
            shape.chain([middle, ankle], thick * 0.85, thick * 0.5, material)
            shape.part()
            shape.chain([ankle, end, toe], [thin, thin * 0.8, thin * 0.5], 0.0, material)


def ladybug(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    red = color or (0.56, 0.017, 0.006)
    wing = s.material(
        Material(
            red, (0.010, 0.008, 0.008), LADYBUG, reflectance=0.06, roughness=0.10, coat=0.72, mottle=0.10,
            mottle_frequency=4.0, hue=0.04, gloss=1.25, ladder="cuticle",
        ),
    )  # fmt: skip
    black = s.material(cuticle((0.013, 0.011, 0.012), 0.16, 0.06))
    white = s.material(cuticle((0.74, 0.70, 0.58), 0.28))
    eye = s.material(compound_eye())
    leg = s.material(limb((0.028, 0.022, 0.018)))
    under = s.material(cuticle((0.03, 0.02, 0.015), 0.4))
    s.ellipsoid((-0.12, 0, 0.17), (1.0, 0.86, 0.76), wing, floor=0.0)
    s.part()
    s.ellipsoid((-0.05, 0, 0.15), (0.94, 0.76, 0.11), under)
    s.part()  # pronotum with its pale corners
    s.ellipsoid((0.77, 0, 0.30), (0.31, 0.54, 0.31), black, rotation=turned(0, -0.25))
    for side in (1, -1):
        s.part()
        s.ellipsoid(
            (0.84, 0.355 * side, 0.325), (0.19, 0.155, 0.215), white, rotation=turned(0.25 * side, -0.25),
        )  # fmt: skip
    s.part()
    s.ellipsoid((1.05, 0, 0.22), (0.19, 0.27, 0.17), black)
    for side in (1, -1):
        s.part()
        s.ellipsoid((1.11, 0.205 * side, 0.25), (0.085, 0.075, 0.085), eye)
        s.part()
        s.ellipsoid((1.13, 0.11 * side, 0.31), (0.05, 0.04, 0.03), white)
        s.part()
        sway = float(rng.uniform(-0.05, 0.05))
        s.chain(
            [(1.19, 0.1 * side, 0.26), (1.34, 0.2 * side, 0.32), (1.46, (0.33 + sway) * side, 0.28)], 0.018,
            0.014, leg,
        )  # fmt: skip
        s.ellipsoid((1.49, (0.37 + sway) * side, 0.265), (0.045, 0.032, 0.032), leg, blend=0.02)
        s.part()  # mouth feelers
        s.chain([(1.18, 0.08 * side, 0.14), (1.27, 0.11 * side, 0.09)], 0.022, 0.028, leg)
    legs(
        s, leg, [(0.62, 0.35, 0.16), (0.1, 0.55, 0.14), (-0.4, 0.5, 0.14)],
        [(0.86, 0.86, 0.26), (0.12, 1.06, 0.26), (-0.62, 0.92, 0.26)],
        [(1.08, 1.02, 0.015), (0.1, 1.30, 0.015), (-0.9, 1.16, 0.015)], rng, 0.05, 0.02,
    )  # fmt: skip
    return s


def beetle(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    green = color or (0.03, 0.34, 0.12)
    copper = (0.32, 0.15, 0.02) if color is None else scaled(green, 0.5)
    wing = s.material(
        Material(
            green, copper, CLOUDS, 1.6, reflectance=0.30, roughness=0.17, metal=0.6, mottle=0.12, hue=0.25,
            coat=0.5, ladder="cuticle", largest=0.06,
        ),
    )  # fmt: skip
    neck = s.material(
        Material(
            scaled(green, 0.4), scaled(copper, 0.5), CLOUDS, 2.0, reflectance=0.25, roughness=0.2, metal=0.5,
            mottle=0.15, hue=0.2, coat=0.4, ladder="cuticle",
        ),
    )  # fmt: skip
    leg = s.material(
        Material((0.02, 0.025, 0.02), reflectance=0.10, roughness=0.3, metal=0.2, mottle=0.2, ladder="limb"),
    )  # fmt: skip
    eye = s.material(compound_eye())
    for side in (1, -1):
        s.part()
        s.ellipsoid((-0.28, 0.015 * side, 0.26), (0.82, 0.50, 0.34), wing, floor=-0.12)
        s.ellipsoid((-0.28, -0.6 * side, 0.26), (2.0, 0.60, 2.0), wing, blend=0.03, operation=-1.0)
        for groove in range(1, 6):  # ribs along the wing case
            y = side * groove * 0.088
            lift = 0.34 * np.sqrt(max(0.0, 1 - (groove * 0.088 / 0.5) ** 2))
            s.ellipsoid(
                (-0.28, y, 0.26 + lift), (0.66, 0.012, 0.012 + 0.02 * lift), wing, blend=0.02, operation=-1.0,
            )  # fmt: skip
    s.part()
    s.ellipsoid((0.58, 0, 0.27), (0.30, 0.42, 0.24), neck)
    s.part()
    s.ellipsoid((0.93, 0, 0.22), (0.18, 0.24, 0.14), neck)
    for side in (1, -1):
        s.part()
        s.ellipsoid((0.98, 0.2 * side, 0.26), (0.07, 0.06, 0.07), eye)
        s.part()  # mandibles
        s.chain(
            [(1.05, 0.07 * side, 0.20), (1.26, 0.17 * side, 0.20), (1.38, 0.05 * side, 0.18)],
            [0.05, 0.04, 0.012], 0, leg,
        )  # fmt: skip
        s.part()
        feeler = [
            (1.02, 0.14 * side, 0.27), (1.22, 0.30 * side, 0.37), (1.40, 0.43 * side, 0.37),
            (1.55, 0.52 * side, 0.31),
        ]  # fmt: skip
        s.chain(feeler, [0.022, 0.018, 0.02, 0.014], 0, leg)
    legs(
        s, leg, [(0.55, 0.3, 0.15), (0.1, 0.36, 0.14), (-0.35, 0.36, 0.14)],
        [(0.8, 0.72, 0.36), (0.05, 0.88, 0.36), (-0.62, 0.8, 0.36)],
        [(1.12, 0.95, 0.015), (0.1, 1.22, 0.015), (-1.0, 1.08, 0.015)], rng, 0.055,
    )  # fmt: skip
    return s


def ant(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    brown = color or (0.11, 0.030, 0.012)
    body = s.material(cuticle(brown, 0.22, 0.06))
    leg = s.material(limb(scaled(brown, 0.8)))
    eye = s.material(compound_eye())
    for x, z, r in (
        (-1.02, 0.30, 0.20),
        (-0.80, 0.34, 0.27),
        (-0.58, 0.34, 0.20),
    ):  # gaster in overlapping plates
        s.ellipsoid((x, 0, z), (r * 1.1, r * 1.02, r * 0.98), body, blend=0.03)
    s.ellipsoid((-0.36, 0, 0.27), (0.08, 0.07, 0.11), body, blend=0.06)
    s.ellipsoid((-0.05, 0, 0.32), (0.30, 0.15, 0.16), body, blend=0.06)
    s.ellipsoid((0.22, 0, 0.38), (0.16, 0.14, 0.15), body, blend=0.08)
    s.ellipsoid((0.60, 0, 0.38), (0.26, 0.24, 0.18), body, blend=0.05, rotation=turned(0, -0.2))
    for side in (1, -1):
        s.part()
        s.ellipsoid((0.64, 0.19 * side, 0.45), (0.065, 0.045, 0.06), eye)
        s.part()  # elbowed feelers
        bend = float(rng.uniform(-0.08, 0.08))
        s.chain([(0.80, 0.08 * side, 0.42), (1.02, 0.26 * side, 0.62 + bend)], 0.026, 0.024, leg)
        s.part()
        s.chain(
            [(1.02, 0.26 * side, 0.62 + bend), (1.2, 0.33 * side, 0.52), (1.36, 0.34 * side, 0.40)],
            [0.024, 0.028, 0.03], 0, leg,
        )  # fmt: skip
        s.part()
        s.chain(
            [(0.80, 0.06 * side, 0.30), (0.95, 0.13 * side, 0.26), (1.02, 0.02 * side, 0.25)],
            [0.045, 0.04, 0.015], 0, leg,
        )  # fmt: skip
    legs(
        s, leg, [(0.22, 0.08, 0.28), (0.02, 0.1, 0.26), (-0.15, 0.08, 0.26)],
        [(0.55, 0.52, 0.58), (0.02, 0.62, 0.6), (-0.5, 0.5, 0.62)],
        [(0.95, 0.85, 0.015), (0.02, 1.05, 0.015), (-1.05, 0.85, 0.015)], rng, 0.036, 0.015,
    )  # fmt: skip
    return s


def bee(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    gold = color or (0.66, 0.35, 0.03)
    bands = s.material(
        Material(
            gold, (0.03, 0.02, 0.012), BANDS, 11.5, 0.2, roughness=0.45, mottle=0.25, mottle_frequency=8,
            ladder="hairy",
        ),
    )  # fmt: skip
    wool = s.material(
        Material(
            scaled(gold, 0.85), scaled(gold, 0.45), CLOUDS, 6.0, 0, reflectance=0.02, roughness=0.8,
            mottle=0.35, mottle_frequency=9, sheen=0.5, translucency=0.35, ladder="limb", largest=0.05,
        ),
    )  # fmt: skip
    dark = s.material(cuticle((0.022, 0.018, 0.016), 0.3))
    eye = s.material(compound_eye((0.03, 0.015, 0.01)))
    leg = s.material(limb((0.03, 0.022, 0.015)))
    wing = s.material(
        Material(
            (0.62, 0.64, 0.64), (0.16, 0.12, 0.08), WING_MARGIN, 2.6, reflectance=0.10, roughness=0.14,
            opacity=0.36, translucency=0.6, mottle=0.1, hue=0.2, ladder="wing",
        ),
    )  # fmt: skip
    s.ellipsoid((-0.55, 0, 0.42), (0.58, 0.33, 0.32), bands, rotation=turned(0, 0.12))
    s.part()
    s.ellipsoid((0.16, 0, 0.50), (0.33, 0.32, 0.30), dark)
    s.part()
    s.foliage(
        (0.16, 0, 0.50), (0.43, 0.42, 0.39), wool, 0.060, HAIR, 0.07, hollow=0.66,
        seed=int(rng.integers(1 << 20)),
    )  # fmt: skip
    s.part()
    s.foliage(
        (-0.30, 0, 0.47), (0.36, 0.37, 0.36), wool, 0.055, HAIR, 0.06, hollow=0.72,
        seed=int(rng.integers(1 << 20)), density=0.6,
    )  # fmt: skip
    s.part()
    s.ellipsoid((0.58, 0, 0.44), (0.20, 0.25, 0.23), dark)
    s.part()
    s.foliage(
        (0.60, 0, 0.48), (0.22, 0.20, 0.27), wool, 0.045, HAIR, 0.07, hollow=0.75,
        seed=int(rng.integers(1 << 20)), density=0.7,
    )  # fmt: skip
    for side in (1, -1):
        s.part()
        s.ellipsoid((0.62, 0.19 * side, 0.47), (0.11, 0.085, 0.17), eye)
        s.part()
        s.chain(
            [
                (0.75, 0.06 * side, 0.5), (0.93, 0.13 * side, 0.62), (1.08, 0.18 * side, 0.56),
                (1.18, 0.2 * side, 0.46),
            ],
            0.024, 0.02, leg,
        )  # fmt: skip
        s.part()
        lift = float(rng.uniform(0.18, 0.30))
        s.sheet(
            (0.2, 0.16 * side, 0.76), turned(np.pi - side * 0.75, lift, side * 0.2), 1.15, 0.26, wing, FAN,
            bend=0.05, thickness=0.005,
        )  # fmt: skip
        s.part()
        s.sheet(
            (0.05, 0.18 * side, 0.72), turned(np.pi - side * 0.45, lift * 0.5, side * 0.2), 0.85, 0.20, wing,
            FAN, bend=0.05, thickness=0.005,
        )  # fmt: skip
    legs(
        s, leg, [(0.3, 0.2, 0.3), (0.12, 0.22, 0.28), (-0.05, 0.2, 0.28)],
        [(0.6, 0.5, 0.42), (0.12, 0.62, 0.42), (-0.35, 0.55, 0.42)],
        [(0.8, 0.62, 0.015), (0.15, 0.8, 0.015), (-0.7, 0.75, 0.015)], rng, 0.045,
    )  # fmt: skip
    return s


def butterfly(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    wing = s.material(
        Material(
            color or (0.86, 0.31, 0.03), (0.022, 0.016, 0.015), WING_MARGIN, 3.2, 1.0, reflectance=0.03,
            roughness=0.6, translucency=0.5, mottle=0.16, mottle_frequency=5, hue=0.10, ladder="wing",
        ),
    )  # fmt: skip
    body = s.material(Material((0.035, 0.028, 0.025), roughness=0.8, mottle=0.3, sheen=0.5, ladder="hairy"))
    fur = s.material(Material((0.06, 0.045, 0.035), roughness=0.8, mottle=0.3, sheen=0.6, ladder="limb"))
    eye = s.material(compound_eye())
    s.chain(
        [(-0.52, 0, 0.12), (-0.30, 0, 0.17), (-0.05, 0, 0.19), (0.12, 0, 0.2)], [0.035, 0.06, 0.07, 0.09], 0,
        body, 0.03,
    )  # fmt: skip
    s.cone((0.12, 0, 0.2), (0.3, 0, 0.21), 0.10, 0.08, body, blend=0.05)
    s.part()
    s.ellipsoid((0.39, 0, 0.22), (0.08, 0.08, 0.075), body)
    s.part()
    s.foliage(
        (0.2, 0, 0.21), (0.22, 0.14, 0.14), fur, 0.035, HAIR, 0.06, hollow=0.6,
        seed=int(rng.integers(1 << 20)),
    )  # fmt: skip
    lift = float(rng.uniform(0.30, 0.50))
    for side in (1, -1):
        s.part()
        s.ellipsoid((0.42, 0.055 * side, 0.24), (0.045, 0.035, 0.045), eye)
        s.part()
        s.chain(
            [(0.42, 0.03 * side, 0.27), (0.66, 0.18 * side, 0.38), (0.88, 0.3 * side, 0.42)], 0.012, 0.010,
            body,
        )  # fmt: skip
        s.ellipsoid((0.90, 0.31 * side, 0.42), (0.045, 0.022, 0.022), body, blend=0.02)
        s.part()
        s.sheet(
            (0.16, 0.04 * side, 0.22), turned(side * 1.05, lift, -side * 0.25), 1.18, 0.46, wing, FAN,
            bend=-0.10, cup=0.02, thickness=0.005, wave=0.02,
        )  # fmt: skip
        s.part()
        s.sheet(
            (0.02, 0.04 * side, 0.21), turned(side * 2.02, lift - 0.02, side * 0.10), 0.92, 0.46, wing, FAN,
            bend=-0.08, thickness=0.005, wave=0.02,
        )  # fmt: skip
        s.part()
        s.chain(
            [(0.25, 0.05 * side, 0.15), (0.35, 0.22 * side, 0.14), (0.45, 0.30 * side, 0.01)], 0.016, 0.01,
            body,
        )  # fmt: skip
        s.part()
        s.chain(
            [(0.1, 0.05 * side, 0.14), (0.08, 0.26 * side, 0.14), (0.02, 0.36 * side, 0.01)], 0.016, 0.01,
            body,
        )  # fmt: skip
    return s


INSECTS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "ladybug": ladybug,
    "beetle": beetle,
    "ant": ant,
    "bee": bee,
    "butterfly": butterfly,
}
