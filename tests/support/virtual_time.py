"""``asyncio.run`` on the clock that jumps (``runtime.virtual_time``), strict about what is left behind."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from wonderzoom.runtime.virtual_time import Deadlock as Deadlock
from wonderzoom.runtime.virtual_time import VirtualTimeLoop as VirtualTimeLoop

T = TypeVar("T")


def run(main: Coroutine[Any, Any, T]) -> T:
    """``asyncio.run`` on virtual time; a task that outlives ``main`` is an error."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        result = runner.run(main)
        left = [task.get_name() for task in asyncio.all_tasks(runner.get_loop())]
        if left:
            raise AssertionError(f"tasks are left: {left}")
        return result
