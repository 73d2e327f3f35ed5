"""The blocks of an octree as rows of arrays: what walks and choices compare of thousands of them at once.

Rows of removed blocks are used again. Nothing here depends on which row a block has but the order of the arrays.
"""

from __future__ import annotations

from collections.abc import Iterable
from copy import copy
from typing import Self

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.columns import BlockColumns
from wonderzoom.scene_graph.extent import bounds_interval, native_interval
from wonderzoom.scene_graph.frustum import CellFrames, boxes_in_pixels
from wonderzoom.scene_graph.mips import level_count
from wonderzoom.scene_graph.patches import FINE_EDGE_PX, Details
from wonderzoom.scene_graph.selection_loops import Gaze, loops
from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]
Key = tuple[str, Cell]


class BlockRows(BlockColumns):
    """Blocks by row, with their columns."""

    def __init__(self) -> None:
        super().__init__()
        self._drawn = np.full(
            (len(self.all), 1), None, np.object_
        )  # [capacity, made + 1] blocks and made levels
        self._rows: dict[Key, int] = {}
        self._blocks: list[Block | None] = []
        self._order: list[tuple[str | int, ...]] = []  # node and cell, quicker to compare than a Key
        self._free: list[int] = []
        self._sorted: list[int] = []  # rows in the order of their blocks, but for ``_new`` ones
        self._new: set[int] = set()
        self._details = Details()

    def copy(self) -> Self:
        """The same rows of the same blocks."""
        other = super().copy()
        for name, part in vars(self).items():
            if name not in vars(other):
                setattr(other, name, copy(part))
        return other

    def __len__(self) -> int:
        """Number of blocks."""
        return len(self._rows)

    def __contains__(self, key: Key) -> bool:
        return key in self._rows

    def of(self, key: Key) -> int:
        """The row of a block; KeyError when there is none."""
        return self._rows[key]

    def block(self, row: int) -> Block:
        """The block of a row that has one."""
        block = self._blocks[row]
        assert block is not None
        return block

    def blocks(self, rows: Iterable[int]) -> list[Block]:
        """The blocks of such rows."""
        return list(map(self._blocks.__getitem__, rows))  # type: ignore[return-value]

    def ordered(self) -> list[int]:
        """The rows of all blocks in their (node, cell) order."""
        if self._new or len(self._sorted) != len(self._rows):
            old = [row for row in self._sorted if self._blocks[row] is not None and row not in self._new]
            self._sorted = sorted([*old, *self._new], key=self._order.__getitem__)
            self._new = set()
            self.rank[self._sorted] = np.arange(len(self._sorted))
        return self._sorted

    def in_order(self, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Some rows in the (node, cell) order of their blocks."""
        self.ordered()
        return loops().in_order(rows, self)

    def in_detail(
        self, rows: NDArray[np.intp], frames: CellFrames, gaze: Gaze
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]:
        """Of some rows' blocks those that are in memory and far larger than the view: their numbers; and their surfels
        that may show, as places among these and rows in blocks."""
        slots = self.slot[rows]
        large = np.flatnonzero(frames.edges(slots) > FINE_EDGE_PX)
        if not len(large):
            return large, large, large
        origins, edges = frames.of(slots[large])
        boxes = boxes_in_pixels(origins, edges, self.box[rows[large]])
        # At the pivot's depth; the sky is farther.
        deep = edges > FINE_EDGE_PX * np.maximum(1.0, gaze.frustum.depths(*boxes, radial=False)[0])
        own = [(row, self.block(row)) for row in rows[large].tolist()]
        here = np.array([block.in_memory for _, block in own], np.bool_) & deep
        large, blocks = large[here], [each for each, yes in zip(own, here.tolist(), strict=True) if yes]
        return large, *loops().surfels(self._details.of(blocks), (origins[here], edges[here]), gaze)

    # ---- changes --------------------------------------------------------------------------------
    def put(self, block: Block, box: F64, slot: int) -> int:
        """A row for a block that has none yet."""
        if self._free:
            row = self._free.pop()
        else:
            row = len(self._blocks)
            self._blocks.append(None)
            self._order.append(())
            if self.make_room(row):
                grown = np.full((len(self.all), self._drawn.shape[1]), None, np.object_)
                grown[:row] = self._drawn
                self._drawn = grown
        self._rows[block.key] = row
        self._new.add(row)
        self._order[row] = (block.node, block.cell.level, *block.cell.index)
        self.slot[row], self.box[row] = slot, box
        self.native[row] = native_interval(block.cell, block.columns)
        self.surfels[row], self.levels[row] = block.count, level_count(block)
        return self.rebound(block)

    def rebound(self, block: Block) -> int:
        """The same block with other bounds columns; its row."""
        row = self._rows[block.key]
        self._blocks[row] = block
        self._details.drop(row)
        self.interval[row] = bounds_interval(block.cell, block.limits)
        self.sizes[row], self.made[row] = 0, 0
        self._drawn[row], self._drawn[row, 0] = None, block
        return row

    def chain(self, rows: list[int]) -> int:
        """Let each row of one cell know the next; the first, or -1 where there is none."""
        first = -1
        for row in reversed(rows):
            self.after[row], first = first, row
        return first

    def have(self, rows: NDArray[np.intp], levels: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether the pyramids of some rows are made up to a level each."""
        there = self.made[rows] >= levels
        if not there.all():  # perhaps they are by now
            for row in rows[~there].tolist():
                self._note(row)
            there = self.made[rows] >= levels
        return there

    def _note(self, row: int) -> None:
        """What is made of a row's pyramid by now."""
        levels = self.block(row).mips[: self.levels[row]]
        lacking = len(levels) + 1 - self._drawn.shape[1]
        if lacking > 0:
            more = np.full((len(self._drawn), lacking), None, np.object_)
            self._drawn = np.concatenate([self._drawn, more], 1)
        for number, level in enumerate(levels, 1):
            self._drawn[row, number] = level
        self.made[row] = len(levels)

    def drawn(self, rows: NDArray[np.intp], levels: NDArray[np.int64]) -> tuple[Block, ...]:
        """A level of each of some rows' pyramids, which are made that far as ``have`` says."""
        return tuple(self._drawn.take(rows * self._drawn.shape[1] + levels).tolist())

    def measure(self, rows: Iterable[int]) -> None:
        """Note the sizes of pyramids that are made to their ends."""
        for row in rows:
            block = self.block(row)
            sizes = [each.count for each in (block, *block.mips)]
            self.sizes[row, : len(sizes)] = sizes

    def drop(self, key: Key) -> None:
        """Give a row up."""
        row = self._rows.pop(key)
        self._blocks[row] = None
        self._drawn[row] = None
        self._new.discard(row)
        self._details.drop(row)
        self._free.append(row)
