"""Surfels of several blocks as seen from a view: where they are in it, and which of their points it covers.

A view *covers* a point that projects inside its mask at or in front of its registered depth, within
``3 sigma + 2`` pixels of the view. Columns of many blocks are worked on together, in float64, in the pixels of the
view that looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, quat_to_matrix
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.extent import REACH
from wonderzoom.scene_graph.frustum import CellTable, Frustum
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import STRUCTURE, Block

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


@dataclass(frozen=True, slots=True)
class Batch:
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
    def of(blocks: Sequence[Block], some: Sequence[Rows | None] | None = None) -> Batch:
        """All rows of some blocks, or of each the rows that ``some`` names (None: all)."""
        cells = [block.cell for block in blocks]
        chosen = (
            [slice(None)] * len(blocks) if some is None else [slice(None) if r is None else r for r in some]
        )
        means, quats, log_scales, native, kind = (
            np.concatenate(
                [getattr(block.surfels, name)[rows] for block, rows in zip(blocks, chosen, strict=True)]
            )
            for name in ("means", "quats", "log_scales", "native", "kind")
        )
        counts = [
            block.count if isinstance(r, slice) else len(r) for block, r in zip(blocks, chosen, strict=True)
        ]
        of_block = np.repeat(np.arange(len(blocks)), counts)
        ln_edges = np.array([block.cell.ln_edge for block in blocks])
        longer = np.maximum(log_scales[:, 0], log_scales[:, 1]).astype(np.float64)
        return Batch(
            cells,
            [block.node for block in blocks],
            CellTable.of(cells),
            of_block,
            np.ascontiguousarray(means.T, np.float64),
            quats,
            log_scales,
            REACH * np.exp(longer),
            native.astype(np.float64) + ln_edges[of_block],
            kind == STRUCTURE,
        )

    def take(self, rows: Rows) -> Batch:
        """Some rows, of the same blocks."""
        return Batch(
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
class Seen:
    """Some rows of a batch seen from one view: where they are in it and which it covers."""

    batch: Batch
    view: View
    rows: Rows  # [n] of the batch, ascending
    edges: F64  # [n] edge of the row's cell, pixels at the view's pivot
    points: F64  # [3, n] view coordinates
    reach: F64  # [n] 3 sigma / s_v
    scale: F64  # [n] ln s of this view at p
    coarser: Mask  # [n] this view is coarser than the surfel, by more than sqrt 2
    finer: Mask  # [n] it is finer

    @staticmethod
    def of(batch: Batch, rows: Rows, view: View, radial: bool) -> Seen:
        some = batch if len(rows) == len(batch.native) else batch.take(rows)
        middle, edge = np.empty((len(batch.cells), 3)), np.empty(len(batch.cells))
        used = some.of_block[np.flatnonzero(np.diff(some.of_block, prepend=-1))]
        middle[used], edge[used] = batch.table.seen_from(view.camera).of(used)
        edges = edge[some.of_block]
        points = _turned(view.camera.rotation, some.means * edges + middle.T[:, some.of_block])
        scale = view.camera.ln_scale_at(points.T, radial)
        coarser = scale > some.native + LN_SQRT2
        finer = np.isfinite(scale) & (scale < some.native - LN_SQRT2)
        return Seen(batch, view, rows, edges, points, some.reach * edges, scale, coarser, finer)

    def take(self, which: Rows) -> Seen:
        """Some of the rows."""
        return Seen(
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

    def samples(self) -> Mask:
        """[n] whether this view covers a point of the row's footprint: only then can it bound the row."""
        covered = self.centres()
        rest = np.flatnonzero(~covered)
        covered[rest] = self.rings(rest).any(1)
        return covered

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
