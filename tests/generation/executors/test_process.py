"""Worker processes that crash, hang, lie, grow and are orphaned: each costs one job, and nothing is left of it."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from worker_child import PREVIEW
from zoom_garden import LEFT, RIGHT, Garden

from wonderzoom.generation.executors import child
from wonderzoom.generation.executors.child import ChildLimits
from wonderzoom.generation.executors.executor import WorkerLost
from wonderzoom.generation.executors.process import ProcessExecutor, ProcessLimits
from wonderzoom.generation.jobs import STAGES, StageEvent
from wonderzoom.generation.zoom_events import JobFailed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.platform import resident_bytes

SUPPORT = Path(__file__).resolve().parents[2] / "support"
CHILD = str(SUPPORT / "worker_child.py")
# Times of a machine that does nothing else; a busy one gets more where a child has to be on time.
QUICK = ChildLimits(silence_s=3.0, no_progress_s=3.0, call_off_s=1.0, ping_s=0.1, watch_s=0.05)
LIMITS = ProcessLimits(QUICK, first_delay_s=0.2, longest_delay_s=1.0)
PATIENT = replace(LIMITS, child=replace(QUICK, silence_s=30.0, no_progress_s=30.0, call_off_s=30.0))

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the child misbehaves by POSIX signals")


@pytest.fixture
def garden(tmp_path: Path) -> Iterator[Garden]:
    made = Garden(tmp_path / "garden")
    yield made
    made.store.close()


class Bench:
    """An executor on a garden."""

    def __init__(self, garden: Garden, limits: ProcessLimits, delay: str = "0") -> None:
        self.garden = garden
        self.incoming = garden.store.path / "incoming"
        command = [sys.executable, CHILD, str(garden.store.path), delay]
        self.executor = ProcessExecutor(command, self.incoming, limits, None, resident_bytes)
        self.events: list[StageEvent] = []

    def wish(self, prompt: str = "moss", at: tuple[float, float] = LEFT) -> ZoomWish:
        return ZoomWish(self.garden.request(at, prompt=prompt), "planes")

    async def make(self, prompt: str = "moss", at: tuple[float, float] = LEFT) -> int:
        """One zoom to the end; its revision."""
        wish = self.wish(prompt, at)
        proposal = await self.executor.run(wish, self.events.append)
        return self.garden.committer.commit(proposal, wish.request).revision

    async def until(self, stage: str) -> None:
        while not any(event.stage == stage for event in self.events):
            await asyncio.sleep(0.01)


def play(
    garden: Garden, act: Callable[[Bench], Awaitable[None]], limits: ProcessLimits = PATIENT, delay: str = "0"
) -> None:
    async def main() -> None:
        bench = Bench(garden, limits, delay)
        await bench.executor.start()
        try:
            await act(bench)
        finally:
            await bench.executor.stop()
        assert psutil.Process().children() == []
        assert list(bench.incoming.iterdir()) == []

    asyncio.run(main())


# ---- what works -------------------------------------------------------------------------------------
def test_zooms_come_back_as_files_and_the_worker_follows_the_world(garden: Garden) -> None:
    async def act(bench: Bench) -> None:
        wish = bench.wish()
        proposal = await bench.executor.run(wish, bench.events.append)
        assert proposal.base == 1
        assert (proposal.zoomed.ignored, proposal.zoomed.placed) == (("unicorn",), ("planes",))
        assert proposal.zoomed.memory == {"edit": 3 * 10**9}
        assert [event.stage for event in bench.events] == list(STAGES)
        (shown,) = [event for event in bench.events if event.preview is not None]
        assert shown.preview is not None
        assert shown.stage == "edit" and np.array_equal(shown.preview, PREVIEW)
        here = garden.proposal(garden.seen(), wish.request)
        garden.committer.commit(proposal, wish.request)
        # The same bytes as in this process.
        before = garden.committer.world.digest()
        garden.committer.remove(proposal.zoomed.node)
        assert here.zoomed.node == proposal.zoomed.node
        pid = bench.executor.pid
        again = await bench.executor.run(wish, bench.events.append)
        assert again.base == 3 and bench.executor.pid == pid  # warm, and up to date
        garden.committer.commit(again, wish.request)
        assert garden.committer.world.digest() == before
        # A replacement, and what libraries print goes nowhere near the frames.
        request = garden.request(LEFT, prompt="print", mode="replace", node=again.zoomed.node)
        made = await bench.executor.run(replace(wish, request=request), bench.events.append)
        garden.committer.commit(made, request)
        assert bench.executor.restarts == 0 and garden.committer.world.check() == []

    play(garden, act)


def test_what_an_earlier_life_left_is_cleared_away_and_nothing_else(garden: Garden) -> None:
    incoming = garden.store.path / "incoming"
    incoming.mkdir()
    for name in ("zoom-7.safetensors", "zoom-7-preview.safetensors.tmp", "notes.txt"):
        (incoming / name).write_text("x")

    async def act(bench: Bench) -> None:
        assert [entry.name for entry in incoming.iterdir()] == ["notes.txt"]
        (incoming / "notes.txt").unlink()

    play(garden, act)


def test_errors_of_a_job_come_back_as_what_they_are_and_the_worker_goes_on(garden: Garden) -> None:
    async def act(bench: Bench) -> None:
        for prompt, code in (("covered", "already_covered"), ("refuse", "invalid"), ("bug", "internal")):
            with pytest.raises(JobFailed) as failed:
                await bench.make(prompt)
            assert failed.value.failure.code == code
            assert "secret" not in failed.value.failure.message
        with pytest.raises(JobFailed) as failed:
            request = garden.request(LEFT, mode="replace", node="gone")
            await bench.executor.run(ZoomWish(request, "planes"), bench.events.append)
        assert failed.value.failure.code == "unknown_node"
        assert await bench.make() == 2 and bench.executor.restarts == 0

    play(garden, act)


@pytest.mark.parametrize("stage", ["observe", "upscale"])
def test_a_cancel_frees_a_worker_that_goes_on(garden: Garden, stage: str) -> None:
    async def act(bench: Bench) -> None:
        job = asyncio.create_task(bench.executor.run(bench.wish("work"), bench.events.append))
        await bench.until(stage)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        pid = bench.executor.pid
        assert await bench.make() == 2
        assert bench.executor.pid == pid and bench.executor.restarts == 0

    play(garden, act)


def test_a_job_that_comes_before_the_worker_is_ready_waits_for_it(garden: Garden) -> None:
    async def act(bench: Bench) -> None:
        assert bench.executor.pid is None
        assert await asyncio.gather(bench.make(), bench.make(at=RIGHT)) == [2, 3]

    play(garden, act, delay="0.3")


# ---- what goes wrong --------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("prompt", "reason", "limits"),
    [
        ("crash", "crashed", PATIENT),
        pytest.param("exit", "crashed", PATIENT, marks=pytest.mark.slow),
        pytest.param(
            *("freeze", "hung", replace(LIMITS, child=replace(QUICK, no_progress_s=60.0))),
            marks=pytest.mark.slow,
        ),
        ("hang", "hung", replace(LIMITS, child=replace(QUICK, silence_s=60.0))),
        ("garbage", "garbage", PATIENT),
        pytest.param("endless", "garbage", PATIENT, marks=pytest.mark.slow),
        ("grow", "memory", replace(PATIENT, child=replace(PATIENT.child, memory_bytes=2**29))),
    ],
)
def test_a_lost_worker_costs_one_job(
    garden: Garden, prompt: str, reason: str, limits: ProcessLimits, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(bench: Bench) -> None:
        assert await bench.make(at=RIGHT) == 2
        first = bench.executor.pid
        with pytest.raises(WorkerLost) as lost:
            await bench.make(prompt)
        assert lost.value.reason == reason
        assert first is not None and not psutil.pid_exists(first)
        assert await bench.make() == 3
        assert bench.executor.restarts == 1 and bench.executor.pid != first

    play(garden, act, limits)
    assert f"({reason}, pid" in caplog.text
    assert "last words" in caplog.text or prompt != "exit"


def test_a_job_that_ignores_its_cancel_costs_the_worker(garden: Garden) -> None:
    async def act(bench: Bench) -> None:
        job = asyncio.create_task(bench.executor.run(bench.wish("hang"), bench.events.append))
        await bench.until("upscale")
        began = asyncio.get_running_loop().time()
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert asyncio.get_running_loop().time() - began < 10.0
        assert await bench.make() == 2 and bench.executor.restarts == 1

    play(garden, act, replace(PATIENT, child=replace(PATIENT.child, call_off_s=0.2)))


def test_a_worker_that_is_killed_while_it_idles_is_replaced_before_anyone_asks(garden: Garden) -> None:
    async def act(bench: Bench) -> None:
        assert await bench.make() == 2
        first = bench.executor.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        while bench.executor.pid in (first, None):
            await asyncio.sleep(0.01)
        assert await bench.make(at=RIGHT) == 3

    play(garden, act)


def test_a_worker_that_can_not_start_fails_jobs_at_once_and_is_tried_ever_more_rarely(
    garden: Garden, caplog: pytest.LogCaptureFixture
) -> None:
    async def act(bench: Bench) -> None:
        for _ in range(2):
            with pytest.raises(WorkerLost) as lost:
                await bench.make()
            assert lost.value.reason == "unavailable"
        assert [bench.executor._delay() for bench.executor._failures in range(1, 8)] == [
            *(0.0, 0.2, 0.4, 0.8, 1.0, 1.0, 1.0)
        ]

    play(garden, act, delay="never")
    assert "told not to start" in caplog.text


def test_a_command_that_is_none_is_a_lost_worker_too(
    garden: Garden, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        incoming = garden.store.path / "incoming"
        executor = ProcessExecutor(["/no/such/program"], incoming, LIMITS)
        assert executor.state == "idle"
        await executor.start()
        supervisor = executor._supervisor
        await executor.start()
        assert executor.state == "starting" and executor._supervisor is supervisor
        with pytest.raises(WorkerLost, match="no worker can be started"):
            await executor.run(ZoomWish(garden.request(LEFT), "planes"), lambda _event: None)
        assert executor.state == "down"
        await executor.stop()

    asyncio.run(main())
    assert "can't be started" in caplog.text


def test_it_can_be_asked_how_the_workers_are(garden: Garden) -> None:
    async def ready(bench: Bench, restarts: int) -> None:
        async with asyncio.timeout(60.0):
            while (bench.executor.restarts, bench.executor.state) != (restarts, "ready"):
                await asyncio.sleep(0.01)

    async def act(bench: Bench) -> None:
        assert bench.executor.state == "starting"
        await ready(bench, restarts=0)
        assert bench.executor.pid is not None
        psutil.Process(bench.executor.pid).kill()
        await ready(bench, restarts=1)
        await bench.executor.stop()
        assert bench.executor.state == "down"

    play(garden, act)


@pytest.mark.parametrize("how", ["truncated", pytest.param("missing", marks=pytest.mark.slow)])
def test_a_proposal_that_can_not_be_read_is_garbage(
    garden: Garden, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = child._read

    def read(path: Path, most: int) -> bytes:
        data = real(path, most)
        if path.name.endswith("preview.safetensors"):
            return data
        if how == "missing":
            path.unlink()
        return real(path, most)[:-100]

    async def act(bench: Bench) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(child, "_read", read)
            with pytest.raises(WorkerLost) as lost:
                await bench.make()
        assert lost.value.reason == "garbage"
        assert await bench.make() == 2

    play(garden, act)


# ---- the parent vanishes ----------------------------------------------------------------------------
PARENT = """
import asyncio, sys
from pathlib import Path
from wonderzoom.generation.executors.process import ProcessExecutor
from wonderzoom.generation.zoom_merging import ZoomWish
from zoom_garden import LEFT, ROOT, PLANE
from wonderzoom.generation.jobs import ZoomRequest
from worlds import look_and_zoom

async def main(garden, prompt, child):
    executor = ProcessExecutor([sys.executable, child, garden], Path(garden) / "incoming")
    await executor.start()
    request = ZoomRequest(look_and_zoom(ROOT, PLANE, *LEFT, 4.0), prompt)
    def tell(event):
        if event.stage == "upscale":
            print(executor.pid, flush=True)
    await executor.run(ZoomWish(request, "planes"), tell)
asyncio.run(main(*sys.argv[1:]))
"""


@pytest.mark.parametrize("prompt", ["work", "hang"])
def test_a_worker_does_not_outlive_a_parent_that_is_killed(garden: Garden, prompt: str) -> None:
    command = [sys.executable, "-c", PARENT, str(garden.store.path), prompt, CHILD]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(SUPPORT)}
    ) as parent:
        assert parent.stdout is not None
        worker = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
    deadline = time.monotonic() + 10.0
    while worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the worker lives on"
        time.sleep(0.01)
