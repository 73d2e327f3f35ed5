"""Values that messages are made of: places, cameras, and summaries of nodes, viewers and zooms.

Decoding validates: types, lengths, ranges; a bound on both sides also excludes NaN and infinities. Fields that
a newer peer adds are ignored.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from wonderzoom.protocol import limits as l

Index = Annotated[bytes, Meta(min_length=1, max_length=l.MAX_INDEX_BYTES)]
Id = Annotated[str, Meta(min_length=1, max_length=l.MAX_ID, pattern=r"^[A-Za-z0-9_-]+(?!\n)$")]
Text = Annotated[str, Meta(max_length=l.MAX_TEXT)]
Name = Annotated[str, Meta(max_length=l.MAX_NAME)]
Prompt = Annotated[str, Meta(max_length=l.MAX_PROMPT)]
BookmarkName = Annotated[str, Meta(min_length=1, max_length=l.MAX_NAME)]
Words = Annotated[list[Name], Meta(max_length=l.MAX_WORDS)]
Counter = Annotated[int, Meta(ge=0, le=(1 << 53) - 1)]  # exact in a float64, which is what JavaScript has
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Milliseconds = Annotated[float, Meta(ge=0.0, le=1e12)]
Ln = Annotated[float, Meta(ge=-l.MAX_LN, le=l.MAX_LN)]
Offset = Annotated[float, Meta(ge=-l.MAX_OFFSET, le=l.MAX_OFFSET)]
Unit = Annotated[float, Meta(ge=-1.001, le=1.001)]
Principal = Annotated[float, Meta(ge=-l.MAX_PRINCIPAL, le=l.MAX_PRINCIPAL)]
Side = Annotated[int, Meta(ge=l.MIN_SIDE, le=l.MAX_SIDE)]
Zeta = Annotated[float, Meta(ge=-l.MAX_ZETA, le=l.MAX_ZETA)]
Role = Literal["viewer", "editor", "host"]
Stage = Literal[
    "observe", "describe", "upscale", "edit", "depth", "segment", "lift", "optimise", "auxiliary", "commit"
]
Hash = Annotated[bytes, Meta(min_length=16, max_length=16)]
LevelNumber = Annotated[int, Meta(ge=0, le=l.MAX_PYRAMID)]
Color = Annotated[str, Meta(pattern=r"^#[0-9a-f]{6}(?!\n)$")]


class Value(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of everything on the wire."""


class CellAddress(Value, frozen=True, kw_only=True):
    """A cube of the octree: edge 2^-level root edges, low corner at (x, y, z) edges, each exact."""

    level: Annotated[int, Meta(ge=-l.MAX_LEVEL, le=l.MAX_LEVEL)]
    x: Index  # two's complement, big-endian, as few bytes as hold it
    y: Index
    z: Index

    @property
    def index(self) -> tuple[int, int, int]:
        """The indices as integers."""
        return (index_of(self.x), index_of(self.y), index_of(self.z))


class Place(Value, frozen=True, kw_only=True):
    """A point of the world: a cell, and an offset from its low corner in edges of the cell."""

    cell: CellAddress
    offset: tuple[Offset, Offset, Offset]


class CameraPose(Value, frozen=True, kw_only=True):
    """A pinhole camera about a pivot, exact at any magnification.

    With f = sqrt(fx fy), q the pivot, R the rotation world to camera (axes x right, y down, z forward) and D
    the distance of the pivot along the axis: P = (f / D) R (p - q), w = 1 + P_z / f,
    u = fx / f P_x / w + cx, v = fy / f P_y / w + cy. All logarithms are natural.
    """

    pivot: Place
    quat: tuple[Unit, Unit, Unit, Unit]  # w x y z, world to camera, of length one within 1e-3
    ln_distance: Ln  # ln D, root edges
    ln_fx: Ln  # ln of the focal length, pixels
    ln_fy: Ln
    cx: Principal  # pixels; centres of pixels are at k + 0.5
    cy: Principal
    width: Side  # pixels
    height: Side

    def __post_init__(self) -> None:
        if abs(sum(part * part for part in self.quat) - 1.0) > 2e-3:
            raise ValueError("quat is not of length one")
        if abs(self.ln_fx - self.ln_fy) > 2.8:
            raise ValueError("ln_fx and ln_fy differ by more than a factor of 16")


class Depth(Value, frozen=True, kw_only=True):
    """How deep what a picture shows is: samples over the whole of it, of a lower resolution; see ``depth_map``."""

    width: Annotated[int, Meta(ge=1, le=l.MAX_DEPTH_SIDE)]  # samples
    height: Annotated[int, Meta(ge=1, le=l.MAX_DEPTH_SIDE)]
    step: Annotated[float, Meta(gt=0.0, le=1.0)]  # of the numbers
    payload: Annotated[bytes, Meta(max_length=l.MAX_DEPTH)]

    def __post_init__(self) -> None:
        if self.width * self.height > l.MAX_DEPTH_SAMPLES:
            raise ValueError(f"depth of more than {l.MAX_DEPTH_SAMPLES} samples")


class View(Value, frozen=True, kw_only=True):
    """One picture of a frame, with exactly the camera that it was drawn with."""

    camera: CameraPose
    payload: Annotated[bytes, Meta(max_length=l.MAX_PICTURE)]
    depth: Depth | None = None


class NodeSummary(Value, frozen=True, kw_only=True):
    """A scale node as people navigate by it."""

    id: Id
    camera: CameraPose  # the frame that was asked for: fly there to see it
    ln_magnification: Ln  # relative to the first picture
    parent: Id | None = None
    prompt: Prompt = ""
    generator: Name = ""
    by: Name = ""  # who asked for it


class ViewerSummary(Value, frozen=True, kw_only=True):
    """Somebody who is here."""

    id: Id
    name: Name
    color: Color
    role: Role
    camera: CameraPose | None = None
    following: Id | None = None  # whose camera that is


class Bookmark(Value, frozen=True, kw_only=True):
    """A place that is kept with the world."""

    id: Id
    name: BookmarkName
    camera: CameraPose
    by: Name = ""


class PendingZoom(Value, frozen=True, kw_only=True):
    """A zoom that somebody waits for."""

    request: Id
    viewer: Id
    camera: CameraPose
    prompt: Prompt = ""
    stage: Stage | None = None  # None while it is queued
    fraction: Share = 0.0


class SurfelLevel(Value, frozen=True, kw_only=True):
    """A level of the pyramid of a block: what is sent once, kept and drawn. Level 0 is the block itself.

    ``hash`` names everything but the bounds, for ever.
    """

    hash: Hash
    block: Hash  # that of the block: the same for all levels of its pyramid
    node: Id
    cell: CellAddress
    level: LevelNumber
    count: Annotated[int, Meta(ge=1, le=l.MAX_SURFELS)]  # surfels
    payload: Annotated[bytes, Meta(max_length=l.MAX_PAYLOAD)] | None = None  # None: GET it by its hash
    bounds: Annotated[bytes, Meta(max_length=l.MAX_BOUNDS)]
    bounds_revision: Counter


class BoundsPatch(Value, frozen=True, kw_only=True):
    """Other bounds of a level that the client has."""

    hash: Hash
    bounds: Annotated[bytes, Meta(max_length=l.MAX_BOUNDS)]
    bounds_revision: Counter


class ShownBlock(Value, frozen=True, kw_only=True):
    """How a block is shown from now on: what it fades to, and by which of the levels that the client has."""

    block: Hash
    finest: LevelNumber
    coarsest: LevelNumber  # all from the finest to it are there, and share the weight
    residency: Share = 1.0  # R of Eq. 3
    child_residency: Share = 0.0  # R_child

    def __post_init__(self) -> None:
        if self.finest > self.coarsest:
            raise ValueError("`finest` is a level before `coarsest`")


class KnownLevel(Value, frozen=True, kw_only=True):
    """A level that a client has, and the revision of its bounds."""

    hash: Hash
    bounds_revision: Counter


def index_of(data: bytes) -> int:
    """The integer of a two's complement, big-endian number."""
    return int.from_bytes(data, "big", signed=True)


def index_bytes(value: int) -> bytes:
    """An integer in as few bytes as hold it. Raises ValueError beyond MAX_INDEX_BYTES."""
    size = (value + (value < 0)).bit_length() // 8 + 1
    if size > l.MAX_INDEX_BYTES:
        raise ValueError(f"an index of {size} bytes; the protocol has room for {l.MAX_INDEX_BYTES}")
    return value.to_bytes(size, "big", signed=True)
