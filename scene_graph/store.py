"""The durable world: the log of commits on disk, of which every other form of a world is a reader.

    WORLD/
      world.sqlite            the record: the header, and one row for each commit
      commits/00000001-<hash>.safetensors      the arrays of revision 1: never changed, never renamed
      writer.lock             held by the one process that writes

A commit is written as a file first (bytes synced, then named, then the name synced) and exists from the
moment its row is synced; only then does ``append`` return. So the row is the truth: a file without one is
the rest of an append that never finished, and a writer removes it on opening; a row without its file, whole,
is damage. The alternatives are slower or not durable: Zarr does not sync, one SQLite file is half as fast,
LMDB has to know its largest size beforehand.

Damage stays where it is. The nodes of a commit whose file is lost keep their place in the tree (the row has
their outline), with views that cover nothing and without blocks, so that their children can still be reached;
bounds that name such a node open, so that what it stood for is drawn coarser and never as a hole.

One writer, any number of readers. A reader sees whole commits only, new ones as they come.
"""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.commit import BoundsPatch, Commit, LogEntry, WorldHeader
from wonderzoom.scene_graph.durable import WriterLock, sync_directory, write_durably
from wonderzoom.scene_graph.manifest import BadCommit, ChangedBytes, NewerFormat
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.read_ahead import ReadAhead
from wonderzoom.scene_graph.scale_node import PartLost
from wonderzoom.scene_graph.store_codec import (
    decode_commit,
    decode_outline,
    decode_tensors,
    encode_commit,
    encode_outline,
    outline_entry,
)
from wonderzoom.scene_graph.store_damage import Losses, opened, without
from wonderzoom.scene_graph.store_errors import (
    FormatTooNew,
    RevisionMismatch,
    WorldDamaged,
    WorldExists,
    WorldReadOnly,
    translated,
)
from wonderzoom.scene_graph.store_file import (
    COMMITS,
    commit_file,
    foreign_files,
    read_contents,
    require_world,
    whole_file,
)
from wonderzoom.scene_graph.store_pages import StoredBlocks
from wonderzoom.scene_graph.store_record import DATABASE, DATABASE_FILES, Record, Row, content_hash
from wonderzoom.scene_graph.store_summary import summarised, told
from wonderzoom.scene_graph.surfels import Bounds

if TYPE_CHECKING:
    from wonderzoom.scene_graph.world import World

_LOCK = "writer.lock"
_OURS = {*DATABASE_FILES, COMMITS, _LOCK}
_FILE = re.compile(r"(\d{8,})-[0-9a-f]{32}\.safetensors(\.tmp)?")


class WorldStore:
    """One world's directory, open. Made by ``create`` and ``open``; a context manager."""

    def __init__(self, path: Path, record: Record, lock: WriterLock | None) -> None:
        self.path = path
        self._broken: dict[int, str] = {}  # revision -> what is wrong with its file
        self._losses = Losses()  # blocks and views that were lost when they were read
        self._stored: StoredBlocks | None = None  # of the world that was loaded with its columns on disk
        self._record = record
        self._lock = lock
        self._appending = threading.Lock()  # one append at a time; others may read while its file is written
        self._last = 0  # newest revision, for a writer

    # ---- opening --------------------------------------------------------------------------------
    @classmethod
    def create(cls, path: Path | str, header: WorldHeader) -> WorldStore:
        """Make an empty world at ``path`` (which may be an empty directory) and open it for writing.

        A world begins to exist with one synced transaction: a creation cut short leaves nothing that opens,
        and may be repeated. Raises WorldExists and what ``open`` raises.
        """
        path = Path(path)
        try:
            if path.exists() and not path.is_dir():
                raise WorldExists(path, "a file is at this path", "choose another path for the world")
            if path.is_dir() and (foreign := sorted(e.name for e in path.iterdir() if e.name not in _OURS)):
                what = f"the directory holds other files ({', '.join(foreign[:3])})"
                raise WorldExists(path, what, "choose an empty or new directory")
            (path / COMMITS).mkdir(parents=True, exist_ok=True)
            lock = WriterLock(path / _LOCK, path)
            try:
                Record.create(path, header)
                sync_directory(path)
                sync_directory(path.absolute().parent)
            finally:
                lock.release()
        except (OSError, sqlite3.Error) as error:
            raise translated(path, "create a world", error) from error
        return cls.open(path, write=True)

    @classmethod
    def open(cls, path: Path | str, write: bool = False) -> WorldStore:
        """Open a world for reading, or for writing too.

        Raises WorldMissing, WorldLocked, WorldDamaged, FormatTooNew, WorldReadOnly; a lost or cut commit file
        is no error, but listed in ``damaged``.
        """
        path = Path(path)
        require_world(path)
        lock = WriterLock(path / _LOCK, path) if write else None
        record: Record | None = None
        try:
            record = Record.open(path, write)
            store = cls(path, record, lock)
            store._examine()
            return store
        except BaseException as error:
            if record is not None:
                record.close()
            if lock is not None:
                lock.release()
            if isinstance(error, OSError):
                raise translated(path, "open the world", error) from error
            raise

    def _examine(self) -> None:
        """Compare rows and files: list damage; a writer removes what unfinished appends have left."""
        rows = self._record.rows()
        self._last = len(rows)
        if [row.revision for row in rows] != list(range(1, len(rows) + 1)):
            hint = f"restore {DATABASE} from a backup"
            raise WorldDamaged(self.path, "revisions are missing from its record", hint)
        for row in rows:
            if reason := self._mismatch(row):
                self._broken[row.revision] = reason
        if self._lock is None:
            return
        folder = self.path / COMMITS
        folder.mkdir(exist_ok=True)
        for name in foreign_files(self.path, rows):
            match = _FILE.fullmatch(name)
            if match is None:
                continue  # not ours
            if int(match[1]) > self._last + 1:
                # An unfinished append leaves at most the next revision; more means that rows are lost.
                what = f"{DATABASE} ends at revision {self._last}, but there is a file of revision {match[1]}"
                raise WorldDamaged(self.path, what, f"restore the newest {DATABASE}, or open to read only")
            (folder / name).unlink()

    # ---- reading --------------------------------------------------------------------------------
    @property
    def header(self) -> WorldHeader:
        return self._record.header

    @property
    def writable(self) -> bool:
        return self._lock is not None

    @property
    def revision(self) -> int:
        """The newest acknowledged revision; 0 for an empty world. A reader asks the record each time."""
        return self._last if self._lock is not None else self._record.newest()

    def changes(self) -> int:
        """Another number as soon as somebody has appended; cheap to ask for."""
        return self._last if self._lock is not None else self._record.changes()

    def rows(self, after: int = 0) -> list[Row]:
        """What the record says of each later commit's file, oldest first."""
        return self._record.rows(after)

    @property
    def damaged(self) -> dict[str, str]:
        """Live node -> why its blocks are lost; "revision N" for a lost commit that adds no node.

        Files are measured on opening and hashed when they are read: once every commit has been read, every
        damaged one is here. Of a world that was loaded with ``pages`` a block is looked at when it is read.
        """
        found = dict(self._losses.found)
        for row in self._record.rows() if self._broken else ():
            added, removed = self._ids(row)
            found = {name: reason for name, reason in found.items() if name not in removed}
            if reason := self._broken.get(row.revision):
                line = f"revision {row.revision}: {reason} ({COMMITS}/{row.name})"
                found |= dict.fromkeys(added or [f"revision {row.revision}"], line)
        return found

    def commits(self, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        """The commits with ``after < revision <= until``, oldest first, each read when it is asked for.

        A damaged one comes as its outline (module docstring).
        """
        # What is lost may be what an earlier one brought.
        return self._commits(self._rows(0 if self._broken else after, until), self._decoded, after)

    def _rows(self, after: int, until: int | None) -> list[Row]:
        return [row for row in self._record.rows(after) if until is None or row.revision <= until]

    def _commits(self, rows: Sequence[Row], how: Callable[[Row], Commit], after: int = 0) -> Iterator[Commit]:
        lost: set[str] = set()  # nodes without blocks
        for row in rows:
            commit = self._read(row, how) if row.revision > after else None
            if self._broken:
                added, removed = self._ids(row)
                lost.difference_update(removed)
                lost.update(added if row.revision in self._broken else ())
            if commit is not None:
                yield without(commit, lost) if lost else commit

    def entries(self) -> Iterator[LogEntry]:
        """What each revision brings and takes, oldest first, from the record alone."""
        return (self._entry(row) for row in self._record.rows())

    def load(self, pages: PageCache | None = None, until: int | None = None) -> World:
        """The live world: every commit applied in order; with ``until`` as it was at that revision.

        With ``pages`` the columns of blocks stay on disk, and are read through that cache when somebody asks for
        them; also after this store is closed.
        """
        from wonderzoom.scene_graph.world import World

        world, rows = World(self.header), self._rows(0, until)
        with world.octree.together():
            if pages is not None:
                self._stored = StoredBlocks(pages, self._losses)
                for commit in self._commits(rows, self._opened):
                    world.apply(commit)
                return world
            with ReadAhead(rows, self._whole) as commits:
                for commit in self._commits(rows, commits.of):
                    world.apply(commit)
        return world

    def give_up(self, lost: PartLost) -> None:
        """Count the commit whose file has what is lost as damaged: ``load`` then gives the world without its nodes.

        What stands for them shows in their place, as where the whole world is loaded.
        """
        for row in self._record.rows():
            if row.name == lost.file:
                self._broken[row.revision] = lost.reason

    def settled(self, commit: Commit) -> Commit:
        """A commit that was appended; with its columns on disk, if the world was loaded so."""
        if self._stored is None:
            return commit
        found = self._read(self._record.rows(commit.revision - 1)[0], self._opened)
        return found if len(found.blocks) == len(commit.blocks) else commit  # damaged already

    def _decoded(self, row: Row) -> Commit:
        """A commit with all its columns. Raises BadCommit, NewerFormat, OSError."""
        return decode_commit(whole_file(commit_file(self.path, row), row))

    def _whole(self, row: Row) -> Commit:
        """As ``_decoded``, in less time and memory, with what its summary knows."""
        contents = read_contents(commit_file(self.path, row), row)
        if contents is None:
            return self._decoded(row)
        commit = decode_tensors(contents.tensors, contents.header)
        return told(commit, contents.head, self._record.summary(row.revision))

    def _opened(self, row: Row) -> Commit:
        """A commit with its columns on disk. Raises BadCommit, NewerFormat, OSError."""
        assert self._stored is not None
        kept = self._record.summary(row.revision)
        commit, made = self._stored.read(commit_file(self.path, row), row, kept)
        if made is not None and self.writable:
            self._record.keep_summary(row.revision, made)
        return commit

    def _read(self, row: Row, how: Callable[[Row], Commit]) -> Commit:
        reason = self._broken.get(row.revision) or self._mismatch(row)
        if not reason:
            try:
                return how(row)
            except ChangedBytes as error:
                reason = str(error)
            except NewerFormat as error:
                what = f"revision {row.revision} has {error}"
                raise FormatTooNew(self.path, what, "install a newer version of wonderzoom") from error
            except OSError as error:
                reason = f"its file can't be read: {error.strerror}"
            except BadCommit as error:
                reason = f"its file makes no sense: {error}"
        self._broken[row.revision] = reason
        commit = self._outline(row)
        return replace(commit, patches=self._orphaned(commit)) if commit.removed else commit

    def _mismatch(self, row: Row) -> str:
        """What is wrong with a commit's file, as far as it shows without reading it; empty: nothing."""
        try:
            size = commit_file(self.path, row).stat().st_size
        except FileNotFoundError:
            return "its file is missing"
        except OSError as error:
            return f"its file can't be read: {error.strerror}"
        return "" if size == row.size else f"its file has {size} bytes instead of {row.size}"

    def _outline(self, row: Row) -> Commit:
        try:
            return decode_outline(self._record.outline(row.revision))
        except BadCommit as error:
            raise self._lost_twice(row, error) from error

    def _ids(self, row: Row) -> tuple[list[str], list[str]]:
        """The ids that a commit adds and removes, without reading its file."""
        entry = self._entry(row)
        return [node for node, _parent in entry.added], list(entry.removed)

    def _entry(self, row: Row) -> LogEntry:
        try:
            return outline_entry(self._record.outline(row.revision))
        except BadCommit as error:
            raise self._lost_twice(row, error) from error

    def _lost_twice(self, row: Row, error: BadCommit) -> WorldDamaged:
        what = f"the row of revision {row.revision} can't be read ({error})"
        return WorldDamaged(self.path, what, "restore the world from a backup")

    def _orphaned(self, commit: Commit) -> tuple[BoundsPatch, ...]:
        """The patches that a lost removal needs at least: bounds that name a removed node open."""
        removed = set(commit.removed)
        latest: dict[tuple[str, Cell], Bounds] = {}
        for earlier in self.commits(until=commit.revision - 1):
            latest = {key: bounds for key, bounds in latest.items() if key[0] not in earlier.removed}
            latest |= {block.key: block.bounds for block in earlier.blocks}
            latest |= {(patch.node, patch.cell): patch.bounds for patch in earlier.patches}
        return tuple(
            BoundsPatch(node, cell, replace(opened(bounds, removed), revision=commit.revision))
            for (node, cell), bounds in latest.items()
            if node not in removed and removed.intersection(bounds.owners)
        )

    # ---- writing --------------------------------------------------------------------------------
    def append(self, commit: Commit) -> None:
        """Make ``commit`` durable: when this returns, no crash and no power cut loses it.

        On any error the world is as before, and the same commit may be appended again. It blocks for some
        tens of milliseconds: call it in a thread. Raises RevisionMismatch, NoSpace, WorldReadOnly,
        StoreError; ValueError for a commit that breaks its contract.
        """
        self._append(commit, None)

    def append_file(self, data: bytes) -> None:
        """Make a commit durable that comes as the file of another world, byte for byte.

        Raises BadCommit or NewerFormat for what is none, and what ``append`` raises.
        """
        self._append(decode_commit(data), data)

    def _append(self, commit: Commit, data: bytes | None) -> None:
        if self._lock is None:
            raise WorldReadOnly(self.path, "the world is open for reading", "open it with write=True")
        with self._appending:
            self._record.require_open()
            if commit.revision != self._last + 1:
                what = f"revision {commit.revision} does not follow revision {self._last}"
                raise RevisionMismatch(self.path, what, "make the commit again on the newest revision")
            data = encode_commit(commit) if data is None else data
            row = Row(commit.revision, len(data), content_hash(data))
            try:
                write_durably(commit_file(self.path, row), data)
                self._record.insert(row, encode_outline(commit), summarised(commit, data))
            except (OSError, sqlite3.Error) as error:
                # The file may stay: a row whose sync failed can turn up after a crash, and must find it.
                raise translated(self.path, f"store revision {commit.revision}", error) from error
            self._last = row.revision

    # ---- closing --------------------------------------------------------------------------------
    def close(self) -> None:
        """Let go of the files; another process may write then. May be called twice."""
        with self._appending:
            self._record.close()
            if self._lock is not None:
                self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()
