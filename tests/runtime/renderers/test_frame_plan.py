"""Plans: the same frames as the camera's own, for cells of any level, and when a plan is used again."""

from dataclasses import replace

import numpy as np
from clouds import a_camera, cloud
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras, cells

from wonderzoom.runtime.renderers.frame_plan import BlockFrames, centres_from, make_plan
from wonderzoom.runtime.renderers.packing import BlockCache
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block, Bounds

SETTINGS = RenderSettings(h_ref=48)
SURFELS = cloud(a_camera(), 1).blocks[0].surfels


def in_cells(*where: Cell) -> VisibleSet:
    blocks = tuple(Block(cell, "node", SURFELS, Bounds.open(len(SURFELS))) for cell in where)
    return VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), 1)


@given(st.lists(cells(), min_size=1, max_size=5), cells())
def test_centres_are_those_of_the_cells(where: list[Cell], pivot: Cell) -> None:
    expected = np.array([cell.centre_from(pivot) for cell in where])
    np.testing.assert_allclose(centres_from(where, pivot), expected, rtol=1e-15)


@given(cameras(), st.lists(st.integers(-40, 40), min_size=1, max_size=4), st.integers(0, 1 << 30))
def test_blocks_are_seen_where_the_camera_sees_their_cells(
    camera: Camera, finer: list[int], step: int
) -> None:
    """At any depth, from neighbours of the pivot's cell to its far ancestors and descendants."""
    where = []
    for k, levels in enumerate(finer):
        cell = camera.pivot.rebased(camera.pivot.cell.level + levels).cell
        where.append(replace(cell, ix=cell.ix + (step >> k) % 7 - 3, iz=cell.iz + step % 1001))
    plan = make_plan(in_cells(*where), camera.pivot.cell, BlockCache(1 << 20))
    frames = BlockFrames.of(plan, camera, SETTINGS)
    for b, cell in enumerate(where):
        frame = camera.cell_frame(cell)
        size = np.abs(frame.origin).max() + frame.edge_px
        np.testing.assert_allclose(frames.origins[b], frame.origin, atol=4e-15 * size)
        np.testing.assert_allclose(frames.edges_px[b], frame.edge_px, rtol=1e-15)
        expected = camera.ln_render_scale(48) - cell.ln_edge
        np.testing.assert_allclose(frames.render_scales[b], expected, rtol=1e-12, atol=1e-11)


def test_chunks_know_their_block_and_their_place_in_the_visible_set() -> None:
    camera = a_camera()
    scene = cloud(camera, 900, octaves=(1.0, 1.2), depths=(0.95, 1.05))
    empty = Block(scene.blocks[0].cell, "empty", SURFELS.take(slice(0, 0)), Bounds.open(0))
    blocks = (scene.blocks[0], empty, *scene.blocks[1:])
    count = len(blocks)
    visible = VisibleSet(blocks, (0,) * count, tuple(np.linspace(0, 1, count).tolist()), 1)
    plan = make_plan(visible, camera.pivot.cell, BlockCache(1 << 24))
    sizes = [len(block.surfels) for block in blocks]
    starts = np.cumsum([0, *sizes])
    assert max(sizes) > 256 and len(plan.drawn) == count - 1
    assert plan.rows.sum() == sum(sizes)
    for c in range(len(plan.rows)):
        b = next(k for k, block in enumerate(blocks) if block is plan.drawn[plan.block_of[c]].block)
        assert plan.first_ids[c] == starts[b] + plan.first_rows[c]
        assert plan.first_rows[c] + plan.rows[c] <= sizes[b]
        assert plan.residencies[plan.block_of[c]].tolist() == [visible.residencies[b]] * 2
        assert plan.levels_of[plan.block_of[c]].tolist() == [0, 0, 0]


def test_a_plan_lasts_until_blocks_residencies_or_the_pivot_cell_change() -> None:
    camera = a_camera()
    visible = cloud(camera, 100)
    plan = make_plan(visible, camera.pivot.cell, BlockCache(1 << 24))
    assert plan.fits(visible, camera)
    assert plan.fits(visible, camera.orbited(0.3, 0.1))
    equal = replace(visible, blocks=tuple(list(visible.blocks)), residencies=visible.residencies, revision=9)
    assert plan.fits(equal, camera)
    assert not plan.fits(visible, camera.zoomed(8.0))
    assert not plan.fits(replace(visible, residencies=(0.5,) * len(visible.blocks)), camera)
    assert not plan.fits(replace(visible, mips=(1,) * len(visible.blocks), shared=()), camera)
    assert not plan.fits(replace(visible, shared=((0, 1),) * len(visible.blocks)), camera)
    fewer = len(visible.blocks) - 1
    assert not plan.fits(VisibleSet(visible.blocks[:-1], (0,) * fewer, (1.0,) * fewer, 1), camera)
    other = (
        *visible.blocks[:-1],
        visible.blocks[-1].with_bounds(Bounds.open(len(visible.blocks[-1].surfels))),
    )
    assert not plan.fits(replace(visible, blocks=other), camera)
