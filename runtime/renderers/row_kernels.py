# pyright: basic
"""Rows of blocks by compiled loops: in order, matched with others, and once for each level that is drawn.

What ``scene_graph.selection_loops`` defines in numpy; whole numbers only.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.simd import AS_WRITTEN
from wonderzoom.scene_graph.columns import MOST_LEVELS

_DIGIT = 10  # bits that are sorted by at once
_DIGIT_MASK = (1 << _DIGIT) - 1


@njit(**AS_WRITTEN)
def in_order(rows, blocks):
    """By rank, some bits of it after the other, from the lowest."""
    count, most = len(rows), 0
    here, there = np.empty(count, np.int64), np.empty(count, np.int64)
    for i in range(count):
        here[i] = (np.int64(blocks[rows[i]].rank) << 32) | rows[i]
        most = max(most, blocks[rows[i]].rank)
    shift = 32
    while most:
        ends = np.zeros(1 << _DIGIT, np.int64)
        for i in range(count):
            ends[(here[i] >> shift) & _DIGIT_MASK] += 1
        at = 0
        for digit in range(len(ends)):
            at += ends[digit]
            ends[digit] = at - ends[digit]
        for i in range(count):
            digit = (here[i] >> shift) & _DIGIT_MASK
            there[ends[digit]] = here[i]
            ends[digit] += 1
        here, there = there, here
        shift, most = shift + _DIGIT, most >> _DIGIT
    for i in range(count):
        here[i] &= 0xFFFFFFFF
    return here


@njit(**AS_WRITTEN)
def matched(rows, others, values, blocks):
    found, at = np.empty(len(rows), np.int64), 0
    for i in range(len(rows)):
        while at < len(others) and blocks[others[at]].rank < blocks[rows[i]].rank:
            at += 1
        found[i] = values[at] if at < len(others) and others[at] == rows[i] else -1
    return found


@njit(**AS_WRITTEN)
def spread(rows, finest, coarsest, last):
    count = 0
    for i in range(len(rows)):
        count += coarsest[i] - finest[i] + 1
    each, levels, spans = np.empty(count, np.int64), np.empty(count, np.int64), np.empty(count, np.int64)
    at = 0
    for i in range(len(rows)):
        for level in range(finest[i], coarsest[i] + 1):
            each[at], levels[at], spans[at] = rows[i], level, finest[i] * MOST_LEVELS + last[i]
            at += 1
    return each, levels, spans
