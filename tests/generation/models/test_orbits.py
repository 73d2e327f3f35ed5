import math
from dataclasses import replace

import numpy as np
import pytest
from worlds import facing, first_camera

from wonderzoom.generation.models.orbits import (
    FULL_AT,
    LEAST,
    MOST,
    adding,
    amplitude,
    frame_count,
    octaves_below,
    orbit,
    pivoted,
)
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera


def layer(camera: Camera, zeta: np.ndarray, mask: np.ndarray | None = None) -> Layer:
    shape = (camera.height, camera.width)
    seen = np.ones(shape, np.bool_) if mask is None else mask
    return Layer(camera, np.zeros((*shape, 3), np.float32), zeta.astype(np.float32), seen)


def angle_between(a: Camera, b: Camera) -> float:
    return math.acos(min(1.0, float(a.rotation[2] @ b.rotation[2])))


def test_the_orbit_is_wider_the_deeper_a_zoom_is() -> None:
    angles = [amplitude(octaves) for octaves in np.linspace(-3.0, 20.0, 47)]
    assert angles == sorted(angles)
    assert amplitude(-1.0) == amplitude(0.0) == LEAST
    assert amplitude(FULL_AT) == amplitude(200.0) == MOST
    assert amplitude(FULL_AT / 2) == pytest.approx(0.5 * (LEAST + MOST))


def test_octaves_are_counted_from_the_first_picture() -> None:
    root = first_camera()
    assert octaves_below(root, root) == 0.0
    assert octaves_below(root.zoomed(8.0), root) == pytest.approx(3.0)
    assert octaves_below(root.approached(8.0), root) == pytest.approx(3.0)


@pytest.mark.parametrize("groups", [1, 2, 4, 20])
def test_frames_lead_out_and_go_once_round(groups: int) -> None:
    start = first_camera()
    angle = math.radians(8.0)
    cameras = orbit(start, angle, frame_count(groups))
    assert len(cameras) == 4 * groups + 1 and cameras[0] == start
    tilts = [angle_between(start, camera) for camera in cameras]
    full = next(k for k, tilt in enumerate(tilts) if tilt > 0.99 * angle)
    assert tilts[:full] == sorted(tilts[:full])
    assert np.allclose(tilts[full:], angle, rtol=0.01)
    # They look at the same point from the same distance, and no step on the circle is larger than another.
    for camera in cameras:
        assert camera.pivot == start.pivot and camera.ln_distance == start.ln_distance
        assert (camera.width, camera.height, camera.ln_fx) == (start.width, start.height, start.ln_fx)
    circle = cameras[full:]
    steps = [angle_between(circle[k - 1], circle[k]) for k in range(len(circle))]
    assert max(steps) == pytest.approx(min(steps), rel=0.05)


@pytest.mark.parametrize("count", [0, 1, 4, 6, 16])
def test_a_film_has_four_n_and_one_frames(count: int) -> None:
    with pytest.raises(ValueError, match="4 n"):
        orbit(first_camera(), 0.1, count)
    with pytest.raises(ValueError, match="group"):
        frame_count(0)


@pytest.mark.parametrize("levels_down", [0, 40, 400])
def test_the_pivot_moves_to_what_the_middle_shows_and_the_picture_stays(levels_down: int) -> None:
    camera = first_camera(levels_down=levels_down)
    zeta = np.full((camera.height, camera.width), 15.0)
    zeta[:4] = 400.0  # far away, and not in the middle
    moved = pivoted(layer(camera, zeta))
    uv = np.array([[3.5, 8.5], [24.0, 18.0], [40.5, 30.5]])
    matrix, origin = moved.map_from(camera)
    points = camera.unproject(uv, np.full(3, 15.0)) @ matrix.T + origin
    again, _ = moved.project(points)
    assert np.allclose(again, uv, atol=1e-6)
    assert np.allclose(points[:, 2], 0.0, atol=1e-6)


def test_without_depth_in_the_middle_the_pivot_stays() -> None:
    camera = first_camera()
    zeta = np.full((camera.height, camera.width), np.nan)
    assert pivoted(layer(camera, zeta)) == camera
    behind = np.full(zeta.shape, -2.0 / camera.inverse_f)
    assert pivoted(layer(camera, behind)) == camera
    off_axis = replace(camera, cx=2.0)
    plane = facing(off_axis).zeta(off_axis) + 5.0
    assert pivoted(layer(off_axis, plane)).cx == 2.0


def test_frames_that_add_are_spread_and_the_far_side_comes_first() -> None:
    order = adding(17, 9)
    assert sorted(order) == [1, 3, 5, 7, 8, 10, 12, 14, 16] and order[0] == 8
    assert adding(5, 9) == adding(5, 4) and sorted(adding(5, 9)) == [1, 2, 3, 4]
    assert len(adding(121, 9)) == 9 and 0 not in adding(121, 9)
    assert adding(9, 1) == (1,)
