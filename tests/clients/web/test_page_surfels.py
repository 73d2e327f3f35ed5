"""The page in surfel mode, in a real browser: what it shows of a world that comes, grows, goes and comes again.

What is shown is compared with the server's frame of the same camera, once the page says that it is settled.
"""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from browser import SIZE
from numpy.typing import NDArray
from PIL import Image
from played_surfels import PlayedSurfels, complaints, frames_page
from worlds import Plane, facing, first_camera, plane_node

from wonderzoom.protocol.messages import Ack, Configure, Surfels
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.world import World

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

SETTLED = "body[data-view=surfels][data-shown=still]"
LEAST_DB = 35.0
SETTINGS = RenderSettings(h_ref=72, background=(0.3, 0.35, 0.25), mips=True)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


class Scene:
    """A plane on a server that plays, and a page that looks at it."""

    def __init__(self, chrome: Any, renderer: CpuRenderer) -> None:
        self.camera = first_camera(96, 72, 80.0)
        self.plane = facing(self.camera, 0.3)
        self.world, self.renderer = World(WorldHeader(h_ref=72)), renderer
        node, blocks = plane_node(self.camera, self.plane)
        self.root = node.id
        self.world.apply(self.world.propose(node, blocks))
        self.server = PlayedSurfels(self.world, SETTINGS, self.camera)
        self.context = chrome.new_context(viewport=SIZE)
        self.page = self.context.new_page()
        self.said = complaints(self.page)

    def __enter__(self) -> "Scene":
        self.server.__enter__()
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        error = self.page.evaluate("document.getElementById('surfels').getContext('webgl2').getError()")
        self.context.close()
        self.server.__exit__()
        if kind is None:
            assert self.said == [] and error == 0, "the browser complains"

    def grow(self) -> None:
        """A zoom is committed."""
        zoomed = self.camera.zoomed(4.0)
        node, blocks = plane_node(zoomed, Plane(zoomed.pivot, self.plane.normal), self.root)
        self.world.apply(self.world.propose(node, blocks))

    def open(self) -> None:
        self.page.goto(self.server.link)
        self.settle()

    def settle(self) -> None:
        self.page.locator(SETTLED).wait_for()

    def moves(self, act: Any) -> None:
        """Do what moves the camera, and wait until all it asks for is here and at rest."""
        heard = len(self.server.sent)
        act()
        while len(self.server.sent) == heard:
            self.page.wait_for_timeout(20)
        self.page.wait_for_timeout(700)  # a glide ends
        self.settle()

    def picture(self) -> NDArray[np.float64]:
        self.page.add_style_tag(content="body > :not(main), #overlay { opacity: 0; }")
        shot = self.page.locator("#surfels").screenshot()
        return np.asarray(Image.open(io.BytesIO(shot)).convert("RGB"), np.float64)

    def frame(self, visible: VisibleSet | None = None) -> NDArray[np.float64]:
        """The server's frame of the page's camera."""
        assert self.server.camera is not None
        shown = self.server.visible() if visible is None else visible
        return self.renderer.render_color(shown, self.server.camera, SETTINGS)[..., :3].astype(np.float64)

    def agrees(self) -> None:
        quality = decibels(self.picture(), self.frame())
        assert quality >= LEAST_DB, f"{quality:.1f} dB"


def decibels(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(10 * np.log10(255.0**2 / max(np.mean((one - other) ** 2), 1e-9)))


@pytest.fixture
def scene(chrome: Any, renderer: CpuRenderer) -> Iterator[Scene]:
    with Scene(chrome, renderer) as made:
        yield made


def test_at_rest_the_page_shows_what_a_frame_would(scene: Scene) -> None:
    scene.open()
    scene.agrees()
    scene.page.mouse.move(400, 250)
    scene.moves(lambda: scene.page.mouse.wheel(0, -400))
    scene.agrees()
    scene.moves(lambda: scene.page.keyboard.press("q", delay=200))
    scene.agrees()
    scene.moves(lambda: scene.page.mouse.wheel(0, 1500))
    scene.agrees()
    scene.server.do(lambda guest: acknowledged(guest, scene.server.sent))


def acknowledged(guest: Any, sent: list[Surfels]) -> None:
    assert {ack.delta for ack in guest.all_heard(Ack)} == {delta.delta for delta in sent}


def test_what_is_committed_appears_and_fades_between_scales(scene: Scene) -> None:
    scene.open()
    before = scene.picture()
    scene.grow()
    root = scene.root
    scene.server.change = lambda visible: replace(
        visible,
        residencies=tuple(1.0 if block.node == root else 0.6 for block in visible.blocks),
        child_residencies=tuple(0.6 for _ in visible.blocks),
    )
    scene.moves(scene.server.answer_again)
    scene.moves(lambda: scene.page.locator("#closer").click())  # half way between the two scales
    scene.agrees()
    half = scene.picture()
    scene.server.change = lambda visible: visible
    scene.moves(scene.server.answer_again)
    scene.agrees()
    assert decibels(half, scene.picture()) < LEAST_DB and decibels(before, scene.picture()) < LEAST_DB


def test_hands_move_the_picture_without_the_server(scene: Scene) -> None:
    scene.open()
    scene.grow()
    scene.moves(scene.server.answer_again)
    scene.server.silent = True
    before, seen = scene.picture(), scene.server.camera
    scene.page.mouse.move(320, 200)
    scene.page.mouse.down()
    scene.page.mouse.move(260, 240, steps=5)
    scene.page.mouse.up()
    scene.page.wait_for_timeout(900)
    assert scene.server.camera != seen, "it says where it looks"
    assert decibels(before, scene.picture()) < 25
    # What is nearest to the middle is at the depth of the surface: the pivot went there, though nobody was asked.
    scene.agrees()


def test_a_broken_line_costs_nothing_that_is_here_already(scene: Scene) -> None:
    scene.grow()
    scene.open()
    shown, sent = scene.picture(), len(scene.server.sent)
    levels = {level.hash for delta in scene.server.sent for level in delta.levels}
    scene.server.do(lambda guest: guest.drop())
    while len(scene.server.sent) == sent:
        scene.page.wait_for_timeout(50)
    scene.settle()
    assert set(scene.server.had[-1]) == levels
    assert not any(delta.levels for delta in scene.server.sent[sent:])
    assert decibels(shown, scene.picture()) > 60


def test_dropped_levels_are_gone_and_come_again(scene: Scene) -> None:
    scene.grow()
    scene.open()
    there = scene.page.evaluate("document.body.dataset.held")
    names = [level.hash for delta in scene.server.sent for level in delta.levels]

    def drop(guest: Any) -> None:
        last = scene.server.sent[-1]
        gone = Surfels(
            delta=900, revision=2, camera_seq=last.camera_seq, anew=True, drop=names, complete=True
        )
        guest.say(gone)
        scene.server.forget()

    scene.server.do(drop)
    scene.page.locator("body[data-held='0']").wait_for()
    scene.settle()
    ground = np.array(SETTINGS.background) * 255
    assert np.abs(scene.picture() - ground).max() < 2
    scene.moves(scene.server.answer_again)
    scene.agrees()
    assert scene.page.evaluate("document.body.dataset.held") == there


def test_the_way_to_see_is_chosen_for_a_reason_and_changed_by_hand(scene: Scene) -> None:
    page = scene.page
    page.goto(frames_page(scene.server.link))
    page.locator("body[data-line=open][data-stream=frames]").wait_for()
    assert "no graphics card" in page.locator("#stream").get_attribute("title")
    page.select_option("#stream", "surfels")
    scene.settle()
    assert "as you chose" in page.locator("#stream").get_attribute("title")
    assert (
        "surfels" in page.locator("#readout").inner_text() or page.locator("#readout").inner_text() == "still"
    )
    scene.agrees()
    page.reload()
    scene.settle()
    page.select_option("#stream", "frames")
    page.locator("body[data-stream=frames]").wait_for()
    asked: list[str] = []
    scene.server.do(lambda guest: asked.extend(each.stream for each in guest.all_heard(Configure)))
    assert asked == ["surfels", "frames"]
    assert page.locator("#surfels").is_visible(), "until a frame has come"
