"""Pyramids: what merges, what is kept, and how levels share a weight."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import Soil, Zoom, plant, zoom_lists
from worlds import facing, first_camera, joined, lift, make_node, nested_world, plane_view

from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.mips import level_count, make_mips, mip
from wonderzoom.scene_graph.scales import mip_share
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.world import World


def pyramid(block: Block, cameras: list[Camera]) -> list[Block]:
    """All levels."""
    count = level_count(block)
    make_mips([block], count, cameras)
    return [mip(block, level) for level in range(count)]


def mass(block: Block) -> float:
    """Optical depth of all surfels, integrated over their planes, in 2 pi square edges."""
    s = block.surfels
    return float((np.exp(s.log_scales.astype(np.float64).sum(1)) * scales.li2(s.opacities)).sum())


# ---- sharing a weight -------------------------------------------------------------------------------
@given(st.floats(-30.0, 30.0), st.integers(0, 4), st.integers(0, 6))
def test_the_shares_of_all_levels_sum_to_one(octaves: float, finest: int, more: int) -> None:
    coarsest = finest + more
    levels = np.arange(finest, coarsest + 1)
    shares = mip_share(octaves, levels, finest, coarsest)
    assert shares.sum() == pytest.approx(1.0, abs=1e-12)
    assert shares.min() >= 0.0 and (shares > 0.0).sum() <= 2


@given(st.floats(-3.0, 9.0), st.integers(0, 5), st.floats(0.0, 1e-3))
def test_shares_are_continuous(octaves: float, level: int, step: float) -> None:
    here, there = mip_share([octaves, octaves + step], level, 0, 5)
    assert abs(here - there) <= step / scales.MIP_FADE + 1e-12


@given(st.floats(-50.0, 0.0), st.integers(1, 8))
def test_where_a_pixel_is_not_larger_than_a_native_one_only_the_finest_is_drawn(
    octaves: float, last: int
) -> None:
    assert mip_share(octaves, 0, 0, last) == 1.0
    assert not mip_share(octaves, np.arange(1, last + 1), 0, last).any()


# ---- what merges ------------------------------------------------------------------------------------
@settings(max_examples=5)
@given(zoom_lists(most=3), st.floats(-0.6, 0.6))
def test_levels_stand_for_what_they_are_made_of(zooms: tuple[Zoom, ...], tilt: float) -> None:
    """Fewer and fewer, one at last; as much mass, in the same place, under the same bounds."""
    world = plant(zooms, Soil(24, 18, tilt=tilt)).world()
    for block in world.blocks:
        levels = pyramid(block, [view.camera for view in world.node(block.node).views])
        counts = [len(each.surfels) for each in levels]
        assert counts[-1] == 1 and all(a >= b for a, b in zip(counts, counts[1:], strict=False))
        for finer, coarser in zip(levels, levels[1:], strict=False):
            assert (coarser.cell, coarser.node) == (block.cell, block.node)
            coarser.surfels.check_finite()
            assert mass(coarser) <= mass(finer) * (1 + 1e-4)  # opacities end at 1
            for column in ("means", "native"):
                before, after = getattr(finer.surfels, column), getattr(coarser.surfels, column)
                assert (after.min(0) >= before.min(0) - 1e-5).all() and (
                    after.max(0) <= before.max(0) + 1e-5
                ).all()
            for side in ("parent", "child"):
                before, after = getattr(finer.bounds, side), getattr(coarser.bounds, side)
                assert before.min() - 1e-5 <= after.min() and after.max() <= before.max() + 1e-5
        alike = levels[-2]
        pairs = {
            (int(k), int(p), int(c))
            for k, p, c in zip(
                block.surfels.kind, block.bounds.parent_owner, block.bounds.child_owner, strict=True
            )
        }
        assert {
            (int(k), int(p), int(c))
            for k, p, c in zip(
                alike.surfels.kind, alike.bounds.parent_owner, alike.bounds.child_owner, strict=True
            )
        } == pairs


def test_a_picture_of_a_plane_merges_by_fours() -> None:
    """An opaque lattice, whatever its tilt: a quarter at each level but for rims, nearly twice as wide."""
    for tilt in (0.0, 1.0):
        world, cameras = nested_world(0, tilt=tilt, width=64, height=48)
        finer = [world.blocks]
        for level in (1, 2):
            make_mips(world.blocks, level, cameras)
            finer.append([mip(block, level) for block in world.blocks])
        counts = [sum(len(block.surfels) for block in blocks) for blocks in finer]
        widths = [
            np.median(np.concatenate([b.surfels.log_scales - LN2 * b.cell.level for b in blocks]))
            for blocks in finer
        ]
        for k in (0, 1):
            assert 3.0 <= counts[k] / counts[k + 1] <= 4.0
            assert 1.6 <= math.exp(widths[k + 1] - widths[k]) <= 2.4


def test_nothing_merges_across_a_depth_edge() -> None:
    """Two planes, one behind the other, seen in alternate columns of one picture."""
    camera = first_camera()
    near = facing(camera)
    far = facing(camera.zoomed(1.0))
    far = type(far)(camera.position(np.array([0.0, 0.0, 8.0])), far.normal)
    columns = np.arange(camera.width)[None, :] % 2 == 0
    stripes = np.broadcast_to(columns, (camera.height, camera.width))
    views = [plane_view(camera, near, stripes), plane_view(camera, far, ~stripes)]
    placed = joined(lift(view, plane) for view, plane in zip(views, (near, far), strict=True))
    world = World(WorldHeader(h_ref=64))
    world.apply(world.propose(make_node(views), placed))
    for block in world.blocks:
        depths = set(np.round(world_depth(block, camera)).tolist())
        make_mips([block], 1, [camera])
        assert set(np.round(world_depth(mip(block, 1), camera)).tolist()) <= depths


def world_depth(block: Block, camera: Camera) -> np.ndarray:
    frame = camera.cell_frame(block.cell)
    return block.surfels.means @ frame.matrix[2] + frame.origin[2]


@settings(max_examples=4)
@given(zoom_lists(most=3), st.integers(1, 4))
def test_a_level_does_not_depend_on_what_it_is_made_with(zooms: tuple[Zoom, ...], level: int) -> None:
    """Alone or among the other blocks of its node, step by step or at once: the same to the bit."""
    together, alone = (plant(zooms).world() for _ in range(2))
    for name, node in together.nodes.items():
        cameras = [view.camera for view in node.views]
        make_mips(together.blocks_of(name), level, cameras)
        for block in reversed(alone.blocks_of(name)):
            for step in range(1, level + 1):
                make_mips([block], step, cameras)
    for one, other in zip(together.blocks, alone.blocks, strict=True):
        assert [each.hash for each in one.mips] == [each.hash for each in other.mips]
        assert all(a.bounds.same_as(b.bounds) for a, b in zip(one.mips, other.mips, strict=True))


def test_other_bounds_have_a_pyramid_of_their_own() -> None:
    world, cameras = nested_world(0)
    block = world.blocks[0]
    make_mips([block], 1, cameras)
    again = block.with_bounds(block.bounds)
    assert again.mips == [] and len(block.mips) == 1
    assert again.hash == block.hash != mip(block, 1).hash


def test_levels_end() -> None:
    world, cameras = nested_world(0)
    block = world.blocks[0]
    count = level_count(block)
    make_mips([block], 99, cameras)
    assert len(block.mips) == count - 1
    assert math.log2(len(block.surfels)) / 2 <= count <= 3 + -float(block.surfels.native.mean()) / LN2
    with pytest.raises(IndexError):
        mip(block, count)
