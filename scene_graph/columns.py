"""Columns that lie side by side: what is asked of one row comes in two or three cache lines, not in one a column."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.surfels import MAX_LN_SIZE

F64 = NDArray[np.float64]

CACHE_LINE = 64
_FIRST = 64  # rows to begin with


class Records:
    """Rows of a structured type ``KIND``, each field of which is an attribute: a column [capacity, ...].

    Columns are views of ``all``, and are other ones after ``make_room``. Rows begin as zeros.
    """

    KIND: ClassVar[np.dtype[np.void]]

    def __init__(self) -> None:
        self._hold(_aligned(self.KIND, _FIRST))

    def make_room(self, row: int) -> bool:
        """Have room for ``row``, by twice the room where there is none; whether there was none."""
        before = self.all
        if row < len(before):
            return False
        self._hold(_aligned(self.KIND, max(row + 1, 2 * len(before))))
        self.all.view(np.uint8)[: before.nbytes] = before.view(np.uint8)
        return True

    def copy(self) -> Self:
        """The same rows in an array of their own."""
        other = object.__new__(type(self))
        other._hold(_aligned(self.KIND, len(self.all)))
        other.all.view(np.uint8)[:] = self.all.view(np.uint8)
        return other

    def _hold(self, rows: NDArray[np.void]) -> None:
        self.all: NDArray[Any] = rows
        for name in self.KIND.names or ():
            setattr(self, name, rows[name])


def _aligned(kind: np.dtype[np.void], rows: int) -> NDArray[Any]:
    """Rows of zeros that begin where a cache line does."""
    raw = np.zeros(rows * kind.itemsize + CACHE_LINE, np.uint8)
    start = -raw.ctypes.data % CACHE_LINE
    return raw[start : start + rows * kind.itemsize].view(kind)


class CellColumns(Records):
    """What a walk asks of a cell, by slot."""

    KIND = np.dtype(
        [
            ("children", np.int32, 8),
            ("interval", np.float64, 2),
            ("first", np.int64),
            ("leaf", np.int64),
            ("box", np.float64, (2, 3)),
            ("counts", np.int64, 2),
        ]
    )
    children: NDArray[np.int32]  # [S, octant] slots; -1: none
    interval: F64  # [S, 2] of the subtree
    first: NDArray[np.int64]  # [S] the row of the first own block; -1: none
    leaf: NDArray[np.int64]  # [S] 1: one own block, and nothing below: what is known of both is the same
    box: F64  # [S, 2, 3] of the subtree
    counts: NDArray[np.int64]  # [S, 2] blocks, surfels


MOST_LEVELS = 2 + math.ceil(
    MAX_LN_SIZE / LN2
)  # of a pyramid: a native scale is e**-MAX_LN_SIZE edges at least


class BlockColumns(Records):
    """What is asked of a block, by row; scales are ln root edges per pixel. Most of it is in the first two lines."""

    KIND = np.dtype(
        [
            ("box", np.float64, (2, 3)),
            ("native", np.float64, 2),
            ("slot", np.int64),
            ("after", np.int64),
            ("surfels", np.int32),
            ("levels", np.int32),
            ("made", np.int32),
            ("rank", np.int32),
            ("sizes", np.int32, MOST_LEVELS),
            ("interval", np.float64, 2),
        ]
    )
    box: F64  # [R, 2, 3] with 3 sigma, edges from the cell's centre
    native: F64  # [R, 2] least and greatest native scale
    slot: NDArray[np.int64]  # [R] of the block's cell in its octree
    after: NDArray[np.int64]  # [R] row of the next block in the same cell; -1 for none
    surfels: NDArray[np.int32]  # [R]
    levels: NDArray[np.int32]  # [R] of the block's pyramid
    made: NDArray[np.int32]  # [R] levels beyond the block itself that were there when last looked at
    rank: NDArray[np.int32]  # [R] place in the order of all blocks, when that was last asked for
    sizes: NDArray[np.int32]  # [R, MOST_LEVELS] surfels of each level; 0 until they are measured
    interval: F64  # [R, 2] [least x_child, greatest x_parent]: no weight outside
