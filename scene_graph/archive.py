"""A world in one file, to copy, to send and to keep: ``pack`` and ``unpack``.

    commits/00000001-<hash>.safetensors      the files of the log, as they are
    ...
    world.json                               last: the header, and size and hash of each file

It is an uncompressed tar file, which any system can look into, and a function of the log alone: the same log gives
the same bytes. The record is not in it: an SQLite database from a stranger need not be opened, ``unpack`` makes
its own. zstd would save a quarter and cost twice the time; who wants that compresses the file.

An archive is not trusted. Its members are no paths but names to compare with those that the manifest's numbers
and hashes make; nothing else may be there, twice, or as a link; nothing is compressed, so that no file can become
larger than the archive was; each is hashed and decoded before it is stored.

Both are atomic: a file or a world that has its name is whole. What a crash leaves (``FILE.tmp``,
``.WORLD.unpacking``) goes with the next try.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from wonderzoom.scene_graph.commit import FORMAT, WorldHeader
from wonderzoom.scene_graph.compaction import Lost, compacted, lost_by_compaction
from wonderzoom.scene_graph.durable import DurableWriter, WriterLock, sync_directory, written_durably
from wonderzoom.scene_graph.manifest import (
    BadCommit,
    Json,
    NewerFormat,
    decode_header,
    encode_header,
    json_text,
    parse_int,
    parse_text,
)
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_codec import encode_commit
from wonderzoom.scene_graph.store_errors import (
    ArchiveDamaged,
    FormatTooNew,
    RevisionMismatch,
    StoreError,
    WorldDamaged,
    WorldExists,
    translated,
)
from wonderzoom.scene_graph.store_file import commit_file
from wonderzoom.scene_graph.store_record import Row, content_hash, is_hash

_MANIFEST = "world.json"
_WORLD, _LOCK = "world", "lock"  # in the place where a world is unpacked before it gets its name
_KIND = "wonderzoom-world"
MAX_MANIFEST = 2**26  # bytes: half a million commits
MAX_MEMBERS = 2**20
_AGAIN = "pack the world again, or copy the file again"


@dataclass(frozen=True, slots=True)
class Packed:
    """What an archive holds, and what it has left out."""

    commits: int
    size: int  # bytes of the archive
    lost: Lost


# ---- packing --------------------------------------------------------------------------------------
def pack(path: Path, target: Path, *, compact: bool = False) -> Packed:
    """Write the world at ``path`` into a new file ``target``; ``compact`` without its history (``compaction``).

    Others may read and write the world meanwhile: the newest revision at the beginning is the last one in the
    archive. Raises WorldExists, WorldDamaged (a damaged file is never passed on), NoSpace, StoreError.
    """
    with WorldStore.open(path) as store:
        if target.exists():
            raise WorldExists(target, "a file is at this path already", "choose another path for the archive")
        lost = lost_by_compaction(store) if compact else Lost(0, 0)
        try:
            with written_durably(target) as file:
                rows = _write(file, store.header, _made_anew(store) if compact else as_they_are(store))
                return Packed(len(rows), file.tell(), lost)
        except OSError as error:
            raise translated(target, "pack the world", error) from error


def as_they_are(store: WorldStore, until: int | None = None) -> Iterator[tuple[Row, bytes]]:
    """The files of the log up to a revision, each whole. Raises WorldDamaged, StoreError."""
    for row in store.rows()[:until]:
        try:
            data = commit_file(store.path, row).read_bytes()
        except OSError as error:
            raise translated(store.path, f"read revision {row.revision}", error) from error
        if len(data) != row.size or content_hash(data) != row.hash:
            what = f"the file of revision {row.revision} is damaged"
            raise WorldDamaged(store.path, what, "restore it, or pack without history if its nodes are gone")
        yield row, data


def _made_anew(store: WorldStore) -> Iterator[tuple[Row, bytes]]:
    for commit in compacted(store):
        data = encode_commit(commit)
        yield Row(commit.revision, len(data), content_hash(data)), data


def _write(file: DurableWriter, header: WorldHeader, commits: Iterable[tuple[Row, bytes]]) -> list[Row]:
    rows: list[Row] = []
    archive = tarfile.TarFile(fileobj=file, mode="w", format=tarfile.PAX_FORMAT)  # type: ignore[arg-type]
    for row, data in commits:
        _add(archive, _member(row), data)
        rows.append(row)
    text = encode_header(header)
    manifest = {
        "kind": _KIND,
        "format": FORMAT,
        "header": text,
        "header_hash": content_hash(text.encode()),
        "commits": [[row.revision, row.size, row.hash] for row in rows],
    }
    _add(archive, _MANIFEST, json_text(manifest).encode("ascii"))
    archive.close()  # the two blocks that end it; the file is not closed
    return rows


def _member(row: Row) -> str:
    return f"commits/{row.name}"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    info = tarfile.TarInfo(name)  # no time, no owner: they are no part of a world
    info.size, info.mode = len(data), 0o644
    archive.addfile(info, io.BytesIO(data))


# ---- unpacking ------------------------------------------------------------------------------------
def unpack(source: Path, path: Path) -> int:
    """Make the world of an archive at ``path``, which may be an empty directory; the number of its commits.

    Raises ArchiveDamaged, FormatTooNew, WorldExists, WorldLocked, NoSpace, StoreError; then ``path`` is as before.
    """
    part = path
    try:
        with source.open("rb") as stream:
            if path.exists() and not (path.is_dir() and not any(path.iterdir())):
                what = "something is at this path already"
                raise WorldExists(path, what, "choose another path for the world")
            place = path.resolve()
            part = place.with_name(f".{place.name}.unpacking")
            part.mkdir(parents=True, exist_ok=True)
            lock = WriterLock(part / _LOCK, path)
            try:
                if (part / _WORLD).exists():  # of a try that was cut short
                    shutil.rmtree(part / _WORLD)
                count = _unpack(stream, source, part / _WORLD)
                if path.exists():
                    path.rmdir()
                os.replace(part / _WORLD, path)
                sync_directory(part.parent)
            finally:
                lock.release()
                shutil.rmtree(part, ignore_errors=True)
    except StoreError as error:
        if error.path == part / _WORLD:  # nobody has asked for that place
            raise type(error)(path, error.what, error.hint) from error
        raise
    except OSError as error:
        raise translated(path, f"unpack {source}", error) from error
    return count


def _unpack(stream: IO[bytes], source: Path, part: Path) -> int:
    try:
        with tarfile.open(fileobj=stream, mode="r:") as archive:
            members = _members(archive)
            header, rows = _manifest(archive, members)
            if {_member(row) for row in rows} | {_MANIFEST} != members.keys():
                raise _BadArchive("it does not hold the files that its manifest names")
            with WorldStore.create(part, header) as store:
                for row in rows:
                    data = _read(archive, members[_member(row)])
                    if len(data) != row.size or content_hash(data) != row.hash:
                        raise _BadArchive(f"the file of revision {row.revision} has changed")
                    store.append_file(data)
            return len(rows)
    except NewerFormat as error:
        raise FormatTooNew(source, f"it has {error}", "install a newer version of wonderzoom") from error
    except RevisionMismatch as error:
        raise ArchiveDamaged(source, f"this archive is damaged: {error.what}", _AGAIN) from error
    except (_BadArchive, BadCommit) as error:
        raise ArchiveDamaged(source, f"this archive is damaged: {error}", _AGAIN) from error
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        what = f"this is no archive of a world ({' '.join(str(error).split())[:100]})"
        raise ArchiveDamaged(source, what, _AGAIN) from error


class _BadArchive(Exception):
    """What an archive must not be."""


def _members(archive: tarfile.TarFile) -> dict[str, tarfile.TarInfo]:
    """The plain files of an archive by name. Whatever else is in it makes it none of ours."""
    found: dict[str, tarfile.TarInfo] = {}
    at = -1
    while (member := archive.next()) is not None:
        if (
            member.offset <= at or member.size < 0
        ):  # a loop: some versions of tarfile would follow it for ever
            raise _BadArchive("its members do not follow each other")
        at = member.offset
        if member.type != tarfile.REGTYPE or member.issparse() or member.name in found:
            raise _BadArchive("a member is no plain file, or is there twice")
        if len(found) == MAX_MEMBERS:
            raise _BadArchive(f"it has more than {MAX_MEMBERS} members")
        found[member.name] = member
    return found


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()


def _manifest(archive: tarfile.TarFile, members: dict[str, tarfile.TarInfo]) -> tuple[WorldHeader, list[Row]]:
    member = members.get(_MANIFEST)
    if member is None:
        raise _BadArchive(f"it has no {_MANIFEST}: it was cut short, or is of another program")
    if member.size > MAX_MANIFEST:
        raise _BadArchive(f"its {_MANIFEST} has {member.size} bytes")
    try:
        value: Json = json.loads(_read(archive, member))
        if value["kind"] != _KIND:
            raise ValueError("it is of another kind")
        if (version := parse_int(value["format"])) > FORMAT:
            raise NewerFormat(version)
        text = parse_text(value["header"])
        if content_hash(text.encode()) != value["header_hash"]:
            raise ValueError("its header has changed")
        return decode_header(text), list(_rows(value["commits"]))
    except (NewerFormat, BadCommit):
        raise
    except (ValueError, TypeError, LookupError, RecursionError, AttributeError) as error:
        raise _BadArchive(f"its {_MANIFEST} can't be read ({error})") from error


def _rows(values: list[list[int | str]]) -> Iterator[Row]:
    for expected, (revision, size, digest) in enumerate(values, start=1):
        if parse_int(revision) != expected or not is_hash(digest):
            raise ValueError(f"the line of revision {expected} makes no sense")
        yield Row(expected, parse_int(size), parse_text(digest))
