"""The worlds of a server, by name: which there are, which are open, and where new ones go.

A world is opened when the first guest asks for it. Names are labels: a path is only ever looked up under one,
never made of it; the directory of a new world is named by letters and digits of its photo's name.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from wonderzoom.generation.zoom_queue import Phase
from wonderzoom.protocol.limits import MAX_NAME, MAX_WORLDS
from wonderzoom.runtime.metrics import Metrics, Serving, Status
from wonderzoom.runtime.room import Parts, Room
from wonderzoom.runtime.surfel_metrics import ROOMS, RoomKind, Streamed
from wonderzoom.runtime.uploads import Create, Uploads
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.scene_graph.store_errors import StoreError
from wonderzoom.scene_graph.store_record import DATABASE

log = logging.getLogger(__name__)

MOST_VACANT = 2  # rooms that stay open though nobody is inside: people come back
_SLUG = 24  # characters of a new world's name


class NoSuchWorld(Exception):
    """A world that is not here, or can't be opened; the text is for whoever asked."""


def is_world(path: Path) -> bool:
    """Whether a directory holds a world."""
    return (path / DATABASE).is_file()


def worlds_in(folder: Path) -> dict[str, Path]:
    """The worlds in a folder by name, in alphabetical order; those with longer names than MAX_NAME are left out."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if not is_world(path):
            continue
        if len(path.name) > MAX_NAME or not path.name.isprintable() or len(found) == MAX_WORLDS:
            log.warning("%s is left out: at most %d worlds, with names of %d", path, MAX_WORLDS, MAX_NAME)
            continue
        found[path.name] = path
    return found


def paths_for(folder: Path, title: str) -> Iterator[Path]:
    """Where a world of that title (of any characters) goes: ``beach``, or ``beach-2``, or ``beach-3``, and so on."""
    words = "-".join(re.findall(r"[a-z0-9]+", title.lower()))[:_SLUG].strip("-") or "photo"
    yield folder / words
    for number in itertools.count(2):
        yield folder / f"{words}-{number}"


def new_path(folder: Path, title: str) -> Path:
    """The first of them that is free."""
    return next(path for path in paths_for(folder, title) if not path.exists())


class Gallery:
    """Belongs to one event loop. ``worlds``: at least one; ``folder``: where photos become worlds."""

    def __init__(self, worlds: Mapping[str, Path], folder: Path, parts: Parts, create: Create) -> None:
        if not worlds:
            raise ValueError("a gallery has at least one world")
        self._worlds, self._folder, self._parts = dict(worlds), folder, parts
        self._rooms: dict[str, asyncio.Task[Room]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self.uploads = Uploads(folder, create, lambda title: new_path(folder, title), self.add, parts.metrics)

    @property
    def names(self) -> list[str]:
        """Of all worlds, the one for guests who name none first."""
        return list(self._worlds)

    @property
    def open_rooms(self) -> dict[str, Room]:
        """Those that are open by name, the one that was opened first at the beginning."""
        return {
            name: task.result()
            for name, task in self._rooms.items()
            if task.done() and not task.cancelled() and task.exception() is None
        }

    @property
    def sessions(self) -> list[WorldSession]:
        """Of the rooms that are open."""
        return [room.session for room in self.open_rooms.values()]

    def add(self, path: Path) -> str:
        """Show one more world, to everybody who is here; its name."""
        self._worlds[path.name] = path
        for room in self.open_rooms.values():
            room.session.worlds_changed()
        return path.name

    async def session(self, name: str = "") -> WorldSession:
        """The session of a world; empty: of the first. Raises NoSuchWorld."""
        name = name or next(iter(self._worlds))
        path = self._worlds.get(name)
        if path is None:
            raise NoSuchWorld("there is no such world here")
        task = self._rooms.get(name)
        if task is None:
            self._close_vacant()
            # Where the server begins somebody will zoom; the other worlds are mostly looked at.
            first = name == next(iter(self._worlds))
            kind: RoomKind = "first" if first else "other"
            opening = Room.open(
                name, path, self._parts, self.uploads, lambda: self.names, ready=first, kind=kind
            )
            task = self._rooms[name] = asyncio.create_task(opening, name=f"open {name}")
            task.add_done_callback(lambda done: self._opened(name, done))
        try:
            return (await asyncio.shield(task)).session
        except StoreError as error:
            raise NoSuchWorld("this world can't be opened; the server's log says why") from error

    def _opened(self, name: str, task: asyncio.Task[Room]) -> None:
        """What failed is tried again by whoever comes next."""
        if task.cancelled() or task.exception() is not None:
            self._rooms.pop(name, None)

    @property
    def metrics(self) -> Metrics:
        """Of all rooms together."""
        return self._parts.metrics

    def status(self, serving: Serving) -> Status:
        """How the server is: the first world's revision and worker, and the sums of all rooms."""
        first, rooms = next(iter(self._worlds)), self.open_rooms
        zooms: Counter[Phase] = Counter()
        for room in rooms.values():
            zooms.update(room.service.states())
        sessions = [room.session for room in rooms.values()]
        shown = rooms.get(first)
        streamed: dict[RoomKind, Streamed] = {room: Streamed() for room in ROOMS}
        for name, room in rooms.items():
            streamed["first" if name == first else "other"] += room.session.streaming.streamed
        return Status(
            serving, first, shown.session.revision if shown else 0, sum(len(each.nodes) for each in sessions),
            sum(each.viewers for each in sessions), shown.executor.state if shown else "starting",
            sum(room.executor.restarts for room in rooms.values()), zooms,
            sum(room.drawing.surfels for room in rooms.values()), self._parts.pages.statistics, streamed=streamed,
        )  # fmt: skip

    def _close_vacant(self) -> None:
        """Those that nobody was in for longest, down to MOST_VACANT."""
        vacant = [(name, room) for name, room in self.open_rooms.items() if room.session.vacant]
        for name, room in vacant[: max(0, len(vacant) - MOST_VACANT + 1)]:
            del self._rooms[name]
            closing = asyncio.create_task(room.close(), name=f"close {name}")
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def goodbye(self) -> None:
        """Let zooms finish, take no more of them, and tell everyone that the server stops."""
        await self.uploads.close()
        rooms = self.open_rooms.values()
        await asyncio.gather(*(room.drain() for room in rooms))
        await asyncio.gather(*(room.goodbye() for room in rooms))

    async def close(self) -> None:
        """Close every room."""
        tasks = list(self._rooms.values())
        for task in tasks:
            task.cancel()  # those that are open already do not notice
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.gather(*(room.close() for room in self.open_rooms.values()), *self._closing)
        self._rooms.clear()
