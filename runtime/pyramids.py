"""The pyramids of blocks that lie on disk, within a bound in bytes: those that were drawn longest ago go first.

A pyramid (``scene_graph.mips``) is made when it is first asked for and stays with its block. Of a block that is in
memory for good that is right; of one whose columns come and go it would be memory without end.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

from wonderzoom.runtime.sight import BYTES_A_SURFEL
from wonderzoom.scene_graph.surfels import Block, Surfels


class Pyramids:
    """One thread at a time, and no other that makes pyramids of these blocks."""

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self.nbytes = 0
        self._kept: OrderedDict[int, tuple[Block, int]] = OrderedDict()  # by identity; drawn last is last

    def drawn(self, blocks: Iterable[Block]) -> None:
        """Blocks whose pyramids, as far as they are made, were just used."""
        for block in blocks:
            if not block.mips or isinstance(block.columns, Surfels):
                continue
            size = BYTES_A_SURFEL * sum(level.count for level in block.mips)
            _, before = self._kept.pop(id(block), (block, 0))
            self._kept[id(block)] = block, size
            self.nbytes += size - before
        while self.nbytes > self.max_bytes and len(self._kept) > 1:
            _, (block, size) = self._kept.popitem(last=False)
            block.mips.clear()
            self.nbytes -= size
