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
from operator import is_not

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
RUNS = (256, 32, 4)
# Surfels whose patches are kept, 80 bytes each, for cameras to come; those of the last one are held twice.
_MOST_SURFELS = 1 << 20
# Renderers draw a splat up to where it is fainter than half a level of 255: 3.33 standard deviations.
_REACH = 3.4


@dataclass(frozen=True, slots=True)
class Patches:
    """The surfels of one block as balls, and the boxes and scale intervals of runs of them."""

    centres: F64  # [N, 3] cell edges
    radii: F64  # [N]
    intervals: F64  # [N, 2] x_child and x_parent, ln root edges per pixel
    boxes: tuple[F64, ...]  # for each of RUNS [P, 2, 3]
    spans: tuple[F64, ...]  # their scale intervals [P, 2]

    @staticmethod
    def of(block: Block) -> Patches:
        surfels, bounds, edge = block.surfels, block.bounds, block.cell.ln_edge
        centres = surfels.means.astype(np.float64)
        radii = _REACH * np.exp(surfels.log_scales.max(1).astype(np.float64))
        intervals = np.stack([bounds.child, bounds.parent], -1).astype(np.float64) + edge
        boxes: list[F64] = []
        spans: list[F64] = []
        for run in RUNS:
            starts = np.arange(0, len(radii), run)
            low = np.minimum.reduceat(centres - radii[:, None], starts)
            boxes.append(np.stack([low, np.maximum.reduceat(centres + radii[:, None], starts)], 1))
            child = np.minimum.reduceat(intervals[:, 0], starts)
            spans.append(np.stack([child, np.maximum.reduceat(intervals[:, 1], starts)], -1))
        return Patches(centres, radii, intervals, tuple(boxes), tuple(spans))


@dataclass(frozen=True, slots=True)
class Runs:
    """The runs of one size of several blocks, one after the other."""

    starts: Rows  # [B + 1] first run of each block
    boxes: F64  # [P, 2, 3]
    spans: F64  # [P, 2]

    @staticmethod
    def of(blocks: Sequence[Patches], size: int) -> Runs:
        starts = np.cumsum([0, *(len(block.spans[size]) for block in blocks)])
        boxes = np.concatenate([np.empty((0, 2, 3)), *(block.boxes[size] for block in blocks)])
        return Runs(
            starts, boxes, np.concatenate([np.empty((0, 2)), *(block.spans[size] for block in blocks)])
        )


@dataclass(frozen=True, slots=True)
class Together:
    """The patches of several blocks, one after the other."""

    starts: Rows  # [B + 1] first surfel of each block
    centres: F64  # [N, 3]
    radii: F64  # [N]
    intervals: F64  # [N, 2]
    runs: tuple[Runs, ...]  # for each of RUNS

    @staticmethod
    def of(blocks: Sequence[Patches]) -> Together:
        return Together(
            np.cumsum([0, *(len(block.radii) for block in blocks)]),
            np.concatenate([np.empty((0, 3)), *(block.centres for block in blocks)]),
            np.concatenate([np.empty(0), *(block.radii for block in blocks)]),
            np.concatenate([np.empty((0, 2)), *(block.intervals for block in blocks)]),
            tuple(Runs.of(blocks, size) for size in range(len(RUNS))),
        )

    def in_view(self, seen: Seen) -> tuple[Rows, Rows]:
        """The surfels that may meet a view, as numbers of blocks and rows in these: from coarse runs to finer ones."""
        which = np.repeat(np.arange(len(self.starts) - 1), np.diff(self.runs[0].starts))
        at = np.arange(len(which))
        for size, here in enumerate(self.runs):
            hit = seen(which, here.boxes[at], here.spans[at])
            which, local = which[hit], at[hit] - here.starts[which[hit]]
            finer = size + 1 < len(self.runs)
            ends = self.runs[size + 1].starts if finer else self.starts
            ratio = RUNS[size] // RUNS[size + 1] if finer else RUNS[-1]
            at = ((ends[which] + local * ratio)[:, None] + np.arange(ratio)).ravel()
            which = np.repeat(which, ratio)
            whole = at < ends[which + 1]
            at, which = at[whole], which[whole]
        centres, radii = self.centres[at], self.radii[at][:, None]
        hit = seen(which, np.stack([centres - radii, centres + radii], 1), self.intervals[at])
        which, at = which[hit], at[hit]
        return which, at - self.starts[which]


class Details:
    """The patches of blocks that were asked for, by a row of their owner's; each worked out once for its bounds."""

    def __init__(self) -> None:
        self._patches: dict[int, Patches] = {}
        # A camera mostly asks for the same again.
        self._last: tuple[list[Patches], Together] | None = None

    def __copy__(self) -> Details:
        other = Details()
        other._patches = dict(self._patches)
        return other

    def drop(self, row: int) -> None:
        """The block of a row is gone, or has other bounds."""
        self._patches.pop(row, None)

    def _forget(self, kept: int) -> None:
        """Let go of what was asked for longest ago, but for so many, once there is much of it."""
        surfels = sum(len(each.radii) for each in self._patches.values())
        for row in list(self._patches)[: len(self._patches) - kept]:
            if surfels <= _MOST_SURFELS:
                break
            surfels -= len(self._patches.pop(row).radii)

    def of(self, blocks: Sequence[tuple[int, Block]]) -> Together:
        """Those of some blocks, with their rows."""
        patches: list[Patches] = []
        before = len(self._patches)
        for row, block in blocks:
            patches.append(self._patches.pop(row, None) or Patches.of(block))
            self._patches[row] = patches[-1]  # who was asked last is last
        if len(self._patches) > before:
            self._forget(len(blocks))
        last = self._last
        if last is None or len(last[0]) != len(patches) or any(map(is_not, last[0], patches)):
            last = self._last = patches, Together.of(patches)
        return last[1]
