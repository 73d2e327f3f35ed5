"""200 ms there and back and 5 % loss: a program still settles, zooms and comes back, by frames and by surfels.

By ``bad_line``, everywhere. ``test_by_netem`` runs these tests and the page's once more with the kernel's own queue, in
a network namespace, where that is allowed.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Awaitable, Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from bad_line import BY_NETEM, LATENCY_S, LOSS, BadLine, bad_line
from house_thread import house_thread
from houses import Served
from zoom_garden import ROOT

from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.events import Reconnected
from wonderzoom.runtime.renderers.cpu import CpuRenderer

WITHIN_S = 60.0


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@contextmanager
def far_away(path: Path, renderer: CpuRenderer) -> Generator[tuple[Served, str, BadLine | None]]:
    """A server, the link to it over a bad line, and the line."""
    with house_thread(path / "garden", renderer) as served:
        if os.environ.get(BY_NETEM):
            yield served, served.link(), None
            return
        with bad_line(served.port) as line:
            yield served, served.link().replace(f":{served.port}/", f":{line.port}/"), line


def over_it(
    test: Callable[[str, Callable[[World], None]], Awaitable[None]], path: Path, renderer: CpuRenderer
) -> None:
    with far_away(path, renderer) as (_, link, line):

        def cut(world: World) -> None:
            if line is not None:
                line.cut()
            else:
                world._line.drop()

        async def whole() -> None:
            async with asyncio.timeout(WITHIN_S):
                await test(link, cut)

        asyncio.run(whole())
        assert line is None or (line.connections >= 2 and line.lost > 0)


async def comes_back(world: World, cut: Callable[[], None]) -> None:
    events = world.events()
    waiting = asyncio.ensure_future(first(events))
    await asyncio.sleep(0)
    cut()
    assert (await waiting).resumed
    await events.aclose()


async def first(events: object) -> Reconnected:
    async for event in events:  # type: ignore[attr-defined]
        if isinstance(event, Reconnected):
            return event
    raise AssertionError("the world has ended")


def test_a_program_that_is_sent_frames_settles_zooms_and_comes_back(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    async def test(link: str, cut: Callable[[World], None]) -> None:
        async with connect(link) as world:
            seq = 0
            for step in range(20):  # it flies
                seq = world.look(ROOT.orbited(0.02 * step, 0.0))
                await asyncio.sleep(0.05)
            picture = await world.frame(seq)
            assert picture.still
            done = await world.zoom("moss", at=picture.spot(0.5, 0.5))
            assert done.node in world.nodes
            await comes_back(world, lambda: cut(world))
            assert (await world.frame(world.look(ROOT.zoomed(2.0)))).still and done.node in world.nodes

    over_it(test, tmp_path, renderer)


def test_a_program_that_is_sent_surfels_settles_zooms_and_comes_back(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    async def test(link: str, cut: Callable[[World], None]) -> None:
        async with connect(link, surfels=100_000) as world:
            seq = 0
            for step in range(20):
                seq = world.look(ROOT.orbited(0.02 * step, 0.0))
                await asyncio.sleep(0.05)
            await world.scene.whole(seq)
            done = await world.zoom("moss", camera=ROOT.zoomed(4.0))
            await world.scene.whole(world.look(ROOT.zoomed(2.0)), world.revision)
            assert any(block.node == done.node for block in world.scene.held.blocks())
            size = world.scene.bytes
            await comes_back(world, lambda: cut(world))
            await world.scene.whole(world.look(ROOT.zoomed(2.1)))
            assert world.scene.bytes - size < size / 4  # what had come was not sent again

    over_it(test, tmp_path, renderer)


def test_the_line_is_as_bad_as_it_says(tmp_path: Path) -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(1 << 16):
                writer.write(data)
        writer.transport.abort()

    async def test() -> None:
        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        with bad_line(port, seed=3) as line:
            reader, writer = await asyncio.open_connection("127.0.0.1", line.port)
            sent = bytes(k % 251 for k in range(30_000))
            begun = asyncio.get_running_loop().time()
            writer.write(sent)
            assert await reader.readexactly(len(sent)) == sent, "nothing is missing and nothing out of order"
            assert asyncio.get_running_loop().time() - begun >= 2.0 * LATENCY_S
            assert line.lost > 0 and line.lost <= 4 * LOSS * (2 * len(sent) / 1448 + 10)
            writer.transport.abort()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0.05)

    asyncio.run(test())


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_by_netem(repository: Path) -> None:
    """All of this and the page, on a loopback that loses packets itself."""
    if shutil.which("ip") is None or shutil.which("tc") is None:
        pytest.skip("ip and tc (iproute2) are not installed")
    name = f"wonderzoom-{os.getpid()}"

    def does(*words: str) -> str:
        """What it complains of; empty: nothing."""
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        return "" if done.returncode == 0 else done.stderr.strip() or f"{words[0]} failed"

    if wrong := does("ip", "netns", "add", name):
        pytest.skip(f"no network namespace can be made here: {wrong}")
    try:
        queue = "netem", "delay", f"{round(1e3 * LATENCY_S)}ms", "loss", f"{LOSS:.0%}"
        wrong = does("ip", "-n", name, "link", "set", "lo", "up") or does(
            "ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "lo", "root", *queue
        )
        if wrong:
            pytest.skip(f"this kernel has no netem, or allows none: {wrong}")
        tests = ("tests/clients/test_bad_line.py", "tests/clients/web/test_page_bad_line.py")
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n0",
            "-p",
            "no:cacheprovider",
            "-m",
            "not slow",
            *tests,
        ]
        ran = subprocess.run(
            ["ip", "netns", "exec", name, *command], cwd=repository, env=os.environ | {BY_NETEM: "1"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stdout[-5000:]
    finally:
        does("ip", "netns", "del", name)
