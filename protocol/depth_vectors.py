"""Golden depths of pictures and what they hold; and bytes that must be refused. Written by ``schema``."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol.depth_map import decode_depth, encode_depth

SHAPE = 3, 4  # of the invalid ones


def _hill(height: int, width: int, size: float) -> NDArray[np.float32]:
    """A hill before a sky, with a hole: depths of either sign, of ``size`` pixels and a million times that."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    zeta = size * np.sin(0.3 * x) * np.cos(0.2 * y) - 0.5 * size
    zeta[: height // 3] = 1e6 * size
    zeta[-1, width // 2] = np.nan
    return zeta.astype(np.float32)


def valid() -> list[dict[str, Any]]:
    """Payloads as bytes, with the zeta [H, W] that a client decodes from them (null: nothing), to 1e-6 of it."""
    made: list[dict[str, Any]] = []
    for name, zeta, ln_f, step in (
        ("one sample", np.full((1, 1), -12.5, np.float32), 6.0, 1.0 / 28.0),
        ("nothing at all", np.full((2, 3), np.nan, np.float32), 6.0, 1.0 / 28.0),
        ("a hill before a sky", _hill(9, 16, 100.0), 6.0, 1.0 / 112.0),
        ("the same through a lens of a million pixels", _hill(9, 16, 100.0), 14.0, 1.0 / 28.0),
        ("the same a thousand zooms deep", _hill(9, 16, 1e4), 1400.0, 1.0 / 28.0),
        ("as near and as far as can be", np.array([[-1e30, 1e30]], np.float32), 5.0, 1.0 / 450.0),
    ):
        inverse_f = math.exp(-ln_f)
        payload = encode_depth(zeta, inverse_f, step)
        known = decode_depth(payload, zeta.shape, inverse_f, step)
        rows = [
            [None if math.isnan(value) else float(f"{value:.9g}") for value in row] for row in known.tolist()
        ]
        made.append(
            {
                "name": name, "width": zeta.shape[1], "height": zeta.shape[0], "step": step, "ln_f": ln_f,
                "payload": payload.hex(), "zeta": rows,
            }
        )  # fmt: skip
    return made


def invalid() -> dict[str, bytes]:
    """Bytes that are no depth of SHAPE, by what is wrong with them."""
    good = encode_depth(_hill(*SHAPE, 10.0), 0.01, 0.1)
    size = 2 * SHAPE[0] * SHAPE[1]
    return {
        "nothing": b"",
        "half of it": good[: len(good) // 2],
        "depth and a byte": good + b"\0",
        "depth whose last byte is another": good[:-1] + bytes([good[-1] ^ 1]),
        "a byte too few": zlib.compress(bytes(size - 1)),
        "a byte too many": zlib.compress(bytes(size + 1)),
        "a bomb of a megabyte": zlib.compress(bytes(1 << 20), 9),
        "no stream": bytes(size),
        "a raw deflate stream": zlib.compress(bytes(size))[2:-4],
    }


def vectors() -> dict[str, list[dict[str, Any]]]:
    """Name of a file -> its vectors."""
    height, width = SHAPE
    refused = [
        {"name": name, "width": width, "height": height, "payload": data.hex()}
        for name, data in invalid().items()
    ]
    return {"depth_maps": valid(), "invalid_depth_maps": refused}
