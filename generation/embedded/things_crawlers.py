"""Spiders and caterpillars, as data (conventions: ``things_insects``)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wonderzoom.generation.embedded.shape_columns import (
    BANDS,
    CHAIN_BANDS,
    CLOUDS,
    HAIR,
)
from wonderzoom.generation.embedded.shapes import RGB, Material, Shape  # fmt: skip
from wonderzoom.generation.embedded.things_insects import Rng, compound_eye, cuticle, scaled


def spider(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    brown = color or (0.15, 0.085, 0.04)
    body = s.material(
        Material(
            brown, scaled(brown, 0.3), CLOUDS, 4.0, reflectance=0.03, roughness=0.7, mottle=0.35,
            mottle_frequency=9, sheen=0.4, ladder="hairy",
        ),
    )  # fmt: skip
    fur = s.material(
        Material(
            scaled(brown, 1.5), scaled(brown, 0.4), CLOUDS, 4.0, roughness=0.7, mottle=0.3, sheen=0.5,
            translucency=0.3, ladder="limb", largest=0.05,
        ),
    )  # fmt: skip
    leg = s.material(
        Material(
            brown, scaled(brown, 0.35), CHAIN_BANDS, 16.0, reflectance=0.03, roughness=0.6, mottle=0.3,
            sheen=0.3, ladder="hairy",
        ),
    )  # fmt: skip
    eye = s.material(
        Material((0.008, 0.008, 0.010), reflectance=0.08, roughness=0.05, mottle=0.0, ladder="eye"),
    )  # fmt: skip
    s.ellipsoid((-0.55, 0, 0.36), (0.50, 0.38, 0.34), body)
    s.part()
    s.foliage(
        (-0.55, 0, 0.36), (0.58, 0.46, 0.42), fur, 0.06, HAIR, 0.05, hollow=0.76,
        seed=int(rng.integers(1 << 20)), density=0.75,
    )  # fmt: skip
    s.part()
    s.ellipsoid((0.12, 0, 0.30), (0.28, 0.25, 0.18), body)
    s.part()
    s.foliage(
        (0.08, 0, 0.31), (0.29, 0.28, 0.22), fur, 0.05, HAIR, 0.05, hollow=0.8,
        seed=int(rng.integers(1 << 20)), density=0.5,
    )  # fmt: skip
    for side in (1, -1):
        for x, y, z, r in (
            (0.37, 0.06, 0.40, 0.055),
            (0.34, 0.155, 0.38, 0.042),
            (0.28, 0.10, 0.47, 0.036),
            (0.22, 0.18, 0.43, 0.03),
        ):
            s.part()
            s.ball((x, y * side, z), r, eye)
        s.part()  # fangs
        s.chain(
            [(0.38, 0.07 * side, 0.28), (0.47, 0.08 * side, 0.18), (0.47, 0.05 * side, 0.08)],
            [0.07, 0.06, 0.015], 0, body,
        )  # fmt: skip
        for angle, length in ((0.5, 1.15), (1.1, 1.05), (1.9, 1.05), (2.5, 1.25)):
            turn = angle + float(rng.uniform(-0.1, 0.1))
            d = np.array([np.cos(turn), np.sin(turn) * side])
            high = 0.66 + float(rng.uniform(-0.06, 0.06))
            hip, knee = (0.12 + 0.2 * d[0], 0.18 * d[1], 0.28), (
                0.1 + 0.62 * length * d[0], 0.62 * length * d[1], high,
            )  # fmt: skip
            shin, foot = (0.08 + 1.0 * length * d[0], length * d[1], 0.36), (
                0.06 + 1.25 * length * d[0], 1.25 * length * d[1], 0.012,
            )  # fmt: skip
            s.part()
            s.chain([hip, knee, shin, foot], [0.052, 0.042, 0.028, 0.012], 0, leg)
    return s


def caterpillar(rng: Rng, color: RGB | None = None) -> Shape:
    s = Shape()
    green = color or (0.20, 0.40, 0.045)
    skin = s.material(
        Material(
            green, (0.60, 0.55, 0.08) if color is None else scaled(green, 0.35), BANDS, 19.0, -0.55,
            reflectance=0.05, roughness=0.32, translucency=0.3, mottle=0.15, coat=0.3, ladder="skin",
            largest=0.08,
        ),
    )  # fmt: skip
    head = s.material(cuticle((0.34, 0.12, 0.04)))
    leg = s.material(Material((0.3, 0.25, 0.06), roughness=0.4, ladder="limb"))
    bristle = s.material(Material((0.05, 0.04, 0.02), roughness=0.5, ladder="limb"))
    eye = s.material(compound_eye())
    phase = float(rng.uniform(0, 2))
    for i in range(11):
        x, z = -1.05 + i * 0.2, 0.22 + 0.10 * np.sin(i * 0.75 + phase)
        y = 0.10 * np.sin(i * 0.55 + phase)
        s.ellipsoid((x, y, z), (0.155, 0.18, 0.19), skin, blend=0.05)
    for i in range(11):
        x, z = -1.05 + i * 0.2, 0.22 + 0.10 * np.sin(i * 0.75 + phase)
        y = 0.10 * np.sin(i * 0.55 + phase)
        for angle in (-0.9, -0.3, 0.3, 0.9):
            d = np.array([rng.uniform(-0.25, 0.25), np.sin(angle), np.cos(angle)])
            s.part()
            s.cone(np.array([x, y, z]) + 0.17 * d, np.array([x, y, z]) + 0.34 * d, 0.008, 0.002, bristle)
    s.part()
    s.ellipsoid(
        (1.14, 0.10 * np.sin(6.05 + phase), 0.26 + 0.10 * np.sin(8.25 + phase)), (0.15, 0.17, 0.17), head,
    )  # fmt: skip
    for side in (1, -1):
        s.part()
        s.ball(
            (1.25, 0.10 * np.sin(6.05 + phase) + 0.09 * side, 0.29 + 0.10 * np.sin(8.25 + phase)), 0.03, eye,
        )  # fmt: skip
        for i in range(10):
            x, y = -1.0 + i * 0.22, 0.10 * np.sin(i * 0.605 + phase)
            s.part()
            s.cone(
                (x, y + 0.12 * side, 0.14 + 0.05 * np.sin(i * 0.82 + phase)), (x, y + 0.15 * side, 0.02),
                0.05, 0.03, leg,
            )  # fmt: skip
    return s


CRAWLERS: dict[str, Callable[[Rng, RGB | None], Shape]] = {
    "spider": spider,
    "caterpillar": caterpillar,
}
