"""What a block must be to enter a world: commits come from other processes and from files.

A number that is not finite, a rotation of zeros or a bound on the wrong side would not stop at its surfel: it
would spoil the boxes and intervals of every cell above it, and with them what is drawn at all.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import MAX_LEVEL, Cell, common_ancestor
from wonderzoom.scene_graph.coverage_loops import loops
from wonderzoom.scene_graph.joining import Joined
from wonderzoom.scene_graph.surfels import Block, Bounds, StoredSurfels, Surfels

F32 = NDArray[np.float32]
I16 = NDArray[np.int16]


def wrong_with_block(block: Block, views: int) -> str:
    """Why a block of a node with that many views can't be let in; empty when it can."""
    if wrong := wrong_with_columns(block.cell, block.node, block.columns, views):
        return wrong
    if not isinstance(block.columns, Surfels):
        return ""  # whoever reads them from the disk looks at them
    wrong = wrong_with_bounds(block.columns, block.bounds)
    return f"block {block.node!r} in {block.cell}: {wrong}" if wrong else ""


def wrong_with_columns(cell: Cell, node: str, columns: Surfels | StoredSurfels, views: int) -> str:
    """Why these can't be the write-once columns of a block there; empty when they can."""
    if abs(cell.level) > MAX_LEVEL:
        return f"a block of {node!r} lies at level {cell.level}, beyond {MAX_LEVEL}"
    if not len(columns):
        return f"block {node!r} in {cell} is empty"
    wrong = wrong_with_surfels(columns, views) if isinstance(columns, Surfels) else ""
    return f"block {node!r} in {cell}: {wrong}" if wrong else ""


def wrong_with_surfels(surfels: Surfels, views: int) -> str:
    """Why these can't be the columns of a block of a node with that many views; empty when they can."""
    try:
        surfels.check_finite()
    except ValueError as error:
        return str(error)
    view = int(surfels.view.max())
    return f"it names view {view} of {views}" if view >= views else ""


def look_at(run: Joined) -> None:
    """Let surfels know that all is well with them, if it is with all of a run."""
    if not all(part.known_sound for part in run.parts) and min(run.counts) and loops().sound(run.whole):
        for part in run.parts:
            object.__setattr__(part, "known_sound", True)


def look_together(blocks: Sequence[Block], surfels: Surfels, bounds: Bounds, rows: Sequence[int]) -> bool:
    """Whether all is well with blocks whose columns, so many ``rows`` of each, lie in ``surfels`` and ``bounds``.

    If so they know it, and ``wrong_with_block`` has nothing left to do. Otherwise it finds what is wrong, if anything.
    """
    if not len(surfels) or min(rows) < 1 or not loops().sound(surfels):
        return False
    columns = bounds.parent, bounds.child, bounds.parent_owner, bounds.child_owner
    if not limits_are_sound(surfels, *columns):
        return False
    starts = np.cumsum([0, *rows[:-1]])
    most = np.array([len(block.limits.owners) for block in blocks])
    for owner in (bounds.parent_owner, bounds.child_owner):
        if not (np.maximum.reduceat(owner, starts) < most).all():
            return False
    for block in blocks:
        object.__setattr__(block.columns, "known_sound", True)
        object.__setattr__(block.limits, "known_beside", block.columns)
    return True


def limits_are_sound(surfels: Surfels, parent: F32, child: F32, parents: I16, children: I16) -> bool:
    """Whether bounds lie on the right sides of their surfels, and have an owner, -1 for none, where they are any."""
    for bound, owner in ((parent, parents), (child, children)):
        if owner.min(initial=0) < -1 or not np.array_equal(np.isinf(bound), owner < 0):
            return False
    return bool((parent > surfels.native).all() and (child < surfels.native).all())


def wrong_with_bounds(surfels: Surfels, bounds: Bounds) -> str:
    """Why bounds can't be those of some surfels: Eq. 3 divides by the gaps to the parent and to the child."""
    if bounds.known_beside is surfels:
        return ""
    if len(bounds.parent) != len(surfels):
        return f"{len(bounds.parent)} bounds for {len(surfels)} surfels"
    if not np.logical_and.reduce(bounds.parent > surfels.native):
        return "a parent bound is not coarser than its surfel"
    if not np.logical_and.reduce(bounds.child < surfels.native):
        return "a child bound is not finer than its surfel"
    for bound, owner in ((bounds.parent, bounds.parent_owner), (bounds.child, bounds.child_owner)):
        if len(bound) != len(owner) or not np.logical_and.reduce(np.isinf(bound) == (owner < 0)):
            return "a bound has no owner, or an owner has no bound"
        if len(owner) and (most := int(np.maximum.reduce(owner))) >= len(bounds.owners):
            return f"a bound names owner {most} of {len(bounds.owners)}"
    return ""


def wrong_with_cells(cells: Sequence[Cell], root: Cell | None) -> str:
    """Why cells can't be in one octree with ``root``; empty when they can."""
    try:
        common_ancestor([*cells, root] if root is not None else list(cells))
    except ValueError as error:
        return str(error)
    return ""
