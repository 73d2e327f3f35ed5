"""A picture through a model in overlapping tiles of one size: the seams are blended, the memory is bounded."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]
# (a tile [h, w, 3], its number, the number of tiles) -> the tile, ``scale`` times larger
TileCall = Callable[[F32, int, int], F32]


def starts(length: int, tile: int, overlap: int) -> list[int]:
    """Where tiles of ``tile`` begin along ``length`` >= tile, evenly spread, overlapping by ``overlap`` or more."""
    if tile >= length:
        return [0]
    count = -(-(length - overlap) // (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def tiled(image: F32, tile: int, overlap: int, multiple: int, scale: int, call: TileCall) -> F32:
    """``image`` [H, W, 3] through ``call`` tile by tile: [H * scale, W * scale, 3].

    Tiles have sides of ``tile`` or, where the picture is smaller, the next multiple of ``multiple``, which divides
    ``tile``; the rim is repeated where a tile reaches beyond it. Raises ValueError for a tile that is not longer
    than its overlap, and for an answer of the wrong size.
    """
    if not 0 <= overlap < tile or tile % multiple:
        raise ValueError(
            f"tiles of {tile} need an overlap below that, not {overlap}, and multiples of {multiple}"
        )
    height, width = image.shape[:2]
    tile_height, tile_width = (min(tile, -(-side // multiple) * multiple) for side in (height, width))
    below, right = max(0, tile_height - height), max(0, tile_width - width)
    padded = np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")
    rows = starts(padded.shape[0], tile_height, min(overlap, tile_height - 1))
    columns = starts(padded.shape[1], tile_width, min(overlap, tile_width - 1))
    weight = _weight(tile_height * scale, tile_width * scale, max(1, overlap * scale))
    total = np.zeros((padded.shape[0] * scale, padded.shape[1] * scale, 3), np.float32)
    mass = np.zeros(total.shape[:2], np.float32)
    places = [(row, column) for row in rows for column in columns]
    for number, (row, column) in enumerate(places):
        part = np.ascontiguousarray(padded[row : row + tile_height, column : column + tile_width])
        answer = call(part, number, len(places))
        if answer.shape != (tile_height * scale, tile_width * scale, 3):
            raise ValueError(
                f"a tile of {part.shape} came back as {answer.shape}, wanted {scale} times as large"
            )
        top, left = row * scale, column * scale
        where = np.s_[top : top + tile_height * scale, left : left + tile_width * scale]
        total[where] += answer * weight[..., None]
        mass[where] += weight
    return (total / mass[..., None])[: height * scale, : width * scale]


def _weight(height: int, width: int, ramp: int) -> F32:
    """How much each pixel of a tile counts: all in its middle, less toward its sides; never nothing."""

    def along(length: int) -> F32:
        near = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
        return np.minimum(near / ramp, 1.0).astype(np.float32)

    return along(height)[:, None] * along(width)[None, :]
