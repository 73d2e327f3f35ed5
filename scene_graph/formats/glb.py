"""GLB: glTF 2.0 in one file, its splats by the Khronos extension ``KHR_gaussian_splatting``.

One mesh of points; position, rotation (xyzw), linear sizes, linear opacity and the constant band of the spherical
harmonics as float32, so that nothing but the frame's own float32 is lost. The third size is that of a surfel's
normal, thin but never zero. ``COLOR_0`` lets programs without the extension show coloured points. glTF looks along
-z with y up: the axes are turned over. Written only.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.formats.cloud import (
    Cloud,
    FormatError,
    Splats,
    bytes_of,
    dc_of_colors,
    normalised,
)

EXTENSION = "KHR_gaussian_splatting"
_GLB, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _UNSIGNED_BYTE, _POINTS, _ARRAY_BUFFER = 5126, 5121, 0, 34962
_MAX_BYTES = (1 << 32) - 1  # lengths of a GLB are 32 bits


@dataclass(frozen=True, slots=True)
class _Column:
    """One attribute of all splats."""

    name: str
    width: int
    dtype: str
    of: Callable[[Cloud], NDArray[Any]]  # [n, width]

    def size(self, count: int) -> int:
        """Bytes of so many rows."""
        return count * self.width * np.dtype(self.dtype).itemsize


_COLUMNS = (
    _Column("POSITION", 3, "<f4", lambda part: part.turned_over().means),
    _Column("COLOR_0", 4, "u1", lambda part: _fallback_colors(part)),
    _Column(
        f"{EXTENSION}:ROTATION", 4, "<f4", lambda part: np.roll(normalised(part.turned_over().quats), -1, 1)
    ),
    _Column(f"{EXTENSION}:SCALE", 3, "<f4", lambda part: np.exp(part.log_scales.astype(np.float64))),
    _Column(f"{EXTENSION}:OPACITY", 1, "<f4", lambda part: part.opacities),
    _Column(f"{EXTENSION}:SH_DEGREE_0_COEF_0", 3, "<f4", lambda part: dc_of_colors(part.colors)),
)


def write_glb(stream: BinaryIO, splats: Splats, generator: str = "WonderZoom") -> None:
    """Splats as one mesh of one node. FormatError beyond 4 GiB, which a GLB can't name."""
    text = json.dumps(_document(splats, generator), separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    body = sum(column.size(len(splats)) for column in _COLUMNS)
    total = 12 + 8 + len(text) + 8 + body
    if total > _MAX_BYTES:
        raise FormatError(
            f"{len(splats)} splats make a GLB of {total} bytes, it holds {_MAX_BYTES}: export less"
        )
    stream.write(struct.pack("<III", _GLB, 2, total))
    stream.write(struct.pack("<II", len(text), _JSON) + text)
    stream.write(struct.pack("<II", body, _BIN))
    for column in _COLUMNS:
        for part in splats.parts():
            stream.write(np.ascontiguousarray(column.of(part), column.dtype).tobytes())


def _document(splats: Splats, generator: str) -> dict[str, Any]:
    views: list[dict[str, int]] = []
    accessors: list[dict[str, Any]] = []
    start = 0
    for column in _COLUMNS:
        size = column.size(len(splats))
        views.append({"buffer": 0, "byteOffset": start, "byteLength": size, "target": _ARRAY_BUFFER})
        start += size
        is_bytes = column.dtype == "u1"
        accessor: dict[str, Any] = {
            "bufferView": len(views) - 1,
            "componentType": _UNSIGNED_BYTE if is_bytes else _FLOAT,
            "count": len(splats),
            "type": "SCALAR" if column.width == 1 else f"VEC{column.width}",
        }
        if is_bytes:
            accessor["normalized"] = True
        if column.name == "POSITION":
            ends = [(rows.min(0), rows.max(0)) for rows in map(column.of, splats.parts())]
            accessor["min"] = np.min([low for low, _ in ends], 0).tolist()
            accessor["max"] = np.max([high for _, high in ends], 0).tolist()
        accessors.append(accessor)
    kind = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}
    kind |= {"projection": "perspective", "sortingMethod": "cameraDistance"}
    primitive = {
        "attributes": {column.name: number for number, column in enumerate(_COLUMNS)},
        "mode": _POINTS,
        "extensions": {EXTENSION: kind},
    }
    return {
        "asset": {"version": "2.0", "generator": generator},
        "extensionsUsed": [EXTENSION],
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "buffers": [{"byteLength": start}],
        "bufferViews": views,
        "accessors": accessors,
    }


def _fallback_colors(cloud: Cloud) -> NDArray[np.uint8]:
    """Linear RGB and opacity as bytes [N, 4], as glTF's own points have them."""
    srgb = cloud.colors.astype(np.float64)
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return bytes_of(255.0 * np.concatenate([linear, cloud.opacities[:, None]], 1))
