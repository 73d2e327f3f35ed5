"""A world survives a trip in one file to the last byte; an archive from a stranger does no harm."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from logs import simple_commit, zoom_log

from wonderzoom.scene_graph import archive
from wonderzoom.scene_graph.archive import pack, unpack
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.durable import WriterLock
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_codec import encode_commit
from wonderzoom.scene_graph.store_errors import (
    ArchiveDamaged,
    FormatTooNew,
    StoreError,
    WorldDamaged,
    WorldExists,
    WorldLocked,
    WorldMissing,
)
from wonderzoom.scene_graph.store_record import content_hash
from wonderzoom.scene_graph.store_verify import verify
from wonderzoom.scene_graph.undo import NothingToRedo, propose_redo, propose_undo


def make(path: Path, commits: int = 3) -> Path:
    with WorldStore.create(path, WorldHeader(metres_per_unit=3.5)) as store:
        for revision in range(1, commits + 1):
            store.append(simple_commit(revision, 20))
    return path


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return make(tmp_path / "w")


@pytest.fixture
def packed(tmp_path: Path, world: Path) -> Path:
    pack(world, tmp_path / "w.tar")
    return tmp_path / "w.tar"


def files(path: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in (path / "commits").iterdir()}


def named(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


# ---- round trips ------------------------------------------------------------------------------------
def test_a_world_comes_back_to_the_last_byte(tmp_path: Path) -> None:
    live, log = zoom_log(2)
    path = tmp_path / "w"
    with WorldStore.create(path, live.header) as store:
        for commit in log:
            store.append(commit)
        undone = propose_undo(store.load(), store)
        store.append(undone)
    said = pack(path, tmp_path / "w.tar")
    assert said.commits == 5 and said.size == (tmp_path / "w.tar").stat().st_size and said.lost.nodes == 0
    assert unpack(tmp_path / "w.tar", tmp_path / "again") == 5
    assert files(tmp_path / "again") == files(path)
    assert verify(tmp_path / "again").wrong == ()
    with WorldStore.open(tmp_path / "again", write=True) as store:
        again = store.load()
        store.append(propose_redo(again, store))  # history has come along
        assert store.load().digest() == live.digest() and store.header == live.header
    assert named(tmp_path) == ["again", "w", "w.tar"]


@pytest.mark.parametrize("commits", [0, 1])
def test_a_world_of_nearly_nothing_comes_back(tmp_path: Path, commits: int) -> None:
    pack(make(tmp_path / "w", commits), tmp_path / "w.tar")
    (tmp_path / "again").mkdir()  # an empty directory will do
    assert unpack(tmp_path / "w.tar", tmp_path / "again") == commits
    assert files(tmp_path / "again") == files(tmp_path / "w")


def test_the_same_log_gives_the_same_bytes(tmp_path: Path, packed: Path) -> None:
    pack(make(tmp_path / "other"), tmp_path / "other.tar")
    assert (tmp_path / "other.tar").read_bytes() == packed.read_bytes()
    unpack(packed, tmp_path / "again")
    pack(tmp_path / "again", tmp_path / "again.tar")
    assert (tmp_path / "again.tar").read_bytes() == packed.read_bytes()


def test_a_world_can_be_packed_while_somebody_writes(tmp_path: Path, world: Path) -> None:
    with WorldStore.open(world, write=True) as store:
        assert pack(world, tmp_path / "w.tar").commits == 3
        store.append(simple_commit(4, 20))
    assert unpack(tmp_path / "w.tar", tmp_path / "again") == 3


def test_any_tar_program_can_look_inside(packed: Path, world: Path) -> None:
    with tarfile.open(packed) as opened:
        names = opened.getnames()
    assert names == [*(f"commits/{name}" for name in sorted(files(world))), "world.json"]


def test_a_packed_world_without_history_has_the_digest_and_nothing_to_redo(tmp_path: Path) -> None:
    live, log = zoom_log(2)
    path = tmp_path / "w"
    with WorldStore.create(path, live.header) as store:
        for commit in log:
            store.append(commit)
        for _ in range(2):
            store.append(propose_undo(store.load(), store))
        digest, nodes = store.load().digest(), list(store.load().nodes)
    said = pack(path, tmp_path / "w.tar", compact=True)
    assert (said.commits, said.lost.commits, said.lost.nodes) == (2, 4, 2)
    unpack(tmp_path / "w.tar", tmp_path / "again")
    with WorldStore.open(tmp_path / "again") as store:
        again = store.load()
        assert (again.digest(), list(again.nodes), again.check()) == (digest, nodes, [])
        with pytest.raises(NothingToRedo):
            propose_redo(again, store)
        assert propose_undo(again, store).removed == (nodes[-1],)


# ---- what is in the way -----------------------------------------------------------------------------
def test_nothing_is_overwritten(tmp_path: Path, world: Path, packed: Path) -> None:
    before = packed.read_bytes()
    with pytest.raises(WorldExists, match=r"w\.tar: a file is at this path already"):
        pack(world, packed)
    with pytest.raises(WorldExists, match="something is at this path already"):
        unpack(packed, world)
    with pytest.raises(WorldExists):
        unpack(packed, packed)
    assert packed.read_bytes() == before and verify(world).wrong == ()


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(WorldMissing):
        pack(tmp_path / "nowhere", tmp_path / "w.tar")
    with pytest.raises(StoreError, match="No such file"):
        unpack(tmp_path / "nowhere.tar", tmp_path / "w")
    assert named(tmp_path) == []


def test_damage_is_not_passed_on_and_history_may_be_dropped_with_it(tmp_path: Path) -> None:
    live, log = zoom_log(1)
    path = tmp_path / "w"
    with WorldStore.create(path, live.header) as store:
        for commit in log:
            store.append(commit)
    last = next((path / "commits").glob("00000003-*"))
    last.write_bytes(last.read_bytes()[:-1] + b"!")
    for compact in (False, True):
        with pytest.raises(WorldDamaged, match="damaged"):
            pack(path, tmp_path / "w.tar", compact=compact)
    assert named(tmp_path) == ["w"]
    with WorldStore.open(path, write=True) as store:
        store.append(store.load().propose_removal(log[-1].added[0].id))
    pack(path, tmp_path / "w.tar", compact=True)
    assert unpack(tmp_path / "w.tar", tmp_path / "healed") == 2


def test_of_two_that_unpack_to_one_place_the_second_is_told(tmp_path: Path, packed: Path) -> None:
    part = tmp_path / ".again.unpacking"
    part.mkdir()
    lock = WriterLock(part / "lock", tmp_path / "again")
    with pytest.raises(WorldLocked, match=f"process {os.getpid()} is writing to this world"):
        unpack(packed, tmp_path / "again")
    lock.release()
    (part / "world" / "commits").mkdir(parents=True)  # and was killed
    (part / "world" / "commits" / "half").write_text("half")
    assert unpack(packed, tmp_path / "again") == 3
    assert ".again.unpacking" not in named(tmp_path)


# ---- archives of strangers ----------------------------------------------------------------------------
Members = list[tuple[tarfile.TarInfo, bytes]]


def members_of(path: Path) -> Members:
    with tarfile.open(path) as opened:
        found = opened.getmembers()
        return [(member, opened.extractfile(member).read()) for member in found]  # type: ignore[union-attr]


def write(path: Path, members: Members, mode: str = "w") -> None:
    with tarfile.open(path, mode) as opened:  # type: ignore[call-overload]
        for info, data in members:
            info.size = len(data) if info.type == tarfile.REGTYPE else 0
            opened.addfile(info, io.BytesIO(data))


def of_type(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def manifest(change: Callable[[dict[str, Any]], None]) -> Callable[[Members], Members]:
    def spoil(members: Members) -> Members:
        value = json.loads(members[-1][1])
        change(value)
        return [*members[:-1], (tarfile.TarInfo("world.json"), json.dumps(value).encode())]

    return spoil


def _escape(value: dict[str, Any]) -> None:
    value["commits"][0][2] = "../../../../../../etc/passwd"


def _rename(value: dict[str, Any]) -> None:
    value["header"] = value["header"].replace("3.5", "4.5")


def _shift(members: Members) -> Members:
    """Whole, hashed and named, but of another revision."""
    data = encode_commit(replace(simple_commit(1, 20), revision=2))
    value = json.loads(members[-1][1])
    value["commits"][0][1:] = [len(data), content_hash(data)]
    first = tarfile.TarInfo(f"commits/00000001-{content_hash(data)}.safetensors")
    last = tarfile.TarInfo("world.json")
    return [(first, data), *members[1:-1], (last, json.dumps(value).encode())]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda m: [*m, (tarfile.TarInfo("../evil"), b"x")], "does not hold the files"),
        (lambda m: [*m, (tarfile.TarInfo("/evil"), b"x")], "does not hold the files"),
        (lambda m: [(of_type("commits", tarfile.SYMTYPE, "/tmp"), b""), *m], "no plain file"),
        (lambda m: [(of_type("commits", tarfile.DIRTYPE), b""), *m], "no plain file"),
        (lambda m: [(of_type("x", tarfile.LNKTYPE, "world.json"), b""), *m], "no plain file"),
        (lambda m: [(of_type("x", tarfile.FIFOTYPE), b""), *m], "no plain file"),
        (lambda m: [*m, m[-1]], "is there twice"),
        (lambda m: m[1:], "does not hold the files"),
        (lambda m: m[:-1], "was cut short, or is of another program"),
        (lambda m: [(m[0][0], m[0][1][:-1] + b"!"), *m[1:]], "the file of revision 1 has changed"),
        (lambda m: [(m[0][0], m[0][1] + b"!"), *m[1:]], "the file of revision 1 has changed"),
        (_shift, "revision 2 does not follow revision 0"),
        (lambda m: [*m[:-1], (m[-1][0], b"[1, 2")], "can't be read"),
        (lambda m: [*m[:-1], (m[-1][0], b"[" * 100_000)], "can't be read"),
        (manifest(_escape), "the line of revision 1 makes no sense"),
        (manifest(_rename), "its header has changed"),
        (manifest(lambda value: value.update(kind="photos")), "another kind"),
        (manifest(lambda value: value["commits"].pop()), "does not hold the files"),
        (manifest(lambda value: value["commits"].reverse()), "makes no sense"),
        (manifest(lambda value: value["commits"][1].__setitem__(1, 7)), "revision 2 has changed"),
        (manifest(lambda value: value.update(commits={})), "does not hold the files"),
        (manifest(lambda value: value.update(commits=None)), "can't be read"),
    ],
)
def test_what_no_pack_has_written_is_refused_and_leaves_nothing(
    tmp_path: Path, packed: Path, spoil: Callable[[Members], Members], words: str
) -> None:
    write(tmp_path / "evil.tar", spoil(members_of(packed)))
    before = named(tmp_path)
    with pytest.raises(ArchiveDamaged, match=words):
        unpack(tmp_path / "evil.tar", tmp_path / "again")
    assert named(tmp_path) == before


@pytest.mark.parametrize("mode", ["w:gz", "w:xz"])
def test_nothing_is_decompressed(tmp_path: Path, packed: Path, mode: str) -> None:
    write(tmp_path / "small.tar", members_of(packed), mode)
    with pytest.raises(ArchiveDamaged, match="this is no archive of a world"):
        unpack(tmp_path / "small.tar", tmp_path / "again")


def test_a_manifest_is_not_read_whatever_its_size(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MANIFEST", 100)
    with pytest.raises(ArchiveDamaged, match=r"its world\.json has \d+ bytes"):
        unpack(packed, tmp_path / "again")


def test_members_are_not_counted_for_ever(
    tmp_path: Path, packed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "MAX_MEMBERS", 3)
    with pytest.raises(ArchiveDamaged, match="more than 3 members"):
        unpack(packed, tmp_path / "again")


def test_members_that_go_in_circles_are_refused(tmp_path: Path, packed: Path) -> None:
    """A negative size, in the base-256 form of GNU tar, leads some versions of tarfile back to where it was."""
    data = bytearray(packed.read_bytes())
    data[124:136] = (256**12 - 512).to_bytes(12, "big")  # the size of the first member
    checksum = sum(data[:148]) + 8 * ord(" ") + sum(data[156:512])
    data[148:156] = f"{checksum:06o}\0 ".encode()
    (tmp_path / "evil.tar").write_bytes(data)
    with pytest.raises(ArchiveDamaged):
        unpack(tmp_path / "evil.tar", tmp_path / "again")


def test_a_newer_format_is_told(tmp_path: Path, packed: Path) -> None:
    spoil = manifest(lambda value: value.update(format=99))
    write(tmp_path / "new.tar", spoil(members_of(packed)))
    with pytest.raises(FormatTooNew, match="install a newer version"):
        unpack(tmp_path / "new.tar", tmp_path / "again")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_harm_is_found_or_does_none(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    base = tmp_path_factory.getbasetemp() / "harmed archive"
    if not base.exists():
        base.mkdir()
        pack(make(base / "w", 2), base / "w.tar")
    good = (base / "w.tar").read_bytes()
    harmed = bytearray(good)
    if data.draw(st.booleans()):
        harmed = harmed[: data.draw(st.integers(0, len(good) - 1))]
    else:
        for _ in range(data.draw(st.integers(1, 3))):
            harmed[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    (base / "harmed.tar").write_bytes(harmed)
    try:
        unpack(base / "harmed.tar", base / "again")
    except ArchiveDamaged as error:
        assert "\n" not in str(error)
        assert not (base / "again").exists()
    else:  # in the padding between files, or in a number that nobody reads
        assert files(base / "again") == files(base / "w")
        for file in sorted((base / "again").rglob("*"), reverse=True):
            file.rmdir() if file.is_dir() else file.unlink()
        (base / "again").rmdir()
    assert not (base / ".again.unpacking").exists()
