"""Kill the real server in the middle of a zoom: what was acknowledged is there, and the next server goes on."""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from houses import small_world
from worlds import look_and_zoom
from zoom_garden import PLANE, ROOT

from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.errors import ClientError
from wonderzoom.runtime.cli import main
from wonderzoom.runtime.recorder import BATCH_S
from wonderzoom.scene_graph.store import WorldStore


async def start(path: Path, data: Path, *options: str) -> tuple[asyncio.subprocess.Process, str]:
    """A server, and its link."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "wonderzoom.runtime.cli", "serve", str(path), "--port", "0", *options,
        env={**os.environ, "WONDERZOOM_DATA": str(data)}, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL, stdin=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    return process, (await process.stdout.readline()).decode().strip()


async def zoomed(world: World, at: tuple[float, float], prompt: str) -> tuple[str, int]:
    """A zoom that is acknowledged: its node and its revision."""
    status = await world.zoom(prompt, camera=look_and_zoom(ROOT, PLANE, *at, 4.0))
    assert status.node is not None
    return status.node, status.revision


def test_kill_the_server_in_a_zoom(tmp_path: Path) -> None:
    path, data = tmp_path / "garden", tmp_path / "data"
    root = small_world(path)

    async def whole() -> None:
        process, link = await start(path, data)
        async with connect(link, patience=1.0) as world:
            kept = await zoomed(world, (8.0, 10.0), "")
            running = world.zoom("moss", camera=look_and_zoom(ROOT, PLANE, 40.0, 26.0, 4.0))
            async for status in running:
                if status.state == "running":
                    break
            process.send_signal(signal.SIGKILL)
            await process.wait()
            with pytest.raises(ClientError):
                await running
        with WorldStore.open(path) as store:
            reopened = store.load()
        assert reopened.revision == kept[1] == 2 and set(reopened.nodes) == {root, kept[0]}
        process, again = await start(path, data)
        try:
            assert again.partition("#")[2] == link.partition("#")[2], "the same link as before"
            async with connect(again) as world:
                assert set(world.nodes) == {root, kept[0]}
                assert (await zoomed(world, (40.0, 26.0), "moss"))[1] == 3
        finally:
            process.terminate()
            assert await process.wait() == 0, "a stop is no failure"

    in_time(whole)


@pytest.mark.slow
def test_kill_the_server_while_it_records(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was recorded, by then, is done again by another process with the real generator: the same bytes."""
    path, recording = tmp_path / "garden", tmp_path / "evening.wzr"
    small_world(path)

    async def whole() -> None:
        process, link = await start(path, tmp_path / "data", "--record", str(recording))
        async with connect(link, patience=1.0) as world:
            world.look(world.camera)
            node, _ = await zoomed(world, (8.0, 10.0), "red")
            await world.remove(node)
            await world.restore(node)
            await zoomed(world, (40.0, 26.0), "moss")
            await asyncio.sleep(3.0 * BATCH_S)  # a portion later, on a busy machine
            process.send_signal(signal.SIGKILL)
            await process.wait()

    in_time(whole)
    assert main(["replay", str(recording), "--world", str(path), "-o", str(tmp_path / "again")]) == 0
    assert "the same: 4 revisions, 2 zooms made" in capsys.readouterr().out
    with WorldStore.open(path) as then, WorldStore.open(tmp_path / "again") as now:
        assert now.rows() == then.rows()


def in_time(whole: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(300.0):
            await whole()

    asyncio.run(bounded())
