"""Reads blocks ahead of those who look: what a viewer will be shown next comes into memory in the background.

One thread for one world. Each viewer has one list of wishes, the newest: what it wanted before and wants no more is not
read. Viewers take turns, block by block, so that a long list holds nobody up.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence

from wonderzoom.scene_graph.surfels import Block, BlockLost

log = logging.getLogger(__name__)


def _nobody() -> None:
    return None


class Loader:
    """``arrived`` is called in the thread whenever a block has come, or was found to be lost."""

    def __init__(self, arrived: Callable[[], None] = _nobody) -> None:
        self.lost: set[str] = set()  # hashes of blocks that can't be read
        self._arrived = arrived
        self._wishes: OrderedDict[str, deque[Block]] = OrderedDict()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="load", daemon=True)
        self._thread.start()

    def want(self, viewer: str, blocks: Sequence[Block]) -> None:
        """The blocks that a viewer lacks, the most urgent first; in the place of what it wanted before."""
        with self._changed:
            if blocks:
                self._wishes[viewer] = deque(blocks)
            else:
                self._wishes.pop(viewer, None)
            self._changed.notify()

    def read(self, block: Block) -> bool:
        """Read a block now; whether it is there. What is lost is said once."""
        if block.hash in self.lost:
            return False
        try:
            return len(block.surfels) == len(block.bounds)
        except BlockLost as error:
            self.give_up(block, error)
            return False

    def give_up(self, block: Block, error: BlockLost) -> bool:
        """Count a block among the lost ones that somebody could not read; whether that is news."""
        if block.hash in self.lost:
            return False
        self.lost.add(block.hash)
        log.error("%s", error)
        return True

    def close(self) -> None:
        """End the thread, after the block that it reads. May be called twice."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (block := self._next()) is not None:
            if not block.in_memory and block.hash not in self.lost:
                self.read(block)
                self._arrived()

    def _next(self) -> Block | None:
        with self._changed:
            self._changed.wait_for(lambda: self._wishes or self._closed)
            if self._closed:
                return None
            viewer, wishes = next(iter(self._wishes.items()))
            block = wishes.popleft()
            if wishes:
                self._wishes.move_to_end(viewer)
            else:
                del self._wishes[viewer]
            return block
