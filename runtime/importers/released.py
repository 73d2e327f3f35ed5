"""The worlds that the authors of WonderZoom published: ``.pth`` files of ``torch.save``.

One dictionary of columns for all scales: colours and opacities behind a tanh, axes x left, y up, z forward, and for
each splat the focal length that it was made at with the depth there (``now_scale`` = f / z). One level is what has
one focal length. A zoom there keeps the eye and lengthens the lens, so that the eye is the origin and the axis of a
level follows from its depths, which are linear in the position: three unknowns, thousands of splats. Levels become
nodes, and who covers whom is worked out anew from their views (scale_semantics, section 5).

The file is read with ``weights_only``: no code in it is run. What it unpacks to is measured before.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.errors import CommandError
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError

F64 = NDArray[np.float64]

# Splats that a later level has replaced carry this label, which has no name.
_SUPERSEDED = 100000
_COLUMNS = {
    "_xyz": (3,),
    "_features_dc": (3,),
    "_opacity": (),
    "_scaling": (3,),
    "_rotation": (4,),
    "_focal_length": (),
    "now_scale": (),
}
# Headers and alignment of the zip beside the columns.
_SLACK = 1 << 20
_MAX_PICKLE = 1 << 24
# Depths of one camera fit a line to this, of the middle depth; other ones were made by more than one pose.
_FIT = 1e-3
_LEAST = 16  # splats that three unknowns are worked out from


@dataclass(frozen=True, slots=True)
class Level:
    """The splats of one focal length, flattened, and the axis that they were seen along."""

    cloud: Cloud
    native: F64  # [N] ln of the pixel of each, in the cloud's units (Eq. 1)
    focal: float  # pixels
    axis: F64 | None  # [3] of length 1, from the origin; None where no one camera at the origin saw them


def read_released(path: Path) -> list[Level]:
    """The levels of a published world, coarsest first. Raises CommandError."""
    try:
        columns = _columns(_loaded(path))
    except FormatError as error:
        raise CommandError(f"{path}: {error}") from error
    live = columns["live"]
    if not live.any():
        raise CommandError(f"{path}: all of its splats are deleted")
    focal = columns["_focal_length"]
    return [_level(columns, live & (focal == each)) for each in np.unique(focal[live]).tolist()]


def _level(columns: Mapping[str, NDArray[Any]], rows: NDArray[np.bool_]) -> Level:
    means, quats, sizes = (columns[name][rows] for name in ("means", "quats", "sizes"))
    cloud = Cloud(means, quats, sizes, columns["opacities"][rows], columns["colors"][rows])
    focal = float(columns["_focal_length"][rows][0])
    per_unit = columns["now_scale"][rows].astype(np.float64)
    known = np.isfinite(per_unit) & (per_unit > 0.0)
    # Without a scale of its own a splat has that of its depth.
    depth = np.maximum(np.abs(cloud.means[:, 2].astype(np.float64)), 1e-9)
    native = -np.log(np.where(known, per_unit, focal / depth))
    axis = _axis(cloud.means[known].astype(np.float64), focal / per_unit[known])
    return Level(cloud.flattened(), native, focal, axis)


def _axis(means: F64, depth: F64) -> F64 | None:
    """The unit vector along which ``depth`` grows from the origin; None when it does not."""
    if len(means) < _LEAST:
        return None
    found, *_ = np.linalg.lstsq(means, depth, rcond=None)
    length = float(np.linalg.norm(found))
    residual = float(np.sqrt(np.mean((means @ found - depth) ** 2)))
    if residual > _FIT * float(np.median(depth)) or abs(length - 1.0) > 10 * _FIT:
        return None
    return np.asarray(found / length, np.float64)


# ---- the file -----------------------------------------------------------------------------------


def _loaded(path: Path) -> Mapping[str, Any]:
    """The dictionary in the file."""
    size = path.stat().st_size
    try:
        with zipfile.ZipFile(path) as parts:
            entries = parts.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, RuntimeError):
        raise FormatError("it is no file of torch.save, or cut short") from None
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise FormatError("it is packed in a way that torch.save never does")
    if sum(entry.file_size for entry in entries) > size + _SLACK:
        raise FormatError("it says that more is in it than its size can hold")
    if any(entry.file_size > _MAX_PICKLE for entry in entries if entry.filename.endswith(".pkl")):
        raise FormatError("its list of contents is larger than any that a world has")
    try:
        import torch
    except ImportError:
        hint = "install it: pip install 'wonderzoom-runtime[models]'"
        raise CommandError(f"{path}: .pth files are read with torch, which is not here; {hint}") from None
    torch_any: Any = torch
    try:
        found = torch_any.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # unpickling raises anything
        first = str(error).strip().partition("\n")[0][:120]
        raise FormatError(f"torch can't read it: {first}") from error
    if not isinstance(found, dict):
        raise FormatError("it holds no world: not a dictionary of columns")
    return found  # type: ignore[return-value]


def _columns(found: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """The columns that count, checked, in this program's conventions."""
    read: dict[str, NDArray[Any]] = {}
    for name, shape in _COLUMNS.items():
        if name not in found:
            raise FormatError(f"it has no column {name}: this is no WonderZoom world")
        read[name] = _column(name, found[name], shape)
    n = len(read["_xyz"])
    lengths = {name: len(column) for name, column in read.items() if len(column) != n}
    if lengths or not n:
        raise FormatError(f"its columns differ in length: _xyz has {n}, {lengths or 'nothing'}")
    live = np.ones(n, np.bool_)
    if (gone := found.get("delete_mask_all")) is not None and len(gone) == n:
        live &= ~_column("delete_mask_all", gone, ()).astype(np.bool_)
    if (labels := found.get("point_labels")) is not None and len(labels) == n:
        live &= _column("point_labels", labels, ()) != _SUPERSEDED
    x, y, z = read["_xyz"].T
    w, i, j, k = read["_rotation"].T
    cloud = Cloud(
        np.stack([-x, -y, z], 1).astype(np.float32),
        np.stack([-k, -j, i, w], 1).astype(np.float32),
        read["_scaling"].astype(np.float32),
        np.clip(_activated(read["_opacity"]), 0.0, 1.0),
        _activated(read["_features_dc"]),
    ).checked()
    focal = read["_focal_length"]
    if not (np.isfinite(focal).all() and (focal > 0).all()):
        raise FormatError("a focal length in it is no positive number")
    if len(np.unique(focal[live])) > _MAX_LEVELS:
        raise FormatError(f"it has more than {_MAX_LEVELS} focal lengths: these are no levels")
    return {
        "means": cloud.means,
        "quats": cloud.quats,
        "sizes": cloud.log_scales,
        "opacities": cloud.opacities,
        "colors": cloud.colors,
        "_focal_length": focal,
        "now_scale": read["now_scale"],
        "live": live,
    }


# Two for each zoom; nobody zoomed by hand more often than this.
_MAX_LEVELS = 256


def _column(name: str, tensor: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """A tensor as an array [N, *shape]; FormatError when it is none, or larger than its own memory."""
    try:
        size, held = tensor.numel() * tensor.element_size(), tensor.untyped_storage().nbytes()
        rows = tensor.shape[0]
    except (AttributeError, IndexError, TypeError, RuntimeError):
        raise FormatError(f"its column {name} is no array") from None
    if size > held:  # a view that repeats its memory
        raise FormatError(f"its column {name} says more numbers than are there")
    if tensor.numel() != rows * math.prod(shape):
        raise FormatError(f"its column {name} has the shape {tuple(tensor.shape)}")
    return np.asarray(tensor.detach().numpy()).reshape(rows, *shape)


def _activated(logits: NDArray[Any]) -> NDArray[np.float32]:
    """What their program draws: clamp(0.51 tanh(x), -0.5, 0.5) + 0.5."""
    return (np.clip(0.51 * np.tanh(logits.astype(np.float64)), -0.5, 0.5) + 0.5).astype(np.float32)
