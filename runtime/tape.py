"""What of one room goes into a recording: the parts that hear something, each writing it down at its door.

World and people are recorded where nothing is left to decide. A zoom is written down as the service takes it in, with
the camera that a click meant; a removal as the writer takes it, in the order in which changes are made; a worker's run
with the revision that it saw. So a replay has no race to win again. ``Unrecorded`` makes the same parts of a room that
nobody records.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from msgspec import Raw

from wonderzoom.generation.committing import Committer, CommitThread, Durable
from wonderzoom.generation.executors.executor import Executor, Proposal, WorkerLost, WorkerState
from wonderzoom.generation.jobs import StageEvent, ZoomRequest
from wonderzoom.generation.service import Commit as MakeDurable
from wonderzoom.generation.service import ServiceLimits, ZoomService
from wonderzoom.generation.zoom_events import failure_of
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.generation.zoom_ticket import ZoomTicket
from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.protocol.values import CameraPose
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.recorder import Recorder
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.scene_graph.branching import log_hash
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import StoreError

CAMERA_S = 1.0 / 30.0  # between two cameras of one viewer: as often as pictures come
# What concerns one connection, is recorded at another door, or is not ours to keep (photos).
_ELSEWHERE = (
    messages.Hello, messages.Configure, messages.Ack, messages.Have, messages.Evicted, messages.Pick,
    messages.Zoom, messages.Cancel, messages.RemoveNode, messages.RestoreNode, messages.UploadBegin,
    messages.UploadChunk, messages.UploadEnd, messages.Leave,
)  # fmt: skip


class Unrecorded:
    """The parts of a room as they are."""

    def store(self, inner: Durable) -> Durable:
        """Where commits become durable."""
        return inner

    def commits(self, committer: Committer) -> CommitThread:
        """What changes the world."""
        return CommitThread(committer)

    def executor(self, inner: Executor) -> Executor:
        """What makes zooms."""
        return inner

    def service(
        self, executor: Executor, commit: MakeDurable, limits: ServiceLimits | None = None
    ) -> ZoomService:
        """What takes zooms in."""
        return ZoomService(executor, commit, limits)

    def session(self, *parts: Any) -> WorldSession:
        """What people speak to, made of the parts that it takes."""
        return WorldSession(*parts)

    def closed(self) -> None:
        """The room is closed."""


class Tape(Unrecorded):
    """The parts of a room that is recorded; belongs to one event loop, but for its store."""

    def __init__(self, recorder: Recorder, name: str, store: WorldStore, workers: int) -> None:
        self._recorder, self._store = recorder, store
        self.number = number = recorder.new_session()
        self._looks: dict[str, CameraPose] = {}  # that were written down last
        self._looked_at: dict[str, float] = {}
        self._held: dict[str, CameraPose] = {}  # the newest of those who move faster than CAMERA_S
        self._due: asyncio.TimerHandle | None = None
        revision = store.revision
        log = log_hash(store, revision)
        self.put(lambda at: r.Opened(at, number, name, revision, log, workers))

    def put(self, make: Callable[[int], r.AnyRecord]) -> None:
        """See ``Recorder.put``."""
        self._recorder.put(make)

    @property
    def running(self) -> bool:
        """Whether what happens is written down."""
        return not self._recorder.stopped

    def stop(self, why: str) -> None:
        """See ``Recorder.stop``."""
        self._recorder.stop(why)

    # ---- the parts ------------------------------------------------------------------------------
    def store(self, inner: Durable) -> Durable:
        return RecordedStore(inner, self, self._store)

    def commits(self, committer: Committer) -> CommitThread:
        return RecordedCommits(self, committer)

    def executor(self, inner: Executor) -> Executor:
        return RecordedExecutor(inner, self)

    def service(
        self, executor: Executor, commit: MakeDurable, limits: ServiceLimits | None = None
    ) -> ZoomService:
        return RecordedService(self, executor, commit, limits)

    def session(self, *parts: Any) -> WorldSession:
        return RecordedSession(self, *parts)

    # ---- what happens ---------------------------------------------------------------------------
    def closed(self) -> None:
        self._tell_held()
        self.put(lambda at: r.Closed(at, self.number))

    def looked(self, viewer: str, pose: CameraPose) -> None:
        """Newest wins; the last one is always written down."""
        loop = asyncio.get_running_loop()
        if loop.time() - self._looked_at.get(viewer, -1.0) >= CAMERA_S:
            self._look(viewer, pose)
            return
        self._held[viewer] = pose
        if self._due is None:
            self._due = loop.call_later(CAMERA_S, self._tell_held)

    def _look(self, viewer: str, pose: CameraPose) -> None:
        before = self._looks.get(viewer)
        self._held.pop(viewer, None)
        self._looks[viewer], self._looked_at[viewer] = pose, asyncio.get_running_loop().time()
        # Also one that is the same: whoever says it follows nobody any more.
        self.put(lambda at: r.Looked.of(at, self.number, viewer, pose, before))

    def _tell_held(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None
        for viewer, pose in list(self._held.items()):
            self._look(viewer, pose)

    def settle(self, viewer: str) -> None:
        """What somebody does comes after where they looked."""
        if (held := self._held.get(viewer)) is not None:
            self._look(viewer, held)

    def forget(self, viewer: str) -> None:
        """Somebody will not come back."""
        self._looks.pop(viewer, None)
        self._looked_at.pop(viewer, None)
        self._held.pop(viewer, None)


class RecordedSession(WorldSession):
    """Who comes, looks, speaks and goes."""

    def __init__(self, tape: Tape, *parts: Any) -> None:
        super().__init__(*parts)
        self._tape = tape

    @property
    def recorded(self) -> bool:
        return self._tape.running

    def enter(
        self, hello: messages.Hello, role: Role, session: ServerSession, wake: Callable[[], None]
    ) -> Participant | None:
        who = super().enter(hello, role, session, wake)
        if who is not None:
            id, name, role_now, number = who.id, who.name, who.role.value, self._tape.number
            self._tape.put(lambda at: r.Entered(at, number, id, name, role_now))
        return who

    async def leave(self, participant: Participant, session: ServerSession, *, for_good: bool) -> None:
        if participant.session is session:
            self._tape.settle(participant.id)
            self._tape.put(lambda at: r.Left(at, self._tape.number, participant.id, for_good))
        await super().leave(participant, session, for_good=for_good)

    def hear(self, who: Participant, message: messages.FromClient) -> None:
        if isinstance(message, messages.Camera):
            self._tape.looked(who.id, message.cameras[0])
        elif not isinstance(message, _ELSEWHERE):
            self._tape.settle(who.id)
            said = Raw(encode(message))
            self._tape.put(lambda at: r.Heard(at, self._tape.number, who.id, said))
        super().hear(who, message)


class RecordedService(ZoomService):
    """What zooms are asked for, and called off."""

    def __init__(
        self, tape: Tape, executor: Executor, commit: MakeDurable, limits: ServiceLimits | None
    ) -> None:
        super().__init__(executor, commit, limits)
        self._tape = tape

    def submit(
        self, viewer: str, key: str, request: ZoomRequest, generator: str, priority: int = 0
    ) -> ZoomTicket:
        ticket = super().submit(viewer, key, request, generator, priority)
        wish = r.Wish.of(request, generator)
        self._tape.put(lambda at: r.Asked(at, self._tape.number, viewer, key, wish))
        return ticket

    def cancel(self, viewer: str, key: str) -> bool:
        cancelled = super().cancel(viewer, key)
        if cancelled:
            self._tape.put(lambda at: r.CalledOff(at, self._tape.number, viewer, key))
        return cancelled

    def leave(self, viewer: str) -> None:
        self._tape.put(lambda at: r.Gone(at, self._tape.number, viewer))
        self._tape.forget(viewer)
        super().leave(viewer)

    async def drain(self, deadline_s: float) -> None:
        self._tape.put(lambda at: r.Draining(at, self._tape.number, deadline_s))
        await super().drain(deadline_s)


class RecordedStore:
    """What becomes durable, and what does not; in the writer's thread. Implements ``Durable``."""

    def __init__(self, inner: Durable, tape: Tape, store: WorldStore) -> None:
        self._inner, self._tape, self._rows = inner, tape, store.rows
        self.load, self.settled = inner.load, inner.settled
        self.entries, self.commits = inner.entries, inner.commits

    def append(self, commit: Commit) -> None:
        number = self._tape.number
        try:
            self._inner.append(commit)
        except BaseException:
            self._tape.put(lambda at: r.NotKept(at, number))
            raise
        try:
            (row,) = self._rows(commit.revision - 1)
        except StoreError as error:  # no reason to fail what is durable
            self._tape.stop(str(error))
        else:
            self._tape.put(lambda at: r.Committed.of(at, number, commit.entry, row.hash))


class RecordedCommits(CommitThread):
    """What the writer is asked for, in its order."""

    def __init__(self, tape: Tape, *parts: Any) -> None:
        super().__init__(*parts)
        self._tape = tape

    async def remove(self, node: str) -> int:
        self._tape.put(lambda at: r.Changed(at, self._tape.number, "remove", node))
        return await super().remove(node)

    async def restore(self, node: str) -> int:
        self._tape.put(lambda at: r.Changed(at, self._tape.number, "restore", node))
        return await super().restore(node)

    async def undo(self, node: str | None = None) -> Commit:
        self._tape.put(lambda at: r.Changed(at, self._tape.number, "undo", node))
        return await super().undo(node)

    async def redo(self, node: str | None = None) -> Commit:
        self._tape.put(lambda at: r.Changed(at, self._tape.number, "redo", node))
        return await super().redo(node)


class RecordedExecutor:
    """How each run of a worker ended, and what it had seen. Implements ``Executor``."""

    def __init__(self, inner: Executor, tape: Tape) -> None:
        self._inner, self._tape = inner, tape
        self._runs = 0
        self.start, self.stop = inner.start, inner.stop

    @property
    def workers(self) -> int:
        return self._inner.workers

    @property
    def state(self) -> WorkerState:
        return self._inner.state

    @property
    def restarts(self) -> int:
        return self._inner.restarts

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        self._runs = run = self._runs + 1
        number, asked = self._tape.number, r.Wish.of(wish.request, wish.generator)
        self._tape.put(lambda at: r.Began(at, number, run, asked))
        try:
            proposal = await self._inner.run(wish, on_event)
        except asyncio.CancelledError:
            self._tape.put(lambda at: r.Ran(at, number, run, "stopped"))
            raise
        except WorkerLost as lost:
            reason, why = lost.reason, str(lost)
            self._tape.put(lambda at: r.Ran(at, number, run, "lost", 0, reason, why))
            raise
        except Exception as error:
            failure = failure_of(error)
            self._tape.put(lambda at: r.Ran(
                at, number, run, "failed", 0, failure.code, failure.message, failure.retryable,
            ))  # fmt: skip
            raise
        base = proposal.base
        self._tape.put(lambda at: r.Ran(at, number, run, "made", base))
        return proposal
