"""The page 200 ms away with 5 % loss, by frames and by surfels: it settles, follows the hand, zooms and comes back."""

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from bad_line import BY_NETEM, BadLine, bad_line
from garden_pages import Garden, ask

from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.renderers.cpu import CpuRenderer

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

WITHIN_MS = 120_000  # a page has 50 files, and each of them comes as slowly


@pytest.fixture
def far(tmp_path: Path, chrome: Any) -> Iterator[tuple[Garden, int, BadLine | None]]:
    """A garden, the port at which it is far away, and the line to there."""
    with CpuRenderer(1) as renderer, ExitStack() as stack:
        garden = Garden(tmp_path / "garden", renderer, chrome)
        garden.house.start()
        stack.callback(garden.close)
        if os.environ.get(BY_NETEM):
            yield garden, garden.house.port, None
            return
        line = stack.enter_context(bad_line(garden.house.port))
        yield garden, line.port, line


@pytest.mark.parametrize("stream", ["frames", "surfels"])
def test_the_page_is_usable(far: tuple[Garden, int, BadLine | None], stream: str) -> None:
    garden, port, line = far
    link = garden.house.links.of(f"http://127.0.0.1:{port}", Role.HOST)
    context = garden.chrome.new_context(viewport={"width": 480, "height": 400})
    context.set_default_timeout(WITHIN_MS)
    garden.contexts.append(context)
    page = context.new_page()
    page.goto(link.replace("/#", f"/?stream={stream}#"))
    still = f"body[data-line=open][data-view={stream}][data-shown=still]"
    page.locator(still).wait_for()
    # It follows the hand at once, whatever the line does: what is seen there is moved, or drawn, by the page.
    page.mouse.move(240, 200)
    before = page.locator("#magnification").inner_text()
    for _ in range(4):
        page.mouse.wheel(0, -120)
        page.wait_for_timeout(50)
    page.wait_for_timeout(300)
    assert page.locator("#magnification").inner_text() != before
    page.locator(still).wait_for()
    ask(page, "moss")
    page.locator("#path .here", has_text="moss").wait_for()
    page.locator(f"{still}[data-revision='2']").wait_for()
    if line is not None:
        line.cut()
        page.locator("#line").wait_for()
    else:
        garden.house.stop()
        page.locator("#line").wait_for()
        garden.house.start()
    page.locator("#line").wait_for(state="hidden")
    page.mouse.wheel(0, 240)
    page.wait_for_timeout(500)
    page.locator(f"{still}[data-revision='2']").wait_for()
