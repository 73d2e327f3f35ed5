"""Zooms in a thread of this process: for the command line and for tests, and where processes are unwanted.

One job, one thread, which ends with it. It shares memory and fate with the program: what crashes here
crashes all; a server takes ``process``.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable

from wonderzoom.generation.executors.executor import Proposal, WorkerState
from wonderzoom.generation.jobs import StageEvent, Watch
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.scene_graph.ports import Cancelled

# How long a step may take to notice that its job is cancelled, before its thread is left to end by itself.
PATIENCE_S = 10.0


class InlineExecutor:
    """``make`` runs one job; it is called in a thread, one call at a time."""

    workers = 1
    state: WorkerState = "ready"  # a thread is always to be had
    restarts = 0

    def __init__(self, make: Callable[[ZoomWish, Watch], Proposal], patience_s: float = PATIENCE_S) -> None:
        self._make = make
        self._patience_s = patience_s

    async def start(self) -> None:
        """Nothing to make ready."""

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        """See ``Executor.run``; raises what ``make`` raises."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Proposal] = loop.create_future()
        cancelled = threading.Event()

        def tell(call: Callable[..., None], *values: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                loop.call_soon_threadsafe(call, *values)

        def settle(proposal: Proposal | None, error: BaseException | None) -> None:
            if answer.cancelled():
                return
            if error is not None:
                answer.set_exception(error)
            elif proposal is not None:
                answer.set_result(proposal)

        def work() -> None:
            watch = Watch(
                cancelled.is_set, lambda event: None if cancelled.is_set() else tell(on_event, event)
            )
            try:
                proposal = self._make(wish, watch)
            except BaseException as error:  # an interrupt too belongs to whoever waits for the job
                tell(settle, None, error)
            else:
                tell(settle, proposal, None)

        threading.Thread(target=work, name="zoom", daemon=True).start()
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            cancelled.set()
            try:
                await asyncio.wait([answer], timeout=self._patience_s)
            finally:
                if not answer.cancel():
                    answer.exception()  # whatever it is, it is too late
            raise
        except Cancelled:
            raise RuntimeError("a job cancelled itself, though nobody had called it off") from None

    async def stop(self) -> None:
        """A job ends with the task that awaits it: nothing is left."""
