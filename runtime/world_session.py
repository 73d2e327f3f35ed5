"""The room that people share: who is here, what each sees, and the zooms that they wait for.

Turns messages into calls of the frame loop and the zoom service, and their answers into messages. Belongs to
one event loop; knows no socket: a participant has a session of the protocol, and a ``wake`` that tells its
connection that there is something to send. Everything that is kept for a participant is bounded; one that
does not read is let go.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Coroutine
from typing import Any

from wonderzoom.protocol import limits, messages, values
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.bookmarks import BookmarkShelf
from wonderzoom.runtime.channels import Channels
from wonderzoom.runtime.company import Company
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frame_loop import STILL, FrameLoop
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.hosting import LOCKED
from wonderzoom.runtime.lanes import Lanes
from wonderzoom.runtime.metrics import Metrics
from wonderzoom.runtime.orders import Order
from wonderzoom.runtime.participants import RESUME_S, Participant, Roster
from wonderzoom.runtime.streaming import Streaming
from wonderzoom.runtime.surfel_metrics import RoomKind
from wonderzoom.runtime.uploads import Uploads
from wonderzoom.runtime.viewer import Frame, Viewer
from wonderzoom.runtime.wire import camera_of, commit_parts, portions, pose, view_of
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.world import World

log = logging.getLogger(__name__)


class WorldSession:
    """See the module docstring. ``world`` is only read when this is made: it is the committer's."""

    def __init__(
        self,
        name: str,
        world: World,
        drawing: Drawing,
        desk: ZoomDesk,
        uploads: Uploads,
        max_viewers: int = 32,
        metrics: Metrics | None = None,
        worlds: Callable[[], list[str]] = list,
        lanes: Lanes | None = None,
        bookmarks: BookmarkShelf | None = None,
        kind: RoomKind = "first",
    ) -> None:
        """``lanes``: those of the whole server; without, as many as ``drawing`` has. ``bookmarks``: without, they last
        as long as this does; ``kind``: of room, for the metrics."""
        self.name, self._drawing, self._header, self._desk = name, drawing, world.header, desk
        self.revision, self.nodes = world.revision, dict(world.nodes)
        self._uploads, self._worlds = uploads, worlds
        self.max_viewers, self.metrics = max_viewers, metrics or Metrics()
        self._loop = asyncio.get_running_loop()
        self.frames = FrameLoop(
            drawing.draw,
            self._loop.time,
            together=drawing.together,
            lanes=lanes or Lanes(drawing.lanes),
            on_stalled=self._stalled,
            on_error=self._not_drawn,
            on_dropped=self.metrics.frame_dropped,
            begin_video=drawing.begin_video,
        )
        self.streaming = Streaming(drawing, world.header, self._loop.time, self.metrics.surfels[kind])
        self._channels = Channels(self.frames, self.streaming, self._beside)
        self._roster = Roster(self._show)
        shelf = bookmarks or BookmarkShelf(None)
        self._company = Company(self._roster, lambda: desk.pending, shelf, self._led, self._gone, self._renew)
        self._tasks: set[asyncio.Task[None]] = set()
        self._timers: list[asyncio.TimerHandle] = []
        self._closing = False
        self.frames.world_changed(self.revision)
        self.streaming.world_changed(self.revision)
        desk.changed = self._company.changed

    @property
    def viewers(self) -> int:
        """How many are here now."""
        return len(self._roster.present)

    # ---- coming and going -----------------------------------------------------------------------
    def enter(
        self, hello: messages.Hello, role: Role, session: ServerSession, wake: Callable[[], None]
    ) -> Participant | None:
        """Let somebody in who said hello; None after a refusal."""
        self._forget()
        surfels = limits.SURFEL_FORMAT in hello.surfel_formats
        draws = surfels and not hello.codecs  # by itself, whatever it says later: frames are of no use to it
        known = self._roster.resumed(hello.resume)
        if known is None:
            if not self._company.hosting.lets_in(role):
                session.refuse(CloseCode.FORBIDDEN, LOCKED)
                return None
            if self.viewers >= self.max_viewers:
                text = f"{self.max_viewers} people are here; try again later"
                session.refuse(CloseCode.SERVER_FULL, text, retry_after=10.0)
                return None
            if not draws and not self.frames.has_room:
                text = "more people move here than this machine can draw for; try again later"
                session.refuse(CloseCode.SERVER_FULL, text, retry_after=10.0)
                return None
            known = self._roster.add(hello.name, role)
        elif known.session is not None:
            known.session.refuse(CloseCode.NORMAL, "you have connected again from elsewhere")
            known.wake()
        known.arrived(hello, role, session, wake)
        known.draws = draws
        nodes = [self.summary(node) for node in self.nodes.values()]
        first, *rest = portions(nodes)
        session.welcome(self._welcome(known, first, surfels))
        for further in rest:
            known.say(messages.Commit(revision=self.revision, added=further))
        self._channels.entered(known)
        wake()
        self._desk.tell_again(known)
        self._company.entered(known)
        return known

    async def leave(self, participant: Participant, session: ServerSession, *, for_good: bool) -> None:
        """A connection has ended; the participant may come back within RESUME_S unless it is for good."""
        if participant.session is not session:
            return  # it has connected again meanwhile
        participant.session, participant.left_at = None, self._loop.time()
        self._company.following.end(participant)
        await self.frames.leave(participant.viewer)
        if for_good:
            self._gone(participant)
        else:
            self._timers.append(self._loop.call_later(RESUME_S + 1.0, self._forget))
        self._company.changed()

    def _renew(self) -> None:
        """Whoever is not here gets no payload any more."""
        said = messages.Blocks(blocks=self.streaming.renew())
        for each in self._roster.present:
            each.say(said)

    def _forget(self) -> None:
        """Those who did not come back in time are gone."""
        now = self._loop.time()
        self._timers = [timer for timer in self._timers if timer.when() > now]
        for each in self._roster.overdue(now):
            self._gone(each)

    def _gone(self, participant: Participant) -> None:
        if self._roster.remove(participant):
            self._company.following.gone(participant)
            self._desk.left(participant)
            self._uploads.left(participant)
            self._channels.gone(participant)
            self._company.changed()

    @property
    def vacant(self) -> bool:
        """Whether nobody is here, nor comes back, nor waits for a zoom; a world that is locked stays so."""
        self._forget()
        return not any(self._roster) and not self._desk.pending and not self._company.hosting.locked

    async def close(self) -> None:
        """Say goodbye to everyone; nothing is answered any more."""
        self._closing = True
        for each in self._roster.present:
            if each.session is not None:
                each.session.refuse(CloseCode.GOING_AWAY, "the server stops", retry_after=2.0)
                each.wake()
        for timer in self._timers:
            timer.cancel()
        self._company.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.streaming.close()
        await self._desk.close()

    async def draw_first(self) -> None:
        """Draw the first picture for nobody: what it shows is then packed, and the first guest does not wait."""
        if (root := self._root()) is not None:
            first = frame_of(root, self._header)
            await self._drawing.draw(Order((first,), STILL, True))
            await self._drawing.foresee(first)

    # ---- what somebody says -----------------------------------------------------------------------
    def hear(self, who: Participant, message: messages.FromClient) -> None:
        """Serve one message; what takes long is done beside."""
        match message:
            case messages.Camera():
                self._look(who, message)
            case messages.Ack():
                self._acknowledged(who, message)
            case messages.Configure():
                self._channels.configure(who, message)
            case messages.Pick():
                self._beside(self._desk.pick(who, message))
            case messages.Zoom():
                if who.is_allowed(Role.EDITOR, message.request):
                    self._beside(self._desk.zoom(who, message))
                else:
                    self.metrics.zoom_ended(ErrorCode.FORBIDDEN)
            case messages.Cancel():
                self._loop.call_soon(self._desk.cancel, who, message)  # after what was asked before has begun
            case messages.RemoveNode():
                if who.is_allowed(Role.EDITOR, message.request):
                    self._beside(self._desk.remove(who, message))
            case messages.RestoreNode():
                if who.is_allowed(Role.EDITOR, message.request):
                    self._beside(self._restore(who, message))
            case messages.UploadBegin():
                if who.is_allowed(Role.HOST, message.upload):
                    self._uploads.begin(who, message)
            case messages.UploadChunk():
                if who.is_allowed(Role.HOST, message.upload):
                    self._uploads.chunk(who, message)
            case messages.UploadEnd():
                if who.is_allowed(Role.HOST, message.upload):
                    self._uploads.end(who, message)
            case messages.Have():
                self.streaming.have(who, message)
            case messages.Evicted():
                self.streaming.evicted(who, message)
            case messages.Hello() | messages.Leave():
                pass  # the session's business
            case _:
                if (work := self._company.hear(who, message)) is not None:
                    self._beside(work)

    def _acknowledged(self, who: Participant, message: messages.Ack) -> None:
        if message.frame is not None:
            took = self.frames.acknowledge(who.viewer, message.frame)
            if took is not None:
                self.metrics.frame_arrived(took)
            if (stats := who.stats(self._loop.time(), self.viewers)) is not None:
                who.say(stats)
        elif message.delta is not None:
            self.streaming.acknowledge(who, message.delta)
        self._channels.looked(who)

    def worlds_changed(self) -> None:
        """There are other worlds on this server than everybody here was told."""
        said = messages.Worlds(worlds=self._worlds()[: limits.MAX_WORLDS])
        for each in self._roster.present:
            each.say(said)

    async def _restore(self, who: Participant, message: messages.RestoreNode) -> None:
        there = self.nodes.get(message.node)
        if there is None:
            await self._desk.restore(who, message)
        else:
            who.say(messages.Commit(revision=self.revision, added=[self.summary(there)]))

    def _beside(self, work: Coroutine[Any, Any, None]) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("a request failed", exc_info=task.exception())

    def _look(self, who: Participant, message: messages.Camera) -> None:
        try:
            camera, *beside = map(camera_of, message.cameras)
        except ValueError as error:
            who.fail(ErrorCode.INVALID, str(error))
            return
        who.looked(message.seq, message.time, camera)
        who.viewport = camera.width, camera.height
        self._company.following.end(who)
        self.frames.look(who.viewer, camera, message.seq, *beside)
        self.streaming.look(who)
        self._channels.looked(who)
        self._company.looked(who)

    def _led(self, who: Participant, camera: Camera, leader: str) -> None:
        self.frames.follow(who.viewer, camera, leader)
        self.streaming.look(who)

    # ---- frames -----------------------------------------------------------------------------------
    async def _show(self, who: Participant, frame: Frame) -> None:
        session = who.session
        if session is None or not session.may_send_frame:
            who.viewer.pacer.acknowledged(frame.id, self._loop.time())
            who.viewer.video = None  # the next one depended on this one, if it was H.264
            here = session is not None and session.closed is None
            self.metrics.frame_dropped("no_credit" if here else "left")
            return
        self.metrics.frame_sent(frame)
        who.saw(frame.id, frame.views[0].camera)
        who.shown += 1
        who.bytes += frame.nbytes
        who.say(
            messages.Frame(
                frame=frame.id,
                camera_seq=max(0, frame.camera_seq),
                camera_time=0.0 if who.following else who.time_of(frame.camera_seq),
                revision=frame.revision,
                views=[view_of(view) for view in frame.views],
                codec=frame.codec,
                key=frame.key,
                still=frame.still,
                quality=frame.quality,
                waited=1e3 * max(0.0, frame.waited_s),
                render=1e3 * frame.render_s,
                encode=1e3 * frame.encode_s,
            )
        )

    def _stalled(self, viewer: Viewer) -> None:
        who = self._roster.get(viewer.id)
        if who is not None and who.session is not None:
            who.session.refuse(CloseCode.STALLED, "no frame was acknowledged for ten seconds")
            who.wake()

    def _not_drawn(self, viewer: Viewer, error: Exception) -> None:
        log.error("a frame of %s could not be drawn", viewer.id, exc_info=error)
        who = self._roster.get(viewer.id)
        if who is not None:
            who.fail(ErrorCode.FAILED, "this view could not be drawn; it is in the server's log")

    # ---- the world changes ------------------------------------------------------------------------
    def committed(self, commit: Commit) -> None:
        """A commit is durable: in the committer's thread."""
        self._drawing.apply(commit)
        self._loop.call_soon_threadsafe(self._tell, commit)

    def _tell(self, commit: Commit) -> None:
        if self._closing:
            return
        self.revision = commit.revision
        for name in commit.removed:
            self.nodes.pop(name, None)
            self._desk.asked_by.pop(name, None)
        self.nodes.update((node.id, node) for node in commit.added)
        self.frames.world_changed(commit.revision)
        self.streaming.world_changed(commit.revision)
        added = [self.summary(node) for node in commit.added]
        by = added[0].by if added else ""
        for coming, going in commit_parts(added, commit.removed):
            said = messages.Commit(revision=commit.revision, added=coming, removed=going, by=by)
            for each in self._roster:
                each.say(said)

    def summary(self, node: ScaleNode) -> values.NodeSummary:
        """A node as people navigate by it."""
        frame, root = frame_of(node, self._header), self._root()
        ln = 0.0 if root is None else zoom_ln(frame_of(root, self._header), frame)
        return values.NodeSummary(
            id=node.id, camera=pose(frame), ln_magnification=ln, parent=node.parent,
            prompt=node.prompt[: limits.MAX_PROMPT], generator=node.generator[: limits.MAX_NAME],
            by=self._desk.asked_by.get(node.id, ""),
        )  # fmt: skip

    def _root(self) -> ScaleNode | None:
        return next((node for node in self.nodes.values() if node.parent is None), None)

    @property
    def recorded(self) -> bool:
        """Whether it is written down what people do here; they are told."""
        return False

    def _welcome(self, who: Participant, nodes: list[values.NodeSummary], surfels: bool) -> messages.Welcome:
        root = self._root()
        start = who.viewer.camera or (None if root is None else frame_of(root, self._header))
        return messages.Welcome(
            protocol=limits.PROTOCOL, viewer=who.id, name=who.name, color=who.color, role=who.role.value,
            resume=who.resume, world=self.name[: limits.MAX_NAME], revision=self.revision,
            h_ref=self._header.h_ref, clock=1e3 * self._loop.time(), nodes=nodes,
            camera=None if start is None else pose(start), worlds=self._worlds()[: limits.MAX_WORLDS],
            ln_metres=math.log(self._header.root_edge * self._header.metres_per_unit),
            surfel_format=limits.SURFEL_FORMAT if surfels else None, blocks=self.streaming.secret if surfels else "",
            metric=self._header.metric, background=self._header.background, recorded=self.recorded,
        )  # fmt: skip
