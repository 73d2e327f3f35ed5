"""Frames do not wait: the first are drawn without what is not there yet, later ones with it."""

import asyncio
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from worlds import nested_world

from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.orders import Drawn, Order
from wonderzoom.runtime.pacing import Rung
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.mips import Missing
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

FULL = Rung(1.0, 90)


@pytest.mark.parametrize("budget", [None, 300])
def test_pyramids_are_made_beside_the_frames(budget: int | None) -> None:
    """With a budget the first frame waits, and keeps to it."""
    world, cameras = nested_world(1, width=64, height=64)
    camera = cameras[0].zoomed(0.3)
    world.header = type(world.header)(h_ref=64)
    with CpuRenderer(1) as renderer:
        drawing = Drawing(world, renderer, budget=budget)
        begin = threading.Event()  # else they may be there before the first frame is
        drawing._pyramids._thread.submit(begin.wait)
        try:
            asyncio.run(drawing.draw(Order((camera,), FULL, False, "somebody")))
            first = renderer.statistics.drawn
            begin.set()
            drawing._pyramids._thread.submit(lambda: None).result()  # what was asked before it is done
            asyncio.run(drawing.draw(Order((camera,), FULL, False, "somebody")))
            second = renderer.statistics.drawn
        finally:
            begin.set()
            drawing.close()
    if budget is None:
        assert 0 < second < 0.5 * first
    else:
        assert 0 < second == first <= budget
    assert any(block.mips for block in world.blocks)


# ---- a world on disk --------------------------------------------------------------------------------------
class Painted:
    """Keeps the visible set of each picture, and paints nothing."""

    name = "painted"

    def __init__(self) -> None:
        self.seen: list[VisibleSet] = []

    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        return ReferenceRenderer().render(visible, camera, settings)

    def render_color(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> NDArray[np.uint8]:
        self.seen.append(visible)
        return np.zeros((camera.height, camera.width, 4), np.uint8)

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        return self.render_color(visible, camera, settings), np.zeros(
            (camera.height, camera.width), np.float32
        )


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    world, _ = nested_world(2, ratio=2.5, width=32, height=24)
    whole = World(world.header)
    with WorldStore.create(tmp_path / "w", world.header) as store:
        for node in world.nodes.values():
            blocks = [(block.cell, block.surfels) for block in world.blocks_of(node.id)]
            commit = whole.propose(replace(node, children=()), blocks)
            whole.apply(commit)
            store.append(commit)
    return tmp_path / "w"


def visible_set_lacks(world: World, camera: Camera) -> list[Missing]:
    """The pyramids that a picture would want."""
    lacking: list[Missing] = []
    visible_set(world, camera, settings_of(world.header), later=lacking.append)
    return lacking


def until_settled(drawing: Drawing, camera: Camera, now: list[float]) -> list[Drawn]:
    """Frames 20 ms after each other, as the clock of the drawing goes, until nothing moves."""
    frames: list[Drawn] = []
    while not frames or not frames[-1].settled:
        assert len(frames) < 500
        frames.append(asyncio.run(drawing.draw(Order((camera,), FULL, False, "somebody"))))
        now[0] += 0.02
        time.sleep(0.002)  # for the thread that reads
    return frames


def test_a_viewer_of_a_world_on_disk_gets_all_of_it_by_and_by(stored: Path) -> None:
    """The root's blocks at once, the others as the thread brings them, each fading in; a pick needs no frame."""
    with WorldStore.open(stored) as store:
        world, whole = store.load(PageCache()), store.load()
    camera = nested_world(2, ratio=2.5, width=32, height=24)[1][2]
    painter, now = Painted(), [0.0]
    drawing = Drawing(world, painter, clock=lambda: now[0])
    try:
        frames = until_settled(drawing, camera, now)
        found = asyncio.run(drawing.pick(camera, 0.5, 0.5))
    finally:
        drawing.close()
    root = world.root
    assert root is not None and {block.node for block in painter.seen[0].blocks} == {root.id}
    assert len(frames) >= 8  # 150 ms and more
    shares = [max(seen.residencies[1:], default=0.0) for seen in painter.seen]
    assert all(0.0 <= share <= 1.0 for share in shares)
    expected = visible_set(whole, camera, settings_of(whole.header))
    assert [block.hash for block in painter.seen[-1].blocks] == [block.hash for block in expected.blocks]
    assert set(painter.seen[-1].residencies) == {1.0}
    assert found is not None and found.node != root.id


def test_a_damaged_block_is_said_once_and_the_viewer_sees_the_rest(
    stored: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with WorldStore.open(stored) as store:
        world = store.load(PageCache())
        next((stored / "commits").glob("00000003-*")).unlink()
        camera = nested_world(2, ratio=2.5, width=32, height=24)[1][2]
        painter, now = Painted(), [0.0]
        drawing = Drawing(world, painter, clock=lambda: now[0])
        try:
            until_settled(drawing, camera, now)
            until_settled(drawing, camera, now)
        finally:
            drawing.close()
        deepest = list(world.nodes)[-1]
        assert deepest not in {block.node for block in painter.seen[-1].blocks}
        assert deepest in store.damaged and world.root is not None and world.root.id not in store.damaged
    said = [record.message for record in caplog.records if record.levelname == "ERROR"]
    assert len(said) == len(set(said)) >= len(world.blocks_of(deepest))


def test_what_small_pictures_need_is_made_before_anybody_looks() -> None:
    world, cameras = nested_world(1, width=64, height=64)
    world.header = type(world.header)(h_ref=64)
    with CpuRenderer(1) as renderer:
        drawing = Drawing(world, renderer)
        try:
            asyncio.run(drawing.foresee(cameras[0]))
            drawing._pyramids._thread.submit(lambda: None).result()
            made = asyncio.run(drawing.draw(Order((cameras[0].resized(32, 32),), FULL, False, "somebody")))
        finally:
            drawing.close()
    assert made.settled and any(block.mips for block in world.blocks)
    assert not visible_set_lacks(world, cameras[0].resized(32, 32))


# ---- stills -----------------------------------------------------------------------------------------------
def test_a_still_of_what_was_just_drawn_is_not_drawn_again() -> None:
    """Its bytes are those of a still that is; another camera, a smaller picture or another world is drawn."""
    world, cameras = nested_world(1, width=64, height=48)
    camera, beside = cameras[0], cameras[0].orbited(0.1, 0.0)
    drawn: list[int] = []

    class Counting(CpuRenderer):
        def render_color(
            self, visible: VisibleSet, camera: Camera, settings: RenderSettings
        ) -> NDArray[np.uint8]:
            drawn.append(1)
            return super().render_color(visible, camera, settings)

    def still(of: Camera) -> tuple[bytes, int, float]:
        """Its bytes, how many pictures were drawn for it, and for how long."""
        drawn.clear()
        made = asyncio.run(drawing.draw(Order((of,), Rung(1.0, 92), True, "somebody")))
        (view,) = made.views
        assert view.camera == of and made.revision == world.revision
        return view.payload, len(drawn), made.render_s

    def moving(of: Camera, rung: Rung = FULL) -> None:
        asyncio.run(drawing.draw(Order((of,), rung, False, "somebody")))

    with Counting(1) as renderer:
        drawing = Drawing(world, renderer)
        try:
            moving(camera)
            drawing._pyramids._thread.submit(lambda: None).result()  # what was asked before it is done
            expected, count, took = still(camera)  # the moving one lacked its pyramids
            assert count == 1 and took > 0.0
            moving(camera)
            assert still(camera) == (expected, 0, 0.0)
            assert still(camera)[:2] == (expected, 1)  # kept for one still
            moving(beside)
            assert still(camera)[:2] == (expected, 1)
            moving(camera, Rung(0.5, 75))
            assert still(camera)[:2] == (expected, 1)
            moving(camera)
            drawing.apply(world.propose_removal(list(world.nodes)[-1]))
            assert still(camera)[1] == 1
        finally:
            drawing.close()
