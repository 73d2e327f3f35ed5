"""What a viewer is shown of a world on disk: never a hole, nothing pops, and in the end everything."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from trees import Soil, Zoom, plant

from wonderzoom.runtime.loading import Loader
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.runtime.sight import BYTES_A_SURFEL, Seen, Sight
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.residency import FADE_S
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

TREE = plant(
    [Zoom(0, 0.5, 0.5, 2.5), Zoom(1, 0.5, 0.5, 2.5), Zoom(0, 0.2, 0.3, 3.0)], Soil(24, 18, sigma=0.7)
)
SETTINGS = RenderSettings(h_ref=18, background=(0.0, 0.0, 0.0))
PLENTY = 1 << 40


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sight") / "world"
    world = World(TREE.header)
    with WorldStore.create(path, TREE.header) as store:
        for node, blocks in TREE.nodes:
            commit = world.propose(node, blocks)
            world.apply(commit)
            store.append(commit)
    return path


@dataclass
class Eyes:
    """A viewer of a world on disk, whose clock and disk are ours."""

    world: World
    pages: PageCache
    room: int = PLENTY
    now: float = 0.0
    lost: set[str] = field(default_factory=set)
    reads: list[str] = field(default_factory=list)
    sight: Sight = field(init=False)

    def __post_init__(self) -> None:
        self.sight = Sight(lambda block: block.in_memory, self.read, self.room)

    def read(self, block: Block) -> bool:
        if block.hash in self.lost:
            return False
        self.reads.append(block.node)
        return len(block.surfels) == len(block.bounds)

    def see(self, camera: Camera, later: float = 0.0) -> Seen:
        self.now += later
        seen = self.sight.see(self.world, camera, SETTINGS, self.now, self.lost)
        if not seen.lacking:
            ahead = self.sight.look_ahead(self.world, camera, SETTINGS, self.now, self.lost)
            seen = replace(seen, lacking=tuple(block for block in ahead if not block.in_memory))
        return seen


@pytest.fixture
def eyes(place: Path) -> Eyes:
    pages = PageCache(PLENTY)
    with WorldStore.open(place) as store:
        return Eyes(store.load(pages), pages)


@pytest.fixture(scope="module")
def whole(place: Path) -> World:
    with WorldStore.open(place) as store:
        return store.load()


def picture(visible: VisibleSet, camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    drawn = ReferenceRenderer().render(visible, camera, SETTINGS)
    return drawn.color, drawn.alpha


def same_picture(seen: VisibleSet, world: World, camera: Camera) -> bool:
    expected = picture(visible_set(world, camera, SETTINGS), camera)
    return all(np.array_equal(one, other) for one, other in zip(picture(seen, camera), expected, strict=True))


def inner(tree_number: int) -> Camera:
    """The middle of a node's picture, where all coarser ones are whole."""
    return TREE.cameras[tree_number].zoomed(2.0)


def test_what_waits_shows_everything(eyes: Eyes, whole: World) -> None:
    for camera in (*TREE.cameras, inner(2)):
        sight = Sight(lambda block: block.in_memory, eyes.read, PLENTY)
        assert same_picture(sight.whole(eyes.world, camera, SETTINGS), whole, camera)


def test_what_is_not_there_yet_fades_in_over_what_is_coarser(eyes: Eyes, whole: World) -> None:
    """The root at once, then each step nearer to the whole picture, without a hole."""
    camera = inner(2)
    first = eyes.see(camera)
    assert {block.node for block in first.visible.blocks} == {TREE.id(0)} == set(eyes.reads)
    assert not first.settled and {block.node for block in first.lacking} <= {TREE.id(1), TREE.id(2)}
    root_alone = picture(first.visible, camera)
    assert root_alone[1].min() > 0.95
    for block in first.lacking:
        eyes.read(block)
    end, _ = picture(visible_set(whole, camera, SETTINGS), camera)
    distances = [np.abs(root_alone[0] - end).mean()]
    seen = first
    for _ in range(10):
        seen = eyes.see(camera, 0.2 * FADE_S)
        color, alpha = picture(seen.visible, camera)
        assert alpha.min() >= root_alone[1].min() - 0.01
        distances.append(np.abs(color - end).mean())
        if seen.settled:
            break
    steps = -np.diff(distances)
    assert 5 <= len(steps) <= 6 and steps.min() >= -1e-3 and steps.max() < 0.6 * distances[0]
    assert distances[-1] == 0.0 and same_picture(seen.visible, whole, camera)


def test_what_is_in_memory_does_not_fade_when_it_comes_into_view(eyes: Eyes, whole: World) -> None:
    for block in eyes.world.blocks:
        eyes.read(block)
    for camera in TREE.cameras:
        seen = eyes.see(camera, 0.001)
        assert seen.settled and seen.lacking == () and same_picture(seen.visible, whole, camera)


def test_an_evicted_block_is_replaced_at_once_by_what_is_coarser(eyes: Eyes, place: Path) -> None:
    """Nothing of it is left to be drawn; and it fades in again when it is back."""
    camera = inner(2)
    for block in eyes.world.blocks:
        eyes.read(block)
    before = eyes.see(camera)
    gone = next(block for block in before.visible.blocks if block.node == TREE.id(2))
    eyes.sight.ready = lambda block: block.hash != gone.hash
    seen = eyes.see(camera, 0.02)
    assert gone not in seen.visible.blocks and gone in seen.lacking and not seen.settled
    assert picture(seen.visible, camera)[1].min() > 0.95
    eyes.sight.ready = lambda block: True
    back = eyes.see(camera, 0.5 * FADE_S)
    share = back.visible.residencies[back.visible.blocks.index(gone)]
    assert 0.0 < share < 1.0
    assert eyes.see(camera, FADE_S).settled


def test_a_new_node_fades_in_and_an_undone_one_out(eyes: Eyes) -> None:
    camera, world = inner(1), eyes.world
    for block in world.blocks:
        eyes.read(block)
    assert eyes.see(camera).settled
    old = {block.hash for block in world.blocks_of(TREE.id(1))}
    world.apply(world.propose_removal(TREE.id(1)))
    undone = eyes.see(camera, 0.25 * FADE_S)
    assert not undone.settled
    leaving = {
        block.hash: share
        for block, share in zip(undone.visible.blocks, undone.visible.residencies, strict=True)
        if block.hash in old
    }
    assert leaving and list(leaving.values()) == pytest.approx([0.75] * len(leaving))
    gone = eyes.see(camera, FADE_S)
    assert gone.settled and not old & {block.hash for block in gone.visible.blocks}
    world.apply(world.propose(*TREE.nodes[1]))
    new = eyes.see(camera, 0.0)
    assert not old & {block.hash for block in new.visible.blocks} and not new.settled
    half = eyes.see(camera, 0.5 * FADE_S)
    shares = {
        share
        for block, share in zip(half.visible.blocks, half.visible.residencies, strict=True)
        if block.hash in old
    }
    assert list(shares) == pytest.approx([0.5])
    last = eyes.see(camera, FADE_S)
    assert last.settled and same_picture(last.visible, world, camera)


def test_what_does_not_fit_is_not_asked_for_and_nothing_waits_for_it(eyes: Eyes) -> None:
    camera = inner(2)
    wanted = visible_set(eyes.world, camera, SETTINGS).blocks
    coarsest = min(wanted, key=lambda block: block.cell.level)
    eyes.sight.room = BYTES_A_SURFEL * coarsest.count
    seen = eyes.see(camera, 0.0)
    for _ in range(3):
        seen = eyes.see(camera, FADE_S)
        for block in seen.lacking:
            eyes.read(block)
    assert seen.settled and len(seen.visible.blocks) < len(wanted) + 1
    assert picture(seen.visible, camera)[1].min() > 0.95


def test_a_lost_block_leaves_what_is_coarser_in_its_place(eyes: Eyes) -> None:
    camera = inner(2)
    eyes.lost = {block.hash for block in eyes.world.blocks_of(TREE.id(2))}
    seen = eyes.see(camera, 0.0)
    for _ in range(3):
        seen = eyes.see(camera, FADE_S)
        for block in seen.lacking:
            eyes.read(block)
    assert seen.settled and TREE.id(2) not in {block.node for block in seen.visible.blocks}
    still = Sight(lambda block: block.in_memory, eyes.read, PLENTY).whole(eyes.world, camera, SETTINGS)
    for one, other in zip(picture(seen.visible, camera), picture(still, camera), strict=True):
        assert np.array_equal(one, other)
    assert picture(still, camera)[1].min() > 0.95


def test_the_surroundings_are_read_ahead_once_the_view_is_there(eyes: Eyes) -> None:
    camera = TREE.cameras[2].zoomed(6.0)
    seen = eyes.see(camera, 0.0)
    for _ in range(4):
        seen = eyes.see(camera, FADE_S)
        inside = {block.hash for block in visible_set(eyes.world, camera, SETTINGS).blocks}
        if {block.hash for block in seen.lacking} <= inside and seen.lacking:
            for block in seen.lacking:
                eyes.read(block)
    band = camera.widened(round(0.25 * camera.width))
    around = {block.hash for block in visible_set(eyes.world, band, SETTINGS).blocks}
    missing = {block.hash for block in eyes.world.blocks if block.hash in around and not block.in_memory}
    assert seen.settled and {block.hash for block in seen.lacking} == missing
    moved = replace(camera, cx=camera.cx + 0.2 * camera.width)
    for block in seen.lacking:
        eyes.read(block)
    assert eyes.see(moved, 0.01).settled


# ---- the loader -----------------------------------------------------------------------------------------
def test_a_loader_reads_what_is_wanted_and_says_what_is_lost_once(
    eyes: Eyes, place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    came = threading.Semaphore(0)
    loader = Loader(came.release)
    try:
        blocks = eyes.world.blocks
        loader.want("a", blocks[:2])
        for _ in blocks[:2]:
            assert came.acquire(timeout=10.0)
        assert [block.in_memory for block in blocks[:2]] == [True, True]
        assert not any(block.in_memory for block in blocks[2:])
        file = next((place / "commits").glob("00000003-*"))
        kept = file.read_bytes()
        file.write_bytes(kept[: len(kept) // 2])
        bad = next(block for block in blocks if block.node == TREE.id(2) and not block.in_memory)
        loader.want("a", [bad])
        assert came.acquire(timeout=10.0)
        assert loader.lost == {bad.hash} and not loader.read(bad)
        file.write_bytes(kept)
        assert [record.message for record in caplog.records if bad.node in record.message] != []
        assert len(caplog.records) == 1
    finally:
        loader.close()
        loader.close()


def test_a_loader_takes_turns_and_forgets_what_is_no_longer_wanted(eyes: Eyes) -> None:
    """Asked by two, it reads one block of each in turn; an empty list takes all wishes back."""
    loader = Loader()
    loader.close()  # so that its list can be looked at
    a, b = eyes.world.blocks[:2], eyes.world.blocks[2:4]
    loader._closed = False
    loader.want("a", a)
    loader.want("b", b)
    assert [loader._next() for _ in range(3)] == [a[0], b[0], a[1]]
    loader.want("a", [])
    loader.want("b", b[:1])
    assert loader._next() is b[0]
