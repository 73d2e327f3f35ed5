"""The Python client against a played server, over real sockets of this machine."""

import asyncio
import contextlib
import ssl
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from played_server import TOKEN, WITHIN_S, Guest, PlayedServer
from websockets.http11 import Response

from wonderzoom.clients import line as line_room
from wonderzoom.clients import pictures
from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.errors import (
    BadLink,
    BadServer,
    CannotConnect,
    ClientError,
    Ended,
    NotAllowed,
    RequestFailed,
    ZoomCancelled,
)
from wonderzoom.clients.events import Disconnected, Reconnected
from wonderzoom.clients.links import Link, tls_context
from wonderzoom.clients.poses import camera_of, pose_of
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.examples import NODE, PLACE, POSE, SERVER
from wonderzoom.scene_graph.camera import Camera

SPOT = messages.Spot(frame=1, u=0.25, v=0.5)


def played(test: Callable[[PlayedServer], Coroutine[Any, Any, None]]) -> None:
    """Run a test beside a server; afterwards no task is left."""

    async def run() -> None:
        async with PlayedServer() as server:
            async with asyncio.timeout(3 * WITHIN_S):
                await test(server)
        left = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        assert left == []

    asyncio.run(run())


@contextlib.asynccontextmanager
async def entered(server: PlayedServer, **options: Any) -> AsyncGenerator[World, None]:
    async with connect(server.link, **options) as world:
        await server.until(lambda: server.guest.all_heard(messages.Configure))
        yield world


async def refused(awaitable: Awaitable[Any], kind: type[ClientError]) -> Any:
    with pytest.raises(kind) as caught:
        await awaitable
    return caught.value


async def enter(link: str, **options: Any) -> None:
    async with connect(link, **options):
        pass


# ---- hello and welcome ------------------------------------------------------------------------------
def test_a_client_says_hello_with_the_token_of_the_link_and_hears_who_it_is() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server, name="Ada", max_fps=60.0) as world:
            hello = server.guest.hello
            assert hello is not None and hello.token == TOKEN and hello.name == "Ada" and hello.resume is None
            assert hello.client.startswith("wonderzoom-python")
            assert server.guest.all_heard(messages.Configure) == [
                messages.Configure(max_fps=60.0, best_quality=85)
            ]
            request = server.guest.socket.request
            assert request is not None and request.path == "/ws" and TOKEN not in str(request)
            assert "Sec-WebSocket-Extensions" not in request.headers
            assert world.welcome.viewer == server.guest.viewer and world.welcome.role == "editor"
            assert world.nodes == {NODE.id: NODE} and world.revision == 2
            assert pose_of(world.camera).width == POSE.width
        await server.until(lambda: server.guest.left)
        assert server.guest.all_heard(messages.Leave) == [messages.Leave()]

    played(test)


def test_a_wrong_token_is_not_tried_again() -> None:
    async def test(server: PlayedServer) -> None:
        error = await refused(enter(server.link.replace(TOKEN, "wrong")), NotAllowed)
        assert "wrong token" in str(error) and not error.retryable
        await refused(enter(server.link.partition("#")[0]), NotAllowed)
        assert len(server.guests) == 2

    played(test)


def test_a_full_server_says_when_to_come_back() -> None:
    async def test(server: PlayedServer) -> None:
        server.greet = lambda guest: guest.refuse(CloseCode.SERVER_FULL, "32 are here", 7.0)
        error = await refused(enter(server.link), Ended)
        assert error.code == CloseCode.SERVER_FULL and error.retry_after == 7.0 and error.retryable

    played(test)


def test_a_server_of_another_version() -> None:
    async def test(server: PlayedServer) -> None:
        server.greet = lambda guest: guest.refuse(CloseCode.VERSION, "this server speaks version 2")
        error = await refused(enter(server.link), Ended)
        assert error.code == CloseCode.VERSION and not error.retryable

    played(test)


@pytest.mark.parametrize(
    ("status", "kind", "retryable"),
    [
        (403, NotAllowed, False),
        (404, CannotConnect, False),
        (302, CannotConnect, False),
        (503, CannotConnect, True),
    ],
)
def test_what_is_no_websocket(status: int, kind: type[ClientError], retryable: bool) -> None:
    async def test(server: PlayedServer) -> None:
        def answer(connection: Any, _request: Any) -> Response:
            response = connection.respond(status, "Host is not known\n")
            response.headers["Location"] = server.link.partition("#")[0] + "ws"
            return response

        server.http = answer
        error = await refused(enter(server.link), kind)
        assert error.retryable is retryable
        assert kind is not NotAllowed or "Host is not known" in str(error)
        assert server.guests == []

    played(test)


def test_nobody_there() -> None:
    async def test(server: PlayedServer) -> None:
        async with PlayedServer() as other:
            link = other.link
        error = await refused(enter(link), CannotConnect)
        assert error.retryable and TOKEN not in str(error)

    played(test)


def test_somebody_who_never_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: PlayedServer) -> None:
        monkeypatch.setattr(line_room, "OPEN_WITHIN_S", 0.2)

        async def wait(_guest: Guest, _hello: messages.Hello) -> None:
            await asyncio.sleep(1.0)

        server.greet = lambda guest: setattr(guest.session, "state", None)
        server.on[messages.Hello] = wait
        await refused(enter(server.link), CannotConnect)
        await server.until(lambda: server.guest.socket.state.name == "CLOSED")

    played(test)


@pytest.mark.system
def test_tls_with_a_certificate_of_the_servers_own(tmp_path: Path) -> None:
    """Made by openssl, as a server on a local network makes one."""
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-out", certificate, "-keyout", key],
        check=True, capture_output=True,
    )  # fmt: skip
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)

    async def test() -> None:
        async with PlayedServer(tls=tls) as server:
            error = await refused(enter(server.link), CannotConnect)
            assert "certificate" in str(error) and not error.retryable
            async with entered(server, tls=tls_context(certificate)) as world:
                world.look(POSE)
                assert (await world.frame(still=False)).jpeg
                server.guest.drop()
                await server.until(lambda: len(server.guests) == 2)

    asyncio.run(test())


@pytest.mark.parametrize(
    "link",
    [
        "", "127.0.0.1:8123", "ftp://127.0.0.1/", "http://", "http://[::1/", "http://a:99999/", "file:///etc/passwd",
        "http://user:secret@127.0.0.1/", "http://127.0.0.1/?token=secret", f"http://a/#token={'x' * 129}",
    ],
)  # fmt: skip
def test_what_is_no_link(link: str) -> None:
    with pytest.raises(BadLink) as caught:
        Link.parse(link)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://127.0.0.1:8123/#token=abc", "ws://127.0.0.1:8123/ws"),
        (" https://Example.org#token=abc\n", "wss://example.org/ws"),
        ("ws://[::1]:80/ws#token=abc", "ws://[::1]:80/ws"),
        ("https://example.org/worlds/a/#token=abc&x=1", "wss://example.org/worlds/a/ws"),
    ],
)
def test_links(text: str, address: str) -> None:
    link = Link.parse(text)
    assert link.address == address and link.token == "abc" and "abc" not in repr(link)
    assert link.secure == address.startswith("wss")
    assert link.loopback == ("example" not in address)


# ---- frames -----------------------------------------------------------------------------------------
def test_frames_are_of_the_camera_and_acknowledged() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            camera = world.camera.orbited(0.1, 0.2).resized(320, 200)
            seq = world.look(camera)
            async for picture in world.frames():
                assert picture.seq == seq and picture.jpeg[:2] == b"\xff\xd8" and picture.latency > 0.0
                assert replace(picture.camera, quat=camera.quat) == camera
                assert picture.spot(0.5, 1.0) == messages.Spot(frame=1, u=0.5, v=1.0)
                with pytest.raises(ValueError, match="outside"):
                    picture.spot(1.5, 0.0)
                assert server.guest.all_heard(messages.Ack) == []  # it is being shown
                break
            await server.until(lambda: server.guest.all_heard(messages.Ack))
            assert world.camera == camera_again(camera)

    played(test)


def camera_again(camera: Camera) -> Camera:
    return camera_of(pose_of(camera))


def test_a_slow_program_gets_the_newest_frame_and_is_not_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(server: PlayedServer) -> None:
        monkeypatch.setattr(pictures, "ACK_WITHIN_S", 0.2)
        async with entered(server) as world:
            world.look(world.camera)
            frames = world.frames()
            first = await anext(frames)
            last = 0
            for _ in range(20):
                last = world.look(world.camera)
                await asyncio.sleep(0.02)
            guest = server.guest
            assert len(guest.session.in_flight) <= limits.MAX_IN_FLIGHT
            await server.until(
                lambda: not guest.session.in_flight
            )  # though nobody came back for the next one
            assert first.seq < (await anext(frames)).seq == last
            await frames.aclose()

    played(test)


def test_frames_that_nobody_asks_for_are_acknowledged_and_the_newest_is_kept() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            seq = 0
            for n in range(1, 6):
                seq = world.look(world.camera)
                await server.until(lambda n=n: len(server.guest.all_heard(messages.Camera)) == n)
            await server.until(lambda: len(server.guest.all_heard(messages.Ack)) == 5)
            assert (await world.frame(seq, still=False)).seq == seq

    played(test)


def test_only_the_newest_camera_is_said_and_never_too_many() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            seq = 0
            for _ in range(2000):
                seq = world.look(POSE)
            await server.until(lambda: server.guest.all_heard(messages.Camera))
            await server.until(lambda: server.guest.all_heard(messages.Camera)[-1].seq == seq)
            assert len(server.guest.all_heard(messages.Camera)) <= 2
            assert world.ended is None

    played(test)


def test_two_loops_over_frames_are_a_mistake() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            world.look(POSE)
            async for _ in world.frames():
                with pytest.raises(RuntimeError, match="already"):
                    await anext(world.frames())
                break

    played(test)


def test_cameras_that_the_protocol_has_no_room_for_are_not_sent() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            with pytest.raises(ValueError, match="width"):
                world.look(replace(world.camera, width=8))
            with pytest.raises(ValueError, match="cx"):
                world.look(msgspec.structs.replace(POSE, cx=float("nan")))

    played(test)


# ---- zooms ------------------------------------------------------------------------------------------
def status(request: str, **fields: Any) -> messages.ZoomStatus:
    return messages.ZoomStatus(request=request, **fields)


def plays(*fields: dict[str, Any]) -> Callable[[Guest, messages.Zoom], None]:
    def answer(guest: Guest, zoom: messages.Zoom) -> None:
        for each in fields:
            guest.say(status(zoom.request, **each))

    return answer


QUEUED = {"state": "queued", "camera": POSE, "position": 1}
RUNNING = {"state": "running", "stage": "edit", "fraction": 0.5, "preview": b"\xff\xd8"}
COMMITTED = {"state": "committed", "node": "n9", "revision": 3, "ignored": ["shiny"]}


def test_a_zoom_tells_how_it_stands_and_what_came_of_it() -> None:
    async def test(server: PlayedServer) -> None:
        server.on[messages.Zoom] = plays(QUEUED, RUNNING, COMMITTED)
        async with entered(server) as world:
            zoom = world.zoom("a shiny ladybug", at=SPOT, factor=6.0, seed=9)
            assert [each.state async for each in zoom] == ["queued", "running", "committed"]
            result = await zoom
            assert result.node == "n9" and result.ignored == ["shiny"] and await zoom == result
            (said,) = server.guest.all_heard(messages.Zoom)
            assert said == messages.Zoom(
                request=zoom.request, at=SPOT, factor=6.0, prompt="a shiny ladybug", seed=9
            )
            other = world.zoom(camera=world.camera, replace="n9")
            await other
            said = server.guest.all_heard(messages.Zoom)[1]
            assert said.camera == pose_of(world.camera) and said.mode == "replace" and said.node == "n9"
            assert other.request != zoom.request

    played(test)


def test_a_zoom_that_fails_says_why_and_the_next_one_works() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            server.on[messages.Zoom] = plays(
                QUEUED, {"state": "failed", "code": ErrorCode.LOST, "message": "a worker was lost"}
            )
            zoom = world.zoom(at=SPOT)
            error = await refused(zoom, RequestFailed)
            assert error.code is ErrorCode.LOST and error.retryable and "a worker was lost" in str(error)
            assert [each.state async for each in zoom] == ["queued", "failed"]
            server.on[messages.Zoom] = lambda guest, zoom: guest.say(
                messages.Error(code=ErrorCode.FORBIDDEN, message="you are a viewer", request=zoom.request)
            )
            zoom = world.zoom(at=SPOT)
            assert (await refused(zoom, RequestFailed)).code is ErrorCode.FORBIDDEN
            with pytest.raises(RequestFailed):
                assert [each async for each in zoom] == []
            server.on[messages.Zoom] = plays(COMMITTED)
            assert (await world.zoom(at=SPOT)).node == "n9"

    played(test)


def test_a_zoom_is_cancelled() -> None:
    async def test(server: PlayedServer) -> None:
        server.on[messages.Zoom] = plays(QUEUED)
        server.on[messages.Cancel] = lambda guest, cancel: guest.say(
            status(cancel.request, state="cancelled")
        )
        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            zoom.cancel()
            zoom.cancel()
            await refused(zoom, ZoomCancelled)
            zoom.cancel()
            assert len(server.guest.all_heard(messages.Cancel)) == 1

    played(test)


def test_who_stops_waiting_cancels_nothing() -> None:
    async def test(server: PlayedServer) -> None:
        server.on[messages.Zoom] = plays(QUEUED)
        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await zoom
            server.guest.say(status(zoom.request, **COMMITTED))
            assert (await zoom).node == "n9" and server.guest.all_heard(messages.Cancel) == []

    played(test)


def test_what_no_zoom_can_be_is_not_sent() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            for wrong in (
                {},
                {"at": SPOT, "factor": 1e9},
                {"at": SPOT, "seed": -1},
                {"at": SPOT, "replace": "../a"},
            ):
                with pytest.raises(ValueError):
                    world.zoom(**wrong)  # type: ignore[arg-type]
            with pytest.raises(ValueError):
                world.zoom("x" * 2001, at=SPOT)
            assert server.guest.all_heard(messages.Zoom) == []

    played(test)


def test_of_what_nobody_reads_the_newest_is_kept() -> None:
    async def test(server: PlayedServer) -> None:
        server.on[messages.Zoom] = plays(*[RUNNING] * 500, COMMITTED)
        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            await zoom
            states = [each.state async for each in zoom]
            assert len(states) <= 16 and states[-1] == "committed"

    played(test)


def test_more_requests_than_a_server_would_hold_are_refused_here() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            for _ in range(limits.MAX_PENDING):
                world.zoom(at=SPOT)
            with pytest.raises(RequestFailed, match="wait already"):
                world.zoom(at=SPOT)

    played(test)


# ---- picks, removals, uploads, events -----------------------------------------------------------------
def test_a_pick() -> None:
    async def test(server: PlayedServer) -> None:
        server.on[messages.Pick] = lambda guest, pick: guest.say(
            messages.Picked(request=pick.request, place=PLACE, zeta=-1.5)
        )
        async with entered(server) as world:
            first, second = await asyncio.gather(world.pick(SPOT), world.pick(SPOT))
            assert first.place == PLACE and first.request != second.request

    played(test)


def test_a_removal_is_done_when_the_node_is_gone() -> None:
    async def test(server: PlayedServer) -> None:
        def remove(guest: Guest, message: messages.RemoveNode) -> None:
            guest.say(messages.Commit(revision=3, removed=["another"]))
            guest.say(messages.Commit(revision=4, removed=[message.node]))

        server.on[messages.RemoveNode] = remove
        async with entered(server) as world:
            assert await world.remove(NODE.id) == 4
            assert world.nodes == {} and world.revision == 4
            server.on[messages.RemoveNode] = not_found
            assert (await refused(world.remove("n1"), RequestFailed)).code is ErrorCode.NOT_FOUND

    played(test)


def not_found(guest: Guest, message: messages.RemoveNode) -> None:
    guest.say(messages.Error(code=ErrorCode.NOT_FOUND, message="no such node", request=message.request))


def test_a_node_that_comes_after_the_welcome_is_still_to_be_removed() -> None:
    """A large world comes in several messages: what the first does not have may not be gone."""

    async def test(server: PlayedServer) -> None:
        def remove(guest: Guest, message: messages.RemoveNode) -> None:
            guest.say(messages.Commit(revision=7, added=[NODE]))  # the rest of the world
            guest.say(messages.Commit(revision=8, removed=[message.node]))

        async with entered(server) as world:
            removal = asyncio.create_task(world.remove(NODE.id))
            await server.until(lambda: server.guest.all_heard(messages.RemoveNode))
            server.welcome = {"nodes": [], "revision": 7}
            server.on[messages.RemoveNode] = remove
            server.guest.drop()
            assert await removal == 8 and world.nodes == {}

    played(test)


def test_a_node_that_comes_back_is_asked_for_again_after_a_break() -> None:
    async def test(server: PlayedServer) -> None:
        def restore(guest: Guest, message: messages.RestoreNode) -> None:
            guest.say(messages.Commit(revision=9, added=[]))
            guest.say(messages.Commit(revision=9, added=[NODE]))

        async with entered(server) as world:
            restoring = asyncio.create_task(world.restore(NODE.id))
            await server.until(lambda: server.guest.all_heard(messages.RestoreNode))
            server.welcome = {"nodes": [], "revision": 9}
            server.on[messages.RestoreNode] = restore
            server.guest.drop()
            assert await restoring == 9 and list(world.nodes) == [NODE.id]

    played(test)


def test_a_removal_that_is_forbidden_is_so_after_a_reconnect_too() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            removal = asyncio.create_task(world.remove(NODE.id))
            await server.until(lambda: server.guest.all_heard(messages.RemoveNode))
            server.on[messages.RemoveNode] = lambda guest, message: guest.say(
                messages.Error(code=ErrorCode.INVALID, message="that is the root", request=message.request)
            )
            server.guest.drop()
            assert (await refused(removal, RequestFailed)).code is ErrorCode.INVALID

    played(test)


class Receiver:
    """The far end of an upload, which may know a part of it already."""

    def __init__(self, known: bytes = b"") -> None:
        self.data, self.ends = known, 0

    def install(self, server: PlayedServer) -> None:
        server.on[messages.UploadBegin] = lambda guest, begin: self.tell(guest, begin.upload)
        server.on[messages.UploadChunk] = self.chunk
        server.on[messages.UploadEnd] = self.end

    def tell(self, guest: Guest, upload: str, **fields: Any) -> None:
        said: dict[str, Any] = {"state": "receiving"} | fields
        guest.say(messages.UploadStatus(upload=upload, received=len(self.data), **said))

    def chunk(self, guest: Guest, chunk: messages.UploadChunk) -> None:
        assert chunk.offset == len(self.data)
        self.data += chunk.data
        self.tell(guest, chunk.upload)

    def end(self, guest: Guest, end: messages.UploadEnd) -> None:
        self.ends += 1
        self.tell(guest, end.upload)
        self.tell(guest, end.upload, state="creating", fraction=0.5)
        self.tell(guest, end.upload, state="done", world="photo")


def test_an_upload_arrives_whole_and_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    path = tmp_path / "photo.jpg"
    path.write_bytes(data)

    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            for known in (b"", data[:100_000], data):
                receiver = Receiver(known)
                receiver.install(server)
                seen: list[messages.UploadStatus] = []
                assert await world.upload(path, seen.append) == "photo"
                assert receiver.data == data and receiver.ends == 1
                assert [each.state for each in seen[-2:]] == ["creating", "done"]
            begin = server.guest.all_heard(messages.UploadBegin)[0]
            assert begin.name == "photo.jpg" and begin.bytes == len(data)

    played(test)


def test_an_upload_that_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"not a picture")

    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            server.on[messages.UploadBegin] = lambda guest, begin: guest.say(messages.UploadStatus(
                upload=begin.upload, received=0, state="failed", code=ErrorCode.UNSUPPORTED, message="one world only"
            ))  # fmt: skip
            assert (await refused(world.upload(path), RequestFailed)).code is ErrorCode.UNSUPPORTED
            path.write_bytes(b"")
            assert (await refused(world.upload(path), RequestFailed)).code is ErrorCode.TOO_LARGE
            with pytest.raises(FileNotFoundError):
                await world.upload(tmp_path / "nothing")

    async def with_thread(server: PlayedServer) -> None:
        try:
            await test(server)
        finally:
            await asyncio.get_running_loop().shutdown_default_executor()

    played(with_thread)


def test_events_tell_what_others_do() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            events = world.events()
            waiting = asyncio.create_task(anext(events))
            await asyncio.sleep(0)
            for name in ("commit", "presence", "stats", "worlds"):
                server.guest.say(SERVER[name])
            server.guest.say(messages.Error(code=ErrorCode.INVALID, message="that camera is singular"))
            told = [await waiting, *[await anext(events) for _ in range(4)]]
            assert told[:4] == [SERVER[name] for name in ("commit", "presence", "stats", "worlds")]
            assert isinstance(told[4], messages.Error)
            assert world.presence == SERVER["presence"] and world.stats == SERVER["stats"]
            assert world.revision == 3 and NODE.id in world.nodes
            assert world.worlds == ["garden", "beach-day"]

    played(test)


# ---- when connections break ---------------------------------------------------------------------------
def test_a_broken_connection_is_made_anew_and_everything_goes_on() -> None:
    async def test(server: PlayedServer) -> None:
        server.on[messages.Zoom] = plays(QUEUED)
        async with entered(server) as world:
            told: list[Any] = []

            async def listen() -> None:
                async for event in world.events():
                    told.append(event)

            listener = asyncio.create_task(listen())
            seq = world.look(world.camera)
            await world.frame(seq, still=False)
            viewer = world.welcome.viewer
            zoom, gone, cancelled = world.zoom("moss", at=SPOT), world.zoom(at=SPOT), world.zoom(at=SPOT)
            await anext(aiter(zoom))
            await server.until(lambda: len(server.guest.all_heard(messages.Zoom)) == 3)
            cancelled.cancel()
            removal = asyncio.create_task(world.remove(NODE.id))
            picking = asyncio.create_task(world.pick(SPOT))
            await server.until(lambda: server.guest.all_heard(messages.Pick))
            server.welcome = {"nodes": [], "revision": 7}  # the node went while nobody was connected
            server.on[messages.RemoveNode] = not_found
            server.guest.drop()
            await server.until(lambda: len(server.guests) == 2 and server.guest.all_heard(messages.Pick))
            guest = server.guest
            assert guest.hello is not None and guest.hello.resume == world.welcome.resume
            assert world.welcome.viewer == viewer and await removal == 7
            requests = {each.request for each in guest.all_heard(messages.Zoom)}
            assert requests == {zoom.request, gone.request, cancelled.request}
            assert guest.all_heard(messages.Cancel) == [messages.Cancel(request=cancelled.request)]
            assert len(guest.all_heard(messages.RemoveNode)) == 1
            guest.say(status(zoom.request, **COMMITTED))
            guest.say(messages.Picked(request=guest.all_heard(messages.Pick)[0].request))
            assert (await zoom).node == "n9" and (await picking).place is None
            # It looks where it looked, and is shown that without asking.
            picture = await world.frame(seq + 1, still=False)
            assert picture.message.views[0].camera == pose_of(world.camera)
            await server.until(lambda: told)
            assert isinstance(told[0], Disconnected) and told[-1] == Reconnected(resumed=True)
        await listener
        await refused(gone, Ended)

    played(test)


def test_a_restarted_server_is_entered_as_somebody_new() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            await server.until(lambda: server.guest.all_heard(messages.Zoom))
            server.forget()
            server.guest.refuse(CloseCode.GOING_AWAY, "the server stops", retry_after=0.3)
            error = await refused(zoom, RequestFailed)
            assert error.code is ErrorCode.LOST and error.retryable
            assert len(server.guests) == 2 and world.ended is None
            server.on[messages.Zoom] = plays(COMMITTED)
            assert (await world.zoom(at=SPOT)).node == "n9"

    played(test)


def test_frames_go_on_over_a_reconnect() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            world.look(world.camera)
            async for picture in world.frames():
                if len(server.guests) == 3:
                    assert picture.message.frame == 1
                    break
                server.guest.drop()

    played(test)


def test_patience_ends() -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server, patience=1.0) as world:
            zoom = world.zoom(at=SPOT)
            server.greet = lambda guest: guest.drop()
            server.guest.drop()
            error = await refused(zoom, CannotConnect)
            assert "within 1 s" in str(error) and world.ended is error
            with pytest.raises(CannotConnect):
                world.look(POSE)
            with pytest.raises(CannotConnect):
                world.zoom(at=SPOT)
            with pytest.raises(CannotConnect):
                await world.frame()
            with pytest.raises(CannotConnect):
                await anext(aiter(world.events()))

    played(test)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(CloseCode.MALFORMED, Ended), (CloseCode.NORMAL, Ended), (CloseCode.FORBIDDEN, NotAllowed)],
)
def test_who_is_sent_away_does_not_come_back(code: CloseCode, kind: type[ClientError]) -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            server.guest.refuse(code, "go")
            await server.until(lambda: world.ended)
            assert type(world.ended) is kind and len(server.guests) == 1

    played(test)


@pytest.mark.parametrize(
    "nonsense",
    [b"\xc1", b"", "text", encode(SERVER["welcome"]), encode(messages.Ack(frame=1)), bytes(limits.MAX_FROM_SERVER + 1)],
    ids=["bytes", "nothing", "text", "a second welcome", "a client's message", "too much"],
)  # fmt: skip
def test_a_server_that_says_nonsense_is_left(nonsense: bytes | str) -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            await server.guest.nonsense(nonsense)
            await refused(zoom, BadServer)
            await server.until(lambda: server.guest.left)
            assert len(server.guests) == 1 and isinstance(world.ended, BadServer)

    played(test)


def test_a_fault_of_the_client_is_told_to_whoever_waits(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def test(server: PlayedServer) -> None:
        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            monkeypatch.setattr(world._slot, "arrived", None)
            world.look(POSE)
            assert "log" in str(await refused(zoom, Ended))
            assert "NoneType" in caplog.text

    played(test)


def test_nonsense_instead_of_a_welcome() -> None:
    async def test(server: PlayedServer) -> None:
        async def answer(guest: Guest, _hello: messages.Hello) -> None:
            await guest.nonsense(encode(SERVER["stats"]))

        server.greet = lambda guest: setattr(guest.session, "state", None)
        server.on[messages.Hello] = answer
        await refused(enter(server.link), BadServer)

    played(test)


def test_leaving_ends_whatever_waits() -> None:
    async def test(server: PlayedServer) -> None:
        async def frames(world: World) -> list[int]:
            return [picture.seq async for picture in world.frames()]

        async with entered(server) as world:
            zoom = world.zoom(at=SPOT)
            waiting = asyncio.create_task(frames(world))
            failing = asyncio.create_task(world.pick(SPOT))
            await asyncio.sleep(0.01)
        assert await waiting == []
        for awaitable in (zoom, failing):
            assert (await refused(awaitable, Ended)).code == CloseCode.NORMAL
        with pytest.raises(Ended):
            world.look(POSE)

    played(test)


@pytest.mark.parametrize("moment", ["entering", "inside", "reconnecting"])
def test_a_cancelled_program_leaves_no_task_and_no_connection(moment: str) -> None:
    async def test(server: PlayedServer) -> None:
        inside = asyncio.Event()

        async def program() -> None:
            async with connect(server.link) as world:
                inside.set()
                async for _ in world.frames():
                    pass

        if moment == "entering":
            server.greet = lambda guest: setattr(guest.session, "state", None)
        task = asyncio.create_task(program())
        if moment == "entering":
            await server.until(lambda: server.guests and server.guest.hello)
        else:
            await inside.wait()
        if moment == "reconnecting":
            server.greet = lambda guest: setattr(guest.session, "state", None)
            server.guest.drop()
            await server.until(lambda: len(server.guests) == 2 and server.guest.hello)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.until(lambda: all(guest.socket.state.name == "CLOSED" for guest in server.guests))
        ours = {
            each for each in asyncio.all_tasks() if each.get_name() in ("writer", "connection to a world")
        }
        assert ours == set()

    played(test)


def test_importing_it_loads_nothing_heavy() -> None:
    source = "import sys, wonderzoom.clients.aio; print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    heavy = ("torch", "numba", "scipy", "cv2", "PIL", "av", "wonderzoom.generation", "wonderzoom.runtime")
    loaded = result.stdout.split()
    assert [name for name in loaded if name in heavy] == [] and "wonderzoom.clients.aio" in loaded


def test_one_room_knows_sockets() -> None:
    rooms = Path(line_room.__file__).parent.glob("*.py")
    knowing = [
        room.name
        for room in rooms
        if "import websockets" in (text := room.read_text()) or "from websockets" in text
    ]
    assert knowing == ["line.py"]
