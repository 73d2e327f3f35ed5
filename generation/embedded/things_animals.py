"""Birds, frogs, lizards and what they leave: feathers and nests, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    BANDS,
    CHAIN_BANDS,
    CLOUDS,
    FEATHERS,
    LEAF,
    PETAL,
    PETAL_STREAKS,
    SPECKLE,
    STRIP,
)
from wonderzoom.generation.embedded.shape_frames import turned
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip
from wonderzoom.generation.embedded.things_insects import Rng, scaled
from wonderzoom.generation.embedded.things_shore import WET_EYE


def bird(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    breast: RGB = color or (0.62, 0.17, 0.035)
    back: RGB = (0.19, 0.15, 0.10)

    def plumage(base: RGB, second: RGB, scale: float) -> int:
        return s.material(
            Material(
                base, second, FEATHERS, scale, 0.75, reflectance=0.02, roughness=0.8, mottle=0.16,
                mottle_frequency=5, sheen=0.35, ladder="hairy", largest=0.05,
            ),
        )  # fmt: skip

    dorsal, front, belly = plumage(back, scaled(back, 0.55), 11.0), plumage(breast, scaled(breast, 0.6), 13.0), plumage(
        (0.62, 0.59, 0.52), (0.45, 0.42, 0.36), 12.0,
    )  # fmt: skip
    wing = s.material(
        Material(
            scaled(back, 0.62), scaled(back, 1.7), PETAL_STREAKS, 3.0, 0.4, reflectance=0.02, roughness=0.75,
            mottle=0.2, shared=False, sheen=0.2, ladder="hairy", largest=0.04,
        ),
    )  # fmt: skip
    bill = s.material(
        Material((0.05, 0.045, 0.04), reflectance=0.05, roughness=0.3, mottle=0.1, ladder="cuticle"),
    )  # fmt: skip
    eye = s.material(WET_EYE)
    ring = s.material(Material((0.32, 0.25, 0.17), roughness=0.7, mottle=0.1, ladder="skin", largest=0.02))
    leg = s.material(Material((0.30, 0.17, 0.10), roughness=0.5, mottle=0.2, ladder="cuticle"))
    lean = turned(0, 0.42)
    s.ellipsoid((-0.05, 0, 0.78), (0.62, 0.40, 0.42), dorsal, rotation=lean)
    s.ellipsoid((0.18, 0, 0.74), (0.42, 0.36, 0.38), front, rotation=lean, blend=0.10)
    s.ellipsoid((-0.10, 0, 0.60), (0.42, 0.32, 0.28), belly, rotation=lean, blend=0.10)
    s.ellipsoid((0.46, 0, 1.20), (0.28, 0.255, 0.255), dorsal, blend=0.16)
    s.ellipsoid((0.58, 0, 1.09), (0.21, 0.215, 0.20), front, blend=0.10)
    s.part()
    s.chain([(0.66, 0, 1.22), (0.82, 0, 1.205), (0.97, 0, 1.175)], [0.075, 0.045, 0.008], 0, bill)
    for side in (1, -1):
        s.part()
        s.ellipsoid((0.605, 0.195 * side, 1.275), (0.068, 0.05, 0.066), ring, rotation=turned(side * 0.5))
        s.part()
        s.ellipsoid((0.62, 0.212 * side, 1.28), (0.052, 0.045, 0.052), eye)
        # Folded wing: rows of coverts over long flight feathers.
        for k in range(7):
            s.part()
            s.sheet(
                (0.20 - 0.05 * k, 0.375 * side, 1.00 - 0.052 * k),
                turned(np.pi - side * (0.04 + 0.035 * k), -0.50 + 0.028 * k, side * 1.22), 0.98 - 0.06 * k,
                0.085, wing, PETAL, bend=-0.05, cup=-0.35, thickness=0.010,
            )  # fmt: skip
        for row in range(2):
            for k in range(5):
                s.part()
                s.sheet(
                    (
                        0.25 - 0.02 * k - 0.12 * row, (0.385 + 0.008 * (1 - row)) * side,
                        1.02 - 0.062 * k - 0.03 * row,
                    ),
                    turned(np.pi - side * 0.08, -0.45, side * 1.22), 0.40 - 0.05 * row, 0.075, wing, PETAL,
                    bend=-0.08, cup=-0.4, thickness=0.012,
                )  # fmt: skip
        s.part()
        foot = np.array([0.04, 0.15 * side, 0.03])
        s.chain([(0.05, 0.13 * side, 0.45), (0.0, 0.14 * side, 0.22), foot], [0.06, 0.028, 0.024], 0, leg)
        for a in (-0.5, 0.0, 0.5, np.pi):
            length = 0.2 if a < 3 else 0.14
            s.part()
            end = foot + np.array([length * np.cos(a), length * np.sin(a), -0.014])
            s.chain(
                [foot, end, end + np.array([0.04 * np.cos(a), 0.04 * np.sin(a), -0.012])],
                [0.024, 0.018, 0.004], 0, leg,
            )  # fmt: skip
    for k in range(5):
        s.part()
        s.sheet(
            (-0.45, 0.03 * (k - 2), 0.60 - 0.008 * k), turned(np.pi + 0.07 * (k - 2), -0.28), 0.78, 0.07,
            wing, STRIP, cup=-0.3, thickness=0.010,
        )  # fmt: skip
    return s


def frog(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    green = color or (0.13, 0.36, 0.035)
    skin = s.material(
        Material(
            green, scaled(green, 0.42), SPECKLE, 7.0, 0.35, reflectance=0.06, roughness=0.17,
            translucency=0.15, mottle=0.18, mottle_frequency=4, coat=0.5, ladder="skin", largest=0.08,
        ),
    )  # fmt: skip
    pale = s.variant(skin, color=(0.62, 0.60, 0.36), second=(0.50, 0.50, 0.28))
    gold = s.material(
        Material(
            (0.72, 0.42, 0.05), (0.30, 0.14, 0.02), CLOUDS, 12.0, reflectance=0.08, roughness=0.06,
            mottle=0.2, coat=0.8, ladder="eye",
        ),
    )  # fmt: skip
    pupil = s.material(WET_EYE)
    s.ellipsoid((-0.18, 0, 0.40), (0.66, 0.44, 0.34), skin, rotation=turned(0, 0.42))
    s.ellipsoid((0.42, 0, 0.62), (0.40, 0.38, 0.22), skin, rotation=turned(0, 0.10), blend=0.16)
    s.ellipsoid((0.30, 0, 0.42), (0.40, 0.34, 0.26), pale, rotation=turned(0, 0.30), blend=0.10)
    s.ellipsoid(
        (0.52, 0, 0.545), (0.36, 0.36, 0.012), pale, rotation=turned(0, 0.06), blend=0.02, operation=-1.0,
    )  # fmt: skip
    for side in (1, -1):
        s.ball((0.44, 0.25 * side, 0.80), 0.155, skin, 0.06)
        s.ball((0.78, 0.07 * side, 0.70), 0.020, skin, 0.02)
        # Hind leg folded: thigh out, shin back, long foot.
        s.chain([(-0.52, 0.24 * side, 0.28), (-0.10, 0.62 * side, 0.36)], 0.21, 0.15, skin, 0.06)
        s.ball((-0.52, 0.26 * side, 0.28), 0.22, skin, 0.10)
        s.part()
        s.chain(
            [(-0.10, 0.62 * side, 0.36), (-0.34, 0.60 * side, 0.2), (-0.62, 0.52 * side, 0.08)],
            [0.145, 0.12, 0.07], 0, skin,
        )  # fmt: skip
        s.part()
        s.chain(
            [(-0.62, 0.52 * side, 0.08), (-0.30, 0.74 * side, 0.045), (0.0, 0.86 * side, 0.035)],
            [0.07, 0.06, 0.045], 0, skin,
        )  # fmt: skip
        for k in range(4):
            a = (0.25 + 0.32 * k) * side
            tip = np.array([0.0 + 0.30 * np.cos(a), 0.86 * side + 0.30 * np.sin(a), 0.02])
            s.part()
            s.chain([(0.0, 0.86 * side, 0.035), tip], 0.028, 0.018, skin)
            s.ellipsoid(tip, (0.042, 0.042, 0.02), skin, blend=0.02)
        s.part()
        s.chain(
            [(0.26, 0.30 * side, 0.42), (0.36, 0.52 * side, 0.30), (0.46, 0.44 * side, 0.05)],
            [0.12, 0.085, 0.06], 0, skin, 0.03,
        )  # fmt: skip
        for k in range(4):
            a = (-0.7 + 0.5 * k) * side
            tip = np.array([0.46 + 0.22 * np.cos(a), 0.44 * side + 0.22 * np.sin(a), 0.02])
            s.part()
            s.chain([(0.46, 0.44 * side, 0.04), tip], 0.026, 0.016, skin)
            s.ellipsoid(tip, (0.040, 0.040, 0.02), skin, blend=0.02)
        s.part()
        s.ball((0.465, 0.285 * side, 0.815), 0.135, gold)
        s.part()
        s.ellipsoid((0.515, 0.345 * side, 0.825), (0.085, 0.062, 0.048), pupil, rotation=turned(side * 0.75))
    return s


def lizard(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    green = color or (0.16, 0.30, 0.05)
    skin = s.material(
        Material(
            green, scaled(green, 0.35), CHAIN_BANDS, 9.0, -0.1, reflectance=0.05, roughness=0.35, mottle=0.2,
            mottle_frequency=5, ladder="cuticle", largest=0.06,
        ),
    )  # fmt: skip
    limb_ = s.variant(skin, pattern=SPECKLE, scale=14.0, offset=0.45)
    eye, gold = s.material(WET_EYE), s.material(
        Material((0.60, 0.40, 0.08), reflectance=0.08, roughness=0.1, mottle=0.2, coat=0.6, ladder="eye"),
    )  # fmt: skip
    sway = rng.uniform(0.8, 1.2)
    xs = np.linspace(0.95, -1.75, 22)
    path = [
        np.array([
            x, 0.16 * sway * np.sin(2.4 * x + 0.4) * min(1.0, 0.35 + abs(x) * 0.5),
            0.20 if x > -0.55 else 0.20 + 0.13 * (x + 0.55),
        ])
        for x in xs
    ]  # fmt: skip
    radius = np.interp(
        xs, [-1.75, -1.2, -0.55, -0.3, 0.15, 0.40, 0.52, 0.72, 0.85, 0.95],
        [0.012, 0.05, 0.12, 0.165, 0.185, 0.15, 0.12, 0.145, 0.115, 0.07],
    )  # fmt: skip
    s.chain(path, [float(r) for r in radius], 0.0, skin, 0.03)
    for side in (1, -1):
        head = path[2]
        s.ball(head + np.array([0.0, 0.085 * side, 0.075]), 0.06, skin, 0.03)
        for x, ahead in ((0.30, 0.30), (-0.42, -0.28)):
            root = np.array([np.interp(x, xs[::-1], [p[c] for p in path][::-1]) for c in range(3)])
            elbow = root + np.array([ahead * 0.2 + rng.uniform(-0.05, 0.05), 0.36 * side, 0.05])
            foot = root + np.array([ahead + rng.uniform(-0.08, 0.08), 0.46 * side, -0.185])
            s.part()
            s.chain([root, elbow, foot], [0.085, 0.06, 0.038], 0, limb_, 0.02)
            for k in range(5):
                a = side * (-0.35 + 0.36 * k) + (0.0 if ahead > 0 else 0.15 * side)
                s.part()
                s.chain(
                    [
                        foot, foot + np.array([0.15 * np.cos(a), 0.15 * np.sin(a), 0.005]),
                        foot + np.array([0.20 * np.cos(a), 0.20 * np.sin(a), -0.008]),
                    ],
                    [0.020, 0.014, 0.004], 0, limb_,
                )  # fmt: skip
        s.part()
        s.ball(head + np.array([0.012, 0.112 * side, 0.088]), 0.046, gold)
        s.part()
        s.ellipsoid(head + np.array([0.02, 0.140 * side, 0.094]), (0.026, 0.022, 0.030), eye)
    return s


def egg(rng: Rng, color: RGB | None = None) -> Shape:
    """Three eggs in a nest of twigs."""
    s = Shape()
    blue = color or (0.40, 0.62, 0.64)
    lime = s.material(
        Material(
            blue, (0.20, 0.13, 0.08), SPECKLE, 14.0, 0.4, reflectance=0.04, roughness=0.32, mottle=0.08,
            ladder="glaze", largest=0.08,
        ),
    )  # fmt: skip
    twig = s.material(
        Material(
            (0.28, 0.19, 0.10), (0.14, 0.10, 0.06), CLOUDS, 6.0, roughness=0.9, mottle=0.4,
            mottle_frequency=8, ladder="wood", largest=0.05,
        ),
    )  # fmt: skip
    down = s.material(
        Material(
            (0.80, 0.76, 0.68), roughness=0.9, mottle=0.1, sheen=0.4, translucency=0.4, ladder="hairy",
            largest=0.03,
        ),
    )  # fmt: skip
    for x, y, a in ((0.0, 0.25, 0.3), (0.25, -0.2, 1.5), (-0.3, -0.15, 2.5)):
        s.part()
        s.revolve(
            (x, y, 0.38),
            [
                (0, -0.30), (0.12, -0.28), (0.22, -0.19), (0.27, -0.04), (0.25, 0.12), (0.18, 0.26),
                (0.09, 0.34), (0, 0.37),
            ],
            lime,
            rotation=turned(a + rng.uniform(-0.3, 0.3), 0.15) @ np.eye(3) @ np.array(
                [[0, 0, -1.0], [0, 1, 0], [1, 0, 0]],
            ),
        )  # fmt: skip
    for _ in range(120):
        a, r = rng.uniform(0, 2 * np.pi), rng.uniform(0.68, 1.0)
        z, b = rng.uniform(0.03, 0.46) * r * 0.9, a + rng.uniform(0.4, 0.9)
        middle = 0.5 * (a + b)
        q = r * 1.07
        s.part()
        s.chain(
            [
                (r * np.cos(a), r * np.sin(a), z),
                (q * np.cos(middle), q * np.sin(middle), z + rng.uniform(-0.04, 0.08)),
                (r * np.cos(b), r * np.sin(b), z + rng.uniform(-0.12, 0.16)),
            ],
            0.024, 0.014, twig,
        )  # fmt: skip
    s.part()
    s.ellipsoid((0, 0, 0.05), (0.75, 0.75, 0.10), twig)
    for _ in range(3):
        a = rng.uniform(0, 2 * np.pi)
        s.part()
        s.sheet(
            (0.55 * np.cos(a), 0.55 * np.sin(a), 0.34), turned(a + 0.9, 0.5), 0.36, 0.07, down, LEAF,
            bend=-0.5, cup=0.3, thickness=0.004,
        )  # fmt: skip
    return s


def feather(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    blue = color or (0.10, 0.24, 0.52)
    vane = s.material(
        Material(
            blue, (0.03, 0.04, 0.08), BANDS, 9.0, 0.1, roughness=0.55, translucency=0.35, mottle=0.14,
            sheen=0.3, hue=0.1, ladder="hairy", largest=0.03,
        ),
    )  # fmt: skip
    shaft = s.material(Material((0.80, 0.74, 0.60), roughness=0.35, mottle=0.1, ladder="cuticle"))
    curve = float(rng.uniform(0.10, 0.22))
    path = [
        np.array([x, curve * (1 - x * x) * 0.5, 0.05 + 0.16 * ((x + 1.3) / 2.6) ** 2 + 0.05 * x * x])
        for x in np.linspace(-1.45, 1.2, 14)
    ]
    s.chain(path, [float(r) for r in np.linspace(0.034, 0.004, 14)], 0.0, shaft)
    for k in range(78):  # barbs
        t = k / 77
        x = -0.85 + 2.0 * t
        root = np.array([np.interp(x, np.linspace(-1.45, 1.2, 14), [p[c] for p in path]) for c in range(3)])
        for side in (1, -1):
            length = (0.46 if side > 0 else 0.36) * np.sin(np.pi * (0.10 + 0.85 * t)) ** 0.6
            length *= 1 + rng.uniform(-0.04, 0.04)
            s.part()
            s.sheet(
                root, turned(side * (0.72 - 0.25 * t) + rng.uniform(-0.015, 0.015), 0.10, -side * 0.22),
                float(length), 0.022, vane, STRIP, bend=-0.10, thickness=0.004,
            )  # fmt: skip
    return s


ANIMALS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "bird": bird,
    "frog": frog,
    "lizard": lizard,
    "egg": egg,
    "feather": feather,
}
