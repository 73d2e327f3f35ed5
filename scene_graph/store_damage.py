"""What was found to be lost, and what is left of a commit then: nothing waits for what will not come."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.scale_node import PartLost
from wonderzoom.scene_graph.scales import NO_CHILD, NO_PARENT
from wonderzoom.scene_graph.surfels import BlockLost, Bounds, StoredBounds

Lost = TypeVar("Lost", bound=PartLost)


@dataclass(frozen=True, slots=True)
class Losses:
    """What was found to be lost while it was read: node -> the first thing that was wrong."""

    found: dict[str, str] = field(default_factory=dict[str, str])

    def lost(self, error: Lost) -> Lost:
        """The same error, noted."""
        self.found.setdefault(error.node, str(error))
        return error


def why(error: OSError | ValueError) -> str:
    """What went wrong when a part was read, in words."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def without(commit: Commit, lost: set[str]) -> Commit:
    """A commit in a damaged world: no patch of a lost block, no bounds that wait for one."""
    blocks = tuple(block.with_bounds(_opened(block.limits, lost)) for block in commit.blocks)
    patches = tuple(
        replace(patch, limits=_opened(patch.limits, lost))
        for patch in commit.patches
        if patch.node not in lost
    )
    return replace(commit, blocks=blocks, patches=patches)


def _opened(limits: Bounds | StoredBounds, gone: set[str]) -> Bounds | StoredBounds:
    """As ``opened``; only bounds that name such a node are read."""
    if not gone.intersection(limits.owners):
        return limits
    try:
        return opened(limits if isinstance(limits, Bounds) else limits.read(), gone)
    except BlockLost:
        return limits  # and so is the block that they are of


def opened(bounds: Bounds, gone: set[str]) -> Bounds:
    """Bounds that no longer wait for blocks of ``gone`` nodes: what these stood for shows without them."""
    indices = [i for i, owner in enumerate(bounds.owners) if owner in gone]
    if not indices:
        return bounds
    no_parent, no_child = np.isin(bounds.parent_owner, indices), np.isin(bounds.child_owner, indices)
    return replace(
        bounds,
        parent=np.where(no_parent, np.float32(NO_PARENT), bounds.parent),
        child=np.where(no_child, np.float32(NO_CHILD), bounds.child),
        parent_owner=np.where(no_parent, np.int16(-1), bounds.parent_owner),
        child_owner=np.where(no_child, np.int16(-1), bounds.child_owner),
    )
