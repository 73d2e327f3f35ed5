"""Pictures with depth seen from elsewhere: the same points at the same places, nearer ones in front, and no ghosts."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plane_and_step import FRONT, PlaneAndStep

from wonderzoom.clients.reprojection import clip_mesh, reprojected
from wonderzoom.scene_graph.camera import Camera, initial_camera

SCENE = PlaneAndStep(64)


def seen(camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    """The exact picture [H, W, 3] of a turned camera, and its zeta."""
    rotation = camera.rotation @ SCENE.camera.rotation.T
    view, zeta, _ = SCENE.view(rotation)
    return (np.clip(view.target, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8), zeta.astype(np.float32)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * math.log10(255.0**2 / max(np.mean((a.astype(np.float64) - b) ** 2), 1e-9)))


def pooled(zeta: np.ndarray, pixels: int) -> np.ndarray:
    side = zeta.shape[0] // pixels
    return np.fmin.reduce(np.fmin.reduce(zeta.reshape(side, pixels, side, pixels), axis=3), axis=1)


def test_a_picture_seen_from_its_own_camera_is_itself() -> None:
    colors, zeta = seen(SCENE.camera)
    for of in (zeta, pooled(zeta, 2), pooled(zeta, 4)):
        again = reprojected(colors, of, SCENE.camera, SCENE.camera)
        assert again.there.all() and again.known.all() and (again.colors == colors).all()


@pytest.mark.parametrize("pixels", [1, 2, 4])
@pytest.mark.parametrize(("yaw", "pitch"), [(0.08, 0.0), (-0.15, 0.05), (0.1, -0.12)])
def test_it_is_nearer_to_the_truth_than_a_plane(yaw: float, pitch: float, pixels: int) -> None:
    colors, zeta = seen(SCENE.camera)
    target = SCENE.camera.orbited(yaw, pitch)
    truth, _ = seen(target)
    deep = reprojected(colors, pooled(zeta, pixels), SCENE.camera, target)
    plane = reprojected(colors, np.zeros((2, 2), np.float32), SCENE.camera, target)
    both = deep.there & plane.there
    assert both.mean() > 0.85
    assert decibels(deep.colors[both], truth[both]) > decibels(plane.colors[both], truth[both]) + 4.0
    sure = both & deep.known
    assert decibels(deep.colors[sure], truth[sure]) > 24.0 and sure.mean() > 0.7


def test_what_comes_to_light_has_the_colours_of_the_background() -> None:
    """A red square before a blue wall: its rim goes with it, and nothing red is left where it was."""
    camera = initial_camera(60.0, 64, 64, 0.0)
    zeta = np.full((64, 64), 20.0, np.float32)
    colors = np.zeros((64, 64, 3), np.uint8)
    colors[..., 2] = 200
    zeta[20:44, 20:44], colors[20:44, 20:44] = -20.0, (220, 0, 0)
    blurred = colors.copy()
    for rim in (19, 44):  # as a renderer or JPEG leaves it
        blurred[20:44, rim] = blurred[rim, 20:44] = (110, 0, 100)
    nearest = pooled(np.minimum(zeta, np.roll(zeta, 1, 1)), 2)
    target = camera.orbited(0.2, 0.0)
    found = reprojected(blurred, nearest, camera, target)
    red, blue = (found.colors[30, :, channel].astype(int) for channel in (0, 2))
    at = np.flatnonzero(red > 180)
    assert 15 <= len(at) <= 30 and (np.diff(at) == 1).all(), "the square is in one piece"
    light = np.flatnonzero(~found.known[30] & found.there[30])
    assert len(light) >= 6, "some of the wall comes to light"
    assert (blue[light] > red[light]).mean() > 0.8, "and is blue"


@given(
    st.floats(-0.3, 0.3), st.floats(-0.2, 0.2), st.floats(0.7, 1.6), st.sampled_from([40.0, 1e6, 1e30, 1e120])
)
def test_corners_of_the_mesh_are_where_the_camera_sees_their_points(
    yaw: float, pitch: float, factor: float, focal: float
) -> None:
    camera = initial_camera(focal, 16, 12, 0.0)
    zeta = (8.0 * np.sin(np.arange(12.0))).reshape(3, 4).astype(np.float32)
    target = camera.orbited(yaw, pitch).zoomed(factor)
    corners, triangles = clip_mesh(zeta, camera, target)
    assert corners.shape == (30, 7) and len(triangles) == 2 * 4 * 5
    rng = np.random.default_rng(0)
    for row, column in rng.integers((0, 0), (3, 4), (4, 2)):
        x, y, z, w, s, t, q = corners[(row + 1) * 6 + column + 1].astype(np.float64)
        assert (s / q, t / q) == pytest.approx(((column + 0.5) / 4, (row + 0.5) / 3), abs=1e-6)
        point = camera.unproject(np.array([4 * column + 2.0, 4 * row + 2.0]), np.asarray(zeta[row, column]))
        uv, depth = target.project(target.view_point(camera.position(point)))
        assert w == pytest.approx(float(depth), rel=1e-5) and abs(z) < w
        assert (x / w * 8 + 8, y / w * 6 + 6) == pytest.approx(tuple(uv), abs=1e-3)


def test_what_is_not_there_is_no_corner_of_a_triangle() -> None:
    camera = initial_camera(40.0, 16, 12, 0.0)
    zeta = np.zeros((3, 4), np.float32)
    zeta[1, 1] = np.nan
    corners, triangles = clip_mesh(zeta, camera, camera.orbited(0.1, 0.0))
    assert np.isfinite(corners).all() and len(triangles) == 2 * (20 - 4)
    assert 2 * 6 + 2 not in triangles
    gap = reprojected(np.full((12, 16, 3), 200, np.uint8), zeta, camera, camera)
    assert not gap.there[6, 6] and not gap.colors[~gap.there].any()
    assert gap.there.mean() > 0.6 and FRONT < 0
