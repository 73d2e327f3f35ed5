"""Who stands for whom, against an oracle that reads like section 5 of the semantics, one surfel at a time."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import Soil, Zoom, plant, zoom_lists
from worlds import (
    Plane,
    facing,
    first_camera,
    insert,
    joined,
    lift,
    look_and_zoom,
    make_node,
    plane_node,
    plane_view,
)

from wonderzoom.scene_graph.camera import NEAR, Camera, bounded_exp, quat_to_matrix
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.coverage import compute_bounds
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE, Block
from wonderzoom.scene_graph.world import World

Answer = tuple[float, str, float, str]  # parent, its owner, child, its owner; "" for none
AT_ONCE = 1e-6  # pixels: nearer than this to a border the two ways of counting may differ


class Unclear(Exception):
    """Rounding decides here, so that the oracle has no say."""


def near(a: float, b: float, tolerance: float) -> bool:
    return abs(a - b) <= tolerance


# ---- the oracle -----------------------------------------------------------------------------------
def covers(view: View, place: Position, sigma: float) -> bool:
    """Does ``view`` cover a point of a surfel of that standard deviation (edges of the point's cell)?"""
    camera = view.camera
    point = camera.view_point(place)
    uv, w = camera.project(point)
    if near(float(w), NEAR, 1e-9):
        raise Unclear
    if w <= NEAR:
        return False
    for value, size in zip(uv, (camera.width, camera.height), strict=True):
        if -1.0 < value < size + 1.0 and near(float(value), round(float(value)), AT_ONCE):
            raise Unclear
        if not 0.0 <= value < size:
            return False
    u, v = int(uv[0]), int(uv[1])
    if not view.mask[v, u]:
        return False
    reach = 3.0 * sigma * bounded_exp(place.cell.ln_edge - camera.ln_scale)
    limit = float(view.zeta[v, u]) + reach + 2.0 * float(w)
    if near(float(point[2]), limit, AT_ONCE * (1.0 + abs(limit))):
        raise Unclear
    return float(point[2]) <= limit


def footprint(block: Block, row: int) -> Iterator[Position]:
    """The centre, eight points of the 3-sigma rim, and eight between them half-way out."""
    surfels = block.surfels
    mean = surfels.means[row].astype(np.float64)
    axes = quat_to_matrix(surfels.quats[row].astype(np.float64))
    first, second = np.exp(surfels.log_scales[row].astype(np.float64))
    yield Position(block.cell, (float(mean[0]), float(mean[1]), float(mean[2])))
    for sigmas, phase in ((3.0, 0.0), (1.5, 0.5)):
        for turn in range(8):
            angle = 2.0 * math.pi * (turn + phase) / 8.0
            across = math.cos(angle) * first * axes[:, 0] + math.sin(angle) * second * axes[:, 1]
            point = mean + sigmas * across
            yield Position(block.cell, (float(point[0]), float(point[1]), float(point[2])))


def views_of(nodes: dict[str, ScaleNode]) -> list[tuple[str, View]]:
    """All views, by node and number: the order in which ties are broken."""
    return [(name, view) for name in sorted(nodes) for view in nodes[name].views]


def oracle(nodes: dict[str, ScaleNode], block: Block, row: int, radial: bool) -> Answer:
    """The bounds of one surfel, ln root edges per pixel; raises Unclear where rounding decides."""
    surfels = block.surfels
    native = float(surfels.native[row]) + block.cell.ln_edge
    sigma = math.exp(float(surfels.log_scales[row].max()))
    points = list(footprint(block, row))
    coarser: list[tuple[float, str]] = []
    finer: list[tuple[float, str, View]] = []
    for name, view in views_of(nodes):
        scale = float(view.camera.ln_scale_at(view.camera.view_point(points[0]), radial))
        if near(abs(scale - native), LN_SQRT2, 1e-9):
            raise Unclear
        if scale > native + LN_SQRT2 and covers(view, points[0], sigma):
            coarser.append((scale, name))
        if -math.inf < scale < native - LN_SQRT2:
            finer.append((scale, name, view))

    parent, parent_owner = min(coarser, key=lambda pair: pair[0], default=(math.inf, ""))
    above = nodes[block.node].parent
    if not coarser and above is not None:
        camera = nodes[above].main.camera
        scale = float(camera.ln_scale_at(camera.view_point(points[0]), radial))
        parent, parent_owner = max(scale, native + LN_SQRT2), above
    if surfels.kind[row] == STRUCTURE:
        parent, parent_owner = math.inf, ""

    child, child_owner = math.inf, ""
    for place in points:
        here = [(scale, name) for scale, name, view in finer if covers(view, place, sigma)]
        if not here:
            return parent, parent_owner, -math.inf, ""
        scale, name = max(here, key=lambda pair: pair[0])
        if scale < child:
            child, child_owner = scale, name
    return parent, parent_owner, child, child_owner


def answer_of(block: Block, row: int) -> Answer:
    bounds, edge = block.bounds, block.cell.ln_edge
    names = (*bounds.owners, "")
    return (
        float(bounds.parent[row]) + edge,
        names[bounds.parent_owner[row]],
        float(bounds.child[row]) + edge,
        names[bounds.child_owner[row]],
    )


def check_rows(world: World, rng: np.random.Generator, rows_a_block: int) -> tuple[int, int]:
    """Compare some rows of every block; ``(compared, with a child)``."""
    compared = children = unclear = 0
    for block in world.blocks:
        for row in rng.permutation(len(block.surfels))[:rows_a_block].tolist():
            try:
                want = oracle(world.nodes, block, row, world.header.metric == "radial")
            except Unclear:
                unclear += 1
                continue
            got = answer_of(block, row)
            assert (got[1], got[3]) == (want[1], want[3]), (block.cell, row, got, want)
            assert got[0] == pytest.approx(want[0], abs=1e-5, rel=1e-9)
            assert got[2] == pytest.approx(want[2], abs=1e-5, rel=1e-9)
            compared += 1
            children += want[3] != ""
    assert unclear <= 0.1 * (compared + unclear) + 2
    return compared, children


# ---- against the oracle -----------------------------------------------------------------------------
@settings(max_examples=15)
@given(zoom_lists(), st.floats(-1.0, 1.0), st.floats(0.0, 6.0), st.booleans(), st.sampled_from([0, 180, 900]))
def test_bounds_are_those_of_the_oracle(
    zooms: tuple[Zoom, ...], tilt: float, turn: float, radial: bool, down: int
) -> None:
    tree = plant(zooms, Soil(tilt=tilt, turn=turn, radial=radial, levels_down=down, sigma=0.3))
    compared, _ = check_rows(tree.world(), np.random.default_rng(1), 4)
    assert compared


def test_the_nearest_view_may_be_another_on_the_other_side() -> None:
    """Two zooms of one factor side by side: each is the coarser one on its own side of their overlap."""
    tree = plant([Zoom(0, 0.4, 0.5, 1.8), Zoom(0, 0.6, 0.5, 1.8)], Soil(16, 12, sigma=0.3))
    world = tree.world()
    _, children = check_rows(world, np.random.default_rng(2), 1000)
    owners = {owner for block in world.blocks_of(tree.id(0)) for owner in block.bounds.owners}
    assert children > 20
    assert owners == {tree.id(1), tree.id(2)}


# ---- the rules one by one -----------------------------------------------------------------------------
def straight(camera: Camera, x: float, y: float, ratio: float) -> Camera:
    """A zoom that looks the same way, at pixels (x, y) from the pivot."""
    moved = camera.position(np.array([x, y, 0.0]))
    return replace(camera, pivot=moved).zoomed(ratio)


def in_pixels(world: World, node: str, camera: Camera) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """``(points [N, 3], child bounds relative to the camera's scale [N], their owners)`` of a node."""
    points, child, owners = [], [], []
    for block in world.blocks_of(node):
        frame = camera.cell_frame(block.cell)
        points.append(block.surfels.means @ frame.matrix.T + frame.origin)
        child.append(block.bounds.child + block.cell.ln_edge - camera.ln_scale)
        owners += [(*block.bounds.owners, "")[i] for i in block.bounds.child_owner]
    return np.concatenate(points), np.concatenate(child), owners


def test_on_a_seam_of_siblings_the_coarse_surfel_leaves_with_the_finer() -> None:
    camera = first_camera(16, 12, 14.0)
    plane, world = facing(camera), World()
    root = insert(world, *plane_node(camera, plane, sigma=0.2))
    insert(world, *plane_node(straight(camera, -2.0, 0.0, 4.0), plane, root))  # x from -4 to 0
    right = insert(world, *plane_node(straight(camera, 1.6, 0.0, 5.0), plane, root))  # x from 0 to 3.2
    points, child, owners = in_pixels(world, root, camera)
    seam = np.flatnonzero((np.abs(points[:, 0]) < 0.6) & (np.abs(points[:, 1]) < 0.55))
    assert len(seam) == 4
    assert child[seam] == pytest.approx(-math.log(5.0), abs=1e-5)
    assert {owners[i] for i in seam} == {right}
    left = (np.abs(points[:, 0] + 2.5) < 0.6) & (np.abs(points[:, 1]) < 0.55)
    assert child[left] == pytest.approx(-math.log(4.0), abs=1e-5)
    beyond = (np.abs(points[:, 0]) > 4.0) | (np.abs(points[:, 1]) > 2.0)
    assert np.isneginf(child[beyond]).all()


def test_a_hole_in_a_mask_keeps_the_coarse_surfels_that_show_through_it() -> None:
    camera = first_camera(16, 12, 14.0)
    plane, world = facing(camera), World()
    root = insert(world, *plane_node(camera, plane))
    fine = straight(camera, 0.0, 0.0, 2.0)
    u, v = np.moveaxis(fine.pixel_centres(), -1, 0)
    mask = ~((np.abs(u - 8.0) < 2.1) & (np.abs(v - 6.0) < 2.1))  # 2 x 2 pixels of the root
    insert(world, *plane_node(fine, plane, root, mask))
    points, child, _ = in_pixels(world, root, camera)
    near = (np.abs(points[:, 0]) < 2.1) & (np.abs(points[:, 1]) < 2.1)
    assert np.isneginf(child[near]).all()


@pytest.mark.parametrize("radial", [False, True])
def test_what_lies_behind_a_registered_surface_is_not_covered(radial: bool) -> None:
    """A wall in front of a wall: the zoom that sees the near one stands for it, not for the far one."""
    camera = first_camera(24, 18, 20.0)
    near, far = (Plane(camera.position(np.array([0.0, 0.0, z])), (0.0, 0.0, -1.0)) for z in (0.0, 12.0))
    mask = camera.pixel_centres()[..., 0] < 12.0
    views = [plane_view(camera, near, mask), plane_view(camera, far, ~mask), plane_view(camera, far, mask)]
    parts = [
        lift(views[0], near, 0, sigma=0.2, radial=radial),
        lift(views[1], far, 1, sigma=0.2, radial=radial),
        # What the near wall hides: no view covers it.
        lift(views[2], far, 0, kind=FILL, sigma=0.2, radial=radial),
    ]
    world = World(WorldHeader(metric="radial" if radial else "depth"))
    root = insert(world, make_node(views[:2]), joined(parts))
    insert(world, *plane_node(look_and_zoom(camera, near, 6.0, 9.0, 3.0), near, root, radial=radial))
    points, child, _ = in_pixels(world, root, camera)
    uv, _ = camera.project(points)
    inside = (np.abs(uv[:, 0] - 6.0) < 2.5) & (np.abs(uv[:, 1] - 9.0) < 1.5)
    front = points[:, 2] < 6.0
    assert (inside & front).sum() > 4 and (inside & ~front).sum() > 4
    assert np.isfinite(child[inside & front]).all()
    assert np.isneginf(child[~front]).all()
    assert check_rows(world, np.random.default_rng(3), 60)[1] > 4


def test_structures_have_no_parent_and_fills_fall_back_to_the_parent_node() -> None:
    tree = plant([Zoom(0, 0.5, 0.5, 4.0, kind=STRUCTURE), Zoom(0, 0.02, 0.5, 4.0, kind=FILL)])
    world = tree.world()
    for block in world.blocks_of(tree.id(1)):
        assert np.isposinf(block.bounds.parent).all() and block.bounds.owners == ()
    for block in world.blocks_of(tree.id(2)):  # half of it lies beside the root's picture
        assert block.bounds.owners == (tree.id(0),)
        assert np.isfinite(block.bounds.parent).all()


def test_a_fallback_parent_is_coarser_by_sqrt_2_at_least() -> None:
    """A node asked for under a parent of its own scale, where that parent sees nothing."""
    tree = plant([Zoom(0, 0.5, 0.5, 4.0)])
    world = tree.world()
    beside = straight(tree.cameras[1], 200.0, 0.0, 1.2)
    node = insert(world, *plane_node(beside, replace(tree.plane, point=beside.pivot), tree.id(1)))
    for block in world.blocks_of(node):
        gaps = block.bounds.parent.astype(np.float64) - block.surfels.native
        assert gaps == pytest.approx(LN_SQRT2, abs=1e-6)


def test_a_view_covers_nothing_behind_it() -> None:
    tree = plant([Zoom(0, 0.5, 0.5, 4.0)])
    world = tree.world()
    before = [block.bounds for block in world.blocks]
    around = replace(tree.cameras[1], quat=(0.0, 0.0, 1.0, 0.0))  # looks back, its surface behind the others
    far = around.position(np.array([0.0, 0.0, 40.0]))
    away = replace(around, pivot=far)
    insert(world, *plane_node(away, Plane(far, (0.0, 0.0, 1.0)), tree.id(0)))
    after = [world.octree.block(*block.key).bounds for block in tree.world().blocks]
    assert all(one.same_as(other) for one, other in zip(before, after, strict=True))


@settings(max_examples=10)
@given(zoom_lists(most=5), st.floats(-0.8, 0.8))
def test_bounds_do_not_depend_on_what_is_worked_out_with_them(zooms: tuple[Zoom, ...], tilt: float) -> None:
    """Bit for bit: block by block, all at once, or a few rows after each insertion."""
    world = plant(zooms, Soil(tilt=tilt, sigma=0.3)).world()
    blocks = world.blocks
    together = compute_bounds(blocks, world.views)
    for block, bounds in zip(blocks, together, strict=True):
        assert bounds.same_as(compute_bounds([block], world.views)[0])
        assert bounds.same_as(block.bounds)
