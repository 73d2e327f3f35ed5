"""The vector words against numpy: each lane is that number's own result, to the stated error."""

from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from wonderzoom.runtime.renderers import simd
from wonderzoom.runtime.renderers.cpu_memory import bits_float, float_bits, floats_at, select_greater
from wonderzoom.runtime.renderers.threads import Team

F32 = np.float32
# As the renderers compile, fast-math flags included, but never from a cache: it would not see a change of a word.
KERNEL: dict[str, Any] = {**simd.KERNEL, "cache": False}


@njit(**KERNEL)
def vector_words(x, y, z, out):
    """Rows of ``out``: what each word makes of eight numbers."""
    zero = np.uint64(0)
    a, b, c = simd.load(x, zero), simd.load(y, zero), simd.load(z, zero)
    simd.store(out, np.uint64(0), a + b)
    simd.store(out, np.uint64(8), a - b)
    simd.store(out, np.uint64(16), a * b)
    simd.store(out, np.uint64(24), simd.fma(a, b, c))
    simd.store(out, np.uint64(32), simd.minimum(a, b))
    simd.store(out, np.uint64(40), simd.maximum(a, b))
    simd.store(out, np.uint64(48), simd.keep_ge(a, b))
    simd.store(out, np.uint64(56), simd.keep_lt(c, a, b))
    simd.store(out, np.uint64(64), simd.reciprocal(c))
    simd.store(out, np.uint64(72), simd.exp2(a))
    simd.store(out, np.uint64(80), select_greater(a, b, c, simd.splat(x[1])))
    simd.store(out, np.uint64(88), simd.lane_numbers())
    return simd.total(a)


numbers = st.lists(st.floats(-120.0, 120.0, width=32), min_size=8, max_size=8)


@given(numbers, numbers, st.lists(st.floats(0.0078125, 100.0, width=32), min_size=8, max_size=8))
def test_words_work_lane_by_lane(x: list[float], y: list[float], z: list[float]) -> None:
    a, b, c = (np.array(each, F32) for each in (x, y, z))
    out = np.empty(96, F32)
    total = vector_words(a, b, c, out)
    rows = out.reshape(12, 8)
    np.testing.assert_array_equal(rows[0], a + b)
    np.testing.assert_array_equal(rows[1], a - b)
    np.testing.assert_array_equal(rows[2], a * b)
    np.testing.assert_allclose(rows[3], a.astype(float) * b + c, rtol=1e-6, atol=2e-3)
    np.testing.assert_array_equal(rows[4], np.minimum(a, b))
    np.testing.assert_array_equal(rows[5], np.maximum(a, b))
    np.testing.assert_array_equal(rows[6], np.where(a >= b, a, 0))
    np.testing.assert_array_equal(rows[7], np.where(a < b, c, 0))
    np.testing.assert_allclose(rows[8], 1.0 / c, rtol=1e-6)
    np.testing.assert_allclose(rows[9], np.exp2(a.astype(float)), rtol=1.1e-4)
    np.testing.assert_array_equal(rows[10], np.where(a > b, c, a[1]))
    np.testing.assert_array_equal(rows[11], np.arange(8))
    np.testing.assert_allclose(total, a.astype(float).sum(), atol=1e-4)


def test_exp2_stays_finite_below_and_exact_at_whole_numbers() -> None:
    out = np.empty(96, F32)
    x = np.array([-1e30, -1000.0, -126.5, -126.0, 0.0, 1.0, 126.0, 0.5], F32)
    vector_words(x, x, np.ones(8, F32), out)
    powers = out.reshape(12, 8)[9]
    np.testing.assert_allclose(powers[:4], 2.0**-126, rtol=2e-4)
    np.testing.assert_allclose(powers[4:], [1.0, 2.0, 2.0**126, 2.0**0.5], rtol=1e-4)


@njit(**KERNEL)
def scalar_words(x):
    return simd.log2(x), simd.exp2_exact(x)


@given(st.floats(2.0**-100, 2.0**100, width=32))
def test_log2_is_exact_to_3e_7(x: float) -> None:
    """Absolutely between 1/2 and 2, relatively beyond."""
    log, _ = scalar_words(F32(x))
    assert abs(float(log) - np.log2(x)) <= 3e-7 * max(1.0, abs(np.log2(x)))


@given(st.floats(-140.0, 140.0, width=32))
def test_the_exact_exp2_is_float32_s_own(x: float) -> None:
    _, power = scalar_words(F32(x))
    np.testing.assert_allclose(power, np.exp2(np.clip(x, -126.0, 126.0)), rtol=3e-7)


@njit(**KERNEL)
def through_a_record(numbers, record, vectors):
    for i in range(8):
        record[np.uint64(i)] = bits_float(numbers[i])
    kept = simd.load(record, np.uint64(0))
    more = simd.splat(record[np.uint64(0)])
    simd.store(
        vectors, np.uint64(0), select_greater(simd.lane_numbers(), simd.splat(np.float32(3)), kept, more)
    )
    for i in range(8):
        numbers[i] = float_bits(vectors[np.uint64(i)])


@given(st.lists(st.integers(-(2**31), 2**31 - 1), min_size=8, max_size=8))
def test_ids_survive_as_bits_of_floats(ids: list[int]) -> None:
    """All of them, in memory and in lanes: also those that are NaNs or denormal as a float."""
    numbers = np.array(ids, np.int32)
    through_a_record(numbers, np.empty(8, F32), np.empty(8, F32))
    assert numbers.tolist() == [ids[0]] * 4 + ids[4:]


@njit
def read_at(address, index):
    return floats_at(address)[index]


def test_an_array_is_read_at_its_address() -> None:
    values = np.arange(10, dtype=F32) * 1.5
    assert read_at(values.ctypes.data, 7) == 10.5


@njit(**KERNEL)
def take_turns(counter, owner, mine):
    while True:
        turn = simd.fetch_add(counter, 1)
        if turn >= owner.shape[0]:
            break
        owner[turn] += mine


def test_threads_share_out_every_number_once() -> None:
    counter, owner = np.zeros(1, np.int64), np.zeros(20000, np.int64)
    with Team(4) as team:
        team.run(take_turns, [(counter, owner, 1)] * 4)
    assert (owner == 1).all()


def test_arrays_start_on_a_cache_line() -> None:
    for shape in ((1,), (7, 3), (1000, 16)):
        array = simd.aligned_empty(shape, F32)
        assert array.shape == shape and array.ctypes.data % 64 == 0
        array[...] = 1.0


@njit
def ask_ahead(values, index):
    simd.prefetch(values, index, 0)
    return values[index]


def test_prefetching_changes_nothing() -> None:
    assert ask_ahead(np.arange(64, dtype=F32), np.uint64(5)) == 5.0
