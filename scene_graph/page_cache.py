"""Columns that were read from disk, within a bound in bytes: what was asked for longest ago goes first.

One cache serves everybody who looks at a world: renderers, picking, coverage. What it gives is immutable and stays
valid for whoever holds it; the bound is on what the cache itself keeps. What it keeps depends on the order of the
questions alone.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

DEFAULT_BYTES = 1 << 30  # 17 million surfels


@dataclass(frozen=True, slots=True)
class PageStatistics:
    """What a cache holds, and what it was asked so far."""

    held_bytes: int
    max_bytes: int
    hits: int
    misses: int
    evictions: int


class PageCache:
    """Any thread may ask; reading happens outside the lock, so that nobody waits for another's disk."""

    def __init__(self, max_bytes: int = DEFAULT_BYTES) -> None:
        if max_bytes < 0:
            raise ValueError(f"a cache holds 0 bytes or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._pages: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._held = self._hits = self._misses = self._evictions = 0

    def get(self, key: Hashable, read: Callable[[], tuple[T, int]]) -> T:
        """The page of that name; ``read`` gives it, and its bytes, where the cache does not have it.

        A page larger than the bound is given and not kept. Raises what ``read`` raises; nothing is kept then.
        """
        with self._lock:
            found = self._pages.get(key)
            if found is not None:
                self._pages.move_to_end(key)
                self._hits += 1
                return found[0]
            self._misses += 1
        page, size = read()
        with self._lock:
            if key not in self._pages:  # another thread may have read it meanwhile
                self._pages[key] = page, size
                self._held += size
            while self._held > self.max_bytes:
                _, (_, dropped) = self._pages.popitem(last=False)
                self._held -= dropped
                self._evictions += 1
        return page

    def holds(self, key: Hashable) -> bool:
        """Whether ``get`` would not read; who wants to know will ask, so that it stays as if it had been asked for."""
        with self._lock:
            if key not in self._pages:
                return False
            self._pages.move_to_end(key)
            return True

    def __contains__(self, key: Hashable) -> bool:
        """Whether ``get`` would not read; changes nothing."""
        with self._lock:
            return key in self._pages

    @property
    def statistics(self) -> PageStatistics:
        with self._lock:
            return PageStatistics(self._held, self.max_bytes, self._hits, self._misses, self._evictions)
