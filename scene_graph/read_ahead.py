"""Files of commits that are read and hashed in a thread, while the ones before them are worked on.

Hashing takes as long as the rest of loading a world, and both can be done at once: hashes leave the interpreter free.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self

from wonderzoom.scene_graph.store_record import Row

AHEAD = 2  # files: one is being read while one waits


class ReadAhead:
    """Asked for each of ``rows`` at most once, in their order; a context manager, as it has a thread."""

    def __init__(self, rows: Sequence[Row], read: Callable[[Row], bytes]) -> None:
        self._read = read
        self._left = deque(rows)
        self._coming: deque[tuple[Row, Future[bytes]]] = deque()
        self._pool = ThreadPoolExecutor(1, "read-ahead")

    def of(self, row: Row) -> bytes:
        """What ``read`` gives for a row. Raises what that raises."""
        while True:
            while self._left and len(self._coming) < AHEAD:
                following = self._left.popleft()
                self._coming.append((following, self._pool.submit(self._read, following)))
            if not self._coming:
                return self._read(row)
            here, future = self._coming.popleft()
            if here == row:
                return future.result()
            future.cancel()  # nobody has asked for this one

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._pool.shutdown(cancel_futures=True)
