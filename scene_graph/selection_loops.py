"""The inner loops of choosing what is seen: which blocks a camera meets, what they ask for, what a budget buys.

A process chooses with the loops that it took (``use``): these, in numpy, or compiled ones of the same four functions
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
    children: NDArray[np.int32]  # [S, 8] -1: none
    boxes: F64  # [S, 2, 3] of subtrees
    intervals: F64  # [S, 2]
    first: Rows  # [S] row of the first block in the cell itself; -1: none
    leaf: Mask  # [S] one block in the cell, and nothing below: what is known of both is the same
    row_slots: Rows  # [R]
    row_boxes: F64  # [R, 2, 3]
    row_intervals: F64  # [R, 2]
    after: Rows  # [R] row of the next block in the same cell; -1: none


@dataclass(frozen=True, slots=True)
class Asked:
    """n blocks by their rows of some columns."""

    rows: Rows  # [n]
    slots: Rows  # [R] of their cells
    boxes: F64  # [R, 2, 3]
    native: F64  # [R, 2] least and greatest native scale
    last: I64  # [n] level of their pyramids


class SelectionLoops(Protocol):
    """See ``NumpyLoops``."""

    def walk(self, tree: Branches, frames: CellFrames, gaze: Gaze) -> Rows: ...

    def surfels(self, patches: Together, frames: tuple[F64, F64], gaze: Gaze) -> tuple[Rows, Rows]: ...

    def ask(
        self, asked: Asked, frames: CellFrames, gaze: Gaze, camera: Camera
    ) -> tuple[I64, I64, F64, F64]: ...

    def refine(self, c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, Mask]: ...


class NumpyLoops:
    """The definition."""

    def walk(self, tree: Branches, frames: CellFrames, gaze: Gaze) -> Rows:
        """The rows of the blocks that a gaze meets, in no order: from the root down, past what it does not meet."""

        def seen(slots: Rows, boxes: F64, intervals: F64) -> Mask:
            return gaze.meets(frames.of(slots), boxes, intervals)

        def below(slots: Rows) -> Rows:
            children = tree.children.take(slots, 0).ravel()
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
            met = seen(slots, tree.boxes[slots], tree.intervals[slots])
            hit = slots[met]
            own, alone = tree.first[hit], tree.leaf[hit]
            leaves.append(own[alone])
            own = own[~alone & (own >= 0)]
            while len(own):
                asked.append(own)
                own = tree.after[own]
                own = own[own >= 0]
            frontier = below(frontier[met[len(met) - len(frontier) :]])
        # What a leaf knows of its subtree is its block's own; the blocks of other cells are asked for themselves.
        found = np.concatenate(asked)
        found = found[seen(tree.row_slots[found], tree.row_boxes[found], tree.row_intervals[found])]
        return np.concatenate([found, *leaves])

    def surfels(self, patches: Together, frames: tuple[F64, F64], gaze: Gaze) -> tuple[Rows, Rows]:
        """The surfels that a gaze meets of blocks in cells of these frames: numbers of blocks and rows in these, both
        ascending."""
        centres, edges = frames
        return patches.in_view(lambda which, *rest: gaze.meets((centres[which], edges[which]), *rest))

    def ask(self, asked: Asked, frames: CellFrames, gaze: Gaze, camera: Camera) -> tuple[I64, I64, F64, F64]:
        """``finest``, ``coarsest``, ``octaves`` and ``coverage`` of ``Candidates`` for n blocks."""
        rows, last = asked.rows, asked.last
        native = asked.native[rows]
        frustum = gaze.frustum
        middle, halves = boxes_in_pixels(*frames.of(asked.slots[rows]), asked.boxes[rows])
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
        return finest, coarsest, nearest, coverage

    def refine(self, c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, Mask]:
        """``refinement.refine``."""
        return refine(c, budget, before)


_chosen: list[SelectionLoops] = [NumpyLoops()]


def use(loops: SelectionLoops) -> SelectionLoops:
    """Choose with these loops in this process from now on; what it used before."""
    before, _chosen[0] = _chosen[0], loops
    return before


def loops() -> SelectionLoops:
    """What this process chooses with."""
    return _chosen[0]
