"""The sort inside a tile: any finite keys come out in order, ties as they came."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers.cpu_blending import SHALLOW, sort_tile

LOW_HALF = np.uint64(0xFFFFFFFF)


def order_of(keys: np.ndarray, start: int = 0) -> np.ndarray:
    """The rows that ``sort_tile`` puts first to last, for keys with rows 1000, 1001 ... in a longer list."""
    n = len(keys)
    entry_keys = np.concatenate([np.full(start, -1e30, np.float32), keys, [np.float32(1e30)]])
    rows = np.concatenate([np.zeros(start), 1000 + np.arange(n), [7]]).astype(np.uint32)
    first, second = np.empty(n + 5, np.uint64), np.empty(n + 5, np.uint64)
    histogram = np.full(1024, -1, np.int32)
    found = sort_tile(start, n, entry_keys, rows, first, second, histogram)
    return (found[:n] & LOW_HALF).astype(np.int64) - 1000


# Any finite depth that a key can have, -0 and the least numbers among them.
floats = st.floats(-(2.0**74), 2.0**74, width=32)


@given(st.lists(floats, min_size=1, max_size=200), st.integers(0, 20))
def test_any_depths_are_sorted_exactly_and_ties_stay_in_order(values: list[float], start: int) -> None:
    """A far and a near key make the tile deep: it is compared bit for bit."""
    keys = np.array([*values, 0.0, 2.0 * SHALLOW], np.float32)
    np.testing.assert_array_equal(order_of(keys, start), np.argsort(keys, kind="stable"))


@given(
    st.lists(st.integers(0, 1 << 16), min_size=1, max_size=300),
    st.sampled_from([2.0**-10, 2.0**-7, 1e-3, 3e-5]),
    st.floats(-500.0, 500.0, width=32),
)
def test_shallow_tiles_are_sorted_as_finely_as_their_depths_are_known(
    steps: list[int], step: float, low: float
) -> None:
    """Within a 2^-23 of the tile's range nothing is told apart, and only there."""
    keys = (np.float32(low) + np.array(steps, np.float32) * np.float32(step)).astype(np.float32)
    order = order_of(keys)
    assert sorted(order) == list(range(len(keys)))
    sorted_keys = keys[order].astype(np.float64)
    slack = np.ptp(sorted_keys) * 2.0**-23
    assert (np.diff(sorted_keys) >= -slack).all()
    same = np.diff(sorted_keys) == 0.0
    assert (np.diff(order)[same] > 0).all()


def test_one_depth_keeps_the_order_of_the_list() -> None:
    for depth in (0.0, -3.5, 1e20):
        np.testing.assert_array_equal(order_of(np.full(5000, depth, np.float32)), np.arange(5000))


def test_minus_zero_and_zero_are_one_depth() -> None:
    keys = np.array([0.0, -0.0, 5000.0, 0.0, -0.0, -1e-40, 1e-40], np.float32)
    np.testing.assert_array_equal(order_of(keys), np.argsort(keys, kind="stable"))


@given(st.integers(0, 2**31), st.floats(1e-20, 1000.0))
def test_the_largest_key_stays_inside_the_counts(seed: int, width: float) -> None:
    """Rounding up at the far end once left the table: every width must keep its largest key last."""
    rng = np.random.default_rng(seed)
    keys = (rng.random(50) * width).astype(np.float32) + np.float32(rng.normal() * 100.0)
    order = order_of(keys)
    assert keys[order[-1]] == keys.max() and keys[order[0]] == keys.min()
