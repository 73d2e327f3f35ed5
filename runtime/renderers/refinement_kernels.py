# pyright: basic
"""What a budget buys by compiled loops: what ``scene_graph.refinement`` defines in numpy, to the bit.

Columns lie level by level, so that each pass goes over all blocks at one level, several at once.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.simd import AS_WRITTEN, exact_ln
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.refinement import CLASSES, I64, KEPT, MOST_CLASSES, Candidates


def refine(c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, np.ndarray]:
    """``refinement.refine``."""
    drawn = c.kept(budget)
    known = np.full(len(c.last), -1, np.int64) if before is None else before
    sizes = np.ascontiguousarray(c.sizes.T)
    levels, rows, worth, added, left = _refine(
        sizes, c.finest, c.coarsest, c.last, c.octaves, c.coverage, drawn, known, budget
    )
    order = np.argsort(-worth, kind="stable")
    fitting = int(np.searchsorted(np.cumsum(added[order]), left, side="right"))
    return levels - np.bincount(rows[order[:fitting]], minlength=len(levels)), drawn


@njit(**AS_WRITTEN)
def _refine(sizes, finest, coarsest, last, octaves, coverage, drawn, before, budget):
    """``refinement.refine`` up to the class of steps at which the budget ends.

    (levels so far; blocks, worth and cost of the steps of that class, by block and from coarse to fine; what is left)

    Many short loops over few columns each: only such are compiled to do several blocks at once.
    """
    levels, count = sizes.shape
    base, running, begin, left = np.empty(count), np.full(count, np.inf), np.empty(count, np.int64), budget
    for i in range(count):
        base[i] = exact_ln(coverage[i]) / LN2 - octaves[i]
    for i in range(count):  # steps of a block are from level ``begin`` to ``finest``, both not included
        begin[i] = last[i] if drawn[i] else -1
        left -= sizes[last[i], i] if drawn[i] else 0
    worth, added = np.empty((levels, count)), np.empty((levels, count), np.int64)
    for k in range(levels - 2, -1, -1):
        values, more, fine, coarse = worth[k], added[k], sizes[k], sizes[k + 1]
        for i in range(
            count
        ):  # finer than the coarsest level that is needed, a level comes beside those above it
            more[i] = fine[i] - (0 if k < coarsest[i] else coarse[i])
        for i in range(count):
            values[i] = base[i] + k - exact_ln(np.float64(max(more[i], 1))) / LN2
        for i in range(count):
            values[i] += KEPT if 0 <= before[i] <= k else 0.0
        for i in range(count):
            value = values[i] if (finest[i] <= k) & (k < begin[i]) else np.inf
            running[i] = value if value < running[i] else running[i]
            values[i] = running[i]
    highest = -np.inf
    for i in range(count):
        if finest[i] < begin[i]:  # later steps of a block are never worth more than its first
            highest = max(highest, worth[begin[i] - 1, i])
    spent, classes = np.zeros(MOST_CLASSES + 1, np.int64), np.empty((levels, count), np.int32)
    for k in range(levels - 1):
        values, more, numbers = worth[k], added[k], classes[k]
        for i in range(count):
            number = min(max((highest - values[i]) * CLASSES, 0.0), MOST_CLASSES - 1.0)
            numbers[i] = np.int32(number) if (finest[i] <= k) & (k < begin[i]) else MOST_CLASSES
        for i in range(count):
            spent[numbers[i]] += more[i]
    limit = 0
    while limit < MOST_CLASSES and spent[limit] <= left:
        left -= spent[limit]
        limit += 1
    # All steps of the classes before that one are bought.
    chosen, among = last.copy(), 0
    for k in range(levels - 1):
        numbers = classes[k]
        for i in range(count):
            chosen[i] -= 1 if numbers[i] < limit else 0
        for i in range(count):
            among += 1 if numbers[i] == limit else 0
    if limit == MOST_CLASSES:
        among = 0
    rows, values, costs = np.empty(among, np.intp), np.empty(among), np.empty(among)
    at = 0
    if among:
        for i in range(count):
            k = chosen[i] - 1
            while k >= finest[i] and classes[k, i] == limit:
                rows[at], values[at], costs[at] = i, worth[k, i], added[k, i]
                at += 1
                k -= 1
    return chosen, rows, values, costs, left
