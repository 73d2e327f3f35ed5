"""Where people ask: what is there, make it finer, call that off, take that away.

Each request is answered to whoever asked, also after a reconnect: the same request is the same job.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from wonderzoom.generation.committing import CommitThread, Made
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.generation.service import ZoomRefused, ZoomService
from wonderzoom.generation.zoom_events import (
    FailureCode,
    ZoomCancelled,
    ZoomCommitted,
    ZoomEvent,
    ZoomFailed,
    ZoomQueued,
    ZoomRunning,
    failure_of,
)
from wonderzoom.generation.zoom_ticket import ZoomTicket
from wonderzoom.protocol import limits, messages, values
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frames import at_reference
from wonderzoom.runtime.metrics import Metrics
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.wire import camera_of, place_of, pose, preview_of, words_of
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader

log = logging.getLogger(__name__)

_CODES: dict[FailureCode, ErrorCode] = {
    "already_covered": ErrorCode.ALREADY_COVERED,
    "unknown_node": ErrorCode.NOT_FOUND,
    "invalid": ErrorCode.INVALID,
    "generation_failed": ErrorCode.FAILED,
    "out_of_memory": ErrorCode.FAILED,
    "worker_lost": ErrorCode.LOST,
    "conflict": ErrorCode.CONFLICT,
    "timed_out": ErrorCode.TIMED_OUT,
    "store_failed": ErrorCode.OUT_OF_SPACE,
    "shutting_down": ErrorCode.BUSY,
    "internal": ErrorCode.FAILED,
}


@dataclass
class PendingZoom:
    """A zoom that a participant waits for."""

    participant: Participant
    request: str
    camera: values.CameraPose
    wish: ZoomRequest
    ticket: ZoomTicket
    asked_at: float | None = None  # None: it had ended before, and was asked for again
    task: asyncio.Task[None] | None = None
    last: messages.ZoomStatus | None = None


class CanNot(Exception):
    """Why a request can't be served."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def _told(error: Exception, what: str) -> tuple[ErrorCode, str]:
    """What is said of an error; one that is a mistake of ours is in the log instead."""
    failure = failure_of(error)
    if failure.code == "internal":
        log.error("%s failed", what, exc_info=error)
    return _CODES[failure.code], failure.message


class ZoomDesk:
    """Belongs to one event loop. ``changed`` is called whenever somebody's zoom stands otherwise."""

    def __init__(
        self,
        header: WorldHeader,
        drawing: Drawing,
        service: ZoomService,
        commits: CommitThread,
        generator: str,
        metrics: Metrics | None = None,
    ) -> None:
        self._header, self._drawing = header, drawing
        self._service, self._commits, self._generator = service, commits, generator
        self._metrics, self._clock = metrics or Metrics(), asyncio.get_running_loop().time
        self.changed: Callable[[], None] = lambda: None
        self._zooms: dict[tuple[str, str], PendingZoom] = {}
        # Not yet taken in: whether it was called off meanwhile.
        self._aiming: dict[tuple[str, str], bool] = {}
        self.asked_by: dict[str, str] = {}  # node -> the name of who asked for it

    @property
    def pending(self) -> list[PendingZoom]:
        """What people wait for, oldest first."""
        return list(self._zooms.values())

    def tell_again(self, who: Participant) -> None:
        """How all their zooms stand, to somebody who has just come back."""
        for each in self.pending:
            if each.participant is who and each.last is not None:
                who.say(each.last)

    def left(self, who: Participant) -> None:
        """Somebody is gone for good."""
        self._aiming = {key: off for key, off in self._aiming.items() if key[0] != who.id}
        self._service.leave(who.id)

    async def close(self) -> None:
        """Tell nobody anything more."""
        tasks = [each.task for each in self.pending if each.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # ---- requests -------------------------------------------------------------------------------
    def cancel(self, who: Participant, message: messages.Cancel) -> None:
        """Call a zoom off."""
        if (who.id, message.request) in self._aiming:
            self._aiming[who.id, message.request] = True
        elif not self._service.cancel(who.id, message.request):
            who.fail(ErrorCode.NOT_FOUND, "there is no such zoom, or it is done", message.request)

    async def pick(self, who: Participant, message: messages.Pick) -> None:
        """Answer what is at a point. Whoever may zoom there will soon: a worker is started meanwhile."""
        if who.role.may(Role.EDITOR):
            await self._service.start()
        camera = who.camera_at(message.at)
        if camera is None:
            who.fail(ErrorCode.NOT_FOUND, "that view is too long ago; pick in a newer one", message.request)
            return
        try:
            found = await self._drawing.pick(camera, message.at.u, message.at.v)
            place = None if found is None else place_of(found.position)
        except Exception as error:
            who.fail(*_told(error, "a pick"), message.request)
            return
        if found is None or place is None:
            who.say(messages.Picked(request=message.request))
            return
        who.say(messages.Picked(
            request=message.request, place=place, zeta=max(-1e30, min(1e30, found.zeta)), node=found.node,
        ))  # fmt: skip

    async def zoom(self, who: Participant, message: messages.Zoom) -> None:
        """Take a zoom in, or say how the one of that name stands."""
        key = who.id, message.request
        if (known := self._zooms.get(key)) is not None:
            if known.last is not None:
                who.say(known.last)
            return
        if (ended := self._service.ended(*key)) is not None:  # where it was aimed may be forgotten
            who.say(self._status(message.request, None, ended))
            return
        if key in self._aiming:
            return
        self._aiming[key] = False
        asked_at = self._clock()
        try:
            camera = await self._aimed(who, message)
            if key not in self._aiming:
                return  # there is nobody any more who asks
            shown = pose(camera)  # first: a job whose view can't be told of must not begin
            request = ZoomRequest(camera, message.prompt, message.seed, message.mode, message.node)
            ticket = self._service.submit(who.id, message.request, request, self._generator)
            if self._aiming[key]:
                self._service.cancel(*key)
        except CanNot as error:
            self._failed(who, message.request, error.code, str(error))
            return
        except ZoomRefused as refused:
            self._failed(who, message.request, ErrorCode.BUSY, str(refused))
            return
        except Exception as error:
            self._failed(who, message.request, *_told(error, "the aim of a zoom"))
            return
        finally:
            self._aiming.pop(key, None)
        pending = PendingZoom(
            who, message.request, shown, request, ticket, None if ticket.end is not None else asked_at
        )
        self._zooms[key] = pending
        pending.task = asyncio.create_task(self._follow(pending), name=f"follow {message.request}")
        self.changed()

    async def _aimed(self, who: Participant, message: messages.Zoom) -> Camera:
        """The camera of a zoom. Raises CanNot and ValueError."""
        if message.camera is not None:
            return at_reference(camera_of(message.camera), self._header)
        assert message.at is not None
        shown = who.camera_at(message.at)
        if shown is None:
            raise CanNot(ErrorCode.NOT_FOUND, "that view is too long ago; zoom in a newer one")
        found = await self._drawing.pick(shown, message.at.u, message.at.v)
        if found is None:
            raise CanNot(ErrorCode.NOTHING_THERE, "there is nothing there to zoom into")
        aimed = shown.looking_at(shown.view_point(found.position)).zoomed(message.factor)
        return at_reference(aimed, self._header)

    def _failed(self, who: Participant, request: str, code: ErrorCode, text: str) -> None:
        self._metrics.zoom_ended(code)
        who.say(
            messages.ZoomStatus(request=request, state="failed", code=code, message=text[: limits.MAX_TEXT])
        )

    async def _follow(self, pending: PendingZoom) -> None:
        """Tell how a zoom fares until it ends."""
        try:
            async for event in pending.ticket:
                pending.last = self._status(pending.request, pending.camera, event)
                self._count(pending, event)
                pending.participant.say(pending.last)
                self.changed()
        finally:
            self._zooms.pop((pending.participant.id, pending.request), None)

    def _count(self, pending: PendingZoom, event: ZoomEvent) -> None:
        if pending.asked_at is None:
            return
        seconds = self._clock() - pending.asked_at
        match event:
            case ZoomCommitted():
                self._metrics.zoom_ended("committed", seconds, event.seconds, event.memory)
            case ZoomFailed():
                self._metrics.zoom_ended(_CODES[event.code], seconds)
            case ZoomCancelled():
                self._metrics.zoom_ended("cancelled", seconds)
            case ZoomQueued() | ZoomRunning():
                pass

    def _status(
        self, request: str, camera: values.CameraPose | None, event: ZoomEvent
    ) -> messages.ZoomStatus:
        match event:
            case ZoomQueued():
                eta = 1e3 * event.eta if math.isfinite(event.eta) else None
                return messages.ZoomStatus(
                    request=request, state="queued", camera=camera, position=event.position, eta=eta
                )
            case ZoomRunning():
                preview = None if event.preview is None else preview_of(event.preview)
                return messages.ZoomStatus(
                    request=request, state="running", camera=camera, stage=event.stage,
                    fraction=min(1.0, max(0.0, event.fraction)), preview=preview,
                )  # fmt: skip
            case ZoomCommitted():
                return messages.ZoomStatus(
                    request=request, state="committed", node=event.node, revision=event.revision,
                    placed=words_of(event.placed), ignored=words_of(event.ignored),
                    message="; ".join(event.notes)[: limits.MAX_TEXT],
                )  # fmt: skip
            case ZoomFailed():
                text = event.message[: limits.MAX_TEXT]
                return messages.ZoomStatus(
                    request=request, state="failed", code=_CODES[event.code], message=text
                )
            case ZoomCancelled():
                return messages.ZoomStatus(request=request, state="cancelled")

    async def remove(self, who: Participant, message: messages.RemoveNode) -> None:
        """Undo a zoom."""
        try:
            await self._commits.remove(message.node)
        except Exception as error:
            who.fail(*_told(error, "a removal"), message.request)

    async def restore(self, who: Participant, message: messages.RestoreNode) -> None:
        """Bring back what was removed."""
        try:
            await self._commits.restore(message.node)
        except Exception as error:
            who.fail(*_told(error, "a restoring"), message.request)

    async def commit(self, proposal: Proposal, request: ZoomRequest) -> Made:
        """Make a zoom durable, and know whose it is before anyone is told."""
        for pending in self._zooms.values():
            if pending.wish == request:
                self.asked_by[proposal.zoomed.node] = pending.participant.name
                break
        return await self._commits.commit(proposal, request)
