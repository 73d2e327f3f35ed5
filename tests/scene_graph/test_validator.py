"""The validator finds a planted violation of every law that can be seen on a world, and none in a sound one."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from trees import Soil, Tree, Zoom, plant

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.surfels import Bounds
from wonderzoom.scene_graph.world import World

# 0 root; 1 and 2 side by side and overlapping; 3 below 1; 4 below 3.
ZOOMS = (
    Zoom(0, 0.4, 0.5, 3.0),
    Zoom(0, 0.6, 0.5, 4.0),
    Zoom(1, 0.5, 0.5, 3.0, "left"),
    Zoom(3, 0.5, 0.5, 2.0),
)


@pytest.fixture(scope="module")
def tree() -> Tree:
    return plant(ZOOMS, Soil(tilt=0.3, sigma=0.3))


def test_a_sound_world_has_nothing_wrong(tree: Tree) -> None:
    assert World().check() == [] and tree.world().check() == []


def orphan(world: World, tree: Tree) -> None:
    del world.nodes[tree.id(4)]


def estranged(world: World, tree: Tree) -> None:
    world.nodes[tree.id(3)] = replace(world.nodes[tree.id(3)], children=())


def second_root(world: World, tree: Tree) -> None:
    world.nodes[tree.id(2)] = replace(world.nodes[tree.id(2)], parent=None)


def repainted(world: World, tree: Tree) -> None:
    block = world.blocks_of(tree.id(2))[0]
    painted = replace(block.surfels, colors=255 - block.surfels.colors)
    world.octree.rebound([replace(block, columns=painted)])  # with the old hash


def rebounded(world: World, tree: Tree) -> None:
    block = world.blocks_of(tree.id(0))[0]
    world.octree.rebound([block.with_bounds(Bounds.open(len(block.surfels)))])


def forgotten(world: World, tree: Tree) -> None:
    world._cells[tree.id(2)].popitem()


def ghost(world: World, tree: Tree) -> None:
    world.nodes["ghost"] = replace(world.nodes[tree.id(4)], id="ghost")


def moved(world: World, tree: Tree) -> None:
    node = world.nodes[tree.id(2)]
    world.nodes[node.id] = replace(node, cell=node.cell.ancestor())


def rescaled(world: World, tree: Tree) -> None:
    world.nodes[tree.id(2)] = replace(world.nodes[tree.id(2)], child_scale=(0.0, 1.0))


def extra_cell(world: World, tree: Tree) -> None:
    world.octree._slots[Cell(40, 1, 2, 3)] = 0


def circling(world: World, tree: Tree) -> None:
    """1 and its child 3 name each other as parents: away from the root, with all links in order."""
    root, one, three = (tree.id(number) for number in (0, 1, 3))
    world.nodes[root] = replace(world.nodes[root], children=(tree.id(2),))
    world.nodes[one] = replace(world.nodes[one], parent=three)
    world.nodes[three] = replace(world.nodes[three], children=(one, *world.nodes[three].children))


def spoiled(world: World, tree: Tree) -> None:
    block = world.blocks_of(tree.id(2))[0]
    means = block.surfels.means.copy()
    means[0] = np.nan
    world.octree.rebound([replace(block, columns=replace(block.surfels, means=means))])


def doubled(world: World, tree: Tree) -> None:
    """Law 1: a covered surfel that never gives way, so that weights sum to two."""
    block = next(each for each in world.blocks_of(tree.id(0)) if (each.bounds.child_owner >= 0).any())
    none = np.full_like(block.bounds.child_owner, -1)
    child = np.full_like(block.bounds.child, -np.inf)
    world.octree.rebound([block.with_bounds(replace(block.bounds, child=child, child_owner=none))])


def holed(world: World, tree: Tree) -> None:
    """Law 4: a surfel that gives way to a node that does not cover it."""
    block = world.blocks_of(tree.id(0))[0]
    bounds, free = block.bounds, block.bounds.child_owner < 0
    assert free.any() and bounds.owners
    owner = np.where(free, 0, bounds.child_owner).astype(np.int16)
    child = np.where(free, block.surfels.native - 1.0, bounds.child).astype(np.float32)
    world.octree.rebound([block.with_bounds(replace(bounds, child=child, child_owner=owner))])


def crossed(world: World, tree: Tree) -> None:
    """Law 2: a parent bound on the wrong side, by whose distance a weight is divided."""
    block = world.blocks_of(tree.id(2))[0]
    parent = np.where(block.bounds.parent_owner >= 0, block.surfels.native, block.bounds.parent)
    world.octree.rebound([block.with_bounds(replace(block.bounds, parent=parent))])


def hidden(world: World, tree: Tree) -> None:
    """Laws 4 and 8: a subtree that is skipped at scales at which it has to be drawn."""
    world.octree._columns.interval[0] = 0.0, 1.0


def orderly(world: World, tree: Tree) -> None:
    """Law 5: a child bound as it would be had a view come later."""
    block = next(each for each in world.blocks_of(tree.id(0)) if (each.bounds.child_owner >= 0).any())
    child = np.where(block.bounds.child_owner >= 0, block.bounds.child - 0.1, block.bounds.child)
    world.octree.rebound([block.with_bounds(replace(block.bounds, child=child.astype(np.float32)))])


def haunted(world: World, tree: Tree) -> None:
    """Law 6: bounds that still name a node that is gone."""
    before = world.blocks_of(tree.id(0))
    world.apply(world.propose_removal(tree.id(1)))
    world.octree.rebound([block for block in before if tree.id(1) in block.bounds.owners])


def miscounted(world: World, tree: Tree) -> None:
    world.octree._columns.counts[0, 1] += 1


@pytest.mark.parametrize(
    ("tamper", "words"),
    [
        (orphan, "an orphan, its node is not live"),
        (orphan, "is not live"),
        (estranged, "does not have it as a child"),
        (second_root, "more than one root"),
        (repainted, "its write-once columns do not have its hash"),
        (rebounded, "its bounds are not those that the live views give"),
        (forgotten, "its blocks are not those of the octree"),
        (ghost, "'ghost': it has no blocks"),
        (moved, "its cell, box or native scales are not those of its blocks"),
        (rescaled, "its parent or child scales are not those of its blocks"),
        (extra_cell, "its cells are not those that its blocks need"),
        (miscounted, "its aggregate is not that of its subtree"),
        (circling, "it can't be reached from the root"),
        (spoiled, "holds a number that is not finite"),
        (doubled, "its bounds are not those that the live views give"),
        (holed, "its bounds are not those that the live views give"),
        (crossed, "a parent bound is not coarser than its surfel"),
        (hidden, "its aggregate is not that of its subtree"),
        (orderly, "its bounds are not those that the live views give"),
        (haunted, "its bounds are not those that the live views give"),
    ],
)
def test_check_names_what_is_wrong(tree: Tree, tamper: Callable[[World, Tree], None], words: str) -> None:
    world = tree.world()
    tamper(world, tree)
    assert any(words in line for line in world.check()), world.check()


# ---- stored worlds ----------------------------------------------------------------------------------
def stored(path: Path, tree: Tree, spoil: Callable[[Commit], Commit]) -> World:
    """A world written, with its last commit spoilt, and read again."""
    world = World(tree.header)
    with WorldStore.create(path, tree.header) as store:
        for number, (node, blocks) in enumerate(tree.nodes):
            commit = world.propose(node, blocks)
            world.apply(commit)
            store.append(spoil(commit) if number == len(tree.nodes) - 1 else commit)
    with WorldStore.open(path) as store:
        return store.load()


def test_a_stored_world_is_walked_like_a_live_one(tmp_path: Path, tree: Tree) -> None:
    assert stored(tmp_path / "w", tree, lambda commit: commit).check() == []
    unpatched = stored(tmp_path / "unpatched", tree, lambda commit: replace(commit, patches=()))
    assert {line.partition(": ")[2] for line in unpatched.check()} == {
        "its bounds are not those that the live views give"
    }


def test_a_commit_that_was_lost_on_the_disk_is_named(tmp_path: Path, tree: Tree) -> None:
    """Law 12: it was acknowledged, so it has to be there, whole."""
    stored(tmp_path / "w", tree, lambda commit: commit)
    next((tmp_path / "w" / "commits").glob("00000005-*")).unlink()
    with WorldStore.open(tmp_path / "w") as store:
        assert f"node {tree.id(4)!r}: it has no blocks" in store.load().check()
