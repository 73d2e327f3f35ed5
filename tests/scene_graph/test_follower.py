"""A follower is given every commit once, in order, whoever makes it and whenever the writer dies."""

import subprocess
import sys
import threading
from itertools import islice
from pathlib import Path

import pytest
from logs import same, simple_commit

from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.follower import Follower
from wonderzoom.scene_graph.store import WorldStore

SUPPORT = Path(__file__).resolve().parent.parent / "support"
ROWS = 20
APPEND = """
import sys
from logs import simple_commit
from wonderzoom.scene_graph.store import WorldStore
with WorldStore.open(sys.argv[1], write=True) as store:
    for _ in range(int(sys.argv[2])):
        store.append(simple_commit(store.revision + 1, int(sys.argv[3])))
    print("done", flush=True)
    if sys.argv[4:]:
        sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    WorldStore.create(tmp_path / "w", WorldHeader()).close()
    return tmp_path / "w"


def child(path: Path, commits: int, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", APPEND, str(path), str(commits), str(ROWS), *more],
        env={"PYTHONPATH": str(SUPPORT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def check(commits: list[Commit], first: int = 1) -> None:
    for revision, commit in enumerate(commits, first):
        assert same(commit, simple_commit(revision, ROWS))


def test_another_process_is_followed_live(path: Path) -> None:
    """Two readers that are there before the first commit, the writer in a process of its own."""
    with WorldStore.open(path) as store, WorldStore.open(path) as late, child(path, 25):
        check(list(islice(Follower(store), 25)))
        check(list(Follower(late, after=20).new()), first=21)


def test_nothing_is_lost_or_told_twice_when_the_writer_is_killed(path: Path) -> None:
    with WorldStore.open(path) as store:
        commits = iter(Follower(store))
        found: list[Commit] = []
        for _ in range(3):
            with child(path, 4, "wait") as writer:
                assert writer.stdout is not None and writer.stdout.readline() == "done\n"
                writer.kill()
            found += islice(commits, 4)
        check(found)


def test_new_commits_are_given_once_without_waiting(path: Path) -> None:
    with WorldStore.open(path, write=True) as writer, WorldStore.open(path) as store:
        for following in (Follower(store), Follower(writer)):
            first = writer.revision + 1
            following.revision = writer.revision
            assert list(following.new()) == []
            for revision in (first, first + 1):
                writer.append(simple_commit(revision, ROWS))
            check(list(following.new()), first)
            assert list(following.new()) == [] and following.revision == writer.revision


def test_what_was_not_taken_is_given_the_next_time(path: Path) -> None:
    with WorldStore.open(path, write=True) as writer, WorldStore.open(path) as store:
        for revision in (1, 2, 3):
            writer.append(simple_commit(revision, ROWS))
        following = Follower(store)
        check(list(islice(following.new(), 1)))
        check(list(following.new()), first=2)


def test_the_record_is_read_only_when_something_is_new(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorldStore.open(path, write=True) as writer, WorldStore.open(path) as store:
        following = Follower(store)
        list(following.new())
        reads: list[int] = []
        rows = store._record.rows
        monkeypatch.setattr(store._record, "rows", lambda *a: reads.append(1) or rows(*a))
        for _ in range(5):
            assert list(following.new()) == []
        assert reads == []
        writer.append(simple_commit(1, ROWS))
        assert len(list(following.new())) == 1 and reads == [1]


class Clock(threading.Event):
    """Ends the following after some waits."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.left, self.asked = waits, list[float | None]()

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout)
        self.left -= 1
        if not self.left:
            self.set()
        return self.is_set()


def test_between_two_looks_it_sleeps(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WorldStore.open(path) as store:
        following = Follower(store, every_s=0.5)
        following._stopped = clock = Clock(4)
        looks: list[int] = []
        monkeypatch.setattr(store, "changes", lambda: looks.append(1) or 7)
        assert list(following) == []
        assert clock.asked == [0.5] * 4 and len(looks) == 4


def test_stop_ends_it_from_another_thread(path: Path) -> None:
    with WorldStore.open(path, write=True) as writer, WorldStore.open(path) as store:
        following = Follower(store)
        found: list[Commit] = []
        thread = threading.Thread(target=lambda: found.extend(following))
        thread.start()
        writer.append(simple_commit(1, ROWS))
        following.stop()
        thread.join()
        following.stop()
        assert len(found) <= 1 and list(following) == []


def test_a_consumer_that_stops_it_gets_no_more(path: Path) -> None:
    with WorldStore.open(path, write=True) as writer, WorldStore.open(path) as store:
        for revision in (1, 2):
            writer.append(simple_commit(revision, ROWS))
        following = Follower(store)
        found: list[Commit] = []
        for commit in following:
            found.append(commit)
            following.stop()
        check(found)
        assert len(found) == 1
