"""A world as it was: the log up to a revision, named and copied."""

from pathlib import Path

import pytest
from logs import zoom_log

from wonderzoom.scene_graph.branching import branch, log_hash
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import WorldDamaged, WorldExists
from wonderzoom.scene_graph.store_file import commit_file

COMMITS = 4


@pytest.fixture
def store(tmp_path: Path) -> WorldStore:
    world, log = zoom_log()
    assert len(log) == COMMITS
    with WorldStore.create(tmp_path / "w", world.header) as made:
        for commit in log:
            made.append(commit)
    return WorldStore.open(tmp_path / "w")


@pytest.mark.parametrize("until", range(COMMITS + 1))
def test_a_branch_is_the_world_as_it_was(store: WorldStore, tmp_path: Path, until: int) -> None:
    with store, branch(store, tmp_path / "b", until) as copy:
        assert copy.rows() == store.rows()[:until] and copy.writable
        assert copy.load().digest() == store.load(until=until).digest()
        assert log_hash(copy, until) == log_hash(store, until)


def test_another_log_has_another_name(store: WorldStore, tmp_path: Path) -> None:
    with store, WorldStore.create(tmp_path / "o", WorldHeader(metres_per_unit=2.0)) as other:
        names = {log_hash(store, until) for until in range(COMMITS + 1)} | {log_hash(other, 0)}
        assert len(names) == COMMITS + 2


def test_a_log_that_is_damaged_has_no_branch(store: WorldStore, tmp_path: Path) -> None:
    with store:
        commit_file(store.path, store.rows()[1]).write_bytes(b"nothing")
        with branch(store, tmp_path / "b", 1):
            pass
        with pytest.raises(WorldDamaged, match="revision 2"):
            branch(store, tmp_path / "c", 2)
        with pytest.raises(WorldExists):
            branch(store, tmp_path / "b", 1)
