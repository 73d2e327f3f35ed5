"""What everybody is told as it stands: the newest only, and not too often.

Who has not yet taken what was said before is told later how things stand then, so that a slow connection is never
behind by more than one such message.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wonderzoom.protocol import messages
from wonderzoom.runtime.participants import Participant, Roster


class Newest:
    """One kind of message. Belongs to one event loop."""

    def __init__(self, roster: Roster, every_s: float, message: Callable[[], messages.FromServer]) -> None:
        """``message``: how things stand now; ``every_s``: seconds between two of them, at least."""
        self._roster, self._every_s, self._message = roster, every_s, message
        self._loop = asyncio.get_running_loop()
        self._number = 0  # how often it has changed
        self._told: dict[str, int] = {}  # by viewer, the number that was told last
        self._due: asyncio.TimerHandle | None = None
        self._closed = False

    def changed(self) -> None:
        """Things stand otherwise than everybody was told."""
        self._number += 1
        self._plan()

    def owe(self, who: Participant) -> None:
        """Somebody is to be told how things stand, though they have not changed."""
        self._told.pop(who.id, None)
        self._plan()

    def close(self) -> None:
        """Tell nobody anything more."""
        self._closed = True
        if self._due is not None:
            self._due.cancel()

    def _plan(self) -> None:
        if self._due is None and not self._closed:
            self._due = self._loop.call_later(self._every_s, self._tell)

    def _tell(self) -> None:
        self._due = None
        here = self._roster.present
        due = [each for each in here if self._told.get(each.id) != self._number]
        free = [each for each in due if not each.waiting]
        if len(free) < len(due):
            self._plan()
        if not free:
            return
        said = self._message()
        self._told = {each.id: number for each in here if (number := self._told.get(each.id)) is not None}
        for each in free:
            self._told[each.id] = self._number
            each.say(said)
