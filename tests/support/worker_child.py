"""A worker process that makes planes, and does on request what workers should never do.

    python worker_child.py GARDEN [DELAY]

What it does is said by the prompt of a zoom; any other prompt is made as asked. DELAY is how long it takes to
get ready, in seconds; "never" is a worker that can't start.
"""

import os
import signal
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
from zoom_garden import zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import STAGES, AlreadyCovered, StageEvent, Watch, Zoomed, ZoomRequest
from wonderzoom.generation.worker import private_pipes, serve
from wonderzoom.runtime import platform
from wonderzoom.scene_graph.ports import Cancelled
from wonderzoom.scene_graph.store import WorldStore

STEP_S = 0.01
PREVIEW = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)


class PlaneWorkshop:
    """Implements ``generation.worker.Workshop``."""

    def __init__(self, garden: Path, delay: str, outward: BinaryIO) -> None:
        if delay == "never":
            raise RuntimeError("this worker was told not to start")
        self._store = WorldStore.open(garden)
        self._delay = float(delay)
        self._outward = outward

    def warm_up(self) -> None:
        time.sleep(self._delay)

    def zoom(self, generator: str, request: ZoomRequest, watch: Watch) -> Proposal:
        world = self._store.load()
        for stage in STAGES:
            if watch.cancelled():
                raise Cancelled
            watch.event(StageEvent(stage, 0.0, PREVIEW if stage == "edit" else None))
            if stage == "upscale":
                self._misbehave(request.prompt, watch)
        assert world.root is not None
        parent = world.root.id if request.node is None or request.mode == "replace" else request.node
        node, blocks = zoom_node(request, parent)
        commit = world.propose(node, blocks, request.node if request.mode == "replace" else None)
        zoomed = Zoomed(commit, node.id, ("unicorn",), (generator,), memory={"edit": 3 * 10**9})
        return Proposal(zoomed, world.revision)

    def _misbehave(self, prompt: str, watch: Watch) -> None:
        match prompt:
            case "crash":
                os.kill(os.getpid(), signal.SIGKILL)
            case "exit":
                print("last words", file=sys.stderr, flush=True)
                os._exit(3)
            case "freeze":
                os.kill(os.getpid(), signal.SIGSTOP)
            case "hang":
                threading.Event().wait()
            case "work":  # for ever, and as it should be
                for step in range(10**9):
                    if watch.cancelled():
                        raise Cancelled
                    watch.event(StageEvent("upscale", (step % 100) / 100))
                    time.sleep(STEP_S)
            case "garbage":
                self._outward.write(b"\x00" * 64)
                time.sleep(60.0)
            case "endless":
                self._outward.write(b"\xff" * 64)
                time.sleep(60.0)
            case "grow":
                kept = [np.ones(2**22) for _ in range(1000)]  # 32 MiB each, touched
                print(len(kept))
            case "print":
                print("libraries print whatever they like" * 1000)
                os.write(1, b"\xff" * 100)
            case "covered":
                raise AlreadyCovered("n0")
            case "refuse":
                raise ValueError("a generator that refuses")
            case "bug":
                raise KeyError("secret")
            case _:
                pass


def main() -> None:
    garden, *delay = sys.argv[1:]
    platform.die_with_parent()

    inward, outward = private_pipes()

    @contextmanager
    def workshop() -> Generator[PlaneWorkshop]:
        made = PlaneWorkshop(Path(garden), delay[0] if delay else "0", outward)
        yield made
        made._store.close()

    serve(inward, outward, workshop, time.monotonic)


if __name__ == "__main__":
    main()
