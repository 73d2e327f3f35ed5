"""Feeds those who draw by themselves: deltas of surfels, as their links take them.

One task and one account (``surfel_stream``) for each viewer; what takes time is done in one thread a room, a delta at a
time, so that viewers take turns and the event loop never waits. How much may be on its way follows the link: an
acknowledgement that comes late halves it, and what fills it and comes in time lets it grow.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.surfel_blocks import EncodedLevels
from wonderzoom.runtime.surfel_metrics import Streamed, SurfelTally
from wonderzoom.runtime.surfel_plan import Plan, heading, make_plan
from wonderzoom.runtime.surfel_stream import DELTA_BYTES, IN_VIEW, Stream
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.surfels import BlockLost
from wonderzoom.scene_graph.world import World

log = logging.getLogger(__name__)

_T = TypeVar("_T")

PLAN_EVERY_S = 0.1  # of a camera that moves: a plan costs as much as a small frame
STALLED_S = 10.0  # without an acknowledgement, as of frames
LATE_S = 0.25  # beyond the way there and back: then too much was on its way
LEAST_WINDOW, FIRST_WINDOW = 32 << 10, 128 << 10  # bytes that are not acknowledged
QUICK = 2.5e6  # bytes a second: more than is made of surfels whose pyramids are made first
_LEAST_DELTA = 8 << 10  # bytes of a delta, on the slowest link


class Readable(Protocol):
    """A world that others change."""

    def reading(self, look: Callable[[World], _T]) -> _T:
        """What ``look`` finds in the world, which stays as it is meanwhile."""
        ...


@dataclass(slots=True)
class Credit:
    """How many bytes may be on their way to one viewer."""

    window: int = field(default_factory=lambda: FIRST_WINDOW)
    _flying: dict[int, tuple[float, int]] = field(default_factory=dict[int, tuple[float, int]])

    @property
    def in_flight(self) -> int:
        """Bytes that are on their way."""
        return sum(size for _, size in self._flying.values())

    @property
    def oldest(self) -> float | None:
        """When the oldest of them was sent."""
        return min((at for at, _ in self._flying.values()), default=None)

    def sent(self, delta: int, size: int, now: float) -> None:
        self._flying[delta] = now, size

    def acknowledged(self, delta: int, now: float, rtt: float) -> tuple[float, int] | None:
        """A delta has arrived; ``rtt``: seconds that an empty message takes there and back. When it was sent, and its
        bytes; None for one that is not on its way."""
        full = self.in_flight >= self.window // 2
        if (sent := self._flying.pop(delta, None)) is None:
            return None
        if now - sent[0] > rtt + LATE_S:
            self.window = max(LEAST_WINDOW, self.window // 2)
        elif full:
            self.window = min(limits.MAX_UNACKED, self.window + self.window // 4)
        return sent

    def forget(self) -> None:
        """On another connection nothing of it arrives."""
        self._flying.clear()


@dataclass(slots=True)
class _Feed:
    """What is known of one viewer. ``orders`` are what the account is told before it says what comes next."""

    who: Participant
    stream: Stream
    wishes: messages.Configure = field(default_factory=messages.Configure)
    active: bool = False
    credit: Credit = field(default_factory=Credit)
    orders: deque[Callable[[], None]] = field(default_factory=deque[Callable[[], None]])
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    looked: tuple[Camera, float] | None = None  # the newest camera, and when it came
    motion: tuple[Camera, Camera, float] | None = None  # the one before it, it, and the seconds between
    plan: Plan | None = None
    planned: tuple[object, ...] = ()  # what the plan is of
    planned_at: float = -1e9
    planned_seq: int = -1
    whole: int = -1  # the last delta after which all of a view is there
    watch: asyncio.TimerHandle | None = None  # looks for an acknowledgement that never comes

    def reconnected(self) -> None:
        """On a new connection camera messages count from the beginning again."""
        self.plan, self.planned, self.planned_seq = None, (), -1
        self.stream.reconnected()


class Streaming:
    """Of one room; belongs to its event loop."""

    def __init__(
        self, world: Readable, header: WorldHeader, clock: Callable[[], float], tally: SurfelTally
    ) -> None:
        self.secret = secrets.token_urlsafe(32)  # of the addresses of payloads
        self.encoded, self._tally = EncodedLevels(tally=tally), tally
        self._world, self._header, self._clock = world, header, clock
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="stream")
        self._feeds: dict[str, _Feed] = {}
        self._revision = 0
        self.on_whole: Callable[[Participant], None] = lambda _who: None  # somebody has all of a view
        self._copy: World | None = (
            None  # the world's tree as it was last planned on: no frame waits for a plan
        )

    # ---- what viewers say -----------------------------------------------------------------------
    def configure(self, who: Participant, message: messages.Configure) -> None:
        """Begin to stream, go on in another way, or stop."""
        feed = self._feeds.get(who.id)
        if message.stream != "surfels":
            if feed is not None:
                feed.active = False
            return
        if feed is None:
            feed = self._feeds[who.id] = _Feed(who, Stream(self.encoded))
            feed.task = asyncio.create_task(self._run(feed), name=f"surfels for {who.id}")
        stream, budget, fetch = feed.stream, message.surfel_budget, message.fetch
        feed.orders.append(lambda: stream.ask(budget, fetch))
        if not feed.active:
            feed.orders.append(stream.begin_anew)
        feed.wishes, feed.active = message, True
        feed.wake.set()

    def have(self, who: Participant, message: messages.Have) -> None:
        """A viewer holds levels already."""
        feed = self._feeds.get(who.id)
        if feed is None:  # before it asks for surfels, from an earlier visit
            feed = self._feeds[who.id] = _Feed(who, Stream(self.encoded))
            feed.task = asyncio.create_task(self._run(feed), name=f"surfels for {who.id}")
        stream = feed.stream
        feed.orders.append(lambda: stream.have(message.levels))
        feed.wake.set()

    def evicted(self, who: Participant, message: messages.Evicted) -> None:
        """A viewer has given levels up."""
        feed = self._feeds.get(who.id)
        if feed is not None:
            stream = feed.stream
            feed.orders.append(lambda: stream.evicted(message.hashes))
            feed.wake.set()

    def look(self, who: Participant) -> None:
        """A viewer may have moved."""
        feed, camera = self._feeds.get(who.id), who.viewer.camera
        if feed is None or camera is None:
            return
        now = self._clock()
        if feed.looked is not None and camera != feed.looked[0]:
            feed.motion = feed.looked[0], camera, now - feed.looked[1]
        feed.looked = camera, now
        feed.wake.set()

    def acknowledge(self, who: Participant, delta: int) -> None:
        """A delta has arrived."""
        feed = self._feeds.get(who.id)
        if feed is None:
            return
        now, pacer = self._clock(), who.viewer.pacer
        sent = feed.credit.acknowledged(delta, now, pacer.rtt or 0.0)
        if sent is not None and sent[1] >= _LEAST_DELTA:  # small ones measure the way only
            pacer.carried(sent[1], sent[0], now)
        if delta == feed.whole:
            self.on_whole(who)
        feed.wake.set()

    def world_changed(self, revision: int) -> None:
        """The world has a new revision."""
        self._revision = revision
        for feed in self._feeds.values():
            feed.wake.set()

    # ---- coming and going -----------------------------------------------------------------------
    def entered(self, who: Participant) -> None:
        """Somebody has connected, for the first time or again."""
        feed = self._feeds.get(who.id)
        if feed is not None:
            feed.active, feed.looked, feed.motion, feed.whole = False, None, None, -1
            feed.credit.forget()
            feed.orders.append(feed.reconnected)

    def gone(self, who: Participant) -> None:
        """Somebody will not come back."""
        feed = self._feeds.pop(who.id, None)
        if feed is not None:
            self._end(feed)

    def renew(self) -> str:
        """Another secret; the addresses that were told before lead nowhere."""
        self.secret = secrets.token_urlsafe(32)
        return self.secret

    async def payload(self, name: str) -> bytes | None:
        """The payload of a level that was offered by that name (hexadecimal)."""
        try:
            known = bytes.fromhex(name)
            found = await asyncio.get_running_loop().run_in_executor(self._pool, self.encoded.find, known)
        except (ValueError, BlockLost):
            return None
        if found is not None:
            self._tally.fetched(len(found))
        return found

    @property
    def streamed(self) -> Streamed:
        """How it stands."""
        feeds = self._feeds.values()
        return Streamed(
            sum(feed.active and feed.who.session is not None for feed in feeds),
            sum(len(feed.stream.held) for feed in feeds),
            sum(feed.stream.count for feed in feeds),
            sum(feed.credit.in_flight for feed in feeds),
        )

    async def close(self) -> None:
        """End all tasks and the thread."""
        feeds = list(self._feeds.values())
        self._feeds.clear()
        for feed in feeds:
            self._end(feed)
        await asyncio.gather(*(feed.task for feed in feeds if feed.task), return_exceptions=True)
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)

    @staticmethod
    def _end(feed: _Feed) -> None:
        if feed.task is not None:
            feed.task.cancel()
        if feed.watch is not None:
            feed.watch.cancel()

    # ---- feeding --------------------------------------------------------------------------------
    async def _run(self, feed: _Feed) -> None:
        """Say what there is to say, whenever there may be something and the link has room for it."""
        loop = asyncio.get_running_loop()
        while True:
            await feed.wake.wait()
            feed.wake.clear()
            if feed.orders and not self._may_say(
                feed
            ):  # what nobody looks at is kept within bounds all the same
                await loop.run_in_executor(self._pool, self._obey, feed)
            while (session := feed.who.session) is not None and self._may_say(feed):
                camera, seq = feed.who.viewer.camera, feed.who.viewer.camera_seq
                assert camera is not None
                try:
                    delta = await loop.run_in_executor(self._pool, self._next, feed, camera, seq)
                except Exception:
                    log.exception("surfels for %s can't be chosen", feed.who.id)
                    break
                if feed.who.session is not session:
                    break  # it was chosen for a connection that is gone: the viewer will say what it holds
                if delta is None:
                    if feed.planned != self._wanted(feed, camera) or camera != feed.who.viewer.camera:
                        loop.call_later(PLAN_EVERY_S, feed.wake.set)
                    break
                feed.who.say(delta)
                self._tally.sent(delta)
                if delta.complete:
                    feed.whole = delta.delta
                feed.credit.sent(delta.delta, session.deltas.get(delta.delta, 0), self._clock())
                self._watch(feed)

    def _may_say(self, feed: _Feed) -> bool:
        session = feed.who.session
        return (
            feed.active
            and session is not None
            and session.may_send_surfels
            and feed.who.viewer.camera is not None
            and feed.credit.in_flight < feed.credit.window
        )

    def _wanted(self, feed: _Feed, camera: Camera) -> tuple[object, ...]:
        return camera, self._revision, feed.wishes

    @staticmethod
    def _obey(feed: _Feed) -> None:
        """In the thread: what its viewer has said."""
        while feed.orders:
            feed.orders.popleft()()

    def _next(self, feed: _Feed, camera: Camera, seq: int) -> messages.Surfels | None:
        """In the thread: the next delta."""
        self._obey(feed)
        wanted, now = self._wanted(feed, camera), self._clock()
        moved = feed.planned[1:] == wanted[1:]
        if feed.plan is None or (
            wanted != feed.planned and not (moved and now < feed.planned_at + PLAN_EVERY_S)
        ):
            view = int(IN_VIEW * feed.wishes.surfel_budget)
            settings = replace(settings_of(self._header), lod_bias=feed.wishes.lod_bias)
            motion, before, held = feed.motion, feed.plan, feed.stream.held
            ahead = heading(*motion) if motion is not None and motion[1] == camera else None
            if self._copy is None or self._copy.revision < self._revision:
                self._copy = self._world.reading(lambda world: world.copy())  # a microsecond a block
            feed.plan = make_plan(self._copy, camera, settings, view, before, ahead, held)
            feed.planned, feed.planned_at = wanted, now
        if feed.planned == wanted:
            feed.planned_seq = seq
        size = min(DELTA_BYTES, max(_LEAST_DELTA, feed.credit.window // 2))
        quick = feed.credit.window > FIRST_WINDOW or (feed.who.viewer.pacer.rate or 0.0) >= QUICK
        return feed.stream.next(feed.plan, feed.planned_seq, size, quick)

    def _watch(self, feed: _Feed) -> None:
        """See to it that what was sent is acknowledged some time."""
        if feed.watch is None:
            feed.watch = asyncio.get_running_loop().call_later(STALLED_S, self._look_after, feed)

    def _look_after(self, feed: _Feed) -> None:
        feed.watch = None
        oldest, session = feed.credit.oldest, feed.who.session
        if oldest is None or session is None:
            return
        left = oldest + STALLED_S - self._clock()
        if left <= 0.0:
            session.refuse(CloseCode.STALLED, "no surfels were acknowledged for ten seconds")
            feed.who.wake()
        else:
            feed.watch = asyncio.get_running_loop().call_later(left, self._look_after, feed)
