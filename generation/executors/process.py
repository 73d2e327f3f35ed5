"""Zooms in a process of their own that stays warm: the default, as what crashes there crashes nobody here.

Supervises one child at a time: when it is lost another one is started, at once the first time, then after a
delay that doubles, so that a worker that can't live does not eat the machine. Each loss costs one job at most.
Pictures and proposals come as files in the world's ``incoming/``, which belongs to this executor alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wonderzoom.generation.executors.child import Child, ChildLimits
from wonderzoom.generation.executors.executor import Proposal, WorkerLost, WorkerState
from wonderzoom.generation.executors.frames import Run
from wonderzoom.generation.jobs import StageEvent
from wonderzoom.generation.zoom_merging import ZoomWish

log = logging.getLogger(__name__)

_OURS = re.compile(r"zoom-\d+(-preview)?\.safetensors(\.tmp)?")


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """How a worker is kept alive."""

    child: ChildLimits = field(default_factory=ChildLimits)
    first_delay_s: float = 0.5  # before the second restart in a row; the first one is at once
    longest_delay_s: float = 30.0
    hopeless: int = 3  # starts in a row without a job: requests fail at once while the next start is awaited


class ProcessExecutor:
    """``command`` starts a worker (``generation.worker.serve`` on its standard pipes)."""

    workers = 1

    def __init__(
        self,
        command: Sequence[str],
        incoming: Path,
        limits: ProcessLimits | None = None,
        environment: Mapping[str, str] | None = None,
        memory_of: Callable[[int], int | None] = lambda _pid: None,
    ) -> None:
        """``memory_of`` tells a process's resident bytes, where the system says."""
        self._command, self._incoming, self._environment = command, incoming, environment
        self._limits, self._memory_of = limits or ProcessLimits(), memory_of
        self._child: Child | None = None  # ready
        self._news = asyncio.Condition()  # of ``_child`` and ``_failures``
        self._failures = 0  # losses in a row without a job done
        self._supervisor: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()
        self._job = 0
        self._stopping = False
        self.restarts = 0

    @property
    def pid(self) -> int | None:
        """Of the worker, when one is ready."""
        return None if self._child is None else self._child.pid

    @property
    def state(self) -> WorkerState:
        """See ``Executor.state``; idle before ``start``, down after ``stop``."""
        if self._child is not None and not self._child.lost.done():
            return "ready"
        if self._hopeless:
            return "down"
        return "idle" if self._supervisor is None else "starting"

    @property
    def _hopeless(self) -> bool:
        return self._stopping or self._failures >= self._limits.hopeless

    async def start(self) -> None:
        """Clear away what an earlier life has left, and start a worker in the background; nothing the second time."""
        if self._supervisor is not None:
            return
        self._stopping = False
        self._incoming.mkdir(exist_ok=True)
        for entry in self._incoming.iterdir():
            if _OURS.fullmatch(entry.name):
                entry.unlink(missing_ok=True)
        self._supervisor = asyncio.create_task(self._supervise(), name="worker supervisor")

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        """See ``Executor.run``."""
        async with self._turn:
            child = await self._ready_child()
            self._job += 1
            answer = self._incoming / f"zoom-{self._job}.safetensors"
            preview = self._incoming / f"zoom-{self._job}-preview.safetensors"
            frame = Run.of(self._job, wish.generator, wish.request, str(answer), str(preview))
            try:
                return await child.run(frame, on_event)
            finally:
                if child.lost.done():
                    await self._ended(child)
                else:
                    self._failures = 0
                for path in (answer, preview):
                    for each in (path, path.with_name(path.name + ".tmp")):
                        with contextlib.suppress(OSError):
                            each.unlink(missing_ok=True)

    async def stop(self) -> None:
        """See ``Executor.stop``."""
        self._stopping = True
        if self._supervisor is not None:
            self._supervisor.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._supervisor
            self._supervisor = None
        await self._tell(None, failed=False)

    # ---- supervision ----------------------------------------------------------------------------
    async def _supervise(self) -> None:
        """Keep one child alive."""
        while True:
            await self._one_life()
            delay = self._delay()
            if delay:
                log.warning("the next worker starts in %.3g s", delay)
                await asyncio.sleep(delay)
            self.restarts += 1

    def _delay(self) -> float:
        if self._failures <= 1:
            return 0.0
        doubled = self._limits.first_delay_s * 2.0 ** min(self._failures - 2, 60)
        return min(doubled, self._limits.longest_delay_s)

    async def _one_life(self) -> None:
        """From the start of a child to its loss."""
        loop = asyncio.get_running_loop()
        born = loop.time()
        try:
            child = await Child.spawn(self._command, self._environment, self._limits.child, self._memory_of)
        except OSError as error:
            log.warning("a worker can't be started: %s", error)
            await self._tell(None, failed=True)
            return
        try:
            ready = asyncio.ensure_future(child.ready.wait())
            try:
                await asyncio.wait([ready, child.lost], return_when=asyncio.FIRST_COMPLETED)
            finally:
                ready.cancel()
            if not child.lost.done():
                await self._tell(child, failed=False)
            await asyncio.wait([child.lost])
            if loop.time() - born > self._limits.longest_delay_s:
                self._failures = 0  # whatever it was, it was not the start
            await child.close()
            await self._tell(None, failed=True)
            lost = child.lost.result()
            log.warning("%s (%s, pid %d) %s", lost, lost.reason, child.pid, child.last_words())
        finally:
            self._child = None
            await child.close()

    async def _tell(self, child: Child | None, failed: bool) -> None:
        async with self._news:
            self._child = child
            self._failures += failed
            self._news.notify_all()

    async def _ready_child(self) -> Child:
        """The child, when there is one; WorkerLost when there will be none soon."""
        async with self._news:
            while self._child is None or self._child.lost.done():
                if self._hopeless:
                    raise WorkerLost("unavailable", "no worker can be started; the log says why")
                await self._news.wait()
            return self._child

    async def _ended(self, child: Child) -> None:
        """Wait until the supervisor has seen the loss: the next job must not meet a dead worker."""
        async with self._news:
            await self._news.wait_for(lambda: self._child is not child)
