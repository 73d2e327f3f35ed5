"""A server of small worlds on a port of this machine, with zooms that need no generator."""

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from zoom_garden import Garden

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import Watch
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime import serving
from wonderzoom.runtime.auth import LOOPBACK, Role
from wonderzoom.runtime.gallery import Gallery
from wonderzoom.runtime.links import Links, new_links
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.room import Parts
from wonderzoom.runtime.server import Listening
from wonderzoom.runtime.uploads import Create
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

ANSWER_S = 20.0  # that a request may take, on a busy machine
Make = Callable[[ZoomWish, Watch], Proposal]


@dataclass
class Served:
    """A server that runs."""

    port: int
    metrics_port: int | None
    links: Links
    gallery: Gallery
    stop: asyncio.Event
    task: asyncio.Task[None]

    def link(self, role: Role = Role.EDITOR) -> str:
        return self.links.of(f"http://127.0.0.1:{self.port}", role)


def small_world(path: Path) -> str:
    """A world of one small picture at ``path``; its root."""
    garden = Garden(path, WorldHeader(h_ref=64))
    garden.store.close()
    return garden.root


def read(path: Path) -> World:
    """The world as it is on the disk now."""
    with WorldStore.open(path) as store:
        return store.load()


def makes_nothing(_wish: ZoomWish, _watch: Watch) -> Proposal:
    raise AssertionError("no test zooms here")


@contextmanager
def taken_port() -> Generator[int]:
    """A port that somebody else listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


async def ask(port: int, path: str, *lines: str) -> tuple[int, dict[str, str], bytes]:
    """One request; status, headers and body."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        request = [f"GET {path} HTTP/1.1", *(lines or (f"Host: 127.0.0.1:{port}",))]
        writer.write(("\r\n".join(request) + "\r\n\r\n").encode("latin-1"))
        async with asyncio.timeout(ANSWER_S):
            answer = await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *rest = head.decode("latin-1").split("\r\n")
    named = dict(line.split(": ", 1) for line in rest)
    return int(first.split()[1]), {name.lower(): value for name, value in named.items()}, body


async def creates_nothing(picture: Path, world: Path, told: Callable[[float], None]) -> None:
    raise AssertionError("no test asked for a world of a photo")


@asynccontextmanager
async def open_house(
    worlds: Mapping[str, Path],
    renderer: CpuRenderer,
    make: Make,
    *,
    viewers: int = 32,
    create: Create = creates_nothing,
    port: int = 0,
    links: Links | None = None,
    over: Callable[[Listening], Listening] = lambda listening: listening,
    metrics_port: int | None = None,
) -> AsyncGenerator[Served, None]:
    """Worlds on a server; the first one's directory is beside those that photos become."""
    links = links or new_links()
    parts = Parts(renderer, lambda _path: InlineExecutor(make), "embedded", viewers)
    gallery = Gallery(worlds, next(iter(worlds.values())).parent, parts, create)
    stop: asyncio.Event = asyncio.Event()
    ready: asyncio.Future[serving.Ready] = asyncio.get_running_loop().create_future()
    listening = over(Listening(port=port, hosts=LOOPBACK))
    task = asyncio.create_task(serving.run(gallery, links, listening, ready.set_result, stop, metrics_port))
    try:
        await asyncio.wait([ready, task], return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            await task
        at = ready.result()
        yield Served(at.port, at.metrics_port, links, gallery, stop, task)
    finally:
        stop.set()
        await task
