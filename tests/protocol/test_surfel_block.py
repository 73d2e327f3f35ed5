"""Surfels as bytes: what comes back, how exact, how large, and whatever an enemy may send."""

import json
import math
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfel_columns import block_of, columns, covariances

from wonderzoom.protocol import block_vectors
from wonderzoom.protocol import surfel_block as sb
from wonderzoom.protocol.errors import ErrorCode, Malformed
from wonderzoom.protocol.limits import MAX_SURFELS
from wonderzoom.scene_graph import scales

SIZE = np.linspace(0.0, 1.0, 12)


@given(columns())
def test_a_surfel_is_16_bytes_and_its_bounds_two(given_columns: sb.Columns) -> None:
    payload = sb.encode(given_columns)
    n = len(given_columns)
    assert len(zlib.decompress(payload[32:])) == 16 * n and sb.count_of(payload) == n
    bounds = sb.encode_bounds(given_columns.native, given_columns.native + 1, given_columns.native - 1)
    assert len(zlib.decompress(bounds)) == 2 * n
    assert sb.encode(given_columns) == payload


@given(columns())
def test_positions_are_within_a_hundredth_of_a_native_pixel(given_columns: sb.Columns) -> None:
    decoded = sb.decode(sb.encode(given_columns))
    off = np.abs(decoded.means.astype(np.float64) - given_columns.means).max(1)
    assert (off <= 0.01 * np.exp(given_columns.native.astype(np.float64))).all()
    assert np.abs(decoded.means).max() <= 0.5011


@given(columns())
def test_colors_are_exact_and_opacities_and_sizes_within_two_percent(given_columns: sb.Columns) -> None:
    decoded = sb.decode(sb.encode(given_columns))
    assert np.array_equal(decoded.colors, given_columns.colors)
    exact = np.maximum(given_columns.opacities.astype(np.float64), 1 / 255)  # a fainter one is not drawn
    assert np.abs(decoded.opacities - exact).max() <= 1 / 509
    assert (decoded.opacities > 0.0).all() and (decoded.opacities <= 1.0).all()
    for name in ("log_scales", "native"):
        ratio = getattr(decoded, name).astype(np.float64) - getattr(given_columns, name)
        assert np.abs(np.expm1(ratio)).max() <= 0.02


@given(columns())
def test_an_ellipse_is_turned_by_less_than_a_degree_and_a_half(given_columns: sb.Columns) -> None:
    decoded = sb.decode(sb.encode(given_columns))
    exact, known = covariances(given_columns), covariances(decoded)
    largest = np.exp(2.0 * given_columns.log_scales.max(1).astype(np.float64))
    # Of a thin disc turned by an angle: sin(angle) of its length squared, and 4 % of the sizes squared.
    off = np.abs(known - exact).reshape(-1, 9).max(1) / largest
    assert off.max() <= math.sin(math.radians(1.5)) + 0.04
    assert np.abs(np.linalg.norm(decoded.quats, axis=1) - 1.0).max() < 1e-6


def test_sizes_far_below_the_largest_of_a_block_are_raised_to_a_22000th_of_it() -> None:
    sizes = np.array([[0.0, 0.0], [-12.0, -10.0], [-5.0, -0.5]], np.float32)
    decoded = sb.decode(sb.encode(block_of(3, log_scales=sizes)))
    assert np.abs(decoded.log_scales - np.maximum(sizes, -10.0)).max() <= 0.0201


def test_a_block_holds_no_more_than_a_message_takes() -> None:
    noise = block_of(MAX_SURFELS, spread=True)
    payload = sb.encode(noise)
    assert len(payload) < 17 * MAX_SURFELS and len(sb.decode(payload)) == MAX_SURFELS
    for n in (0, MAX_SURFELS + 1):
        with pytest.raises(ValueError, match="surfels"):
            sb.encode(block_of(n))
        with pytest.raises(ValueError, match="surfels"):
            sb.encode_bounds(*[np.zeros(n, np.float32)] * 3)


# ---- bounds ---------------------------------------------------------------------------------------------
@given(st.integers(1, 300), st.integers(0, 1 << 30))
def test_bounds_are_where_they_were(n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    exact = rng.uniform(-6.0, -1.0, n).astype(np.float32)
    native = sb.decode(sb.encode(block_of(n, native=exact))).native
    assert np.array_equal(native, sb.known_native(exact))
    near, far = math.log(1.5), 6.8
    parent = np.where(rng.random(n) < 0.3, np.inf, exact + rng.uniform(near, far, n)).astype(np.float32)
    child = np.where(rng.random(n) < 0.3, -np.inf, exact - rng.uniform(near, far, n)).astype(np.float32)
    above, below = sb.decode_bounds(sb.encode_bounds(native, parent, child), native)
    for known, bound, infinity in ((above, parent, np.inf), (below, child, -np.inf)):
        assert np.array_equal(known == infinity, bound == infinity)
        there = np.isfinite(bound)
        distance = np.abs(bound[there].astype(np.float64) - native[there])
        assert (np.abs(known[there] - bound[there]) <= 0.0061 * distance + 1e-6).all()
    assert (above > native).all() and (below < native).all()


def test_bounds_beyond_what_is_told_apart_are_the_nearest_that_is() -> None:
    native = np.zeros(2, np.float32)
    parent, child = np.array([0.1, 9.0], np.float32), np.array([-9.0, -0.1], np.float32)
    above, below = sb.decode_bounds(sb.encode_bounds(native, parent, child), native)
    assert above == pytest.approx([sb.NEAREST, sb.FARTHEST]) and below == pytest.approx(
        [-sb.FARTHEST, -sb.NEAREST]
    )


@given(
    st.lists(st.floats(1.4143, 20.0), min_size=1, max_size=7),
    st.lists(st.floats(0.0, 1.0), min_size=8, max_size=8),
    st.integers(0, 1 << 30),
)
def test_decoded_stacks_sum_to_one(ratios: list[float], shares: list[float], seed: int) -> None:
    """Law 1 of scales: each layer of a stack in a block of its own, among others over three octaves and a half."""
    rng = np.random.default_rng(seed)
    exact = np.concatenate([[0.0], -np.cumsum(np.log(ratios))])  # coarse to fine
    count = len(exact)
    residencies = np.minimum.accumulate(np.array(shares[:count]))
    residencies[0] = 1.0
    total = 0.0
    r = np.linspace(exact[-1] - 1.0, exact[0] + 1.0, 97)
    for k in range(count):
        others = rng.uniform(-3.0, 0.0, 3)
        low = rng.uniform(-2.4, 0.0)
        offset = -round(
            float(exact[k])
        )  # the cell of a layer is of another level: native scales are of order one
        native = np.concatenate(
            [
                [exact[k] + offset],
                exact[k] + offset + low + others * 0,
                exact[k] + offset + low + rng.uniform(0, 2.4, 3),
            ]
        )
        known = sb.decode(sb.encode(block_of(len(native), native=native.astype(np.float32)))).native
        parent = np.full(len(native), np.inf, np.float32)
        child = np.full(len(native), -np.inf, np.float32)
        if k:
            parent[0] = exact[k - 1] + offset
        if k + 1 < count:
            child[0] = exact[k + 1] + offset
        above, below = sb.decode_bounds(sb.encode_bounds(known, parent, child), known)
        finer = residencies[k + 1] if k + 1 < count else 0.0
        total = total + scales.weight(r + offset, known[0], above[0], below[0], residencies[k], finer)
    assert np.abs(total - 1.0).max() <= 0.02


# ---- what an enemy sends --------------------------------------------------------------------------------
def refused_at_no_cost(data: bytes, native: np.ndarray | None = None) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(sb.BadBlock) as refused:
            sb.decode(data) if native is None else sb.decode_bounds(data, native)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert refused.value.code is ErrorCode.MALFORMED and isinstance(refused.value, Malformed)
    assert len(str(refused.value)) <= 300 and peak < 4 << 20


@pytest.mark.parametrize("name", block_vectors.invalid_payloads())
def test_hostile_payloads_are_refused_at_no_cost(name: str) -> None:
    refused_at_no_cost(block_vectors.invalid_payloads()[name])


@pytest.mark.parametrize("name", block_vectors.invalid_bounds())
def test_hostile_bounds_are_refused_at_no_cost(name: str) -> None:
    refused_at_no_cost(block_vectors.invalid_bounds()[name], np.zeros(4, np.float32))


def test_a_bomb_of_64_megabytes_is_refused_at_no_cost() -> None:
    bomb = zlib.compressobj(9)
    data = b"".join(bomb.compress(bytes(1 << 20)) for _ in range(64)) + bomb.flush()
    assert len(data) < 1 << 20  # one message
    header = sb.encode(block_of(1))[:32]
    refused_at_no_cost(header + data)
    refused_at_no_cost(data, np.zeros(4, np.float32))


def surfels_or_documented(data: bytes, native: np.ndarray) -> None:
    try:
        found = sb.decode(data)
    except sb.BadBlock:
        pass
    else:
        for name in ("means", "quats", "log_scales", "opacities", "native"):
            assert np.isfinite(getattr(found, name)).all()
        assert (
            np.abs(found.means).max() <= 0.5011
            and 0.0 < found.opacities.min() <= found.opacities.max() <= 1.0
        )
        assert np.abs(np.linalg.norm(found.quats, axis=1) - 1.0).max() < 1e-5
        assert max(np.abs(found.log_scales).max(), np.abs(found.native).max()) <= 12.6
    try:
        above, below = sb.decode_bounds(data, native)
    except sb.BadBlock:
        return
    assert (above > native).all() and (below < native).all()


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A payload, or bounds, with some bytes changed, before or after it was deflated."""
    n = draw(st.integers(1, 9))
    payload = sb.encode(block_of(n, seed=draw(st.integers(0, 99))))
    head, raw = bytearray(payload[:32]), bytearray(zlib.decompress(payload[32:]))
    data = draw(st.sampled_from([head, raw]))
    for _ in range(draw(st.integers(1, 4))):
        data[draw(st.integers(0, len(data) - 1))] = draw(st.integers(0, 255))
    whole = bytearray(bytes(head) + zlib.compress(bytes(raw)))
    if draw(st.booleans()):
        whole[draw(st.integers(0, len(whole) - 1))] = draw(st.integers(0, 255))
    return bytes(whole[32:] if draw(st.booleans()) else whole)


FUZZ = st.binary(max_size=200) | mutated() | st.binary(min_size=2, max_size=18).map(zlib.compress)
FOUR = np.zeros(4, np.float32)


@settings(max_examples=100)
@given(FUZZ)
def test_any_bytes_are_surfels_or_refused(data: bytes) -> None:
    surfels_or_documented(data, FOUR)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(max_examples=20_000)
@given(FUZZ)
def test_very_many_bytes_are_surfels_or_refused(data: bytes) -> None:
    surfels_or_documented(data, FOUR)


# ---- vectors --------------------------------------------------------------------------------------------
def test_golden_payloads_hold_what_they_say(repository: Path) -> None:
    vectors = json.loads(
        (repository / "protocol" / "vectors" / "surfel_blocks.json").read_text(encoding="utf-8")
    )
    for vector in vectors:
        known = sb.decode(bytes.fromhex(vector["payload"]))
        above, below = sb.decode_bounds(bytes.fromhex(vector["bounds"]), known.native)
        assert len(known) == vector["count"]
        for name in ("means", "quats", "log_scales", "opacities", "native"):
            assert getattr(known, name) == pytest.approx(np.array(vector[name]), abs=1e-6), vector["name"]
        assert known.colors.tolist() == vector["colors"]
        for column, told in ((above, vector["parent"]), (below, vector["child"])):
            there = [value is not None for value in told]
            assert np.isfinite(column).tolist() == there
            assert column[there] == pytest.approx([value for value in told if value is not None], abs=1e-6)


def test_golden_payloads_are_of_what_they_were_made_of() -> None:
    """Not only what is decoded: the vectors' numbers are those of surfels that one can name."""
    vector = block_vectors.valid()[2]
    k = 7
    assert vector["colors"][k] == [49, 81, 220]
    assert vector["means"][k] == pytest.approx(
        [0.5 * math.sin(6.3), 0.5 * math.cos(11.9), 0.07 / 40], abs=1e-4
    )
    assert vector["native"][k] == pytest.approx(-4.15 + 0.3 * math.sin(21.0), abs=3e-3)
    assert vector["child"][k] == pytest.approx(vector["native"][k] - 0.35 - 3.5, abs=0.03)
    assert vector["parent"][4] is None and vector["child"][8] is None


def test_invalid_payloads_of_the_vectors_are_refused(repository: Path) -> None:
    path = repository / "protocol" / "vectors" / "invalid_surfel_blocks.json"
    for vector in json.loads(path.read_text(encoding="utf-8")):
        with pytest.raises(sb.BadBlock):
            if "payload" in vector:
                sb.decode(bytes.fromhex(vector["payload"]))
            else:
                sb.decode_bounds(bytes.fromhex(vector["bounds"]), np.zeros(vector["count"], np.float32))
