"""Several worlds on one server, and photos that become worlds while others look."""

import asyncio
import hashlib
import io
import shutil
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import houses
import numpy as np
import pytest
from houses import Make, Served, creates_nothing, makes_nothing, open_house, read, small_world
from PIL import Image
from zoom_garden import ROOT, zoom_node

from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.errors import Ended, RequestFailed
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.creation import CreateInChild
from wonderzoom.runtime.gallery import MOST_VACANT, Gallery, is_world, new_path, worlds_in
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.room import Parts
from wonderzoom.runtime.uploads import FOLDER, MOST_KEPT, CreationFailed
from wonderzoom.scene_graph.store import WorldStore


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


class Studio:
    """Makes worlds of photos, as told."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.wait: asyncio.Event | None = None
        self.fails: Exception | None = None

    async def __call__(self, picture: Path, world: Path, told: Callable[[float], None]) -> None:
        self.seen.append(picture.read_bytes())
        told(0.5)
        if self.wait is not None:
            await self.wait.wait()
        if self.fails is not None:
            world.mkdir()
            raise self.fails
        small_world(world)


def photo_of(seed: int, size: int = 200) -> bytes:
    """A picture that does not compress: several chunks of it."""
    noise = np.random.default_rng(seed).integers(0, 255, (size, size, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).save(out, "PNG")
    return out.getvalue()


def in_a_gallery(
    path: Path, renderer: CpuRenderer, test: Callable[[Served, Studio], Awaitable[None]], worlds: int = 1
) -> None:
    async def run() -> None:
        paths = {f"world-{number}": path / f"world-{number}" for number in range(worlds)}
        for each in paths.values():
            if not is_world(each):
                small_world(each)
        studio = Studio()
        async with open_house(paths, renderer, makes_nothing, create=studio) as made, asyncio.timeout(60.0):
            await test(made, studio)

    asyncio.run(run())


def test_each_guest_is_in_the_world_that_they_ask_for(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(made: Served, _studio: Studio) -> None:
        names = [f"world-{number}" for number in range(2 + MOST_VACANT + 2)]
        async with connect(made.link()) as first, connect(f"{made.link()}&world=world-1") as second:
            assert (first.welcome.world, second.welcome.world) == ("world-0", "world-1")
            assert first.welcome.worlds == second.welcome.worlds == names
            assert first.welcome.viewer == second.welcome.viewer == "v1"  # of a world of its own each
            camera = ROOT.resized(64, 48)
            assert (await second.frame(second.look(camera))).still
            # Rooms that nobody is in any more are closed: their worlds can be opened by others.
            for name in names[2:]:
                async with connect(f"{made.link()}&world={name}") as guest:
                    assert guest.welcome.world == name
            open_rooms = made.gallery.open_rooms
            assert len(open_rooms) <= 2 + MOST_VACANT and {"world-0", "world-1"} <= set(open_rooms)
            assert (await first.frame(first.look(camera))).still

    in_a_gallery(tmp_path, renderer, test, worlds=2 + MOST_VACANT + 2)


@pytest.mark.parametrize("name", ["nowhere", "../world-0", "world-0/../world-1", "/etc", "."])
def test_what_is_not_listed_is_not_there(tmp_path: Path, renderer: CpuRenderer, name: str) -> None:
    async def test(made: Served, _studio: Studio) -> None:
        with pytest.raises(Ended) as refused:
            async with connect(f"{made.link()}&world={name}"):
                pass
        assert refused.value.code == CloseCode.NO_WORLD and not refused.value.retryable

    small_world(tmp_path / "world-1")
    in_a_gallery(tmp_path, renderer, test)


def test_a_world_that_is_damaged_or_locked_is_refused_and_the_others_are_not(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    async def test(made: Served, _studio: Studio) -> None:
        shutil.rmtree(tmp_path / "world-1")
        for _ in range(2):
            with pytest.raises(Ended, match="can't be opened"):
                async with connect(f"{made.link()}&world=world-1"):
                    pass
        small_world(tmp_path / "world-1")  # what was wrong is over
        async with connect(f"{made.link()}&world=world-1") as guest:
            assert guest.welcome.world == "world-1"

    in_a_gallery(tmp_path, renderer, test, worlds=2)


def test_a_world_whose_room_could_not_be_made_is_let_go_and_tried_again(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    class Broken(InlineExecutor):
        starts = 0

        async def start(self) -> None:
            Broken.starts += 1
            raise RuntimeError("there are no workers")

    async def test() -> None:
        small_world(tmp_path / "garden")
        parts = Parts(renderer, lambda _path: Broken(makes_nothing), "embedded", 4)
        gallery = Gallery({"garden": tmp_path / "garden"}, tmp_path, parts, creates_nothing)
        for attempt in (1, 2):
            with pytest.raises(RuntimeError, match="no workers"):
                await gallery.session()
            assert Broken.starts == attempt
            with WorldStore.open(tmp_path / "garden", write=True):
                pass  # nothing holds it any more
        await gallery.close()

    asyncio.run(test())


def test_a_world_beside_the_first_has_a_worker_when_somebody_clicks_there_who_may_zoom(
    tmp_path: Path, renderer: CpuRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    class Counted(InlineExecutor):
        def __init__(self, make: Make) -> None:
            super().__init__(make)
            self.starts = 0
            made.append(self)

        async def start(self) -> None:
            self.starts += 1

    monkeypatch.setattr(houses, "InlineExecutor", Counted)

    async def clicks(link: str) -> None:
        async with connect(link) as guest:
            seen = await guest.frame(guest.look(ROOT.resized(64, 48)))
            await guest.pick(seen.spot(0.5, 0.5))

    async def test(served: Served, _studio: Studio) -> None:
        (first,) = made
        assert first.starts == 1
        await clicks(f"{served.link(Role.VIEWER)}&world=world-1")
        assert [each.starts for each in made] == [1, 0]
        await clicks(f"{served.link(Role.EDITOR)}&world=world-1")
        assert [each.starts for each in made] == [1, 1]

    in_a_gallery(tmp_path, renderer, test, worlds=2)


def test_a_zoom_is_measured_on_its_way_to_the_disk_and_in_memory(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    path = tmp_path / "garden"
    root = small_world(path)

    def make(wish: ZoomWish, _watch: Watch) -> Proposal:
        world = read(path)
        node, blocks = zoom_node(wish.request, root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id), world.revision)

    async def test() -> None:
        async with open_house({"garden": path}, renderer, make) as made, asyncio.timeout(60.0):
            before = made.gallery.status("ok").surfels
            async with connect(made.link()) as guest:
                seen = await guest.frame(guest.look(ROOT.resized(64, 48)))
                node = (await guest.zoom(at=seen.spot(0.5, 0.5))).node
                zoomed = made.gallery.status("ok").surfels
                assert zoomed == sum(len(block.surfels) for block in read(path).blocks) > before
                await guest.remove(str(node))
            assert made.gallery.status("ok").surfels == before
            sample = made.gallery.metrics.registry.get_sample_value
            assert sample("wonderzoom_store_append_seconds_count") == 2
            assert (sample("wonderzoom_store_append_seconds_sum") or 0.0) > 0.0

    asyncio.run(test())


def test_a_photo_becomes_a_world(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(made: Served, studio: Studio) -> None:
        photo = tmp_path / "../Süße Wiese (1).png"
        photo.write_bytes(photo_of(0))
        told: list[messages.UploadStatus] = []
        async with connect(made.link(Role.HOST)) as host:
            name = await host.upload(photo, told.append)
            assert name == "s-e-wiese-1" and studio.seen == [photo.read_bytes()]
            assert [status.state for status in told if status.state != "receiving"] == [
                "creating",
                "creating",
                "done",
            ]
            assert sorted({status.received for status in told})[-1] == len(photo_of(0)) and len(told) > 4
            again = await host.upload(photo)
            assert again == name, "the same photo, from the same guest: the same world"
        async with connect(f"{made.link()}&world={name}") as guest:
            assert guest.welcome.world == name and name in guest.welcome.worlds
        assert not list((tmp_path / FOLDER).iterdir())
        done = made.gallery.metrics.registry.get_sample_value("wonderzoom_uploads_total", {"outcome": "done"})
        assert done == 1

    in_a_gallery(tmp_path, renderer, test)


def test_only_a_host_may_send_photos(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(made: Served, studio: Studio) -> None:
        (tmp_path / "photo.png").write_bytes(photo_of(1))
        for role in (Role.VIEWER, Role.EDITOR):
            async with connect(made.link(role)) as guest:
                with pytest.raises(RequestFailed) as refused:
                    await guest.upload(tmp_path / "photo.png")
                assert refused.value.code is ErrorCode.FORBIDDEN
        assert studio.seen == [] and not (tmp_path / FOLDER).exists()

    in_a_gallery(tmp_path, renderer, test)


def begun(data: bytes, upload: str = "u1", **more: object) -> messages.UploadBegin:
    said = {
        "upload": upload,
        "name": "photo.png",
        "bytes": len(data),
        "sha256": hashlib.sha256(data).digest(),
    }
    return messages.UploadBegin(**(said | more))  # type: ignore[arg-type]


async def says(world: World, message: messages.FromClient) -> None:
    """A message that the client itself would not send so."""
    world._say(message)  # pyright: ignore[reportPrivateUsage]


def test_an_upload_goes_on_where_it_stopped_also_after_a_restart(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    data = photo_of(2)
    half = len(data) // 2

    async def first(made: Served, _studio: Studio) -> None:
        async with connect(made.link(Role.HOST)) as host:
            await says(host, begun(data))
            for start in range(0, half, limits.MAX_CHUNK):
                part = data[start : min(half, start + limits.MAX_CHUNK)]
                await says(host, messages.UploadChunk(upload="u1", offset=start, data=part))
            await says(host, messages.UploadChunk(upload="u1", offset=3, data=b"not the next one"))
            await host.frame(host.look(ROOT.resized(64, 48)))  # all of that was read

    async def second(made: Served, studio: Studio) -> None:
        part = next((tmp_path / FOLDER).glob("*.part"))
        assert part.read_bytes() == data[:half]
        (tmp_path / "photo.png").write_bytes(data)
        told: list[messages.UploadStatus] = []
        async with connect(made.link(Role.HOST)) as host:
            name = await host.upload(tmp_path / "photo.png", told.append)
        assert told[0].received == half and studio.seen == [data] and is_world(tmp_path / name)

    in_a_gallery(tmp_path, renderer, first)
    in_a_gallery(tmp_path, renderer, second)


def test_what_is_not_what_was_announced_is_refused_and_forgotten(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    async def test(made: Served, studio: Studio) -> None:
        data = photo_of(3, 60)
        heard: list[messages.UploadStatus] = []
        async with connect(made.link(Role.HOST)) as host:
            host._jobs.hear = lambda message: bool(heard.append(message))  # type: ignore  # all that is said
            await says(host, begun(data, sha256=bytes(32)))
            await says(host, messages.UploadChunk(upload="u1", offset=0, data=data))
            await says(host, messages.UploadChunk(upload="u1", offset=len(data), data=b"more than announced"))
            await says(host, messages.UploadEnd(upload="u1"))
            await says(host, messages.UploadEnd(upload="nobody-knows"))
            await asyncio.sleep(0.2)
            await host.frame(host.look(ROOT.resized(64, 48)))
        failed = {status.upload: status for status in heard if getattr(status, "state", "") == "failed"}
        assert failed["u1"].code is ErrorCode.INVALID and failed["nobody-knows"].code is ErrorCode.NOT_FOUND
        assert studio.seen == [] and not list((tmp_path / FOLDER).iterdir())

    in_a_gallery(tmp_path, renderer, test)


def test_everybody_is_told_of_a_new_world_in_whichever_world_they_are(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    async def test(made: Served, _studio: Studio) -> None:
        (tmp_path / "photo.png").write_bytes(photo_of(8, 60))
        async with (
            connect(made.link(Role.HOST)) as host,
            connect(made.link(Role.VIEWER)) as beside,
            connect(f"{made.link()}&world=world-1") as elsewhere,
        ):
            assert host.worlds == elsewhere.worlds == ["world-0", "world-1"]
            heard = [asyncio.create_task(told_of_worlds(guest)) for guest in (host, beside, elsewhere)]
            assert await host.upload(tmp_path / "photo.png") == "photo"
            for worlds in await asyncio.gather(*heard):
                assert worlds == ["world-0", "world-1", "photo"]
            assert host.worlds == beside.worlds == elsewhere.worlds == ["world-0", "world-1", "photo"]

    in_a_gallery(tmp_path, renderer, test, worlds=2)


async def told_of_worlds(guest: World) -> list[str]:
    async for event in guest.events():
        if isinstance(event, messages.Worlds):
            return event.worlds
    raise AssertionError("nobody said anything")


def test_of_what_fails_nothing_is_left(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(made: Served, studio: Studio) -> None:
        (tmp_path / "photo.png").write_bytes(photo_of(4, 60))
        async with connect(made.link(Role.HOST)) as host:
            studio.fails = CreationFailed("this is no picture that can be read")
            with pytest.raises(RequestFailed, match="no picture") as refused:
                await host.upload(tmp_path / "photo.png")
            assert refused.value.code is ErrorCode.INVALID
            studio.fails = OSError(28, "No space left on device")
            with pytest.raises(RequestFailed, match="disk"):
                await host.upload(tmp_path / "photo.png")
            assert not (tmp_path / "photo").exists()
            studio.fails = ValueError("a mistake of ours")
            with pytest.raises(RequestFailed, match="log") as refused:
                await host.upload(tmp_path / "photo.png")
            assert refused.value.code is ErrorCode.FAILED and not (tmp_path / "photo").exists()
            studio.fails = None
            assert await host.upload(tmp_path / "photo.png") == "photo"

    in_a_gallery(tmp_path, renderer, test)


def test_a_stop_while_a_world_is_made_leaves_the_photo_and_no_world(
    tmp_path: Path, renderer: CpuRenderer
) -> None:
    data = photo_of(5, 60)

    async def test(made: Served, studio: Studio) -> None:
        studio.wait = asyncio.Event()
        (tmp_path / "photo.png").write_bytes(data)
        async with connect(made.link(Role.HOST), patience=0.5) as host:
            sending = asyncio.create_task(host.upload(tmp_path / "photo.png"))
            while not studio.seen:
                await asyncio.sleep(0.01)
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    in_a_gallery(tmp_path, renderer, test)
    assert [part.read_bytes() for part in (tmp_path / FOLDER).iterdir()] == [data]
    assert not (tmp_path / "photo").exists()


def test_of_unfinished_photos_the_newest_are_kept(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def test(made: Served, _studio: Studio) -> None:
        folder = tmp_path / FOLDER
        folder.mkdir()
        for number in range(MOST_KEPT + 3):
            (folder / f"{number:064x}.part").write_bytes(b"x")
        (tmp_path / "photo.png").write_bytes(photo_of(6, 60))
        async with connect(made.link(Role.HOST)) as host:
            await host.upload(tmp_path / "photo.png")
        assert len(list(folder.iterdir())) == MOST_KEPT

    in_a_gallery(tmp_path, renderer, test)


def test_names_of_new_worlds_are_letters_and_digits(tmp_path: Path) -> None:
    assert new_path(tmp_path, "../../etc/passwd").relative_to(tmp_path).parts == ("etc-passwd",)
    assert new_path(tmp_path, "...").name == "photo" and new_path(tmp_path, "大").name == "photo"
    assert len(new_path(tmp_path, "x" * 500).name) <= limits.MAX_NAME - 4
    for expected in ("beach", "beach-2", "beach-3"):
        made = new_path(tmp_path, "Beach")
        assert made.name == expected
        made.mkdir()


def test_a_directory_of_worlds_is_listed_and_nothing_else_is(tmp_path: Path) -> None:
    for name in ("b", "a", "x" * (limits.MAX_NAME + 1)):
        small_world(tmp_path / name)
    (tmp_path / "photo.jpg").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    assert list(worlds_in(tmp_path)) == ["a", "b"]


def test_a_process_of_its_own_makes_the_world_or_says_why_not(tmp_path: Path) -> None:
    async def whole() -> None:
        (tmp_path / "photo.part").write_bytes(photo_of(7, 80))
        told: list[float] = []
        create = CreateInChild("embedded")
        await create(tmp_path / "photo.part", tmp_path / "world", told.append)
        assert is_world(tmp_path / "world") and told == sorted(told) and len(told) > 3
        for number, data in enumerate((b"no picture at all", photo_of(7, 80)[:2000])):
            (tmp_path / "photo.part").write_bytes(data)
            with pytest.raises(CreationFailed) as failed:
                await create(tmp_path / "photo.part", tmp_path / f"none-{number}", told.append)
            assert str(tmp_path) not in str(failed.value) and len(str(failed.value)) > 10
        with pytest.raises(CreationFailed, match="too long"):
            await CreateInChild("embedded", timeout=0.05)(
                tmp_path / "photo.part", tmp_path / "none", told.append
            )

    asyncio.run(whole())
