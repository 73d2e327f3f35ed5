"""The zoom service on virtual time: every request that it acknowledges ends once, whatever happens meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from itertools import chain, repeat
from typing import Any

import pytest
import virtual_time
from zoom_scripts import CANCEL_S, WORKING, Fate, ScriptedCommit, ScriptedExecutor, always, request

from wonderzoom.generation.jobs import STAGES
from wonderzoom.generation.service import ServiceLimits, ZoomRefused, ZoomService
from wonderzoom.generation.zoom_events import (
    ZoomCancelled,
    ZoomCommitted,
    ZoomEvent,
    ZoomFailed,
    ZoomQueued,
    ZoomRunning,
)
from wonderzoom.generation.zoom_queue import QueueLimits
from wonderzoom.generation.zoom_ticket import ZoomTicket

GENERATOR = "plain"
JOB_S = 0.5 * len(WORKING)


class Scene:
    """A service with scripted surroundings."""

    def __init__(
        self,
        *fates: Fate,
        commits: tuple[str, ...] = (),
        limits: ServiceLimits | None = None,
    ) -> None:
        then: Iterator[Any] = chain(commits, repeat("made"))
        self.executor = ScriptedExecutor(chain(fates, always(Fate())))
        self.commit = ScriptedCommit(then)
        self.service = ZoomService(self.executor, self.commit, limits)

    def ask(self, viewer: str, key: str, place: int, **more: Any) -> ZoomTicket:
        return self.service.submit(viewer, key, request(place, **more), GENERATOR)


def play(act: Callable[[Scene], Awaitable[None]], *fates: Fate, **more: Any) -> Scene:
    async def main() -> Scene:
        scene = Scene(*fates, **more)
        await scene.service.start()
        await act(scene)
        await scene.service.drain(60.0)
        assert not scene.service._runs and not scene.service._tickets
        return scene

    return virtual_time.run(main())


async def told(ticket: ZoomTicket) -> list[ZoomEvent]:
    return [event async for event in ticket]


# ---- the way of a request ---------------------------------------------------------------------------
def test_a_request_is_followed_from_the_queue_through_every_stage_into_the_world() -> None:
    async def act(scene: Scene) -> None:
        events = await told(scene.ask("a", "1", 0))
        running = [event for event in events if isinstance(event, ZoomRunning)]
        assert list(dict.fromkeys(event.stage for event in running)) == list(STAGES)
        assert [event.stage for event in running if event.preview is not None] == ["edit"]
        end = events[-1]
        assert isinstance(end, ZoomCommitted)
        assert (end.node, end.revision) == ("moss-1", 1)
        assert (end.ignored, end.placed) == (("unicorn",), ("moss",))
        assert list(end.seconds) == list(STAGES) and end.memory == {"edit": 10**9}
        assert end.seconds["upscale"] == pytest.approx(0.5) and end.seconds["commit"] == pytest.approx(0.05)

    play(act)


def test_those_who_wait_are_told_their_place_and_when_it_changes() -> None:
    async def act(scene: Scene) -> None:
        tickets = [scene.ask(viewer, "1", place) for place, viewer in enumerate("abc")]
        await asyncio.sleep(1.0)
        third = await anext(tickets[2])
        assert third == ZoomQueued(2, 3 * 8.0)
        await tickets[0].ended()
        moved = await anext(tickets[2])
        assert isinstance(moved, ZoomQueued) and moved.position == 1
        await tickets[2].ended()
        events = await told(tickets[2])
        assert isinstance(events[0], ZoomRunning)  # a place is no news any more

    play(act)


def test_what_the_jobs_are_at_can_be_counted() -> None:
    async def act(scene: Scene) -> None:
        for place in range(3):
            scene.ask("a", str(place), place)
        await asyncio.sleep(0.1)
        assert scene.service.states() == {"running": 1, "waiting": 2}
        scene.service.cancel("a", "0")
        scene.service.cancel("a", "2")
        assert scene.service.states() == {"abandoned": 1, "waiting": 1}
        await asyncio.sleep(CANCEL_S + JOB_S + 0.01)
        assert scene.service.states() == {"committing": 1}

    play(act)


def test_a_reader_that_sleeps_misses_fractions_and_no_stage_no_preview_and_no_end() -> None:
    async def act(scene: Scene) -> None:
        ticket = scene.ask("a", "1", 0)
        await ticket.ended()
        assert len(ticket._pending) <= len(STAGES) + 1
        events = await told(ticket)
        assert [event.stage for event in events[:-1] if isinstance(event, ZoomRunning)] == list(STAGES)
        assert all(event.fraction == 1.0 for event in events[:-2] if isinstance(event, ZoomRunning))
        assert isinstance(events[-1], ZoomCommitted) and await told(ticket) == []
        with pytest.raises(ValueError, match="has ended already"):
            ticket.offer(ZoomCancelled())

    play(act)


def test_equal_requests_are_one_job_and_who_comes_later_sees_where_it_is() -> None:
    async def act(scene: Scene) -> None:
        first = scene.ask("a", "1", 0)
        await asyncio.sleep(2.2)  # past the edit
        second = scene.ask("b", "x", 0, prompt=" MOSS")
        event = await anext(second)
        assert isinstance(event, ZoomRunning) and event.stage == "depth" and event.preview is not None
        assert await first.ended() == await second.ended()

    assert len(play(act).executor.attempts) == 1


def test_a_key_is_answered_once_and_again_with_the_same() -> None:
    async def act(scene: Scene) -> None:
        ticket = scene.ask("a", "1", 0)
        assert scene.ask("a", "1", 7) is ticket
        end = await ticket.ended()
        again = scene.ask("a", "1", 9)
        assert await told(again) == [end]
        assert scene.service.pending("a") == []

    scene = play(act)
    assert len(scene.executor.attempts) == 1 and len(scene.commit.made) == 1


def test_quota_and_a_full_queue_refuse_without_a_trace() -> None:
    limits = ServiceLimits(queue=QueueLimits(per_viewer=2, jobs=3))

    async def act(scene: Scene) -> None:
        for place in range(2):
            scene.ask("a", str(place), place)
        with pytest.raises(ZoomRefused) as quota:
            scene.ask("a", "3", 3)
        assert quota.value.code == "quota" and len(scene.service.pending("a")) == 2
        scene.ask("b", "1", 4)
        scene.ask("b", "2", 5)
        with pytest.raises(ZoomRefused) as full:
            scene.ask("c", "1", 6)
        assert full.value.code == "full"
        await scene.service.pending("b")[1].ended()

    assert len(play(act, limits=limits).commit.made) == 4


# ---- cancelling -------------------------------------------------------------------------------------
@pytest.mark.parametrize("half_stages", range(2 * len(WORKING)))
def test_a_cancel_at_any_stage_commits_nothing_and_frees_the_worker(half_stages: int) -> None:
    async def act(scene: Scene) -> None:
        ticket = scene.ask("a", "1", 0)
        await asyncio.sleep(0.25 * half_stages + 0.01)
        assert scene.service.cancel("a", "1")
        assert not scene.service.cancel("a", "1")
        events = await told(ticket)
        assert events[-1] == ZoomCancelled() and events.count(ZoomCancelled()) == 1
        before = asyncio.get_running_loop().time()
        await scene.ask("a", "2", 0).ended()  # the same wish: it does not join what is being stopped
        passed = asyncio.get_running_loop().time() - before
        assert passed == pytest.approx(CANCEL_S + JOB_S + scene.commit.seconds)

    scene = play(act)
    assert scene.commit.made == ["moss-2"] and scene.executor.cancelled == 1


def test_a_worker_that_is_lost_over_a_cancel_is_not_asked_again() -> None:
    async def act(scene: Scene) -> None:
        scene.executor.dies_of_cancels = True
        ticket = scene.ask("a", "1", 0)
        await asyncio.sleep(1.0)
        assert scene.service.cancel("a", "1") and await ticket.ended() == ZoomCancelled()
        assert isinstance(await scene.ask("a", "2", 1).ended(), ZoomCommitted)

    assert len(play(act).executor.attempts) == 2


def test_a_cancel_before_the_first_step_and_one_in_the_queue() -> None:
    async def act(scene: Scene) -> None:
        first, second = scene.ask("a", "1", 0), scene.ask("a", "2", 1)
        assert scene.service.cancel("a", "2") and scene.service.cancel("a", "1")
        assert (await first.ended(), await second.ended()) == (ZoomCancelled(), ZoomCancelled())
        assert isinstance(await scene.ask("a", "3", 2).ended(), ZoomCommitted)

    assert len(play(act).executor.attempts) == 1


def test_it_is_too_late_to_cancel_a_commit() -> None:
    async def act(scene: Scene) -> None:
        ticket = scene.ask("a", "1", 0)
        await asyncio.sleep(JOB_S + 0.02)
        assert not scene.service.cancel("a", "1")
        scene.service.leave("a")
        assert isinstance(await ticket.ended(), ZoomCommitted)

    play(act)


def test_who_waits_with_others_leaves_them_their_job() -> None:
    async def act(scene: Scene) -> None:
        mine, other = scene.ask("a", "1", 0), scene.ask("b", "1", 0)
        await asyncio.sleep(1.0)
        assert scene.service.cancel("a", "1")
        assert await mine.ended() == ZoomCancelled()
        assert isinstance(await other.ended(), ZoomCommitted)

    assert play(act).executor.cancelled == 0


def test_a_viewer_who_leaves_takes_what_waits_and_lets_run_what_runs() -> None:
    async def act(scene: Scene) -> None:
        running, waiting, shared = (scene.ask("a", str(place), place) for place in range(3))
        other = scene.ask("b", "1", 2)
        await asyncio.sleep(1.0)
        scene.service.leave("a")
        assert await waiting.ended() == await shared.ended() == ZoomCancelled()
        assert isinstance(await running.ended(), ZoomCommitted)
        assert isinstance(await other.ended(), ZoomCommitted)

    assert len(play(act).executor.attempts) == 2


# ---- what goes wrong --------------------------------------------------------------------------------
def test_a_lost_worker_costs_a_second_attempt_with_the_same_seed() -> None:
    async def act(scene: Scene) -> None:
        ticket, next_one = scene.ask("a", "1", 0, seed=7), scene.ask("b", "1", 1)
        events: list[ZoomEvent] = []
        async for event in ticket:
            events.append(event)
        told_again = next(i for i, event in enumerate(events) if i and isinstance(event, ZoomQueued))
        assert events[told_again].position == 1  # type: ignore[union-attr]
        assert isinstance(events[-1], ZoomCommitted)
        # Times are those of the attempt that succeeded.
        assert sum(events[-1].seconds.values()) == pytest.approx(JOB_S + 0.05)
        assert isinstance(await next_one.ended(), ZoomCommitted)

    scene = play(act, Fate("crashed", "depth"))
    assert [wish.request.seed for wish in scene.executor.attempts] == [7, 7, 0]


@pytest.mark.parametrize("reason", ["crashed", "hung", "garbage", "unavailable"])
def test_a_job_that_loses_two_workers_fails_and_the_next_one_runs(reason: Any) -> None:
    async def act(scene: Scene) -> None:
        end = await scene.ask("a", "1", 0).ended()
        assert isinstance(end, ZoomFailed) and (end.code, end.retryable) == ("worker_lost", True)
        assert isinstance(await scene.ask("a", "2", 0).ended(), ZoomCommitted)

    assert len(play(act, Fate(reason), Fate(reason)).executor.attempts) == 3


def test_a_job_that_needs_too_much_memory_is_not_tried_twice() -> None:
    async def act(scene: Scene) -> None:
        end = await scene.ask("a", "1", 0).ended()
        assert isinstance(end, ZoomFailed) and (end.code, end.retryable) == ("out_of_memory", True)

    assert len(play(act, Fate("memory")).executor.attempts) == 1


def test_a_job_whose_place_has_changed_looks_again_and_gives_up_in_the_end() -> None:
    async def act(scene: Scene) -> None:
        assert isinstance(await scene.ask("a", "1", 0).ended(), ZoomCommitted)
        end = await scene.ask("a", "2", 1).ended()
        assert isinstance(end, ZoomFailed) and (end.code, end.retryable) == ("conflict", True)

    scene = play(act, commits=("stale", "made", "stale", "stale", "stale"))
    assert len(scene.executor.attempts) == 2 + 3


@pytest.mark.parametrize(
    ("fate", "commits", "code", "retryable"),
    [
        (Fate("fail"), (), "generation_failed", True),
        (Fate("covered"), (), "already_covered", False),
        (Fate(), ("full",), "store_failed", True),
    ],
)
def test_an_error_ends_its_job_and_says_what_it_is(
    fate: Fate, commits: tuple[str, ...], code: str, retryable: bool
) -> None:
    async def act(scene: Scene) -> None:
        end = await scene.ask("a", "1", 0).ended()
        assert isinstance(end, ZoomFailed) and (end.code, end.retryable) == (code, retryable)
        assert end.cause is not None and str(end.cause) == end.message
        assert scene.service.ended("a", "1") == end and scene.service.ended("a", "2") is None
        (again,) = await told(scene.ask("a", "1", 0))
        assert again == end and again.cause is None  # type: ignore[union-attr]
        assert isinstance(await scene.ask("a", "2", 0).ended(), ZoomCommitted)

    play(act, fate, commits=commits)


def test_our_own_mistakes_end_a_job_without_their_words_and_are_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def act(scene: Scene) -> None:
        def began(_wish: object) -> None:
            raise KeyError("secret")

        scene.executor.began = began
        end = await scene.ask("a", "1", 0).ended()
        assert isinstance(end, ZoomFailed) and end.code == "internal" and "secret" not in end.message
        scene.executor.began = lambda _wish: None

    play(act)
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


def test_a_deadline_ends_a_hang_and_what_waits_behind_it() -> None:
    limits = ServiceLimits(deadline_s=30.0)

    async def act(scene: Scene) -> None:
        hangs = scene.ask("a", "1", 0)
        await asyncio.sleep(20.0)
        waits = scene.ask("b", "1", 1)
        loop = asyncio.get_running_loop()
        end = await hangs.ended()
        assert isinstance(end, ZoomFailed) and (end.code, end.retryable) == ("timed_out", True)
        assert loop.time() == pytest.approx(30.0)
        assert isinstance(await waits.ended(), ZoomCommitted)
        assert loop.time() == pytest.approx(30.0 + CANCEL_S + JOB_S + 0.05)

    play(act, Fate("hang"), limits=limits)


def test_a_deadline_that_several_share_stops_their_job_and_frees_its_worker() -> None:
    limits = ServiceLimits(deadline_s=30.0)

    async def act(scene: Scene) -> None:
        for viewer in "abc":
            scene.ask(viewer, "1", 0)
        await asyncio.sleep(30.0 + 2.0 * CANCEL_S)
        assert scene.executor.busy == 0 and scene.executor.cancelled == 1
        assert isinstance(await scene.ask("a", "2", 1).ended(), ZoomCommitted)

    play(act, Fate("hang"), limits=limits)


# ---- the end ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(("deadline_s", "finished"), [(60.0, True), (1.0, False), (0.0, False)])
def test_a_drain_tells_who_waits_and_finishes_what_runs_if_there_is_time(
    deadline_s: float, finished: bool
) -> None:
    async def main() -> None:
        scene = Scene()
        await scene.service.start()
        running, waiting = scene.ask("a", "1", 0), scene.ask("b", "1", 1)
        await asyncio.sleep(1.0)
        loop = asyncio.get_running_loop()
        drain = loop.create_task(scene.service.drain(deadline_s))
        await asyncio.sleep(0)
        with pytest.raises(ZoomRefused, match="shutting down"):
            scene.ask("c", "1", 2)
        assert scene.ask("a", "1", 0) is running  # who asks after its own is answered
        end = await waiting.ended()
        assert isinstance(end, ZoomFailed) and (end.code, end.retryable) == ("shutting_down", True)
        await drain
        assert loop.time() <= 1.0 + max(JOB_S, deadline_s + CANCEL_S)
        last = await running.ended()
        assert isinstance(last, ZoomCommitted if finished else ZoomFailed)
        assert scene.commit.made == (["moss-1"] if finished else [])
        assert not scene.executor.running

    virtual_time.run(main())


def test_a_drain_stops_what_several_wait_for() -> None:
    async def main() -> None:
        scene = Scene(Fate("hang"))
        await scene.service.start()
        tickets = [scene.ask(viewer, "1", 0) for viewer in "abc"]
        await asyncio.sleep(1.0)
        await scene.service.drain(2.0)
        assert asyncio.get_running_loop().time() <= 3.0 + 2.0 * CANCEL_S
        for ticket in tickets:
            assert isinstance(ticket.end, ZoomFailed) and ticket.end.code == "shutting_down"

    virtual_time.run(main())


def test_a_drain_waits_for_a_commit_whatever_its_deadline() -> None:
    async def main() -> None:
        scene = Scene()
        scene.commit.seconds = 5.0
        await scene.service.start()
        ticket = scene.ask("a", "1", 0)
        await asyncio.sleep(JOB_S + 0.1)
        await scene.service.drain(0.0)
        assert isinstance(ticket.end, ZoomCommitted)

    virtual_time.run(main())


def test_a_worker_that_is_lost_in_a_drain_is_not_waited_for_twice() -> None:
    async def main() -> None:
        scene = Scene(Fate("crashed", "depth"))
        await scene.service.start()
        ticket = scene.ask("a", "1", 0)
        await asyncio.sleep(0.1)
        await scene.service.drain(60.0)
        assert isinstance(ticket.end, ZoomFailed) and ticket.end.code == "worker_lost"

    virtual_time.run(main())
