"""The page in surfel mode before a real server: what it draws itself is what the server's frames show, a zoom appears,
and after a broken line only what is missing comes again."""

import io
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from browser import SIZE, HouseThread
from houses import read, small_world
from numpy.typing import NDArray
from PIL import Image
from played_surfels import complaints
from worlds import look_and_zoom
from zoom_garden import LEFT, PLANE, ROOT, zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import Watch, Zoomed, ZoomRequest
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.store import WorldStore

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

SETTLED = "body[data-line=open][data-view=surfels][data-shown=still]"
STILL = "body[data-line=open][data-view=frames][data-shown=still]"
LEAST_DB = 35.0


# Notes what is seen, each time that there is something to be seen and it is another kind than before.
WATCH = """
window.seen = [];
window.addEventListener("load", () => new MutationObserver(() => {
  const { view, shown } = document.body.dataset;
  if (shown !== "nothing" && window.seen.at(-1) !== view) window.seen.push(view);
}).observe(document.body, { attributes: true }));
"""


class Live:
    """A house of one small world, and a page that draws it."""

    def __init__(self, path: Path, renderer: CpuRenderer, chrome: Any) -> None:
        self.path, self.root = path, small_world(path)
        self.go = threading.Event()
        self.go.set()
        self.house = HouseThread({"garden": path}, renderer, self.make)
        self.context = chrome.new_context(viewport=SIZE)
        self.page = self.context.new_page()
        self.said = complaints(self.page)

    def make(self, wish: ZoomWish, _watch: Watch) -> Proposal:
        assert self.go.wait(60.0)
        world = read(self.path)
        node, blocks = zoom_node(wish.request, self.root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id), world.revision)

    def open(self, asks: str = "stream=surfels") -> None:
        self.house.start()
        self.visit(asks)

    def visit(self, asks: str = "stream=surfels") -> None:
        link = self.house.links.of(f"http://127.0.0.1:{self.house.port}", Role.HOST)
        self.page.goto(link.replace("/#", f"/?{asks}#"))
        self.settle()

    def grow(self) -> None:
        """A zoom is committed while nobody serves."""
        with WorldStore.open(self.path, write=True) as store:
            world = store.load()
            node, blocks = zoom_node(ZoomRequest(look_and_zoom(ROOT, PLANE, *LEFT, 4.0)), self.root)
            store.append(world.propose(node, blocks))

    def settle(self) -> None:
        for _ in range(2):
            self.page.wait_for_timeout(300)
            self.page.locator(SETTLED).wait_for()

    def ask(self, prompt: str) -> None:
        self.page.mouse.click(0.5 * SIZE["width"], 0.5 * SIZE["height"])
        self.page.locator("#prompt").wait_for()
        self.page.fill("#prompt-text", prompt)
        self.page.keyboard.press("Enter")

    def picture(self) -> NDArray[np.float64]:
        """What is seen of the world, without all that lies over it."""
        over = "for (const each of document.querySelectorAll('body > :not(main), #overlay')) each.style.opacity = "
        self.page.evaluate(f"() => {{ {over} 0 }}")
        shot = self.page.screenshot()
        self.page.evaluate(f"() => {{ {over} '' }}")
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float64)

    def agrees(self) -> None:
        """The page's own picture with the server's frame."""
        own = self.picture()
        self.page.select_option("#stream", "frames")
        self.page.locator(STILL).wait_for()
        frame = self.picture()
        self.page.select_option("#stream", "surfels")
        self.settle()
        quality = decibels(own, frame)
        assert quality >= LEAST_DB, f"{quality:.1f} dB"

    def close(self) -> None:
        self.go.set()
        self.context.close()
        self.house.stop()


def decibels(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255.0**2 / max(np.mean((one - other) ** 2), 1e-9)))


@pytest.fixture
def live(tmp_path: Path, chrome: Any) -> Iterator[Live]:
    with CpuRenderer(1) as renderer:
        made = Live(tmp_path / "garden", renderer, chrome)
        try:
            yield made
        finally:
            made.close()
        assert made.said == [], "the browser complains"


def test_the_page_draws_what_frames_show_and_a_zoom_appears(live: Live) -> None:
    live.open()
    live.agrees()
    before = live.picture()
    live.ask("moss")
    live.page.locator("#path .here", has_text="moss").wait_for()
    live.page.locator("body[data-revision='2']").wait_for()
    live.settle()
    live.agrees()
    assert decibels(before, live.picture()) < 30
    assert live.page.locator("body[data-revision='2']").count() == 1
    live.page.mouse.move(300, 250)
    live.page.mouse.wheel(0, 250)
    live.page.wait_for_timeout(800)
    live.settle()
    live.agrees()  # between the scales of the picture and of the zoom
    assert live.page.evaluate("document.getElementById('surfels').getContext('webgl2').getError()") == 0


def test_the_server_chooses_where_that_is_left_to_it_and_nothing_is_missing_meanwhile(live: Live) -> None:
    live.page.add_init_script(WATCH)
    live.open("stream=auto&budget=100000")
    assert "don't wait" in live.page.locator("#stream").get_attribute("title")
    assert live.page.evaluate("window.seen") == ["frames", "surfels"], "the first picture is a frame"
    live.agrees()
    live.page.select_option("#stream", "auto")
    live.settle()


def test_after_a_broken_line_the_same_is_there(live: Live) -> None:
    live.open()
    live.ask("moss")
    live.page.locator("body[data-revision='2']").wait_for()
    live.page.wait_for_timeout(1500)
    live.settle()
    before, held = live.picture(), live.page.evaluate("document.body.dataset.held")
    live.house.stop()
    live.page.locator("#line").wait_for()
    live.house.start()
    live.page.locator("#line").wait_for(state="hidden")
    live.settle()
    assert decibels(before, live.picture()) > 45
    assert live.page.evaluate("document.body.dataset.held") == held
    live.agrees()
    live.said[:] = [line for line in live.said if "ERR_CONNECTION" not in line]


def heard(live: Live) -> list[dict[str, Any]]:
    """The deltas of surfels that the page is sent from now on."""
    deltas: list[dict[str, Any]] = []

    def hear(data: str | bytes) -> None:
        message = msgspec.msgpack.decode(data) if isinstance(data, bytes) else {}
        if message.get("type") == "surfels":
            deltas.append(message)

    live.page.on("websocket", lambda socket: socket.on("framereceived", hear))
    return deltas


def leave(live: Live) -> None:
    live.page.wait_for_timeout(500)  # what has come is written
    live.page.goto("about:blank")


def test_a_second_visit_is_sent_no_surfels_again(live: Live) -> None:
    deltas = heard(live)
    live.open()
    before, first = live.picture(), [level for delta in deltas for level in delta.get("levels", [])]
    assert sum(len(level["payload"]) for level in first) > 5_000
    leave(live)
    deltas.clear()
    live.visit()
    assert decibels(before, live.picture()) > 45
    assert [delta for delta in deltas if delta.get("levels") or delta.get("bounds")] == []
    assert any(delta.get("show") for delta in deltas)
    live.agrees()


def test_a_visit_after_a_change_is_sent_that_and_the_new_bounds(live: Live) -> None:
    deltas = heard(live)
    live.open()
    first = {level["hash"] for delta in deltas for level in delta.get("levels", [])}
    leave(live)
    live.house.stop()
    live.grow()
    deltas.clear()
    live.open()  # another run of the server, whose revisions could be of another history
    levels = [level for delta in deltas for level in delta.get("levels", [])]
    assert levels and {level["node"] for level in levels} != {live.root}
    assert not first & {level["hash"] for level in levels}
    assert {patch["hash"] for delta in deltas for patch in delta.get("bounds", [])} & first
    live.agrees()


def test_where_the_browser_keeps_nothing_all_is_sent(live: Live) -> None:
    live.page.add_init_script(
        "Object.defineProperty(window, 'indexedDB', { get() { throw new Error('off') } })"
    )
    deltas = heard(live)
    live.house.start()
    for _ in range(2):
        deltas.clear()
        live.visit()
        assert sum(len(level["payload"]) for delta in deltas for level in delta.get("levels", [])) > 5_000
        leave(live)
