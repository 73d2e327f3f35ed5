"""Motions of a hand, at any depth: what is under the pointer stays, the eye stays, the horizon keeps its slant."""

import math

import numpy as np
import pytest
from clouds import a_camera
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.clients.desktop import motions
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Position

focals = st.sampled_from([170.0, 300.0, 1e7, 1e40])
levels = st.sampled_from([-3, 5, 180, 900])
cameras = st.builds(lambda focal, level: a_camera(320, 240, focal, level), focals, levels)
pixels = st.tuples(st.floats(5, 315), st.floats(5, 235))
steps = st.tuples(st.floats(-60, 60), st.floats(-60, 60))


def seen(camera: Camera, place: Position) -> np.ndarray:
    return np.array(motions.seen_at(camera, place)[:2])


@settings(max_examples=25)
@given(cameras, pixels, st.floats(0.3, 4.0))
def test_a_zoom_keeps_what_is_under_the_pointer(camera: Camera, at: tuple[float, float], k: float) -> None:
    place = motions.place_at(camera, *at)
    zoomed = motions.zoomed_at(camera, k, *at)
    np.testing.assert_allclose(seen(zoomed, place), at, atol=0.5)
    assert zoomed.ln_f - zoomed.ln_distance == pytest.approx(
        camera.ln_f - camera.ln_distance + math.log(k), abs=0.7
    )


@settings(max_examples=25)
@given(cameras, steps)
def test_a_turn_moves_the_picture_and_neither_the_eye_nor_the_horizon(
    camera: Camera, step: tuple[float, float]
) -> None:
    turned = motions.turned(camera, *step)
    moved = seen(turned, camera.pivot) - [camera.cx, camera.cy]
    np.testing.assert_allclose(moved, step, atol=0.2 * np.abs(step).max() + 0.01)
    # What hides behind a point stays hidden behind it.
    behind = motions.at_depth(camera, 40.0).pivot
    np.testing.assert_allclose(seen(turned, camera.pivot), seen(turned, behind), atol=0.02)
    before, after = camera.rotation[:2, 1], turned.rotation[:2, 1]
    if min(np.hypot(*before), np.hypot(*after)) > 0.2:
        assert before[0] * after[1] == pytest.approx(before[1] * after[0], abs=1e-6)


@settings(max_examples=25)
@given(cameras, steps)
def test_a_pan_moves_the_plane_of_the_pivot_by_whole_pixels(
    camera: Camera, step: tuple[float, float]
) -> None:
    moved = seen(motions.panned(camera, *step), camera.pivot)
    np.testing.assert_allclose(moved, [camera.cx + step[0], camera.cy + step[1]], atol=1e-3)


@settings(max_examples=25)
@given(cameras, st.floats(-20.0, 80.0), pixels)
def test_another_pivot_is_the_same_picture(camera: Camera, zeta: float, at: tuple[float, float]) -> None:
    place = motions.place_at(camera, *at)
    np.testing.assert_allclose(seen(motions.at_depth(camera, zeta), place), at, atol=1e-3)


def test_a_very_wide_lens_keeps_what_is_under_the_pointer_too() -> None:
    camera = a_camera(320, 240, 40.0)
    for k in (0.5, 3.0):
        place = motions.place_at(camera, 5.0, 5.0)
        np.testing.assert_allclose(seen(motions.zoomed_at(camera, k, 5.0, 5.0), place), (5, 5), atol=0.5)


def test_a_pivot_behind_the_eye_is_none() -> None:
    camera = a_camera(focal=60.0)
    assert motions.at_depth(camera, -61.0) is camera


@pytest.mark.parametrize(("width", "height"), [(640, 100), (100, 640), (320, 240)])
def test_a_picture_covers_a_window_of_any_shape(width: int, height: int) -> None:
    camera = a_camera(320, 240, 300.0)
    cut = motions.covering(camera, width, height)
    corners = motions.corners(camera, cut)
    assert corners is not None and (cut.width, cut.height) == (width, height)
    xs, ys = zip(*corners, strict=True)
    assert min(xs) <= 0.01 and min(ys) <= 0.01 and max(xs) >= width - 0.01 and max(ys) >= height - 0.01


def test_magnifications_are_relative_to_the_first_picture() -> None:
    root = a_camera(320, 240, 300.0)
    assert motions.ln_magnification(root.zoomed(7.0), root) == pytest.approx(math.log(7.0))
    assert motions.ln_magnification(motions.at_depth(root.zoomed(7.0), 50.0), root) == pytest.approx(
        math.log(7.0)
    )
    assert motions.ln_magnification(root.resized(640, 480), root) == pytest.approx(0.0)


def test_what_is_far_out_or_a_dot_has_no_outline() -> None:
    camera = a_camera(320, 240, 300.0)
    assert motions.corners(camera, camera.zoomed(100.0)) is None
    assert motions.corners(camera.zoomed(100.0), camera) is None
    assert motions.corners(camera.orbited(math.pi, 0.0).zoomed(0.02), camera) is None
