"""One connection of the simulated server: bytes take time, stand in line, or never arrive.

To the server it is what ``websockets`` gives it (``recv``, ``send``, ``close``, ``transport.abort``); to a person
it is ``say`` and two calls back. Faults are the person's: it stops reading, the line breaks, or it falls silent.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from websockets.exceptions import ConnectionClosed, ConnectionClosedError

SEND_BUFFER = 1 << 17  # bytes that the server's side takes before a send waits
WINDOW = 1 << 16  # bytes that the person's machine takes while nobody reads
CLOSE_S = 6.0  # that a close waits for the other side
KEEPALIVE_S = 40.0  # after which a line on which nothing arrives is given up


def is_a(kind: str, data: bytes | str) -> bool:
    """Whether an encoded message has that type, without decoding it."""
    return isinstance(data, bytes) and b"\xa4type" + bytes([0xA0 + len(kind)]) + kind.encode() in data[:24]


class Link:
    """``rate`` in bytes a second, of what the server sends; ``latency`` in seconds, one way."""

    def __init__(
        self, rate: float, latency: float, hear: Callable[[bytes], None], over: Callable[[int | None], None]
    ) -> None:
        self.rate, self.latency = rate, latency
        self._loop = asyncio.get_running_loop()
        self._hear, self._over = hear, over
        self.transport = self
        self.lost = asyncio.Event()  # the server's side has ended
        self.unacknowledged: deque[float] = deque()  # when the frames were sent that the server has no ack of
        self.buffered = 0  # bytes that the server's side holds
        self.most_frames = 0  # that it held at a time
        self._buffer: deque[bytes | int] = deque()
        self._room = asyncio.Event()
        self._moving: bytes | int | None = None  # goes out right now
        self._moves_since = 0.0
        self._dead = False
        self._open, self._reading = True, True  # the person's side
        self._inbox: deque[bytes | int] = deque()
        self._inbox_size = 0
        self._up: deque[bytes | str] = deque()
        self._heard = asyncio.Event()
        self._flying: deque[bytes | str] = deque()  # of the same instant timers may come in any order

    # ---- the server's side ------------------------------------------------------------------------
    def get_extra_info(self, _name: str) -> None:
        """There is no socket."""

    def get_write_buffer_size(self) -> int:
        """Bytes that the person's machine has not got yet."""
        return self.buffered - int(self._part_through())

    async def ping(self) -> asyncio.Future[float]:
        """The way there and back, as if nothing else were on it."""
        pong: asyncio.Future[float] = self._loop.create_future()
        self._loop.call_later(2.0 * self.latency, lambda: pong.done() or pong.set_result(2.0 * self.latency))
        return pong

    async def recv(self) -> bytes | str:
        while not self._up:
            if self.lost.is_set():
                raise _closed()
            self._heard.clear()
            await self._heard.wait()
        return self._up.popleft()

    async def send(self, data: bytes) -> None:
        if self.lost.is_set():
            raise _closed()
        if is_a("frame", data):
            self.unacknowledged.append(self._loop.time())
        self._buffer.append(data)
        self.buffered += len(data)
        self.most_frames = max(self.most_frames, self.frames_held())
        self._pump()
        while self.buffered > SEND_BUFFER:
            self._room.clear()
            await self._room.wait()
        if self.lost.is_set():
            raise _closed()

    async def close(self, code: int = 1000) -> None:
        if self.lost.is_set():
            return
        self._buffer.append(code)
        self._pump()
        try:
            async with asyncio.timeout(CLOSE_S):
                await self.lost.wait()
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """The server's side ends at once."""
        if self.lost.is_set():
            return
        self.lost.set()
        self._heard.set()
        self._buffer.clear()
        self.buffered = 0
        self._room.set()
        if self._open and not self._dead:
            self._loop.call_later(self.latency, self._deliver, None)

    def frames_held(self) -> int:
        """Frames that the server's side holds."""
        held = [*self._buffer, self._moving]
        return sum(is_a("frame", item) for item in held if isinstance(item, bytes))

    # ---- the person's side --------------------------------------------------------------------------
    def say(self, data: bytes | str) -> None:
        """A message to the server; nothing once the line is gone."""
        if self._open and not self._dead:
            self._flying.append(data)
            self._loop.call_later(self.latency, self._come)

    def reset(self) -> None:
        """The line breaks, and the server is told."""
        if self._open:
            self._open = False
            self._loop.call_later(self.latency, self.abort)

    def vanish(self) -> None:
        """The line goes dead: nothing arrives, nobody is told."""
        if self._open:
            self._open, self._dead = False, True
            self._loop.call_later(KEEPALIVE_S, self.abort)

    def freeze(self) -> None:
        """Stop reading."""
        self._reading = False

    def thaw(self) -> None:
        """Read again, first what has arrived."""
        self._reading = True
        while self._inbox and self._reading:
            item = self._inbox.popleft()
            self._inbox_size -= _size(item)
            self._deliver(item)
        self._pump()

    # ---- under way --------------------------------------------------------------------------------
    def _come(self) -> None:
        data = self._flying.popleft()
        if self.lost.is_set() or self._dead:
            return
        if self.unacknowledged and is_a("ack", data):
            self.unacknowledged.popleft()
        self._up.append(data)
        self._heard.set()

    def _pump(self) -> None:
        if self._moving is not None or self._dead or not self._buffer or self._inbox_size > WINDOW:
            return
        self._moving = item = self._buffer.popleft()
        self._moves_since = self._loop.time()
        self._loop.call_later(_size(item) / self.rate, self._through, item)

    def _part_through(self) -> float:
        """Bytes of what goes out right now that are out."""
        if not isinstance(self._moving, bytes):
            return 0.0
        return min(float(len(self._moving)), (self._loop.time() - self._moves_since) * self.rate)

    def _through(self, item: bytes | int) -> None:
        self._moving = None
        if self.lost.is_set():
            return
        if isinstance(item, bytes):
            self.buffered -= len(item)
        if self.buffered <= SEND_BUFFER // 4:
            self._room.set()
        self._loop.call_later(self.latency, self._arrive, item)
        self._pump()

    def _arrive(self, item: bytes | int) -> None:
        if self._dead or not self._open:
            return
        if self._reading:
            self._deliver(item)
        else:
            self._inbox.append(item)
            self._inbox_size += _size(item)

    def _deliver(self, item: bytes | int | None) -> None:
        if not self._open:
            return
        if isinstance(item, bytes):
            self._hear(item)
            return
        self._open = False
        self._over(item)
        self._loop.call_later(self.latency, self.abort)


def _size(item: bytes | int) -> int:
    return len(item) if isinstance(item, bytes) else 4


def _closed() -> ConnectionClosed:
    return ConnectionClosedError(None, None)
