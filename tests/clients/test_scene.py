"""Surfels over real sockets: what a client holds and draws is what the server would have drawn for it."""

import asyncio
import io
import math
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from houses import Served, ask, open_house, read, small_world
from PIL import Image
from zoom_garden import ROOT, zoom_node

from wonderzoom.clients.aio import World, connect
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol.messages import Spot
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.residency import FADE_S
from wonderzoom.scene_graph.visible_set import visible_set

BUDGET = 100_000


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def served(path: Path, renderer: CpuRenderer, test: Callable[[Served], Awaitable[None]]) -> None:
    """Run a test beside a server of a small world into which one can zoom."""

    async def run() -> None:
        root = small_world(path / "garden")

        def make(wish: ZoomWish, watch: Watch) -> Proposal:
            world = read(path / "garden")
            node, blocks = zoom_node(wish.request, root)
            return Proposal(Zoomed(world.propose(node, blocks), node.id, (), ("moss",)), world.revision)

        async with open_house({"garden": path / "garden"}, renderer, make) as made, asyncio.timeout(60.0):
            await test(made)

    asyncio.run(run())


async def settled(world: World, camera: Camera, revision: int = 0) -> None:
    """Look, and wait until everything is here and has faded in."""
    await world.scene.whole(world.look(camera), revision)
    while not world.scene.settled:
        await asyncio.sleep(FADE_S / 4)


def decibels(one: np.ndarray, other: np.ndarray) -> float:
    error = float(np.mean((one.astype(np.float64) - other) ** 2))
    return 10.0 * math.log10(1.0 / max(error, 1e-12))


def drawn(world: World, camera: Camera, renderer: CpuRenderer) -> np.ndarray:
    """What a client sees of its surfels."""
    return renderer.render(world.scene.drawn(), camera, world.scene.settings).color


def exact(path: Path, camera: Camera, renderer: CpuRenderer) -> np.ndarray:
    """What the world itself looks like."""
    world = read(path / "garden")
    settings = settings_of(world.header)
    return renderer.render(visible_set(world, camera, settings), camera, settings).color


def test_a_client_sees_what_the_server_sees(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        link = house.link()
        async with connect(link, surfels=BUDGET) as world, connect(link) as framed:
            for camera in (ROOT, ROOT.resized(200, 150), ROOT.orbited(0.2, 0.1), ROOT.resized(24, 18)):
                await settled(world, camera)
                mine = drawn(world, camera, renderer)
                assert decibels(mine, exact(tmp_path, camera, renderer)) >= 40.0
                picture = await framed.frame(framed.look(camera))
                theirs = np.asarray(Image.open(io.BytesIO(picture.jpeg)), np.float64) / 255.0
                assert decibels(mine, theirs) >= 35.0
                assert mine.std() > 0.05

    served(tmp_path, renderer, test)


def test_a_still_view_costs_nothing(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        async with connect(house.link(), surfels=BUDGET) as world:
            await settled(world, ROOT)
            deltas, at = world.scene.deltas, world.scene.drawn()
            await asyncio.sleep(0.5)
            await settled(world, ROOT)  # the same camera again: one word that it is whole, and no surfel
            assert world.scene.deltas <= deltas + 1
            size, deltas = world.scene.bytes, world.scene.deltas
            await asyncio.sleep(1.0)
            assert (world.scene.bytes, world.scene.deltas) == (size, deltas)
            assert world.scene.drawn() is at or world.scene.drawn().blocks == at.blocks
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.3):
                    await anext(world.frames())  # nor is it sent frames

    served(tmp_path, renderer, test)


def test_a_commit_appears_for_all_and_goes_again(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        link = house.link()
        async with connect(link, surfels=BUDGET) as ada, connect(link, surfels=BUDGET) as bob:
            seq = ada.look(ROOT)
            await ada.scene.whole(seq)
            zoom = ada.zoom("moss", at=Spot(seq=seq, u=0.3, v=0.4))
            done = await zoom
            assert done.node is not None
            camera = ROOT.zoomed(2.0)
            for world in (ada, bob):
                await settled(world, camera, done.revision)
                assert done.node in {block.node for block in world.scene.drawn().blocks}
                assert decibels(drawn(world, camera, renderer), exact(tmp_path, camera, renderer)) >= 40.0
            # What it stands for has got other bounds, and is the same otherwise.
            removed = await bob.remove(done.node)
            for world in (ada, bob):
                await settled(world, camera, removed)
                assert done.node not in {block.node for block in world.scene.drawn().blocks}
                assert decibels(drawn(world, camera, renderer), exact(tmp_path, camera, renderer)) >= 40.0
            restored = await bob.restore(done.node)
            for world in (ada, bob):
                await settled(world, camera, restored)
                assert done.node in {block.node for block in world.scene.drawn().blocks}

    served(tmp_path, renderer, test)


def test_after_a_break_only_what_is_missing_is_sent(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        async with connect(house.link(), surfels=BUDGET) as world:
            await settled(world, ROOT)
            first, known = world.scene.bytes, len(world.scene.held.known())
            world._line.drop()  # as a network does
            await world.scene.changed()
            await settled(world, ROOT)
            assert first > 1000 and world.scene.bytes == first
            # Of half of it the client has nothing any more.
            gone = [each.hash for each in world.scene.held.known()[::2]]
            world.scene.held.give_up(gone)
            world._line.drop()
            await world.scene.changed()
            await settled(world, ROOT)
            assert len(world.scene.held.known()) == known
            assert 0.2 * first < world.scene.bytes - first < 0.8 * first
            assert decibels(drawn(world, ROOT, renderer), exact(tmp_path, ROOT, renderer)) >= 40.0

    served(tmp_path, renderer, test)


def test_a_view_beyond_the_budget_is_coarser_and_whole(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        async with connect(house.link(), surfels=1000) as world:
            for camera in (
                ROOT,
                ROOT.orbited(0.3, 0.0),
                ROOT.zoomed(3.0),
                ROOT.zoomed(3.0).orbited(0.4, 0.2),
                ROOT,
            ):
                await settled(world, camera)
                assert world.scene.held.count <= 1000
                # Coarser, and nowhere a hole.
                seen = renderer.render(world.scene.drawn(), camera, world.scene.settings)
                theirs = exact(tmp_path, camera, renderer)
                assert decibels(seen.color, theirs) >= 20.0

    served(tmp_path, renderer, test)


def test_payloads_by_their_names(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        async with connect(house.link(), surfels=BUDGET) as world:
            await settled(world, ROOT)
            secret = world.welcome.blocks
            name = world.scene.held.known()[0].hash.hex()
            assert len(secret) == 43
            status, headers, body = await ask(house.port, f"/s/{secret}/blocks/{name}")
            assert (
                status == 404 and name.encode() not in body
            )  # it came by the websocket, and was not offered
            for path in (
                f"/s/{'x' * 43}/blocks/{name}",
                f"/s/{secret}/blocks/",
                "/s/",
                f"/s/{secret}/blocks/../..",
            ):
                assert (await ask(house.port, path))[0] == 404
        async with connect(house.link(), surfels=BUDGET, fetch=True) as world:
            world.look(ROOT)
            while not world.scene.held.awaited:
                await world.scene.changed()
            while not world.scene.held.complete:
                for name in world.scene.held.awaited:
                    status, headers, body = await ask(house.port, f"/s/{secret}/blocks/{name.hex()}")
                    assert status == 200 and headers["cache-control"] == "public, max-age=31536000, immutable"
                    world.scene.fetched(name, body)
                await world.scene.changed()
            await settled(world, ROOT)
            assert decibels(drawn(world, ROOT, renderer), exact(tmp_path, ROOT, renderer)) >= 40.0

    served(tmp_path, renderer, test)
