"""The Python client and the real server: what one says is what the other means."""

import asyncio
import io
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from houses import open_house, read, small_world
from PIL import Image
from zoom_garden import ROOT, zoom_node

from wonderzoom.clients.aio import connect
from wonderzoom.clients.errors import NotAllowed, RequestFailed
from wonderzoom.clients.load import Load
from wonderzoom.clients.load import run as send_crowd
from wonderzoom.clients.poses import position_of
from wonderzoom.clients.reprojection import reprojected
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import StageEvent, Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.runtime.renderers.cpu import CpuRenderer


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def served(path: Path, renderer: CpuRenderer, test: Callable[[str, str], Awaitable[None]]) -> None:
    """Run a test beside a server of a small world; it is given the link, and the world's root."""

    async def run() -> None:
        root = small_world(path / "garden")

        def make(wish: ZoomWish, watch: Watch) -> Proposal:
            world = read(path / "garden")
            watch.event(StageEvent("edit", 0.5, np.full((36, 48, 3), 90, np.uint8)))
            node, blocks = zoom_node(wish.request, root)
            return Proposal(Zoomed(world.propose(node, blocks), node.id, (), ("moss",)), world.revision)

        async with open_house({"garden": path / "garden"}, renderer, make) as made, asyncio.timeout(60.0):
            await test(made.link(), root)

    asyncio.run(run())


def test_a_frame_with_depth_shows_what_another_camera_sees(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(link: str, root: str) -> None:
        async with connect(link, depth=True) as world, connect(link) as plain:
            camera = ROOT.resized(96, 72)
            picture = await world.frame(world.look(camera))
            assert picture.depth is not None and picture.depth.shape == (18, 24) and picture.beside is None
            assert (await plain.frame(plain.look(camera))).depth is None
            picked = await world.pick(picture.spot(0.25, 0.7))
            assert picked.place is not None
            assert float(picture.depth[12, 6]) == pytest.approx(picked.zeta, abs=2.0)
            target = camera.orbited(0.15, 0.1)
            truth = np.asarray(
                Image.open(io.BytesIO((await world.frame(world.look(target))).jpeg)), np.float64
            )
            colors = np.asarray(Image.open(io.BytesIO(picture.jpeg)))
            deep = reprojected(colors, picture.depth, picture.camera, target)
            plane = reprojected(colors, np.zeros((2, 2), np.float32), picture.camera, target)
            middle = deep.known & np.pad(np.ones((48, 72), np.bool_), 12)
            errors = [np.mean((each.colors - truth)[middle] ** 2) for each in (deep, plane)]
            assert middle.mean() > 0.45 and errors[0] < min(8.0, errors[1]), (
                "39 dB, of a world without much relief"
            )

    served(tmp_path, renderer, test)


def test_two_eyes_and_a_bias_of_detail(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(link: str, root: str) -> None:
        async with connect(link, depth=True) as world, connect(link, lod_bias=8.0) as coarse:
            left, right = ROOT.resized(96, 72).orbited(0.05, 0.0), ROOT.resized(96, 72).orbited(-0.05, 0.0)
            picture = await world.frame(world.look(left, right))
            beside = picture.beside
            assert beside is not None and beside.beside is None
            assert (picture.camera, beside.camera) == (left, right) and picture.jpeg != beside.jpeg
            assert (
                picture.depth is not None
                and beside.depth is not None
                and (picture.depth != beside.depth).any()
            )
            alone = await world.frame(world.look(right))
            assert alone.jpeg == beside.jpeg and alone.beside is None
            assert world.camera == right
            await world.zoom("moss", at=alone.spot(0.5, 0.5))
            near = ROOT.resized(96, 72).zoomed(4.0)
            finer, coarser = [await each.frame(each.look(near)) for each in (world, coarse)]
            assert finer.message.revision == coarser.message.revision == 2
            assert finer.jpeg != coarser.jpeg, "the zoom is finer than it wants"

    served(tmp_path, renderer, test)


def test_look_pick_zoom_and_remove(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(link: str, root: str) -> None:
        async with connect(link, name="Ada") as world, connect(link, name="Bob") as other:
            assert world.welcome.world == "garden" and list(world.nodes) == [root]
            camera = ROOT.resized(96, 72)
            picture = await world.frame(world.look(camera))
            assert picture.camera == camera and picture.still
            assert Image.open(io.BytesIO(picture.jpeg)).size == (96, 72)
            picked = await world.pick(picture.spot(0.4, 0.6))
            assert picked.place is not None and picked.node == root
            uv, _ = camera.project(camera.view_point(position_of(picked.place)))
            assert uv == pytest.approx([0.4 * 96, 0.6 * 72], abs=0.01)
            zoom = world.zoom("moss", at=picture.spot(0.4, 0.6))
            assert [status.state async for status in zoom][-1] == "committed"
            result = await zoom
            assert result.node is not None and result.placed == ["moss"]
            async with asyncio.timeout(10.0):
                while result.node not in other.nodes or result.node not in world.nodes:
                    await asyncio.sleep(0.01)
            assert other.nodes[result.node].by == "Ada"
            with pytest.raises(RequestFailed) as caught:
                await world.remove("n0thing")
            assert caught.value.code is ErrorCode.NOT_FOUND
            revision = await other.remove(result.node)
            assert revision == 3 and list(other.nodes) == [root]
            assert await other.restore(result.node) == 4 == await other.restore(result.node)
            assert set(other.nodes) == {root, result.node}
            with pytest.raises(RequestFailed, match="can't come back"):
                await other.restore("n0thing")
        with pytest.raises(NotAllowed):
            async with connect(link.partition("#")[0] + "#token=" + "x" * 43):
                pass

    served(tmp_path, renderer, test)


def test_a_crowd_is_served_and_whoever_misbehaves_is_sent_away(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(link: str, _root: str) -> None:
        load = Load(link, viewers=3, slow=1, stalled=1, hostile=2, seconds=2.5, fps=10.0, width=96, height=72)
        rows = {row.kind: row for row in await send_crowd(load)}
        assert rows["viewer"].served == 3 and rows["viewer"].errors == {}
        assert rows["slow"].served == 1 and rows["slow"].errors == {}
        assert rows["hostile"].sent_away >= 1 and rows["hostile"].errors == {}

    served(tmp_path, renderer, test)
