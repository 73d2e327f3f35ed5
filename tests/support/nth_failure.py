"""A disk whose n-th system call fails, or whose n-th statement of SQLite."""

import errno
import os
import sqlite3
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from wonderzoom.scene_graph import store_record

CALLS = ("open", "write", "fsync", "replace", "ftruncate")
MOST_CALLS = 200  # far more than an append makes: the loop over n must end by itself


class Faults:
    """Counts the calls that may fail, and fails the n-th."""

    def __init__(self, nth: int, number: int, short_writes: bool = False) -> None:
        self.nth, self.number, self.short_writes = nth, number, short_writes
        self.calls = 0
        self.happened = ""

    def strike(self, name: str) -> bool:
        self.calls += 1
        if self.calls != self.nth:
            return False
        self.happened = name
        return True

    def system_call(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keywords: Any) -> Any:
            if self.strike(name):
                if name == "write":  # a disk fills in the middle of a write
                    real(arguments[0], bytes(arguments[1])[: len(arguments[1]) // 2])
                raise OSError(self.number, os.strerror(self.number))
            if name == "write" and self.short_writes:
                return real(arguments[0], bytes(arguments[1])[:1000])
            return real(*arguments, **keywords)

        return call

    def connection(self) -> type[sqlite3.Connection]:
        faults = self

        class Failing(sqlite3.Connection):
            def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:  # type: ignore[override]
                if faults.strike(sql.split(" (")[0][:30]):
                    full = faults.number == errno.ENOSPC
                    error = sqlite3.OperationalError("database or disk is full" if full else "disk I/O error")
                    error.sqlite_errorcode = sqlite3.SQLITE_FULL if full else sqlite3.SQLITE_IOERR
                    raise error
                return super().execute(sql, *arguments)

        return Failing


@contextmanager
def failing(nth: int, number: int, short_writes: bool = False) -> Generator[Faults, None, None]:
    faults = Faults(nth, number, short_writes)
    factory, connect = faults.connection(), sqlite3.connect
    with pytest.MonkeyPatch.context() as patch:
        for name in CALLS:
            patch.setattr(os, name, faults.system_call(name, getattr(os, name)))
        patch.setattr(store_record.sqlite3, "connect", lambda *a, **k: connect(*a, **k, factory=factory))
        yield faults
