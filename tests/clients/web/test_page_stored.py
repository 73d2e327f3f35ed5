"""A world as a page without a server: what is written, and what a browser makes of it."""

import base64
import functools
import io
import re
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import msgspec
import numpy as np
import pytest
from browser import SIZE
from PIL import Image
from zoom_garden import ROOT, Garden

from wonderzoom.protocol.values import Bookmark
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import page_files
from wonderzoom.runtime.sight import all_of_it
from wonderzoom.runtime.static_export import export_static
from wonderzoom.runtime.wire import pose
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.formats.wire_pose import camera_in
from wonderzoom.scene_graph.world import World

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

PATIENCE_MS = 120_000  # a browser that draws without a graphics card, on a busy machine
THERE = "body[data-lacking='0'][data-shown=still][data-view=surfels]"
LEAST_DB = 35.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """A picture and two zooms into it."""
    garden = Garden(tmp_path_factory.mktemp("stored") / "garden", WorldHeader(h_ref=64))
    for at in ((0.4, 0.5), (0.6, 0.4)):
        garden.make(at, prompt="moss")
    seen = garden.seen()
    garden.store.close()
    return seen


@contextmanager
def served(folder: Path, asked: list[str]) -> Generator[str]:
    """Any web server, below an address of its own."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            asked.append(str(args[0]))

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/public/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def camera_of(page: Any) -> Camera:
    """Where the page looks, as its address says."""
    page.wait_for_timeout(700)
    word = parse_qs(page.evaluate("location.hash.slice(1)"))["at"][0]
    return camera_in(msgspec.msgpack.decode(base64.urlsafe_b64decode(word + "=" * (-len(word) % 4))))


def db(page: Any, world: World, renderer: CpuRenderer) -> float:
    """The page's picture against the server's of the same camera: PSNR."""
    page.locator(THERE).wait_for(timeout=PATIENCE_MS)
    camera, settings = camera_of(page), settings_of(world.header)
    page.locator(THERE).wait_for(timeout=PATIENCE_MS)
    page.add_style_tag(content="body > :not(main), #overlay { visibility: hidden !important }")
    seen = np.asarray(
        Image.open(io.BytesIO(page.locator("#surfels").screenshot())).convert("RGB"), np.float64
    )
    page.evaluate("document.head.lastElementChild.remove()")
    wanted = renderer.render_color(all_of_it().whole(world, camera, settings), camera, settings)
    assert seen.shape == wanted[..., :3].shape and np.std(seen) > 5.0
    return float(10.0 * np.log10(255.0**2 / np.mean((seen - wanted[..., :3]) ** 2)))


def test_a_page_without_a_server_shows_the_world_at_all_its_scales(
    world: World, chrome: Any, tmp_path: Path
) -> None:
    kept = [Bookmark(id="b1", name="the edge", camera=pose(ROOT.zoomed(2.0)))]
    told = export_static(world, "garden", kept, page_files(), tmp_path / "public", 10**6, lambda _count: None)
    assert told.left_out == 0 and not told.lost and told.surfels > sum(block.count for block in world.blocks)
    complaints: list[str] = []
    asked: list[str] = []
    context = chrome.new_context(viewport=SIZE)
    with served(tmp_path, asked) as address, CpuRenderer(1) as renderer:
        page = context.new_page()
        page.on(
            "console", lambda message: complaints.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(address)
        assert db(page, world, renderer) >= LEAST_DB
        assert page.title().startswith("garden") and not page.locator("#stream").is_visible()
        page.locator("#ladder .dot").last.click()
        page.wait_for_timeout(500)
        first = camera_of(page)
        assert db(page, world, renderer) >= LEAST_DB and first.ln_fx > ROOT.ln_fx + 1.0
        page.mouse.move(300, 300)
        page.mouse.down(button="right")
        page.mouse.move(340, 310, steps=4)
        page.mouse.up(button="right")
        page.mouse.wheel(0, -300)
        page.wait_for_timeout(800)
        assert db(page, world, renderer) >= LEAST_DB and camera_of(page).quat != first.quat
        page.locator("#bookmarks-open").click()
        page.locator(".place-name").click()
        assert not page.locator("#bookmark-new").is_visible()
        page.locator("#bookmarks-open").click()
        page.mouse.click(300, 300)
        page.get_by_text("You may look here").wait_for()
        page.wait_for_timeout(1500)
        assert db(page, world, renderer) >= LEAST_DB
    context.close()
    assert complaints == [] and not any(" 404 " in line or "/ws" in line for line in asked)
    own = re.compile(r"GET /public/(static/|packs/|world\.msgpack| )")
    assert all(own.match(line) for line in asked if line.startswith("GET"))


def test_with_fewer_surfels_it_is_coarser_and_whole(world: World, chrome: Any, tmp_path: Path) -> None:
    told = export_static(world, "garden", [], page_files(), tmp_path / "public", 1_500, lambda _count: None)
    assert told.surfels <= 1_500 and told.left_out > 0
    context = chrome.new_context(viewport=SIZE)
    with served(tmp_path, []) as address, CpuRenderer(1) as renderer:
        page = context.new_page()
        page.goto(address)
        assert 18.0 < db(page, world, renderer)
    context.close()


def test_a_page_whose_files_are_gone_says_so(world: World, chrome: Any, tmp_path: Path) -> None:
    export_static(world, "garden", [], page_files(), tmp_path / "public", 10**6, lambda _count: None)
    (tmp_path / "public" / "world.msgpack").unlink()
    context = chrome.new_context(viewport=SIZE)
    with served(tmp_path, []) as address:
        page = context.new_page()
        page.goto(address)
        page.locator("#closed").wait_for()
        assert "files" in page.locator("#closed-reason").inner_text()
    context.close()
