"""Blocks of a world as they go over the wire: names, payloads and bounds (``protocol.surfel_block``).

What is streamed is a *level*: a block itself, or a coarser level of its pyramid, which is a block too. Its name follows
from what it is, before anybody encodes it.
"""

from __future__ import annotations

import hashlib

from wonderzoom.protocol import surfel_block
from wonderzoom.protocol.limits import SURFEL_FORMAT
from wonderzoom.scene_graph.surfels import Block


def wire_name(level: Block, number: int) -> bytes:
    """The 16 bytes that name the payload of level ``number`` of a pyramid, for ever; reads nothing."""
    digest = hashlib.blake2b(bytes.fromhex(level.hash), digest_size=16, person=b"wonderzoom level")
    digest.update(bytes([SURFEL_FORMAT]) + number.to_bytes(2, "big"))
    return digest.digest()


def payload_of(level: Block) -> bytes:
    """The write-once columns of a level as bytes, but for those that only making needs. Raises BlockLost."""
    s = level.surfels
    return surfel_block.encode(
        surfel_block.Columns(s.means, s.quats, s.log_scales, s.opacities, s.colors, s.native)
    )


def bounds_of(level: Block) -> bytes:
    """Its bounds as bytes. Raises BlockLost."""
    bounds, native = level.bounds, surfel_block.known_native(level.surfels.native)
    return surfel_block.encode_bounds(native, bounds.parent, bounds.child)
