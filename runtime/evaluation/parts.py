"""What an evaluation has measured, kept on disk under a key: the same question is not asked twice.

Owns the files of single zooms. A file that is cut short, or answers another question, is as good as none.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import msgspec

from wonderzoom.runtime.evaluation.measuring import Values


class Taken(msgspec.Struct, frozen=True):
    """What was measured of one zoom."""

    values: Values
    costs: Values = {}


class _Kept(msgspec.Struct):
    key: str
    taken: Taken


@dataclass(frozen=True, slots=True)
class Part:
    """The place of one answer: its file, and all that it depends on."""

    path: Path
    question: tuple[object, ...]  # told apart by its repr

    @property
    def _key(self) -> str:
        return hashlib.blake2b(repr(self.question).encode(), digest_size=16).hexdigest()

    def read(self) -> Taken | None:
        """The answer to this question; None where there is none."""
        try:
            kept = msgspec.json.decode(self.path.read_bytes(), type=_Kept)
        except (OSError, msgspec.MsgspecError):
            return None
        return kept.taken if kept.key == self._key else None

    def keep(self, taken: Taken) -> Taken:
        """Write the answer, whole or not at all; returns it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        unfinished = self.path.with_suffix(".part")
        unfinished.write_bytes(msgspec.json.encode(_Kept(self._key, taken)))
        unfinished.replace(self.path)
        return taken
