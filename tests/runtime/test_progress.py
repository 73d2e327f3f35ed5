"""What is told while a command works: plain lines in a log, a bar on a terminal, never anything on stdout."""

import io

import pytest

from wonderzoom.generation.jobs import STAGES, StageEvent
from wonderzoom.runtime.progress import Reporter


class Clock:
    """A second passes each time it is read."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_log_has_a_line_for_each_stage_with_the_time() -> None:
    stream = io.StringIO()
    with Reporter(Clock(), stream).stages("zoom 1 of 2") as watch:
        for stage in ("observe", "upscale", "upscale", "edit"):
            watch.event(StageEvent(stage, 0.5))
    assert stream.getvalue().splitlines() == [
        "zoom 1 of 2: observe (1.0 s)",
        "zoom 1 of 2: upscale (2.0 s)",
        "zoom 1 of 2: edit (3.0 s)",
    ]


def test_everything_is_told_elsewhere_where_that_is_wished() -> None:
    terminal, told = Terminal(), list[str]()
    reporter = Reporter(Clock(), terminal)
    reporter.tell_to(told.append)
    reporter.note("one")
    with reporter.stages("zoom") as watch:
        watch.event(StageEvent("edit", 0.5))
    with reporter.task("drawing", 10) as done:
        done(10)
    assert terminal.getvalue() == "" and not reporter.live
    assert told == ["one", "zoom: edit (1.0 s)", "drawing: 100 % (10 of 10, about 0 s left)"]


def test_a_log_has_a_line_for_each_tenth_of_a_task_with_what_is_left() -> None:
    stream = io.StringIO()
    with Reporter(Clock(), stream).task("drawing", 40) as done:
        for count in range(1, 41):
            done(count)
    lines = stream.getvalue().splitlines()
    assert len(lines) == 10
    # A tenth took a second: nine are left.
    assert lines[0] == "drawing: 10 % (4 of 40, about 9 s left)"
    assert lines[-1] == "drawing: 100 % (40 of 40, about 0 s left)"


@pytest.mark.parametrize("total", [0, 1, 3])
def test_a_short_task_is_told_too(total: int) -> None:
    stream = io.StringIO()
    with Reporter(Clock(), stream).task("drawing", total) as done:
        for count in range(1, total + 1):
            done(count)
    assert len(stream.getvalue().splitlines()) == total


def test_a_terminal_shows_a_bar_that_goes_away_and_notes_that_stay(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    stream = Terminal()
    reporter = Reporter(Clock(), stream)
    assert reporter.live
    with reporter.stages("zoom") as watch:
        watch.event(StageEvent(STAGES[2], 0.5))
        reporter.note("a [note] :smile: about 5 things")
    with reporter.task("drawing", 4) as done:
        done(2)
    shown = stream.getvalue()
    assert f"zoom: {STAGES[2]}" in shown
    assert "a [note] :smile: about 5 things" in shown  # to the letter: no markup, no emoji codes
    assert "drawing 2 of 4" in shown
    assert shown.rstrip().endswith("\x1b[2K") or "\x1b[1A" in shown.splitlines()[-1]  # the bar is wiped out
    assert capsys.readouterr().out == ""


def test_a_file_and_a_dumb_terminal_are_no_place_for_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not Reporter(Clock(), io.StringIO()).live
    monkeypatch.setenv("TERM", "dumb")
    assert not Reporter(Clock(), Terminal()).live


def test_an_error_ends_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    reporter = Reporter(Clock(), Terminal())
    with pytest.raises(KeyboardInterrupt), reporter.stages("zoom"):
        raise KeyboardInterrupt
    with reporter.stages("again"):  # a bar that is still alive would refuse a second one
        pass
