"""SPZ: Niantic's compressed splats, a gzip stream of quantised columns; 19 or 20 bytes a splat before compression.

Version 3 is written: it is version 2 with rotations of 10 bits a part instead of 8, which surfels need (a flat
splat that is turned by a degree shows its edge). Versions 2 and 3 are read. Version 4 is another container
(Zstandard). Columns one after another, little-endian: positions of 24 bits in fixed point, opacities, colours,
logarithms of sizes and rotations; axes x right, y up, z backward.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.formats.cloud import (
    SH_C0,
    Cloud,
    FormatError,
    Splats,
    bytes_of,
    largest_coordinate,
    normalised,
)

_MAGIC = 0x5053474E
_HEADER = struct.Struct("<IIIBBBB")
_SH_BYTES = (0, 9, 24, 45, 72)  # of degree 0 to 4
_COLOR_SCALE = 0.15
_FINEST_FRACTION = 23
_MAX_FIXED = (1 << 23) - 1
_SQRT_HALF = math.sqrt(0.5)
_PART = (1 << 9) - 1  # the largest part of a rotation but the first, in version 3
LEAST_LN_SIZE = -10.0
MOST_LN_SIZE = 255.0 / 16.0 - 10.0
# Zeros compress to a thousandth; anything beyond is a bomb, and more splats than this nobody draws.
MAX_SPLATS = 1 << 26
_PIECE = 1 << 20


def fraction_bits(largest: float) -> int:
    """How many bits after the point leave room for coordinates up to ``largest``. FormatError for none."""
    if largest > _MAX_FIXED:
        raise FormatError(
            f"SPZ holds coordinates up to {_MAX_FIXED}, not {largest:.3g}; choose another format"
        )
    bits = _FINEST_FRACTION if largest == 0.0 else math.floor(math.log2(_MAX_FIXED / largest))
    return min(bits, _FINEST_FRACTION)


def finest_step(largest: float) -> float:
    """The distance of neighbouring positions in a file with coordinates up to ``largest``."""
    return 2.0 ** -fraction_bits(largest)


# ---- writing ------------------------------------------------------------------------------------


def write_spz(stream: BinaryIO, splats: Splats) -> None:
    """Splats, with as fine a step of position as their extent allows; the same splats, the same bytes."""
    bits = fraction_bits(largest_coordinate(splats))

    def fixed(part: Cloud) -> NDArray[np.uint8]:
        steps = np.rint(part.turned_over().means.astype(np.float64) * 2.0**bits).astype("<i4")
        return np.ascontiguousarray(steps).view(np.uint8).reshape(-1, 3, 4)[:, :, :3]

    columns: tuple[Callable[[Cloud], NDArray[np.unsignedinteger]], ...] = (
        fixed,
        lambda part: bytes_of(255.0 * part.opacities),
        lambda part: bytes_of(
            (part.colors.astype(np.float64) - 0.5) / SH_C0 * (_COLOR_SCALE * 255.0) + 127.5
        ),
        lambda part: bytes_of((np.maximum(part.log_scales, LEAST_LN_SIZE) - LEAST_LN_SIZE) * 16.0),
        lambda part: _packed(normalised(part.turned_over().quats)),
    )
    with gzip.GzipFile(filename="", mode="wb", fileobj=stream, mtime=0, compresslevel=6) as packed:
        packed.write(_HEADER.pack(_MAGIC, 3, len(splats), 0, bits, 0, 0))
        for column in columns:
            for part in splats.parts():
                packed.write(np.ascontiguousarray(column(part)).tobytes())


def _packed(quats: NDArray[np.float64]) -> NDArray[np.uint32]:
    """Rotations as 2 bits for the largest part and 9 bits and a sign for each other: [N] little-endian."""
    q = np.roll(quats, -1, 1)  # x y z w
    first = np.argmax(np.abs(q), 1)
    q = np.where(np.take_along_axis(q, first[:, None], 1) < 0, -q, q)
    word = first.astype(np.uint32)
    for part in range(4):
        size = np.minimum(np.floor(_PART * np.abs(q[:, part]) / _SQRT_HALF + 0.5), _PART).astype(np.uint32)
        sign = (q[:, part] < 0).astype(np.uint32)
        word = np.where(part == first, word, (word << 10) | (sign << 9) | size).astype(np.uint32)
    return word.astype("<u4")


# ---- reading ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Header:
    version: int
    count: int
    degree: int
    bits: int


def read_spz(stream: BinaryIO, size: int) -> Cloud:
    """The splats of a file of ``size`` bytes.

    It is unpacked piece by piece, as far as the number of splats in its header asks for and never further; a number
    that the file's size can't hold is refused first. Raises FormatError.
    """
    unpacked = _Unpacked(stream)
    header = _header(unpacked, size)
    n, degree = header.count, header.degree
    fixed = np.zeros((n, 3, 4), np.uint8)
    fixed[:, :, 1:] = unpacked.bytes(9 * n).reshape(n, 3, 3)
    means = (fixed.view("<i4")[..., 0] >> 8) * 2.0**-header.bits
    opacities = unpacked.bytes(n) / np.float32(255.0)
    dc = (unpacked.bytes(3 * n).reshape(n, 3).astype(np.float64) - 127.5) / (_COLOR_SCALE * 255.0)
    log_scales = unpacked.bytes(3 * n).reshape(n, 3) / np.float32(16.0) + np.float32(LEAST_LN_SIZE)
    quats = _unpacked_rotations(unpacked, n, header.version)
    notes = ["splats become flat: the thinnest axis of each is left out"]
    if degree:
        unpacked.skip(n * _SH_BYTES[degree])
        notes.insert(
            0, "colours that depend on the direction (spherical harmonics above degree 0) are left out"
        )
    cloud = Cloud(
        means.astype(np.float32),
        quats,
        log_scales.astype(np.float32),
        opacities.astype(np.float32),
        np.clip(0.5 + SH_C0 * dc, 0.0, 1.0).astype(np.float32),
        tuple(notes),
    )
    return cloud.checked().turned_over()


def _header(unpacked: _Unpacked, size: int) -> _Header:
    magic, version, count, degree, bits, _, _ = _HEADER.unpack(unpacked.bytes(_HEADER.size).tobytes())
    if magic != _MAGIC:
        raise FormatError("it is a gzip file, but no SPZ file is in it")
    if version not in (2, 3):
        raise FormatError(f"it is SPZ of version {version}; versions 2 and 3 are read")
    if degree >= len(_SH_BYTES) or bits > _FINEST_FRACTION:
        raise FormatError(f"its header is damaged (degree {degree}, {bits} bits after the point)")
    if not count:
        raise FormatError("it holds no splats")
    # Deflate makes at most 1032 bytes of one.
    if count > MAX_SPLATS or count * (19 + _SH_BYTES[degree]) > 1032 * size:
        raise FormatError(f"its header says {count} splats, which a file of {size} bytes can't hold")
    return _Header(version, count, degree, bits)


def _unpacked_rotations(unpacked: _Unpacked, n: int, version: int) -> NDArray[np.float32]:
    if version == 2:
        xyz = unpacked.bytes(3 * n).reshape(n, 3) / 127.5 - 1.0
        w = np.sqrt(np.maximum(0.0, 1.0 - (xyz**2).sum(1)))
        return np.concatenate([w[:, None], xyz], 1).astype(np.float32)
    word = unpacked.bytes(4 * n).view("<u4").astype(np.uint32)
    first = (word >> 30).astype(np.intp)
    q = np.zeros((n, 4))
    for part in (3, 2, 1, 0):
        here = part != first
        value = _SQRT_HALF * (word & _PART) / _PART * np.where(word & (_PART + 1), -1.0, 1.0)
        q[:, part] = np.where(here, value, 0.0)
        word = np.where(here, word >> 10, word)
    np.put_along_axis(q, first[:, None], np.sqrt(np.maximum(0.0, 1.0 - (q**2).sum(1)))[:, None], 1)
    return np.roll(q, 1, 1).astype(np.float32)


class _Unpacked:
    """The bytes in a gzip stream, in order, never more of them than are asked for."""

    def __init__(self, stream: BinaryIO) -> None:
        start = stream.read(4)
        if start == b"NGSP":
            raise FormatError("it is SPZ of version 4 or later; versions 2 and 3 are read")
        if start[:2] != b"\x1f\x8b":
            raise FormatError("it does not begin like an SPZ file (gzip)")
        self._stream, self._inflate, self._in = stream, zlib.decompressobj(wbits=31), start

    def bytes(self, count: int) -> NDArray[np.uint8]:
        """The next ``count`` bytes; memory is taken as they come."""
        found = bytearray()
        while len(found) < count:
            found += self._piece(count - len(found))
        return np.frombuffer(bytes(found), np.uint8)

    def skip(self, count: int) -> None:
        """Unpack and forget."""
        while count:
            count -= len(self._piece(count))

    def _piece(self, most: int) -> bytes:
        while True:
            data = self._in or self._stream.read(_PIECE)
            try:
                out = self._inflate.decompress(data, min(most, _PIECE))
            except zlib.error:
                raise FormatError("it is damaged: it can't be unpacked") from None
            self._in = self._inflate.unconsumed_tail
            if out:
                return out
            if self._inflate.eof or not data:
                raise FormatError("it is cut short: fewer splats are there than its header says")
