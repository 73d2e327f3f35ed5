"""Descents through a world's own frames: exact ends, constant speed, no jumps; the same at any depth."""

import math

import numpy as np
import pytest
from worlds import branching_world, nested_world

from wonderzoom.runtime.frames import deepest
from wonderzoom.runtime.paths import PathError, descent, path_errors
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.motions import MotionError, Pace


def target_pixel(camera: Camera, target: Camera) -> np.ndarray:
    uv, _ = camera.project(camera.view_point(target.pivot))
    return uv - np.array([camera.cx, camera.cy])


def scale_at(camera: Camera, target: Camera) -> float:
    return float(camera.ln_scale_at(camera.view_point(target.pivot)))


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
        on_the_way = [path.camera(t) for t in path.frames(240.0)]
        for stop in world.path(node.id):
            camera = stop.main.camera
            pixels = []
            for here in on_the_way:
                if abs(here.ln_scale - camera.ln_scale) < 0.1:
                    pixels.append(np.abs(target_pixel(here, camera)).max())
            assert min(pixels) < 1.0


def test_there_is_no_descent_to_the_root() -> None:
    world, _ = nested_world(0)
    with pytest.raises(PathError, match="is the root"):
        descent(world, deepest(world), (48, 36))


def test_a_motion_that_cannot_be_made_is_told_in_one_line() -> None:
    with pytest.raises(PathError, match="^why$"), path_errors():
        raise MotionError("why")
