"""One world that is open to people: its store, its writer, its zooms and its frames, put together and taken apart.

Opening takes what reading the nodes takes: blocks are read when somebody looks at them. Closing lets the zoom that
runs finish first, and leaves the world with all that was acknowledged.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Self

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.executor import Executor
from wonderzoom.generation.service import ZoomService
from wonderzoom.runtime.bookmarks import BookmarkShelf
from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.lanes import Lanes
from wonderzoom.runtime.metrics import Metrics
from wonderzoom.runtime.paged import Paged
from wonderzoom.runtime.recorder import Recorder
from wonderzoom.runtime.sight import FILL
from wonderzoom.runtime.surfel_metrics import RoomKind
from wonderzoom.runtime.tape import Tape, Unrecorded
from wonderzoom.runtime.uploads import Uploads
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore

log = logging.getLogger(__name__)

DRAIN_S = 20.0  # a zoom takes less than half of that


@dataclass(frozen=True, slots=True)
class Parts:
    """What rooms are made of."""

    renderer: Painter
    executor: Callable[[Path], Executor]  # for zooms into the world at a path
    generator: str
    viewers: int  # in each room, at most
    metrics: Metrics = field(default_factory=Metrics)
    lanes: Lanes = field(default_factory=Lanes)  # of all rooms together
    pages: PageCache = field(default_factory=PageCache)  # of all rooms together
    budget: int | None = None  # surfels in a frame at most
    recorder: Recorder | None = None  # of all rooms together


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[[], None]) -> None:
    """Have a call made on the loop, from any thread."""
    loop.call_soon_threadsafe(call)


class _Timed(Paged):
    """A store that tells how long it takes until a commit is durable."""

    def __init__(self, store: WorldStore, pages: PageCache, took: Callable[[float], None]) -> None:
        super().__init__(store, pages)
        self._took = took

    def append(self, commit: Commit) -> None:
        """See ``WorldStore.append``."""
        begun = time.perf_counter()
        super().append(commit)
        self._took(time.perf_counter() - begun)


class Room:
    """Made by ``open``; ``close`` at the end, and ``goodbye`` before it where people are inside."""

    def __init__(
        self,
        store: WorldStore,
        drawing: Drawing,
        commits: CommitThread,
        service: ZoomService,
        session: WorldSession,
        executor: Executor,
        tape: Unrecorded,
    ) -> None:
        self.session, self.executor, self.service, self.drawing = session, executor, service, drawing
        self._store, self._commits, self._tape = store, commits, tape
        self._frames = asyncio.create_task(session.frames.run(), name=f"frames of {session.name}")
        loop = asyncio.get_running_loop()
        drawing.when_finer(partial(_soon, loop, session.frames.look_again))

    @classmethod
    async def open(
        cls, name: str, path: Path, parts: Parts, uploads: Uploads, worlds: Callable[[], list[str]],
        *, ready: bool = True, kind: RoomKind = "first",
    ) -> Self:  # fmt: skip
        """Open the world at ``path`` for writing; ``worlds`` are all that there are, by name. Raises StoreError.

        ``ready``: with a worker that waits for zooms; otherwise it is started when somebody points at something.
        ``kind``: for the metrics.
        """
        loop = asyncio.get_running_loop()
        store = await loop.run_in_executor(None, lambda: WorldStore.open(path, write=True))
        try:
            tape, executor = Unrecorded(), parts.executor(path)
            if parts.recorder is not None:
                tape = await loop.run_in_executor(None, Tape, parts.recorder, name, store, executor.workers)
            durable = tape.store(_Timed(store, parts.pages, parts.metrics.store_appended))
            world = await loop.run_in_executor(None, durable.load)
            replica = await loop.run_in_executor(None, world.copy)
            most = int(FILL * parts.pages.max_bytes)
            drawing = Drawing(replica, parts.renderer, budget=parts.budget, room=most)
            # The committer, the desk and the session know each other: what is named first is made last.
            commits = tape.commits(Committer(durable, world, lambda commit: session.committed(commit)))
            executor = tape.executor(executor)
            service = tape.service(executor, lambda proposal, request: desk.commit(proposal, request))
            desk = ZoomDesk(world.header, drawing, service, commits, parts.generator, parts.metrics)
            session = tape.session(
                name, world, drawing, desk, uploads, parts.viewers, parts.metrics, worlds, parts.lanes,
                await loop.run_in_executor(None, BookmarkShelf, path), kind,
            )  # fmt: skip
            room = cls(store, drawing, commits, service, session, executor, tape)
        except BaseException:
            store.close()
            raise
        try:
            if ready:
                await service.start()
            await session.draw_first()
        except BaseException:
            await room.close()
            raise
        return room

    async def drain(self) -> None:
        """Take no more zooms, and let the one that runs finish within DRAIN_S."""
        await self.service.drain(DRAIN_S)

    async def goodbye(self) -> None:
        """Tell everyone that it closes."""
        await self.session.close()

    async def close(self) -> None:
        """End all threads and processes."""
        loop = asyncio.get_running_loop()
        await self.service.drain(0.0)
        await self.session.close()
        self._frames.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._frames
        await loop.run_in_executor(None, self._commits.close)
        self._tape.closed()
        await loop.run_in_executor(None, self.drawing.close)
        await loop.run_in_executor(None, self._store.close)
