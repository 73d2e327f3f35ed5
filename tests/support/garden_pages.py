"""Pages of a real browser that look into a garden, and what people do there."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from browser import SIZE, HouseThread
from houses import read, small_world
from zoom_garden import zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import GenerationError, StageEvent, Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.uploads import CreationFailed

STILL = "body[data-line=open][data-shown=still]"


class Garden:
    """A house of one small world, and pages that look into it."""

    def __init__(self, path: Path, renderer: CpuRenderer, chrome: Any) -> None:
        self.path, self.chrome = path, chrome
        self.root = small_world(path)
        self.go = threading.Event()  # zooms wait for it
        self.go.set()
        self.house = HouseThread({"garden": path}, renderer, self.make, self.create)
        self.said: list[str] = []  # by the browser's console
        self.contexts: list[Any] = []

    def make(self, wish: ZoomWish, watch: Watch) -> Proposal:
        if wish.request.prompt == "fail":
            raise GenerationError("edit", "the paint is out", retryable=True)
        watch.event(StageEvent("edit", 0.5, np.full((36, 48, 3), (200, 40, 40), np.uint8)))
        while not self.go.wait(0.02):
            if watch.cancelled():
                break
        world = read(self.path)
        node, blocks = zoom_node(wish.request, self.root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id, ("shiny",), ("moss",)), world.revision)

    async def create(self, picture: Path, world: Path, told: Callable[[float], None]) -> None:
        told(0.5)
        if b"PNG" not in picture.read_bytes()[:8]:
            raise CreationFailed("this is no picture that can be read")
        small_world(world)

    def page(
        self, role: Role = Role.HOST, *, link: str | None = None, script: str = "", **context: Any
    ) -> Any:
        """A page of somebody else; ``script`` runs in it before its own."""
        made = self.chrome.new_context(**({"viewport": SIZE} | context))
        self.contexts.append(made)
        page = made.new_page()
        page.on("console", lambda message: self.said.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.said.append(f"error: {error}"))
        page.add_init_script(script)
        page.goto(link or self.house.links.of(f"http://127.0.0.1:{self.house.port}", role))
        return page

    def looks(self, role: Role = Role.HOST, **context: Any) -> Any:
        """A page that shows a still picture."""
        page = self.page(role, **context)
        page.locator(STILL).wait_for()
        return page

    def close(self) -> None:
        self.go.set()
        for each in self.contexts:
            each.close()
        self.house.stop()


def moves(page: Any, act: Callable[[], None]) -> None:
    """Do what moves the camera, and wait for the still picture after it."""
    act()
    page.wait_for_timeout(120)
    page.locator(STILL).wait_for()
    page.wait_for_timeout(250)
    page.locator(STILL).wait_for()


def magnification(page: Any) -> float:
    page.wait_for_timeout(200)
    return float(page.locator("#magnification").inner_text().rstrip("×").replace(",", ""))


def ask(page: Any, prompt: str, x: float = 0.5, y: float = 0.5) -> None:
    page.mouse.click(x * SIZE["width"], y * SIZE["height"])
    page.locator("#prompt").wait_for()
    page.fill("#prompt-text", prompt)
    page.keyboard.press("Enter")
