"""Law 12 as a property: an append that is cut short at any byte, of its file or of the record's log."""

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import strategies as st
from laws import law
from logs import same, simple_commit

from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_record import DATABASE

ACKNOWLEDGED, ROWS = 3, 40
WAL = f"{DATABASE}-wal"


@dataclass(frozen=True)
class Moments:
    """What is on the disk while a writer lives: before an append and when it is acknowledged."""

    before: Path
    after: Path

    @property
    def new_file(self) -> Path:
        """The commit file that the append has made."""
        old = {path.name for path in (self.before / "commits").iterdir()}
        (new,) = (path for path in (self.after / "commits").iterdir() if path.name not in old)
        return new


@pytest.fixture(scope="module")
def moments(tmp_path_factory: pytest.TempPathFactory) -> Moments:
    folder = tmp_path_factory.mktemp("cut")
    found = Moments(folder / "before", folder / "after")
    with WorldStore.create(folder / "world", WorldHeader()) as store:
        for revision in range(1, ACKNOWLEDGED + 1):
            store.append(simple_commit(revision, ROWS))
        shutil.copytree(folder / "world", found.before)
        store.append(simple_commit(ACKNOWLEDGED + 1, ROWS))
        shutil.copytree(folder / "world", found.after)
    return found


def reopened(path: Path) -> int:
    """The revision of a world that was cut short; all its commits are whole, and it goes on."""
    with WorldStore.open(path, write=True) as store:
        revision = store.revision
        assert store.damaged == {}
        for number, commit in enumerate(store.commits(), start=1):
            assert same(commit, simple_commit(number, ROWS))
        assert len(list((path / "commits").iterdir())) == revision
        store.append(simple_commit(revision + 1, ROWS))
        assert store.revision == revision + 1
    return revision


@law(st.floats(0.0, 1.0), st.booleans(), examples=12)
def test_law_12_a_file_cut_at_any_byte_is_no_commit(moments: Moments, share: float, named: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        shutil.copytree(moments.before, path)
        data, name = moments.new_file.read_bytes(), moments.new_file.name
        # A name is given only to what is whole and synced.
        cut = data if named else data[: round(share * len(data))]
        (path / "commits" / (name if named else f"{name}.tmp")).write_bytes(cut)
        assert reopened(path) == ACKNOWLEDGED


@law(st.floats(0.0, 1.0), examples=12)
def test_law_12_a_record_cut_at_any_byte_has_what_was_acknowledged(moments: Moments, share: float) -> None:
    old, new = ((there / WAL).read_bytes() for there in (moments.before, moments.after))
    assert new.startswith(old) and len(new) > len(old)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "w"
        shutil.copytree(moments.after, path)
        (path / WAL).write_bytes(new[: len(old) + round(share * (len(new) - len(old)))])
        (path / f"{DATABASE}-shm").unlink(missing_ok=True)  # memory of the process that is gone
        revision = reopened(path)
        assert revision in (ACKNOWLEDGED, ACKNOWLEDGED + 1)
        assert share < 1.0 or revision == ACKNOWLEDGED + 1
