"""Which level of each block's pyramid to draw when not everything fits: best first, under a hard budget.

Every block begins as its last level, one surfel; what is bought are refinements by one level, the one first that
removes most error from most of the screen for the fewest surfels. Buying **stops at the first that doesn't fit**: what
is drawn of one block then never depends on whether some cheaper refinement elsewhere was looked at before (which would
make small movements of a camera flip levels). Whatever a budget leaves out is drawn coarser, never dropped.

Nothing here knows worlds: rows of numbers in, levels out. Ties go to the earlier row, so that the answer follows from
what is given alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.scales import ln

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# What was drawn in the frame before is worth this much more: blocks at the limit do not flip to and fro.
HYSTERESIS = 1.25
KEPT = float(np.log2(HYSTERESIS))
# Priorities are sorted into this many classes an octave; only the class at the limit is sorted through.
CLASSES = 8.0
MOST_CLASSES = 2048


@dataclass(frozen=True, slots=True)
class Candidates:
    """N blocks in view, with at most L levels each."""

    sizes: I64  # [N, L] surfels of each level; whatever beyond the last
    finest: I64  # [N] finest level that has a share at the sizes of pixels over the block
    coarsest: I64  # [N] coarsest such level
    last: I64  # [N] last level of the pyramid: one surfel
    octaves: F64  # [N] log2 of the size of a pixel in native pixels, where the block is nearest
    coverage: F64  # [N] pixels that the block may cover

    def kept(self, budget: int) -> NDArray[np.bool_]:
        """[N] which blocks are drawn at all: where there are more than surfels, those that cover most."""
        drawn = np.ones(len(self.last), np.bool_)
        if len(drawn) > budget:
            drawn[np.argsort(-self.coverage, kind="stable")[budget:]] = False
        return drawn

    def cost(self, level: I64) -> I64:
        """Surfels drawn [N] of blocks whose finest level is ``level`` [N], with those that share its weight."""
        return np.take_along_axis(self.costs(), level[:, None], 1)[:, 0]

    def costs(self) -> I64:
        """[N, L] surfels drawn when each level is the finest: of the levels from there to the coarsest needed."""
        numbers = np.arange(self.sizes.shape[1])
        shared = np.where(numbers <= self.coarsest[:, None], self.sizes, 0)
        return np.where(numbers <= self.coarsest[:, None], np.cumsum(shared[:, ::-1], 1)[:, ::-1], self.sizes)


def refine(c: Candidates, budget: int, before: I64 | None = None) -> tuple[I64, NDArray[np.bool_]]:
    """The finest level to draw of each block [N], and which blocks are drawn at all [N].

    The surfels of what is drawn are ``budget`` at most; all blocks are, unless there are more than that many: then
    those that cover most. ``before`` [N] are the levels of the frame before, -1 for blocks that it did not have.
    """
    count, levels = c.sizes.shape
    drawn = c.kept(budget)
    if not count:
        return c.last.copy(), drawn
    costs = c.costs()
    numbers = np.arange(levels)
    # Step k of a block refines it from level k + 1 to level k.
    possible = (numbers >= c.finest[:, None]) & (numbers < c.last[:, None]) & drawn[:, None]
    added = costs - np.append(costs[:, 1:], np.zeros((count, 1), np.int64), 1)
    least = int(np.take_along_axis(costs, c.last[:, None], 1)[:, 0][drawn].sum())
    # Surfels of level k + 1 are 2^(k + 1) native pixels apart: half of that is the error that the step removes.
    base = ln(c.coverage) / LN2 - c.octaves
    worth = base[:, None] + numbers - ln(np.maximum(added, 1)) / LN2
    if before is not None:
        worth = worth + np.where((before >= 0)[:, None] & (numbers >= before[:, None]), KEPT, 0.0)
    # A block is refined step by step: no step comes before the coarser ones.
    worth = np.minimum.accumulate(np.where(possible, worth, np.inf)[:, ::-1], 1)[:, ::-1]
    bought = _bought(worth, np.where(possible, added, 0), possible, budget - least)
    return c.last - bought.sum(1), drawn


def _bought(worth: F64, added: I64, possible: NDArray[np.bool_], left: int) -> NDArray[np.bool_]:
    """Which of the steps [N, L] are bought: in the order of their worth, ties by row and from coarse to fine, until
    one doesn't fit."""
    highest = float(worth[possible].max(initial=-np.inf))
    if not np.isfinite(highest):
        return possible & False
    with np.errstate(invalid="ignore"):
        number = np.clip((highest - worth) * CLASSES, 0, MOST_CLASSES - 1)
    classes = np.where(possible, number, MOST_CLASSES).astype(np.int64)
    spent = np.cumsum(np.bincount(classes.ravel(), added.ravel(), MOST_CLASSES + 1)[:-1])
    limit = int(np.searchsorted(spent, left, side="right"))  # the class in which the budget ends
    bought = classes < limit
    if limit >= MOST_CLASSES:
        return bought
    left -= int(spent[limit - 1]) if limit else 0
    rows, steps = np.nonzero((classes == limit)[:, ::-1])
    steps = worth.shape[1] - 1 - steps  # from coarse to fine
    order = np.argsort(-worth[rows, steps], kind="stable")
    rows, steps = rows[order], steps[order]
    fitting = int(np.searchsorted(np.cumsum(added[rows, steps]), left, side="right"))
    bought[rows[:fitting], steps[:fitting]] = True
    return bought
