# pyright: basic
"""BLAKE2b (RFC 7693) as compiled loops: eight messages at once, one to a lane.

A message can't be split, but a world hashes hundreds at a time: side by side their words fill a vector register, and a
rotation or a sum is one instruction for all of them (or two, where registers are half as wide). What is found is
``hashlib``'s, which stays the definition.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils

from wonderzoom.runtime.renderers.simd import AS_WRITTEN, intrinsic
from wonderzoom.scene_graph.hashing import DIGEST_BYTES, Hashing, HashlibHashing, Message, use

LANES = 8
BLOCK = 128  # bytes that are mixed in at once
_JOINED = 1 << 21  # bytes that are joined to be hashed together: enough for all lanes, and no more memory

_IV = np.array(
    [
        0x6A09E667F3BCC908, 0xBB67AE8584CAA73B, 0x3C6EF372FE94F82B, 0xA54FF53A5F1D36F1,
        0x510E527FADE682D1, 0x9B05688C2B3E6C1F, 0x1F83D9ABFB41BD6B, 0x5BE0CD19137E2179,
    ],
    np.uint64,
)  # fmt: skip
# The state before the first block: no key, one leaf, digests of DIGEST_BYTES.
_FIRST = _IV ^ np.array([0x01010000 | DIGEST_BYTES, 0, 0, 0, 0, 0, 0, 0], np.uint64)
# Which word of the block goes where, in each of ten rounds; the last two are the first two again.
_SIGMA = (
    "0123456789abcdef", "ea489fd61c02b753", "b8c052fdae367194", "7931dcbe265a40f8", "905724afe1bc683d",
    "2c6a0b834d75fe19", "c51fed4a0763928b", "db7ec13950f4862a", "6fe9b308c2d714a5", "a2847615fb9e3cd0",
)  # fmt: skip
_ROUNDS = 12
_ORDER = ir.Constant(
    ir.ArrayType(ir.IntType(64), 16 * _ROUNDS),
    [int(digit, 16) for number in range(_ROUNDS) for digit in _SIGMA[number % len(_SIGMA)]],
)
_WORD, _POINTER, _WORDS = ir.IntType(64), ir.IntType(64).as_pointer(), ir.VectorType(ir.IntType(64), LANES)
# Four columns, then four diagonals of the 4 x 4 words.
_QUARTERS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
_DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))


# ---- one block of each lane ---------------------------------------------------------------------------
@intrinsic
def _mix(typing_context, state, address, count, last):
    """Mix one block of each lane into its state.

    ``state`` [8, LANES] uint64, in place; of each lane the ``address`` of the block, ``count`` bytes up to its end
    and ``last``, all ones for a message's last block. uint64 arrays [LANES].
    """

    def codegen(context, builder, signature, args):
        pointers = [context.make_array(signature.args[i])(context, builder, args[i]).data for i in range(4)]

        def at(pointer, row):
            return builder.bitcast(builder.gep(pointer, [_WORD(row * LANES)]), _WORDS.as_pointer())

        def constant(value):
            return ir.Constant(_WORDS, [int(value)] * LANES)

        def rotated(value, bits):
            return builder.or_(builder.lshr(value, constant(bits)), builder.shl(value, constant(64 - bits)))

        before = [builder.load(at(pointers[0], row), align=8) for row in range(8)]
        table = cgutils.global_constant(builder, "wonderzoom.blake2b.order", _ORDER)
        words = _loaded(builder, pointers[1])
        v = [*before, *(constant(value) for value in _IV)]
        v[12] = builder.xor(v[12], builder.load(at(pointers[2], 0), align=8))
        v[14] = builder.xor(v[14], builder.load(at(pointers[3], 0), align=8))
        state, block = (cgutils.alloca_once(builder, _WORDS, 16) for _ in range(2))
        for row in range(16):
            builder.store(v[row], builder.gep(state, [_WORD(row)]))
            builder.store(words[row], builder.gep(block, [_WORD(row)]))
        with cgutils.for_range(builder, _WORD(_ROUNDS)) as loop:  # unrolled it would compile for seconds
            v = [builder.load(builder.gep(state, [_WORD(row)])) for row in range(16)]
            order = builder.gep(table, [_WORD(0), builder.mul(loop.index, _WORD(16))])

            def word(place):
                chosen = builder.load(builder.gep(order, [_WORD(place)]))
                return builder.load(builder.gep(block, [chosen]))

            for start, quarters in ((0, _QUARTERS), (8, _DIAGONALS)):
                for each, (a, b, c, d) in enumerate(quarters):
                    for second, (first_turn, second_turn) in enumerate(((32, 24), (16, 63))):
                        added = builder.add(v[a], v[b])
                        v[a] = builder.add(added, word(start + 2 * each + second))
                        v[d] = rotated(builder.xor(v[d], v[a]), first_turn)
                        v[c] = builder.add(v[c], v[d])
                        v[b] = rotated(builder.xor(v[b], v[c]), second_turn)
            for row in range(16):
                builder.store(v[row], builder.gep(state, [_WORD(row)]))
        v = [builder.load(builder.gep(state, [_WORD(row)])) for row in range(16)]
        for row in range(8):
            mixed = builder.xor(before[row], builder.xor(v[row], v[row + 8]))
            builder.store(mixed, at(pointers[0], row), align=8)
        return context.get_dummy_value()

    return types.void(state, address, count, last), codegen


def _loaded(builder, addresses):
    """The 16 words of each lane's block."""
    starts = [
        builder.inttoptr(builder.load(builder.gep(addresses, [_WORD(lane)]), align=8), _POINTER)
        for lane in range(LANES)
    ]
    words = []
    four = ir.VectorType(_WORD, 4).as_pointer()
    for first in range(0, 16, 4):  # for four lanes a square of words each, transposed
        squares = []
        for group in (starts[:4], starts[4:]):
            rows = [
                builder.load(builder.bitcast(builder.gep(start, [_WORD(first)]), four), align=1)
                for start in group
            ]
            low, high = _halves(builder, rows[0], rows[1]), _halves(builder, rows[2], rows[3])
            squares.append(
                [
                    _shuffled(builder, low[k % 2], high[k % 2], [0, 1, 4, 5] if k < 2 else [2, 3, 6, 7])
                    for k in range(4)
                ]
            )
        words += [
            _shuffled(builder, one, other, list(range(LANES))) for one, other in zip(*squares, strict=True)
        ]
    return words


def _halves(builder, one, other):
    """Words 0 and 2 of two lanes, side by side, and their words 1 and 3."""
    return _shuffled(builder, one, other, [0, 4, 2, 6]), _shuffled(builder, one, other, [1, 5, 3, 7])


def _shuffled(builder, one, other, order):
    return builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(ir.IntType(32), len(order)), order))


@intrinsic
def copy_padded(typing_context, to, start, size):
    """Copy ``size`` bytes from one address to another, up to BLOCK, and zeros after them."""

    def codegen(context, builder, signature, args):
        target, source = (builder.inttoptr(each, ir.IntType(8).as_pointer()) for each in args[:2])
        cgutils.memset(builder, target, _WORD(BLOCK), 0)
        cgutils.raw_memcpy(builder, target, source, args[2], 1)
        return context.get_dummy_value()

    return types.void(types.uint64, types.uint64, types.int64), codegen


# ---- messages -----------------------------------------------------------------------------------------
@njit(**AS_WRITTEN)
def _together(start, ends, rest, found):
    """The first two words of the hashes of messages that lie from the address ``start`` on, up to ``ends`` each.

    A lane that is done takes the next message, so that their lengths may differ. ``rest`` [LANES * BLOCK / 8] is room
    for their last blocks, whose rest is zeros.
    """
    state = np.zeros(8 * LANES, np.uint64)
    address, count, last = np.empty(LANES, np.uint64), np.zeros(LANES, np.uint64), np.zeros(LANES, np.uint64)
    message, at, end = np.full(LANES, -1), np.zeros(LANES, np.int64), np.zeros(LANES, np.int64)
    rests = np.uint64(rest.ctypes.data)
    waiting, busy = 0, len(ends)
    while True:
        for lane in range(LANES):
            if message[lane] >= 0 and last[lane] != 0:
                found[message[lane], 0], found[message[lane], 1] = state[lane], state[LANES + lane]
                message[lane] = -1
                busy -= 1
            if message[lane] < 0 and waiting < len(ends):
                message[lane], at[lane], end[lane] = (
                    waiting,
                    0 if waiting == 0 else ends[waiting - 1],
                    ends[waiting],
                )
                count[lane], last[lane] = 0, 0
                for word in range(8):
                    state[word * LANES + lane] = _FIRST[word]
                waiting += 1
            address[lane] = rests
            if message[lane] < 0:
                continue
            left = end[lane] - at[lane]
            if left > BLOCK:
                address[lane] = start + np.uint64(at[lane])
                count[lane] += np.uint64(BLOCK)
            else:
                address[lane] = rests + np.uint64(lane * BLOCK)
                copy_padded(address[lane], start + np.uint64(at[lane]), left)
                count[lane] += np.uint64(left)
                last[lane] = ~np.uint64(0)
            at[lane] += BLOCK
        if busy == 0:
            return
        _mix(state, address, count, last)


class CompiledHashing:
    """See ``Hashing``."""

    def each(self, messages: Iterable[Message]) -> list[str]:
        found: list[str] = []
        waiting: list[Message] = []
        size = 0
        for message in messages:
            waiting.append(message)
            size += message.size
            if size >= _JOINED:
                found += _hashed(waiting)
                waiting, size = [], 0
        return found + _hashed(waiting)


def _hashed(messages: list[Message]) -> list[str]:
    if len(messages) < 2:
        return HashlibHashing().each(messages)  # there is nothing to lay beside it
    ends, words = np.cumsum([each.size for each in messages]), np.empty((len(messages), 2), "<u8")
    data = np.frombuffer(b"".join(chain.from_iterable(each.parts for each in messages)), np.uint8)
    _together(np.uint64(data.ctypes.data), ends, np.empty(LANES * BLOCK // 8, np.uint64), words)
    digits = words.tobytes().hex()
    return [digits[i : i + 2 * DIGEST_BYTES] for i in range(0, len(digits), 2 * DIGEST_BYTES)]


def warm_up() -> None:
    """Compile the loops, or load them from numba's cache, and hash with them in this process."""
    compiled: Hashing = CompiledHashing()
    compiled.each([Message.of("one"), Message.of("two")])
    use(compiled)
