"""Writes a recording while a server runs, and never keeps it waiting.

Records are encoded by whoever has something to say, and collected; a thread appends what came within BATCH_S as one
portion, and syncs the file now and then. A disk that is full, broken or too slow stops the recording, with one line in
the log and the file whole up to there: the server goes on.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable
from io import FileIO
from pathlib import Path

from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.recording import AnyRecord, Start, encode, opening, portion

log = logging.getLogger(__name__)

BATCH_S = 0.25  # what a crash of the program may lose
SYNC_EVERY = 20  # portions: what a power cut may lose is five seconds
MOST_WAITING = 8 << 20  # bytes that the disk has not taken: a minute of 32 people who all move
MOST_BYTES = 4 << 30  # of a file: weeks of one person, half a day of 32 who never stand still


class CannotRecord(CommandError):
    """The file can't be made."""


class Recorder:
    """One file. ``put`` is for any thread; ``close`` at the end."""

    def __init__(self, path: Path, start: Start, clock: Callable[[], float]) -> None:
        """``clock``: seconds that only grow. Raises CannotRecord: no file is written over."""
        check_new(path)
        self.path, self._clock = path, clock
        try:
            self._file = FileIO(path, "xb")
            self._size = _append(self._file, opening(start))
        except OSError as error:
            raise CannotRecord(f"{path}: can't record there: {error.strerror or error}") from error
        self._began = clock()
        self._guard = threading.Lock()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._sessions = 0
        self.stopped = ""  # why nothing more is recorded; empty: it is
        self._closing = threading.Event()
        self._some = threading.Event()
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)
        self._thread.start()

    def new_session(self) -> int:
        """The number of one more session."""
        with self._guard:
            self._sessions += 1
            return self._sessions

    def put(self, make: Callable[[int], AnyRecord]) -> None:
        """Record what ``make`` makes of the time now, after all that was put before."""
        with self._guard:
            if self.stopped:
                return
            data = encode(make(round(1e6 * (self._clock() - self._began))))
            self._waiting.append(data)
            self._waiting_bytes += len(data)
            slow = self._waiting_bytes > MOST_WAITING
        if slow:
            self.stop("the disk is too slow")
        self._some.set()

    def stop(self, why: str) -> None:
        """Record nothing more, from any thread; the file is whole up to what was written."""
        with self._guard:
            if self.stopped:
                return
            self.stopped = why
            self._waiting, self._waiting_bytes = [], 0
        log.error("%s: the recording ends here: %s. The server goes on", self.path, why)

    def close(self) -> None:
        """Write what is left, durably. May be called twice."""
        self._closing.set()
        self._some.set()
        self._thread.join()

    # ---- in a thread ----------------------------------------------------------------------------
    def _write(self) -> None:
        portions = 0
        while True:
            self._some.wait()
            last = self._closing.wait(BATCH_S)
            self._some.clear()
            with self._guard:
                batch, self._waiting, self._waiting_bytes = self._waiting, [], 0
            try:
                if batch and not self.stopped:
                    self._append(portion(batch))
                    portions += 1
                if last or portions % SYNC_EVERY == 0:
                    os.fsync(self._file.fileno())
            except OSError as error:
                self.stop(str(error.strerror or error))
            if last:
                self._file.close()
                return

    def _append(self, data: bytes) -> None:
        if self._size + len(data) > MOST_BYTES:
            self.stop(f"the file has reached {MOST_BYTES >> 30} GB")
            return
        try:
            self._size += _append(self._file, data)
        except OSError:
            self._file.truncate(self._size)  # what is whole stays so
            raise


def check_new(path: Path) -> None:
    """Raise CannotRecord now for what would fail once a server has begun."""
    if path.exists():
        raise CannotRecord(
            f"{path}: there is something already; no recording is written over, give another name"
        )
    if not path.absolute().parent.is_dir():
        raise CannotRecord(
            f"{path}: there is no folder {path.absolute().parent}; make it, or record elsewhere"
        )


def _append(file: FileIO, data: bytes) -> int:
    """Write all of it; how many bytes that are. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) :]
    return len(data)
