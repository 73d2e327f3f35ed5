"""Law 12 for a live world: a server that is killed in the middle of a zoom has what it acknowledged, whole.

Its worker ends with it, and what the worker had written on its way to the server is nobody's and is cleared away.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from worlds import look_and_zoom
from zoom_garden import LEFT, PLANE, ROOT, Garden

from wonderzoom.generation.committing import Committer
from wonderzoom.generation.executors.process import ProcessExecutor
from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.scene_graph.store import WorldStore

SUPPORT = Path(__file__).resolve().parent.parent / "support"
CHILD = str(SUPPORT / "worker_child.py")
SERVE = """
import asyncio, sys
from itertools import count
from pathlib import Path
from zoom_garden import LEFT, PLANE, RIGHT, ROOT
from worlds import look_and_zoom
from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.process import ProcessExecutor
from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.generation.service import ZoomService
from wonderzoom.generation.zoom_events import ZoomCommitted
from wonderzoom.scene_graph.store import WorldStore

async def main(garden, child):
    store = WorldStore.open(garden, write=True)
    commits = CommitThread(Committer(store, store.load()))
    executor = ProcessExecutor([sys.executable, child, garden], Path(garden) / "incoming")
    service = ZoomService(executor, commits.commit)
    await service.start()
    for seed in count(store.revision):
        camera = look_and_zoom(ROOT, PLANE, *(LEFT if seed % 2 else RIGHT), 4.0)
        ticket = service.submit("a", str(seed), ZoomRequest(camera, "moss", seed), "planes")
        end = await ticket.ended()
        assert isinstance(end, ZoomCommitted), end
        print(end.revision, end.node, executor.pid, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def serve_and_kill(path: Path, after_s: float) -> tuple[dict[int, str], psutil.Process]:
    """Zoom until killed, ``after_s`` from the first acknowledgement: revision -> node, and the worker."""
    command = [sys.executable, "-c", SERVE, str(path), CHILD]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(SUPPORT)}
    ) as server:
        assert server.stdout is not None
        said = [server.stdout.readline()]
        worker = psutil.Process(int(said[0].split()[2]))
        time.sleep(after_s)
        server.kill()
        said += server.stdout.read().splitlines()
    return {int(line.split()[0]): line.split()[1] for line in said}, worker


def kill_once(path: Path, seed: int) -> None:
    Garden(path).store.close()
    rng = np.random.default_rng(seed)
    acknowledged: dict[int, str] = {}
    for _ in range(2):  # the second server goes on with what the first one left
        told, worker = serve_and_kill(path, rng.uniform(0.0, 0.3))
        acknowledged |= told
        deadline = time.monotonic() + 10.0
        while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < deadline, "the worker lives on"
            time.sleep(0.01)
        with WorldStore.open(path, write=True) as store:
            assert max(acknowledged) <= store.revision <= max(acknowledged) + 1
            found = {commit.revision: commit.added[0].id for commit in store.commits()}
            assert acknowledged.items() <= found.items()
            world = store.load()
            assert store.damaged == {} and world.check() == []
    asyncio.run(zoom_again(path))


async def zoom_again(path: Path) -> None:
    """A third server finds a world that works, and no files but the world's."""
    incoming = path / "incoming"
    (incoming / "zoom-1.safetensors").write_bytes(b"half a propo")
    with WorldStore.open(path, write=True) as store:
        committer = Committer(store, store.load())
        executor = ProcessExecutor([sys.executable, CHILD, str(path)], incoming)
        await executor.start()
        assert list(incoming.iterdir()) == []
        request = ZoomRequest(look_and_zoom(ROOT, PLANE, *LEFT, 4.0), "moss", 10**6)
        before = store.revision
        proposal = await executor.run(ZoomWish(request, "planes"), lambda _event: None)
        assert committer.commit(proposal, request).revision == store.revision == before + 1
        await executor.stop()


@pytest.mark.parametrize("seed", range(1))
def test_kill_in_a_zoom(tmp_path: Path, seed: int) -> None:
    kill_once(tmp_path / "w", seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 26))
def test_kill_in_a_zoom_again_and_again(tmp_path: Path, seed: int) -> None:
    kill_once(tmp_path / "w", seed)
