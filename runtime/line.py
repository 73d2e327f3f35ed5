"""What goes out over one connection: in order, by one task, and at the end a goodbye that arrives.

Whoever is told goodbye has GOODBYE_S to take it; then the line is cut, so that nobody who stalls is kept for long.
When the server itself stops, people on slow links did nothing wrong, and what was given to the system before the
goodbye can't be taken back: as long as their end goes on taking bytes they have LONGEST_GOODBYE_S. Frames that have not
been given to the system yet are dropped by the session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Literal

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import CloseCode as WebsocketCode

from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.platform import unacknowledged_bytes

# Whoever stalls is told so after 10 s, and gone in less than 12.
GOODBYE_S = 1.5
# At 50 kB/s: what the system and the transport hold at most, 128 KiB each, and the close behind it.
LONGEST_GOODBYE_S = 6.0

# Why a connection ended that the session did not end: the client closed the websocket without a word in the protocol,
# as a tab does; it sent what is no websocket message, or one that is too large; or the line broke.
Unsaid = Literal["closed_by_client", "bad_websocket", "lost"]
Ending = CloseCode | Unsaid


class Line:
    """Sends what a session has to say, whenever it has something."""

    def __init__(
        self, session: ServerSession, connection: ServerConnection, sent: Callable[[int], None]
    ) -> None:
        """``sent`` is told of the bytes of each message that was given away."""
        self._session, self._connection, self._sent = session, connection, sent
        self.wake = asyncio.Event()
        self.wake.set()
        self.participant: Participant | None = None
        self._loop = asyncio.get_running_loop()
        self._given = 0  # bytes
        self._cut: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Bytes that were given away and have not reached the other end, as far as the system says."""
        transport = self._connection.transport
        raw = transport.get_extra_info("socket")
        return transport.get_write_buffer_size() + (0 if raw is None else unacknowledged_bytes(raw))

    def nudge(self) -> None:
        """There is something to send; once that is a goodbye, whoever takes nothing is cut off."""
        self.wake.set()
        if self._session.closed is not None and self._cut is None:
            longest = self._session.closed is CloseCode.GOING_AWAY
            until = self._loop.time() + (LONGEST_GOODBYE_S if longest else GOODBYE_S)
            self._cut = self._loop.call_later(GOODBYE_S, self._cut_off, until, self._taken())

    def goodbye(self, code: CloseCode, reason: str, retry_after: float | None = None) -> None:
        """End the conversation, unless it has ended."""
        self._session.refuse(code, reason, retry_after)
        self.nudge()

    async def write(self) -> None:
        """Send whatever the session has, whenever it has something; the close, when it is closed."""
        try:
            while True:
                await self.wake.wait()
                self.wake.clear()
                while (data := self._session.next_to_send()) is not None:
                    self._given += len(data)
                    await self._connection.send(data)
                    self._sent(len(data))
                if self.participant is not None and self.participant.session is self._session:
                    self.participant.waiting = 0
                if self._session.closed is not None:
                    await self._connection.close(int(self._session.closed))
                    return
        except ConnectionClosed:
            return

    async def end(self, writer: asyncio.Task[None]) -> None:
        """Let the last messages out, but not for long."""
        if self._session.closed is not None:
            self.nudge()
            await asyncio.wait([writer], timeout=LONGEST_GOODBYE_S + GOODBYE_S)
        if self._cut is not None:
            self._cut.cancel()
        writer.cancel()
        await asyncio.gather(writer, return_exceptions=True)

    def _cut_off(self, until: float, before: int) -> None:
        """Cut the line, unless there is time left and its other end has taken something since ``before``."""
        taken = self._taken()
        if self._loop.time() >= until or taken <= before:
            self._connection.transport.abort()
        else:
            again = min(GOODBYE_S, until - self._loop.time())
            self._cut = self._loop.call_later(again, self._cut_off, until, taken)

    def _taken(self) -> int:
        """Bytes that have reached the other end, as far as one can know."""
        return self._given - self.waiting


def ending(closed: CloseCode | None, error: ConnectionClosed | None) -> Ending:
    """How a connection ended: ``closed`` by its session, or with the error that reading it ended with."""
    if closed is not None:
        return closed
    if error is None or error.rcvd is error.sent is None:
        return "lost"
    if error.sent is None or error.rcvd_then_sent:
        return "closed_by_client"
    match error.sent.code:
        case WebsocketCode.INTERNAL_ERROR:  # that is how pings without an answer end
            return "lost"
        case WebsocketCode.GOING_AWAY:
            return CloseCode.GOING_AWAY
        case _:
            return "bad_websocket"
