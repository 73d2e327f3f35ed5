"""The inner loops of choosing what is seen: which blocks a camera meets, what they ask for, what a budget buys.

A process chooses with the loops that it took (``use``): these, in numpy, or compiled ones of the same functions
(``runtime.renderers.selection_kernels``). Both agree **to the bit**, so that what is drawn does not depend on which:
sums and products are in the order that is written here, and logarithms are ``scales.ln``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.columns import MOST_LEVELS, BlockColumns, CellColumns
from wonderzoom.scene_graph.frustum import CellFrames, Frustum, boxes_in_pixels
from wonderzoom.scene_graph.patches import Together
from wonderzoom.scene_graph.refinement import Candidates, refine
from wonderzoom.scene_graph.scales import MIP_REACH, MIP_SHARPNESS, ln

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

# A walk collects this many cells before it tests them: one vectorised test costs as much as 500 cells.
WALK_BATCH = 512
# Weights vanish at the ends of an interval; nearer to an end than this they are below 1e-4, never drawn.
SCALE_SLACK = 1e-5


@dataclass(frozen=True, slots=True)
class Gaze:
    """What a camera looks for: what its frustum meets, at the scales that it shows."""

    frustum: Frustum
    scale_offset: (
        float | None
    )  # a point at depth w (in D) is seen at the scale ``scale_offset + ln w``; None: at any
    radial: bool  # depth is distance
    standing_by: bool  # also what is too coarse to show here: all of it has handed over to what is finer

    @staticmethod
    def of(
        camera: Camera,
        margin: float = 0.0,
        scale_offset: float | None = None,
        radial: bool = False,
        standing_by: bool = False,
    ) -> Gaze:
        """For the image widened by ``margin`` pixels."""
        return Gaze(Frustum.of(camera, margin), scale_offset, radial, standing_by)

    def meets(self, frames: tuple[F64, F64], boxes: F64, intervals: F64) -> Mask:
        """[n] which boxes [n, 2, 3], in cells of these frames, may show surfels of these scale intervals [n, 2]."""
        middle, halves = boxes_in_pixels(*frames, boxes)
        hit = self.frustum.touches(middle, halves)
        if self.scale_offset is not None:
            least, greatest = self.frustum.depths(middle, halves, self.radial)
            if not self.standing_by:
                hit &= intervals[:, 0] + SCALE_SLACK < self.scale_offset + ln(greatest)
            hit &= self.scale_offset + ln(least) + SCALE_SLACK < intervals[:, 1]
        return hit


@dataclass(frozen=True, slots=True)
class Branches:
    """The cells of an octree by slot, and the blocks in them by row."""

    root: int
    cells: CellColumns
    rows: BlockColumns


class SelectionLoops(Protocol):
    """See ``NumpyLoops``."""

    def walk(self, tree: Branches, frames: CellFrames, gaze: Gaze) -> Rows: ...

    def in_order(self, rows: Rows, blocks: BlockColumns) -> Rows: ...

    def surfels(self, patches: Together, frames: tuple[F64, F64], gaze: Gaze) -> tuple[Rows, Rows]: ...

    def ask(
        self, rows: Rows, blocks: BlockColumns, frames: CellFrames, gaze: Gaze, camera: Camera
    ) -> Candidates: ...

    def matched(self, rows: Rows, others: Rows, values: I64, blocks: BlockColumns) -> I64: ...

    def refine(self, c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, Mask]: ...

    def spread(self, rows: Rows, finest: I64, coarsest: I64, last: I64) -> tuple[Rows, I64, I64]: ...


class NumpyLoops:
    """The definition."""

    def walk(self, tree: Branches, frames: CellFrames, gaze: Gaze) -> Rows:
        """The rows of the blocks that a gaze meets, in no order: from the root down, past what it does not meet."""

        cells, rows = tree.cells, tree.rows

        def seen(slots: Rows, boxes: F64, intervals: F64) -> Mask:
            return gaze.meets(frames.of(slots), boxes, intervals)

        def below(slots: Rows) -> Rows:
            children = cells.children[slots].ravel()
            return children[children >= 0].astype(np.intp)

        asked: list[Rows] = [np.empty(0, np.intp)]
        leaves: list[Rows] = []
        frontier = np.array([tree.root], np.intp)
        while len(frontier):
            gathered = [frontier]
            total = len(frontier)
            while total < WALK_BATCH and len(frontier):
                frontier = below(frontier)
                gathered.append(frontier)
                total += len(frontier)
            slots = np.concatenate(gathered)
            met = seen(slots, cells.box[slots], cells.interval[slots])
            hit = slots[met]
            own, alone = cells.first[hit], cells.leaf[hit] > 0
            leaves.append(own[alone])
            own = own[~alone & (own >= 0)]
            while len(own):
                asked.append(own)
                own = rows.after[own]
                own = own[own >= 0]
            frontier = below(frontier[met[len(met) - len(frontier) :]])
        # What a leaf knows of its subtree is its block's own; the blocks of other cells are asked for themselves.
        found = np.concatenate(asked)
        found = found[seen(rows.slot[found], rows.box[found], rows.interval[found])]
        return np.concatenate([found, *leaves])

    def in_order(self, rows: Rows, blocks: BlockColumns) -> Rows:
        """Some rows by the rank of their blocks."""
        return rows[np.argsort(blocks.rank[rows])]

    def surfels(self, patches: Together, frames: tuple[F64, F64], gaze: Gaze) -> tuple[Rows, Rows]:
        """The surfels that a gaze meets of blocks in cells of these frames: numbers of blocks and rows in these, both
        ascending."""
        centres, edges = frames
        return patches.in_view(lambda which, *rest: gaze.meets((centres[which], edges[which]), *rest))

    def ask(
        self, rows: Rows, blocks: BlockColumns, frames: CellFrames, gaze: Gaze, camera: Camera
    ) -> Candidates:
        """What the blocks of some rows ask for at the sizes of pixels over their boxes; sizes are as far as known."""
        native, last = blocks.native[rows], blocks.levels[rows].astype(np.int64) - 1
        frustum = gaze.frustum
        middle, halves = boxes_in_pixels(*frames.of(blocks.slot[rows]), blocks.box[rows])
        least, greatest = frustum.depths(middle, halves, gaze.radial)
        pixel = camera.ln_scale / LN2
        nearest = pixel + (ln(least) - native[:, 1]) / LN2
        farthest = pixel + (ln(greatest) - native[:, 0]) / LN2
        low, high = (np.minimum(np.maximum(o - MIP_SHARPNESS, 0.0), last) for o in (nearest, farthest))
        finest = np.minimum(np.maximum(np.floor(low - MIP_REACH) + 1.0, 0.0), last).astype(np.int64)
        coarsest = np.minimum(np.maximum(np.ceil(high + MIP_REACH) - 1.0, 0.0), last).astype(np.int64)
        # Pixels of the box's silhouette, at most the picture's; where its depth spans much, at the middle of it.
        across = 2.0 * halves / (np.sqrt(least) * np.sqrt(np.minimum(greatest, 1e6 * least)))[:, None]
        x, y, z = np.minimum(across, 1e6).T
        most = float(camera.width * camera.height)
        coverage = np.minimum(np.maximum((x * y + y * z + z * x) / 2.0, 1e-3), most)
        sizes = blocks.sizes[rows, : int(last.max(initial=0)) + 1].astype(np.int64)
        return Candidates(sizes, finest, coarsest, last, nearest, coverage)

    def matched(self, rows: Rows, others: Rows, values: I64, blocks: BlockColumns) -> I64:
        """The value of each of some rows among ``others``, both in order; -1 where it is none of them."""
        if not len(others):
            return np.full(len(rows), -1)
        rank = blocks.rank[others]
        at = np.minimum(np.searchsorted(rank, blocks.rank[rows]), len(others) - 1)
        return np.where(others[at] == rows, values[at], -1)

    def refine(self, c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, Mask]:
        """``refinement.refine``."""
        return refine(c, budget, before)

    def spread(self, rows: Rows, finest: I64, coarsest: I64, last: I64) -> tuple[Rows, I64, I64]:
        """Each row as often as it has levels from ``finest`` to ``coarsest``; these levels; and the finest and the last
        of each, as one number of the base MOST_LEVELS."""
        counts = coarsest - finest + 1
        starts = np.cumsum(counts) - counts
        levels = np.arange(int(counts.sum())) - np.repeat(starts - finest, counts)
        return np.repeat(rows, counts), levels, np.repeat(finest * MOST_LEVELS + last, counts)


_chosen: list[SelectionLoops] = [NumpyLoops()]


def use(loops: SelectionLoops) -> SelectionLoops:
    """Choose with these loops in this process from now on; what it used before."""
    before, _chosen[0] = _chosen[0], loops
    return before


def loops() -> SelectionLoops:
    """What this process chooses with."""
    return _chosen[0]
