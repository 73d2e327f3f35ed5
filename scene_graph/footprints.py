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

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.coverage_loops import Lens, Mask, Spots, covered, loops, met, rings
from wonderzoom.scene_graph.frustum import CellTable
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.surfels import REACH, STRUCTURE, Block

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]


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
            np.take(self.means, rows, 1),
            self.quats[rows],
            self.log_scales[rows],
            self.reach[rows],
            self.native[rows],
            self.structure[rows],
        )

    def spread(self, rows: Rows) -> F64:
        """[n, 2] REACH standard deviations along both axes of some rows."""
        return REACH * np.exp(self.log_scales[rows].astype(np.float64))

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
    lens: Lens
    rows: Rows  # [n] of the batch, ascending
    spots: Spots  # [n]

    @staticmethod
    def of(batch: Batch, rows: Rows, view: View, radial: bool) -> Seen:
        middle, edge = np.empty((len(batch.cells), 3)), np.empty(len(batch.cells))
        used = batch.of_block[rows]
        used = used[np.flatnonzero(np.diff(used, prepend=-1))]
        middle[used], edge[used] = batch.table.seen_from(view.camera).of(used)
        lens = Lens.of(view)
        points, reach, edges = loops().look(
            rows, batch.of_block, batch.means, batch.reach, middle, edge, lens.rotation
        )
        scale = view.camera.ln_scale_at(points.T, radial)
        return Seen(batch, view, lens, rows, Spots(points, reach, edges, scale, batch.native[rows]))

    def take(self, which: Rows) -> Seen:
        """Some of the rows."""
        return Seen(self.batch, self.view, self.lens, self.rows[which], self.spots.take(which))

    def settle(self, number: int, parent: F64, owner: Rows) -> tuple[Seen, Mask]:
        """Let the view be the parent where it is the nearest so far, in place (``NumpyLoops.settle``).

        Returns the rows at which it is finer and that it meets, and whether it covers their centres.
        """
        which, centre = loops().settle(self.lens, self.spots, self.rows, number, parent, owner)
        return self.take(which), centre

    def fold(self, centre: Mask, local: Rows, spread: F64, number: int, nearest: F64, whose: Rows) -> None:
        """Let the view be the nearest of the points of footprints that it covers, in place (``NumpyLoops.fold``).

        ``local`` [n] are the places of the rows in ``nearest`` and ``whose``, or -1, which leaves a row out; ``spread``
        is of all places.
        """
        which = np.flatnonzero(local >= 0)
        if not len(which):
            return
        at = local[which]
        quats = self.batch.quats[self.rows[which]]
        spots = self.spots.take(which)
        loops().fold(self.lens, spots, centre[which], quats, spread[at], at, number, nearest, whose)

    def bounded(self) -> Rows:
        """Which rows the view may bound: it meets their footprints, and of those that are far larger it covers a point.

        Of coarse surfels that a deep view lies within, hardly one has a point of its footprint there.
        """
        meets = met(self.lens, self.spots)
        wide = self.spots.reach[meets] > min(self.view.camera.width, self.view.camera.height)
        large = meets[wide]
        return np.sort(np.concatenate([meets[~wide], large[self.take(large)._samples()]]))

    def _samples(self) -> Mask:
        """[n] whether the view covers a point of the row's footprint: only then can it bound the row."""
        hit = covered(self.lens, self.spots.points, self.spots.reach)
        rest = np.flatnonzero(~hit)
        rows = self.rows[rest]
        spread = self.batch.spread(rows)
        hit[rest] = rings(self.lens, self.spots.take(rest), self.batch.quats[rows], spread).any(1)
        return hit
