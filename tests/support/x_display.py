"""A display that nobody sees (Xvfb), and a hand on it (xdotool), for tests marked `system`."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

WITHIN_S = 60.0


def needed(*programs: str) -> None:
    """Fail where a program is missing: CI installs them."""
    for program in programs:
        if shutil.which(program) is None:
            pytest.fail(f"{program} is not here: install it (Debian: `apt-get install xvfb xdotool`)")


@contextmanager
def display(width: int = 1000, height: int = 700) -> Generator[dict[str, str], None, None]:
    """The environment of programs that show themselves there."""
    needed("Xvfb", "xdotool")
    reads, writes = os.pipe()
    # No key repeats by itself, however late it is let go; and nothing starts anew between two programs.
    server = subprocess.Popen(
        [
            "Xvfb",
            "-displayfd",
            str(writes),
            "-screen",
            "0",
            f"{width}x{height}x24",
            "-nolisten",
            "tcp",
            "-noreset",
        ],
        pass_fds=(writes,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writes)
    try:
        with os.fdopen(reads) as told:
            number = told.readline().strip()
        assert number, "Xvfb does not start"
        environment = {**os.environ, "DISPLAY": f":{number}"}
        environment.pop("WAYLAND_DISPLAY", None)
        yield environment
    finally:
        server.terminate()
        server.wait(WITHIN_S)


class Hand:
    """Moves a pointer and presses keys in the window with a title."""

    def __init__(self, environment: Mapping[str, str], title: str, program: "Program") -> None:
        self._environment = environment
        end = time.monotonic() + WITHIN_S
        while not (found := self._do("search", "--onlyvisible", "--name", title, check=False)):
            assert program.process.poll() is None, program.said()
            assert time.monotonic() < end, "no window comes"
            time.sleep(0.1)
        self.window = found.split()[0]
        self._do("windowfocus", "--sync", self.window)

    def move(self, x: int, y: int) -> None:
        self._do("mousemove", "--window", self.window, str(x), str(y))

    def click(self, x: int, y: int, button: int = 1) -> None:
        self.move(x, y)
        self._do("click", str(button))

    def drag(self, x: int, y: int, to_x: int, to_y: int, button: int = 1) -> None:
        self.move(x, y)
        self._do("mousedown", str(button))
        for k in range(1, 11):
            self.move(x + (to_x - x) * k // 10, y + (to_y - y) * k // 10)
        self._do("mouseup", str(button))

    def scroll(self, x: int, y: int, notches: int) -> None:
        self.move(x, y)
        self._do("click", "--repeat", str(abs(notches)), "--delay", "30", "4" if notches > 0 else "5")

    def key(self, *keys: str) -> None:
        self._do("key", "--delay", "40", *keys)

    def hold(self, key: str, seconds: float) -> None:
        self._do("keydown", key)
        time.sleep(seconds)
        self._do("keyup", key)

    def type(self, text: str) -> None:
        self._do("type", "--delay", "40", text)

    def _do(self, *words: str, check: bool = True) -> str:
        done = subprocess.run(
            ["xdotool", *words], env=dict(self._environment), capture_output=True, text=True, timeout=WITHIN_S
        )
        assert not check or done.returncode == 0, done.stderr
        return done.stdout


class Program:
    """A Python module that runs with a display."""

    def __init__(self, environment: Mapping[str, str], folder: Path, module: str, *words: str) -> None:
        self._out = folder / "out"
        with self._out.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", module, *words],
                env=dict(environment),
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self._out.read_text(encoding="utf-8", errors="replace")

    def ended(self) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(WITHIN_S)

    def __enter__(self) -> "Program":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(WITHIN_S)
