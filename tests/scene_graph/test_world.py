"""A world changes by whole commits, refuses what does not fit, and can say what is wrong with it."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from trees import Soil, Tree, Zoom, plant
from worlds import plane_node

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.commit import BoundsPatch, Commit, WorldHeader
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels
from wonderzoom.scene_graph.world import (
    InvalidCommit,
    RevisionConflict,
    RootRemoval,
    UnknownNode,
    World,
    WorldError,
)

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


# ---- reading ------------------------------------------------------------------------------------------
def test_a_world_branches(tree: Tree) -> None:
    world = tree.world()
    ids = [tree.id(k) for k in range(5)]
    assert world.revision == 5
    assert world.root is not None and world.root.id == ids[0]
    assert [node.id for node in world.children(ids[0])] == sorted(ids[1:3])
    assert [node.id for node in world.path(ids[4])] == [ids[0], ids[1], ids[3], ids[4]]
    assert world.subtree(ids[1]) == sorted([ids[1], ids[3], ids[4]])
    assert world.subtree(ids[2]) == [ids[2]]
    assert {block.node for block in world.blocks} == set(ids)
    assert sum((world.blocks_of(name) for name in sorted(ids)), []) == world.blocks
    assert world.check() == []


def test_an_empty_world_is_sound() -> None:
    world = World()
    assert (world.root, world.revision, world.blocks, world.check()) == (None, 0, [], [])
    assert world.digest() == World().digest() != World(WorldHeader(h_ref=256)).digest()
    for ask in (
        world.node,
        world.children,
        world.path,
        world.subtree,
        world.blocks_of,
        world.propose_removal,
    ):
        with pytest.raises(UnknownNode, match="no node 'x'"):
            ask("x")


def test_a_node_knows_its_place_and_its_scales(tree: Tree) -> None:
    world = tree.world()
    for name, node in world.nodes.items():
        blocks = world.blocks_of(name)
        assert all(node.cell.contains(block.cell) for block in blocks)
        assert not any(all(c.contains(block.cell) for block in blocks) for c in node.cell.children())
        boxes = surfel_boxes([block.surfels for block in blocks])
        for block, box in zip(blocks, boxes, strict=True):
            placed = box * block.cell.edge_in(node.cell) + block.cell.centre_from(node.cell)
            assert (placed[0] >= np.array(node.bounds[0]) - 1e-12).all()
            assert (placed[1] <= np.array(node.bounds[1]) + 1e-12).all()
        for said, columns in (
            (node.native_scale, [b.surfels.native + b.cell.ln_edge for b in blocks]),
            (node.parent_scale, [b.bounds.parent + b.cell.ln_edge for b in blocks]),
            (node.child_scale, [b.bounds.child + b.cell.ln_edge for b in blocks]),
        ):
            assert said == pytest.approx((min(c.min() for c in columns), max(c.max() for c in columns)))


# ---- proposing and applying ------------------------------------------------------------------------------
def test_a_proposal_changes_nothing_and_a_commit_counts(tree: Tree) -> None:
    world = tree.world([0])
    before = world.digest()
    commit = world.propose(*tree.nodes[1])
    assert (world.revision, world.digest(), commit.revision) == (1, before, 2)
    world.apply(commit)
    assert world.revision == 2 and world.digest() != before
    for block in (*commit.blocks, *(world.octree.block(p.node, p.cell) for p in commit.patches)):
        assert block.bounds.revision == 2


def test_what_a_making_took_is_not_what_was_made(tree: Tree) -> None:
    node, blocks = tree.nodes[1]
    digests: list[str] = []
    for provenance in ((), (("memory", "upscale 11.8 GB"),), (("notes", "sky"),)):
        world = tree.world([0])
        world.apply(world.propose(replace(node, provenance=provenance), blocks))
        digests.append(world.digest())
    assert digests[0] == digests[1] != digests[2]


def test_of_two_proposals_the_second_has_to_be_made_again(tree: Tree) -> None:
    world = tree.world([0])
    one, two = world.propose(*tree.nodes[1]), world.propose(*tree.nodes[2])
    world.apply(one)
    before = world.digest()
    with pytest.raises(RevisionConflict, match="has revision 3, got one of revision 2") as caught:
        world.apply(two)
    assert (caught.value.expected, caught.value.got) == (3, 2)
    assert world.digest() == before
    world.apply(world.propose(*tree.nodes[2]))
    assert world.digest() == tree.world([0, 2, 1]).digest()


def test_what_a_reader_holds_stays_as_it_was(tree: Tree) -> None:
    world = tree.world([0])
    held = world.blocks
    bounds = [block.bounds for block in held]
    world.apply(world.propose(*tree.nodes[1]))
    assert [block.bounds for block in held] == bounds
    assert any(not a.same_as(b.bounds) for a, b in zip(bounds, world.blocks_of(tree.id(0)), strict=True))


def test_a_removal_takes_the_subtree_and_leaves_no_trace(tree: Tree) -> None:
    world = tree.world()
    commit = world.propose_removal(tree.id(1))
    assert commit.removed == tuple(sorted(tree.id(k) for k in (1, 3, 4)))
    world.apply(commit)
    assert world.revision == 6
    assert world.node(tree.id(0)).children == (tree.id(2),)
    assert world.digest() == tree.world([0, 2]).digest()
    assert world.check() == []


def test_removing_what_was_just_added_restores_every_byte(tree: Tree) -> None:
    world = tree.world([0, 2])
    before = {block.key: block.bounds for block in world.blocks}
    world.apply(world.propose(*tree.nodes[1]))
    assert any(not before[b.key].same_as(b.bounds) for b in world.blocks if b.key in before)
    world.apply(world.propose_removal(tree.id(1)))
    assert all(before[block.key].same_as(block.bounds) for block in world.blocks)


def test_replacing_is_one_commit(tree: Tree) -> None:
    world = tree.world()
    other = plane_node(
        tree.cameras[1].zoomed(1.3), replace(tree.plane, point=tree.cameras[1].pivot), tree.id(0)
    )
    commit = world.propose(*other, replacing=tree.id(1))
    assert commit.removed == tuple(sorted(tree.id(k) for k in (1, 3, 4)))
    assert [node.id for node in commit.added] == [other[0].id]
    world.apply(commit)
    assert world.revision == 6
    only = tree.world([0, 2])
    only.apply(only.propose(*other))
    assert world.digest() == only.digest()
    assert world.check() == []


def test_a_node_can_be_replaced_by_one_of_its_own_name(tree: Tree) -> None:
    world = tree.world()
    world.apply(world.propose(*tree.nodes[2], replacing=tree.id(2)))
    assert world.digest() == tree.world().digest()
    assert world.check() == []


def test_a_commit_may_bring_a_node_and_its_child(tree: Tree) -> None:
    """What a stored log may hold; the bounds are those of the two insertions together."""
    world, grown = tree.world([0]), tree.world([0, 1, 3])
    nodes = tuple(replace(grown.node(tree.id(k)), children=()) for k in (1, 3))
    blocks = tuple(block for k in (1, 3) for block in grown.blocks_of(tree.id(k)))
    patches = tuple(BoundsPatch(b.node, b.cell, b.bounds) for b in grown.blocks_of(tree.id(0)))
    world.apply(Commit(2, nodes, (), blocks, patches))
    assert world.digest() == grown.digest()
    assert world.check() == []


def test_a_copy_goes_its_own_way(tree: Tree) -> None:
    world = tree.world([0, 1])
    before, twin = world.digest(), world.copy()
    assert (twin.digest(), twin.revision) == (before, world.revision)
    twin.apply(twin.propose(*tree.nodes[2]))
    twin.apply(twin.propose_removal(tree.id(1)))
    assert (world.digest(), world.check(), twin.check()) == (before, [], [])
    assert twin.digest() == tree.world([0, 2]).digest()


# ---- refusals ---------------------------------------------------------------------------------------------
def test_the_root_stays(tree: Tree) -> None:
    world = tree.world([0, 1])
    with pytest.raises(RootRemoval, match="start a new one"):
        world.propose_removal(tree.id(0))
    with pytest.raises(RootRemoval):
        world.propose(*tree.nodes[2], replacing=tree.id(0))
    with pytest.raises(RootRemoval):
        world.apply(Commit(3, removed=(tree.id(0), tree.id(1))))


def test_proposals_that_do_not_fit_are_refused(tree: Tree) -> None:
    world = tree.world([0, 1])
    node, blocks = tree.nodes[2]
    cell, surfels = blocks[0]
    lost = replace(node, parent="nobody")
    below = replace(tree.nodes[3][0], id="below")
    cases: list[tuple[type[WorldError], str, Callable[[], object]]] = [
        (InvalidCommit, "is in the world already", lambda: world.propose(*tree.nodes[1])),
        (InvalidCommit, "has a root already", lambda: world.propose(replace(node, parent=None), blocks)),
        (UnknownNode, "no node 'nobody'", lambda: world.propose(lost, blocks)),
        (UnknownNode, "no node 'nobody'", lambda: world.propose(node, blocks, replacing="nobody")),
        (UnknownNode, tree.id(1), lambda: world.propose(below, blocks, replacing=tree.id(1))),
        (InvalidCommit, "has no view", lambda: world.propose(replace(node, views=()), blocks)),
        (InvalidCommit, "has no surfels", lambda: world.propose(node, [])),
        (InvalidCommit, "two blocks in one cell", lambda: world.propose(node, [*blocks, blocks[0]])),
        (InvalidCommit, "is empty", lambda: world.propose(node, [(cell, surfels.take(slice(0, 0)))])),
        (InvalidCommit, "names view 9 of 1", lambda: world.propose(node, [(cell, with_view(surfels, 9))])),
    ]
    before = world.digest()
    for error, words, attempt in cases:
        with pytest.raises(error, match=words):
            attempt()
    assert (world.digest(), world.revision, world.check()) == (before, 2, [])


def with_view(surfels: Surfels, view: int) -> Surfels:
    return replace(surfels, view=np.full(len(surfels), view, np.uint16))


def first_block(commit: Commit, **columns: np.ndarray) -> Commit:
    """A commit whose first block has other columns."""
    block = commit.blocks[0]
    other = Block(block.cell, block.node, replace(block.surfels, **columns), block.bounds)
    return replace(commit, blocks=(other, *commit.blocks[1:]))


def first_bounds(commit: Commit, **columns: np.ndarray) -> Commit:
    block = commit.blocks[0]
    return replace(commit, blocks=(block.with_bounds(replace(block.bounds, **columns)), *commit.blocks[1:]))


def first_patch(commit: Commit, **columns: np.ndarray) -> Commit:
    patch = commit.patches[0]
    return replace(
        commit, patches=(replace(patch, limits=replace(patch.bounds, **columns)), *commit.patches[1:])
    )


def rows(commit: Commit, value: float) -> np.ndarray:
    return np.full(len(commit.blocks[0].surfels), value, np.float32)


TAMPERED: dict[str, Callable[[Commit], Commit]] = {
    "is in the world already": lambda c: replace(c, added=(*c.added, *c.added)),
    "has views and no children": lambda c: replace(c, added=(replace(c.added[0], children=("x",)),)),
    "two blocks of one node": lambda c: replace(c, blocks=(*c.blocks, c.blocks[0])),
    "which is not added": lambda c: replace(
        c, blocks=(Block(c.blocks[0].cell, "x", c.blocks[0].surfels, c.blocks[0].bounds),)
    ),
    "no node 'x'": lambda c: replace(c, removed=("x",)),
    "removed twice": lambda c: replace(c, removed=("x", "x")),
    "which is not there": lambda c: replace(c, patches=(BoundsPatch("x", Cell(0, 0, 0, 0), Bounds.open(1)),)),
    "bounds for": lambda c: replace(c, patches=(replace(c.patches[0], limits=Bounds.open(1)),)),
    "means holds a number that is not finite": lambda c: first_block(
        c, means=np.full_like(c.blocks[0].surfels.means, np.nan)
    ),
    "of the cell's centre": lambda c: first_block(c, means=np.full_like(c.blocks[0].surfels.means, 3.0)),
    "zeros is not a rotation": lambda c: first_block(c, quats=np.zeros_like(c.blocks[0].surfels.quats)),
    "log_scales holds a size": lambda c: first_block(
        c, log_scales=np.full_like(c.blocks[0].surfels.log_scales, 40.0)
    ),
    "opacities must lie": lambda c: first_block(c, opacities=rows(c, 2.0)),
    "parent bound is not coarser": lambda c: first_bounds(c, parent=rows(c, -9.0)),
    "child bound is not finer": lambda c: first_patch(c, child=np.full_like(c.patches[0].bounds.child, 3.0)),
    "has no owner": lambda c: first_bounds(c, parent_owner=rows(c, -1.0).astype(np.int16)),
    "names owner 7 of 1": lambda c: first_bounds(c, parent_owner=rows(c, 7.0).astype(np.int16)),
    "not coarser than its surfel": lambda c: first_bounds(c, parent=rows(c, np.nan)),
    "both sides of the edge": lambda c: replace(
        c, blocks=(Block(Cell(5, -1, 5, 5), c.added[0].id, c.blocks[0].surfels, c.blocks[0].bounds),)
    ),
    "beyond 1048576": lambda c: replace(
        c, blocks=(Block(Cell(1 << 22, 5, 5, 5), c.added[0].id, c.blocks[0].surfels, c.blocks[0].bounds),)
    ),
}


@pytest.mark.parametrize("words", list(TAMPERED))
def test_a_commit_that_was_tampered_with_is_refused_whole(tree: Tree, words: str) -> None:
    world = tree.world([0])
    commit = world.propose(*tree.nodes[1])
    before = world.digest()
    with pytest.raises(WorldError, match=words):
        world.apply(TAMPERED[words](commit))
    assert (world.digest(), world.revision, world.check()) == (before, 1, [])
    world.apply(commit)
    assert world.check() == []


def test_children_are_not_left_without_their_parent(tree: Tree) -> None:
    world = tree.world()
    with pytest.raises(InvalidCommit, match="would leave its children"):
        world.apply(Commit(6, removed=(tree.id(1),)))
    assert world.check() == []


# ---- certainty ----------------------------------------------------------------------------------------------
def test_a_digest_is_of_what_is_live(tree: Tree) -> None:
    world = tree.world([0, 1])
    digest = world.digest()
    world.apply(world.propose(*tree.nodes[2]))
    assert world.digest() != digest
    world.apply(world.propose_removal(tree.id(2)))
    assert (world.revision, world.digest()) == (4, digest)
    for change in (
        {"prompt": "a fox"},
        {"generator_state": b"x"},
        {"provenance": (("a", "b"),)},
        {"seed": 9},
    ):
        other = tree.world([0, 1])
        name = tree.id(1)
        other.nodes[name] = replace(other.nodes[name], **change)
        assert other.digest() != digest
