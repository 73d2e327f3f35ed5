"""A real server of a small world in a thread of its own, for clients that wait."""

import asyncio
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from houses import Served, open_house, read, small_world
from zoom_garden import zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import StageEvent, Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.ports import Cancelled

WITHIN_S = 60.0


@contextmanager
def house_thread(
    path: Path, renderer: CpuRenderer, during: Callable[[], None] = lambda: None
) -> Generator[Served, None, None]:
    """A server of one small world at ``path``; its zooms place moss. ``during`` is called in each, half way."""
    root = small_world(path)
    begun, stop = threading.Event(), threading.Event()
    served: list[Served] = []
    failures: list[BaseException] = []

    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        world = read(path)
        watch.event(StageEvent("edit", 0.5, np.full((36, 48, 3), 90, np.uint8)))
        during()
        if watch.cancelled():
            raise Cancelled
        node, blocks = zoom_node(wish.request, root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id, (), ("moss",)), world.revision)

    async def run() -> None:
        async with open_house({path.name: path}, renderer, make) as made:
            served.append(made)
            begun.set()
            while not stop.is_set():
                await asyncio.sleep(0.02)

    def live() -> None:
        try:
            asyncio.run(run())
        except BaseException as error:  # told to the test
            failures.append(error)
        begun.set()

    thread = threading.Thread(target=live, name="house")
    thread.start()
    try:
        assert begun.wait(WITHIN_S) and not failures, failures
        yield served[0]
    finally:
        stop.set()
        thread.join(WITHIN_S)
        assert not failures, failures
