"""Fish, snails, shells and starfish, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    CHAIN_BANDS,
    CLOUDS,
    ELLIPSE,
    FAN,
    FORK,
    PETAL_STREAKS,
    SCALES,
    SPOTS,
)
from wonderzoom.generation.embedded.shape_frames import aligned, turned
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip
from wonderzoom.generation.embedded.things_insects import Rng, scaled

WET_EYE = Material(
    (0.008, 0.008, 0.010), reflectance=0.08, roughness=0.04, mottle=0.0, ladder="eye", coat=0.8,
)  # fmt: skip


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
        whorl = np.array([0.30 * size * np.cos(a - 0.9), 0.30 * size * np.sin(a - 0.9), 1.62 * (1 - size)])
        s.ball(
            place(whorl + 0.235 * size * out), 0.048 * size, lime, 0.05 * size,
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
        reach = np.linspace(0.1, 1.0, 6)
        arm = [
            np.array([r * np.cos(a + bend * r * r), r * np.sin(a + bend * r * r), 0.115 - 0.08 * r])
            for r in reach
        ]
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


SHORE: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "fish": fish,
    "snail": snail,
    "shell": shell,
    "starfish": starfish,
}
