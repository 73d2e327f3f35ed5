"""What one does with others, by the Python clients: against a server that plays answers, and before a real one."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from houses import makes_nothing, open_house, small_world
from played_server import PlayedServer
from zoom_garden import ROOT

from wonderzoom.clients import blocking
from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.errors import NotAllowed, RequestFailed
from wonderzoom.clients.outbox import Outbox
from wonderzoom.clients.poses import camera_of, pose_of
from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.examples import POSE
from wonderzoom.protocol.messages import Camera, Follow
from wonderzoom.protocol.values import ViewerSummary
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.renderers.cpu import CpuRenderer


def played(test: Callable[[PlayedServer, World], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with PlayedServer() as server, connect(server.link, name="Ada") as world:
            await test(server, world)

    asyncio.run(whole())


def somebody(id: str = "v2", role: str = "viewer") -> ViewerSummary:
    return ViewerSummary(id=id, name="Bob", color="#648fff", role=role)  # type: ignore[arg-type]


def test_a_follow_is_said_after_the_camera_before_it_and_before_the_one_after_it() -> None:
    outbox, said = Outbox(), []
    looks = [Camera(seq=number, cameras=[POSE]) for number in range(3)]
    follow = Follow(request="f", viewer="v2")
    outbox.look(looks[0])
    outbox.look(looks[1])
    outbox.put(follow)
    outbox.look(looks[2])
    for tenth in range(10):
        if not isinstance(message := outbox.next(0.1 * tenth), float | None):
            said.append(message)
    assert said == [looks[1], follow, looks[2]]


def test_a_follower_has_the_leaders_camera_until_it_looks_elsewhere_and_again_after_a_break() -> None:
    async def test(server: PlayedServer, world: World) -> None:
        there = pose_of(camera_of(POSE).zoomed(3.0))
        server.on[Follow] = lambda guest, message: guest.say(
            messages.Led(viewer=message.viewer, camera=there)
        )
        world.look(POSE)
        await world.others.follow("v2")
        assert world.others.leader == "v2" and pose_of(world.camera) == there
        server.guest.drop()
        await server.until(lambda: len(server.guests) == 2 and server.guest.all_heard(Follow) != [])
        *_, camera, follow = [each for each in server.guest.heard if isinstance(each, Camera | Follow)]
        assert isinstance(camera, Camera) and camera.cameras == [there]
        assert isinstance(follow, Follow) and follow.viewer == "v2"
        world.look(POSE)
        server.guest.say(messages.Led(viewer="v2", camera=there))  # was on its way
        server.guest.say(messages.Worlds(worlds=["told"]))
        await server.until(lambda: world.worlds == ["told"])
        assert world.others.leader is None and pose_of(world.camera) == pose_of(camera_of(POSE))

    played(test)


def test_it_is_over_when_the_leader_has_left_or_one_stays() -> None:
    async def test(server: PlayedServer, world: World) -> None:
        server.on[Follow] = lambda guest, message: guest.say(messages.Led(viewer=message.viewer))
        await world.others.follow("v2")
        server.guest.say(messages.Led())
        await server.until(lambda: world.others.leader is None)
        await world.others.follow("v3")
        world.others.stay()
        await server.until(lambda: server.guest.all_heard(Follow)[-1].viewer is None)
        server.on[Follow] = lambda guest, message: guest.say(
            messages.Error(code=ErrorCode.NOT_FOUND, message="nobody", request=message.request)
        )
        with pytest.raises(RequestFailed, match="nobody"):
            await world.others.follow("v9")
        assert world.others.leader is None
        with pytest.raises(ValueError, match="viewer"):
            await world.others.follow("../v9")

    played(test)


def test_a_kick_that_a_break_swallowed_is_done_when_nobody_is_there() -> None:
    async def test(server: PlayedServer, world: World) -> None:
        kicking = asyncio.create_task(world.others.kick("v2"))
        await server.until(lambda: server.guest.all_heard(messages.Kick) != [])
        server.guest.say(messages.Presence(viewers=[somebody()]))  # as it was before
        server.on[messages.Kick] = lambda guest, message: guest.say(
            messages.Error(code=ErrorCode.NOT_FOUND, message="nobody", request=message.request)
        )
        server.guest.drop()
        await kicking
        with pytest.raises(RequestFailed):
            await world.others.kick("v2")

    played(test)


@pytest.fixture(scope="module")
def renderer():
    with CpuRenderer(1) as made:
        yield made


def test_people_in_a_real_world(tmp_path: Path, renderer: CpuRenderer) -> None:
    """Follow, keep a place over a restart, grant, lock, kick."""
    small_world(tmp_path / "garden")

    async def test() -> None:
        async with open_house({"garden": tmp_path / "garden"}, renderer, makes_nothing) as house:
            async with (
                connect(house.link(Role.HOST), name="Ada") as ada,
                connect(house.link(Role.VIEWER)) as bob,
            ):
                bob.look(ROOT.resized(64, 48))
                ada.look(ROOT.resized(64, 48).zoomed(2.0))
                await bob.others.follow(ada.welcome.viewer)
                shown = await bob.frame()
                assert shown.camera == ada.camera and shown.camera == bob.camera
                with pytest.raises(RequestFailed, match="role"):
                    await bob.bookmarks.add("mine", ROOT)
                await ada.others.grant(bob.welcome.viewer, "editor")
                kept = await bob.bookmarks.add("the moss", bob.camera)
                assert kept.by == bob.welcome.name and list(bob.bookmarks) == [kept]
                await ada.others.lock()
                with pytest.raises(NotAllowed, match="locked"):
                    async with connect(house.link(Role.EDITOR)):
                        pass
                await ada.others.lock(False)
                await ada.others.kick(bob.welcome.viewer)
                with pytest.raises(NotAllowed, match="leave"):
                    await bob.frame(seq=99)
        async with open_house({"garden": tmp_path / "garden"}, renderer, makes_nothing) as house:
            async with connect(house.link()) as ada:
                await ada.bookmarks.remove(kept.id)  # it was there
                assert len(ada.bookmarks) == 0
            with pytest.raises(RequestFailed, match="no such bookmark"):
                async with connect(house.link()) as ada:
                    await ada.bookmarks.remove(kept.id)

    asyncio.run(test())


def test_scripts_do_the_same(tmp_path: Path, renderer: CpuRenderer) -> None:
    small_world(tmp_path / "garden")

    async def test() -> None:
        async with open_house({"garden": tmp_path / "garden"}, renderer, makes_nothing) as house:
            await asyncio.to_thread(script, house.link(Role.HOST), house.link(Role.VIEWER))

    def script(host: str, guest: str) -> None:
        with blocking.connect(host, name="Ada") as ada, blocking.connect(guest) as bob:
            ada.look(ROOT.resized(64, 48).zoomed(2.0))
            ada.frame()  # the server knows where she looks
            bob.others.follow(ada.welcome.viewer)
            assert bob.others.leader == ada.welcome.viewer and bob.camera == ada.camera
            bob.others.stay()
            assert bob.others.leader is None
            kept = ada.bookmarks.add("here")
            assert [each.name for each in ada.bookmarks] == ["here"] and len(ada.bookmarks) == 1
            ada.bookmarks.remove(kept.id)
            ada.others.grant(bob.welcome.viewer, "editor")
            ada.others.lock()
            ada.others.lock(False)
            ada.others.kick(bob.welcome.viewer)

    asyncio.run(test())
