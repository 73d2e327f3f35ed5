"""A store that is open for writing, whose world is read through a cache: what a committer keeps commits in."""

from __future__ import annotations

from functools import partial

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore


class Paged:
    """Implements ``generation.committing.Durable``."""

    def __init__(self, store: WorldStore, pages: PageCache) -> None:
        self._store = store
        self.load = partial(store.load, pages)
        self.entries, self.commits, self.settled = store.entries, store.commits, store.settled

    def append(self, commit: Commit) -> None:
        """See ``WorldStore.append``."""
        self._store.append(commit)
