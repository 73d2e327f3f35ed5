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
from wonderzoom.clients.errors import BadServer, Ended, RequestFailed
from wonderzoom.clients.line import Line, open_line
from wonderzoom.clients.links import Link
from wonderzoom.clients.poses import pose_of
from wonderzoom.clients.scene import Scene
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.examples import SERVER
from wonderzoom.protocol.messages import Spot
from wonderzoom.runtime import streaming
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.surfel_metrics import Streamed
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
                assert decibels(mine, exact(tmp_path, camera, renderer)) >= 30.0
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
            await asyncio.sleep(0.5)
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
                assert decibels(drawn(world, camera, renderer), exact(tmp_path, camera, renderer)) >= 30.0
            # What it stands for has got other bounds, and is the same otherwise.
            removed = await bob.remove(done.node)
            for world in (ada, bob):
                await settled(world, camera, removed)
                assert done.node not in {block.node for block in world.scene.drawn().blocks}
                assert decibels(drawn(world, camera, renderer), exact(tmp_path, camera, renderer)) >= 30.0
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
            assert decibels(drawn(world, ROOT, renderer), exact(tmp_path, ROOT, renderer)) >= 30.0

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
            assert decibels(drawn(world, ROOT, renderer), exact(tmp_path, ROOT, renderer)) >= 30.0

    served(tmp_path, renderer, test)


def test_what_clients_are_sent_and_hold_is_counted(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        metrics = house.gallery.metrics

        def count(name: str, **labels: str) -> float:
            value = metrics.registry.get_sample_value(f"wonderzoom_{name}", {"room": "first"} | labels)
            assert value is not None
            return value

        async with connect(house.link(), surfels=BUDGET) as world:
            await settled(world, ROOT)
            held = world.scene.held
            streamed = house.gallery.status("ok").streamed["first"]
            assert (streamed.viewers, streamed.surfels, streamed.unacked) == (1, held.count, 0)
            levels = len(held.blocks())  # a level is a block of its own there
            assert 0 < streamed.blocks <= levels == count("surfel_levels_sent_total")
            assert count("surfels_sent_total") == held.count
            sent = [count("surfel_sent_bytes_total", what=what) for what in ("payload", "bounds", "fetched")]
            assert sent[0] + sent[1] == world.scene.bytes and sent[2] == 0
            assert count("surfel_encode_seconds_count") == levels
            assert count("surfel_pyramid_levels_total") > 0
        assert house.gallery.status("ok").streamed["other"] == Streamed()

    served(tmp_path, renderer, test)


async def asked(house: Served) -> Line:
    """Somebody who asks for surfels and says nothing more."""
    link = Link.parse(house.link())
    hello = messages.Hello(protocol=(1, 1), client="raw", token=link.token, surfel_formats=[1])
    line = await open_line(link, hello)
    await line.send(messages.Configure(stream="surfels"))
    await line.send(messages.Camera(seq=1, cameras=[pose_of(ROOT)]))
    return line


async def next_delta(line: Line) -> messages.Surfels:
    while True:
        for message in await line.receive():
            assert not isinstance(message, messages.Frame)
            if isinstance(message, messages.Surfels):
                return message


def test_who_acknowledges_nothing_is_sent_little_and_holds_up_nobody(
    tmp_path: Path, renderer: CpuRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "FIRST_WINDOW", 4 << 10)
    monkeypatch.setattr(streaming, "_LEAST_DELTA", 1 << 10)

    async def test(house: Served) -> None:
        line = await asked(house)
        heard = [await next_delta(line)]
        async with connect(house.link(), surfels=BUDGET) as other:
            await settled(other, ROOT)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    while True:
                        heard.append(await next_delta(line))
            assert not heard[-1].complete and len(heard) <= 4
            # One word of it, and it goes on.
            await line.send(messages.Ack(delta=heard[0].delta))
            heard.append(await next_delta(line))
            for delta in heard[1:]:
                await line.send(messages.Ack(delta=delta.delta))
            while not heard[-1].complete:
                heard.append(await next_delta(line))
                await line.send(messages.Ack(delta=heard[-1].delta))
            sent = {level.hash for delta in heard for level in delta.levels}
            assert sent == {each.hash for each in other.scene.held.known()}
        await line.close(for_good=True)

    served(tmp_path, renderer, test)


def test_who_acknowledges_nothing_for_long_is_let_go(
    tmp_path: Path, renderer: CpuRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streaming, "STALLED_S", 0.3)

    async def test(house: Served) -> None:
        line = await asked(house)
        with pytest.raises(Ended) as ended:
            while True:
                await next_delta(line)
        assert ended.value.code == CloseCode.STALLED
        await line.close(for_good=False)

    served(tmp_path, renderer, test)


def test_from_surfels_to_frames_and_back(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        line = await asked(house)
        heard = [await next_delta(line)]
        while not heard[-1].complete:
            heard.append(await next_delta(line))
            await line.send(messages.Ack(delta=heard[-1].delta))
        levels = sum(len(delta.levels) for delta in heard)
        await line.send(messages.Configure(stream="frames"))
        still = False
        while not still:
            for message in await line.receive():
                if isinstance(message, messages.Frame):
                    await line.send(messages.Ack(frame=message.frame))
                    assert message.camera_seq == 1
                    still = message.still
        await line.send(messages.Configure(stream="surfels"))
        again = await next_delta(line)
        assert again.anew and again.complete and again.show and not again.levels and levels > 0
        await line.close(for_good=True)

    served(tmp_path, renderer, test)


def test_a_point_of_a_camera_can_be_picked(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        async with connect(house.link(), surfels=BUDGET) as world:
            seq = world.look(ROOT)
            await world.scene.whole(seq)
            picked = await world.pick(Spot(seq=seq, u=0.4, v=0.6))
            assert picked.place is not None and picked.node in world.nodes
            with pytest.raises(RequestFailed) as refused:
                await world.pick(Spot(seq=seq + 99, u=0.4, v=0.6))
            assert refused.value.code is ErrorCode.NOT_FOUND

    served(tmp_path, renderer, test)


def test_a_server_without_surfels_or_with_too_many_is_a_bad_one() -> None:
    told: list[object] = []
    surfels, frames = messages.Configure(stream="surfels", surfel_budget=1000), messages.Configure()
    scene = Scene(surfels, lambda: 0.0, told.append)
    welcome = SERVER["welcome"]
    assert isinstance(welcome, messages.Welcome)
    with pytest.raises(BadServer, match="no surfels"):
        scene.enter(welcome, surfels)
    wrong = SERVER["surfels"]
    assert isinstance(wrong, messages.Surfels)
    with pytest.raises(BadServer, match="payload"):
        scene.take(wrong)
    nobody = Scene(frames, lambda: 0.0, told.append)
    assert list(nobody.enter(welcome, frames)) == []
    with pytest.raises(RequestFailed):
        asyncio.run(nobody.whole())
    assert told == [] and limits.SURFEL_FORMAT == 1


def test_the_server_chooses_for_who_leaves_it_to_it(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(house: Served) -> None:
        async with connect(house.link(), surfels=BUDGET, auto=True) as world:
            assert world.streamed == "frames"
            await world.frame(world.look(ROOT), still=False)  # the first picture, by which the line is known
            await settled(world, ROOT)
            assert world.streamed == "surfels"
            assert decibels(drawn(world, ROOT, renderer), exact(tmp_path, ROOT, renderer)) >= 30.0
            world.stream("frames")
            assert (await world.frame(world.look(ROOT))).still and world.streamed == "frames"
            world.stream("auto")
            await settled(world, ROOT)
            assert world.streamed == "surfels"

    served(tmp_path, renderer, test)
