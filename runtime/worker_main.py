"""The composition root of a worker process: ``python -m wonderzoom.runtime.worker_main WORLD``.

Builds renderer, fitter and pipeline as ``app`` does, opens the world to read only, follows its log as any reader
does, and answers on its standard pipes (``generation.worker``). Not a command for people: ``workers`` starts it.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import Watch, ZoomRequest
from wonderzoom.generation.worker import private_pipes, serve
from wonderzoom.runtime import platform
from wonderzoom.runtime.app import DEFAULT_GENERATOR, WARM_UPS, App
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.follower import Follower
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

BLOCK_SHARE = 0.3  # of the memory of a worker, for the world's blocks: the rest is for pictures and models


class WorldWorkshop:
    """One world, and the pipelines that zoom into it. Implements ``generation.worker.Workshop``."""

    def __init__(self, store: WorldStore, app: App) -> None:
        self._app, self._store = app, store
        self._seen: tuple[World, Follower] | None = None  # from the first zoom on

    def warm_up(self) -> None:
        """Read the world and make the pipeline; the kernels of zooms are compiled in another thread meanwhile."""
        for warm in WARM_UPS.values():
            warm()
        self._newest()
        self._app.pipeline(DEFAULT_GENERATOR)

    def zoom(self, generator: str, request: ZoomRequest, watch: Watch) -> Proposal:
        """See ``Workshop.zoom``."""
        world = self._newest()
        try:
            zoomed = self._app.zoom(generator, world, request, watch)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return Proposal(zoomed, world.revision)

    def _newest(self) -> World:
        """The world with every commit that is durable by now."""
        if self._seen is None:
            world = self._store.load(self._app.pages)
            self._seen = world, Follower(self._store, world.revision)
        world, following = self._seen
        for commit in following.new():
            world.apply(commit)
            world.settle(self._store.settled(commit))
        return world


@contextmanager
def open_workshop(world: Path, threads: int, memory: int = 0) -> Generator[WorldWorkshop]:
    """``memory``: bytes that the process may take; 0: no bound. Raises StoreError."""
    app = App(threads, Reporter(time.monotonic, sys.stderr), int(BLOCK_SHARE * memory) or None)
    # Not closed as a command is, which waits for the compiler: this process ends when its parent says so.
    with WorldStore.open(world) as store:
        yield WorldWorkshop(store, app)


def main(argv: Sequence[str] | None = None) -> None:
    """Work until the parent closes standard input."""
    parser = argparse.ArgumentParser(prog="worker_main", allow_abbrev=False)
    parser.add_argument("world", type=Path)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--memory", type=int, default=0, help="bytes; 0: not limited")
    options = parser.parse_args(argv)
    platform.die_with_parent()
    platform.leave_signals_to_parent()
    platform.lower_priority()
    if options.memory:
        platform.limit_memory(options.memory)
    inward, outward = private_pipes()
    serve(
        inward, outward, lambda: open_workshop(options.world, options.threads, options.memory), time.monotonic
    )


if __name__ == "__main__":
    main()
