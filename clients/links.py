"""Links to servers, as ``wonderzoom serve`` prints them: ``http://host:port/#token=...``.

The token is in the fragment, which no browser or proxy sends on; here too it goes into the first message only,
and into no text that is shown or logged.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from wonderzoom.clients.errors import BadLink
from wonderzoom.protocol.limits import MAX_NAME, MAX_TOKEN

_WEBSOCKET_PATH = "/ws"
_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}


@dataclass(frozen=True, slots=True)
class Link:
    """Where a server is, and what opens it."""

    address: str  # ws://host:port/ws
    token: str | None = field(default=None, repr=False)
    world: str = ""  # of those that the server has; empty: its first

    @staticmethod
    def parse(text: str) -> Link:
        """The link in a text. Raises BadLink."""
        try:
            parts = urlsplit(text.strip())
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise BadLink(f"this is no link: {error}") from None
        scheme = _SCHEMES.get(parts.scheme.lower())
        if scheme is None or not host:
            raise BadLink("a link looks like http://127.0.0.1:8123/#token=..., as the server prints it")
        if parts.username is not None or parts.password is not None:
            raise BadLink("a link has no user name and no password; the token goes behind #token=")
        if parts.query:
            raise BadLink("a link has no part behind a question mark; the token goes behind #token=")
        tokens = parse_qs(parts.fragment).get("token", [])
        token = tokens[0] if tokens else None
        if token is not None and len(token) > MAX_TOKEN:
            raise BadLink(f"a token has at most {MAX_TOKEN} characters, this one {len(token)}")
        world = parse_qs(parts.fragment).get("world", [""])[0]
        if len(world) > MAX_NAME:
            raise BadLink(f"a world's name has at most {MAX_NAME} characters, this one {len(world)}")
        path = parts.path.rstrip("/").removesuffix(_WEBSOCKET_PATH) + _WEBSOCKET_PATH
        name = f"[{host}]" if ":" in host else host
        return Link(f"{scheme}://{name}{'' if port is None else f':{port}'}{path}", token, world)

    @property
    def secure(self) -> bool:
        """Whether it is by TLS."""
        return self.address.startswith("wss:")

    @property
    def loopback(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.address).hostname or ""
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"


def tls_context(certificate: Path | None = None) -> ssl.SSLContext:
    """TLS that trusts the system's authorities, or only ``certificate`` (PEM): a server's self-signed one.

    Raises OSError (ssl.SSLError among them) for a file that can't be read or is no certificate.
    """
    return ssl.create_default_context(cafile=None if certificate is None else str(certificate))
