"""Who is served next: the queue in front of the workers, pure and without a clock of its own.

A *job* is one act of generation; its *waiters* are the requests that it answers. Requests that ask for the
same thing are merged, so that one job may have waiters of several viewers, and goes on while any is left.

Viewers take turns, strictly: between two turns of a viewer that has something to run, every other viewer has
at most one. Turns are not weighed by cost, as deficit round robin would: every generated picture has the same
short side, so that zooms cost alike. Priority orders a viewer's own jobs only; across viewers it would let
whoever shouts loudest starve the rest.

Everything is bounded: outstanding requests by a quota for each viewer, waiting jobs in all, and the outcomes
that are remembered so that a repeated key is answered again instead of run again.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Generic, Literal, TypeVar

Wish = TypeVar("Wish")
Outcome = TypeVar("Outcome")
Reason = Literal["quota", "full"]
Phase = Literal["waiting", "running", "committing", "abandoned"]

# What a running job is expected to need at least, as a share of a whole one: it may take longer than others.
_LEAST_REMAINING = 0.1


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """The bounds of a queue."""

    per_viewer: int = 4  # outstanding requests: one that runs and three that a person clicks ahead
    jobs: int = 32  # waiting in all: some four minutes of work at 8 s a zoom, longer is no answer
    remembered: int = 64  # outcomes a viewer: a client repeats a key within minutes or never


@dataclass(frozen=True, slots=True)
class Waiter:
    """One acknowledged request."""

    viewer: str
    key: str  # the viewer's own name for it: the same key is the same request
    priority: int
    since: float
    deadline: float  # when its answer has to be there

    @property
    def id(self) -> tuple[str, str]:
        return self.viewer, self.key


@dataclass(slots=True)
class Job(Generic[Wish]):
    """One act of generation. ``waiters`` are in the order in which they came."""

    number: int
    wish: Wish
    waiters: dict[tuple[str, str], Waiter] = field(default_factory=dict)
    phase: Phase = "waiting"
    started: float = 0.0  # when it was taken last


@dataclass(frozen=True, slots=True)
class Submitted(Generic[Wish, Outcome]):
    """Where a request ended up."""

    kind: Literal["new", "merged", "known", "ended"]
    job: Job[Wish] | None  # None: it has ended already
    outcome: Outcome | None = None


@dataclass(frozen=True, slots=True)
class Left(Generic[Wish]):
    """A waiter that no longer waits, and its job; ``abandoned``: it runs, and nobody waits for it any more."""

    waiter: Waiter
    job: Job[Wish]
    abandoned: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a waiting job stands."""

    position: int  # 1 is next
    eta: float  # seconds until its answer, expected


class Refused(Exception):
    """A request that was not acknowledged; it may be made again later."""

    def __init__(self, reason: Reason, limit: int) -> None:
        what = f"{limit} of your requests" if reason == "quota" else f"{limit} requests"
        super().__init__(f"{what} are waiting already; try again when one is done")
        self.reason: Reason = reason
        self.limit = limit


class ZoomQueue(Generic[Wish, Outcome]):
    """See the module docstring. Times are seconds of any clock that only grows, passed in."""

    def __init__(self, mergeable: Callable[[Wish, Wish], bool], limits: QueueLimits | None = None) -> None:
        self.limits = limits or QueueLimits()
        self._mergeable = mergeable
        self._jobs: dict[int, Job[Wish]] = {}  # not finished, oldest first
        self._by_request: dict[tuple[str, str], Job[Wish]] = {}
        self._ring: deque[str] = deque()  # viewers with a waiting job, the next one first
        self._again: deque[int] = deque()  # jobs that lost their worker: before all others
        self._ended: dict[str, OrderedDict[str, Outcome]] = {}
        self._gone: set[tuple[str, str]] = set()  # requests whose viewer has left while they ran
        self._number = 0

    # ---- requests -------------------------------------------------------------------------------
    def submit(
        self, viewer: str, key: str, wish: Wish, now: float, deadline: float = math.inf, priority: int = 0
    ) -> Submitted[Wish, Outcome]:
        """Acknowledge a request: a known one, one more waiter of a job, or a new job. Raises Refused."""
        if (job := self._by_request.get((viewer, key))) is not None:
            self._gone.discard((viewer, key))
            return Submitted("known", job)
        ended = self._ended.get(viewer, {})
        if key in ended:
            return Submitted("ended", None, ended[key])
        if self.outstanding(viewer) >= self.limits.per_viewer:
            raise Refused("quota", self.limits.per_viewer)
        waiter = Waiter(viewer, key, priority, now, deadline)
        for job in self._jobs.values():
            if job.phase != "abandoned" and self._mergeable(job.wish, wish):
                self._join(job, waiter)
                return Submitted("merged", job)
        if self.waiting >= self.limits.jobs:
            raise Refused("full", self.limits.jobs)
        self._number += 1
        job = self._jobs[self._number] = Job(self._number, wish)
        self._join(job, waiter)
        return Submitted("new", job)

    def _join(self, job: Job[Wish], waiter: Waiter) -> None:
        job.waiters[waiter.id] = waiter
        self._by_request[waiter.id] = job
        self._enter(waiter.viewer)

    def cancel(self, viewer: str, key: str, outcome: Outcome) -> Left[Wish] | None:
        """Let one request go; None when there is no such one, or when it is too late as it is being committed."""
        job = self._by_request.get((viewer, key))
        if job is None or job.phase == "committing":
            return None
        return self._drop(job, (viewer, key), outcome)

    def leave(self, viewer: str, outcome: Outcome) -> list[Left[Wish]]:
        """Let all of a viewer's requests go that wait; what runs already goes on, for the world."""
        left: list[Left[Wish]] = []
        for id, job in [(id, job) for id, job in self._by_request.items() if id[0] == viewer]:
            if job.phase == "waiting":
                left.append(self._drop(job, id, outcome))
            else:
                self._gone.add(id)
        self._ended.pop(viewer, None)
        return left

    def expire(self, now: float, outcome: Outcome) -> list[Left[Wish]]:
        """Let all requests go whose deadline has come, but for those that are being committed."""
        due = [
            (job, waiter.id)
            for job in self._jobs.values()
            if job.phase != "committing"
            for waiter in job.waiters.values()
            if waiter.deadline <= now
        ]
        return [self._drop(job, id, outcome) for job, id in due]

    def next_deadline(self) -> float:
        """When ``expire`` has something to do next; infinity when never."""
        return min(
            (
                waiter.deadline
                for job in self._jobs.values()
                if job.phase != "committing"
                for waiter in job.waiters.values()
            ),
            default=math.inf,
        )

    def _drop(self, job: Job[Wish], id: tuple[str, str], outcome: Outcome) -> Left[Wish]:
        waiter = job.waiters.pop(id)
        self._end(waiter, outcome)
        if not job.waiters:
            if job.phase == "waiting":
                self._forget(job)
            else:
                job.phase = "abandoned"
        self._tidy([waiter.viewer])
        return Left(waiter, job, job.phase == "abandoned")

    # ---- jobs -----------------------------------------------------------------------------------
    def take(self, now: float) -> Job[Wish] | None:
        """The job to run next, which runs from now on; None when nothing waits."""
        if self._again:
            job = self._jobs[self._again.popleft()]
        elif self._ring:
            viewer = self._ring.popleft()
            self._ring.append(viewer)
            job = self._best(viewer, self._waiting_jobs())
        else:
            return None
        job.phase, job.started = "running", now
        self._tidy({viewer for viewer, _ in job.waiters})
        return job

    def put_back(self, number: int) -> None:
        """A job that runs, or could not be committed, is to run once more, before all others.

        One without waiters must be finished instead.
        """
        job = self._jobs[number]
        if job.phase not in ("running", "committing"):
            raise ValueError(f"job {number} is {job.phase}: only a running one can be put back")
        job.phase = "waiting"
        self._again.append(number)

    def seal(self, number: int) -> bool:
        """A running job is being committed: nobody can leave it any more. False when it is abandoned."""
        job = self._jobs[number]
        if job.phase == "running":
            job.phase = "committing"
        return job.phase == "committing"

    def finish(self, number: int, outcome: Outcome) -> list[Waiter]:
        """A job is over; those who waited for it are returned, and are answered with ``outcome``."""
        job = self._jobs[number]
        waiters = list(job.waiters.values())
        for waiter in waiters:
            self._end(waiter, outcome)
        job.waiters.clear()
        self._forget(job)
        self._tidy({waiter.viewer for waiter in waiters})
        return waiters

    # ---- looking --------------------------------------------------------------------------------
    @property
    def waiting(self) -> int:
        """Jobs that wait for a worker."""
        return sum(job.phase == "waiting" for job in self._jobs.values())

    def jobs(self) -> list[Job[Wish]]:
        """All jobs that are not finished, oldest first."""
        return list(self._jobs.values())

    def job_of(self, viewer: str, key: str) -> Job[Wish] | None:
        """The job that a request waits for; None when it has ended, or never was."""
        return self._by_request.get((viewer, key))

    def outcome(self, viewer: str, key: str) -> Outcome | None:
        """How a request ended, as far as that is remembered."""
        return self._ended.get(viewer, {}).get(key)

    def outstanding(self, viewer: str) -> int:
        """Acknowledged requests of a viewer that have no answer yet."""
        return sum(id[0] == viewer for id in self._by_request)

    def order(self) -> list[Job[Wish]]:
        """The waiting jobs in the order in which ``take`` would hand them out if nothing changed."""
        order = [self._jobs[number] for number in self._again]
        waiting, ring = self._waiting_jobs(), deque(self._ring)
        while waiting:
            viewer = ring.popleft()
            if any(id[0] == viewer for job in waiting for id in job.waiters):
                job = self._best(viewer, waiting)
                waiting.remove(job)
                order.append(job)
                ring.append(viewer)
        return order

    def places(self, now: float, job_seconds: float, workers: int = 1) -> dict[int, Place]:
        """Where each waiting job stands, by its number, if jobs take ``job_seconds`` each on ``workers``."""
        busy = [
            max(job_seconds - (now - job.started), _LEAST_REMAINING * job_seconds)
            for job in self._jobs.values()
            if job.phase != "waiting"
        ]
        free = sorted(busy + [0.0] * (workers - len(busy)))
        heapq.heapify(free)
        found: dict[int, Place] = {}
        for position, job in enumerate(self.order(), 1):
            done = heapq.heappop(free) + job_seconds
            heapq.heappush(free, done)
            found[job.number] = Place(position, done)
        return found

    # ---- keeping house --------------------------------------------------------------------------
    def _waiting_jobs(self) -> list[Job[Wish]]:
        return [
            job for job in self._jobs.values() if job.phase == "waiting" and job.number not in self._again
        ]

    def _best(self, viewer: str, among: Iterable[Job[Wish]]) -> Job[Wish]:
        """A viewer's own next job: the one of its highest priority, then the oldest."""

        def rank(job: Job[Wish]) -> tuple[int, int]:
            return -max(w.priority for w in job.waiters.values() if w.viewer == viewer), job.number

        return min((job for job in among if any(id[0] == viewer for id in job.waiters)), key=rank)

    def _enter(self, viewer: str) -> None:
        """A viewer with something to run takes its place at the end of the ring, unless it has one."""
        if viewer not in self._ring and self._has_waiting(viewer):
            self._ring.append(viewer)

    def _tidy(self, viewers: Iterable[str]) -> None:
        """Viewers with nothing to run have no turn."""
        for viewer in viewers:
            if viewer in self._ring and not self._has_waiting(viewer):
                self._ring.remove(viewer)

    def _has_waiting(self, viewer: str) -> bool:
        return any(id[0] == viewer for job in self._waiting_jobs() for id in job.waiters)

    def _forget(self, job: Job[Wish]) -> None:
        del self._jobs[job.number]
        if job.number in self._again:
            self._again.remove(job.number)

    def _end(self, waiter: Waiter, outcome: Outcome) -> None:
        del self._by_request[waiter.id]
        if waiter.id in self._gone:
            self._gone.discard(waiter.id)
            return
        ended = self._ended.setdefault(waiter.viewer, OrderedDict())
        ended[waiter.key] = outcome
        while len(ended) > self.limits.remembered:
            ended.popitem(last=False)
