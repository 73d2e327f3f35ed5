"""O_i: what there is at a camera, how deep, and how fine."""

import math
from collections.abc import Iterator

import numpy as np
import pytest
from worlds import facing, first_camera, look_and_zoom, plane_node

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.lifting import NYQUIST_SIGMA
from wonderzoom.generation.observation import MAX_MARGIN, dominant_node, observe
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.world import World

CAMERA = first_camera(96, 72, 80.0)
PLANE = facing(CAMERA, 0.5)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def plane_world(*cameras: Camera) -> World:
    world = World(WorldHeader(h_ref=72))
    parent: str | None = None
    for camera in cameras:
        node, blocks = plane_node(camera, PLANE, parent)
        world.apply(world.propose(node, blocks))
        parent = node.id
    return world


def zoom(camera: Camera, factor: float) -> Camera:
    return look_and_zoom(camera, PLANE, camera.width / 2, camera.height / 2, factor)


@pytest.mark.parametrize("factor", [2.0, 4.0, 10.0])
def test_the_target_depth_is_the_surface_itself(renderer: CpuRenderer, factor: float) -> None:
    camera = zoom(CAMERA, factor)
    seen = observe(plane_world(CAMERA), camera, renderer)
    error = np.abs(seen.zeta - PLANE.zeta(seen.camera))
    assert np.isfinite(seen.zeta).mean() > 0.95
    assert np.nanmedian(error) < 0.02 * factor
    assert np.nanquantile(error, 0.99) < 0.5 * factor
    assert seen.factor == pytest.approx(factor, rel=0.02)


@pytest.mark.parametrize("factor", [3.0, 8.0, 30.0])
def test_the_overscan_is_three_sigma_of_what_is_covered_within_its_bound(
    renderer: CpuRenderer, factor: float
) -> None:
    camera = zoom(CAMERA, factor)
    seen = observe(plane_world(CAMERA), camera, renderer)
    wanted = min(MAX_MARGIN, math.ceil(3.0 * NYQUIST_SIGMA * factor))
    assert wanted <= seen.margin <= min(MAX_MARGIN, 1.5 * wanted)
    assert seen.camera.width == camera.width + 2 * seen.margin
    assert seen.color.shape == (seen.camera.height, seen.camera.width, 3)


def test_covered_is_what_has_the_asked_scale(renderer: CpuRenderer) -> None:
    near = zoom(CAMERA, 4.0)
    world = plane_world(CAMERA, near)
    assert observe(world, near, renderer).covered[8:-8, 8:-8].mean() > 0.98
    assert not observe(world, zoom(near, 2.0), renderer).covered.any()
    beside = look_and_zoom(CAMERA, PLANE, CAMERA.width / 2 + 12.0, CAMERA.height / 2, 4.0)
    half = observe(world, beside, renderer).covered
    assert half[:, : half.shape[1] // 3].mean() > 0.7
    assert half[:, -half.shape[1] // 3 :].mean() < 0.1


def test_the_dominant_node_owns_most_of_what_is_seen(renderer: CpuRenderer) -> None:
    near = zoom(CAMERA, 4.0)
    world = plane_world(CAMERA, near)
    root, child = list(world.nodes)
    assert dominant_node(observe(world, zoom(near, 2.0), renderer)) == child
    assert dominant_node(observe(world, CAMERA, renderer)) == root
    seen = observe(world, near.zoomed(0.5), renderer)
    rim = np.ones(seen.covered.shape, np.bool_)
    rim[18:-18, 18:-18] = False
    assert dominant_node(seen, rim) == root


def test_a_camera_that_sees_nothing_is_refused(renderer: CpuRenderer) -> None:
    away = CAMERA.orbited(math.pi, 0.0)
    beyond = away.looking_at(np.array([3000.0, 0.0, 0.0]))
    with pytest.raises(GenerationError, match="sees nothing"):
        observe(plane_world(CAMERA), beyond, renderer)
