"""A team of threads for kernels that release the GIL: the same call with other arguments for each thread.

Kernels get their share of the work as arguments (a band of rows, or a shared counter to draw tiles from),
so a team of one does exactly what a team of many does.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

from wonderzoom.runtime.renderers.closing import Closing


class Team(Closing):
    """``threads`` workers, the caller one of them; close it (or use ``with``) to end its threads."""

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ValueError(f"a team needs at least one thread, got {threads}")
        self.threads = threads
        # One fewer than asked for: the calling thread works too instead of waiting.
        self._pool = ThreadPoolExecutor(threads - 1, "kernels") if threads > 1 else None

    def bands(self, units: int) -> list[tuple[int, int]]:
        """``units`` cut into one contiguous band for each thread."""
        cuts = [units * k // self.threads for k in range(self.threads + 1)]
        return list(zip(cuts[:-1], cuts[1:], strict=True))

    def run(self, kernel: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> None:
        """Call ``kernel(*a)`` for every ``a``, one thread each, and wait; an exception is raised here."""
        if self._pool is None:
            for a in arguments:
                kernel(*a)
            return
        others = [self._pool.submit(kernel, *a) for a in arguments[1:]]
        try:
            kernel(*arguments[0])
        finally:
            for other in others:
                other.exception()  # wait for all before raising: kernels share buffers with the caller
        for other in others:
            other.result()

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()


@contextmanager
def said_when_slow(seconds: float, say: Callable[[], None]) -> Generator[None, None, None]:
    """Call ``say`` (in a thread of its own) if the body is still at work after ``seconds``, else never."""
    timer = threading.Timer(seconds, say)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
