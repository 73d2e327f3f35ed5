"""A server whose frames are there already: what serving costs when drawing costs nothing.

    python -m benchmarks.ring_server WORLD [--viewers N] [--bytes N] [--turns HZ]

The room, the frame loop, the server and its sockets are the real ones; only ``draw`` takes the next picture of a
ring instead of making one. Each ends with the moment at which it was taken (``taken``), so that another process
of this machine knows how long it was under way. Prints the link, and serves until SIGTERM.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import signal
import struct
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import numpy as np

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import GenerationError, Watch
from wonderzoom.generation.service import ZoomService
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.auth import Role, Tokens
from wonderzoom.runtime.creation import CreateInChild
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.gallery import Gallery
from wonderzoom.runtime.orders import Drawn, Order, Shown
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.room import Parts
from wonderzoom.runtime.server import Listening, Server
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

RING = 60  # pictures
LANES = 16  # drawing takes no time here: nobody has to wait for a turn
DRAW_S = 1e-4  # what a frame is said to have taken
_STAMP = struct.Struct("<d")
TOKEN = "a-token-for-a-benchmark-on-this-machine"


def taken(payload: bytes) -> float:
    """When a picture was taken from the ring: seconds of the machine's monotonic clock."""
    return _STAMP.unpack_from(payload, len(payload) - _STAMP.size)[0]


class RingDrawing(Drawing):
    """Gives away pictures that were made before."""

    def __init__(self, world: World, renderer: CpuRenderer, size: int, lanes: int) -> None:
        super().__init__(world, renderer, lanes)
        chance = np.random.default_rng(0)
        self._ring = itertools.cycle([chance.bytes(size - _STAMP.size) for _ in range(RING)])
        self._revision = world.revision

    async def draw(self, order: Order) -> Drawn:
        """The next one, of whatever camera."""
        payload = next(self._ring) + _STAMP.pack(time.monotonic())
        return Drawn((Shown(order.cameras[0], payload),), self._revision, DRAW_S, 0.0)


def _no_zooms(_wish: ZoomWish, _watch: Watch) -> Proposal:
    raise GenerationError("observe", "a ring has nothing to zoom into")


class _Ring(Gallery):
    """One world that is open."""

    def __init__(self, path: Path, parts: Parts) -> None:
        super().__init__({"ring": path}, path.parent, parts, CreateInChild(parts.generator))
        self.only: WorldSession | None = None

    async def session(self, name: str = "") -> WorldSession:
        """The one session, whatever is asked for."""
        assert self.only is not None
        return self.only

    async def goodbye(self) -> None:
        """Tell everyone."""
        await (await self.session()).close()


async def _turn(session: WorldSession, hertz: float) -> None:
    """Show everybody something new that often."""
    due = time.monotonic()
    for revision in itertools.count(session.revision + 1):
        session.frames.world_changed(revision)
        due += 1.0 / hertz
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def serve(arguments: argparse.Namespace) -> None:
    """Until SIGTERM."""
    loop = asyncio.get_running_loop()
    with WorldStore.open(arguments.world, write=True) as store, CpuRenderer(1) as renderer:
        world = store.load()
        drawing = RingDrawing(world.copy(), renderer, arguments.bytes, arguments.lanes)
        commits = CommitThread(Committer(store, world, lambda commit: session.committed(commit)))
        service = ZoomService(
            InlineExecutor(_no_zooms), lambda proposal, request: desk.commit(proposal, request)
        )
        desk = ZoomDesk(world.header, drawing, service, commits, "embedded")
        executor = InlineExecutor(_no_zooms)
        ring = _Ring(arguments.world, Parts(renderer, lambda _path: executor, "embedded", arguments.viewers))
        ring.only = session = WorldSession("ring", world, drawing, desk, ring.uploads, arguments.viewers)
        server = Server(ring, Tokens([(TOKEN, Role.EDITOR)]), Listening(), {})
        port = await server.start()
        beside: list[Coroutine[Any, Any, None]] = [session.frames.run()]
        beside += [_turn(session, arguments.turns)] if arguments.turns else []
        tasks = [asyncio.create_task(each) for each in beside]
        stop = asyncio.Event()
        loop.add_signal_handler(signal.SIGTERM, stop.set)
        print(f"http://127.0.0.1:{port}/#token={TOKEN}", flush=True)
        await stop.wait()
        await server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        commits.close()
        drawing.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("world", type=Path)
    parser.add_argument("--viewers", type=int, default=256)
    parser.add_argument("--bytes", type=int, default=60_000, help="of a frame")
    parser.add_argument("--lanes", type=int, default=LANES, help="frames that are drawn at a time")
    parser.add_argument("--turns", type=float, default=0.0, help="changes of the world a second")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
