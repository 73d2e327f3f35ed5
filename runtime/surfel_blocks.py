"""Blocks of a world as they go over the wire: names, payloads and bounds (``protocol.surfel_block``).

What is streamed is a *level*: a block itself, or a coarser level of its pyramid, which is a block too. Its name follows
from what it is, before anybody encodes it.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Protocol

from wonderzoom.protocol import surfel_block
from wonderzoom.protocol.limits import SURFEL_FORMAT
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.mips import make_mips
from wonderzoom.scene_graph.surfels import Block, BlockLost

MAX_BYTES = 64 << 20  # of payloads that are kept: six million surfels
MAX_OFFERED = 1 << 14  # levels that can be asked for by name: what some large views have


class Tally(Protocol):
    """Who is told what making takes."""

    def encoded(self, seconds: float) -> None:
        """A payload was made."""
        ...

    def merged(self, levels: int, seconds: float) -> None:
        """So many levels of pyramids were made in one go."""
        ...


class _Nobody:
    def encoded(self, seconds: float) -> None:
        pass

    def merged(self, levels: int, seconds: float) -> None:
        pass


NOBODY: Tally = _Nobody()


def level_of(block: Block, number: int) -> Block | None:
    """A level of a pyramid, if it is made."""
    if number == 0:
        return block
    mips = block.mips
    return mips[number - 1] if len(mips) >= number else None


def make_levels(
    wanted: Sequence[tuple[Block, int]], cameras: Mapping[str, Sequence[Camera]], tally: Tally = NOBODY
) -> list[Block]:
    """Make what is missing of the pyramids of some blocks, each to its level, node by node; those that are lost.

    ``cameras``: of each node's views.
    """
    lost: list[Block] = []
    lacking = sorted((each for each in wanted if each[1] > len(each[0].mips)), key=lambda each: each[0].node)
    begun, before = time.perf_counter(), sum(len(block.mips) for block, _ in lacking)
    for node, group in groupby(lacking, lambda each: each[0].node):
        blocks, numbers = zip(*group, strict=True)
        left = list(blocks)
        while left:
            try:
                # Some get more levels than they need: few surfels, and one call for all is quick.
                make_mips(left, max(numbers), cameras[node])
                break
            except BlockLost as error:
                gone = [block for block in left if block.cell == error.cell] or left
                lost += gone
                left = [block for block in left if block not in gone]
    if lacking:
        made = sum(len(block.mips) for block, _ in lacking) - before
        tally.merged(made, time.perf_counter() - begun)
    return lost


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


class EncodedLevels:
    """Payloads that were made already, within a bound in bytes: what one viewer is sent, others are sent too.

    Any thread may ask. ``offered`` are levels that clients may get by their names.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, tally: Tally = NOBODY) -> None:
        self.max_bytes, self.tally = max_bytes, tally
        self.nbytes = 0
        self.made = 0  # payloads so far
        self._payloads: OrderedDict[bytes, bytes] = OrderedDict()  # used last is last
        self._offered: OrderedDict[bytes, Block] = OrderedDict()
        self._lock = threading.Lock()

    def payload(self, name: bytes, level: Block) -> bytes:
        """The payload of a level with that name. Raises BlockLost."""
        with self._lock:
            known = self._payloads.get(name)
            if known is not None:
                self._payloads.move_to_end(name)
                return known
        begun = time.perf_counter()
        made = payload_of(level)
        self.tally.encoded(time.perf_counter() - begun)
        with self._lock:
            self.made += 1
            if name not in self._payloads:
                self._payloads[name] = made
                self.nbytes += len(made)
            while self.nbytes > self.max_bytes and len(self._payloads) > 1:
                _, given_up = self._payloads.popitem(last=False)
                self.nbytes -= len(given_up)
        return made

    def offer(self, name: bytes, level: Block) -> None:
        """From now on ``find`` knows that name; of very many the oldest are forgotten."""
        with self._lock:
            self._offered[name] = level
            self._offered.move_to_end(name)
            while len(self._offered) > MAX_OFFERED:
                self._offered.popitem(last=False)

    def find(self, name: bytes) -> bytes | None:
        """The payload of a name that was offered. Raises BlockLost."""
        with self._lock:
            level = self._offered.get(name)
        return None if level is None else self.payload(name, level)
