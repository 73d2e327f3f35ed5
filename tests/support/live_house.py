"""The whole server on virtual time, a crowd in it, and the laws that need a look from outside.

Real: connections, sessions, roster, desk, frame loop, zoom service, committer, world. ``live_world`` stands in for
drawing, workers and the disk, ``live_link`` for sockets. One seed, one log.
"""

import asyncio
import hashlib
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import virtual_time
from live_call import IN_FLIGHT, RESUME_S, Call, Known
from live_link import Link, is_a
from live_person import EDITOR, HOST, KINDS, VIEWER, Kind, Person
from live_surfels import LiveSurfels
from live_world import Disk, FakeDrawing, GardenExecutor, SlowCommits, places
from rooms import NoUploads, OneRoom
from zoom_scripts import WORKING, Fate, always, seeded_fates

from wonderzoom.generation.committing import Committer
from wonderzoom.generation.service import ServiceLimits
from wonderzoom.generation.zoom_queue import QueueLimits
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.protocol.values import CameraPose
from wonderzoom.runtime.auth import Role, Tokens
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.recorder import Recorder
from wonderzoom.runtime.server import Listening, Server
from wonderzoom.runtime.tape import RecordedCommits, RecordedSession, Tape, Unrecorded
from wonderzoom.runtime.uploads import Uploads
from wonderzoom.runtime.viewer import Viewer
from wonderzoom.runtime.wire import pose
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit

LIMITS = ServiceLimits(deadline_s=15.0, queue=QueueLimits(per_viewer=3, jobs=12))
STEP_S = 0.1  # between two looks at everything
STILL_S = 0.3  # that a person forgives
STALLED_S = (8.0, 12.0)
# Of one viewer the server holds less than so many frames, and less than so many bytes of all kinds.
HELD_FRAMES, HELD_BYTES = 4, 1 << 20
QUIET_S = 20.0
DRAIN_S = 5.0


class WatchedSession(WorldSession):
    """Says who comes and goes."""

    house: "House"

    def enter(
        self, hello: messages.Hello, role: Role, session: ServerSession, wake: Callable[[], None]
    ) -> Participant | None:
        before = [(each.participant.id, each.request) for each in self._desk.pending]
        known, here = {each.id for each in self._roster}, len(self._roster.present)
        who = super().enter(hello, role, session, wake)
        after = [(each.participant.id, each.request) for each in self._desk.pending]
        self.house.expect(after == before, "coming in changes what is waited for", before, after)
        if who is not None:
            self.house.gone.pop(who.id, None)
            self.house.expect(who.id in known or here < self.max_viewers, who.id, "comes into a full house")
        return who

    def _tell(self, commit: Commit) -> None:
        self.house.grown_at = self.house.now
        super()._tell(commit)

    async def leave(self, participant: Participant, session: ServerSession, *, for_good: bool) -> None:
        if participant.session is session:
            now = asyncio.get_running_loop().time()
            self.house.gone[participant.id] = now if for_good else now + RESUME_S + 1.0
            self.house.say(participant.id, "is away", for_good)
        await super().leave(participant, session, for_good=for_good)

    def _stalled(self, viewer: Viewer) -> None:
        self.house.say(viewer.id, "has stalled")
        super()._stalled(viewer)


class _TapedSession(RecordedSession, WatchedSession):
    """Watched and recorded."""


class _Taped(RecordedCommits, SlowCommits):
    """Slow and recorded."""


@dataclass
class House:
    """``async with house.opened()``; the laws are watched from then on, and what breaks one is in ``broken``.

    With ``calm`` every job ends well after a second and the disk is never full; otherwise the seed decides.
    """

    seed: int = 0
    calm: bool = False
    until: float = 1e9  # when everybody comes to rest
    most: int = 60  # people at a time
    frame_bytes: int = 30_000
    log: list[str] = field(default_factory=list[str])
    broken: list[str] = field(default_factory=list[str])
    gone: dict[str, float] = field(default_factory=dict[str, float])
    views: dict[str, CameraPose] = field(default_factory=dict[str, CameraPose])
    calls: list[Call] = field(default_factory=list[Call])
    people: list[Person] = field(default_factory=list[Person])
    full: bool = False  # the disk
    grown_at: float = 0.0  # when the last commit was told
    kinds: Sequence[Kind] = KINDS  # of people
    recorder: Recorder | None = None
    # With a recorder: when, who has looked where for a while.
    looks: list[tuple[float, str, Camera]] = field(default_factory=list[tuple[float, str, Camera]])
    _connections: list[asyncio.Task[None]] = field(default_factory=list[asyncio.Task[None]])

    @property
    def is_recorded(self) -> bool:
        return self.recorder is not None

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[None, None]:
        """As ``serving`` does: start, ready; then drain and stop, and the laws of the end."""
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(lambda _loop, context: self.broken.append(repr(context)))
        self._build(np.random.default_rng([self.seed, 0]))
        await self.service.start()
        await self.session.draw_first()
        watching = asyncio.create_task(self._watch(), name="watch")
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
            await self._stop()

    def _build(self, rng: np.random.Generator) -> None:
        self.disk = Disk(lambda: self.full or (not self.calm and bool(rng.random() < 0.04)))
        world = self.disk.load()
        lanes = 1 if self.calm else int(rng.integers(1, 3))
        seconds = 0.02 if self.calm else float(rng.uniform(0.015, 0.04))
        luck = np.random.default_rng([self.seed, 1])
        self.drawing = FakeDrawing(
            world.revision, luck, lanes, seconds, self.frame_bytes, lambda: self.committer.world
        )
        workers = int(rng.integers(1, 3))
        tape = None if self.recorder is None else Tape(self.recorder, "garden", self.disk, workers)  # type: ignore[arg-type]
        self.doors = doors = tape or Unrecorded()
        store = doors.store(self.disk)  # type: ignore[arg-type]
        self.committer = Committer(store, world, lambda commit: self.session.committed(commit))
        self.commits = (
            SlowCommits(self.committer, 0.03) if tape is None else _Taped(tape, self.committer, 0.03)
        )
        drawn = seeded_fates(np.random.default_rng([self.seed, 2]), 0.12)
        fates = always(Fate(stage_s=1.0 / len(WORKING))) if self.calm else drawn
        self.executor = GardenExecutor(fates, workers, world=lambda: self.committer.world)
        executor = doors.executor(self.executor)
        self.service = doors.service(executor, lambda made, wish: self.desk.commit(made, wish), LIMITS)
        self.desk = ZoomDesk(world.header, self.drawing, self.service, self.commits, "plain")  # type: ignore[arg-type]
        drawing, uploads = cast(Drawing, self.drawing), cast(Uploads, NoUploads())
        parts = "garden", world, drawing, self.desk, uploads, self.most
        self.session = WatchedSession(*parts) if tape is None else _TapedSession(tape, *parts)
        self.session.house = self
        tokens = Tokens([(EDITOR, Role.EDITOR), (VIEWER, Role.VIEWER), (HOST, Role.HOST)])
        self.room = OneRoom(self.session)
        self.server = Server(self.room, tokens, Listening(), {})  # type: ignore[arg-type]
        self.places: Sequence[CameraPose] = [pose(camera) for camera in places(48)]

    async def _stop(self) -> None:
        self.say("stops")
        await self.service.drain(DRAIN_S)
        await self.server.close()
        await self.room.close()
        for result in await asyncio.gather(*self._connections, return_exceptions=True):
            self.expect(result is None, "a connection failed:", repr(result))
        self.commits.close()
        self.doors.closed()
        self.drawing.close()
        await asyncio.sleep(1.0)
        self._check_end()

    # ---- what calls and people need ---------------------------------------------------------------
    @property
    def now(self) -> float:
        return self._loop.time()

    def say(self, *what: object) -> None:
        self.log.append(" ".join([f"{self.now:.6f}", *map(str, what)]))

    def expect(self, true: object, *law: object) -> None:
        if not true:
            self.say("BROKEN", *law)
            self.broken.append(self.log[-1])

    def connect(self, call: Call) -> None:
        self.calls.append(call)
        self._connections.append(asyncio.create_task(self.server._connection(call.link)))  # type: ignore[arg-type]

    async def guest(
        self,
        name: str,
        known: Known | None = None,
        rate: float = 1e7,
        latency: float = 0.01,
        token: str = EDITOR,
        surfels: LiveSurfels | int | None = None,
        codecs: Sequence[str] = ("jpeg",),
    ) -> Call:
        """Somebody who is let in, and does what a test says; ``surfels``: what it holds, or a budget to keep."""
        known = known or Known()
        if isinstance(surfels, int):
            surfels = LiveSurfels(surfels, lambda true, *law: self.expect(true, name, *law))
        hello = messages.Hello(
            protocol=(1, 1), client="test", token=token, name=name, resume=known.resume,
            surfel_formats=[] if surfels is None else [limits.SURFEL_FORMAT],
            codecs=[] if surfels is None else list(codecs),
        )  # fmt: skip
        call = Call(name, self, known, hello, rate, latency, surfels=surfels)
        self.connect(call)
        await call.answered.wait()
        return call

    def patience(self, call: Call) -> float:
        """Seconds within which whoever moves sees something new: everyone's turn twice, and the link."""
        turns = 2.0 * len(self.people) * self.drawing.most_seconds / self.drawing.lanes
        return 0.5 + turns + self._on_link(call.link)

    def _on_link(self, link: Link) -> float:
        """Seconds that what may be under way needs."""
        return 6.0 * link.latency + (4 * self.drawing.most_bytes + 2 * (1 << 17)) / link.rate

    # ---- a crowd ----------------------------------------------------------------------------------
    async def evening(self, people: int, *, rest: bool) -> None:
        """That many people live until ``until``; then all come to rest, or the server stops in the middle of it."""
        for number in range(people):
            self.people.append(
                Person(number, self, np.random.default_rng([self.seed, 3, number]), self.kinds)
            )
        await asyncio.gather(*(person.live() for person in self.people))
        if rest:
            await self._come_to_rest()

    async def _come_to_rest(self) -> None:
        """Some come back, work ends, nothing more is done, and whoever stayed away is forgotten."""
        away = [person for person in self.people if person.here is None]
        for person in away[::2]:
            await person.dial()
        while self.service.states() or self.session._tasks:
            await asyncio.sleep(0.5)
        await asyncio.sleep(45.0)
        self._check_rest()
        await asyncio.sleep(RESUME_S)
        here = {person.known.viewer for person in self.people if person.here is not None}
        known = {each.id for each in self.session._roster}
        self.expect(known == here, "knows", known, "and here are", here)
        before = self.drawing.calls, sum(call.heard for call in self.calls)
        await asyncio.sleep(QUIET_S)
        self.expect(before == (self.drawing.calls, sum(call.heard for call in self.calls)), "work at rest")
        for person in away[1::2]:
            if person.here is None and person.known.resume is not None:
                was = person.known.viewer
                call = await person.dial()
                known_still = call.open and person.known.viewer == was
                self.expect(not known_still, person.name, "is known after a minute")
        await asyncio.sleep(2.0)

    # ---- the laws ---------------------------------------------------------------------------------
    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(STEP_S if self.now < self.until + 20.0 else 10.0 * STEP_S)
            for who in self.session._roster:
                count = who.viewer.in_flight
                self.expect(count <= IN_FLIGHT, who.id, "has", count, "frames under way")
                camera, still = who.viewer.camera, self.now - who.viewer.changed_at > STEP_S
                if self.recorder is not None and camera is not None and who.here and still:
                    self.looks.append((self.now, who.id, camera))
            self._watch_jobs()
            for person in self.people:
                if (call := person.call) is not None:
                    self._watch_line(call)
                    self._watch_still(person)

    def _watch_jobs(self) -> None:
        """Nothing is begun for people who are all gone for good; what was begun goes on."""
        for job in self.service._queue.jobs():
            run = self.service._runs[job.number]
            began = job.phase != "waiting" or run.losses or run.looks
            left = all(self.now > self.gone.get(viewer, self.now) + STEP_S for viewer, _ in job.waiters)
            self.expect(began or not left, "job", job.number, "waits for nobody")

    def _watch_line(self, call: Call) -> None:
        if call.link.lost.is_set():
            return
        if call.link.unacknowledged:
            waits = self.now - call.link.unacknowledged[0]
            self.expect(waits <= STALLED_S[1] + STEP_S, call.name, "stalls, and is here")
        who = self.session._roster.get(call.known.viewer)
        if who is None or who.session is None or not call.open:
            return
        queued = who.session._outgoing
        frames = sum(is_a("frame", data) for data in queued) + call.link.frames_held()
        frames += (who.viewer.slot is not None) + who.viewer.drawing
        self.expect(frames < HELD_FRAMES, call.name, "makes the server hold", frames, "frames")
        size = sum(map(len, queued)) + call.link.buffered
        self.expect(size < HELD_BYTES, call.name, "makes the server hold", size, "bytes")

    def _watch_still(self, person: Person) -> None:
        """Whoever stands still sees a still, at the latest when every lane had been free for STILL_S."""
        call, who = person.call, self.session._roster.get(person.known.viewer)
        if call is None or who is None or not person.well or not person.line.fit or who.viewer.camera is None:
            return
        viewer = who.viewer
        if call.sees_all(max(0, viewer.camera_seq), self.session.revision):
            return
        since = max(viewer.changed_at, call.well_since, call.asked_at, self.grown_at)
        free = self.now - since - (self.drawing.full_before(self.now) - self.drawing.full_before(since))
        patience = STILL_S + 2.0 * self.drawing.most_seconds + self._on_link(call.link) + person.line.decode_s
        self.expect(free <= patience, call.name, "stands still for", f"{free:.3f} s", "without a still")

    def _check_rest(self) -> None:
        self.expect(not self.service.states() and not self.desk.pending, "zooms at rest")
        here = [person for person in self.people if person.well]
        self.expect(len(here) == len(self.session._roster.present), "who is here:", [p.name for p in here])
        for person in here:
            self._check_person(person)
            assert person.call is not None
            still = person.call.sees_all(person.call.seq, self.session.revision)
            self.expect(still, person.name, "has no still of the end")

    def _check_person(self, person: Person) -> None:
        known = person.known
        for name, asked in known.asked.items():
            self.expect(asked.ends or asked.refused, person.name, "never heard the end of", name)
        self.expect(known.nodes == self.committer.world.nodes.keys(), person.name, "knows another world")
        self.expect(known.revision == self.committer.world.revision, person.name, "knows an older world")

    def _check_end(self) -> None:
        world = self.committer.world
        self.expect(self.executor.busy == 0, "workers work on")
        self.expect(not self.service._tickets and not self.service._runs, "zooms are left")
        stored = self.disk.load()
        self.expect(stored.digest() == world.digest() and not world.check(), "the disk has another world")
        self.expect(self.session.nodes.keys() == world.nodes.keys(), "the session has another world")
        added = {node.id for commit in self.disk.log for node in commit.added}
        removed = {name for commit in self.disk.log for name in commit.removed}
        asked = [each for person in self.people for each in person.known.asked.values()]
        told = {end.node for each in asked for end in each.ends if end.node is not None}
        self.expect(told <= added, "were told of what is not there:", sorted(told - added))
        self.expect(added - removed <= world.nodes.keys() <= added, "nodes are lost")
        for call in self.calls:
            self.expect(call.link.lost.is_set(), call.name, "is connected after the end")
            most = call.link.most_frames
            self.expect(most <= IN_FLIGHT, call.name, "made the server hold", most, "frames")
        for person in self.people:
            if person.call is not None and person.call.code == CloseCode.GOING_AWAY and person.line.fit:
                taken = [asked for asked in person.known.asked.values() if asked.taken]
                self.expect(all(asked.ends for asked in taken), person.name, "waits for ever")

    def digest(self) -> str:
        return hashlib.blake2b("\n".join(self.log).encode(), digest_size=16).hexdigest()


def play(house: House, body: Callable[[], Awaitable[None]]) -> House:
    """Something happens in a house, on virtual time. An error-level line of the log breaks a law as well."""

    async def whole() -> None:
        async with house.opened():
            await body()

    handler = logging.Handler(logging.ERROR)
    handler.emit = lambda record: house.broken.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("wonderzoom")
    logger.addHandler(handler)
    try:
        virtual_time.run(whole())
    finally:
        logger.removeHandler(handler)
    return house


def evening(
    seed: int,
    people: int,
    seconds: float,
    kinds: Sequence[Kind] = KINDS,
    recorder: Recorder | None = None,
) -> House:
    """An evening of a crowd; every fourth ends with the server's stop while all are at it."""
    rng = np.random.default_rng([seed, 4])
    most, frame_bytes = max(2, people - int(rng.integers(3))), int(rng.uniform(10e3, 60e3))
    house = House(seed, until=seconds, most=most, frame_bytes=frame_bytes, kinds=kinds, recorder=recorder)
    return play(house, lambda: house.evening(people, rest=seed % 4 != 3))
