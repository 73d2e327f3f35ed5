"""The panorama: there and back, and what a turn of the head leaves as it is."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.embedded.panorama import Panorama
from wonderzoom.scene_graph.camera import Camera, initial_camera

DOWN = np.array([0.0, 1.0, 0.0])


def turned(yaw: float) -> tuple[Camera, np.ndarray]:
    """A camera at the origin that looks to the side, and what is down for it."""
    camera = initial_camera(60.0, 96, 64, -1.0)
    aside = camera.looking_at(60.0 * np.array([math.sin(yaw), 0.0, math.cos(yaw) - 1.0]))
    return aside, aside.rotation @ DOWN


@settings(max_examples=30, deadline=None)
@given(yaw=st.floats(-1.0, 1.0), octaves=st.floats(0.0, 40.0), zeta=st.floats(-20.0, 200.0))
def test_there_and_back(yaw: float, octaves: float, zeta: float) -> None:
    camera, down = turned(yaw)
    panorama = Panorama.of(camera.zoomed(2.0**octaves), down)
    uv = camera.pixel_centres()
    u, v = panorama.to_frame(*panorama.from_frame(uv))
    assert np.abs(np.stack([u, v], -1) - uv).max() < 1e-6
    depths = np.full(uv.shape[:2], zeta)
    assert np.allclose(panorama.zeta(panorama.nearness(depths)), depths, atol=1e-5)
    x, y = panorama.from_frame(uv)
    assert x.min() >= 0.0 and y.min() >= 0.0
    assert x.max() <= panorama.width and y.max() <= panorama.height


def test_the_ground_is_as_near_at_each_height_wherever_one_looks() -> None:
    """A plane under the eye: nearness is linear in y and does not depend on x."""
    for yaw in (0.0, 0.6):
        camera, down = turned(yaw)
        panorama = Panorama.of(camera, down)
        uv = camera.pixel_centres()
        rows = np.stack([(uv[..., 0] - camera.cx), (uv[..., 1] - camera.cy)], -1) * camera.inverse_f
        fall = rows[..., 0] * down[0] + rows[..., 1] * down[1] + down[2]
        below = fall > 0.05
        depth = np.where(below, 0.5 / np.maximum(fall, 0.05), 1.0)  # in D: a plane half as far below the eye
        nearness = panorama.nearness((depth - 1.0) / camera.inverse_f)[below]
        y = panorama.from_frame(uv)[1][below] + panorama.top
        assert np.allclose(nearness, 2.0 * y * camera.inverse_f, rtol=1e-6)


def test_a_view_straight_down_is_its_own() -> None:
    panorama = Panorama.of(initial_camera(60.0, 96, 64, -1.0), np.array([0.0, 0.05, 0.99]))
    assert np.array_equal(panorama.basis, np.eye(3))
