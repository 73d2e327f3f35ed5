"""The messages of people who share a world: what everybody hears, to follow, to keep places, and hosts' own; and what
the server has chosen to send."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from wonderzoom.protocol import limits as l
from wonderzoom.protocol.values import (
    Bookmark,
    BookmarkName,
    CameraPose,
    Counter,
    Id,
    Name,
    NodeSummary,
    PendingZoom,
    Role,
    Text,
    Value,
    ViewerSummary,
)


class ClientMessage(Value, frozen=True, kw_only=True, tag_field="type"):
    """Base of what a client sends."""


class ServerMessage(Value, frozen=True, kw_only=True, tag_field="type"):
    """Base of what the server sends."""


# ---- client to server ---------------------------------------------------------------------------------
class Follow(ClientMessage, frozen=True, kw_only=True, tag="follow"):
    """Look where another viewer looks from now on; answered by ``led``, or by an error.

    Any later ``camera`` ends it; whose viewport changes says ``camera`` and then ``follow`` again.
    """

    request: Id
    viewer: Id | None = None  # None: nobody any more


class AddBookmark(ClientMessage, frozen=True, kw_only=True, tag="bookmark"):
    """Keep a place with the world, for everyone. The same ``request`` is the same bookmark: it becomes its id."""

    request: Id
    name: BookmarkName
    camera: CameraPose


class RemoveBookmark(ClientMessage, frozen=True, kw_only=True, tag="remove_bookmark"):
    """Keep it no longer; answered by ``bookmarks`` without it, or by an error."""

    request: Id
    bookmark: Id


class Kick(ClientMessage, frozen=True, kw_only=True, tag="kick"):
    """Send somebody away; answered by a ``presence`` without them, or by an error."""

    request: Id
    viewer: Id


class Grant(ClientMessage, frozen=True, kw_only=True, tag="grant"):
    """Give somebody who is here another role, for as long as they are; answered by ``presence``, or by an error."""

    request: Id
    viewer: Id
    role: Role


class Lock(ClientMessage, frozen=True, kw_only=True, tag="lock"):
    """Let nobody new in but hosts, or everybody again; answered by ``presence``, or by an error."""

    request: Id
    locked: bool


# ---- server to client ---------------------------------------------------------------------------------
class Commit(ServerMessage, frozen=True, kw_only=True, tag="commit"):
    """The world has a new revision."""

    revision: Counter
    added: Annotated[list[NodeSummary], Meta(max_length=l.MAX_NODES)] = []
    removed: Annotated[list[Id], Meta(max_length=l.MAX_NODES)] = []
    by: Name = ""


class Worlds(ServerMessage, frozen=True, kw_only=True, tag="worlds"):
    """The server has other worlds than the welcome said: all that there are now."""

    worlds: Annotated[list[Name], Meta(max_length=l.MAX_WORLDS)]


class Presence(ServerMessage, frozen=True, kw_only=True, tag="presence"):
    """Who is here and what is being made; whole, at most ten times a second."""

    viewers: Annotated[list[ViewerSummary], Meta(max_length=l.MAX_VIEWERS)]
    zooms: Annotated[list[PendingZoom], Meta(max_length=l.MAX_PENDING)] = []
    locked: bool = False  # nobody new comes in but hosts


class Led(ServerMessage, frozen=True, kw_only=True, tag="led"):
    """Where the viewer that this one follows looks now, in this one's viewport; without ``viewer`` it is over."""

    viewer: Id | None = None
    camera: CameraPose | None = None  # None: they have not looked anywhere yet


class Blocks(ServerMessage, frozen=True, kw_only=True, tag="blocks"):
    """Payloads of surfels have another address than the welcome said: /s/<blocks>/blocks/<hash, hexadecimal>."""

    blocks: Annotated[str, Meta(min_length=1, max_length=l.MAX_TOKEN)]


class Streamed(ServerMessage, frozen=True, kw_only=True, tag="stream"):
    """What a viewer who leaves that to the server is sent from now on; what it shows stays until that is whole."""

    kind: Literal["frames", "surfels"]
    why: Text = ""


class Bookmarks(ServerMessage, frozen=True, kw_only=True, tag="bookmarks"):
    """The places that are kept with the world, all of them, oldest first; to everybody whenever they change."""

    bookmarks: Annotated[list[Bookmark], Meta(max_length=l.MAX_BOOKMARKS)]
