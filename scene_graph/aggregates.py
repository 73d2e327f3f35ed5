"""Bringing the aggregates of a tree up to date after a change, without looking at all that lies above it.

The box and the interval of a cell far above a change seldom change; then only its counts do, by what the cells below
it have gained. So an insertion costs hardly more for the depth that it is made at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from heapq import heapify, heappop, heappush

import numpy as np
from numpy.typing import NDArray


def refresh(
    changed: Iterable[int],
    recomputed: Callable[[int], bool],
    level_of: Callable[[int], int],
    parents: Sequence[int],
    counts: NDArray[np.int64],
) -> None:
    """Work out again the aggregates of the ``changed`` slots, and of those above as far as need be.

    ``recomputed(slot)`` does so for one slot, counts included, and says whether anything beside the counts differs.
    ``parents`` (-1: none) are by slot; ``counts`` [slots, C] are sums over subtrees.
    """
    full = set(changed)
    waiting = [(-level_of(slot), slot) for slot in full]
    heapify(waiting)
    owed: dict[int, NDArray[np.int64]] = {}  # what the counts of a slot have grown by
    done: set[int] = set()
    while waiting:  # finest first
        _, slot = heappop(waiting)
        if slot in done:
            continue
        done.add(slot)
        above, before = parents[slot], counts[slot].copy()
        if slot not in full:
            counts[slot] += owed[slot]
        elif recomputed(slot) and above >= 0:
            full.add(above)
        if above >= 0:
            owed[above] = owed.get(above, 0) + counts[slot] - before
            heappush(waiting, (-level_of(above), above))
