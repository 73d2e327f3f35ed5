"""Leaving parts of the method out changes what it makes, and the world says so."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from plain_generator import PlainStages, plain_generator

from wonderzoom.generation.ablations import FARTHEST, Ablations, unregistered_zeta
from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.stages import InitialDepth, Layer
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import Control, FitSettings
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.surfels import FILL
from wonderzoom.scene_graph.world import World

SIZE = (96, 72)


class Layered(PlainStages):
    """With a layer behind the picture, as generators have where depth has edges."""

    def complete(
        self, request: CreateRequest, main: Layer, sky: Layer | None, control: Control
    ) -> list[Layer]:
        return [replace(main, zeta=main.zeta + 20.0, role="fill", kind=FILL)]


class Estimate:
    """A depth estimator that answers what it is told to, and remembers what it was asked."""

    def __init__(self, depth: np.ndarray, sky: np.ndarray | None = None) -> None:
        self.depth = depth.astype(np.float32)
        self.sky = np.zeros(depth.shape, np.bool_) if sky is None else sky
        self.asked: list[CreateRequest] = []

    def estimate(self, request: CreateRequest, focal: float, control: Control) -> InitialDepth:
        self.asked.append(request)
        return InitialDepth(self.depth, self.sky, 1.0)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def zoomed(renderer: CpuRenderer, ablations: Ablations) -> tuple[World, ScaleNode]:
    """A floor with a ball in front of it."""
    stages = plain_generator(Layered())
    fit = FitSettings(iterations=2)
    pipeline = Pipeline(stages, renderer, CpuFitter(1), 1, fit, ablations)
    picture = np.random.default_rng(0).integers(60, 200, (SIZE[1], SIZE[0], 3), dtype=np.uint8)
    floor = np.repeat(np.linspace(4.0, 2.0, SIZE[1], dtype=np.float32)[:, None], SIZE[0], 1)
    created = pipeline.create(CreateRequest(picture, depth=floor, focal=80.0))
    world = World(created.header)
    world.apply(created.commit)
    assert world.root is not None
    camera = aim(world, renderer, world.root, (0.5, 0.5), 4.0).camera
    made = pipeline.zoom(world, ZoomRequest(camera, "ball"))
    world.apply(made.commit)
    return world, world.node(made.node)


@pytest.fixture(scope="module")
def whole(renderer: CpuRenderer) -> tuple[World, ScaleNode]:
    return zoomed(renderer, Ablations())


def test_without_auxiliary_views_a_node_has_its_main_view_only(
    renderer: CpuRenderer, whole: tuple[World, ScaleNode]
) -> None:
    world, node = zoomed(renderer, Ablations(auxiliary=False))
    assert [view.role for view in node.views] == ["main"]
    assert {view.role for view in whole[1].views} == {"main", "fill"}
    assert world.root is not None and whole[0].root is not None
    assert len(world.root.views) == 1 and len(whole[0].root.views) == 2
    assert dict(node.provenance)["without"] == dict(world.root.provenance)["without"] == "auxiliary"
    assert world.check() == []


def test_without_registration_depth_is_the_estimators_alone(
    renderer: CpuRenderer, whole: tuple[World, ScaleNode]
) -> None:
    world, node = zoomed(renderer, Ablations(registration=False))
    mask = node.main.mask
    assert np.abs(node.main.zeta[mask]).max() == 0.0  # this estimator takes everything for flat
    assert np.nanmax(np.abs(whole[1].main.zeta)) > 10.0  # the floor is not
    assert dict(node.provenance)["without"] == "registration"
    assert world.check() == []


def test_nothing_is_left_out_unless_that_is_said(whole: tuple[World, ScaleNode]) -> None:
    assert "without" not in dict(whole[1].provenance)
    assert Ablations().without == ""
    assert Ablations(False, False).without == "auxiliary registration"


def test_an_unregistered_depth_keeps_its_shape_around_the_pivot() -> None:
    depth = np.tile(np.linspace(1.0, 3.0, 80), (60, 1))
    zeta = unregistered_zeta(Estimate(depth), np.full((60, 80, 3), 0.5, np.float32), 3, Control())
    assert zeta.dtype == np.float32 and abs(float(np.median(zeta))) < 1.0
    # A ratio of depths r stands (r - 1) focal lengths of an ordinary lens behind the pivot.
    np.testing.assert_allclose(zeta, (depth / np.median(depth) - 1.0) * 64.0, atol=1e-3)
    other = unregistered_zeta(Estimate(7.0 * depth), np.zeros((60, 80, 3), np.float32), 3, Control())
    np.testing.assert_allclose(other, zeta, atol=1e-3)  # it knows no scale


def test_sky_and_what_is_not_a_number_stand_at_the_pivot() -> None:
    depth = np.full((40, 40), 2.0)
    depth[:10], depth[10:12], depth[12] = np.nan, 1e6, 2.0
    sky = np.zeros((40, 40), np.bool_)
    sky[:10] = True
    estimate = Estimate(depth, sky)
    zeta = unregistered_zeta(estimate, np.zeros((40, 40, 3), np.float32), 3, Control())
    assert (zeta[:10] == 0.0).all() and (zeta[12:] == 0.0).all()
    np.testing.assert_allclose(zeta[10:12], (FARTHEST - 1.0) * 32.0)
    assert estimate.asked[0].seed == 3 and estimate.asked[0].depth is None
    nothing = Estimate(np.full((40, 40), np.nan))
    assert (unregistered_zeta(nothing, np.zeros((40, 40, 3), np.float32), 3, Control()) == 0.0).all()
