"""A world as one flat list: one layer of each place, in a frame that holds it, and a count of what is not."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from splat_clouds import random_cloud
from worlds import branching_world, first_camera, nested_world, plane_world

from wonderzoom.scene_graph.camera import Camera, quat_to_matrix
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.formats.cloud import FormatError
from wonderzoom.scene_graph.formats.flatten import (
    RIM,
    UNITS_TO_PIVOT,
    Flat,
    Frame,
    drawn_nearer,
    extent,
    flatten,
)
from wonderzoom.scene_graph.surfels import THICKNESS
from wonderzoom.scene_graph.world import World


def total(world: World) -> int:
    return sum(len(block.surfels) for block in world.blocks)


def of_root(world: World) -> Frame:
    assert world.root is not None
    return Frame.of_picture(world.root.main.camera)


def coverage(flat: Flat, camera: Camera) -> np.ndarray:
    """[H, W] area of surfels a pixel of a camera at the file's origin: level where each place has one layer."""
    focal = math.exp(camera.ln_f)
    u, v = (
        flat.cloud.means[:, :2].astype(float) / flat.cloud.means[:, 2:] * focal + [camera.cx, camera.cy]
    ).T
    area = np.exp(flat.cloud.log_scales[:, :2].sum(1)) * (focal / flat.cloud.means[:, 2]) ** 2
    ends = [[0, camera.height], [0, camera.width]]
    return np.histogram2d(v, u, (camera.height, camera.width), ends, weights=area)[0]


def test_a_world_of_one_node_goes_in_whole() -> None:
    world, (camera,) = plane_world()
    flat = flatten(world, of_root(world))
    assert len(flat.cloud) == total(world) and (flat.other_layers, flat.too_fine, flat.outside) == (0, 0, 0)
    flat.cloud.checked()
    # The eye is the origin; the picture fills the frame, in front of it.
    assert flat.cloud.means[:, 2] == pytest.approx(UNITS_TO_PIVOT, rel=1e-6)
    pixels = flat.cloud.means[:, :2] / UNITS_TO_PIVOT * math.exp(camera.ln_f) + [camera.cx, camera.cy]
    assert {(round(u - 0.5, 3), round(v - 0.5, 3)) for u, v in pixels.tolist()} == {
        (u, v) for u in range(48) for v in range(36)
    }
    size = UNITS_TO_PIVOT / math.exp(camera.ln_f)  # of a pixel
    assert flat.cloud.log_scales[:, 0] == pytest.approx(math.log(0.7 * size), abs=1e-5)
    assert flat.cloud.log_scales[:, 2] == pytest.approx(math.log(THICKNESS * size), abs=1e-5)
    axis = quat_to_matrix(flat.cloud.quats)[:, :, 2]
    np.testing.assert_allclose(np.abs(axis[:, 2]), 1.0, atol=1e-6)


@pytest.mark.parametrize("make", [lambda: nested_world(2), lambda: branching_world(tilt=0.0)])
def test_of_layers_above_each_other_one_goes_in(make: Callable[[], tuple[World, list[Camera]]]) -> None:
    world, cameras = make()
    flat = flatten(world, of_root(world))
    assert len(flat.cloud) + flat.other_layers == total(world) and flat.other_layers > 0
    once = coverage(flatten(plane_world()[0], of_root(plane_world()[0])), cameras[0])
    heat = (coverage(flat, cameras[0]) / once)[2:-2, 2:-2]
    # On a seam a coarse surfel stays whole beside the finer ones that cover a part of it: never a hole there.
    assert heat.min() > 0.5
    assert np.median(heat) == pytest.approx(1.0, abs=0.1)
    assert heat.mean() < 1.35


def test_a_detail_of_one_is_the_first_picture() -> None:
    world, cameras = nested_world(2)
    root = world.root
    assert root is not None
    world.header = WorldHeader(h_ref=64)  # these pictures are smaller than any header allows: 36 pixels
    camera = cameras[0].resized(round(64 * 48 / 36), 64)
    flat = flatten(world, of_root(world), detail=camera.zoomed(36 / 64))
    assert len(flat.cloud) == sum(len(block.surfels) for block in world.blocks_of(root.id))
    finer = flatten(world, of_root(world), detail=camera.zoomed(36 / 64).zoomed(4.0))
    assert len(flat.cloud) < len(finer.cloud) < total(world)
    finest = flatten(world, of_root(world), detail=camera.zoomed(1e6))
    np.testing.assert_array_equal(finest.cloud.means, flatten(world, of_root(world)).cloud.means)


def test_what_float32_cannot_place_is_written_coarser() -> None:
    world, _ = nested_world(8, ratio=8.0)
    flat = flatten(world, of_root(world))
    assert flat.too_fine > 0
    flat.cloud.checked()
    # Neighbours stay apart: no two surfels fell on one place.
    places = np.unique(flat.cloud.means, axis=0)
    assert len(places) == len(flat.cloud)
    pixel = flat.cloud.log_scales[:, 2] - math.log(THICKNESS)
    assert math.exp(float(pixel.min())) > 2.0**-24 * UNITS_TO_PIVOT


def test_the_frame_of_a_deep_node_holds_what_it_shows() -> None:
    world, cameras = nested_world(20, ratio=8.0)  # 10^18
    deepest = cameras[-1]
    flat = flatten(world, Frame.of_place(deepest))
    assert flat.too_fine == 0 and flat.outside > 0
    assert len(flat.cloud) + flat.other_layers + flat.outside == total(world)
    assert len(flat.cloud) >= 48 * 36
    flat.cloud.checked()
    rim = 0.5 + math.ceil(RIM * 36) / 36
    assert float(np.abs(flat.cloud.means[:, 1]).max()) <= rim + 1e-3
    assert float(np.abs(flat.cloud.means[:, 2]).max()) < 0.2  # on the slanted plane through the pivot
    fine = flat.cloud.means[flat.cloud.log_scales[:, 2] < -math.log(36) + math.log(THICKNESS) + 0.1]
    assert len(fine) == 48 * 36


def test_a_fixed_step_is_a_floor_too() -> None:
    world, _ = nested_world(3, ratio=8.0)
    frame = of_root(world)
    assert extent(world, frame) == pytest.approx(UNITS_TO_PIVOT, rel=1e-5)
    coarse = flatten(world, frame, ln_step=math.log(0.05))
    assert coarse.too_fine > 0
    # The native pixels: a fortieth of the depth, then an eighth of that each.
    pixels = np.exp(coarse.cloud.log_scales[:, 2]) / THICKNESS
    assert set(np.round(pixels, 4)) == {0.25}
    assert 0.0 < extent(world, Frame.of_place(first_camera())) < 2.0


def test_far_things_drawn_nearer_look_the_same_from_the_origin() -> None:
    world, _ = plane_world(tilt=1.2)
    cloud = flatten(world, of_root(world)).cloud
    near = drawn_nearer(cloud, 8.0)
    far, here = np.linalg.norm(cloud.means, axis=1), np.linalg.norm(near.means, axis=1)
    assert (far > 8.0).any() and (far < 8.0).any()
    np.testing.assert_array_equal(near.means[far <= 8.0], cloud.means[far <= 8.0])
    np.testing.assert_allclose(near.means / here[:, None], cloud.means / far[:, None], atol=1e-6)
    np.testing.assert_allclose(
        np.exp(near.log_scales) / here[:, None], np.exp(cloud.log_scales) / far[:, None], rtol=1e-4
    )
    order = np.argsort(far, kind="stable")
    assert (np.diff(here[order]) > -1e-4).all()


@pytest.mark.parametrize("eye", [3.0, 1e9])
def test_behind_a_node_they_look_the_same_from_its_eye(eye: float) -> None:
    cloud = random_cloud(1, 200, 100.0)
    near = drawn_nearer(cloud, 8.0, eye)
    behind = cloud.means[:, 2] > 8.0
    np.testing.assert_array_equal(near.means[~behind], cloud.means[~behind])
    assert 8.0 < near.means[behind, 2].min() and near.means[:, 2].max() < 30.0
    depth, here = (each.means[:, 2].astype(float) + eye for each in (cloud, near))
    np.testing.assert_allclose(near.means[:, 0] / here, cloud.means[:, 0] / depth, rtol=1e-4)
    np.testing.assert_allclose(
        np.exp(near.log_scales[:, 0]) / here, np.exp(cloud.log_scales[:, 0]) / depth, rtol=1e-4
    )


def test_nothing_left_is_told() -> None:
    world, cameras = plane_world()
    beside = Frame.of_place(cameras[0].looking_at(np.array([400.0, 0.0, 0.0])))
    with pytest.raises(FormatError, match="nothing is left"):
        flatten(world, beside)
    assert extent(world, beside) == 0.0


def test_progress_is_told_by_blocks() -> None:
    world, _ = nested_world(1)
    told: list[int] = []
    flatten(world, of_root(world), done=told.append)
    assert told == list(range(1, len(world.blocks) + 1))
