"""Visible sets as tables of slabs: what of a frame depends on the visible set and the pivot's cell only.

The float64 counterpart of ``frame_plan`` for the slab pool: looked up once, good until the visible set, the pivot
cell or the places of its blocks change; a frame adds what its camera sees of each block.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.cuda_projection import Slabs
from wonderzoom.runtime.renderers.cuda_residency import SlabPool, rows_of
from wonderzoom.runtime.renderers.frame_plan import (
    LARGE_EDGE_PX,
    BlockFrames,
    centres_from,
    same_blocks,
    weighing,
)
from wonderzoom.runtime.renderers.projection import DrawnBlock, drawn_blocks
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

_PLANS = 128  # visible sets remembered: one a viewer


@dataclass(frozen=True, slots=True)
class Plan:
    """B blocks (those with surfels, in order) in S slabs, for cameras whose pivot lies in ``pivot``."""

    visible: VisibleSet
    pivot: Cell
    version: int  # of the pool
    drawn: tuple[DrawnBlock, ...]
    first_ids: I64  # [B] of each block's first surfel in the visible set
    positions: F64  # [B, 3] see ``frame_plan.FramePlan``
    levels: I64  # [B]
    residencies: F64  # [B, 2]
    levels_of: F64  # [B, 3]
    slabs: I64  # [S] in the pool
    slab_rows: I64  # [S]
    slab_ids: I64  # [S] of each slab's first surfel in the visible set
    block_of: I64  # [S]

    def fits(self, visible: VisibleSet, pivot: Cell, version: int) -> bool:
        """Whether this is a plan for ``visible`` seen from ``pivot``, and its blocks are where they were."""
        return self.version == version and self.pivot == pivot and same_blocks(self.visible, visible)


class PlanBook:
    """The last plans for one pool."""

    def __init__(self, pool: SlabPool) -> None:
        self._pool = pool
        self._plans: list[Plan] = []  # most recent last

    def plans(self, visibles: Sequence[VisibleSet], pivots: Sequence[Cell]) -> list[Plan]:
        """Plans of several visible sets, all their blocks resident at once. Errors: ``SlabPool.place``."""
        known = [self._known(*each) for each in zip(visibles, pivots, strict=True)]
        if all(plan is not None for plan in known):
            found = [plan for plan in known if plan is not None]
            for plan in found:
                self._pool.touch([each.block for each in plan.drawn])
            return found
        drawn = [tuple(each for each in drawn_blocks(visible) if each.block.count) for visible in visibles]
        places = iter(self._pool.place([each.block for some in drawn for each in some]))
        made = [
            _plan(visible, pivot, some, [next(places) for _ in some], self._pool.version)
            for visible, pivot, some in zip(visibles, pivots, drawn, strict=True)
        ]
        self._plans = [plan for plan in self._plans if plan.version == self._pool.version]
        self._plans = [*self._plans, *made][-max(_PLANS, len(made)) :]
        return made

    def clear(self) -> None:
        """Forget all plans."""
        self._plans.clear()

    def _known(self, visible: VisibleSet, pivot: Cell) -> Plan | None:
        for plan in reversed(self._plans):
            if plan.fits(visible, pivot, self._pool.version):
                return plan
        return None


def _plan(
    visible: VisibleSet, pivot: Cell, drawn: tuple[DrawnBlock, ...], places: list[I64], version: int
) -> Plan:
    blocks = [each.block for each in drawn]
    counts = np.array([block.count for block in visible.blocks], np.int64)
    kept = np.flatnonzero(counts)
    first_ids = (np.cumsum(counts) - counts)[kept]
    rows = [rows_of(block) for block in blocks]
    block_of = np.repeat(np.arange(len(blocks)), [len(each) for each in rows])
    none: list[I64] = [np.empty(0, np.int64)]
    starts = [np.cumsum(each) - each for each in rows]
    return Plan(
        visible,
        pivot,
        version,
        drawn,
        first_ids,
        centres_from([block.cell for block in blocks], pivot),
        np.array([pivot.level - block.cell.level for block in blocks], np.int64),
        *weighing(drawn),
        np.concatenate(none + places),
        np.concatenate(none + rows),
        np.concatenate(none + starts) + first_ids[block_of],
        block_of,
    )


def slabs_of(
    plans: Sequence[Plan], cameras: Sequence[Camera], settings: RenderSettings
) -> tuple[Slabs, list[tuple[int, int]]]:
    """The slabs of several plans as their cameras see them, and the (image, block of its plan) that are too
    large for float32 and not among them."""
    seen = [BlockFrames.of(*each, settings) for each in zip(plans, cameras, strict=True)]
    origins = np.concatenate([frames.origins for frames in seen])
    edges_px = np.concatenate([frames.edges_px for frames in seen])
    render_scales = np.concatenate([frames.render_scales for frames in seen])
    counts = [len(plan.drawn) for plan in plans]
    starts = np.cumsum([0, *counts])
    image_of = np.repeat(np.arange(len(plans)), counts)
    block_of = np.concatenate([plan.block_of + start for plan, start in zip(plans, starts, strict=False)])
    large = edges_px > LARGE_EDGE_PX
    small = ~large[block_of]
    slabs = Slabs(
        np.concatenate([plan.slabs for plan in plans])[small],
        np.concatenate([plan.slab_rows for plan in plans])[small],
        np.concatenate([plan.slab_ids for plan in plans])[small],
        block_of[small],
        image_of,
        origins,
        edges_px,
        render_scales,
        np.concatenate([plan.residencies for plan in plans]),
        np.concatenate([plan.levels_of for plan in plans]),
    )
    return slabs, [(int(image_of[b]), int(b - starts[image_of[b]])) for b in np.flatnonzero(large)]
