"""The frame loop: draws for whoever has something new to see and room for it, and is idle otherwise.

One loop for all viewers of a room. It never computes: ``draw`` renders and encodes in threads. A frame is begun only
when its viewer's camera or world changed, at most MAX_IN_FLIGHT of its frames are under way, and its link
and its share of the renderer allow another (``pacing``); among those, and those of other rooms, the ring of
``turns`` decides (``lanes``). Where the renderer draws several pictures in one call for less, those who are due at
the same moment share one; nobody waits for others to become due, and a call is kept short (CALL_S), as whoever becomes
due during it waits for its end. Those who follow one leader in viewports of one size ride along (``riding``): they are
sent the very same picture, encoded once. What has not changed for STILL_AFTER_S is drawn once more, at full resolution
and quality; after that a still view costs nothing at all.

A client that acknowledges nothing for STALLED_S is let go: its frames would only grow older.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from wonderzoom.protocol.limits import MAX_IN_FLIGHT
from wonderzoom.runtime.encoders import STILL_QUALITY
from wonderzoom.runtime.lanes import Lanes
from wonderzoom.runtime.orders import Draw, Drawn, Order, Together, one_by_one
from wonderzoom.runtime.pacing import Rung
from wonderzoom.runtime.riding import TICK_S, Riding
from wonderzoom.runtime.viewer import Dropped, Frame, Viewer
from wonderzoom.scene_graph.camera import Camera

STILL_AFTER_S = (
    0.12  # longer than between two moving frames, and well inside the 300 ms that a person forgives
)
STALLED_S = 10.0
CALL_S = 1.0 / 30.0  # of frames that share a call: as long as between two frames of somebody who moves
STILL = Rung(1.0, STILL_QUALITY)
LEAST_FPS = 2.0  # below this for everyone who moves, nobody is let in any more


@dataclass(frozen=True, slots=True)
class _Begun:
    """A frame on its way."""

    viewer: Viewer
    order: Order
    at: float
    seq: int
    changed: float
    begins: int


class FrameLoop:
    """Feeds the viewers. ``run`` until cancelled; all other methods are called on the same event loop."""

    def __init__(
        self,
        draw: Draw,
        clock: Callable[[], float],
        *,
        together: Together | None = None,
        lanes: Lanes | None = None,
        on_stalled: Callable[[Viewer], None] = lambda _viewer: None,
        on_error: Callable[[Viewer, Exception], None] | None = None,
        on_dropped: Callable[[Dropped], None] = lambda _reason: None,
        begin_video: Callable[[str], None] = lambda _viewer: None,
    ) -> None:
        """``together``: where several frames are drawn in one call, what does; ``draw`` draws one at a time."""
        self._together = together or Together(1, one_by_one(draw))
        self._most = self._together.most  # frames in a call, as calls have taken lately
        self._clock, self._lanes = clock, lanes or Lanes()
        self._prefix = self._lanes.name()
        self._on_stalled, self._on_error, self._on_dropped = on_stalled, on_error, on_dropped
        self._viewers: dict[str, Viewer] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}
        self._filled: dict[str, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._wake = asyncio.Event()
        self._riding = Riding(self._has_room, begin_video)
        self._ids = itertools.count(1)
        self._revision = 0
        self.cost = 0.0  # seconds that the last frames took, for whoever has not had one yet
        self._next_at = 0.0  # when somebody is due who was not when that was asked last
        self._stalled_at = 0.0  # before then nobody can have stalled

    # ---- who is here --------------------------------------------------------------------------------
    def join(self, viewer: Viewer, *, connected: bool = True) -> None:
        """Begin to feed a viewer, or begin anew: on a new connection nothing that was sent arrives any more.

        ``connected``: it is a new one; otherwise the viewer has not asked for frames for a while.
        """
        if self._viewers.get(viewer.id, viewer) is not viewer:
            raise ValueError(f"another viewer {viewer.id} is here already")
        if connected or viewer.id not in self._viewers:
            viewer.show_again(counting=not connected)
        if viewer.id not in self._viewers:
            self._viewers[viewer.id] = viewer
            self._filled[viewer.id] = asyncio.Event()
            self._lanes.turns.join(self._prefix + viewer.id)
            self._senders[viewer.id] = asyncio.create_task(self._feed(viewer), name=f"send to {viewer.id}")
        self._wake.set()

    async def leave(self, viewer: Viewer) -> None:
        """Stop feeding a viewer; nothing is sent to it after this returns."""
        if self._viewers.pop(viewer.id, None) is None:
            return
        self._riding.left(viewer, self._viewers.values())
        self._lanes.turns.leave(self._prefix + viewer.id)
        self._filled.pop(viewer.id)
        sender = self._senders.pop(viewer.id)
        sender.cancel()
        await asyncio.gather(sender, return_exceptions=True)

    @property
    def viewers(self) -> tuple[Viewer, ...]:
        return tuple(self._viewers.values())

    @property
    def together(self) -> int:
        """How many frames share a call, at most: one more while calls of so many end within CALL_S."""
        return self._most

    @property
    def active(self) -> int:
        """How many views share the renderer now: those with something new to see; followers may share one."""
        moving = [viewer for viewer in self._viewers.values() if viewer.moving(self._revision)]
        if all(each.sees == each.id for each in moving):  # asked for each frame: nobody follows, mostly
            return len(moving)
        return len({(each.sees, each.camera and (each.camera.width, each.camera.height)) for each in moving})

    @property
    def has_room(self) -> bool:
        """Whether one more who moves would leave everyone on the server LEAST_FPS, at what frames cost lately.

        Where nobody moves nobody loses anything, and what a frame costs now is not known.
        """
        elsewhere = self._lanes.busy_seconds(beside=self)
        seconds = (self.active + 1) * self.cost + elsewhere
        return not (self.active or elsewhere) or seconds * LEAST_FPS <= self._lanes.count

    @property
    def turn_s(self) -> float:
        """Seconds from one frame of somebody who moves to the next, as far as drawing goes."""
        busy = max(1, self.active) * self.cost + self._lanes.busy_seconds(beside=self)
        return busy / self._lanes.count

    def wake(self) -> None:
        """Look for something to do."""
        self._wake.set()

    # ---- what happened ------------------------------------------------------------------------------
    def look(self, viewer: Viewer, camera: Camera, seq: int, beside: Camera | None = None) -> None:
        """A viewer moved; ``beside`` is where the other eye looks, if there are two."""
        if viewer.look(camera, seq, self._clock(), beside):
            self._wake.set()

    def follow(self, viewer: Viewer, camera: Camera, leader: str) -> None:
        """A viewer is moved to where the one of that id looks, in a viewport of its own."""
        viewer.follow(camera, leader, self._clock())
        self._wake.set()

    def acknowledge(self, viewer: Viewer, frame: int) -> float | None:
        """A frame arrived; the seconds that it took, None for one that is not on its way."""
        took = viewer.pacer.acknowledged(frame, self._clock())
        self._wake.set()
        return took

    def world_changed(self, revision: int) -> None:
        """The world has a new revision: every view may show it."""
        self._revision = revision
        self.look_again()

    def look_again(self) -> None:
        """Every view could be drawn better than it was."""
        for viewer in self._viewers.values():
            viewer.look_again(self._clock())
        self._wake.set()

    def wishes_changed(self, viewer: Viewer) -> None:
        """What a viewer sees could be drawn as it is wanted now."""
        viewer.look_again(self._clock())
        self._wake.set()

    # ---- the loop -----------------------------------------------------------------------------------
    async def run(self) -> None:
        """Draw until cancelled."""
        self._lanes.open(self)
        try:
            while True:
                self._wake.clear()
                pause = self._begin_what_is_due()
                try:
                    async with asyncio.timeout(pause):
                        await self._wake.wait()
                except TimeoutError:
                    pass
        finally:
            self._lanes.close(self)
            tasks = [*self._tasks, *self._senders.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _begin_what_is_due(self) -> float:
        """Begin as many frames as there are lanes, of this room or others; seconds until something else is due."""
        now = self._clock()
        if now >= self._stalled_at - TICK_S:
            self._let_stalled_go(now)
        if self._lanes.full:
            return max(0.0, self._stalled_at - now)
        self._lanes.give_away(now)
        return max(0.0, min(self._stalled_at, self._next_at) - now)

    def due(self, now: float) -> tuple[dict[str, float], dict[str, float]]:
        """See ``lanes.Drawer``."""
        due: dict[str, float] = {}
        later: dict[str, float] = {}
        self._next_at = math.inf
        for viewer in self._viewers.values():
            at = self._due(viewer)
            if at is not None and at <= now + TICK_S:
                due[self._prefix + viewer.id] = self._expected(viewer)
                continue
            if at is not None:
                self._next_at = min(self._next_at, at)
            if viewer.drawing or viewer.moving(self._revision):
                later[self._prefix + viewer.id] = self._expected(viewer)
        return due, later

    def begin(self, names: Sequence[str], now: float, share: float) -> list[str]:
        """See ``lanes.Drawer``."""
        viewers = [self._viewers[name.removeprefix(self._prefix)] for name in names]
        heads = [self._riding.head(viewer, self._viewers.values(), self._revision) for viewer in viewers]
        frames = [self._begin(head, now, share) for head in {head.id: head for head in heads}.values()]
        for frame in list(frames):
            frames += self._along(frame, now, share)
        name = f"draw for {', '.join(frame.viewer.id for frame in frames)}"
        task = self._keep(asyncio.create_task(self._render(frames), name=name))
        task.add_done_callback(self._rendered)
        return [self._prefix + frame.viewer.id for frame in frames]

    def _due(self, viewer: Viewer) -> float | None:
        """When the next frame of a viewer may begin; None if nothing is to be drawn, or there is no room."""
        if viewer.camera is None or not self._has_room(viewer):
            return None
        if viewer.moving(self._revision):
            return viewer.begun_at + self._riding.interval(viewer)
        if not viewer.still_shown:
            return viewer.changed_at + STILL_AFTER_S
        return None

    @staticmethod
    def _has_room(viewer: Viewer) -> bool:
        """Whether one more frame may be under way; of H.264 none replaces one that waits: later ones depend on it."""
        waits = viewer.slot is not None and viewer.slot.codec == "h264"
        return not (viewer.drawing or waits or viewer.in_flight >= MAX_IN_FLIGHT)

    def _expected(self, viewer: Viewer) -> float:
        """Seconds that the next frame of a viewer will take."""
        return viewer.pacer.cost_of(viewer.pacer.current) or self.cost

    def _let_stalled_go(self, now: float) -> None:
        """Find who has stalled, and when to look again: what is sent from now on can't stall before."""
        earliest = now
        for viewer in self.viewers:
            oldest = viewer.pacer.oldest()
            if oldest is None:
                continue
            if now - oldest >= STALLED_S - TICK_S:
                viewer.pacer.forget()
                self._on_stalled(viewer)
            else:
                earliest = min(earliest, oldest)
        self._stalled_at = earliest + STALLED_S

    def _begin(self, viewer: Viewer, now: float, share: float) -> _Begun:
        still = not viewer.moving(self._revision)
        rung = STILL if still else viewer.pacer.choose(now, share)
        if rung.codec == "h264":
            self._riding.begin(viewer, now)
        # Each packet of H.264 needs those before it, and who wants coarser views sees other blocks arrive.
        alone = rung.codec == "h264" or viewer.lod_bias != 0.0
        whose = viewer.id if alone else viewer.sees
        order = Order(viewer.cameras, rung, still, whose, viewer.pacer.wants_depth(still), viewer.lod_bias)
        return self._begun(viewer, order, now)

    def _begun(self, viewer: Viewer, order: Order, now: float) -> _Begun:
        viewer.begun_at, viewer.drawing = now, True
        viewer.shown_seq, viewer.shown_revision = viewer.camera_seq, self._revision
        viewer.still_shown, viewer.led = order.still, False
        return _Begun(viewer, order, now, viewer.camera_seq, viewer.changed_at, viewer.begins)

    def _along(self, frame: _Begun, now: float, share: float) -> list[_Begun]:
        """What others are sent of a picture."""
        viewers = self._viewers.values()
        along = self._riding.along(frame.order, frame.viewer, viewers, self._revision, now, share)
        return [self._begun(viewer, frame.order, now) for viewer in along]

    def _keep(self, task: asyncio.Task[None]) -> asyncio.Task[None]:
        """A task that is stopped with the loop, and that may make something due when it ends."""
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _task: self._wake.set())
        return task

    def _rendered(self, _task: asyncio.Task[None]) -> None:
        self._lanes.freed()

    async def _render(self, frames: Sequence[_Begun]) -> None:
        """One call of the renderer; where it fails, one for each picture, so that nobody loses one to another's."""
        pictures: dict[Order, list[_Begun]] = {}
        for frame in frames:
            pictures.setdefault(frame.order, []).append(frame)
        try:
            drawn = await self._together.draw(list(pictures))
        except Exception as error:
            if len(pictures) == 1:
                for frame in frames:
                    self._failed(frame, error)
                return
            for those in pictures.values():
                await self._render(those)
            return
        self._took(len(pictures), self._clock() - frames[0].at)
        for those, made in zip(pictures.values(), drawn, strict=True):
            name = f"encode for {', '.join(frame.viewer.id for frame in those)}"
            self._keep(asyncio.create_task(self._finish(those, made), name=name))

    def _took(self, count: int, seconds: float) -> None:
        """A call of that many frames is over: from now on fewer share one if it was too long, or one more may."""
        if seconds > CALL_S:
            self._most = max(1, min(count - 1, int(count * CALL_S / seconds)))
        elif count >= self._most:
            self._most = min(self._together.most, count + 1)

    def _failed(self, frame: _Begun, error: Exception) -> None:
        """It is not tried again until something changes: the same frame would fail the same way."""
        viewer = frame.viewer
        viewer.drawing, viewer.still_shown = False, viewer.begins == frame.begins
        if self._on_error is None:
            raise error
        self._on_error(viewer, error)

    async def _finish(self, frames: Sequence[_Begun], made: Awaitable[Drawn]) -> None:
        """Give a picture to those whom it is for, once it is encoded."""
        try:
            drawn = await made
        except Exception as error:
            for frame in frames:
                self._failed(frame, error)
            return
        for frame in frames:
            self._leave(frame, drawn, drawn.cost_s / len(frames))

    def _leave(self, frame: _Begun, drawn: Drawn, cost: float) -> None:
        """Leave a frame in its viewer's slot, in the place of an older one; ``cost``, seconds, is its viewer's part."""
        viewer, order = frame.viewer, frame.order
        viewer.drawing, viewer.settled = False, drawn.settled
        self._lanes.turns.pay(self._prefix + viewer.id, cost)
        if not order.still:  # a still may be had for nothing, and is nobody's measure
            self.cost += 0.25 * (cost - self.cost)
            viewer.pacer.drawn(cost, drawn.picture_bytes, order.rung, depth=drawn.depth_bytes, key=drawn.key)
        if viewer.id not in self._viewers or viewer.begins != frame.begins:
            self._on_dropped("left")
            return
        if viewer.slot is not None:
            self._on_dropped("replaced")
        views = drawn.views
        if not viewer.pacer.wants_depth(order.still):  # it rode along with somebody who does
            views = tuple(replace(view, depth=None) for view in views)
        viewer.slot = Frame(
            next(self._ids), views, frame.seq, drawn.revision, order.still, order.rung.quality,
            frame.at - frame.changed, drawn.render_s, drawn.encode_s, order.rung.codec, drawn.key,
        )  # fmt: skip
        self._filled[viewer.id].set()

    async def _feed(self, viewer: Viewer) -> None:
        """Send what lies in the slot, whenever something does."""
        filled = self._filled[viewer.id]
        while True:
            await filled.wait()
            filled.clear()
            frame, viewer.slot = viewer.slot, None
            if frame is None:
                continue
            viewer.pacer.sent(frame.id, frame.nbytes, self._clock())
            await viewer.send(frame)
