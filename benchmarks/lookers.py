"""Viewers of a real server, as programs are: through ``clients.aio``. What they see, when, and how sharp.

Times are of the client's clock, from saying a camera to having the pixels of it, decoded.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
import simplejpeg

from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.errors import ClientError
from wonderzoom.clients.load import flight
from wonderzoom.clients.pictures import Picture
from wonderzoom.scene_graph.camera import Camera

FPS = 30.0
SETTLE_S = 2.0  # until the pacing knows how long a frame takes
ZOOM_AT = (0.5, 0.6)  # of the picture that is seen then: grass
Size = tuple[int, int]
Path = Callable[[Camera, int, float], Camera]  # of the first view, the viewer's number and seconds


@dataclass
class Seen:
    """What one viewer saw of its moving camera."""

    gaps: list[float] = field(default_factory=list[float])  # s between two frames
    drawing: list[float] = field(default_factory=list[float])  # s that the server drew and encoded
    latencies: list[float] = field(default_factory=list[float])  # s, of the first frame of each camera
    scales: list[float] = field(default_factory=list[float])  # of the viewport's width
    seconds: float = 0.0
    last: Picture | None = None

    @property
    def fps(self) -> float:
        return len(self.gaps) / self.seconds if self.seconds else 0.0


def decoded(picture: Picture) -> None:
    """Make pixels of it, as whoever shows it must."""
    simplejpeg.decode_jpeg(picture.jpeg)


def sway(start: Camera, _number: int, seconds: float) -> Camera:
    """Around the first view, never closer: from everywhere there is something to zoom into."""
    return start.orbited(0.1 * math.sin(0.7 * seconds), 0.05 * math.sin(0.9 * seconds))


@asynccontextmanager
async def moving(
    link: str, number: int, size: Size, path: Path = flight
) -> AsyncGenerator[tuple[World, dict[int, float]], None]:
    """A viewer who says thirty cameras a second, and when each was said."""
    async with connect(link, name=f"bench {number}", max_fps=FPS) as world:
        said: dict[int, float] = {}
        start = world.camera.resized(*size)

        async def steer() -> None:
            begun = time.monotonic()
            for tick in itertools.count():
                said[world.look(path(start, number, tick / FPS))] = time.monotonic()
                await asyncio.sleep(max(0.0, begun + (tick + 1) / FPS - time.monotonic()))

        steering = asyncio.create_task(steer())
        try:
            yield world, said
        finally:
            steering.cancel()
            with contextlib.suppress(asyncio.CancelledError, ClientError):
                await steering


async def watch(
    world: World, said: dict[int, float], size: Size, seconds: float, seen: Seen, settle: float = SETTLE_S
) -> None:
    """Look at every frame for that long, after ``settle`` seconds."""
    begin = time.monotonic() + settle
    last, newest = 0.0, 0
    frames = world.frames()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(settle + seconds), contextlib.aclosing(frames):
            async for picture in frames:
                decoded(picture)
                now = time.monotonic()
                if now >= begin and last >= begin:
                    seen.gaps.append(now - last)
                    seen.drawing.append(1e-3 * (picture.message.render + picture.message.encode))
                    seen.scales.append(picture.message.views[0].camera.width / size[0])
                    if picture.seq > newest:
                        seen.latencies.append(now - said[picture.seq])
                last, newest, seen.last = now, max(newest, picture.seq), picture
    seen.seconds = seconds


async def fly(link: str, number: int, size: Size, seconds: float) -> Seen:
    """Move and watch for that long."""
    seen = Seen()
    async with moving(link, number, size) as (world, said):
        await watch(world, said, size, seconds, seen)
    return seen


async def fly_together(link: str, count: int, size: Size, seconds: float) -> list[Seen]:
    """So many with cameras of their own."""
    return await asyncio.gather(*(fly(link, number, size, seconds) for number in range(count)))


async def step(link: str, size: Size, seconds: float) -> list[float]:
    """Seconds from each single step of a camera that stood still, to its pixels."""
    chance = np.random.default_rng(0)
    taken: list[float] = []
    async with connect(link, name="bench", max_fps=FPS) as world:
        start = world.camera.resized(*size)
        frames = world.frames()
        end = time.monotonic() + seconds
        for tick in itertools.count():
            if time.monotonic() >= end:
                break
            said = time.monotonic()
            seq = world.look(flight(start, 0, tick / FPS))
            async for picture in frames:
                if picture.seq >= seq:
                    decoded(picture)
                    taken.append(time.monotonic() - said)
                    break
            await asyncio.sleep(float(chance.uniform(0.05, 0.25)))
        await frames.aclose()
    return taken[5:]


async def first_frame(link: str, size: Size) -> float:
    """Seconds from before the connection to the first pixels."""
    begun = time.monotonic()
    async with connect(link, name="bench", max_fps=FPS) as world:
        world.look(world.camera.resized(*size))
        frames = world.frames()
        async for picture in frames:
            decoded(picture)
            break
        taken = time.monotonic() - begun
        await frames.aclose()
    return taken


@dataclass
class Zoomed:
    """Frames beside nothing, and beside a zoom."""

    idle: Seen
    busy: Seen
    took_s: float  # the zoom


async def beside_a_zoom(link: str, size: Size, seconds: float) -> Zoomed:
    """Move; then ask for a zoom, watch until it is there, and take it away again."""
    idle, busy = Seen(), Seen()
    async with moving(link, 0, size, sway) as (world, said):
        await watch(world, said, size, seconds, idle)
        assert idle.last is not None
        begun = time.monotonic()
        zooming = world.zoom(at=idle.last.spot(*ZOOM_AT), factor=4.0)
        watching = asyncio.create_task(watch(world, said, size, 600.0, busy, settle=0.0))
        result = await zooming
        took = time.monotonic() - begun
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
        busy.seconds = took
        if result.node is not None:
            await world.remove(result.node)
    return Zoomed(idle, busy, took)
