"""Blocks as they come over the wire, as blocks of a scene that a renderer draws."""

from __future__ import annotations

import numpy as np

from wonderzoom.protocol.surfel_block import decode, decode_bounds
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels


def block_of(node: str, cell: Cell, payload: bytes, bounds: bytes, name: str, revision: int = 0) -> Block:
    """The block that a payload and bounds describe; ``name`` (hexadecimal) is its hash. Raises BadBlock.

    Who sets the bounds, which view made a surfel and what it stands for is not sent: nobody who draws needs it.
    """
    known = decode(payload)
    n = len(known)
    surfels = Surfels(
        known.means, known.quats, known.log_scales, known.opacities, known.colors, known.native,
        np.zeros(n, np.uint16), np.zeros(n, np.uint8),
    )  # fmt: skip
    return Block(cell, node, surfels, bounds_of(surfels, bounds, revision), name)


def bounds_of(surfels: Surfels, bounds: bytes, revision: int) -> Bounds:
    """The bounds of some surfels. Raises BadBlock."""
    parent, child = decode_bounds(bounds, surfels.native)
    none = np.full(len(surfels), -1, np.int16)
    return Bounds(parent, child, none, none, (), revision)
