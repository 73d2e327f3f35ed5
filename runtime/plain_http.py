"""Plain requests to a websocket server, the viewers' or the monitor's: who may ask, and how one is answered."""

from __future__ import annotations

import http
import logging
from collections.abc import Mapping

from websockets.asyncio.server import ServerConnection
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from wonderzoom.runtime.auth import Refused, check_origin

log = logging.getLogger(__name__)

TEXT = "text/plain; charset=utf-8"


def why_not(connection: ServerConnection, request: Request, known: frozenset[str]) -> bytes | None:
    """What is said to a request that is not let in (``auth.check_origin``), which is logged; None if it is."""
    hosts, origins = (request.headers.get_all(name) for name in ("Host", "Origin"))
    try:
        check_origin(hosts, origins, known)
    except Refused as refused:
        log.warning("refused a request from %s: %s", connection.remote_address, refused)
        return f"{refused}\n".encode()
    return None


def answer(status: http.HTTPStatus, kind: str, body: bytes, headers: Mapping[str, str]) -> Response:
    """A whole answer, after which the connection ends."""
    said = Headers(headers)
    said["Content-Type"] = kind
    said["Content-Length"] = str(len(body))
    said["Connection"] = "close"
    return Response(status.value, status.phrase, said, body)
