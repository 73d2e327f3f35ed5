"""Cameras and paths as JSON: what a person can keep, edit and pass to ``--camera`` and ``--path``.

    {"pivot": {"cell": [level, ix, iy, iz], "offset": [x, y, z]}, "quat": [w, x, y, z],
     "ln_distance": ..., "ln_fx": ..., "ln_fy": ..., "cx": ..., "cy": ..., "width": ..., "height": ...}

The fields are those of ``scene_graph.camera.Camera``. Cells are exact: integers that another program's
floats could not hold (beyond 2**53) are written as decimal strings, and read as either. A path is a list
of ``{"camera": {...}, "seconds": 2.0}``: how long it takes to get there from the camera before it.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TypeVar

import msgspec

from wonderzoom.runtime.errors import CommandError
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell, Position

# What JSON readers with float64 numbers (JavaScript) still read exactly.
_MAX_PLAIN_INTEGER = 1 << 53
# 65536 octaves are twenty thousand zooms of 10x; beyond, a hostile level is a shift of gigabytes.
MAX_LEVEL = 1 << 16
_MAX_LN = MAX_LEVEL * math.log(2.0)
_MAX_BYTES = 1 << 22  # a path of some thousand deep cameras
_MAX_STOPS = 10_000

_Read = TypeVar("_Read")


class BadCamera(CommandError):
    """A camera or path file that makes no camera."""


class _Pivot(msgspec.Struct, forbid_unknown_fields=True):
    cell: tuple[int | str, int | str, int | str, int | str]
    offset: tuple[float, float, float]


class _Camera(msgspec.Struct, forbid_unknown_fields=True):
    pivot: _Pivot
    quat: tuple[float, float, float, float]
    ln_distance: float
    ln_fx: float
    ln_fy: float
    cx: float
    cy: float
    width: int
    height: int


class _Stop(msgspec.Struct, forbid_unknown_fields=True):
    camera: _Camera
    seconds: float


def integer_out(value: int) -> int | str:
    """An integer as JSON that every reader keeps exact."""
    return value if abs(value) <= _MAX_PLAIN_INTEGER else str(value)


def cell_out(cell: Cell) -> list[int | str]:
    """``[level, ix, iy, iz]``."""
    return [cell.level, *(integer_out(i) for i in cell.index)]


def camera_out(camera: Camera) -> dict[str, object]:
    """A camera as JSON values."""
    return {
        "pivot": {"cell": cell_out(camera.pivot.cell), "offset": list(camera.pivot.offset)},
        "quat": list(camera.quat),
        "ln_distance": camera.ln_distance,
        "ln_fx": camera.ln_fx,
        "ln_fy": camera.ln_fy,
        "cx": camera.cx,
        "cy": camera.cy,
        "width": camera.width,
        "height": camera.height,
    }


def camera_text(camera: Camera) -> str:
    """A camera as a line of JSON."""
    return json.dumps(camera_out(camera))


def read_camera(path: Path) -> Camera:
    """The camera of a file. Raises BadCamera."""
    return _camera(path, "", _converted(path, "", _parsed(path), _Camera))


def read_path(path: Path) -> list[tuple[Camera, float]]:
    """The cameras of a path file, each with its seconds. Raises BadCamera."""
    values = _parsed(path)
    if not isinstance(values, list) or not values:
        raise BadCamera(
            f'{path}: a path is a list of {{"camera": {{...}}, "seconds": 2.0}}, with one at least'
        )
    if len(values) > _MAX_STOPS:
        raise BadCamera(f"{path}: a path of {len(values)} cameras; at most {_MAX_STOPS} are read")
    stops: list[tuple[Camera, float]] = []
    for number, value in enumerate(values, 1):
        stop = _converted(path, f"camera {number}: ", value, _Stop)
        if not (math.isfinite(stop.seconds) and stop.seconds >= 0.0):
            raise BadCamera(f"{path}: camera {number}: seconds must be 0 or more, got {stop.seconds}")
        stops.append((_camera(path, f"camera {number}: ", stop.camera), stop.seconds))
    return stops


def _parsed(path: Path) -> object:
    """The JSON of a file; NaN and infinities are let through, so that the error can name them."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadCamera(f"{path}: more than {_MAX_BYTES >> 20} MiB; this is no camera file")
        return json.loads(path.read_bytes())
    except OSError as error:
        raise BadCamera(f"{path}: could not read the camera file: {error.strerror or error}") from error
    except RecursionError as error:
        raise BadCamera(f"{path}: nested too deeply for a camera file") from error
    except UnicodeDecodeError as error:
        raise BadCamera(f"{path}: not text; a camera file is JSON in UTF-8") from error
    except json.JSONDecodeError as error:
        raise BadCamera(f"{path}: line {error.lineno}: not JSON: {error.msg}") from error
    except ValueError as error:  # an integer of more digits than Python reads
        raise BadCamera(f"{path}: a number is too long") from error


def _converted(path: Path, where: str, value: object, kind: type[_Read]) -> _Read:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadCamera(f"{path}: {where}{error}") from error


def _camera(path: Path, where: str, read: _Camera) -> Camera:
    """The camera, once all of its numbers can be meant."""
    level, *index = (_integer(path, where, value) for value in read.pivot.cell)
    if abs(level) > MAX_LEVEL:
        raise BadCamera(f"{path}: {where}cell level {level} is outside -{MAX_LEVEL} to {MAX_LEVEL}")
    if max(abs(i).bit_length() for i in index) > MAX_LEVEL:
        raise BadCamera(f"{path}: {where}a cell index of more than {MAX_LEVEL} bits")
    offset = read.pivot.offset
    if not all(abs(v) <= 1.0 for v in offset):  # also for NaN
        raise BadCamera(
            f"{path}: {where}the pivot's offset {list(offset)} is not within its cell (-0.5 to 0.5)"
        )
    for name, ln in (("ln_distance", read.ln_distance), ("ln_fx", read.ln_fx), ("ln_fy", read.ln_fy)):
        if not abs(ln) <= _MAX_LN:
            raise BadCamera(
                f"{path}: {where}{name} is {ln}; a finite logarithm within {_MAX_LN:.0f} is needed"
            )
    try:
        camera = Camera(
            Position(Cell(level, *index), offset),
            read.quat,
            read.ln_distance,
            read.ln_fx,
            read.ln_fy,
            read.cx,
            read.cy,
            read.width,
            read.height,
        )
    except ValueError as error:
        raise BadCamera(f"{path}: {where}{error}") from error
    if abs(math.sqrt(sum(v * v for v in read.quat)) - 1.0) < 1e-12:
        # Normalised when it was written: doing so again would move its last bits, and with them node ids.
        object.__setattr__(camera, "quat", read.quat)
    return camera


def _integer(path: Path, where: str, value: int | str) -> int:
    try:
        return int(value)
    except ValueError as error:
        raise BadCamera(f"{path}: {where}{str(value)[:40]!r} in the cell is not an integer") from error
