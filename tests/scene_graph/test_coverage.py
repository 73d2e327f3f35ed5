"""Who stands for whom, against an oracle that reads like section 5 of the semantics, one surfel at a time."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from trees import Soil, Zoom, plant, zoom_lists

from wonderzoom.scene_graph.camera import NEAR, bounded_exp, quat_to_matrix
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import STRUCTURE, Block
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
@given(zoom_lists(), st.floats(-1.0, 1.0), st.floats(0.0, 6.0), st.booleans(), st.sampled_from([0, 180, 900]))
def test_bounds_are_those_of_the_oracle(
    zooms: tuple[Zoom, ...], tilt: float, turn: float, radial: bool, down: int
) -> None:
    tree = plant(zooms, Soil(tilt=tilt, turn=turn, radial=radial, levels_down=down))
    compared, _ = check_rows(tree.world(), np.random.default_rng(1), 5)
    assert compared
