# pyright: basic
"""Machine-level words that only the CPU renderer needs: arrays at addresses, float bits, ids in vector lanes.

Blocks are packed one by one and come and go, so the kernels get a table of addresses instead of one big
array; ids travel through float32 records and vectors as bits (loads, stores and selects keep any bits).
"""

from __future__ import annotations

from llvmlite import ir
from numba import types

from wonderzoom.runtime.renderers.simd import intrinsic, vector

_FLOAT = ir.FloatType()
_INT = ir.IntType(32)


@intrinsic
def floats_at(typing_context, address):
    """The pointer to float32 at an address (int64); ``numba.carray`` makes an array of it."""

    def codegen(context, builder, signature, args):
        return builder.inttoptr(args[0], _FLOAT.as_pointer())

    return types.CPointer(types.float32)(types.int64), codegen


@intrinsic
def float_bits(typing_context, value):
    """The 32 bits of a float32 as int32."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], _INT)

    return types.int32(types.float32), codegen


@intrinsic
def bits_float(typing_context, value):
    """The float32 with these 32 bits."""

    def codegen(context, builder, signature, args):
        return builder.bitcast(args[0], _FLOAT)

    return types.float32(types.int32), codegen


@intrinsic
def select_greater(typing_context, x, y, if_greater, otherwise):
    """In each lane ``if_greater`` where x > y, else ``otherwise``; keeps any bits."""

    def codegen(context, builder, signature, args):
        return builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[2], args[3])

    return vector(vector, vector, vector, vector), codegen
