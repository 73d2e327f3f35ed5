"""A page cache that notes what was read for it."""

from collections.abc import Callable
from typing import Any

from wonderzoom.scene_graph.page_cache import PageCache


class NotedPages(PageCache):
    """``read``: (hash of the file, what of it, ...) of each page that was not there."""

    def __init__(self, max_bytes: int = 1 << 30) -> None:
        super().__init__(max_bytes)
        self.read: list[tuple[Any, ...]] = []

    def get(self, key: Any, read: Callable[[], tuple[Any, int]]) -> Any:
        def noting() -> tuple[Any, int]:
            self.read.append(key)
            return read()

        return super().get(key, noting)

    def files(self, what: str) -> set[str]:
        """Of which files something was read whose name begins so."""
        return {key[0] for key in self.read if key[1].startswith(what)}

    def count(self, what: str) -> int:
        """How often such a thing was read."""
        return sum(key[1].startswith(what) for key in self.read)
