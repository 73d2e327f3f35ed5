"""What a server tells whoever looks after it: ``GET /metrics`` and ``GET /healthz``, on a port of their own.

    /metrics   the numbers of runtime/metrics.py, in Prometheus's text format
    /healthz   {"status": "ok", "world": "garden", "revision": 7, "worker": "ready"}; 200 while the server serves,
               503 before that and while it drains: whoever spreads viewers over servers should send it no more

Apart from the viewers' port, so that letting viewers in lets nobody in here. There is no token: it listens on
this machine, and a page in a browser gets no answer (``auth.check_origin``). It lives longer than the server
that it tells of. It also measures how late the event loop is, which everyone on it shares.
"""

from __future__ import annotations

import asyncio
import http
import json
import logging
from collections.abc import Callable

from websockets.asyncio.server import Server as WebsocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.http11 import Request, Response

from wonderzoom.runtime.metrics import CONTENT_TYPE, Metrics, Status
from wonderzoom.runtime.plain_http import TEXT, answer, why_not
from wonderzoom.runtime.server import CannotListen, Listening

log = logging.getLogger(__name__)

_LATE_EVERY_S = 0.5
_CLOSE_S = 1.0
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Monitor:
    """Answers for one server. ``start``, then ``close``. ``read`` is called on the event loop."""

    def __init__(self, metrics: Metrics, read: Callable[[], Status], listening: Listening) -> None:
        self._metrics, self._read, self._listening = metrics, read, listening
        metrics.watch(read)
        self._server: WebsocketServer | None = None
        self._lateness: asyncio.Task[None] | None = None

    async def start(self) -> int:
        """Listen; the port. Raises CannotListen."""
        try:
            self._server = await serve(
                _no_websocket,
                self._listening.host,
                self._listening.port,
                process_request=self._answer,
                open_timeout=5.0,
                close_timeout=_CLOSE_S,
                server_header=None,
                logger=logging.getLogger("wonderzoom.websocket"),
            )
        except OSError as error:
            raise CannotListen(
                f"can't listen on {self._listening.host} port {self._listening.port}: {error.strerror or error};"
                " choose another with --metrics-port"
            ) from error
        self._lateness = asyncio.create_task(self._measure(), name="event loop lateness")
        return next(iter(self._server.sockets)).getsockname()[1]

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
        if self._lateness is not None:
            self._lateness.cancel()
            await asyncio.gather(self._lateness, return_exceptions=True)

    def _answer(self, connection: ServerConnection, request: Request) -> Response:
        refusal = why_not(connection, request, self._listening.hosts)
        if refusal is not None:
            return answer(http.HTTPStatus.FORBIDDEN, TEXT, refusal, _HEADERS)
        match request.path.partition("?")[0]:
            case "/metrics":
                return answer(http.HTTPStatus.OK, CONTENT_TYPE, self._metrics.exposition(), _HEADERS)
            case "/healthz":
                return self._health()
            case _:
                text = b"there is /metrics and /healthz\n"
                return answer(http.HTTPStatus.NOT_FOUND, TEXT, text, _HEADERS)

    def _health(self) -> Response:
        now = self._read()
        said = {"status": now.serving, "world": now.world, "revision": now.revision, "worker": now.worker}
        status = http.HTTPStatus.OK if now.serving == "ok" else http.HTTPStatus.SERVICE_UNAVAILABLE
        return answer(status, "application/json", json.dumps(said).encode(), _HEADERS)

    async def _measure(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _LATE_EVERY_S
            await asyncio.sleep(_LATE_EVERY_S)
            self._metrics.loop_was_late(loop.time() - due)


async def _no_websocket(_connection: ServerConnection) -> None:
    """Nothing gets here: ``_answer`` answers every request before it becomes a websocket."""
