"""Law 4 (c) on a world as it is: a node whose surfels are missing where its view covers is found by looking at it."""

from collections.abc import Iterator

import numpy as np
import pytest
from worlds import facing, first_camera, insert, look_and_zoom, plane_node

from wonderzoom.runtime.holes import holes
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.world import World

WIDTH, HEIGHT = 88, 64
FACTOR = 4.0


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def zoomed(missing: float, opacity: float = 0.9) -> tuple[World, list[str]]:
    """A root, a zoom without the surfels of a square of that share of its width, and one below that zoom."""
    camera = first_camera(WIDTH, HEIGHT, 75.0)
    plane = facing(camera, 0.3)
    world = World(WorldHeader(h_ref=HEIGHT))
    names = [insert(world, *plane_node(camera, plane, opacity=opacity))]
    there = look_and_zoom(camera, plane, 0.45 * WIDTH, 0.55 * HEIGHT, FACTOR)
    node, blocks = plane_node(there, plane, names[0], opacity=opacity)
    kept = []
    for cell, surfels in blocks:
        frame = there.cell_frame(cell)
        uv, _ = there.project(surfels.means @ frame.matrix.T + frame.origin)
        rows = np.flatnonzero((np.abs(uv - (there.cx, there.cy)) >= 0.5 * missing * WIDTH).any(1))
        kept += [(cell, surfels.take(rows))] if len(rows) else []
    names.append(insert(world, node, kept))
    below = look_and_zoom(there, plane, 0.2 * WIDTH, 0.3 * HEIGHT, FACTOR)
    names.append(insert(world, *plane_node(below, plane, names[1], opacity=opacity)))
    return world, names


def test_a_sound_world_has_no_holes_and_stays_as_it_is(renderer: CpuRenderer) -> None:
    world, names = zoomed(0.0)
    before, done = world.digest(), list[int]()
    assert holes(world, renderer, done.append) == []
    assert world.digest() == before and list(world.nodes) == names and done == [1, 2, 3]


def test_a_node_without_surfels_where_it_covers_is_named_with_the_place(renderer: CpuRenderer) -> None:
    """Nothing else can know: its weights sum to one, its bounds are those that its views give."""
    world, names = zoomed(0.2)
    assert world.check() == []
    (line,) = holes(world, renderer, lambda _: None)
    assert names[1] in line and "opens a hole" in line
    u, v = (float(part) for part in line.split(" at ")[1].split(" of ")[0].split(","))
    assert abs(u - 0.5) < 0.12 and abs(v - 0.5) < 0.15
