"""The sparse, path-compressed octree of occupied cells, and what each cell knows of its subtree.

A cell is present when it holds a block, or when it is the smallest cell over two branches that do; chains
of single children do not exist, so that the tree's size follows its content and not its depth. Which
cells are present, and every aggregate, is a function of the blocks alone, never of the order in which
they came (law 6).

Aggregates are arrays over *slots*, those of blocks over *rows*, so that a walk tests many at once (``touching``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterable
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.aggregates import refresh
from wonderzoom.scene_graph.block_rows import BlockRows, Key
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cell_tree import CellTree
from wonderzoom.scene_graph.cells import Cell, frames_in
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.frustum import CellFrames
from wonderzoom.scene_graph.scale_node import Box, Interval
from wonderzoom.scene_graph.selection_loops import Branches, Gaze, loops
from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Aggregate:
    """What a cell knows of the blocks in its subtree."""

    box: Box  # with 3 sigma, edges from the centre
    interval: Interval  # [min x_child, max x_parent], ln root edges per pixel: visible between
    blocks: int
    surfels: int


class Octree(CellTree):
    """Blocks by cell. Not thread-safe: the world that owns it decides who changes it when."""

    def __init__(self) -> None:
        super().__init__()
        self.rows = BlockRows()
        self._behind: set[int] | None = None  # slots that ``together`` will look at

    def copy(self) -> Octree:
        """A tree of its own of the same blocks, which are shared: they never change, nor do the cells.

        Slots and rows are those of this tree: nothing is worked out again.
        """
        other = Octree()
        for name, part in vars(self).items():
            setattr(other, name, copy(part))
        other._own = [list(rows) for rows in self._own]
        other._table, other.rows, other._columns = self._table.copy(), self.rows.copy(), self._columns.copy()
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
        low, high = self._columns.box[slot].tolist()
        x_child, x_parent = self._columns.interval[slot].tolist()
        blocks, surfels = self._columns.counts[slot].tolist()
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
            if not self._columns.interval[slot, 0] < ln_scale < self._columns.interval[slot, 1]:
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
        return self.rows.blocks(self.rows.in_order(rows).tolist())

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
        frames = self._table.seen_from(camera)
        gaze = Gaze(frames.frustum(margin), scale_offset, radial, standing_by)
        found = loops().walk(Branches(self._root, self._columns, self.rows), frames, gaze)
        if scale_offset is not None:
            large, places, _ = self.rows.in_detail(found, frames, gaze)
            if len(large):
                shown = np.ones(len(found), np.bool_)
                shown[large] = False
                shown[large[places]] = True
                found = found[shown]
        return found

    def reaching(self, camera: Camera) -> list[tuple[Block, NDArray[np.intp] | None]]:
        """The blocks with a surfel whose footprint may meet the frustum, in (node, cell) order, and which rows.

        None stands for any: only blocks far larger than the picture are asked for their rows.
        """
        rows = self.rows.in_order(self.walk(camera, 0.0, None, False))
        some: list[NDArray[np.intp] | None] = [None] * len(rows)
        large, places, surfels = self.rows.in_detail(rows, self._table.seen_from(camera), Gaze.of(camera))
        ends = np.searchsorted(places, np.arange(len(large) + 1)).tolist()
        for place, number in enumerate(large.tolist()):
            some[number] = surfels[ends[place] : ends[place + 1]]
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

    # ---- aggregates -----------------------------------------------------------------------------
    @contextmanager
    def together(self) -> Generator[None]:
        """Within, what cells know of their subtrees is left behind by changes; it is worked out at the end, once."""
        assert self._behind is None
        self._behind = set()
        try:
            yield
        finally:
            behind, self._behind = self._behind, None
            self._refresh({slot for slot in behind if self._slots.get(self._cells[slot]) == slot})

    def _refresh(self, changed: set[int]) -> None:
        if self._behind is not None:
            self._behind |= changed
            return

        known = self._columns

        def recomputed(slot: int) -> bool:
            before = known.box[slot].tobytes(), known.interval[slot].tobytes()
            self._aggregate(slot)
            return before != (known.box[slot].tobytes(), known.interval[slot].tobytes())

        refresh(changed, recomputed, lambda slot: self._cells[slot].level, self._parent, known.counts)

    def _aggregate(self, slot: int) -> None:
        cell, own, known = self._cells[slot], self._own[slot], self._columns
        below = self._children_of(slot)
        known.first[slot] = self.rows.chain(own)
        if len(own) == 1 and not below:  # nearly always
            row = own[0]
            known.box[slot], known.interval[slot] = self.rows.box[row], self.rows.interval[row]
            known.counts[slot], known.leaf[slot] = (1, self.rows.surfels[row]), True
            return
        edges, centres = frames_in([self._cells[child] for child in below], cell)
        boxes = known.box[below] * edges[:, None, None] + centres[:, None]
        boxes = np.concatenate([self.rows.box[own], boxes])
        intervals = np.concatenate([self.rows.interval[own], known.interval[below]])
        known.box[slot, 0], known.box[slot, 1] = boxes[:, 0].min(0), boxes[:, 1].max(0)
        known.interval[slot] = intervals[:, 0].min(), intervals[:, 1].max()
        known.counts[slot] = known.counts[below].sum(0) + (len(own), self.rows.surfels[own].sum())
        known.leaf[slot] = False
