"""The pyramids of blocks (``scene_graph.mips``): made between the frames, and, of blocks on disk, kept within a bound.

Whoever looks goes first: while a frame is drawn nothing is begun, but for a fifth of the time, so that somebody who
never stands still gets them too.

A pyramid is made when it is first asked for and stays with its block. Of a block that is in memory for good that is
right; of one whose columns come and go it would be memory without end: those drawn longest ago give theirs up.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

from wonderzoom.runtime.sight import BYTES_A_SURFEL
from wonderzoom.scene_graph.mips import Missing
from wonderzoom.scene_graph.surfels import Block, Surfels

_AT_ONCE = 16  # blocks whose levels are made in one go: 20 ms that a frame, or closing, may meet
_REST = 4.0  # times as long as the last go, frames may hold up the next


def _nobody() -> None:
    return None


class Pyramids:
    """Of one world; ``choosing`` is held by whoever chooses levels, and calls ``later`` and ``drawn``.

    ``finished`` is called in the thread that makes them when all that was asked for is there.
    """

    def __init__(
        self, max_bytes: int, choosing: threading.Lock, finished: Callable[[], None] = _nobody
    ) -> None:
        self.max_bytes, self.finished = max_bytes, finished
        self.nbytes = 0  # of blocks on disk, as far as they were drawn
        self._choosing = choosing
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="merge")
        self._asked: set[tuple[str, str, int]] = set()  # being made: block, its bounds, level
        self._frames, self._counting = 0, threading.Lock()  # that are being drawn
        self._quiet = threading.Event()  # none is
        self._quiet.set()
        self._took_s = 0.0  # the last go
        self._kept: OrderedDict[int, tuple[Block, int]] = OrderedDict()  # by identity; drawn last is last

    @contextmanager
    def frame(self) -> Generator[None]:
        """Meanwhile a frame is drawn. In any thread."""
        with self._counting:
            self._frames += 1
            self._quiet.clear()
        try:
            yield
        finally:
            with self._counting:
                self._frames -= 1
                if not self._frames:
                    self._quiet.set()

    def later(self, missing: Missing) -> None:
        """Have levels made beside the frames: no frame waits for them."""
        named = {(block.hash, block.limits.key, missing.level): block for block in missing.blocks}
        new = [name for name in named if name not in self._asked]
        self._asked.update(new)
        for start in range(0, len(new), _AT_ONCE):
            names = new[start : start + _AT_ONCE]
            made = self._thread.submit(
                self._make, replace(missing, blocks=tuple(named[name] for name in names))
            )
            made.add_done_callback(partial(self._made, names))

    def _make(self, missing: Missing) -> None:
        self._quiet.wait(_REST * self._took_s)
        begun = time.perf_counter()
        missing.make()
        self._took_s = time.perf_counter() - begun

    def _made(self, names: list[tuple[str, str, int]], done: Future[None]) -> None:
        self._asked.difference_update(names)
        if not done.cancelled():
            done.result()  # what went wrong is logged by the executor
            if not self._asked:
                self.finished()

    def drawn(self, blocks: Iterable[Block]) -> None:
        """Blocks whose pyramids, as far as they are made, were just used."""
        for block in blocks:
            if not block.mips or isinstance(block.columns, Surfels):
                continue
            size = BYTES_A_SURFEL * sum(level.count for level in block.mips)
            _, before = self._kept.pop(id(block), (block, 0))
            self._kept[id(block)] = block, size
            self.nbytes += size - before
        gone: list[Block] = []
        while self.nbytes > self.max_bytes and len(self._kept) > 1:
            _, (block, size) = self._kept.popitem(last=False)
            self.nbytes -= size
            gone.append(block)
        if gone:
            self._thread.submit(self._give_up, gone)

    def _give_up(self, blocks: list[Block]) -> None:
        """In the thread that makes pyramids, while nobody chooses among their levels."""
        with self._choosing:
            for block in blocks:
                if id(block) not in self._kept:
                    block.mips.clear()

    def close(self) -> None:
        """Finish the level that is being made, and end the thread."""
        self.finished = _nobody
        self._quiet.set()
        self._thread.shutdown(cancel_futures=True)
