"""A frame loop on virtual time: a renderer that takes time instead of drawing, and viewers at the ends of links."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from virtual_time import run

from wonderzoom.protocol.values import Depth
from wonderzoom.runtime.frame_loop import Drawn, FrameLoop, Order, Together
from wonderzoom.runtime.lanes import Lanes
from wonderzoom.runtime.orders import Shown
from wonderzoom.runtime.pacing import Rung
from wonderzoom.runtime.viewer import Frame, Viewer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import ORIGIN

CAMERA = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 5.0, 5.0, 320.0, 180.0, 640, 360)


def turned(number: int) -> Camera:
    """A camera for each number."""
    return CAMERA.orbited(1e-3 * number, 0.0)


@dataclass
class Renderer:
    """Takes time instead of drawing."""

    loop: asyncio.AbstractEventLoop
    seconds: float = 0.02
    size: int = 40_000
    depth: int = 10_000  # bytes of that of a picture at full resolution, where it is asked for
    revision: int = 0
    calls: int = 0
    running: int = 0
    most: int = 0
    fails: bool = False
    settles_at: float = 0.0  # until then every picture changes by itself
    together: int = 1  # frames that may share a call
    more: float = 0.0  # seconds of each frame in a call after its first
    encoding: float = 0.0  # seconds after a call in which each of its frames is encoded
    broken: Camera | None = None  # that can't be drawn
    shared: list[list[Camera]] = field(default_factory=list[list[Camera]])  # each call's
    # Streams of H.264, by their names: how often each began, its rung, and its packets since.
    videos: dict[str, tuple[int, Rung | None, int]] = field(
        default_factory=dict[str, tuple[int, Rung | None, int]]
    )

    def begin_video(self, name: str) -> None:
        """The next packet of a stream is one that a decoder can begin with."""
        began, _, _ = self.videos.get(name, (0, None, 0))
        self.videos[name] = began, None, 0

    def packet(self, name: str, rung: Rung) -> bytes:
        """The name of the next packet of a stream, which is a key where its number is 0."""
        began, was, count = self.videos.get(name, (0, None, 0))
        if was != rung:
            began, count = began + 1, 0
        self.videos[name] = began, rung, count + 1
        return f"{name} {began} {count} ".encode()

    async def __call__(self, order: Order) -> Drawn:
        self.calls += 1
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(self.seconds)
            if self.fails:
                raise RuntimeError("no picture")
        finally:
            self.running -= 1
        settled = self.loop.time() >= self.settles_at
        views, key, took = self._views(order), False, (0.9 * self.seconds, 0.1 * self.seconds)
        if order.rung.codec == "h264":
            packet = self.packet(order.viewer, order.rung)
            key = packet.endswith(b" 0 ")
            size = len(views[0].payload) // (1 if key else 8)
            views = (replace(views[0], payload=packet.ljust(size, b"x")),)
        return Drawn(views, self.revision, *took, settled=settled, key=key)

    def _views(self, order: Order) -> tuple[Shown, ...]:
        payload = b"x" * round(self.size * order.rung.weight)
        deep = None
        if order.depth:
            deep = Depth(width=1, height=1, step=1.0, payload=b"x" * round(self.depth * order.rung.scale**2))
        return tuple(Shown(camera, payload, deep) for camera in order.cameras)

    async def all_at_once(self, orders: Sequence[Order]) -> list[Awaitable[Drawn]]:
        """Several frames in one call; see ``frame_loop.DrawTogether``."""
        cameras = [order.cameras[0] for order in orders]
        self.shared.append(cameras)
        self.running += 1
        self.most = max(self.most, self.running)
        seconds = self.seconds + self.more * (len(orders) - 1)
        try:
            await asyncio.sleep(seconds)
            if self.fails or self.broken in cameras:
                raise RuntimeError("no picture")
        finally:
            self.running -= 1
        return [self._encoded(order, seconds, len(orders)) for order in orders]

    async def _encoded(self, order: Order, seconds: float, sharing: int) -> Drawn:
        await asyncio.sleep(self.encoding)
        return Drawn(self._views(order), self.revision, seconds, self.encoding, sharing)


@dataclass
class Client:
    """A viewer at the end of a link: notes what arrives, and acknowledges it unless it is stuck."""

    name: str
    rate: float = 1e9  # bytes a second
    latency: float = 0.005
    stuck: bool = False
    shown: list[tuple[float, Frame]] = field(default_factory=list[tuple[float, Frame]])
    unacknowledged: int = 0
    most: int = 0
    held: int = 0  # bytes given to the link and not arrived
    viewer: Viewer = field(init=False)
    loop: "FrameLoop | None" = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])
    _free: float = 0.0

    def __post_init__(self) -> None:
        self.viewer = Viewer(self.name, self.take)
        self.viewer.pacer.rtt = self.latency

    async def take(self, frame: Frame) -> None:
        self.unacknowledged += 1
        self.most = max(self.most, self.unacknowledged)
        self.held += frame.nbytes
        if self.stuck:
            await asyncio.Event().wait()
        now = asyncio.get_running_loop().time()
        self._free = max(self._free, now) + frame.nbytes / self.rate
        task = asyncio.create_task(self._arrive(frame, self._free + self.latency - now))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _arrive(self, frame: Frame, after: float) -> None:
        await asyncio.sleep(after)
        self.held -= frame.nbytes
        self.unacknowledged -= 1
        self.shown.append((asyncio.get_running_loop().time(), frame))
        assert self.loop is not None
        self.loop.acknowledge(self.viewer, frame.id)


@dataclass
class Stage:
    loop: FrameLoop
    renderer: Renderer
    stalled: list[tuple[float, str]]
    failed: list[str]
    clients: list[Client] = field(default_factory=list[Client])

    def join(self, client: Client) -> Client:
        client.loop = self.loop
        self.loop.join(client.viewer)
        self.clients.append(client)
        return client


def now() -> float:
    return asyncio.get_running_loop().time()


@asynccontextmanager
async def staged(lanes: int = 1, **renderer: Any) -> AsyncGenerator[Stage, None]:
    running = asyncio.get_running_loop()
    drawing = Renderer(running, **renderer)
    stalled: list[tuple[float, str]] = []
    failed: list[str] = []
    loop = FrameLoop(
        drawing,
        running.time,
        together=Together(drawing.together, drawing.all_at_once) if drawing.together > 1 else None,
        lanes=Lanes(lanes),
        on_stalled=lambda viewer: stalled.append((running.time(), viewer.id)),
        on_error=lambda viewer, error: failed.append(f"{viewer.id}: {error}"),
        begin_video=drawing.begin_video,
    )
    task = asyncio.create_task(loop.run())
    stage = Stage(loop, drawing, stalled, failed)
    try:
        yield stage
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        for client in stage.clients:
            for arriving in client.tasks:
                arriving.cancel()
            await asyncio.gather(*client.tasks, return_exceptions=True)


async def fly(stage: Stage, client: Client, seconds: float, fps: float = 60.0, start: int = 0) -> int:
    """A camera message sixty times a second; the number of the last."""
    seq = start
    for _ in range(round(seconds * fps)):
        seq += 1
        stage.loop.look(client.viewer, turned(seq), seq)
        await asyncio.sleep(1.0 / fps)
    return seq


def on_virtual_time(body: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        run(body())  # type: ignore[arg-type]

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test
