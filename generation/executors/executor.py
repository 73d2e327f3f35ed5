"""What the zoom service asks of whatever runs its jobs.

Cancelling the task that awaits ``run`` cancels the job: within one step of any stage it has stopped and the
worker is free, or is being replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from wonderzoom.generation.jobs import StageEvent, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish

LossReason = Literal["crashed", "hung", "garbage", "memory", "unavailable"]
# A job would run at once; it would wait for a worker that is being started, or would be with it; it would fail at once.
WorkerState = Literal["ready", "starting", "idle", "down"]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a job answers: the commit that it proposes, and the revision of the world that it has seen."""

    zoomed: Zoomed
    base: int


class WorkerLost(Exception):
    """The worker did not live to answer; the same job with the same seed may be run again."""

    def __init__(self, reason: LossReason, message: str) -> None:
        super().__init__(message)
        self.reason: LossReason = reason


class Executor(Protocol):
    """Runs jobs, as many at a time as it has ``workers``."""

    @property
    def workers(self) -> int: ...

    @property
    def state(self) -> WorkerState:
        """How the workers are, as a job that comes now would find them."""
        ...

    @property
    def restarts(self) -> int:
        """How often a worker was started in the place of one that was lost."""
        ...

    async def start(self) -> None:
        """Make workers ready, in the background, unless they are: ``run`` waits for one."""
        ...

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        """Run one job; ``on_event`` is called in the event loop's thread.

        Raises WorkerLost, JobFailed, or the job's own errors.
        """
        ...

    async def stop(self) -> None:
        """End the workers and what they do; nothing is left when it returns."""
        ...
