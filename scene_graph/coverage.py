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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, quat_to_matrix
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.extent import REACH
from wonderzoom.scene_graph.frustum import CellTable, Frustum, boxes_in_pixels
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.scales import LN_SQRT2, NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import STRUCTURE, Block, Bounds
from wonderzoom.scene_graph.view_index import LiveView, ViewIndex

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

# How far behind the registered depth still counts as on it, in pixels of the view there: the depth of a
# pixel is that of its centre, and a neighbour's may differ.
DEPTH_SLACK = 2.0
# The points of a footprint beside its centre: on the rim, and half-way between them at half the radius.
RIM = 8
_TURNS = 2.0 * np.pi * np.arange(RIM) / RIM
_BETWEEN = _TURNS + np.pi / RIM
_ALONG = np.concatenate([np.cos(_TURNS), 0.5 * np.cos(_BETWEEN)])
_ACROSS = np.concatenate([np.sin(_TURNS), 0.5 * np.sin(_BETWEEN)])
POINTS = 1 + 2 * RIM
# Blocks are worked on together up to this many rows: their columns fit a core's cache, and the cost of a
# call is spread over them (three times faster than block by block).
BATCH_ROWS = 1 << 14
_ROUNDING = 1e-9  # of ln s: bounds of boxes are worked out in another order than those of points


@dataclass(frozen=True, slots=True)
class _Batch:
    """Surfels of several blocks, ready to be projected: cell edges, float64, a row of memory a coordinate."""

    cells: list[Cell]
    nodes: list[str]
    table: CellTable  # row b: the cell of block b
    of_block: Rows  # [N] index into ``cells``, ascending
    means: F64  # [3, N]
    quats: NDArray[np.float32]  # [N, 4]
    log_scales: NDArray[np.float32]  # [N, 2]
    reach: F64  # [N] REACH standard deviations along the longer axis
    native: F64  # [N] x, ln root edges per pixel
    structure: Mask  # [N]

    @staticmethod
    def of(blocks: Sequence[Block]) -> _Batch:
        table = CellTable()
        for number, block in enumerate(blocks):
            table.put(number, block.cell)
        of_block = np.repeat(np.arange(len(blocks)), [block.count for block in blocks])
        ln_edges = np.array([block.cell.ln_edge for block in blocks])
        surfels = [block.surfels for block in blocks]
        log_scales = np.concatenate([each.log_scales for each in surfels])
        longer = np.maximum(log_scales[:, 0], log_scales[:, 1]).astype(np.float64)
        return _Batch(
            [block.cell for block in blocks],
            [block.node for block in blocks],
            table,
            of_block,
            np.ascontiguousarray(np.concatenate([each.means for each in surfels]).T, np.float64),
            np.concatenate([each.quats for each in surfels]),
            log_scales,
            REACH * np.exp(longer),
            np.concatenate([each.native for each in surfels]).astype(np.float64) + ln_edges[of_block],
            np.concatenate([each.kind for each in surfels]) == STRUCTURE,
        )

    def take(self, rows: Rows) -> _Batch:
        """Some rows, of the same blocks."""
        return _Batch(
            self.cells,
            self.nodes,
            self.table,
            self.of_block[rows],
            self.means[:, rows],
            self.quats[rows],
            self.log_scales[rows],
            self.reach[rows],
            self.native[rows],
            self.structure[rows],
        )

    def rows_of(self, blocks: Rows) -> Rows:
        """The rows of some blocks, ascending."""
        wanted = np.zeros(len(self.cells), np.bool_)
        wanted[blocks] = True
        return np.flatnonzero(wanted[self.of_block])

    def parts(self) -> list[tuple[int, slice]]:
        """The blocks that have rows, and which."""
        starts = [*np.flatnonzero(np.diff(self.of_block, prepend=-1)).tolist(), len(self.of_block)]
        return [(int(self.of_block[a]), slice(a, b)) for a, b in pairwise(starts)]

    def boxes(self) -> tuple[Rows, F64]:
        """The blocks that have rows, and a box [B, 2, 3] over their footprints, in cell edges."""
        starts = np.flatnonzero(np.diff(self.of_block, prepend=-1))
        low = np.minimum.reduceat(self.means - self.reach, starts, 1)
        high = np.maximum.reduceat(self.means + self.reach, starts, 1)
        return self.of_block[starts], np.stack([low.T, high.T], 1)


@dataclass(frozen=True, slots=True)
class _Seen:
    """Some rows of a batch seen from one view: where they are in it and which it covers."""

    batch: _Batch
    view: View
    rows: Rows  # [n] of the batch, ascending
    edges: F64  # [n] edge of the row's cell, pixels at the view's pivot
    points: F64  # [3, n] view coordinates
    reach: F64  # [n] 3 sigma / s_v
    scale: F64  # [n] ln s of this view at p
    coarser: Mask  # [n] this view is coarser than the surfel, by more than sqrt 2
    finer: Mask  # [n] it is finer

    @staticmethod
    def of(batch: _Batch, rows: Rows, view: View, radial: bool) -> _Seen:
        middle, edge = batch.table.seen_from(view.camera).of(np.arange(len(batch.cells)))
        some = batch if len(rows) == len(batch.native) else batch.take(rows)
        edges = edge[some.of_block]
        points = _turned(view.camera.rotation, some.means * edges + middle.T[:, some.of_block])
        scale = view.camera.ln_scale_at(points.T, radial)
        coarser = scale > some.native + LN_SQRT2
        finer = np.isfinite(scale) & (scale < some.native - LN_SQRT2)
        return _Seen(batch, view, rows, edges, points, some.reach * edges, scale, coarser, finer)

    def take(self, which: Rows) -> _Seen:
        """Some of the rows."""
        return _Seen(
            self.batch,
            self.view,
            self.rows[which],
            self.edges[which],
            self.points[:, which],
            self.reach[which],
            self.scale[which],
            self.coarser[which],
            self.finer[which],
        )

    def meets(self) -> Rows:
        """Which rows this view may bound: it meets their footprint, at another scale; a superset."""
        other = np.flatnonzero(self.coarser | self.finer)
        if not len(other):
            return other
        frustum = Frustum.of(self.view.camera, in_view=True)
        halves = np.broadcast_to(self.reach[other, None], (len(other), 3))
        return other[frustum.touches(self.points[:, other].T, halves)]

    def centres(self) -> Mask:
        """[n] which centres are covered."""
        return self._covered(self.points, self.reach)

    def rings(self, which: Rows) -> Mask:
        """[len(which), 2 RIM] which other points of the footprints of some rows are covered."""
        rows, rotation = self.rows[which], self.view.camera.rotation
        axes = quat_to_matrix(self.batch.quats[rows])
        half = REACH * np.exp(self.batch.log_scales[rows].astype(np.float64)) * self.edges[which, None]
        first, second = (_turned(rotation, (half[:, k, None] * axes[:, :, k]).T) for k in range(2))
        offsets = first[:, :, None] * _ALONG + second[:, :, None] * _ACROSS
        return self._covered(self.points[:, which, None] + offsets, self.reach[which, None])

    def _covered(self, points: F64, reach: F64) -> Mask:
        view, camera = self.view, self.view.camera
        height, width = view.mask.shape
        ax, ay = camera.aspect
        x, y, z = points
        w = 1.0 + z * camera.inverse_f
        ahead = w > NEAR
        safe = np.where(ahead, w, 1.0)
        u = ax * x / safe + camera.cx
        v = ay * y / safe + camera.cy
        covered = ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        at = np.nonzero(covered)
        pixel = v[at].astype(np.intp) * width + u[at].astype(np.intp)
        limit = view.zeta.ravel()[pixel] + np.broadcast_to(reach, w.shape)[at] + DEPTH_SLACK * w[at]
        covered[at] = view.mask.ravel()[pixel] & (z[at] <= limit)
        return covered


def _turned(matrix: F64, vectors: F64) -> F64:
    """``matrix @ vectors`` [3, n], spelled out: BLAS rounds by the shape of the batch."""
    x, y, z = vectors
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in matrix])


# ---- what the world asks ----------------------------------------------------------------------------
def compute_bounds(blocks: Sequence[Block], views: ViewIndex) -> list[Bounds]:
    """The bounds of some blocks' surfels: a pure function of the live views."""
    found: list[Bounds] = []
    for some in _batches(blocks):
        with np.errstate(over="ignore", invalid="ignore"):
            batch = _Batch.of([blocks[i] for i in some])
            all_bounds = _bounds_of(batch, views)
        found += [all_bounds.of(rows, batch.cells[number]) for number, rows in batch.parts()]
    return found


def update_bounds(
    blocks: Sequence[Block], changed: Sequence[tuple[LiveView, Rows]], views: ViewIndex
) -> Iterator[tuple[Block, Bounds]]:
    """The blocks whose bounds differ once ``changed`` views have come or gone, in the order given.

    Each changed view comes with the blocks that it may touch. Only rows whose footprint may meet one of
    them are worked out: the others keep their bounds.
    """
    for some in _batches(blocks):
        with np.errstate(over="ignore", invalid="ignore"):
            batch = _Batch.of([blocks[i] for i in some])
            meets = np.zeros(len(batch.native), np.bool_)
            for live, touched in changed:
                inside = touched[(touched >= some.start) & (touched < some.stop)] - some.start
                if len(inside):
                    seen = _Seen.of(batch, batch.rows_of(inside), live.view, views.radial)
                    meets[seen.rows[seen.meets()]] = True
            at = np.flatnonzero(meets)
            if not len(at):
                continue
            part = batch.take(at)
            found = _bounds_of(part, views)
        first = np.searchsorted(batch.of_block, np.arange(len(batch.cells)))
        for number, rows in part.parts():
            block = blocks[some.start + number]
            bounds = _merged(block.bounds, at[rows] - first[number], found.of(rows, block.cell))
            if not bounds.same_as(block.bounds):
                yield block, bounds


def _batches(blocks: Sequence[Block]) -> Iterator[range]:
    """Runs of blocks of about BATCH_ROWS rows."""
    start = rows = 0
    for number, block in enumerate(blocks):
        rows += block.count
        if rows >= BATCH_ROWS or number == len(blocks) - 1:
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
def _bounds_of(batch: _Batch, views: ViewIndex) -> _Found:
    blocks, boxes = batch.boxes()
    candidates = views.touching([batch.cells[i] for i in blocks.tolist()], boxes)
    parents = {node: views.parent(node) for node in set(batch.nodes)}
    names = sorted({live.node for live, _ in candidates} | {name for name in parents.values() if name})
    number = {name: i for i, name in enumerate(names)}

    count = len(batch.native)
    parent, parent_owner = np.full(count, NO_PARENT), np.full(count, -1, np.intp)
    finer: list[tuple[_Seen, int, Mask]] = []
    # Finest views first: once a surfel has a parent, only views that may be finer than that are looked at, so
    # that a chain of a hundred zooms costs about as much as one of three.
    for live, touched in sorted(candidates, key=lambda pair: pair[0].camera.ln_scale):
        rows = batch.rows_of(blocks[touched])
        least = np.full(len(batch.cells), -np.inf)
        least[blocks[touched]] = _least_scale(batch, blocks[touched], boxes[touched], live.view, views.radial)
        lower = least[batch.of_block[rows]]
        rows = rows[(parent[rows] >= lower) | (lower - LN_SQRT2 <= batch.native[rows])]
        if not len(rows):
            continue
        seen = _Seen.of(batch, rows, live.view, views.radial)
        meets = seen.meets()
        if not len(meets):
            continue
        seen = seen.take(meets)
        centre = seen.centres()
        known, owner = parent[seen.rows], parent_owner[seen.rows]
        # Ties go to the first node in the index's order, whatever the order here.
        first = (seen.scale == known) & (number[live.node] < owner)
        nearer = seen.coarser & centre & ((seen.scale < known) | first)
        parent[seen.rows[nearer]] = seen.scale[nearer]
        parent_owner[seen.rows[nearer]] = number[live.node]
        at = np.flatnonzero(seen.finer)
        if len(at):
            finer.append((seen.take(at), number[live.node], centre[at]))

    # What nothing coarser covers takes its parent node's main view; -1: a root's, which has none.
    above = np.array([-1 if (name := parents[node]) is None else number[name] for node in batch.nodes])
    above = np.where(np.isinf(parent), above[batch.of_block], -1)
    for owner in np.unique(above[above >= 0]).tolist():
        rows = np.flatnonzero(above == owner)
        seen = _Seen.of(batch, rows, views.main(names[owner]), views.radial)
        parent[rows] = np.maximum(seen.scale, batch.native[rows] + LN_SQRT2)
        parent_owner[rows] = owner
    parent[batch.structure], parent_owner[batch.structure] = NO_PARENT, -1
    return _Found(parent, *_children(count, finer), parent_owner, names)


def _least_scale(batch: _Batch, blocks: Rows, boxes: F64, view: View, radial: bool) -> F64:
    """A lower bound of ln s of a view over the boxes [B, 2, 3] of some blocks: [B]."""
    camera = view.camera
    middle, halves = boxes_in_pixels(*batch.table.seen_from(camera).of(blocks), boxes)
    least, _ = Frustum.of(camera).depths(middle, halves, radial)
    return camera.ln_scale + np.log(least) - _ROUNDING


def _children(count: int, finer: list[tuple[_Seen, int, Mask]]) -> tuple[F64, Rows]:
    """Child bounds and their owners, from the views that are finer somewhere and the centres they cover."""
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
    for seen, number, centre in finer:
        which = np.flatnonzero(place[seen.rows] >= 0)
        if not len(which):
            continue
        local = place[seen.rows[which]]
        covered = np.concatenate([centre[which, None], seen.rings(which)], 1)
        better = covered & (seen.scale[which, None] > nearest[local])
        nearest[local] = np.where(better, seen.scale[which, None], nearest[local])
        whose[local] = np.where(better, number, whose[local])
    # The finest of the points; -inf, no child, where a point has none.
    finest = nearest.argmin(1)
    each = np.arange(len(at))
    child[at] = nearest[each, finest]
    owner[at] = whose[each, finest]
    return child, owner
