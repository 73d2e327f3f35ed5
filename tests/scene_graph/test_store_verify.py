"""Verifying finds each byte that is not what was written, whether or not the world can be loaded."""

import hashlib
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from logs import simple_commit

from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_codec import encode_commit
from wonderzoom.scene_graph.store_errors import WorldDamaged, WorldMissing
from wonderzoom.scene_graph.store_verify import verify


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "w"
    with WorldStore.create(path, WorldHeader()) as store:
        for revision in (1, 2, 3):
            store.append(simple_commit(revision, 20))
    return path


def file_of(path: Path, revision: int) -> Path:
    (found,) = (path / "commits").glob(f"{revision:08d}-*.safetensors")
    return found


def execute(path: Path, statement: str, *values: object) -> None:
    connection = sqlite3.connect(path / "world.sqlite")
    connection.execute(statement, values)
    connection.commit()
    connection.close()


def test_a_whole_world_is_what_was_written(path: Path) -> None:
    size = sum(file.stat().st_size for file in (path / "commits").iterdir())
    found = verify(path)
    assert (found.commits, found.size, found.wrong, found.beside) == (3, size, (), ())
    with WorldStore.open(path, write=True):  # and while somebody writes
        assert verify(path) == found


def test_every_byte_counts(path: Path) -> None:
    file = file_of(path, 2)
    good = file.read_bytes()
    for at in range(0, len(good), 97):
        file.write_bytes(good[:at] + bytes([good[at] ^ 0x40]) + good[at + 1 :])
        assert verify(path).wrong == (f"{file.name}: its bytes have changed",)
    file.write_bytes(good)
    assert verify(path).wrong == ()


def cut(path: Path) -> None:
    file_of(path, 3).write_bytes(file_of(path, 3).read_bytes()[:-1])


def lose(path: Path) -> None:
    file_of(path, 1).unlink()


def lose_a_row(path: Path) -> None:
    execute(path, "DELETE FROM commits WHERE revision = 2")


def swap_outlines(path: Path) -> None:
    execute(path, "UPDATE commits SET outline = (SELECT outline FROM commits WHERE revision = 1)")


def put(path: Path, data: bytes) -> None:
    """A file of revision 2 with a right checksum."""
    digest = hashlib.blake2b(data, digest_size=16).hexdigest()
    file_of(path, 2).rename(path / "commits" / f"00000002-{digest}.safetensors")
    file_of(path, 2).write_bytes(data)
    execute(path, "UPDATE commits SET hash = ?, bytes = ? WHERE revision = 2", digest, len(data))


def wrong_revision(path: Path) -> None:
    put(path, encode_commit(replace(simple_commit(2, 20), revision=9)))


def repainted(path: Path) -> None:
    commit: Commit = simple_commit(2, 20)
    block = commit.blocks[0]
    painted = replace(block, columns=replace(block.surfels, colors=255 - block.surfels.colors))
    put(path, encode_commit(replace(commit, blocks=(painted,))))  # with the old hash


def nonsense(path: Path) -> None:
    put(path, b"\0" * 100)


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (cut, "bytes instead of"),
        (lose, "it can't be read: No such file or directory"),
        (lose_a_row, "revision 2 is missing before revision 3"),
        (swap_outlines, "tells of other nodes than the file holds"),
        (wrong_revision, "it says that it is revision 9"),
        (repainted, "does not have its hash"),
        (nonsense, "it makes no sense, though its checksum is right"),
    ],
)
def test_what_differs_is_named(path: Path, harm: Callable[[Path], None], words: str) -> None:
    harm(path)
    assert any(words in line for line in verify(path).wrong)


def test_files_of_others_are_no_harm(path: Path) -> None:
    (path / "commits" / "notes.txt").write_text("mine")
    found = verify(path)
    assert found.wrong == () and found.beside == ("notes.txt",)
    assert (path / "commits" / "notes.txt").exists()


def test_a_world_that_is_not_there_or_has_no_record_is_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(WorldMissing):
        verify(tmp_path / "nowhere")
    for file in path.glob("world.sqlite*"):
        file.unlink()
    with pytest.raises(WorldDamaged):
        verify(path)
