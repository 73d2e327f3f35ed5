"""E_0's frame: where the eye, the pivot, the scene and the sky stand in a new world."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.initial_scene import (
    DEFAULT_FOCAL,
    MAX_DEPTH_RATIO,
    SKY_BAND,
    SKY_DEPTH,
    Framed,
    border_mean,
    focal_of,
    frame_scene,
)
from wonderzoom.generation.jobs import CreateRequest
from wonderzoom.generation.stages import InitialDepth
from wonderzoom.scene_graph.surfels import FILL, SURFACE

FOCAL = 70.0


def picture(height: int = 64, width: int = 96) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)


def frame(depth: np.ndarray, sky: np.ndarray | None = None, metres: float = 1.0) -> Framed:
    sky = np.zeros(depth.shape, np.bool_) if sky is None else sky
    image = picture(*depth.shape)
    estimate = InitialDepth(depth.astype(np.float32), sky, metres)
    return frame_scene(CreateRequest(image), estimate, FOCAL)


def depth_of(framed: Framed, zeta: np.ndarray) -> np.ndarray:
    """Scene units again, from zeta, the camera and the header."""
    pivot = math.exp(framed.camera.ln_distance) * framed.header.root_edge
    return pivot * (1.0 + zeta.astype(np.float64) * framed.camera.inverse_f)


@given(near=st.floats(1e-3, 1e5), ratio=st.floats(1.0, 900.0), seed=st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_depth_survives_in_any_unit(near: float, ratio: float, seed: int) -> None:
    depth = near * ratio ** np.random.default_rng(seed).uniform(0, 1, (64, 96))
    framed = frame(depth)
    assert framed.main.mask.all() and framed.sky is None
    assert depth_of(framed, framed.main.zeta) == pytest.approx(depth, rel=2e-5)
    edge, far = framed.header.root_edge, float(depth.max())
    assert math.log2(edge).is_integer() and 4.0 * far <= edge * 1.0001 <= 8.001 * far


def test_the_far_is_clamped_to_a_thousand_times_the_near() -> None:
    depth = np.full((64, 96), 2.0)
    depth[:10] = 1e9
    framed = frame(depth)
    assert depth_of(framed, framed.main.zeta)[:10] == pytest.approx(2.0 * MAX_DEPTH_RATIO, rel=1e-5)


def test_the_pivot_is_as_far_as_most_of_the_scene_and_in_the_middle() -> None:
    depth = np.full((64, 96), 5.0)
    depth[:, :20], depth[:8] = 2.0, 100.0
    sky = np.zeros(depth.shape, np.bool_)
    sky[:8] = True
    framed = frame(depth, sky)
    assert math.exp(framed.camera.ln_distance) * framed.header.root_edge == pytest.approx(5.0)
    assert (framed.camera.cx, framed.camera.cy) == (48.0, 32.0)
    assert framed.header.h_ref == 64 and framed.header.metric == "depth"


def test_the_sky_stands_eight_times_behind_everything_and_reaches_under_the_skyline() -> None:
    depth = np.full((64, 96), 5.0)
    depth[30:] = 40.0
    sky = np.zeros(depth.shape, np.bool_)
    sky[:12] = True
    framed = frame(depth, sky, metres=0.25)
    assert framed.sky is not None and framed.sky.role == "sky"
    assert depth_of(framed, framed.sky.zeta) == pytest.approx(SKY_DEPTH * 40.0, rel=1e-5)
    assert not (framed.main.mask & sky).any() and framed.main.mask[~sky].all()
    assert framed.sky.mask[: 12 + SKY_BAND - 1].all() and not framed.sky.mask[40:].any()
    assert (np.asarray(framed.sky.kind)[sky] == SURFACE).all()
    assert (np.asarray(framed.sky.kind)[~sky] == FILL).all()
    assert framed.header.metres_per_unit == 0.25


def test_behind_near_things_the_sky_goes_on_farther() -> None:
    depth = np.full((480, 640), 50.0)
    sky = np.ones(depth.shape, np.bool_)
    sky[300:] = False
    sky[100:, 300:400] = False  # a tower ...
    depth[100:, 300:400] = 50.0 / 3  # ... near by
    framed = frame_scene(
        CreateRequest(picture(480, 640)), InitialDepth(depth.astype(np.float32), sky, 1.0), 600.0
    )
    assert framed.sky is not None
    assert framed.sky.mask[150:250, 300:400].all()
    assert not framed.sky.mask[330 + SKY_BAND + 120 :, 10:200].any()


def test_the_sky_behind_the_skyline_has_the_skys_colors() -> None:
    depth, sky = np.full((64, 96), 5.0), np.zeros((64, 96), np.bool_)
    sky[:20] = True
    image = np.zeros((64, 96, 3), np.uint8)
    image[:20], image[20:] = (100, 150, 250), (10, 90, 20)
    framed = frame_scene(CreateRequest(image), InitialDepth(depth.astype(np.float32), sky, 1.0), FOCAL)
    assert framed.sky is not None
    band = framed.sky.mask & ~sky
    assert band.any()
    assert framed.sky.image[band] == pytest.approx(
        np.broadcast_to(np.array([100, 150, 250]) / 255, (int(band.sum()), 3)), abs=0.01
    )


def test_a_picture_of_nothing_but_sky_is_a_flat_scene() -> None:
    framed = frame(np.full((64, 96), 7.0), np.ones((64, 96), np.bool_))
    assert framed.sky is None and framed.main.mask.all()
    assert np.abs(framed.main.zeta).max() < 1e-4


def test_the_background_is_the_mean_of_the_border() -> None:
    image = np.zeros((40, 50, 3), np.uint8)
    image[1:-1, 1:-1] = 255
    assert border_mean(image) == (0.0, 0.0, 0.0)
    image[:] = (51, 102, 255)
    assert border_mean(image) == (0.2, 0.4, 1.0)


def test_a_focal_length_is_taken_or_estimated_and_said() -> None:
    assert focal_of(CreateRequest(picture(), focal=123.0)) == (123.0, None)
    focal, note = focal_of(CreateRequest(picture(64, 96)))
    assert focal == DEFAULT_FOCAL * 96 and note is not None and "77 px" in note


@pytest.mark.parametrize("focal", [0.0, -5.0, math.nan, math.inf])
def test_a_focal_length_that_is_none_is_refused(focal: float) -> None:
    with pytest.raises(ValueError, match="focal length"):
        focal_of(CreateRequest(picture(), focal=focal))
