"""From what a view sees to where it lives: surfels in view pixels become octree blocks.

Owns the choice of the cell (scale_semantics, section 3: the octree level of a surfel *is* the octave of
its native scale) and the exact change of frame. Integers are counted relative to the camera's pivot, in
int64 and vectorised; Python's unbounded integers appear once per occupied cell, never per surfel.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera, bounded_exp, multiply_quats
from wonderzoom.scene_graph.cells import LN2, PIXELS_PER_CELL, Cell
from wonderzoom.scene_graph.surfels import Surfels

I64 = NDArray[np.int64]

# A block below this count costs more to cull, hash and send than to draw: it merges into the parent cell.
MIN_BLOCK = 256
# ... but not further up than this: float32 still resolves 64 * 2**3 pixels to 3e-5 of a pixel.
MAX_MERGE = 3
# Cells are counted relative to the pivot; beyond this count float64 could not tell neighbours apart.
MAX_STEPS = 2.0**51
# Bits an axis of the order inside a block: 1/1024 of a cell is 1/16 of a pixel.
MORTON_BITS = 10
_CHUNK = 1 << 13


@dataclass(frozen=True, slots=True)
class _Addresses:
    """Cells of N surfels, as steps from the pivot's cell of the same level."""

    level: I64  # [N] octree level
    steps: I64  # [N, 3] cells from the pivot's cell
    local: NDArray[np.float64]  # [N, 3] edges from the cell's centre, in [-0.5, 0.5]


def place(
    camera: Camera,
    means: NDArray[np.floating],  # [N, 3] view coordinates, native pixels at the pivot
    quats: NDArray[np.floating],  # [N, 4] wxyz, surfel -> view axes
    log_scales: NDArray[np.floating],  # [N, 2] ln pixels at the pivot
    opacities: NDArray[np.floating],  # [N]
    colors: NDArray[np.uint8],  # [N, 3] sRGB
    ln_native: NDArray[np.floating],  # [N] ln root edges per pixel (Eq. 1)
    view: NDArray[np.uint16],  # [N]
    kind: NDArray[np.uint8],  # [N]
) -> dict[Cell, Surfels]:
    """The blocks of one camera's surfels: cells in order, rows in Morton order (ties by input row)."""
    means64, native64 = np.asarray(means, np.float64), np.asarray(ln_native, np.float64)
    if not len(means64):
        return {}
    if not (np.isfinite(means64).all() and np.isfinite(native64).all()):
        raise ValueError("a mean or a native scale is not finite: such a surfel has no place")
    found = _addresses(camera, means64, native64)
    block, cells = _blocks(camera, found)
    levels = np.array([cell.level for cell in cells])[block]
    local = _lift(camera, found, levels)

    # ln of (native pixel at the pivot / cell edge), per surfel.
    pixel = camera.ln_scale + levels * LN2
    turn = np.asarray(camera.quat) * np.array([1.0, -1.0, -1.0, -1.0])
    sizes, native = np.empty((len(means64), 2), np.float32), np.empty(len(means64), np.float32)
    turned, key = np.empty((len(means64), 4), np.float32), np.empty(len(means64), np.int64)
    for rows in _chunks(len(means64)):
        world = multiply_quats(turn, quats[rows])
        world /= np.sqrt(sum(world[:, i] ** 2 for i in range(4)))[:, None]
        turned[rows] = world
        sizes[rows] = np.asarray(log_scales[rows], np.float64) + pixel[rows, None]
        native[rows] = native64[rows] + levels[rows] * LN2
        key[rows] = (block[rows] << (3 * MORTON_BITS)) | _morton(local[rows])
    order = order_of(key)
    ends = np.cumsum(np.bincount(block, minlength=len(cells)))
    columns = Surfels(
        means=local.astype(np.float32)[order],
        quats=turned[order],
        log_scales=sizes[order],
        opacities=np.asarray(opacities, np.float32)[order],
        colors=np.asarray(colors, np.uint8)[order],
        native=native[order],
        view=np.asarray(view, np.uint16)[order],
        kind=np.asarray(kind, np.uint8)[order],
    )
    starts = np.concatenate([[0], ends[:-1]])
    return {cell: columns.take(slice(int(a), int(b))) for cell, a, b in zip(cells, starts, ends, strict=True)}


def _chunks(count: int) -> Iterator[slice]:
    """Rows that are worked on together: what they need on the way stays in a core's cache."""
    return (slice(start, start + _CHUNK) for start in range(0, count, _CHUNK))


def order_of(key: I64) -> NDArray[np.intp]:
    """The rows [N] in the order of their keys, which are 0 or more; equal ones as they come."""
    bits = len(key).bit_length()
    if int(key.max()) >= 1 << (63 - bits):
        return np.argsort(key, kind="stable")
    # Sorting numbers is five times faster than sorting rows by them: a number says its row.
    return np.sort((key << bits) | np.arange(len(key))) & ((1 << bits) - 1)


def _addresses(camera: Camera, means: NDArray[np.float64], ln_native: NDArray[np.float64]) -> _Addresses:
    """The cell of each surfel at the level of its own scale."""
    level = np.rint(-(ln_native + math.log(PIXELS_PER_CELL)) / LN2).astype(np.int64)
    rotation = camera.rotation
    # World axes, native pixels from the pivot; spelled out so that a row never depends on its neighbours.
    steps = np.empty((len(means), 3), np.int64)
    local = np.empty((len(means), 3), np.float64)
    for each in np.unique(level).tolist():
        pivot = camera.pivot.rebased(each)
        unit = bounded_exp(camera.ln_scale + each * LN2)
        here = np.flatnonzero(level == each)
        for chunk in _chunks(len(here)):
            rows = here[chunk]
            x, y, z = means[rows].T
            world = np.stack(
                [rotation[0, k] * x + rotation[1, k] * y + rotation[2, k] * z for k in range(3)], -1
            )
            edges = world * unit + np.asarray(pivot.offset)
            whole = np.floor(edges + 0.5)
            if np.abs(whole).max() > MAX_STEPS:
                raise ValueError(
                    f"a surfel of level {each} lies {np.abs(whole).max():.3g} cells from the pivot of a camera "
                    f"of level {camera.fitting_level}: its native scale does not belong to this view"
                )
            steps[rows] = whole
            local[rows] = edges - whole
    return _Addresses(level, steps, local)


def _parent_steps(steps: I64, pivot: tuple[int, int, int]) -> I64:
    """Steps one level up: floor((pivot + step) / 2) - floor(pivot / 2), with the pivot's parity only."""
    return (steps + np.array([i & 1 for i in pivot], np.int64)) >> 1


def _blocks(camera: Camera, found: _Addresses) -> tuple[I64, list[Cell]]:
    """Block of each surfel and the cell of each block, small blocks merged upward; cells sorted."""
    keys, which, counts = _unique_cells(found)
    level, steps = keys[:, 0].copy(), keys[:, 1:].copy()
    lifted = np.zeros(len(keys), np.int64)  # how often each fine cell went up
    for each in range(int(level.max()), int(level.min()) - MAX_MERGE, -1):
        rows = np.flatnonzero(level == each)
        if not len(rows):
            continue
        here, group = np.unique(steps[rows], axis=0, return_inverse=True)
        group = group.ravel()
        total = np.bincount(group, counts[rows], len(here))
        spent = np.zeros(len(here), np.int64)
        np.maximum.at(spent, group, lifted[rows])
        up = rows[((total < MIN_BLOCK) & (spent < MAX_MERGE))[group]]
        steps[up] = _parent_steps(steps[up], camera.pivot.rebased(each).cell.index)
        level[up] -= 1
        lifted[up] += 1
    pivots = {each: camera.pivot.rebased(each).cell.index for each in np.unique(level).tolist()}
    cells = [
        Cell(lv, pivots[lv][0] + x, pivots[lv][1] + y, pivots[lv][2] + z)
        for lv, x, y, z in zip(level.tolist(), *steps.T.tolist(), strict=True)
    ]
    unique = sorted(set(cells))
    number = {cell: i for i, cell in enumerate(unique)}
    return np.array([number[cell] for cell in cells], np.int64)[which], unique


def _unique_cells(found: _Addresses) -> tuple[I64, I64, I64]:
    """Distinct (level, steps) [C, 4], the row's index into them [N], rows of each [C]."""
    columns = np.concatenate([found.level[:, None], found.steps], 1)
    low = columns.min(0)
    span = columns.max(0) - low + 1
    if math.prod(int(s) for s in span) <= 8 * len(columns):  # nearly always: a table of all that may be
        packed = np.ravel_multi_index(tuple((columns - low).T), tuple(span.tolist()))
        counts = np.bincount(packed)
        present = np.flatnonzero(counts)
        number = np.zeros(len(counts), np.int64)
        number[present] = np.arange(len(present))
        keys = np.stack(np.unravel_index(present, tuple(span.tolist())), 1) + low
        return keys, number[packed], counts[present]
    if math.prod(int(s) for s in span) < 2**62:  # packs into one integer: ten times faster to sort
        packed = columns[:, 0] - low[0]
        for k in range(1, 4):
            packed = packed * span[k] + (columns[:, k] - low[k])
        _, first, which, counts = np.unique(
            packed, return_index=True, return_inverse=True, return_counts=True
        )
        return columns[first], which.ravel(), counts
    keys, which, counts = np.unique(columns, axis=0, return_inverse=True, return_counts=True)
    return keys, which.ravel(), counts


def _lift(camera: Camera, found: _Addresses, levels: I64) -> NDArray[np.float64]:
    """Local positions in the cell ``levels`` (0 to MAX_MERGE above each surfel's own)."""
    local, steps, own = found.local.copy(), found.steps.copy(), found.level.copy()
    for _ in range(MAX_MERGE):
        rows = np.flatnonzero(own > levels)
        if not len(rows):
            break
        for each in np.unique(own[rows]).tolist():
            up = rows[own[rows] == each]
            pivot = camera.pivot.rebased(each).cell.index
            odd = (steps[up] + np.array([i & 1 for i in pivot], np.int64)) & 1
            local[up] = 0.5 * local[up] + 0.5 * odd - 0.25  # a child's centre is a quarter edge off
            steps[up] = _parent_steps(steps[up], pivot)
        own[rows] -= 1
    return local


def _morton(local: NDArray[np.float64]) -> I64:
    """Z-order of positions in a cell, MORTON_BITS an axis: [N] int64."""
    scaled = np.floor((local + 0.5) * (1 << MORTON_BITS)).astype(np.int64)
    q = np.clip(scaled, 0, (1 << MORTON_BITS) - 1)
    # Spread 10 bits to every third position, by the usual masks.
    q = (q | (q << 16)) & 0x030000FF
    q = (q | (q << 8)) & 0x0300F00F
    q = (q | (q << 4)) & 0x030C30C3
    q = (q | (q << 2)) & 0x09249249
    return q[:, 0] | (q[:, 1] << 1) | (q[:, 2] << 2)
