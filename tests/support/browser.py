"""A real browser before a real server, for tests marked `system`."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from houses import Make, Served, creates_nothing, open_house

from wonderzoom.runtime.links import Links, new_links
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import Listening
from wonderzoom.runtime.uploads import Create

SIZE = {"width": 640, "height": 600}
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--no-first-run"]


def chromium() -> str:
    """The browser of this machine."""
    for name in ("chromium", "chromium-browser", "google-chrome", "chrome"):
        if (found := shutil.which(name)) is not None:
            return found
    pytest.fail("no Chromium here: install it (Debian: `apt-get install chromium`)")


@contextmanager
def browser() -> Generator[Any]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        running = driver.chromium.launch(executable_path=chromium(), args=ARGUMENTS)
        try:
            yield running
        finally:
            running.close()


class HouseThread:
    """A server in a thread with a loop of its own, that can be stopped and started again on its port."""

    def __init__(
        self,
        worlds: Mapping[str, Path],
        renderer: CpuRenderer,
        make: Make,
        create: Create = creates_nothing,
        over: Callable[[Listening], Listening] = lambda listening: listening,
    ) -> None:
        self._asked = (worlds, renderer, make, create)
        self._over = over
        self.links: Links = new_links()
        self.port = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stop: asyncio.Event | None = None

    def start(self) -> None:
        begun = threading.Event()
        failed: list[BaseException] = []

        async def run() -> None:
            worlds, renderer, make, create = self._asked
            self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
            house = open_house(
                worlds, renderer, make, create=create, port=self.port, links=self.links, over=self._over
            )
            async with house as served:
                self._opened(served)
                begun.set()
                await self._stop.wait()

        def whole() -> None:
            try:
                asyncio.run(run())
            except BaseException as error:
                failed.append(error)
                begun.set()

        self._thread = threading.Thread(target=whole, name="house")
        self._thread.start()
        assert begun.wait(300.0)  # the first of a machine compiles kernels
        if failed:
            raise failed[0]

    def _opened(self, served: Served) -> None:
        self.port = served.port

    def stop(self) -> None:
        assert self._loop is not None and self._stop is not None and self._thread is not None
        if not self._thread.is_alive():
            return  # a test has stopped it
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(60.0)
        assert not self._thread.is_alive()
