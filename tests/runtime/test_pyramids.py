"""Pyramids of blocks on disk stay within their bound, and are made again when they are needed again."""

import threading
from pathlib import Path

import pytest
from trees import Soil, Zoom, plant

from wonderzoom.runtime.pyramids import Pyramids
from wonderzoom.runtime.sight import BYTES_A_SURFEL
from wonderzoom.scene_graph.mips import Missing, level_count, make_mips
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.world import World

TREE = plant([Zoom(0, 0.5, 0.5, 3.0), Zoom(1, 0.5, 0.5, 3.0)], Soil(24, 18))


@pytest.fixture
def worlds(tmp_path: Path) -> tuple[World, World]:
    """The same world on disk and in memory."""
    world = World(TREE.header)
    with WorldStore.create(tmp_path / "w", TREE.header) as store:
        for node, blocks in TREE.nodes:
            commit = world.propose(node, blocks)
            world.apply(commit)
            store.append(commit)
        return store.load(PageCache()), world


def whole_pyramid(world: World, block: Block) -> int:
    """Make all of it; its bytes."""
    make_mips([block], level_count(block) - 1, [view.camera for view in world.node(block.node).views])
    return BYTES_A_SURFEL * sum(level.count for level in block.mips)


def test_what_was_drawn_longest_ago_goes_first_and_comes_back(worlds: tuple[World, World]) -> None:
    lazy, _ = worlds
    a, b, c = lazy.blocks[:3]
    sizes = [whole_pyramid(lazy, block) for block in (a, b, c)]
    kept = Pyramids(sizes[0] + sizes[2], threading.Lock())
    kept.drawn([a, b])
    kept.drawn([a])
    kept.drawn([c])
    kept.close()
    assert (len(a.mips), len(b.mips), len(c.mips)) == (level_count(a) - 1, 0, level_count(c) - 1)
    assert kept.nbytes == sizes[0] + sizes[2] <= kept.max_bytes
    assert whole_pyramid(lazy, b) == sizes[1]


def test_a_pyramid_that_grows_counts_as_it_is(worlds: tuple[World, World]) -> None:
    lazy, _ = worlds
    block = lazy.blocks[0]
    kept = Pyramids(1 << 30, threading.Lock())
    make_mips([block], 1, [view.camera for view in lazy.node(block.node).views])
    kept.drawn([block])
    first = kept.nbytes
    whole = whole_pyramid(lazy, block)
    kept.drawn([block])
    assert 0 < first < whole == kept.nbytes


def test_blocks_that_are_in_memory_for_good_keep_theirs(worlds: tuple[World, World]) -> None:
    _, whole = worlds
    for block in whole.blocks:
        whole_pyramid(whole, block)
    kept = Pyramids(0, threading.Lock())
    kept.drawn(whole.blocks)
    assert kept.nbytes == 0 and all(block.mips for block in whole.blocks)


def test_frames_go_first_and_it_is_told_once_when_all_is_made(worlds: tuple[World, World]) -> None:
    _, world = worlds
    told: list[bool] = []
    nodes = [world.blocks_of(name) for name in list(world.nodes)[:2]]
    every = [block for blocks in nodes for block in blocks if level_count(block) > 1]
    made = Pyramids(1 << 30, threading.Lock(), lambda: told.append(all(block.mips for block in every)))
    made._took_s = 1e6  # as if the last go had taken long: the next waits until no frame is drawn
    try:
        with made.frame(), made.frame():
            for blocks in nodes:
                cameras = tuple(view.camera for view in world.node(blocks[0].node).views)
                made.later(Missing(tuple(blocks), 1, cameras))
            with pytest.raises(TimeoutError):
                made._thread.submit(lambda: None).result(0.05)
            assert not any(block.mips for block in every)
        made._thread.submit(lambda: None).result(10.0)
    finally:
        made.close()
    assert told == [True]
