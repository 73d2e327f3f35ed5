"""The CPU's part of an OpenGL frame beside slow oracles: which surfels are listed, their order, and who weighs most."""

import numpy as np
import pytest
from clouds import a_camera, cloud
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from worlds import nested_world

from wonderzoom.runtime.renderers.frame_plan import BlockFrames, kept_chunks, make_plan
from wonderzoom.runtime.renderers.opengl_kernels import heaviest, list_surfels, sort_surfels
from wonderzoom.runtime.renderers.opengl_painter import float32_view
from wonderzoom.runtime.renderers.packing import STRIDE, BlockCache
from wonderzoom.runtime.renderers.packing_kernels import CHUNK, MASS
from wonderzoom.runtime.renderers.projection import MIN_TRANSMITTANCE, drawn_blocks, project_block
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set


def listed(visible: VisibleSet, camera: Camera, settings: RenderSettings) -> list[int]:
    """Ids of what is listed, front to back."""
    plan = make_plan(visible, camera.pivot.cell, BlockCache(1 << 24))
    frames = BlockFrames.of(plan, camera, settings)
    kept, centers = kept_chunks(plan, frames, camera, settings)
    none, room = np.zeros(len(kept) + 1, np.int64), len(kept) * CHUNK
    keys, entries, more, scratch = (np.empty(room, np.uint32) for _ in range(4))
    count = list_surfels(
        kept, centers, plan.addresses, plan.rows, plan.block_of, frames.edges_px, frames.render_scales,
        plan.residencies, plan.levels_of, camera.rotation, float32_view(camera, settings),
        np.uint64(MASS * STRIDE), np.zeros(len(kept), np.bool_), none, np.empty(0, np.float32), keys, entries,
    )  # fmt: skip
    order = sort_surfels(keys[:count], entries[:count], more[:count], scratch[:count]).astype(np.int64)
    return (plan.first_ids[kept[order // CHUNK]] + order % CHUNK).tolist()


@pytest.mark.parametrize("seed", range(4))
def test_all_that_touches_the_picture_is_listed_in_its_order_and_little_else(seed: int) -> None:
    """Against the definition; clouds have no two keys alike within float32."""
    camera = a_camera(quat=(0.9, 0.1 * seed, -0.3, 0.2))
    settings = RenderSettings(h_ref=48, metric="radial" if seed == 3 else "depth")
    visible = cloud(camera, 900, seed, margin=0.6, resident=(0.3, 1.0), depths=(-0.5, 3.0))
    keys, ids, first = [], [], 0
    for drawn in drawn_blocks(visible):
        splats = project_block(drawn, camera, settings)
        keys += splats.keys.tolist()
        ids += (first + splats.rows).tolist()
        first += drawn.block.count
    expected = [ids[i] for i in np.argsort(keys, kind="stable")]
    got = listed(visible, camera, settings)
    assert len(expected) > 50 and len(set(got)) == len(got)
    assert [name for name in got if name in set(expected)] == expected
    assert len(got) <= 2 * len(expected)


def test_levels_of_a_pyramid_that_have_no_share_are_not_listed() -> None:
    world, cameras = nested_world(1, tilt=0.3, width=36, height=27)
    camera = cameras[0].zoomed(0.3)
    counts = []
    for mips in (False, True):
        settings = RenderSettings(h_ref=27, mips=mips)
        counts.append(len(listed(visible_set(world, camera, settings), camera, settings)))
    assert 0 < counts[1] < 0.6 * counts[0]


@given(arrays(np.float32, st.integers(0, 300), elements=st.floats(-(2.0**99), 2.0**99, width=32)))
def test_the_order_is_numpys_stable_one(values: np.ndarray) -> None:
    bits = values.view(np.uint32)
    keys = np.where(bits >> 31, ~bits, bits | np.uint32(0x80000000)).astype(np.uint32)
    entries = np.arange(len(keys), dtype=np.uint32)
    got = sort_surfels(keys.copy(), entries.copy(), np.empty_like(keys), np.empty_like(keys))
    np.testing.assert_array_equal(got, np.argsort(keys, kind="stable"))


@pytest.mark.parametrize("seed", range(3))
def test_the_heaviest_of_what_a_pixel_met_is_found_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels, first = 40, 1000
    best = np.full(pixels, -1, np.int64)
    expected = best.copy()
    rows: list[tuple[int, int, float]] = []
    for pixel in range(pixels):
        alphas = rng.uniform(0.004, 0.99, rng.integers(0, 30)).astype(np.float32)
        left, largest = 1.0, 0.0
        for rank, alpha in enumerate(alphas.tolist()):
            rows.append((first + pixel, 7 * rank, alpha))
            after = left * (1.0 - alpha)
            if after < MIN_TRANSMITTANCE:
                left = 0.0
            if alpha * left > largest:
                largest, expected[pixel] = alpha * left, 7 * rank
            left = after if left else 0.0
    meetings = np.empty((len(rows), 3), np.uint32)
    meetings[:, 0], meetings[:, 1] = [r[0] for r in rows], [r[1] for r in rows]
    meetings[:, 2] = np.array([r[2] for r in rows], np.float32).view(np.uint32)
    heaviest(rng.permutation(meetings), first, best)
    np.testing.assert_array_equal(best, expected)
    assert (expected >= 0).sum() > 30
