"""Who may come in: tokens with a role, and the check of where a connection comes from.

Closed by default. A token is 256 random bits; it travels in the fragment of the printed link (browsers never
send that part) and then in the first message, so that no proxy, log or Referer header sees it. A page of
another site can open a websocket to a local server, and then its browser says so in ``Origin``: that has to
be the host that was asked for (CWE-1385). And the host that was asked for has to be one that this server
knows, or a name that an attacker points at 127.0.0.1 would do (DNS rebinding).
"""

from __future__ import annotations

import enum
import hmac
import re
from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

TOKEN_BYTES = 32
LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]"})
_HOST = re.compile(r"(?P<name>\[[0-9a-f:.]+\]|[a-z0-9_.-]+)(:(?P<port>[0-9]{1,5}))?", re.IGNORECASE)


class Role(enum.StrEnum):
    """What a viewer may do; each may do what the one before it may."""

    VIEWER = "viewer"  # look
    EDITOR = "editor"  # zoom, remove nodes
    HOST = "host"  # upload pictures, grant roles

    def may(self, needed: Role) -> bool:
        """Whether this role is enough where ``needed`` is asked for."""
        order = list(Role)
        return order.index(self) >= order.index(needed)


class Refused(Exception):
    """A connection that is not let in; the text says why and is safe to send and to log."""


class Tokens:
    """The tokens that open this server. They never appear in a log or in ``repr``."""

    def __init__(self, tokens: Iterable[tuple[str, Role]]) -> None:
        self._tokens = [(token.encode(), role) for token, role in tokens]
        if any(len(token) < 16 for token, _ in self._tokens):
            raise ValueError("a token has at least 16 characters")

    def role_of(self, token: str | None) -> Role:
        """The role that a token carries; every known one is compared, in constant time. Raises Refused."""
        if not token:
            raise Refused("a token is needed: open the link that the server printed, with the part behind #")
        given = token.encode("utf-8", "surrogatepass")
        found: Role | None = None
        for known, role in self._tokens:
            if hmac.compare_digest(known, given):
                found = role
        if found is None:
            raise Refused("wrong token; the server may have been started anew; open the link that it printed")
        return found

    def __repr__(self) -> str:
        return f"Tokens({len(self._tokens)} of them)"


def on_this_machine(host: str) -> bool:
    """Whether who listens on an address or name can be reached from this machine only."""
    name = host.strip("[]")
    return name in LOOPBACK or f"[{name}]" in LOOPBACK


def host_name(header: str) -> str | None:
    """The name in a Host header, in lower case and without its port; None for what is no host."""
    match = _HOST.fullmatch(header.strip())
    if match is None or int(match["port"] or 0) > 65535:
        return None
    return match["name"].lower()


def check_origin(hosts: Sequence[str], origins: Sequence[str], known: frozenset[str] = LOOPBACK) -> None:
    """Raises Refused unless a request comes from this server's own page, or from a program.

    hosts, origins: all ``Host`` and ``Origin`` headers. Programs send no Origin; a browser always does for a
    websocket, and a program has no cookie or token of the user's that it could misuse. ``known``: the names
    under which this server is reached.
    """
    if len(hosts) != 1:
        raise Refused("a request needs one Host header")
    name = host_name(hosts[0])
    if name is None or name not in known:
        raise Refused("this server is not known under that host name; start it with --host NAME to allow one")
    if not origins:
        return
    if len(origins) > 1:
        raise Refused("a request has one Origin header at most")
    try:
        origin = urlsplit(origins[0])
        plain = not (origin.path or origin.query or origin.fragment or "@" in origin.netloc)
    except ValueError:
        raise Refused("that Origin is none") from None
    if (
        origin.scheme not in ("http", "https")
        or not plain
        or origin.netloc.lower() != hosts[0].strip().lower()
    ):
        raise Refused("a page of another site may not connect")
