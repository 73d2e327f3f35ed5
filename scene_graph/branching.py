"""A world as it was: its log up to a revision, by one name, and as a world of its own."""

from __future__ import annotations

import hashlib
from pathlib import Path

from wonderzoom.scene_graph.archive import as_they_are
from wonderzoom.scene_graph.manifest import encode_header
from wonderzoom.scene_graph.store import WorldStore


def log_hash(store: WorldStore, until: int) -> bytes:
    """128-bit BLAKE2b of the header and of each file's hash: the same log up to there, hence the same world."""
    digest = hashlib.blake2b(encode_header(store.header).encode(), digest_size=16)
    for row in store.rows()[:until]:
        digest.update(row.hash.encode())
    return digest.digest()


def branch(store: WorldStore, path: Path, until: int) -> WorldStore:
    """A world at ``path`` (new, or an empty directory) with the same log up to a revision, open for writing.

    Raises WorldDamaged for a log that is not whole that far, and what ``WorldStore.create`` and ``append`` raise.
    """
    copy = WorldStore.create(path, store.header)
    try:
        for _, data in as_they_are(store, until):
            copy.append_file(data)
    except BaseException:
        copy.close()
        raise
    return copy
