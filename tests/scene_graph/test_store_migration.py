"""Older formats open, newer ones are told; a migration is done wholly or not at all."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from logs import same, simple_commit

from wonderzoom.scene_graph import store_codec, store_migration, store_record
from wonderzoom.scene_graph.commit import FORMAT, WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_codec import decode_commit, encode_commit
from wonderzoom.scene_graph.store_errors import FormatTooNew, FormatTooOld, StoreError
from wonderzoom.scene_graph.store_migration import Content, migrate_record, upgraded

NEXT = FORMAT + 1


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "w"
    with WorldStore.create(path, WorldHeader()) as store:
        store.append(simple_commit(1, 20))
    return path


def add_column(connection: sqlite3.Connection) -> None:
    connection.execute("ALTER TABLE commits ADD COLUMN mood TEXT NOT NULL DEFAULT 'calm'")


def as_it_is(content: Content) -> Content:
    return content


@pytest.fixture
def newer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program of the next format, which has a column more; the world of ``path`` is older."""
    assert path.exists()
    monkeypatch.setattr(store_record, "FORMAT", NEXT)
    monkeypatch.setattr(store_codec, "FORMAT", NEXT)
    monkeypatch.setitem(store_migration.RECORD_STEPS, FORMAT, add_column)
    monkeypatch.setitem(store_migration.FILE_STEPS, FORMAT, as_it_is)


def look(path: Path) -> tuple[int, list[str]]:
    """The format and the columns of a record."""
    connection = sqlite3.connect(path / "world.sqlite")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    columns = [row[1] for row in connection.execute("PRAGMA table_info(commits)")]
    connection.close()
    return version, columns


def test_there_is_a_step_from_every_older_format() -> None:
    older = set(range(1, FORMAT))
    assert set(store_migration.RECORD_STEPS) == older and set(store_migration.FILE_STEPS) == older


@pytest.mark.usefixtures("newer")
def test_a_writer_brings_an_older_world_up_to_date(path: Path) -> None:
    files = sorted(file.name for file in (path / "commits").iterdir())
    with WorldStore.open(path, write=True) as store:
        assert same(next(store.commits()), simple_commit(1, 20))
        store.append(simple_commit(2, 20))
    version, columns = look(path)
    assert version == NEXT and "mood" in columns
    assert files[0] in {file.name for file in (path / "commits").iterdir()}  # as it was
    with WorldStore.open(path, write=True) as store:
        assert len(list(store.commits())) == 2


@pytest.mark.usefixtures("newer")
def test_a_reader_opens_an_older_world_and_changes_nothing(path: Path) -> None:
    with WorldStore.open(path) as store:
        assert same(tuple(store.commits()), (simple_commit(1, 20),)) and store.damaged == {}
    version, columns = look(path)
    assert version == FORMAT and "mood" not in columns


def test_what_an_older_program_is_told_of_a_newer_world(path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_record, "FORMAT", NEXT)
        patch.setitem(store_migration.RECORD_STEPS, FORMAT, add_column)
        WorldStore.open(path, write=True).close()
    for write in (False, True):
        with pytest.raises(FormatTooNew, match=f"format {NEXT}, this version knows formats up to {FORMAT}"):
            WorldStore.open(path, write=write)


def test_a_way_that_is_missing_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_record, "FORMAT", NEXT + 1)
    monkeypatch.setitem(store_migration.RECORD_STEPS, FORMAT, add_column)
    for write in (False, True):
        with pytest.raises(FormatTooOld, match=f"nothing here brings format {NEXT} to the next"):
            WorldStore.open(path, write=write)
    assert look(path)[0] == FORMAT


def test_a_step_that_fails_leaves_the_older_format(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM commits")
        connection.execute("UPDATE nowhere SET a = 1")

    monkeypatch.setattr(store_record, "FORMAT", NEXT + 1)
    monkeypatch.setitem(store_migration.RECORD_STEPS, FORMAT, add_column)
    monkeypatch.setitem(store_migration.RECORD_STEPS, NEXT, fail)
    for write in (False, True):
        with pytest.raises(StoreError, match="no such table"):
            WorldStore.open(path, write=write)
    version, columns = look(path)
    assert version == FORMAT and "mood" not in columns
    monkeypatch.undo()
    with WorldStore.open(path, write=True) as store:
        assert store.revision == 1


KILLED = """
import os, signal, sys
from wonderzoom.scene_graph import store_migration, store_record
from wonderzoom.scene_graph.store import WorldStore
def step(connection):
    connection.execute("DELETE FROM commits")
    os.kill(os.getpid(), signal.SIGKILL)
store_record.FORMAT += 1
store_migration.RECORD_STEPS[store_record.FORMAT - 1] = step
WorldStore.open(sys.argv[1], write=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is POSIX")
def test_a_process_killed_in_a_step_leaves_the_older_format(path: Path) -> None:
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False).returncode == -9
    with WorldStore.open(path, write=True) as store:
        assert same(tuple(store.commits()), (simple_commit(1, 20),))
    assert look(path)[0] == FORMAT


def test_a_second_process_that_waited_does_nothing_twice(path: Path) -> None:
    connection = sqlite3.connect(path / "world.sqlite", isolation_level=None)
    migrate_record(path, connection, NEXT, {FORMAT: add_column})
    migrate_record(path, connection, NEXT, {})  # nothing left to do, no step needed
    connection.close()
    assert look(path)[1].count("mood") == 1


def test_files_go_through_every_step_and_unknown_formats_are_refused() -> None:
    def renamed(content: Content) -> Content:
        tensors, manifest = content
        return tensors, {"new name": manifest["old name"]}

    def doubled(content: Content) -> Content:
        tensors, manifest = content
        return tensors, {"new name": 2 * manifest["new name"]}

    steps = {1: renamed, 2: doubled}
    assert upgraded(({}, {"old name": 4}), 1, 3, steps) == ({}, {"new name": 8})
    assert upgraded(({}, {"new name": 4}), 3, 3, steps) == ({}, {"new name": 4})
    with pytest.raises(ValueError, match="nothing here reads a file of format 0"):
        upgraded(({}, {}), 0, 3, steps)


@pytest.mark.usefixtures("newer")
def test_an_older_file_is_read_through_its_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store_codec, "FORMAT", FORMAT)
        data = encode_commit(simple_commit(1, 20))

    def emptied(content: Content) -> Content:
        tensors, manifest = content
        return tensors, manifest | {"removed": ["by the step"]}

    monkeypatch.setitem(store_migration.FILE_STEPS, FORMAT, emptied)
    assert decode_commit(data).removed == ("by the step",)
    assert decode_commit(encode_commit(simple_commit(1, 20))).removed == ()
