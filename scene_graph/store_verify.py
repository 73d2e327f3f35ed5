"""Are the files of a world what was written? Every byte against the record, and nothing more.

That the *content* is sound, as a world, is another question (``World.check``): a bit that flipped on the disk fails
here and may pass there, a commit of a program with a mistake passes here and fails there.

The files are read one at a time and a log that can't be loaded can still be verified: this is what one does
with a copy, or after a disk has failed.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path

from wonderzoom.scene_graph.manifest import BadCommit, NewerFormat
from wonderzoom.scene_graph.store_codec import decode_commit, encode_outline
from wonderzoom.scene_graph.store_errors import translated
from wonderzoom.scene_graph.store_file import commit_file, foreign_files, require_world
from wonderzoom.scene_graph.store_record import DATABASE, Record, Row, content_hash
from wonderzoom.scene_graph.store_summary import summarised
from wonderzoom.scene_graph.surfels import block_hash


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared with the record, and what differs."""

    commits: int
    size: int  # bytes read
    wrong: tuple[str, ...]  # a line each; empty: every byte is as it was written
    beside: tuple[str, ...]  # names in the folder of commits that the record does not have; no harm


def verify(path: Path) -> Verified:
    """Compare every file of the world at ``path`` with its size and checksum in the record.

    Changes nothing; other programs may read and write meanwhile. Raises WorldMissing, WorldDamaged (the record
    itself can't be read), FormatTooNew, StoreError.
    """
    require_world(path)
    record = Record.open(path, write=False)
    try:
        wrong = [f"{DATABASE}: {line}" for line in record.integrity()]
        rows, size = record.rows(), 0
        for expected, row in enumerate(rows, start=1):
            if row.revision != expected:
                wrong.append(f"{DATABASE}: revision {expected} is missing before revision {row.revision}")
                break
        for row in rows:
            file = commit_file(path, row)
            try:
                data = file.read_bytes()
            except OSError as error:
                wrong.append(f"{file.name}: it can't be read: {error.strerror}")
                continue
            size += len(data)
            kept = record.outline(row.revision), record.summary(row.revision)
            wrong += [f"{file.name}: {line}" for line in _differing(data, row, *kept)]
        beside = foreign_files(path, rows)
    except (OSError, sqlite3.Error) as error:
        raise translated(path, "verify the world", error) from error
    finally:
        record.close()
    return Verified(len(rows), size, tuple(wrong), tuple(beside))


def _differing(data: bytes, row: Row, outline: str, summary: bytes | None) -> list[str]:
    """What is wrong with one file."""
    if len(data) != row.size:
        return [f"it has {len(data)} bytes instead of {row.size}"]
    if content_hash(data) != row.hash:
        return ["its bytes have changed"]
    try:
        commit = decode_commit(data)
    except (BadCommit, NewerFormat) as error:
        return [f"it makes no sense, though its checksum is right: {error}"]
    wrong: list[str] = []
    if commit.revision != row.revision:
        wrong.append(f"it says that it is revision {commit.revision}")
    if encode_outline(commit) != outline:
        wrong.append(f"{DATABASE} tells of other nodes than the file holds")
    if summary is not None and summary != summarised(commit, data):
        wrong.append(f"{DATABASE} has a summary of other blocks than the file holds")
    wrong += [
        f"the block of node {block.node!r} in {block.cell} does not have its hash"
        for block in commit.blocks
        if block_hash(block.cell, block.node, block.surfels) != block.hash
    ]
    return wrong
