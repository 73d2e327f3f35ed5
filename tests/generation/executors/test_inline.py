"""Zooms in a thread of this process: their events and ends reach the event loop, and a cancel stops them."""

import asyncio
import threading
import time

import pytest
from zoom_scripts import request

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import GenerationError, StageEvent, Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.ports import Cancelled

WISH = ZoomWish(request(), "plain")
PROPOSAL = Proposal(Zoomed(Commit(1), "n"), 0)


def test_a_job_runs_in_a_thread_and_its_events_come_back_in_the_loops() -> None:
    threads: set[str] = set()
    heard: list[tuple[str, StageEvent]] = []

    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        threads.add(threading.current_thread().name)
        for step in range(3):
            watch.event(StageEvent("edit", step / 2))
        return PROPOSAL

    async def main() -> None:
        executor = InlineExecutor(make)
        await executor.start()
        found = await executor.run(WISH, lambda e: heard.append((threading.current_thread().name, e)))
        assert found is PROPOSAL
        await executor.stop()

    asyncio.run(main())
    assert threads == {"zoom"}
    assert heard == [("MainThread", StageEvent("edit", step / 2)) for step in range(3)]


@pytest.mark.parametrize("error", [GenerationError("edit", "no"), MemoryError(), KeyError("x")])
def test_a_job_raises_what_it_raises(error: Exception) -> None:
    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        raise error

    with pytest.raises(type(error)) as raised:
        asyncio.run(InlineExecutor(make).run(WISH, print))
    assert raised.value is error


def test_an_interrupt_in_a_job_interrupts_the_program() -> None:
    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(InlineExecutor(make).run(WISH, print))


def test_a_job_that_cancels_itself_is_our_mistake() -> None:
    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        raise Cancelled

    with pytest.raises(RuntimeError, match="nobody had called it off"):
        asyncio.run(InlineExecutor(make).run(WISH, print))


def test_a_cancel_waits_for_the_step_and_no_longer_than_told() -> None:
    release, ended = threading.Event(), threading.Event()

    def obedient(wish: ZoomWish, watch: Watch) -> Proposal:
        while not watch.cancelled():
            time.sleep(0.001)
        watch.event(StageEvent("edit", 1.0))  # nobody listens any more
        ended.set()
        raise Cancelled

    def deaf(wish: ZoomWish, watch: Watch) -> Proposal:
        release.wait()
        return PROPOSAL

    async def cancelled(executor: InlineExecutor) -> None:
        heard: list[StageEvent] = []
        job = asyncio.create_task(executor.run(WISH, heard.append))
        await asyncio.sleep(0.01)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job
        assert heard == []

    asyncio.run(cancelled(InlineExecutor(obedient)))
    assert ended.is_set()
    asyncio.run(cancelled(InlineExecutor(deaf, patience_s=0.01)))
    release.set()
