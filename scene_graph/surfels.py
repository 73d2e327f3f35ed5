"""Scale-adaptive Gaussian surfels as columns, and the blocks that hold them.

A surfel is ``{p, q, s, o, c, s_native}`` (Sec. 3.1 of the paper). Columns are row-aligned arrays, local to
one octree cell, so that nothing in a block is an absolute number. *Write-once* columns never change
after their commit and are content-hashed; *bounds* columns (who covers this surfel) are the cached
result of a pure function of the live views and change as views come and go.

Colours are sRGB bytes, blended as sRGB: the space the pictures were made and fitted in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.hashing import Message, hashes
from wonderzoom.scene_graph.scale_node import Interval, PartLost
from wonderzoom.scene_graph.scales import NO_CHILD, NO_PARENT

F32 = NDArray[np.float32]

# Thickness of a surfel along its normal, in native pixels: flat, but never singular in projection.
THICKNESS = 0.02
# How far a surfel reaches, in standard deviations: renderers cut there.
REACH = 3.0

# What a block may hold: its surfels lie in its cell (which rounding may leave by a hair), ...
MAX_OFFSET = 0.501
# ... are between 1e-5 and 1e5 edges large (a native pixel is 2**-9 to 2**-6 of an edge), ...
MAX_LN_SIZE = 12.0
# ... and have a rotation: the largest part of a unit quaternion is 0.5 at least.
MIN_QUAT = 1e-3

# What a surfel stands for (column ``kind``).
SURFACE = 0  # what a view shows
FILL = 1  # what a view hides: layers behind depth edges, disocclusions
STRUCTURE = 2  # a new thing standing off the old surface: nothing coarser stands for it, no parent bound


@dataclass(frozen=True, slots=True)
class Surfels:
    """Write-once columns of N surfels in one cell. Lengths in edges of the cell, from its centre."""

    means: F32  # [N, 3]
    quats: F32  # [N, 4] wxyz, surfel -> world: columns of its matrix are the two axes and the normal
    log_scales: F32  # [N, 2] ln of the standard deviations along the two axes
    opacities: F32  # [N] in (0, 1]
    colors: NDArray[np.uint8]  # [N, 3] sRGB
    native: F32  # [N] x = ln s_native - ln edge (Eq. 1)
    view: NDArray[np.uint16]  # [N] which view of the node made it
    kind: NDArray[np.uint8]  # [N] SURFACE, FILL or STRUCTURE
    # Of which these are rows in one piece, and from which on: put together again they need no copy.
    cut_from: tuple[Surfels, int] | None = field(default=None, init=False, repr=False, compare=False)
    # What was worked out of columns that never change: an insertion asks for it twice.
    known_box: NDArray[np.float64] | None = field(default=None, init=False, repr=False, compare=False)
    known_sound: bool = field(default=False, init=False, repr=False, compare=False)
    known_native: tuple[float, float, float] | None = field(
        default=None, init=False, repr=False, compare=False
    )  # least, greatest, mean

    def __post_init__(self) -> None:
        n = len(self.means)
        for name, dtype in DTYPES.items():
            column, width = getattr(self, name), _WIDTHS.get(name)
            want = (n,) if width is None else (n, width)
            if column.shape != want or column.dtype != dtype:
                raise ValueError(f"column {name}: {column.shape} {column.dtype}, expected {want} {dtype}")
            column.flags.writeable = False

    def __len__(self) -> int:
        return len(self.means)

    @property
    def native_interval(self) -> tuple[float, float]:
        """Least and greatest native log-scale."""
        return self._native[:2]

    @property
    def native_mean(self) -> float:
        """Mean native log-scale."""
        return self._native[2]

    @property
    def _native(self) -> tuple[float, float, float]:
        if self.known_native is None:
            x = self.native
            found = (float(x.min()), float(x.max()), float(x.mean(dtype=np.float64)))
            object.__setattr__(self, "known_native", found)
            return found
        return self.known_native

    def columns(self) -> dict[str, NDArray[np.generic]]:
        """Name -> array, in declaration order (what is hashed, stored and sent)."""
        return {name: getattr(self, name) for name in DTYPES}

    def take(self, index: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Surfels:
        """The rows selected by an index array, a mask or a slice."""
        rows = {name: np.ascontiguousarray(column[index]) for name, column in self.columns().items()}
        taken = Surfels(**rows)  # type: ignore[arg-type]
        if isinstance(index, slice) and index.step in (None, 1):
            whole, start = self.cut_from or (self, 0)
            object.__setattr__(taken, "cut_from", (whole, start + index.indices(len(self))[0]))
        return taken

    def check_finite(self) -> None:
        """Raise ValueError when a number is not finite or out of its range."""
        if self.known_sound:
            return
        if len(self) and self.is_sound():
            object.__setattr__(self, "known_sound", True)
            return
        for name in ("means", "quats", "log_scales", "opacities", "native"):
            if not np.isfinite(getattr(self, name)).all():
                raise ValueError(f"column {name} holds a number that is not finite")
        if not len(self):
            return
        if not (0.0 < float(self.opacities.min()) and float(self.opacities.max()) <= 1.0):
            raise ValueError("opacities must lie in (0, 1]")
        if float(np.abs(self.means).max()) > MAX_OFFSET:
            raise ValueError(f"means must lie within {MAX_OFFSET} cell edges of the cell's centre")
        for name in ("log_scales", "native"):
            if float(np.abs(getattr(self, name)).max()) > MAX_LN_SIZE:
                raise ValueError(f"column {name} holds a size beyond e**{MAX_LN_SIZE} cell edges")
        if float(np.abs(self.quats).max(1).min()) < MIN_QUAT:
            raise ValueError("a quaternion of zeros is not a rotation")

    def is_sound(self) -> bool:
        """Whether all is well with one row or more; a harmless no is possible.

        Nearly always true and quick to see: comparisons with what is not a number are false.
        """
        quats = np.einsum("ij,ij->i", self.quats, self.quats)  # squared lengths
        return bool(
            -MAX_OFFSET <= self.means.min() <= self.means.max() <= MAX_OFFSET
            and -MAX_LN_SIZE <= self.log_scales.min() <= self.log_scales.max() <= MAX_LN_SIZE
            and -MAX_LN_SIZE <= self.native.min() <= self.native.max() <= MAX_LN_SIZE
            and 0.0 < self.opacities.min() <= self.opacities.max() <= 1.0
            and 0.25 < quats.min() <= quats.max() < 4.0
        )


DTYPES: dict[str, np.dtype] = {
    "means": np.dtype(np.float32),
    "quats": np.dtype(np.float32),
    "log_scales": np.dtype(np.float32),
    "opacities": np.dtype(np.float32),
    "colors": np.dtype(np.uint8),
    "native": np.dtype(np.float32),
    "view": np.dtype(np.uint16),
    "kind": np.dtype(np.uint8),
}
_WIDTHS = {"means": 3, "quats": 4, "log_scales": 2, "colors": 3}  # columns of several numbers


@dataclass(frozen=True, slots=True)
class Bounds:
    """Where each surfel fades: parent and child log-scales relative to ln edge, and who sets them."""

    parent: F32  # [N] +inf: nothing coarser stands for it
    child: F32  # [N] -inf: nothing finer covers its whole footprint
    parent_owner: NDArray[np.int16]  # [N] index into ``owners``, -1 for none
    child_owner: NDArray[np.int16]  # [N]
    owners: tuple[str, ...] = ()  # node ids, sorted
    revision: int = 0  # the commit that last changed them
    digest: str = field(default="", init=False, compare=False)  # filled when ``key`` is first asked for
    known: tuple[Interval, Interval] | None = field(default=None, init=False, repr=False, compare=False)
    # Surfels with which they are sound.
    known_beside: Surfels | None = field(default=None, init=False, repr=False, compare=False)

    @staticmethod
    def open(n: int) -> Bounds:
        """No parent, no child, for n surfels."""
        none = np.full(n, -1, np.int16)
        return Bounds(np.full(n, NO_PARENT, np.float32), np.full(n, NO_CHILD, np.float32), none, none.copy())

    def __len__(self) -> int:
        return len(self.parent)

    @property
    def key(self) -> str:
        """128-bit BLAKE2b, hexadecimal, of the content without its revision: equal bounds, equal keys."""
        if not self.digest:
            find_keys([self])
        return self.digest

    @property
    def parent_interval(self) -> tuple[float, float]:
        """Least and greatest parent bound."""
        return self._intervals[0]

    @property
    def child_interval(self) -> tuple[float, float]:
        """Least and greatest child bound."""
        return self._intervals[1]

    @property
    def _intervals(self) -> tuple[Interval, Interval]:
        """Of parents and of children; worked out once, as a world asks for them in several places."""
        if self.known is None:
            parent, child = self.parent, self.child
            found = (
                (float(parent.min()), float(parent.max())),
                (float(child.min()), float(child.max())),
            )
            object.__setattr__(self, "known", found)
            return found
        return self.known

    @property
    def parents(self) -> frozenset[str]:
        """The nodes that set parent bounds."""
        return self._named(self.parent_owner)

    @property
    def children(self) -> frozenset[str]:
        """The nodes that set child bounds."""
        return self._named(self.child_owner)

    def _named(self, column: NDArray[np.int16]) -> frozenset[str]:
        if len(self.owners) < 2:  # nearly always
            return frozenset(self.owners if (column >= 0).any() else ())
        used = np.zeros(len(self.owners) + 1, np.bool_)  # -1 finds the last entry
        used[column] = True
        return frozenset(name for name, here in zip(self.owners, used.tolist(), strict=False) if here)

    def same_as(self, other: Bounds) -> bool:
        """Equal in content (owners compared by name), whatever the revision."""
        return (
            np.array_equal(self.parent, other.parent)
            and np.array_equal(self.child, other.child)
            and self.owners == other.owners
            and np.array_equal(self.parent_owner, other.parent_owner)
            and np.array_equal(self.child_owner, other.child_owner)
        )


def find_keys(some: Sequence[Bounds]) -> None:
    """Work out the keys of several bounds together, and leave each with its own."""
    unknown = [bounds for bounds in some if not bounds.digest]
    messages = (Message.of(f"{b.owners}", b.parent, b.child, b.parent_owner, b.child_owner) for b in unknown)
    for bounds, key in zip(unknown, hashes(messages), strict=True):
        object.__setattr__(bounds, "digest", key)


class StoredSurfels(Protocol):
    """Write-once columns that may be on disk only, and what is known of them without reading."""

    @property
    def box(self) -> NDArray[np.float64]:
        """[2, 3] low and high corner with 3 sigma, in cell edges from the centre."""
        ...

    @property
    def native_interval(self) -> tuple[float, float]: ...

    @property
    def native_mean(self) -> float: ...

    @property
    def in_memory(self) -> bool:
        """Whether ``read`` would not touch the disk."""
        ...

    def __len__(self) -> int: ...

    def read(self) -> Surfels:
        """The columns. Raises BlockLost."""
        ...


class StoredBounds(Protocol):
    """Bounds columns that may be on disk only, and what is known of them without reading."""

    @property
    def owners(self) -> tuple[str, ...]: ...

    @property
    def revision(self) -> int: ...

    @property
    def key(self) -> str: ...

    @property
    def parent_interval(self) -> tuple[float, float]: ...

    @property
    def child_interval(self) -> tuple[float, float]: ...

    @property
    def parents(self) -> frozenset[str]: ...

    @property
    def children(self) -> frozenset[str]: ...

    @property
    def in_memory(self) -> bool: ...

    def __len__(self) -> int: ...

    def read(self) -> Bounds:
        """The columns. Raises BlockLost."""
        ...


class BlockLost(PartLost):
    """The columns of a block that can't be read."""

    def __init__(self, node: str, cell: Cell, reason: str, file: str) -> None:
        super().__init__(f"the block of node {node!r} in {cell}", node, reason, file)
        self.cell = cell


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """What one node has in one cell: the unit of culling, upload, streaming, storage and eviction.

    A value, wherever its columns are: ``surfels`` and ``bounds`` read what is not in memory, within the bound
    of the cache that they go through. What they give stays valid; hold it while you work on it.
    """

    cell: Cell
    node: str
    columns: Surfels | StoredSurfels
    limits: Bounds | StoredBounds
    hash: str = field(default="")  # of the write-once columns, the cell and the node; filled when empty
    # See the module ``mips``.
    mips: list[Block] = field(default_factory=list["Block"], init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.limits) != len(self.columns):
            raise ValueError(f"{len(self.limits)} bounds for {len(self.columns)} surfels")
        if not self.hash:
            object.__setattr__(self, "hash", block_hash(self.cell, self.node, self.surfels))

    @property
    def key(self) -> tuple[str, Cell]:
        return (self.node, self.cell)

    @property
    def count(self) -> int:
        """Number of surfels; reads nothing."""
        return len(self.columns)

    @property
    def surfels(self) -> Surfels:
        """The write-once columns. Raises BlockLost."""
        columns = self.columns
        return columns if isinstance(columns, Surfels) else columns.read()

    @property
    def bounds(self) -> Bounds:
        """The bounds columns. Raises BlockLost."""
        limits = self.limits
        return limits if isinstance(limits, Bounds) else limits.read()

    @property
    def in_memory(self) -> bool:
        """Whether all columns can be had without touching the disk."""
        surfels = isinstance(self.columns, Surfels) or self.columns.in_memory
        return surfels and (isinstance(self.limits, Bounds) or self.limits.in_memory)

    @property
    def parents(self) -> frozenset[str]:
        """The nodes that set parent bounds here."""
        return self.limits.parents

    @property
    def children(self) -> frozenset[str]:
        """The nodes that set child bounds here."""
        return self.limits.children

    def held(self) -> Block:
        """The same block with its columns in memory, for whoever looks at them again and again. Raises BlockLost."""
        return Block(self.cell, self.node, self.surfels, self.bounds, self.hash)

    def with_bounds(self, bounds: Bounds | StoredBounds) -> Block:
        return replace(self, limits=bounds)


def block_hash(cell: Cell, node: str, surfels: Surfels) -> str:
    """128-bit BLAKE2b, hexadecimal, of everything that never changes in a block."""
    return block_hashes([(cell, node, surfels)])[0]


def block_hashes(blocks: Iterable[tuple[Cell, str, Surfels]]) -> list[str]:
    """``block_hash`` of several."""
    return hashes(
        Message.of(
            f"{cell.level},{cell.ix},{cell.iy},{cell.iz};{node};{len(surfels)}",
            *chain.from_iterable(surfels.columns().items()),
        )
        for cell, node, surfels in blocks
    )
