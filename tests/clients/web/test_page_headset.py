"""The page in an emulated headset (iwer): two eyes, each of which sees what its own camera sees."""

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from garden_pages import STILL, Garden
from PIL import Image
from played_surfels import PlayedSurfels, complaints
from worlds import Plane, facing, first_camera, plane_node

from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.world import World

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

WIDTH, HEIGHT = 640, 360  # of both eyes together
ARM_M = 0.8  # as headset.js has it
SETTLED = "body[data-view=surfels][data-shown=still]"
SETTINGS = RenderSettings(h_ref=64, background=(0.0, 0.0, 0.0), mips=True)
PUT_ON = """
const headset = new IWER.XRDevice(IWER.metaQuest3);
headset.stereoEnabled = true;
headset.installRuntime({forceInstall: true});
headset.position.set(0, 0, 0);
headset.quaternion.set(0, 0, 0, 1);
window.headset = headset;
"""


def iwer() -> str:
    folder = os.environ.get("IWER")
    if folder is None:
        pytest.skip("the emulated headset is not here: npm install iwer, and its folder in IWER")
    return (Path(folder) / "build" / "iwer.min.js").read_text(encoding="utf-8")


def test_two_eyes_see_the_world_from_where_they_are(chrome: Any) -> None:
    emulator = iwer()
    world, camera = World(WorldHeader(h_ref=64)), first_camera()
    node, blocks = plane_node(camera, facing(camera))
    world.apply(world.propose(node, blocks))
    zoomed = camera.zoomed(4.0)
    finer, blocks = plane_node(zoomed, Plane(zoomed.pivot, facing(camera).normal), node.id)
    world.apply(world.propose(finer, blocks))
    context = chrome.new_context(viewport={"width": WIDTH, "height": HEIGHT})
    try:
        with PlayedSurfels(world, SETTINGS, camera) as server:
            page = context.new_page()
            said = complaints(page)
            page.add_init_script(emulator + PUT_ON)
            page.goto(server.link)
            page.locator(SETTLED).wait_for()
            flat = server.camera
            page.locator("#headset").click()
            page.locator("body[data-headset=on]").wait_for()
            left, right = eyes(page)
            assert server.camera != flat, "the server knows where the eyes look"
            # The middle of the plane, an arm's length away, is nearer to the nose for either eye.
            apart = found_at(left) - found_at(right)
            expected = disparity(page)
            assert expected > 5 and abs(apart - expected) < 0.2 * expected + 1, (
                f"{apart} pixels, not {expected}"
            )
            page.evaluate("headset.position.set(0.15, 0, 0)")
            moved, _ = eyes(page)
            assert found_at(moved) < found_at(left) - 15, (
                "who goes to the right sees the world go to the left"
            )
            page.evaluate("headset.position.set(0, 0, 0)")
            page.evaluate("headset.controllers.right.updateAxes('thumbstick', 0, -1)")
            page.wait_for_timeout(500)
            page.evaluate("headset.controllers.right.updateAxes('thumbstick', 0, 0)")
            closer, _ = eyes(page)
            assert np.abs(closer - left).mean() > 3, "and who grows smaller sees more"
            if kept := os.environ.get("WONDERZOOM_SCREENSHOTS"):  # for whoever wants to look
                (Path(kept) / "headset.png").write_bytes(page.screenshot())
            page.evaluate("headset.activeSession?.end()")
            page.locator("body:not([data-headset])").wait_for()
            page.locator(SETTLED).wait_for()
            assert page.evaluate("document.getElementById('surfels').getContext('webgl2').getError()") == 0
            assert said == []
    finally:
        context.close()


def test_two_eyes_see_the_servers_frames_moved_to_where_they_are(tmp_path: Path, chrome: Any) -> None:
    """The server draws both; between its frames, and once it is away, their depth keeps up with the head."""
    emulator = iwer()
    with CpuRenderer(1) as renderer:
        garden = Garden(tmp_path / "garden", renderer, chrome)
        garden.house.start()
        try:
            context = chrome.new_context(viewport={"width": WIDTH, "height": HEIGHT})
            garden.contexts.append(context)
            page = context.new_page()
            said = complaints(page)
            page.add_init_script(emulator + PUT_ON)
            page.goto(
                garden.house.links.of(f"http://127.0.0.1:{garden.house.port}", Role.VIEWER).replace(
                    "/#", "/?stream=frames#"
                )
            )
            page.locator(STILL).wait_for()
            assert page.locator("body").get_attribute("data-eyes") == "1"
            page.locator("#headset").click()
            page.locator("body[data-headset=on][data-eyes='2'][data-shown=still]").wait_for()
            left, right = eyes(page)
            if kept := os.environ.get("WONDERZOOM_SCREENSHOTS"):  # for whoever wants to look
                (Path(kept) / "headset-frames.png").write_bytes(page.screenshot())
            apart, expected = found_at(left) - found_at(right), disparity(page)
            assert expected > 5 and abs(apart - expected) < 0.3 * expected + 1, (
                f"{apart} pixels, not {expected}"
            )
            garden.house.stop()
            page.locator("body:not([data-line=open])").wait_for()
            page.evaluate("headset.position.set(0.1, 0, 0)")
            moved, _ = eyes(page)
            assert found_at(moved) < found_at(left) - 10, (
                "the last frame goes to the left where one goes to the right"
            )
            assert [each for each in said if "WebSocket" not in each] == []
            page.evaluate("headset.activeSession?.end()")
            page.locator("body:not([data-headset])").wait_for()
        finally:
            garden.close()


def eyes(page: Any) -> tuple[np.ndarray, np.ndarray]:
    """What each eye sees, some frames later."""
    drawn = "Number(document.body.dataset.headsetFrames ?? 0)"
    count = int(page.evaluate(drawn))
    while page.evaluate(drawn) <= count + 5:
        page.wait_for_timeout(20)
    shot = page.screenshot()  # the canvas is all there is to see
    both = np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float64)
    half = both.shape[1] // 2
    return both[:, :half], both[:, half:]


def found_at(eye: np.ndarray) -> float:
    """Where the middle of what is not black is, from the left, pixels."""
    return float(np.nonzero(eye.max(2).max(0) > 40)[0].mean())


def disparity(page: Any) -> float:
    """By how many pixels the eyes differ at an arm's length, of what is straight ahead."""
    focal = HEIGHT / 2 / np.tan(page.evaluate("headset.fovy") / 2)
    return float(page.evaluate("headset.ipd") / ARM_M * focal)
