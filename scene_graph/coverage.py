"""Who stands for whom: the parent and child bounds of surfels, from the live views alone.

Bounds are a pure function of the set of live views (scale_semantics, section 5), never of the order in which
they came: otherwise 10x then 4x sums to 1.6, and undoing one of two siblings leaves 2.0. A row's bounds
do not depend on the other rows of its block either, so that an insertion works out only the rows that it
can have changed, and gets the same bits as working out everything.

Rules, for a surfel at p of native log-scale x:

* A view *covers* a point that projects inside its mask at or in front of its registered depth, within
  ``3 sigma + 2`` pixels of the view.
* *Child*: at each of 9 points of the 3-sigma footprint the nearest finer covering view; none if any
  point has none; else the finest of them (on a seam the coarse surfel leaves last).
* *Parent*: the nearest coarser covering view; a surfel that nothing coarser covers takes its parent node's
  main view, at least ln sqrt 2 coarser. The root's have none then. New structures never have one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, Camera, quat_to_matrix
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.extent import REACH, surfel_box
from wonderzoom.scene_graph.frustum import CellTable, Frustum, boxes_in_pixels
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.scales import LN_SQRT2, NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import STRUCTURE, Block, Bounds, Surfels

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# How far behind the registered depth still counts as on it, in pixels of the view there: the depth of a
# pixel is that of its centre, and a neighbour's may differ.
DEPTH_SLACK = 2.0
# Points on the rim of the footprint; with the centre these are the 9 points of section 5.
RIM = 8
_TURNS = 2.0 * np.pi * np.arange(RIM) / RIM


@dataclass(frozen=True, slots=True)
class LiveView:
    """One view of a live node."""

    node: str
    index: int
    view: View

    @property
    def camera(self) -> Camera:
        return self.view.camera


class ViewIndex:
    """The live views, in (node, index) order, and the family of their nodes. Immutable."""

    def __init__(self, nodes: Iterable[ScaleNode] = (), radial: bool = False) -> None:
        self.radial = radial
        self._nodes = {node.id: node for node in sorted(nodes, key=lambda n: n.id)}
        self.views = tuple(
            LiveView(node.id, i, view) for node in self._nodes.values() for i, view in enumerate(node.views)
        )

    def changed(self, removed: Iterable[str] = (), added: Iterable[ScaleNode] = ()) -> ViewIndex:
        """The index without some nodes and with others."""
        gone = set(removed)
        kept = [node for node in self._nodes.values() if node.id not in gone]
        return ViewIndex([*kept, *added], self.radial)

    def of_nodes(self, nodes: Iterable[str]) -> tuple[LiveView, ...]:
        """The views of some nodes."""
        wanted = set(nodes)
        return tuple(view for view in self.views if view.node in wanted)

    def fallback(self, node: str) -> tuple[str, Camera] | None:
        """The parent node and its main camera, which bound what nothing coarser covers; None for a root."""
        parent = self._nodes[node].parent
        return None if parent is None else (parent, self._nodes[parent].main.camera)

    def touching(self, blocks: Sequence[Block]) -> list[list[LiveView]]:
        """For each block, the views whose frustum touches it."""
        found: list[list[LiveView]] = [[] for _ in blocks]
        if not blocks:
            return found
        table = CellTable()
        rows = np.arange(len(blocks))
        for row, block in enumerate(blocks):
            table.put(row, block.cell)
        boxes = np.stack([surfel_box(block.surfels) for block in blocks])
        for view in self.views:
            middle, halves = boxes_in_pixels(*table.seen_from(view.camera).of(rows), boxes)
            for row in np.flatnonzero(Frustum.of(view.camera).touches(middle, halves)).tolist():
                found[row].append(view)
        return found


@dataclass(frozen=True, slots=True)
class _Rows:
    """Surfels of one block, ready to be projected: cell edges, float64."""

    cell: Cell
    means: F64  # [N, 3]
    axes: F64  # [N, 2, 3] 3-sigma half axes of the footprint
    sigma: F64  # [N] the larger standard deviation
    native: F64  # [N] x, ln root edges per pixel
    structure: Mask  # [N]

    @staticmethod
    def of(cell: Cell, surfels: Surfels) -> _Rows:
        sigma = np.exp(surfels.log_scales.astype(np.float64))
        axes = np.swapaxes(quat_to_matrix(surfels.quats), 1, 2)[:, :2]
        return _Rows(
            cell,
            surfels.means.astype(np.float64),
            REACH * sigma[:, :, None] * axes,
            sigma.max(1),
            surfels.native.astype(np.float64) + cell.ln_edge,
            surfels.kind == STRUCTURE,
        )

    def take(self, rows: NDArray[np.intp]) -> _Rows:
        return _Rows(
            self.cell,
            self.means[rows],
            self.axes[rows],
            self.sigma[rows],
            self.native[rows],
            self.structure[rows],
        )


class _Seen:
    """Rows seen from one view: where they are in it and which it covers."""

    def __init__(self, rows: _Rows, view: View, radial: bool) -> None:
        self.rows = rows
        self.view = view
        frame = view.camera.cell_frame(rows.cell)
        self.matrix = frame.matrix
        self.points = _turned(frame.matrix, rows.means) + frame.origin
        self.reach = REACH * rows.sigma * frame.edge_px  # [N] 3 sigma / s_v
        self.scale = view.camera.ln_scale_at(self.points, radial)  # [N] ln s of this view at p

    def centre(self) -> Mask:
        """[N] which centres are covered."""
        return self._covered(self.points, self.reach)

    def rim(self, rows: NDArray[np.intp]) -> Mask:
        """[len(rows), RIM] which points of the rims of ``rows`` are covered."""
        axes = self.rows.axes[rows]
        first, second = _turned(self.matrix, axes[:, 0]), _turned(self.matrix, axes[:, 1])
        offsets = np.cos(_TURNS)[:, None] * first[:, None] + np.sin(_TURNS)[:, None] * second[:, None]
        return self._covered(self.points[rows, None] + offsets, self.reach[rows, None])

    def meets(self) -> Mask:
        """[N] which rows this view may bound: it meets their footprint, at another scale; a superset."""
        frustum = Frustum.of(self.view.camera, in_view=True)
        other = np.isfinite(self.scale) & (np.abs(self.scale - self.rows.native) > LN_SQRT2)
        return other & frustum.touches(self.points, np.repeat(self.reach[:, None], 3, 1))

    def _covered(self, points: F64, reach: F64) -> Mask:
        camera, view = self.view.camera, self.view
        height, width = view.mask.shape
        ax, ay = camera.aspect
        w = 1.0 + points[..., 2] * camera.inverse_f
        ahead = w > NEAR
        safe = np.where(ahead, w, 1.0)
        u = ax * points[..., 0] / safe + camera.cx
        v = ay * points[..., 1] / safe + camera.cy
        covered = ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
        at = np.nonzero(covered)
        pixel = v[at].astype(np.intp) * width + u[at].astype(np.intp)
        limit = view.zeta.ravel()[pixel] + np.broadcast_to(reach, w.shape)[at] + DEPTH_SLACK * w[at]
        covered[at] = view.mask.ravel()[pixel] & (points[..., 2][at] <= limit)
        return covered


def _turned(matrix: F64, vectors: F64) -> F64:
    """``matrix @ vector`` of each row, spelled out: BLAS rounds by the shape of the batch."""
    x, y, z = vectors[:, 0], vectors[:, 1], vectors[:, 2]
    return np.stack([matrix[k, 0] * x + matrix[k, 1] * y + matrix[k, 2] * z for k in range(3)], -1)


def compute_bounds(block: Block, views: ViewIndex, candidates: Sequence[LiveView] | None = None) -> Bounds:
    """The bounds of a block's surfels: a pure function of the live views.

    ``candidates`` (default: found here) are views that may touch the block, in the index's order.
    """
    if candidates is None:
        candidates = views.touching([block])[0]
    with np.errstate(over="ignore", invalid="ignore"):
        rows = _Rows.of(block.cell, block.surfels)
        found = _bounds_of_rows(rows, block.node, views, candidates)
    return found.finish()


def update_bounds(
    block: Block, views: ViewIndex, candidates: Sequence[LiveView], changed: Sequence[LiveView]
) -> Bounds | None:
    """The block's bounds after ``changed`` views came or went; None when they are what they were.

    Looks only at rows whose footprint may meet a changed view: the others keep their bounds.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rows = _Rows.of(block.cell, block.surfels)
        meets = np.zeros(len(block.surfels), np.bool_)
        for each in changed:
            meets |= _Seen(rows, each.view, views.radial).meets()
        at = np.flatnonzero(meets)
        if not len(at):
            return None
        part = _bounds_of_rows(rows.take(at), block.node, views, candidates)
    old = block.bounds
    names = sorted({*old.owners, *part.names})
    number = {name: i for i, name in enumerate(names)}
    old_lookup = np.array([*(number[name] for name in old.owners), -1], np.intp)
    part_lookup = np.array([*(number[name] for name in part.names), -1], np.intp)
    whole = _Found(
        old.parent.copy(), old.child.copy(), old_lookup[old.parent_owner], old_lookup[old.child_owner], names
    )
    whole.parent[at], whole.child[at] = part.parent, part.child
    whole.parent_owner[at] = part_lookup[part.parent_owner]
    whole.child_owner[at] = part_lookup[part.child_owner]
    bounds = whole.finish()
    return None if bounds.same_as(old) else bounds


@dataclass(frozen=True, slots=True)
class _Found:
    """Bounds while they are worked out."""

    parent: NDArray[np.float32]  # [N] relative to ln edge
    child: NDArray[np.float32]  # [N]
    parent_owner: NDArray[np.intp]  # [N] index into ``names``, -1 for none
    child_owner: NDArray[np.intp]  # [N]
    names: list[str]  # sorted

    def finish(self) -> Bounds:
        """Owners as a table of the names that are used only."""
        used = [i for i in np.union1d(self.parent_owner, self.child_owner).tolist() if i >= 0]
        lookup = np.full(len(self.names) + 1, -1, np.int16)  # -1 finds the last entry, which stays -1
        lookup[used] = np.arange(len(used))
        owners = tuple(self.names[i] for i in used)
        return Bounds(self.parent, self.child, lookup[self.parent_owner], lookup[self.child_owner], owners)


def _bounds_of_rows(rows: _Rows, node: str, views: ViewIndex, candidates: Sequence[LiveView]) -> _Found:
    fallback = views.fallback(node)
    names = sorted({each.node for each in candidates} | ({fallback[0]} if fallback else set()))
    number = {name: i for i, name in enumerate(names)}

    parent = np.full(len(rows.native), NO_PARENT)
    parent_owner = np.full(len(rows.native), -1, np.intp)
    finer: list[tuple[_Seen, int, Mask, Mask]] = []
    for each in candidates:  # ties go to the first in the index's order
        seen = _Seen(rows, each.view, views.radial)
        is_coarser = seen.scale > rows.native + LN_SQRT2
        is_finer = np.isfinite(seen.scale) & (seen.scale < rows.native - LN_SQRT2)
        if not (is_coarser.any() or is_finer.any()):
            continue
        centre = seen.centre()
        nearer = is_coarser & centre & (seen.scale < parent)
        parent[nearer] = seen.scale[nearer]
        parent_owner[nearer] = number[each.node]
        if is_finer.any():
            finer.append((seen, number[each.node], is_finer, centre & is_finer))
    if fallback is not None:
        alone = np.isinf(parent)
        frame = fallback[1].cell_frame(rows.cell)
        scale = fallback[1].ln_scale_at(_turned(frame.matrix, rows.means) + frame.origin, views.radial)
        parent = np.where(alone, np.maximum(scale, rows.native + LN_SQRT2), parent)
        parent_owner[alone] = number[fallback[0]]
    parent[rows.structure] = NO_PARENT
    parent_owner[rows.structure] = -1

    child, child_owner = _children(len(rows.native), finer)
    ln_edge = rows.cell.ln_edge
    return _Found(
        (parent - ln_edge).astype(np.float32),
        (child - ln_edge).astype(np.float32),
        parent_owner,
        child_owner,
        names,
    )


def _children(count: int, finer: list[tuple[_Seen, int, Mask, Mask]]) -> tuple[F64, NDArray[np.intp]]:
    """Child bounds and their owners, from the views that are finer somewhere."""
    child = np.full(count, NO_CHILD)
    owner = np.full(count, -1, np.intp)
    hit = np.zeros(count, np.bool_)
    for _, _, _, centre in finer:
        hit |= centre
    at = np.flatnonzero(hit)  # the centre is a point of the footprint: without it there is no child
    if not len(at):
        return child, owner
    nearest = np.full((len(at), RIM + 1), NO_CHILD)  # at each point the nearest finer covering view
    whose = np.full((len(at), RIM + 1), -1, np.intp)
    for seen, number, is_finer, centre in finer:
        local = np.flatnonzero(is_finer[at])
        if not len(local):
            continue
        rows = at[local]
        covered = np.concatenate([centre[rows, None], seen.rim(rows)], 1)
        scale = np.broadcast_to(seen.scale[rows, None], covered.shape)
        better = covered & (scale > nearest[local])
        nearest[local] = np.where(better, scale, nearest[local])
        whose[local] = np.where(better, number, whose[local])
    # The finest of the points; -inf, no child, where a point has none.
    finest = nearest.argmin(1)
    each = np.arange(len(at))
    child[at] = nearest[each, finest]
    owner[at] = whose[each, finest]
    return child, owner
