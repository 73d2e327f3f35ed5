"""The server over real sockets on this machine: who gets in, what they see, and what others never notice."""

import asyncio
import contextlib
import io
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import av
import numpy as np
import pytest
from houses import ask, makes_nothing, open_house, read, small_world, taken_port
from PIL import Image
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol
from worlds import look_and_zoom
from zoom_garden import PLANE, ROOT, zoom_node

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import GenerationError, StageEvent, Watch, Zoomed
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import limits, messages, values
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.values import CameraPose
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.encoders import STILL_QUALITY
from wonderzoom.runtime.pacing import Pacer
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.server import CannotListen
from wonderzoom.runtime.wire import camera_of, pose
from wonderzoom.scene_graph.store import WorldStore

M = TypeVar("M")
SECONDS = 20.0  # that a test waits for one message, on a busy machine


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@dataclass
class Guest:
    """A client that keeps what it is told, and acknowledges frames."""

    socket: ClientConnection
    welcome: messages.Welcome | None = None
    heard: list[Any] = field(default_factory=list[Any])
    acknowledges: bool = True
    seq: int = 0

    async def say(self, message: Any) -> None:
        await self.socket.send(encode(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(SECONDS):
            data = await self.socket.recv()
        assert isinstance(data, bytes)
        message = decode_from_server(data)
        self.heard.append(message)
        if isinstance(message, messages.Frame) and self.acknowledges:
            await self.say(messages.Ack(frame=message.frame))
        return message

    async def until(self, kind: type[M], wanted: Callable[[M], bool] = lambda _message: True) -> M:
        """The next message of a kind, whatever else is said."""
        while True:
            message = await self.hear()
            if isinstance(message, kind) and wanted(message):
                return message

    async def has_heard(self, kind: type[M], wanted: Callable[[M], bool] = lambda _message: True) -> M:
        """The first such message since it came in, or the next."""
        for message in self.heard:
            if isinstance(message, kind) and wanted(message):
                return message
        return await self.until(kind, wanted)

    async def look(self, camera: CameraPose) -> int:
        self.seq += 1
        await self.say(messages.Camera(seq=self.seq, cameras=[camera], time=float(self.seq)))
        return self.seq

    async def sees(self, camera: CameraPose, *, still: bool = True) -> messages.Frame:
        seq = await self.look(camera)
        return await self.until(
            messages.Frame, lambda frame: frame.camera_seq == seq and frame.still >= still
        )


VIEW = pose(ROOT.resized(96, 72))


def picture(frame: messages.Frame) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(frame.views[0].payload)).convert("RGB"))


@dataclass
class House:
    """A server that runs."""

    port: int
    token: str
    path: Path
    root: str
    stop: asyncio.Event
    task: asyncio.Task[None]

    @asynccontextmanager
    async def enter(self, **hello: Any) -> AsyncGenerator[Guest, None]:
        """A guest who is let in."""
        async with self.knock() as guest:
            said: dict[str, Any] = {
                "protocol": (1, 1),
                "client": "test",
                "codecs": ["jpeg"],
                "token": self.token,
            } | hello
            await guest.say(messages.Hello(**said))
            guest.welcome = await guest.until(messages.Welcome)
            yield guest

    @asynccontextmanager
    async def knock(self, **more: Any) -> AsyncGenerator[Guest, None]:
        """A connection that has said nothing."""
        url = f"ws://127.0.0.1:{self.port}/ws"
        async with connect(
            url, subprotocols=[Subprotocol(limits.SUBPROTOCOL)], compression=None, proxy=None, **more
        ) as made:
            yield Guest(made)

    async def get(
        self, path: str, *, host: str | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """One plain request."""
        lines = [f"{name}: {value}" for name, value in headers.items()]
        return await ask(self.port, path, f"Host: {host or f'127.0.0.1:{self.port}'}", *lines)


@asynccontextmanager
async def house(path: Path, renderer: CpuRenderer, viewers: int = 32) -> AsyncGenerator[House, None]:
    root = small_world(path)

    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        request = wish.request
        if request.prompt == "fail":
            raise GenerationError("edit", "the paint is out", retryable=True)
        world = read(path)
        watch.event(StageEvent("edit", 0.5, np.full((36, 48, 3), 90, np.uint8)))
        if request.prompt == "wait":
            while not watch.cancelled():
                pass
        node, blocks = zoom_node(request, root)
        return Proposal(Zoomed(world.propose(node, blocks), node.id, ("shiny",), ("moss",)), world.revision)

    async with open_house({"garden": path}, renderer, make, viewers=viewers) as made:
        token = made.links.tokens[Role.EDITOR]
        yield House(made.port, token, path, root, made.stop, made.task)


def in_a_house(body: Callable[..., Awaitable[None]]) -> Callable[..., None]:
    """A test of one house."""

    def run(tmp_path: Path, renderer: CpuRenderer) -> None:
        async def whole() -> None:
            async with house(tmp_path / "garden", renderer) as made:
                await body(made)

        asyncio.run(whole())

    run.__doc__ = body.__doc__
    return run


async def _let_in(made: House) -> None:
    async with made.enter(name="Ada") as guest:
        said = guest.welcome
        assert said is not None
        assert (said.name, said.role, said.world, said.revision, said.h_ref) == (
            "Ada",
            "editor",
            "garden",
            1,
            64,
        )
        assert [node.id for node in said.nodes] == [made.root] and said.nodes[0].ln_magnification == 0.0
        assert said.camera is not None
        frame = await guest.sees(VIEW)
        assert (
            frame.views[0].camera == VIEW
            and frame.revision == 1
            and frame.camera_time == float(frame.camera_seq)
        )
        shown = picture(frame)
        assert shown.shape == (72, 96, 3) and shown.std() > 5  # the first picture, not a blank one


test_who_has_the_token_sees_the_world = in_a_house(_let_in)


async def _nothing_moves(made: House) -> None:
    async with made.enter() as guest:
        await guest.sees(VIEW)
        await asyncio.sleep(0.5)
        before = sum(isinstance(message, messages.Frame) for message in guest.heard)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.0):
                while True:
                    await guest.hear()
        assert sum(isinstance(message, messages.Frame) for message in guest.heard) == before


test_a_still_view_is_sent_nothing = in_a_house(_nothing_moves)


async def _wishes(made: House) -> None:
    async with made.enter() as guest:
        await guest.say(messages.Configure(best_quality=20))
        still = await guest.sees(VIEW)
        assert still.quality == STILL_QUALITY
        moving = [
            message for message in guest.heard if isinstance(message, messages.Frame) and not message.still
        ]
        assert moving and {frame.quality for frame in moving} == {20}


test_moving_frames_are_no_better_than_was_wished = in_a_house(_wishes)


async def _video(made: House) -> None:
    """Who can show it is sent it as it was asked for: all of it can be decoded, stills are JPEG."""
    async with made.enter(codecs=["jpeg", "h264"]) as guest:
        await guest.say(messages.Configure(codec="h264"))
        decoder: Any = None
        keys: list[bool] = []
        for number in range(12):
            if number == 8:
                await guest.say(messages.Configure(codec="h264"))
            frame = await guest.sees(pose(ROOT.resized(97, 71).orbited(0.01 * number, 0.0)), still=False)
            assert frame.codec == ("jpeg" if frame.still else "h264")
            if frame.still:
                continue
            keys.append(frame.key)
            decoder = av.CodecContext.create("h264", "r") if frame.key else decoder
            (shown,) = decoder.decode(av.Packet(frame.views[0].payload))
            sides = frame.views[0].camera.width, frame.views[0].camera.height
            assert (shown.width, shown.height) == tuple(side + side % 2 for side in sides)
            assert shown.to_ndarray(format="rgb24").std() > 5
        assert keys[0] and sum(keys) >= 2 and not all(keys)
        still = await guest.sees(VIEW)
        assert still.codec == "jpeg" and picture(still).shape == (72, 96, 3)
    async with made.enter() as guest:  # one who can't
        await guest.say(messages.Configure(codec="h264"))
        assert (await guest.sees(VIEW, still=False)).codec == "jpeg"


test_moving_frames_are_video_for_who_can_show_it = in_a_house(_video)


async def _two_guests(made: House) -> None:
    async with made.enter(name="Ada") as ada, made.enter(name="Bob") as bob:
        mine, theirs = pose(ROOT.resized(96, 72)), pose(ROOT.zoomed(2.0).resized(64, 48))
        assert picture(await ada.sees(mine)).shape == (72, 96, 3)
        seen = await bob.sees(theirs)
        assert picture(seen).shape == (48, 64, 3)
        said = await bob.has_heard(
            messages.Presence, lambda said: len(said.viewers) == 2 and all(v.camera for v in said.viewers)
        )
        assert {viewer.name: viewer.camera for viewer in said.viewers} == {"Ada": mine, "Bob": theirs}
        at = messages.Spot(frame=ada.heard[-1].frame, u=0.4, v=0.6)
        await ada.say(messages.Zoom(request="z1", at=at, factor=4.0, prompt="moss"))
        queued = await ada.until(messages.ZoomStatus)
        assert queued.camera is not None and queued.camera.ln_fx > mine.ln_fx
        done = await ada.until(messages.ZoomStatus, lambda status: status.state == "committed")
        assert (done.placed, done.ignored) == (["moss"], ["shiny"]) and done.revision == 2
        stages = [message.stage for message in ada.heard if isinstance(message, messages.ZoomStatus)]
        assert "edit" in stages and any(getattr(m, "preview", None) for m in ada.heard)
        for guest in (ada, bob):
            told = await guest.has_heard(messages.Commit)
            assert [(node.id, node.prompt, node.by) for node in told.added] == [(done.node, "moss", "Ada")]
        frame = await bob.sees(queued.camera)
        assert frame.revision == 2
        # The same request again is the same job.
        await ada.say(messages.Zoom(request="z1", at=at, factor=4.0, prompt="moss"))
        again = await ada.until(messages.ZoomStatus, lambda status: status.state != "queued")
        assert (again.state, again.node) == ("committed", done.node)
        await bob.say(messages.RemoveNode(request="r1", node=str(done.node)))
        gone = await ada.until(messages.Commit)
        assert gone.removed == [done.node] and gone.revision == 3
        assert [node for node in read(made.path).nodes] == [made.root]
        for revision in (4, 4):  # asked again, it is the same answer, for who asked
            await ada.say(messages.RestoreNode(request="b1", node=str(done.node)))
            back = await ada.until(messages.Commit)
            assert [node.id for node in back.added] == [done.node] and back.revision == revision
        await bob.until(messages.Commit, lambda told: told.revision == 4)
        await ada.say(messages.RestoreNode(request="b2", node="nobody"))
        refused = await ada.until(messages.Error)
        assert (refused.code, refused.request) == (ErrorCode.INVALID, "b2")
    assert set(read(made.path).nodes) == {made.root, done.node}


test_a_zoom_of_one_is_seen_by_both = in_a_house(_two_guests)


async def _picks(made: House) -> None:
    async with made.enter() as guest:
        frame = await guest.sees(VIEW)
        await guest.say(messages.Pick(request="p1", at=messages.Spot(frame=frame.frame, u=0.5, v=0.5)))
        found = await guest.until(messages.Picked)
        assert found.place is not None and found.node == made.root
        await guest.say(messages.Pick(request="p2", at=messages.Spot(frame=999, u=0.5, v=0.5)))
        assert (await guest.until(messages.Error)).code is ErrorCode.NOT_FOUND
        away = await guest.sees(pose(ROOT.resized(96, 72).orbited(3.0, 0.0)))
        await guest.say(messages.Pick(request="p3", at=messages.Spot(frame=away.frame, u=0.01, v=0.01)))
        await guest.say(messages.Zoom(request="z3", at=messages.Spot(frame=away.frame, u=0.01, v=0.01)))
        assert (await guest.until(messages.Picked)).place is None
        failed = await guest.until(messages.ZoomStatus)
        assert (failed.state, failed.code) == ("failed", ErrorCode.NOTHING_THERE)


test_a_pick_is_a_place_or_nothing = in_a_house(_picks)


async def _jobs(made: House) -> None:
    async with made.enter() as guest:
        frame = await guest.sees(VIEW)
        at = messages.Spot(frame=frame.frame, u=0.5, v=0.5)
        await guest.say(messages.Zoom(request="bad", at=at, prompt="fail"))
        failed = await guest.until(messages.ZoomStatus, lambda status: status.state == "failed")
        assert failed.code is ErrorCode.FAILED and "the paint is out" in failed.message
        await guest.say(messages.Zoom(request="slow", at=at, prompt="wait"))
        await guest.until(messages.ZoomStatus, lambda status: status.stage == "edit")
        await guest.say(messages.Cancel(request="slow"))
        await guest.until(messages.ZoomStatus, lambda status: status.state == "cancelled")
        await guest.say(messages.Cancel(request="slow"))
        assert (await guest.until(messages.Error)).request == "slow"
        await guest.say(messages.RemoveNode(request="r", node="nothing"))
        assert (await guest.until(messages.Error)).code is ErrorCode.NOT_FOUND
        await guest.say(messages.UploadEnd(upload="u"))
        assert (await guest.until(messages.Error)).code is ErrorCode.FORBIDDEN  # that takes a host
        assert read(made.path).revision == 1


test_jobs_fail_and_are_cancelled_with_a_word = in_a_house(_jobs)


async def _resume(made: House) -> None:
    async with made.enter(name="Ada") as first:
        await first.sees(VIEW)
        assert first.welcome is not None
        await first.say(
            messages.Zoom(request="z", camera=pose(look_and_zoom(ROOT, PLANE, 8.0, 10.0, 4.0)), prompt="wait")
        )
        await first.until(messages.ZoomStatus, lambda status: status.stage == "edit")
        token, viewer = first.welcome.resume, first.welcome.viewer
        first.socket.transport.abort()
    async with made.enter(name="someone", resume=token) as again:
        assert again.welcome is not None
        assert (again.welcome.viewer, again.welcome.name, again.welcome.camera) == (viewer, "someone", VIEW)
        status = await again.until(messages.ZoomStatus)
        assert (status.request, status.state) == ("z", "running")
        await again.until(messages.Frame)
        await again.say(messages.Cancel(request="z"))
        await again.until(messages.ZoomStatus, lambda status: status.state == "cancelled")
    async with made.enter(resume="not a token of anyone") as other:
        assert other.welcome is not None and other.welcome.viewer != viewer


test_who_comes_back_is_the_same = in_a_house(_resume)


async def _takes_over(made: House) -> None:
    async with made.enter(name="Ada") as first:
        assert first.welcome is not None
        await first.sees(VIEW)
        first.acknowledges = (
            False  # its line is dead, and nobody has noticed: two frames are on their way for ever
        )
        for turn in (0.2, 0.4):
            await first.look(pose(ROOT.orbited(turn, 0.0).resized(96, 72)))
            await first.until(messages.Frame)
        async with made.enter(resume=first.welcome.resume) as again:
            assert again.welcome is not None and again.welcome.viewer == first.welcome.viewer
            async with asyncio.timeout(5.0):  # less than the ten seconds after which whoever stalls is let go
                assert (await again.sees(VIEW)).still
            assert await refused(first) == CloseCode.NORMAL


test_who_comes_back_before_anyone_missed_them_is_shown_frames_at_once = in_a_house(_takes_over)


async def refused(guest: Guest) -> int:
    """The close code of a connection that is ended."""
    with pytest.raises(ConnectionClosed):
        while True:
            await guest.hear()
    code = guest.socket.close_code
    assert code is not None
    return code


async def _wrong_tokens(made: House) -> None:
    for token in (None, "", "x" * 43, made.token[:-1], made.token.swapcase()):
        async with made.knock() as guest:
            await guest.say(messages.Hello(protocol=(1, 1), client="test", token=token))
            assert await refused(guest) == CloseCode.WRONG_TOKEN
            assert not any(isinstance(message, messages.Welcome) for message in guest.heard)


test_without_the_token_nobody_gets_in = in_a_house(_wrong_tokens)


async def _nonsense(made: House) -> None:
    async with made.enter() as other:
        for data in (b"", b"\xc1" * 100, b"\x91" * 900, "text", encode(messages.Ack(frame=1)), bytes(2000)):
            async with made.knock() as guest:
                await guest.socket.send(data)
                assert await refused(guest) == CloseCode.MALFORMED
        async with made.enter() as guest:
            with contextlib.suppress(ConnectionClosed):
                await guest.socket.send(bytes(limits.MAX_FROM_CLIENT + 1))
            assert await refused(guest) in (CloseCode.MALFORMED, 1009)
        async with made.enter() as guest:
            camera = messages.Camera(seq=1, cameras=[VIEW])
            with contextlib.suppress(ConnectionClosed):
                for _ in range(3 * limits.MESSAGE_BURST):
                    await guest.socket.send(encode(camera))
            assert await refused(guest) == CloseCode.TOO_MANY
        assert (await other.sees(VIEW)).still


test_nonsense_and_floods_end_their_own_connection_only = in_a_house(_nonsense)


async def _origins(made: House) -> None:
    own = f"http://127.0.0.1:{made.port}"
    async with made.knock(origin=own):
        pass
    for origin in ("http://evil.example", "null", f"http://localhost:{made.port}", f"{own}.evil.example"):
        with pytest.raises(InvalidStatus) as refusal:
            async with made.knock(origin=origin):
                pass
        assert refusal.value.response.status_code == 403
    status, _, body = await made.get("/", host="evil.example")
    assert status == 403 and b"host name" in body


test_pages_of_other_sites_do_not_get_in = in_a_house(_origins)


AWAY_S = 0.05  # each way


@asynccontextmanager
async def far_away(made: House) -> AsyncGenerator[int, None]:
    """A port that leads to the house, by a long way."""
    tasks: set[asyncio.Task[None]] = set()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        while data := await reader.read(1 << 16):
            loop.call_later(AWAY_S, writer.write, data)
        loop.call_later(AWAY_S, writer.close)  # the end comes through as well: who closes waits for it

    async def joined(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", made.port)
        ways = [asyncio.create_task(carry(reader, back)), asyncio.create_task(carry(there, writer))]
        tasks.update(ways)
        try:
            await asyncio.gather(*ways, return_exceptions=True)
        finally:
            for end in (writer, back):
                end.close()

    relay = await asyncio.start_server(joined, "127.0.0.1", 0)
    try:
        yield relay.sockets[0].getsockname()[1]
    finally:
        relay.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await relay.wait_closed()


def test_how_far_away_somebody_is_is_measured(
    tmp_path: Path, renderer: CpuRenderer, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: asyncio.Queue[float] = asyncio.Queue()
    monkeypatch.setattr(Pacer, "pinged", lambda _pacer, seconds: told.put_nowait(seconds))

    async def body(made: House) -> None:
        async with made.enter() as near:
            await near.sees(VIEW)
            assert await asyncio.wait_for(told.get(), SECONDS) > 0.0
        async with far_away(made) as port, replace(made, port=port).enter() as far:
            await far.sees(VIEW)
            assert await asyncio.wait_for(told.get(), SECONDS) >= 2.0 * AWAY_S

    in_a_house(body)(tmp_path, renderer)


OTHER_FILES = (
    "/static/ /static/../server.py /static/%2e%2e/server.py /static/..\\x /etc/passwd //etc/passwd"
    " /static//etc/passwd /wherever /static/index.html%00 /static/__init__.py"
).split()


async def _static(made: House) -> None:
    for path in OTHER_FILES:
        status, headers, _ = await made.get(path)
        assert status == 404, path
        assert (
            headers["x-content-type-options"] == "nosniff"
            and "default-src 'none'" in headers["content-security-policy"]
        )
        assert "server" not in headers


async def _front(made: House) -> None:
    status, headers, body = await made.get("/")
    assert status == 200 and b"WonderZoom" in body and headers["content-type"].startswith("text/html")
    names = set(re.findall(rb"/static/([a-z.]+)", body))
    assert {b"main.js", b"style.css"} <= names
    for name in names:
        status, headers, _ = await made.get(f"/static/{name.decode()}")
        assert status == 200 and headers["content-type"].split(";")[0] in {
            "text/javascript",
            "text/css",
            "image/svg+xml",
        }, name


test_the_front_door_says_what_this_is = in_a_house(_front)
test_there_are_no_other_files = in_a_house(_static)


async def _stopped(made: House) -> None:
    async with made.enter() as guest, made.enter() as stuck:
        await guest.sees(VIEW)
        stuck.acknowledges = False
        await stuck.look(VIEW)
        made.stop.set()
        bye = await guest.until(messages.Bye)
        assert bye.code == CloseCode.GOING_AWAY and bye.retry_after
        assert await refused(guest) == CloseCode.GOING_AWAY
    await asyncio.wait_for(made.task, 20.0)


test_a_stop_is_said_to_everyone = in_a_house(_stopped)


def test_a_full_house_says_so_and_when_to_come_back(tmp_path: Path, renderer: CpuRenderer) -> None:
    async def whole() -> None:
        async with house(tmp_path / "garden", renderer, viewers=1) as made:
            async with made.enter():
                async with made.knock() as guest:
                    await guest.say(messages.Hello(protocol=(1, 1), client="test", token=made.token))
                    bye = await guest.until(messages.Bye)
                    assert bye.code == CloseCode.SERVER_FULL and bye.retry_after
            async with made.enter():
                pass

    asyncio.run(whole())


def test_a_port_in_use_is_one_clear_line(tmp_path: Path, renderer: CpuRenderer) -> None:
    small_world(tmp_path / "garden")

    async def whole(port: int) -> None:
        async with open_house({"garden": tmp_path / "garden"}, renderer, makes_nothing, port=port):
            raise AssertionError("somebody else has this port")

    with taken_port() as port, pytest.raises(CannotListen, match=r"--port"):
        asyncio.run(whole(port))
    with WorldStore.open(tmp_path / "garden", write=True):
        pass  # nothing holds it any more


def test_a_pose_is_a_camera_again() -> None:
    assert camera_of(pose(ROOT)) == ROOT
    assert isinstance(pose(ROOT), values.CameraPose)
