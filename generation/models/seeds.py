"""Seeds of model calls: each stage, try, pass and tile draws its own from the seed of the request."""

from __future__ import annotations

from hashlib import blake2b


def derived_seed(seed: int, use: str, *parts: int) -> int:
    """A seed of 63 bits from the request's ``seed``, what it is for, and numbers such as a tile's.

    The first bits of BLAKE2b of "seed use part part ...": the same on every machine.
    """
    said = " ".join([str(seed), use, *map(str, parts)])
    return int.from_bytes(blake2b(said.encode(), digest_size=8).digest(), "big") >> 1
