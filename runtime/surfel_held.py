"""A level that a viewer has, as the server's account of it knows it (``surfel_stream``), and news of its bounds."""

from __future__ import annotations

from dataclasses import dataclass

from wonderzoom.protocol.values import BoundsPatch
from wonderzoom.runtime.surfel_blocks import bounds_of
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.surfels import Block


@dataclass(slots=True)
class Held:
    """One level."""

    name: bytes
    block: str  # hash of the block
    key: tuple[str, Cell]
    number: int
    count: int
    revision: int  # of its bounds
    there: bool  # False: it is being fetched
    used: int = 0  # the number of the last plan that asked for it

    def patch(self, level: Block) -> BoundsPatch:
        """Its bounds as they are now, which count as held. Raises BlockLost."""
        made = BoundsPatch(hash=self.name, bounds=bounds_of(level), bounds_revision=level.limits.revision)
        self.revision = level.limits.revision
        return made
