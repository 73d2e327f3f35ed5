"""Does a recorded session over again: the same zoom service, writer and store, on a clock that jumps.

What is recorded happens once more in its order and at its times, in a copy of the world as it was at the start; each
zoom is made anew by the generator, on the revision that its worker had seen then. In the end the log must be the same,
to the byte: the embedded generator promises that. A zoom that made nothing then, as it failed or was called off, is
not made now; it ends as it did.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.service import ServiceLimits, ZoomRefused, ZoomService
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.build import Maker
from wonderzoom.runtime.paged import Paged
from wonderzoom.runtime.replay_runs import RecordedRuns, in_words
from wonderzoom.runtime.virtual_time import VirtualTimeLoop
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import NoSpace, StoreError
from wonderzoom.scene_graph.world import WorldError

# What fails is told by the differences; in the log it would be said twice.
logging.getLogger("wonderzoom.generation").addHandler(logging.NullHandler())
_LEAST_S = 1e-6  # between two records: all that the one brings about happens before the other


@dataclass(frozen=True, slots=True)
class Replayed:
    """How a replay ended."""

    commits: tuple[r.Committed, ...]  # that it made
    differences: tuple[str, ...]  # in words, oldest first; empty: the log is the same


def replay(
    records: Sequence[r.AnyRecord],
    store: WorldStore,
    maker: Maker,
    limits: ServiceLimits | None = None,
    generator: str | None = None,
) -> Replayed:
    """Do the session of these records, all of one, in ``store``: the world as it was when the session was opened.

    ``generator``: where it isn't called as it was then. Raises StoreError, and what the generator raises that is no
    answer to a zoom.
    """
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(_Replay(records, store, maker, limits, generator).whole())


class _Store(Paged):
    """Keeps what was kept then. Implements ``Durable``."""

    def __init__(self, store: WorldStore, records: Iterable[r.AnyRecord], pages: PageCache) -> None:
        kept = [record for record in records if isinstance(record, r.Committed | r.NotKept)]
        super().__init__(store, pages)
        self._kept = iter([isinstance(record, r.Committed) for record in kept])
        # What follows the last change is one too many, unless the recording was cut off: then it is not known.
        self._more = any(isinstance(record, r.Closed) for record in records)
        self.failure: StoreError | None = None  # of today

    def append(self, commit: Commit) -> None:
        """See ``WorldStore.append``."""
        if not next(self._kept, self._more):
            raise NoSpace(self._store.path, "this was not kept then, either", "it is left out again")
        try:
            super().append(commit)
        except StoreError as error:
            self.failure = error
            raise


class _Replay:
    """One replay; made and used in one loop."""

    def __init__(
        self,
        records: Sequence[r.AnyRecord],
        store: WorldStore,
        maker: Maker,
        limits: ServiceLimits | None,
        generator: str | None,
    ) -> None:
        self._records, self._store, self._maker = records, store, maker
        self._limits, self._generator = limits, generator
        self._commits: list[r.Committed] = []
        self._beside: list[asyncio.Task[None]] = []

    async def whole(self) -> Replayed:
        world = self._store.load(self._maker.pages)
        store = _Store(self._store, self._records, self._maker.pages)
        committer = Committer(store, world, self._told)
        writer = CommitThread(committer)
        runs = self._runs = RecordedRuns(self._records, lambda: committer.world, self._maker, self._generator)
        service = ZoomService(runs, writer.commit, self._limits)
        loop = asyncio.get_running_loop()
        began = self._records[0].at if self._records else 0
        try:
            for record in self._records:
                await asyncio.sleep(max(_LEAST_S, 1e-6 * (record.at - began) - loop.time()))
                if store.failure is not None:
                    raise store.failure
                self._again(record, service, writer)
            await asyncio.sleep(_LEAST_S)
        finally:
            await service.drain(0.0)
            await asyncio.gather(*self._beside, return_exceptions=True)
            writer.close()
        if store.failure is not None:
            raise store.failure
        expected = [record for record in self._records if isinstance(record, r.Committed)]
        unasked = [
            f"the zoom {in_words(wish.asked.request)} was made, and nothing asks for it now"
            for wish in runs.left
        ]
        differing = differences(expected, self._commits)
        return Replayed(tuple(self._commits), (*runs.differences, *unasked, *differing))

    def _again(self, record: r.AnyRecord, service: ZoomService, writer: CommitThread) -> None:
        match record:
            case r.Asked():
                wish = record.wish.asked
                try:
                    service.submit(record.viewer, record.request, wish.request, wish.generator)
                except ZoomRefused as refused:
                    self._runs.differences.append(
                        f"the zoom {in_words(wish.request)} was taken in, and now is not: {refused}"
                    )
            case r.CalledOff():
                service.cancel(record.viewer, record.request)
            case r.Gone():
                service.leave(record.viewer)
            case r.Changed():
                self._begin(self._change(record, writer))
            case r.Began():
                self._runs.begin(record.run)
            case r.Ran():
                self._runs.end(record.run)
            case r.Draining():
                self._begin(service.drain(record.seconds))
            case _:
                pass  # what people see of each other changes nothing in the world

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        self._beside.append(asyncio.create_task(work))

    async def _change(self, record: r.Changed, writer: CommitThread) -> None:
        try:
            match record.how, record.node:
                case "remove", str(node):
                    await writer.remove(node)
                case "restore", str(node):
                    await writer.restore(node)
                case "undo", node:
                    await writer.undo(node)
                case "redo", node:
                    await writer.redo(node)
                case _:
                    pass
        except (WorldError, StoreError):
            pass  # as then; where it was done then, the log differs, and that is said

    def _told(self, commit: Commit) -> None:
        (row,) = self._store.rows(commit.revision - 1)
        self._commits.append(r.Committed.of(0, 0, commit.entry, row.hash))
        self._runs.world_moved()


# ---- comparing ----------------------------------------------------------------------------------
def differences(then: Sequence[r.Committed], now: Sequence[r.Committed]) -> list[str]:
    """In what two logs differ, in words; each commit that does, and how many are missing or too many."""
    found: list[str] = []
    for old, new in zip(then, now, strict=False):
        if old.entry != new.entry:
            found.append(f"revision {old.revision} {_said(old)}; now it {_said(new)}")
        elif old.file != new.file:
            found.append(f"revision {old.revision} {_said(old)}, as then, but with other bytes")
    if len(then) > len(now):
        found += [
            f"revision {each.revision} {_said(each)}; now there is no such revision"
            for each in then[len(now) :]
        ]
    found += [f"revision {each.revision}, which {_said(each)}, is new" for each in now[len(then) :]]
    return found


def _said(commit: r.Committed) -> str:
    parts = [f"adds {node}" for node, _ in commit.added] + [f"removes {node}" for node in commit.removed]
    return " and ".join(parts) or "changes nothing"
