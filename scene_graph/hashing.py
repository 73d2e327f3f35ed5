"""BLAKE2b of blocks, bounds and files: one name for each content, whoever works it out.

A process hashes by what it chose (``use``): by ``hashlib``, which is the definition, or by compiled loops that hash
several messages side by side (``runtime.renderers.hash_kernels``). What they find is the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

DIGEST_BYTES = 16  # 128 bits: names, not passwords
# One after the other; what a memoryview shows is contiguous.
Message = Sequence[bytes | memoryview]


class Hashing(Protocol):
    """See ``HashlibHashing``."""

    def each(self, messages: Iterable[Message]) -> list[str]: ...


class HashlibHashing:
    """The definition."""

    def each(self, messages: Iterable[Message]) -> list[str]:
        """The BLAKE2b of each message, DIGEST_BYTES, hexadecimal."""
        found: list[str] = []
        for parts in messages:
            digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
            for part in parts:
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


def message(*parts: str | NDArray[np.generic]) -> Message:
    """Texts and the numbers of arrays as one message."""
    return [each.encode() if isinstance(each, str) else np.ascontiguousarray(each).data for each in parts]
