"""The protocol's poses and places as the scene's cameras and positions, and back. Exact, both ways.

The arithmetic is ``scene_graph.formats.wire_pose``, which servers use as well; the protocol's bounds are checked
here by its own types.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from wonderzoom.protocol.values import CameraPose, CellAddress, Place
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.formats import wire_pose

_Value = TypeVar("_Value", CameraPose, CellAddress, Place)


def pose_of(camera: Camera) -> CameraPose:
    """A camera as it goes over the wire. Raises ValueError where the protocol has no room for it."""
    return _within(wire_pose.camera_out(camera), CameraPose, "camera")


def camera_of(pose: CameraPose) -> Camera:
    """The camera that a pose describes. Raises ValueError for one that is singular or too deep."""
    return wire_pose.camera_in(_plain(pose))


def place_of(position: Position) -> Place:
    """A point as it goes over the wire. Raises ValueError where the protocol has no room for it."""
    return _within(wire_pose.place_out(position), Place, "place")


def position_of(place: Place) -> Position:
    """The point that a place names."""
    return wire_pose.place_in(_plain(place))


def address_of(cell: Cell) -> CellAddress:
    """The address of a cell. Raises ValueError where the protocol has no room for it."""
    x, y, z = (wire_pose.index_out(i) for i in cell.index)
    return _within({"level": cell.level, "x": x, "y": y, "z": z}, CellAddress, "cell")


def cell_of(address: CellAddress) -> Cell:
    """The cell at an address."""
    return Cell(address.level, *address.index)


def _within(plain: dict[str, Any], kind: type[_Value], name: str) -> _Value:
    try:
        return msgspec.convert(plain, kind)
    except msgspec.ValidationError as error:
        raise ValueError(f"this {name} is beyond what the protocol can say: {error}") from None


def _plain(value: CameraPose | Place) -> dict[str, Any]:
    return msgspec.to_builtins(value, builtin_types=(bytes,))
