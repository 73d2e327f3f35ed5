"""What a person sees on stderr while a command works: one live bar on a terminal, plain lines elsewhere.

Results go to stdout and never through here, so that a command can be part of a pipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from wonderzoom.generation.jobs import StageEvent, Watch

Clock = Callable[[], float]  # seconds that only grow
# Plain lines tell of a long task at every tenth of it.
_TENTHS = 10


class Reporter:
    """Notes, stages of generation and counted tasks, shown on one stream."""

    def __init__(self, clock: Clock, stream: TextIO | None = None) -> None:
        self._clock = clock
        self._stream = stream if stream is not None else sys.stderr
        self._console = Console(file=self._stream, highlight=False, markup=False, emoji=False)
        self._tell: Callable[[str], None] | None = None

    def tell_to(self, tell: Callable[[str], None]) -> None:
        """From now on everything is told there, a line at a time."""
        self._tell = tell

    @property
    def live(self) -> bool:
        """Whether someone watches a terminal."""
        return self._tell is None and self._console.is_terminal and not self._console.is_dumb_terminal

    def note(self, text: str) -> None:
        """One line for the person, now."""
        if self._tell is not None:
            self._tell(text)
        elif self.live:
            self._console.print(text, soft_wrap=True)
        else:
            print(text, file=self._stream, flush=True)

    @contextmanager
    def stages(self, what: str) -> Generator[Watch]:
        """A watch for one generation: shows its stages, and how far each is."""
        if not self.live:
            yield Watch(event=_PlainStages(what, self.note, self._clock).event)
            return
        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=1.0)

            def event(happened: StageEvent) -> None:
                progress.update(task, description=f"{what}: {happened.stage}", completed=happened.fraction)

            yield Watch(event=event)

    @contextmanager
    def task(self, what: str, total: int) -> Generator[Callable[[int], None]]:
        """A function that is told how many of ``total`` are done."""
        if not self.live:
            yield _PlainTask(what, total, self.note, self._clock).done
            return
        columns = (
            TextColumn("{task.description} {task.completed:.0f} of {task.total:.0f}"),
            BarColumn(),
            TimeRemainingColumn(),
        )
        with Progress(*columns, console=self._console, transient=True) as progress:
            task = progress.add_task(what, total=total)
            yield lambda done: progress.update(task, completed=done)


class _PlainStages:
    """A line when a stage begins."""

    def __init__(self, what: str, note: Callable[[str], None], clock: Clock) -> None:
        self._what, self._note, self._clock = what, note, clock
        self._start = clock()
        self._stage = ""

    def event(self, happened: StageEvent) -> None:
        if happened.stage != self._stage:
            self._stage = happened.stage
            self._note(f"{self._what}: {happened.stage} ({self._clock() - self._start:.1f} s)")


class _PlainTask:
    """A line at every tenth, with the time that is left."""

    def __init__(self, what: str, total: int, note: Callable[[str], None], clock: Clock) -> None:
        self._what, self._total, self._note, self._clock = what, max(total, 1), note, clock
        self._start = clock()
        self._tenths = 0

    def done(self, count: int) -> None:
        tenths = _TENTHS * count // self._total
        if tenths > self._tenths:
            self._tenths = tenths
            left = (self._clock() - self._start) * (self._total / count - 1.0)
            self._note(f"{self._what}: {10 * tenths} % ({count} of {self._total}, about {left:.0f} s left)")
