"""Older formats: what brings a record, and a commit's file, from each format to the next.

A world says its format in three places: the record (``PRAGMA user_version``), each commit's file, the header.
A newer one is refused (FormatTooNew): what this version does not know it must not write to. An older one opens:

* A *record* is brought up to date when a writer opens it, all steps in one transaction: a crash leaves the old
  format or the new one, and the program that wrote the old one refuses the new one. A reader, who may not write,
  does the same to a copy in memory: it sees the world as it was when it opened it.
* A *file* never changes, and its hash is in the record; what is read from it is brought up to date each time.
* The *header* is part of what a world is (its digest) and stays as it is; the program reads all its versions.

Whoever raises ``commit.FORMAT`` adds a step to both tables; a test counts them. There is one format so far.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wonderzoom.scene_graph.store_errors import FormatTooOld

Content = tuple[dict[str, Any], dict[str, Any]]  # tensors and manifest of a commit's file

# From the format that is the key to the next one.
RECORD_STEPS: dict[int, Callable[[sqlite3.Connection], None]] = {}
FILE_STEPS: dict[int, Callable[[Content], Content]] = {}


def migrate_record(
    world: Path,
    connection: sqlite3.Connection,
    wanted: int,
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = RECORD_STEPS,
) -> None:
    """Bring the record behind ``connection`` to format ``wanted``, wholly or not at all.

    Raises FormatTooOld where a step is missing, and sqlite3.Error.
    """
    found = _version(connection)
    if found == wanted:
        return
    if missing := [version for version in range(found, wanted) if version not in steps]:
        what = f"this world has format {found}, and nothing here brings format {missing[0]} to the next"
        raise FormatTooOld(world, what, "open it with an older version of wonderzoom")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again: another process may have done the same while this one waited.
        for version in range(_version(connection), wanted):
            steps[version](connection)
            connection.execute(f"PRAGMA user_version={version + 1}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def migrated_copy(
    world: Path,
    connection: sqlite3.Connection,
    wanted: int,
    steps: Mapping[int, Callable[[sqlite3.Connection], None]] = RECORD_STEPS,
) -> sqlite3.Connection:
    """A copy of a record in memory, at format ``wanted``; raises as ``migrate_record``."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    try:
        copy.execute("PRAGMA trusted_schema=OFF")
        connection.backup(copy)
        migrate_record(world, copy, wanted, steps)
    except BaseException:
        copy.close()
        raise
    return copy


def upgraded(
    content: Content,
    found: int,
    wanted: int,
    steps: Mapping[int, Callable[[Content], Content]] = FILE_STEPS,
) -> Content:
    """The content of a commit's file of format ``found`` as one of format ``wanted``; ValueError: no such format."""
    for version in range(found, wanted):
        if version not in steps:
            raise ValueError(f"nothing here reads a file of format {version}")
        content = steps[version](content)
    return content


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])
