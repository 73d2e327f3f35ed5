"""Which revision of each repository this machine has: written at download, read at every load.

A JSON file, repository -> commit, beside the models of a user. Trust on first use: once a download has settled
a revision, nothing else is loaded until a person downloads anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from wonderzoom.generation.models.references import is_revision


class LockDamaged(Exception):
    """The lock file is not what was written."""


class Locks:
    """The revisions that were settled, in the file at ``path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def revision(self, repo: str) -> str:
        """The settled revision; empty where there is none. Raises LockDamaged."""
        return self._read().get(repo, "")

    def settle(self, repo: str, revision: str) -> None:
        """From now on this revision is the one. Raises LockDamaged, OSError."""
        if not is_revision(revision):
            raise ValueError(f"{revision!r} is not a commit")
        known = {**self._read(), repo: revision}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(self.path.name + ".tmp")
        temporary.write_bytes(msgspec.json.format(msgspec.json.encode(known, order="sorted")))
        os.replace(temporary, self.path)

    def _read(self) -> dict[str, str]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        try:
            known = msgspec.json.decode(data, type=dict[str, str])
        except msgspec.DecodeError as error:
            raise LockDamaged(f"{self.path}: {error}; remove it and download the models again") from error
        if bad := [repo for repo, revision in known.items() if not is_revision(revision)]:
            raise LockDamaged(f"{self.path}: {bad[0]} has no commit; remove it and download the models again")
        return known
