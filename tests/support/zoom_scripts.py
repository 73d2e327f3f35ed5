"""Workers and worlds for tests of the zoom service that do what a script says, on virtual time.

``ScriptedExecutor`` is told the fate of each attempt; ``SeededFates`` draws fates, so that crashes, hangs and
bad luck of every kind come in every order.
"""

import asyncio
import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from worlds import first_camera

from wonderzoom.generation.committing import Made, Stale
from wonderzoom.generation.executors.executor import LossReason, Proposal, WorkerLost, WorkerState
from wonderzoom.generation.jobs import (
    STAGES,
    AlreadyCovered,
    GenerationError,
    Stage,
    StageEvent,
    Zoomed,
    ZoomRequest,
)
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store_errors import NoSpace

WORKING: tuple[Stage, ...] = STAGES[:-1]  # what a worker does before the service commits
PREVIEW = np.zeros((2, 2, 3), np.uint8)
CANCEL_S = 0.1  # a step: what a worker takes to notice that its job is called off


def request(place: int = 0, prompt: str = "moss", seed: int = 0) -> ZoomRequest:
    """A request at one of many places that do not overlap."""
    camera = first_camera(64, 48, 60.0)
    away = camera.position(np.array([1000.0 * place, 0.0, 0.0]))
    return ZoomRequest(dataclasses.replace(camera, pivot=away), prompt, seed)


@dataclass(frozen=True)
class Fate:
    """What becomes of one attempt: ``how`` it ends, at which stage, and how long a stage takes."""

    how: Literal["done", "hang", "fail", "covered"] | LossReason = "done"
    stage: Stage = "edit"
    stage_s: float = 0.5


@dataclass
class ScriptedExecutor:
    """Follows ``fates``, one for each attempt."""

    fates: Iterator[Fate]
    workers: int = 1
    state: WorkerState = "ready"
    restarts: int = 0
    began: Callable[[ZoomWish], None] = lambda _wish: None
    busy: int = 0
    attempts: list[ZoomWish] = field(default_factory=list)
    cancelled: int = 0
    running: bool = False
    dies_of_cancels: bool = False  # the job's own error is lost with the worker

    async def start(self) -> None:
        self.running = True

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        assert self.running and self.busy < self.workers
        self.attempts.append(wish)
        number = len(self.attempts)
        self.began(wish)
        self.busy += 1
        fate = next(self.fates)
        try:
            for stage in WORKING:
                on_event(StageEvent(stage, 0.0))
                await asyncio.sleep(fate.stage_s / 2)
                if stage == fate.stage:
                    await self._meet(fate)
                await asyncio.sleep(fate.stage_s / 2)
                on_event(StageEvent(stage, 1.0, PREVIEW if stage == "edit" else None))
        except asyncio.CancelledError:
            self.cancelled += 1
            await asyncio.sleep(CANCEL_S)
            if self.dies_of_cancels:
                raise WorkerLost("hung", "it would not stop") from None
            raise
        finally:
            self.busy -= 1
        node = f"{wish.request.prompt}-{number}"
        zoomed = Zoomed(Commit(1), node, ("unicorn",), (wish.request.prompt,), memory={"edit": 10**9})
        return Proposal(zoomed, 0)

    async def _meet(self, fate: Fate) -> None:
        match fate.how:
            case "done":
                pass
            case "hang":
                await asyncio.sleep(1e6)
            case "fail":
                raise GenerationError(fate.stage, "told to fail", retryable=True)
            case "covered":
                raise AlreadyCovered("n0")
            case reason:
                raise WorkerLost(reason, f"the worker was told to be lost ({reason})")

    async def stop(self) -> None:
        assert self.busy == 0, "a job outlives the service"
        self.running = False


@dataclass
class ScriptedCommit:
    """A world that counts: the n-th call ends as ``fates`` says."""

    fates: Iterator[Literal["made", "stale", "full"]]
    seconds: float = 0.05
    made: list[str] = field(default_factory=list)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def __call__(self, proposal: Proposal, request: ZoomRequest) -> Made:
        async with self.lock:
            await asyncio.sleep(self.seconds)
            match next(self.fates):
                case "stale":
                    raise Stale("the world was told to have changed")
                case "full":
                    raise NoSpace("garden", "the disk is full", "free some space")
                case _:
                    self.made.append(proposal.zoomed.node)
                    return Made(proposal.zoomed.node, len(self.made))


def always(value: Fate) -> Iterator[Fate]:
    while True:
        yield value


def seeded_fates(rng: np.random.Generator, stage_s: float = 0.6) -> Iterator[Fate]:
    """Most attempts end well; the others end in every way, at every stage. ``stage_s`` is the mean of a stage."""
    while True:
        hows = ("done", "crashed", "hung", "garbage", "memory", "hang", "fail", "covered")
        how = hows[rng.choice(len(hows), p=[0.7, 0.08, 0.04, 0.03, 0.03, 0.02, 0.06, 0.04])]
        yield Fate(how, WORKING[rng.integers(len(WORKING))], float(rng.exponential(stage_s)))  # type: ignore[arg-type]


def seeded_commits(rng: np.random.Generator) -> Iterator[Literal["made", "stale", "full"]]:
    while True:
        yield ("made", "stale", "full")[rng.choice(3, p=[0.7, 0.25, 0.05])]
