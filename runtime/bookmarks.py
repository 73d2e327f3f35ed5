"""The places that are kept with a world: a file beside the store, and what everybody is told of it.

They are no part of the world: nothing of what is drawn or generated depends on them. The file is written whole and
durable before anybody hears of a change; one that can't be read is set aside, and begun anew.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.values import Bookmark
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.wire import camera_of
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.durable import write_durably

log = logging.getLogger(__name__)

FILE = "bookmarks.json"
SET_ASIDE = "bookmarks.unreadable.json"


class UnreadableBookmarks(Exception):
    """A file that is none of bookmarks; the text says why."""


def read_bookmarks(world: Path) -> list[Bookmark]:
    """Those of the world in a directory, oldest first. Raises UnreadableBookmarks."""
    path = world / FILE
    try:
        kept = msgspec.json.decode(path.read_bytes(), type=list[Bookmark])
    except FileNotFoundError:
        return []
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableBookmarks(f"{path}: {error}") from error
    if len(kept) > limits.MAX_BOOKMARKS:
        raise UnreadableBookmarks(
            f"{path}: {len(kept)} bookmarks; a world has {limits.MAX_BOOKMARKS} at most"
        )
    return kept


def write_bookmarks(world: Path, bookmarks: Sequence[Bookmark]) -> None:
    """Keep them in the place of what was kept. Raises OSError."""
    write_durably(world / FILE, msgspec.json.format(msgspec.json.encode(bookmarks), indent=1))


def bookmarked(world: Path, name: str) -> Camera:
    """The camera of the newest bookmark of that name, or of that id. Raises CommandError."""
    try:
        kept = read_bookmarks(world)
    except UnreadableBookmarks as error:
        raise CommandError(str(error)) from error
    for each in reversed(kept):
        if name in (each.name, each.id):
            return camera_of(each.camera)
    names = ", ".join(sorted({each.name for each in kept})) or "none"
    raise CommandError(f"{world}: there is no bookmark {name!r}; there are: {names}")


class BookmarkShelf:
    """The bookmarks of an open world. Belongs to one event loop; without a ``world`` nothing is written."""

    def __init__(self, world: Path | None) -> None:
        """Reads what is kept; ``changed`` is called whenever it is another."""
        self._world = world
        self._kept = {each.id: each for each in ([] if world is None else _read(world))}
        self._turn = asyncio.Lock()  # one change after another
        self.changed: Callable[[], None] = lambda: None

    @property
    def said(self) -> messages.Bookmarks:
        """All of them, as everybody is told."""
        return messages.Bookmarks(bookmarks=list(self._kept.values()))

    async def hear(self, who: Participant, message: messages.AddBookmark | messages.RemoveBookmark) -> None:
        """Add or remove one; that ``who`` may was seen to."""
        async with self._turn:
            kept = dict(self._kept)
            if isinstance(message, messages.RemoveBookmark):
                if kept.pop(message.bookmark, None) is None:
                    who.fail(ErrorCode.NOT_FOUND, "there is no such bookmark", message.request)
                    return
            elif message.request in kept:
                who.say(self.said)  # asked again
                return
            elif len(kept) >= limits.MAX_BOOKMARKS:
                text = f"{limits.MAX_BOOKMARKS} places are kept already; remove one first"
                who.fail(ErrorCode.BUSY, text, message.request)
                return
            else:
                try:
                    camera_of(message.camera)
                except ValueError as error:
                    who.fail(ErrorCode.INVALID, str(error), message.request)
                    return
                kept[message.request] = Bookmark(
                    id=message.request,
                    name=message.name,
                    camera=message.camera,
                    by=who.name[: limits.MAX_NAME],
                )
            try:
                if self._world is not None:
                    await asyncio.to_thread(write_bookmarks, self._world, list(kept.values()))
            except OSError as error:
                log.error("bookmarks could not be written: %s", error)
                text = "it could not be kept: the disk is full, or does not work"
                who.fail(ErrorCode.OUT_OF_SPACE, text, message.request)
                return
            self._kept = kept
            self.changed()


def _read(world: Path) -> list[Bookmark]:
    try:
        return read_bookmarks(world)
    except UnreadableBookmarks as error:
        log.error("%s; it is kept as %s", error, SET_ASIDE)
        (world / FILE).replace(world / SET_ASIDE)
        return []
