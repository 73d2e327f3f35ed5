"""The queue's laws, on any sequence of requests, cancels, losses and deadlines."""

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from wonderzoom.generation.zoom_queue import Job, Left, QueueLimits, Refused, Waiter, ZoomQueue

VIEWERS = st.sampled_from("abcde")
KEYS = st.integers(0, 7).map(str)
# Wishes of the same ten merge; the others differ from all.
WISHES = st.integers(0, 39)
LIMITS = QueueLimits(per_viewer=3, jobs=6, remembered=4)


def merges(a: int, b: int) -> bool:
    return a // 10 == b // 10 == 0 or a == b


def queue(limits: QueueLimits = LIMITS) -> ZoomQueue[int, str]:
    return ZoomQueue(merges, limits)


def drained(jobs: ZoomQueue[int, str], now: float = 0.0) -> list[Job[int]]:
    """All that waits, taken and finished one by one."""
    taken: list[Job[int]] = []
    while (job := jobs.take(now)) is not None:
        taken.append(job)
        jobs.finish(job.number, "done")
    return taken


class QueueMachine(RuleBasedStateMachine):
    """A queue beside a list of what each acknowledged request has come to."""

    @initialize()
    def begin(self) -> None:
        self.queue = queue()
        self.now = 0.0
        self.open: dict[tuple[str, str], Waiter] = {}
        self.ended: Counter[tuple[str, str, float]] = Counter()
        self.acknowledged: Counter[tuple[str, str, float]] = Counter()
        self.passed_over: dict[str, int] = {}  # viewer with a waiting job -> jobs of others since its last
        self.again = 0  # jobs that were put back and run before all turns
        for number, viewer in enumerate("aabbcd"):
            self.submit(viewer, str(number), 10 + number, 30, 0)

    # ---- the model ------------------------------------------------------------------------------
    def close(self, waiter: Waiter) -> None:
        self.ended[(waiter.viewer, waiter.key, waiter.since)] += 1
        del self.open[waiter.id]

    def left(self, left: list[Left[int]]) -> None:
        for each in left:
            self.close(each.waiter)
        last = {each.job.number: each for each in left}  # of several that leave one job
        assert all(each.abandoned == (each.job.phase == "abandoned") for each in last.values())
        assert sum(each.abandoned for each in left) == sum(each.abandoned for each in last.values())

    def waiting_viewers(self) -> set[str]:
        return {viewer for job in self.queue.jobs() if job.phase == "waiting" for viewer, _ in job.waiters}

    # ---- what may happen ------------------------------------------------------------------------
    @rule(viewer=VIEWERS, key=KEYS, wish=WISHES, patience=st.integers(1, 30), priority=st.integers(0, 2))
    def submit(self, viewer: str, key: str, wish: int, patience: int, priority: int) -> None:
        known = self.open.get((viewer, key))
        before, mine = len(self.queue.jobs()), self.queue.outstanding(viewer)
        try:
            said = self.queue.submit(viewer, key, wish, self.now, self.now + patience, priority)
        except Refused as refused:
            assert known is None and len(self.queue.jobs()) == before
            full = (
                mine >= LIMITS.per_viewer if refused.reason == "quota" else self.queue.waiting >= LIMITS.jobs
            )
            assert full
            return
        assert len(self.queue.jobs()) == before + (said.kind == "new")
        if said.kind in ("known", "ended"):
            assert (known is not None) == (said.kind == "known") == (said.job is not None)
            return
        assert known is None and said.job is not None
        if said.kind == "merged":
            assert merges(said.job.wish, wish) and said.job.phase != "abandoned"
        waiter = said.job.waiters[(viewer, key)]
        assert waiter.since == self.now
        self.open[waiter.id] = waiter
        self.acknowledged[(viewer, key, self.now)] += 1

    @rule(viewer=VIEWERS, key=KEYS)
    def cancel(self, viewer: str, key: str) -> None:
        job = self.queue.job_of(viewer, key)
        others = [] if job is None else [id for id in job.waiters if id != (viewer, key)]
        left = self.queue.cancel(viewer, key, "cancelled")
        if left is None:
            assert job is None or job.phase == "committing"
            return
        self.left([left])
        assert (left.job in self.queue.jobs()) == bool(others or left.abandoned)

    @rule(viewer=VIEWERS)
    def leave(self, viewer: str) -> None:
        running = {id for id in self.open if id[0] == viewer and self.queue.job_of(*id).phase != "waiting"}  # type: ignore[union-attr]
        self.left(self.queue.leave(viewer, "cancelled"))
        assert {id for id in self.open if id[0] == viewer} == running

    @rule()
    def take(self) -> None:
        order = self.queue.order()
        viewers = self.waiting_viewers()
        job = self.queue.take(self.now)
        assert (job is None) == (not order)
        if job is None:
            return
        assert job is order[0] and job.phase == "running" and job.started == self.now
        assert self.queue.order() == order[1:]  # nothing that waits changes its place
        if self.again:
            self.again -= 1
            return
        served = {viewer for viewer, _ in job.waiters}
        for viewer in viewers:
            self.passed_over[viewer] = 0 if viewer in served else self.passed_over.get(viewer, 0) + 1
            assert self.passed_over[viewer] <= 4  # one turn of each of the other four

    @rule(data=st.data())
    def lose_the_worker(self, data: st.DataObject) -> None:
        running = [job for job in self.queue.jobs() if job.phase in ("running", "committing")]
        if running:
            job = data.draw(st.sampled_from(running))
            self.queue.put_back(job.number)
            self.again += 1
            assert job in self.queue.order()[: self.again]

    @rule(data=st.data())
    def seal(self, data: st.DataObject) -> None:
        running = [job for job in self.queue.jobs() if job.phase != "waiting"]
        if running:
            job = data.draw(st.sampled_from(running))
            assert self.queue.seal(job.number) == bool(job.waiters)

    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        running = [job for job in self.queue.jobs() if job.phase != "waiting"]
        if running:
            job = data.draw(st.sampled_from(running))
            waiters = list(job.waiters.values())
            assert self.queue.finish(job.number, "done") == waiters
            for waiter in waiters:
                self.close(waiter)

    @rule(seconds=st.integers(1, 12))
    def wait(self, seconds: int) -> None:
        self.now += seconds
        due = {
            waiter.id
            for waiter in self.open.values()
            if waiter.deadline <= self.now and self.queue.job_of(*waiter.id).phase != "committing"  # type: ignore[union-attr]
        }
        left = self.queue.expire(self.now, "late")
        assert {each.waiter.id for each in left} == due
        self.left(left)
        assert self.queue.next_deadline() > self.now

    # ---- what always holds ----------------------------------------------------------------------
    @invariant()
    def every_acknowledged_request_waits_or_has_ended_once(self) -> None:
        still: Counter[tuple[str, str, float]] = Counter(
            (waiter.viewer, waiter.key, waiter.since) for waiter in self.open.values()
        )
        assert self.acknowledged == still + self.ended
        held = {id: waiter for job in self.queue.jobs() for id, waiter in job.waiters.items()}
        assert held == self.open
        assert all(self.queue.job_of(*id) is not None for id in held)

    @invariant()
    def bounds_hold(self) -> None:
        for viewer in "abcde":
            assert self.queue.outstanding(viewer) <= LIMITS.per_viewer
        # What was taken and put back comes on top.
        assert self.queue.waiting <= LIMITS.jobs + self.again
        assert sum(map(len, self.queue._ended.values())) <= 5 * LIMITS.remembered

    @invariant()
    def nothing_runs_for_nobody_unless_abandoned(self) -> None:
        assert all(bool(job.waiters) == (job.phase != "abandoned") for job in self.queue.jobs())

    @invariant()
    def every_waiting_job_has_its_own_place(self) -> None:
        order = self.queue.order()
        assert {job.number for job in order} == {j.number for j in self.queue.jobs() if j.phase == "waiting"}
        places = self.queue.places(self.now, 10.0)
        assert [places[job.number].position for job in order] == list(range(1, len(order) + 1))
        etas = [places[job.number].eta for job in order]
        assert etas == sorted(etas) and all(eta >= 10.0 for eta in etas)
        self.again = len([job for job in order if job.number in self.queue._again])
        for viewer in set(self.passed_over) - self.waiting_viewers():
            del self.passed_over[viewer]


TestQueue = QueueMachine.TestCase
TestQueue.settings = settings(max_examples=60, stateful_step_count=40)


class QueueMachineOften(QueueMachine):
    pass


TestQueueOften = pytest.mark.slow(QueueMachineOften.TestCase)
TestQueueOften.settings = settings(max_examples=400, stateful_step_count=80)


# ---- keys and merging -------------------------------------------------------------------------------
def test_the_same_key_is_the_same_job_and_later_the_same_outcome() -> None:
    jobs = queue()
    first = jobs.submit("a", "1", 20, 0.0)
    again = jobs.submit("a", "1", 30, 1.0)  # whatever it asks for this time
    assert (first.kind, again.kind) == ("new", "known") and again.job is first.job
    assert jobs.submit("b", "1", 30, 1.0).kind == "new"  # keys belong to a viewer
    drained(jobs)
    ended = jobs.submit("a", "1", 20, 2.0)
    assert (ended.kind, ended.job, ended.outcome) == ("ended", None, "done")


def test_only_the_last_outcomes_are_remembered_and_none_of_a_viewer_who_left() -> None:
    jobs = queue()
    for key in range(6):
        jobs.submit("a", str(key), 20 + key, 0.0)
        drained(jobs)
    assert [jobs.submit("a", str(key), 20, 0.0).kind for key in (2, 5)] == ["ended", "ended"]
    assert jobs.submit("a", "1", 30, 0.0).kind == "new"
    running = jobs.take(0.0)
    assert running is not None and jobs.leave("a", "left") == []
    jobs.finish(running.number, "done")
    assert jobs._ended == {} and jobs._gone == set()


def test_merged_requests_share_a_job_that_goes_on_while_one_waits() -> None:
    jobs = queue()
    first = jobs.submit("a", "1", 0, 0.0).job
    assert jobs.submit("b", "7", 5, 0.0).job is first and jobs.submit("c", "1", 25, 0.0).job is not first
    taken = jobs.take(0.0)
    assert taken is first and first is not None
    assert jobs.submit("d", "1", 9, 0.0).kind == "merged"  # it runs already: so much the better
    for viewer, key in (("a", "1"), ("b", "7")):
        left = jobs.cancel(viewer, key, "cancelled")
        assert left is not None and not left.abandoned
    last = jobs.cancel("d", "1", "cancelled")
    assert last is not None and last.abandoned
    assert jobs.submit("e", "1", 3, 0.0).kind == "new"  # nobody joins what is being stopped
    with pytest.raises(ValueError, match="only a running one"):
        jobs.put_back(first.number)


def test_what_is_being_committed_can_not_be_cancelled_and_has_no_deadline() -> None:
    jobs = queue()
    job = jobs.submit("a", "1", 20, 0.0, deadline=5.0).job
    assert job is not None and not jobs.seal(job.number)  # it does not run yet
    jobs.take(0.0)
    assert jobs.seal(job.number)
    assert jobs.cancel("a", "1", "cancelled") is None and jobs.expire(9.0, "late") == []
    assert jobs.next_deadline() == math.inf
    assert [waiter.key for waiter in jobs.finish(job.number, "done")] == ["1"]


# ---- turns ------------------------------------------------------------------------------------------
# Few viewers and more requests than turns, so that several wait: None is a turn.
@given(st.lists(st.sampled_from([*"aaabbc", None, None, None]), min_size=10, max_size=60))
def test_between_two_turns_of_a_viewer_every_other_has_one_at_most(happens: list[str | None]) -> None:
    jobs = queue(QueueLimits(per_viewer=100, jobs=100))
    since: dict[str, Counter[str]] = {}
    for number, viewer in enumerate(happens):
        if viewer is not None:
            jobs.submit(viewer, str(number), 20 + 100 * number, 0.0)
            since.setdefault(viewer, Counter())
        elif (job := jobs.take(0.0)) is not None:
            ((served, _),) = job.waiters
            for other in since:
                if other != served:
                    since[other][served] += 1
                    assert since[other][served] <= 1, f"{served} had two turns while {other} waited"
            jobs.finish(job.number, "done")
            since.pop(served)
            if jobs.outstanding(served):
                since[served] = Counter()


@given(st.lists(st.tuples(VIEWERS, st.integers(0, 3)), max_size=20))
def test_a_viewers_own_jobs_run_by_priority_then_in_their_order(asked: list[tuple[str, int]]) -> None:
    jobs = queue(QueueLimits(per_viewer=100, jobs=100))
    for number, (viewer, priority) in enumerate(asked):
        jobs.submit(viewer, str(number), 20 + 100 * number, 0.0, priority=priority)
    mine: dict[str, list[tuple[int, int]]] = {}
    for job in [*jobs.order()]:
        ((viewer, _),) = job.waiters
        (waiter,) = job.waiters.values()
        mine.setdefault(viewer, []).append((-waiter.priority, job.number))
    assert all(each == sorted(each) for each in mine.values())
    assert [job.number for job in jobs.order()] == [job.number for job in drained(jobs)]


def test_a_viewer_with_many_requests_does_not_delay_another() -> None:
    jobs = queue(QueueLimits(per_viewer=20, jobs=30))
    for number in range(12):
        jobs.submit("a", str(number), 20 + number, 0.0)
    jobs.take(0.0)
    mine = jobs.submit("b", "1", 100, 0.0).job
    assert mine is not None and jobs.places(0.0, 8.0)[mine.number].position == 2
    # On two workers, one busy since 3 s and one free: the first at once, the second when the busy one is done.
    places = jobs.places(3.0, 8.0, workers=2)
    assert [(place.position, place.eta) for place in list(places.values())[:1]] == [(1, 8.0)]
    assert places[mine.number].eta == 5.0 + 8.0


def test_a_job_that_lost_its_worker_runs_before_all_others() -> None:
    jobs = queue()
    for number, viewer in enumerate("abc"):
        jobs.submit(viewer, "1", 20 + 10 * number, 0.0)
    lost = jobs.take(0.0)
    assert lost is not None
    jobs.put_back(lost.number)
    assert jobs.order()[0] is lost and jobs.take(0.0) is lost
    jobs.put_back(lost.number)
    left = jobs.cancel("a", "1", "cancelled")  # while it waits for another worker
    assert left is not None and not left.abandoned and len(drained(jobs)) == 2


def test_a_refusal_says_what_is_full() -> None:
    jobs = queue(QueueLimits(per_viewer=2, jobs=3))
    for number in range(2):
        jobs.submit("a", str(number), 20 + number, 0.0)
    with pytest.raises(Refused, match="2 of your requests are waiting") as quota:
        jobs.submit("a", "x", 0, 0.0)
    assert (quota.value.reason, quota.value.limit) == ("quota", 2)
    jobs.submit("b", "1", 30, 0.0)
    with pytest.raises(Refused, match="^3 requests are waiting") as full:
        jobs.submit("b", "2", 31, 0.0)
    assert full.value.reason == "full"
    assert jobs.submit("b", "2", 30, 0.0).kind == "merged"  # one more waiter costs no work
