"""Which requests one job may answer, at any depth of the world."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene_strategies import cameras
from worlds import first_camera

from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.generation.zoom_merging import ZoomWish, same_view, same_wish
from wonderzoom.scene_graph.camera import Camera


def shifted(camera: Camera, right: float, ahead: float = 0.0) -> Camera:
    """The same view from a place some pixels to the right, or ahead."""
    return replace(camera, pivot=camera.position(np.array([right, 0.0, ahead])))


@given(cameras())
def test_a_view_is_its_own_and_a_crop_in_another_resolution_is_too(camera: Camera) -> None:
    assert same_view(camera, camera)
    finer = camera.resized(camera.width * 5 // 4, camera.height * 5 // 4)
    assert same_view(camera, finer) and same_view(finer, camera)


@given(cameras(), st.floats(-3.0, 3.0), st.floats(-3.0, 3.0), st.floats(0.3, 3.0))
def test_it_is_symmetric(camera: Camera, right: float, ahead: float, factor: float) -> None:
    other = shifted(camera, right * camera.width, ahead * camera.width).zoomed(factor)
    assert same_view(camera, other) == same_view(other, camera)


@given(cameras(focals=(400.0, 1e9)))
def test_half_a_frame_is_shared_and_an_octave_is_not(camera: Camera) -> None:
    camera = replace(camera, cx=camera.width / 2, cy=camera.height / 2)
    frame = camera.width / camera.aspect[0]  # native pixels
    assert same_view(camera, shifted(camera, 0.4 * frame))
    assert not same_view(camera, shifted(camera, 0.6 * frame))
    assert not same_view(camera, shifted(camera, 0.0, ahead=3.0 * (camera.width + camera.height)))
    assert same_view(camera, camera.zoomed(1.3)) and not same_view(camera, camera.zoomed(1.5))


@given(cameras(), cameras())
def test_unrelated_places_are_refused_without_a_warning(a: Camera, b: Camera) -> None:
    assert not same_view(a, b) or abs(a.ln_scale - b.ln_scale) < 0.35


def test_the_other_side_is_another_view() -> None:
    camera = first_camera()
    assert same_view(camera, camera.orbited(0.3, 0.0))
    assert not same_view(camera, camera.orbited(0.6, 0.0))


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"prompt": "  A Ladybug "}, True),
        ({"prompt": "a beetle"}, False),
        ({"seed": 1}, False),
        ({"mode": "replace", "node": "n"}, False),
        ({"node": "n"}, False),
    ],
)
def test_one_job_answers_what_is_asked_in_the_same_words(change: dict[str, object], same: bool) -> None:
    request = ZoomRequest(first_camera(), "a ladybug", 0)
    other = replace(request, **change)  # type: ignore[arg-type]
    assert same_wish(ZoomWish(request, "g"), ZoomWish(other, "g")) == same
    assert not same_wish(ZoomWish(request, "g"), ZoomWish(request, "h"))
