"""Laws of hops: exact ends, linear ln scale, one eye, no jumps; the same at any depth."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras
from worlds import facing, first_camera, look_and_zoom

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.hops import hop, slerp, zoom_ln

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


def test_slerp_takes_the_shorter_arc_at_constant_speed() -> None:
    a = np.array([1.0, 0.0, 0.0, 0.0])
    b = -np.array([math.cos(0.5), math.sin(0.5), 0.0, 0.0])
    half = slerp(a, b, 0.25)
    np.testing.assert_allclose(half, [math.cos(0.125), math.sin(0.125), 0.0, 0.0], atol=1e-12)
