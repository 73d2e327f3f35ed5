"""How blocks are shown of which not all is held: by which levels, and with which targets of R and R_child.

Targets are 0 or 1, whoever draws fades between them (``scene_graph.residency``). With them the weights at any point sum
to 1 where all that is finer is there, and to more where it is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol.values import ShownBlock
from wonderzoom.runtime.surfel_plan import Plan
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.residency import Links

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

NOTHING = 99  # level of what is not held


@dataclass(slots=True)
class Showing:
    """How B blocks are shown."""

    levels: I64  # [B, 2] finest and coarsest, NOTHING where nothing is held
    there: Mask  # [B] the target of R is 1
    child: F64  # [B] that of R_child

    @staticmethod
    def of(count: int) -> Showing:
        """Not at all."""
        return Showing(np.full((count, 2), NOTHING), np.zeros(count, np.bool_), np.zeros(count))

    def put(self, row: int, told: ShownBlock) -> None:
        """What was told of a block."""
        self.levels[row] = told.finest, told.coarsest
        self.there[row], self.child[row] = told.residency > 0.0, told.child_residency

    def differing(self, told: Showing) -> NDArray[np.intp]:
        """The rows of which something else has to be told."""
        other = (self.levels != told.levels).any(1) | (self.child != told.child)
        return np.flatnonzero((self.there != told.there) | (self.there & other))


def span_of(numbers: set[int], finest: int, coarsest: int) -> tuple[int, int]:
    """By which levels a block is drawn that asks for ``finest`` to ``coarsest``, of those that are held: a run, with
    one more at either end, so that a step nearer or farther needs no word."""
    low = min((number for number in numbers if number >= finest), default=max(numbers))
    high = low
    while high + 1 in numbers and high <= coarsest:
        high += 1
    while low - 1 in numbers and low >= finest:
        low -= 1
    return low, high


def lacks(plan: Plan, finest: I64) -> bool:
    """Whether something that the view asks for is not there as sharp as it could be; ``finest`` [B] levels held."""
    return bool((finest[plan.wanted] > plan.finest[plan.wanted]).any())


def residencies(plan: Plan, finest: I64, shown: Mask, linked: Links | None) -> tuple[Mask, F64]:
    """Which blocks are shown [B], and R_child [B].

    finest: [B] the finest level held of each block, NOTHING for none; shown: [B] what is shown now; linked: without,
    nothing counts as replaced while something ``lacks``.
    """
    there = finest < NOTHING
    if not lacks(plan, finest):
        return there, there.astype(np.float64)
    if linked is None:
        return there, np.zeros(len(there))
    coarser, finer = linked.coarser, linked.finer
    # What is blurred yet does not take the place of what is sharper, unless it has already.
    spacing = plan.native + finest * LN2
    waits = (finest > plan.finest) & ~plan.roots & ~shown
    blurred = there[coarser] & there[finer] & waits[finer] & (spacing[finer] > spacing[coarser] + 1e-9)
    there[finer[blurred]] = False
    # What stands by and is not held is as resident as what it has handed over to: its weight is 0 then.
    resident = np.where(there, 1.0, np.where(plan.wanted, 0.0, np.inf))
    by = ~there[coarser] & ~plan.wanted[coarser]
    while True:
        lower = resident.copy()
        np.minimum.at(lower, coarser[by], resident[finer[by]])
        if np.array_equal(lower, resident):
            break
        resident = lower
    child = there.astype(np.float64)
    np.minimum.at(child, coarser, resident[finer])
    return there, child


def outside(
    plan: Plan, shown: Mapping[str, ShownBlock], touched: Iterable[str], numbers: Callable[[str], set[int]]
) -> dict[str, ShownBlock]:
    """News of blocks that are shown and not in the plan, of which something was given up; ``numbers``: the levels of a
    block that are held."""
    news: dict[str, ShownBlock] = {}
    for name in touched:
        known = shown.get(name)
        if known is None or name in plan.index:
            continue
        held = numbers(name)
        if not held:
            news[name] = msgspec.structs.replace(known, residency=0.0, child_residency=0.0)
        elif not set(range(known.finest, known.coarsest + 1)) <= held:
            low, high = span_of(held, known.finest, known.coarsest)
            news[name] = msgspec.structs.replace(known, finest=low, coarsest=high)
    if any(each.residency == 0.0 for each in news.values()):
        # It may have replaced a part of what is coarser and out of sight.
        for name, known in shown.items():
            each = news.get(name, known)
            if name not in plan.index and each.child_residency > 0.0:
                news[name] = msgspec.structs.replace(each, child_residency=0.0)
    return news
