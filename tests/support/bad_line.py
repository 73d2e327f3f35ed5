"""A line with 200 ms there and back on which a twentieth of the packets is lost, as TCP makes it look: nothing is
missing, but what follows a loss waits until it has been sent again.

A proxy in a thread of its own, for who has no ``netem``: bytes go on in packets, each LATENCY_S later and at most at
the RATE of one connection at such losses (1.22 packets / (round trip * sqrt(loss)), Mathis et al. 1997); a packet that
is lost holds up all behind it for a round trip, and one in five of them for a timeout. One seed, one fate of each
packet.
"""

import asyncio
import threading
from collections.abc import Generator
from contextlib import contextmanager

import numpy as np

BY_NETEM = "WONDERZOOM_LINE_IS_BAD"  # an environment in which the whole loopback is so already
LATENCY_S = 0.1  # one way
LOSS = 0.05
PACKET = 1448  # bytes
AGAIN_S, TIMEOUT_S, TIMEOUTS = (
    0.2,
    0.4,
    0.2,
)  # until a lost packet comes again; if that is not noticed; how often so
RATE = 1.22 * PACKET / (2.0 * LATENCY_S * LOSS**0.5)  # bytes a second: 40,000


class BadLine:
    """``with bad_line(port) as line``: what connects to ``line.port`` is on the other end of it."""

    def __init__(self, to: int, seed: int = 0) -> None:
        self.port = 0
        self.lost = self.bytes = self.connections = 0
        self._to, self._rng = to, np.random.default_rng(seed)
        self._loop = asyncio.new_event_loop()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()

    def cut(self) -> None:
        """All connections break, as when a cable is pulled; new ones may be made."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def run(self, begun: threading.Event) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        begun.set()
        await self._stop.wait()
        server.close()
        self._abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()
        await asyncio.sleep(0.05)  # until what was aborted is closed

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            there, answers = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._writers |= {writer, answers}
        try:
            await asyncio.gather(
                self._carry(reader, answers), self._carry(there, writer), return_exceptions=True
            )
        finally:
            for each in (writer, answers):
                self._writers.discard(each)
                each.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One direction: read as fast as there is room for on the line, deliver in order."""
        line: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(
            maxsize=round(2.0 * LATENCY_S * RATE / PACKET) + 8
        )
        delivering = asyncio.create_task(self._deliver(line, writer))
        free = 0.0
        try:
            while data := await reader.read(PACKET):
                now = self._loop.time()
                free = max(free, now) + len(data) / RATE
                if self._rng.random() < LOSS:
                    self.lost += 1
                    free += TIMEOUT_S if self._rng.random() < TIMEOUTS else AGAIN_S
                self.bytes += len(data)
                await line.put((free + LATENCY_S, data))
            await line.put((free + LATENCY_S, b""))
            await delivering
        except OSError:
            pass
        finally:
            delivering.cancel()

    async def _deliver(
        self, line: "asyncio.Queue[tuple[float, bytes]]", writer: asyncio.StreamWriter
    ) -> None:
        while True:
            at, data = await line.get()
            await asyncio.sleep(max(0.0, at - self._loop.time()))
            if not data:
                writer.transport.abort()
                return
            writer.write(data)
            await writer.drain()


@contextmanager
def bad_line(to: int, seed: int = 0) -> Generator[BadLine]:
    """A bad line to a port of this machine."""
    line, begun = BadLine(to, seed), threading.Event()

    def live() -> None:
        asyncio.set_event_loop(line._loop)
        line._loop.run_until_complete(line.run(begun))
        line._loop.close()

    thread = threading.Thread(target=live, name="bad line")
    thread.start()
    try:
        assert begun.wait(30.0)
        yield line
    finally:
        line._loop.call_soon_threadsafe(line._stop.set)
        thread.join(30.0)
        assert not thread.is_alive()
