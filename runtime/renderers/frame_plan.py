"""A visible set as tables for the kernels: which chunks there are, and where each block is seen from.

What does not depend on the camera's orientation, distance or focal length is computed once for a visible set
and a pivot cell, and lasts until either changes; what a frame adds is a handful of vectorised float64
operations. Exactness comes from the cells: their differences are integers, turned to float64 last.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from operator import is_not
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.cpu_kernels import cull, see_blocks
from wonderzoom.runtime.renderers.packing import BlockCache, PackedBlock
from wonderzoom.runtime.renderers.projection import DrawnBlock, check_visible, drawn_blocks
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera, bounded_exp
from wonderzoom.scene_graph.cells import LN2, Cell, Position, saturated_shift
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# A block with a larger edge is drawn in float64 through the few of its surfels that contain the view.
LARGE_EDGE_PX = 2.0**20
_PLANS = 8  # visible sets remembered: one a viewer that moves, for a handful of viewers
_EXACT = 2**53  # whole numbers below are exact in float64


@dataclass(frozen=True, slots=True)
class FramePlan:
    """B blocks (those with surfels, in order) in C chunks, for cameras whose pivot lies in ``pivot``."""

    source: VisibleSet  # what this plan is a plan of
    pivot: Cell
    drawn: tuple[DrawnBlock, ...]
    packed: tuple[PackedBlock, ...]  # kept alive: ``addresses`` point into them
    positions: F64  # [B, 3] centre of each cell from the centre of the pivot cell, in edges of the pivot cell
    levels: (
        I64  # [B] by how many the pivot cell is finer than the block's: 2 to this is the cell's edge in its
    )
    residencies: F64  # [B, 2] R and R_child: the one place where they enter the kernels
    levels_of: F64  # [B, 3] level of its pyramid, and the finest and coarsest of those that share its weight
    addresses: I64  # [C]
    rows: I64  # [C]
    first_rows: I64  # [C] of the chunk in its block
    first_ids: I64  # [C] of the chunk in the concatenated visible set
    block_of: I64  # [C]
    spheres: F64  # [C, 4] centre and radius, cell edges
    intervals: F64  # [C, 4] ln scales relative to ln edge, see ``PackedBlock``

    def fits(self, visible: VisibleSet, camera: Camera) -> bool:
        """Whether this is a plan for ``visible`` seen by ``camera``: the same blocks, the same pivot cell."""
        return self.pivot == camera.pivot.cell and same_blocks(self.source, visible)


def same_blocks(one: VisibleSet, other: VisibleSet) -> bool:
    """Whether two visible sets draw the same blocks in the same way."""
    if one.blocks is not other.blocks:
        if len(one.blocks) != len(other.blocks) or any(map(is_not, one.blocks, other.blocks)):
            return False
    return (one.residencies, one.child_residencies, one.mips, one.shared) == (
        other.residencies, other.child_residencies, other.mips, other.shared
    )  # fmt: skip


def make_plan(visible: VisibleSet, pivot: Cell, cache: BlockCache) -> FramePlan:
    """Pack what is not packed yet and lay out the tables; ValueError for what can't be drawn."""
    check_visible(visible)
    counts = [block.count for block in visible.blocks]
    kept = [b for b, count in enumerate(counts) if count]
    everything = drawn_blocks(visible)
    drawn = tuple(everything[b] for b in kept)
    packed = tuple(cache.get(each.block) for each in drawn)
    chunks = np.array([len(p.places) for p in packed], np.int64)
    block_starts = (np.cumsum([0, *counts])[:-1][kept]).astype(np.int64)
    places = np.concatenate([np.empty((0, 3), np.int64), *(p.places for p in packed)])
    first_rows = np.ascontiguousarray(places[:, 2])
    cells = [each.block.cell for each in drawn]
    return FramePlan(
        visible,
        pivot,
        drawn,
        packed,
        centres_from(cells, pivot),
        np.array([pivot.level - cell.level for cell in cells], np.int64),
        *weighing(drawn),
        np.ascontiguousarray(places[:, 0]),
        np.ascontiguousarray(places[:, 1]),
        first_rows,
        first_rows + np.repeat(block_starts, chunks),
        np.repeat(np.arange(len(drawn)), chunks),
        np.concatenate([np.empty((0, 4)), *(p.spheres for p in packed)]),
        np.concatenate([np.empty((0, 4)), *(p.intervals for p in packed)]),
    )


class PlanBook:
    """The last plans over one cache of packed blocks; any thread may ask."""

    def __init__(self, cache: BlockCache) -> None:
        self._cache = cache
        self._lock = threading.Lock()
        self._plans: list[FramePlan] = []  # most recent last
        self._evictions = 0  # of the cache, when the plans were last looked at

    def plan(self, visible: VisibleSet, camera: Camera) -> FramePlan:
        """The plan for this visible set and pivot cell, made or remembered."""
        with self._lock:
            for plan in reversed(self._plans):
                if plan.fits(visible, camera):
                    return plan
        plan = make_plan(visible, camera.pivot.cell, self._cache)
        with self._lock:
            if self._cache.evictions != self._evictions:  # plans would keep what the cache has let go
                self._evictions = self._cache.evictions
                self._plans.clear()
            self._plans = [*self._plans[1 - _PLANS :], plan]
        return plan

    def clear(self) -> None:
        """Forget all plans."""
        with self._lock:
            self._plans.clear()


def weighing(drawn: Sequence[DrawnBlock]) -> tuple[F64, F64]:
    """What the weights of B blocks depend on besides their surfels: (R and R_child [B, 2], levels [B, 3])."""
    return (
        np.array([(each.residency, each.child_residency) for each in drawn], np.float64).reshape(-1, 2),
        np.array([(each.mip, *each.shared) for each in drawn], np.float64).reshape(-1, 3),
    )


def pixel_octaves(camera: Camera, settings: RenderSettings) -> float:
    """Octaves from r - x (Eq. 3) to the level of a pyramid that is drawn alone (``scales.mip_share``): by how much a
    pixel of this frame is larger than the one that r is the scale of, less MIP_SHARPNESS."""
    larger = camera.ln_scale - camera.ln_render_scale(settings.h_ref, settings.lod_bias)
    return larger / LN2 - scales.MIP_SHARPNESS


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


def kept_chunks(
    plan: FramePlan, frames: BlockFrames, camera: Camera, settings: RenderSettings
) -> tuple[I64, F64]:
    """The chunks that may touch the picture [K] and their centres in view coordinates [K, 3]."""
    kept = np.empty(len(plan.rows), np.int64)
    centers = np.empty((len(plan.rows), 3))
    ax, ay = camera.aspect
    lens = (camera.inverse_f, ax, ay, camera.cx, camera.cy)
    size = (float(camera.width), float(camera.height))
    count = cull(
        plan.spheres, plan.intervals, plan.block_of, frames.origins, frames.edges_px, frames.render_scales,
        plan.residencies, plan.levels_of, camera.rotation, lens, size, settings.metric == "radial",
        settings.modulation != "none", pixel_octaves(camera, settings), kept, centers,
    )  # fmt: skip
    return kept[:count], centers[:count]
