"""Commits whose columns stay on disk: each block is read when it is asked for, through a ``PageCache``.

Columns are read, not mapped (``docs/adr/0018``): a cut or failing file is then an error with a name instead of the end
of the process, memory is what the cache says it is, and what is read is checked before anybody sees it: a block
against its own hash, bounds against their key. A block that fails is lost (``BlockLost``), and nothing else is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.admission import wrong_with_bounds, wrong_with_surfels
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.commit import BoundsPatch, Commit
from wonderzoom.scene_graph.manifest import (
    BadCommit,
    Json,
    parse_cell,
    parse_int,
    parse_reverts,
    parse_text,
)
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store_codec import (
    BOUNDS_DTYPES,
    decode_commit,
)
from wonderzoom.scene_graph.store_damage import Losses, why
from wonderzoom.scene_graph.store_file import CommitFile, OlderFile, whole_file
from wonderzoom.scene_graph.store_record import Row
from wonderzoom.scene_graph.store_summary import (
    Limits,
    Summary,
    decode_summary,
    summarised,
)
from wonderzoom.scene_graph.store_views import Shelf, stored_nodes
from wonderzoom.scene_graph.surfels import (
    DTYPES,
    Block,
    BlockLost,
    Bounds,
    StoredSurfels,
    Surfels,
    block_hash,
)


# ---- columns on disk ----------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True, eq=False)
class DiskSurfels:
    """Rows of a commit's file that are one block's write-once columns; see ``StoredSurfels``."""

    file: CommitFile
    pages: PageCache
    losses: Losses
    cell: Cell
    node: str
    hash: str
    views: int  # of the node
    start: int
    rows: int
    box: NDArray[np.float64]
    native_interval: tuple[float, float]
    native_mean: float

    def __len__(self) -> int:
        return self.rows

    @property
    def _page(self) -> tuple[str, str, int]:
        return (self.file.hash, "surfels", self.start)

    @property
    def in_memory(self) -> bool:
        return self.pages.holds(self._page)

    def read(self) -> Surfels:
        return self.pages.get(self._page, self._read)

    def _read(self) -> tuple[Surfels, int]:
        try:
            columns = self.file.columns("surfels", DTYPES, self.start, self.rows)
            surfels = Surfels(**columns)  # type: ignore[arg-type]
            if block_hash(self.cell, self.node, surfels) != self.hash:
                raise ValueError("its bytes have changed")
            if wrong := wrong_with_surfels(surfels, self.views):
                raise ValueError(wrong)
        except (OSError, ValueError) as error:
            lost = BlockLost(self.node, self.cell, why(error), self.file.path.name)
            raise self.losses.lost(lost) from error
        return surfels, sum(column.nbytes for column in columns.values())


@dataclass(frozen=True, slots=True, eq=False)
class DiskBounds:
    """Rows of a commit's file that are one block's bounds; see ``StoredBounds``."""

    file: CommitFile
    pages: PageCache
    losses: Losses
    surfels: Surfels | StoredSurfels  # whose bounds they are
    cell: Cell
    node: str
    kind: str  # "bounds" of a block of this commit, "patches" of an older one
    start: int
    rows: int
    owners: tuple[str, ...]
    revision: int
    key: str
    parent_interval: tuple[float, float]
    child_interval: tuple[float, float]
    parents: frozenset[str]
    children: frozenset[str]

    def __len__(self) -> int:
        return self.rows

    @property
    def _page(self) -> tuple[str, str, int]:
        return (self.file.hash, self.kind, self.start)

    @property
    def in_memory(self) -> bool:
        return self.pages.holds(self._page)

    def read(self) -> Bounds:
        return self.pages.get(self._page, self._read)

    def _read(self) -> tuple[Bounds, int]:
        surfels = self.surfels if isinstance(self.surfels, Surfels) else self.surfels.read()
        try:
            columns = self.file.columns(self.kind, BOUNDS_DTYPES, self.start, self.rows)
            bounds = Bounds(**columns, owners=self.owners, revision=self.revision)  # type: ignore[arg-type]
            if bounds.key != self.key:
                raise ValueError("its bounds have changed")
            if wrong := wrong_with_bounds(surfels, bounds):
                raise ValueError(wrong)
        except (OSError, ValueError) as error:
            lost = BlockLost(self.node, self.cell, why(error), self.file.path.name)
            raise self.losses.lost(lost) from error
        return bounds, sum(column.nbytes for column in columns.values())


# ---- commits ------------------------------------------------------------------------------------------
class StoredBlocks:
    """Reads commits, oldest first, as values whose columns stay on disk."""

    def __init__(self, pages: PageCache, losses: Losses) -> None:
        self.pages, self.losses = pages, losses
        self._surfels: dict[tuple[str, Cell], Surfels | StoredSurfels] = {}

    def follow(self, commit: Commit) -> Commit:
        """A commit that comes next, as it is: later patches may be of its blocks."""
        gone = set(commit.removed)
        if gone:
            self._surfels = {key: columns for key, columns in self._surfels.items() if key[0] not in gone}
        self._surfels.update((block.key, block.columns) for block in commit.blocks)
        return commit

    def read(self, path: Path, row: Row, kept: bytes | None) -> tuple[Commit, bytes | None]:
        """The commit in a file; and its summary, where the one that was kept is missing or not of this file.

        Raises BadCommit, NewerFormat, OSError.
        """
        try:
            if kept is not None:
                return self._open(path, row, kept), None
        except BadCommit:
            pass  # the file says which of the two is wrong
        data = whole_file(path, row)
        made = summarised(decode_commit(data), data)
        return self._open(path, row, made), made

    def _open(self, path: Path, row: Row, summary: bytes) -> Commit:
        try:
            if summary:
                found = decode_summary(summary)
                return self.commit(*CommitFile.open(path, row.size, row.hash, found.head), found)
        except OlderFile:
            pass
        return self.follow(decode_commit(whole_file(path, row)))

    def commit(self, file: CommitFile, manifest: Json, summary: Summary) -> Commit:
        """The commit of a file; states are read, blocks, bounds and views are not. Raises BadCommit, OSError."""
        try:
            added = tuple(
                stored_nodes(Shelf(file, self.pages, self.losses), manifest["added"], summary.arrays)
            )
            views = {node.id: len(node.views) for node in added}
            found = Commit(
                parse_int(manifest["revision"]),
                added,
                tuple(parse_text(name) for name in manifest["removed"]),
                tuple(self._blocks(file, manifest["blocks"], summary, views)),
                (),
                parse_reverts(manifest),
            )
            self.follow(found)
            patches = tuple(self._patches(file, manifest["patches"], summary))
        except (ValueError, TypeError, LookupError, OverflowError, RecursionError, AttributeError) as error:
            if isinstance(error, BadCommit):
                raise
            raise BadCommit(f"{type(error).__name__}: {error}") from error
        return Commit(found.revision, added, found.removed, found.blocks, patches, found.reverts)

    def _blocks(
        self, file: CommitFile, values: list[Json], summary: Summary, views: dict[str, int]
    ) -> Iterator[Block]:
        rows = _rows_of(file, "bounds", values, summary.bounds)
        if values:
            file.check_rows("surfels", DTYPES, sum(rows))
        start = owners_start = 0
        for number, (value, count) in enumerate(zip(values, rows, strict=True)):
            cell, node, name = parse_cell(value["cell"]), parse_text(value["node"]), parse_text(value["hash"])
            least, greatest = summary.native[number].tolist()
            surfels = DiskSurfels(
                file, self.pages, self.losses, cell, node, name, views[node], start, count,
                summary.boxes[number], (least, greatest), float(summary.mean[number]),
            )  # fmt: skip
            bounds = self._bounds(file, "bounds", value, number, start, owners_start, summary.bounds, surfels)
            yield Block(cell, node, surfels, bounds, name)
            start, owners_start = start + count, owners_start + len(bounds.owners)

    def _patches(self, file: CommitFile, values: list[Json], summary: Summary) -> Iterator[BoundsPatch]:
        """The patches of blocks that are known: the others were in a file that is lost."""
        rows = _rows_of(file, "patches", values, summary.patches)
        start = owners_start = 0
        for number, (value, count) in enumerate(zip(values, rows, strict=True)):
            key = parse_text(value["node"]), parse_cell(value["cell"])
            if (surfels := self._surfels.get(key)) is not None:
                limits = summary.patches
                bounds = self._bounds(file, "patches", value, number, start, owners_start, limits, surfels)
                yield BoundsPatch(*key, bounds)
            start, owners_start = start + count, owners_start + len(value["bounds"]["owners"])

    def _bounds(
        self, file: CommitFile, kind: str, value: Json, number: int, start: int, owners_start: int,
        limits: Limits, surfels: Surfels | StoredSurfels,
    ) -> DiskBounds:  # fmt: skip
        said = value["bounds"]
        owners = tuple(parse_text(owner) for owner in said["owners"])
        parents, children = limits.named(number, owners_start, owners)
        (coarse, coarsest), (finest, fine) = limits.parent[number].tolist(), limits.child[number].tolist()
        return DiskBounds(
            file, self.pages, self.losses, surfels, parse_cell(value["cell"]), parse_text(value["node"]), kind,
            start, parse_int(said["rows"]), owners, parse_int(said["revision"]),
            limits.keys[number].tobytes().hex(), (coarse, coarsest), (finest, fine), parents, children,
        )  # fmt: skip


def _rows_of(file: CommitFile, kind: str, values: list[Json], limits: Limits) -> list[int]:
    """How many rows each bounds has. Raises ValueError where file, manifest and summary do not agree."""
    rows = [parse_int(value["bounds"]["rows"]) for value in values]
    owners = sum(len(value["bounds"]["owners"]) for value in values)
    if len(values) != len(limits.keys) or owners != len(limits.uses) or min(rows, default=1) < 1:
        raise ValueError(f"its summary is not of these {kind}")
    if values:
        file.check_rows(kind, BOUNDS_DTYPES, sum(rows))
    return rows
