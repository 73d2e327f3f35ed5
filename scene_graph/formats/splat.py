"""``.splat``: 32 bytes a splat and nothing else, which many viewers on the web read.

Position and linear sizes as float32, colour and opacity as bytes, the rotation wxyz in a byte each (to about half a
degree). There is no header: the size of the file is the number of splats.
"""

from __future__ import annotations

from typing import BinaryIO

import numpy as np

from wonderzoom.scene_graph.formats.cloud import (
    ROWS,
    Cloud,
    FormatError,
    Splats,
    bytes_of,
    joined,
    normalised,
)

ROW = 32
_DTYPE = np.dtype([("mean", "<f4", 3), ("size", "<f4", 3), ("rgba", "u1", 4), ("quat", "u1", 4)])


def write_splat(stream: BinaryIO, splats: Splats) -> None:
    """The splats, a row each, in order."""
    for part in splats.parts():
        rows = np.empty(len(part), _DTYPE)
        rows["mean"] = part.means
        rows["size"] = np.exp(part.log_scales.astype(np.float64))
        rows["rgba"][:, :3] = bytes_of(255.0 * part.colors)
        rows["rgba"][:, 3] = bytes_of(255.0 * part.opacities)
        rows["quat"] = bytes_of(128.0 * normalised(part.quats) + 128.0)
        stream.write(rows.tobytes())


def read_splat(stream: BinaryIO, size: int) -> Cloud:
    """The splats of a file of ``size`` bytes. Raises FormatError."""
    if not size:
        raise FormatError("it is empty")
    if size % ROW:
        raise FormatError(
            f"its {size} bytes are no whole number of {ROW}-byte splats: cut short, or no .splat"
        )
    parts: list[Cloud] = []
    for start in range(0, size, ROW * ROWS):
        wanted = min(ROW * ROWS, size - start)
        data = stream.read(wanted)
        if len(data) < wanted:
            raise FormatError("it is cut short")
        parts.append(_cloud(np.frombuffer(data, _DTYPE)))
    return joined(parts).checked()


def _cloud(rows: np.ndarray) -> Cloud:
    size = rows["size"].astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        log_scales = np.where(size >= 0.0, np.log(np.abs(size)), np.nan)
    return Cloud(
        np.ascontiguousarray(rows["mean"], np.float32),
        ((rows["quat"].astype(np.float32)) - 128.0) / 128.0,
        log_scales.astype(np.float32),
        rows["rgba"][:, 3].astype(np.float32) / np.float32(255.0),
        rows["rgba"][:, :3].astype(np.float32) / np.float32(255.0),
        ("splats become flat: the thinnest axis of each is left out",),
    )
