"""Every system call that a store makes may fail: whichever does, what was acknowledged stays, whole.

Law 12 again, with a disk that says EIO or ENOSPC instead of a process that dies.
"""

import errno
from pathlib import Path

import pytest
from logs import same, simple_commit
from nth_failure import MOST_CALLS, failing

from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import NoSpace, StoreError


def check_whole(path: Path, at_least: int, at_most: int) -> int:
    """Reopen: every acknowledged commit is there, nothing is partial, the next append works."""
    with WorldStore.open(path, write=True) as store:
        revision = store.revision
        assert at_least <= revision <= at_most
        for number, commit in enumerate(store.commits(), start=1):
            assert same(commit, simple_commit(number))
        assert store.damaged == {}
        assert len(list((path / "commits").iterdir())) == revision
        store.append(simple_commit(revision + 1))
    return revision


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_every_failure_while_opening_and_appending(tmp_path: Path, number: int) -> None:
    struck: list[str] = []
    for nth in range(1, MOST_CALLS):
        path = tmp_path / f"w{nth}"
        with WorldStore.create(path, WorldHeader()) as store:
            store.append(simple_commit(1))
        acknowledged = 1
        with failing(nth, number) as faults:
            try:
                with WorldStore.open(path, write=True) as store:
                    for revision in (2, 3):
                        store.append(simple_commit(revision))
                        acknowledged = revision
            except StoreError as error:
                assert isinstance(error, NoSpace) == (number == errno.ENOSPC)
                assert str(path) in str(error) and "\n" not in str(error)
            else:
                assert not faults.happened, f"a failing {faults.happened} went unnoticed"
        if not faults.happened:
            break
        struck.append(faults.happened)
        check_whole(path, acknowledged, acknowledged + 1)
    else:
        pytest.fail("the faults never ended")
    assert {"open", "write", "fsync", "replace", "COMMIT", "BEGIN IMMEDIATE", "INSERT INTO commits"} <= set(
        struck
    )


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_an_open_store_goes_on_after_a_failed_append(tmp_path: Path, number: int) -> None:
    path = tmp_path / "w"
    WorldStore.create(path, WorldHeader()).close()
    revision = 1
    for nth in range(1, MOST_CALLS):
        with failing(MOST_CALLS, number) as faults, WorldStore.open(path, write=True) as store:
            faults.nth = faults.calls + nth
            try:
                store.append(simple_commit(revision))
            except StoreError:
                assert store.revision == revision - 1
                assert len(list(store.commits())) == revision - 1
                store.append(simple_commit(revision))
            assert store.revision == revision
            revision += 1
            done = not faults.happened
        if done:
            break
    assert revision > 8
    check_whole(path, revision - 1, revision - 1)


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_every_failure_while_creating(tmp_path: Path, number: int) -> None:
    for nth in range(1, MOST_CALLS):
        path = tmp_path / f"w{nth}"
        with failing(nth, number) as faults:
            try:
                WorldStore.create(path, WorldHeader()).close()
            except StoreError as error:
                assert "\n" not in str(error)
        if not faults.happened:
            break
        try:
            WorldStore.create(path, WorldHeader()).close()
        except StoreError as error:
            assert "there is a world here already" in str(error)
        check_whole(path, 0, 0)
    else:
        pytest.fail("the faults never ended")


def test_short_writes_are_continued(tmp_path: Path) -> None:
    with failing(0, errno.EIO, short_writes=True), WorldStore.create(tmp_path / "w", WorldHeader()) as store:
        store.append(simple_commit(1))
    check_whole(tmp_path / "w", 1, 1)


def test_a_failed_write_gives_its_space_back(tmp_path: Path) -> None:
    with WorldStore.create(tmp_path / "w", WorldHeader()) as store:
        with failing(MOST_CALLS, errno.ENOSPC) as faults:
            faults.nth = faults.calls + 2  # the write of the file
            with pytest.raises(NoSpace, match="No space left on device; free some space and try again"):
                store.append(simple_commit(1))
        assert list((tmp_path / "w" / "commits").iterdir()) == []
        store.append(simple_commit(1))
