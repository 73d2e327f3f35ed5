"""A visible set as tables for the kernels: which chunks there are, and where each block is seen from.

What does not depend on the camera's orientation, distance or focal length is computed once for a visible set
and a pivot cell, and lasts until either changes; what a frame adds is a handful of vectorised float64
operations. Exactness comes from the cells: their differences are integers, turned to float64 last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.packing import CHUNK, BlockCache, PackedBlock
from wonderzoom.scene_graph.camera import Camera, bounded_exp
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# A block with a larger edge is drawn in float64 through the few of its surfels that contain the view.
LARGE_EDGE_PX = 2.0**20
_LN_LIMIT = 690.0  # as in scene_graph.camera: exp() of more is beyond float64


@dataclass(frozen=True, slots=True)
class FramePlan:
    """B blocks (those with surfels, in order) in C chunks, for cameras whose pivot lies in ``pivot``."""

    source: tuple[Block, ...]  # the visible set's blocks: what this plan is a plan of
    residency_source: tuple[float, ...]
    pivot: Cell
    blocks: tuple[Block, ...]
    packed: tuple[PackedBlock, ...]  # kept alive: ``addresses`` point into them
    positions: F64  # [B, 3] centre of each cell from the centre of the pivot cell, in edges of the pivot cell
    ln_edges: F64  # [B]
    residencies: F64  # [B]
    addresses: I64  # [C]
    rows: I64  # [C]
    first_rows: I64  # [C] of the chunk in its block
    first_ids: I64  # [C] of the chunk in the concatenated visible set
    block_of: I64  # [C]
    spheres: F64  # [C, 4] centre and radius, cell edges
    intervals: F64  # [C, 2] ln scales (finest, coarsest) relative to ln edge

    def fits(self, visible: VisibleSet, camera: Camera) -> bool:
        """Whether this plan is one for ``visible`` seen by ``camera``."""
        return (
            self.source is visible.blocks
            and self.residency_source == visible.residencies
            and self.pivot == camera.pivot.cell
        )


def make_plan(visible: VisibleSet, pivot: Cell, cache: BlockCache) -> FramePlan:
    """Pack what is not packed yet and lay out the tables."""
    counts = [len(block.surfels) for block in visible.blocks]
    kept = [b for b, count in enumerate(counts) if count]
    blocks = tuple(visible.blocks[b] for b in kept)
    packed = tuple(cache.get(block) for block in blocks)
    chunks = np.array([len(p.rows) for p in packed], np.int64)
    block_starts = (np.cumsum([0, *counts])[:-1][kept]).astype(np.int64)
    within = np.concatenate([np.arange(c) for c in chunks]) if blocks else np.empty(0, np.int64)
    first_rows = within * CHUNK
    return FramePlan(
        visible.blocks,
        visible.residencies,
        pivot,
        blocks,
        packed,
        np.array([block.cell.centre_from(pivot) for block in blocks]).reshape(-1, 3),
        np.array([block.cell.ln_edge for block in blocks]),
        np.array([visible.residencies[b] for b in kept]),
        _joined([p.addresses for p in packed], np.int64),
        _joined([p.rows for p in packed], np.int64),
        first_rows,
        first_rows + np.repeat(block_starts, chunks),
        np.repeat(np.arange(len(blocks)), chunks),
        np.concatenate(
            [
                _joined([p.centers for p in packed], np.float64).reshape(-1, 3),
                _joined([p.radii for p in packed], np.float64)[:, None],
            ],
            1,
        ),
        np.stack(
            [
                _joined([p.finest for p in packed], np.float64),
                _joined([p.coarsest for p in packed], np.float64),
            ],
            1,
        ),
    )


def _joined(parts: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
    """The parts end to end; an empty array of ``dtype`` when there are none."""
    return np.concatenate(parts) if parts else np.empty(0, dtype)


@dataclass(frozen=True, slots=True)
class BlockFrames:
    """Where one camera sees the B blocks of a plan (see ``Camera.cell_frame``)."""

    origins: F64  # [B, 3] native pixels at the pivot
    edges_px: F64  # [B]
    render_scales: F64  # [B] r at the pivot relative to the block's ln edge

    @staticmethod
    def of(plan: FramePlan, camera: Camera, settings: RenderSettings) -> BlockFrames:
        """The same numbers as ``camera.cell_frame`` of each block, all at once."""
        pivot_edge_px = bounded_exp(plan.pivot.ln_edge - camera.ln_scale)
        from_pivot = plan.positions - np.asarray(camera.pivot.offset)
        with np.errstate(over="ignore"):
            origins = np.clip(from_pivot @ camera.rotation.T * pivot_edge_px, -1e300, 1e300)
        edges_px = np.exp(np.clip(plan.ln_edges - camera.ln_scale, -_LN_LIMIT, _LN_LIMIT))
        render_scale = camera.ln_render_scale(settings.h_ref, settings.lod_bias)
        return BlockFrames(origins, edges_px, render_scale - plan.ln_edges)
