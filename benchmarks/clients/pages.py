"""What our page shows over time, of surfels and of frames, judged from outside: by the pictures of its screencast.

A page is *usable* from the moment at which the middle of its picture is 25 dB from what it shows in the end, and
*complete* from when it stays 40 dB from it. (The middle: panels and bars lie at the rims.) It has come to its end when
for a while nothing came down the line and nothing on the page changed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import io
import math
import shutil
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.async_api import Error, async_playwright

from benchmarks.clients.slow_line import SlowLine

SIZE = (640, 360)
USABLE_DB, COMPLETE_DB = 25.0, 40.0
QUIET_S = 2.5
_LONGEST_S = 90.0
_MIDDLE = (slice(70, 290), slice(120, 440))  # rows and columns of the picture
_ARGUMENTS = [
    "--no-sandbox",
    "--disable-background-networking",
    "--no-first-run",
    "--use-gl=angle",
    "--use-angle=swiftshader",
]


@dataclass(frozen=True, slots=True)
class Came:
    """What came of one thing that was done, seconds from when it was."""

    bytes: int  # down the line
    last_s: float  # the last of them
    usable_s: float  # NaN where nothing was to be seen in the end
    complete_s: float


@asynccontextmanager
async def chromium() -> AsyncGenerator[Any]:
    """A browser without a window and without a graphics card."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        raise SystemExit("no Chromium here: install it (Debian: `apt-get install chromium`)")
    async with async_playwright() as driver:
        running = await driver.chromium.launch(executable_path=found, args=_ARGUMENTS)
        try:
            yield running
        finally:
            await running.close()


class Watched:
    """A browser with a cache of its own behind a slow line, and the page that is open in it."""

    def __init__(self, context: Any, line: SlowLine) -> None:
        self._context, self._line = context, line
        self._page: Any = None
        self._shots: list[tuple[float, NDArray[np.float32]]] = []

    @staticmethod
    @asynccontextmanager
    async def open(browser: Any, line: SlowLine) -> AsyncGenerator[Watched]:
        """A new one, at no address yet."""
        context = await browser.new_context(viewport={"width": SIZE[0], "height": SIZE[1]})
        try:
            yield Watched(context, line)
        finally:
            await context.close()

    async def visit(self, address: str) -> Came:
        """Go there from nowhere, and wait until all is there."""
        if self._page is not None:
            await self._page.close()
        self._page, self._shots = await self._context.new_page(), []
        cast = await self._context.new_cdp_session(self._page)

        async def shot(frame: dict[str, Any]) -> None:
            self._saw(_middle(base64.b64decode(frame["data"])))
            with contextlib.suppress(Error):  # the page is closed
                await cast.send("Page.screencastFrameAck", {"sessionId": frame["sessionId"]})

        cast.on("Page.screencastFrame", shot)
        await cast.send("Page.startScreencast", {"format": "png", "everyNthFrame": 1})

        async def go() -> None:
            await self._page.goto(address, wait_until="commit")

        return await self.after(go)

    def _saw(self, picture: NDArray[np.float32]) -> None:
        if not self._shots or not np.array_equal(picture, self._shots[-1][1]):
            self._shots.append((time.perf_counter(), picture))

    async def after(self, act: Callable[[], Awaitable[None]]) -> Came:
        """Do something, and wait until all that follows from it is there."""
        self._shots, before = self._shots[-1:], self._line.down
        begun = time.perf_counter()
        await act()
        while time.perf_counter() - begun < _LONGEST_S:
            await asyncio.sleep(0.1)
            shown = self._shots[-1][0] if self._shots else begun
            if time.perf_counter() > max(begun, self._line.last, shown) + QUIET_S:
                break
        usable, complete = _judged([(at - begun, picture) for at, picture in self._shots])
        came = self._line.down - before
        return Came(came, self._line.last - begun if came else 0.0, usable, complete)


def _middle(png: bytes) -> NDArray[np.float32]:
    picture = np.asarray(Image.open(io.BytesIO(png)).convert("RGB").resize(SIZE), np.float32)
    return picture[_MIDDLE]


def _judged(shots: list[tuple[float, NDArray[np.float32]]]) -> tuple[float, float]:
    """When it was usable, and from when on it was complete."""
    if not shots:
        return math.nan, math.nan
    end = shots[-1][1]
    quality = [
        10.0 * math.log10(255.0**2 / max(float(np.mean((shot - end) ** 2)), 1e-6)) for _, shot in shots
    ]
    usable = next(at for (at, _), decibels in zip(shots, quality, strict=True) if decibels >= USABLE_DB)
    worse = [number for number, decibels in enumerate(quality) if decibels < COMPLETE_DB]
    return usable, shots[worse[-1] + 1 if worse else 0][0]
