"""Scores on pictures whose right answer is known: each sees what it is for, and nothing else."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from worlds import Plane

from wonderzoom.runtime.evaluation import scores
from wonderzoom.runtime.evaluation.scores import Shown
from wonderzoom.runtime.evaluation.views import neighbours, nine_views, zoom_cameras
from wonderzoom.scene_graph.camera import Camera, initial_camera

WIDTH, HEIGHT = 96, 64
PARENT = initial_camera(120.0, WIDTH, HEIGHT, -1.6)


def smooth(x: np.ndarray, y: np.ndarray, rate: float = 0.12) -> np.ndarray:
    """A soft pattern of the plane: [..., 3] in [0, 1]."""
    waves = [np.sin(rate * x + c) * np.cos(rate * 0.8 * y - c) for c in range(3)]
    return (0.5 + 0.3 * np.stack(waves, -1)).astype(np.float32)


def seen(camera: Camera, base: Camera, rate: float = 0.12) -> Shown:
    """A tilted plane through the pivot of ``base``, painted in its pixels; exact in every view."""
    plane = Plane(base.pivot, (0.2, 0.1, -1.0))
    zeta = plane.zeta(camera)
    points = camera.unproject(camera.pixel_centres(), zeta)
    matrix, origin = base.map_from(camera)
    local = points @ matrix.T + origin
    alpha = np.ones(zeta.shape, np.float32)
    return Shown(camera, smooth(local[..., 0], local[..., 1], rate), alpha, zeta.astype(np.float32))


# ---- one picture ----------------------------------------------------------------------------------


def test_psnr_of_a_known_error_and_of_equals() -> None:
    one = np.full((16, 16, 3), 0.5, np.float32)
    assert scores.psnr(one, one + np.float32(0.1)) == pytest.approx(20.0, abs=1e-4)
    assert scores.psnr(one, one) == scores.MOST_DB
    where = np.zeros((16, 16), np.bool_)
    where[:8] = True
    broken = one.copy()
    broken[8:] = 0.0
    assert scores.psnr(one, broken, where) == scores.MOST_DB
    assert scores.psnr(one, broken, ~where) == pytest.approx(6.02, abs=0.01)
    where[:] = False
    assert scores.psnr(one, broken, where) is None


def test_back_projection_allows_detail_that_the_coarse_scene_can_not_show() -> None:
    rng = np.random.default_rng(0)
    coarse = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    noise = rng.standard_normal((HEIGHT // 4, WIDTH // 4, 4, 4, 3)).astype(np.float32)
    noise -= noise.mean((2, 3), keepdims=True)  # nothing is left of it in a coarse pixel
    detail = coarse + 0.1 * noise.swapaxes(1, 2).reshape(HEIGHT, WIDTH, 3)
    nothing = np.zeros((HEIGHT, WIDTH), np.bool_)
    fine, wrong = (scores.back_projection(each, coarse, nothing, 4.0) for each in (detail, coarse + 0.1))
    assert fine is not None and fine > 60.0
    assert wrong == pytest.approx(20.0, abs=0.01)


def test_back_projection_is_taken_outside_what_was_edited() -> None:
    coarse = np.full((HEIGHT, WIDTH, 3), 0.5, np.float32)
    now, edited = coarse.copy(), np.zeros((HEIGHT, WIDTH), np.bool_)
    now[20:40, 30:50], edited[20:40, 30:50] = 0.0, True
    assert scores.back_projection(now, coarse, edited, 4.0) == scores.MOST_DB
    hidden = scores.back_projection(now, coarse, np.zeros_like(edited), 4.0)
    assert hidden is not None and hidden < 20.0
    assert scores.back_projection(now, coarse, np.ones_like(edited), 4.0) is None


@pytest.mark.parametrize("slope", [-1.0, -2.0])
def test_the_slope_of_a_spectrum_that_was_made_with_it(slope: float) -> None:
    side = 256
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    frequency[0, 0] = 1.0
    phase = np.fft.fft2(np.random.default_rng(1).standard_normal((side, side)))
    grey = np.real(np.fft.ifft2(phase * frequency**slope))
    picture = np.repeat(0.5 + 0.1 * grey[..., None] / grey.std(), 3, -1).astype(np.float32)
    found = scores.spectrum_slope(picture)
    assert found is not None and found == pytest.approx(slope, abs=0.15)
    assert scores.spectrum_slope(np.full((64, 64, 3), 0.5, np.float32)) is None


def test_holes_are_those_of_the_worst_view() -> None:
    whole = seen(PARENT, PARENT)
    alpha = whole.alpha.copy()
    alpha[:16] = 0.3
    assert scores.holes([whole, whole]) == 0.0
    assert scores.holes([whole, replace(whole, alpha=alpha)]) == pytest.approx(0.25)


# ---- between views --------------------------------------------------------------------------------


def test_pixels_meet_where_a_plane_says() -> None:
    view = nine_views(PARENT, 10.0)[0]
    one, other = seen(PARENT, PARENT), seen(view, PARENT)
    met = scores.meeting(PARENT, one.zeta, view)
    assert 0.5 < met.inside.mean() < 1.0
    there = scores.sampled(other.zeta, met.uv)
    assert np.abs(there - met.zeta)[met.inside].max() < 0.05
    unknown = scores.meeting(PARENT, np.full_like(one.zeta, np.nan), view)
    assert not unknown.inside.any()


def test_views_of_one_plane_agree() -> None:
    views = [seen(camera, PARENT) for camera in nine_views(PARENT, 10.0)]
    agreed = scores.agreement(views, neighbours())
    assert agreed.depth is not None and agreed.depth < 1e-3
    assert agreed.colour is not None and agreed.colour > 40.0
    assert agreed.common > 0.99


def test_a_view_with_other_depth_or_other_colours_disagrees() -> None:
    views = [seen(camera, PARENT) for camera in nine_views(PARENT, 10.0)]
    deeper = [*views[:4], replace(views[4], zeta=views[4].zeta + np.float32(30.0)), *views[5:]]
    agreed = scores.agreement(deeper, [(4, 5), (5, 4)])
    assert agreed.depth is not None and agreed.depth > 0.2 and agreed.common < 0.1
    darker = [*views[:4], replace(views[4], color=views[4].color - np.float32(0.1)), *views[5:]]
    agreed = scores.agreement(darker, [(4, 5), (5, 4)])
    assert agreed.colour == pytest.approx(20.0, abs=0.5)
    assert agreed.depth is not None and agreed.depth < 1e-3


def test_views_of_nothing_have_no_agreement() -> None:
    nothing = np.full((HEIGHT, WIDTH), np.nan, np.float32)
    view = replace(seen(PARENT, PARENT), zeta=nothing)
    assert scores.agreement([view, view], [(0, 1)]) == scores.Agreement(None, None, 0.0)


# ---- along a descent ------------------------------------------------------------------------------


def descended(rate: float = 0.12) -> tuple[list[np.ndarray], tuple[Camera, ...], list[np.ndarray]]:
    cameras = zoom_cameras(PARENT, PARENT.zoomed(4.0), 10.0).descent
    views = [seen(camera, PARENT, rate) for camera in cameras]
    return [view.color for view in views], cameras, [view.zeta for view in views]


def test_a_descent_through_what_stays_does_not_flicker() -> None:
    found = scores.flicker(*descended())
    assert found is not None and found.mean < 0.2


def test_a_steady_fade_is_no_flicker_and_a_pop_is() -> None:
    frames, cameras, zetas = descended()
    shade = [np.clip((i - 2) / 8, 0, 1) * 0.3 for i in range(len(frames))]
    faded = scores.flicker(
        [f * np.float32(1 - s) for f, s in zip(frames, shade, strict=True)], cameras, zetas
    )
    popped = scores.flicker(
        [f * np.float32(0.7 if i > 6 else 1) for i, f in enumerate(frames)], cameras, zetas
    )
    assert faded is not None and popped is not None
    # The fade bends at its begin and end only; the pop jumps by 0.3 * 0.5 * 255 in two second differences.
    assert popped.mean > 2.0 * faded.mean
    assert popped.peak == pytest.approx(0.3 * 0.5 * 255.0, rel=0.15)
    assert faded.peak < 0.2 * popped.peak


def test_frames_without_depth_have_no_flicker() -> None:
    frames, cameras, zetas = descended()
    assert scores.flicker(frames, cameras, [np.full_like(z, np.nan) for z in zetas]) is None


def test_the_ends_of_a_descent_are_consistent_where_the_last_only_adds_detail() -> None:
    frames, cameras, zetas = descended(0.05)
    ends = (cameras[0], cameras[-1])
    same = scores.zoom_consistency(frames[0], frames[-1], ends, zetas[0], 4.0)
    assert same is not None and same > 30.0
    noise = np.random.default_rng(2).standard_normal(frames[-1].shape).astype(np.float32)
    fine = noise - np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.0), np.float32)
    detailed = scores.zoom_consistency(
        frames[0], (frames[-1] + 0.05 * fine).astype(np.float32), ends, zetas[0], 4.0
    )
    assert detailed is not None and detailed > 45.0  # the detail itself is 26 dB
    other = scores.zoom_consistency(frames[0], (1.0 - frames[-1]).astype(np.float32), ends, zetas[0], 4.0)
    assert other is not None and other < 15.0
    assert math.isfinite(other)
