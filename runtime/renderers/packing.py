"""Blocks as the CPU kernels read them, and a bounded cache of them.

A block is packed once: its surfels in chunks of CHUNK rows, each chunk one contiguous piece of memory with a
column after the other, positions relative to the chunk's own centre (so that float32 is exact enough at any
place of the block), everything that a frame would compute again and again computed already. A chunk carries
its bounding sphere and its interval of scales: what is culled is chunks.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.packing_kernels import CHUNK, COLUMNS, pack
from wonderzoom.runtime.renderers.projection import MIN_ALPHA
from wonderzoom.runtime.renderers.simd import aligned_empty
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.surfels import THICKNESS, Block

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Columns start 17 cache lines apart: a power of two would put all of them into the same few cache sets.
STRIDE = CHUNK + 16
# The farthest that an opaque surfel reaches, in sigmas: where its Gaussian falls to MIN_ALPHA.
REACH_SIGMAS = float(np.sqrt(2.0 * np.log(1.0 / MIN_ALPHA)))
# Opacity -> Li2 by the very table that maps back, so that a weight of one gives the opacity itself.
_MASSES = scales.LI2_MAX * np.arange(scales.LI2_TABLE_SIZE) / (scales.LI2_TABLE_SIZE - 1)


@dataclass(frozen=True, slots=True)
class PackedBlock:
    """One block ready for the kernels; C chunks."""

    data: F32  # [C, COLUMNS, STRIDE]
    places: (
        I64  # [C, 3] address of the chunk's data, surfels in it (CHUNK in all but the last), its first row
    )
    spheres: F64  # [C, 4] cell edges: centre, radius with REACH_SIGMAS of every surfel included
    # [C, 4] ln scales relative to ln edge: below the first and above the second all weights are 0; the other two are
    # the least and the greatest native scale.
    intervals: F64

    @property
    def nbytes(self) -> int:
        return self.data.nbytes + self.places.nbytes + self.spheres.nbytes + self.intervals.nbytes


def pack_block(block: Block) -> PackedBlock:
    """Pack a block with at least one surfel; ValueError when a number in it is not finite."""
    s, bounds = block.surfels, block.bounds
    s.check_finite()  # kernels index by what they compute: they must never see a NaN
    chunks = -(-len(s) // CHUNK)
    opacities = np.minimum(s.opacities, np.float32(scales.MAX_OPACITY))
    masses = np.interp(opacities, scales.LI2_INVERSE_TABLE, _MASSES).astype(np.float32)
    data = aligned_empty((chunks, COLUMNS, STRIDE), np.float32)
    spheres, intervals = np.empty((chunks, 4)), np.empty((chunks, 4))
    columns = (s.means, s.quats, s.log_scales, opacities, masses, s.colors, s.native)
    arguments: tuple[Any, ...] = (
        *map(_as_input, (*columns, bounds.parent, bounds.child)),
        *(THICKNESS, REACH_SIGMAS, data, spheres, intervals),
    )
    pack(*arguments)
    places = np.empty((chunks, 3), np.int64)
    places[:, 0] = data.ctypes.data + data.strides[0] * np.arange(chunks)
    places[:, 1] = CHUNK
    places[-1, 1] = len(s) - (chunks - 1) * CHUNK
    places[:, 2] = CHUNK * np.arange(chunks)
    return PackedBlock(data, places, spheres, intervals)


def _as_input(array: NDArray[Any]) -> NDArray[Any]:
    """Contiguous and read-only, however it came: a kernel is compiled once for each kind of array."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view


class BlockCache:
    """The most recently drawn blocks, packed, within a bound in bytes; any thread may ask.

    The bound holds between frames: a visible set that is itself larger is packed for its frame and dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"a cache holds 0 bytes or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._packed: OrderedDict[tuple[str, str], PackedBlock] = OrderedDict()  # by the content of a block
        self._bytes = 0
        self.evictions = 0  # blocks dropped for room so far

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, block: Block) -> PackedBlock:
        """The packed form of a block with at least one surfel."""
        key = (block.hash, block.limits.key)
        with self._lock:
            packed = self._packed.get(key)
            if packed is not None:
                self._packed.move_to_end(key)
                return packed
        packed = pack_block(block)
        with self._lock:
            old = self._packed.pop(key, None)
            self._bytes += packed.nbytes - (0 if old is None else old.nbytes)
            self._packed[key] = packed
            while self._bytes > self.max_bytes:
                _, dropped = self._packed.popitem(last=False)
                self._bytes -= dropped.nbytes
                self.evictions += 1
        return packed

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._packed.clear()
            self._bytes = 0
