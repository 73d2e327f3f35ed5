"""PLY with Gaussian splats: the files that 3DGS and 2DGS are trained to, which nearly every program reads.

One row a splat: position, colour as the constant band of the spherical harmonics (``f_dc``), opacity as a logit,
sizes as natural logarithms, rotation wxyz. A 2DGS file has two sizes, a 3DGS file three; bands of higher degree
(``f_rest``) are not read, as a surfel looks the same from every side. ASCII and both binary orders are read, binary
little-endian is written. Quantised PLY variants have other columns and are told apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.formats.cloud import (
    F32,
    MAX_LN_SIZE,
    ROWS,
    Cloud,
    FormatError,
    Splats,
    colors_of_dc,
    dc_of_colors,
    joined,
    logits,
    opacities_of,
)

Model = Literal["2dgs", "3dgs"]
# What 2DGS files say in a comment, so that a reader need not count columns.
FLAT_COMMENT = "SplatRenderMode: 2dgs"
# A column of ours in 2DGS files, which other readers skip: how thin a surfel is tells its native scale.
THICKNESS = "ln_thickness"

_MAX_HEADER = 1 << 16
_MAX_PROPERTIES = 1024
_TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": ""}
_NEEDED = (
    ("x", "y", "z"),
    ("f_dc_0", "f_dc_1", "f_dc_2"),
    ("opacity",),
    ("scale_0", "scale_1"),
    ("rot_0", "rot_1", "rot_2", "rot_3"),
)


# ---- writing ------------------------------------------------------------------------------------


def write_ply(
    stream: BinaryIO, splats: Splats, model: Model = "3dgs", comments: tuple[str, ...] = ()
) -> None:
    """Splats as binary little-endian PLY; ``2dgs`` has two sizes, and the third under another name."""
    sizes = 2 if model == "2dgs" else 3
    names = [
        *("x", "y", "z"),
        *("nx", "ny", "nz"),  # zeros, as the trainers write them: readers with fixed offsets count on them
        *("f_dc_0", "f_dc_1", "f_dc_2"),
        "opacity",
        *(f"scale_{axis}" for axis in range(sizes)),
        *("rot_0", "rot_1", "rot_2", "rot_3"),
        *((THICKNESS,) if model == "2dgs" else ()),
    ]
    said = ((FLAT_COMMENT,) if model == "2dgs" else ()) + comments
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment {re.sub('[^ -~]+', ' ', comment)}" for comment in said),
        f"element vertex {len(splats)}",
        *(f"property float {name}" for name in names),
        "end_header",
    ]
    stream.write(("\n".join(header) + "\n").encode("ascii"))
    for part in splats.parts():
        rows = np.zeros((len(part), len(names)), "<f4")
        rows[:, 0:3] = part.means
        rows[:, 6:9] = dc_of_colors(part.colors)
        rows[:, 9] = logits(part.opacities)
        rows[:, 10 : 10 + sizes] = part.log_scales[:, :sizes]
        rows[:, 10 + sizes : 14 + sizes] = part.quats
        if model == "2dgs":
            rows[:, 14 + sizes] = np.maximum(part.log_scales[:, 2], -MAX_LN_SIZE)
        stream.write(rows.tobytes())


# ---- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Header:
    order: str  # of bytes; empty for text
    count: int
    names: tuple[str, ...]
    types: tuple[str, ...]


def read_ply(stream: BinaryIO, size: int) -> Cloud:
    """The splats of a PLY file of ``size`` bytes; memory grows with what is there, not with what it says.

    Raises FormatError.
    """
    header = _header(stream)
    rest = size - stream.tell()
    missing = [name for group in _NEEDED for name in group if name not in header.names]
    if missing:
        if {"packed_position", "packed_scale"} <= set(header.names) or "min_x" in header.names:
            raise FormatError("this is a compressed PLY: convert it to a plain one first")
        raise FormatError(f"it has no column {missing[0]}: these are no Gaussian splats")
    parts = [_cloud(rows) for rows in (_text_rows if not header.order else _rows)(stream, header, rest)]
    if not parts:
        raise FormatError("it holds no splats")
    notes: list[str] = []
    if any(name.startswith("f_rest_") for name in header.names):
        notes.append("colours that depend on the direction (spherical harmonics above degree 0) are left out")
    if "scale_2" in header.names:
        notes.append("splats become flat: the thinnest axis of each is left out")
    whole = joined(parts)
    return Cloud(
        whole.means, whole.quats, whole.log_scales, whole.opacities, whole.colors, tuple(notes)
    ).checked()


def _header(stream: BinaryIO) -> _Header:
    lines = _header_lines(stream)
    order, count = None, None
    names: list[str] = []
    types: list[str] = []
    in_vertices = False
    for line in lines:
        match line.split():
            case [] | ["comment" | "obj_info", *_]:
                continue
            case ["format", name, _] if name in _ORDERS:
                order = _ORDERS[name]
            case ["element", "vertex", number] if number.isascii() and number.isdigit() and len(number) < 19:
                count, in_vertices = int(number), True
            case ["element", name, _] if name != "vertex":
                if count is None:
                    raise FormatError(f"its first element is {name[:40]!r}, not vertex: these are no splats")
                in_vertices = False
            case ["property", kind, name] if kind in _TYPES:
                if in_vertices:
                    names.append(name)
                    types.append(_TYPES[kind])
            case ["property", "list", *_] if not in_vertices:
                continue
            case _:
                raise FormatError(f"its header has a line that can't be read: {line[:60]!r}")
    if order is None or count is None:
        raise FormatError(f"its header names no {'format' if order is None else 'vertices'}")
    if len(names) > _MAX_PROPERTIES or len(set(names)) < len(names):
        raise FormatError("its columns are too many, or two of them have one name")
    return _Header(order, count, tuple(names), tuple(types))


def _header_lines(stream: BinaryIO) -> list[str]:
    if stream.readline(16).strip() != b"ply":
        raise FormatError("it does not begin with 'ply'")
    lines: list[str] = []
    while stream.tell() < _MAX_HEADER:
        line = stream.readline(4096)
        if not line.endswith(b"\n"):
            break
        text = line.decode("ascii", "replace").strip()
        if text == "end_header":
            return lines
        lines.append(text)
    raise FormatError("its header has no end")


def _rows(stream: BinaryIO, header: _Header, rest: int) -> Iterator[dict[str, NDArray[np.generic]]]:
    dtype = np.dtype(
        [(name, header.order + kind) for name, kind in zip(header.names, header.types, strict=True)]
    )
    if header.count * dtype.itemsize > rest:
        raise FormatError(
            f"it is cut short: {header.count} splats are said, {rest // dtype.itemsize} are there"
        )
    for start in range(0, header.count, ROWS):
        count = min(ROWS, header.count - start)
        data = stream.read(count * dtype.itemsize)
        if len(data) < count * dtype.itemsize:
            raise FormatError(f"it is cut short: {header.count} splats are said, fewer are there")
        rows = np.frombuffer(data, dtype)
        yield {name: rows[name] for name in header.names}


def _text_rows(stream: BinaryIO, header: _Header, rest: int) -> Iterator[dict[str, NDArray[np.generic]]]:
    width = len(header.names)
    if header.count * width * 2 > rest + 1:  # a digit and a space each
        raise FormatError(f"it is cut short: {header.count} splats are said, {rest} bytes are there")
    left, number = header.count, 0
    while left:
        lines = stream.readlines(1 << 20)
        if not lines:
            raise FormatError(f"it is cut short: {header.count} splats are said, {number} are there")
        words = [line.split() for line in lines if line.strip()][:left]
        wrong = next((i for i, row in enumerate(words) if len(row) != width), None)
        if wrong is not None:
            raise FormatError(f"splat {number + wrong} has {len(words[wrong])} numbers, {width} are said")
        try:
            table = np.array(words, dtype=np.bytes_).astype(np.float64).reshape(-1, width)
        except ValueError:
            raise FormatError(
                f"among splats {number} to {number + len(words) - 1} is a word, not a number"
            ) from None
        left, number = left - len(words), number + len(words)
        yield {name: table[:, i] for i, name in enumerate(header.names)}


def _cloud(rows: dict[str, NDArray[np.generic]]) -> Cloud:
    def columns(*names: str) -> F32:
        with np.errstate(over="ignore"):  # what float32 can't hold is infinite, and found by checked()
            return np.stack([rows[name].astype(np.float32) for name in names], 1)

    two = columns("scale_0", "scale_1")
    none = np.full((len(two), 1), -np.inf, np.float32)
    third = next((columns(name) for name in ("scale_2", THICKNESS) if name in rows), none)
    return Cloud(
        columns("x", "y", "z"),
        columns("rot_0", "rot_1", "rot_2", "rot_3"),
        np.concatenate([two, third], 1),
        opacities_of(columns("opacity")[:, 0]),
        colors_of_dc(columns("f_dc_0", "f_dc_1", "f_dc_2")),
    )
