"""BLAKE2b of blocks, bounds and files: one name for each content, whoever works it out.

A process hashes by what it chose (``use``): by ``hashlib``, which is the definition, or by compiled loops that hash
several messages side by side (``runtime.renderers.hash_kernels``). What they find is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 16  # 128 bits: names, not passwords


@dataclass(frozen=True, slots=True)
class Message:
    """What is hashed: its parts, one after the other, contiguous each."""

    parts: Sequence[bytes | memoryview]
    size: int  # bytes of all of them

    @staticmethod
    def of(*parts: str | NDArray[np.generic]) -> Message:
        """Texts and the numbers of arrays."""
        found: list[bytes | memoryview] = []
        size = 0
        for each in parts:
            if isinstance(each, str):
                found.append(each.encode())
                size += len(found[-1])
            else:
                found.append(np.ascontiguousarray(each).data)
                size += each.nbytes
        return Message(found, size)


class Hashing(Protocol):
    """See ``HashlibHashing``."""

    def each(self, messages: Iterable[Message]) -> list[str]: ...


class HashlibHashing:
    """The definition."""

    def each(self, messages: Iterable[Message]) -> list[str]:
        """The BLAKE2b of each message, DIGEST_BYTES, hexadecimal."""
        found: list[str] = []
        for message in messages:
            digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
            for part in message.parts:
                digest.update(part)
            found.append(digest.hexdigest())
        return found


_chosen: list[Hashing] = [HashlibHashing()]


def use(hashing: Hashing) -> Hashing:
    """Hash so in this process from now on; what it used before."""
    before, _chosen[0] = _chosen[0], hashing
    return before


def hashes(messages: Iterable[Message]) -> list[str]:
    """See ``HashlibHashing.each``."""
    return _chosen[0].each(messages)
