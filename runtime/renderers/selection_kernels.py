# pyright: basic
"""Choosing what is seen by compiled loops: what ``scene_graph.selection_loops`` defines in numpy, to the bit.

One pass over cells, blocks, patches and levels each, in the place of dozens over columns; nothing is fused, reordered
or contracted (``AS_WRITTEN``). ``warm_up`` makes a process use them.
"""

from __future__ import annotations

import math
import threading
from typing import Any

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.simd import AS_WRITTEN, prefetch
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import LN2, ORIGIN
from wonderzoom.scene_graph.frustum import FAR, SLACK, CellFrames, CellTable
from wonderzoom.scene_graph.patches import RUNS, Together
from wonderzoom.scene_graph.refinement import CLASSES, KEPT, MOST_CLASSES, Candidates
from wonderzoom.scene_graph.scales import ATANH, MIP_REACH, MIP_SHARPNESS, ln
from wonderzoom.scene_graph.selection_loops import (
    F64,
    I64,
    SCALE_SLACK,
    WALK_BATCH,
    Asked,
    Branches,
    Gaze,
    Mask,
    Rows,
    use,
)

# Copied into their callers: passing arrays takes as long as what is done with them.
_WITHIN = {name: value for name, value in AS_WRITTEN.items() if name != "cache"}
_SQRT_HALF = math.sqrt(0.5)
_LOG2 = ln(np.maximum(np.arange(1 << 12), 1)) / LN2  # of most sizes of levels: 8 ns less for each
_FRACTION, _HALF = (1 << 52) - 1, 1022 << 52  # bits of a float64, and those of 0.5
_RUN0, _RUN1, _RUN2 = RUNS


class CompiledLoops:
    """See ``SelectionLoops``."""

    def walk(self, tree: Branches, frames: CellFrames, gaze: Gaze) -> Rows:
        planes, lens, flags = _packed(gaze)
        while True:
            found, unknown = _walk(
                tree.root, tree.children, tree.boxes, tree.intervals, tree.first, tree.leaf,
                tree.row_boxes, tree.row_intervals, tree.after,
                *frames.columns(), planes, lens, flags,
            )  # fmt: skip
            if not len(unknown):
                return found
            frames.know(unknown)

    def surfels(self, patches: Together, frames: tuple[F64, F64], gaze: Gaze) -> tuple[Rows, Rows]:
        coarse, middle, fine = patches.runs
        return _surfels(
            patches.starts, patches.centres, patches.radii, patches.intervals,
            coarse.starts, coarse.boxes, coarse.spans, middle.starts, middle.boxes, middle.spans,
            fine.starts, fine.boxes, fine.spans, *frames, *_packed(gaze),
        )  # fmt: skip

    def ask(self, asked: Asked, frames: CellFrames, gaze: Gaze, camera: Camera) -> tuple[I64, I64, F64, F64]:
        frames.know(asked.slots[asked.rows])
        count = len(asked.rows)
        levels, numbers = np.empty((2, count), np.int64), np.empty((2, count))
        _, lens, flags = _packed(gaze)
        _ask(
            asked.rows, asked.slots, asked.boxes, asked.native, asked.last, *frames.columns(), lens, flags,
            camera.ln_scale / LN2, float(camera.width * camera.height), levels, numbers,
        )  # fmt: skip
        return levels[0], levels[1], numbers[0], numbers[1]

    def refine(self, c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, Mask]:
        drawn = c.kept(budget)
        known = np.full(len(c.last), -1, np.int64) if before is None else before
        levels, rows, worth, added, left = _refine(
            c.sizes, c.finest, c.coarsest, c.last, c.octaves, c.coverage, drawn, known, budget, _LOG2
        )  # fmt: skip
        order = np.argsort(-worth, kind="stable")
        fitting = int(np.searchsorted(np.cumsum(added[order]), left, side="right"))
        np.subtract.at(levels, rows[order[:fitting]], 1)
        return levels, drawn


def _packed(gaze: Gaze) -> tuple[F64, F64, F64]:
    """(planes [5, 4] of the frustum, [3, 3] axis of depth and the two beside it, numbers and switches [5])."""
    frustum, offset = gaze.frustum, gaze.scale_offset
    constants = frustum.constants + SLACK * np.abs(frustum.constants)
    planes = np.concatenate([frustum.normals, constants[:, None]], 1)
    lens = np.concatenate([frustum.depth_axis[None], frustum.lateral])
    switches = (offset is not None, gaze.standing_by, gaze.radial)
    return planes, lens, np.array([offset or 0.0, *switches, frustum.axis_length])


def warm_up() -> None:
    """Compile the loops, or load them from numba's cache, by a choice from one block; use them in this process."""
    camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.5, 0.5, 1, 1)
    gaze, table, row = Gaze.of(camera), CellTable.of([ORIGIN.cell]), np.zeros(1, np.intp)
    box, interval = np.array([[[-0.5] * 3, [0.5] * 3]]), np.array([[-np.inf, np.inf]])
    none, one = np.full(1, -1, np.intp), np.ones(1, np.int64)
    compiled, frames = CompiledLoops(), table.seen_from(camera)
    children = np.full((1, 8), -1, np.int32)
    tree = Branches(0, children, box, interval, row, np.ones(1, np.bool_), row, box, interval, none)
    compiled.walk(tree, frames, gaze)
    compiled.surfels(Together.of([]), frames.of(row), gaze)
    asked = compiled.ask(Asked(row, row, box, np.zeros((1, 2)), one), frames, gaze, camera)
    sizes = np.array([[2, 1]])
    compiled.refine(Candidates(sizes, asked[0], asked[1], one, asked[2], asked[3]), 2)
    use(compiled)


def warm_up_in_background() -> threading.Thread:
    """Start ``warm_up`` in a daemon thread; returns it. Until it ends numpy chooses, to the same bits."""
    thread = threading.Thread(target=warm_up, name="warm-up choices", daemon=True)
    thread.start()
    return thread


# ---- the words of it --------------------------------------------------------------------------------
@njit(forceinline=True, **_WITHIN)
def _ln(x):
    """``scales.ln``; ``frexp`` by the bits of a normal number, as a call takes five times as long."""
    if math.isinf(x):
        return x
    bits = np.float64(x).view(np.int64)
    exponent = (bits >> 52) - 1022
    mantissa = np.int64((bits & _FRACTION) | _HALF).view(np.float64)
    if mantissa < _SQRT_HALF:
        mantissa *= 2.0
        exponent -= 1
    s = (mantissa - 1.0) / (mantissa + 1.0)
    square, series = s * s, 0.0
    for k in range(len(ATANH)):
        series = series * square + ATANH[k]
    return exponent * LN2 + 2.0 * s * series


@njit(forceinline=True, **_WITHIN)
def _frame(slot, group, steps, edges, pivot, rest, unit):
    """``CellFrames.of`` for one cell: its centre and edge in pixels."""
    g = group[slot]
    x = steps[slot, 0] * unit[g] - pivot[g, 0] - rest[g, 0]
    y = steps[slot, 1] * unit[g] - pivot[g, 1] - rest[g, 1]
    z = steps[slot, 2] * unit[g] - pivot[g, 2] - rest[g, 2]
    distance = max(max(abs(x), abs(y)), abs(z))
    edge = min(edges[g], FAR / max(distance, 1.0))
    return x * edge, y * edge, z * edge, edge


@njit(forceinline=True, **_WITHIN)
def _in_pixels(x, y, z, edge, boxes, i):
    """``boxes_in_pixels`` for one box: its middle and half extents."""
    return (
        x + 0.5 * (boxes[i, 0, 0] + boxes[i, 1, 0]) * edge,
        y + 0.5 * (boxes[i, 0, 1] + boxes[i, 1, 1]) * edge,
        z + 0.5 * (boxes[i, 0, 2] + boxes[i, 1, 2]) * edge,
        0.5 * (boxes[i, 1, 0] - boxes[i, 0, 0]) * edge,
        0.5 * (boxes[i, 1, 1] - boxes[i, 0, 1]) * edge,
        0.5 * (boxes[i, 1, 2] - boxes[i, 0, 2]) * edge,
    )


@njit(forceinline=True, **_WITHIN)
def _touches(planes, x, y, z, a, b, c):
    """``Frustum.touches`` for one box."""
    a, b, c = a + SLACK * (abs(x) + a), b + SLACK * (abs(y) + b), c + SLACK * (abs(z) + c)
    for k in range(5):
        p, q, r = planes[k, 0], planes[k, 1], planes[k, 2]
        if not (p * x + q * y + r * z) + (abs(p) * a + abs(q) * b + abs(r) * c) + planes[k, 3] >= 0.0:
            return False
    return True


@njit(forceinline=True, **_WITHIN)
def _depths(lens, flags, x, y, z, a, b, c):
    """``Frustum.depths`` for one box."""
    size = 1.0 * a + 1.0 * b + 1.0 * c
    if 1.0 * abs(x) + 1.0 * abs(y) + 1.0 * abs(z) + size > 0.5 * FAR:
        return NEAR, np.inf
    w = 1.0 + (lens[0, 0] * x + lens[0, 1] * y + lens[0, 2] * z)
    if flags[3]:
        across = lens[1, 0] * x + lens[1, 1] * y + lens[1, 2] * z
        down = lens[2, 0] * x + lens[2, 1] * y + lens[2, 2] * z
        most = max(max(abs(across), abs(down)), abs(w))
        across, down, w = across / most, down / most, w / most
        middle, spread = most * math.sqrt(across * across + down * down + w * w), flags[4] * size
    else:
        middle, spread = w, abs(lens[0, 0]) * a + abs(lens[0, 1]) * b + abs(lens[0, 2]) * c
    return max(middle - spread, NEAR), max(middle + spread, NEAR)


@njit(forceinline=True, **_WITHIN)
def _meets(planes, lens, flags, x, y, z, edge, boxes, intervals, i):
    """``Gaze.meets`` for box ``i`` in a cell, of surfels of a scale interval."""
    x, y, z, a, b, c = _in_pixels(x, y, z, edge, boxes, i)
    if not _touches(planes, x, y, z, a, b, c):
        return False
    if not flags[1]:
        return True
    fine, coarse = (
        not flags[2] and intervals[i, 0] > -np.inf,
        intervals[i, 1] < np.inf,
    )  # else any scale will do
    if not (fine or coarse):
        return True
    least, greatest = _depths(lens, flags, x, y, z, a, b, c)
    if fine and not intervals[i, 0] + SCALE_SLACK < flags[0] + _ln(greatest):
        return False
    return not coarse or flags[0] + _ln(least) + SCALE_SLACK < intervals[i, 1]


_meets_apart: Any = njit(**_WITHIN)(_meets.py_func)  # compiled once, for loops that ask it in several places


@njit(**AS_WRITTEN)
def _larger(values):
    """The same in twice the room."""
    larger = np.empty(2 * len(values), np.intp)
    for i in range(len(values)):  # slices cost seconds of compiling
        larger[i] = values[i]
    return larger


# ---- the loops --------------------------------------------------------------------------------------
@njit(**AS_WRITTEN)
def _walk(
    root, children, boxes, intervals, first, leaf, row_boxes, row_intervals, after,
    group, steps, known, edges, pivot, rest, unit, planes, lens, flags,
):  # fmt: skip
    """(rows met, slots of cells whose frames are not known): what is met counts once nothing is unknown."""
    found, unknown, waiting = np.empty(1024, np.intp), np.empty(WALK_BATCH, np.intp), np.empty(1024, np.intp)
    here, missing, at, end = 0, 0, 0, 1
    waiting[0] = root
    while at < end:
        slot = waiting[at]
        at += 1
        if known[group[slot]]:
            x, y, z, edge = _frame(slot, group, steps, edges, pivot, rest, unit)
            if not _meets(planes, lens, flags, x, y, z, edge, boxes, intervals, slot):
                continue
            row = first[slot]
            while row >= 0:
                if leaf[slot] or _meets(planes, lens, flags, x, y, z, edge, row_boxes, row_intervals, row):
                    if here == len(found):
                        found = _larger(found)
                    found[here] = row
                    here += 1
                row = after[row]
            if leaf[slot]:
                continue
        else:  # learnt together with what lies below it
            if missing == WALK_BATCH:
                continue
            unknown[missing] = slot
            missing += 1
        if end + 8 > len(waiting):
            waiting = _larger(waiting)
        for k in range(8):
            child = children[slot, k]
            if child >= 0:
                waiting[end] = child
                end += 1
                prefetch(boxes, child * 6)  # what is asked of a cell lies in a dozen places
                prefetch(intervals, child * 2)
                prefetch(steps, child * 3)
                prefetch(group, child)
                prefetch(first, child)
                prefetch(children, child * 8)
    return found[:here], unknown[:missing]


@njit(**AS_WRITTEN)
def _surfels(
    starts, centres, radii, intervals,
    starts0, boxes0, spans0, starts1, boxes1, spans1, starts2, boxes2, spans2,
    middles, sizes, planes, lens, flags,
):  # fmt: skip
    which, rows = np.empty(256, np.intp), np.empty(256, np.intp)
    count = 0
    ball, span = np.empty((1, 2, 3)), np.empty((1, 2))
    for block in range(len(starts) - 1):
        x, y, z, edge = middles[block, 0], middles[block, 1], middles[block, 2], sizes[block]
        for i in range(starts0[block], starts0[block + 1]):
            if not _meets_apart(planes, lens, flags, x, y, z, edge, boxes0, spans0, i):
                continue
            at1 = starts1[block] + (i - starts0[block]) * (_RUN0 // _RUN1)
            for j in range(at1, min(at1 + _RUN0 // _RUN1, starts1[block + 1])):
                if not _meets_apart(planes, lens, flags, x, y, z, edge, boxes1, spans1, j):
                    continue
                at2 = starts2[block] + (j - starts1[block]) * (_RUN1 // _RUN2)
                for k in range(at2, min(at2 + _RUN1 // _RUN2, starts2[block + 1])):
                    if not _meets_apart(planes, lens, flags, x, y, z, edge, boxes2, spans2, k):
                        continue
                    at3 = starts[block] + (k - starts2[block]) * _RUN2
                    for n in range(at3, min(at3 + _RUN2, starts[block + 1])):
                        for axis in range(3):
                            ball[0, 0, axis] = centres[n, axis] - radii[n]
                            ball[0, 1, axis] = centres[n, axis] + radii[n]
                        span[0, 0], span[0, 1] = intervals[n, 0], intervals[n, 1]
                        if _meets_apart(planes, lens, flags, x, y, z, edge, ball, span, 0):
                            if count == len(which):
                                which, rows = _larger(which), _larger(rows)
                            which[count], rows[count] = block, n - starts[block]
                            count += 1
    return which[:count], rows[:count]


@njit(**AS_WRITTEN)
def _ask(
    rows, slots, boxes, native, last, group, steps, known, edges, pivot, rest, unit, lens, flags,
    pixel, most, levels, numbers,
):  # fmt: skip
    for i in range(len(rows)):
        row = rows[i]
        x, y, z, edge = _frame(slots[row], group, steps, edges, pivot, rest, unit)
        x, y, z, a, b, c = _in_pixels(x, y, z, edge, boxes, row)
        least, greatest = _depths(lens, flags, x, y, z, a, b, c)
        nearest = pixel + (_ln(least) - native[row, 1]) / LN2
        farthest = pixel + (_ln(greatest) - native[row, 0]) / LN2
        end = float(last[i])
        low = min(max(nearest - MIP_SHARPNESS, 0.0), end)
        high = min(max(farthest - MIP_SHARPNESS, 0.0), end)
        levels[0, i] = np.int64(min(max(math.floor(low - MIP_REACH) + 1.0, 0.0), end))
        levels[1, i] = np.int64(min(max(math.ceil(high + MIP_REACH) - 1.0, 0.0), end))
        apart = math.sqrt(least) * math.sqrt(min(greatest, 1e6 * least))
        a, b, c = min(2.0 * a / apart, 1e6), min(2.0 * b / apart, 1e6), min(2.0 * c / apart, 1e6)
        numbers[0, i] = nearest
        numbers[1, i] = min(max((a * b + b * c + c * a) / 2.0, 1e-3), most)


@njit(**AS_WRITTEN)
def _refine(sizes, finest, coarsest, last, octaves, coverage, drawn, before, budget, logs):
    """``refinement.refine`` up to the class of steps at which the budget ends.

    (levels so far; blocks, worth and cost of the steps of that class, by block and from coarse to fine; what is left)
    """
    count, levels = sizes.shape
    areas, highest, left = np.empty(count), -np.inf, budget
    for i in range(count):
        if drawn[i]:
            areas[i] = _ln(coverage[i]) / LN2
            left -= sizes[i, last[i]]
            if last[i] > finest[i]:  # later steps of a block are never worth more than its first
                k = last[i] - 1
                more = sizes[i, k] if k < coarsest[i] else sizes[i, k] - sizes[i, k + 1]
                highest = max(highest, _worth(areas[i], k, octaves[i], more, before[i], logs))
    worth, classes = np.empty((count, levels)), np.empty((count, levels), np.int64)
    spent = np.zeros(MOST_CLASSES, np.int64)
    for i in range(count):
        if drawn[i]:
            value = np.inf
            for k in range(last[i] - 1, finest[i] - 1, -1):
                # Finer than the coarsest level that is needed, a level comes beside those above it.
                more = sizes[i, k] if k < coarsest[i] else sizes[i, k] - sizes[i, k + 1]
                value = min(value, _worth(areas[i], k, octaves[i], more, before[i], logs))
                number = np.int64(min(max((highest - value) * CLASSES, 0.0), MOST_CLASSES - 1.0))
                worth[i, k], classes[i, k] = value, number
                spent[number] += more
    limit = 0
    while limit < MOST_CLASSES and spent[limit] <= left:
        left -= spent[limit]
        limit += 1
    # All steps of the classes before that one are bought.
    chosen, among = last.copy(), 0
    rows, values, costs = (
        np.empty(count * levels, np.intp),
        np.empty(count * levels),
        np.empty(count * levels),
    )
    for i in range(count):
        if drawn[i]:
            for k in range(last[i] - 1, finest[i] - 1, -1):
                if classes[i, k] > limit:
                    break
                if classes[i, k] < limit:
                    chosen[i] = k
                else:
                    more = sizes[i, k] if k < coarsest[i] else sizes[i, k] - sizes[i, k + 1]
                    rows[among], values[among], costs[among] = i, worth[i, k], more
                    among += 1
    return chosen, rows[:among], values[:among], costs[:among], left


@njit(forceinline=True, **_WITHIN)
def _worth(area, level, octaves, added, before, logs):
    """What a step to a level is worth by itself, as log2."""
    added = max(added, 1)
    cost = logs[added] if added < len(logs) else _ln(float(added)) / LN2
    worth = area + (level - octaves) - cost
    return worth + KEPT if before >= 0 and level >= before else worth
