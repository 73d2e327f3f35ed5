"""The page over the local network, in a real browser: the link is https, the certificate signed by this machine."""

import os
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import numpy as np
import pytest
from browser import SIZE, HouseThread, browser
from houses import read, small_world
from zoom_garden import zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import StageEvent, Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.certificate import kept_certificate
from wonderzoom.runtime.lan import Lan, own_addresses
from wonderzoom.runtime.lan_opening import LanOpening
from wonderzoom.runtime.renderers.cpu import CpuRenderer

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

STILL = "body[data-line=open][data-shown=still]"


def test_a_guest_on_the_network_sees_the_world_zooms_once_and_is_over_tls(tmp_path: Path) -> None:
    """As the browser's user goes on past its warning."""
    lan = Lan((own_addresses() or (ip_address("127.0.0.1"),))[:1])
    opening = LanOpening(lan, kept_certificate(tmp_path / "data", lan.subjects, datetime.now(UTC)))
    path = tmp_path / "garden"
    root = small_world(path)

    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        watch.event(StageEvent("edit", 0.5, np.full((36, 48, 3), (200, 40, 40), np.uint8)))
        world = read(path)
        node, blocks = zoom_node(wish.request, root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id, (), ("moss",)), world.revision)

    said: list[str] = []
    with CpuRenderer(1) as renderer, browser() as chrome:
        house = HouseThread({"garden": path}, renderer, make, over=opening.over)
        house.start()
        try:
            context = chrome.new_context(viewport=SIZE, ignore_https_errors=True)
            page = context.new_page()
            page.on("console", lambda message: said.append(f"{message.type}: {message.text}"))
            page.on("pageerror", lambda error: said.append(f"error: {error}"))
            link = house.links.of(lan.address(house.port), Role.EDITOR)
            assert link.startswith(f"https://{lan.host}:")
            page.goto(link)
            page.locator(STILL).wait_for()
            assert page.evaluate("isSecureContext && location.protocol") == "https:"
            page.mouse.click(0.5 * SIZE["width"], 0.5 * SIZE["height"])
            page.locator("#prompt").wait_for()
            page.fill("#prompt-text", "moss")
            page.keyboard.press("Enter")
            page.locator(".job[data-state=committed]").wait_for()
            page.locator("body[data-revision='2'][data-shown=still]").wait_for()
            page.locator("#path .here", has_text="moss").wait_for()
            if kept := os.environ.get("WONDERZOOM_SCREENSHOTS"):  # for whoever wants to look
                page.screenshot(path=Path(kept) / "lan.png")
            context.close()
        finally:
            house.stop()
    assert said == [] and len(read(path).nodes) == 2
