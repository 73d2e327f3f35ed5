"""Laws of camera motion: exact ends, constant speed, monotone scale, no jumps; the same at any depth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras
from worlds import branching_world, facing, first_camera, look_and_zoom, nested_world

from wonderzoom.runtime.frames import deepest
from wonderzoom.runtime.paths import (
    Pace,
    PathError,
    along,
    descent,
    hop,
    orbit,
    slerp,
    through,
    zoom_ln,
)
from wonderzoom.scene_graph.camera import Camera

shares = st.floats(0.0, 1.0)
factors = st.floats(1.5, 16.0)
fractions = st.floats(0.1, 0.9)
depths = st.integers(0, 900)


@st.composite
def zooms(draw: st.DrawFn) -> tuple[Camera, Camera]:
    """A camera and a zoom aimed at a point of its image, at any depth."""
    start = first_camera(96, 64, 80.0, draw(depths))
    tilt = draw(st.floats(-0.8, 0.8))
    u, v = draw(fractions) * 96, draw(fractions) * 64
    return start, look_and_zoom(start, facing(start, tilt), u, v, draw(factors))


def target_pixel(camera: Camera, target: Camera) -> np.ndarray:
    uv, _ = camera.project(camera.view_point(target.pivot))
    return uv - np.array([camera.cx, camera.cy])


def scale_at(camera: Camera, target: Camera) -> float:
    return float(camera.ln_scale_at(camera.view_point(target.pivot)))


@given(cameras(), cameras())
def test_a_hop_ends_at_its_two_cameras(a: Camera, b: Camera) -> None:
    assert hop(a, b, 0.0) is a
    assert hop(a, b, 1.0) is b


@given(zooms(), shares)
def test_the_scale_at_the_target_is_linear_along_a_hop(pair: tuple[Camera, Camera], share: float) -> None:
    start, end = pair
    expected = scale_at(start, end) + share * (scale_at(end, end) - scale_at(start, end))
    assert scale_at(hop(start, end, share), end) == pytest.approx(expected, abs=1e-6)


@given(zooms(), shares)
def test_without_ease_a_hop_of_one_eye_enlarges_the_image_about_one_fixed_pixel(
    pair: tuple[Camera, Camera], share: float
) -> None:
    start, end = pair
    factor = math.exp(zoom_ln(start, end))
    m = factor**share
    moved = target_pixel(hop(start, end, share, pan_ease=0.0), end)
    np.testing.assert_allclose(moved, target_pixel(start, end) * (factor - m) / (factor - 1.0), atol=1e-5)


@given(zooms(), st.floats(0.01, 0.99))
def test_a_hop_of_one_eye_keeps_the_eye(pair: tuple[Camera, Camera], share: float) -> None:
    """Two points on one ray of the start stay on one ray: there is no parallax."""
    start, end = pair
    camera = hop(start, end, share)
    ray = start.unproject(np.array([40.0, 30.0]), np.array([0.0]))[0]
    far = start.unproject(np.array([40.0, 30.0]), np.array([100.0]))[0]
    near_pixel, _ = camera.project(camera.view_point(start.position(ray)))
    far_pixel, _ = camera.project(camera.view_point(start.position(far)))
    np.testing.assert_allclose(near_pixel, far_pixel, atol=1e-4)


@given(zooms(), st.floats(0.0, 0.5))
def test_a_hop_is_continuous_at_its_ends(pair: tuple[Camera, Camera], ease: float) -> None:
    start, end = pair
    for share, there in ((1e-9, start), (1.0 - 1e-9, end)):
        near = hop(start, end, share, ease)
        for pixel in ((3.0, 5.0), (80.0, 50.0)):
            point = there.position(there.unproject(np.array(pixel), np.array(0.0)))
            uv, _ = near.project(near.view_point(point))
            np.testing.assert_allclose(uv, pixel, atol=1e-3)


@given(cameras(st.integers(0, 6)), cameras(st.integers(0, 6)), st.sampled_from([1e-12, 1.0 - 1e-12]))
def test_any_two_cameras_have_a_hop_and_it_is_continuous(a: Camera, b: Camera, share: float) -> None:
    there = a if share < 0.5 else b
    near = hop(a, b, share)
    pixels = there.width * np.array([[0.2, 0.3], [0.7, 0.6]])
    points = there.unproject(pixels, np.zeros(2))
    matrix, origin = near.map_from(there)
    uv, _ = near.project(points @ matrix.T + origin)
    # Cells of a few levels: the way between two pivots is a million pixels at most.
    np.testing.assert_allclose(uv, pixels, atol=0.05)


@given(zooms(), st.floats(0.0, 1.0))
def test_a_hop_is_the_same_both_ways(pair: tuple[Camera, Camera], share: float) -> None:
    start, end = pair
    forth, back = hop(start, end, share), hop(end, start, 1.0 - share)
    uv, _ = forth.project(forth.view_point(back.pivot))
    np.testing.assert_allclose(uv, [back.cx, back.cy], atol=1e-4)
    assert scale_at(forth, end) == pytest.approx(scale_at(back, end), abs=1e-9)


@pytest.mark.parametrize("levels_down", [0, 180, 900])
def test_a_descent_goes_from_the_roots_frame_to_the_nodes_at_constant_speed(levels_down: int) -> None:
    world, made = nested_world(4, ratio=5.0, levels_down=levels_down)
    pace = Pace(hold_start=0.5, hold_end=0.5)
    path = descent(world, deepest(world), (48, 36), pace)
    assert path.camera(0.0) == path.camera(0.5) == made[0]
    assert path.camera(path.seconds) == path.camera(path.seconds - 0.5) == made[-1]

    moments = path.frames(30.0)
    scales = np.array([scale_at(path.camera(t), made[-1]) for t in moments])
    steps = -np.diff(scales)
    # Linear at each hop's own target; seen from the last one its depth varies a little with the turn.
    assert (steps > -1e-6).all()
    cruising = [
        step for t, step in zip(moments, steps, strict=False) if 1.6 < t < path.seconds - 1.6 - 1 / 30
    ]
    expected = pace.octaves_per_second * math.log(2.0) / 30.0
    np.testing.assert_allclose(cruising, expected, rtol=0.02)
    assert max(steps) <= expected * 1.02


@pytest.mark.parametrize("levels_down", [0, 900])
def test_no_point_of_the_picture_jumps_between_two_frames_of_a_descent(levels_down: int) -> None:
    world, _ = nested_world(4, ratio=6.0, levels_down=levels_down, at=(0.7, 0.35))
    path = descent(world, deepest(world), (96, 72))
    cameras = [path.camera(t) for t in path.frames(30.0)]
    grid = np.array([(u, v) for u in (0.0, 48.0, 96.0) for v in (0.0, 36.0, 72.0)])
    motions = []
    for a, b in zip(cameras, cameras[1:], strict=False):
        points = a.unproject(grid, np.zeros(len(grid)))
        matrix, origin = b.map_from(a)
        uv, _ = b.project(points @ matrix.T + origin)
        motions.append(uv - grid)
    motions = np.array(motions)
    rate = Pace().octaves_per_second * math.log(2.0) / 30.0
    # A zoom moves the corners by half a diagonal times the rate; the pan adds what it needs, no more.
    assert np.linalg.norm(motions, axis=-1).max() < 3.0 * rate * 60.0
    # And no jerk where two hops meet: from frame to frame the motion of a point changes by a little.
    assert np.linalg.norm(np.diff(motions, axis=0), axis=-1).max() < 0.5 * rate * 60.0


def test_a_descent_visits_the_frames_on_the_way_of_a_branch() -> None:
    world, _ = branching_world()
    for node in world.nodes.values():
        if len(world.path(node.id)) < 2:
            continue
        path = descent(world, node, (48, 36))
        for stop in world.path(node.id):
            camera = stop.main.camera
            pixels = []
            for t in path.frames(240.0):
                here = path.camera(t)
                if abs(here.ln_scale - camera.ln_scale) < 0.1:
                    pixels.append(np.abs(target_pixel(here, camera)).max())
            assert min(pixels) < 1.0


def test_there_is_no_descent_to_the_root() -> None:
    world, _ = nested_world(0)
    with pytest.raises(PathError, match="is the root"):
        descent(world, deepest(world), (48, 36))


def test_a_path_through_one_camera_twice_is_no_path() -> None:
    camera = first_camera()
    with pytest.raises(PathError, match="differ"):
        along([camera, camera])


@given(cameras(), st.floats(0.5, 45.0))
def test_an_orbit_starts_and_ends_at_the_camera_and_keeps_the_pivot_in_place(
    camera: Camera, degrees: float
) -> None:
    path = orbit(camera, degrees)
    assert path.camera(0.0) == path.camera(path.seconds) == camera
    for t in path.frames(5.0):
        here = path.camera(t)
        assert here.pivot == camera.pivot
        assert here.ln_scale == camera.ln_scale
        turned = math.acos(min(1.0, max(-1.0, float((np.trace(here.rotation @ camera.rotation.T) - 1) / 2))))
        assert turned <= math.radians(degrees) * 1.1 + 1e-6


@pytest.mark.parametrize("degrees", [0.0, -3.0, 181.0, math.nan])
def test_an_impossible_orbit_is_refused(degrees: float) -> None:
    with pytest.raises(PathError, match="degrees"):
        orbit(first_camera(), degrees)


def test_a_path_of_ones_own_passes_each_camera_at_its_time() -> None:
    _, made = nested_world(2)
    path = through([(made[0], 1.0), (made[2], 2.0), (made[1], 0.5)])
    assert path.seconds == 3.5
    assert path.camera(0.0) == path.camera(1.0) == made[0]
    assert path.camera(3.0) == made[2]
    assert path.camera(3.5) == path.camera(99.0) == made[1]


@pytest.mark.parametrize("seconds", [-1.0, math.nan, math.inf, 4000.0])
def test_impossible_times_are_refused(seconds: float) -> None:
    with pytest.raises(PathError, match="seconds"):
        through([(first_camera(), 0.0), (first_camera(), seconds)])


def test_slerp_takes_the_shorter_arc_at_constant_speed() -> None:
    a = np.array([1.0, 0.0, 0.0, 0.0])
    b = -np.array([math.cos(0.5), math.sin(0.5), 0.0, 0.0])
    half = slerp(a, b, 0.25)
    np.testing.assert_allclose(half, [math.cos(0.125), math.sin(0.125), 0.0, 0.0], atol=1e-12)
