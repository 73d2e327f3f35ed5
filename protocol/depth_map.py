"""The depth of a picture as bytes: sixteen bits a sample, as fine near the pivot as anywhere in a deep world.

What is stored is the logarithm of the depth in pixels at the pivot, L = f ln w: it is zeta itself for what is near the
pivot, whatever the magnification, and far away a step of it is a share of the depth. Small values of it are stored
evenly, large ones in proportion (asinh). Layout, formulas and their errors: section 5 of ``PROTOCOL.md``,
docs/adr/0027. Arrays in, arrays out: cameras are known to the two ends only.

Decoding bytes of an enemy costs at most what MAX_DEPTH_SAMPLES cost, and raises ``BadDepth`` or gives depths that are
not behind the eye.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

from wonderzoom.protocol.errors import Malformed
from wonderzoom.protocol.limits import MAX_DEPTH_SAMPLES, MAX_ZETA

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
U16 = NDArray[np.uint16]

EVEN = 32.0  # pixels: what is nearer to the pivot is stored evenly, what is farther in proportion
PIVOT = 32768  # the number of what is at the pivot; 0 is where nothing is
MAX_ASINH = 75.0  # of L / EVEN: beyond MAX_ZETA
ORTHOGRAPHIC = 1e-200  # of 1 / f: below it L is zeta to the last bit, and f ln w would leave the floats
_NEAREST = 2.0**-7  # of w, as cameras have it
# Runs only: of differences these are as small as what the search for repetitions finds, in half of the time.
_STRATEGY, _LEVEL = zlib.Z_RLE, 1


class BadDepth(Malformed):
    """Bytes that are no depth; the text says why."""


def encode_depth(zeta: F32, inverse_f: float, step: float) -> bytes:
    """Depths [H, W] in native pixels at the pivot, NaN where nothing is, in steps of ``step`` (asinh L / EVEN).

    ``inverse_f``: 1 / f of the camera that sees them, 1 / pixels. Deterministic. Raises ValueError for more than
    MAX_DEPTH_SAMPLES or none.
    """
    if zeta.ndim != 2 or not 1 <= zeta.size <= MAX_DEPTH_SAMPLES:
        raise ValueError(f"expected [H, W] depths, {MAX_DEPTH_SAMPLES} at most, got {zeta.shape}")
    nothing = np.isnan(zeta)
    known = np.clip(np.where(nothing, 0.0, zeta.astype(np.float64)), -MAX_ZETA, MAX_ZETA)
    even = known
    if inverse_f >= ORTHOGRAPHIC:
        even = np.log1p(np.maximum(known * inverse_f, _NEAREST - 1.0)) / inverse_f
    number = np.clip(np.rint(np.arcsinh(even / EVEN) / step) + PIVOT, 1, 65535)
    return _packed(np.where(nothing, 0.0, number).astype(np.uint16))


def decode_depth(payload: bytes, shape: tuple[int, int], inverse_f: float, step: float) -> F32:
    """The depths [H, W] of a payload. Raises BadDepth."""
    numbers = _unpacked(payload, shape)
    asinh = (numbers.astype(np.float64) - PIVOT) * step
    even = EVEN * np.sinh(np.clip(asinh, -MAX_ASINH, MAX_ASINH))
    zeta = even
    if inverse_f >= ORTHOGRAPHIC:
        with np.errstate(over="ignore"):
            zeta = np.expm1(even * inverse_f) / inverse_f
    return np.where(numbers == 0, np.nan, np.clip(zeta, -MAX_ZETA, MAX_ZETA)).astype(np.float32)


def _packed(numbers: U16) -> bytes:
    """Differences to the sample to the left, of the first of a row to the one above; folded, high bytes before low."""
    before = np.zeros_like(numbers)
    before[:, 1:] = numbers[:, :-1]
    before[1:, 0] = numbers[:-1, 0]
    steps = numbers - before  # modulo 65,536
    folded = (steps << np.uint16(1)) ^ np.where(steps >> np.uint16(15), np.uint16(65535), np.uint16(0))
    high, low = (folded >> np.uint16(8)).astype(np.uint8), (folded & np.uint16(255)).astype(np.uint8)
    stream = zlib.compressobj(_LEVEL, strategy=_STRATEGY)
    return stream.compress(high.tobytes() + low.tobytes()) + stream.flush()


def _unpacked(payload: bytes, shape: tuple[int, int]) -> U16:
    samples = shape[0] * shape[1]
    if not 1 <= samples <= MAX_DEPTH_SAMPLES:
        raise BadDepth(f"depth of {samples} samples; 1 to {MAX_DEPTH_SAMPLES} are allowed")
    stream = zlib.decompressobj()
    try:
        raw = stream.decompress(payload, 2 * samples + 1)
    except zlib.error as error:
        raise BadDepth(f"no zlib stream: {error}") from None
    if len(raw) != 2 * samples or not stream.eof or stream.unused_data:
        raise BadDepth(f"a stream that is no {2 * samples} bytes, or not only these")
    high, low = np.frombuffer(raw, np.uint8).astype(np.uint16).reshape(2, *shape)
    folded = (high << np.uint16(8)) | low
    steps = (folded >> np.uint16(1)) ^ np.where(folded & np.uint16(1), np.uint16(65535), np.uint16(0))
    steps[:, 0] = np.cumsum(steps[:, 0], dtype=np.uint16)
    return np.cumsum(steps, axis=1, dtype=np.uint16)
