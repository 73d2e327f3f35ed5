"""Frames: what a node shows, and cameras that are aimed into it."""

import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plane_maker import PointRenderer
from scene_strategies import cameras
from worlds import branching_world, nested_world, plane_world

from wonderzoom.runtime.frames import (
    NoSuchNode,
    NothingThere,
    aim,
    at_reference,
    covered,
    deepest,
    frame_of,
    newest,
    node_of,
    panned,
)
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.world import World

fractions = st.floats(0.02, 0.98)


@pytest.fixture(scope="module")
def world() -> World:
    return plane_world(96, 64, 80.0, tilt=0.4)[0]


@given(fractions, fractions, st.floats(1.5, 16.0))
def test_what_is_aimed_at_is_in_the_middle_and_that_much_larger(
    world: World, u: float, v: float, factor: float
) -> None:
    node = newest(world)
    frame = frame_of(node, world.header)
    aimed = aim(world, PointRenderer(), node, (u, v), factor)
    # The pixel of the frame and the middle of the new picture are one point.
    seen, _ = frame.project(frame.view_point(aimed.camera.pivot))
    assert seen == pytest.approx([u * frame.width, v * frame.height], abs=1e-6)
    middle, _ = aimed.camera.project(aimed.camera.view_point(aimed.camera.pivot))
    assert middle == pytest.approx([aimed.camera.cx, aimed.camera.cy], abs=1e-6)
    assert zoom_ln(frame, aimed.camera) == pytest.approx(math.log(factor), abs=1e-9)
    assert (aimed.camera.width, aimed.camera.height) == (frame.width, frame.height)


@given(cameras(), st.floats(-1.0, 1.0), st.floats(-1.0, 1.0))
def test_a_panned_frame_is_the_same_eye_turned_at_the_same_scale(
    camera: Camera, across: float, down: float
) -> None:
    aside = panned(camera, across, down)
    assert aside.ln_scale == pytest.approx(camera.ln_scale, abs=1e-9)
    seen, _ = camera.project(camera.view_point(aside.pivot))
    where = [camera.cx + across * camera.width, camera.cy + down * camera.height]
    assert seen == pytest.approx(where, abs=1e-3)
    assert (aside.width, aside.height) == (camera.width, camera.height)


@pytest.mark.parametrize("at", [(0.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
def test_the_rim_belongs_to_the_picture(world: World, at: tuple[float, float]) -> None:
    aim(world, PointRenderer(), newest(world), at, 2.0)


def test_a_point_that_shows_nothing_is_said() -> None:
    world, _ = plane_world(96, 64, 80.0, opacity=0.9)
    root = newest(world)
    empty = World(world.header)
    empty.nodes.update(world.nodes)  # its frame without its surfels
    with pytest.raises(NothingThere, match=f"nothing at 0.5,0.5 in the frame of node {root.id}"):
        aim(empty, PointRenderer(), root, (0.5, 0.5), 4.0)


@given(cameras(), st.integers(16, 400), st.integers(16, 400))
def test_a_covered_frame_never_shows_what_is_outside_of_the_old_one(
    camera: Camera, width: int, height: int
) -> None:
    part = covered(camera, width, height)
    assert (part.width, part.height) == (width, height)
    corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    points = part.unproject(corners, np.zeros(4))
    scale = part.aspect  # view coordinates are native pixels of each camera
    old = camera.unproject(np.array([[0.0, 0.0], [camera.width, camera.height]]), np.zeros(2))
    ratio = math.exp(part.ln_fx - camera.ln_fx)
    low, high = old[0, :2] * ratio, old[1, :2] * ratio
    slack = 1e-6 * max(width, height)
    assert scale == pytest.approx(camera.aspect)
    assert (points[:, :2] >= low - slack).all() and (points[:, :2] <= high + slack).all()
    # One of the two directions is used in full.
    spans = np.ptp(points[:, :2], axis=0) / (high - low)
    assert spans.max() == pytest.approx(1.0, rel=1e-6)


@given(cameras())
def test_a_reference_camera_has_the_short_side_of_the_world_and_two_to_one(camera: Camera) -> None:
    header = WorldHeader(h_ref=512)
    reference = at_reference(camera, header)
    assert min(reference.width, reference.height) == 512
    assert max(reference.width, reference.height) <= 1024
    assert (reference.width >= reference.height) == (camera.width >= camera.height)


def test_the_newest_and_the_deepest_node_are_told_apart() -> None:
    world, _ = branching_world()
    assert newest(world).id == list(world.nodes)[-1]
    finest = min(frame_of(node, world.header).ln_scale for node in world.nodes.values())
    assert frame_of(deepest(world), world.header).ln_scale == finest
    chain, _ = nested_world(3)
    assert deepest(chain) is newest(chain)


def test_an_empty_world_and_an_unknown_node_are_said() -> None:
    for find in (newest, deepest):
        with pytest.raises(NothingThere, match="create one from a picture"):
            find(World())
    world, _ = nested_world(0)
    with pytest.raises(NoSuchNode, match="garden: there is no node 'leaf'; wonderzoom info garden"):
        node_of(world, "leaf", Path("garden"))
