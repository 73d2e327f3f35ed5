"""Worlds whose columns stay on disk: the same world, read when it is asked for, whatever happens to its files."""

import json
import sqlite3
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from noted_pages import NotedPages
from trees import Soil, Tree, Zoom, plant, zoom_lists

from wonderzoom.scene_graph import store_file
from wonderzoom.scene_graph.manifest import BadCommit
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.scale_node import ViewLost
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_record import SUMMARIES
from wonderzoom.scene_graph.store_summary import decode_summary, encode_summary, summarised
from wonderzoom.scene_graph.store_verify import verify
from wonderzoom.scene_graph.store_views import DiskMaps
from wonderzoom.scene_graph.surfels import BlockLost, Surfels
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

ZOOMS = (Zoom(0, 0.5, 0.5, 4.0), Zoom(0, 0.3, 0.4, 3.0), Zoom(1, 0.4, 0.5, 3.0))
TREE = plant(ZOOMS, Soil(40, 30, sigma=0.3))
PLENTY = 1 << 30


def written(path: Path, tree: Tree = TREE, removed: Sequence[int] = ()) -> World:
    """A world on disk, and the same in memory."""
    world = World(tree.header)
    with WorldStore.create(path, tree.header) as store:
        for node, blocks in tree.nodes:
            commit = world.propose(node, blocks)
            world.apply(commit)
            store.append(commit)
        for number in removed:
            if tree.id(number) in world.nodes:
                commit = world.propose_removal(tree.id(number))
                world.apply(commit)
                store.append(commit)
    return world


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "world"


# ---- the same world ---------------------------------------------------------------------------------------
@settings(max_examples=8)
@given(zoom_lists(most=4), st.lists(st.integers(1, 4), max_size=2), st.sampled_from([0, 20_000, PLENTY]))
def test_it_is_the_world_that_was_written(
    tmp_path_factory: pytest.TempPathFactory, zooms: tuple[Zoom, ...], removed: list[int], bound: int
) -> None:
    """Digest, laws and every column, through a cache of any size."""
    tree = plant(zooms, Soil(24, 18, sigma=0.3))
    removed = [number for number in removed if number < len(tree.nodes)]
    path = tmp_path_factory.mktemp("lazy") / "world"
    world = written(path, tree, removed)
    pages = PageCache(bound)
    with WorldStore.open(path) as store:
        lazy = store.load(pages)
        assert pages.statistics.misses == 0  # nothing was read yet
        assert store.damaged == {}
    assert lazy.octree.cells() == world.octree.cells()
    assert lazy.digest() == world.digest() and lazy.check() == []
    for one, other in zip(lazy.blocks, world.blocks, strict=True):
        assert (one.key, one.hash, one.count) == (other.key, other.hash, other.count)
        assert (one.parents, one.children) == (other.parents, other.children)
        assert one.bounds.same_as(other.bounds) and one.bounds.revision == other.bounds.revision
        for name, column in one.surfels.columns().items():
            assert np.array_equal(column, other.surfels.columns()[name]) and not column.flags.writeable
    assert pages.statistics.held_bytes <= bound


def test_what_is_seen_is_read_and_nothing_else(place: Path) -> None:
    written(place)
    pages = PageCache(PLENTY)
    with WorldStore.open(place) as store:
        world = store.load(pages)
    camera = TREE.cameras[3].zoomed(4.0)
    visible = visible_set(world, camera, RenderSettings(h_ref=64))
    assert pages.statistics.misses == 0 < len(visible.blocks) < len(world.blocks)
    assert visible.surfel_count == sum(len(block.surfels) for block in visible.blocks)
    for block in visible.blocks:
        assert isinstance(block.columns, Surfels) or block.columns.in_memory
    assert pages.statistics.misses == len(visible.blocks)


def test_a_zoom_reads_the_blocks_and_views_that_it_touches(place: Path) -> None:
    """Bounds patches on a world that is on disk are those of the same world in memory."""
    tree = plant((*ZOOMS, Zoom(2, 0.5, 0.5, 4.0)), Soil(40, 30, sigma=0.3))
    world = written(place, replace(tree, nodes=tree.nodes[:-1]))
    pages = NotedPages()
    with WorldStore.open(place, write=True) as store:
        lazy = store.load(pages)
        commit, same = (each.propose(*tree.nodes[-1]) for each in (lazy, world))
        touched = lazy.octree.touching(tree.cameras[-1])
        assert pages.count("surfels") == len(touched) < len(lazy.blocks)
        # Each once, no picture, and nothing of the node beside.
        assert pages.count("view.0.0.mask") == pages.count("view.0.0.zeta") == len(lazy.nodes) - 1
        assert len(pages.read) == 2 * len(touched) + 2 * (len(lazy.nodes) - 1)
        lazy.apply(commit)
        store.append(commit)
        lazy.settle(store.settled(commit))
        world.apply(same)
        assert lazy.digest() == world.digest()
        assert not any(isinstance(block.columns, Surfels) for block in lazy.blocks)
    with WorldStore.open(place) as store:
        assert store.load(PageCache(0)).digest() == world.digest()


def test_a_settled_commit_is_read_like_any_other(place: Path) -> None:
    """Also what a second zoom patches of the first one's blocks; and nothing settles where all is in memory."""
    world = World(TREE.header)
    with WorldStore.create(place, TREE.header) as store:
        lazy = store.load(PageCache(30_000))
        for node, blocks in TREE.nodes:
            commit = lazy.propose(node, blocks)
            lazy.apply(commit)
            store.append(commit)
            lazy.settle(store.settled(commit))
            world.apply(world.propose(node, blocks))
            assert isinstance(lazy.nodes[node.id].main.maps, DiskMaps)
            assert all(isinstance(view.view.maps, DiskMaps) for view in lazy.views.views)
        assert lazy.digest() == world.digest() and lazy.check() == []
    with WorldStore.open(place, write=True) as store:
        whole = store.load()
        commit = whole.propose_removal(TREE.id(3))
        whole.apply(commit)
        store.append(commit)
        assert store.settled(commit) is commit


# ---- damage -------------------------------------------------------------------------------------------------
def tensor_at(path: Path, name: str) -> int:
    """Offset of a tensor in a commit's file."""
    data = path.read_bytes()
    (length,) = struct.unpack_from("<Q", data)
    return 8 + length + int(json.loads(data[8 : 8 + length])[name]["data_offsets"][0])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(data)


def file_of(place: Path, revision: int) -> Path:
    return next((place / "commits").glob(f"{revision:08d}-*"))


@pytest.mark.parametrize("tensor", ["surfels.means", "surfels.colors", "bounds.child", "patches.parent"])
def test_a_damaged_chunk_is_one_block_that_is_lost(place: Path, tensor: str) -> None:
    world = written(place)
    revision = 2 if tensor.startswith("surfels") else 4  # older bounds are nobody's any more
    flip(file_of(place, revision), tensor_at(file_of(place, revision), tensor))
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(PLENTY))
        assert store.damaged == {}  # nobody has looked there yet
        lost: list[BlockLost] = []
        for one, other in zip(lazy.blocks, world.blocks, strict=True):
            try:
                assert one.bounds.same_as(other.bounds)
                assert np.array_equal(one.surfels.means, other.surfels.means)
            except BlockLost as error:
                lost.append(error)
        assert len(lost) == 1
        assert "have changed" in str(lost[0]) and lost[0].node in str(lost[0])
        assert list(store.damaged) == [lost[0].node]
    found = verify(place)
    assert len(found.wrong) == 1 and "its bytes have changed" in found.wrong[0]


@pytest.mark.parametrize("tensor", ["manifest", "state.0"])
def test_what_is_read_at_once_is_looked_at_at_once(place: Path, tensor: str) -> None:
    """As where the whole world is loaded: the node keeps its place in the tree, without blocks."""
    nodes = [(replace(node, generator_state=b"what was made"), blocks) for node, blocks in TREE.nodes]
    written(place, replace(TREE, nodes=nodes))
    flip(file_of(place, 2), tensor_at(file_of(place, 2), tensor) + 1)
    with WorldStore.open(place) as store:
        lazy, pages = store.load(PageCache(PLENTY)), store.damaged
        whole = store.load()
        assert lazy.digest() == whole.digest()
        assert list(pages) == [TREE.id(1)] and lazy.blocks_of(TREE.id(1)) == []


@pytest.mark.parametrize("what", ["mask", "zeta", "image"])
def test_a_damaged_view_is_lost_when_it_is_read(place: Path, what: str) -> None:
    """By name, and its node's blocks are still there."""
    world, name = written(place), TREE.id(1)
    flip(file_of(place, 2), tensor_at(file_of(place, 2), f"view.0.0.{what}") + 1)
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(PLENTY))
        assert store.damaged == {}  # nobody has looked there yet
        for part in ("mask", "zeta", "image"):
            if part == what:
                with pytest.raises(
                    ViewLost, match=rf"^view 0 of node '{name}' is lost: its bytes have changed \("
                ):
                    getattr(lazy.node(name).main, part)
            else:
                same = getattr(world.node(name).main, part)
                assert np.array_equal(getattr(lazy.node(name).main, part), same, equal_nan=part == "zeta")
        assert list(store.damaged) == [name]
        assert all(len(block.surfels) for block in lazy.blocks_of(name))
        with pytest.raises(ViewLost):
            lazy.digest()
        assert list(dict(store.damaged)) == [name]


def test_a_node_with_a_damaged_view_can_go(place: Path) -> None:
    """As if it were whole; what would stand on it is refused."""
    tree = plant((*ZOOMS, Zoom(1, 0.5, 0.5, 4.0)), Soil(40, 30, sigma=0.3))
    world = written(place, replace(tree, nodes=tree.nodes[:-1]))
    flip(file_of(place, 2), tensor_at(file_of(place, 2), "view.0.0.mask") + 1)
    with WorldStore.open(place, write=True) as store:
        lazy = store.load(PageCache(PLENTY))
        with pytest.raises(ViewLost, match=tree.id(1)):
            lazy.propose(*tree.nodes[-1])
        commit, same = (each.propose_removal(tree.id(1)) for each in (lazy, world))
        assert commit.patches and [(p.node, p.cell) for p in commit.patches] == [
            (p.node, p.cell) for p in same.patches
        ]
        lazy.apply(commit)
        world.apply(same)
        assert lazy.digest() == world.digest()


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_file_costs_the_same_as_where_all_is_loaded(place: Path, lost: int) -> None:
    written(place, removed=[3])
    file_of(place, lost + 1).unlink()
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(PLENTY))
        assert lazy.digest() == store.load().digest()


def test_a_lost_removal_opens_what_waited_for_it(place: Path) -> None:
    written(place, removed=[3])
    file_of(place, len(TREE.nodes) + 1).unlink()
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(PLENTY))
        assert lazy.digest() == store.load().digest() and TREE.id(3) not in lazy.nodes


def test_a_file_that_is_cut_while_the_world_is_open_is_an_error_and_no_crash(place: Path) -> None:
    written(place)
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(PLENTY))
    file = file_of(place, 2)
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(BlockLost, match="too early|have changed"):
        for block in lazy.blocks_of(TREE.id(1)):
            assert len(block.surfels) and len(block.bounds)
    file.unlink()
    with pytest.raises(BlockLost, match="No such file"):
        _ = lazy.blocks_of(TREE.id(1))[-1].surfels, lazy.blocks_of(TREE.id(1))[-1].bounds
    with pytest.raises(ViewLost, match="No such file"):
        _ = lazy.node(TREE.id(1)).main.mask
    assert all(len(block.surfels) for block in lazy.blocks_of(TREE.id(0)))


# ---- summaries ----------------------------------------------------------------------------------------------
def drop_summaries(place: Path) -> None:
    connection = sqlite3.connect(place / "world.sqlite")
    connection.execute(f"DROP TABLE {SUMMARIES}")
    connection.close()


def test_a_world_of_an_older_version_is_read_once_and_then_knows(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = written(place)
    drop_summaries(place)
    reads: list[Path] = []
    real = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: reads.append(path) or real(path))
    for write, expected in ((False, 4), (False, 4), (True, 4), (False, 0), (True, 0)):
        reads.clear()
        with WorldStore.open(place, write) as store:
            assert store.load(PageCache(0)).revision == world.revision
        assert len([path for path in reads if path.suffix == ".safetensors"]) == expected
    with WorldStore.open(place) as store:
        assert store.load(PageCache(0)).digest() == world.digest()
    assert verify(place).wrong == ()


def test_a_file_of_an_older_format_is_read_whole(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = written(place)
    monkeypatch.setattr(store_file, "FORMAT", 2)
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(0))
    assert all(isinstance(block.columns, Surfels) for block in lazy.blocks)
    assert lazy.digest() == world.digest()


def test_a_log_of_old_and_new_commits_is_patched_all_the_same(place: Path) -> None:
    """The first commit has no summary that this version could use; the later ones patch its blocks."""
    world = written(place)
    alter(place, 1, b"")
    with WorldStore.open(place) as store:
        lazy = store.load(PageCache(0))
    assert all(isinstance(block.columns, Surfels) for block in lazy.blocks_of(TREE.id(0)))
    assert not any(isinstance(block.columns, Surfels) for block in lazy.blocks_of(TREE.id(1)))
    assert lazy.digest() == world.digest()


def alter(place: Path, revision: int, summary: bytes) -> None:
    connection = sqlite3.connect(place / "world.sqlite")
    connection.execute(f"UPDATE {SUMMARIES} SET summary = ? WHERE revision = ?", (summary, revision))
    connection.commit()
    connection.close()


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("hostile") / "world"
    written(place, replace(TREE, nodes=TREE.nodes[:2]))
    return place


@settings(max_examples=25)
@given(st.data())
def test_a_summary_from_anywhere_is_no_danger(small_world: Path, data: st.DataObject) -> None:
    """It decodes to a summary or is refused; what lies is found by whoever verifies, and harms nobody."""
    with WorldStore.open(small_world) as store:
        (commit,) = store.commits(1, 2)
    kept = summarised(commit, file_of(small_world, 2).read_bytes())
    changed = bytearray(kept)
    for _ in range(data.draw(st.integers(1, 4))):
        changed[data.draw(st.integers(0, len(kept) - 1))] ^= data.draw(st.integers(1, 255))
    summary = bytes(changed[: data.draw(st.integers(0, len(kept)) | st.just(len(kept)))])
    if summary == kept:
        return
    try:
        assert encode_summary(decode_summary(summary))
    except BadCommit:
        pass
    alter(small_world, 2, summary)
    assert verify(small_world).wrong
    with WorldStore.open(small_world) as store:
        lazy = store.load(PageCache(PLENTY))
        assert len(lazy.nodes) == 2
        for block in lazy.blocks:
            try:
                assert len(block.surfels) == len(block.bounds)
            except BlockLost:
                assert block.node in store.damaged


def test_a_summary_that_is_none_is_worked_out_anew_and_kept(place: Path) -> None:
    world = written(place)
    alter(place, 2, b"no summary at all")
    for write in (False, True):
        with WorldStore.open(place, write) as store:
            assert store.load(PageCache(0)).digest() == world.digest() and store.damaged == {}
        assert bool(verify(place).wrong) != write
