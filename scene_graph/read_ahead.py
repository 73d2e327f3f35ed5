"""Commits that are read, hashed and looked at in threads, while the ones before them become a world.

Hashing takes as long as all the rest of loading a world; it leaves the interpreter free, and so does most of what numpy
does with whole columns.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, Self, TypeVar

from wonderzoom.scene_graph.store_record import Row

T = TypeVar("T")

THREADS = 2
AHEAD = THREADS + 1  # one waits while the others are read


class ReadAhead(Generic[T]):
    """Asked for each of ``rows`` at most once, in their order; a context manager, as it has threads."""

    def __init__(self, rows: Sequence[Row], read: Callable[[Row], T]) -> None:
        self._read = read
        self._left = deque(rows)
        self._coming: deque[tuple[Row, Future[T]]] = deque()
        self._pool = ThreadPoolExecutor(THREADS, "read-ahead")

    def of(self, row: Row) -> T:
        """What ``read`` gives for a row. Raises what that raises."""
        while True:
            self._fill()
            if not self._coming:
                return self._read(row)
            here, future = self._coming.popleft()
            if here == row:
                self._fill()
                return future.result()
            future.cancel()  # nobody has asked for this one

    def _fill(self) -> None:
        while self._left and len(self._coming) < AHEAD:
            following = self._left.popleft()
            self._coming.append((following, self._pool.submit(self._read, following)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
