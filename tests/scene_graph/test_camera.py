"""The pivot camera: exact at any depth, and every motion keeps what it promises to keep."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scene_strategies import cameras, levels, positions, quats, view_points

from wonderzoom.scene_graph.camera import (
    NEAR,
    Camera,
    bounded_exp,
    initial_camera,
    level_of_scale,
    matrix_to_quat,
    multiply_quats,
    quat_to_matrix,
)
from wonderzoom.scene_graph.cells import LN2, ORIGIN, Cell, Position

factors = st.floats(1.5, 1e6)
angles = st.floats(-1.2, 1.2)


def from_eye(camera: Camera, point: np.ndarray) -> np.ndarray:
    """World direction and length, in D, from the eye to view coordinates ``point``."""
    lateral = point[:2] * camera.inverse_f
    return camera.rotation.T @ np.array([*lateral, 1.0 + point[2] * camera.inverse_f])


def deeper(position: Position, levels_down: int) -> Position:
    """The same place in a world that many octaves smaller."""
    return Position(Cell(position.cell.level + levels_down, *position.cell.index), position.offset)


# ---- rotations ------------------------------------------------------------------------------------
@given(quats())
def test_quaternions_and_matrices_are_the_same_rotations(quat: tuple[float, ...]) -> None:
    matrix = quat_to_matrix(quat)
    assert matrix @ matrix.T == pytest.approx(np.eye(3), abs=1e-12)
    assert np.linalg.det(matrix) == pytest.approx(1.0)
    assert quat_to_matrix(matrix_to_quat(matrix)) == pytest.approx(matrix, abs=1e-12)
    assert matrix_to_quat(matrix)[0] >= 0.0


@given(quats(), quats())
def test_products_of_quaternions_are_products_of_matrices(a: tuple[float, ...], b: tuple[float, ...]) -> None:
    product = multiply_quats(np.array(a), np.array(b))
    assert quat_to_matrix(product) == pytest.approx(quat_to_matrix(a) @ quat_to_matrix(b), abs=1e-12)


def test_rotations_take_batches() -> None:
    batch = np.random.default_rng(3).normal(size=(5, 4, 4))
    assert quat_to_matrix(batch).shape == (5, 4, 3, 3)
    assert matrix_to_quat(quat_to_matrix(batch)).shape == (5, 4, 4)


# ---- projection -----------------------------------------------------------------------------------
@given(st.data())
def test_project_inverts_unproject(data: st.DataObject) -> None:
    camera = data.draw(cameras())
    uv = np.array([data.draw(st.floats(0, camera.width)), data.draw(st.floats(0, camera.height))])
    zeta = data.draw(st.floats(-0.9, 3.0)) * 100.0
    assume(1.0 + zeta * camera.inverse_f > NEAR)
    back, w = camera.project(camera.unproject(uv, np.array(zeta)))
    assert back == pytest.approx(uv, abs=1e-8)
    assert w == pytest.approx(1.0 + zeta * camera.inverse_f)


@given(cameras())
def test_the_pivot_is_at_the_principal_point(camera: Camera) -> None:
    uv, w = camera.project(camera.view_point(camera.pivot))
    assert uv == pytest.approx([camera.cx, camera.cy], abs=1e-9)
    assert w == 1.0


@given(st.data())
def test_a_place_and_its_view_coordinates_are_one(data: st.DataObject) -> None:
    """1e-9 of a pixel at any depth: this is why a camera has a pivot and cells have integers."""
    camera = data.draw(cameras())
    point = data.draw(view_points(camera))
    there = camera.position(point)
    assert camera.view_point(there) == pytest.approx(point, abs=1e-9, rel=1e-12)
    deeper = there.rebased(there.cell.level + data.draw(st.integers(0, 50)))
    assert camera.view_point(deeper) == pytest.approx(point, abs=1e-9, rel=1e-12)


@given(st.data())
def test_the_same_world_deeper_down_projects_alike(data: st.DataObject) -> None:
    """Law 9, geometry: everything moved down by whole octaves gives the same pixels."""
    camera = data.draw(cameras(st.just(8)))
    point = camera.position(data.draw(view_points(camera)))
    for down in (180, 900):
        pivot, ln_distance = deeper(camera.pivot, down), camera.ln_distance - down * LN2
        deep = replace(camera, pivot=pivot, ln_distance=ln_distance)
        here, there = camera.view_point(point), deep.view_point(deeper(point, down))
        assert there == pytest.approx(here, rel=1e-11, abs=1e-9)


@given(st.data())
def test_a_map_between_cameras_is_the_way_through_the_world(data: st.DataObject) -> None:
    level = data.draw(levels)
    camera = data.draw(cameras(st.just(level), focals=(100.0, 1e5)))
    other = camera.orbited(data.draw(angles), data.draw(angles)).zoomed(data.draw(st.floats(0.2, 5.0)))
    point = data.draw(view_points(other))
    matrix, origin = camera.map_from(other)
    want = camera.view_point(other.position(point))
    assert matrix @ point + origin == pytest.approx(want, rel=1e-9, abs=1e-6)


@given(st.data())
def test_scales_are_depth_over_focal_length(data: st.DataObject) -> None:
    camera = data.draw(cameras(focals=(100.0, 1e4)))
    point = data.draw(view_points(camera))
    from_the_eye = from_eye(camera, point)
    depth = camera.rotation[2] @ from_the_eye
    assert camera.ln_scale_at(point) == pytest.approx(camera.ln_scale + math.log(depth))
    radial = camera.ln_scale + math.log(np.linalg.norm(from_the_eye))
    assert camera.ln_scale_at(point, radial=True) == pytest.approx(radial)


def test_nothing_behind_the_eye_has_a_scale() -> None:
    camera = initial_camera(40.0, 48, 36, 0.0)
    points = np.array([[0.0, 0.0, -40.0], [0.0, 0.0, -80.0], [0.0, 0.0, 0.0]])
    assert camera.ln_scale_at(points).tolist() == [-math.inf, -math.inf, camera.ln_scale]


def test_a_resolution_does_not_change_the_level_of_detail() -> None:
    camera = initial_camera(512.0, 683, 512, 0.0)
    for width, height in ((1366, 1024), (341, 256), (512, 683)):
        other = camera.resized(width, height)
        assert other.ln_render_scale(512) == pytest.approx(camera.ln_render_scale(512), abs=1e-12)
    assert camera.ln_render_scale(512, lod_bias=1.0) == pytest.approx(camera.ln_scale + LN2)


# ---- motions --------------------------------------------------------------------------------------
@given(st.data())
def test_looking_at_keeps_the_eye_and_the_scale_and_centres_the_point(data: st.DataObject) -> None:
    camera = data.draw(cameras(focals=(30.0, 1e9)))
    point = data.draw(view_points(camera))
    turned = camera.looking_at(point)
    assert turned.ln_scale == pytest.approx(float(camera.ln_scale_at(point)), abs=1e-9)
    uv, _ = turned.project(turned.view_point(camera.position(point)))
    assert uv == pytest.approx([camera.width / 2, camera.height / 2], abs=1e-6)
    # The eye is where it was: every other point lies in the same direction at the same distance.
    other = data.draw(view_points(camera))
    before = from_eye(camera, other)
    after = from_eye(turned, turned.view_point(camera.position(other)))
    ratio = bounded_exp(turned.ln_distance - camera.ln_distance)
    assert after * ratio == pytest.approx(before, rel=1e-6, abs=1e-6)


def test_looking_at_something_behind_is_refused() -> None:
    camera = initial_camera(40.0, 48, 36, 0.0)
    with pytest.raises(ValueError, match="behind or at the eye"):
        camera.looking_at(np.array([0.0, 0.0, -41.0]))


@given(cameras(), factors)
def test_a_zoom_keeps_pivot_and_eye_and_divides_the_scale(camera: Camera, factor: float) -> None:
    zoomed = camera.zoomed(factor)
    assert zoomed.ln_scale == pytest.approx(camera.ln_scale - math.log(factor), abs=1e-9)
    assert zoomed.ln_distance == camera.ln_distance
    uv, _ = zoomed.project(zoomed.view_point(camera.pivot))
    assert uv == pytest.approx([camera.cx, camera.cy], abs=1e-8)
    assert abs(zoomed.pivot.cell.level - zoomed.fitting_level) <= 1


@given(cameras(), factors)
def test_an_approach_keeps_pivot_and_field_of_view_and_divides_the_scale(
    camera: Camera, factor: float
) -> None:
    near = camera.approached(factor)
    assert near.ln_scale == pytest.approx(camera.ln_scale - math.log(factor), abs=1e-9)
    assert (near.ln_fx, near.ln_fy) == (camera.ln_fx, camera.ln_fy)
    uv, _ = near.project(near.view_point(camera.pivot))
    assert uv == pytest.approx([camera.cx, camera.cy], abs=1e-8)


@given(cameras(), st.integers(1, 60))
def test_sixty_zooms_of_eight_end_exactly_below_the_first(camera: Camera, times: int) -> None:
    """Nothing drifts: the pivot after many zooms is the pivot before, to the last bit."""
    deep = camera
    for _ in range(times):
        deep = deep.zoomed(8.0)
    assert deep.pivot.rebased(camera.pivot.cell.level) == camera.pivot
    assert deep.ln_scale == pytest.approx(camera.ln_scale - times * math.log(8.0), rel=1e-12)


@given(cameras(focals=(30.0, 1e5)), angles, angles)
def test_an_orbit_keeps_pivot_distance_and_scale(camera: Camera, yaw: float, pitch: float) -> None:
    turned = camera.orbited(yaw, pitch)
    assert (turned.pivot, turned.ln_distance, turned.ln_scale) == (
        camera.pivot,
        camera.ln_distance,
        camera.ln_scale,
    )
    uv, _ = turned.project(turned.view_point(camera.pivot))
    assert uv == pytest.approx([camera.cx, camera.cy], abs=1e-9)
    assert np.linalg.norm(turned.quat) == pytest.approx(1.0)


@given(st.data())
def test_overscan_only_adds_a_rim(data: st.DataObject) -> None:
    camera = data.draw(cameras())
    margin = data.draw(st.integers(1, 64))
    point = data.draw(view_points(camera))
    wide = camera.widened(margin)
    assert wide.project(point)[0] == pytest.approx(camera.project(point)[0] + margin, abs=1e-9)
    assert (wide.width, wide.height) == (camera.width + 2 * margin, camera.height + 2 * margin)


@given(st.data())
def test_a_resized_camera_keeps_the_short_sides_field_of_view(data: st.DataObject) -> None:
    camera = data.draw(cameras(focals=(30.0, 1e4)))
    point = data.draw(view_points(camera))
    double = camera.resized(2 * camera.width, 2 * camera.height)
    here, there = camera.project(point)[0], double.project(double.view_point(camera.position(point)))[0]
    assert there == pytest.approx(2.0 * here, abs=1e-6, rel=1e-9)


@given(positions(st.integers(0, 40)), st.integers(-3, 30))
def test_a_pivot_is_rebased_once_it_has_left_its_octave(pivot: Position, zooms: int) -> None:
    scale = -math.log(64.0) - (pivot.cell.level + zooms) * LN2
    camera = Camera(pivot, (1.0, 0.0, 0.0, 0.0), scale + 4.0, 4.0, 4.0, 8.0, 8.0, 16, 16).rebased()
    assert abs(camera.pivot.cell.level - camera.fitting_level) <= 1
    assert camera.rebased() is camera


# ---- the first camera and refusals -----------------------------------------------------------------
@pytest.mark.parametrize("ln_distance", [-600.0, -3.0, 0.0, 5.0])
def test_the_first_camera_stands_at_the_origin(ln_distance: float) -> None:
    camera = initial_camera(500.0, 640, 480, ln_distance)
    eye = camera.view_point(ORIGIN)
    assert eye * camera.inverse_f == pytest.approx([0.0, 0.0, -1.0], abs=1e-12)
    assert camera.pivot.cell.level == camera.fitting_level == level_of_scale(camera.ln_scale)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ln_fx": math.nan}, "finite numbers"),
        ({"quat": (0.0, 0.0, 0.0, 0.0)}, "not a rotation"),
        ({"ln_fx": 9.0}, "singular"),
        ({"width": 0}, "outside 1 to 16384"),
        ({"height": 20000}, "outside 1 to 16384"),
        ({"ln_fx": -6.0, "ln_fy": -6.0}, "focal length of 0.00248 pixels is singular"),
        ({"cx": 2e9}, "beyond 1e9 pixels"),
        ({"ln_distance": -1e6}, "octaves from the start"),
        ({"ln_fx": 1e300, "ln_fy": 1e300}, "octaves from the start"),
        ({"pivot": Position(Cell(1 << 30, 1, 1, 1), (0.0, 0.0, 0.0))}, "cell of level 1073741824"),
    ],
)
def test_a_camera_is_finite_and_invertible(change: dict[str, object], message: str) -> None:
    camera = initial_camera(40.0, 48, 36, 0.0)
    with pytest.raises(ValueError, match=message):
        replace(camera, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("factor", [0.0, -2.0, math.inf, math.nan])
def test_factors_are_positive(factor: float) -> None:
    camera = initial_camera(40.0, 48, 36, 0.0)
    with pytest.raises(ValueError, match="factor is a positive number"):
        camera.zoomed(factor)
    with pytest.raises(ValueError, match="factor is a positive number"):
        camera.approached(factor)


def test_extremes_saturate() -> None:
    """A camera far outside float64's range still gives finite frames for every cell."""
    camera = replace(initial_camera(40.0, 48, 36, 0.0), ln_fx=800.0, ln_fy=800.0).rebased()
    assert camera.inverse_f == 0.0
    for cell in (ORIGIN.cell, Cell(3000, 5, 5, 5), Cell(-3000, 0, 0, 0), camera.pivot.cell):
        frame = camera.cell_frame(cell)
        assert np.isfinite(frame.origin).all() and np.isfinite(frame.matrix).all()
