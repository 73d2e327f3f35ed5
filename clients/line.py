"""One websocket to a server. The only room of the clients that knows sockets.

A line is opened with a hello and is of use from the welcome on; it ends with an exception that says why. It knows
nothing of reconnecting and of what is said: that is ``aio``.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from importlib.metadata import PackageNotFoundError, version

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as websocket_connect
from websockets.exceptions import (
    ConnectionClosed,
    InvalidHandshake,
    InvalidStatus,
    WebSocketException,
)
from websockets.typing import Subprotocol

from wonderzoom.clients.errors import BadServer, CannotConnect, ClientError, Ended, NotAllowed
from wonderzoom.clients.links import Link
from wonderzoom.protocol import limits
from wonderzoom.protocol.errors import CloseCode, ProtocolError
from wonderzoom.protocol.messages import Bye, FromClient, FromServer, Hello, Leave, Welcome
from wonderzoom.protocol.session import ClientSession

OPEN_WITHIN_S = 10.0  # from the first packet to the welcome
_GOODBYE_S = 1.0  # to let the last words out
_QUEUE = 4  # messages that wait to be read: two frames in flight, and what goes with them


def program() -> str:
    """What this client calls itself."""
    try:
        return f"wonderzoom-python/{version('wonderzoom-runtime')}"[: limits.MAX_NAME]
    except PackageNotFoundError:  # run from a tree that is not installed
        return "wonderzoom-python"


class _Connect(websocket_connect):
    """Without redirects: the token opens the server that the link names, and is sent to no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        """Never go elsewhere."""
        return exc


class Line:
    """See the module docstring; made by ``open_line``."""

    def __init__(self, socket: ClientConnection, session: ClientSession, welcome: Welcome) -> None:
        self._socket, self._session, self.welcome = socket, session, welcome

    async def receive(self) -> list[FromServer]:
        """What the server says next. Raises Ended, NotAllowed and BadServer."""
        return await _receive(self._socket, self._session)

    async def send(self, message: FromClient) -> None:
        """Say something, once there is room for it. What is said to nobody is lost: ``receive`` says why."""
        self._session.send(message)
        for data in self._session.data_to_send():
            await self.send_raw(data)

    async def send_raw(self, data: bytes | str) -> None:
        """Send bytes that need not be a message, or a text, which never is one."""
        with contextlib.suppress(ConnectionClosed):
            await self._socket.send(data)

    async def close(self, *, for_good: bool) -> None:
        """Close it, with a bye where one won't come back."""
        if for_good:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE_S):
                    await self.send(Leave())
        await self._socket.close()

    def drop(self) -> None:
        """Break the connection off, as a network does."""
        self._socket.transport.abort()


async def open_line(link: Link, hello: Hello, tls: ssl.SSLContext | None = None) -> Line:
    """Connect, say hello and wait for the welcome.

    ``tls`` for an https link; None: the system's authorities. Raises CannotConnect, NotAllowed, Ended (the server is
    full, or stops) and BadServer.
    """
    try:
        async with asyncio.timeout(OPEN_WITHIN_S):
            socket = await _open_socket(link, tls)
            try:
                return await _greet(socket, hello)
            except BaseException:
                socket.transport.abort()
                await socket.wait_closed()
                raise
    except TimeoutError:
        raise CannotConnect(f"no answer within {OPEN_WITHIN_S:.0f} s from {link.address}") from None


async def _open_socket(link: Link, tls: ssl.SSLContext | None) -> ClientConnection:
    try:
        socket = await _Connect(
            link.address,
            subprotocols=[Subprotocol(limits.SUBPROTOCOL)],
            compression=None,  # pictures do not deflate
            max_size=limits.MAX_FROM_SERVER,
            max_queue=_QUEUE,
            open_timeout=None,  # the caller's
            close_timeout=_GOODBYE_S,
            proxy=None if link.loopback else True,  # as the environment says
            user_agent_header=program(),
            logger=logging.getLogger("wonderzoom.websocket.client"),
            ssl=(tls or ssl.create_default_context()) if link.secure else None,
        )
    except InvalidStatus as error:
        status = error.response.status_code
        if status in (401, 403):
            words = (error.response.body or b"").decode("utf-8", "replace").strip()[: limits.MAX_TEXT]
            raise NotAllowed(words or f"refused with HTTP status {status}") from error
        raise CannotConnect(
            f"{link.address} answered with HTTP status {status}; is this the link of a WonderZoom server?",
            retryable=status in (429, 500, 502, 503, 504),
        ) from error
    except ssl.SSLCertVerificationError as error:
        raise CannotConnect(
            f"the certificate of {link.address} is not trusted ({error.verify_message}); "
            "name it with --certificate, or tls= in Python, if it is the server's own",
            retryable=False,
        ) from error
    except (InvalidHandshake, WebSocketException) as error:
        raise CannotConnect(f"{link.address} is no WonderZoom server: {error}", retryable=False) from error
    except (OSError, EOFError) as error:
        raise CannotConnect(f"can't reach {link.address}: {error}") from error
    if socket.subprotocol != limits.SUBPROTOCOL:
        socket.transport.abort()
        await socket.wait_closed()
        raise CannotConnect(f"{link.address} does not speak {limits.SUBPROTOCOL}", retryable=False)
    return socket


async def _greet(socket: ClientConnection, hello: Hello) -> Line:
    session = ClientSession(hello)
    with contextlib.suppress(ConnectionClosed):  # receiving says why
        for data in session.data_to_send():
            await socket.send(data)
    (first,) = await _receive(socket, session)
    assert isinstance(first, Welcome)  # the session lets nothing else come first
    return Line(socket, session, first)


async def _receive(socket: ClientConnection, session: ClientSession) -> list[FromServer]:
    try:
        session.receive_data(await socket.recv())
    except ProtocolError as error:
        await socket.close(1002, "not this protocol")
        raise BadServer(f"the server broke the protocol: {error}") from error
    except ConnectionClosed as closed:
        raise _ending_of(closed) from None
    events = session.events_received()
    for event in events:
        if isinstance(event, Bye):
            wait = None if event.retry_after is None else event.retry_after / 1e3
            raise _ended(event.code, event.reason, wait)
    return events


def _ending_of(closed: ConnectionClosed) -> ClientError:
    """What a close without a bye means."""
    if closed.sent is not None and not closed.rcvd_then_sent:
        if closed.sent.code in (1002, 1003, 1007, 1009):  # this end found fault with what it read
            return BadServer(f"the server broke the protocol: {closed.sent.reason or closed.sent.code}")
        if closed.sent.code == 1011:
            return Ended(1006, "the server does not answer")
    if closed.rcvd is not None:
        return _ended(closed.rcvd.code, closed.rcvd.reason, None)
    return Ended(1006, "the connection broke")


def _ended(code: int, reason: str, retry_after: float | None) -> ClientError:
    if code in (CloseCode.WRONG_TOKEN, CloseCode.FORBIDDEN):
        return NotAllowed(reason or f"refused with close code {code}")
    return Ended(code, reason, retry_after)
