"""Culling is conservative at any distance: what touches the picture is never thrown away."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras, cells

from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.frustum import CellTable, Frustum, boxes_in_pixels

F64 = np.ndarray


def framed(camera: Camera, some: list[Cell], boxes: F64) -> tuple[F64, F64]:
    """Boxes [n, 2, 3] of cells in pixels at the camera's pivot."""
    table = CellTable()
    for row, cell in enumerate(some):
        table.put(row, cell)
    return boxes_in_pixels(*table.seen_from(camera).of(np.arange(len(some))), boxes)


@st.composite
def boxes(draw: st.DrawFn) -> F64:
    """A box in cell edges [1, 2, 3], from a point to several cells."""
    low = np.array([draw(st.floats(-2.0, 1.0)) for _ in range(3)])
    size = np.array([draw(st.just(0.0) | st.floats(0.0, 3.0)) for _ in range(3)])
    return np.stack([low, low + size])[None]


@given(st.data())
def test_a_box_with_a_point_in_the_picture_is_never_culled(data: st.DataObject) -> None:
    """The point is placed first, anywhere in the view; the cell around it has any size."""
    camera = data.draw(cameras(focals=(30.0, 1e200)))
    u, v = data.draw(st.floats(0.0, camera.width)), data.draw(st.floats(0.0, camera.height))
    zeta = data.draw(st.floats(-0.9, 1e4)) * min(math.exp(min(camera.ln_f, 500.0)), 1e4)
    place = camera.position(camera.unproject(np.array([u, v]), np.array(zeta)))
    inside = place.rebased(place.cell.level - data.draw(st.integers(0, 900)))
    grown = np.array([data.draw(st.floats(1e-6, 1.0)) for _ in range(6)]).reshape(2, 3) * [[-1.0], [1.0]]
    box = (np.asarray(inside.offset) + grown)[None]
    middle, halves = framed(camera, [inside.cell], box)
    assert np.isfinite(middle).all() and np.isfinite(halves).all()
    assert Frustum.of(camera).touches(middle, halves)[0]
    assert Frustum.of(camera, margin=3.0).touches(middle, halves)[0]


@given(cameras(focals=(30.0, 1e6)), st.integers(-6, 6), boxes(), st.data())
def test_a_culled_box_projects_outside(camera: Camera, step: int, box: F64, data: st.DataObject) -> None:
    """No corner and no point inside of a box that is culled lies in the picture."""
    cell = camera.pivot.rebased(camera.pivot.cell.level + step).cell
    near = Cell(cell.level, *(i + data.draw(st.integers(-40, 40)) for i in cell.index))
    middle, halves = framed(camera, [near], box)
    if Frustum.of(camera).touches(middle, halves)[0]:
        return
    frame = camera.cell_frame(near)
    shares = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, 5)] * 3), -1).reshape(-1, 3)
    points = (box[0, 0] + shares * (box[0, 1] - box[0, 0])) @ frame.matrix.T + frame.origin
    uv, w = camera.project(points)
    inside = (w > NEAR) & (uv > 0.0).all(1) & (uv[:, 0] < camera.width) & (uv[:, 1] < camera.height)
    assert not inside.any()


def test_what_is_beside_or_behind_is_culled() -> None:
    """A frustum that keeps everything would pass the laws above."""
    camera = Camera(
        Position(Cell(8, 5, 5, 5), (0.0, 0.0, 0.0)), (1.0, 0.0, 0.0, 0.0), 0.0, 5.0, 5.0, 32, 24, 64, 48
    )
    halves = np.full((1, 3), 2.0)
    far = math.exp(5.0)
    for point, seen in (
        ((0.0, 0.0, 0.0), True),
        ((35.0, 0.0, 0.0), False),
        ((33.5, 0.0, 0.0), True),
        ((-35.0, 0.0, 0.0), False),
        ((0.0, 27.0, 0.0), False),
        ((0.0, -27.0, 0.0), False),
        ((0.0, 0.0, -far - 3.0), False),
        ((0.0, 0.0, 40.0 * far), True),
    ):
        assert Frustum.of(camera).touches(np.array([point]), halves)[0] == seen, point
    assert Frustum.of(camera, margin=5.0).touches(np.array([[35.0, 0.0, 0.0]]), halves)[0]


@given(cameras(), st.lists(cells(), min_size=1, max_size=8))
def test_many_frames_are_those_of_the_camera(camera: Camera, some: list[Cell]) -> None:
    """``CellFrames`` and ``Camera.cell_frame`` are two ways to one frame, however far apart the cells."""
    table = CellTable()
    for row, cell in enumerate(some):
        table.put(row, cell)
    middles, edges = table.seen_from(camera).of(np.arange(len(some)))
    for middle, edge, cell in zip(middles, edges, some, strict=True):
        frame = camera.cell_frame(cell)
        if frame.edge_px > 1e250 or np.abs(frame.origin).max() > 1e250:
            continue  # drawn towards the pivot: only the direction is the same
        size = np.abs(frame.origin).max() + frame.edge_px
        assert camera.rotation @ middle == pytest.approx(frame.origin, rel=1e-9, abs=1e-9 * size)
        assert edge == pytest.approx(frame.edge_px, rel=1e-9)


def test_rows_can_stand_for_other_cells_later() -> None:
    camera = Camera(
        Position(Cell(8, 5, 5, 5), (0.0, 0.0, 0.0)), (1.0, 0.0, 0.0, 0.0), 0.0, 5.0, 5.0, 32, 24, 64, 48
    )
    table = CellTable()
    for row in range(200):
        table.put(row, Cell(8, row, 5, 5))
    table.put(7, Cell(9, 3, 4, 5))
    middle, edge = table.seen_from(camera).of(np.array([7, 6]))
    assert edge[0] == pytest.approx(0.5 * edge[1])
    assert middle[0] == pytest.approx(camera.cell_frame(Cell(9, 3, 4, 5)).origin)


def test_a_speck_two_thousand_levels_down_is_where_it_is() -> None:
    camera = Camera(
        Position(Cell(0, 5, 5, 5), (0.0, 0.0, 0.0)), (1.0, 0.0, 0.0, 0.0), 0.0, 4.0, 4.0, 32, 24, 64, 48
    )
    low_corner = Cell(2000, 5 << 2000, 5 << 2000, (5 << 2000) + (1 << 1999))
    middle, halves = framed(camera, [low_corner], np.array([[[-0.5] * 3, [0.5] * 3]]))
    assert middle[0] == pytest.approx([-0.5 * math.exp(4.0), -0.5 * math.exp(4.0), 0.0], abs=1e-6)
    assert halves.max() < 1e-200


@pytest.mark.parametrize("down", [700, 940, 990])
def test_directions_survive_beyond_float64(down: int) -> None:
    """A camera near by at the bottom of the world looks past its surface at the first view's sky."""
    near = Cell(down, 5 << down, 5 << down, 5 << down)
    camera = Camera(
        Position(near, (0.0, 0.0, 0.0)),
        (1.0, 0.0, 0.0, 0.0),
        -down * math.log(2.0) + 2.0,
        6.0,
        6.0,
        256.0,
        192.0,
        512,
        384,
    )
    box = np.array([[[-0.5] * 3, [0.5] * 3]])
    ahead, beside, behind = Cell(0, 5, 5, 45), Cell(0, 45, 5, 5), Cell(0, 5, 5, -35)
    middle, halves = framed(camera, [ahead, beside, behind], np.repeat(box, 3, 0))
    assert np.isfinite(middle).all()
    assert Frustum.of(camera).touches(middle, halves).tolist() == [True, False, False]


@given(cameras(focals=(30.0, 1e9)), st.booleans(), boxes(), st.integers(-4, 4))
def test_depths_hold_every_point_of_a_box(camera: Camera, radial: bool, box: F64, step: int) -> None:
    cell = camera.pivot.rebased(camera.pivot.cell.level + step).cell
    middle, halves = framed(camera, [cell], box)
    least, greatest = Frustum.of(camera).depths(middle, halves, radial)
    frame = camera.cell_frame(cell)
    shares = np.stack(np.meshgrid(*[np.linspace(0.0, 1.0, 4)] * 3), -1).reshape(-1, 3)
    points = (box[0, 0] + shares * (box[0, 1] - box[0, 0])) @ frame.matrix.T + frame.origin
    scale = camera.ln_scale_at(points, radial) - camera.ln_scale
    seen = scale[np.isfinite(scale)]
    assert (seen >= math.log(least[0]) - 1e-9).all()
    assert (seen <= math.log(greatest[0]) + 1e-9).all()
    assert least[0] >= NEAR


@given(st.data())
def test_the_pivot_in_cells_of_all_levels_is_that_of_positions(data: st.DataObject) -> None:
    """Bit for bit what ``Position.rebased`` says: bounds of surfels rest on it."""
    camera = data.draw(cameras())
    level = camera.pivot.cell.level + data.draw(st.integers(-400, 60))
    position = camera.pivot.rebased(level)
    step = data.draw(st.tuples(*[st.integers(-3, 3)] * 3))
    cell = Cell(level, *(i + k for i, k in zip(position.cell.index, step, strict=True)))
    table = CellTable()
    table.put(0, cell)
    middle, edge = table.seen_from(camera).of(np.array([0]))
    assert np.array_equal(middle[0], (np.array(step, np.float64) - position.offset) * edge[0])


@given(st.data())
def test_frames_of_one_who_moves_are_those_of_one_who_comes(data: st.DataObject) -> None:
    """What is kept of a path's anchors, while the pivot moves by a little or by much, is what a new table finds."""
    level = data.draw(st.integers(60, 900))
    index = [data.draw(st.integers(0, 1 << level) | st.just(1 << level - 1)) for _ in range(3)]
    x, y, z = (data.draw(st.floats(-0.5, 0.5)) for _ in range(3))
    place = Position(Cell(level, *index), (x, y, z))
    path = [place.cell.ancestor(up) for up in range(0, level, data.draw(st.integers(1, 7)))]
    table = CellTable.of(path)
    camera = Camera(place, (1.0, 0.0, 0.0, 0.0), -level * math.log(2.0), 5.0, 5.0, 32.0, 24.0, 64, 48)
    rows = np.arange(len(path))
    for _ in range(4):
        shift = np.array([1.0, -0.7, 0.2]) * data.draw(st.sampled_from([0.0, 1e-9, 0.3, 1e4]))
        here = camera.pivot.rebased(level - data.draw(st.sampled_from([0, 0, 1, 30, level // 2])))
        camera = replace(camera, pivot=here.moved(shift))
        kept, fresh = (each.seen_from(camera).of(rows) for each in (table, CellTable.of(path)))
        for mine, expected in zip(kept, fresh, strict=True):
            np.testing.assert_array_equal(mine, expected)
