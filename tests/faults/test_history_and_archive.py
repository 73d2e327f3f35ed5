"""Undo, redo, pack and unpack on a disk that fails, and in a process that dies: what was there stays, whole.

Law 12 for what is more than an append. The faults are those of ``test_nth_failure``.
"""

import errno
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from logs import zoom_log
from nth_failure import MOST_CALLS, failing

from wonderzoom.scene_graph.archive import pack, unpack
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import NoSpace, StoreError
from wonderzoom.scene_graph.store_verify import verify
from wonderzoom.scene_graph.undo import NothingToRedo, NothingToUndo, propose_redo, propose_undo
from wonderzoom.scene_graph.world import World

SUPPORT = Path(__file__).resolve().parent.parent / "support"
BOTH = pytest.mark.parametrize("number", [errno.EIO, pytest.param(errno.ENOSPC, marks=pytest.mark.slow)])


@pytest.fixture(scope="module")
def log() -> list[Commit]:
    return zoom_log(1)[1]


def make(path: Path, log: list[Commit]) -> Path:
    with WorldStore.create(path, zoom_log(0)[0].header) as store:
        for commit in log:
            store.append(commit)
    return path


def digest_of(path: Path) -> str:
    with WorldStore.open(path) as store:
        assert store.damaged == {}
        return store.load().digest()


def every_failure(number: int, attempt: Callable[[int], object], after: Callable[[int, bool], None]) -> None:
    """``attempt`` with the n-th call failing, for every n; ``after`` is told whether it has said so."""
    struck: set[str] = set()
    for nth in range(1, MOST_CALLS):
        failed = False
        with failing(nth, number) as faults:
            try:
                attempt(nth)
            except StoreError as error:
                failed = True
                assert isinstance(error, NoSpace) == (number == errno.ENOSPC)
                assert "\n" not in str(error)
        after(nth, failed)  # where it has not: all is done, by another way (a reader without shared memory)
        if not faults.happened:
            break
        struck.add(faults.happened)
    else:
        pytest.fail("the faults never ended")
    assert {"open", "write", "fsync", "replace"} <= struck


@BOTH
def test_every_failure_in_an_undo_and_its_redo(tmp_path: Path, log: list[Commit], number: int) -> None:
    log = log[:2]
    world = World(zoom_log(0)[0].header)
    digests = []
    for commit in log:
        world.apply(commit)
        digests.append(world.digest())
    whole, undone = digests[-1], digests[-2]

    def attempt(nth: int) -> None:
        with WorldStore.open(tmp_path / f"w{nth}", write=True) as store:
            live = store.load()
            for propose in (propose_undo, propose_redo):
                commit = propose(live, store)
                store.append(commit)
                live.apply(commit)

    def after(nth: int, failed: bool) -> None:
        path = tmp_path / f"w{nth}"
        with WorldStore.open(path, write=True) as store:
            done = store.revision - len(log)
            live = store.load()
            assert store.damaged == {} and live.digest() == (undone if done == 1 else whole)
            assert failed or done == 2
            propose = propose_redo if done == 1 else propose_undo  # and history knows where it is
            store.append(propose(live, store))
        assert digest_of(path) == (whole if done == 1 else undone)
        make(tmp_path / f"w{nth + 1}", log)

    make(tmp_path / "w1", log)
    every_failure(number, attempt, after)


@pytest.mark.parametrize(("compact", "number"), [(False, errno.ENOSPC), (True, errno.EIO)])
def test_every_failure_in_a_pack(tmp_path: Path, log: list[Commit], compact: bool, number: int) -> None:
    path, target = make(tmp_path / "w", log), tmp_path / "w.tar"
    pack(path, tmp_path / "good.tar", compact=compact)
    good = (tmp_path / "good.tar").read_bytes()

    def after(_nth: int, failed: bool) -> None:
        # The sync of its name may fail: then it is whole all the same, and whoever was told so may try again.
        assert not target.exists() or target.read_bytes() == good
        assert failed or target.exists()
        assert {entry.name for entry in tmp_path.iterdir()} <= {"w", "good.tar", "w.tar"}
        target.unlink(missing_ok=True)

    every_failure(number, lambda _nth: pack(path, target, compact=compact), after)
    assert verify(path).wrong == ()


@BOTH
def test_every_failure_in_an_unpack(tmp_path: Path, log: list[Commit], number: int) -> None:
    source = tmp_path / "w.tar"
    pack(make(tmp_path / "w", log[:2]), source)
    good = digest_of(tmp_path / "w")

    def after(nth: int, failed: bool) -> None:
        path = tmp_path / f"again{nth}"
        assert failed or path.exists()
        if path.exists():
            assert digest_of(path) == good
        else:
            unpack(source, path)
            assert digest_of(path) == good
        assert not list(tmp_path.glob(".*/world"))  # an empty place may be left, where its removal fails

    every_failure(number, lambda nth: unpack(source, tmp_path / f"again{nth}"), after)


# ---- a process that dies ----------------------------------------------------------------------------
BACK_AND_FORTH = """
import sys
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.undo import propose_redo, propose_undo
with WorldStore.open(sys.argv[1], write=True) as store:
    world = store.load()
    while True:
        for propose in (propose_undo, propose_undo, propose_redo, propose_redo):
            commit = propose(world, store)
            store.append(commit)
            world.apply(commit)
            print(store.revision, world.digest(), flush=True)
"""
UNPACK = """
import sys
from pathlib import Path
from wonderzoom.scene_graph.archive import unpack
print("start", flush=True)
unpack(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def run_and_kill(code: str, *argv: Path, after_s: float) -> list[str]:
    """What a process has said until it was killed, ``after_s`` after its first line."""
    command = [sys.executable, "-c", code, *map(str, argv)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        time.sleep(after_s)
        process.kill()
        return [first.strip(), *process.stdout.read().splitlines()]


def kill_in_undo(path: Path, log: list[Commit], seed: int) -> None:
    make(path, log)
    *_, last = run_and_kill(BACK_AND_FORTH, path, after_s=np.random.default_rng(seed).uniform(0.0, 0.3))
    acknowledged, digest = last.split()
    with WorldStore.open(path, write=True) as store:
        assert int(acknowledged) <= store.revision <= int(acknowledged) + 1
        world = World(store.header)
        for commit in store.commits():
            world.apply(commit)
            if commit.revision == int(acknowledged):
                assert world.digest() == digest
        assert store.damaged == {}
        for propose, end in ((propose_undo, NothingToUndo), (propose_redo, NothingToRedo)):
            while True:
                try:
                    commit = propose(world, store)
                except end:
                    break
                store.append(commit)
                world.apply(commit)
            assert len(world.nodes) == (1 if end is NothingToUndo else len(log))


@pytest.mark.parametrize("seed", range(2))
def test_kill_in_undo_and_redo(tmp_path: Path, log: list[Commit], seed: int) -> None:
    kill_in_undo(tmp_path / "w", log, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 52))
def test_kill_in_undo_and_redo_again_and_again(tmp_path: Path, log: list[Commit], seed: int) -> None:
    kill_in_undo(tmp_path / "w", log, seed)


@pytest.mark.parametrize("seed", range(2))
def test_kill_in_unpack_leaves_a_whole_world_or_none(tmp_path: Path, log: list[Commit], seed: int) -> None:
    source, path = tmp_path / "w.tar", tmp_path / "again"
    pack(make(tmp_path / "w", log), source)
    run_and_kill(UNPACK, source, path, after_s=np.random.default_rng(seed).uniform(0.0, 0.06))
    if not path.exists():
        unpack(source, path)
    assert digest_of(path) == digest_of(tmp_path / "w")
