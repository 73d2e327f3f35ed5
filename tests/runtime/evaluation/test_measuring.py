"""A zoom of a real renderer, scored: every score is there, follows from the surfels, and sees what is changed."""

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from plain_generator import plain_generator

from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.evaluation.measuring import (
    OF_PICTURES,
    SCORES,
    depths,
    measure,
    of_pictures,
    to_bytes,
)
from wonderzoom.runtime.evaluation.steps import Step, drawn, frames_of, steps
from wonderzoom.runtime.evaluation.views import MIDDLE, ZoomCameras, zoom_cameras
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import FitSettings
from wonderzoom.scene_graph.world import World

SIZE = (96, 64)
Zoom = tuple[Step, ZoomCameras]


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture(scope="module")
def zooms(renderer: CpuRenderer) -> list[Zoom]:
    """Into a floor without words, and into that with a ball."""
    pipeline = Pipeline(plain_generator(), renderer, CpuFitter(1), 1, FitSettings(iterations=4))
    soft = np.kron(np.random.default_rng(0).random((8, 12, 3)), np.ones((8, 8, 1)))
    picture = (60 + 140 * soft).astype(np.uint8)
    floor = np.repeat(np.linspace(3.0, 2.0, SIZE[1], dtype=np.float32)[:, None], SIZE[0], 1)
    created = pipeline.create(CreateRequest(picture, depth=floor, focal=60.0))
    world = World(created.header)
    world.apply(created.commit)
    assert world.root is not None
    node = world.root
    for prompt in ("", "ball"):
        camera = aim(world, renderer, node, (0.5, 0.5), 3.0).camera
        zoomed = pipeline.zoom(world, ZoomRequest(camera, prompt, 0, "add", node.id))
        world.apply(zoomed.commit)
        node = world.node(zoomed.node)
    taken = steps(world)
    frames = frames_of(world, {node: node for node in taken})
    return [(step, zoom_cameras(*frames[name], 10.0)) for name, step in taken.items()]


def ticking() -> Iterator[float]:
    return itertools.count(0.0, 3.0)


def test_a_zoom_has_every_score_that_needs_no_model(renderer: CpuRenderer, zooms: list[Zoom]) -> None:
    clock = ticking()
    plain, ball = (measure(step, cameras, renderer, lambda: next(clock)) for step, cameras in zooms)
    for measured in (plain, ball):
        assert list(measured.values) == [score.key for score in SCORES]
        assert measured.costs["fps"] == pytest.approx(9 / 3.0)
        assert (measured.costs["megabytes"] or 0.0) > 0.0
        assert len(measured.views) == 9 and measured.views[0].shape == (64, 96, 3)
    values = plain.values
    assert values["back_projection_prompted_db"] is None and ball.values["back_projection_db"] is None
    assert (values["render_db"] or 0.0) > 24.0 and (values["back_projection_db"] or 0.0) > 28.0
    assert values["flicker_before"] is not None and values["holes"] is not None
    # Outside the ball the picture is what it was; with it, it is not.
    assert (ball.values["back_projection_prompted_db"] or 0.0) > (ball.values["zoom_consistency_db"] or 99.0)


def test_the_same_zoom_has_the_same_scores(renderer: CpuRenderer, zooms: list[Zoom]) -> None:
    step, cameras = zooms[0]
    one = measure(step, cameras, renderer, lambda: 0.0, floor=False)
    two = measure(step, cameras, renderer, lambda: 0.0, floor=False)
    assert one.values == two.values and one.values["flicker_before"] is None
    assert all((a == b).all() for a, b in zip(one.views, two.views, strict=True))
    assert one.costs["fps"] is None  # a clock that stands still measures nothing


def test_without_modulation_more_is_drawn_and_other_pictures(
    renderer: CpuRenderer, zooms: list[Zoom]
) -> None:
    step, cameras = zooms[1]
    whole = measure(step, cameras, renderer, lambda: 0.0, floor=False)
    none = measure(step, cameras, renderer, lambda: 0.0, "none", floor=False)
    assert (none.values["surfels"] or 0.0) > (whole.values["surfels"] or 0.0)
    # At C_i what is finer is in front anyway; from further off it must not be.
    far = cameras.descent[0].zoomed(0.5)
    gap = drawn(step.after, far, renderer)[0].color - drawn(step.after, far, renderer, "none")[0].color
    assert np.abs(gap).max() > 0.05


def test_frames_of_another_method_are_scored_as_our_own(renderer: CpuRenderer, zooms: list[Zoom]) -> None:
    step, cameras = zooms[0]
    own = measure(step, cameras, renderer, lambda: 0.0, floor=False).values
    frames = [drawn(step.after, camera, renderer)[0].color for camera in cameras.descent]
    middle = drawn(step.after, cameras.views[MIDDLE], renderer)[0].color
    known = depths(step, cameras, renderer)
    assert of_pictures(frames, middle, cameras, known) == {key: own[key] for key in OF_PICTURES}
    jumping = [frame * np.float32(0.5 + 0.5 * (i % 2)) for i, frame in enumerate(frames)]
    found = of_pictures(jumping, middle, cameras, known)
    assert (found["flicker"] or 0.0) > 10.0 * (own["flicker"] or 0.0)


def test_bytes_are_rounded_and_bounded() -> None:
    assert to_bytes(np.array([[[-1.0, 0.5, 2.0]]], np.float32)).tolist() == [[[0, 128, 255]]]
