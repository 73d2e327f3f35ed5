"""The octree is a function of its blocks, each cell knows its subtree, and queries find what is there."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule
from scene_strategies import cells

from wonderzoom.scene_graph.camera import initial_camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL, Cell, common_ancestor
from wonderzoom.scene_graph.extent import bounds_interval, surfel_boxes
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels


def block_in(cell: Cell, node: str = "a", count: int = 1, child: float = -8.0, parent: float = -1.0) -> Block:
    """A block of ``count`` small surfels, visible between two scales relative to its edge."""
    rng = np.random.default_rng(abs(hash((cell.level, *cell.index))) % 2**32)
    surfels = Surfels(
        rng.uniform(-0.5, 0.5, (count, 3)).astype(np.float32),
        np.tile(np.array([1, 0, 0, 0], np.float32), (count, 1)),
        np.full((count, 2), -4.5, np.float32),
        np.full(count, 0.5, np.float32),
        np.zeros((count, 3), np.uint8),
        np.full(count, -4.2, np.float32),
        np.zeros(count, np.uint16),
        np.zeros(count, np.uint8),
    )
    owner = np.zeros(count, np.int16)
    bounds = Bounds(
        np.full(count, parent, np.float32), np.full(count, child, np.float32), owner, owner, ("p",)
    )
    return Block(cell, node, surfels, bounds)


def expected_cells(blocks: list[Block]) -> set[Cell]:
    """Occupied cells and the smallest cells over two branches, by definition."""
    occupied = {block.cell for block in blocks}
    joins = {common_ancestor((a, b)) for a in occupied for b in occupied}
    return occupied | joins


def check(tree: Octree, blocks: list[Block]) -> None:
    """Everything that must be true of a tree with these blocks."""
    keys = sorted(blocks, key=lambda block: block.key)
    assert [block.key for block in tree.blocks()] == [block.key for block in keys]
    assert len(tree) == len(blocks)
    present = expected_cells(blocks)
    assert set(tree.cells()) == present
    assert tree.root == (common_ancestor(list(present)) if present else None)
    boxes = dict(zip((block.key for block in blocks), surfel_boxes([b.surfels for b in blocks]), strict=True))
    for cell in present:
        below = [block for block in blocks if cell.contains(block.cell)]
        mine = [boxes[b.key] * b.cell.edge_in(cell) + b.cell.centre_from(cell) for b in below]
        intervals = [bounds_interval(b.cell, b.bounds) for b in below]
        found = tree.aggregate(cell)
        assert found.blocks == len(below)
        assert found.surfels == sum(len(block.surfels) for block in below)
        assert found.interval == (min(i[0] for i in intervals), max(i[1] for i in intervals))
        low, high = np.min([box[0] for box in mine], 0), np.max([box[1] for box in mine], 0)
        assert found.box[0] == pytest.approx(low, rel=1e-9, abs=1e-9)
        assert found.box[1] == pytest.approx(high, rel=1e-9, abs=1e-9)


def state(tree: Octree) -> list[object]:
    """All that a digest sees."""
    return [
        *[(cell, tree.aggregate(cell)) for cell in tree.cells()],
        *[block.hash for block in tree.blocks()],
    ]


def placed(tree: Octree) -> dict[Cell, list[float]]:
    """Where a camera sees each present cell, and how large: what queries go by."""
    cells = tree.cells()
    camera = initial_camera(500.0, 640, 480, math.log(0.2))
    centres, edges = tree.frames(camera).of(np.array([tree._slots[cell] for cell in cells], np.intp))
    return {
        cell: [*centre, edge]
        for cell, centre, edge in zip(cells, centres.tolist(), edges.tolist(), strict=True)
    }


# Close together, so that trees branch and merge; and from shallow to very deep.
near_cells = st.builds(
    lambda level, x, y, z: Cell(level, *((0x5555 << level) + i for i in (x, y, z))),
    st.integers(0, 5) | st.integers(880, 884),
    st.integers(0, 3),
    st.integers(0, 3),
    st.integers(0, 1),
)


class Changes(RuleBasedStateMachine):
    """Any interleaving of insertions, removals and new bounds, against the definition."""

    def __init__(self) -> None:
        super().__init__()
        self.tree = Octree()
        self.model: dict[tuple[str, Cell], Block] = {}
        self.others: list[tuple[Octree, dict[tuple[str, Cell], Block]]] = []

    kept = Bundle("kept")

    @rule(target=kept, cell=near_cells, node=st.sampled_from("abc"), count=st.integers(1, 3))
    def insert(self, cell: Cell, node: str, count: int) -> tuple[str, Cell]:
        block = block_in(cell, node, count)
        if block.key in self.model:
            with pytest.raises(ValueError, match="already"):
                self.tree.change(added=[block])
        else:
            self.tree.change(added=[block])
            self.model[block.key] = block
        return block.key

    @rule(key=consumes(kept))
    def remove(self, key: tuple[str, Cell]) -> None:
        if key in self.model:
            self.tree.change(removed=[key])
            del self.model[key]
        assert key not in self.tree

    @rule(key=kept, child=st.floats(-20.0, -5.0), parent=st.floats(-3.0, 5.0))
    def rebound(self, key: tuple[str, Cell], child: float, parent: float) -> None:
        if key in self.model:
            old = self.model[key]
            block = block_in(old.cell, old.node, len(old.surfels), child, parent)
            self.tree.rebound([block])
            self.model[key] = block

    @precondition(lambda self: len(self.others) < 3)
    @rule(go_on_with_the_copy=st.booleans())
    def copy(self, go_on_with_the_copy: bool) -> None:
        copied = self.tree.copy()
        other, self.tree = (self.tree, copied) if go_on_with_the_copy else (copied, self.tree)
        self.others.append((other, dict(self.model)))

    @invariant()
    def is_what_its_blocks_say(self) -> None:
        check(self.tree, list(self.model.values()))

    def teardown(self) -> None:
        for tree, model in ((self.tree, self.model), *self.others):
            fresh = Octree()
            fresh.change(added=list(model.values()))
            assert state(fresh) == state(tree)
            check(tree, list(model.values()))
            assert placed(fresh) == placed(tree)


TestChanges = Changes.TestCase
TestChanges.settings = settings(max_examples=10, stateful_step_count=12)


@settings(max_examples=20)
@given(st.sets(cells(), min_size=1, max_size=12), st.integers(0, 2**32 - 1))
def test_any_order_makes_the_same_tree(some: set[Cell], seed: int) -> None:
    """At all levels from -60 to 900 at once: the tree's size follows its content, not its depth."""
    blocks = [block_in(cell) for cell in sorted(some)]
    tree, shuffled = Octree(), Octree()
    tree.change(added=blocks)
    for i in np.random.default_rng(seed).permutation(len(blocks)).tolist():
        shuffled.change(added=[blocks[i]])
    assert state(tree) == state(shuffled)
    assert len(tree.cells()) <= 2 * len(blocks)
    tree.change(removed=[block.key for block in blocks])
    assert (tree.root, tree.cells(), tree.blocks()) == (None, [], [])


@settings(max_examples=25)
@given(st.lists(near_cells, min_size=1, max_size=10), near_cells)
def test_a_cell_knows_who_lives_in_it(some: list[Cell], asked: Cell) -> None:
    blocks = list({b.key: b for i, cell in enumerate(some) for b in [block_in(cell, "abc"[i % 3])]}.values())
    tree = Octree()
    tree.change(added=blocks)
    want = sorted((b for b in blocks if asked.contains(b.cell)), key=lambda b: (b.cell, b.node))
    assert [block.key for block in tree.blocks_in(asked)] == [block.key for block in want]
    assert tree.nodes_in(asked) == sorted({block.node for block in want})


@settings(max_examples=25)
@given(st.lists(near_cells, min_size=1, max_size=10), st.floats(-12.0, 2.0))
def test_nodes_at_a_scale_are_those_that_may_show(some: list[Cell], r: float) -> None:
    blocks = list({b.key: b for i, cell in enumerate(some) for b in [block_in(cell, "abc"[i % 3])]}.values())
    tree = Octree()
    tree.change(added=blocks)
    intervals = {block.key: bounds_interval(block.cell, block.bounds) for block in blocks}
    want = {node for (node, _), (low, high) in intervals.items() if low < r < high}
    assert tree.nodes_at(r) == sorted(want)


def test_a_copy_has_slots_and_rows_of_its_own() -> None:
    """Both take another cell into what was free, or comes next, in each of them; and another block into an old one."""
    blocks = [block_in(Cell(6, number, 5, 9), name) for number, name in enumerate("abcd")]
    here = [block_in(Cell(6, 40, 40, 40), "e"), block_in(blocks[1].cell, "y", 2)]
    there = [block_in(Cell(6, 1, 60, 2), "e"), block_in(blocks[1].cell, "z", 3)]
    for gone in ([], [blocks[0].key]):
        tree, expected = Octree(), [Octree(), Octree()]
        tree.change(added=blocks)
        tree.change(gone)
        copied = tree.copy()
        for each, alone, more in zip((tree, copied), expected, (here, there), strict=True):
            each.change(added=more)
            alone.change(added=[block for block in blocks if block.key not in gone] + more)
        for each, alone in zip((tree, copied), expected, strict=True):
            assert (state(each), placed(each)) == (state(alone), placed(alone))
            check(each, alone.blocks())


@given(st.lists(st.lists(near_cells, min_size=1, max_size=6), min_size=1, max_size=5), st.data())
def test_changes_together_end_where_they_do_one_by_one(turns: list[list[Cell]], data: st.DataObject) -> None:
    """Cells come, branch, go, and come again in the slots of others, before anybody works out what they hold."""
    tree, live = Octree(), dict[tuple[str, Cell], Block]()
    with tree.together():
        for number, some in enumerate(turns):
            added = {
                b.key: b
                for cell in some
                if (b := block_in(cell, "ab"[number % 2], number + 1)).key not in live
            }
            gone = [key for key in live if data.draw(st.booleans())]
            tree.change(gone, added.values())
            live = {key: block for key, block in live.items() if key not in gone} | added
    alone = Octree()
    alone.change(added=live.values())
    assert state(tree) == state(alone)
    check(tree, list(live.values()))


def test_an_empty_tree_answers() -> None:
    tree = Octree()
    assert (tree.root, len(tree), tree.cells(), tree.blocks(), tree.nodes_at(0.0)) == (None, 0, [], [], [])
    assert tree.blocks_in(ORIGIN_CELL) == []
    with pytest.raises(KeyError):
        tree.block("a", ORIGIN_CELL)
    with pytest.raises(KeyError):
        tree.aggregate(ORIGIN_CELL)


def test_slots_grow_and_are_used_again() -> None:
    """More blocks than the first arrays hold, half of them replaced by others."""
    tree = Octree()
    first = [block_in(Cell(8, i % 16, i // 16, 5)) for i in range(96)]
    tree.change(added=first)
    later = [block_in(Cell(9, 400 + i, 7, 5), "b") for i in range(48)]
    tree.change(removed=[block.key for block in first[::2]], added=later)
    check(tree, [*first[1::2], *later])
    assert math.isfinite(tree.aggregate(tree.root or ORIGIN_CELL).interval[0])
