"""What a client asked for and waits for: zooms, picks, removals and uploads. Without sockets.

Each knows what to say to the server, again after a reconnect (the server takes the same request for the same job),
and how an answer ends it. Everything that is kept is bounded.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Generic, TypeVar

from wonderzoom.clients.errors import ClientError, RequestFailed, ZoomCancelled
from wonderzoom.protocol import limits
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.messages import (
    Cancel,
    Commit,
    Error,
    FromClient,
    FromServer,
    Pick,
    Picked,
    RemoveNode,
    RestoreNode,
    UploadBegin,
    UploadChunk,
    UploadEnd,
    UploadStatus,
    Welcome,
    Zoom,
    ZoomStatus,
)

_Value = TypeVar("_Value")
Say = Callable[[FromClient], None]
_MAX_UNREAD = 16  # statuses of a zoom, each with a preview of up to 64 kB


class Job(Generic[_Value]):
    """One thing that is waited for; ``await`` it for its result, as often and from as many tasks as you like.

    Whoever stops waiting does not cancel it.
    """

    def __init__(self, request: str, message: FromClient, say: Say) -> None:
        self.request, self._message, self._say = request, message, say
        self._over = asyncio.Event()
        self._result: _Value | None = None
        self._error: ClientError | None = None

    @property
    def done(self) -> bool:
        """Whether it has a result, or failed."""
        return self._over.is_set()

    def __await__(self) -> Generator[Any, None, _Value]:
        return self._wait().__await__()

    async def _wait(self) -> _Value:
        await self._over.wait()
        if self._error is not None:
            raise self._error
        assert self._result is not None
        return self._result

    def finish(self, result: _Value) -> None:
        """This is the result."""
        self._result = result
        self._over.set()

    def fail(self, error: ClientError) -> None:
        """It has none."""
        self._error = error
        self._over.set()

    def ask(self) -> None:
        """Say it to the server, for the first time or again."""
        self._say(self._message)

    def hear(self, message: FromServer) -> None:
        """A message of the server's, which may be about something else."""
        if isinstance(message, Error) and message.request == self.request:
            self.fail(RequestFailed(message.code, message.message))

    def resumed(self, welcome: Welcome) -> None:
        """Connected again, as the same viewer."""
        self.ask()


class Zooming(Job[ZoomStatus]):
    """A zoom. ``async for status in zooming`` tells how it stands, up to its last status; ``await zooming`` gives
    the status with which it was committed, or raises RequestFailed or ZoomCancelled."""

    def __init__(self, message: Zoom, say: Say) -> None:
        super().__init__(message.request, message, say)
        self._cancelled = False
        self._unread: deque[ZoomStatus] = deque(maxlen=_MAX_UNREAD)
        self._news = asyncio.Event()
        self.status: ZoomStatus | None = None  # the last one

    def ask(self) -> None:
        super().ask()
        if self._cancelled:
            self._say(Cancel(request=self.request))

    def cancel(self) -> None:
        """Ask that it end. What it came to is told as for every zoom: it may be committed all the same."""
        if not self.done and not self._cancelled:
            self._cancelled = True
            self._say(Cancel(request=self.request))

    def hear(self, message: FromServer) -> None:
        super().hear(message)
        if isinstance(message, ZoomStatus) and message.request == self.request:
            self.status = message
            self._unread.append(message)
            if message.state == "committed":
                self.finish(message)
            elif message.state == "failed":
                self.fail(RequestFailed(message.code or ErrorCode.FAILED, message.message))
            elif message.state == "cancelled":
                self.fail(ZoomCancelled(message.message or "the zoom was cancelled"))
        self._news.set()

    def fail(self, error: ClientError) -> None:
        super().fail(error)
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[ZoomStatus]:
        """Each status once (of many unread ones the newest); raises only where no status ended the zoom."""
        while True:
            while self._unread:
                yield self._unread.popleft()
            if self.done:
                ended = self.status is not None and self.status.state not in ("queued", "running")
                if self._error is not None and not ended:
                    raise self._error
                return
            self._news.clear()
            await self._news.wait()


class Picking(Job[Picked]):
    """What is at a point of a frame."""

    def __init__(self, message: Pick, say: Say) -> None:
        super().__init__(message.request, message, say)

    def hear(self, message: FromServer) -> None:
        super().hear(message)
        if isinstance(message, Picked) and message.request == self.request:
            self.finish(message)


class Removal(Job[int]):
    """A node that goes; the result is the world's revision without it.

    A connection may break between a removal and the word of it. Coming back says which nodes there are, but in as
    many messages as a large world needs; so it is asked for again, and that the node is not found is then what
    was wanted: it went in between, and is gone in the revision that was come back to.
    """

    def __init__(self, message: RemoveNode, say: Say) -> None:
        super().__init__(message.request, message, say)
        self._node = message.node
        self._resumed_at: int | None = None  # revision

    def hear(self, message: FromServer) -> None:
        if isinstance(message, Commit) and self._node in message.removed:
            self.finish(message.revision)
        elif (
            isinstance(message, Error)
            and (message.request, message.code) == (self.request, ErrorCode.NOT_FOUND)
            and self._resumed_at is not None
        ):
            self.finish(self._resumed_at)
        else:
            super().hear(message)

    def resumed(self, welcome: Welcome) -> None:
        self._resumed_at = welcome.revision
        super().resumed(welcome)


class Restoring(Job[int]):
    """A node that comes back; the result is the world's revision with it. Asked for again after a break, as the server
    says of a node that is there that it is there."""

    def __init__(self, message: RestoreNode, say: Say) -> None:
        super().__init__(message.request, message, say)
        self._node = message.node

    def hear(self, message: FromServer) -> None:
        if isinstance(message, Commit) and any(node.id == self._node for node in message.added):
            self.finish(message.revision)
        else:
            super().hear(message)


class Uploading(Job[str]):
    """A picture that becomes a world; the result is the world's name. ``progress`` is told each status."""

    def __init__(
        self,
        message: UploadBegin,
        data: bytes,
        say: Say,
        progress: Callable[[UploadStatus], None] | None = None,
    ) -> None:
        super().__init__(message.upload, message, say)
        self._data, self._all_said = data, False
        self._progress = progress

    def ask(self) -> None:
        self._all_said = False
        super().ask()

    def hear(self, message: FromServer) -> None:
        super().hear(message)
        if not isinstance(message, UploadStatus) or message.upload != self.request:
            return
        if self._progress is not None:  # beside: a fault of it is not one of the connection
            asyncio.get_running_loop().call_soon(self._progress, message)
        if message.state == "done":
            self.finish(message.world)
        elif message.state == "failed":
            self.fail(RequestFailed(message.code or ErrorCode.FAILED, message.message))
        elif message.state == "receiving":
            chunk = self._data[message.received : message.received + limits.MAX_CHUNK]
            if chunk:
                self._say(UploadChunk(upload=self.request, offset=message.received, data=chunk))
            elif not self._all_said:
                self._all_said = True
                self._say(UploadEnd(upload=self.request))


_Job = TypeVar("_Job", bound=Job[Any])


class Jobs:
    """All that is waited for, at most ``limits.MAX_PENDING``."""

    def __init__(self) -> None:
        self._pending: dict[str, Job[Any]] = {}
        self._begun = 0
        self._error: ClientError | None = None

    def name(self, kind: str) -> str:
        """A request id. Servers keep them apart by viewer, so they need to be new for this one only."""
        self._begun += 1
        return f"{kind}{self._begun}"

    def begin(self, job: _Job) -> _Job:
        """Ask for it and wait for it; the job. Raises RequestFailed where too many wait, and what
        ended the conversation."""
        if self._error is not None:
            raise self._error
        if job.request in self._pending:
            raise RequestFailed(ErrorCode.INVALID, f"{job.request} is waited for already")
        if len(self._pending) >= limits.MAX_PENDING:
            raise RequestFailed(ErrorCode.BUSY, f"{limits.MAX_PENDING} requests wait already")
        job.ask()
        self._pending[job.request] = job
        return job

    def hear(self, message: FromServer) -> bool:
        """Tell everyone who waits; whether it ended something."""
        return self._each(lambda job: job.hear(message))

    def resumed(self, welcome: Welcome) -> None:
        """Ask for everything again: the server knows us, and what it had heard."""
        self._each(lambda job: job.resumed(welcome))

    def forgotten(self) -> None:
        """The server does not know us any more, nor what we asked for: whether to ask again is the caller's choice."""
        lost = RequestFailed(ErrorCode.LOST, "the server was started anew meanwhile; ask again")
        for job in self._pending.values():
            job.fail(lost)
        self._pending.clear()

    def end(self, error: ClientError) -> None:
        """Nothing will be answered any more."""
        self._error = error
        for job in self._pending.values():
            job.fail(error)
        self._pending.clear()

    def _each(self, tell: Callable[[Job[Any]], None]) -> bool:
        ended = False
        for request, job in list(self._pending.items()):
            try:
                tell(job)
            except RequestFailed as error:  # what it has to say did not fit
                job.fail(error)
            if job.done:
                ended = True
                del self._pending[request]
        return ended
