"""Laws of the durable world: what is acknowledged is there, damage stays where it is, one writer."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import commits, same, simple_commit, zoom_log
from worlds import facing, look_and_zoom, plane_node

from wonderzoom.scene_graph.commit import FORMAT, Commit, WorldHeader
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import (
    FormatTooNew,
    RevisionMismatch,
    StoreError,
    WorldDamaged,
    WorldExists,
    WorldLocked,
    WorldMissing,
    WorldReadOnly,
)
from wonderzoom.scene_graph.world import World

HEADER = WorldHeader(metres_per_unit=3.5, background=(0.1, 0.2, 0.3))


def make(path: Path, log: list[Commit], header: WorldHeader = HEADER) -> Path:
    with WorldStore.create(path, header) as store:
        for commit in log:
            store.append(commit)
    return path


def file_of(path: Path, revision: int) -> Path:
    (found,) = (path / "commits").glob(f"{revision:08d}-*.safetensors")
    return found


def read_all(path: Path) -> tuple[list[Commit], dict[str, str]]:
    with WorldStore.open(path) as store:
        return list(store.commits()), store.damaged


# ---- round trips ------------------------------------------------------------------------------------
@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_log_comes_back_whole_and_in_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("any") / "world"
    count = data.draw(st.integers(0, 3))
    log = [data.draw(commits(revision)) for revision in range(1, count + 1)]
    make(path, log)
    with WorldStore.open(path) as store:
        assert store.header == HEADER
        assert store.revision == count
        assert store.damaged == {}
        assert same(tuple(store.commits()), tuple(log))
        for after in range(count + 1):
            assert same(tuple(store.commits(after)), tuple(log[after:]))
        assert same(tuple(store.commits(until=1)), tuple(log[:1]))


def test_the_loaded_world_is_the_live_world(tmp_path: Path) -> None:
    world, log = zoom_log(3)
    removal = world.propose_removal(log[2].added[0].id)
    world.apply(removal)
    make(tmp_path / "w", [*log, removal], world.header)
    with WorldStore.open(tmp_path / "w") as store:
        loaded = store.load()
    assert loaded.digest() == world.digest()
    assert loaded.revision == world.revision
    assert loaded.check() == []


def test_the_same_log_makes_the_same_files(tmp_path: Path) -> None:
    log = zoom_log(1)[1]
    for name in ("a", "b"):
        make(tmp_path / name, log)
    files = [sorted((tmp_path / name / "commits").iterdir()) for name in ("a", "b")]
    assert [f.name for f in files[0]] == [f.name for f in files[1]]
    for one, other in zip(*files, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_a_reader_sees_new_commits_as_they_come(tmp_path: Path) -> None:
    with WorldStore.create(tmp_path / "w", HEADER) as writer, WorldStore.open(tmp_path / "w") as reader:
        for revision in (1, 2, 3):
            writer.append(simple_commit(revision))
            assert reader.revision == revision
            assert [c.revision for c in reader.commits(after=revision - 1)] == [revision]


def test_appends_in_a_thread_and_reads_in_another_do_not_meet(tmp_path: Path) -> None:
    with WorldStore.create(tmp_path / "w", HEADER) as store:
        worker = threading.Thread(target=lambda: [store.append(simple_commit(r)) for r in range(1, 9)])
        worker.start()
        seen = 0
        while worker.is_alive():
            revisions = [commit.revision for commit in store.commits()]
            assert revisions == list(range(1, len(revisions) + 1))
            assert len(revisions) >= seen
            seen = len(revisions)
        worker.join()
        assert store.revision == 8


# ---- refusals ---------------------------------------------------------------------------------------
def test_a_commit_that_does_not_follow_is_refused(tmp_path: Path) -> None:
    with WorldStore.create(tmp_path / "w", HEADER) as store:
        store.append(simple_commit(1))
        for wrong in (1, 3):
            with pytest.raises(RevisionMismatch, match=f"revision {wrong} does not follow revision 1"):
                store.append(simple_commit(wrong))
        store.append(simple_commit(2))


def test_a_reader_can_not_append(tmp_path: Path) -> None:
    make(tmp_path / "w", [])
    with WorldStore.open(tmp_path / "w") as store:
        assert not store.writable
        with pytest.raises(WorldReadOnly, match="open for reading; open it with write=True"):
            store.append(simple_commit(1))


def test_a_closed_world_says_so(tmp_path: Path) -> None:
    store = WorldStore.create(tmp_path / "w", HEADER)
    store.close()
    store.close()
    with pytest.raises(StoreError, match="the world is closed; open it again"):
        store.append(simple_commit(1))
    with pytest.raises(StoreError, match="closed"):
        list(store.commits())


def no_directory(path: Path) -> None:
    del path


def a_file(path: Path) -> None:
    path.write_text("hello")


def an_empty_directory(path: Path) -> None:
    path.mkdir()


@pytest.mark.parametrize("prepare", [no_directory, a_file, an_empty_directory])
@pytest.mark.parametrize("write", [False, True])
def test_what_is_no_world_is_missing(tmp_path: Path, prepare: Callable[[Path], None], write: bool) -> None:
    path = tmp_path / "w"
    prepare(path)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(WorldMissing, match="check the path, or create a world first") as caught:
        WorldStore.open(path, write)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    make(tmp_path / "w", [simple_commit(1)])
    with pytest.raises(WorldExists, match="there is a world here already"):
        WorldStore.create(tmp_path / "w", HEADER)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WorldExists, match="a file is at this path"):
        WorldStore.create(tmp_path / "file", HEADER)
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("mine")
    with pytest.raises(WorldExists, match=r"other files \(cat.jpg\)"):
        WorldStore.create(tmp_path / "photos", HEADER)
    assert len(read_all(tmp_path / "w")[0]) == 1


def test_an_empty_directory_and_an_unfinished_creation_may_become_a_world(tmp_path: Path) -> None:
    path = tmp_path / "w"
    (path / "commits").mkdir(parents=True)
    sqlite3.connect(path / "world.sqlite").close()
    (path / "world.sqlite").touch()
    (path / "writer.lock").touch()
    with pytest.raises(WorldMissing, match="its creation was never finished; create it again"):
        WorldStore.open(path)
    make(path, [simple_commit(1)])
    assert len(read_all(path)[0]) == 1


def test_a_newer_format_is_told(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [simple_commit(1)])
    connection = sqlite3.connect(path / "world.sqlite")
    connection.execute(f"PRAGMA user_version={FORMAT + 1}")
    connection.close()
    for write in (False, True):
        with pytest.raises(
            FormatTooNew, match=f"format {FORMAT + 1}, this version knows formats up to {FORMAT}"
        ):
            WorldStore.open(path, write)


def test_a_newer_header_is_told(tmp_path: Path) -> None:
    with pytest.raises(FormatTooNew, match="install a newer version"):
        WorldStore.create(tmp_path / "w", WorldHeader(format=FORMAT + 1))


# ---- one writer -------------------------------------------------------------------------------------
HOLD = """
import sys
from wonderzoom.scene_graph.store import WorldStore
with WorldStore.open(sys.argv[1], write=True):
    print("holding", flush=True)
    sys.stdin.read()
"""


def test_a_second_writer_is_told_who_holds_the_world(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [simple_commit(1)])
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
        with pytest.raises(WorldLocked, match=f"process {holder.pid} is writing to this world") as caught:
            WorldStore.open(path, write=True)
        assert caught.value.retryable
        with pytest.raises(WorldLocked):
            WorldStore.create(path, HEADER)
        assert len(read_all(path)[0]) == 1  # readers are free
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    with WorldStore.open(path, write=True) as store:  # the lock dies with its process
        store.append(simple_commit(2))


def test_two_writers_in_one_process_are_two_writers(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [])
    with WorldStore.open(path, write=True), pytest.raises(WorldLocked, match=f"process {os.getpid()}"):
        WorldStore.open(path, write=True)
    WorldStore.open(path, write=True).close()


# ---- unfinished appends -----------------------------------------------------------------------------
def test_files_without_a_row_are_removed_by_a_writer_only(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [simple_commit(1), simple_commit(2)])
    whole = file_of(path, 2).read_bytes()
    rests = [
        path / "commits" / f"00000003-{'a' * 32}.safetensors",
        path / "commits" / f"00000003-{'b' * 32}.safetensors.tmp",
        path / "commits" / f"00000002-{'c' * 32}.safetensors",  # a try that failed before another one
    ]
    for rest in rests:
        rest.write_bytes(whole)
    notes = path / "commits" / "notes.txt"
    notes.write_text("mine")
    assert len(read_all(path)[0]) == 2
    assert all(rest.exists() for rest in rests)
    WorldStore.open(path, write=True).close()
    assert not any(rest.exists() for rest in rests)
    assert notes.exists()
    assert len(read_all(path)[0]) == 2


def test_a_record_older_than_its_files_is_no_reason_to_delete_them(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [simple_commit(1)])
    backup = (path / "world.sqlite").read_bytes()
    with WorldStore.open(path, write=True) as store:
        for revision in (2, 3, 4):
            store.append(simple_commit(revision))
    for companion in path.glob("world.sqlite-*"):
        companion.unlink()
    (path / "world.sqlite").write_bytes(backup)
    with pytest.raises(WorldDamaged, match="ends at revision 1, but there is a file of revision 0000000"):
        WorldStore.open(path, write=True)
    assert len(list((path / "commits").iterdir())) >= 3
    assert len(read_all(path)[0]) == 1


# ---- damage -----------------------------------------------------------------------------------------
def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0x10
    file.write_bytes(data)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def remove(file: Path) -> None:
    file.unlink()


@pytest.mark.parametrize("harm", [cut, flip, empty, remove])
def test_one_lost_file_loses_one_node(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    world, log = zoom_log(2)
    path = make(tmp_path / "w", log, world.header)
    lost = log[1].added[0].id  # the first zoom: it has a child, a sibling and a root that fades for it
    harm(file_of(path, 2))
    with WorldStore.open(path, write=True) as store:
        loaded = store.load()
        assert list(store.damaged) == [lost]
        assert store.damaged[lost].startswith("revision 2: its ")
        assert set(loaded.nodes) == set(world.nodes)
        assert {name for name in loaded.nodes if not loaded.blocks_of(name)} == {lost}
        for block in loaded.blocks:
            assert same(block.surfels, world.octree.block(*block.key).surfels)
            index = block.bounds.owners.index(lost) if lost in block.bounds.owners else -2
            assert index not in block.bounds.parent_owner and index not in block.bounds.child_owner
        # What was covered by the lost blocks has no child now: it is drawn, coarser, and there is no hole.
        before = sum(np.isfinite(b.bounds.child).sum() for b in world.blocks_of(log[0].added[0].id))
        after = sum(np.isfinite(b.bounds.child).sum() for b in loaded.blocks_of(log[0].added[0].id))
        assert after < before
        # The world lives on, and removing what is left of the node heals it.
        removal = loaded.propose_removal(lost)
        store.append(removal)
        loaded.apply(removal)
        assert store.damaged == {}
    with WorldStore.open(path) as store:
        healed = store.load()
    assert healed.digest() == loaded.digest()
    assert healed.check() == []


def test_a_zoom_into_a_damaged_node_is_still_possible(tmp_path: Path) -> None:
    world, log = zoom_log(1)
    path = make(tmp_path / "w", log, world.header)
    remove(file_of(path, 2))
    with WorldStore.open(path, write=True) as store:
        loaded = store.load()
        camera = loaded.node(log[1].added[0].id).main.camera
        plane = facing(camera)
        node, blocks = plane_node(look_and_zoom(camera, plane, 12.0, 9.0, 4.0), plane, log[1].added[0].id)
        commit = loaded.propose(node, blocks)
        store.append(commit)
        loaded.apply(commit)
    with WorldStore.open(path) as store:
        assert store.load().digest() == loaded.digest()


def test_a_lost_removal_still_removes_and_leaves_no_hole(tmp_path: Path) -> None:
    world, log = zoom_log(2)
    gone = log[1].added[0].id
    removal = world.propose_removal(gone)
    world.apply(removal)
    path = make(tmp_path / "w", [*log, removal], world.header)
    remove(file_of(path, removal.revision))
    with WorldStore.open(path) as store:
        loaded = store.load()
        assert list(store.damaged) == [f"revision {removal.revision}"]
    assert set(loaded.nodes) == set(world.nodes)
    for block in loaded.blocks:
        named = {
            block.bounds.owners[i] for i in {*block.bounds.parent_owner, *block.bounds.child_owner} - {-1}
        }
        assert named <= set(loaded.nodes)


def test_a_lost_node_that_was_made_again_is_not_damaged(tmp_path: Path) -> None:
    world, log = zoom_log(1)
    old = log[1].added[0]
    again = world.propose(old, [(b.cell, b.surfels) for b in world.blocks_of(old.id)], replacing=old.id)
    world.apply(again)
    path = make(tmp_path / "w", [*log, again], world.header)
    flip(file_of(path, 2))
    with WorldStore.open(path) as store:
        loaded = store.load()
        assert store.damaged == {}
    assert [block.hash for block in loaded.blocks] == [block.hash for block in world.blocks]
    # The patches of the lost commit were in no later one: what it covered stays open: no hole.
    for block in loaded.blocks:
        assert (block.bounds.child <= world.octree.block(*block.key).bounds.child).all()


def test_a_delta_from_a_later_revision_knows_what_is_lost(tmp_path: Path) -> None:
    world, log = zoom_log(2)
    path = make(tmp_path / "w", log, world.header)
    remove(file_of(path, 2))
    with WorldStore.open(path) as store:
        everything = list(store.commits())
    with WorldStore.open(path) as store:
        assert same(tuple(store.commits(after=2)), tuple(everything[2:]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_harmed_record_gives_an_error_or_what_was_written(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = _intact_world(tmp_path_factory)
    database = path / "world.sqlite"
    good = database.read_bytes()
    harmed = bytearray(good)
    if data.draw(st.booleans()):
        harmed = harmed[: data.draw(st.integers(0, len(good) - 1))]
    else:
        harmed[data.draw(st.integers(0, len(good) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    written = [simple_commit(revision) for revision in (1, 2, 3)]
    try:
        database.write_bytes(harmed)
        with WorldStore.open(path) as store:
            found = list(store.commits())
            damaged = store.damaged
            assert store.header == HEADER
        if not damaged:
            assert same(tuple(found), tuple(written[: len(found)]))
    except StoreError as error:
        assert "\n" not in str(error)
    finally:
        for companion in path.glob("world.sqlite-*"):
            companion.unlink()
        database.write_bytes(good)


def _intact_world(factory: pytest.TempPathFactory) -> Path:
    path = factory.getbasetemp() / "harmed" / "world"
    if not path.exists():
        make(path, [simple_commit(revision) for revision in (1, 2, 3)])
    return path


def test_a_missing_record_is_damage_when_commits_are_there(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [simple_commit(1)])
    for companion in path.glob("world.sqlite*"):
        companion.unlink()
    for write in (False, True):
        with pytest.raises(WorldDamaged, match="world.sqlite is missing; restore it"):
            WorldStore.open(path, write)
    (path / "world.sqlite").touch()
    with pytest.raises(WorldDamaged, match="world.sqlite is empty; restore"):
        WorldStore.open(path)
    assert file_of(path, 1).exists()


def test_a_world_that_lost_everything_twice_says_so(tmp_path: Path) -> None:
    path = make(tmp_path / "w", [simple_commit(1)])
    remove(file_of(path, 1))
    connection = sqlite3.connect(path / "world.sqlite")
    connection.execute("UPDATE commits SET outline = '{}'")
    connection.commit()
    connection.close()
    with WorldStore.open(path) as store, pytest.raises(WorldDamaged, match="row of revision 1 can't be read"):
        list(store.commits())


@pytest.mark.parametrize(
    ("statement", "line"),
    [
        ("UPDATE commits SET hash = '../../../../etc/passwd'", "makes no sense"),
        ("UPDATE commits SET bytes = 'many'", "makes no sense"),
        ("DELETE FROM commits WHERE revision = 1", "revisions are missing"),
        ("UPDATE header SET header = replace(header, '512', '513')", "its header has changed"),
        ("DELETE FROM header", "its header has changed"),
        ("DROP TABLE commits", "no such table"),
    ],
)
def test_a_record_from_someone_else_is_not_trusted(tmp_path: Path, statement: str, line: str) -> None:
    path = make(tmp_path / "w", [simple_commit(1), simple_commit(2)])
    connection = sqlite3.connect(path / "world.sqlite")
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=line):
        WorldStore.open(path)


# ---- read-only places -------------------------------------------------------------------------------
READ_AS_NOBODY = """
import os, sys
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import WorldReadOnly
if os.geteuid() == 0:
    os.setgroups([])
    os.setegid(65534)
    os.seteuid(65534)
with WorldStore.open(sys.argv[1]) as store:
    assert len(list(store.commits())) == 2
try:
    WorldStore.open(sys.argv[1], write=True)
except WorldReadOnly as error:
    print(error)
try:
    WorldStore.create(os.path.join(os.path.dirname(sys.argv[1]), "new"), store.header)
except WorldReadOnly as error:
    print(error)
"""


@pytest.mark.parametrize("read_before", [False, True])
def test_a_read_only_directory_can_be_read(tmp_path: Path, read_before: bool) -> None:
    path = make(tmp_path / "w", [simple_commit(1), simple_commit(2)])
    if read_before:
        read_all(path)
    everything = [tmp_path, path, *path.rglob("*")]
    for entry in everything:
        entry.chmod(0o555 if entry.is_dir() else 0o444)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o055)
    try:
        result = subprocess.run(
            [sys.executable, "-c", READ_AS_NOBODY, str(path)], capture_output=True, text=True, check=False
        )
    finally:
        for entry in everything:
            entry.chmod(0o755)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert "Permission denied; check the permissions" in first
    assert "could not create a world: Permission denied" in second


def test_an_error_survives_a_trip_to_another_process(tmp_path: Path) -> None:
    with pytest.raises(WorldMissing) as caught:
        WorldStore.open(tmp_path / "w")
    again = type(caught.value)(*caught.value.args)
    assert str(again) == str(caught.value) and again.hint == caught.value.hint


def test_an_empty_world_loads(tmp_path: Path) -> None:
    make(tmp_path / "w", [])
    with WorldStore.open(tmp_path / "w") as store:
        assert store.load().digest() == World(HEADER).digest()


def test_a_revision_with_nothing_in_it_is_a_revision(tmp_path: Path) -> None:
    make(tmp_path / "w", [Commit(1), replace(Commit(1), revision=2)])
    assert read_all(tmp_path / "w") == ([Commit(1), Commit(2)], {})
