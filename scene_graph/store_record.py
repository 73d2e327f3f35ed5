"""The commit record of a world: its header and one row for each commit, in an SQLite database.

A row is what makes a commit exist (WAL, ``synchronous=FULL``: COMMIT returns when it is on the disk). It says
how its file is called, how long it is and what it hashes to, and keeps the outline of its nodes, so that the
tree stands even where a file is lost. Nothing in a database from someone else is executed or used as a path.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wonderzoom.scene_graph.commit import FORMAT, WorldHeader
from wonderzoom.scene_graph.manifest import BadCommit, NewerFormat, decode_header, encode_header
from wonderzoom.scene_graph.store_errors import (
    FormatTooNew,
    StoreError,
    WorldDamaged,
    WorldExists,
    WorldMissing,
    translated,
)
from wonderzoom.scene_graph.store_migration import migrate_record, migrated_copy

DATABASE = "world.sqlite"
# SQLite's own companions of a database: of its first moments, and of WAL mode.
DATABASE_FILES = (DATABASE, f"{DATABASE}-journal", f"{DATABASE}-wal", f"{DATABASE}-shm")
_RESTORE = f"restore {DATABASE} from a backup; the commit files are untouched"
_HASH = re.compile(r"[0-9a-f]{32}")
# Readers and the writer meet only while a database is recovered after a crash; that takes milliseconds.
_BUSY_SECONDS = 10.0
_SCHEMA = (
    "CREATE TABLE header (id INTEGER PRIMARY KEY CHECK (id = 1), header TEXT NOT NULL, hash TEXT NOT NULL)",
    # created_at is for people and no part of the world: nothing reads it.
    """CREATE TABLE commits (
        revision INTEGER PRIMARY KEY,
        bytes INTEGER NOT NULL,
        hash TEXT NOT NULL,
        outline TEXT NOT NULL,
        created_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP)""",
)
# A cache of what can be worked out from the files: a record without it is whole. Its number is that of its content: an
# earlier one had one checksum for all arrays of a node, and goes with the next writer.
SUMMARIES = "summaries_2"
_SUMMARIES = f"CREATE TABLE IF NOT EXISTS {SUMMARIES} (revision INTEGER PRIMARY KEY, summary BLOB NOT NULL)"
_EARLIER = "DROP TABLE IF EXISTS summaries"
_INSERT_SUMMARY = f"INSERT OR REPLACE INTO {SUMMARIES} (revision, summary) VALUES (?, ?)"


HASH_BYTES = 16


def content_hash(data: bytes) -> str:
    """128-bit BLAKE2b, hexadecimal."""
    return hashlib.blake2b(data, digest_size=HASH_BYTES).hexdigest()


def is_hash(value: object) -> bool:
    """Whether this could be a ``content_hash``, hence part of a name and never of a path."""
    return isinstance(value, str) and _HASH.fullmatch(value) is not None


@dataclass(frozen=True, slots=True)
class Row:
    """What the record says of one commit's file."""

    revision: int
    size: int  # bytes
    hash: str  # content_hash of the file

    @property
    def name(self) -> str:
        # The hash is in the name, so that a second try of a failed append never touches the first one's file.
        return f"{self.revision:08d}-{self.hash}.safetensors"


class Record:
    """The open record of the world at ``world``; safe to call from several threads."""

    def __init__(self, world: Path, connection: sqlite3.Connection, header: WorldHeader) -> None:
        self.header = header
        self._world = world
        self._connection: sqlite3.Connection | None = connection
        self._guard = threading.RLock()  # one statement or transaction at a time

    @staticmethod
    def create(world: Path, header: WorldHeader) -> None:
        """Make the record in one synced transaction, or raise WorldExists, sqlite3.Error or OSError."""
        connection = _connect(world, "rwc")
        try:
            if connection.execute("PRAGMA user_version").fetchone()[0] != 0:
                raise WorldExists(world, "there is a world here already", "open it, or choose another path")
            text = encode_header(header)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN IMMEDIATE")
            for statement in (*_SCHEMA, _SUMMARIES):
                connection.execute(statement)
            connection.execute("INSERT INTO header VALUES (1, ?, ?)", (text, content_hash(text.encode())))
            connection.execute(f"PRAGMA user_version={FORMAT}")
            connection.execute("COMMIT")
        finally:
            connection.close()

    @classmethod
    def open(cls, world: Path, write: bool) -> Record:
        """Open a record that this version understands and that is whole.

        Raises WorldMissing, WorldDamaged, FormatTooNew, FormatTooOld and what ``translated`` makes of sqlite3.Error.
        """
        connection: sqlite3.Connection | None = None
        try:
            connection = _connect(world, "rw") if write else _connect_reader(world)
            _check_sound(world, connection)
            if write:
                connection.execute("PRAGMA synchronous=FULL")
                migrate_record(world, connection, FORMAT)
                connection.execute(_SUMMARIES)
                connection.execute(_EARLIER)
            elif connection.execute("PRAGMA user_version").fetchone()[0] < FORMAT:
                older, connection = connection, migrated_copy(world, connection, FORMAT)
                older.close()
            header = _read_header(world, connection)
            return cls(world, connection, header)
        except BaseException as error:
            if connection is not None:
                connection.close()
            if isinstance(error, sqlite3.Error):
                raise translated(world, "open the world", error) from error
            raise

    def close(self) -> None:
        """May be called twice."""
        with self._guard:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    # ---- reading --------------------------------------------------------------------------------
    def newest(self) -> int:
        """The newest revision; 0 for an empty world."""
        return int(self._select("SELECT coalesce(max(revision), 0) FROM commits")[0][0])

    def changes(self) -> int:
        """Differs from the last answer when another connection has committed since."""
        return int(self._select("PRAGMA data_version")[0][0])

    def rows(self, after: int = 0) -> list[Row]:
        """All rows of later revisions, in order."""
        query = "SELECT revision, bytes, hash FROM commits WHERE revision > ? ORDER BY revision"
        found: list[Row] = []
        for revision, size, digest in self._select(query, after):
            if not (isinstance(size, int) and is_hash(digest)):
                raise WorldDamaged(self._world, f"the row of revision {revision} makes no sense", _RESTORE)
            found.append(Row(revision, size, digest))
        return found

    def outline(self, revision: int) -> str:
        return str(self._select("SELECT outline FROM commits WHERE revision = ?", revision)[0][0])

    def summary(self, revision: int) -> bytes | None:
        """The summary of a commit, if the record has it."""
        if not self._select(f"SELECT 1 FROM sqlite_schema WHERE name = '{SUMMARIES}'"):
            return None  # by an older version, and nobody has written to the world since
        found = self._select(f"SELECT summary FROM {SUMMARIES} WHERE revision = ?", revision)
        return found[0][0] if found and isinstance(found[0][0], bytes) else None

    def integrity(self) -> list[str]:
        """What SQLite finds wrong with every page and index; slower than what ``open`` looks at."""
        found = [str(row[0]) for row in self._select("PRAGMA integrity_check")]
        return [] if found == ["ok"] else found

    # ---- writing --------------------------------------------------------------------------------
    def insert(self, row: Row, outline: str, summary: bytes) -> None:
        """Make a commit exist; durable on return. Raises sqlite3.Error, and then it does not exist."""
        values = (row.revision, row.size, row.hash, outline)
        self._write(
            ("INSERT INTO commits (revision, bytes, hash, outline) VALUES (?, ?, ?, ?)", values),
            (_INSERT_SUMMARY, (row.revision, summary)),
        )

    def keep_summary(self, revision: int, summary: bytes) -> None:
        """Keep what was worked out from a file, if there is room: it can be worked out again."""
        with contextlib.suppress(sqlite3.Error):
            self._write((_INSERT_SUMMARY, (revision, summary)))

    def _write(self, *statements: tuple[str, tuple[Any, ...]]) -> None:
        with self._guard:
            connection = self.require_open()
            try:
                connection.execute("BEGIN IMMEDIATE")
                for statement, values in statements:
                    connection.execute(statement, values)
                connection.execute("COMMIT")
            except sqlite3.Error:
                try:
                    if connection.in_transaction:
                        connection.execute("ROLLBACK")
                except sqlite3.Error:
                    self.close()  # what the record holds is unknown now; opening it again settles it
                raise

    def require_open(self) -> sqlite3.Connection:
        """The connection, or StoreError when it is closed."""
        if self._connection is None:
            raise StoreError(self._world, "the world is closed", "open it again")
        return self._connection

    def _select(self, query: str, *values: int) -> list[tuple[Any, ...]]:
        with self._guard:
            try:
                return self.require_open().execute(query, values).fetchall()
            except sqlite3.Error as error:
                raise translated(self._world, "read its record", error) from error


def _connect(world: Path, mode: str) -> sqlite3.Connection:
    """A connection without Python's own transactions; ``mode`` is SQLite's (ro, rw, rwc) plus parameters."""
    connection = sqlite3.connect(
        f"{(world / DATABASE).absolute().as_uri()}?mode={mode}",
        uri=True,
        timeout=_BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
    )
    try:
        connection.execute("PRAGMA trusted_schema=OFF")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _connect_reader(world: Path) -> sqlite3.Connection:
    connection = _connect(world, "ro")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        return connection
    except sqlite3.Error as error:
        connection.close()
        # A directory that we may not write to: SQLite can't make its shared-memory file there. Without a
        # write-ahead log (an empty one is a reader's trace) the database alone is the whole truth.
        log = world / f"{DATABASE}-wal"
        if not isinstance(error, sqlite3.OperationalError) or (log.exists() and log.stat().st_size):
            raise
        return _connect(world, "ro&immutable=1")


def _check_sound(world: Path, connection: sqlite3.Connection) -> None:
    """Raise FormatTooNew, WorldDamaged or WorldMissing unless there is a whole record of some known format."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > FORMAT:
        what = f"this world has {NewerFormat(version)}"
        raise FormatTooNew(world, what, "install a newer version of wonderzoom")
    if version <= 0:
        if any(world.glob("*/*.safetensors")):
            raise WorldDamaged(world, f"{DATABASE} is empty", _RESTORE)
        raise WorldMissing(world, "its creation was never finished", "create it again")
    if (verdict := connection.execute("PRAGMA quick_check(1)").fetchone()[0]) != "ok":
        raise WorldDamaged(world, f"{DATABASE} is damaged ({verdict})", _RESTORE)


def _read_header(world: Path, connection: sqlite3.Connection) -> WorldHeader:
    try:
        row = connection.execute("SELECT header, hash FROM header").fetchone()
        if row is None or content_hash(str(row[0]).encode()) != row[1]:
            raise WorldDamaged(world, "its header has changed", _RESTORE)
        return decode_header(str(row[0]))
    except NewerFormat as error:
        raise FormatTooNew(
            world, f"this world has {error}", "install a newer version of wonderzoom"
        ) from error
    except BadCommit as error:
        raise WorldDamaged(world, f"its header can't be read ({error})", _RESTORE) from error
