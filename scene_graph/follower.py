"""A reader that hears of commits as they become durable, in whatever process they were made.

    follower = Follower(store)
    for commit in follower:      # each once, in order; ends with ``stop`` from another thread
        world.apply(commit)

SQLite knows whether another connection has committed since the last look (``PRAGMA data_version``: a few bytes of
shared memory, about 10 microseconds), so the record is read only when there is something new. A look every 20 ms
costs a thousandth of a core and tells of a commit 10 ms after it was acknowledged, on average. Alternatives: the
system's file watching differs on each system and is silent on network disks; a socket from the writer would need
a writer who knows its readers.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store import WorldStore

EVERY_S = 0.02


class Follower:
    """Follows the log of an open store from a revision on. ``stop`` is for any thread, the rest for one."""

    def __init__(self, store: WorldStore, after: int = 0, every_s: float = EVERY_S) -> None:
        self.revision = after  # the last one that was given
        self._store, self._every_s = store, every_s
        self._seen: int | None = None  # the record's version when all of it had been given
        self._stopped = threading.Event()

    def new(self) -> Iterator[Commit]:
        """The commits that have come since the last one that was given; doesn't wait. Raises StoreError."""
        version = self._store.changes()
        if version == self._seen:
            return
        for commit in self._store.commits(after=self.revision):
            self.revision = commit.revision
            yield commit
        self._seen = version

    def __iter__(self) -> Iterator[Commit]:
        """Every commit, as it comes, until ``stop``. Raises StoreError."""
        while not self._stopped.is_set():
            for commit in self.new():
                yield commit
                if self._stopped.is_set():
                    return
            self._stopped.wait(self._every_s)

    def stop(self) -> None:
        """End the iteration, within a look. May be called twice."""
        self._stopped.set()
