"""The slab pool: what is in it is what was packed, it keeps its bound, and the longest unseen block goes first."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from clouds import a_camera, cloud
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers.cuda_residency import (
    SLAB_BYTES,
    OverBudget,
    SlabPool,
    bounds_columns,
    rows_of,
)
from wonderzoom.runtime.renderers.packing import pack_block
from wonderzoom.runtime.renderers.packing_kernels import CHILD_SLOPE, CHUNK, PARENT_SLOPE
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.surfels import Block

SOURCE = max(
    cloud(a_camera(), 9000, 1, octaves=(2.0, 2.2), depths=(0.9, 1.1), margin=0.0).blocks,
    key=lambda b: len(b.surfels),
)


def a_block(name: str, count: int) -> Block:
    """A block of ``count`` surfels, another one for each name."""
    some, bounds = SOURCE.surfels, SOURCE.bounds
    rows = np.arange(count) % len(some)
    columns = {key: getattr(bounds, key)[rows] for key in ("parent", "child", "parent_owner", "child_owner")}
    many = concatenate([some.take(rows)])
    return Block(SOURCE.cell, name, many, replace(bounds, **columns))


def other_bounds(block: Block, revision: int = 7) -> Block:
    return block.with_bounds(
        replace(block.bounds, parent=block.bounds.parent + np.float32(0.5), revision=revision)
    )


def read(pool: SlabPool, block: Block) -> tuple[np.ndarray, np.ndarray]:
    (slabs,) = pool.place([block])
    return pool.data[slabs].numpy(), pool.culling[slabs].numpy()


@pytest.mark.parametrize("count", [1, 255, 256, 257, 700])
def test_a_block_in_the_pool_is_the_packed_block(count: int) -> None:
    block, pool = a_block("a", count), SlabPool(1 << 20, "cpu")
    data, culling = read(pool, block)
    packed = pack_block(block)
    np.testing.assert_array_equal(data, packed.data[:, :, :CHUNK])
    np.testing.assert_array_equal(culling[:, :4], packed.spheres)
    np.testing.assert_array_equal(culling[:, 4:], packed.intervals)
    np.testing.assert_array_equal(rows_of(block), packed.places[:, 1])
    assert block in pool and pool.uploads == 1


@pytest.mark.parametrize("count", [1, 256, 300])
def test_the_columns_of_bounds_are_those_of_packing(count: int) -> None:
    block = other_bounds(a_block("a", count))
    packed = pack_block(block)
    slopes, intervals = bounds_columns(block)
    np.testing.assert_array_equal(slopes, packed.data[:, [PARENT_SLOPE, CHILD_SLOPE], :CHUNK])
    np.testing.assert_array_equal(intervals, packed.intervals[:, :2])


def test_changed_bounds_are_patched_where_the_block_is() -> None:
    block, pool = a_block("a", 600), SlabPool(1 << 20, "cpu")
    (before,) = pool.place([block])
    version = pool.version
    changed = other_bounds(block)
    data, culling = read(pool, changed)
    packed = pack_block(changed)
    np.testing.assert_array_equal(data, packed.data[:, :, :CHUNK])
    np.testing.assert_array_equal(culling[:, 4:], packed.intervals)
    assert (pool.uploads, pool.patches) == (1, 1)
    (after,) = pool.place([changed])
    np.testing.assert_array_equal(before, after)
    assert pool.version == version and pool.patches == 1  # nothing moved; the same bounds are no news
    pool.place([changed.with_bounds(replace(changed.bounds, revision=9))])
    assert pool.patches == 1  # another number for the same bounds


def test_the_longest_unseen_block_goes_first() -> None:
    pool = SlabPool(6 * SLAB_BYTES, "cpu")
    a, b, c, d = (a_block(name, 400) for name in "abcd")  # two slabs each
    for block in (a, b, c):
        pool.place([block])
    pool.touch([a])
    version = pool.version
    pool.place([d])
    assert [block in pool for block in (a, b, c, d)] == [True, False, True, True]
    assert pool.evictions == 1 and pool.version > version  # whoever remembers places hears of it
    pool.place([b, d])
    assert [block in pool for block in (a, b, c, d)] == [True, True, False, True]


def test_what_is_in_view_together_stays_together_or_is_refused() -> None:
    pool = SlabPool(4 * SLAB_BYTES, "cpu")
    a, b, c = (a_block(name, 400) for name in "abc")
    pool.place([a, b])
    slabs = np.concatenate(pool.place([b, c]))
    assert len(set(slabs.tolist())) == 4
    with pytest.raises(OverBudget, match="give it more memory"):
        pool.place([a, b, c])
    assert b in pool and c in pool  # a refusal costs nothing


def test_one_block_with_two_bounds_at_once_is_refused() -> None:
    block, pool = a_block("a", 10), SlabPool(1 << 20, "cpu")
    with pytest.raises(ValueError, match="two different bounds"):
        pool.place([block, other_bounds(block)])


def test_a_number_that_is_not_finite_is_refused() -> None:
    block = a_block("a", 10)
    means = block.surfels.means.copy()
    means[3] = np.nan
    bad = replace(block, columns=replace(block.surfels, means=means), hash="")
    with pytest.raises(ValueError, match="not finite"):
        SlabPool(1 << 20, "cpu").place([bad])


def test_a_pool_that_holds_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least"):
        SlabPool(SLAB_BYTES - 1, "cpu")


@given(
    st.integers(3, 150),
    st.lists(st.lists(st.integers(0, 7), min_size=1, max_size=3, unique=True), min_size=1, max_size=25),
)
def test_the_bound_holds_whatever_is_drawn(budget: int, frames: list[list[int]]) -> None:
    """Bytes of the pools alive at any time, of tensors as torch counts them, never pass the budget."""
    blocks = [a_block(str(k), 120 + 90 * k) for k in range(8)]
    pool = SlabPool(budget * SLAB_BYTES, "cpu")
    made: list[int] = []
    empty = torch.empty

    def counting(shape: tuple[int, ...], **options: Any) -> torch.Tensor:
        tensor = empty(shape, **options)
        made.append(tensor.nbytes + pool.nbytes)
        return tensor

    torch.empty = counting  # type: ignore[assignment]
    try:
        for frame in frames:
            wanted = [blocks[k] for k in frame]
            needed = sum(len(rows_of(block)) for block in wanted)
            if needed > budget:
                with pytest.raises(OverBudget):
                    pool.place(wanted)
                continue
            places = pool.place(wanted)
            assert pool.used_bytes <= pool.nbytes <= pool.max_bytes
            for block, slabs in zip(wanted, places, strict=True):
                packed = pack_block(block)
                np.testing.assert_array_equal(pool.data[slabs].numpy(), packed.data[:, :, :CHUNK])
            taken = np.concatenate([r.slabs for r in pool._residents.values()]).tolist() + pool._free
            assert sorted(taken) == list(range(pool.nbytes // SLAB_BYTES))  # each slab has one owner or none
    finally:
        torch.empty = empty
    assert all(nbytes <= pool.max_bytes for nbytes in made)


def test_clearing_gives_the_memory_back() -> None:
    pool = SlabPool(1 << 20, "cpu")
    pool.place([a_block("a", 400)])
    version = pool.version
    pool.clear()
    assert pool.nbytes == 0 and pool.data is None and pool.version > version
