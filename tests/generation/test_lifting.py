"""Pixels with depth become surfels that cover just their pixels, wherever the camera is."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras
from worlds import facing, first_camera

from wonderzoom.generation.lifting import (
    MIN_COSINE,
    NYQUIST_SIGMA,
    edge_aware_slope,
    in_camera,
    lift,
    normals_from_depth,
)
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera, quat_to_matrix
from wonderzoom.scene_graph.surfels import THICKNESS


def layer_of(camera: Camera, tilt: float, turn: float) -> Layer:
    zeta = facing(camera, tilt, turn).zeta(camera).astype(np.float32)
    mask = np.isfinite(zeta)
    image = np.random.default_rng(0).random((*mask.shape, 3)).astype(np.float32)
    return Layer(camera, image, zeta, mask)


@given(st.floats(0.0, 1.2), st.floats(0.0, 6.28))
def test_a_surfel_stands_on_its_pixels_ray_with_the_planes_normal(tilt: float, turn: float) -> None:
    camera = first_camera()
    layer = layer_of(camera, tilt, turn)
    lifted = lift(layer)
    uv, _ = camera.project(lifted.means)
    assert np.abs(uv - camera.pixel_centres()[layer.mask]).max() < 1e-6
    normals = quat_to_matrix(lifted.quats)[..., 2]
    expected = facing(camera, tilt, turn).seen(camera)
    assert np.abs(np.abs(normals @ expected) - 1.0).max() < 1e-3


def test_colours_and_rows_are_those_of_the_pixels() -> None:
    layer = layer_of(first_camera(), 0.3, 0.0)
    lifted = lift(layer)
    assert np.array_equal(lifted.pixels, np.flatnonzero(layer.mask))
    assert np.abs(lifted.colors / 255.0 - layer.image[layer.mask]).max() < 0.5 / 255 + 1e-6


def test_facing_surfels_have_nyquists_size_and_slanted_ones_reach_along_the_slope() -> None:
    camera = first_camera(focal=1e6)  # orthographic: depth does not change the size
    flat = lift(layer_of(camera, 0.0, 0.0))
    assert np.exp(flat.log_scales) == pytest.approx(NYQUIST_SIGMA, rel=1e-4)
    slanted = np.exp(lift(layer_of(camera, 1.0, math.pi / 2)).log_scales)
    assert slanted[:, 0] == pytest.approx(NYQUIST_SIGMA / math.cos(1.0), rel=1e-3)
    assert slanted[:, 1] == pytest.approx(NYQUIST_SIGMA, rel=1e-3)
    grazing = np.exp(lift(layer_of(camera, 1.54, math.pi / 2)).log_scales)
    assert grazing.max() <= NYQUIST_SIGMA / MIN_COSINE * 1.001


@given(cameras(focals=(30.0, 3000.0)))
def test_native_scale_is_eq_1_at_any_depth_of_the_world(camera: Camera) -> None:
    small = camera.resized(16, 16) if min(camera.width, camera.height) > 16 else camera
    zeta = np.zeros((small.height, small.width), np.float32)
    mask = np.zeros(zeta.shape, np.bool_)
    mask[0, 0] = mask[-1, -1] = True
    lifted = lift(Layer(small, np.zeros((*zeta.shape, 3), np.float32), zeta, mask))
    assert lifted.ln_native == pytest.approx([small.ln_scale] * 2)
    radial = lift(Layer(small, np.zeros((*zeta.shape, 3), np.float32), zeta, mask), "radial")
    assert (radial.ln_native >= lifted.ln_native - 1e-12).all()
    assert lifted.thickness == pytest.approx([THICKNESS] * 2)


def test_no_normal_and_no_size_comes_from_across_a_depth_edge() -> None:
    camera = first_camera()
    zeta = np.zeros((camera.height, camera.width), np.float32)
    zeta[:, 20:] = 15.0
    mask = np.ones(zeta.shape, np.bool_)
    normals = normals_from_depth(camera, zeta, mask)
    assert np.abs(normals[..., 2] + 1.0).max() < 1e-6
    lifted = lift(Layer(camera, np.zeros((*zeta.shape, 3), np.float32), zeta, mask))
    ratio = np.exp(lifted.log_scales) / (1.0 + lifted.means[:, 2:] * camera.inverse_f)
    assert ratio == pytest.approx(NYQUIST_SIGMA, rel=1e-5)


def test_a_thing_one_pixel_thin_is_not_smeared_into_what_is_behind_it() -> None:
    camera = first_camera()
    zeta = np.full((camera.height, camera.width), 40.0, np.float32)
    zeta[:, 20] = -0.2 / camera.inverse_f
    lifted = lift(Layer(camera, np.zeros((*zeta.shape, 3), np.float32), zeta, np.ones(zeta.shape, np.bool_)))
    thin = lifted.pixels % camera.width == 20
    assert np.exp(lifted.log_scales[thin]) == pytest.approx(0.8 * NYQUIST_SIGMA, rel=1e-4)


def test_differences_ignore_pixels_that_do_not_count() -> None:
    values = np.array([[0.0, 1.0, 50.0, 3.0]])
    valid = np.array([[True, True, False, True]])
    assert edge_aware_slope(values, np.ones_like(values), 1, valid).tolist() == [[1.0, 1.0, 0.0, 0.0]]


def test_a_layer_without_depth_somewhere_makes_no_surfel_there() -> None:
    layer = layer_of(first_camera(), 0.0, 0.0)
    zeta = layer.zeta.copy()
    zeta[3, 4] = np.nan
    lifted = lift(Layer(layer.camera, layer.image, zeta, layer.mask))
    assert len(lifted) == int(layer.mask.sum()) - 1


@given(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5), st.floats(0.2, 5.0))
def test_the_same_surfels_in_another_camera_are_the_same_surfels(
    yaw: float, pitch: float, factor: float
) -> None:
    camera = first_camera()
    lifted = lift(layer_of(camera, 0.4, 1.0))
    other = camera.orbited(yaw, pitch).zoomed(factor)
    moved = in_camera(lifted, other)
    matrix, origin = other.map_from(camera)
    assert moved.means == pytest.approx(lifted.means @ matrix.T + origin)
    shapes = quat_to_matrix(moved.quats) * np.exp(moved.log_scales.mean(1))[:, None, None]
    expected = matrix @ quat_to_matrix(lifted.quats) * np.exp(lifted.log_scales.mean(1))[:, None, None]
    assert np.abs(shapes - expected).max() < 1e-3 * factor
    back = in_camera(moved, camera)
    assert back.means == pytest.approx(lifted.means, abs=1e-9)
    assert back.thickness == pytest.approx(lifted.thickness)
