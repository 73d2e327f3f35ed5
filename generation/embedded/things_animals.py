"""Birds, fish, frogs and other animals with a backbone or a shell, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shapes import (
    BANDS,
    CHAIN_BANDS,
    CLOUDS,
    ELLIPSE,
    FAN,
    FEATHERS,
    FORK,
    LEAF,
    PETAL,
    PETAL_STREAKS,
    RGB,
    SCALES,
    SPECKLE,
    SPOTS,
    STRIP,
    Material,
    Shape,
    aligned,
    turned,
)  # fmt: skip
from wonderzoom.generation.embedded.things_insects import Rng, scaled

WET_EYE = Material(
    (0.008, 0.008, 0.010), reflectance=0.08, roughness=0.04, mottle=0.0, ladder="eye", coat=0.8,
)  # fmt: skip


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


def fish(rng: Rng, color: RGB | None = None) -> Shape:
    """Swimming level, a little curved, seen best from the side."""
    s = Shape()
    orange = color or (0.84, 0.26, 0.02)
    scale = s.material(
        Material(
            orange, scaled(orange, 0.35), SCALES, 17.0, 0.8, reflectance=0.09, roughness=0.24, mottle=0.10,
            coat=0.5, hue=0.12, ladder="cuticle", largest=0.05,
        ),
    )  # fmt: skip
    white = s.variant(scale, color=(0.86, 0.84, 0.80), second=(0.45, 0.46, 0.50))
    fin = s.material(
        Material(
            scaled(orange, 1.05), scaled(orange, 0.45), PETAL_STREAKS, 9.0, 0.6, translucency=0.6,
            roughness=0.35, mottle=0.1, opacity=0.86, shared=False, ladder="petalo", largest=0.05,
        ),
    )  # fmt: skip
    eye, iris = s.material(WET_EYE), s.material(
        Material(
            (0.78, 0.62, 0.25), reflectance=0.1, roughness=0.15, mottle=0.1, metal=0.3, ladder="metal",
            largest=0.02,
        ),
    )  # fmt: skip
    lip = s.material(Material(scaled(orange, 0.8), roughness=0.3, mottle=0.1, ladder="skin", largest=0.05))
    z = 0.62
    turn = float(rng.uniform(-0.10, 0.10))
    spine = [
        np.array([x, turn * (x - 0.1) ** 2 * 1.6, z + 0.02 * np.sin(2 * x)]) for x in np.linspace(
            0.72, -0.80, 9,
        )
    ]  # fmt: skip
    tall = [0.20, 0.33, 0.41, 0.43, 0.39, 0.31, 0.215, 0.135, 0.10]
    for i, (at, h) in enumerate(zip(spine, tall, strict=True)):
        pale = i in (3, 6)
        length = 0.17 if pale else 0.21
        s.ellipsoid(at, (length + 0.03, h * 0.42 + 0.02, h), white if pale else scale, blend=0.14)
    s.ellipsoid(spine[0] + np.array([0.13, 0, -0.03]), (0.13, 0.075, 0.10), scale, blend=0.10)
    s.part()
    s.torus(spine[0] + np.array([0.235, 0, -0.035]), 0.045, 0.018, lip, rotation=aligned((1, 0, 0)))
    s.part()
    s.sheet(
        spine[-1] + np.array([0.06, 0, 0]), turned(np.pi + turn, 0, np.pi / 2), 0.56, 0.42, fin, FORK,
        thickness=0.010, wave=0.02,
    )  # fmt: skip
    for k in range(2):  # fins along back and belly
        up = 1 if k == 0 else -1
        for j in range(5 if k == 0 else 3):
            x = 0.26 - 0.17 * j if k == 0 else -0.16 - 0.14 * j
            root = float(np.interp(x, [p[0] for p in spine][::-1], tall[::-1])) * 0.86
            s.part()
            s.sheet(
                (x, turn * (x - 0.1) ** 2 * 1.6, z + up * root),
                turned(np.pi, -up * (0.75 + 0.06 * j), np.pi / 2), 0.42 - 0.045 * j, 0.13, fin, ELLIPSE,
                thickness=0.008,
            )  # fmt: skip
    for side in (1, -1):
        s.part()
        s.ellipsoid((0.60, 0.105 * side, z + 0.10), (0.085, 0.035, 0.085), iris)
        s.part()
        s.ellipsoid((0.605, 0.125 * side, z + 0.10), (0.052, 0.030, 0.052), eye)
        s.part()  # gill cover
        s.ellipsoid((0.42, 0.125 * side, z - 0.02), (0.15, 0.055, 0.22), scale, rotation=turned(side * 0.12))
        s.part()
        flap = float(rng.uniform(0.45, 0.8))
        s.sheet(
            (0.30, 0.16 * side, z - 0.10), turned(np.pi - side * flap, -0.25, side * 1.1), 0.42, 0.17, fin,
            FAN, thickness=0.008, wave=0.02,
        )  # fmt: skip
        s.part()
        s.sheet(
            (0.16, 0.07 * side, z - 0.36), turned(np.pi - side * 0.3, -0.75, side * 0.8), 0.34, 0.09, fin,
            FAN, thickness=0.008,
        )  # fmt: skip
    return s


def snail(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    horn = color or (0.56, 0.34, 0.15)
    shell = s.material(
        Material(
            horn, scaled(horn, 0.42), CHAIN_BANDS, 0.9, 0.05, reflectance=0.06, roughness=0.2, mottle=0.2,
            mottle_frequency=4, coat=0.4, ladder="glaze", largest=0.06,
        ),
    )  # fmt: skip
    body = s.material(
        Material(
            (0.36, 0.28, 0.19), (0.25, 0.19, 0.13), CLOUDS, 3.0, reflectance=0.06, roughness=0.2,
            translucency=0.25, mottle=0.2, ladder="skin", largest=0.12,
        ),
    )  # fmt: skip
    eye = s.material(WET_EYE)
    points, radii = [], []
    turns, n = 3.3, 66
    for i in range(n + 1):  # from the tip outward to the mouth
        a = turns * 2 * np.pi * i / n
        size = np.exp(0.165 * (a - turns * 2 * np.pi))
        phase = a - turns * 2 * np.pi + 2.6
        points.append(
            np.array(
                [
                    -0.18 - 0.44 * size * np.cos(phase), 0.34 * (1 - size) - 0.05,
                    0.56 - 0.44 * size * np.sin(phase),
                ],
            ),
        )  # fmt: skip
        radii.append(0.315 * size)
    s.chain(points, radii, 0.0, shell, 0.02, span=(0.0, 60.0))
    s.part()
    s.chain(
        [
            (-1.0, 0, 0.02), (-0.6, 0, 0.07), (-0.2, 0, 0.13), (0.25, 0, 0.14), (0.55, 0, 0.15),
            (0.76, 0, 0.24), (0.90, 0, 0.34),
        ],
        [0.02, 0.09, 0.17, 0.18, 0.16, 0.14, 0.12], 0, body, 0.08,
    )  # fmt: skip
    s.ellipsoid((-0.15, 0, 0.03), (0.85, 0.22, 0.05), body, blend=0.08)
    for side in (1, -1):
        tip = np.array([1.14, (0.17 + rng.uniform(-0.03, 0.03)) * side, 0.74 + rng.uniform(-0.05, 0.05)])
        s.chain(
            [(0.9, 0.05 * side, 0.40), (1.02, 0.11 * side, 0.58), tip], [0.045, 0.032, 0.028], 0, body, 0.04,
        )  # fmt: skip
        s.chain([(0.98, 0.05 * side, 0.29), (1.14, 0.11 * side, 0.26)], 0.032, 0.02, body, 0.03)
        s.ball(tip, 0.042, body, 0.02)
        s.part()
        s.ball(tip + np.array([0.018, 0, 0.018]), 0.026, eye)
    return s


def shell(rng: Rng, color: RGB | None = None) -> Shape:
    """A turret of whorls that widen to a lipped mouth, lying on its side."""
    s = Shape()
    cream = color or (0.82, 0.62, 0.44)
    lime = s.material(
        Material(
            cream, scaled(cream, 0.45) if color else (0.46, 0.20, 0.09), CHAIN_BANDS, 1.7, -0.1,
            reflectance=0.07, roughness=0.16, mottle=0.14, mottle_frequency=5, coat=0.4, ladder="glaze",
            largest=0.06,
        ),
    )  # fmt: skip
    mouth = s.material(
        Material(
            (0.86, 0.50, 0.38), (0.93, 0.76, 0.66), CLOUDS, 3.0, reflectance=0.08, roughness=0.1, mottle=0.08,
            hue=0.1, coat=0.6, ladder="glaze", largest=0.03,
        ),
    )  # fmt: skip
    turns, n = 6.0, 108
    axis = aligned((-0.93, 0.12, 0.30), (0.2, 1.0, 0.0))  # local z points to the tip
    at = np.array([0.62, 0.0, 0.50])

    def place(local: np.ndarray) -> np.ndarray:
        return at + axis.T @ local

    points, radii = [], []
    for i in range(n + 1):
        a = turns * 2 * np.pi * (1 - i / n)
        size = np.exp(-0.078 * a)
        points.append(
            place(np.array([0.30 * size * np.cos(a - 0.9), 0.30 * size * np.sin(a - 0.9), 1.62 * (1 - size)])),
        )  # fmt: skip
        radii.append(0.265 * size)
    s.chain(points, radii, 0.0, lime, 0.012, span=(0.0, 108.0))
    for i in range(24, n, 3):  # knobs on the shoulder of the whorls
        a = turns * 2 * np.pi * (1 - i / n)
        size = np.exp(-0.078 * a)
        out = np.array([np.cos(a - 0.9), np.sin(a - 0.9), 0.45])
        s.ball(
            place(
                np.array([0.30 * size * np.cos(a - 0.9), 0.30 * size * np.sin(a - 0.9), 1.62 * (1 - size)]) + 0.235 * size * out,
            ),
            0.048 * size, lime, 0.05 * size,
        )  # fmt: skip
    # The mouth: a flared lip around a smooth throat.
    end = np.array([0.30 * np.cos(-0.9), 0.30 * np.sin(-0.9), 0.0])
    lip = place(end + np.array([0.06, -0.02, -0.12]))
    s.ellipsoid(
        place(end + np.array([0.0, 0.02, -0.28])), (0.20, 0.16, 0.46), lime, rotation=axis, blend=0.12,
    )  # fmt: skip
    s.ellipsoid(
        place(end + np.array([0.14, -0.22, -0.12])), (0.13, 0.20, 0.40), mouth, rotation=turned(-0.5) @ axis,
        blend=0.03, operation=-1.0,
    )  # fmt: skip
    s.part()
    del lip
    return s


def starfish(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    orange = color or (0.74, 0.25, 0.07)
    skin = s.material(
        Material(
            orange, scaled(orange, 1.4), SPOTS, 13.0, 0.24, roughness=0.6, mottle=0.2, mottle_frequency=4,
            translucency=0.15, ladder="skin", largest=0.1,
        ),
    )  # fmt: skip
    knob = s.material(Material((0.90, 0.66, 0.42), roughness=0.5, mottle=0.1, ladder="plaster", largest=0.03))
    s.ellipsoid((0, 0, 0.08), (0.32, 0.32, 0.17), skin)
    arms = []
    for i in range(5):
        a = i * 2 * np.pi / 5 + 0.3
        bend = rng.uniform(-0.22, 0.22)
        arm = [
            np.array([r * np.cos(a + bend * r * r), r * np.sin(a + bend * r * r), 0.115 - 0.08 * r]) for r in np.linspace(
                0.1, 1.0, 6,
            )
        ]  # fmt: skip
        arms.append(arm)
        s.chain(arm, [0.21, 0.195, 0.165, 0.13, 0.09, 0.045], 0, skin, 0.12)
        # The chain's first cone starts unblended; a ball joins it softly to the disc.
        s.ball(arm[0], 0.22, skin, 0.12)
    for arm in arms:
        for j in range(15):
            t = (j + 0.5) / 15
            at = np.array([np.interp(t, np.linspace(0, 1, 6), [p[c] for p in arm]) for c in range(3)])
            r = float(np.interp(t, np.linspace(0, 1, 6), [0.21, 0.195, 0.165, 0.13, 0.09, 0.045]))
            d = arm[-1] - arm[0]
            across = np.array([-d[1], d[0], 0]) / np.linalg.norm(d)
            for lane, height in ((0.0, 1.0), (0.62, 0.76), (-0.62, 0.76)):
                if lane and j % 2:
                    continue
                s.part()
                s.ball(
                    at + across * lane * r + np.array([0, 0, height * r * 1.02]), 0.024 * (1.15 - 0.6 * t),
                    knob,
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
        np.array([x, 0.16 * sway * np.sin(2.4 * x + 0.4) * min(1.0, 0.35 + abs(x) * 0.5), 0.20 if x > -0.55 else 0.20 + 0.13 * (x + 0.55)]) for x in xs
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
        np.array([x, curve * (1 - x * x) * 0.5, 0.05 + 0.16 * ((x + 1.3) / 2.6) ** 2 + 0.05 * x * x]) for x in np.linspace(
            -1.45, 1.2, 14,
        )
    ]  # fmt: skip
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
    "bird": bird, "fish": fish, "snail": snail, "shell": shell, "starfish": starfish, "frog": frog,
    "lizard": lizard, "egg": egg, "feather": feather,
}  # fmt: skip
