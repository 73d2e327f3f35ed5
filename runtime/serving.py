"""``wonderzoom serve``: opens a world, prints the link, and serves it until it is told to stop.

The composition root of the server: start, ready, drain, stop. A stop (Ctrl-C, SIGTERM) takes no more zooms, lets
the one that runs finish within DRAIN_S, tells everyone, and leaves the world with all that was acknowledged.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.executor import Executor
from wonderzoom.generation.service import ZoomService
from wonderzoom.runtime import commands
from wonderzoom.runtime.auth import LOOPBACK, TOKEN_BYTES, Role, Tokens
from wonderzoom.runtime.build import Maker
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import Listening, Server, page_files
from wonderzoom.runtime.workers import worker_executor
from wonderzoom.runtime.world_session import WorldSession
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.store import WorldStore

DRAIN_S = 20.0  # a zoom takes less than half of that


@dataclass(frozen=True, slots=True)
class Ready:
    """A server that listens."""

    port: int
    token: str  # of an editor


def serve(command: commands.Serve, maker: Maker) -> int:
    """Serve until interrupted."""
    if command.host.strip("[]") not in ("127.0.0.1", "localhost", "::1"):
        raise UsageError(
            f"--host {command.host} would let others in without encryption; reach this machine through a tunnel,"
            f" such as ssh -L {command.port}:127.0.0.1:{command.port} HOST"
        )
    with WorldStore.open(command.world, write=True) as store:
        renderer = maker.renderer
        assert isinstance(renderer, CpuRenderer)
        executor = worker_executor(command.world, os.environ)
        name = command.world.absolute().name

        def ready(at: Ready) -> None:
            print(f"http://{command.host}:{at.port}/#token={at.token}", flush=True)
            print(f"{name} is open to whoever has this link. Ctrl-C stops.", file=sys.stderr)
            print("It is for programs: there is no page for browsers yet.", file=sys.stderr)
            if os.environ.get("SSH_CONNECTION"):
                tunnel = f"ssh -L {at.port}:127.0.0.1:{at.port} THIS-MACHINE"
                print(f"From your own machine, first: {tunnel}", file=sys.stderr)

        asyncio.run(run(store, name, renderer, executor, command, ready))
    return 0


async def run(
    store: WorldStore,
    name: str,
    renderer: CpuRenderer,
    executor: Executor,
    command: commands.Serve,
    ready: Callable[[Ready], None],
    stop: asyncio.Event | None = None,
) -> None:
    """Serve an open store until ``stop`` is set, or a signal comes."""
    stop = stop or asyncio.Event()
    loop = asyncio.get_running_loop()
    world = await loop.run_in_executor(None, store.load)
    drawing = Drawing(await loop.run_in_executor(None, world.copy), renderer)
    # The committer, the desk and the session know each other: what is named first is made last.
    commits = CommitThread(Committer(store, world, lambda commit: session.committed(commit)))
    service = ZoomService(executor, lambda proposal, request: desk.commit(proposal, request))
    desk = ZoomDesk(world.header, drawing, service, commits, command.generator)
    session = WorldSession(name, world, drawing, desk, command.viewers)
    token = secrets.token_urlsafe(TOKEN_BYTES)
    listening = Listening(command.host, command.port, LOOPBACK)
    server = Server(session, Tokens([(token, Role.EDITOR)]), listening, page_files())
    signals = [signal.SIGINT, signal.SIGTERM]
    try:
        port = await server.start()
        for each in signals:
            loop.add_signal_handler(each, stop.set)
        await service.start()
        await session.draw_first()
        ready(Ready(port, token))
        await stop.wait()
        logging.getLogger(__name__).info("stopping")
    finally:
        await service.drain(DRAIN_S)
        await server.close()
        await loop.run_in_executor(None, commits.close)
        await loop.run_in_executor(None, drawing.close)
        for each in signals:
            loop.remove_signal_handler(each)
