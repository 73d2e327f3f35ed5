"""Golden payloads of surfels and what they hold; and bytes that must be refused. Written by ``schema``."""

from __future__ import annotations

import struct
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol.limits import MAX_SURFELS
from wonderzoom.protocol.surfel_block import Columns, decode, decode_bounds, encode, encode_bounds

_HEADER_BYTES = 32
_BOUNDS_OF = np.zeros(4, np.float32)  # native scales of what the invalid bounds are of


def _some(n: int) -> tuple[Columns, NDArray[np.float32], NDArray[np.float32]]:
    """N surfels all over the values that columns have, with bounds, of which some are none; no two alike."""
    k = np.arange(n, dtype=np.float64)
    turned = np.stack([np.cos(k), np.sin(1.3 * k), np.cos(2.1 * k + 1.0), np.sin(0.7 * k + 2.0)], -1)
    native = (-4.15 + 0.3 * np.sin(3.0 * k)).astype(np.float32)
    columns = Columns(
        means=np.stack([0.5 * np.sin(0.9 * k), 0.5 * np.cos(1.7 * k), 0.01 * k / n], -1).astype(np.float32),
        quats=(turned / np.linalg.norm(turned, axis=1)[:, None]).astype(np.float32),
        log_scales=np.stack([native - 0.4 + 0.2 * np.cos(k), native - 0.9 + 0.3 * np.sin(k)], -1).astype(np.float32),
        opacities=(0.5 + 0.499 * np.cos(0.4 * k)).astype(np.float32),
        colors=((np.stack([7 * k, 60 + 3 * k, 255 - 5 * k], -1)).astype(np.int64) & 255).astype(np.uint8),
        native=native,
    )  # fmt: skip
    parent = np.where(k % 5 == 4, np.inf, native + 0.4 + 0.2 * (k % 11)).astype(np.float32)
    child = np.where(k % 3 == 2, -np.inf, native - 0.35 - 0.5 * (k % 13)).astype(np.float32)
    return columns, parent, child


def _floats(column: NDArray[Any]) -> list[Any]:
    """Numbers as JSON has them: those that are infinite as null."""
    if column.ndim == 2:
        return [_floats(row) for row in column]
    return [None if np.isinf(value) else round(float(value), 9) for value in column]


def valid() -> list[dict[str, Any]]:
    """A payload and bounds as bytes, and the columns that a client decodes from them, to 1e-6."""
    made: list[dict[str, Any]] = []
    for name, n in (
        ("one surfel", 1),
        ("two surfels", 2),
        ("forty surfels", 40),
        ("three hundred surfels", 300),
    ):
        columns, parent, child = _some(n)
        payload = encode(columns)
        known = decode(payload)
        bounds = encode_bounds(known.native, parent, child)
        above, below = decode_bounds(bounds, known.native)
        made.append(
            {
                "name": name, "payload": payload.hex(), "bounds": bounds.hex(), "count": n,
                "means": _floats(known.means), "quats": _floats(known.quats),
                "log_scales": _floats(known.log_scales), "opacities": _floats(known.opacities),
                "colors": known.colors.tolist(), "native": _floats(known.native),
                "parent": _floats(above), "child": _floats(below),
            }
        )  # fmt: skip
    return made


def _payload(
    raw: bytes, *, version: int = 1, bits: int = 12, zeros: int = 0, count: int = 4, **head: float
) -> bytes:
    numbers = {"low": -4.0, "step": 0.01} | head
    pairs = (numbers["low"], numbers["step"]) * 3
    return struct.pack("<BBHI6f", version, bits, zeros, count, *pairs) + raw


def invalid_payloads() -> dict[str, bytes]:
    """Bytes that are no payload, by what is wrong with them."""
    raw = zlib.compress(bytes(64))
    good = encode(_some(40)[0])
    return {
        "nothing": b"",
        "half a header": good[: _HEADER_BYTES // 2],
        "a header and nothing": good[:_HEADER_BYTES],
        "half a payload": good[: len(good) // 2],
        "a payload and a byte": good + b"\0",
        "a payload whose last byte is another": good[:-1] + bytes([good[-1] ^ 1]),
        "format 0": _payload(raw, version=0),
        "format 2": _payload(raw, version=2),
        "flags that nobody knows": _payload(raw, zeros=1),
        "places of no bits": _payload(raw, bits=0),
        "places of 17 bits": _payload(raw, bits=17),
        "a place beyond its bits": _payload(zlib.compress(b"\x40" + bytes(63))),
        "no surfels": _payload(raw, count=0),
        "more surfels than a payload holds": _payload(raw, count=MAX_SURFELS + 1),
        "four billion surfels": _payload(raw, count=0xFFFFFFFF),
        "a surfel too few": _payload(raw, count=5),
        "a surfel too many": _payload(raw, count=3),
        "a bomb of a megabyte": _payload(zlib.compress(bytes(1 << 20), 9)),
        "no stream": _payload(bytes(64)),
        "a raw deflate stream": _payload(raw[2:-4]),
        "a stream with a dictionary": _payload(b"\x78\xbb\0\0\0\1" + raw[2:]),
        "sizes from NaN": _payload(raw, low=float("nan")),
        "sizes from infinity": _payload(raw, low=float("-inf")),
        "sizes from e^13": _payload(raw, low=13.0),
        "steps of NaN": _payload(raw, step=float("nan")),
        "steps downwards": _payload(raw, step=-0.01),
        "sizes beyond e^12.5": _payload(zlib.compress(b"\xff" * 64), low=10.0, step=0.1),
    }


def invalid_bounds() -> dict[str, bytes]:
    """Bytes that are no bounds of four surfels, by what is wrong with them."""
    native = _BOUNDS_OF
    good = encode_bounds(native, native + np.float32(1.0), native - np.float32(1.0))
    return {
        "nothing": b"",
        "half of them": good[: len(good) // 2],
        "bounds and a byte": good + b"\0",
        "of three": zlib.compress(bytes(6)),
        "of five": zlib.compress(bytes(10)),
        "a bomb of a megabyte": zlib.compress(bytes(1 << 20), 9),
        "no stream": bytes(8),
    }


def vectors() -> dict[str, list[dict[str, Any]]]:
    """Name of a file -> its vectors."""
    return {
        "surfel_blocks": valid(),
        "invalid_surfel_blocks": [
            *({"name": name, "payload": data.hex()} for name, data in invalid_payloads().items()),
            *({"name": name, "bounds": data.hex(), "count": 4} for name, data in invalid_bounds().items()),
        ],
    }
