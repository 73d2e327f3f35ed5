"""Who is here, what they look at and what they wait for: told to everybody, whole, at most ten times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from wonderzoom.protocol import limits, messages, values
from wonderzoom.runtime.participants import Roster
from wonderzoom.runtime.wire import pose
from wonderzoom.runtime.zoom_desk import PendingZoom

PRESENCE_S = 0.1


class PresenceTeller:
    """Tells those of a roster; ``pending`` are the zooms that they wait for. Belongs to one event loop."""

    def __init__(self, roster: Roster, pending: Callable[[], Sequence[PendingZoom]]) -> None:
        self._roster, self._pending = roster, pending
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.TimerHandle | None = None
        self._number = 0  # how often it has changed
        self._closed = False

    def changed(self) -> None:
        """There is something to tell."""
        self._number += 1
        self._plan()

    def close(self) -> None:
        """Tell nothing any more."""
        self._closed = True
        if self._due is not None:
            self._due.cancel()

    def _plan(self) -> None:
        if self._due is None and not self._closed:
            self._due = self._loop.call_later(PRESENCE_S, self._tell)

    def _tell(self) -> None:
        """Newest wins: who has not yet taken what was said before is told later how things stand then."""
        self._due = None
        here = self._roster.present
        due = [each for each in here if each.presence != self._number]
        free = [each for each in due if not each.waiting]
        if len(free) < len(due):
            self._plan()
        if not free:
            return
        viewers = [
            values.ViewerSummary(
                id=each.id, name=each.name, color=each.color, role=each.role.value,
                camera=None if each.viewer.camera is None else pose(each.viewer.camera),
            )
            for each in here[: limits.MAX_VIEWERS]
        ]  # fmt: skip
        waiting = [each for each in self._pending() if self._roster.get(each.participant.id) is not None]
        zooms = [
            values.PendingZoom(
                request=each.request, viewer=each.participant.id, camera=each.camera, prompt=each.wish.prompt,
                stage=each.last.stage if each.last else None, fraction=each.last.fraction if each.last else 0.0,
            )
            for each in waiting[: limits.MAX_PENDING]
        ]  # fmt: skip
        said = messages.Presence(viewers=viewers, zooms=zooms)
        for each in free:
            each.presence = self._number
            each.say(said)
