"""What can go wrong with a world on disk: one error tree, one clear line each.

    StoreError            an operation of the system failed (the line says which one and why)
    ├── WorldMissing      there is no world at this path
    ├── WorldExists       something is at this path already
    ├── WorldLocked       another process writes to this world (retryable)
    ├── WorldDamaged      the commit record can't be trusted; nothing was changed
    ├── WorldReadOnly     opened for reading, or the file system forbids writing
    ├── FormatTooNew      written by a newer version of the program
    ├── FormatTooOld      written by a version too old for this one to bring up to date
    ├── RevisionMismatch  a commit that does not follow the last one
    ├── ArchiveDamaged    a file that is no archive of a world, or no longer
    └── NoSpace           the disk is full (retryable: nothing acknowledged is lost)

An error says *where* (the path), *what*, and what to do (*hint*).
"""

from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

# EFBIG: a file-size limit of the process (ulimit -f) is a full disk to whoever runs into it.
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


class StoreError(Exception):
    """An operation on a world's directory failed."""

    retryable = False  # the same call may succeed later without a change of its arguments

    def __init__(self, path: Path | str, what: str, hint: str) -> None:
        super().__init__(path, what, hint)
        self.path = Path(path)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        line = f"{self.path}: {self.what}; {self.hint}"
        return " ".join(line.splitlines())  # SQLite's own words may take several


class WorldMissing(StoreError):
    """There is no world at this path."""


class WorldExists(StoreError):
    """Something is at this path already."""


class WorldLocked(StoreError):
    """Another process writes to this world."""

    retryable = True


class WorldDamaged(StoreError):
    """The commit record can't be trusted."""


class WorldReadOnly(StoreError):
    """Opened for reading, or the file system forbids writing."""


class FormatTooNew(StoreError):
    """Written by a newer version of the program."""


class FormatTooOld(StoreError):
    """Written by a version of the program that this one has no way from."""


class RevisionMismatch(StoreError):
    """A commit that does not follow the last one."""


class ArchiveDamaged(StoreError):
    """A file that is no archive of a world, or no longer."""


class NoSpace(StoreError):
    """The disk is full."""

    retryable = True


def translated(path: Path, doing: str, error: OSError | sqlite3.Error) -> StoreError:
    """The error of our tree for an error of the system, met while ``doing`` something with ``path``."""
    if isinstance(error, OSError):
        reason = error.strerror or str(error)
        full, forbidden = error.errno in _FULL, error.errno in _FORBIDDEN
        damaged = busy = False
    else:
        reason = str(error)
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte: extended codes refine it
        full = code == sqlite3.SQLITE_FULL
        forbidden = code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)
        damaged = code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
        busy = code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    what = f"could not {doing}: {reason}"
    if full:
        return NoSpace(path, what, "free some space and try again; every commit acknowledged before is safe")
    if forbidden:
        return WorldReadOnly(
            path, what, "check the permissions of the directory, or copy the world elsewhere"
        )
    if damaged:
        return WorldDamaged(path, what, "restore world.sqlite from a backup; the commit files are untouched")
    if busy:
        return WorldLocked(path, what, "another program uses its database; try again when it is done")
    return StoreError(path, what, "check the disk and open the world again; acknowledged commits are safe")
