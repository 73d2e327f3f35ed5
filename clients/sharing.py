"""What one does with the others in a world: follow them, keep places for all; for hosts, keep order. Without sockets.

Every method raises RequestFailed for what the server refuses, ValueError for what can't be said, and what ended the
world.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import TypeVar

from wonderzoom.clients.jobs import Job, Jobs, Say
from wonderzoom.clients.outbox import checked
from wonderzoom.clients.poses import pose_of
from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.messages import FromServer
from wonderzoom.protocol.values import Bookmark, CameraPose, Role
from wonderzoom.scene_graph.camera import Camera

_Value = TypeVar("_Value")


class Until(Job[_Value]):
    """Asked for until a message of the server's says that it is so: ``answer`` gives the result then.

    Asked again after a break, what is not found any more is ``gone``, where that is a result.
    """

    def __init__(
        self, message: messages.Follow | messages.AddBookmark | messages.RemoveBookmark | messages.Kick
        | messages.Grant | messages.Lock, say: Say, answer: Callable[[FromServer], _Value | None],
        gone: _Value | None = None,
    ) -> None:  # fmt: skip
        super().__init__(message.request, message, say)
        self._answer, self._gone, self._again = answer, gone, False

    def hear(self, message: FromServer) -> None:
        if (result := self._answer(message)) is not None:
            self.finish(result)
            return
        if self._again and self._gone is not None and isinstance(message, messages.Error):
            if (message.request, message.code) == (self.request, ErrorCode.NOT_FOUND):
                self.finish(self._gone)
                return
        super().hear(message)

    def resumed(self, welcome: messages.Welcome) -> None:
        self._again = True
        super().resumed(welcome)


class Others:
    """Those who are here: whom one follows, and what a host may do to them. Viewers are named by their ids."""

    def __init__(self, jobs: Jobs, say: Say) -> None:
        self._jobs, self._say = jobs, say
        self.leader: str | None = None  # whom one follows
        self._wanted: str | None = None  # whom one asked to follow, unless one has moved since

    async def follow(self, viewer: str) -> None:
        """Look where another viewer looks, until one looks elsewhere; ``Led`` events say where that is."""

        def answer(message: FromServer) -> bool | None:
            return (isinstance(message, messages.Led) and message.viewer == viewer) or None

        asked = checked(messages.Follow(request=self._jobs.name("f"), viewer=viewer))
        following = self._jobs.begin(Until(asked, self._say, answer))
        self._wanted = viewer
        await following

    def stay(self) -> None:
        """Follow nobody any more, and stay where one is."""
        if self._wanted is not None:
            self.looked()
            self._say(messages.Follow(request=self._jobs.name("f")))

    async def kick(self, viewer: str) -> None:
        """Send somebody away, as a host. They may come back with their link, unless the world is locked."""

        def answer(message: FromServer) -> bool | None:
            told = isinstance(message, messages.Presence)
            return (told and viewer not in [each.id for each in message.viewers]) or None

        await self._until(messages.Kick(request=self._jobs.name("k"), viewer=viewer), answer, gone=True)

    async def grant(self, viewer: str, role: Role) -> None:
        """Give somebody who is here another role, as a host."""

        def answer(message: FromServer) -> bool | None:
            here = message.viewers if isinstance(message, messages.Presence) else []
            return (role in [each.role for each in here if each.id == viewer]) or None

        await self._until(messages.Grant(request=self._jobs.name("g"), viewer=viewer, role=role), answer)

    async def lock(self, locked: bool = True) -> None:
        """Let nobody new in but hosts, or everybody again; as a host."""

        def answer(message: FromServer) -> bool | None:
            return (isinstance(message, messages.Presence) and message.locked is locked) or None

        await self._until(messages.Lock(request=self._jobs.name("l"), locked=locked), answer)

    # ---- the connection's part ------------------------------------------------------------------
    def hear(self, message: messages.Led) -> CameraPose | None:
        """Where one looks now, if that is elsewhere. What leads on when one has moved was on its way."""
        if message.viewer is None:
            self.looked()
        elif message.viewer == self._wanted:
            self.leader = message.viewer
            return message.camera
        return None

    def looked(self) -> None:
        """One has moved by oneself."""
        self.leader = self._wanted = None

    def again(self) -> None:
        """Connected again, and the camera was said: that ended it."""
        if self.leader is not None:
            self._say(messages.Follow(request=self._jobs.name("f"), viewer=self.leader))

    async def _until(
        self, message: messages.Kick | messages.Grant | messages.Lock,
        answer: Callable[[FromServer], bool | None], gone: bool | None = None,
    ) -> None:  # fmt: skip
        await self._jobs.begin(Until(checked(message), self._say, answer, gone))


class Bookmarks:
    """The places that are kept with the world, for everyone; iterate over them, oldest first."""

    def __init__(self, jobs: Jobs, say: Say, mine: Callable[[], str]) -> None:
        """``mine``: a text that no other viewer has."""
        self._jobs, self._say, self._mine = jobs, say, mine
        self._kept: list[Bookmark] = []

    def __iter__(self) -> Iterator[Bookmark]:
        return iter(list(self._kept))

    def __len__(self) -> int:
        return len(self._kept)

    async def add(self, name: str, camera: Camera | CameraPose) -> Bookmark:
        """Keep a view under a name, as an editor."""
        only = blake2b(self._mine().encode(), digest_size=6).hexdigest()  # says nothing of it to others
        request = f"{self._jobs.name('b')}-{only}"

        def answer(message: FromServer) -> Bookmark | None:
            kept = message.bookmarks if isinstance(message, messages.Bookmarks) else []
            return next((each for each in kept if each.id == request), None)

        pose = pose_of(camera) if isinstance(camera, Camera) else camera
        asked = Until(
            checked(messages.AddBookmark(request=request, name=name, camera=pose)), self._say, answer
        )
        self._jobs.begin(asked)
        return await asked

    async def remove(self, bookmark: str) -> None:
        """Keep the one of that id no longer, as an editor."""

        def answer(message: FromServer) -> bool | None:
            told = isinstance(message, messages.Bookmarks)
            return (told and bookmark not in [each.id for each in message.bookmarks]) or None

        asked = messages.RemoveBookmark(request=self._jobs.name("r"), bookmark=bookmark)
        await self._jobs.begin(Until(checked(asked), self._say, answer, True))

    def hear(self, message: FromServer) -> None:
        """A message of the server's."""
        if isinstance(message, messages.Bookmarks):
            self._kept = message.bookmarks
        elif isinstance(message, messages.Welcome):
            self._kept = []  # where there are any, they are told next
