"""Surfels as bytes: columns quantised, filtered and deflated, and what a client makes of them again.

A *payload* holds what never changes of N surfels: 16 bytes each before compression. *Bounds* hold where they fade, 2
bytes each, as they change when the world does. Layout, formulas and their errors: section 8 of ``PROTOCOL.md``,
docs/adr/0019. Columns in, columns out: cells, nodes and worlds are known to the two ends only. Lengths are in
edges of the cell, positions from its centre, logarithms natural.

Decoding bytes of an enemy costs at most what MAX_SURFELS of them cost, and raises ``BadBlock`` or gives surfels that
can be drawn: finite, within the cell, with a rotation and an opacity in (0, 1].
"""

from __future__ import annotations

import math
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol.errors import Malformed
from wonderzoom.protocol.limits import MAX_SURFELS, SURFEL_FORMAT

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U8 = NDArray[np.uint8]
U16 = NDArray[np.uint16]

RANGE = 1.002  # cell edges that positions span: a surfel may leave its cell by a hair
PLACES_A_PIXEL = 55.0  # steps of positions to a native pixel, at least: rounding is within a 110th of one
# Least steps of standard deviations and native scales, ln: finer ones would cost bytes and show nowhere.
SCALE_STEP, NATIVE_STEP = 0.036, 0.005
# ln of the largest over the smallest of a column, so that 255 steps are of 4 % at most: what is smaller still, a
# 22,000th of the largest, is sent that large.
MAX_RANGE = 10.0
ANGLES = 128  # steps of half a turn
# Distances of bounds from their surfel's native scale, ln: the least that a world has, and the most that is told apart.
NEAREST, FARTHEST = 0.5 * math.log(2.0), math.log(1000.0)
NO_BOUND = 255
_STEP = math.log(FARTHEST / NEAREST) / (NO_BOUND - 1)
_HEADER = struct.Struct(
    "<BBHI6f"
)  # format, bits, zeros, count; low and step of two scales and the native scale
_MAX_LN = 12.5  # of lengths: what a world may hold, and the rounding of a step
_LEVEL = 6  # of zlib: 9 takes three times as long for 0.2 % less


class BadBlock(Malformed):
    """Bytes that are no surfels; the text says why."""


@dataclass(frozen=True, slots=True)
class Columns:
    """N surfels. A surfel's ellipse is the same turned by half a turn, and seen from behind."""

    means: F32  # [N, 3] within +-0.501
    quats: F32  # [N, 4] wxyz, of length one: its matrix' columns are the two axes and the normal
    log_scales: F32  # [N, 2] ln of the standard deviations along the two axes
    opacities: F32  # [N] in (0, 1]
    colors: U8  # [N, 3] sRGB
    native: F32  # [N] ln of the native scale

    def __len__(self) -> int:
        return len(self.means)


# ---- what never changes -----------------------------------------------------------------------------------
def encode(columns: Columns) -> bytes:
    """The payload of 1 to MAX_SURFELS surfels; deterministic. Raises ValueError for more or none."""
    n = len(columns)
    if not 1 <= n <= MAX_SURFELS:
        raise ValueError(f"a payload holds 1 to {MAX_SURFELS} surfels, got {n}")
    bits = _bits(float(columns.native.min()))
    most = (1 << bits) - 1
    places = np.clip(np.rint((columns.means.astype(np.float64) / RANGE + 0.5) * most), 0, most)
    normals, angles = _orientation(columns.quats)
    (across, along), native = columns.log_scales.T, columns.native
    steps = _steps(across, SCALE_STEP), _steps(along, SCALE_STEP), _steps(native, NATIVE_STEP)
    opacities = np.clip(np.rint(columns.opacities * 255.0), 1, 255).astype(np.uint8)
    raw = _filtered(
        places.astype(np.uint16),
        np.column_stack([normals, angles, *(numbers for numbers, _ in steps), opacities, columns.colors]),
    )
    header = _HEADER.pack(SURFEL_FORMAT, bits, 0, n, *(number for _, pair in steps for number in pair))
    return header + zlib.compress(raw, _LEVEL)


def decode(payload: bytes) -> Columns:
    """The surfels of a payload. Raises BadBlock."""
    n, bits, (across, along, native) = _head(payload)
    places, rest = _unfiltered(_inflated(payload[_HEADER.size :], 16 * n), n)
    most = (1 << bits) - 1
    if places.max() > most:
        raise BadBlock(f"a place of {places.max()} in {bits} bits")
    means = ((places.astype(np.float64) / most - 0.5) * RANGE).astype(np.float32)
    normals, angles, colors = rest[:, 0:2], rest[:, 2], rest[:, 7:10]
    opacities = np.maximum(rest[:, 6], 1).astype(np.float32) / np.float32(255.0)
    log_scales = np.stack([_values(rest[:, 3], across), _values(rest[:, 4], along)], -1)
    quats, colors = _quats(normals, angles), np.ascontiguousarray(colors)
    return Columns(means, quats, log_scales, opacities, colors, _values(rest[:, 5], native))


def known_native(native: F32) -> F32:
    """Native scales as a client knows them from the payload: what bounds are sent relative to."""
    numbers, of = _steps(native, NATIVE_STEP)
    return _values(numbers, of)


def count_of(payload: bytes) -> int:
    """How many surfels a payload says that it holds. Raises BadBlock."""
    return _head(payload)[0]


def _head(payload: bytes) -> tuple[int, int, tuple[tuple[float, float], ...]]:
    if len(payload) < _HEADER.size:
        raise BadBlock(f"a payload of {len(payload)} bytes; its header has {_HEADER.size}")
    version, bits, zeros, n, *numbers = _HEADER.unpack_from(payload)
    if version != SURFEL_FORMAT or zeros or not 1 <= bits <= 16:
        raise BadBlock(f"a payload of format {version} with {bits} bits; this is format {SURFEL_FORMAT}")
    if not 1 <= n <= MAX_SURFELS:
        raise BadBlock(f"a payload of {n} surfels; 1 to {MAX_SURFELS} are allowed")
    ranges = tuple(zip(numbers[0::2], numbers[1::2], strict=True))
    for low, step in ranges:
        if not (abs(low) <= _MAX_LN and 0.0 <= step <= _MAX_LN):
            raise BadBlock(f"a column from {low} in steps of {step}; both lie within {_MAX_LN}")
    return n, bits, ranges


def _bits(ln_native: float) -> int:
    """Bits of positions that are PLACES_A_PIXEL to the smallest native pixel of a block, as far as 16 suffice."""
    steps = RANGE * PLACES_A_PIXEL * math.exp(-ln_native)
    return min(16, max(1, math.ceil(math.log2(steps + 1.0))))


def _steps(column: F32, least: float) -> tuple[U8, tuple[float, float]]:
    """A column in up to 255 equal steps from its least value to its greatest, and (low, step)."""
    high = float(column.max())
    low = max(float(column.min()), high - MAX_RANGE)
    low32, step = np.float32(low), np.float32(max((high - low) / 255.0, least))
    number = np.rint((column.astype(np.float64) - float(low32)) / float(step))
    return np.clip(number, 0, 255).astype(np.uint8), (float(low32), float(step))


def _values(numbers: U8, of: tuple[float, float]) -> F32:
    low, step = of
    values = low + step * numbers.astype(np.float64)
    if values.max() > _MAX_LN:
        raise BadBlock(f"a length of e**{values.max():.3g} cell edges")
    return values.astype(np.float32)


# ---- orientation ------------------------------------------------------------------------------------------
def _orientation(quats: F32) -> tuple[U8, U8]:
    """Normals [N, 2] on a half octahedron; the angle [N] of the first axis around them, in ANGLES of half a turn."""
    whole = quats.astype(np.float64)
    w, x, y, z = (whole / np.sqrt((whole * whole).sum(1))[:, None]).T
    normal = np.stack([2.0 * (x * z + w * y), 2.0 * (y * z - w * x), 1.0 - 2.0 * (x * x + y * y)])
    axis = np.stack([1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y + w * z), 2.0 * (x * z - w * y)])
    normal *= np.where(normal[2] < 0.0, -1.0, 1.0)  # seen from behind it is the same
    p, q = normal[:2] / np.abs(normal).sum(0)
    places = np.stack([p + q, p - q], -1)
    normals = np.clip(np.rint((places * 0.5 + 0.5) * 255.0), 0, 255).astype(np.uint8)
    across, along = _axes(_normals(normals))
    turn = np.arctan2((axis * along).sum(0), (axis * across).sum(0))
    angles = np.rint(turn * (ANGLES / math.pi)).astype(np.int64) & (ANGLES - 1)
    return normals, angles.astype(np.uint8)


def _normals(numbers: U8) -> F64:
    """Unit vectors [3, N] with z >= 0 of places on the half octahedron."""
    a, b = (numbers.T / 255.0) * 2.0 - 1.0
    p, q = 0.5 * (a + b), 0.5 * (a - b)
    found = np.stack([p, q, 1.0 - np.abs(p) - np.abs(q)])
    return found / np.sqrt((found * found).sum(0))


def _axes(normal: F64) -> tuple[F64, F64]:
    """The x and y axes [3, N] after the least turn from z to the normal."""
    x, y, z = normal
    k = 1.0 / (1.0 + z)
    return np.stack([1.0 - x * x * k, -x * y * k, -x]), np.stack([-x * y * k, 1.0 - y * y * k, -y])


def _quats(normals: U8, angles: U8) -> F32:
    """wxyz [N, 4]: the least turn from z to the normal, after a turn about z by the angle."""
    x, y, z = _normals(normals)
    length = np.sqrt(2.0 + 2.0 * z)
    half = angles * (0.5 * math.pi / ANGLES)
    cosine, sine = np.cos(half), np.sin(half)
    w, i, j = 0.5 * length, -y / length, x / length
    return np.stack([w * cosine, i * cosine + j * sine, j * cosine - i * sine, w * sine], -1).astype(
        np.float32
    )


# ---- bytes ------------------------------------------------------------------------------------------------
def _filtered(places: U16, rest: U8) -> bytes:
    """Columns one after the other as differences from row to row; of 16-bit ones the low bytes after the high ones."""
    steps = np.diff(places.T, axis=1, prepend=np.uint16(0)).astype(np.uint16)
    folded = (steps << np.uint16(1)) ^ np.where(steps >> np.uint16(15), np.uint16(65535), np.uint16(0))
    high, low = (folded >> np.uint16(8)).astype(np.uint8), (folded & np.uint16(255)).astype(np.uint8)
    return high.tobytes() + low.tobytes() + np.diff(rest.T, axis=1, prepend=np.uint8(0)).tobytes()


def _unfiltered(raw: bytes, n: int) -> tuple[U16, U8]:
    planes = np.frombuffer(raw, np.uint8).reshape(16, n)
    folded = (planes[0:3].astype(np.uint16) << np.uint16(8)) | planes[3:6]
    steps = (folded >> np.uint16(1)) ^ np.where(folded & np.uint16(1), np.uint16(65535), np.uint16(0))
    places = np.cumsum(steps, axis=1, dtype=np.uint16).T
    return places, np.cumsum(planes[6:], axis=1, dtype=np.uint8).T


def _inflated(data: bytes, size: int) -> bytes:
    """Exactly ``size`` bytes of a zlib stream that ends with the data; never more than that in memory."""
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(data, size + 1)
    except zlib.error as error:
        raise BadBlock(f"no zlib stream: {error}") from None
    if len(raw) != size or not stream.eof or stream.unused_data:
        raise BadBlock(f"a stream that is no {size} bytes, or not only these")
    return raw


# ---- bounds -----------------------------------------------------------------------------------------------
def encode_bounds(native: F32, parent: F32, child: F32) -> bytes:
    """The bounds columns of N surfels, deflated; infinite ones are none.

    ``native``: as a client knows them (``known_native``), so that bounds are where they were although native scales are
    not. Raises ValueError for more than MAX_SURFELS.
    """
    if not 1 <= len(native) <= MAX_SURFELS:
        raise ValueError(f"bounds are of 1 to {MAX_SURFELS} surfels, got {len(native)}")
    at = native.astype(np.float64)
    numbers = np.stack(
        [_distances(parent.astype(np.float64) - at), _distances(at - child.astype(np.float64))]
    )
    return zlib.compress(np.diff(numbers, axis=1, prepend=np.uint8(0)).tobytes(), _LEVEL)


def decode_bounds(data: bytes, native: F32) -> tuple[F32, F32]:
    """``(parent, child)`` [N] of surfels of those native scales; +inf and -inf where there is none. Raises BadBlock."""
    numbers = np.frombuffer(_inflated(data, 2 * len(native)), np.uint8).reshape(2, -1)
    parent, child = (_DISTANCES[np.cumsum(column, dtype=np.uint8)] for column in numbers)
    at = native.astype(np.float64)
    return (at + parent).astype(np.float32), (at - child).astype(np.float32)


def _distances(values: F64) -> U8:
    there = np.isfinite(values)
    near = np.clip(np.where(there, values, NEAREST), NEAREST, FARTHEST)
    number = np.rint(np.log(near / NEAREST) / _STEP)
    return np.where(there, number, NO_BOUND).astype(np.uint8)


_DISTANCES = np.append(NEAREST * np.exp(_STEP * np.arange(NO_BOUND)), np.inf)
