"""The depth of a picture as bytes: what comes back, how exact, how large, and whatever an enemy may send."""

import json
import math
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from wonderzoom.protocol import depth_vectors
from wonderzoom.protocol.depth_map import EVEN, PIVOT, BadDepth, decode_depth, encode_depth
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.limits import MAX_DEPTH_SAMPLES, MAX_ZETA

depths = arrays.arrays(
    np.float32,
    arrays.array_shapes(min_dims=2, max_dims=2, max_side=9),
    elements=st.one_of(
        st.floats(-10_000, 10_000, width=32), st.sampled_from([math.nan, -1e30, -1e20, 1e9, 3e29])
    ),
)
inverse_focals = st.floats(-5.0, 1500.0).map(lambda ln_f: math.exp(-ln_f))
steps = st.sampled_from([1.0 / 28.0, 1.0 / 112.0, 1.0 / 450.0])


def slow_number(zeta: float, inverse_f: float, step: float) -> int:
    """The number of a sample, by the formula as PROTOCOL.md has it."""
    if math.isnan(zeta):
        return 0
    even = zeta
    if inverse_f >= 1e-200:
        even = math.log1p(max(zeta * inverse_f, 2.0**-7 - 1.0)) / inverse_f
    return min(65535, max(1, round(math.asinh(even / EVEN) / step) + PIVOT))


def slow_zeta(number: int, inverse_f: float, step: float) -> float:
    if number == 0:
        return math.nan
    even = EVEN * math.sinh(max(-75.0, min(75.0, (number - PIVOT) * step)))
    zeta = even if inverse_f < 1e-200 else math.expm1(min(even * inverse_f, 700.0)) / inverse_f
    return max(-MAX_ZETA, min(MAX_ZETA, zeta))


def slow_numbers(payload: bytes, height: int, width: int) -> list[list[int]]:
    """What is in a payload, sample by sample."""
    raw = zlib.decompress(payload)
    rows: list[list[int]] = []
    for y in range(height):
        row: list[int] = []
        for x in range(width):
            at = y * width + x
            folded = 256 * raw[at] + raw[height * width + at]
            difference = 65535 - (folded >> 1) if folded & 1 else folded >> 1
            before = row[-1] if row else (rows[-1][0] if rows else 0)
            row.append((before + difference) % 65536)
        rows.append(row)
    return rows


@given(depths, inverse_focals, steps)
def test_depths_are_what_the_formula_says(zeta: np.ndarray, inverse_f: float, step: float) -> None:
    payload = encode_depth(zeta, inverse_f, step)
    assert encode_depth(zeta, inverse_f, step) == payload
    numbers = slow_numbers(payload, *zeta.shape)
    for row, values in zip(numbers, zeta.tolist(), strict=True):
        for number, value in zip(row, values, strict=True):
            assert abs(number - slow_number(value, inverse_f, step)) <= 1  # a half, rounded either way
            assert (number == 0) == math.isnan(value)
    found = decode_depth(payload, zeta.shape, inverse_f, step)
    expected = [[slow_zeta(number, inverse_f, step) for number in row] for row in numbers]
    np.testing.assert_allclose(found, np.array(expected), rtol=1e-6)


@given(depths, inverse_focals)
def test_a_depth_is_exact_to_a_share_of_its_distance_from_the_pivot(
    zeta: np.ndarray, inverse_f: float
) -> None:
    """In L = f ln w, pixels: half a step of EVEN pixels, and half a step of what it is."""
    for step in (1.0 / 28.0, 1.0 / 112.0):
        found = decode_depth(encode_depth(zeta, inverse_f, step), zeta.shape, inverse_f, step).astype(
            np.float64
        )
        known = ~np.isnan(zeta) & (1.0 + zeta.astype(np.float64) * inverse_f > 0.01)
        even, again = (
            (z[known], np.log1p(z[known] * inverse_f) / max(inverse_f, 1e-300))
            for z in (zeta.astype(np.float64), found)
        )
        exact, decoded = (each[0] if inverse_f < 1e-200 else each[1] for each in (even, again))
        rounding = 1e-4 * (1.0 + np.abs(zeta[known]))  # of zeta to float32, where w is 0.01
        assert (np.abs(decoded - exact) <= 0.51 * step * (EVEN + np.abs(exact)) + rounding).all()


def test_smooth_depth_costs_a_fraction_of_its_sixteen_bits() -> None:
    y, x = np.mgrid[:90, :160]
    payload = encode_depth((0.5 * x - 0.3 * y).astype(np.float32), 1 / 500, 1.0 / 28.0)
    assert len(payload) < 160 * 90 / 4
    chance = np.random.default_rng(0)
    noise = chance.normal(0.0, 1e4, (90, 160)).astype(np.float32)
    assert len(encode_depth(noise, 1 / 500, 1.0 / 450.0)) < 2.1 * 160 * 90


def test_a_picture_has_so_many_samples_at_most() -> None:
    for shape in ((0, 4), (1, MAX_DEPTH_SAMPLES + 1), (4,)):
        with pytest.raises(ValueError, match="depths"):
            encode_depth(np.zeros(shape, np.float32), 0.01, 0.1)
    for shape in ((0, 4), (2048, 2048)):
        with pytest.raises(BadDepth, match="samples"):
            decode_depth(zlib.compress(b""), shape, 0.01, 0.1)


@pytest.mark.parametrize("name", depth_vectors.invalid())
def test_what_is_no_depth_is_refused_at_no_cost(name: str) -> None:
    payload = depth_vectors.invalid()[name]
    tracemalloc.start()
    try:
        with pytest.raises(BadDepth) as refused:
            decode_depth(payload, depth_vectors.SHAPE, 0.01, 0.1)
        assert refused.value.code is ErrorCode.MALFORMED
        assert tracemalloc.get_traced_memory()[1] < 1 << 18
    finally:
        tracemalloc.stop()


@given(st.binary(min_size=24, max_size=24), inverse_focals, steps)
def test_whatever_the_numbers_are_the_depths_can_be_drawn(raw: bytes, inverse_f: float, step: float) -> None:
    found = decode_depth(zlib.compress(raw), (3, 4), inverse_f, step)
    known = found[~np.isnan(found)].astype(np.float64)
    assert np.isfinite(known).all() and (1.0 + known * inverse_f >= -1e-6).all()


def test_the_vectors_hold(repository: Path) -> None:
    vectors = json.loads(
        (repository / "protocol" / "vectors" / "depth_maps.json").read_text(encoding="utf-8")
    )
    assert len(vectors) == len(depth_vectors.valid())
    for vector in vectors:
        shape = vector["height"], vector["width"]
        found = decode_depth(
            bytes.fromhex(vector["payload"]), shape, math.exp(-vector["ln_f"]), vector["step"]
        )
        expected = np.array(vector["zeta"], np.float64)
        np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=vector["name"])
