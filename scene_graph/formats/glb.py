"""GLB: glTF 2.0 in one file, its splats by the Khronos extension ``KHR_gaussian_splatting``.

One mesh of points; position, rotation (xyzw), linear sizes, linear opacity and the constant band of the spherical
harmonics as float32, so that nothing but the frame's own float32 is lost. The third size is that of a surfel's
normal, thin but never zero. ``COLOR_0`` lets programs without the extension show coloured points. glTF looks along
-z with y up: the axes are turned over. Written only.
"""

from __future__ import annotations

import json
import struct
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError, bytes_of, dc_of_colors, normalised

EXTENSION = "KHR_gaussian_splatting"
_GLB, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942
_FLOAT, _UNSIGNED_BYTE, _POINTS, _ARRAY_BUFFER = 5126, 5121, 0, 34962
_MAX_BYTES = (1 << 32) - 1  # lengths of a GLB are 32 bits


def write_glb(stream: BinaryIO, cloud: Cloud, generator: str = "WonderZoom") -> None:
    """The cloud as one mesh of one node. FormatError beyond 4 GiB, which a GLB can't name."""
    turned = cloud.turned_over()
    columns: dict[str, NDArray[Any]] = {
        "POSITION": turned.means,
        "COLOR_0": _fallback_colors(cloud),
        f"{EXTENSION}:ROTATION": np.roll(normalised(turned.quats), -1, 1),
        f"{EXTENSION}:SCALE": np.exp(cloud.log_scales.astype(np.float64)),
        f"{EXTENSION}:OPACITY": cloud.opacities,
        f"{EXTENSION}:SH_DEGREE_0_COEF_0": dc_of_colors(cloud.colors),
    }
    data = [np.ascontiguousarray(c, c.dtype if c.dtype == np.uint8 else "<f4") for c in columns.values()]
    text = json.dumps(_document(list(columns), data, generator), separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 4)
    body = sum(column.nbytes for column in data)
    total = 12 + 8 + len(text) + 8 + body
    if total > _MAX_BYTES:
        raise FormatError(
            f"{len(cloud)} splats make a GLB of {total} bytes, it holds {_MAX_BYTES}: export less"
        )
    stream.write(struct.pack("<III", _GLB, 2, total))
    stream.write(struct.pack("<II", len(text), _JSON) + text)
    stream.write(struct.pack("<II", body, _BIN))
    for column in data:
        stream.write(memoryview(np.ascontiguousarray(column)).cast("B"))  # pyright: ignore[reportArgumentType]


def _document(names: list[str], data: list[NDArray[Any]], generator: str) -> dict[str, Any]:
    views: list[dict[str, int]] = []
    accessors: list[dict[str, Any]] = []
    start = 0
    for name, column in zip(names, data, strict=True):
        views.append({"buffer": 0, "byteOffset": start, "byteLength": column.nbytes, "target": _ARRAY_BUFFER})
        start += column.nbytes
        is_bytes = column.dtype == np.uint8
        accessor: dict[str, Any] = {
            "bufferView": len(views) - 1,
            "componentType": _UNSIGNED_BYTE if is_bytes else _FLOAT,
            "count": len(column),
            "type": "SCALAR" if column.ndim == 1 else f"VEC{column.shape[1]}",
        }
        if is_bytes:
            accessor["normalized"] = True
        if name == "POSITION":
            accessor["min"], accessor["max"] = column.min(0).tolist(), column.max(0).tolist()
        accessors.append(accessor)
    splats = {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}
    splats |= {"projection": "perspective", "sortingMethod": "cameraDistance"}
    primitive = {
        "attributes": {name: number for number, name in enumerate(names)},
        "mode": _POINTS,
        "extensions": {EXTENSION: splats},
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
