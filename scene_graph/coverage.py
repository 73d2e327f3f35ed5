"""Who stands for whom: the parent and child bounds of surfels, from the live views alone.

Bounds are a pure function of the set of live views (scale_semantics, section 5), never of the order in which
they came: otherwise 10x then 4x sums to 1.6, and undoing one of two siblings leaves 2.0. A row's bounds
do not depend on the other rows of its block either, so that an insertion works out only the rows that it
can have changed, and gets the same bits as working out everything.

Rules, for a surfel at p of native log-scale x:

* A view *covers* a point that projects inside its mask at or in front of its registered depth, within
  ``3 sigma + 2`` pixels of the view.
* *Child*: at each of 17 points of the 3-sigma footprint the nearest finer covering view; none if any
  point has none; else the finest of them (on a seam the coarse surfel leaves last). Points on the rim
  alone miss a hole in a mask that is smaller than a coarse surfel: such a hole lost up to 0.17 of its
  opacity, with a second ring half-way out it loses 0.01.
* *Parent*: the nearest coarser covering view; a surfel that nothing coarser covers takes its parent node's
  main view, at least ln sqrt 2 coarser. The root's have none then. New structures never have one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.coverage_loops import POINTS, Mask, loops
from wonderzoom.scene_graph.footprints import Batch, Seen
from wonderzoom.scene_graph.scale_node import ViewLost
from wonderzoom.scene_graph.scales import LN_SQRT2, NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import Block, Bounds
from wonderzoom.scene_graph.view_index import LiveView, ViewIndex

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]
# Blocks by number, with the rows that a view may reach; None: any.
Reached = Mapping[int, Rows | None]


# ---- what the world asks ----------------------------------------------------------------------------
def compute_bounds(blocks: Sequence[Block], views: ViewIndex) -> list[Bounds]:
    """The bounds of some blocks' surfels: a pure function of the live views."""
    found: list[Bounds] = []
    for some in _batches([block.count for block in blocks]):
        with np.errstate(over="ignore", invalid="ignore"):
            batch = Batch.of([blocks[i] for i in some])
            all_bounds = _bounds_of(batch, views)
        found += [all_bounds.of(rows, batch.cells[number]) for number, rows in batch.parts()]
    return found


def update_bounds(
    blocks: Sequence[Block], changed: Sequence[tuple[LiveView, Reached]], views: ViewIndex
) -> Iterator[tuple[Block, Bounds]]:
    """The blocks whose bounds differ once ``changed`` views have come or gone, in the order given.

    Each changed view comes with the blocks that it may touch, and which of their rows. Only rows of which it covers
    a point are worked out: the others keep their bounds.
    """
    wanted = [_united([reached[i] for _, reached in changed if i in reached]) for i in range(len(blocks))]
    counts = [block.count if rows is None else len(rows) for block, rows in zip(blocks, wanted, strict=True)]
    for some in _batches(counts):
        with np.errstate(over="ignore", invalid="ignore"):
            batch = Batch.of(blocks[some.start : some.stop], wanted[some.start : some.stop])
            meets = np.zeros(len(batch.native), np.bool_)
            for live, reached in changed:
                inside = np.array([i - some.start for i in some if i in reached], np.intp)
                if len(inside):
                    meets[_may_bound(batch, batch.rows_of(inside), live, views.radial)] = True
            at = np.flatnonzero(meets)
            if not len(at):
                continue
            part = batch.take(at)
            found = _bounds_of(part, views)
        first = np.searchsorted(batch.of_block, np.arange(len(batch.cells)))
        for number, rows in part.parts():
            block, among = blocks[some.start + number], wanted[some.start + number]
            local = at[rows] - first[number]
            bounds = _merged(
                block.bounds, local if among is None else among[local], found.of(rows, block.cell)
            )
            if not bounds.same_as(block.bounds):
                yield block, bounds


def _may_bound(batch: Batch, rows: Rows, live: LiveView, radial: bool) -> Rows:
    """Which of some rows a view that came or went may bound; where it is lost it went, and any may be."""
    try:
        seen = Seen.of(batch, rows, live.view, radial)
    except ViewLost:
        return rows
    return seen.rows[seen.bounded()]


def _united(some: Sequence[Rows | None]) -> Rows | None:
    """The rows that any of several selections names; None stands for all."""
    if len(some) == 1:
        return some[0]
    rows = [each for each in some if each is not None]
    return None if len(rows) < len(some) else np.unique(np.concatenate(rows))


def _batches(counts: Sequence[int]) -> Iterator[range]:
    """Runs of parts of about as many rows as the loops work on together."""
    start, rows, most = 0, 0, loops().batch_rows
    for number, count in enumerate(counts):
        rows += count
        if rows >= most or number == len(counts) - 1:
            yield range(start, number + 1)
            start, rows = number + 1, 0


@dataclass(frozen=True, slots=True)
class _Found:
    """Bounds while they are worked out."""

    parent: F64  # [N] ln root edges per pixel
    child: F64  # [N]
    child_owner: Rows  # [N] index into ``names``, -1 for none
    parent_owner: Rows  # [N]
    names: list[str]  # sorted

    def of(self, rows: slice, cell: Cell) -> Bounds:
        """Some rows, which lie in one cell, with the owners that they name."""
        parent = (self.parent[rows] - cell.ln_edge).astype(np.float32)
        child = (self.child[rows] - cell.ln_edge).astype(np.float32)
        return _with_owners(parent, child, self.parent_owner[rows], self.child_owner[rows], self.names)


def _with_owners(
    parent: NDArray[np.float32],
    child: NDArray[np.float32],
    parent_owner: Rows,
    child_owner: Rows,
    names: list[str],
) -> Bounds:
    """Bounds with a table of the names that are used only; owners are indices into ``names``, sorted."""
    used = np.zeros(len(names) + 1, np.bool_)  # -1 finds the last entry
    used[parent_owner] = used[child_owner] = True
    used[-1] = False
    lookup = np.where(used, np.cumsum(used) - 1, -1).astype(np.int16)
    owners = tuple(names[i] for i in np.flatnonzero(used).tolist())
    return Bounds(parent, child, lookup[parent_owner], lookup[child_owner], owners)


def _merged(old: Bounds, at: Rows, part: Bounds) -> Bounds:
    """``old`` with the rows ``at`` from ``part``."""
    names = sorted({*old.owners, *part.owners})
    number = {name: i for i, name in enumerate(names)}
    old_lookup = np.array([*(number[name] for name in old.owners), -1], np.intp)
    part_lookup = np.array([*(number[name] for name in part.owners), -1], np.intp)
    parent, child = old.parent.copy(), old.child.copy()
    parent_owner, child_owner = old_lookup[old.parent_owner], old_lookup[old.child_owner]
    parent[at], child[at] = part.parent, part.child
    parent_owner[at], child_owner[at] = part_lookup[part.parent_owner], part_lookup[part.child_owner]
    return _with_owners(parent, child, parent_owner, child_owner, names)


# ---- the rules --------------------------------------------------------------------------------------
def _bounds_of(batch: Batch, views: ViewIndex) -> _Found:
    blocks, boxes = batch.boxes()
    nearby = views.near([batch.cells[i] for i in blocks.tolist()], boxes, (batch.table, blocks))
    parents = {node: views.parent(node) for node in set(batch.nodes)}
    names = sorted({live.node for live in nearby.views} | {name for name in parents.values() if name})
    number = {name: i for i, name in enumerate(names)}

    count = len(batch.native)
    parent, parent_owner = np.full(count, NO_PARENT), np.full(count, -1, np.intp)
    finer: list[tuple[Seen, int, Mask]] = []
    # Finest views first: once a surfel has a parent, only views that may be finer than that are looked at, so
    # that a chain of a hundred zooms costs about as much as one of three.
    for each, live in enumerate(nearby.views):
        if np.where(batch.structure, batch.native, parent).max() < nearby.least[each]:
            break
        touched, lowest = nearby.touched(each)
        if not len(touched):
            continue
        least = np.full(len(batch.cells), np.inf)
        least[blocks[touched]] = lowest
        lower = least[batch.of_block]
        rows = np.flatnonzero((parent >= lower) | (lower - LN_SQRT2 <= batch.native))
        if not len(rows):
            continue
        seen = Seen.of(batch, rows, live.view, views.radial)
        # Ties go to the first node in the index's order, whatever the order here.
        fine, centre = seen.settle(number[live.node], parent, parent_owner)
        if len(fine.rows):
            finer.append((fine, number[live.node], centre))

    # What nothing coarser covers takes its parent node's main view; -1: a root's, which has none.
    above = np.array([-1 if (name := parents[node]) is None else number[name] for node in batch.nodes])
    above = np.where(np.isinf(parent), above[batch.of_block], -1)
    for owner in np.unique(above[above >= 0]).tolist():
        rows = np.flatnonzero(above == owner)
        seen = Seen.of(batch, rows, views.main(names[owner]), views.radial)
        parent[rows] = np.maximum(seen.spots.scale, batch.native[rows] + LN_SQRT2)
        parent_owner[rows] = owner
    parent[batch.structure], parent_owner[batch.structure] = NO_PARENT, -1
    return _Found(parent, *_children(batch, finer), parent_owner, names)


def _children(batch: Batch, finer: list[tuple[Seen, int, Mask]]) -> tuple[F64, Rows]:
    """Child bounds and their owners, from the views that are finer somewhere and the centres they cover."""
    count = len(batch.native)
    child, owner = np.full(count, NO_CHILD), np.full(count, -1, np.intp)
    hit = np.zeros(count, np.bool_)
    for seen, _, centre in finer:
        hit[seen.rows[centre]] = True
    at = np.flatnonzero(hit)  # the centre is a point of the footprint: without it there is no child
    if not len(at):
        return child, owner
    place = np.full(count, -1, np.intp)
    place[at] = np.arange(len(at))
    nearest = np.full((len(at), POINTS), NO_CHILD)  # at each point the nearest finer covering view
    whose = np.full((len(at), POINTS), -1, np.intp)
    spread = batch.spread(at)
    for seen, number, centre in finer:
        seen.fold(centre, place[seen.rows], spread, number, nearest, whose)
    # The finest of the points; -inf, no child, where a point has none.
    finest = nearest.argmin(1)
    each = np.arange(len(at))
    child[at] = nearest[each, finest]
    owner[at] = whose[each, finest]
    return child, owner
