# pyright: basic
"""Machine-level words for the CPU kernels: an 8-lane float32 vector, fast log2, exp2, prefetch, a counter.

LLVM vectorises straight loops by itself but gives up on the blending loops (measured: 120 ms against 24 ms
for a backward pass), so those are written with an explicit vector type. Eight lanes are one AVX register
and two NEON registers; LLVM lowers either. Everything here is for use inside ``numba.njit`` functions.

Numba keeps a compiled kernel until the file of *that kernel* changes: after a change here, touch the files
that use it (or delete ``__pycache__``).
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core.typing.templates import AbstractTemplate, infer_global
from numba.extending import intrinsic as untyped_intrinsic
from numba.extending import lower_builtin, models, register_model

from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.scales import ATANH

# Callers leave out the first argument, which a type checker cannot know.
intrinsic: Any = untyped_intrinsic

LANES = 8

# How every kernel of the renderers is compiled. No ``parallel``: its thread pool aborts the process when two
# Python threads call it; kernels release the GIL and threads are ours. Reassociation and contraction make
# sums vectorise; NaN and infinity keep their meaning (no ``nnan``, no ``ninf``).
KERNEL: dict[str, Any] = {
    "nogil": True,
    "cache": True,
    "error_model": "numpy",
    "fastmath": {"reassoc", "nsz", "arcp", "contract", "afn"},
}

# ... and those whose results must not depend on where in a loop they are computed.
AS_WRITTEN: dict[str, Any] = {**KERNEL, "fastmath": False}

_FLOAT = ir.FloatType()
_INT = ir.IntType(32)
_FLOATS = ir.VectorType(_FLOAT, LANES)
_INTS = ir.VectorType(_INT, LANES)
_FAST = ("fast",)
_AS_WRITTEN = ("nsz",)  # no reassociation

# exp2(f), f in [-1/2, 1/2], as a cubic: relative error 1e-4, a twentieth of one step of an 8-bit picture.
_EXP2 = (0.055922036, 0.242640083, 0.693121034, 0.999924481)
# log2(1 + t), mantissa in [sqrt(1/2), sqrt(2)), times 1: absolute error 2e-7 (minimax, degree 8).
_LOG2 = (
    -0.146203534,
    0.234209851,
    -0.248821806,
    0.287075611,
    -0.360241986,
    0.480924039,
    -0.721352759,
    1.442694958,
)
_ROUNDER = 1.5 * 2.0**23  # float32 numbers of this size are whole
_SQRT_HALF_BITS = 0x3F3504F3


class VectorType(types.Type):
    """Eight float32 lanes."""

    def __init__(self) -> None:
        super().__init__(name="Vector8xFloat32")


vector = VectorType()


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, frontend: Any) -> None:
        super().__init__(manager, frontend, _FLOATS)


def _constant(value: float) -> ir.Constant:
    return ir.Constant(_FLOATS, [float(value)] * LANES)


def _lane_pointer(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    """Pointer to LANES floats at element ``args[1]`` of the contiguous array ``args[0]``."""
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.bitcast(builder.gep(array.data, [args[1]]), _FLOATS.as_pointer())


@intrinsic
def splat(typing_context, value):
    """The scalar float32 in every lane."""

    def codegen(context, builder, signature, args):
        undefined = ir.Constant(_FLOATS, ir.Undefined)
        one = builder.insert_element(undefined, args[0], _INT(0))
        return builder.shuffle_vector(one, undefined, ir.Constant(_INTS, [0] * LANES))

    return vector(types.float32), codegen


@intrinsic
def lane_numbers(typing_context):
    """0, 1, ... 7."""

    def codegen(context, builder, signature, args):
        return ir.Constant(_FLOATS, [float(lane) for lane in range(LANES)])

    return vector(), codegen


@intrinsic
def load(typing_context, array, index):
    """Eight neighbours of a contiguous float32 array from ``index`` on; no alignment needed."""

    def codegen(context, builder, signature, args):
        return builder.load(_lane_pointer(context, builder, signature, args), align=4)

    return vector(array, index), codegen


@intrinsic
def store(typing_context, array, index, value):
    """Write eight neighbours of a contiguous float32 array from ``index`` on."""

    def codegen(context, builder, signature, args):
        builder.store(args[2], _lane_pointer(context, builder, signature, args), align=4)
        return context.get_dummy_value()

    return types.void(array, index, vector), codegen


def _operator(symbol: Callable[..., Any], instruction: str) -> None:
    """``vector symbol vector`` is one instruction: typed and lowered directly, which compiles fastest."""

    class Typer(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            return vector(vector, vector) if args == (vector, vector) and not kws else None

    declare: Any = infer_global(symbol)
    declare(Typer)

    @lower_builtin(symbol, vector, vector)
    def _lower(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return getattr(builder, instruction)(args[0], args[1], flags=_FAST)


for _symbol, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operator(_symbol, _instruction)


@intrinsic
def fma(typing_context, x, y, z):
    """x y + z in each lane."""

    def codegen(context, builder, signature, args):
        return builder.fadd(builder.fmul(args[0], args[1], flags=_FAST), args[2], flags=_FAST)

    return vector(vector, vector, vector), codegen


@intrinsic
def minimum(typing_context, x, y):
    """The smaller in each lane."""

    def codegen(context, builder, signature, args):
        below = builder.fcmp_ordered("<", args[0], args[1], flags=_FAST)
        return builder.select(below, args[0], args[1])

    return vector(vector, vector), codegen


@intrinsic
def maximum(typing_context, x, y):
    """The larger in each lane."""

    def codegen(context, builder, signature, args):
        above = builder.fcmp_ordered(">", args[0], args[1], flags=_FAST)
        return builder.select(above, args[0], args[1])

    return vector(vector, vector), codegen


@intrinsic
def keep_ge(typing_context, x, y):
    """x where x >= y, else 0."""

    def codegen(context, builder, signature, args):
        kept = builder.fcmp_ordered(">=", args[0], args[1], flags=_FAST)
        return builder.select(kept, args[0], _constant(0))

    return vector(vector, vector), codegen


@intrinsic
def keep_lt(typing_context, value, x, y):
    """value where x < y, else 0."""

    def codegen(context, builder, signature, args):
        kept = builder.fcmp_ordered("<", args[1], args[2], flags=_FAST)
        return builder.select(kept, args[0], _constant(0))

    return vector(vector, vector, vector), codegen


@intrinsic
def reciprocal(typing_context, x):
    """1 / x in each lane."""

    def codegen(context, builder, signature, args):
        return builder.fdiv(_constant(1), args[0], flags=_FAST)

    return vector(vector), codegen


@intrinsic
def exp2(typing_context, x):
    """2^x in each lane, relative error 1e-4; x below -126 counts as -126, x must stay below 127."""

    def codegen(context, builder, signature, args):
        low = _constant(-126)
        bounded = builder.select(builder.fcmp_ordered(">", args[0], low, flags=_FAST), args[0], low)
        # Adding _ROUNDER rounds: the whole number is then in the lowest bits. Reassociation would undo it, and
        # numba adds a kernel's flags to every operation without any: hence a harmless one.
        shifted = builder.fadd(bounded, _constant(_ROUNDER), flags=_AS_WRITTEN)
        whole = builder.fsub(shifted, _constant(_ROUNDER), flags=_AS_WRITTEN)
        rest = builder.fsub(bounded, whole, flags=_AS_WRITTEN)
        power = _constant(_EXP2[0])
        for coefficient in _EXP2[1:]:
            power = builder.fadd(builder.fmul(power, rest, flags=_FAST), _constant(coefficient), flags=_FAST)
        exponent = builder.shl(builder.bitcast(shifted, _INTS), ir.Constant(_INTS, [23] * LANES))
        return builder.bitcast(builder.add(builder.bitcast(power, _INTS), exponent), _FLOATS)

    return vector(vector), codegen


@intrinsic
def total(typing_context, x):
    """The sum of the lanes, always in the same (butterfly) order."""

    def codegen(context, builder, signature, args):
        undefined, value = ir.Constant(_FLOATS, ir.Undefined), args[0]
        for order in ([4, 5, 6, 7, 0, 1, 2, 3], [2, 3, 0, 1, 6, 7, 4, 5], [1, 0, 3, 2, 5, 4, 7, 6]):
            swapped = builder.shuffle_vector(value, undefined, ir.Constant(_INTS, order))
            value = builder.fadd(value, swapped, flags=_FAST)
        return builder.extract_element(value, _INT(0))

    return types.float32(vector), codegen


# ---- scalars: branch-free, so that LLVM vectorises loops over them -------------------------------------
@intrinsic
def _log2_parts(typing_context, x):
    """(exponent as float32, mantissa in [sqrt(1/2), sqrt(2))) of a positive normal float32."""
    signature = types.UniTuple(types.float32, 2)(types.float32)

    def codegen(context, builder, signature, args):
        bits = builder.bitcast(args[0], _INT)
        exponent = builder.ashr(builder.sub(bits, _INT(_SQRT_HALF_BITS)), _INT(23))
        mantissa = builder.bitcast(builder.sub(bits, builder.shl(exponent, _INT(23))), _FLOAT)
        parts = [builder.sitofp(exponent, _FLOAT), mantissa]
        return context.make_tuple(builder, signature.return_type, parts)

    return signature, codegen


_L0, _L1, _L2, _L3, _L4, _L5, _L6, _L7 = (np.float32(c) for c in _LOG2)
_ONE = np.float32(1)
_INLINE = {name: value for name, value in KERNEL.items() if name != "cache"}  # copied into their callers


@njit(inline="always", **_INLINE)
def log2(x):
    """log2 of a positive normal float32, absolute error 3e-7."""
    exponent, mantissa = _log2_parts(x)
    t = mantissa - _ONE
    p = _L0
    p = p * t + _L1
    p = p * t + _L2
    p = p * t + _L3
    p = p * t + _L4
    p = p * t + _L5
    p = p * t + _L6
    p = p * t + _L7
    return p * t + exponent


@intrinsic
def _floor(typing_context, x):
    def codegen(context, builder, signature, args):
        return builder.call(builder.module.declare_intrinsic("llvm.floor", [_FLOAT]), [args[0]])

    return types.float32(types.float32), codegen


@intrinsic
def _scale_by_power(typing_context, mantissa, exponent):
    """mantissa 2^exponent for a whole exponent given as float32, added to the exponent bits."""

    def codegen(context, builder, signature, args):
        shifted = builder.shl(builder.fptosi(args[1], _INT), _INT(23))
        return builder.bitcast(builder.add(builder.bitcast(args[0], _INT), shifted), _FLOAT)

    return types.float32(types.float32, types.float32), codegen


_HALF, _LOWEST, _HIGHEST = np.float32(0.5), np.float32(-126), np.float32(126)
# Taylor series of 2^f: the first term left out is 1e-8 at |f| = 1/2.
_P1, _P2, _P3, _P4, _P5, _P6 = (
    np.float32(c) for c in (0.69314718, 0.24022651, 0.055504109, 0.0096181291, 0.0013333558, 0.00015403530)
)


@njit(inline="always", **_INLINE)
def exp2_exact(x):
    """2^x of a float32, relative error 1e-7; x is clamped to [-126, 126]."""
    x = min(max(x, _LOWEST), _HIGHEST)
    whole = _floor(x + _HALF)
    f = x - whole
    power = ((((((_P6 * f + _P5) * f + _P4) * f + _P3) * f) + _P2) * f + _P1) * f + _ONE
    return _scale_by_power(power, whole)


_FRACTION, _HALF_BITS = (1 << 52) - 1, 1022 << 52  # bits of a float64, and those of 0.5
_SQRT_HALF = math.sqrt(0.5)
_A0, _A1, _A2, _A3, _A4, _A5, _A6, _A7 = ATANH


@njit(forceinline=True, **{name: value for name, value in AS_WRITTEN.items() if name != "cache"})
def exact_ln(x):
    """``scales.ln`` of a positive normal float64 or of infinity, to the bit; ``frexp`` by its bits."""
    bits = np.float64(x).view(np.int64)
    exponent, mantissa = (bits >> 52) - 1022, np.int64((bits & _FRACTION) | _HALF_BITS).view(np.float64)
    below = mantissa < _SQRT_HALF
    mantissa = 2.0 * mantissa if below else mantissa
    exponent = exponent - 1 if below else exponent
    s = (mantissa - 1.0) / (mantissa + 1.0)
    q = s * s
    series = ((((((_A0 * q + _A1) * q + _A2) * q + _A3) * q + _A4) * q + _A5) * q + _A6) * q + _A7
    return x if x == np.inf else exponent * LN2 + 2.0 * s * series


# ---- memory ---------------------------------------------------------------------------------------------
@intrinsic
def fetch_add(typing_context, counter, amount):
    """Atomically add to ``counter[0]`` (int64) and return what it was: how threads share out tiles."""

    def codegen(context, builder, signature, args):
        array = context.make_array(signature.args[0])(context, builder, args[0])
        return builder.atomic_rmw("add", array.data, args[1], "monotonic")

    return types.int64(counter, types.int64), codegen


@intrinsic
def prefetch(typing_context, array, index, byte):
    """Ask for the cache line that holds a byte of element ``index`` of a contiguous, flattened array."""

    def codegen(context, builder, signature, args):
        contents = context.make_array(signature.args[0])(context, builder, args[0])
        byte_pointer = ir.IntType(8).as_pointer()
        address = builder.bitcast(builder.gep(contents.data, [args[1]]), byte_pointer)
        address = builder.gep(address, [args[2]])
        kind = ir.FunctionType(ir.VoidType(), [byte_pointer, _INT, _INT, _INT])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte_pointer], kind)
        builder.call(function, [address, _INT(0), _INT(3), _INT(1)])
        return context.get_dummy_value()

    return types.void(array, index, byte), codegen


def aligned_empty(shape: tuple[int, ...], dtype: Any, alignment: int = 64) -> np.ndarray:
    """An uninitialised array that starts on a cache line: records of 64 bytes then touch one line each."""
    dtype = np.dtype(dtype)
    size = int(np.prod(shape)) * dtype.itemsize
    raw = np.empty(size + alignment, np.uint8)
    start = -raw.ctypes.data % alignment
    return raw[start : start + size].view(dtype).reshape(shape)
