"""The real worker process: the embedded generator, started as a server starts it, gives this process's bytes."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from wonderzoom.generation.committing import Committer, CommitThread
from wonderzoom.generation.executors.frames import Ping, encode
from wonderzoom.generation.jobs import STAGES, CreateRequest, Watch, ZoomRequest
from wonderzoom.generation.service import ZoomService
from wonderzoom.generation.zoom_events import ZoomCommitted, ZoomEvent, ZoomFailed, ZoomRunning
from wonderzoom.runtime.app import DEFAULT_GENERATOR, App
from wonderzoom.runtime.build import start_world
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.workers import INCOMING, LEAST_MEMORY, worker_executor, worker_memory, worker_threads
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

SIZE = (96, 72)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Camera], str]:
    """A small world, two cameras into it, and what it is after the first zoom in this process."""
    path = tmp_path_factory.mktemp("worker") / "garden"
    coarse = np.random.default_rng(1).random((SIZE[1] // 8, SIZE[0] // 8, 3))
    picture = (np.clip(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), 0, 1) * 255).astype(np.uint8)
    with App(1) as app:
        created = app.create(DEFAULT_GENERATOR, CreateRequest(picture, focal=90.0), Watch())
        with start_world(path, created) as store:
            world = store.load()
        assert world.root is not None
        cameras = [aim(world, app.renderer, world.root, at, 4.0).camera for at in ((0.4, 0.6), (0.7, 0.7))]
        request = ZoomRequest(cameras[0], "moss")
        world.apply(app.zoom(DEFAULT_GENERATOR, world, request, Watch()).commit)
    return path, cameras, world.digest()


def test_a_zoom_in_a_worker_process_is_the_same_bytes_and_the_next_one_sees_it(
    made: tuple[Path, list[Camera], str],
) -> None:
    path, cameras, digest = made

    async def main() -> tuple[list[ZoomEvent], ZoomEvent, ZoomEvent, World]:
        with WorldStore.open(path, write=True) as store:
            committer = Committer(store, store.load())
            commits = CommitThread(committer)
            executor = worker_executor(path, os.environ, threads=1)
            service = ZoomService(executor, commits.commit)
            await service.start()
            try:
                ticket = service.submit("a", "1", ZoomRequest(cameras[0], "moss"), DEFAULT_GENERATOR)
                events = [event async for event in ticket]
                assert committer.world.digest() == digest
                first = events[-1]
                assert isinstance(first, ZoomCommitted)
                below = ZoomRequest(cameras[0].zoomed(4.0), node=first.node)
                second = await service.submit("a", "2", below, DEFAULT_GENERATOR).ended()
                other = await service.submit("a", "3", ZoomRequest(cameras[1]), "magic").ended()
            finally:
                await service.drain(0.0)
                commits.close()
            assert list((path / INCOMING).iterdir()) == []
            return events, second, other, committer.world

    events, second, other, world = asyncio.run(main())
    stages = list(dict.fromkeys(event.stage for event in events if isinstance(event, ZoomRunning)))
    # The pipeline's own order of the stages.
    assert set(stages) == set(STAGES) and stages[0] == "observe" and stages[-1] == "commit"
    (shown,) = [e.preview for e in events if isinstance(e, ZoomRunning) and e.preview is not None]
    assert shown.shape[2] == 3 and shown.shape[0] >= SIZE[1]
    assert isinstance(events[-1], ZoomCommitted) and events[-1].revision == 2
    assert isinstance(second, ZoomCommitted) and second.revision == 3
    assert world.node(second.node).parent == events[-1].node and world.check() == []
    assert isinstance(other, ZoomFailed) and other.code == "invalid" and "magic" in other.message
    assert psutil.Process().children() == []


def test_a_worker_yields_to_those_who_look_and_ends_with_its_pipe(
    made: tuple[Path, list[Camera], str],
) -> None:
    command = [
        sys.executable,
        "-P",
        "-m",
        "wonderzoom.runtime.worker_main",
        str(made[0]),
        "--memory",
        str(2**32),
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as worker:
        assert worker.stdout is not None and worker.stdin is not None
        assert b"ready" in worker.stdout.read(4 + 12)
        process = psutil.Process(worker.pid)
        if sys.platform == "linux":
            assert process.nice() > psutil.Process().nice() or process.nice() == 19
            assert process.rlimit(psutil.RLIMIT_DATA)[0] == 2**32
        for each in (signal.SIGINT, signal.SIGTERM):  # as its whole group gets them while the parent drains
            worker.send_signal(each)
        worker.stdin.write(encode(Ping()))
        worker.stdin.flush()
        assert b"pong" in worker.stdout.read(4 + 11)
        worker.stdin.close()
        assert worker.wait(30.0) in (0, 1)  # 1: in the middle of a kernel's compilation


def test_a_world_that_is_none_ends_a_worker_with_a_word(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "wonderzoom.runtime.worker_main", str(tmp_path / "nowhere")]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert result.returncode == 1 and "there is no such directory" in result.stderr


def test_a_worker_gets_its_share_and_leaves_one_core() -> None:
    assert 1 <= worker_threads() <= max(1, (os.cpu_count() or 1) - 1)
    assert worker_memory() >= LEAST_MEMORY
