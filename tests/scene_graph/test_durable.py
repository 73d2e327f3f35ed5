"""Durable files: whole or not there, synced in the right order; one lock, which ends with its process.

What the store makes of them after crashes and on full disks is tested in tests/faults.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from wonderzoom.scene_graph import durable
from wonderzoom.scene_graph.durable import WriterLock, sync_directory, write_durably, written_durably
from wonderzoom.scene_graph.store_errors import StoreError, WorldLocked, WorldReadOnly


def test_a_file_is_written_or_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for data in (b"", b"one", b"another, longer one", b"x" * 100_000):
        write_durably(path, data)
        assert path.read_bytes() == data
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_bytes_are_synced_before_the_name_and_the_directory_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is the whole point: a name that is durable before its bytes is an empty file after a crash."""
    calls: list[str] = []
    opened: dict[int, str] = {}

    def watched(name: str, say: Callable[..., str]) -> None:
        real = getattr(os, name)

        def call(*arguments: Any, **keywords: Any) -> Any:
            calls.append(say(*arguments))
            result = real(*arguments, **keywords)
            if name == "open":
                opened[result] = Path(arguments[0]).name
            return result

        monkeypatch.setattr(durable.os, name, call)

    watched("open", lambda path, *_: f"open {Path(path).name}")
    watched("write", lambda descriptor, data: f"write {opened[descriptor]}")
    watched("fsync", lambda descriptor: f"sync {opened[descriptor]}")
    watched("replace", lambda a, b: f"rename {Path(a).name} {Path(b).name}")
    write_durably(tmp_path / "a", b"data")
    directory = tmp_path.name
    assert calls == [
        "open a.tmp",
        "write a.tmp",
        "sync a.tmp",
        "rename a.tmp a",
        f"open {directory}",
        f"sync {directory}",
    ]


@pytest.mark.parametrize("step", ["write", "fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    write_durably(tmp_path / "a", b"old")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, step, fail)
        with pytest.raises(OSError, match="No space left"):
            write_durably(tmp_path / "a", b"new")
    assert {entry.name: entry.read_bytes() for entry in tmp_path.iterdir()} == {"a": b"old"}
    write_durably(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"new"


def test_a_file_can_be_written_in_parts(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with written_durably(path) as file:
        for part in (b"one", b"", memoryview(b"two")):
            file.write(part)
        assert file.tell() == 6 and path.read_bytes() == b"old"
    assert path.read_bytes() == b"onetwo"
    with pytest.raises(ZeroDivisionError), written_durably(path) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert path.read_bytes() == b"onetwo" and [entry.name for entry in tmp_path.iterdir()] == ["a"]


def test_an_interrupt_cleans_up_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(durable.os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_durably(tmp_path / "a", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_is_gone_can_not_be_synced(tmp_path: Path) -> None:
    sync_directory(tmp_path)
    if sys.platform != "win32":
        with pytest.raises(FileNotFoundError):
            sync_directory(tmp_path / "gone")


# ---- the lock -----------------------------------------------------------------------------------------
def test_one_writer_at_a_time_and_the_next_after_it(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first = WriterLock(path, tmp_path)
    with pytest.raises(WorldLocked, match=f"process {os.getpid()} is writing") as caught:
        WriterLock(path, tmp_path)
    assert caught.value.retryable and caught.value.path == tmp_path
    first.release()
    first.release()
    second = WriterLock(path, tmp_path)
    assert path.read_text() == f"{os.getpid()}\n"
    second.release()
    assert path.exists()  # without it two processes could lock two files of one name


def test_a_lock_ends_with_its_process(tmp_path: Path) -> None:
    """However that ends: the file it leaves behind names a process that is gone, and locks nothing."""
    code = (
        "import os, sys; from pathlib import Path; from wonderzoom.scene_graph.durable import WriterLock\n"
        "lock = WriterLock(Path(sys.argv[1]), Path('.')); print('held', flush=True); sys.stdin.read(1); os._exit(9)"
    )
    path = tmp_path / "lock"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([sys.executable, "-c", code, str(path)], **pipes) as holder:  # type: ignore[call-overload]
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(WorldLocked, match=f"process {holder.pid} is writing"):
            WriterLock(path, tmp_path)
        holder.communicate("x")
    assert holder.returncode == 9
    assert path.read_text() == f"{holder.pid}\n"
    WriterLock(path, tmp_path).release()


def test_a_longer_number_of_a_former_holder_is_no_part_of_the_new_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    path.write_text("99999999999999\n")
    lock = WriterLock(path, tmp_path)
    assert path.read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_lock_without_a_place_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="could not open its lock file: No such file"):
        WriterLock(tmp_path / "gone" / "lock", tmp_path)


def test_a_lock_that_may_not_be_made_is_a_read_only_world(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: Any) -> int:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(durable.os, "open", forbidden)
    with pytest.raises(WorldReadOnly, match="check the permissions"):
        WriterLock(tmp_path / "lock", tmp_path)


def test_a_lock_that_fails_half_way_holds_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(durable.os, "ftruncate", full)
        with pytest.raises(StoreError, match="could not lock it for writing"):
            WriterLock(tmp_path / "lock", tmp_path)
    WriterLock(tmp_path / "lock", tmp_path).release()
