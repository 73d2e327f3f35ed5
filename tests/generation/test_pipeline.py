"""The control loop: what a zoom adds, what it never touches, and how it ends when it can't go on."""

import math
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from plain_generator import BLUE, RED, PlainStages, failing_at, plain_generator

from wonderzoom.generation.jobs import (
    FINER_EDIT,
    STAGES,
    AlreadyCovered,
    AlreadyMade,
    CreateRequest,
    GenerationError,
    Mode,
    StageEvent,
    Watch,
    ZoomRequest,
)
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import aim, frame_of, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, FitSettings, RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import RootRemoval, UnknownNode, World

FIT = FitSettings(iterations=12)
SIZE = (96, 72)  # width and height of the picture; H_ref is 72


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def pipeline(renderer: CpuRenderer, stages: PlainStages | None = None) -> Pipeline:
    return Pipeline(plain_generator(stages), renderer, CpuFitter(1), 1, FIT)


def picture(seed: int = 0) -> np.ndarray:
    """Soft blobs of colour."""
    coarse = np.random.default_rng(seed).random((SIZE[1] // 8, SIZE[0] // 8, 3))
    smooth = cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC)
    return (np.clip(smooth, 0.0, 1.0) * 255).astype(np.uint8)


def tilted() -> np.ndarray:
    """A floor: twice as near at the bottom as at the top."""
    rows = np.linspace(4.0, 2.0, SIZE[1], dtype=np.float32)
    return np.repeat(rows[:, None], SIZE[0], 1)


@pytest.fixture(scope="module")
def created(renderer: CpuRenderer) -> World:
    return new_world(renderer)


def new_world(renderer: CpuRenderer, seed: int = 0) -> World:
    made = pipeline(renderer).create(CreateRequest(picture(), depth=tilted(), focal=80.0, seed=seed))
    world = World(made.header)
    world.apply(made.commit)
    return world


def camera_at(
    world: World, renderer: CpuRenderer, factor: float, at: tuple[float, float] = (0.5, 0.5)
) -> Camera:
    assert world.root is not None
    return aim(world, renderer, world.root, at, factor).camera


def look(world: World, renderer: CpuRenderer, camera: Camera) -> RenderedView:
    settings = settings_of(world.header)
    return renderer.render(visible_set(world, camera, settings), camera, settings)


def decibels(a: np.ndarray, b: np.ndarray) -> float:
    return -10.0 * math.log10(max(float(np.mean((a - b) ** 2)), 1e-12))


# ---- E_0 --------------------------------------------------------------------------------------------
def test_the_first_world_shows_its_picture(created: World, renderer: CpuRenderer) -> None:
    assert created.root is not None and created.root.parent is None
    seen = look(created, renderer, frame_of(created.root, created.header))
    assert decibels(seen.color, picture() / 255.0) > 24.0
    assert seen.alpha[2:-2, 2:-2].min() > 0.85  # at the rim half of the neighbours are missing
    assert created.check() == []


def test_the_same_request_gives_the_same_bytes(created: World, renderer: CpuRenderer) -> None:
    assert new_world(renderer).digest() == created.digest()
    assert new_world(renderer, seed=1).digest() != created.digest()


def test_what_was_estimated_is_said(renderer: CpuRenderer) -> None:
    made = pipeline(renderer).create(CreateRequest(picture()))
    assert made.notes[0].startswith("focal length not known")
    assert made.notes[1] == "depth is flat"


# ---- E_i --------------------------------------------------------------------------------------------
def test_a_zoom_shows_its_picture_and_freezes_what_there_was(created: World, renderer: CpuRenderer) -> None:
    world = created.copy()
    before = {block.key: block.hash for block in world.blocks}
    camera = camera_at(world, renderer, 4.0)
    zoomed = pipeline(renderer).zoom(world, ZoomRequest(camera))
    assert world.digest() == created.digest()  # a proposal changes nothing
    world.apply(zoomed.commit)
    assert {block.key: block.hash for block in world.blocks if block.key in before} == before
    node = world.node(zoomed.node)
    assert world.root is not None and node.parent == world.root.id
    assert node.main.image is not None
    margin = (node.main.camera.width - camera.width) // 2
    asked = node.main.image[margin:-margin, margin:-margin] / 255.0
    seen = look(world, renderer, camera)
    assert decibels(seen.color, asked) > 26.0
    assert seen.alpha.min() > 0.9
    assert world.check() == []


def test_a_zoom_leaves_no_hole_and_no_double_layer_half_way(created: World, renderer: CpuRenderer) -> None:
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(camera)).commit)
    for share in (0.25, 0.5, 0.75):
        between = camera.zoomed(4.0 ** (share - 1.0))
        new, old = look(world, renderer, between), look(created, renderer, between)
        assert (new.alpha - old.alpha).min() > -0.05
        assert decibels(new.color, old.color) > 26.0


def test_stages_report_in_order_and_the_picture_comes_early(created: World, renderer: CpuRenderer) -> None:
    events: list[StageEvent] = []
    camera = camera_at(created, renderer, 3.0)
    pipeline(renderer).zoom(created, ZoomRequest(camera), Watch(event=events.append))
    order = list(dict.fromkeys(event.stage for event in events))
    assert order == [
        "observe",
        "describe",
        "upscale",
        "edit",
        "depth",
        "segment",
        "auxiliary",
        "lift",
        "optimise",
        "commit",
    ]
    assert set(order) == set(STAGES)
    previews = [event for event in events if event.preview is not None]
    assert [event.stage for event in previews] == ["edit"]
    assert all(0.0 <= event.fraction <= 1.0 for event in events)


def test_a_structure_stays_there_when_one_steps_back(created: World, renderer: CpuRenderer) -> None:
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    zoomed = pipeline(renderer).zoom(world, ZoomRequest(camera, "ball of unicorn"))
    assert zoomed.placed == ("ball",) and zoomed.ignored == ("of", "unicorn")
    world.apply(zoomed.commit)
    node = world.node(zoomed.node)
    assert dict(node.provenance)["ignored"] == "of unicorn"
    for back in (1.0, 0.5, 0.25):
        seen = look(world, renderer, camera.zoomed(back))
        height, width = seen.alpha.shape
        assert np.abs(seen.color[height // 2, width // 2] - BLUE).max() < 0.1
    kinds = np.concatenate([block.surfels.kind for block in world.blocks_of(node.id)])
    assert {STRUCTURE, FILL} <= set(kinds.tolist())


def test_what_a_structure_hides_is_there_when_one_looks_past_it(
    created: World, renderer: CpuRenderer
) -> None:
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(camera, "ball")).commit)
    for yaw in (-0.17, 0.17):
        assert look(world, renderer, camera.orbited(yaw, 0.0)).alpha.min() > 0.8


# ---- what exists already ----------------------------------------------------------------------------
def test_nothing_is_generated_twice(created: World, renderer: CpuRenderer) -> None:
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    zoomed = pipeline(renderer).zoom(world, ZoomRequest(camera))
    world.apply(zoomed.commit)
    with pytest.raises(AlreadyCovered) as error:
        pipeline(renderer).zoom(world, ZoomRequest(camera))
    assert error.value.node == zoomed.node


def asked_again(
    world: World, renderer: CpuRenderer, request: ZoomRequest, *, looks: int
) -> pytest.ExceptionInfo[AlreadyMade]:
    """The refusal of what is there, after so many pictures of the world (an observation takes two); no stage ran."""
    ran: list[str] = []
    drawn = Counting(renderer)
    digest = world.digest()
    made = Pipeline(plain_generator(PlainStages(ran.append)), drawn, CpuFitter(1), 1, FIT)
    with pytest.raises(AlreadyMade) as error:
        made.zoom(world, request)
    assert ran == [] and drawn.calls == looks and world.digest() == digest
    return error


class Counting:
    """A renderer that counts pictures."""

    def __init__(self, renderer: CpuRenderer) -> None:
        self.name, self.calls, self._renderer = renderer.name, 0, renderer

    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        self.calls += 1
        return self._renderer.render(visible, camera, settings)


@pytest.mark.parametrize("mode", ["add", "replace"])
def test_the_same_words_at_the_same_camera_are_answered_with_what_they_made(
    created: World, renderer: CpuRenderer, mode: Mode
) -> None:
    """Whatever is the finest there now, and whoever is named as the parent."""
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    assert world.root is not None
    old = pipeline(renderer).zoom(world, ZoomRequest(camera)).commit
    if mode == "replace":
        world.apply(old)
    request = ZoomRequest(camera, "ball", 3, mode, old.added[0].id if mode == "replace" else None)
    first = pipeline(renderer).zoom(world, request)
    world.apply(first.commit)
    again = replace(request, mode="add", node=None)
    for parent in (None, world.root.id, first.node):
        error = asked_again(world, renderer, replace(again, node=parent), looks=0)
        assert error.value.node == first.node and "another seed" in str(error.value)
    for other in (
        replace(again, seed=4),
        replace(again, prompt="red"),
        replace(again, camera=camera.zoomed(1.01)),
    ):
        assert pipeline(renderer).zoom(world, other).node not in world.nodes
    # Once it is gone it can be made again, and is what it was.
    world.apply(world.propose_removal(first.node))
    if mode == "add":
        assert pipeline(renderer).zoom(world, again).node == first.node


def test_a_node_is_replaced_by_the_same_again(created: World, renderer: CpuRenderer) -> None:
    """It takes away what was built on it, and nothing says that this was not meant."""
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    world.apply(pipeline(renderer).zoom(world, ZoomRequest(camera, "ball")).commit)
    (old,) = (node for node in world.nodes.values() if node.parent is not None)
    for _ in range(2):
        made = pipeline(renderer).zoom(world, ZoomRequest(camera, "ball", mode="replace", node=old.id))
        world.apply(made.commit)
        old = world.node(made.node)
    assert len(world.nodes) == 2 and world.check() == []


def test_what_would_have_the_name_of_another_node_is_refused_at_first_sight(
    created: World, renderer: CpuRenderer
) -> None:
    """Without words too: where half of what it had shown is gone, the same zoom would be itself again."""
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    beside = pipeline(renderer).zoom(world, ZoomRequest(camera_at(created, renderer, 4.0, (0.55, 0.5))))
    world.apply(beside.commit)
    assert world.root is not None
    request = ZoomRequest(camera, node=world.root.id)
    first = pipeline(renderer).zoom(world, request)
    world.apply(first.commit)
    world.apply(world.propose_removal(beside.node))
    assert asked_again(world, renderer, request, looks=2).value.node == first.node
    filled = pipeline(renderer).zoom(world, replace(request, seed=1))
    world.apply(filled.commit)
    assert world.check() == []


def test_overlapping_zooms_share_their_surfels(created: World, renderer: CpuRenderer) -> None:
    world = created.copy()
    first = pipeline(renderer).zoom(world, ZoomRequest(camera_at(world, renderer, 4.0)))
    world.apply(first.commit)
    beside = camera_at(created, renderer, 4.0, (0.55, 0.5))
    second = pipeline(renderer).zoom(world, ZoomRequest(beside))
    alone = pipeline(renderer).zoom(created, ZoomRequest(beside))

    def count(commit_blocks: tuple) -> int:
        return sum(len(block.surfels) for block in commit_blocks)

    assert count(second.commit.blocks) < 0.6 * count(alone.commit.blocks)
    world.apply(second.commit)
    assert look(world, renderer, beside).alpha.min() > 0.85


def test_a_prompt_is_served_where_everything_is_covered_already(
    created: World, renderer: CpuRenderer
) -> None:
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    first = pipeline(renderer).zoom(world, ZoomRequest(camera))
    world.apply(first.commit)
    edit = pipeline(renderer).zoom(world, ZoomRequest(camera, "red"))
    world.apply(edit.commit)
    node = world.node(edit.node)
    assert node.parent == first.node
    frame = frame_of(node, world.header)
    assert (frame.width, frame.height) == (camera.width, camera.height)
    assert frame.ln_scale == pytest.approx(camera.ln_scale)
    scales = (node.native_scale[1], world.node(first.node).native_scale[1])
    assert scales[1] - scales[0] == pytest.approx(math.log(FINER_EDIT), abs=0.1)
    seen = look(world, renderer, camera)
    middle = seen.color[camera.height // 2, camera.width // 2]
    assert np.abs(middle - RED).max() < 0.1
    corner = look(world, renderer, camera).color[:8, :8]
    untouched = world.copy()
    untouched.apply(untouched.propose_removal(edit.node))
    assert np.abs(corner - look(untouched, renderer, camera).color[:8, :8]).max() < 0.02


def test_replacing_is_one_commit_and_leaves_what_another_request_would_have(
    created: World, renderer: CpuRenderer
) -> None:
    world = created.copy()
    camera = camera_at(world, renderer, 4.0)
    old = pipeline(renderer).zoom(world, ZoomRequest(camera))
    world.apply(old.commit)
    inner = pipeline(renderer).zoom(world, ZoomRequest(camera.zoomed(3.0)))
    world.apply(inner.commit)
    new = pipeline(renderer).zoom(world, ZoomRequest(camera, "red", mode="replace", node=old.node))
    assert new.commit.removed == tuple(sorted((old.node, inner.node)))
    world.apply(new.commit)
    assert old.node not in world.nodes and inner.node not in world.nodes
    assert world.revision == 4
    assert world.check() == []
    fresh = created.copy()
    again = pipeline(renderer).zoom(fresh, ZoomRequest(camera, "red"))
    fresh.apply(again.commit)
    kept = [block.surfels.means for block in world.blocks_of(new.node)]
    expected = [block.surfels.means for block in fresh.blocks_of(again.node)]
    assert all(np.array_equal(a, b) for a, b in zip(kept, expected, strict=True))


def test_the_root_is_not_replaced(created: World, renderer: CpuRenderer) -> None:
    assert created.root is not None
    camera = camera_at(created, renderer, 4.0)
    with pytest.raises(RootRemoval):
        pipeline(renderer).zoom(created, ZoomRequest(camera, mode="replace", node=created.root.id))
    with pytest.raises(GenerationError, match="which node"):
        pipeline(renderer).zoom(created, ZoomRequest(camera, mode="replace"))


# ---- what can't be done -----------------------------------------------------------------------------
def test_too_large_a_step_is_an_error_that_says_how_far_to_go(created: World, renderer: CpuRenderer) -> None:
    with pytest.raises(GenerationError, match="at most 16x"):
        pipeline(renderer).zoom(created, ZoomRequest(camera_at(created, renderer, 16.0).zoomed(4.0)))


def test_a_camera_that_sees_nothing_is_an_error(created: World, renderer: CpuRenderer) -> None:
    away = replace(camera_at(created, renderer, 4.0), quat=(0.0, 0.0, 1.0, 0.0), ln_distance=-2.0)
    with pytest.raises(GenerationError, match="sees nothing"):
        pipeline(renderer).zoom(created, ZoomRequest(away.approached(0.01)))


def test_an_unknown_parent_is_an_error(created: World, renderer: CpuRenderer) -> None:
    with pytest.raises(UnknownNode):
        pipeline(renderer).zoom(created, ZoomRequest(camera_at(created, renderer, 4.0), node="nobody"))


@pytest.mark.parametrize("stage", ["describe", "upscale", "edit", "depth", "segment", "auxiliary"])
def test_a_stage_that_fails_leaves_the_world_alone(created: World, renderer: CpuRenderer, stage: str) -> None:
    before = created.digest()
    failing = pipeline(renderer, PlainStages(failing_at(stage)))
    with pytest.raises(GenerationError, match=f"{stage} was told to fail") as error:
        failing.zoom(created, ZoomRequest(camera_at(created, renderer, 4.0)))
    assert error.value.retryable
    assert created.digest() == before


@pytest.mark.parametrize("stage", STAGES)
def test_a_zoom_can_be_cancelled_at_every_stage(created: World, renderer: CpuRenderer, stage: str) -> None:
    before = created.digest()
    reached: list[str] = []

    def cancelled() -> bool:
        return stage in reached

    with pytest.raises(Cancelled):
        pipeline(renderer).zoom(
            created,
            ZoomRequest(camera_at(created, renderer, 4.0), "ball"),
            Watch(cancelled, lambda event: reached.append(event.stage)),
        )
    assert created.digest() == before
    assert set(reached) <= set(STAGES[: STAGES.index("commit") + 1])
