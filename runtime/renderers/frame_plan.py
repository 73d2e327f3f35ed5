"""A visible set as tables for the kernels: which chunks there are, and where each block is seen from.

What does not depend on the camera's orientation, distance or focal length is computed once for a visible set
and a pivot cell, and lasts until either changes; what a frame adds is a handful of vectorised float64
operations. Exactness comes from the cells: their differences are integers, turned to float64 last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_not
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.cpu_kernels import see_blocks
from wonderzoom.runtime.renderers.packing import BlockCache, PackedBlock
from wonderzoom.runtime.renderers.projection import check_visible
from wonderzoom.scene_graph.camera import Camera, bounded_exp
from wonderzoom.scene_graph.cells import Cell, Position, saturated_shift
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# A block with a larger edge is drawn in float64 through the few of its surfels that contain the view.
LARGE_EDGE_PX = 2.0**20
_EXACT = 2**53  # whole numbers below are exact in float64


@dataclass(frozen=True, slots=True)
class FramePlan:
    """B blocks (those with surfels, in order) in C chunks, for cameras whose pivot lies in ``pivot``."""

    source: tuple[Block, ...]  # the visible set's blocks: what this plan is a plan of
    residency_source: tuple[tuple[float, ...], tuple[float, ...]]
    pivot: Cell
    blocks: tuple[Block, ...]
    packed: tuple[PackedBlock, ...]  # kept alive: ``addresses`` point into them
    positions: F64  # [B, 3] centre of each cell from the centre of the pivot cell, in edges of the pivot cell
    levels: (
        I64  # [B] by how many the pivot cell is finer than the block's: 2 to this is the cell's edge in its
    )
    residencies: F64  # [B, 2] R and R_child
    addresses: I64  # [C]
    rows: I64  # [C]
    first_rows: I64  # [C] of the chunk in its block
    first_ids: I64  # [C] of the chunk in the concatenated visible set
    block_of: I64  # [C]
    spheres: F64  # [C, 4] centre and radius, cell edges
    intervals: F64  # [C, 2] ln scales (finest, coarsest) relative to ln edge

    def fits(self, visible: VisibleSet, camera: Camera) -> bool:
        """Whether this is a plan for ``visible`` seen by ``camera``: the same blocks, the same pivot cell."""
        if any(visible.mips):  # not what was checked when the plan was made
            return False
        if self.pivot != camera.pivot.cell or len(self.source) != len(visible.blocks):
            return False
        if self.source is not visible.blocks and any(map(is_not, self.source, visible.blocks)):
            return False
        return self.residency_source == (visible.residencies, visible.child_residencies)


def make_plan(visible: VisibleSet, pivot: Cell, cache: BlockCache) -> FramePlan:
    """Pack what is not packed yet and lay out the tables; ValueError for what can't be drawn."""
    check_visible(visible)
    counts = [block.count for block in visible.blocks]
    kept = [b for b, count in enumerate(counts) if count]
    blocks = tuple(visible.blocks[b] for b in kept)
    packed = tuple(cache.get(block) for block in blocks)
    chunks = np.array([len(p.places) for p in packed], np.int64)
    block_starts = (np.cumsum([0, *counts])[:-1][kept]).astype(np.int64)
    places = np.concatenate([np.empty((0, 3), np.int64), *(p.places for p in packed)])
    first_rows = np.ascontiguousarray(places[:, 2])
    cells = [block.cell for block in blocks]
    return FramePlan(
        visible.blocks,
        (visible.residencies, visible.child_residencies),
        pivot,
        blocks,
        packed,
        centres_from(cells, pivot),
        np.array([pivot.level - cell.level for cell in cells], np.int64),
        np.array([visible.residencies, visible.child_residencies]).T.reshape(-1, 2)[kept],
        np.ascontiguousarray(places[:, 0]),
        np.ascontiguousarray(places[:, 1]),
        first_rows,
        first_rows + np.repeat(block_starts, chunks),
        np.repeat(np.arange(len(blocks)), chunks),
        np.concatenate([np.empty((0, 4)), *(p.spheres for p in packed)]),
        np.concatenate([np.empty((0, 2)), *(p.intervals for p in packed)]),
    )


def centres_from(cells: Sequence[Cell], pivot: Cell) -> F64:
    """``cell.centre_from(pivot)`` of many cells, [B, 3]: the pivot's centre is found once for each level."""
    centre = Position(pivot, (0.0, 0.0, 0.0))
    rebased: dict[int, tuple[tuple[int, int, int], tuple[float, float, float], float]] = {}
    centres = np.empty((len(cells), 3))
    for b, cell in enumerate(cells):
        level = cell.level
        if level not in rebased:
            here = centre.rebased(level)
            rebased[level] = (here.cell.index, here.offset, saturated_shift(1.0, pivot.level - level))
        (px, py, pz), (ox, oy, oz), edge = rebased[level]
        dx, dy, dz = cell.ix - px, cell.iy - py, cell.iz - pz
        if max(abs(dx), abs(dy), abs(dz)) < _EXACT:
            centres[b] = ((dx - ox) * edge, (dy - oy) * edge, (dz - oz) * edge)
        else:
            centres[b] = cell.centre_from(pivot)
    return centres


class Placed(Protocol):
    """What a plan knows of where its B blocks are, whoever draws it."""

    @property
    def pivot(self) -> Cell: ...

    @property
    def positions(self) -> F64: ...

    @property
    def levels(self) -> I64: ...


@dataclass(frozen=True, slots=True)
class BlockFrames:
    """Where one camera sees the B blocks of a plan (see ``Camera.cell_frame``)."""

    origins: F64  # [B, 3] native pixels at the pivot
    edges_px: F64  # [B]
    render_scales: F64  # [B] r at the pivot relative to the block's ln edge

    @staticmethod
    def of(plan: Placed, camera: Camera, settings: RenderSettings) -> BlockFrames:
        """The same numbers as ``camera.cell_frame`` of each block, all at once."""
        blocks = len(plan.positions)
        frames = BlockFrames(np.empty((blocks, 3)), np.empty(blocks), np.empty(blocks))
        see_blocks(
            plan.positions,
            plan.levels,
            camera.pivot.offset,
            camera.rotation,
            bounded_exp(plan.pivot.ln_edge - camera.ln_scale),
            camera.ln_render_scale(settings.h_ref, settings.lod_bias) - plan.pivot.ln_edge,
            frames.origins,
            frames.edges_px,
            frames.render_scales,
        )
        return frames
