"""Files that survive a power cut, and the lock that lets one process write: all the store asks of the system.

A file is durable when its bytes are synced *before* it gets its name, and the directory that holds
the name is synced after: otherwise a journal may keep the name and lose the bytes (measured on ext4:
779 of 779 files empty). Operating systems differ here, so this is the only file of the scene graph
that asks which one it runs on.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from wonderzoom.scene_graph.store_errors import WorldLocked, translated

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        # One byte far beyond the text, as Windows keeps others from reading a locked range.
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


class DurableWriter(io.RawIOBase):
    """What a file in the making takes; each write is whole or raises."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor, self._written = descriptor, 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._written

    def write(self, data: Any, /) -> int:
        """Write all of ``data``; how many bytes that are. Raises OSError."""
        whole = memoryview(data).cast("B")
        rest = whole
        while rest:  # one write() stores 2 GiB at most
            rest = rest[os.write(self._descriptor, rest) :]
        self._written += len(whole)
        return len(whole)


@contextmanager
def written_durably(path: Path) -> Generator[DurableWriter]:
    """A file to write in parts: it gets its name, whole and durable, if the block ends without an error.

    Raises OSError.
    """
    temporary = path.with_name(path.name + ".tmp")
    try:
        descriptor = os.open(
            temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0), 0o644
        )
        try:
            yield DurableWriter(descriptor)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, path)
        sync_directory(path.parent)
    except BaseException:
        # Also gives the space of a half-written file back when the disk is full.
        temporary.unlink(missing_ok=True)
        raise


def write_durably(path: Path, data: bytes) -> None:
    """Create or replace ``path`` with ``data``, whole or not at all; durable on return. Raises OSError."""
    with written_durably(path) as file:
        file.write(data)


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable (Windows has no such call and does it with the file)."""
    if sys.platform == "win32":
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class WriterLock:
    """An exclusive lock of the operating system: it ends with its process, however that ends."""

    def __init__(self, path: Path, world: Path) -> None:
        """Take the lock or raise WorldLocked, which names the holder; ``path`` is the lock's file."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise translated(world, "open its lock file", error) from error
        try:
            _take(descriptor)
            # Who holds it is told by the file's text; that it is held, by the operating system alone.
            os.ftruncate(descriptor, 0)
            os.lseek(descriptor, 0, os.SEEK_SET)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        except (BlockingIOError, PermissionError):
            os.lseek(descriptor, 0, os.SEEK_SET)
            holder = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
            os.close(descriptor)
            raise WorldLocked(
                world,
                f"process {holder} is writing to this world",
                "wait for it, stop it, or open to read only",
            ) from None
        except OSError as error:
            os.close(descriptor)
            raise translated(world, "lock it for writing", error) from error
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        """Let others write. The file stays: without it two processes could lock two files of one name."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
