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

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.projection import MIN_ALPHA
from wonderzoom.runtime.renderers.simd import aligned_empty
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.surfels import THICKNESS, Block, Bounds

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

CHUNK = 256  # surfels: the scratch of one chunk stays in the first-level cache, culling stays fine
# Columns start 17 cache lines apart: a power of two would put all of them into the same few cache sets.
STRIDE = CHUNK + 16
# Columns of a chunk. Lengths in cell edges; axes are the two standard deviations as vectors in cell axes.
X, Y, Z, UX, UY, UZ, VX, VY, VZ = range(9)
OPACITY, MASS, NATIVE, PARENT_SLOPE, CHILD_SLOPE, COLOR = range(9, 15)
SIGMA = 15  # the larger standard deviation
NORMAL = 16  # what the cross product of the two axes is multiplied with to have the length of the thickness
COLUMNS = 17
# The farthest that an opaque surfel reaches, in sigmas: where its Gaussian falls to MIN_ALPHA.
REACH_SIGMAS = float(np.sqrt(2.0 * np.log(1.0 / MIN_ALPHA)))
# No bound is nearer to the native scale than ln sqrt 2 (scale_semantics); this only keeps slopes finite.
_LEAST_SPAN = 1e-6
_LEAST_AREA = 1e-30  # of a surfel, square cell edges: nothing that small is ever seen
# Opacity -> Li2 by the very table that maps back, so that a weight of one gives the opacity itself.
_MASSES = scales.LI2_MAX * np.arange(scales.LI2_TABLE_SIZE) / (scales.LI2_TABLE_SIZE - 1)


@dataclass(frozen=True, slots=True)
class PackedBlock:
    """One block ready for the kernels; C chunks."""

    bounds: Bounds  # what it was packed with
    data: F32  # [C, COLUMNS, STRIDE]
    rows: I64  # [C] surfels in each chunk, CHUNK in all but the last
    addresses: I64  # [C] of each chunk's data
    centers: F64  # [C, 3] cell edges from the cell's centre
    radii: F64  # [C] cell edges, around the centre, REACH_SIGMAS of every surfel included
    coarsest: F64  # [C] ln scale above which the whole chunk has weight 0, relative to ln edge
    finest: F64  # [C] ln scale below which it has

    @property
    def nbytes(self) -> int:
        return self.data.nbytes + 80 * len(self.rows)  # 80: the columns of one chunk's row above


def pack_block(block: Block) -> PackedBlock:
    """Pack a block with at least one surfel; ValueError when a number in it is not finite."""
    s = block.surfels
    s.check_finite()  # kernels index by what they compute: they must never see a NaN
    n = len(s)
    chunks = -(-n // CHUNK)
    starts = np.arange(chunks) * CHUNK
    means = s.means.astype(np.float64)
    low, high = np.minimum.reduceat(means, starts), np.maximum.reduceat(means, starts)
    centers = 0.5 * (low + high)
    offsets = means - np.repeat(centers, CHUNK, 0)[:n]
    lengths = np.exp(s.log_scales.astype(np.float64))
    distances = np.sqrt((offsets**2).sum(1)) + REACH_SIGMAS * lengths.max(1)

    axes = quat_to_matrix(s.quats)
    native = s.native.astype(np.float64)
    parent, child = block.bounds.parent.astype(np.float64), block.bounds.child.astype(np.float64)
    # Eq. 3 as 1 - max(r - x, 0) / (parent - x) - max(x - r, 0) / (x - child); no bound is a slope of 0.
    parent_slope = 1.0 / np.maximum(parent - native, _LEAST_SPAN)
    child_slope = 1.0 / np.maximum(native - child, _LEAST_SPAN)
    opacity = np.minimum(s.opacities.astype(np.float64), scales.MAX_OPACITY)
    colors = s.colors.astype(np.uint32)
    packed_color = (colors[:, 0] | colors[:, 1] << 8 | colors[:, 2] << 16).astype(np.uint32)

    columns = np.zeros((COLUMNS, chunks * CHUNK), np.float32)  # padding has opacity 0: never drawn
    columns[X : Z + 1, :n] = offsets.T
    columns[UX : UZ + 1, :n] = (axes[:, :, 0] * lengths[:, :1]).T
    columns[VX : VZ + 1, :n] = (axes[:, :, 1] * lengths[:, 1:]).T
    columns[OPACITY, :n] = opacity
    columns[MASS, :n] = np.interp(opacity, scales.LI2_INVERSE_TABLE, _MASSES)
    columns[NATIVE, :n] = native
    columns[PARENT_SLOPE, :n] = parent_slope
    columns[CHILD_SLOPE, :n] = child_slope
    columns[COLOR, :n] = packed_color.view(np.float32)
    columns[SIGMA, :n] = lengths.max(1)
    columns[NORMAL, :n] = THICKNESS * np.exp(native) / np.maximum(lengths[:, 0] * lengths[:, 1], _LEAST_AREA)
    data = aligned_empty((chunks, COLUMNS, STRIDE), np.float32)
    data[:, :, :CHUNK] = columns.reshape(COLUMNS, chunks, CHUNK).transpose(1, 0, 2)
    data[:, :, CHUNK:] = 0.0
    rows = np.full(chunks, CHUNK, np.int64)
    rows[-1] = n - starts[-1]
    return PackedBlock(
        block.bounds,
        data,
        rows,
        data.ctypes.data + data.strides[0] * np.arange(chunks, dtype=np.int64),
        centers,
        np.maximum.reduceat(distances, starts),
        np.maximum.reduceat(parent, starts),
        np.minimum.reduceat(child, starts),
    )


class BlockCache:
    """The most recently drawn blocks, packed, within a bound in bytes; any thread may ask.

    The bound holds between frames: a visible set that is itself larger is packed for its frame and dropped.
    """

    def __init__(self, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"a cache holds 0 bytes or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self._lock = threading.Lock()
        self._packed: OrderedDict[tuple[str, int], PackedBlock] = OrderedDict()
        self._bytes = 0
        self.evictions = 0  # blocks dropped for room so far

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes

    def get(self, block: Block) -> PackedBlock:
        """The packed form of a block with at least one surfel."""
        key = (block.hash, block.bounds.revision)
        with self._lock:
            packed = self._packed.get(key)
            if packed is not None:
                self._packed.move_to_end(key)
        # Two worlds may number different bounds of one block alike.
        if packed is not None and (packed.bounds is block.bounds or packed.bounds.same_as(block.bounds)):
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
