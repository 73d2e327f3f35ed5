"""A world taken apart: every zoom with what was there before it, whatever came later."""

import io
import math
from dataclasses import replace

import numpy as np
import pytest
from plane_maker import PlaneMaker, PointRenderer, request
from worlds import pictured

from wonderzoom.generation.jobs import Watch, ZoomRequest
from wonderzoom.runtime.evaluation.steps import (
    Step,
    drawn,
    edited,
    factor_of,
    frames_of,
    picture_of,
    steps,
    with_surface,
)
from wonderzoom.runtime.frames import aim, frame_of
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.surfels import STRUCTURE
from wonderzoom.scene_graph.world import World


@pytest.fixture
def maker() -> PlaneMaker:
    return PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))


def grown(maker: PlaneMaker) -> tuple[World, list[str]]:
    """Root, a zoom, one into it, and a sibling of the first: (world, digest after each commit)."""
    created = maker.create("planes", request(), Watch())
    world = World(created.header)
    world.apply(created.commit)
    assert world.root is not None
    digests = [world.digest()]
    node = world.root
    for at, parent in (((0.4, 0.5), None), ((0.5, 0.5), None), ((0.45, 0.5), world.root)):
        node = parent or node
        camera = aim(world, maker.renderer, node, at, 4.0).camera
        zoomed = maker.zoom("planes", world, ZoomRequest(camera, f"words {at}", 0, "add", node.id), Watch())
        world.apply(zoomed.commit)
        node = world.node(zoomed.node)
        digests.append(world.digest())
    return world, digests


def test_each_step_is_the_world_as_it_was(maker: PlaneMaker) -> None:
    world, digests = grown(maker)
    found = steps(world)
    assert list(found) == list(world.nodes)[1:]
    for step, before, after in zip(found.values(), digests, digests[1:], strict=False):
        assert (step.before.digest(), step.after.digest()) == (before, after)
        assert step.parent.id == step.node.parent
    assert world.digest() == digests[-1]  # the world itself is only read


def test_a_world_without_zooms_has_no_steps(maker: PlaneMaker) -> None:
    created = maker.create("planes", request(), Watch())
    world = World(created.header)
    world.apply(created.commit)
    assert steps(world) == {}


def test_frames_and_factors(maker: PlaneMaker) -> None:
    world, _ = grown(maker)
    zooms = {f"zoom {i}": node for i, node in enumerate(list(world.nodes)[1:])}
    found = frames_of(world, zooms)
    assert list(found) == list(zooms)
    for name, (parent, frame) in found.items():
        assert frame == frame_of(world.node(zooms[name]), world.header)
        assert factor_of(parent, frame) == pytest.approx(4.0, rel=1e-6)


def test_what_is_drawn_is_the_surfels(maker: PlaneMaker) -> None:
    world, _ = grown(maker)
    step: Step = list(steps(world).values())[0]
    frame = frame_of(step.node, world.header)
    shown, view, visible = drawn(step.after, frame, maker.renderer)
    assert shown.color is view.color and visible.surfel_count > 0
    assert not edited(view, visible, step.node.id).any()  # planes are surfaces
    blocks = [
        replace(block, columns=replace(block.surfels, kind=np.full_like(block.surfels.kind, STRUCTURE)))
        if block.node == step.node.id
        else block
        for block in visible.blocks
    ]
    new = edited(view, replace(visible, blocks=tuple(blocks)), step.node.id)
    assert new.any() and (new <= (view.surfel_ids >= 0)).all()
    assert not edited(view, visible, "another node").any()


def test_the_picture_of_a_node_is_without_its_overscan(maker: PlaneMaker) -> None:
    world, _ = grown(maker)
    assert world.root is not None
    own = picture_of(world.root, world.header.h_ref)
    assert own is not None
    camera, image, made = own
    assert camera == frame_of(world.root, world.header) and image.shape == (64, 96, 3)
    np.testing.assert_allclose(image * 255.0, np.asarray(world.root.main.image), atol=1e-4)
    assert made.shape == (64, 96) and math.isclose(made.mean(), world.root.main.mask.mean())
    node: ScaleNode = list(world.nodes.values())[1]
    cut = picture_of(node, world.header.h_ref)
    assert cut is not None and node.main.image is not None
    assert cut[0] == frame_of(node, world.header)
    np.testing.assert_allclose(cut[1] * 255.0, node.main.image[4:-4, 4:-4], atol=1e-4)
    views = tuple(pictured(view, None) for view in node.views)
    assert picture_of(replace(node, views=views), world.header.h_ref) is None


def test_the_depth_of_a_surface_is_that_of_what_is_seen(maker: PlaneMaker) -> None:
    world, _ = grown(maker)
    step = next(iter(steps(world).values()))
    shown, view, visible = drawn(step.after, frame_of(step.node, world.header), maker.renderer)
    mixed = replace(view, zeta=view.zeta + np.float32(1e4))  # a far layer shines through
    surface = with_surface(shown, mixed, visible)
    seen = np.isfinite(surface.zeta)
    assert seen.mean() > 0.9 and np.abs(surface.zeta - view.zeta)[seen].max() < 5.0
    nothing = replace(view, alpha=np.zeros_like(view.alpha))
    assert not np.isfinite(with_surface(shown, nothing, visible).zeta).any()
