"""The outpainter without weights: what lies beside a small landscape is more of it."""

import math
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.embedded.memory import own_memory
from wonderzoom.generation.jobs import AlreadyCovered, CreateRequest, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import aim, frame_of, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import FitSettings, RenderedView
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

WIDTH, HEIGHT, FOCAL = 128, 96, 110.0
HORIZON = 40  # row


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def pipeline(renderer: CpuRenderer) -> Pipeline:
    return Pipeline(EmbeddedGenerator(1), renderer, CpuFitter(1), 1, FitSettings(iterations=6))


@pytest.fixture(scope="module")
def created(renderer: CpuRenderer) -> World:
    """Mottled grass to a horizon, under a blue sky."""
    rng = np.random.default_rng(1)
    noise = cv2.GaussianBlur(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32), (0, 0), 1.5)
    rows = np.arange(HEIGHT)[:, None] + np.zeros((1, WIDTH))
    sky = rows < HORIZON
    green = np.array([0.25, 0.45, 0.12]) * (1.0 + 0.6 * noise)[..., None]
    blue = np.array([0.45, 0.6, 0.9]) * (0.8 + 0.2 * rows / HORIZON)[..., None]
    picture = np.where(sky[..., None], blue, green)
    depth = np.where(sky, 100.0, 1.6 * FOCAL / np.maximum(rows + 0.5 - HORIZON, 0.8)).astype(np.float32)
    image = (np.clip(picture, 0.0, 1.0) * 255).astype(np.uint8)
    made = pipeline(renderer).create(CreateRequest(image, depth, sky, FOCAL, 1.0))
    world = World(made.header)
    world.apply(made.commit)
    return world


def turned(world: World, yaw: float, pitch: float = 0.0) -> Camera:
    """The root's frame after a turn of the head, degrees."""
    assert world.root is not None
    frame = frame_of(world.root, world.header)
    a, b = math.radians(yaw), math.radians(pitch)
    ahead = np.array([math.sin(a) * math.cos(b), math.sin(b), math.cos(a) * math.cos(b)])
    return frame.looking_at((ahead - [0.0, 0.0, 1.0]) / frame.inverse_f)


def look(world: World, renderer: CpuRenderer, camera: Camera) -> RenderedView:
    settings = settings_of(world.header)
    return renderer.render(visible_set(world, camera, settings), camera, settings)


@pytest.fixture(scope="module")
def extended(created: World, renderer: CpuRenderer) -> World:
    """With what a turn of 25 degrees to the right shows."""
    world = created.copy()
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(turned(world, 25.0))).commit)
    return world


def test_a_turned_head_sees_no_hole_and_what_was_there_is_untouched(
    created: World, extended: World, renderer: CpuRenderer
) -> None:
    camera = turned(created, 25.0)
    assert (look(created, renderer, camera).alpha < 0.5).mean() > 0.15
    assert (look(extended, renderer, camera).alpha < 0.5).mean() <= 0.005
    before = {block.key: block.hash for block in created.blocks}
    assert {block.key: block.hash for block in extended.blocks if block.key in before} == before
    assert extended.check() == []
    assert created.root is not None
    assert frame_of(created.root, created.header).width == WIDTH


def test_sky_goes_on_as_sky_and_the_ground_recedes_to_the_same_horizon(
    extended: World, renderer: CpuRenderer
) -> None:
    camera = turned(extended, 25.0)
    seen = look(extended, renderer, camera)
    new = np.s_[:, -30:]  # all of it beside the photo
    distance = (1.0 + seen.zeta * camera.inverse_f) * math.exp(camera.ln_distance)
    distance *= extended.header.root_edge
    color = seen.color
    upper, lower = np.s_[: HORIZON - 8], np.s_[HORIZON + 8 :]
    assert (color[new][upper][..., 2] > color[new][upper][..., 0]).mean() > 0.98
    assert (color[new][lower][..., 1] > color[new][lower][..., 2]).mean() > 0.98
    assert np.median(distance[new][upper]) > 4.0 * np.median(distance[new][HORIZON + 6])
    # A plane 1.6 below the eye: at each row about as far as in the photo.
    for row in (HORIZON + 12, HORIZON + 25, HORIZON + 45):
        expected = 1.6 * FOCAL / (row + 0.5 - HORIZON)
        assert np.median(distance[new][row]) == pytest.approx(expected, rel=0.3)


def test_the_seam_is_no_step_in_colour_or_depth(
    created: World, extended: World, renderer: CpuRenderer
) -> None:
    """Between neighbours of which one is new: as much as between neighbours in the photo (smoothed by two pixels)."""
    camera = turned(created, 25.0)
    node = next(reversed(extended.nodes.values()))
    view = node.main
    margin = (view.camera.width - camera.width) // 2
    crop = np.s_[margin : margin + camera.height, margin : margin + camera.width]
    fresh = np.any([each.mask for each in node.views], axis=0)[crop]
    seen = look(extended, renderer, camera)
    soft = cv2.GaussianBlur(seen.color, (0, 0), 1.0)
    ground = np.s_[HORIZON + 10 :]
    across = np.abs(np.diff(soft, axis=1)).max(-1)[ground]
    near = 1.0 / (1.0 + seen.zeta * camera.inverse_f)
    deep = np.abs(np.diff(near, axis=1))[ground]
    seam = (fresh[:, 1:] != fresh[:, :-1])[ground]
    old = (~fresh[:, 1:] & ~fresh[:, :-1])[ground]
    assert seam.sum() > 20 and old.sum() > 200
    assert across[seam].mean() <= 2.0 * across[old].mean()
    assert np.quantile(deep[seam], 0.9) <= 3.0 * np.quantile(deep[old], 0.9) + 0.01


def test_the_same_again_is_the_same_or_covered(
    created: World, extended: World, renderer: CpuRenderer
) -> None:
    world = created.copy()
    request = ZoomRequest(turned(world, 25.0))
    world.apply(pipeline(renderer).zoom(world, request).commit)
    assert world.digest() == extended.digest()
    with pytest.raises(AlreadyCovered):
        pipeline(renderer).zoom(extended, request)
    node = next(reversed(world.nodes.values()))
    world.apply(world.propose_removal(node.id))
    assert world.digest() == created.digest()


def test_a_zoom_into_what_is_new_takes_its_detail_from_there(extended: World, renderer: CpuRenderer) -> None:
    node = next(reversed(extended.nodes.values()))
    memory = own_memory(node)
    assert memory is not None and memory.chart and memory.measured
    camera = aim(extended, renderer, node, (0.85, 0.75), 4.0).camera
    world = extended.copy()
    made = pipeline(renderer).zoom(world, ZoomRequest(camera))
    assert made.commit.added[0].parent == node.id
    world.apply(made.commit)
    seen = look(world, renderer, camera)
    assert seen.alpha.min() > 0.8
    assert (seen.color[..., 1] > seen.color[..., 2]).mean() > 0.95


@pytest.mark.parametrize(("yaw", "pitch"), [(-20.0, 0.0), (0.0, -20.0), (0.0, 15.0)])
def test_every_side_is_closed(created: World, renderer: CpuRenderer, yaw: float, pitch: float) -> None:
    world, camera = created.copy(), turned(created, yaw, pitch)
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(camera)).commit)
    seen = look(world, renderer, camera)
    assert (seen.alpha < 0.5).mean() <= 0.005
    if pitch < 0:  # above the photo there is nothing but sky
        above = seen.color[: HEIGHT // 4]
        assert (above[..., 2] > above[..., 0]).mean() > 0.98


def test_gaps_that_an_orbit_opens_are_closed(created: World, renderer: CpuRenderer) -> None:
    world, camera = created.copy(), turned(created, 0.0).orbited(math.radians(25.0), 0.0)
    before = (look(world, renderer, camera).alpha < 0.5).mean()
    assert before > 0.01
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(camera)).commit)
    assert (look(world, renderer, camera).alpha < 0.5).mean() <= 0.005
