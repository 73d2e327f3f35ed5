"""The sparse, path-compressed octree of occupied cells, and what each cell knows of its subtree.

A cell is present when it holds a block, or when it is the smallest cell over two branches that do; chains
of single children do not exist, so that the tree's size follows its content and not its depth. Which
cells are present, and every aggregate, is a function of the blocks alone, never of the order in which
they came (law 6).

Aggregates are arrays over *slots*, those of blocks over *rows*, so that a walk tests many at once (``touching``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.aggregates import refresh
from wonderzoom.scene_graph.block_rows import BlockRows, Key
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, common_ancestor, octant
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.frustum import CellFrames, CellTable, Frustum, boxes_in_pixels
from wonderzoom.scene_graph.scale_node import Box, Interval
from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]
# The walk collects this many cells before it tests them: one vectorised test costs as much as 500 cells.
WALK_BATCH = 512
# Weights vanish at the ends of an interval; nearer to an end than this they are below 1e-4, never drawn.
SCALE_SLACK = 1e-5


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What a cell knows of the blocks in its subtree."""

    box: Box  # with 3 sigma, edges from the centre
    interval: Interval  # [min x_child, max x_parent], ln root edges per pixel: visible between
    blocks: int
    surfels: int


class Octree:
    """Blocks by cell. Not thread-safe: the world that owns it decides who changes it when."""

    def __init__(self) -> None:
        self._slots: dict[Cell, int] = {}
        self._cells: list[Cell] = []  # by slot
        self._own: list[list[int]] = []  # by slot: rows of its own blocks, sorted by node
        self._one = np.full(64, -1, np.intp)  # by slot: the row of its own block; -1 for none, -2 for several
        self._parent: list[int] = []  # by slot; -1 for the root
        self._children = np.full((64, 8), -1, np.int32)  # [capacity, octant]
        self._box = np.zeros((64, 2, 3))
        self._interval = np.zeros((64, 2))
        self._counts = np.zeros((64, 2), np.int64)  # blocks, surfels
        self._free_slots: list[int] = []
        self._table = CellTable()
        self._root = -1

        self.rows = BlockRows()

    def copy(self) -> Octree:
        """A tree of its own of the same blocks, which are shared: they never change, nor do the cells.

        Slots and rows are those of this tree: nothing is worked out again.
        """
        other = Octree()
        for name, part in vars(self).items():
            setattr(other, name, copy(part))
        other._own = [list(rows) for rows in self._own]
        other._table, other.rows = self._table.copy(), self.rows.copy()
        return other

    # ---- contents -------------------------------------------------------------------------------
    def __len__(self) -> int:
        """Number of blocks."""
        return len(self.rows)

    def __contains__(self, key: Key) -> bool:
        return key in self.rows

    def block(self, node: str, cell: Cell) -> Block:
        """The block of ``node`` in ``cell``; KeyError when there is none."""
        return self.rows.block(self.rows.of((node, cell)))

    def blocks(self) -> list[Block]:
        """All blocks in (node, cell) order."""
        return self.rows.blocks(self.rows.ordered())

    @property
    def root(self) -> Cell | None:
        """The smallest cell over everything; None when empty."""
        return self._cells[self._root] if self._root >= 0 else None

    def cells(self) -> list[Cell]:
        """All present cells, in order."""
        return sorted(self._slots)

    def aggregate(self, cell: Cell) -> Aggregate:
        """What the subtree at a present cell holds; KeyError when the cell is not present."""
        slot = self._slots[cell]
        low, high = self._box[slot].tolist()
        x_child, x_parent = self._interval[slot].tolist()
        blocks, surfels = self._counts[slot].tolist()
        return Aggregate((tuple(low), tuple(high)), (x_child, x_parent), blocks, surfels)

    # ---- queries --------------------------------------------------------------------------------
    def blocks_in(self, cell: Cell) -> list[Block]:
        """The blocks whose cell lies in ``cell``, in (cell, node) order."""
        top = self._top_in(cell)
        if top < 0:
            return []
        slots = sorted(self._subtree(top), key=lambda slot: self._cells[slot])
        return self.rows.blocks([row for slot in slots for row in self._own[slot]])

    def nodes_in(self, cell: Cell) -> list[str]:
        """The nodes with a block in ``cell``, sorted."""
        return sorted({block.node for block in self.blocks_in(cell)})

    def nodes_at(self, ln_scale: float) -> list[str]:
        """The nodes with a block that may be drawn at a render scale (ln root edges per pixel), sorted."""
        found: set[str] = set()
        pending = [self._root] if self._root >= 0 else []
        while pending:
            slot = pending.pop()
            if not self._interval[slot, 0] < ln_scale < self._interval[slot, 1]:
                continue
            for row in self._own[slot]:
                if self.rows.interval[row, 0] < ln_scale < self.rows.interval[row, 1]:
                    found.add(self.rows.block(row).node)
            pending.extend(self._children_of(slot))
        return sorted(found)

    def touching(
        self,
        camera: Camera,
        margin: float = 0.0,
        scale_offset: float | None = None,
        radial: bool = False,
        standing_by: bool = False,
    ) -> list[Block]:
        """The blocks whose box touches the frustum widened by ``margin`` px, in (node, cell) order.

        With ``scale_offset``, those only whose interval meets the render scales over their box, where a point at
        depth w (in D) is seen at ``scale_offset + ln w``; and coarser ones, where these are ``standing_by``.
        """
        rows = self.walk(camera, margin, scale_offset, radial, standing_by)
        return self.rows.blocks(self.rows.ordered(rows.tolist()))

    def walk(
        self,
        camera: Camera,
        margin: float,
        scale_offset: float | None,
        radial: bool,
        standing_by: bool = False,
    ) -> NDArray[np.intp]:
        """The rows (``rows``) of the blocks of ``touching``, in no order."""
        if self._root < 0:
            return np.empty(0, np.intp)
        frustum, frames = Frustum.of(camera, margin), self._table.seen_from(camera)

        def seen(slots: NDArray[np.intp], boxes: F64, intervals: F64) -> NDArray[np.bool_]:
            middle, halves = boxes_in_pixels(*frames.of(slots), boxes)
            hit = frustum.touches(middle, halves)
            if scale_offset is not None:
                least, greatest = frustum.depths(middle, halves, radial)
                if not standing_by:
                    hit &= intervals[:, 0] + SCALE_SLACK < scale_offset + np.log(greatest)
                hit &= scale_offset + np.log(least) + SCALE_SLACK < intervals[:, 1]
            return hit

        rows: list[int] = []
        single: list[NDArray[np.intp]] = []
        frontier = np.array([self._root], np.intp)
        while len(frontier):
            gathered = [frontier]
            total = len(frontier)
            while total < WALK_BATCH and len(frontier):
                frontier = self._below(frontier)
                gathered.append(frontier)
                total += len(frontier)
            slots = np.concatenate(gathered)
            hit = slots[seen(slots, self._box[slots], self._interval[slots])]
            own = self._one[hit]
            single.append(own[own >= 0])
            for slot in hit[own == -2].tolist():
                rows += self._own[slot]
            frontier = self._below(hit[np.isin(hit, frontier, assume_unique=True)])
        found = np.concatenate([np.array(rows, np.intp), *single])
        if not len(found):
            return np.empty(0, np.intp)
        found = found[seen(self.rows.slot[found], self.rows.box[found], self.rows.interval[found])]
        if scale_offset is not None:
            hidden = [
                number for number, surfels in self.rows.in_detail(found, frames, seen) if not len(surfels)
            ]
            found = np.delete(found, hidden)
        return found

    def reaching(self, camera: Camera) -> list[tuple[Block, NDArray[np.intp] | None]]:
        """The blocks with a surfel whose footprint may meet the frustum, in (node, cell) order, and which rows.

        None stands for any: only blocks far larger than the picture are asked for their rows.
        """
        rows = np.array(self.rows.ordered(self.walk(camera, 0.0, None, False).tolist()), np.intp)
        frustum, frames = Frustum.of(camera), self._table.seen_from(camera)

        def seen(slots: NDArray[np.intp], boxes: F64, _intervals: F64) -> NDArray[np.bool_]:
            return frustum.touches(*boxes_in_pixels(*frames.of(slots), boxes))

        some: list[NDArray[np.intp] | None] = [None] * len(rows)
        for number, surfels in self.rows.in_detail(rows, frames, seen):
            some[number] = surfels
        blocks = self.rows.blocks(rows.tolist())
        return [(block, each) for block, each in zip(blocks, some, strict=True) if each is None or len(each)]

    def frames(self, camera: Camera) -> CellFrames:
        """Frames of the slots for a camera (for walks of other rooms)."""
        return self._table.seen_from(camera)

    # ---- changes --------------------------------------------------------------------------------
    def change(self, removed: Iterable[Key] = (), added: Iterable[Block] = ()) -> None:
        """Remove and add blocks; aggregates are brought up to date once, at the end."""
        dirty: set[int] = set()
        for key in removed:
            self._remove(key, dirty)
        added = list(added)
        for block, box in zip(added, surfel_boxes([block.columns for block in added]), strict=True):
            self._add(block, box, dirty)
        self._refresh(dirty)

    def rebound(self, blocks: Iterable[Block]) -> None:
        """Replace blocks by the same blocks with other bounds columns."""
        dirty: set[int] = set()
        for block in blocks:
            row = self.rows.rebound(block)
            dirty.add(int(self.rows.slot[row]))
        self._refresh(dirty)

    def _add(self, block: Block, box: F64, dirty: set[int]) -> None:
        if block.key in self.rows:
            raise ValueError(f"there is a block of {block.node} in {block.cell} already")
        slot = self._slot_for(block.cell, dirty)
        row = self.rows.put(block, box, slot)
        own = self._own[slot]
        own.append(row)
        own.sort(key=lambda each: self.rows.block(each).node)
        dirty.add(slot)

    def _remove(self, key: Key, dirty: set[int]) -> None:
        row = self.rows.of(key)
        slot = int(self.rows.slot[row])
        self._own[slot].remove(row)
        self.rows.drop(key)
        self._collapse(slot, dirty)

    # ---- structure ------------------------------------------------------------------------------
    def _children_of(self, slot: int) -> list[int]:
        return [child for child in self._children[slot].tolist() if child >= 0]

    def _below(self, slots: NDArray[np.intp]) -> NDArray[np.intp]:
        children = self._children[slots].ravel()
        return children[children >= 0].astype(np.intp)

    def _subtree(self, slot: int) -> Iterator[int]:
        pending = [slot]
        while pending:
            slot = pending.pop()
            yield slot
            pending.extend(self._children_of(slot))

    def _top_in(self, cell: Cell) -> int:
        """The coarsest present cell inside ``cell`` (its subtree is all there is), or -1."""
        slot = self._root
        while slot >= 0:
            here = self._cells[slot]
            if cell.contains(here):
                return slot
            if not here.contains(cell):
                return -1
            slot = int(self._children[slot, octant(here, cell)])
        return -1

    def _new_slot(self, cell: Cell, dirty: set[int]) -> int:
        if self._free_slots:
            slot = self._free_slots.pop()
            self._cells[slot], self._own[slot], self._parent[slot] = cell, [], -1
            self._children[slot] = -1
        else:
            slot = len(self._cells)
            self._cells.append(cell)
            self._own.append([])
            self._parent.append(-1)
            if slot >= len(self._children):
                self._children = np.resize(self._children, (2 * slot, 8))
                self._box = np.resize(self._box, (2 * slot, 2, 3))
                self._interval = np.resize(self._interval, (2 * slot, 2))
                self._counts = np.resize(self._counts, (2 * slot, 2))
                self._one = np.resize(self._one, 2 * slot)
            self._children[slot] = -1
        self._counts[slot] = 0
        self._slots[cell] = slot
        self._table.put(slot, cell)
        dirty.add(slot)
        return slot

    def _attach(self, parent: int, child: int) -> None:
        self._parent[child] = parent
        if parent < 0:
            self._root = child
        else:
            self._children[parent, octant(self._cells[parent], self._cells[child])] = child

    def _slot_for(self, cell: Cell, dirty: set[int]) -> int:
        """The slot of ``cell``, made with the branching cell that it needs."""
        slot = self._slots.get(cell)
        if slot is not None:
            return slot
        above, slot = self._nearest_above(cell), -1
        if above < 0:
            slot = self._root
        else:
            slot = int(self._children[above, octant(self._cells[above], cell)])
        while slot >= 0 and self._cells[slot].contains(cell):
            above = slot
            slot = int(self._children[above, octant(self._cells[above], cell)])
        new = self._new_slot(cell, dirty)
        if above >= 0:
            dirty.add(above)
        if slot < 0:
            self._attach(above, new)
        elif cell.contains(self._cells[slot]):
            self._attach(above, new)
            self._attach(new, slot)
        else:
            branch = self._new_slot(common_ancestor((cell, self._cells[slot])), dirty)
            self._attach(above, branch)
            self._attach(branch, slot)
            self._attach(branch, new)
        return new

    def _nearest_above(self, cell: Cell) -> int:
        """A present ancestor a few levels up, to start from; -1 when there is none so near."""
        for levels in range(1, 9):
            slot = self._slots.get(cell.ancestor(levels))
            if slot is not None:
                return slot
        return -1

    def _collapse(self, slot: int, dirty: set[int]) -> None:
        """Drop cells that no longer hold or join anything, from ``slot`` up."""
        while slot >= 0:
            children = self._children_of(slot)
            if self._own[slot] or len(children) > 1:
                dirty.add(slot)
                return
            above, cell = self._parent[slot], self._cells[slot]
            if children:
                self._attach(above, children[0])
            elif above >= 0:
                self._children[above, octant(self._cells[above], cell)] = -1
            else:
                self._root = -1
            del self._slots[cell]
            self._free_slots.append(slot)
            dirty.discard(slot)
            slot = above

    # ---- aggregates -----------------------------------------------------------------------------
    def _refresh(self, changed: set[int]) -> None:
        def recomputed(slot: int) -> bool:
            box, interval = self._box[slot].copy(), self._interval[slot].copy()
            self._aggregate(slot)
            return bool((box != self._box[slot]).any() or (interval != self._interval[slot]).any())

        refresh(changed, recomputed, lambda slot: self._cells[slot].level, self._parent, self._counts)

    def _aggregate(self, slot: int) -> None:
        cell, own = self._cells[slot], self._own[slot]
        boxes = [self.rows.box[row] for row in own]
        intervals = [self.rows.interval[row] for row in own]
        blocks = len(own)
        surfels = sum(int(self.rows.surfels[row]) for row in own)
        for child in self._children_of(slot):
            there = self._cells[child]
            boxes.append(self._box[child] * there.edge_in(cell) + there.centre_from(cell))
            intervals.append(self._interval[child])
            blocks += int(self._counts[child, 0])
            surfels += int(self._counts[child, 1])
        self._box[slot, 0] = np.min([box[0] for box in boxes], axis=0)
        self._box[slot, 1] = np.max([box[1] for box in boxes], axis=0)
        self._interval[slot] = min(i[0] for i in intervals), max(i[1] for i in intervals)
        self._counts[slot] = blocks, surfels
        self._one[slot] = own[0] if len(own) == 1 else -2 if own else -1
