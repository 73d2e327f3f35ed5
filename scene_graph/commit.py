"""The log: what a world starts with and what each revision adds or removes.

A world is an append-only list of commits; persistence is this list on disk, a delta stream is this
list on the wire, undo and redo are entries like any other (``history``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.ports import Metric
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.surfels import Block, Bounds, StoredBounds

FORMAT = 1


@dataclass(frozen=True, slots=True)
class WorldHeader:
    """What is true of a world for ever."""

    h_ref: int = 512  # short side of every generated picture, pixels
    metric: Metric = "depth"
    root_edge: float = 1.0  # edge of a level-0 cell in scene units (a power of two)
    metres_per_unit: float = 1.0  # an estimate, shown with "≈"
    background: tuple[float, float, float] = (0.5, 0.5, 0.5)  # sRGB, mean of the photo's border
    format: int = FORMAT

    def __post_init__(self) -> None:
        if not 64 <= self.h_ref <= 4096:
            raise ValueError(f"h_ref is 64 to 4096 pixels, got {self.h_ref}")
        if not (self.root_edge > 0 and math.frexp(self.root_edge)[0] == 0.5):
            raise ValueError(f"root_edge must be a power of two, got {self.root_edge}")
        if not (self.metres_per_unit > 0 and math.isfinite(self.metres_per_unit)):
            raise ValueError(f"metres_per_unit must be positive, got {self.metres_per_unit}")


@dataclass(frozen=True, slots=True)
class BoundsPatch:
    """New bounds columns of a block that exists already."""

    node: str
    cell: Cell
    limits: Bounds | StoredBounds

    @property
    def bounds(self) -> Bounds:
        """The bounds columns. Raises BlockLost."""
        limits = self.limits
        return limits if isinstance(limits, Bounds) else limits.read()


@dataclass(frozen=True, slots=True)
class Commit:
    """One revision: all of it becomes visible, or none."""

    revision: int
    added: tuple[ScaleNode, ...] = ()
    removed: tuple[str, ...] = ()  # ids, a whole subtree at once
    blocks: tuple[Block, ...] = ()  # of the added nodes, bounds filled in
    patches: tuple[BoundsPatch, ...] = ()  # of blocks that exist already
    reverts: int = 0  # the earlier revision that this one takes back; 0: a change of its own

    @property
    def entry(self) -> LogEntry:
        """This commit without its content."""
        added = tuple((node.id, node.parent) for node in self.added)
        return LogEntry(self.revision, added, self.removed, self.reverts)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """Which nodes a revision brings and takes: all that history needs to know of it."""

    revision: int
    added: tuple[tuple[str, str | None], ...] = ()  # (node, its parent)
    removed: tuple[str, ...] = ()
    reverts: int = 0
