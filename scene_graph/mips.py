"""The pyramid of a block: its surfels merged by fours, again and again, down to one.

Level 0 is the block itself. Each further level stands for the one before with about a quarter of its surfels, twice
as large, and is drawn where a pixel of the frame is twice as large (``scales.mip_share``). A level is a block too, so
that whoever draws, keeps or picks blocks needs to know nothing more. It follows from the block, its bounds and the
cameras of its node alone, and is made when it is first asked for; it is neither hashed with the block nor stored.

Surfels merge when they come from one square of 2, 4, 8 ... pixels of the view that made them, are alike (one kind, one
parent, one child) and no depth edge runs between them. What merges keeps its mean place and colour, its optical mass
(``scales.li2``, as far as one surfel can hold it) and its covariance, in which the places of the merged count four
times (SPREAD squared).
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.frustum import CellTable
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Axis = tuple[F64, F64, F64]  # x, y, z of N vectors

# Surfels further from their common plane than this many of the merged pixels lie on different surfaces.
DEPTH_EDGE = 1.5
# Opacity -> Li2 by the table that maps back.
_MASSES = scales.LI2_MAX * np.arange(scales.LI2_TABLE_SIZE) / (scales.LI2_TABLE_SIZE - 1)
# How far apart what merges counts as, in the merged covariance. By 1 a lattice of Gaussians of 0.7 spacings would
# become one of 0.43 of the new spacings, full of gaps; by 2 it stays at 0.6. (Scaling their own covariance instead
# blurs what was wide already: 10 dB worse.)
SPREAD = 2.0
_LEAST_OPACITY = 1e-6  # an opacity is never 0
_LEAST_WIDTH = 1e-3  # of a surfel's length
_FAR_PX = 2.0**30  # pixels of a view end here
_KEY_BITS = 62
# Blocks are merged together up to this many rows: numpy is slow for the few hundred rows of one.
_BATCH_ROWS = 1 << 16
_adding = threading.Lock()


@dataclass(frozen=True, slots=True)
class Missing:
    """Levels of pyramids of blocks of one node that somebody asked for: ``make`` them, in any thread."""

    blocks: tuple[Block, ...]
    level: int
    cameras: tuple[Camera, ...]

    def make(self) -> None:
        make_mips(self.blocks, self.level, self.cameras)


def level_count(block: Block) -> int:
    """Levels of the pyramid of a block, itself included; the last is a single surfel. Reads nothing."""
    if block.count <= 1:
        return 1
    across = -block.columns.native_mean / LN2  # log2 of the pixels across the cell
    return 2 + max(0, math.ceil(across))


def make_mips(blocks: Sequence[Block], level: int, cameras: Sequence[Camera]) -> None:
    """Make the levels 1 to ``level`` of the pyramids of blocks of one node with these ``cameras``, in order of views.

    What is made already stays; a pyramid that ends before ``level`` is made to its end.
    """
    for number in range(1, level + 1):
        batch: list[Block] = []
        rows = 0
        for block in blocks:
            if len(block.mips) >= number or number >= level_count(block):
                continue
            batch.append(block)
            rows += mip(block, number - 1).count
            if rows >= _BATCH_ROWS:
                _make(batch, number, cameras)
                batch, rows = [], 0
        if batch:
            _make(batch, number, cameras)


def mip(block: Block, level: int) -> Block:
    """A level of a pyramid that ``make_mips`` made (IndexError where it did not).

    Rows are in Morton order like the block's. ``native`` stays the mean of what was merged: it says at which scales
    these surfels are drawn (Eq. 3); the level says at which sizes of pixels.
    """
    return block.mips[level - 1] if level else block


def _make(blocks: list[Block], level: int, cameras: Sequence[Camera]) -> None:
    """Append level ``level`` to the pyramids of these blocks."""
    finer = [mip(block, level - 1) for block in blocks]
    surfels = concatenate([each.surfels for each in finer])
    counts = np.array([len(each.surfels) for each in finer])
    block_of = np.repeat(np.arange(len(blocks)), counts)
    last = np.array([level == level_count(block) - 1 for block in blocks])[block_of]
    bounds = [each.bounds for each in finer]
    parent, child = (np.concatenate([getattr(b, side) for b in bounds]) for side in ("parent", "child"))
    owners = np.stack(
        [np.concatenate([getattr(b, side) for b in bounds]) for side in ("parent_owner", "child_owner")], -1
    )
    axes = _axes(surfels)
    labels: list[NDArray[Any]] = [
        surfels.kind,
        surfels.view,
        *owners.T,
        np.isfinite(parent),
        np.isfinite(child),
    ]
    order, starts = _runs(blocks, block_of, surfels, axes[2], labels, last, level, cameras)

    sizes = np.diff(np.append(starts, len(order)))
    of = np.repeat(np.arange(len(starts)), sizes)
    merged = _moments(surfels, axes, order, of, starts)
    parent, child, last = parent[order], child[order], last[order][starts]
    # The bounds of a run are all finite or all infinite, but for the last level's: those stay visible as long as any
    # of what they stand for, so that there is never a hole.
    merged_parent = np.where(
        last, np.maximum.reduceat(parent, starts), np.add.reduceat(parent, starts, dtype=np.float64) / sizes
    ).astype(np.float32)
    merged_child = np.where(
        last, np.minimum.reduceat(child, starts), np.add.reduceat(child, starts, dtype=np.float64) / sizes
    ).astype(np.float32)
    owners = owners[order[starts]]
    # In the order of their first rows, which is Morton's.
    first = np.minimum.reduceat(order, starts)
    rank = np.argsort(first)
    ends = np.searchsorted(first[rank], np.cumsum(counts))
    begin = 0
    for block, end in zip(blocks, ends.tolist(), strict=True):
        rows = rank[begin:end]
        begin = end
        parent_owner, child_owner = np.ascontiguousarray(owners[rows].T)
        own = Bounds(
            merged_parent[rows], merged_child[rows], parent_owner, child_owner, block.limits.owners,
            block.limits.revision,
        )  # fmt: skip
        made = Block(block.cell, block.node, merged.take(rows), own)
        with _adding:
            if len(block.mips) == level - 1:  # another thread may have been as quick
                block.mips.append(made)


def _runs(
    blocks: list[Block],
    block_of: I64,
    surfels: Surfels,
    normals: Axis,
    labels: list[NDArray[Any]],
    last: NDArray[np.bool_],
    level: int,
    cameras: Sequence[Camera],
) -> tuple[I64, I64]:
    """(rows in an order in which those that merge follow each other [N], where each run begins)."""
    u, v, zeta = _in_views(blocks, block_of, surfels, cameras)
    pixel = [np.floor(np.ldexp(part, -level)) for part in (u, v)]
    alike = [np.where(last, 0, part).astype(np.int64) for part in (*labels, *pixel)]
    key = _packed([block_of, *alike])
    order = np.argsort(key, kind="stable")
    key = key[order]
    begins = np.diff(key, prepend=key[0] - 1) != 0
    starts = np.flatnonzero(begins)
    # How far surfels are from the plane of the first of their run: a depth edge is rare, and looked at closer.
    of = np.cumsum(begins) - 1
    first = order[starts][of]
    pixels = np.exp(-surfels.native.astype(np.float64))[order]  # native ones to an edge
    apart = sum(
        normals[k][first] * (surfels.means[order, k] - surfels.means[first, k].astype(np.float64))
        for k in range(3)
    )
    edge = math.ldexp(DEPTH_EDGE, level)
    torn = np.logical_or.reduceat((np.abs(apart) * pixels > edge) & ~last[order], starts)
    rows = np.flatnonzero(torn[of])
    if len(rows):
        order[rows] = order[rows[np.lexsort((zeta[order[rows]], of[rows]))]]
        steps = np.diff(zeta[order[rows]], prepend=-np.inf) * pixels[rows]
        begins[rows] |= steps > edge
    return order, np.flatnonzero(begins)


def _in_views(
    blocks: list[Block], block_of: I64, surfels: Surfels, cameras: Sequence[Camera]
) -> tuple[F64, F64, F64]:
    """(column and row in the picture of its own view, depth along that view's axis in cell edges) of surfels."""
    means = surfels.means.astype(np.float64)
    u, v, zeta = np.zeros(len(means)), np.zeros(len(means)), np.zeros(len(means))
    number = np.minimum(surfels.view, len(cameras) - 1)
    views = np.unique(number).tolist()
    cells = CellTable()
    for b, block in enumerate(blocks):
        cells.put(b, block.cell)
    for view in views:
        camera = cameras[view]
        rows = slice(None) if len(views) == 1 else np.flatnonzero(number == view)
        which = block_of[rows]
        centres, edges = cells.seen_from(camera).of(np.arange(len(blocks)))
        turned = means[rows] @ camera.rotation.T
        x, y, z = (turned * edges[which, None] + (centres @ camera.rotation.T)[which]).T
        w = np.maximum(1.0 + z * camera.inverse_f, NEAR)
        (ax, ay) = camera.aspect
        for target, place in ((u, ax * x / w + camera.cx), (v, ay * y / w + camera.cy)):
            target[rows] = np.clip(np.nan_to_num(place), -_FAR_PX, _FAR_PX)
        zeta[rows] = turned[:, 2]
    return u, v, zeta


def _packed(columns: list[I64]) -> I64:
    """One number for each row, equal where all columns are equal and ordered as they are."""
    key, size = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        low, high = int(column.min()), int(column.max())
        if size * (high - low + 1) >= 1 << _KEY_BITS:
            key = np.unique(key, return_inverse=True)[1].astype(np.int64)
            size = int(key.max()) + 1
        key, size = key * (high - low + 1) + (column - low), size * (high - low + 1)
    return key


def _moments(s: Surfels, axes: tuple[Axis, Axis, Axis], order: I64, of: I64, starts: I64) -> Surfels:
    """One surfel for each run of rows ``order``; ``of`` numbers the run of each, ``starts`` says where runs begin."""

    def total(values: NDArray[np.floating]) -> F64:
        return np.add.reduceat(values, starts)

    def mean(column: NDArray[np.floating] | NDArray[np.integer]) -> F64:
        return total(share * column[order])

    def ordered(axis: Axis) -> Axis:
        return axis[0][order], axis[1][order], axis[2][order]

    def apart(k: int) -> F64:
        return SPREAD * (s.means[order, k] - means[k][of])

    u, v, n = (ordered(axis) for axis in axes)
    opacity = np.minimum(s.opacities, np.float32(scales.MAX_OPACITY))
    size = np.exp(s.log_scales.sum(1, dtype=np.float64))
    mass = (size * np.interp(opacity, scales.LI2_INVERSE_TABLE, _MASSES))[order]
    masses = total(mass)
    share = mass / masses[of]

    # A surfel and the same seen from behind are one: normals are counted along the first of their run, and the
    # merged one upwards, where the turn from the z axis to it is never half a turn.
    first = starts[of]
    ahead = n[0] * n[0][first] + n[1] * n[1][first] + n[2] * n[2][first]
    facing = share * np.where(ahead < 0.0, -1.0, 1.0)
    normal = np.stack([total(facing * axis) for axis in n])
    normal /= np.maximum(np.sqrt((normal**2).sum(0)), 1e-12)
    nx, ny, nz = normal * np.where(normal[2] < 0.0, -1.0, 1.0)
    turn = np.stack([1.0 + nz, -ny, nx])
    w, x, y = turn / np.sqrt((turn**2).sum(0))
    across = (1.0 - 2.0 * y * y, 2.0 * x * y, -2.0 * w * y)
    along = (2.0 * x * y, 1.0 - 2.0 * x * x, 2.0 * w * x)

    def onto(axis: Axis, plane: Axis) -> F64:
        return axis[0] * plane[0][of] + axis[1] * plane[1][of] + axis[2] * plane[2][of]

    means = [mean(s.means[:, k]) for k in range(3)]
    parts = [(onto(axis, across), onto(axis, along)) for axis in (u, v, (apart(0), apart(1), apart(2)))]
    aa, bb = (total(share * sum(part[k] * part[k] for part in parts)) for k in (0, 1))
    ab = total(share * sum(a * b for a, b in parts))
    middle, half = 0.5 * (aa + bb), np.hypot(0.5 * (aa - bb), ab)
    long = np.sqrt(middle + half)
    short = np.maximum(np.sqrt(np.maximum(middle - half, 0.0)), _LEAST_WIDTH * long)
    angle = 0.25 * np.arctan2(2.0 * ab, aa - bb)  # half of the long axis' angle
    cosine, sine = np.cos(angle), np.sin(angle)
    opacities = np.interp(masses / (long * short), _MASSES, scales.LI2_INVERSE_TABLE)
    return Surfels(
        means=_rows(means),
        # The turn (w, x, y, 0), then one around the normal.
        quats=_rows([w * cosine, x * cosine + y * sine, y * cosine - x * sine, w * sine]),
        log_scales=_rows([np.log(long), np.log(short)]),
        opacities=np.maximum(opacities, _LEAST_OPACITY).astype(np.float32),
        colors=np.rint(np.stack([mean(s.colors[:, k]) for k in range(3)], -1)).astype(np.uint8),
        native=mean(s.native).astype(np.float32),
        view=s.view[order[starts]],
        kind=s.kind[order[starts]],
    )


def _rows(columns: list[F64]) -> NDArray[np.float32]:
    return np.stack(columns, -1).astype(np.float32)


def _axes(s: Surfels) -> tuple[Axis, Axis, Axis]:
    """The two axes of each surfel, as long as its standard deviations, and its normal."""
    w, x, y, z = np.ascontiguousarray(s.quats.T, np.float64)
    k = 2.0 / (w * w + x * x + y * y + z * z)
    a, b = np.exp(s.log_scales.T.astype(np.float64))
    u = (a * (1.0 - k * (y * y + z * z)), a * k * (x * y + w * z), a * k * (x * z - w * y))
    v = (b * k * (x * y - w * z), b * (1.0 - k * (x * x + z * z)), b * k * (y * z + w * x))
    return u, v, (k * (x * z + w * y), k * (y * z - w * x), 1.0 - k * (x * x + y * y))
