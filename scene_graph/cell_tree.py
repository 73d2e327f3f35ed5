"""The present cells of an octree and how they hang together: slots, parents, children.

A cell is present when it holds a block, or when it is the smallest cell over two branches that do; chains of single
children do not exist, so that the tree's size follows its content and not its depth. Which cells are present never
depends on the order in which the blocks came.
"""

from __future__ import annotations

from collections.abc import Iterator

from wonderzoom.scene_graph.cells import Cell, common_ancestor, octant
from wonderzoom.scene_graph.columns import CellColumns
from wonderzoom.scene_graph.frustum import CellTable


class CellTree:
    """Cells by slot, with room for what each knows of its subtree. ``_own`` says which rows a slot holds."""

    def __init__(self) -> None:
        self._slots: dict[Cell, int] = {}
        self._cells: list[Cell] = []  # by slot
        self._own: list[list[int]] = []  # by slot: rows of its own blocks, sorted by node
        self._parent: list[int] = []  # by slot; -1 for the root
        self._columns = CellColumns()
        self._free_slots: list[int] = []
        self._table = CellTable()
        self._root = -1

    def _children_of(self, slot: int) -> list[int]:
        return [child for child in self._columns.children[slot].tolist() if child >= 0]

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
            slot = int(self._columns.children[slot, octant(here, cell)])
        return -1

    def _new_slot(self, cell: Cell, dirty: set[int]) -> int:
        if self._free_slots:
            slot = self._free_slots.pop()
            self._cells[slot], self._own[slot], self._parent[slot] = cell, [], -1
            self._columns.children[slot] = -1
        else:
            slot = len(self._cells)
            self._cells.append(cell)
            self._own.append([])
            self._parent.append(-1)
            self._columns.make_room(slot)
            self._columns.children[slot] = -1
        self._columns.counts[slot] = 0
        self._slots[cell] = slot
        self._table.put(slot, cell)
        dirty.add(slot)
        return slot

    def _attach(self, parent: int, child: int) -> None:
        self._parent[child] = parent
        if parent < 0:
            self._root = child
        else:
            self._columns.children[parent, octant(self._cells[parent], self._cells[child])] = child

    def _slot_for(self, cell: Cell, dirty: set[int]) -> int:
        """The slot of ``cell``, made with the branching cell that it needs."""
        slot = self._slots.get(cell)
        if slot is not None:
            return slot
        above, slot = self._nearest_above(cell), -1
        if above < 0:
            slot = self._root
        else:
            slot = int(self._columns.children[above, octant(self._cells[above], cell)])
        while slot >= 0 and self._cells[slot].contains(cell):
            above = slot
            slot = int(self._columns.children[above, octant(self._cells[above], cell)])
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
                self._columns.children[above, octant(self._cells[above], cell)] = -1
            else:
                self._root = -1
            del self._slots[cell]
            self._free_slots.append(slot)
            dirty.discard(slot)
            slot = above
