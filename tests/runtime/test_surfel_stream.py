"""What is said to a viewer who draws by itself: enough, in a useful order, never a hole, never twice."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from surfel_viewer import SurfelViewer
from worlds import branching_world, facing, insert, look_and_zoom, nested_world, plane_node

from wonderzoom.protocol import limits, surfel_block
from wonderzoom.protocol.messages import Surfels
from wonderzoom.protocol.values import KnownLevel
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.streaming import FIRST_WINDOW, LEAST_WINDOW, Credit
from wonderzoom.runtime.surfel_blocks import EncodedLevels
from wonderzoom.runtime.surfel_plan import heading, make_plan
from wonderzoom.runtime.surfel_showing import span_of
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.residency import FADE_S
from wonderzoom.scene_graph.surfels import Block, BlockLost
from wonderzoom.scene_graph.surfels import Surfels as Surfels3D
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def decibels(viewer: SurfelViewer, camera: Camera, renderer: CpuRenderer) -> float:
    """How close what a viewer draws is to what the world looks like.

    On these planes surfels lie at one depth: which is in front is decided by the last bits of their sizes, and rounding
    them makes 30 dB of 60 (``test_surfel_block_pictures`` has real ones).
    """
    exact = renderer.render(visible_set(viewer.world, camera, viewer.settings), camera, viewer.settings)
    seen = renderer.render(viewer.held.drawn(viewer.now), camera, viewer.settings)
    error = float(np.mean((exact.color.astype(np.float64) - seen.color) ** 2))
    return 10.0 * math.log10(1.0 / max(error, 1e-12))


def cover(viewer: SurfelViewer, camera: Camera, renderer: CpuRenderer) -> float:
    """By how much all but the worst two of a hundred pixels are less covered than in the world's own picture."""
    exact = renderer.render(visible_set(viewer.world, camera, viewer.settings), camera, viewer.settings)
    seen = renderer.render(viewer.held.drawn(viewer.now), camera, viewer.settings)
    return float(np.quantile(exact.alpha - seen.alpha, 0.98))


def test_a_viewer_comes_to_see_what_the_world_looks_like(renderer: CpuRenderer) -> None:
    world, cameras = branching_world()
    viewer = SurfelViewer(world)
    for camera in (*cameras, cameras[0].resized(20, 15), cameras[1].zoomed(0.4).orbited(0.3, 0.1)):
        heard = viewer.see_all(camera)
        assert decibels(viewer, camera, renderer) >= 30.0
        assert not heard or heard[-1].complete
        assert viewer.held.settled(viewer.now) and viewer.hear() is None


def test_nothing_is_sent_twice(renderer: CpuRenderer) -> None:
    world, cameras = branching_world()
    viewer = SurfelViewer(world)
    sent = [level.hash for camera in cameras for delta in viewer.see_all(camera) for level in delta.levels]
    again = [level for camera in cameras for delta in viewer.see_all(camera) for level in delta.levels]
    assert len(sent) == len(set(sent)) > 20 and again == []


def test_payloads_are_made_once_for_all_viewers() -> None:
    world, cameras = nested_world(1)
    encoded = EncodedLevels()
    first, second = (SurfelViewer(world, encoded=encoded) for _ in range(2))
    first.see_all(cameras[0])
    made = encoded.made
    second.see_all(cameras[0])
    assert encoded.made == made > 0 and second.bytes == first.bytes
    small = EncodedLevels(max_bytes=1000)
    SurfelViewer(world, encoded=small).see_all(cameras[0])
    assert small.nbytes <= 1000 or len(small._payloads) == 1


def test_what_comes_first_covers_the_view(renderer: CpuRenderer) -> None:
    world, cameras = nested_world(1, width=96, height=72)
    viewer = SurfelViewer(world)
    viewer.look(cameras[0])
    first = viewer.hear(8 << 10)
    assert first is not None and first.anew and not first.complete
    viewer.now += 2.0 * FADE_S
    early = decibels(viewer, cameras[0], renderer)
    assert cover(viewer, cameras[0], renderer) < 0.25
    levels = [first.levels]
    while (delta := viewer.hear(8 << 10)) is not None:
        levels.append(delta.levels)
    viewer.now += 2.0 * FADE_S
    whole = sum(len(each.payload or b"") for part in levels for each in part)
    assert sum(len(each.payload or b"") for each in levels[0]) < whole / 2
    assert decibels(viewer, cameras[0], renderer) > early + 10.0


STEPS = st.lists(
    st.tuples(
        st.integers(0, 4),  # which camera
        st.floats(-1.5, 1.5),  # octaves nearer
        st.floats(-0.4, 0.4),  # orbit
        st.integers(1, 4),  # deltas that arrive before the next camera
        st.sampled_from([1_000, 4_000, 60_000]),  # bytes of each
        st.sampled_from([0.0, 0.05, 0.1, 0.4]),  # seconds until that
    ),
    min_size=1,
    max_size=5,
)


def walk(renderer: CpuRenderer, steps: list[tuple[int, float, float, int, int, float]], budget: int) -> None:
    """Whatever arrives in time and whatever is given up: all that the world covers, the viewer's picture covers."""
    world, cameras = branching_world()
    viewer = SurfelViewer(world, budget)
    viewer.look(cameras[0])
    viewer.hear()
    viewer.now += 2.0 * FADE_S
    for which, octaves, turn, deltas, size, seconds in steps:
        camera = cameras[which].zoomed(2.0**octaves).orbited(turn, 0.3 * turn)
        viewer.look(camera)
        for _ in range(deltas):
            viewer.hear(size, quick=size == 60_000)
            viewer.now += seconds
            assert cover(viewer, camera, renderer) < 0.25


BUDGETS = st.sampled_from([1_500, 4_000, 1_000_000])


@given(steps=STEPS, budget=BUDGETS)
@settings(max_examples=6)
def test_there_is_never_a_hole(
    renderer: CpuRenderer, steps: list[tuple[int, float, float, int, int, float]], budget: int
) -> None:
    walk(renderer, steps, budget)


@pytest.mark.slow
@given(steps=STEPS, budget=BUDGETS)
@settings(max_examples=300)
def test_there_is_never_a_hole_on_many_walks(
    renderer: CpuRenderer, steps: list[tuple[int, float, float, int, int, float]], budget: int
) -> None:
    walk(renderer, steps, budget)


def zoomed_into(world: World, camera: Camera) -> str:
    """One more zoom, of 4x, into the middle of what a camera sees."""
    near = look_and_zoom(camera, facing(camera, 0.0), camera.width / 2, camera.height / 2, 4.0)
    return insert(world, *plane_node(near, facing(camera, 0.0), world.root.id if world.root else None))


def test_a_commit_brings_its_node_and_the_bounds_of_what_it_stands_for(renderer: CpuRenderer) -> None:
    world, cameras = nested_world(0)
    viewer = SurfelViewer(world)
    camera = cameras[0].zoomed(2.5)
    viewer.see_all(camera)
    size = viewer.bytes
    node = zoomed_into(world, cameras[0])
    heard = viewer.see_all(camera)
    assert {level.node for delta in heard for level in delta.levels if level.node == node}
    assert any(delta.bounds for delta in heard) and {delta.revision for delta in heard} == {world.revision}
    assert decibels(viewer, camera, renderer) >= 30.0
    assert viewer.bytes - size < 2 * size  # what had been sent was not sent again
    assert viewer.see_all(camera) == []


def test_on_a_quick_link_a_commit_is_shown_before_any_pyramid_is_made() -> None:
    world, cameras = branching_world()
    viewers = [SurfelViewer(world) for _ in range(2)]
    for viewer in viewers:
        viewer.see_all(cameras[0])
    node = zoomed_into(world, cameras[0])
    blocks = world.blocks_of(node)
    camera = cameras[0].zoomed(4.0)
    quick, slow = viewers
    quick.look(camera)
    delta = quick.hear(quick=True)
    assert delta is not None
    mine = {bytes.fromhex(block.hash) for block in blocks}
    sent = [level for level in delta.levels if level.block in mine]
    assert sent and {level.level for level in sent} == {0}
    assert any(shown.block in mine and shown.residency > 0.0 for shown in delta.show)
    assert not any(block.mips for block in blocks), "nothing was merged for it"
    quick.see_all(camera, quick=True)
    slow.see_all(camera)
    assert any(block.mips for block in blocks)
    for viewer in viewers:  # in the end both hold what the view asks for
        assert viewer.plan is not None and viewer.held.complete
        steps = {(viewer.plan.blocks[row].hash, number) for row, number in viewer.plan.steps}
        assert steps <= {(held.block, held.number) for held in viewer.stream._held.values()}


def test_what_is_removed_goes_and_its_levels_with_it(renderer: CpuRenderer) -> None:
    world, cameras = nested_world(2)
    viewer = SurfelViewer(world)
    viewer.see_all(cameras[2])
    last = next(node.id for node in world.nodes.values() if not node.children)
    world.apply(world.propose_removal(last))
    heard = viewer.see_all(cameras[2])
    assert all(level.node != last for delta in heard for level in delta.levels)
    assert last not in {block.node for block in viewer.held.drawn(viewer.now).blocks}
    assert decibels(viewer, cameras[2], renderer) >= 30.0
    assert all(block.node != last for block in viewer.held.blocks())


def test_after_a_break_what_the_viewer_still_has_is_not_sent() -> None:
    world, cameras = nested_world(1)
    viewer = SurfelViewer(world)
    viewer.see_all(cameras[1])
    known = viewer.held.known()
    lost = known[::3]
    viewer.held.give_up([each.hash for each in lost])
    viewer.stream.reconnected()
    viewer.stream.have(viewer.held.known())
    heard = viewer.see_all(cameras[1])
    assert heard[0].anew
    assert {level.hash for delta in heard for level in delta.levels} == {each.hash for each in lost}
    assert sorted(each.hash for each in viewer.held.known()) == sorted(each.hash for each in known)


def test_a_server_that_knows_nothing_of_it_believes_what_a_viewer_has(renderer: CpuRenderer) -> None:
    world, cameras = nested_world(1)
    viewer = SurfelViewer(world)
    viewer.see_all(cameras[1])
    again = SurfelViewer(world)
    again.held = viewer.held
    again.now = viewer.now
    strange = KnownLevel(hash=bytes(16), bounds_revision=1)
    again.stream.have([*viewer.held.known(), strange])
    heard = again.see_all(cameras[1])
    assert [level for delta in heard for level in delta.levels] == []
    assert strange.hash in {name for delta in heard for name in delta.drop}
    assert decibels(again, cameras[1], renderer) >= 30.0


def test_what_a_viewer_has_given_up_is_sent_again() -> None:
    world, cameras = nested_world(1)
    viewer = SurfelViewer(world)
    viewer.see_all(cameras[1])
    names = [each.hash for each in viewer.held.known()[:3]]
    viewer.held.give_up(names)
    viewer.stream.evicted(names)
    heard = viewer.see_all(cameras[1])
    assert {level.hash for delta in heard for level in delta.levels} == set(names)


def test_a_fetched_level_is_shown_when_it_has_come(renderer: CpuRenderer) -> None:
    world, cameras = nested_world(1)
    viewer = SurfelViewer(world)
    viewer.stream.ask(viewer.budget, fetch=True)
    heard = viewer.see_all(cameras[1])
    assert not any(delta.show or delta.complete for delta in heard)
    for name in viewer.held.awaited:
        payload = viewer.encoded.find(name)
        assert payload is not None
        known = viewer.held.fetched(name, payload)
        assert known is not None
        viewer.stream.have([known])
    assert viewer.encoded.find(bytes(16)) is None
    (delta,) = viewer.see_all(cameras[1])
    assert delta.complete and delta.show and not delta.levels
    assert decibels(viewer, cameras[1], renderer) >= 30.0


def test_a_smaller_budget_gives_up_at_once() -> None:
    world, cameras = nested_world(1)
    viewer = SurfelViewer(world, 8_000)
    for camera in (cameras[1], cameras[0]):
        viewer.see_all(camera)
    count = viewer.stream.count
    viewer.stream.ask(count // 2, fetch=False)
    viewer.budget = count // 2
    viewer.look(cameras[0])
    delta = viewer.hear()
    assert isinstance(delta, Surfels) and delta.drop and viewer.held.count <= count // 2


# ---- what is lost, too large, or nowhere ----------------------------------------------------------------
class Lost:
    """Columns that are on the disk no more."""

    def __init__(self, block: Block) -> None:
        self._block = block
        self.box, self.in_memory = np.zeros((2, 3)), False
        self.native_interval, self.native_mean = block.surfels.native_interval, block.surfels.native_mean

    def __len__(self) -> int:
        return self._block.count

    def read(self) -> Surfels3D:
        raise BlockLost(self._block.node, self._block.cell, "it was overwritten", "a file")


def test_what_is_lost_or_too_large_is_left_out_and_the_rest_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    world, cameras = nested_world(0, width=96, height=72)
    viewer = SurfelViewer(world)
    plan = viewer.look(cameras[0])
    broken = plan.blocks[0]
    lost = replace(broken, columns=Lost(broken))
    viewer.plan = replace(plan, blocks=(lost, *plan.blocks[1:]))
    heard: list[Surfels] = []
    while (delta := viewer.hear()) is not None:
        heard.append(delta)
        assert all(level.block != bytes.fromhex(broken.hash) for level in delta.levels)
    assert heard[-1].complete and len(viewer.held.blocks()) >= len(plan.blocks) - 1
    monkeypatch.setattr(surfel_block, "MAX_SURFELS", 100)
    small = SurfelViewer(world)
    heard = small.see_all(cameras[0])
    assert max(level.count for delta in heard for level in delta.levels) <= 100 and heard[-1].complete


# ---- plans and what is shown ----------------------------------------------------------------------------
def test_a_plan_names_what_shows_first_and_keeps_to_its_budget() -> None:
    world, cameras = branching_world()
    settings_ = SurfelViewer(world).settings
    plan = make_plan(world, cameras[1], settings_, 100_000, ahead=cameras[1].zoomed(2.0))
    assert len(set(plan.steps)) == len(plan.steps) and plan.gone == frozenset()
    shown = {block.key for block in visible_set(world, cameras[1], settings_).blocks}
    asked = {plan.blocks[row].key for row, _ in plan.steps}
    assert asked >= shown and len(shown) > 1
    assert [block.key for block in plan.blocks] == sorted(block.key for block in plan.blocks)
    # The first of all are the coarse levels of the root, behind which there is nothing.
    roots = {row for row in range(len(plan.blocks)) if plan.roots[row]}
    assert {row for row, _ in plan.steps[: len(roots & {row for row, _ in plan.steps})]} <= roots
    for budget in (200, 1000, 3000):
        few = make_plan(world, cameras[1], settings_, budget)
        wanted = np.flatnonzero(few.wanted)
        sizes = [few.blocks[row].count >> int(2 * few.finest[row]) for row in wanted.tolist()]
        assert sum(sizes) <= budget


def test_where_a_motion_leads() -> None:
    camera = nested_world(0)[1][0]
    assert heading(camera, camera, 0.1) is None
    nearer = heading(camera, camera.zoomed(1.1), 0.1)
    assert nearer is not None and nearer.ln_scale == pytest.approx(camera.ln_scale - 4.0 * math.log(1.1))
    aside = replace(camera, pivot=camera.position(np.array([2.0, -1.0, 0.0])))
    further = heading(camera, aside, 0.1)
    assert further is not None
    assert camera.view_point(further.pivot) == pytest.approx([8.0, -4.0, 0.0], abs=1e-6)
    turned = heading(camera, camera.orbited(0.01, 0.0), 0.3)
    assert turned is not None and turned.rotation == pytest.approx(
        camera.orbited(0.02, 0.0).rotation, abs=1e-6
    )
    assert heading(camera, camera.zoomed(1e6), 0.1) is None  # a jump
    far = replace(camera, pivot=camera.position(np.array([1e4, 0.0, 0.0])))
    assert heading(camera, far, 0.1) is None


@given(st.sets(st.integers(0, 12), min_size=1), st.integers(0, 12), st.integers(0, 4))
def test_a_span_is_a_run_of_what_is_held(numbers: set[int], finest: int, more: int) -> None:
    low, high = span_of(numbers, finest, finest + more)
    assert set(range(low, high + 1)) <= numbers
    if set(range(finest, finest + more + 1)) <= numbers:
        assert low <= finest and high >= finest + more
    if finest in numbers:
        assert low <= finest <= high


def test_less_may_be_on_its_way_where_it_comes_late() -> None:
    credit = Credit()
    assert credit.window == FIRST_WINDOW and credit.oldest is None
    credit.sent(1, FIRST_WINDOW, 10.0)
    credit.acknowledged(1, 10.1, 0.05)
    assert credit.window == FIRST_WINDOW + FIRST_WINDOW // 4 and credit.in_flight == 0
    credit.sent(2, 1000, 11.0)
    credit.acknowledged(2, 11.1, 0.05)  # it was not what held it back
    assert credit.window == FIRST_WINDOW + FIRST_WINDOW // 4
    for number in range(3, 20):
        credit.sent(number, 1000, 20.0)
        assert credit.oldest == 20.0
        credit.acknowledged(number, 21.0, 0.05)
    assert credit.window == LEAST_WINDOW
    credit.sent(20, 1000, 30.0)
    credit.forget()
    assert credit.in_flight == 0
    credit.acknowledged(20, 99.0, 0.0)
    for number in range(21, 99):
        credit.sent(number, limits.MAX_UNACKED, 40.0)
        credit.acknowledged(number, 40.0, 0.0)
    assert credit.window == limits.MAX_UNACKED
