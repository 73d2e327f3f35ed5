"""Those who share a world, for each other: who is here and follows whom, what is kept for all, what hosts may do."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from wonderzoom.protocol import messages
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.bookmarks import BookmarkShelf
from wonderzoom.runtime.following import Following
from wonderzoom.runtime.hosting import Hosting
from wonderzoom.runtime.newest import Newest
from wonderzoom.runtime.participants import Participant, Roster
from wonderzoom.runtime.presence import PRESENCE_S, presence
from wonderzoom.runtime.zoom_desk import PendingZoom
from wonderzoom.scene_graph.camera import Camera

Said = (
    messages.Follow
    | messages.AddBookmark
    | messages.RemoveBookmark
    | messages.Kick
    | messages.Grant
    | messages.Lock
)


class Company:
    """Of one room; belongs to its event loop."""

    def __init__(
        self,
        roster: Roster,
        pending: Callable[[], Sequence[PendingZoom]],
        shelf: BookmarkShelf,
        look: Callable[[Participant, Camera, str], None],
        gone: Callable[[Participant], None],
        renewed: Callable[[], None],
    ) -> None:
        """``pending``: the zooms that people wait for; for the others see ``Following`` and ``Hosting``."""
        self._shelf = shelf
        self._presence = Newest(roster, PRESENCE_S, lambda: presence(roster, pending(), self.hosting.locked))
        self._bookmarks = Newest(roster, PRESENCE_S, lambda: shelf.said)
        shelf.changed = self._bookmarks.changed
        self.changed = self._presence.changed  # to be called when others have to be told of somebody
        self.following = Following(roster, look, self.changed)
        self.hosting = Hosting(roster, gone, self.changed, renewed)

    def hear(self, who: Participant, message: Said) -> Coroutine[Any, Any, None] | None:
        """What somebody asks for, if they may; what takes long is returned, to be done beside."""
        match message:
            case messages.Follow():
                self.following.follow(who, message)
            case messages.AddBookmark() | messages.RemoveBookmark():
                if who.is_allowed(Role.EDITOR, message.request):
                    return self._shelf.hear(who, message)
            case messages.Kick() | messages.Grant() | messages.Lock():
                if who.is_allowed(Role.HOST, message.request):
                    self.hosting.hear(who, message)
        return None

    def entered(self, who: Participant) -> None:
        """Somebody has connected, for the first time or again."""
        self.changed()
        if self._shelf.said.bookmarks:
            self._bookmarks.owe(who)

    def looked(self, who: Participant) -> None:
        """Somebody has moved by themselves."""
        self.following.moved(who)
        self.changed()

    def close(self) -> None:
        """Tell nobody anything more."""
        for each in (self._presence, self._bookmarks, self.following):
            each.close()
