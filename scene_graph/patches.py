"""Which of the blocks that are far larger than the picture show something in it: those that do are few.

The problem: deep in a world every ancestor's block contains the whole view, and its scale interval is open where
some of its surfels, elsewhere, have no child; a walk by boxes alone then draws all ancestors, each with thousands
of surfels, however deep one is. The choice: such blocks are asked in more detail. Surfels lie in Z-order within a
block, so that runs of them (*patches*) are compact; patches that meet the view at its scales are asked surfel by
surfel. Of a chain of zooms, what is left is the handful of coarse surfels that no finer one stands for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]
# (which, boxes [n, 2, 3], scale intervals [n, 2]) -> whether each may meet the view; ``which`` [n] names the blocks.
Seen = Callable[[Rows, F64, F64], Mask]

# Blocks of a longer edge on the screen are asked in detail: a native pixel of theirs is 64 pixels there.
FINE_EDGE_PX = 2.0**12
# Surfels, in Z-order, that a box stands for: from coarse to fine, each a whole number of the next.
_RUNS = (256, 32)
# Renderers draw a splat up to where it is fainter than half a level of 255: 3.33 standard deviations.
_REACH = 3.4


@dataclass(frozen=True, slots=True)
class Patches:
    """The surfels of one block as balls, and the boxes and scale intervals of runs of them."""

    centres: F64  # [N, 3] cell edges
    radii: F64  # [N]
    intervals: F64  # [N, 2] x_child and x_parent, ln root edges per pixel
    boxes: tuple[F64, ...]  # for each of _RUNS [P, 2, 3]
    spans: tuple[F64, ...]  # their scale intervals [P, 2]

    @staticmethod
    def of(block: Block) -> Patches:
        surfels, bounds, edge = block.surfels, block.bounds, block.cell.ln_edge
        centres = surfels.means.astype(np.float64)
        radii = _REACH * np.exp(surfels.log_scales.max(1).astype(np.float64))
        intervals = np.stack([bounds.child, bounds.parent], -1).astype(np.float64) + edge
        boxes: list[F64] = []
        spans: list[F64] = []
        for run in _RUNS:
            starts = np.arange(0, len(radii), run)
            low = np.minimum.reduceat(centres - radii[:, None], starts)
            boxes.append(np.stack([low, np.maximum.reduceat(centres + radii[:, None], starts)], 1))
            child = np.minimum.reduceat(intervals[:, 0], starts)
            spans.append(np.stack([child, np.maximum.reduceat(intervals[:, 1], starts)], -1))
        return Patches(centres, radii, intervals, tuple(boxes), tuple(spans))

    def level(self, number: int, runs: Rows | None) -> tuple[Rows, F64, F64]:
        """Runs of a level, or surfels after the last: which, their boxes [n, 2, 3] and intervals [n, 2].

        ``runs`` are those of the level above whose parts are meant; None: all.
        """
        fine = _RUNS[number] if number < len(_RUNS) else 1
        count = len(self.spans[number]) if number < len(_RUNS) else len(self.radii)
        if runs is None:
            which = np.arange(count)
        else:
            ratio = _RUNS[number - 1] // fine
            which = (runs[:, None] * ratio + np.arange(ratio)).ravel()
            which = which[which < count]
        if number < len(_RUNS):
            return which, self.boxes[number][which], self.spans[number][which]
        centres, radii = self.centres[which], self.radii[which, None]
        return which, np.stack([centres - radii, centres + radii], 1), self.intervals[which]


class Details:
    """The patches of blocks that were asked for, by a row of their owner's; each worked out once for its bounds."""

    def __init__(self) -> None:
        self._patches: dict[int, Patches] = {}

    def __copy__(self) -> Details:
        other = Details()
        other._patches = dict(self._patches)
        return other

    def drop(self, row: int) -> None:
        """The block of a row is gone, or has other bounds."""
        self._patches.pop(row, None)

    def in_view(self, blocks: Sequence[tuple[int, Block]], seen: Seen) -> list[Rows]:
        """Of each block (with its row) the surfels that may meet a view, ascending."""
        patches: list[Patches] = []
        for row, block in blocks:
            if row not in self._patches:
                self._patches[row] = Patches.of(block)
            patches.append(self._patches[row])
        which, rows = rows_in_view(patches, seen)
        return np.split(rows, np.searchsorted(which, np.arange(1, len(blocks)))) if blocks else []


def rows_in_view(blocks: Sequence[Patches], seen: Seen) -> tuple[Rows, Rows]:
    """The surfels that may meet a view: their blocks and their rows in them, both ascending, [n] each.

    ``seen`` names blocks by their numbers in ``blocks``.
    """
    asked: list[tuple[int, Rows | None]] = [(number, None) for number in range(len(blocks))]
    which = found = np.empty(0, np.intp)
    for level in range(len(_RUNS) + 1):
        parts = [blocks[number].level(level, runs) for number, runs in asked]
        if not parts:
            return np.empty(0, np.intp), np.empty(0, np.intp)
        which = np.repeat([number for number, _ in asked], [len(runs) for runs, _, _ in parts])
        found, boxes, intervals = (np.concatenate(column) for column in zip(*parts, strict=True))
        hit = seen(which, boxes, intervals)
        which, found = which[hit], found[hit]
        numbers, first = np.unique(which, return_index=True)
        asked = list(zip(numbers.tolist(), np.split(found, first[1:]), strict=True)) if len(first) else []
    return which, found
