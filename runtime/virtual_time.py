"""An event loop whose clock jumps: an hour of timers passes in the time that the code between them takes.

Nothing is waited for, so the same events give the same log: replays and simulations stand on it. What would wait for
the world outside has no place here: work for a thread is done at once, in no time, and a loop with nothing left to
happen says so instead of hanging.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any, TypeVar

_T = TypeVar("_T")


class Deadlock(Exception):
    """Everything waits, and no timer is set."""


class _JumpingSelector(selectors.SelectSelector):
    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock("everything waits for something that no timer will bring")
        self.loop.now += max(timeout, 0.0)
        return super().select(0.0)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """Starts at second 0. ``now`` may be read at any time."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _JumpingSelector()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now

    def run_in_executor(self, executor: Any, func: Callable[..., _T], *args: Any) -> asyncio.Future[_T]:  # type: ignore[override]
        done: asyncio.Future[_T] = self.create_future()
        try:
            done.set_result(func(*args))
        except Exception as error:
            done.set_exception(error)
        return done
