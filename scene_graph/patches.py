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

# Blocks of a longer edge on the screen are asked in detail: a native pixel of theirs is 64 pixels there.
FINE_EDGE_PX = 2.0**12
PATCH = 32  # rows
# Renderers draw a splat up to where it is fainter than half a level of 255: 3.33 standard deviations.
_REACH = 3.4


@dataclass(frozen=True, slots=True)
class Patches:
    """The surfels of one block as balls, and the boxes and scale intervals of runs of them."""

    centres: F64  # [N, 3] cell edges
    radii: F64  # [N]
    intervals: F64  # [N, 2] x_child and x_parent, ln root edges per pixel
    patch_boxes: F64  # [P, 2, 3]
    patch_intervals: F64  # [P, 2]

    @staticmethod
    def of(block: Block) -> Patches:
        surfels, bounds, edge = block.surfels, block.bounds, block.cell.ln_edge
        centres = surfels.means.astype(np.float64)
        radii = _REACH * np.exp(surfels.log_scales.max(1).astype(np.float64))
        intervals = np.stack([bounds.child, bounds.parent], -1).astype(np.float64) + edge
        starts = np.arange(0, len(radii), PATCH)
        low = np.minimum.reduceat(centres - radii[:, None], starts)
        high = np.maximum.reduceat(centres + radii[:, None], starts)
        child = np.minimum.reduceat(intervals[:, 0], starts)
        parent = np.maximum.reduceat(intervals[:, 1], starts)
        return Patches(centres, radii, intervals, np.stack([low, high], 1), np.stack([child, parent], -1))

    def rows(self, patches: Rows) -> Rows:
        """The rows of some patches."""
        rows = (patches[:, None] * PATCH + np.arange(PATCH)).ravel()
        return rows[rows < len(self.radii)]


def rows_in_view(blocks: Sequence[Patches], seen: Callable[[Rows, F64, F64], Mask]) -> tuple[Rows, Rows]:
    """The surfels that may meet a view: their blocks and their rows in them, both ascending, [n] each.

    ``seen(which, boxes, intervals)`` says of boxes [n, 2, 3] in the blocks ``which`` [n], with their scale
    intervals [n, 2], whether they may meet the view.
    """
    nothing = np.empty(0, np.intp)
    if not blocks:
        return nothing, nothing
    counts = [len(each.patch_boxes) for each in blocks]
    which = np.repeat(np.arange(len(blocks)), counts)
    boxes = np.concatenate([each.patch_boxes for each in blocks])
    hit = np.flatnonzero(seen(which, boxes, np.concatenate([each.patch_intervals for each in blocks])))
    if not len(hit):
        return nothing, nothing
    starts = np.cumsum([0, *counts])[:-1]
    owners, first = np.unique(which[hit], return_index=True)
    parts: list[tuple[Rows, Rows, F64, F64, F64]] = []
    for owner, patches in zip(owners.tolist(), np.split(hit, first[1:]), strict=True):
        block = blocks[owner]
        rows = block.rows(patches - starts[owner])
        parts.append(
            (np.full(len(rows), owner), rows, block.centres[rows], block.radii[rows], block.intervals[rows])
        )
    which, rows, centres, radii, intervals = (np.concatenate(column) for column in zip(*parts, strict=True))
    boxes = np.stack([centres - radii[:, None], centres + radii[:, None]], 1)
    met = seen(which, boxes, intervals)
    return which[met], rows[met]
