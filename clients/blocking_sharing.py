"""What one does with the others in a world, for scripts and notebooks: ``sharing`` with calls that wait."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from wonderzoom.clients import aio
from wonderzoom.protocol.values import Bookmark, CameraPose, Role
from wonderzoom.scene_graph.camera import Camera

if TYPE_CHECKING:
    from wonderzoom.clients.blocking import LoopThread


class Others:
    """Those who are here; see ``sharing.Others``."""

    def __init__(self, thread: LoopThread, world: aio.World) -> None:
        self._thread, self._world = thread, world

    @property
    def leader(self) -> str | None:
        """Whom one follows."""
        return self._world.others.leader

    def follow(self, viewer: str) -> None:
        """Look where another viewer looks, until one looks elsewhere. Raises RequestFailed."""
        self._thread.call(self._world.others.follow(viewer))

    def stay(self) -> None:
        """Follow nobody any more, and stay where one is."""
        self._thread.do(self._world.others.stay)

    def kick(self, viewer: str) -> None:
        """Send somebody away, as a host. Raises RequestFailed."""
        self._thread.call(self._world.others.kick(viewer))

    def grant(self, viewer: str, role: Role) -> None:
        """Give somebody who is here another role, as a host. Raises RequestFailed."""
        self._thread.call(self._world.others.grant(viewer, role))

    def lock(self, locked: bool = True) -> None:
        """Let nobody new in but hosts, or everybody again; as a host. Raises RequestFailed."""
        self._thread.call(self._world.others.lock(locked))


class Bookmarks:
    """The places that are kept with the world; see ``sharing.Bookmarks``."""

    def __init__(self, thread: LoopThread, world: aio.World) -> None:
        self._thread, self._world = thread, world

    def __iter__(self) -> Iterator[Bookmark]:
        return iter(self._world.bookmarks)

    def __len__(self) -> int:
        return len(self._world.bookmarks)

    def add(self, name: str, camera: Camera | CameraPose | None = None) -> Bookmark:
        """Keep a view under a name, by default the present one; as an editor. Raises RequestFailed."""
        view = camera or self._world.camera
        return self._thread.call(self._world.bookmarks.add(name, view))

    def remove(self, bookmark: str) -> None:
        """Keep the one of that id no longer, as an editor. Raises RequestFailed."""
        self._thread.call(self._world.bookmarks.remove(bookmark))
