"""The server: one port for the page and the websocket, closed by default.

The only place that knows sockets. Routes are a complete list: ``GET /`` and ``GET /static/NAME`` for names of
an allow-list that is read at start (no path of a request ever meets the file system), ``GET /s/SECRET/blocks/HASH``
for payloads of surfels, which never change, and the websocket at ``/ws``. Each connection is one reader and one
writer around a sans-I/O session; the rest is ``world_session``.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import http
import logging
import mimetypes
import re
import secrets
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from websockets.asyncio.server import Server as WebsocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.session import ServerSession, State
from wonderzoom.runtime.auth import LOOPBACK, Refused, Tokens
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.gallery import Gallery, NoSuchWorld
from wonderzoom.runtime.line import GOODBYE_S, LONGEST_GOODBYE_S, Ending, Line, ending
from wonderzoom.runtime.metrics import Metrics
from wonderzoom.runtime.pacing import PING_EVERY_S, Pacer
from wonderzoom.runtime.participants import Participant
from wonderzoom.runtime.plain_http import TEXT, answer, why_not
from wonderzoom.runtime.world_session import WorldSession

log = logging.getLogger(__name__)

WEBSOCKET_PATH = "/ws"
_PAGE = "wonderzoom.clients.web"  # read as data: runtime imports no client
_SUFFIXES = (".html", ".css", ".js", ".svg", ".webmanifest", ".png")
# Bytes that the kernel keeps of what was sent: more would hide seconds of stale frames.
_SEND_BUFFER = 1 << 17
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SAFE_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}
# 256 bits of a room, and 128 of a level.
_BLOCK_PATH = re.compile(r"/s/(?P<secret>[A-Za-z0-9_-]{43})/blocks/(?P<hash>[0-9a-f]{32})")
_IMMUTABLE = _SAFE_HEADERS | {"Cache-Control": "public, max-age=31536000, immutable"}


class CannotListen(CommandError):
    """The port can't be had."""


@dataclass(frozen=True, slots=True)
class Listening:
    """Where a server listens."""

    host: str = "127.0.0.1"
    port: int = 0  # 0: any free one
    further: int = 0  # ports after it to try when it is taken
    hosts: frozenset[str] = LOOPBACK  # names that people may reach it by
    tls: ssl.SSLContext | None = None


def page_files() -> dict[str, tuple[str, bytes]]:
    """The files of the page: name -> (media type, content)."""
    found: dict[str, tuple[str, bytes]] = {}
    for entry in files(_PAGE).iterdir():
        if entry.is_file() and entry.name.endswith(_SUFFIXES):
            kind = "text/javascript" if entry.name.endswith(".js") else mimetypes.guess_type(entry.name)[0]
            kind = f"{kind}; charset=utf-8" if kind and kind.startswith("text/") else kind
            found[entry.name] = (kind or "application/octet-stream", entry.read_bytes())
    return found


def _nothing_here() -> Response:
    return answer(http.HTTPStatus.NOT_FOUND, TEXT, b"there is nothing here\n", _SAFE_HEADERS)


class Server:
    """Serves the worlds of a gallery. ``start``, then ``close``."""

    def __init__(
        self,
        gallery: Gallery,
        tokens: Tokens,
        listening: Listening,
        page: Mapping[str, tuple[str, bytes]],
        metrics: Metrics | None = None,
    ) -> None:
        self._gallery, self._tokens, self._listening = gallery, tokens, listening
        self._metrics = metrics or Metrics()
        self._page = dict(page)
        self._server: WebsocketServer | None = None
        self._lines: set[Line] = set()

    async def start(self) -> int:
        """Listen; the port. Raises CannotListen."""
        first = self._listening.port
        for port in range(first, first + self._listening.further + 1):
            try:
                self._server = await self._serve(port)
                break
            except OSError as error:
                if port < first + self._listening.further and error.errno == errno.EADDRINUSE:
                    continue
                raise CannotListen(
                    f"can't listen on {self._listening.host} port {port}: {error.strerror or error};"
                    " choose another with --port"
                ) from error
        assert self._server is not None
        return next(iter(self._server.sockets)).getsockname()[1]

    async def _serve(self, port: int) -> WebsocketServer:
        return await serve(
            self._connection,
            self._listening.host,
            port,
            subprotocols=[Subprotocol(limits.SUBPROTOCOL)],
            compression=None,  # pictures do not deflate
            process_request=self._request,
            max_size=limits.MAX_FROM_CLIENT,
            max_queue=16,
            write_limit=_SEND_BUFFER,
            close_timeout=LONGEST_GOODBYE_S,
            ssl=self._listening.tls,
            ssl_handshake_timeout=limits.HELLO_WITHIN_S if self._listening.tls else None,
            ssl_shutdown_timeout=GOODBYE_S if self._listening.tls else None,
            server_header=None,
            logger=logging.getLogger("wonderzoom.websocket"),
        )

    @property
    def send_buffer(self) -> int:
        """Bytes that all connections together have not taken yet."""
        return sum(line.waiting for line in self._lines)

    async def close(self) -> None:
        """Let zooms finish, tell everyone, let their connections end, and stop listening."""
        await self._gallery.goodbye()
        for line in self._lines:  # also those who have not been let in
            line.goodbye(CloseCode.GOING_AWAY, "the server stops", 2.0)
        if self._server is not None:
            self._server.close(close_connections=False)
            try:
                async with asyncio.timeout(LONGEST_GOODBYE_S + GOODBYE_S):
                    await self._server.wait_closed()
            except TimeoutError:
                self._server.close()
                await self._server.wait_closed()

    # ---- plain requests ---------------------------------------------------------------------------
    async def _request(self, connection: ServerConnection, request: Request) -> Response | None:
        """The answer to a request that is no websocket's, or that is not let in; None to go on."""
        refusal = why_not(connection, request, self._listening.hosts)
        if refusal is not None:
            self._metrics.connection_refused("origin")
            return answer(http.HTTPStatus.FORBIDDEN, TEXT, refusal, _SAFE_HEADERS)
        path = request.path.partition("?")[0]
        if path == WEBSOCKET_PATH:
            return None
        if path.startswith("/s/"):
            return await self._block(path)
        name = (
            "index.html"
            if path == "/"
            else path.removeprefix("/static/")
            if path.startswith("/static/")
            else ""
        )
        found = self._page.get(name)
        if found is None:
            return _nothing_here()
        return answer(http.HTTPStatus.OK, *found, _SAFE_HEADERS)

    async def _block(self, path: str) -> Response:
        """A payload of surfels, for whoever was told its name and the secret: caches may keep it."""
        found = _BLOCK_PATH.fullmatch(path)
        if found is None:
            return _nothing_here()
        for session in self._gallery.sessions:
            if secrets.compare_digest(session.streaming.secret, found["secret"]):
                payload = await session.streaming.payload(found["hash"])
                if payload is not None:
                    return answer(http.HTTPStatus.OK, "application/octet-stream", payload, _IMMUTABLE)
        return _nothing_here()

    # ---- one connection ---------------------------------------------------------------------------
    async def _connection(self, connection: ServerConnection) -> None:
        """Read until either side ends it."""
        raw = connection.transport.get_extra_info("socket")
        if raw is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _SEND_BUFFER)
        loop = asyncio.get_running_loop()
        session = ServerSession(loop.time())
        line = Line(session, connection, self._metrics.sent)
        self._lines.add(line)
        writer = asyncio.create_task(line.write(), name="writer")
        inside: tuple[WorldSession, Participant] | None = None
        pinging: asyncio.Task[None] | None = None
        for_good, error = False, None
        try:
            while session.closed is None:
                data = await self._next(connection, session, loop)
                if data is None:
                    break
                session.receive_data(data, loop.time())
                if session.rejected is not None:
                    self._metrics.message_rejected(session.rejected)
                for event in session.events_received():
                    if isinstance(event, messages.Hello):
                        inside = await self._admit(event, session, line)
                        if inside is not None:
                            pacer = inside[1].viewer.pacer
                            pinging = asyncio.create_task(_ping(connection, pacer), name="pings")
                    elif isinstance(event, messages.Leave):
                        for_good = True
                    elif inside is not None:
                        room, who = inside
                        room.hear(who, event)
                line.wake.set()
        except ConnectionClosed as closed:
            error = closed
        finally:
            if pinging is not None:
                pinging.cancel()
                await asyncio.gather(pinging, return_exceptions=True)
            self._ended(inside and inside[1], ending(session.closed, error))
            if inside is not None:
                room, who = inside
                await room.leave(who, session, for_good=for_good)
            await line.end(writer)
            self._lines.discard(line)

    def _ended(self, who: Participant | None, how: Ending) -> None:
        name = how if isinstance(how, str) else how.name.lower()
        if who is None:
            self._metrics.connection_refused(how)
            log.info("nobody was let in", extra={"code": name})
        else:
            self._metrics.connection_closed(how)
            log.info("a connection ended", extra={"viewer": who.id, "code": name})

    async def _admit(
        self, hello: messages.Hello, session: ServerSession, line: Line
    ) -> tuple[WorldSession, Participant] | None:
        """Whoever may come in, in the world that they ask for; None after a refusal, or if they went meanwhile."""
        try:
            role = self._tokens.role_of(hello.token)
            room = await self._gallery.session(hello.world)
        except Refused as refused:
            session.refuse(CloseCode.WRONG_TOKEN, str(refused))
            return None
        except NoSuchWorld as missing:
            if missing.__cause__ is not None:
                log.error("the world %s can't be opened: %s", hello.world, missing.__cause__)
            session.refuse(CloseCode.NO_WORLD, str(missing))
            return None
        who = room.enter(hello, role, session, line.nudge) if session.closed is None else None
        if who is None:
            return None
        line.participant = who
        log.info("a viewer came in", extra={"viewer": who.id, "role": role.value})
        return room, who

    @staticmethod
    async def _next(
        connection: ServerConnection, session: ServerSession, loop: asyncio.AbstractEventLoop
    ) -> bytes | str | None:
        """The next message; None when the hello is too late."""
        if session.state is not State.HELLO:
            return await connection.recv()
        try:
            async with asyncio.timeout(limits.HELLO_WITHIN_S):
                return await connection.recv()
        except TimeoutError:
            session.tick(loop.time())
            return None


async def _ping(connection: ServerConnection, pacer: Pacer) -> None:
    """Measure the way there and back: before anything else is on it, and from time to time."""
    with contextlib.suppress(ConnectionClosed):
        while True:
            pacer.pinged(await (await connection.ping()))
            await asyncio.sleep(PING_EVERY_S)
