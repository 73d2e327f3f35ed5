"""Pictures as the bytes that a client shows: JPEG, small while moving, sharp when still; and their depths.

Measured at 640 x 360 on one core: 0.6 ms and 18 kB at quality 75; the renderer takes fifty times as long, so
a smaller codec (H.264: a seventh of the bytes) pays on slow links only.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import simplejpeg
from numpy.typing import NDArray

from wonderzoom.protocol.depth_map import encode_depth
from wonderzoom.protocol.limits import MAX_DEPTH, MAX_DEPTH_SAMPLES
from wonderzoom.protocol.values import Depth
from wonderzoom.scene_graph.camera import Camera

STILL_QUALITY = 92  # with full colour resolution: 42 dB and more, no visible blocks
_LEAST_QUALITY = 5
# Of depth, pixels of a side to a sample: twice as fine it would take three times the bytes, and show what moves hardly
# better, or worse where it is rough. And steps of its numbers: programs measure by stills (docs/adr/0027).
_DEPTH_PIXELS = 4
_MOVING_STEP, _STILL_STEP = 1.0 / 28.0, 1.0 / 112.0


def encode_jpeg(picture: NDArray[np.uint8], quality: int, *, still: bool = False) -> bytes:
    """sRGB [H, W, 4] RGBA (alpha is left out) as a baseline JPEG; ``quality`` 1 to 100.

    ``still`` keeps colour at full resolution; moving pictures halve it.
    """
    if picture.ndim != 3 or picture.shape[2] != 4 or picture.dtype != np.uint8:
        raise ValueError(f"expected [H, W, 4] bytes, got {picture.shape} {picture.dtype}")
    if not 1 <= quality <= 100:
        raise ValueError(f"JPEG quality goes from 1 to 100, got {quality}")
    return simplejpeg.encode_jpeg(
        np.ascontiguousarray(picture), quality, "RGBA", "444" if still else "420", fastdct=not still
    )


def encode_within(
    most: int, pictures: Sequence[NDArray[np.uint8]], quality: int, *, still: bool = False
) -> list[bytes]:
    """The pictures of one frame as JPEG, ``most`` bytes together: of very large ones in a lower quality."""
    while True:
        payloads = [encode_jpeg(picture, quality, still=still) for picture in pictures]
        if sum(map(len, payloads)) <= most or quality <= _LEAST_QUALITY:
            return payloads
        quality = max(_LEAST_QUALITY, 3 * quality // 4)


def depth_of(zeta: NDArray[np.float32], camera: Camera, *, still: bool = False) -> Depth | None:
    """The depth of a picture, [H, W] in pixels at the pivot of its camera, NaN where nothing is.

    A sample is the nearest of the pixels that it covers: so what is in front takes its rim along when a client moves
    it, and leaves none of its colour on what is behind. None for what no message has room for.
    """
    pixels, step = _DEPTH_PIXELS, _STILL_STEP if still else _MOVING_STEP
    height, width = zeta.shape
    while -(-height // pixels) * -(-width // pixels) > MAX_DEPTH_SAMPLES:
        pixels += 1
    rows, columns = (_starts(side, -(-side // pixels)) for side in zeta.shape)
    nearest = np.fmin.reduceat(np.fmin.reduceat(zeta, rows, axis=0), columns, axis=1)
    payload = encode_depth(nearest, camera.inverse_f, step)
    if len(payload) > MAX_DEPTH:
        return None
    return Depth(width=len(columns), height=len(rows), step=step, payload=payload)


def _starts(side: int, parts: int) -> NDArray[np.intp]:
    """Where each of the parts of a side begins, all of them about as long."""
    return np.arange(parts) * side // parts
