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

from wonderzoom.scene_graph.admission import limits_are_sound
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.coverage_loops import F32, F64, I16, POINTS, Lens, Mask, Rows, loops
from wonderzoom.scene_graph.footprints import Batch, Seen, bounded
from wonderzoom.scene_graph.joining import Joined, runs
from wonderzoom.scene_graph.scale_node import ViewLost
from wonderzoom.scene_graph.scales import LN_SQRT2, NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import Block, Bounds
from wonderzoom.scene_graph.view_index import LiveView, ViewIndex

# Blocks by number, with the rows that a view may reach; None: any.
Reached = Mapping[int, Rows | None]


# ---- what the world asks ----------------------------------------------------------------------------
def compute_bounds(blocks: Sequence[Block], views: ViewIndex) -> list[Bounds]:
    """The bounds of some blocks' surfels: a pure function of the live views."""
    places = [block.key for block in blocks]
    return bounds_in_runs(places, Joined.in_runs([block.surfels for block in blocks]), views)


def bounds_in_runs(
    places: Sequence[tuple[str, Cell]], joined: Sequence[Joined], views: ViewIndex, revision: int = 0
) -> list[Bounds]:
    """``compute_bounds`` of blocks, of which we know node and cell, whose surfels come a run after the other."""
    found: list[Bounds] = []
    for run in joined:
        with np.errstate(over="ignore", invalid="ignore"):
            batch = Batch.of(places[len(found) : len(found) + len(run.parts)], run)
            every = np.arange(len(run.parts)), run.boxes()
            limits = _bounds_of(batch, every, views).limits(batch)
        all_bounds = limits.bounds(
            range(len(run.parts)),
            [slice(a, a + n) for a, n in zip(run.starts.tolist(), run.counts, strict=True)],
            revision,
        )
        limits.tell(run, all_bounds)
        found += all_bounds
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
    for some in runs(counts):
        with np.errstate(over="ignore", invalid="ignore"):
            batch = Batch.of_rows(blocks[some.start : some.stop], wanted[some.start : some.stop])
            meets = np.zeros(len(batch), np.bool_)
            for live, reached in changed:
                inside = np.array([i - some.start for i in some if i in reached], np.intp)
                if len(inside):
                    meets[_may_bound(batch, inside, live, views.radial)] = True
            at = np.flatnonzero(meets)
            if not len(at):
                continue
            part = batch.take(at)
            limits = _bounds_of(part, part.boxes(), views).limits(part)
        first = np.searchsorted(batch.balls.of_block, np.arange(len(batch.cells)))
        numbers, rows = zip(*part.parts(), strict=True)
        for number, here, new in zip(numbers, rows, limits.bounds(numbers, rows), strict=True):
            block, among = blocks[some.start + number], wanted[some.start + number]
            local = at[here] - first[number]
            bounds = _merged(block.bounds, local if among is None else among[local], new)
            if not bounds.same_as(block.bounds):
                yield block, bounds


def _may_bound(batch: Batch, blocks: Rows, live: LiveView, radial: bool) -> Rows:
    """The rows of some blocks that a view that came or went may bound; where it is lost it went, and all may be."""
    try:
        return bounded(batch, blocks, live.view, radial)
    except ViewLost:
        return np.flatnonzero(np.isin(batch.balls.of_block, blocks))


def _united(some: Sequence[Rows | None]) -> Rows | None:
    """The rows that any of several selections names; None stands for all."""
    if len(some) == 1:
        return some[0]
    rows = [each for each in some if each is not None]
    return None if len(rows) < len(some) else np.unique(np.concatenate(rows))


@dataclass(frozen=True, slots=True)
class _Found:
    """Bounds while they are worked out."""

    parent: F64  # [N] ln root edges per pixel
    child: F64  # [N]
    parent_owner: Rows  # [N] index into ``names``, -1 for none
    child_owner: Rows  # [N]
    names: list[str]  # sorted

    def limits(self, batch: Batch) -> _Limits:
        """The same as the batch's blocks hold them."""
        parent, child, parents, children, used = loops().limits(
            batch.balls.of_block,
            batch.ln_edge,
            (self.parent, self.child),
            (self.parent_owner, self.child_owner),
            len(self.names),
        )
        return _Limits(parent, child, parents, children, used, self.names)


@dataclass(frozen=True, slots=True)
class _Limits:
    """Bounds of the rows of a batch, relative to the edges of its blocks' cells."""

    parent: F32  # [N]
    child: F32  # [N]
    parent_owner: I16  # [N] which of the names that its block uses, -1 for none
    child_owner: I16  # [N]
    used: Mask  # [B, names]
    names: list[str]

    def bounds(self, blocks: Sequence[int], rows: Sequence[slice], revision: int = 0) -> list[Bounds]:
        """Those of some blocks, which have these rows."""
        return [
            Bounds(
                self.parent[each],
                self.child[each],
                self.parent_owner[each],
                self.child_owner[each],
                tuple(name for name, used in zip(self.names, self.used[block].tolist(), strict=True) if used),
                revision,
            )
            for block, each in zip(blocks, rows, strict=True)
        ]

    def tell(self, run: Joined, all_bounds: Sequence[Bounds]) -> None:
        """Leave with the bounds of a whole run what is worked out quicker for all of them: intervals, and that they are
        sound beside their surfels."""
        sound = limits_are_sound(run.whole, self.parent, self.child, self.parent_owner, self.child_owner)
        spans = [
            find.reduceat(column, run.starts).tolist()
            for column in (self.parent, self.child)
            for find in (np.minimum, np.maximum)
        ]
        for part, bounds, a, b, c, d in zip(run.parts, all_bounds, *spans, strict=True):
            object.__setattr__(bounds, "known", ((a, b), (c, d)))
            if sound:
                object.__setattr__(bounds, "known_beside", part)


def _with_owners(
    parent: F32,
    child: F32,
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
def _bounds_of(batch: Batch, reached: tuple[Rows, F64], views: ViewIndex) -> _Found:
    """The bounds of a batch; ``reached`` are the blocks that have rows, and boxes over their footprints."""
    blocks, boxes = reached
    nearby = views.near([batch.cells[i] for i in blocks.tolist()], boxes, (batch.table, blocks))
    parents = {node: views.parent(node) for node in set(batch.nodes)}
    names = sorted({live.node for live in nearby.views} | {name for name in parents.values() if name})
    number = {name: i for i, name in enumerate(names)}

    parent, parent_owner = np.full(len(batch), NO_PARENT), np.full(len(batch), -1, np.intp)
    some_stand = bool(batch.structure.any())
    finer: list[tuple[Seen, int]] = []
    # Finest views first: once a surfel has a parent, only views that may be finer than that are looked at, so
    # that a chain of a hundred zooms costs about as much as one of three.
    for each, live in enumerate(nearby.views):
        farthest = np.where(batch.structure, batch.balls.native, parent) if some_stand else parent
        if farthest.max() < nearby.least[each]:
            break
        touched, lowest, highest = nearby.touched(each)
        # Of blocks that it is everywhere as fine as, within sqrt 2, a view bounds nothing: mostly those that it made.
        native = batch.native[blocks[touched]]
        other = (highest > native[:, 0] + LN_SQRT2) | (lowest < native[:, 1] - LN_SQRT2)
        touched, lowest = touched[other], lowest[other]
        if not len(touched):
            continue
        frames = batch.frames(live.view, blocks[touched], lowest)
        # Ties go to the first node in the index's order, whatever the order here.
        lens, place = Lens.of(live.view, views.radial), number[live.node]
        seen = Seen.settled(batch, frames, lens, place, parent, parent_owner)
        if len(seen.rows):
            finer.append((seen, place))

    # What nothing coarser covers takes its parent node's main view; -1: a root's, which has none.
    alone = np.flatnonzero(np.isinf(parent))
    above = np.array([-1 if (name := parents[node]) is None else number[name] for node in batch.nodes])
    above = above[batch.balls.of_block[alone]]
    for owner in np.unique(above[above >= 0]).tolist():
        rows, view = alone[above == owner], views.main(names[owner])
        frames = batch.frames(view, np.unique(batch.balls.of_block[rows]), 0.0)
        spots = loops().look(Lens.of(view, views.radial), batch.balls, frames, rows)
        parent[rows] = np.maximum(spots.scale, spots.native + LN_SQRT2)
        parent_owner[rows] = owner
    if some_stand:
        parent[batch.structure], parent_owner[batch.structure] = NO_PARENT, -1
    child, child_owner = _children(batch, finer)
    return _Found(parent, child, parent_owner, child_owner, names)


def _children(batch: Batch, finer: list[tuple[Seen, int]]) -> tuple[F64, Rows]:
    """Child bounds and their owners, from the views that are finer somewhere."""
    child, owner = np.full(len(batch), NO_CHILD), np.full(len(batch), -1, np.intp)
    if len(finer) == 1:  # nearly always
        seen, number = finer[0]
        rows, scale = seen.whole()
        child[rows], owner[rows] = scale, number
        return child, owner
    hit = np.zeros(len(batch), np.bool_)
    for seen, _ in finer:
        hit[seen.rows[seen.centre]] = True
    at = np.flatnonzero(hit)  # the centre is a point of the footprint: without it there is no child
    if not len(at):
        return child, owner
    place = np.full(len(batch), -1, np.intp)
    place[at] = np.arange(len(at))
    nearest = np.full((len(at), POINTS), NO_CHILD)  # at each point the nearest finer covering view
    whose = np.full((len(at), POINTS), -1, np.intp)
    spread = batch.spread(at)
    for seen, number in finer:
        seen.fold(place[seen.rows], spread, number, nearest, whose)
    # The finest of the points; -inf, no child, where a point has none.
    finest = nearest.argmin(1)
    each = np.arange(len(at))
    child[at] = nearest[each, finest]
    owner[at] = whose[each, finest]
    return child, owner
