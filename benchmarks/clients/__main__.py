"""From connecting to the whole first view on a slow line, beside viser's splats and beside files of splats.

    pip install --target FOLDER viser
    python -m benchmarks.clients --viser FOLDER [--world WORLD] [--mbit 20] [--round-trip 0.02] [--runs 1]

The same surfels for all: those of the demo's picture (or of WORLD without its newest zoom); then a zoom is committed.
All go over lines of their own (``slow_line``). Two tables: *clients* speak a protocol or take a file and draw nothing,
so that nobody waits for a renderer (without a graphics card viser's page takes minutes to draw so many); and *our
page* in a headless Chromium, judged by what it shows (``pages``). Runs are interleaved.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

from benchmarks.clients.pages import SIZE, Came, Watched, chromium
from benchmarks.clients.scenes import Scenes, make_world, prepare
from benchmarks.clients.slow_line import SlowLine
from benchmarks.machine import machine, median, table
from benchmarks.served import Child, child, real_server
from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.poses import camera_of

BUDGET = 4_000_000
STILL_S = 2.0
OURS, VISER = "ours", "viser's splats"
_WITHIN_S = 120.0  # of what is waited for


class Told:
    """What is measured of whom, as it comes; progress goes to stderr."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[str, list[Came]]] = defaultdict(lambda: defaultdict(list))

    def note(self, who: str, what: str, came: Came) -> None:
        self.rows[who][what].append(came)
        print(f"{who}: {what}: {size_of(came.bytes)}, {came.last_s:.2f} s", file=sys.stderr)

    def value(self, who: str, what: str, name: str = "last_s") -> str:
        """The median as text; empty where nothing is known."""
        cames = self.rows[who][what]
        middle = median([getattr(came, name) for came in cames]) if cames else math.nan
        if math.isnan(middle):
            return ""
        return size_of(middle) if name == "bytes" else f"{middle:.2f}"


class Lines:
    """A slow line to each server."""

    def __init__(self, options: argparse.Namespace) -> None:
        self._slow = partial(SlowLine, mbit=options.mbit, round_trip=options.round_trip)

    def to(self, port: int) -> SlowLine:
        """Another one."""
        return self._slow(port)


# ---- clients, which draw nothing ------------------------------------------------------------------
async def our_client(told: Told, line: SlowLine, link: str, scenes: Scenes, host: World) -> int:
    """Ours, from its first view on; how many surfels that has."""
    begun, before = time.perf_counter(), line.down

    def since(usable: float = math.nan) -> Came:
        now = time.perf_counter()
        return Came(line.down - before, now - begun, usable, now - begun)

    async with connect(link, surfels=BUDGET) as world:
        seq = world.look(world.camera.resized(*SIZE))
        await world.scene.changed()
        first = time.perf_counter() - begun
        await world.scene.whole(seq)
        told.note(OURS, "first", since(first))
        surfels = world.scene.held.count

        begun, before = time.perf_counter(), line.down
        await asyncio.sleep(STILL_S)
        told.note(OURS, "still", since())

        begun, before = time.perf_counter(), line.down
        await line.cut()
        await world.scene.changed()
        await world.scene.whole()
        told.note(OURS, "resumed", since())

        begun, before = time.perf_counter(), line.down
        revision = await host.restore(scenes.node)
        await world.scene.whole(0, revision)
        told.note(OURS, "commit", since())

        await world.scene.whole(world.look(camera_of(host.nodes[scenes.node].camera).resized(*SIZE)))
        revision = await host.remove(scenes.node)
        await world.scene.whole(0, revision)
        world.scene.drawn()  # what faded is freed
        begun, before = time.perf_counter(), line.down
        revision = await host.restore(scenes.node)
        await world.scene.whole(0, revision)
        told.note(OURS, "near", since())
    await host.remove(scenes.node)
    return surfels


@asynccontextmanager
async def looker(viser: list[str], port: int) -> AsyncGenerator[asyncio.StreamReader]:
    """Who looks at viser's scene; what it prints."""
    process = await asyncio.create_subprocess_exec(*viser, "look", str(port), stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield process.stdout
    finally:
        process.kill()
        await process.wait()


async def viser_client(told: Told, lines: Lines, viser: list[str], scenes: Scenes) -> None:
    """The same with viser: a page, which everybody loads before anything else, and the splats."""
    with child([*viser, "serve", str(scenes.splats)]) as server:
        async with lines.to(int(server.link)) as line:
            told.note(VISER, "page", await download(line, ""))
            before, begun = line.down, 0.0

            async def whole(said: asyncio.StreamReader, splats: int) -> Came:
                """When a message with so many splats had come."""
                async with asyncio.timeout(_WITHIN_S):
                    while (news := json.loads(await said.readline()))["splats"] != splats:
                        pass
                await asyncio.sleep(0.1)  # what the line has delivered is counted
                return Came(line.down - before, news["at"] - begun, math.nan, news["at"] - begun)

            counts = scenes.surfels
            async with looker(viser, line.port) as said:
                begun = json.loads(await said.readline())["at"]
                told.note(VISER, "first", await whole(said, counts["before"]))

                before, begun = line.down, time.perf_counter()
                await asyncio.sleep(STILL_S)
                told.note(VISER, "still", Came(line.down - before, STILL_S, math.nan, math.nan))

                before, begun = line.down, time.perf_counter()
                await line.cut()
                told.note(VISER, "resumed", await whole(said, counts["before"]))

                for name, number, part in (
                    ("more", signal.SIGUSR1, "more"),
                    ("commit", signal.SIGUSR2, "after"),
                ):
                    before, begun = line.down, time.perf_counter()
                    os.kill(server.pid, number)
                    told.note(VISER, name, await whole(said, counts[part]))


async def download(line: SlowLine, name: str) -> Came:
    """A file, whole."""
    begun, before = time.perf_counter(), line.down
    reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
    writer.write(
        f"GET /{name} HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n".encode()
    )
    while await reader.read(1 << 16):
        pass
    writer.close()
    seconds = time.perf_counter() - begun
    return Came(line.down - before, seconds, math.nan, seconds)


# ---- our page -------------------------------------------------------------------------------------
async def our_page(told: Told, browser: Any, line: SlowLine, link: str, stream: str) -> None:
    """A visit, and another one by the same browser."""
    address = link.replace("/#", f"/?stream={stream}&budget={BUDGET}#")
    async with Watched.open(browser, line) as seen:
        for what in ("first", "again"):
            told.note(stream, what, await seen.visit(address))


# ---- all of it ------------------------------------------------------------------------------------
async def measured(
    options: argparse.Namespace, scenes: Scenes, ours: Child, viser: list[str], files: int
) -> None:
    told, lines, surfels = Told(), Lines(options), 0
    port = int(ours.link.partition("127.0.0.1:")[2].partition("/")[0])
    async with (
        chromium() as browser,
        connect(ours.link, surfels=BUDGET) as host,
        lines.to(port) as line,
        lines.to(files) as to_files,
    ):
        link = ours.link.replace(str(port), str(line.port))
        await host.scene.whole(
            host.look(host.camera.resized(*SIZE))
        )  # pyramids and payloads are made, as viser's are
        for _ in range(options.runs):
            surfels = await our_client(told, line, link, scenes, host)
            await viser_client(told, lines, viser, scenes)
            for stream in ("surfels", "frames"):
                await our_page(told, browser, line, link, stream)
        for name in scenes.files:
            told.note(name, "first", await download(to_files, name))
    report(told, scenes, surfels)


def report(told: Told, scenes: Scenes, surfels: int) -> None:
    """The tables."""
    counts = {name: f"{count / 1e3:.0f}" for name, count in scenes.surfels.items()}
    shown = {OURS: f"{surfels / 1e3:.0f}", VISER: counts["before"]} | dict.fromkeys(
        scenes.files, counts["before"]
    )
    header = ["clients", "thousand surfels", "bytes", "first of them s", "all s"]
    first = [
        [
            who,
            count,
            told.value(who, "first", "bytes"),
            told.value(who, "first", "usable_s"),
            told.value(who, "first"),
        ]
        for who, count in shown.items()
    ]
    print(table(header, first))
    print(f"\nviser's page itself: {told.value(VISER, 'page', 'bytes')}, {told.value(VISER, 'page')} s.\n")
    header = ["afterwards, bytes", "a still view", "a break", "a commit", "s", "a commit one looks at", "s"]
    print(table(header, [
        [OURS, *(told.value(OURS, what, "bytes") for what in ("still", "resumed")),
         *(told.value(OURS, what, name) for what in ("commit", "near") for name in ("bytes", "last_s"))],
        [f"{VISER}: only new ones, the coarse stay", "", "",
         *(told.value(VISER, "more", name) for _ in range(2) for name in ("bytes", "last_s"))],
        [f"{VISER}: all anew", *(told.value(VISER, what, "bytes") for what in ("still", "resumed")),
         *(told.value(VISER, "commit", name) for _ in range(2) for name in ("bytes", "last_s"))],
    ]))  # fmt: skip
    print(
        f"\nThe zoom has {counts['more']} thousand surfels; with it the scene has {counts['after']} thousand.\n"
    )
    header = [
        "our page",
        "bytes",
        "usable s",
        "last byte s",
        "complete s",
        "a second visit",
        "usable s",
        "complete s",
    ]
    print(table(header, [
        [stream, *(told.value(stream, "first", name) for name in ("bytes", "usable_s", "last_s", "complete_s")),
         *(told.value(stream, "again", name) for name in ("bytes", "usable_s", "complete_s"))]
        for stream in ("surfels", "frames")
    ]))  # fmt: skip


def size_of(count: float) -> str:
    """Bytes as people read them."""
    return (
        f"{count / 1e6:.2f} MB"
        if count >= 1e5
        else f"{count / 1e3:.1f} kB"
        if count >= 100
        else f"{count:.0f} B"
    )


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--viser", type=Path, required=True, metavar="FOLDER", help="where pip has put viser")
    parser.add_argument(
        "--world", type=Path, help="a world with a zoom (default: it is made, in a minute or less)"
    )
    parser.add_argument(
        "--mbit", type=float, default=20.0, help="of the line, each way (default: %(default)s)"
    )
    parser.add_argument("--round-trip", type=float, default=0.02, metavar="S", help="default: %(default)s")
    parser.add_argument("--runs", type=int, default=1, help="of each (default: %(default)s)")
    options = parser.parse_args()
    print(
        f"{machine()}; {SIZE[0]}x{SIZE[1]}, {options.mbit:g} Mbit/s, round trip {1e3 * options.round_trip:g} ms,"
        f" {options.runs} runs, load {os.getloadavg()[0]:.1f}\n"
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        world = options.world
        if world is None:
            make_world(world := folder / "made")
        scenes = prepare(world, folder)
        files = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Files, directory=str(folder)))
        stack.callback(files.server_close)
        Thread(target=files.serve_forever, daemon=True).start()
        stack.callback(files.shutdown)
        viser = [
            "env",
            f"PYTHONPATH={options.viser.resolve()}",
            sys.executable,
            "-m",
            "benchmarks.clients.viser_splats",
        ]
        ours = stack.enter_context(child(real_server(scenes.world)))
        asyncio.run(measured(options, scenes, ours, viser, files.server_port))


if __name__ == "__main__":
    main()
