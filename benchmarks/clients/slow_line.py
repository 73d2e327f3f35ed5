"""A slow line on loopback: a TCP proxy in user space that lets bytes pass as a token bucket does, a round trip late.

Needs no rights and no netem, and does the same on any machine. All connections through it share the line, as those of
one household do; what it holds back is little, so that a sender notices soon that the line is slow. It counts.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time

_CHUNK = 4096  # bytes: 1.6 ms of a line of 20 Mbit/s
_HELD = 64 << 10  # bytes of one direction that wait here or in the kernel, about: 26 ms of that line


class Bucket:
    """When bytes may pass: at ``rate`` bytes a second, after a rest up to ``depth`` bytes at once."""

    def __init__(self, rate: float, depth: float) -> None:
        self.rate, self.depth = rate, depth
        self._free = 0.0  # when the line has sent all that it took

    def take(self, size: int, now: float) -> float:
        """Seconds from ``now`` until ``size`` more bytes are through."""
        self._free = max(self._free, now - self.depth / self.rate) + size / self.rate
        return max(0.0, self._free - now)


class SlowLine:
    """A proxy before one port of this machine. ``async with``."""

    def __init__(self, port: int, mbit: float, round_trip: float) -> None:
        self.target, self.round_trip, self._half = port, round_trip, 0.5 * round_trip
        self.port = 0
        self.down = self.up = 0  # bytes so far
        self.last = 0.0  # when the last byte came down
        rate = mbit * 1e6 / 8
        self._buckets = {"down": Bucket(rate, _HELD), "up": Bucket(rate, _HELD)}
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> SlowLine:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_HELD // 2)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    async def cut(self) -> None:
        """Every connection breaks, as when a network goes away."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    def _connected(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(near, to_near))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, near: asyncio.StreamReader, to_near: asyncio.StreamWriter) -> None:
        to_far = None
        try:
            await asyncio.sleep(self.round_trip)  # the handshake
            raw = socket.socket()
            raw.setblocking(False)
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _HELD)
            await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", self.target))
            far, to_far = await asyncio.open_connection(sock=raw, limit=_HELD // 2)
            async with asyncio.TaskGroup() as both:
                both.create_task(self._carry("up", near, to_far))
                both.create_task(self._carry("down", far, to_near))
        except* (OSError, asyncio.IncompleteReadError):
            pass  # one end is gone, so the other goes
        finally:
            for writer in (to_near, to_far):
                if writer is not None:
                    writer.transport.abort()

    async def _carry(self, way: str, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        """Take what comes when the line is free, and hand it on half a round trip later."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        handing = asyncio.create_task(self._hand_on(way, under_way, sink))
        try:
            while data := await source.read(_CHUNK):
                await asyncio.sleep(self._buckets[way].take(len(data), time.perf_counter()))
                under_way.put_nowait((time.perf_counter() + self._half, data))
            under_way.put_nowait((time.perf_counter() + self._half, b""))
            await handing
        finally:
            handing.cancel()
            await asyncio.gather(handing, return_exceptions=True)

    async def _hand_on(
        self, way: str, under_way: asyncio.Queue[tuple[float, bytes]], sink: asyncio.StreamWriter
    ) -> None:
        while True:
            due, data = await under_way.get()
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if not data:
                with contextlib.suppress(OSError):
                    sink.write_eof()
                return
            sink.write(data)
            await sink.drain()
            if way == "down":
                self.down += len(data)
                self.last = time.perf_counter()
            else:
                self.up += len(data)
