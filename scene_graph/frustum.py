"""Many cells against one camera: exact frames and conservative culling, vectorised.

``Camera.cell_frame`` is the exact map for one cell; this room gives the same for thousands at once.
Addresses are kept as float64 steps from an anchor (exact: a tile is 2**40 cells wide), so that a camera
costs a few big-integer operations per anchor, not per cell. All boxes are axis-aligned in the world, as
cells are, so that only the planes of the frustum are rotated.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, Camera, bounded_exp
from wonderzoom.scene_graph.cells import (
    KEPT_BITS,
    LN2,
    Cell,
    Position,
    floor_shifted,
    integer_to_float,
    saturated_shift,
)

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]

# Cells that share an anchor lie within 2**40 steps: exact in float64, with 13 bits to spare.
TILE_BITS = 40
# Products of coordinates must not overflow. A block further from the pivot than this many pixels is drawn
# towards it, with its size: that changes no direction, so that culling is as exact there as elsewhere.
FAR = 1e285
# Steps of more bits than this are counted in coarser units: float64 ends at 1024.
_STEP_BITS = 1000
# What is left of an index above that many levels is exact in float64.
_EXACT_UP = 53
# Boxes grow by this share of their distance: rounding never culls what touches.
SLACK = 1e-12


class CellTable:
    """Rows of cells as arrays. Rows are given by the caller (slots that are reused)."""

    def __init__(self) -> None:
        self._anchors: dict[tuple[int, int, int, int], int] = {}
        self._keys: list[tuple[int, int, int, int]] = []
        self._group = np.zeros(64, np.intp)  # [capacity] index into the anchors
        self._steps = np.zeros((64, 3))  # [capacity, 3] cells from the anchor
        self._last: CellFrames | None = None

    @staticmethod
    def of(cells: Sequence[Cell]) -> CellTable:
        """A table whose rows are some cells."""
        table = CellTable()
        table._group = np.fromiter((table._anchor(cell) for cell in cells), np.intp, len(cells))
        low = (1 << TILE_BITS) - 1
        table._steps = np.array([[i & low for i in cell.index] for cell in cells], np.float64).reshape(-1, 3)
        return table

    def put(self, row: int, cell: Cell) -> None:
        """Make ``row`` stand for ``cell``."""
        if row >= len(self._group):
            size = max(row + 1, 2 * len(self._group))
            self._group = np.resize(self._group, size)
            self._steps = np.resize(self._steps, (size, 3))
        self._group[row] = self._anchor(cell)
        low = (1 << TILE_BITS) - 1
        self._steps[row] = [i & low for i in cell.index]

    def _anchor(self, cell: Cell) -> int:
        """The number of a cell's anchor."""
        key = (cell.level, cell.ix >> TILE_BITS, cell.iy >> TILE_BITS, cell.iz >> TILE_BITS)
        group = self._anchors.get(key)
        if group is None:
            group = self._anchors[key] = len(self._keys)
            self._keys.append(key)
        return group

    def copy(self) -> CellTable:
        """A table of its own with the same rows."""
        other = CellTable()
        for name, part in vars(self).items():
            setattr(other, name, copy(part))
        other._last = None
        return other

    def seen_from(self, camera: Camera) -> CellFrames:
        """The frames of all rows for ``camera``, worked out per anchor when a row asks, and kept for its next walk; at
        once for the anchors that the walk before met, of whatever camera."""
        if self._last is None or not self._last.fits(camera, len(self._keys)):
            self._last = CellFrames(self, camera, self._last)
        return self._last


class CellFrames:
    """Centres and edges of the cells of a table, in native pixels at the pivot, along world axes."""

    def __init__(self, table: CellTable, camera: Camera, before: CellFrames | None = None) -> None:
        """``before``: frames of the same table. Where the pivot has not moved since, only edges differ."""
        self._table, self._keys = table, table._keys  # pyright: ignore[reportPrivateUsage]
        self._camera = camera
        count = len(self._keys)
        # Edge of a cell, or of its anchor's unit where that is larger, in pixels; 0 until it is known.
        self._edge = np.zeros(count)
        self._all_known = False
        self._met = np.zeros(count, np.bool_)  # by a compiled walk
        self._frusta: dict[float, Frustum] = {}
        known = None if before is None else before._anchors
        if known is not None and known.fits(camera.pivot, count):
            self._anchors = known
        else:
            self._anchors = _Anchors(camera.pivot, count, known)
        if before is not None:
            self._settle(np.flatnonzero(before._met).tolist())

    def fits(self, camera: Camera, anchors: int) -> bool:
        """Whether these are the frames for a camera of a table of so many anchors."""
        return self._camera is camera and len(self._edge) == anchors

    def frustum(self, margin: float) -> Frustum:
        """What the camera sees of the image widened by ``margin`` pixels; kept, as each frame asks several times."""
        if margin not in self._frusta:
            self._frusta[margin] = Frustum.of(self._camera, margin)
        return self._frusta[margin]

    def edges(self, rows: Rows) -> F64:
        """[n] edges of the cells in ``rows`` in pixels, also beyond FAR."""
        group = self._table._group[rows]  # pyright: ignore[reportPrivateUsage]
        self._learn(group)
        return self._edge[group]

    def of(self, rows: Rows) -> tuple[F64, F64]:
        """``(centres [n, 3] px, edges [n] px)`` of the cells in ``rows``, relative to the pivot.

        Beyond FAR both are smaller than they are, by the same factor.
        """
        table = self._table
        group = table._group[rows]  # pyright: ignore[reportPrivateUsage]
        self._learn(group)
        edge, anchors = self._edge[group], self._anchors
        steps = table._steps.take(rows, 0)  # pyright: ignore[reportPrivateUsage]
        if anchors.some_far:
            steps *= anchors.unit[group, None]
        steps -= anchors.pivot.take(group, 0)
        steps -= anchors.rest.take(group, 0)
        distance = np.maximum(np.maximum(np.abs(steps[:, 0]), np.abs(steps[:, 1])), np.abs(steps[:, 2]))
        edge = np.minimum(edge, FAR / np.maximum(distance, 1.0))
        return steps * edge[:, None], edge

    def columns(self) -> tuple[Rows, F64, F64, F64, F64, F64, NDArray[np.bool_]]:
        """What ``of`` works with, for compiled loops: group and steps by row; by group edges (0: not known yet), places
        and units of anchors, and a mark for the loops to make where they meet one."""
        table, anchors = self._table, self._anchors
        group, steps = table._group, table._steps  # pyright: ignore[reportPrivateUsage]
        return group, steps, self._edge, anchors.pivot, anchors.rest, anchors.unit, self._met

    def know(self, rows: Rows) -> None:
        """Work out what is not known yet of the cells in ``rows``."""
        if not self._all_known:
            self._learn(self._table._group[rows])  # pyright: ignore[reportPrivateUsage]

    def _learn(self, groups: Rows) -> None:
        """Work out what is not known yet of some anchors."""
        if not self._all_known:
            unknown = groups[self._edge[groups] == 0.0]
            if len(unknown):
                self._settle(np.unique(unknown).tolist())

    def _settle(self, groups: list[int]) -> None:
        coarser = self._anchors.settle(groups, self._keys)
        ln_scale = self._camera.ln_scale
        self._edge[groups] = [
            bounded_exp(-self._keys[group][0] * LN2 + octaves * LN2 - ln_scale)
            for group, octaves in zip(groups, coarser, strict=True)
        ]
        self._all_known = bool(self._edge.all())


class _Anchors:
    """Where the anchors of a table are from a pivot, whatever the camera's direction and scale.

    Seen from a cell that is sixty-odd levels coarser than a step of the pivot, it stays where it was, to the last bit
    of a float64: a viewer who moves has to work out the anchors near his own scale, and not those of all his ancestors.
    """

    def __init__(self, pivot: Position, count: int, before: _Anchors | None = None) -> None:
        """``before``: those of the same table, when it had as many or fewer, from another pivot."""
        self.pivot = np.zeros((count, 3))  # whole cells from the anchor to the pivot's cell of that level
        self.rest = np.zeros((count, 3))  # the pivot's offset from that cell's centre
        self.unit = np.ones(count)  # of the two above, in inverse cells; 1 but for the very far
        self.some_far = False
        self._place = pivot
        self._coarser = [-1] * count  # octaves of the unit; -1 until it is settled
        # The finest level of the pivot's place that these numbers depend on.
        self._depends = [math.inf] * count
        # For each axis of the pivot: its cell's index, its offset, and that as a ratio of integers.
        settled = pivot.rebased(pivot.cell.level)
        self._axes: list[tuple[int, float, int, int, int]] = []
        for fine, rest in zip(settled.cell.index, settled.offset, strict=True):
            numerator, denominator = rest.as_integer_ratio()
            self._axes.append((fine, rest, 2 * numerator, denominator, denominator.bit_length()))
        self._inside = -0.5 not in settled.offset  # of its cell, hence of all that are above it
        if before is not None and self._inside and before._inside:
            self._take(before)

    def fits(self, pivot: Position, count: int) -> bool:
        """Whether these are the anchors of a table of so many, from a pivot."""
        return len(self._coarser) == count and self._place == pivot

    def _take(self, before: _Anchors) -> None:
        """What is the same from here as it was from there."""
        shared = _shared_level(self._place.cell, before._place.cell)
        kept = [group for group, finest in enumerate(before._depends) if finest <= shared]
        for group in kept:
            self._coarser[group], self._depends[group] = before._coarser[group], before._depends[group]
        if kept:
            for name in ("pivot", "rest", "unit"):
                getattr(self, name)[kept] = getattr(before, name)[kept]
            self.some_far = bool((self.unit != 1.0).any())

    def settle(self, groups: list[int], keys: Sequence[tuple[int, int, int, int]]) -> list[int]:
        """Work out some of them, what is not yet; the octaves of their units. ``keys``: level and tile of each."""
        new = [group for group in groups if self._coarser[group] < 0]
        pivot: list[Sequence[float]] = []
        rest: list[Sequence[float]] = []
        for group in new:
            level, i, j, k = keys[group]
            (x, y, z), offset, self._depends[group] = self._at(level)
            whole = (x - (i << TILE_BITS), y - (j << TILE_BITS), z - (k << TILE_BITS))
            coarser = max(0, max(map(int.bit_length, whole)) - _STEP_BITS)
            if coarser:
                self.some_far = True
                unit = self.unit[group] = saturated_shift(1.0, -coarser)
                whole = tuple(value >> coarser for value in whole)
                offset = [value * unit for value in offset]
            pivot.append(whole)
            rest.append(offset)
            self._coarser[group] = coarser
        if new:
            self.pivot[new], self.rest[new] = pivot, rest
        return [self._coarser[group] for group in groups]

    def _at(self, level: int) -> tuple[Sequence[int], Sequence[float], float]:
        """Cell and offset of the pivot at a level (``Position.rebased``, quicker for many levels), and the finest level
        of its place that they depend on."""
        place = self._place
        up = place.cell.level - level
        index: list[int] = []
        offset: list[float] = []
        if up < 0:
            for coarse, rest in zip(place.cell.index, place.offset, strict=True):
                step, rest = floor_shifted(rest, -up)
                index.append((coarse << -up) + (1 << (-up - 1)) + step)
                offset.append(rest - 0.5)
            return index, offset, math.inf
        if up < _EXACT_UP:  # one sum rounds the same once, and depends on all of the place
            for fine, rest, *_ in self._axes:
                remainder = 2 * (fine & ((1 << up) - 1)) + 1 - (1 << up)
                index.append(fine >> up)
                offset.append(math.ldexp(remainder + 2.0 * rest, -up - 1))
            return index, offset, math.inf
        depends = float(level)
        for fine, _, twice, denominator, bits in self._axes:
            coarse = fine >> up
            remainder = ((fine - (coarse << up)) * 2 + 1) - (1 << up)
            index.append(coarse)
            offset.append(integer_to_float(remainder * denominator + twice, -up - bits))
            # Its float64 is made of the first KEPT_BITS of the remainder, and of whether anything follows. Both are the
            # same for all places inside of the cell that these bits lead to.
            depends = max(depends, level + up + KEPT_BITS + 2 - abs(remainder).bit_length())
        return index, offset, depends


def _shared_level(one: Cell, other: Cell) -> float:
    """The level of the finest cell that is properly above both of two; -inf when there is none."""
    level = min(one.level, other.level) - 1
    differ = 0
    for mine, theirs in zip(one.index, other.index, strict=True):
        apart = (mine >> (one.level - level)) ^ (theirs >> (other.level - level))
        if apart < 0:
            return -np.inf
        differ = max(differ, apart.bit_length())
    return level - differ


@dataclass(frozen=True, slots=True)
class Frustum:
    """What a camera can see, as half-spaces ``normals @ X + constants >= 0``, X in pixels at the pivot."""

    normals: F64  # [5, 3]: left, right, top, bottom, near
    constants: F64  # [5]
    lens: F64  # [3, 3]: w = 1 + lens[0] @ X, depth in D; the other two coordinates in D (radial metric)

    @property
    def axis_length(self) -> float:
        """Length of the axis of depth."""
        return float(np.linalg.norm(self.lens[0]))

    @staticmethod
    def of(camera: Camera, margin: float = 0.0, in_view: bool = False) -> Frustum:
        """The frustum of the image widened by ``margin`` pixels, in world axes or in those of the view."""
        inverse_f, (ax, ay) = camera.inverse_f, camera.aspect
        right, down, axis = (np.eye(3) if in_view else camera.rotation).tolist()
        depth, *lateral = [[inverse_f * part for part in side] for side in (axis, right, down)]
        left, width = camera.cx + margin, camera.width + margin - camera.cx
        top, height = camera.cy + margin, camera.height + margin - camera.cy
        normals = [
            [sign * scale * part + reach * along for part, along in zip(side, depth, strict=True)]
            for side, scale, sign, reach in (
                (right, ax, 1.0, left), (right, ax, -1.0, width), (down, ay, 1.0, top), (down, ay, -1.0, height),
            )
        ]  # fmt: skip
        constants = np.array([left, width, top, height, 1.0 - NEAR])
        return Frustum(np.array([*normals, depth]), constants, np.array([depth, *lateral]))

    def touches(self, centres: F64, halves: F64) -> NDArray[np.bool_]:
        """Which boxes (centres and half extents [n, 3] px) may touch the frustum; never a false no."""
        grown = halves + SLACK * (np.abs(centres) + halves)
        constants = self.constants + SLACK * np.abs(self.constants)
        # [5, n]: planes first, as a reduction over a short last axis costs more than the products.
        reach = _along(self.normals.T, centres) + _along(np.abs(self.normals.T), grown) + constants[:, None]
        return np.logical_and.reduce(reach >= 0.0, axis=0)

    def depths(self, centres: F64, halves: F64, radial: bool) -> tuple[F64, F64]:
        """``(least, greatest)`` depth (or distance) over each box, in D, from NEAR up: [n], [n].

        Anything is possible for what lies beyond FAR.
        """
        w = 1.0 + _along(self.lens[0], centres)
        size = _along(_ONES, halves)
        if radial:
            sides = _along(self.lens[1:].T, centres)
            most = np.maximum(np.maximum(np.abs(sides[0]), np.abs(sides[1])), np.abs(w))  # squares overflow
            x, y, z = sides[0] / most, sides[1] / most, w / most
            middle = most * np.sqrt(x * x + y * y + z * z)
            # The box's half extents summed bound its half diagonal, without squares that overflow.
            spread = self.axis_length * size
        else:
            middle = w
            spread = _along(np.abs(self.lens[0]), halves)
        beyond = _along(_ONES, np.abs(centres)) + size > 0.5 * FAR
        least = np.where(beyond, NEAR, np.maximum(middle - spread, NEAR))
        return least, np.where(beyond, np.inf, np.maximum(middle + spread, NEAR))


_ONES = np.ones(3)


def _along(axes: F64, vectors: F64) -> F64:
    """``axes[0] x + axes[1] y + axes[2] z`` of vectors [n, 3], spelled out: BLAS rounds by the shape of a batch.

    ``axes`` [3] gives [n], ``axes`` [3, k] gives [k, n].
    """
    x, y, z = axes[..., None] * vectors.T[:, None] if axes.ndim == 2 else axes[:, None] * vectors.T
    return x + y + z


def boxes_in_pixels(centres: F64, edges: F64, boxes: F64) -> tuple[F64, F64]:
    """Centres and half extents [n, 3] px of boxes [n, 2, 3] given in edges from their cells' centres."""
    low, high = boxes[:, 0], boxes[:, 1]
    return centres + 0.5 * (low + high) * edges[:, None], 0.5 * (high - low) * edges[:, None]
