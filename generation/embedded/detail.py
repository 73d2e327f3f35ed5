"""Detail as a function: the colour, height and openness of a material at a place, for any pixel size.

A zoom does not upsample what the zoom before it drew. It evaluates this function again at the same places
with smaller pixels: sharp at every depth, the same from every path, without seams. Owns: the call, its
checks and its distribution over threads. Does not own: the walk (``walk_kernels``), elements
(``rung_kernels``) or materials (``ladder_tables``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wonderzoom.generation.embedded.bands import over_rows
from wonderzoom.generation.embedded.ladders import Ladders
from wonderzoom.generation.embedded.walk_kernels import STATE, TILE, corner_rows, detail_rows

Double = NDArray[np.float64]
Single = NDArray[np.float32]

NO_BASE = np.ones((1, 1, 3), np.float32)
# Places of samples in a pixel, from its centre. Two on a diagonal soften edges of every direction.
OFFSETS = {
    1: np.zeros((1, 2)),
    2: np.array([[-0.25, -0.25], [0.25, 0.25]]),
    4: np.array([[-0.25, -0.25], [0.25, -0.25], [-0.25, 0.25], [0.25, 0.25]]),
}


@dataclass(frozen=True, slots=True, eq=False)
class Base:
    """A picture that lies on the chart: elements of the first rungs take the colour at their centre."""

    image: Single  # [h, w, 3], at least 2 x 2
    origin: tuple[float, float]  # metres: chart position of its upper left corner
    scale: float  # its pixels per metre


@dataclass(frozen=True, slots=True, eq=False)
class Detail:
    """What ``synthesise`` found. Where the material is -1: 1, 0, 1."""

    color: Single  # [H, W, 3] factor on the surface's colour; with a base the coloured picture itself
    height: Double  # [H, W] metres; float64, since the finest rung is many decades below the coarsest
    occlusion: Single  # [H, W] share of the light that reaches the spot, 0..1


def synthesise(
    points: ArrayLike,
    material: ArrayLike,
    orientation: ArrayLike,
    contrast: ArrayLike,
    footprint: ArrayLike,
    largest: ArrayLike,
    *,
    ladders: Ladders,
    seed: int,
    samples: int = 1,
    threads: int = 1,
    base: Base | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> Detail:
    """Evaluate ladders at every pixel; the same arguments give the same bytes for any number of threads.

    points: [H, W, 2] metres on the chart; exact up to about 1e11 times the size of the smallest element.
    material: [H, W] row of ``ladders``, -1 for none. orientation: [H, W] radians, along the grain.
    contrast: [H, W] 0..1, how much of the first rungs shows. footprint: [H, W] metres per pixel.
    largest: [H, W] metres; larger elements are left out. samples: per pixel, 1, 2 or 4.

    Raises ValueError for shapes that disagree or a material out of range, ``Cancelled``.
    """
    points = np.require(points, np.float64, ["C", "W"])  # writeable: one type, one compilation
    material = np.require(material, np.int64, ["C", "W"])
    shape = material.shape
    if points.shape != (*shape, 2):
        raise ValueError(f"points must be {(*shape, 2)}, got {points.shape}")
    if material.size and not -1 <= material.min() <= material.max() < len(ladders.names):
        raise ValueError(
            f"materials must be -1..{len(ladders.names) - 1}, got {material.min()}..{material.max()}"
        )
    fields = [
        np.require(np.broadcast_to(np.asarray(a, np.float64), shape), None, ["C", "W"])
        for a in (orientation, contrast, footprint, largest)
    ]
    picture, origin, scale = NO_BASE, (0.0, 0.0), 1.0
    if base is not None:
        picture, origin, scale = np.ascontiguousarray(base.image, np.float32), base.origin, base.scale
        if picture.ndim != 3 or picture.shape[2] != 3 or min(picture.shape[:2]) < 2:
            raise ValueError(f"a base must be [h, w, 3] with h, w >= 2, got {picture.shape}")
    color = np.empty((*shape, 3), np.float32)
    height = np.empty(shape, np.float64)
    occlusion = np.empty(shape, np.float32)
    grid = (-(-shape[0] // TILE) + 1, -(-shape[1] // TILE) + 1)
    states, rungs, seeds = np.zeros((*grid, STATE)), np.zeros(grid, np.int64), np.zeros(grid, np.uint64)
    given = (
        points, material, *fields, ladders.table, ladders.counts, ladders.tail, ladders.tail_ratio,
        np.uint64(seed & (2**64 - 1)), states, rungs, seeds,
    )  # fmt: skip
    over_rows(corner_rows, grid[0], threads, cancelled, *given)
    over_rows(
        detail_rows, shape[0], threads, cancelled, *given, OFFSETS[samples], picture, *origin, scale, color,
        height, occlusion,
    )  # fmt: skip
    return Detail(color, height, occlusion)
