"""What a node remembers so that deeper zooms go on from it: chart, laid materials, placed things.

Versioned msgpack, a few hundred bytes. A node stores only what it added itself; what shapes a picture is
gathered from all live nodes, so that removing a node removes its ladybug too.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.world import World

VERSION = 1
GENERATOR_FAMILY = "embedded/"  # name of the generator without its version


class Place(msgspec.Struct, frozen=True, array_like=True):
    """An exact position; cell indices as decimal text, since they have no size limit."""

    level: int
    index: tuple[str, str, str]
    offset: tuple[float, float, float]

    @staticmethod
    def of(position: Position) -> Place:
        ix, iy, iz = (str(i) for i in position.cell.index)
        return Place(position.cell.level, (ix, iy, iz), position.offset)

    @property
    def position(self) -> Position:
        x, y, z = (int(i) for i in self.index)
        return Position(Cell(self.level, x, y, z), self.offset)


class PlacedThing(msgspec.Struct, frozen=True):
    """A structure that stands in the world; its surface is a function, evaluated again at every zoom."""

    kind: str
    seed: int
    place: Place  # of its base
    quat: tuple[float, float, float, float]  # wxyz, object -> world
    ln_unit: float  # ln of one object unit in root edges
    sun: tuple[float, float, float]  # linear light, as estimated where it was placed
    sky: tuple[float, float, float]
    ground: tuple[float, float, float]
    color: tuple[float, float, float] | None = None  # linear; None: the kind's own


class LaidMaterial(msgspec.Struct, frozen=True):
    """A patch of material around a point of the chart, with an irregular edge."""

    material: str
    center: tuple[float, float]  # chart pixels
    radius: float  # chart pixels
    seed: int
    chart: str = ""  # the node whose main view is the chart; empty: the root


class EmbeddedMemory(msgspec.Struct, frozen=True, kw_only=True):
    """State of one node."""

    version: int = VERSION
    metres_per_pixel: float  # of the chart: inherited along a chain, so that its texture goes on
    chart: bool = False  # this node's own picture is the chart of what is below it (``chart``)
    measured: bool = False  # ... and shows what no chart above it does: it is measured as a photo is
    things: tuple[PlacedThing, ...] = ()
    materials: tuple[LaidMaterial, ...] = ()

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)


_DECODER = msgspec.msgpack.Decoder(EmbeddedMemory)


def decode(state: bytes) -> EmbeddedMemory:
    """Raises ValueError when the bytes are not a memory of this version."""
    try:
        memory = _DECODER.decode(state)
    except msgspec.MsgspecError as error:
        raise ValueError(f"this node's generator state is not readable: {error}") from error
    if memory.version > VERSION:
        raise ValueError(f"generator state of version {memory.version}; this program reads up to {VERSION}")
    return memory


def own_memory(node: ScaleNode) -> EmbeddedMemory | None:
    """What one node added, or None when a generator made it that keeps no such memory."""
    if not node.generator_state:
        return None
    try:
        return decode(node.generator_state)
    except ValueError:
        if node.generator.startswith(GENERATOR_FAMILY):
            raise
        return None


def history(world: World) -> list[EmbeddedMemory]:
    """What the live nodes added, parents before children, then by id."""
    memories: list[EmbeddedMemory] = []
    level = [] if world.root is None else [world.root]
    while level:
        memories += [memory for memory in map(own_memory, level) if memory is not None]
        level = sorted(
            (child for node in level for child in world.children(node.id)), key=lambda node: node.id
        )
    return memories


def gather(world: World) -> tuple[list[PlacedThing], list[LaidMaterial]]:
    """Everything that live nodes have placed and laid, in the order of ``history``."""
    memories = history(world)
    things = [thing for memory in memories for thing in memory.things]
    return things, [material for memory in memories for material in memory.materials]


def metres_per_pixel(world: World, node: ScaleNode) -> float:
    """Real size of a chart pixel, as the nearest ancestor that knows it has it; an estimate from C_0 otherwise."""
    for each in reversed(world.path(node.id)):
        memory = own_memory(each)
        if memory is not None:
            return memory.metres_per_pixel
    camera = world.path(node.id)[0].main.camera
    return float(np.exp(camera.ln_scale)) * world.header.root_edge * world.header.metres_per_unit


def as_triple(values: NDArray[np.floating]) -> tuple[float, float, float]:
    """Three floats, rounded so that the last bits of a platform's pow() do not enter the digest."""
    r, g, b = (round(float(v), 6) for v in values)
    return (r, g, b)
