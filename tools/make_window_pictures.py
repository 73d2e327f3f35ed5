"""Take the pictures of `wonderzoom view` in docs/desktop: a real window, on a display that nobody sees.

    python -m tools.make_window_pictures [--world demo/world] [--output docs/desktop]

The world is copied first, so that what is made for the pictures stays out of it. Needs the extra ``dev``, Xvfb and
xdotool.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, ImageGrab

import wonderzoom.clients
from tools.make_page_pictures import QUALITY, served
from wonderzoom.clients.blocking import World

SIZE = (1024, 576)
PATIENCE_S = 300.0
CALM = 4  # looks that show the same
ON_THE_PATH = (0.3, 0.72)  # where somebody asks, as shares of the window
ASKED = "a snail on a mossy stone"


@contextmanager
def display() -> Generator[dict[str, str]]:
    """The environment of programs that show themselves where nobody looks."""
    reads, writes = os.pipe()
    size = f"{SIZE[0]}x{SIZE[1]}x24"
    server = subprocess.Popen(
        ["Xvfb", "-displayfd", str(writes), "-screen", "0", size, "-nolisten", "tcp", "-noreset", "-r"],
        pass_fds=(writes,),
        stderr=subprocess.DEVNULL,
    )
    os.close(writes)
    try:
        with os.fdopen(reads) as told:
            yield {**os.environ, "DISPLAY": f":{told.readline().strip()}"}
    finally:
        server.terminate()
        server.wait()


class Window:
    """`wonderzoom view` before a server, with a hand on it."""

    def __init__(self, link: str, environment: dict[str, str], folder: Path, *words: str) -> None:
        self._environment = environment
        size = ("--width", str(SIZE[0]), "--height", str(SIZE[1]))
        command = [sys.executable, "-m", "wonderzoom.clients.desktop.view", link, *size, *words]
        self.program = subprocess.Popen(command, env=environment, cwd=folder)

    def do(self, *words: str) -> str:
        """What xdotool says to some words."""
        done = subprocess.run(["xdotool", *words], env=self._environment, capture_output=True, text=True)
        return done.stdout

    def focus(self) -> None:
        """Once the window is there."""
        _until("no window comes", lambda: bool(self._windows()))
        self.do("windowfocus", "--sync", self._windows()[0])

    def _windows(self) -> list[str]:
        return self.do("search", "--onlyvisible", "--name", "WonderZoom").split()

    def settled(self, share: float = 0.002) -> Image.Image:
        """What the window shows once it has hardly changed for a while (share of its pixels)."""
        before, end, calm = None, time.monotonic() + PATIENCE_S, 0
        while time.monotonic() < end:
            picture = np.asarray(self.picture(), np.int16)
            same = before is not None and (np.abs(picture - before).max(-1) > 8).mean() < share
            calm = calm + 1 if same and picture.std() > 20.0 else 0
            if calm == CALM:
                return self.picture()
            before = picture
            time.sleep(3.0)
        raise TimeoutError("the window never settles")

    def picture(self) -> Image.Image:
        """What the display shows."""
        return ImageGrab.grab(xdisplay=self._environment["DISPLAY"]).convert("RGB")

    def point(self, at: tuple[float, float]) -> None:
        """Move the pointer to shares of the window."""
        self.do("mousemove", str(round(at[0] * SIZE[0])), str(round(at[1] * SIZE[1])))


def take(world: Path, output: Path, budget: int) -> None:
    """The pictures: where one begins, the line that asks, and what came of it."""
    output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, display() as environment:
        folder = Path(name)
        shutil.copytree(world, folder / "garden")
        with served(folder / "garden", folder / "data") as link:
            window = Window(link, environment, folder, "--stream", "surfels", "--budget", str(budget))
            try:
                window.focus()
                window.settled()
                window.point(ON_THE_PATH)
                window.do("click", "1")
                window.do("type", "--delay", "80", ASKED)
                time.sleep(2.0)
                window.settled().save(output / "asking.jpg", quality=QUALITY)
                with wonderzoom.clients.connect(link, name="Bob") as there:
                    before = set(there.nodes)
                    window.do("key", "Return")
                    _until("the zoom has no picture", lambda: _shaped(there))
                    window.picture().save(output / "making.jpg", quality=QUALITY)
                    _until("the zoom is not kept", lambda: set(there.nodes) != before)
                window.settled().save(output / "made.jpg", quality=QUALITY)
                window.do("key", "Escape")
                window.program.wait(PATIENCE_S)
            finally:
                window.program.kill()
                window.program.wait()


def _until(otherwise: str, wanted: Callable[[], bool]) -> None:
    """Wait for something. Raises TimeoutError."""
    end = time.monotonic() + PATIENCE_S
    while not wanted():
        if time.monotonic() > end:
            raise TimeoutError(otherwise)
        time.sleep(0.2)


def _shaped(world: World) -> bool:
    """Whether a zoom is under way and has its picture."""
    zooms = world.presence.zooms if world.presence is not None else []
    return any(zoom.stage in ("auxiliary", "lift", "optimise", "commit") for zoom in zooms)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--world", type=Path, default=Path("demo/world"))
    parser.add_argument("--output", type=Path, default=Path("docs/desktop"))
    parser.add_argument("--budget", type=int, default=1_500_000, help="surfels that the window keeps")
    arguments = parser.parse_args()
    take(arguments.world, arguments.output, arguments.budget)


if __name__ == "__main__":
    main()
