"""The library of things: every kind by name, its real size, how it stands, and the shapes made from it.

Owns: the registry and the cache of built shapes. Does not own: the shapes themselves (``things_insects`` and the
other rooms of that name) or the words people use for them (``lexicon``).

A thing is fully described by (kind, seed, color): that triple is what a node stores, and any later zoom builds
the same shape from it.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wonderzoom.generation.embedded.shapes import (
    RGB,
    Array,
    Shape,
    ShapeArrays,
)
from wonderzoom.generation.embedded.things_animals import ANIMALS
from wonderzoom.generation.embedded.things_crawlers import CRAWLERS
from wonderzoom.generation.embedded.things_flowers import FLOWERS
from wonderzoom.generation.embedded.things_fruits import FRUITS
from wonderzoom.generation.embedded.things_insects import INSECTS
from wonderzoom.generation.embedded.things_objects import OBJECTS
from wonderzoom.generation.embedded.things_plants import PLANTS
from wonderzoom.generation.embedded.things_shore import SHORE
from wonderzoom.generation.embedded.tracing import Rays, outline

BUILDERS: dict[str, Callable[[np.random.Generator, RGB | None], Shape]] = {
    **INSECTS,
    **CRAWLERS,
    **FLOWERS,
    **FRUITS,
    **PLANTS,
    **ANIMALS,
    **SHORE,
    **OBJECTS,
}
KINDS: tuple[str, ...] = tuple(BUILDERS)

# Metres per object unit (a thing is about 2 to 3 units across).
METRES: dict[str, float] = {
    "ladybug": 0.0038, "beetle": 0.012, "ant": 0.004, "bee": 0.007, "butterfly": 0.030, "spider": 0.008,
    "caterpillar": 0.020, "sunflower": 0.16, "daisy": 0.025, "poppy": 0.040, "tulip": 0.15, "mushroom": 0.050,
    "leaf": 0.040, "fern": 0.20, "berry": 0.015, "acorn": 0.012, "tree": 4.0, "pine": 4.0, "grass": 0.08,
    "cactus": 0.08, "bird": 0.070, "fish": 0.060, "snail": 0.015, "shell": 0.030, "starfish": 0.050,
    "frog": 0.030, "lizard": 0.045, "egg": 0.040, "feather": 0.050, "pebble": 0.020, "dewdrop": 0.002,
    "gem": 0.010, "diamond": 0.004, "coin": 0.012, "key": 0.025, "house": 5.0,
}  # fmt: skip

# Kinds that stand along gravity, however the surface below them leans. The others lie on the surface.
UPRIGHT: frozenset[str] = frozenset(
    "tree pine house mushroom bird sunflower daisy poppy tulip fish gem berry egg fern grass cactus".split()
)

# Turn (radians, about z) away from facing the viewer that shows an upright kind at its best.
YAW: dict[str, float] = {"bird": 0.6, "fish": 1.25, "house": 0.5}

CANONICAL_EYE = np.array([2.6, -3.0, 2.6])  # direction from which a thing is judged
CANONICAL_SHARE = 0.30  # of the window that a thing should cover there
FILLED = 0.82  # of the canonical window, at most, along each axis
CAMERA_RADII = 4.5  # distance of the canonical camera in bounding radii
PROBE = 48  # pixels: enough to weigh a silhouette


@dataclass(frozen=True, slots=True)
class Thing:
    """One individual. ``color`` is linear RGB, or None for the kind's own."""

    kind: str
    seed: int
    color: RGB | None = None

    @property
    def shape(self) -> ShapeArrays:
        return build(self.kind, self.seed, self.color)

    @property
    def metres_per_unit(self) -> float:
        return METRES[self.kind]


@lru_cache(maxsize=64)
def build(kind: str, seed: int, color: RGB | None = None) -> ShapeArrays:
    """The shape of an individual; the same arguments give the same arrays. Raises KeyError for an unknown kind."""
    rng = np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(kind.encode())])
    return BUILDERS[kind](rng, color).arrays()


@dataclass(frozen=True, slots=True)
class Silhouette:
    """What a view from far away sees of a shape, in object units across the view."""

    area: float
    low: tuple[float, float]  # (right, down) of the bounding box, from the object's origin
    high: tuple[float, float]
    points: Array  # [N, 3] (right, down, forward) of a grid of visible points, from the object's origin

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of the bounding box."""
        return 0.5 * (self.low[0] + self.high[0]), 0.5 * (self.low[1] + self.high[1])

    @property
    def extent(self) -> tuple[float, float]:
        """Width and height of the bounding box."""
        return self.high[0] - self.low[0], self.high[1] - self.low[1]


def silhouette(shape: ShapeArrays, turn: Array) -> Silhouette:
    """``turn`` [3, 3]: object -> view axes (x right, y down, z forward). Sizes and places a thing in a view."""
    side = 2.0 * shape.radius
    pixel = side / PROBE
    right, down, forward = turn
    rays = Rays(shape.centre, forward, pixel * right, pixel * down, 0.0, PROBE, PROBE)
    depth = outline(shape, rays)
    rows, columns = np.nonzero(np.isfinite(depth))
    if not len(rows):
        return Silhouette(0.0, (-shape.radius, -shape.radius), (shape.radius, shape.radius), np.zeros((0, 3)))
    across = (np.stack([columns, rows], -1) + 0.5 - PROBE / 2) * pixel
    points = turn @ shape.centre + np.column_stack([across, depth[rows, columns]])
    low, high = points.min(0) - 0.5 * pixel, points.max(0) + 0.5 * pixel
    return Silhouette(
        len(rows) * pixel * pixel,
        (float(low[0]), float(low[1])),
        (float(high[0]), float(high[1])),
        points,
    )


def canonical_turn() -> Array:
    """Object -> view axes of the camera that a thing is judged with."""
    forward = -CANONICAL_EYE / np.linalg.norm(CANONICAL_EYE)
    right = np.cross(forward, np.array([0.0, 0.0, 1.0]))
    right = right / np.linalg.norm(right)
    return np.stack([right, np.cross(forward, right), forward])


def canonical_window(thing: Thing, width: int, height: int) -> Rays:
    """The whole thing, as a person would photograph it; it covers at most ``CANONICAL_SHARE``."""
    shape, turn = thing.shape, canonical_turn()
    seen = silhouette(shape, turn)
    aspect = width / height
    side = max(
        math.sqrt(seen.area * aspect / CANONICAL_SHARE),
        seen.extent[0] / FILLED,
        seen.extent[1] * aspect / FILLED,
    )
    pixel = side / width
    x, y = seen.centre
    along = float(turn[2] @ shape.centre)
    look = x * turn[0] + y * turn[1] + along * turn[2]
    spread = 1.0 / (CAMERA_RADII * shape.radius)
    return Rays(look, turn[2], pixel * turn[0], pixel * turn[1], spread, width, height)
