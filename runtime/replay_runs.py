"""The workers of a replay: zooms that end as they were recorded, made anew where they made something.

Which job a recorded run was for is known by what it wished, once the recording says that it began: a job that was
called off before that is none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import cast

from wonderzoom.generation.executors.executor import LossReason, Proposal, WorkerLost, WorkerState
from wonderzoom.generation.jobs import AlreadyCovered, GenerationError, StageEvent, ZoomRequest
from wonderzoom.generation.zoom_events import FailureCode, JobFailed, ZoomFailed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.build import Maker
from wonderzoom.scene_graph.ports import Cancelled
from wonderzoom.scene_graph.world import World, WorldError


@dataclass(slots=True)
class _Run:
    """A worker's run, as it was recorded."""

    wish: r.Wish
    ended: r.Ran | None = None  # None: it was under way as the recording ended
    due: asyncio.Event = field(default_factory=asyncio.Event)  # its end has come
    sees: bool = False  # the world that it saw then

    @property
    def made(self) -> bool:
        return self.ended is not None and self.ended.end == "made"


class RecordedRuns:
    """Zooms that end as recorded, made anew where they made something. Implements ``Executor``."""

    state: WorkerState = "ready"
    restarts = 0

    def __init__(
        self,
        records: Iterable[r.AnyRecord],
        world: Callable[[], World],
        maker: Maker,
        generator: str | None,
    ) -> None:
        self.workers = 1
        self._all: dict[int, _Run] = {}
        for record in records:
            match record:
                case r.Opened():
                    self.workers = record.workers
                case r.Began():
                    self._all[record.run] = _Run(record.wish)
                case r.Ran():
                    if record.run in self._all:
                        self._all[record.run].ended = record
                case _:
                    pass
        self._world, self._maker, self._generator = world, maker, generator
        self._seen: dict[int, World] = {}  # as it was at the revisions that are still needed
        self._moved = asyncio.Event()
        # Jobs that wait for the run that they were then, and runs that wait for their job.
        self._jobs: list[tuple[r.Wish, asyncio.Future[_Run]]] = []
        self._begun: list[_Run] = []
        self.differences: list[str] = []
        self._main = asyncio.current_task()
        self.world_moved()

    # ---- what the recording says ----------------------------------------------------------------
    def begin(self, number: int) -> None:
        """Then, a worker was given a zoom now."""
        self._begun.append(self._all[number])
        self._match()

    def end(self, number: int) -> None:
        """Then, a run ended now."""
        if number in self._all:
            self._all[number].due.set()
        self._move()

    def world_moved(self) -> None:
        """The world is at another revision. It is kept for those who saw it: then, what was asked took time."""
        world = self._world()
        needed = {run.ended.base for run in self._all.values() if run.ended and run.made and not run.sees}
        self._seen = {revision: seen for revision, seen in self._seen.items() if revision in needed}
        if world.revision in needed:
            self._seen[world.revision] = world.copy()
        self._move()

    @property
    def left(self) -> list[r.Wish]:
        """Of zooms that made something, and that no job is for."""
        return [run.wish for run in self._begun if run.made]

    def _interrupted(self) -> bool:
        """Whether the person who waits does so no longer; seen while the loop stands still for a zoom."""
        return self._main is not None and self._main.cancelling() > 0

    def _move(self) -> None:
        self._moved.set()
        self._moved = asyncio.Event()

    def _match(self) -> None:
        for run in list(self._begun):
            job = next((job for wish, job in self._jobs if wish == run.wish and not job.done()), None)
            if job is not None:
                job.set_result(run)
                self._begun.remove(run)

    # ---- the executor ---------------------------------------------------------------------------
    async def start(self) -> None:
        """Nothing to make ready."""

    async def stop(self) -> None:
        """Nothing is left."""

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        """See ``Executor.run``."""
        job: asyncio.Future[_Run] = asyncio.get_running_loop().create_future()
        waiting = r.Wish.of(wish.request, wish.generator), job
        self._jobs.append(waiting)
        self._match()
        try:
            run = await job
        finally:
            self._jobs.remove(waiting)
        match run.ended:
            case r.Ran(end="made", base=base):
                return await self._made(run, base, wish)
            case r.Ran(end="failed", code=code, why=why, retryable=retryable):
                await run.due.wait()
                raise JobFailed(ZoomFailed(cast(FailureCode, code), why, retryable))
            case r.Ran(end="lost", code=code, why=why):
                await run.due.wait()
                raise WorkerLost(cast(LossReason, code), why)
            case _:  # whoever called it off does so again
                await asyncio.Event().wait()
                raise AssertionError("nothing ends that wait")

    async def _made(self, run: _Run, base: int, wish: ZoomWish) -> Proposal:
        while base not in self._seen and not run.due.is_set():
            await self._moved.wait()
        world, run.sees = self._seen.get(base) or self._world(), True
        if world.revision != base:
            self.differences.append(
                f"the zoom {in_words(wish.request)} saw revision {base}, and sees revision {world.revision} now"
            )
        made = [each for each in self._all.values() if each.made]
        with self._maker.reporter.stages(f"zoom {sum(each.sees for each in made)} of {len(made)}") as watch:
            watch = replace(watch, cancelled=self._interrupted)
            try:
                generator = self._generator or wish.generator
                zoomed = self._maker.zoom(generator, world, wish.request, watch)
            except Cancelled:
                raise asyncio.CancelledError from None
            except (GenerationError, AlreadyCovered, WorldError, ValueError) as error:
                self.differences.append(f"the zoom {in_words(wish.request)} was made, and now fails: {error}")
                raise
        await run.due.wait()
        return Proposal(zoomed, world.revision)


def in_words(request: ZoomRequest) -> str:
    """What a person would know a zoom by."""
    return f"{request.prompt[:40]!r} (seed {request.seed})"
