"""The fixed cameras: nine round the scene, and a descent that ends in it."""

import math

import numpy as np
import pytest

from wonderzoom.runtime.evaluation.views import (
    DESCENT_FRAMES,
    MIDDLE,
    neighbours,
    nine_views,
    zoom_cameras,
)
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.hops import zoom_ln

PARENT = initial_camera(100.0, 96, 64, -1.6)
FRAME = PARENT.zoomed(4.0)


def eye(camera: Camera, seen_from: Camera) -> np.ndarray:
    matrix, origin = seen_from.map_from(camera)
    return matrix @ np.array([0.0, 0.0, -math.exp(camera.ln_f)]) + origin


def test_nine_views_stand_round_the_pivot() -> None:
    views = nine_views(FRAME, 10.0)
    assert len(views) == 9 and views[MIDDLE] == FRAME
    for view in views:
        assert view.pivot == FRAME.pivot and view.ln_scale == FRAME.ln_scale
    straight = np.array([0.0, 0.0, -math.exp(FRAME.ln_f)])
    for index, degrees in ((1, 10.0), (3, 10.0), (5, 10.0), (7, 10.0), (0, 14.1)):
        seen = eye(views[index], FRAME)
        cosine = seen @ straight / np.linalg.norm(seen) / np.linalg.norm(straight)
        assert math.degrees(math.acos(cosine)) == pytest.approx(degrees, abs=0.1)
    # Rows are seen from above to below (y points down), columns from left to right.
    assert eye(views[1], FRAME)[1] < -1.0 < 1.0 < eye(views[7], FRAME)[1]
    assert eye(views[3], FRAME)[0] < -1.0 < 1.0 < eye(views[5], FRAME)[0]


def test_neighbours_are_side_by_side_both_ways() -> None:
    pairs = neighbours()
    assert len(pairs) == len(set(pairs)) == 24
    assert all((b, a) in pairs for a, b in pairs)
    assert all(abs(a // 3 - b // 3) + abs(a % 3 - b % 3) == 1 for a, b in pairs)


def test_a_descent_enlarges_at_a_constant_rate() -> None:
    cameras = zoom_cameras(PARENT, FRAME, 10.0)
    assert len(cameras.descent) == DESCENT_FRAMES
    assert cameras.descent[0] == PARENT and cameras.descent[-1] == FRAME
    zooms = [zoom_ln(a, b) for a, b in zip(cameras.descent, cameras.descent[1:], strict=False)]
    assert zooms == pytest.approx([math.log(4.0) / (DESCENT_FRAMES - 1)] * (DESCENT_FRAMES - 1))


def test_every_camera_has_a_name_of_its_own() -> None:
    named = zoom_cameras(PARENT, FRAME, 10.0).named
    assert len(named) == 9 + DESCENT_FRAMES
    assert named["view_11"] == named["descent_12"] == FRAME and named["descent_00"] == PARENT
    assert list(named)[:3] == ["view_00", "view_01", "view_02"]
