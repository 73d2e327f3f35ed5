"""Where a cloud is looked at from: the eye that it was lifted from, or outside; and how fine its splats are."""

import math
from dataclasses import replace

import numpy as np
import pytest
from splat_clouds import random_cloud
from worlds import plane_world

from wonderzoom.runtime.importers.standing import (
    MAX_LN_ASPECT,
    SHORT_SIDES,
    SIGMA,
    ln_native,
    near_enough,
    seen_by,
    stand_before,
)
from wonderzoom.scene_graph.cells import ORIGIN
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError
from wonderzoom.scene_graph.formats.flatten import UNITS_TO_PIVOT, Frame, flatten
from wonderzoom.scene_graph.scales import LN_SQRT2


def picture(width: int = 96, height: int = 64, focal: float = 80.0) -> Cloud:
    """What one picture of a facing wall becomes."""
    world, (camera,) = plane_world(width, height, focal)
    return flatten(world, Frame.of_picture(camera)).cloud


def test_what_was_lifted_from_a_picture_is_seen_from_its_eye() -> None:
    cloud = picture()
    found = stand_before(cloud)
    assert found.eye.tolist() == [0.0, 0.0, 0.0]
    camera = found.camera
    # The same angle of view, within the rim that counts as outlying.
    assert camera.width / math.exp(camera.ln_f) == pytest.approx(96 / 80.0, rel=0.03)
    assert camera.width / camera.height == pytest.approx(1.5, rel=0.03)
    assert math.exp(camera.ln_distance) * found.root_edge == pytest.approx(UNITS_TO_PIVOT, rel=1e-4)
    assert np.abs(camera.view_point(ORIGIN) - [0.0, 0.0, -math.exp(camera.ln_f)]).max() < 1e-6
    assert camera.height == SHORT_SIDES[0]  # these pictures are smaller
    assert math.log2(found.root_edge) % 1 == 0


def test_its_picture_has_the_pixels_of_its_splats() -> None:
    fine = stand_before(picture(420, 280, 350.0))
    assert fine.camera.height == pytest.approx(280, abs=8) and fine.short_side == fine.camera.height
    known = stand_before(picture(240, 160, 200.0), focal=200.0)
    assert math.exp(known.camera.ln_f) == pytest.approx(200.0, rel=1e-6)
    assert known.camera.height == pytest.approx(160, abs=4)


def test_everything_else_is_seen_from_outside_whole() -> None:
    cloud = random_cloud(1, 2000, reach=5.0)
    found = stand_before(cloud)
    assert found.eye[2] < -5.0
    scale = found.root_edge * math.exp(found.camera.ln_scale)
    pivot = found.eye + [0.0, 0.0, math.exp(found.camera.ln_distance) * found.root_edge]
    uv, depth = found.camera.project((cloud.means - pivot) / scale)
    size = [found.camera.width, found.camera.height]
    inside = ((uv > 0) & (uv < size)).all(1) & (depth > 0)
    assert inside.mean() > 0.9


def test_a_lens_that_cannot_have_seen_it_is_refused() -> None:
    with pytest.raises(FormatError, match="in front of the eye"):
        stand_before(random_cloud(1, 100), focal=500.0)


def test_the_native_pixel_follows_from_thickness_or_size() -> None:
    cloud = picture().flattened()
    pixel = math.log(UNITS_TO_PIVOT / 80.0)
    np.testing.assert_allclose(ln_native(cloud), pixel, atol=1e-5)  # surfels tell it exactly
    sizes = np.tile(np.array([[0.0, 2.0, -np.inf]], np.float32), (len(cloud), 1))
    np.testing.assert_allclose(ln_native(replace(cloud, log_scales=sizes)), -math.log(SIGMA))
    sizes[:, 0] = -30.0  # a needle counts by its length
    np.testing.assert_allclose(
        ln_native(replace(cloud, log_scales=sizes)), 2.0 - MAX_LN_ASPECT - math.log(SIGMA)
    )


def test_grains_beyond_all_reach_are_told_apart() -> None:
    cloud = picture()
    means = cloud.means.copy()
    means[3] = [0.0, 0.0, 1e25]
    odd = replace(cloud, means=means)
    found = stand_before(odd)
    assert np.flatnonzero(~near_enough(odd, found, ln_native(odd))).tolist() == [3]


def test_a_single_splat_is_seen() -> None:
    for at in ([0.0, 0.0, 0.0], [3.0, -2.0, 5.0]):
        one = replace(random_cloud(2, 1), means=np.array([at], np.float32))
        found = stand_before(one)
        assert math.isfinite(found.camera.ln_f) and found.root_edge > 0


def test_a_splat_is_no_coarser_than_the_pixels_that_show_it() -> None:
    cloud = picture()
    found = stand_before(cloud)  # with more pixels than the picture had
    pixel = math.log(found.root_edge) + found.camera.ln_scale
    native = ln_native(cloud)
    assert native.min() > pixel + LN_SQRT2
    seen, finer = seen_by(cloud, found, found.camera, native)
    assert (seen < pixel + LN_SQRT2).all() and (seen > pixel).all() and not finer.any()
    fine = native - 3.0
    seen, finer = seen_by(cloud, found, found.camera, fine)
    np.testing.assert_array_equal(seen, fine)
    assert finer.all()
