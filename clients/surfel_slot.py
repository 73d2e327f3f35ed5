"""The surfels of a conversation: taken in the thread that talks, drawn in any other one.

Drawing never waits for the decoding of what comes: while a delta is being taken, what was drawn last is drawn again.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

from wonderzoom.clients.surfels import HeldSurfels
from wonderzoom.protocol import limits, messages
from wonderzoom.scene_graph.ports import VisibleSet


class SurfelSlot:
    """See the module docstring. Times are in seconds of one clock that only goes forward."""

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._held = HeldSurfels(budget)
        self._lock = threading.Lock()
        self._drawn = VisibleSet((), (), (), 0)

    @property
    def count(self) -> int:
        """Surfels that are held."""
        return self._held.count

    @property
    def revision(self) -> int:
        """Of the world, when the last delta was sent."""
        return self._held.revision

    @property
    def camera_seq(self) -> int:
        """The camera that the last delta was chosen for."""
        return self._held.camera_seq

    def take(self, delta: messages.Surfels, now: float) -> None:
        """Obey a delta. Raises ProtocolError for one that no server says."""
        with self._lock:
            self._held.take(delta, now)

    def drawn(self, now: float) -> VisibleSet:
        """What to draw at a moment; the same object while nothing moves."""
        if self._lock.acquire(blocking=False):
            try:
                self._drawn = self._held.drawn(now)
            finally:
                self._lock.release()
        return self._drawn

    def settled(self, now: float) -> bool:
        """Whether the picture of a still camera is the last one: all is here, and nothing fades."""
        with self._lock:
            return self._held.settled(now)

    def have(self) -> Iterator[messages.Have]:
        """What is held, to be said to a server that may not know."""
        known = self._held.known()
        for first in range(0, len(known), limits.MAX_NAMED):
            yield messages.Have(levels=known[first : first + limits.MAX_NAMED])

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._held = HeldSurfels(self._budget)
            self._drawn = VisibleSet((), (), (), 0)
