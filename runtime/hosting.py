"""What a host may do to others: another role, the way out, and the door. Both last as long as the room is open."""

from __future__ import annotations

from collections.abc import Callable

from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.participants import Participant, Roster

SENT_AWAY = "a host of this world has asked you to leave"
LOCKED = "this world is locked: its host lets nobody new in"


class Hosting:
    """``gone``: forget somebody for good; ``changed``: others have to be told; ``renewed``: what was told to those who
    are here is of no use any more to whoever is not."""

    def __init__(
        self,
        roster: Roster,
        gone: Callable[[Participant], None],
        changed: Callable[[], None],
        renewed: Callable[[], None] = lambda: None,
    ) -> None:
        self._roster, self._gone, self._changed, self._renewed = roster, gone, changed, renewed
        self.locked = False

    def lets_in(self, role: Role) -> bool:
        """Whether somebody new with that role may come in."""
        return not self.locked or role.may(Role.HOST)

    def hear(self, who: Participant, message: messages.Kick | messages.Grant | messages.Lock) -> None:
        """Do what a host asks for; that ``who`` is one was seen to."""
        if isinstance(message, messages.Lock):
            if message.locked and not self.locked:
                self._renewed()
            self.locked = message.locked
            self._changed()
            return
        whom = self._roster.get(message.viewer)
        if whom is None:
            who.fail(ErrorCode.NOT_FOUND, "whom you mean is not here", message.request)
        elif whom is who:
            who.fail(ErrorCode.INVALID, "that is you: another host has to do it", message.request)
        elif isinstance(message, messages.Grant):
            whom.role = whom.granted = Role(message.role)
            self._changed()
        else:
            if whom.session is not None:
                whom.session.refuse(CloseCode.FORBIDDEN, SENT_AWAY)
                whom.wake()
            self._gone(whom)
            self._renewed()
