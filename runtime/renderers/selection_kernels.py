# pyright: basic
"""Choosing what is seen by compiled loops: what ``scene_graph.selection_loops`` defines in numpy, to the bit.

One pass over cells, blocks, patches and levels each, in the place of dozens over columns; nothing is fused, reordered
or contracted (``AS_WRITTEN``). ``warm_up`` makes a process use them.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.refinement_kernels import refine
from wonderzoom.runtime.renderers.row_kernels import in_order, matched, spread
from wonderzoom.runtime.renderers.simd import AS_WRITTEN, exact_ln, prefetch
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import LN2, ORIGIN
from wonderzoom.scene_graph.columns import BlockColumns, CellColumns
from wonderzoom.scene_graph.frustum import FAR, SLACK, CellFrames, CellTable
from wonderzoom.scene_graph.patches import RUNS, Together
from wonderzoom.scene_graph.refinement import Candidates
from wonderzoom.scene_graph.scales import MIP_REACH, MIP_SHARPNESS
from wonderzoom.scene_graph.selection_loops import (
    F64,
    I64,
    SCALE_SLACK,
    WALK_BATCH,
    Branches,
    Gaze,
    Mask,
    Rows,
    use,
)

# Copied into their callers: passing arrays takes as long as what is done with them.
_WITHIN = {name: value for name, value in AS_WRITTEN.items() if name != "cache"}
_RUN0, _RUN1, _RUN2 = RUNS
_AHEAD = 8  # blocks to prefetch: in order they lie all over memory
_ALL = 31  # of the five planes of a frustum, a bit each


class CompiledLoops:
    """See ``SelectionLoops``."""

    def __init__(self) -> None:
        self._room = 1 << 12  # cells and blocks that a walk may meet; where it meets more, it begins anew

    def walk(self, tree: Branches, frames: CellFrames, gaze: Gaze) -> Rows:
        look, unknown = _packed(gaze), np.empty(WALK_BATCH, np.intp)
        while True:
            found, waiting = np.empty((2, self._room), np.intp)
            met, missing = _walk(
                tree.root, tree.cells.all, tree.rows.all, *frames.columns(), *look, found, waiting, unknown
            )
            if met < 0:
                self._room = 2 * len(found)
            elif missing:
                frames.know(unknown[:missing])
            else:
                return found[:met]

    def in_order(self, rows: Rows, blocks: BlockColumns) -> Rows:
        return in_order(rows, blocks.all)

    def surfels(self, patches: Together, frames: tuple[F64, F64], gaze: Gaze) -> tuple[Rows, Rows]:
        coarse, middle, fine = patches.runs
        look, room = _packed(gaze), 1 << 8
        while True:
            which, rows = np.empty((2, room), np.intp)
            count = _surfels(
                patches.starts, patches.centres, patches.radii, patches.intervals,
                coarse.starts, coarse.boxes, coarse.spans, middle.starts, middle.boxes, middle.spans,
                fine.starts, fine.boxes, fine.spans, *frames, *look, which, rows,
            )  # fmt: skip
            if count <= room:
                return which[:count], rows[:count]
            room = count

    def ask(
        self, rows: Rows, blocks: BlockColumns, frames: CellFrames, gaze: Gaze, camera: Camera
    ) -> Candidates:
        places, lens = frames.columns()[:-1], _packed(gaze)[2:]
        while True:
            sizes, levels, numbers = _ask(
                rows, blocks.all, *places, *lens,
                camera.ln_scale / LN2, float(camera.width * camera.height),
            )  # fmt: skip
            if len(sizes):
                break
            frames.know(blocks.slot[rows])
        return Candidates(sizes.T, levels[0], levels[1], levels[2], numbers[0], numbers[1])

    def matched(self, rows: Rows, others: Rows, values: I64, blocks: BlockColumns) -> I64:
        return matched(rows, others, values, blocks.all)

    def refine(self, c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, Mask]:
        return refine(c, budget, before)

    def spread(self, rows: Rows, finest: I64, coarsest: I64, last: I64) -> tuple[Rows, I64, I64]:
        return spread(rows, finest, coarsest, last)


def _packed(gaze: Gaze) -> tuple[F64, F64, F64, tuple[bool, bool, bool, float, float]]:
    """Normals [5, 3] and constants [5] of the frustum, lens [3, 3]; and whether scales matter, what stands by is met
    and depth is distance, the offset of scales and the length of the axis of depth."""
    frustum, offset, radial = gaze.frustum, gaze.scale_offset, gaze.radial
    length = frustum.axis_length if radial else 0.0
    scaled = offset is not None
    how = (scaled, gaze.standing_by, radial, offset if scaled else 0.0, length)
    return frustum.normals, frustum.constants, frustum.lens, how


def warm_up() -> None:
    """Compile the loops, or load them from numba's cache, by a choice from one block; use them in this process."""
    camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.5, 0.5, 1, 1)
    gaze, table, row = Gaze.of(camera), CellTable.of([ORIGIN.cell]), np.zeros(1, np.intp)
    cells, blocks = CellColumns(), BlockColumns()
    cells.children[0], cells.leaf[0], blocks.after[0], blocks.levels[0] = -1, True, -1, 1
    compiled, frames = CompiledLoops(), table.seen_from(camera)
    compiled.walk(Branches(0, cells, blocks), frames, gaze)
    compiled.surfels(Together.of([]), frames.of(row), gaze)
    asked = compiled.ask(compiled.in_order(row, blocks), blocks, frames, gaze, camera)
    levels, _ = compiled.refine(asked, 1, compiled.matched(row, row, asked.last, blocks))
    compiled.spread(row, levels, asked.coarsest, asked.last)
    use(compiled)


def warm_up_in_background() -> threading.Thread:
    """Start ``warm_up`` in a daemon thread; returns it. Until it ends numpy chooses, to the same bits."""
    thread = threading.Thread(target=warm_up, name="warm-up choices", daemon=True)
    thread.start()
    return thread


# ---- the words of it --------------------------------------------------------------------------------
@njit(forceinline=True, **_WITHIN)
def _frame(steps, slot, g, edges, pivot, rest, unit):
    """``CellFrames.of`` for one cell: its centre and edge in pixels."""
    x = steps[slot, 0] * unit[g] - pivot[g, 0] - rest[g, 0]
    y = steps[slot, 1] * unit[g] - pivot[g, 1] - rest[g, 1]
    z = steps[slot, 2] * unit[g] - pivot[g, 2] - rest[g, 2]
    distance = max(max(abs(x), abs(y)), abs(z))
    edge = min(edges[g], FAR / max(distance, 1.0))
    return x * edge, y * edge, z * edge, edge


@njit(forceinline=True, **_WITHIN)
def _box(boxes, i):
    """Low and high corner of one of many boxes as numbers: to pass arrays on costs as much as what is asked of them."""
    return boxes[i, 0, 0], boxes[i, 0, 1], boxes[i, 0, 2], boxes[i, 1, 0], boxes[i, 1, 1], boxes[i, 1, 2]


@njit(forceinline=True, **_WITHIN)
def _own_box(row):
    """The same of a cell or block."""
    box = row.box
    return box[0, 0], box[0, 1], box[0, 2], box[1, 0], box[1, 1], box[1, 2]


@njit(forceinline=True, **_WITHIN)
def _in_pixels(x, y, z, edge, box):
    """``boxes_in_pixels`` for one box: its middle and half extents."""
    return (
        x + 0.5 * (box[0] + box[3]) * edge,
        y + 0.5 * (box[1] + box[4]) * edge,
        z + 0.5 * (box[2] + box[5]) * edge,
        0.5 * (box[3] - box[0]) * edge,
        0.5 * (box[4] - box[1]) * edge,
        0.5 * (box[5] - box[2]) * edge,
    )


@njit(**_WITHIN)
def _planes(normals, constants):
    """[5, 5] of a frustum: normals, constants with their slack, what an edge of a cell may be off by."""
    planes = np.empty((5, 5))
    for k in range(5):
        p, q, r = normals[k, 0], normals[k, 1], normals[k, 2]
        planes[k, 0], planes[k, 1], planes[k, 2] = p, q, r
        planes[k, 3] = constants[k] + SLACK * abs(constants[k])
        planes[k, 4] = SLACK * (abs(p) + abs(q) + abs(r))
    return planes


@njit(forceinline=True, **_WITHIN)
def _cutting(planes, some, edge, x, y, z, a, b, c):
    """``Frustum.touches`` for one box in a cell and some of the planes, a bit each: -1 where it does not; else those of
    them that may leave out a part of it, whatever is lost in rounding."""
    a, b, c = a + SLACK * (abs(x) + a), b + SLACK * (abs(y) + b), c + SLACK * (abs(z) + c)
    for k in range(5):
        if some & (1 << k):
            p, q, r = planes[k, 0], planes[k, 1], planes[k, 2]
            middle, reach = p * x + q * y + r * z, abs(p) * a + abs(q) * b + abs(r) * c
            if not middle + reach + planes[k, 3] >= 0.0:
                return -1
            if middle - reach + planes[k, 3] >= planes[k, 4] * edge:
                some ^= 1 << k
    return some


@njit(forceinline=True, **_WITHIN)
def _depths(lens, how, x, y, z, a, b, c):
    """``Frustum.depths`` for one box."""
    size = 1.0 * a + 1.0 * b + 1.0 * c
    if 1.0 * abs(x) + 1.0 * abs(y) + 1.0 * abs(z) + size > 0.5 * FAR:
        return NEAR, np.inf
    w = 1.0 + (lens[0, 0] * x + lens[0, 1] * y + lens[0, 2] * z)
    if how[2]:
        across = lens[1, 0] * x + lens[1, 1] * y + lens[1, 2] * z
        down = lens[2, 0] * x + lens[2, 1] * y + lens[2, 2] * z
        most = max(max(abs(across), abs(down)), abs(w))
        across, down, w = across / most, down / most, w / most
        middle, spread = most * math.sqrt(across * across + down * down + w * w), how[4] * size
    else:
        middle, spread = w, abs(lens[0, 0]) * a + abs(lens[0, 1]) * b + abs(lens[0, 2]) * c
    return max(middle - spread, NEAR), max(middle + spread, NEAR)


@njit(forceinline=True, **_WITHIN)
def _any_scale(how, low, high):
    """Whether surfels of a scale interval show at any depth."""
    return not how[0] or ((how[1] or low == -np.inf) and high == np.inf)


@njit(forceinline=True, **_WITHIN)
def _shows(lens, how, x, y, z, a, b, c, low, high):
    """The scales of ``Gaze.meets`` for one box."""
    least, greatest = _depths(lens, how, x, y, z, a, b, c)
    if not how[1] and not low + SCALE_SLACK < how[3] + exact_ln(greatest):
        return False
    return how[3] + exact_ln(least) + SCALE_SLACK < high


@njit(**_WITHIN)  # compiled once, as it is asked in several places
def _meets(planes, lens, how, x, y, z, edge, box, low, high):
    """``Gaze.meets`` for one box in a cell, of surfels of a scale interval."""
    x, y, z, a, b, c = _in_pixels(x, y, z, edge, box)
    if _cutting(planes, _ALL, edge, x, y, z, a, b, c) < 0:
        return False
    return _any_scale(how, low, high) or _shows(lens, how, x, y, z, a, b, c, low, high)


# ---- the loops --------------------------------------------------------------------------------------
@njit(**AS_WRITTEN)
def _walk(
    root, cells, blocks, group, steps, edges, pivot, rest, unit, met, normals, constants, lens, how,
    found, waiting, unknown,
):  # fmt: skip
    """(rows met, cells whose frames are not known), the first counts once the second is 0; (-1, 0) for want of room.

    Each cell waits with the planes that may cut it, a bit each: what is within a plane is so with all that it holds.
    Arrays are given: to count who holds them, as growing them does, takes as long as all the rest.
    """
    planes = _planes(normals, constants)
    here, missing, at, end = 0, 0, 0, 1
    waiting[0] = (root << 5) | _ALL
    while at < end:
        slot, left = waiting[at] >> 5, waiting[at] & _ALL
        at += 1
        cell = cells[slot]
        row, leaf, low, high = cell.first, cell.leaf > 0, cell.interval[0], cell.interval[1]
        any_scale = _any_scale(how, low, high)
        known = True
        if left or not any_scale or (row >= 0 and not leaf):
            g = group[slot]
            met[g] = True
            known = edges[g] > 0.0
            if known:
                x, y, z, edge = _frame(steps, slot, g, edges, pivot, rest, unit)
                near = abs(x) + abs(y) + abs(z) + edge < 0.1 * FAR  # so is what it holds
                a, b, c, d, e, f = _in_pixels(x, y, z, edge, _own_box(cell))
                cutting = _cutting(planes, left, edge, a, b, c, d, e, f)
                if cutting < 0 or not (any_scale or _shows(lens, how, a, b, c, d, e, f, low, high)):
                    continue
                left = cutting if near else left
            elif missing == len(unknown):
                continue
            else:  # learnt together with what lies below it
                unknown[missing] = slot
                missing += 1
        while row >= 0 and known:
            block = blocks[row]
            low, high = block.interval[0], block.interval[1]
            if leaf or _meets(planes, lens, how, x, y, z, edge, _own_box(block), low, high):
                if here == len(found):
                    return -1, 0
                found[here] = row
                here += 1
            row = -1 if leaf else block.after
        if leaf:
            continue
        if end + 8 > len(waiting):
            return -1, 0
        for k in range(8):
            child = np.intp(cell.children[k])
            if child >= 0:
                waiting[end] = (child << 5) | left
                end += 1
                prefetch(cells, child, 0)
                if left:
                    prefetch(cells, child, 64)
                    prefetch(steps, child * 3, 0)
                    prefetch(group, child, 0)
    return here, missing


@njit(**AS_WRITTEN)
def _surfels(
    starts, centres, radii, intervals,
    starts0, boxes0, spans0, starts1, boxes1, spans1, starts2, boxes2, spans2,
    middles, sizes, normals, constants, lens, how, which, rows,
):  # fmt: skip
    """How many surfels are met; ``which`` blocks and ``rows`` in them of as many as there is room for."""
    planes = _planes(normals, constants)
    count = 0
    for block in range(len(starts) - 1):
        x, y, z, edge = middles[block, 0], middles[block, 1], middles[block, 2], sizes[block]
        for i in range(starts0[block], starts0[block + 1]):
            if not _meets(planes, lens, how, x, y, z, edge, _box(boxes0, i), spans0[i, 0], spans0[i, 1]):
                continue
            at1 = starts1[block] + (i - starts0[block]) * (_RUN0 // _RUN1)
            for j in range(at1, min(at1 + _RUN0 // _RUN1, starts1[block + 1])):
                if not _meets(planes, lens, how, x, y, z, edge, _box(boxes1, j), spans1[j, 0], spans1[j, 1]):
                    continue
                at2 = starts2[block] + (j - starts1[block]) * (_RUN1 // _RUN2)
                for k in range(at2, min(at2 + _RUN1 // _RUN2, starts2[block + 1])):
                    if not _meets(
                        planes, lens, how, x, y, z, edge, _box(boxes2, k), spans2[k, 0], spans2[k, 1]
                    ):
                        continue
                    at3 = starts[block] + (k - starts2[block]) * _RUN2
                    for n in range(at3, min(at3 + _RUN2, starts[block + 1])):
                        p, q, r, far = centres[n, 0], centres[n, 1], centres[n, 2], radii[n]
                        ball = (p - far, q - far, r - far, p + far, q + far, r + far)
                        if _meets(planes, lens, how, x, y, z, edge, ball, intervals[n, 0], intervals[n, 1]):
                            if count < len(rows):
                                which[count], rows[count] = block, n - starts[block]
                            count += 1
    return count


@njit(**AS_WRITTEN)
def _ask(rows, blocks, group, steps, edges, pivot, rest, unit, lens, how, pixel, most):
    """(sizes [L, n]; finest, coarsest and last levels [3, n]; octaves and coverage [2, n]); no sizes, L = 0, where the
    frame of a cell is not known.

    What lies all over memory is collected first; loops over few columns are compiled to do several blocks at once.
    """
    count, deepest = len(rows), 0
    levels, numbers = np.empty((3, count), np.int64), np.empty((2, count))
    finest, coarsest, last, octaves, coverage = levels[0], levels[1], levels[2], numbers[0], numbers[1]
    least, greatest, halves = np.empty(count), np.empty(count), np.empty((3, count))
    fine, coarse = np.empty(count), np.empty(count)  # native scales, later octaves
    for i in range(count):
        ahead = rows[min(i + _AHEAD, count - 1)]
        prefetch(blocks, ahead, 0)
        prefetch(blocks, ahead, 64)
        block = blocks[rows[i]]
        g = group[block.slot]
        if edges[g] == 0.0:
            return np.empty((0, count), np.int64), levels, numbers
        x, y, z, edge = _frame(steps, block.slot, g, edges, pivot, rest, unit)
        x, y, z, halves[0, i], halves[1, i], halves[2, i] = _in_pixels(x, y, z, edge, _own_box(block))
        least[i], greatest[i] = _depths(lens, how, x, y, z, halves[0, i], halves[1, i], halves[2, i])
        fine[i], coarse[i], last[i] = block.native[0], block.native[1], block.levels - 1
        deepest = max(deepest, last[i])
    for i in range(count):
        octaves[i] = pixel + (exact_ln(least[i]) - coarse[i]) / LN2
    for i in range(count):
        coarse[i] = pixel + (exact_ln(greatest[i]) - fine[i]) / LN2
    for i in range(count):
        end = np.float64(last[i])
        low = min(max(octaves[i] - MIP_SHARPNESS, 0.0), end)
        high = min(max(coarse[i] - MIP_SHARPNESS, 0.0), end)
        finest[i] = np.int64(min(max(np.floor(low - MIP_REACH) + 1.0, 0.0), end))
        coarsest[i] = np.int64(min(max(np.ceil(high + MIP_REACH) - 1.0, 0.0), end))
    for i in range(count):
        apart = math.sqrt(least[i]) * math.sqrt(min(greatest[i], 1e6 * least[i]))
        a = min(2.0 * halves[0, i] / apart, 1e6)
        b = min(2.0 * halves[1, i] / apart, 1e6)
        c = min(2.0 * halves[2, i] / apart, 1e6)
        coverage[i] = min(max((a * b + b * c + c * a) / 2.0, 1e-3), most)
    sizes = np.empty((deepest + 1, count), np.int64)
    for i in range(count):
        for k in range(deepest + 1):
            sizes[k, i] = blocks[rows[i]].sizes[k]
    return sizes, levels, numbers
