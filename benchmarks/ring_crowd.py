"""A hundred viewers of a ring of frames, some of whom stop reading: what the others get, and what it costs.

Each is a websocket with a client's session of the protocol around it, and as thin as that allows: all of them
share one event loop with the clock that measures them. Who is here they are told but do not read: a person's own
program would.
"""

from __future__ import annotations

import asyncio
import gc
import time
from array import array
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from benchmarks.ring_server import taken
from benchmarks.served import Child, percentile
from wonderzoom.clients.links import Link
from wonderzoom.clients.load import flight
from wonderzoom.clients.poses import camera_of, pose_of
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.values import CameraPose

FPS = 30.0
VIEWPORT = (640, 360)
_POSES = 64  # of each viewer's flight, over and over
_SETTLE_S = 3.0  # until the pacing knows the links
_STALLED_S = 8.5  # of being stalled that are looked at: after ten the server lets them go
_NOT_READ = encode(messages.Presence(viewers=[]))[:15]


@dataclass
class Seat:
    """One viewer, and when each frame came."""

    number: int
    stalls: bool
    arrived: array[float] = field(default_factory=lambda: array("d"))
    delivered: array[float] = field(default_factory=lambda: array("d"))  # s, each frame's time under way


@dataclass(frozen=True, slots=True)
class Window:
    """What the viewers who behave got in a stretch of time."""

    fps: float  # of each, mean
    least: float  # of the one who got the fewest
    p50_ms: float
    p99_ms: float
    server_cores: float
    client_cores: float
    frames: int
    seconds: float

    @property
    def server_us(self) -> float:
        """CPU of the server for a frame, with all that comes in for it."""
        return 1e6 * self.server_cores * self.seconds / max(1, self.frames)


@dataclass(frozen=True, slots=True)
class Ring:
    """Before and after some stop reading."""

    all_well: Window
    some_stalled: Window
    bytes_a_stalled: float


class Crowd:
    """The viewers; ``moving``: each says thirty cameras a second, otherwise one and no more."""

    def __init__(self, server: Child, viewers: int, stalled: int, moving: bool) -> None:
        self._server, self._link, self._moving = server, Link.parse(server.link), moving
        self._stall_at = float("inf")
        apart = viewers / max(1, stalled)
        stalls = {int(apart * k) for k in range(stalled)}
        self.seats = [Seat(number, number in stalls) for number in range(viewers)]

    async def run(self, seconds: float) -> Ring:
        """Let everybody watch for that long, then the stalled stall."""
        tasks = [asyncio.create_task(self._watch(seat)) for seat in self.seats]
        try:
            await asyncio.sleep(_SETTLE_S)
            gc.collect()
            gc.freeze()
            well = await self._window(seconds)
            before = most = self._server.memory
            self._stall_at = time.monotonic()
            await asyncio.sleep(0.5)
            measuring = asyncio.create_task(self._window(_STALLED_S))
            while not measuring.done():
                most = max(most, self._server.memory)
                await asyncio.wait([measuring], timeout=0.25)
            failed = [task for task in tasks if task.done()]
            if failed:
                raise RuntimeError(f"{len(failed)} viewers lost their connection") from failed[0].exception()
            count = sum(seat.stalls for seat in self.seats)
            return Ring(well, await measuring, (most - before) / max(1, count))
        finally:
            gc.unfreeze()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _window(self, seconds: float) -> Window:
        begun, server, client = time.monotonic(), self._server.cpu, time.process_time()
        await asyncio.sleep(seconds)
        end = time.monotonic()
        server, client = self._server.cpu - server, time.process_time() - client
        counts: list[int] = []
        delivered: list[float] = []
        for seat in self.seats:
            if not seat.stalls:
                some = slice(bisect_left(seat.arrived, begun), bisect_left(seat.arrived, end))
                counts.append(some.stop - some.start)
                delivered += seat.delivered[some]
        passed = end - begun
        return Window(
            sum(counts) / len(counts) / passed, min(counts) / passed,
            1e3 * percentile(delivered, 0.5), 1e3 * percentile(delivered, 0.99),
            server / passed, client / passed, sum(counts), passed,
        )  # fmt: skip

    async def _watch(self, seat: Seat) -> None:
        await asyncio.sleep(0.01 * seat.number)
        address = self._link.address
        async with connect(
            address, subprotocols=[Subprotocol(limits.SUBPROTOCOL)], compression=None, proxy=None,
            max_size=limits.MAX_FROM_SERVER, max_queue=4, close_timeout=0.1,
        ) as socket:  # fmt: skip
            version = (limits.PROTOCOL, limits.PROTOCOL)
            await socket.send(encode(messages.Hello(protocol=version, client="ring", token=self._link.token)))
            welcome = decode_from_server(await _bytes(socket))
            assert isinstance(welcome, messages.Welcome) and welcome.camera is not None
            start = camera_of(welcome.camera).resized(*VIEWPORT)
            poses = [pose_of(flight(start, seat.number, k / FPS)) for k in range(_POSES)]
            steering = asyncio.create_task(self._steer(socket, seat, poses))
            try:
                await self._read(socket, seat)
            finally:
                steering.cancel()
                await asyncio.gather(steering, return_exceptions=True)

    async def _read(self, socket: ClientConnection, seat: Seat) -> None:
        while True:
            data = await _bytes(socket)
            if data.startswith(_NOT_READ):
                continue
            message = decode_from_server(data)
            if not isinstance(message, messages.Frame):
                continue
            now = time.monotonic()
            seat.arrived.append(now)
            seat.delivered.append(now - taken(message.views[0].payload))
            if seat.stalls and now >= self._stall_at:
                socket.transport.pause_reading()
                await asyncio.Event().wait()
            await socket.send(encode(messages.Ack(frame=message.frame)))

    async def _steer(self, socket: ClientConnection, seat: Seat, poses: Sequence[CameraPose]) -> None:
        due = time.monotonic()
        seq = 0
        try:
            while not (seat.stalls and time.monotonic() >= self._stall_at):
                seq += 1
                camera = messages.Camera(seq=seq, cameras=[poses[seq % _POSES]], time=1e3 * time.monotonic())
                await socket.send(encode(camera))
                if not self._moving:
                    return
                due = max(due + 1.0 / FPS, time.monotonic() - 1.0 / FPS)
                await asyncio.sleep(max(0.0, due - time.monotonic()))
        except ConnectionClosed:
            pass


async def _bytes(socket: ClientConnection) -> bytes:
    data = await socket.recv()
    assert isinstance(data, bytes)
    return data
