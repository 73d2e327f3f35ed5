"""Cameras and places as plain values with exact integers in bytes, as they go over the wire.

The wire protocol (``protocol.values``) describes them and knows no scene; this turns them into cameras and back,
for servers and clients alike. A position counts from the *centre* of its cell, a place on the wire from the *low
corner*. Adding a half would round; but the centre of a cell is the low corner of its last child:

    position (level, i, o)  =  place (level + 1, 2 i + 1, 2 o)        exact, as only powers of two matter

So what goes out comes back bit for bit. A place that somebody else wrote comes in as the same point, exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import frexp
from typing import Any

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, Position

MAX_INDEX_BYTES = 256  # these two as in the protocol's limits
MAX_LEVEL = 2000
_NUMBERS = ("ln_distance", "ln_fx", "ln_fy", "cx", "cy", "width", "height")
_NEAR = 2.0  # cell edges on the wire: an offset beyond goes into the indices


def index_out(value: int) -> bytes:
    """Two's complement, big-endian, in as few bytes as hold it. Raises ValueError beyond MAX_INDEX_BYTES."""
    size = (value + (value < 0)).bit_length() // 8 + 1
    if size > MAX_INDEX_BYTES:
        raise ValueError(f"a cell index of {size} bytes: at most {MAX_INDEX_BYTES} go over the wire")
    return value.to_bytes(size, "big", signed=True)


def index_in(data: bytes) -> int:
    """The integer of such bytes."""
    return int.from_bytes(data, "big", signed=True)


def place_out(position: Position) -> dict[str, Any]:
    """``{cell: {level, x, y, z}, offset}`` of the same point, exactly; the offset is in [-2, 2].

    Raises ValueError where the cell is too deep, too coarse or too far away for the wire.
    """
    if max(map(abs, position.offset)) > _NEAR / 2:
        position = position.rebased(position.cell.level)
    level = position.cell.level + 1
    if abs(level) > MAX_LEVEL:
        raise ValueError(f"a cell of level {level}: levels from {-MAX_LEVEL} to {MAX_LEVEL} go over the wire")
    x, y, z = (index_out(2 * i + 1) for i in position.cell.index)
    return {"cell": {"level": level, "x": x, "y": y, "z": z}, "offset": tuple(2 * o for o in position.offset)}


def place_in(place: Mapping[str, Any]) -> Position:
    """The same point, exactly; of what ``place_out`` wrote the same bits."""
    cell = place["cell"]
    level: int = cell["level"]
    index = [index_in(cell[axis]) for axis in "xyz"]
    offset = [float(part) for part in place["offset"]]
    halves = [part / 2 for part in offset]
    if all(i & 1 for i in index) and all(2 * half == part for half, part in zip(halves, offset, strict=True)):
        return _position(level - 1, [i >> 1 for i in index], halves)
    if all((part - 0.5) + 0.5 == part for part in offset):
        return _position(level, index, [part - 0.5 for part in offset])
    # Down to the level where the smallest offset is of order one: all of its bits are within 53 of the point.
    down = max(0, *(-frexp(part)[1] for part in offset))
    rests: list[float] = []
    for axis, part in enumerate(offset):
        numerator, denominator = part.as_integer_ratio()
        whole, rest = divmod(numerator << down, denominator)
        index[axis] = (index[axis] << down) + whole
        rests.append(rest / denominator - 0.5)
    return _position(level + down, index, rests)


def camera_out(camera: Camera) -> dict[str, Any]:
    """A camera as plain values; raises ValueError as ``place_out`` does."""
    numbers = {name: getattr(camera, name) for name in _NUMBERS}
    return {"pivot": place_out(camera.pivot), "quat": tuple(camera.quat), **numbers}


def camera_in(pose: Mapping[str, Any]) -> Camera:
    """The camera of such values. Its quaternion is normalised, which may turn the last bit of a component.

    Raises ValueError for one that is singular or not finite, and for one that could not go out again after
    ``Camera.rebased``: whoever shows what it is sent would fail on its own answer.
    """
    w, x, y, z = (float(part) for part in pose["quat"])
    camera = Camera(place_in(pose["pivot"]), (w, x, y, z), **{name: pose[name] for name in _NUMBERS})
    cell, fitting = camera.pivot.cell, camera.fitting_level
    finest, coarsest = max(cell.level, fitting) + 1, min(cell.level, fitting) + 1
    if finest > MAX_LEVEL or coarsest < -MAX_LEVEL:
        raise ValueError(
            f"a camera with its pivot in a cell of level {cell.level} and pixels of level {fitting}: "
            f"levels from {-MAX_LEVEL} to {MAX_LEVEL} go over the wire"
        )
    # An offset adds up to ten bits, the way to the child on the wire and the sign one each.
    bits = max(abs(i).bit_length() for i in cell.index) + max(0, fitting - cell.level) + 12
    if bits > 8 * MAX_INDEX_BYTES:
        raise ValueError(f"a camera with its pivot {bits} bits of its pixels' cells from the world's corner")
    return camera


def _position(level: int, index: list[int], offset: list[float]) -> Position:
    return Position(Cell(level, index[0], index[1], index[2]), (offset[0], offset[1], offset[2]))
