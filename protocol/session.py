"""The conversation without any socket: what may be said when, how fast, and what ends it.

Sans-I/O, in three verbs: ``receive_data`` takes the bytes of one websocket message, ``events_received`` gives
what they said, ``data_to_send`` what is to be sent. Once ``closed`` is set the owner sends what is left, then
closes the websocket with that code. The clock is an argument, in seconds.

    client                          server
      | hello ----------------------> |   within HELLO_WITHIN_S, at most MAX_BEFORE_WELCOME bytes
      | <-------- welcome, or bye --- |   the owner decides: ``welcome`` or ``refuse``
      | camera, zoom, ... ----------> |   at most MESSAGES_PER_S
      | <---------------- frame ----- |   at most MAX_IN_FLIGHT without an ack
      | ack ------------------------> |
      | <-------------- surfels ----- |   at most MAX_UNACKED bytes without an ack
      | ack ------------------------> |
      | bye <-----------------------> |
"""

from __future__ import annotations

import enum
from collections import deque

from wonderzoom.protocol import limits
from wonderzoom.protocol.codec import decode_from_client, decode_from_server, encode
from wonderzoom.protocol.errors import CloseCode, ErrorCode, Malformed, TooLarge, Violation
from wonderzoom.protocol.messages import (
    Ack,
    Bye,
    Error,
    Frame,
    FromClient,
    FromServer,
    Hello,
    Leave,
    Surfels,
    Welcome,
)


class State(enum.Enum):
    """Of a session, from either end."""

    HELLO = "hello"  # nothing was said
    ANSWER = "answer"  # hello was said, the answer is due
    OPEN = "open"
    CLOSED = "closed"


class ServerSession:
    """One client, seen from the server."""

    def __init__(self, now: float) -> None:
        self.state = State.HELLO
        self.closed: CloseCode | None = None
        self.rejected: ErrorCode | None = None  # why nothing of the last data was used; None: it was
        self.in_flight: set[int] = set()  # frames that are sent and not acknowledged
        self.deltas: dict[int, int] = {}  # the same of surfels, and the bytes of each
        self._began = now
        self._allowance, self._counted = float(limits.MESSAGE_BURST), now
        self._malformed = 0
        self._events: deque[FromClient] = deque()
        self._outgoing: deque[bytes] = deque()
        self._views: list[
            bytes
        ] = []  # of those, what shows something: within the credit, and of no use at the end

    # ---- from the client ------------------------------------------------------------------------
    def receive_data(self, data: bytes | str, now: float) -> None:
        """The bytes of one websocket message; text messages are none of ours."""
        if self.state is State.CLOSED:
            return
        self.rejected = None
        if not self._within_rate(now):
            self.rejected = ErrorCode.TOO_MANY
            self._close(CloseCode.TOO_MANY, f"more than {limits.MESSAGES_PER_S} messages a second")
            return
        try:
            if isinstance(data, str):
                raise Malformed("a text message; this protocol is binary")
            opening = self.state is State.HELLO
            message = decode_from_client(
                data, limits.MAX_BEFORE_WELCOME if self.state is not State.OPEN else limits.MAX_FROM_CLIENT
            )
            if opening != isinstance(message, Hello):
                raise Violation("a hello comes first, and once")
            if self.state is State.ANSWER:
                raise Violation("wait for the welcome")
        except (Malformed, Violation) as error:
            self._refuse_message(error)
            return
        if isinstance(message, Hello):
            oldest, newest = message.protocol
            if not oldest <= limits.PROTOCOL <= newest:
                self._close(
                    CloseCode.VERSION, f"this server speaks version {limits.PROTOCOL} of the protocol"
                )
                return
            self.state = State.ANSWER
        elif isinstance(message, Ack):
            if message.frame is not None and message.frame in self.in_flight:
                self.in_flight.discard(message.frame)
            elif message.delta is not None and message.delta in self.deltas:
                del self.deltas[message.delta]
            else:
                return  # of something from before a resume
        elif isinstance(message, Leave):
            self._close(CloseCode.NORMAL, None)
        self._events.append(message)

    def tick(self, now: float) -> None:
        """Called from time to time: a client that says no hello is let go."""
        if self.state is State.HELLO and now - self._began >= limits.HELLO_WITHIN_S:
            self._close(CloseCode.HELLO_TIMEOUT, f"no hello within {limits.HELLO_WITHIN_S:.0f} s")

    def events_received(self) -> list[FromClient]:
        """What was said since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events

    # ---- to the client --------------------------------------------------------------------------
    def welcome(self, message: Welcome) -> None:
        """Let the client in. Raises Violation unless a hello waits for its answer, TooLarge as ``send`` does."""
        if self.state is not State.ANSWER:
            raise Violation("there is no hello to answer")
        data = _sendable(message)
        self.state = State.OPEN
        self._outgoing.append(data)

    def refuse(self, code: CloseCode, reason: str, retry_after: float | None = None) -> None:
        """End the conversation, at any time; ``retry_after`` in seconds. Frames and surfels that wait are dropped."""
        if self.state is not State.CLOSED:
            self._close(code, reason, retry_after)

    def send(self, message: FromServer) -> None:
        """Say something to a client that is let in; what is said to one that left is dropped.

        Raises Violation before the welcome, for a frame beyond MAX_IN_FLIGHT and for surfels beyond MAX_UNACKED;
        TooLarge for more bytes than any client takes.
        """
        if self.state is State.CLOSED:
            return
        if self.state is not State.OPEN:
            raise Violation("the client is not let in yet")
        if isinstance(message, Frame):
            if not self.may_send_frame:
                raise Violation(f"{len(self.in_flight)} frames are in flight already")
        data = _sendable(message)
        if isinstance(message, Surfels):
            if not self.may_send_surfels:
                raise Violation(f"{self.unacked} bytes of surfels are on their way already")
            self.deltas[message.delta] = len(data)
            self._views.append(data)
        if isinstance(message, Frame):
            self.in_flight.add(message.frame)
            self._views.append(data)
        self._outgoing.append(data)

    @property
    def may_send_frame(self) -> bool:
        """Whether a frame would be within the credit."""
        return self.state is State.OPEN and len(self.in_flight) < limits.MAX_IN_FLIGHT

    @property
    def unacked(self) -> int:
        """Bytes of surfels that are sent and not acknowledged."""
        return sum(self.deltas.values())

    @property
    def may_send_surfels(self) -> bool:
        """Whether a delta would be within the credit: the last one may go beyond it, as a payload may be long."""
        return self.state is State.OPEN and self.unacked < limits.MAX_UNACKED

    def data_to_send(self) -> list[bytes]:
        """Messages to send now, in order."""
        data = list(self._outgoing)
        self._outgoing.clear()
        self._views.clear()
        return data

    def next_to_send(self) -> bytes | None:
        """The first of them only: what is not taken yet gives way to a goodbye, if it only shows something."""
        if not self._outgoing:
            return None
        data = self._outgoing.popleft()
        self._views = [view for view in self._views if view is not data]
        return data

    # ---- inside ---------------------------------------------------------------------------------
    def _within_rate(self, now: float) -> bool:
        """A bucket of MESSAGE_BURST messages that MESSAGES_PER_S fill up."""
        gained = max(0.0, now - self._counted) * limits.MESSAGES_PER_S
        self._allowance = min(self._allowance + gained, float(limits.MESSAGE_BURST))
        self._counted = max(self._counted, now)
        self._allowance -= 1.0
        return self._allowance >= 0.0

    def _refuse_message(self, error: Malformed | Violation) -> None:
        """Say what was wrong; before the welcome, after a flood of bytes, or the third time, close too."""
        self._malformed += 1
        self.rejected = ErrorCode(error.code)
        text = str(error)[: limits.MAX_TEXT]
        unknown = self.state is not State.OPEN
        if unknown or isinstance(error, TooLarge) or self._malformed >= limits.MAX_MALFORMED:
            self._close(CloseCode.MALFORMED, text)
        else:
            self._outgoing.append(encode(Error(code=ErrorCode(error.code), message=text)))

    def _close(self, code: CloseCode, reason: str | None, retry_after: float | None = None) -> None:
        # Of no use any more, and large: behind them the goodbye would come too late on a slow link.
        self._outgoing = deque(
            data for data in self._outgoing if all(data is not each for each in self._views)
        )
        self._views.clear()
        if reason is not None:
            milliseconds = None if retry_after is None else retry_after * 1e3
            text = reason[: limits.MAX_TEXT]
            self._outgoing.append(encode(Bye(code=int(code), reason=text, retry_after=milliseconds)))
        self.state, self.closed = State.CLOSED, code


def _sendable(message: FromServer) -> bytes:
    data = encode(message)
    if len(data) > limits.MAX_FROM_SERVER:
        raise TooLarge(
            f"a {type(message).__name__} of {len(data)} bytes; a client takes {limits.MAX_FROM_SERVER}"
        )
    return data


class ClientSession:
    """One server, seen from the client."""

    def __init__(self, hello: Hello) -> None:
        self.state = State.ANSWER
        self.closed: CloseCode | int | None = None
        self.welcome: Welcome | None = None
        self._events: deque[FromServer] = deque()
        self._outgoing: deque[bytes] = deque([encode(hello)])

    def receive_data(self, data: bytes | str) -> None:
        """The bytes of one websocket message. Raises Malformed for what no server of this protocol says,
        and Violation for what it says at the wrong time."""
        if self.state is State.CLOSED:
            return
        if isinstance(data, str):
            raise Malformed("a text message; this protocol is binary")
        message = decode_from_server(data)
        if isinstance(message, Welcome):
            if self.state is not State.ANSWER:
                raise Violation("a second welcome")
            self.state, self.welcome = State.OPEN, message
        elif isinstance(message, Bye):
            self.state, self.closed = State.CLOSED, message.code
        elif self.state is State.ANSWER:
            raise Violation(f"{type(message).__name__} before the welcome")
        self._events.append(message)

    def events_received(self) -> list[FromServer]:
        """What was said since the last call, oldest first."""
        events = list(self._events)
        self._events.clear()
        return events

    def send(self, message: FromClient) -> None:
        """Say something. Raises Violation before the welcome; what is said after the end is dropped."""
        if self.state is State.CLOSED:
            return
        if self.state is not State.OPEN:
            raise Violation("wait for the welcome")
        self._outgoing.append(encode(message))
        if isinstance(message, Leave):
            self.state, self.closed = State.CLOSED, CloseCode.NORMAL

    def data_to_send(self) -> list[bytes]:
        """Messages to send now, in order."""
        data = list(self._outgoing)
        self._outgoing.clear()
        return data
