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

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.coverage_loops import (
    F32,
    F64,
    Balls,
    Frames,
    Lens,
    Mask,
    Rows,
    Spots,
    loops,
)
from wonderzoom.scene_graph.frustum import CellTable
from wonderzoom.scene_graph.joining import Joined
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.scales import NO_PARENT
from wonderzoom.scene_graph.surfels import REACH, STRUCTURE, Block


@dataclass(frozen=True, slots=True)
class Batch:
    """Surfels of several blocks, ready to be seen by views. Lengths in edges of their cells."""

    cells: list[Cell]
    nodes: list[str]
    table: CellTable  # row b: the cell of block b
    ln_edge: F64  # [B]
    native: F64  # [B, 2] no surfel has a smaller or a larger native scale, ln root edges per pixel
    balls: Balls  # [N]
    quats: F32  # [N, 4]
    across: F64  # [N, 2] standard deviations along both axes
    structure: Mask  # [N]

    def __len__(self) -> int:
        """Number of surfels."""
        return len(self.structure)

    @staticmethod
    def of(places: Sequence[tuple[str, Cell]], run: Joined) -> Batch:
        """A run of surfels of blocks, of which we know node and cell."""
        cells, whole = [cell for _, cell in places], run.whole
        of_block = np.repeat(np.arange(len(cells)), run.counts)
        ln_edge = np.array([cell.ln_edge for cell in cells])
        reach, native = loops().sizes(whole.log_scales, run.across, whole.native, ln_edge, of_block)
        balls = Balls(of_block, whole.means, reach, run.pixel, native)
        nodes = [node for node, _ in places]
        spans = np.array([part.native_interval for part in run.parts]) + ln_edge[:, None]
        return Batch(
            cells,
            nodes,
            CellTable.of(cells),
            ln_edge,
            spans,
            balls,
            whole.quats,
            run.across,
            whole.kind == STRUCTURE,
        )

    @staticmethod
    def of_rows(blocks: Sequence[Block], some: Sequence[Rows | None]) -> Batch:
        """Of each block the rows that ``some`` names (None: all)."""
        surfels = [block.surfels for block in blocks]
        parts = [each if rows is None else each.take(rows) for each, rows in zip(surfels, some, strict=True)]
        return Batch.of([block.key for block in blocks], Joined.of(parts))

    def take(self, rows: Rows) -> Batch:
        """Some rows, of the same blocks."""
        return Batch(
            self.cells,
            self.nodes,
            self.table,
            self.ln_edge,
            self.native,
            self.balls.take(rows),
            self.quats[rows],
            self.across[rows],
            self.structure[rows],
        )

    def spread(self, rows: Rows) -> F64:
        """[n, 2] REACH standard deviations along both axes of some rows."""
        return REACH * self.across[rows]

    def starts(self) -> Rows:
        """The first rows of the blocks that have some."""
        of_block = self.balls.of_block
        return np.concatenate([[0], np.flatnonzero(of_block[1:] != of_block[:-1]) + 1])

    def parts(self) -> list[tuple[int, slice]]:
        """The blocks that have rows, and which."""
        starts = [*self.starts().tolist(), len(self)]
        return [(int(self.balls.of_block[a]), slice(a, b)) for a, b in pairwise(starts)]

    def boxes(self) -> tuple[Rows, F64]:
        """The blocks that have rows, and a box [B, 2, 3] over the footprints of these."""
        starts = self.starts()
        return self.balls.of_block[starts], loops().hulls(self.balls.means, self.balls.reach, starts)

    def frames(self, view: View, blocks: Rows, lower: F64 | float) -> Frames:
        """What a view sees of the cells of some blocks; of the others nothing that matters."""
        middle, edge, least = np.zeros((len(self.cells), 3)), np.ones(len(self.cells)), self.ln_edge + np.inf
        middle[blocks], edge[blocks] = self.table.seen_from(view.camera).of(blocks)
        least[blocks] = lower
        return Frames(middle, edge, self.ln_edge, least)


@dataclass(frozen=True, slots=True)
class Seen:
    """Some rows of a batch at which a view is finer, and that it meets."""

    batch: Batch
    lens: Lens
    rows: Rows  # [n] of the batch, ascending
    spots: Spots  # [n]
    centre: Mask  # [n] whether it covers their centres

    @staticmethod
    def settled(batch: Batch, frames: Frames, lens: Lens, number: int, parent: F64, owner: Rows) -> Seen:
        """Let a view be the parent where it is the nearest so far, and find where it is finer (see the loops)."""
        rows, spots, centre = loops().settle(lens, batch.balls, frames, number, parent, owner)
        return Seen(batch, lens, rows, spots, centre)

    def fold(self, local: Rows, spread: F64, number: int, nearest: F64, whose: Rows) -> None:
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
        loops().fold(self.lens, spots, self.centre[which], quats, spread[at], at, number, nearest, whose)

    def whole(self) -> tuple[Rows, F64]:
        """The rows whose footprints the view covers, and its scale there."""
        which = np.flatnonzero(self.centre)
        which = which[self._rims(which, True)]
        return self.rows[which], self.spots.scale[which]

    def touched(self, which: Rows) -> Rows:
        """Of some of the rows those of whose rims the view covers a point."""
        return self.rows[which[self._rims(which, False)]]

    def _rims(self, which: Rows, whole: bool) -> Mask:
        rows = self.rows[which]
        return loops().rims(
            self.lens, self.spots.take(which), self.batch.quats[rows], self.batch.spread(rows), whole
        )


def bounded(batch: Batch, blocks: Rows, view: View, radial: bool) -> Rows:
    """The rows of some blocks that a view may bound, ascending.

    It covers their centres, or, where it is finer, meets their footprints; and of those that are far larger it covers
    a point: of coarse surfels that a deep view lies within, hardly one has a point of its footprint there.
    """
    parent, owner = np.full(len(batch), NO_PARENT), np.full(len(batch), -1, np.intp)
    lens = Lens.of(view, radial)
    fine = Seen.settled(batch, batch.frames(view, blocks, -np.inf), lens, 0, parent, owner)
    may = parent < NO_PARENT
    far_larger = fine.spots.reach > min(view.camera.width, view.camera.height)
    may[fine.rows[~far_larger | fine.centre]] = True
    may[fine.touched(np.flatnonzero(far_larger & ~fine.centre))] = True
    return np.flatnonzero(may)
