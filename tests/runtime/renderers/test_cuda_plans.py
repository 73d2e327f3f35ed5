"""Plans of visible sets: what cameras see of blocks is what the camera itself says; remembered while it holds."""

from dataclasses import replace

import numpy as np
import pytest
from clouds import a_camera, cloud

from wonderzoom.runtime.renderers.cuda_plans import PlanBook, slabs_of
from wonderzoom.runtime.renderers.cuda_residency import SLAB_BYTES, OverBudget, SlabPool
from wonderzoom.runtime.renderers.packing_kernels import CHUNK
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Bounds

SETTINGS = RenderSettings(h_ref=48, lod_bias=0.5)


def a_set(seed: int = 0) -> VisibleSet:
    """Blocks with one that is empty among them, half resident."""
    visible = cloud(a_camera(), 3000, seed, resident=(0.2, 0.9))
    first = visible.blocks[0]
    empty = replace(first, columns=first.surfels.take(slice(0, 0)), limits=Bounds.open(0), hash="")
    blocks = (visible.blocks[0], empty, *visible.blocks[1:])
    residencies = (visible.residencies[0], 0.5, *visible.residencies[1:])
    return VisibleSet(blocks, (0,) * len(blocks), residencies, 1)


@pytest.mark.parametrize("focal", [60.0, 1e9, 1e200])
def test_slabs_are_the_rows_of_the_set_as_the_camera_sees_them(focal: float) -> None:
    visible = a_set()
    cameras = [a_camera(focal=focal), a_camera(focal=focal).orbited(0.2, 0.1).zoomed(1.3)]
    book = PlanBook(SlabPool(1 << 24, "cpu"))
    plans = book.plans([visible, visible], [c.pivot.cell for c in cameras])
    slabs, large = slabs_of(plans, cameras, SETTINGS)
    assert large == []
    kept = [b for b in visible.blocks if len(b.surfels)]
    starts = np.cumsum([0, *(len(b.surfels) for b in kept)])
    for image, camera in enumerate(cameras):
        mine = slabs.image_of[slabs.block_of] == image
        ids = np.concatenate(
            [np.arange(f, f + n) for f, n in zip(slabs.first_ids[mine], slabs.rows[mine], strict=True)]
        )
        np.testing.assert_array_equal(ids, np.arange(visible.surfel_count))  # every row once, in order
        for b in np.flatnonzero(slabs.image_of == image):
            block = kept[b - image * len(kept)]
            frame = camera.cell_frame(block.cell)
            np.testing.assert_allclose(slabs.origins[b], frame.origin, rtol=1e-9, atol=1e-6)
            assert slabs.edges_px[b] == pytest.approx(frame.edge_px, rel=1e-12)
            scale = camera.ln_render_scale(SETTINGS.h_ref, SETTINGS.lod_bias) - block.cell.ln_edge
            assert slabs.render_scales[b] == pytest.approx(scale, abs=1e-9)
            own = slabs.block_of == b
            assert slabs.first_ids[own][0] == starts[b - image * len(kept)]
            assert slabs.rows[own].sum() == len(block.surfels) and slabs.rows[own].max() <= CHUNK
    residencies = [r for b, r in zip(visible.blocks, visible.residencies, strict=True) if len(b.surfels)]
    np.testing.assert_array_equal(slabs.residencies, np.transpose([residencies * 2] * 2))


def test_blocks_too_large_for_float32_are_told_apart() -> None:
    camera = a_camera(focal=1e40)
    visible = cloud(camera, 50, 1, depths=(0.9, 1.1), octaves=(20.0, 21.0), bounded=False)
    plans = PlanBook(SlabPool(1 << 24, "cpu")).plans([visible], [camera.pivot.cell])
    slabs, large = slabs_of(plans, [camera], SETTINGS)
    assert len(slabs.slabs) == 0 and large == [(0, b) for b in range(len(visible.blocks))]


def test_a_plan_is_remembered_while_its_blocks_stay_where_they_are() -> None:
    pool = SlabPool(1 << 24, "cpu")
    book, visible, camera = PlanBook(pool), a_set(), a_camera()
    first = book.plans([visible], [camera.pivot.cell])[0]
    again = VisibleSet(tuple(visible.blocks), visible.mips, tuple(visible.residencies), 2)
    assert book.plans([again], [camera.pivot.cell])[0] is first
    assert book.plans([visible], [camera.pivot.rebased(9).cell])[0] is not first
    other = replace(visible, residencies=(1.0,) * len(visible.blocks))
    assert book.plans([other], [camera.pivot.cell])[0] is not first
    uploads = pool.uploads
    pool.clear()
    after = book.plans([visible], [camera.pivot.cell])[0]
    assert after is not first and pool.uploads == 2 * uploads


def test_a_remembered_plan_keeps_its_blocks_in_the_pool() -> None:
    camera, sets = a_camera(), [a_set(seed) for seed in range(3)]
    needed = [sum(-(-len(b.surfels) // CHUNK) for b in each.blocks) for each in sets]
    pool = SlabPool((needed[0] + needed[1] + needed[2] - 1) * SLAB_BYTES, "cpu")
    book = PlanBook(pool)
    for each in (sets[0], sets[1], sets[0], sets[2]):
        book.plans([each], [camera.pivot.cell])
    assert all(b in pool for b in sets[0].blocks if len(b.surfels))
    assert not all(b in pool for b in sets[1].blocks if len(b.surfels))
    with pytest.raises(OverBudget):
        book.plans(sets, [camera.pivot.cell] * 3)
