"""Surfels on the graphics card: blocks in slabs of one pool, within a bound in bytes, least recently drawn out.

A slab is a chunk of ``packing``: 256 rows of 17 columns, in the layout that the CPU's kernels read too, so that
there is one definition of what a packed surfel is. A block takes slabs wherever some are free: nothing ever
moves, and nothing can be fragmented. Its columns are written once; when a commit changes its bounds, only the
two columns and the interval that depend on them are.

The pool grows by doubling, as far as old and new pool together stay within the bound; where they wouldn't, it is
emptied first and filled again by the frames that come.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.packing import pack_block
from wonderzoom.runtime.renderers.packing_kernels import (
    CHILD_SLOPE,
    CHUNK,
    COLUMNS,
    LEAST_SPAN,
    PARENT_SLOPE,
)
from wonderzoom.scene_graph.surfels import Block

I64 = NDArray[np.int64]
F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Columns of ``SlabPool.culling``: spheres, intervals of bounds, least and greatest native scale.
SPHERE, INTERVAL, NATIVE = slice(0, 4), slice(4, 6), slice(6, 8)
_CULLING = 8
SLAB_BYTES = COLUMNS * CHUNK * 4 + _CULLING * 8
_FIRST_SLABS = 64  # 16,000 surfels: about a megabyte


class OverBudget(RuntimeError):
    """What has to be drawn at once is more than the pool may hold."""


@dataclass(slots=True)
class _Resident:
    """A block in the pool."""

    slabs: I64  # its chunks, in order
    key: str  # of the bounds that its bounds columns were written with


class SlabPool:
    """Blocks on ``device`` in at most ``max_bytes``; one thread at a time."""

    def __init__(self, max_bytes: int, device: str) -> None:
        if max_bytes < SLAB_BYTES:
            raise ValueError(f"a pool needs {SLAB_BYTES} bytes at least, got {max_bytes}")
        self.max_bytes = max_bytes
        self._device = device
        self._most = max_bytes // SLAB_BYTES
        self._residents: OrderedDict[str, _Resident] = OrderedDict()  # by hash; least recently drawn first
        self._free: list[int] = []
        self.data: Any = None  # float32 [slabs, COLUMNS, CHUNK]
        self.culling: Any = None  # float64 [slabs, 8]: spheres and intervals, see ``packing.PackedBlock``
        self._slabs = 0
        self.version = 0  # changes whenever a block leaves its slabs: what was looked up before is void
        self.uploads = self.patches = self.evictions = 0  # blocks so far

    # ---- what it holds ----------------------------------------------------------------------------
    @property
    def nbytes(self) -> int:
        """Bytes of the pool on the device, used and free."""
        return self._slabs * SLAB_BYTES

    @property
    def used_bytes(self) -> int:
        """Bytes of slabs with surfels in them."""
        return (self._slabs - len(self._free)) * SLAB_BYTES

    def __contains__(self, block: Block) -> bool:
        """Whether a block can be drawn without its columns."""
        resident = self._residents.get(block.hash)
        return resident is not None and resident.key == block.limits.key

    # ---- frames -----------------------------------------------------------------------------------
    def place(self, blocks: Sequence[Block]) -> list[I64]:
        """The slabs of each block, all of them resident at once when this returns; none may be empty.

        Uploads what is missing and patches what has other bounds by now. Raises OverBudget when the blocks
        don't fit together, ValueError when one of them holds a number that is not finite or comes with two
        different bounds.
        """
        wanted = {block.hash: block for block in blocks}
        for block in blocks:
            if wanted[block.hash].limits.key != block.limits.key:
                raise ValueError(f"block {block.node!r} in {block.cell} comes with two different bounds")
        needed = sum(_slabs_of(block) for block in wanted.values())
        if needed > self._most:
            raise OverBudget(
                f"{needed * SLAB_BYTES / 1e6:,.0f} MB of surfels are in view, the renderer may hold"
                f" {self.max_bytes / 1e6:,.0f} MB: give it more memory"
            )
        missing = [block for name, block in wanted.items() if name not in self._residents]
        if missing:
            self._make_room(sum(map(_slabs_of, missing)), wanted)
            missing = [block for name, block in wanted.items() if name not in self._residents]
            for block in missing:
                self._upload(block)
        for name, block in wanted.items():
            resident = self._residents[name]
            self._residents.move_to_end(name)
            if resident.key != block.limits.key:
                self._patch(resident, block)
                resident.key = block.limits.key
        return [self._residents[block.hash].slabs for block in blocks]

    def touch(self, blocks: Sequence[Block]) -> None:
        """Blocks that were placed in this ``version`` are drawn again: the last to go."""
        for block in blocks:
            self._residents.move_to_end(block.hash)

    def clear(self) -> None:
        """Drop everything, the pool too."""
        self._residents.clear()
        self._free.clear()
        self.data = self.culling = None
        self._slabs = 0
        self.version += 1

    # ---- memory -----------------------------------------------------------------------------------
    def _make_room(self, slabs: int, keep: dict[str, Block]) -> None:
        """Free slabs for ``slabs`` more: from a larger pool while it may grow, then from the longest unseen."""
        lacking = slabs - len(self._free)
        if lacking > 0 and self._slabs < self._most:
            self._grow(self._slabs + lacking, keep)
        for name in list(self._residents):
            if len(self._free) >= slabs:
                return
            if name not in keep:
                self._drop(name)

    def _drop(self, name: str) -> None:
        self._free.extend(reversed(self._residents.pop(name).slabs.tolist()))
        self.evictions += 1
        self.version += 1

    def _grow(self, least: int, keep: dict[str, Block]) -> None:
        import torch

        size = min(max(least, 2 * self._slabs, _FIRST_SLABS), self._most)
        if self._slabs + size > self._most:  # no room for both
            size = self._most
            if sum(map(_slabs_of, keep.values())) <= self._slabs:
                return  # this pool holds what is in view: the rest gives way
            self.clear()
        data = torch.empty((size, COLUMNS, CHUNK), dtype=torch.float32, device=self._device)
        culling = torch.empty((size, _CULLING), dtype=torch.float64, device=self._device)
        if self._slabs:
            data[: self._slabs] = self.data
            culling[: self._slabs] = self.culling
        self._free = list(range(size - 1, self._slabs - 1, -1)) + self._free
        self.data, self.culling, self._slabs = data, culling, size

    # ---- columns ----------------------------------------------------------------------------------
    def _upload(self, block: Block) -> None:
        import torch

        packed = pack_block(block)
        slabs = np.array([self._free.pop() for _ in range(len(packed.places))], np.int64)
        where = torch.from_numpy(slabs).to(self._device)
        columns = np.ascontiguousarray(packed.data[:, :, :CHUNK])
        self.data[where] = torch.from_numpy(columns).to(self._device)
        culling = np.concatenate([packed.spheres, packed.intervals], 1)
        self.culling[where] = torch.from_numpy(culling).to(self._device)
        self._residents[block.hash] = _Resident(slabs, block.limits.key)
        self.uploads += 1

    def _patch(self, resident: _Resident, block: Block) -> None:
        import torch

        where = torch.from_numpy(resident.slabs).to(self._device)
        slopes, intervals = bounds_columns(block)
        columns = torch.tensor([PARENT_SLOPE, CHILD_SLOPE], device=self._device)
        self.data[where[:, None], columns] = torch.from_numpy(slopes).to(self._device)
        self.culling[where, INTERVAL] = torch.from_numpy(intervals).to(self._device)
        self.patches += 1


def bounds_columns(block: Block) -> tuple[F32, F64]:
    """What of a packed block depends on its bounds: (slopes [C, 2, CHUNK], intervals [C, 2]) of its C chunks."""
    native, bounds = block.surfels.native.astype(np.float64), block.bounds
    count, chunks = len(native), _slabs_of(block)
    slopes = np.zeros((2, chunks * CHUNK), np.float32)
    slopes[0, :count] = 1.0 / np.maximum(bounds.parent - native, LEAST_SPAN)
    slopes[1, :count] = 1.0 / np.maximum(native - bounds.child, LEAST_SPAN)
    starts = np.arange(0, count, CHUNK)
    finest = np.minimum.reduceat(bounds.child.astype(np.float64), starts)
    coarsest = np.maximum.reduceat(bounds.parent.astype(np.float64), starts)
    return (
        np.ascontiguousarray(slopes.reshape(2, chunks, CHUNK).transpose(1, 0, 2)),
        np.stack([finest, coarsest], -1),
    )


def rows_of(block: Block) -> I64:
    """How many surfels each slab of a block holds."""
    count = block.count
    return np.minimum(count - np.arange(0, count, CHUNK), CHUNK)


def _slabs_of(block: Block) -> int:
    return -(-block.count // CHUNK)
