"""``wonderzoom serve``: opens worlds, prints the link, and serves them until it is told to stop.

The composition root of the server: start, ready, drain, stop. A stop (Ctrl-C, SIGTERM) takes no more zooms, lets
those that run finish, tells everyone, and leaves the worlds with all that was acknowledged.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import logging
import os
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wonderzoom.runtime import DISTRIBUTION, commands
from wonderzoom.runtime.auth import LOOPBACK, Role, on_this_machine
from wonderzoom.runtime.authoring import create
from wonderzoom.runtime.build import Maker
from wonderzoom.runtime.creation import CreateInChild
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.gallery import Gallery, NoSuchWorld, is_world, paths_for, worlds_in
from wonderzoom.runtime.links import Links, data_folder, kept_links
from wonderzoom.runtime.logs import json_line, logged
from wonderzoom.runtime.metrics import Serving, Status
from wonderzoom.runtime.monitor import Monitor
from wonderzoom.runtime.pictures import read_picture
from wonderzoom.runtime.recorder import Recorder, check_new
from wonderzoom.runtime.recording import Start
from wonderzoom.runtime.room import Parts
from wonderzoom.runtime.server import Listening, Server, page_files
from wonderzoom.runtime.workers import worker_executor
from wonderzoom.scene_graph.store import WorldStore

if TYPE_CHECKING:
    from wonderzoom.runtime.lan_opening import LanOpening

log = logging.getLogger(__name__)

PORT, FURTHER_PORTS = 8700, 20  # where no port is asked for


@dataclass(frozen=True, slots=True)
class Ready:
    """A server that listens."""

    port: int
    metrics_port: int | None = None


def serve(
    command: commands.Serve, maker: Maker, lan: LanOpening | None = None, now: datetime | None = None
) -> int:
    """Serve until interrupted; ``lan``: on the network, encrypted, and not only on this machine; ``now`` is told by
    recordings."""
    if command.log_format == "json":  # also what is told before the log begins, and after it ends
        maker.reporter.tell_to(_told_to_programs)
    if lan is None and not on_this_machine(command.host):
        raise UsageError(
            f"--host {command.host} would let others in without encryption; add --lan, or reach this machine through"
            f" a tunnel, such as ssh -L {PORT}:127.0.0.1:{PORT} HOST"
        )
    if command.record is not None:
        check_new(command.record)
    worlds, folder = served(command, maker)
    renderer = maker.renderer
    maker.generator_name(command.generator)
    parts = Parts(
        renderer,
        lambda path: worker_executor(path, os.environ),
        command.generator,
        command.viewers,
        pages=maker.pages,
        budget=command.budget,
    )
    links, note = kept_links(command.place, data_folder(os.environ), renew=command.new_link)
    if note:
        maker.reporter.note(note)

    def ready(at: Ready) -> None:
        address = lan.lan.address(at.port) if lan else f"http://{command.host}:{at.port}"
        print(links.of(address, Role.HOST), flush=True)
        if command.log_format == "json":
            return  # what stands on stderr is for programs
        _tell(address, list(worlds), links)
        if lan is not None:
            lan.explain(links.of(address, Role.EDITOR), sys.stderr)

    async def whole() -> None:
        first, further = (PORT, FURTHER_PORTS) if command.port is None else (command.port, 0)
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        for each in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(each, stop.set)
        listening = Listening(command.host, first, further, LOOPBACK)
        with recorded(command, maker, now, loop.time) as recorder:
            made = replace(parts, recorder=recorder)
            gallery = Gallery(worlds, folder, made, CreateInChild(command.generator))
            over = lan.over(listening) if lan else listening
            await run(gallery, links, over, ready, stop, command.metrics_port)

    with logged(command.log_format):
        asyncio.run(whole())
    return 0


@contextmanager
def recorded(
    command: commands.Serve, maker: Maker, now: datetime | None, clock: Callable[[], float]
) -> Generator[Recorder | None]:
    """What records a server that is to be recorded; it ends with it. Raises CannotRecord."""
    if command.record is None:
        yield None
        return
    versions = {
        "wonderzoom": importlib.metadata.version(DISTRIBUTION),
        "generator": maker.generator_name(command.generator),
        "renderer": maker.renderer.name,
    }
    at = "" if now is None else now.isoformat(timespec="seconds")
    recorder = Recorder(command.record, Start(at, versions), clock)
    log.info("the session is recorded into %s", command.record)
    try:
        yield recorder
    finally:
        recorder.close()


def _told_to_programs(text: str) -> None:
    sys.stderr.write(f"{json_line(text, name=__name__)}\n")
    sys.stderr.flush()


def served(command: commands.Serve, maker: Maker) -> tuple[dict[str, Path], Path]:
    """The worlds to show by name, and the folder where photos become worlds; a photo becomes a world first."""
    place = command.place
    if is_world(place):
        place = place.absolute()
        return {place.name: place}, place.parent
    if place.is_dir():
        found = worlds_in(place)
        if not found:
            raise CommandError(
                f"{place}: there is no world in this directory; make one with wonderzoom create PHOTO -o"
                f" {place / 'garden'}, or serve a photo"
            )
        return found, place
    if not place.exists():
        raise CommandError(
            f"{place}: there is no such file or directory; give a world, a photo, or a directory of worlds"
        )
    folder = Path.cwd()
    world = next(path for path in paths_for(folder, place.stem) if not path.exists() or _made_of(path, place))
    if not world.exists():
        create(commands.Create(world, place, generator=command.generator), maker)
    return {world.name: world}, folder


def _made_of(path: Path, photo: Path) -> bool:
    """Whether a world was made of a photo: it is served again, not made again. Raises BadPicture."""
    if not is_world(path):
        return False
    with WorldStore.open(path) as store:
        first = next(store.commits(), None)
    picture = first.added[0].main.image if first is not None and first.added else None
    return picture is not None and np.array_equal(picture, read_picture(photo, min(picture.shape[:2])).image)


def _tell(address: str, worlds: list[str], links: Links) -> None:
    shown = worlds[0] if len(worlds) == 1 else f"{len(worlds)} worlds"
    lines = [
        f"Open this link in a browser: {shown}. Ctrl-C stops; nothing that was made is lost.",
        f"For guests who zoom: {links.of(address, Role.EDITOR)}",
        f"For guests who look: {links.of(address, Role.VIEWER)}",
    ]
    if os.environ.get("SSH_CONNECTION") and address.startswith("http:"):  # not on the network
        port = address.rpartition(":")[2]
        lines.append(f"From your own machine, first: ssh -L {port}:127.0.0.1:{port} THIS-MACHINE")
    print("\n".join(lines), file=sys.stderr, flush=True)


async def run(
    gallery: Gallery,
    links: Links,
    listening: Listening,
    ready: Callable[[Ready], None],
    stop: asyncio.Event,
    metrics_port: int | None = None,
) -> None:
    """Serve a gallery until ``stop`` is set; ``metrics_port`` for those who look after it.

    Raises CannotListen, CommandError.
    """
    server = Server(gallery, links.accepted(), listening, page_files(), gallery.metrics)
    serving: Serving = "starting"

    def status() -> Status:
        return replace(gallery.status(serving), send_buffer=server.send_buffer)

    monitor = None if metrics_port is None else Monitor(gallery.metrics, status, Listening(port=metrics_port))
    log.root.addHandler(gallery.metrics.error_counter)
    try:
        try:
            # Who comes first does not wait, and what is wrong is said before the link.
            await gallery.session()
        except NoSuchWorld as error:
            raise CommandError(str(error.__cause__ or error)) from error
        port = await server.start()
        monitored = None if monitor is None else await monitor.start()
        if monitored is not None:
            log.info("metrics are at http://127.0.0.1:%d/metrics", monitored)
        serving = "ok"
        ready(Ready(port, monitored))
        await stop.wait()
        log.info("stopping")
    finally:
        serving = "draining"
        await server.close()
        await gallery.close()
        if monitor is not None:
            await monitor.close()
        log.root.removeHandler(gallery.metrics.error_counter)
