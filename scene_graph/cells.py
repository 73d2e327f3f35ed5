"""Exact octree addresses: the only coordinate frames of a world.

The problem: after twenty zooms of 8x a float64 position relative to one origin has no bit left for
a pixel, and chains of nested float64 frames disagree between cousins. The choice: a place is a cell
(a level and three integers without bound) plus a float64 offset of order one; the difference of two
cells is integer arithmetic, turned into floating point last.

Lengths are in *root edges*: the edge of a cell of level 0 is 1, of level L it is ``2**-L``. Cells are
axis-aligned and halve at every level, so moving between frames is exact. Levels may be negative.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

LN2 = math.log(2.0)
# Shifts beyond this saturate to 0 or 2**+-MAX_SHIFT: float64 ends at 2**1023.
MAX_SHIFT = 1000
# Cells and cameras deeper or coarser than this are refused: their indices would be a megabit each. Zooming
# by 8x every eight seconds, a month goes by before one gets there.
MAX_LEVEL = 1 << 20
# The eye of C_0 sits in the middle of level-0 cell (A, A, A). The alternating bits leave room on both
# sides at every coarser level, so that wider views added later find a common ancestor (a plain 0 would
# put x < 0 and x > 0 into trees that never meet).
ORIGIN_INDEX = 0x5555
# A cell spans about this many native pixels of the surfels that live in it (scale_semantics, section 3).
PIXELS_PER_CELL = 64.0
# Integers of no more bits are float64 numbers.
_EXACT_BITS = 53
_EXACT = 1 << _EXACT_BITS
# Of larger ones so many bits are looked at, and whether any follows.
KEPT_BITS = 64


def saturated_shift(value: float, shift: int) -> float:
    """``value * 2**shift`` with the shift clamped to +-MAX_SHIFT and the result to the float64 range."""
    if value == 0.0:
        return 0.0
    shift = max(-MAX_SHIFT, min(MAX_SHIFT, shift))
    try:
        return math.ldexp(value, shift)
    except OverflowError:
        return math.copysign(math.ldexp(1.0, MAX_SHIFT), value)


def integer_to_float(value: int, shift: int) -> float:
    """``value * 2**shift`` rounded once, for integers of any size."""
    if -_EXACT < value < _EXACT and -MAX_SHIFT < shift < MAX_SHIFT - _EXACT_BITS:  # nearly always
        return math.ldexp(value, shift)
    excess = max(0, abs(value).bit_length() - KEPT_BITS)
    kept = abs(value) >> excess
    kept |= (kept << excess) != abs(value)  # a sticky bit: what is cut off still breaks ties
    return saturated_shift(float(kept if value >= 0 else -kept), shift + excess)


def floor_shifted(value: float, shift: int) -> tuple[int, float]:
    """``value * 2**shift`` as a whole number and a rest in [0, 1]; the whole is exact for any shift."""
    mantissa, exponent = math.frexp(value)
    whole, exponent = int(math.ldexp(mantissa, 53)), exponent - 53 + shift
    if exponent >= 0:
        return whole << exponent, 0.0
    floor = whole >> -exponent
    return floor, integer_to_float(whole - (floor << -exponent), exponent)


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """One cube of the octree: edge ``2**-level`` root edges, low corner at ``(ix, iy, iz)`` edges."""

    level: int
    ix: int
    iy: int
    iz: int

    @property
    def index(self) -> tuple[int, int, int]:
        return (self.ix, self.iy, self.iz)

    @property
    def ln_edge(self) -> float:
        """Natural logarithm of the edge length, in root edges."""
        return -self.level * LN2

    def ancestor(self, levels: int = 1) -> Cell:
        """The cell ``levels`` coarser that contains this one."""
        if levels < 0:
            raise ValueError(f"an ancestor is 0 or more levels up, got {levels}")
        return Cell(self.level - levels, self.ix >> levels, self.iy >> levels, self.iz >> levels)

    def at_level(self, level: int) -> Cell:
        """The cell of a coarser (or equal) level that contains this one."""
        return self.ancestor(self.level - level)

    def contains(self, other: Cell) -> bool:
        return other.level >= self.level and other.at_level(self.level) == self

    def children(self) -> tuple[Cell, ...]:
        return tuple(
            Cell(self.level + 1, 2 * self.ix + dx, 2 * self.iy + dy, 2 * self.iz + dz)
            for dx in (0, 1)
            for dy in (0, 1)
            for dz in (0, 1)
        )

    def centre_from(self, other: Cell) -> NDArray[np.float64]:
        """Vector from the centre of ``other`` to the centre of this cell, in edges of ``other``: [3] float64.

        Exact up to one rounding, at any pair of levels; saturates beyond ``MAX_SHIFT`` levels.
        """
        finest = max(self.level, other.level)
        mine, theirs = finest - self.level, finest - other.level
        # Centres in half edges of the finest level: (2 i + 1) << shift.
        return np.array(
            [
                integer_to_float(((2 * a + 1) << mine) - ((2 * b + 1) << theirs), other.level - finest - 1)
                for a, b in zip(self.index, other.index, strict=True)
            ]
        )

    def edge_in(self, other: Cell) -> float:
        """This cell's edge in edges of ``other``: a power of two, saturating."""
        return saturated_shift(1.0, other.level - self.level)


def frames_in(cells: Sequence[Cell], other: Cell) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """``edge_in`` [n] and ``centre_from`` [n, 3] of many cells."""
    edges, centres = np.empty(len(cells)), np.empty((len(cells), 3))
    rows: dict[int, list[int]] = {}
    for row, cell in enumerate(cells):
        rows.setdefault(cell.level, []).append(row)
    for level, here in rows.items():
        finest = max(level, other.level)
        mine, theirs = finest - level, finest - other.level
        x, y, z = (((2 * i + 1) << theirs) for i in other.index)
        steps: list[int] = []
        for row in here:
            cell = cells[row]
            steps.append(((2 * cell.ix + 1) << mine) - x)
            steps.append(((2 * cell.iy + 1) << mine) - y)
            steps.append(((2 * cell.iz + 1) << mine) - z)
        shift = other.level - finest - 1
        edges[here] = saturated_shift(1.0, other.level - level)
        centres[here] = np.reshape([integer_to_float(step, shift) for step in steps], (-1, 3))
    return edges, centres


ORIGIN_CELL = Cell(0, ORIGIN_INDEX, ORIGIN_INDEX, ORIGIN_INDEX)


def common_ancestor(cells: list[Cell] | tuple[Cell, ...]) -> Cell:
    """The smallest cell that contains all ``cells`` (at least one).

    Raises ValueError when there is none, which needs content further than ``ORIGIN_INDEX`` root edges away.
    """
    if not cells:
        raise ValueError("common_ancestor needs at least one cell")
    level = min(cell.level for cell in cells)
    ends: list[tuple[int, int]] = []  # least and greatest index of each axis, at that level
    for axis in range(3):
        here = [cell.index[axis] >> (cell.level - level) for cell in cells]
        ends.append((min(here), max(here)))
    # What differs by so many bits is the same that many levels up; numbers of two signs never are.
    up = max((low ^ high).bit_length() for low, high in ends)
    if up > 4 * MAX_SHIFT or any(low < 0 <= high for low, high in ends):
        raise ValueError("the cells lie on both sides of the edge of the addressable world")
    return Cell(level - up, *(low >> up for low, _ in ends))


@dataclass(frozen=True, slots=True)
class Position:
    """A point: a cell and an offset from its centre in its edges (float64, of order one)."""

    cell: Cell
    offset: tuple[float, float, float]

    def __post_init__(self) -> None:
        if not all(math.isfinite(v) for v in self.offset):
            raise ValueError(f"a position needs finite offsets, got {self.offset}")

    def from_(self, other: Position) -> NDArray[np.float64]:
        """Vector from ``other`` to this point in edges of ``other.cell``: [3] float64."""
        # In cells of one size the large parts are whole numbers: nothing is lost where they cancel.
        here = self.rebased(other.cell.level)
        whole = here.cell.centre_from(other.cell).tolist()
        return np.array(
            [math.fsum(p) for p in zip(whole, here.offset, (-v for v in other.offset), strict=True)]
        )

    def moved(self, vector: NDArray[np.float64]) -> Position:
        """The point at ``vector`` (in edges of this cell) from here, re-based to the cell that holds it."""
        x, y, z = (float(a) + float(b) for a, b in zip(self.offset, vector, strict=True))
        return Position(self.cell, (x, y, z)).rebased(self.cell.level)

    def rebased(self, level: int) -> Position:
        """The same point in the cell of ``level`` that contains it; exact, as only powers of two matter."""
        shift = level - self.cell.level
        index: list[int] = []
        offset: list[float] = []
        for i, t in zip(self.cell.index, self.offset, strict=True):
            if shift > 0:
                # Cell i has half its descendants below its centre; count theirs from there.
                step, rest = floor_shifted(t, shift)
                index.append((i << shift) + (1 << (shift - 1)) + step)
                offset.append(rest - 0.5)
            else:
                here = math.floor(t)
                here += t - here >= 0.5  # floor(t + 0.5) would round 0.5 - 2**-54 up
                fine, rest = i + here, t - here  # rest in [-0.5, 0.5) of this cell
                coarse = fine >> -shift
                # Half edges of the fine cell, from the coarse centre.
                remainder = ((fine - (coarse << -shift)) * 2 + 1) - (1 << -shift)
                numerator, denominator = rest.as_integer_ratio()  # the denominator is a power of two
                exact = remainder * denominator + 2 * numerator
                index.append(coarse)
                offset.append(integer_to_float(exact, shift - denominator.bit_length()))
        return Position(Cell(level, *index), (offset[0], offset[1], offset[2]))


ORIGIN = Position(ORIGIN_CELL, (0.0, 0.0, 0.0))


def octant(cell: Cell, below: Cell) -> int:
    """Which of the eight children of ``cell`` contains ``below``."""
    shift = below.level - cell.level - 1
    return ((below.ix >> shift) & 1) | (((below.iy >> shift) & 1) << 1) | (((below.iz >> shift) & 1) << 2)
