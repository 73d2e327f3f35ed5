"""Residency: how far each block has come for one viewer, and what that makes of the blocks around it.

A block that is not there yet, that was evicted, is over budget or was just undone has a residency R below 1. One
formula draws all of these (``scales.weight``): ``w = R up - R_child (1 - dn)``, so that what a finer block does not
show yet its coarser one goes on showing. R moves over FADE_S: nothing pops.

Blocks are *linked* where one stands for the other: their boxes touch and the bounds of one name the node of the other.
Along links a finer block is never more resident than a coarser one that is there, and R_child of a block is the least R
of the finer blocks that it is linked with. So the weights at any point telescope to 1 where all finer blocks are
alike, and to more where they differ; whatever comes and goes, in any order, they never sum to less (law 4a).

A coarser block that is missing holds nothing back: what is finer is drawn over what is coarser still. R_child is one
number a block, although its finer nodes may differ: while they do, it is drawn a little longer than it had to be.

Everything here is a function of its arguments; whoever draws keeps a ``Fades`` for each viewer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.frustum import CellTable, boxes_in_pixels
from wonderzoom.scene_graph.surfels import Block

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]
Mask = NDArray[np.bool_]

FADE_S = 0.15  # seconds from nothing to all: long enough not to be a pop, shorter than anybody waits
_SLACK = 1e-9  # of a box's distance and size: rounding never separates boxes that touch


@dataclass(frozen=True, slots=True)
class Fades:
    """Of each block that a viewer has been shown, how far it has come: a share in [0, 1] by the block's hash."""

    shares: Mapping[str, float] = field(default_factory=dict[str, float])

    def moved(self, there: Mapping[str, bool], seconds: float, at_once: Collection[str] = ()) -> Fades:
        """So much later: each block on its way to 1 if it is ``there``, else to 0.

        One that is new here begins at 0, or at 1 if it is ``at_once`` (was never missed: it only came into
        view). What has gone to 0 and is not asked for any more is forgotten.
        """
        step = max(0.0, seconds) / FADE_S
        shares: dict[str, float] = {}
        for name, present in there.items():
            share = self.shares.get(name)
            if share is None:
                shares[name] = 1.0 if present and name in at_once else 0.0
            else:
                shares[name] = min(1.0, share + step) if present else max(0.0, share - step)
        for name, share in self.shares.items():
            if name not in there and share > step:
                shares[name] = share - step
        return Fades(shares)

    def settled(self, there: Mapping[str, bool]) -> bool:
        """Whether nothing moves any more."""
        asked = all(self.shares.get(name) == float(present) for name, present in there.items())
        return asked and all(name in there for name in self.shares)


@dataclass(frozen=True, slots=True)
class Links:
    """Pairs of rows of some blocks: ``finer[i]`` stands for a part of ``coarser[i]``."""

    coarser: Rows
    finer: Rows


def links(blocks: Sequence[Block], boxes: F64, camera: Camera) -> Links:
    """The links among some blocks, whose boxes [B, 2, 3] are in cell edges; ``camera``: near what matters."""
    rows: dict[str, list[int]] = {}
    for row, block in enumerate(blocks):
        rows.setdefault(block.node, []).append(row)
    parents, children = [block.parents for block in blocks], [block.children for block in blocks]
    related = {
        (name, block.node)
        for block, above in zip(blocks, parents, strict=True)
        for name in above
        if name in rows
    }
    related |= {
        (block.node, name)
        for block, names in zip(blocks, children, strict=True)
        for name in names
        if name in rows
    }
    middles, halves = _in_pixels(blocks, boxes, camera)
    pairs: list[tuple[Rows, Rows]] = []
    for above, below in sorted(related):
        coarse, fine = np.array(rows[above], np.intp), np.array(rows[below], np.intp)
        apart = np.abs(middles[coarse, None] - middles[None, fine])
        touch = (apart <= halves[coarse, None] + halves[None, fine]).all(-1)
        said = np.array([below in children[row] for row in coarse.tolist()])[:, None]
        said = said | np.array([above in parents[row] for row in fine.tolist()])[None]
        i, k = np.nonzero(touch & said)
        pairs.append((coarse[i], fine[k]))
    none = np.zeros(0, np.intp)
    return Links(
        np.concatenate([none, *(coarser for coarser, _ in pairs)]),
        np.concatenate([none, *(finer for _, finer in pairs)]),
    )


def _in_pixels(blocks: Sequence[Block], boxes: F64, camera: Camera) -> tuple[F64, F64]:
    """Centres and half extents [B, 3] of boxes in pixels from the pivot, along world axes."""
    table = CellTable()
    for row, block in enumerate(blocks):
        table.put(row, block.cell)
    middles, halves = boxes_in_pixels(*table.seen_from(camera).of(np.arange(len(blocks))), boxes)
    return middles, halves + _SLACK * (np.abs(middles) + halves)


def monotone(shares: F64, there: Mask, roots: Mask, linked: Links) -> F64:
    """R [B]: no block more than any coarser one that is there; 0 for what is not there, 1 for ``roots``.

    Links may form circles, where two views take turns in being the finer one: their blocks are as resident as
    the least of them.
    """
    resident = np.where(there, np.where(roots, 1.0, shares), 0.0)
    counts = there[linked.coarser] & ~roots[linked.finer]
    coarser, finer = linked.coarser[counts], linked.finer[counts]
    while True:
        lower = resident.copy()
        np.minimum.at(lower, finer, resident[coarser])
        if np.array_equal(lower, resident):
            return resident
        resident = lower


def child_residencies(resident: F64, counted: Mask, linked: Links) -> F64:
    """R_child [B]: the least R of the ``counted`` finer blocks, never above the block's own.

    Not counted is what can't show in the picture, and what is no longer in the world.
    """
    least = resident.copy()
    counts = counted[linked.finer]
    np.minimum.at(least, linked.coarser[counts], resident[linked.finer[counts]])
    return least


@dataclass(frozen=True, slots=True)
class Shown:
    """What is drawn of some blocks: their rows, and the two residencies of ``scales.weight`` for each."""

    rows: Rows
    residencies: F64
    child_residencies: F64


def shown(shares: F64, there: Mask, wanted: Mask, roots: Mask, live: Mask, linked: Links) -> Shown:
    """What to draw of B blocks that can show in a picture.

    ``wanted``: has a weight of its own at this scale. The others stand by: one is drawn where a finer block that should
    be in its place has not come all the way. ``live``: still in the world, hence counted in R_child.
    """
    resident = monotone(shares, there, roots, linked)
    below = child_residencies(resident, live, linked)
    rows = np.flatnonzero((resident > 0.0) & (wanted | (below < resident)))
    return Shown(rows, resident[rows], below[rows])
