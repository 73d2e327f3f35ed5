"""The zoom service: requests in, jobs to workers, results into the world, and word to everyone who waits.

    submit --> queued --> running (stage, fraction, preview) --> committed | failed | cancelled
                  ^                     |
                  +--- worker lost, or the world has changed there: once more, with the same seed

Owns the life of a job; knows no socket, no process and no store. Who waits in which order is the queue's
(``zoom_queue``), how a job runs the executor's, how a proposal becomes a revision the committer's. Belongs to
one event loop and computes nothing in it. Every acknowledged request ends exactly once.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Literal

from wonderzoom.generation.committing import Made, Stale
from wonderzoom.generation.executors.executor import Executor, Proposal, WorkerLost
from wonderzoom.generation.jobs import StageEvent, ZoomRequest
from wonderzoom.generation.zoom_events import (
    ZoomCancelled,
    ZoomCommitted,
    ZoomEnd,
    ZoomFailed,
    ZoomQueued,
    ZoomRunning,
    failure_of,
)
from wonderzoom.generation.zoom_merging import ZoomWish, same_wish
from wonderzoom.generation.zoom_queue import Job, Left, Phase, QueueLimits, Refused, ZoomQueue
from wonderzoom.generation.zoom_ticket import ZoomTicket

log = logging.getLogger(__name__)

Commit = Callable[[Proposal, ZoomRequest], Awaitable[Made]]


@dataclass(frozen=True, slots=True)
class ServiceLimits:
    """What a request may take."""

    deadline_s: float = 900.0  # from submission to answer: a full queue (4 min) and a slow model, thrice over
    retries: int = 1  # a second loss is no accident
    looks_again: int = 2  # runs anew because the world has changed there
    first_guess_s: float = 8.0  # of a job's time, until some are measured (README, "How fast")
    queue: QueueLimits = field(default_factory=QueueLimits)


class ZoomRefused(Exception):
    """A request that was not acknowledged."""

    def __init__(self, code: Literal["quota", "full", "shutting_down"], message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class _Run:
    """What the service knows of a job beside the queue."""

    task: asyncio.Task[None] | None = None
    status: ZoomRunning | None = None
    losses: int = 0
    looks: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    since: float = 0.0  # of the stage in ``status``


class ZoomService:
    """See the module docstring. Made and used in one running event loop."""

    def __init__(self, executor: Executor, commit: Commit, limits: ServiceLimits | None = None) -> None:
        self.limits = limits or ServiceLimits()
        self._executor, self._commit = executor, commit
        self._loop = asyncio.get_running_loop()
        self._queue: ZoomQueue[ZoomWish, ZoomEnd] = ZoomQueue(same_wish, self.limits.queue)
        self._runs: dict[int, _Run] = {}
        self._tickets: dict[tuple[str, str], ZoomTicket] = {}  # of requests that have not ended
        self._job_seconds = self.limits.first_guess_s
        self._places: dict[int, int] = {}  # positions as told
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False

    async def start(self) -> None:
        """Make the workers ready, in the background; the first job does it otherwise, and waits for them."""
        if not self._closing:
            await self._executor.start()

    # ---- requests -------------------------------------------------------------------------------
    def submit(
        self, viewer: str, key: str, request: ZoomRequest, generator: str, priority: int = 0
    ) -> ZoomTicket:
        """Acknowledge a request. The same viewer and key: the same request, whatever else it says.

        Raises ZoomRefused, which is no end of a request but the lack of a beginning.
        """
        if self._closing and (viewer, key) not in self._tickets:
            raise ZoomRefused("shutting_down", "the server is shutting down; ask again when it is back")
        now = self._loop.time()
        wish = ZoomWish(request, generator)
        try:
            said = self._queue.submit(viewer, key, wish, now, now + self.limits.deadline_s, priority)
        except Refused as refused:
            raise ZoomRefused(refused.reason, str(refused)) from refused
        if said.job is None:
            ticket = ZoomTicket(viewer, key)
            assert said.outcome is not None
            ticket.offer(said.outcome)
            return ticket
        if said.kind == "new":
            self._runs[said.job.number] = _Run()
        ticket = self._tickets.setdefault((viewer, key), ZoomTicket(viewer, key))
        if (status := self._runs[said.job.number].status) is not None:
            ticket.offer(status)
        self._changed(told_again=said.job.number)
        return ticket

    def cancel(self, viewer: str, key: str) -> bool:
        """Call a request off. False when there is no such one, or it is in the world as good as already."""
        left = self._queue.cancel(viewer, key, ZoomCancelled())
        if left is not None:
            self._left([left], ZoomCancelled())
        return left is not None

    def leave(self, viewer: str) -> None:
        """A viewer is gone for good: what waits for nobody else is called off, what runs goes on."""
        self._left(self._queue.leave(viewer, ZoomCancelled()), ZoomCancelled())

    def ended(self, viewer: str, key: str) -> ZoomEnd | None:
        """How a request ended; None while it has not, for an unknown one, and once it is forgotten."""
        return self._queue.outcome(viewer, key)

    def pending(self, viewer: str) -> list[ZoomTicket]:
        """The requests of a viewer that have not ended, oldest first."""
        return [ticket for id, ticket in self._tickets.items() if id[0] == viewer]

    def states(self) -> Counter[Phase]:
        """How many jobs wait, run, are being committed, or are being stopped."""
        return Counter(job.phase for job in self._queue.jobs())

    # ---- the end of the service -----------------------------------------------------------------
    async def drain(self, deadline_s: float) -> None:
        """Take nothing more, let what runs finish within the deadline, tell everyone, stop the workers."""
        self._closing = True
        over = ZoomFailed("shutting_down", "the server is shutting down; ask again when it is back", True)
        for job in self._queue.jobs():
            if job.phase == "waiting":
                self._finish(job, over)
        tasks = [run.task for run in self._runs.values() if run.task is not None]
        if tasks:
            await asyncio.wait(tasks, timeout=deadline_s)
        for job in self._queue.jobs():
            if job.phase == "running":
                lefts = [self._queue.cancel(*id, over) for id in list(job.waiters)]
                self._left([left for left in lefts if left is not None], over)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._executor.stop()

    # ---- one job --------------------------------------------------------------------------------
    def _begin(self, job: Job[ZoomWish], run: _Run) -> None:
        run.task = task = self._loop.create_task(self._work(job, run), name=f"zoom {job.number}")

        def done(_task: asyncio.Task[None]) -> None:
            if run.task is task:  # cancelled before its first step: ``_work`` never began
                run.task = None
                self._finish(job, ZoomCancelled())
                self._changed()

        task.add_done_callback(done)

    async def _work(self, job: Job[ZoomWish], run: _Run) -> None:
        """Run a job once, and commit it; it ends, or goes back into the queue."""
        began = self._loop.time()
        try:
            end = await self._attempt(job, run)
            self._job_seconds += 0.3 * (self._loop.time() - began - self._job_seconds)  # the last few count
        except asyncio.CancelledError:
            end = ZoomCancelled()
        except WorkerLost as lost:
            log.warning("job %d lost its worker: %s (%s)", job.number, lost, lost.reason)
            # What it needed once it would need again.
            again = lost.reason != "memory" and run.losses < self.limits.retries
            run.losses += 1
            if again and self._again(job, run):
                return
            memory = lost.reason == "memory"
            message = "this zoom needs more memory than a worker may have" if memory else str(lost)
            end = ZoomFailed("out_of_memory" if memory else "worker_lost", message, True, lost)
        except Stale as stale:
            run.looks += 1
            if run.looks <= self.limits.looks_again and self._again(job, run):
                return
            end = ZoomFailed("conflict", "the world keeps changing here; try again", True, stale)
        except Exception as error:
            end = failure_of(error)
            if end.code == "internal":
                log.exception("job %d failed", job.number)
        run.task = None
        self._finish(job, end)
        self._changed()

    async def _attempt(self, job: Job[ZoomWish], run: _Run) -> ZoomEnd:
        wish = job.wish
        self._progress(job, run, StageEvent("observe", 0.0))
        await self._executor.start()
        proposal = await self._executor.run(wish, lambda event: self._progress(job, run, event))
        if not self._queue.seal(job.number):
            return ZoomCancelled()  # just now, by everyone who waited
        self._changed()
        self._progress(job, run, StageEvent("commit", 0.0))
        made = await self._commit(proposal, wish.request)
        self._measure(run)
        zoomed = proposal.zoomed
        return ZoomCommitted(
            made.node, made.revision, zoomed.ignored, zoomed.placed, dict(run.seconds), zoomed.notes,
            dict(zoomed.memory),
        )  # fmt: skip

    def _again(self, job: Job[ZoomWish], run: _Run) -> bool:
        """Put a job back to run once more, unless nobody waits for it or the service ends."""
        if self._closing or job.phase == "abandoned":
            return False
        run.task = run.status = None
        run.seconds.clear()
        self._queue.put_back(job.number)
        for id in job.waiters:  # what they were told of the first run is void
            self._tickets[id].offer(ZoomQueued(1, self._job_seconds))
        self._changed()
        return True

    def _progress(self, job: Job[ZoomWish], run: _Run, event: StageEvent) -> None:
        if job.number not in self._runs or job.phase == "abandoned":
            return  # a last word after its end
        if run.status is None or run.status.stage != event.stage:
            self._measure(run)
            run.since = self._loop.time()
        preview = event.preview
        if preview is None and run.status is not None:
            preview = run.status.preview  # for those who join later
        run.status = ZoomRunning(event.stage, event.fraction, preview)
        told = ZoomRunning(event.stage, event.fraction, event.preview)
        for id in job.waiters:
            self._tickets[id].offer(told)

    def _measure(self, run: _Run) -> None:
        """Add the time of the stage that ends now."""
        if run.status is not None:
            stage, passed = run.status.stage, self._loop.time() - run.since
            run.seconds[stage] = run.seconds.get(stage, 0.0) + passed

    def _finish(self, job: Job[ZoomWish], end: ZoomEnd) -> None:
        for waiter in self._queue.finish(job.number, _kept(end)):
            self._tickets.pop(waiter.id).offer(end)
        self._runs.pop(job.number, None)
        self._places.pop(job.number, None)

    # ---- whatever happens -----------------------------------------------------------------------
    def _left(self, left: list[Left[ZoomWish]], end: ZoomEnd) -> None:
        """Waiters have left the queue: tell them, and stop what runs for nobody."""
        for each in left:
            self._tickets.pop(each.waiter.id).offer(end)
            run = self._runs.get(each.job.number)
            if each.abandoned and run is not None and run.task is not None:
                run.task.cancel()
            elif not each.job.waiters and each.job.phase != "abandoned":
                self._runs.pop(each.job.number, None)
                self._places.pop(each.job.number, None)
        self._changed()

    def _changed(self, told_again: int | None = None) -> None:
        """Start what can start, tell who has moved up, and set the alarm for the next deadline."""
        if not self._closing:
            while sum(run.task is not None for run in self._runs.values()) < self._executor.workers:
                job = self._queue.take(self._loop.time())
                if job is None:
                    break
                self._begin(job, self._runs[job.number])
                self._places.pop(job.number, None)
        places = self._queue.places(self._loop.time(), self._job_seconds, self._executor.workers)
        for job in self._queue.order():
            place = places[job.number]
            if job.number == told_again or self._places.get(job.number) != place.position:
                self._places[job.number] = place.position
                for id in job.waiters:
                    self._tickets[id].offer(ZoomQueued(place.position, place.eta))
        self._set_alarm()

    def _set_alarm(self) -> None:
        when = self._queue.next_deadline()
        if self._timer is not None:
            if self._timer.when() == when and not self._timer.cancelled():
                return
            self._timer.cancel()
            self._timer = None
        if when < math.inf:
            self._timer = self._loop.call_at(when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        late = ZoomFailed(
            "timed_out", f"no result within {self.limits.deadline_s:.0f} s; try again later", True
        )
        self._left(self._queue.expire(self._loop.time(), late), late)


def _kept(end: ZoomEnd) -> ZoomEnd:
    """An end as it is remembered: an error would keep every frame that it passed alive."""
    return replace(end, cause=None) if isinstance(end, ZoomFailed) else end
