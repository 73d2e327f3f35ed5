"""What the shaders read: blocks in a pool of slabs that stay on the graphics card, and tables of one frame.

A slab is a chunk of ``packing``, its surfels one after the other as four RGBA32 texels. A block takes slabs wherever
some are free. Both kinds are textures, which every OpenGL 3.3 reads from a vertex shader.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import packing_kernels as packing
from wonderzoom.runtime.renderers.opengl_shaders import ROW_TEXELS, SURFEL_TEXELS
from wonderzoom.runtime.renderers.packing import PackedBlock
from wonderzoom.runtime.renderers.packing_kernels import CHUNK

I64 = NDArray[np.int64]
Name = tuple[str, str]  # of a block: by its content and its bounds

_SLAB_TEXELS = CHUNK * SURFEL_TEXELS
_SLABS_PER_ROW = ROW_TEXELS // _SLAB_TEXELS
SLAB_BYTES = _SLAB_TEXELS * 16
ROW_BYTES = ROW_TEXELS * 16
_FIRST_ROWS = 16  # 16,000 surfels: a megabyte
# Columns of ``packing`` in the order in which ``opengl_shaders`` reads them.
_COLUMNS = [
    packing.X, packing.Y, packing.Z, packing.OPACITY,
    packing.UX, packing.UY, packing.UZ, packing.MASS,
    packing.VX, packing.VY, packing.VZ, packing.NATIVE,
    packing.PARENT_SLOPE, packing.CHILD_SLOPE, packing.COLOR, packing.NORMAL,
]  # fmt: skip


class OverBudget(RuntimeError):
    """What has to be drawn at once is more than this OpenGL can hold in one texture."""


class SlabPool:
    """Packed blocks on the graphics card, least recently drawn out; in the thread of ``context``.

    ``max_bytes`` holds between frames: a view that is itself larger is uploaded for its frame and dropped.
    """

    def __init__(self, context: Any, max_bytes: int) -> None:
        if max_bytes < 0:
            raise ValueError(f"a pool holds 0 bytes or more, got {max_bytes}")
        self.max_bytes = max_bytes
        self._context = context
        self._most_rows = int(context.info["GL_MAX_TEXTURE_SIZE"])
        self._rows = 0  # of the texture
        self._free: list[int] = []
        self._places: OrderedDict[Name, I64] = OrderedDict()  # slabs; least recently drawn first
        self.texture: Any = None
        self.uploads = self.evictions = 0  # blocks so far

    @property
    def nbytes(self) -> int:
        """Bytes of the texture, used and free."""
        return self._rows * ROW_BYTES

    def place(self, names: Sequence[Name], blocks: Sequence[PackedBlock]) -> list[I64]:
        """The slabs of each block, all of them resident when this returns. Raises OverBudget."""
        wanted = dict(zip(names, blocks, strict=True))
        missing = {name: block for name, block in wanted.items() if name not in self._places}
        if missing and self.nbytes > self.max_bytes:
            self.clear()  # it grew for one frame
            missing = wanted
        if missing:
            self._make_room(missing, wanted)
        for name, block in wanted.items():
            if name not in self._places:
                self._upload(name, block)
            self._places.move_to_end(name)
        return [self._places[name] for name in names]

    def clear(self) -> None:
        """Drop everything, the texture too."""
        if self.texture is not None:
            self.texture.release()
        self.texture = None
        self._places.clear()
        self._free.clear()
        self._rows = 0

    def _make_room(self, missing: dict[Name, PackedBlock], wanted: dict[Name, PackedBlock]) -> None:
        """Free slabs: by a texture twice as large while the bound allows, else from the longest unseen.

        A larger texture starts empty, and is filled again by the frames that come.
        """
        lacking = sum(len(block.places) for block in missing.values())
        if lacking <= len(self._free):
            return
        needed = -(-sum(len(block.places) for block in wanted.values()) // _SLABS_PER_ROW)
        most = min(self.max_bytes // ROW_BYTES, self._most_rows)
        if needed > self._most_rows:
            raise OverBudget(
                f"{needed * ROW_BYTES / 1e6:,.0f} MB of surfels are in view; this OpenGL holds"
                f" {self._most_rows * ROW_BYTES / 1e6:,.0f} MB in one texture: look with mips, or a smaller budget"
            )
        if self._rows < max(most, needed):
            size = max(min(max(2 * self._rows, 2 * needed, _FIRST_ROWS), most), needed)
            self.clear()
            self.texture = self._context.texture((ROW_TEXELS, size), 4, dtype="u4")
            self.texture.filter = (self._context.NEAREST, self._context.NEAREST)
            self._rows = size
            self._free = list(range(size * _SLABS_PER_ROW - 1, -1, -1))
            return
        for name in list(self._places):
            if len(self._free) >= lacking:
                return
            if name not in wanted:
                self._free.extend(reversed(self._places.pop(name).tolist()))
                self.evictions += 1

    def _upload(self, name: Name, block: PackedBlock) -> None:
        slabs = np.array([self._free.pop() for _ in range(len(block.places))], np.int64)
        surfels = np.ascontiguousarray(block.data[:, _COLUMNS, :CHUNK].transpose(0, 2, 1))
        for slab, chunk in zip(slabs.tolist(), surfels, strict=True):
            row, column = divmod(slab, _SLABS_PER_ROW)
            self.texture.write(chunk.data, viewport=(column * _SLAB_TEXELS, row, _SLAB_TEXELS, 1))
        self._places[name] = slabs
        self.uploads += 1


class Table:
    """Texels of one frame, in rows of ROW_TEXELS; grows to the largest frame so far."""

    def __init__(self, context: Any, components: int, dtype: str) -> None:
        self._context, self._components, self._dtype = context, components, dtype
        self._rows = 0
        self.texture: Any = None

    @property
    def nbytes(self) -> int:
        return self._rows * ROW_TEXELS * self._components * 4

    def write(self, numbers: NDArray[Any]) -> None:
        """Numbers of 4 bytes, as many as whole texels."""
        flat = np.ascontiguousarray(numbers).reshape(-1)
        in_row = ROW_TEXELS * self._components
        whole, rest = divmod(len(flat), in_row)
        if self._rows < whole + 1:
            if self.texture is not None:
                self.texture.release()
            self._rows = whole + whole // 4 + 1
            self.texture = self._context.texture(
                (ROW_TEXELS, self._rows), self._components, dtype=self._dtype
            )
            self.texture.filter = (self._context.NEAREST, self._context.NEAREST)
        if whole:
            self.texture.write(flat[: whole * in_row].data, viewport=(0, 0, ROW_TEXELS, whole))
        if rest:
            self.texture.write(flat[whole * in_row :].data, viewport=(0, whole, rest // self._components, 1))

    def release(self) -> None:
        if self.texture is not None:
            self.texture.release()
        self.texture, self._rows = None, 0
