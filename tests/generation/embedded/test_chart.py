"""The chart: the same place of the world is the same place of the picture, from every camera, at any depth."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_world import METRES, PhotoWorld, photo

from wonderzoom.generation.embedded.chart import (
    RESTART,
    SMALLEST_METRES,
    TAIL_PERIOD,
    Charts,
    chart_node,
    metres_below,
    places_on,
    starts_chart,
    wrapped,
)
from wonderzoom.generation.embedded.memory import EmbeddedMemory

IMAGE = photo()
FLAT, TILTED = PhotoWorld.of(IMAGE), PhotoWorld.of(IMAGE, tilt=0.6)


@settings(max_examples=30)
@given(st.floats(1.5, 1e7), st.floats(20, 76), st.floats(15, 57), st.floats(-1e-3, 1e-3), st.booleans())
def test_from_the_same_eye_depth_does_not_matter(
    factor: float, u: float, v: float, wrong: float, tilted: bool
):
    found = TILTED if tilted else FLAT
    camera = found.zoomed(factor, u, v)
    zeta = found.plane.zeta(camera)
    right, scale = places_on(found.root.main.camera, camera, zeta)
    off, _ = places_on(found.root.main.camera, camera, zeta + wrong / camera.inverse_f)
    pixel = float(scale.mean())
    assert np.abs(right - off).max() < 1e-3 * pixel
    middle = right[31:33, 31:33].mean((0, 1))
    assert np.allclose(middle, (u, v), atol=1e-6 + 5e-3 * pixel)
    step = np.linalg.norm(np.diff(right, axis=1), axis=-1)
    assert np.allclose(step, scale[:, 1:], rtol=0.35)  # oblique rays: the picture's pixels widen outward


@settings(max_examples=20)
@given(st.floats(2.0, 1e5), st.floats(-0.26, 0.26), st.floats(-0.26, 0.26))
def test_a_camera_that_has_moved_sees_the_same_places(factor: float, yaw: float, pitch: float):
    """15 degrees to either side: what is at a point of the surface stays there."""
    camera = TILTED.zoomed(factor, 40.0, 30.0)
    moved = camera.orbited(yaw, pitch)
    zeta = TILTED.plane.zeta(camera)
    places, scale = places_on(TILTED.root.main.camera, camera, zeta)
    points = camera.unproject(camera.pixel_centres(), zeta)
    matrix, origin = moved.map_from(camera)
    seen, _ = moved.project(points @ matrix.T + origin)
    there, _ = places_on(TILTED.root.main.camera, moved, TILTED.plane.zeta(moved))
    row, column = 20, 24
    u, v = seen[row, column] - 0.5
    i, j = int(math.floor(u)), int(math.floor(v))
    if not (0 <= i < 63 and 0 <= j < 63):
        return
    fx, fy = u - i, v - j
    bilinear = (1 - fy) * ((1 - fx) * there[j, i] + fx * there[j, i + 1]) + fy * (
        (1 - fx) * there[j + 1, i] + fx * there[j + 1, i + 1]
    )
    assert np.abs(bilinear - places[row, column]).max() < 0.05 * scale[row, column]


def test_a_chain_inherits_its_size_and_neighbours_agree():
    found = PhotoWorld.of(IMAGE, tilt=0.6)
    charts = Charts()
    metres = set()
    for u in (30.0, 34.0, 38.0):
        camera = found.zoomed(4.0, u, 30.0)
        view = charts.view(found.world, found.root.id, camera, found.plane.zeta(camera).astype(np.float32), 0)
        metres.add(view.metres)
    assert len(metres) == 1  # slightly different depths
    size = metres.pop()
    assert math.log2(size / METRES) == round(math.log2(size / METRES))
    child = found.add(
        camera, np.zeros((64, 64, 3), np.uint8), found.root.id, EmbeddedMemory(metres_per_pixel=0.123)
    )
    deeper = found.zoomed(16.0, 38.0, 30.0)
    view = charts.view(found.world, child, deeper, found.plane.zeta(deeper).astype(np.float32), 0)
    assert view.metres == 0.123 and view.node == found.root.id and view.is_root


def test_far_below_a_view_becomes_the_chart_and_hands_its_materials_down():
    found = PhotoWorld.of(IMAGE)
    charts = Charts()
    deep = found.zoomed(2.0 / RESTART, 24.0, 30.0)
    view = charts.view(found.world, found.root.id, deep, found.plane.zeta(deep).astype(np.float32), 0)
    assert starts_chart(view)
    assert metres_below(view) == pytest.approx(view.metres * 0.5 * RESTART, rel=1e-6)
    picture = np.full((64, 64, 3), 90, np.uint8)
    memory = EmbeddedMemory(metres_per_pixel=metres_below(view), chart=True)
    child = found.add(deep, picture, found.root.id, memory)
    assert chart_node(found.world, child).id == child
    deeper = found.zoomed(12.0 / RESTART, 24.0, 30.0)
    below = charts.view(found.world, child, deeper, found.plane.zeta(deeper).astype(np.float32), 0)
    assert below.node == child and not below.is_root and not starts_chart(below)
    assert below.metres == memory.metres_per_pixel
    assert np.allclose(below.scale, 1 / 6, rtol=0.05)
    assert below.picture.contrast.min() == 1.0  # what was generated goes on at full contrast
    here = view.picture.materials
    chosen = here.weights[30, 24].argmax()
    inner = below.picture.materials
    assert inner.names == here.names and (inner.weights.argmax(-1) == chosen).all()


def test_a_picture_of_another_generator_is_a_chart():
    found = PhotoWorld.of(IMAGE)
    camera = found.zoomed(4.0)
    child = found.add(camera, photo(64, 64, 1), found.root.id, None, generator="light/1")
    assert chart_node(found.world, child).id == child
    deeper = found.zoomed(16.0)
    view = Charts().view(found.world, child, deeper, found.plane.zeta(deeper).astype(np.float32), 0)
    assert view.node == child and view.metres > 0
    assert view.picture.contrast.max() <= 0.5  # its smooth surfaces stay smooth


@given(st.floats(-300, 0))
def test_sizes_never_run_out(exponent: float):
    """Twenty zooms or two hundred: the size is moved up by whole periods of the tail."""
    metres = 10.0**exponent
    size = wrapped(metres)
    assert size >= SMALLEST_METRES and size < max(1e-9, 2 * metres)
    periods = math.log(size / metres) / math.log(TAIL_PERIOD)
    assert abs(periods - round(periods)) < 1e-6


def test_a_chart_is_measured_once():
    charts = Charts()
    camera = FLAT.zoomed(4.0)
    zeta = FLAT.plane.zeta(camera).astype(np.float32)
    one = charts.view(FLAT.world, FLAT.root.id, camera, zeta, 0)
    assert charts.view(FLAT.world, FLAT.root.id, camera, zeta, 0).picture is one.picture
