"""Who looks where somebody else looks.

A follower's camera is that of whoever is at the head of the line, in the follower's own viewport. The frame loop
draws it as any other; as its pictures fade in the leader's time, those with the same viewport are one picture
(``frame_loop``). What programs need to draw between two pictures, or by themselves, is said in ``led``: the newest
only, LED_S apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.runtime.participants import Participant, Roster
from wonderzoom.runtime.wire import pose
from wonderzoom.scene_graph.camera import Camera

LED_S = 1.0 / 30.0  # between two of them: as often as pictures come


class Following:
    """Belongs to one event loop. ``look``: have somebody see that camera, as it is seen by the viewer of that id;
    ``changed`` is called whenever somebody follows somebody else than before."""

    def __init__(
        self, roster: Roster, look: Callable[[Participant, Camera, str], None], changed: Callable[[], None]
    ) -> None:
        self._roster, self._look, self._changed = roster, look, changed
        self._loop = asyncio.get_running_loop()
        self._led: dict[str, Participant] = {}  # who follows somebody
        self._owed: set[str] = set()  # who has not been told where the leader looks now
        self._due: asyncio.TimerHandle | None = None

    def follow(self, who: Participant, message: messages.Follow) -> None:
        """Begin, or end it where nobody is named."""
        if message.viewer is None:
            self.end(who)
            who.say(messages.Led())
            return
        leader = self._roster.get(message.viewer)
        if leader is None:
            who.fail(ErrorCode.NOT_FOUND, "whom you want to follow is not here", message.request)
        elif who in (leader, *self._ahead(leader)):
            who.fail(ErrorCode.INVALID, f"{leader.name} follows you", message.request)
        else:
            who.following, self._led[who.id] = leader.id, who
            self._changed()
            self._lead(who)
            self._say(who)

    def end(self, who: Participant) -> None:
        """Somebody moves by themselves, or is away."""
        if who.following is not None:
            who.following = None
            who.viewer.sees = who.id
            self._led.pop(who.id, None)
            self._owed.discard(who.id)
            self._changed()

    def gone(self, who: Participant) -> None:
        """Somebody is gone for good: their followers stay where they are."""
        self._led.pop(who.id, None)
        for each in self._roster:
            if each.following == who.id:
                self.end(each)
                each.say(messages.Led())

    def moved(self, leader: Participant) -> None:
        """Somebody looks elsewhere, and with them all who follow them, or follow somebody who does."""
        for each in self._led.values():
            if each.here and leader in self._ahead(each):
                self._lead(each)
                self._owed.add(each.id)
        self._plan()

    def close(self) -> None:
        """Tell nobody anything more."""
        self._owed.clear()
        if self._due is not None:
            self._due.cancel()

    # ---- inside ---------------------------------------------------------------------------------
    def _ahead(self, who: Participant) -> list[Participant]:
        """Those in front of somebody, nearest first; nobody is in front of themselves."""
        line: list[Participant] = []
        while who.following is not None:
            leader = self._roster.get(who.following)
            assert leader is not None, "who is gone is followed by nobody"
            line.append(leader)
            who = leader
        return line

    def _lead(self, who: Participant) -> None:
        """Have a follower see what the first of the line sees."""
        first = self._ahead(who)[-1].viewer
        if first.camera is not None:
            camera = first.camera if who.viewport is None else first.camera.resized(*who.viewport)
            self._look(who, camera, first.id)

    def _plan(self) -> None:
        if self._owed and self._due is None:
            self._due = self._loop.call_later(LED_S, self._tell)

    def _tell(self) -> None:
        self._due = None
        for name in sorted(self._owed):
            who = self._roster.get(name)
            if who is None or not who.here:
                self._owed.discard(name)
            elif not who.waiting:
                self._owed.discard(name)
                self._say(who)
        self._plan()

    def _say(self, who: Participant) -> None:
        leads, camera = self._ahead(who)[-1].viewer.camera is not None, who.viewer.camera
        who.say(messages.Led(viewer=who.following, camera=pose(camera) if leads and camera else None))
