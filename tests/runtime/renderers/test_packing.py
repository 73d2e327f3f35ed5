"""Packed blocks hold what the block holds, in spheres and intervals that bound it; the cache keeps its bound."""

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from clouds import a_camera, cloud
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers import packing_kernels as columns
from wonderzoom.runtime.renderers.packing import REACH_SIGMAS, STRIDE, BlockCache, pack_block
from wonderzoom.runtime.renderers.packing_kernels import CHUNK
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.surfels import THICKNESS, Block


def a_block(count: int, seed: int = 0) -> Block:
    """The largest block of a dense cloud of one scale, cut to ``count`` surfels."""
    scene = cloud(a_camera(), 40 + 12 * count, seed, octaves=(2.0, 2.2), depths=(0.9, 1.1), margin=0.0)
    block = max(scene.blocks, key=lambda each: len(each.surfels))
    rows = slice(0, count)
    bounds = replace(
        block.bounds,
        parent=block.bounds.parent[rows],
        child=block.bounds.child[rows],
        parent_owner=block.bounds.parent_owner[rows],
        child_owner=block.bounds.child_owner[rows],
    )
    return replace(block, columns=block.surfels.take(rows), limits=bounds, hash="")


@given(st.integers(1, 600), st.integers(0, 100))
def test_columns_are_the_surfels(count: int, seed: int) -> None:
    block = a_block(count, seed)
    s, n = block.surfels, len(block.surfels)
    packed = pack_block(block)
    assert packed.data.shape[1:] == (columns.COLUMNS, STRIDE)
    assert packed.places[:, 1].sum() == n
    np.testing.assert_array_equal(packed.places[:, 2], CHUNK * np.arange(len(packed.places)))
    flat = packed.data[:, :, :CHUNK].transpose(1, 0, 2).reshape(columns.COLUMNS, -1)
    assert not flat[columns.OPACITY, n:].any()  # padding is never drawn
    flat = flat[:, :n].astype(np.float64)
    chunk = np.arange(n) // CHUNK
    np.testing.assert_allclose(
        flat[columns.X : columns.Z + 1].T + packed.spheres[chunk, :3], s.means, rtol=0, atol=1e-7
    )
    lengths, axes = np.exp(s.log_scales.astype(np.float64)), quat_to_matrix(s.quats)
    close = partial(np.testing.assert_allclose, rtol=1e-6, atol=1e-9)
    close(flat[columns.UX : columns.UZ + 1].T, axes[:, :, 0] * lengths[:, :1])
    close(flat[columns.VX : columns.VZ + 1].T, axes[:, :, 1] * lengths[:, 1:])
    normal = np.cross(flat[columns.UX : columns.UZ + 1].T, flat[columns.VX : columns.VZ + 1].T)
    thickness = THICKNESS * np.exp(s.native.astype(np.float64))
    np.testing.assert_allclose(np.linalg.norm(normal, axis=1) * flat[columns.NORMAL], thickness, rtol=1e-5)
    np.testing.assert_allclose(flat[columns.SIGMA], lengths.max(1), rtol=1e-6)
    np.testing.assert_allclose(scales.li2_inverse(flat[columns.MASS]), flat[columns.OPACITY], atol=1e-6)
    colors = packed.data[:, columns.COLOR, :CHUNK].view(np.uint32).reshape(-1)[:n]
    np.testing.assert_array_equal(np.stack([colors >> shift & 255 for shift in (0, 8, 16)], -1), s.colors)


@given(st.integers(1, 600), st.integers(0, 100), st.floats(-4.0, 4.0))
def test_spheres_and_intervals_bound_every_surfel(count: int, seed: int, offset: float) -> None:
    block = a_block(count, seed)
    s, packed = block.surfels, pack_block(block)
    chunk = np.arange(len(s)) // CHUNK
    distance = np.linalg.norm(s.means - packed.spheres[chunk, :3], axis=1)
    reach = distance + REACH_SIGMAS * np.exp(s.log_scales.max(1))
    assert (reach <= packed.spheres[chunk, 3] * (1 + 1e-6)).all()
    render_scale = float(s.native.mean()) + offset
    weights = scales.weight(render_scale, s.native, block.bounds.parent, block.bounds.child)
    inside = (packed.intervals[:, 0] < render_scale) & (render_scale < packed.intervals[:, 1])
    assert not weights[~inside[chunk]].any()


def test_slopes_are_eq_3() -> None:
    block = a_block(400, 3)
    s, flat = block.surfels, pack_block(block).data[:, :, :CHUNK].transpose(1, 0, 2)
    flat = flat.reshape(columns.COLUMNS, -1)[:, : len(block.surfels)].astype(np.float64)
    for offset in (-3.0, -0.5, 0.2, 1.0, 4.0):
        r = s.native + offset
        fade = max(offset, 0.0) * flat[columns.PARENT_SLOPE] + max(-offset, 0.0) * flat[columns.CHILD_SLOPE]
        expected = scales.weight(r, s.native, block.bounds.parent, block.bounds.child)
        np.testing.assert_allclose(np.maximum(1.0 - fade, 0.0), expected, atol=2e-5)


def test_an_address_is_where_the_chunk_lies_on_a_cache_line() -> None:
    packed = pack_block(a_block(600))
    assert (packed.places[:, 0] % 64 == 0).all()
    assert [chunk.ctypes.data for chunk in packed.data] == packed.places[:, 0].tolist()


def test_a_block_that_is_not_finite_is_refused() -> None:
    block = a_block(5)
    native = block.surfels.native.copy()
    native[2] = math.inf
    with pytest.raises(ValueError, match="native"):
        pack_block(replace(block, columns=replace(block.surfels, native=native), hash=""))


def test_the_cache_packs_once_and_drops_the_oldest() -> None:
    blocks = [a_block(300, seed) for seed in range(4)]
    size = pack_block(blocks[0]).nbytes
    cache = BlockCache(3 * size + 10)
    packed = [cache.get(block) for block in blocks[:3]]
    assert [cache.get(block) for block in blocks[:3]] == packed and cache.nbytes == 3 * size
    cache.get(blocks[0])  # now the most recent
    cache.get(blocks[3])
    assert cache.evictions == 1 and cache.nbytes == 3 * size
    assert cache.get(blocks[0]) is packed[0]
    assert cache.get(blocks[1]) is not packed[1]
    cache.clear()
    assert cache.nbytes == 0


def test_the_cache_tells_bounds_apart_that_have_one_number() -> None:
    block = a_block(300)
    other = block.with_bounds(replace(block.bounds, child=block.surfels.native - np.float32(1.0)))
    same = block.with_bounds(replace(block.bounds))
    cache = BlockCache(1 << 24)
    packed = cache.get(block)
    assert cache.get(same) is packed
    assert cache.get(other) is not packed
    assert np.isfinite(cache.get(other).intervals[0, 0]) and np.isinf(packed.intervals[0, 0])
    assert cache.get(block) is packed


def test_threads_may_ask_at_once() -> None:
    blocks = [a_block(300, seed) for seed in range(6)]
    size = pack_block(blocks[0]).nbytes
    cache = BlockCache(2 * size)
    expected = {block.hash: pack_block(block).spheres for block in blocks}
    gate = threading.Barrier(4)

    def work(first: int) -> None:
        gate.wait()
        for k in range(60):
            block = blocks[(first + k * (first + 1)) % 6]
            assert np.array_equal(cache.get(block).spheres, expected[block.hash])

    with ThreadPoolExecutor(4) as pool:
        for job in [pool.submit(work, first) for first in range(4)]:
            job.result()
    assert cache.nbytes == 2 * size


def test_a_cache_of_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        BlockCache(-1)
