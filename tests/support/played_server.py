"""A server that plays answers: the protocol's own session on real loopback sockets, and no world behind it.

It greets whoever has the token, shows a frame for every camera within the credit, remembers viewers, and leaves the
rest to the test: ``server.on[Zoom] = lambda guest, message: guest.say(...)``.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Any, Self

import msgspec
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from wonderzoom.protocol import limits
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.examples import POSE, SERVER
from wonderzoom.protocol.messages import (
    Ack,
    Camera,
    Frame,
    FromClient,
    FromServer,
    Hello,
    Leave,
    View,
    Welcome,
)
from wonderzoom.protocol.session import ServerSession, State

TOKEN = "a-token-of-the-tests-0123456789"
WITHIN_S = 10.0  # that anything takes, on a busy machine

Answer = Callable[["Guest", Any], object]


class Guest:
    """One connection."""

    def __init__(self, server: "PlayedServer", socket: ServerConnection) -> None:
        self.server, self.socket = server, socket
        self.session = ServerSession(asyncio.get_running_loop().time())
        self.viewer = ""
        self.hello: Hello | None = None
        self.heard: list[FromClient] = []
        self.left = False
        self._due: Camera | None = None
        self._frames = 0
        self.wake = asyncio.Event()

    def say(self, message: FromServer) -> None:
        self.session.send(message)
        self.wake.set()

    def refuse(self, code: CloseCode, reason: str = "", retry_after: float | None = None) -> None:
        self.session.refuse(code, reason, retry_after)
        self.wake.set()

    async def nonsense(self, data: bytes | str) -> None:
        await self.socket.send(data)

    def drop(self) -> None:
        """As a network breaks."""
        self.socket.transport.abort()

    def all_heard(self, kind: type[Any]) -> list[Any]:
        return [message for message in self.heard if isinstance(message, kind)]

    def show(self, camera: Camera | None, *, still: bool = False) -> None:
        """A frame of a camera, now or once the credit is there."""
        if camera is not None:
            self._due = camera
        if self._due is not None and self.session.may_send_frame:
            self._frames += 1
            view = View(camera=self._due.cameras[0], payload=b"\xff\xd8" + bytes(1000) + b"\xff\xd9")
            self.say(Frame(
                frame=self._frames, camera_seq=self._due.seq, camera_time=self._due.time, revision=2, views=[view],
                still=still or self.server.stills, quality=80,
            ))  # fmt: skip
            self._due = None

    async def write(self) -> None:
        try:
            while True:
                await self.wake.wait()
                self.wake.clear()
                for data in self.session.data_to_send():
                    await self.socket.send(data)
                if self.session.closed is not None:
                    await self.socket.close(int(self.session.closed))
                    return
        except ConnectionClosed:
            return


class PlayedServer:
    """``async with PlayedServer() as server: connect(server.link)``."""

    def __init__(self, *, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.port, self._tls = port, tls
        self.on: dict[type[Any], Answer] = {}
        self.greet: Callable[[Guest], object] | None = None  # instead of the welcome
        self.stills, self.shows = False, True
        self.http: Callable[[ServerConnection, Request], Response | None] | None = None
        self.guests: list[Guest] = []
        self.welcome: dict[str, Any] = {}  # changes to it
        self._known: dict[str, str] = {}  # resume token -> viewer
        self._server: Server | None = None

    @property
    def link(self) -> str:
        return f"http{'s' if self._tls else ''}://localhost:{self.port}/#token={TOKEN}"

    @property
    def guest(self) -> Guest:
        return self.guests[-1]

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._connection,
            "127.0.0.1",
            self.port,
            subprotocols=[Subprotocol(limits.SUBPROTOCOL)],
            compression=None,
            process_request=lambda connection, request: self.http(connection, request) if self.http else None,
            max_size=limits.MAX_FROM_CLIENT,
            ssl=self._tls,
            close_timeout=1.0,
        )
        self.port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        for guest in self.guests:
            guest.drop()
        self._server.close()
        await self._server.wait_closed()

    async def until(self, true: Callable[[], object]) -> None:
        async with asyncio.timeout(WITHIN_S):
            while not true():
                await asyncio.sleep(0.002)

    async def _connection(self, socket: ServerConnection) -> None:
        guest = Guest(self, socket)
        self.guests.append(guest)
        writer = asyncio.create_task(guest.write())
        try:
            while guest.session.closed is None:
                guest.session.receive_data(await socket.recv(), asyncio.get_running_loop().time())
                for message in guest.session.events_received():
                    await self._hear(guest, message)
                guest.wake.set()
            await writer
        except ConnectionClosed:
            pass
        finally:
            guest.left = True
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)

    async def _hear(self, guest: Guest, message: FromClient) -> None:
        guest.heard.append(message)
        if isinstance(message, Hello):
            self._enter(guest, message)
        elif isinstance(message, Camera) and self.shows:
            guest.show(message)
        elif isinstance(message, Ack):
            guest.show(None)
        elif isinstance(message, Leave):
            self._known = {key: viewer for key, viewer in self._known.items() if viewer != guest.viewer}
        answer = self.on.get(type(message))
        if answer is not None:
            result = answer(guest, message)
            if isinstance(result, Awaitable):
                await result

    def _enter(self, guest: Guest, hello: Hello) -> None:
        guest.hello = hello
        if hello.token != TOKEN:
            guest.refuse(CloseCode.WRONG_TOKEN, "wrong token")
        elif self.greet is not None:
            self.greet(guest)
        if guest.session.state is not State.ANSWER:
            return
        resume = hello.resume if hello.resume in self._known else f"resume-{len(self._known) + 1}"
        guest.viewer = self._known.setdefault(resume, f"v{len(self._known) + 1}-{self.port}")
        welcome = SERVER["welcome"]
        assert isinstance(welcome, Welcome)
        said = {"viewer": guest.viewer, "resume": resume, "camera": POSE} | self.welcome
        guest.session.welcome(msgspec.structs.replace(welcome, **said))

    def forget(self) -> None:
        """As a server that was started anew."""
        self._known.clear()
        self.welcome = {"viewer": f"v-again-{len(self.guests)}"} | self.welcome
