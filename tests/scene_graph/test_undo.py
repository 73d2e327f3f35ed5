"""Undo and redo: laws over any interleaving of changes, and that they are as durable as any commit."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import strategies as st
from laws import law
from logs import MemoryLog, zoom_log
from trees import Soil, Tree, Zoom, plant, zoom_lists

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.undo import (
    ContentLost,
    NothingToRedo,
    NothingToUndo,
    propose_redo,
    propose_restoring,
    propose_undo,
)
from wonderzoom.scene_graph.world import RevisionConflict, RootRemoval, UnknownNode, World

SMALL = Soil(12, 9, tilt=0.3, sigma=0.3)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add", "add", "replace", "remove", "undo", "undo one", "redo", "redo one"]),
        st.integers(0, 99),
    ),
    min_size=3,
    max_size=14,
)


class Told:
    """A world and its log in memory."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.world, self.log = tree, World(tree.header), MemoryLog()
        self.make(self.world.propose(*tree.nodes[0]))

    def make(self, commit: Commit) -> None:
        self.world.apply(commit)
        self.log.append(commit)

    def undo(self, node: str | None = None) -> None:
        self.make(propose_undo(self.world, self.log, node))

    def redo(self, node: str | None = None) -> None:
        self.make(propose_redo(self.world, self.log, node))

    def live(self) -> list[int]:
        return [k for k in range(len(self.tree.nodes)) if self.tree.id(k) in self.world.nodes]

    def alone(self) -> World:
        """A world that never knew more than the survivors."""
        return self.tree.world(self.live())

    def step(self, what: str, pick: int) -> None:
        """One change, where there is one of that kind."""
        tree, live = self.tree, self.live()
        able = [k for k in range(len(tree.nodes)) if k not in live and tree.parents[k] in live]
        with contextlib.suppress(NothingToUndo, NothingToRedo):
            if what == "undo":
                self.undo()
            elif what == "redo":
                self.redo()
            elif what == "redo one":
                self.redo(tree.id(pick % len(tree.nodes)))
            elif what == "add" and able:
                self.make(self.world.propose(*tree.nodes[able[pick % len(able)]]))
            elif len(live) > 1:
                victim = tree.id(live[1:][pick % (len(live) - 1)])
                if what == "remove":
                    self.make(self.world.propose_removal(victim))
                elif what == "undo one":
                    self.undo(victim)
                elif what == "replace":
                    gone = self.world.subtree(victim)
                    free = [k for k in able if tree.id(tree.parents[k]) not in gone]
                    if free:
                        self.make(self.world.propose(*tree.nodes[free[pick % len(free)]], victim))


@law(zoom_lists(most=6), STEPS, examples=8)
def test_a_world_after_any_undo_and_redo_is_what_survives(
    zooms: tuple[Zoom, ...], steps: list[tuple[str, int]]
) -> None:
    told = Told(plant(zooms, SMALL))
    for what, pick in steps:
        told.step(what, pick)
    assert told.world.digest() == told.alone().digest()
    assert told.world.check() == []


@law(zoom_lists(most=6), STEPS, examples=8)
def test_undo_everything_and_redo_everything_passes_the_same_worlds(
    zooms: tuple[Zoom, ...], steps: list[tuple[str, int]]
) -> None:
    told = Told(plant(zooms, SMALL))
    for what, pick in steps:
        told.step(what, pick)
    passed = [told.world.digest()]
    with contextlib.suppress(NothingToUndo):
        while True:
            told.undo()
            passed.append(told.world.digest())
    assert len(passed) <= len(steps) + 1
    for digest in passed[-2::-1]:
        told.redo()
        assert told.world.digest() == digest


@law(zoom_lists(most=6), STEPS, st.integers(0, 99), st.booleans(), examples=8)
def test_a_node_that_is_taken_comes_back_with_all_that_went_with_it(
    zooms: tuple[Zoom, ...], steps: list[tuple[str, int]], pick: int, undone: bool
) -> None:
    told = Told(plant(zooms, SMALL))
    for what, which in steps:
        told.step(what, which)
    before, live = told.world.digest(), told.live()[1:]
    if live:
        node = told.tree.id(live[pick % len(live)])
        if undone:
            told.undo(node)
        else:
            told.make(told.world.propose_removal(node))
        assert node not in told.world.nodes
        told.make(propose_restoring(told.world, told.log, node))
        assert told.world.digest() == before


@law(zoom_lists(most=6), STEPS, st.integers(0, 99), examples=8)
def test_undo_and_redo_take_each_other_back_after_anything(
    zooms: tuple[Zoom, ...], steps: list[tuple[str, int]], pick: int
) -> None:
    told = Told(plant(zooms, SMALL))
    for what, which in steps:
        told.step(what, which)
    before = told.world.digest()
    with contextlib.suppress(NothingToRedo):
        told.redo()
        told.undo()
        assert told.world.digest() == before
    for node in (None, told.tree.id(told.live()[pick % len(told.live())])):
        with contextlib.suppress(NothingToUndo, RootRemoval):
            told.undo(node)
            assert node is None or node not in told.world.nodes
            told.redo()
            assert told.world.digest() == before


@pytest.fixture(scope="module")
def tree() -> Tree:
    # 1 and 2 side by side, 3 below 1.
    return plant([Zoom(0, 0.4, 0.5, 3.0), Zoom(0, 0.6, 0.5, 4.0), Zoom(1, 0.5, 0.5, 3.0)], SMALL)


def test_everything_that_was_made_can_be_undone(tree: Tree) -> None:
    told = Told(tree)
    for number in (1, 2, 3):
        told.make(told.world.propose(*tree.nodes[number]))
    whole = told.world.digest()
    for left in ([0, 1, 2], [0, 1], [0]):
        told.undo()
        assert told.live() == left
    with pytest.raises(NothingToUndo, match="only the first node is left"):
        told.undo()
    for _ in range(3):
        told.redo()
    assert told.world.digest() == whole
    with pytest.raises(NothingToRedo, match="nothing to redo"):
        told.redo()
    with pytest.raises(NothingToRedo, match="no undo of node"):
        told.redo(tree.id(1))


def test_a_replaced_node_comes_back_in_one_commit(tree: Tree) -> None:
    told = Told(tree)
    for number in (1, 3):
        told.make(told.world.propose(*tree.nodes[number]))
    before = told.world.digest()
    told.make(told.world.propose(*tree.nodes[2], tree.id(1)))
    replaced, revision = told.world.digest(), told.world.revision
    told.undo()
    assert told.world.digest() == before and told.world.revision == revision + 1
    told.redo()
    assert told.world.digest() == replaced
    told.undo(tree.id(2))
    assert told.world.digest() == before


def test_what_can_not_come_back_is_refused(tree: Tree) -> None:
    told = Told(tree)
    for number in (1, 3):
        told.make(told.world.propose(*tree.nodes[number]))

    def refused(node: str) -> None:
        with pytest.raises(NothingToRedo, match="can't come back"):
            propose_restoring(told.world, told.log, node)

    refused("nobody")
    refused(tree.id(1))  # it is there
    for number in (3, 1):
        told.make(told.world.propose_removal(tree.id(number)))
    refused(tree.id(3))  # what it stood on is gone
    told.make(propose_restoring(told.world, told.log, tree.id(1)))
    told.make(propose_restoring(told.world, told.log, tree.id(3)))
    told.make(told.world.propose(*tree.nodes[2], tree.id(1)))
    refused(tree.id(1))  # 2 stands in its place, and would be lost


def test_a_proposal_changes_nothing_and_names_what_it_takes_back(tree: Tree) -> None:
    told = Told(tree)
    told.make(told.world.propose(*tree.nodes[1]))
    digest = told.world.digest()
    commit = propose_undo(told.world, told.log)
    assert (commit.reverts, commit.removed, told.world.digest()) == (2, (tree.id(1),), digest)


def test_what_can_not_be_undone_is_told(tree: Tree) -> None:
    told = Told(tree)
    with pytest.raises(RootRemoval):
        told.undo(tree.id(0))
    with pytest.raises(UnknownNode):
        told.undo("nobody")
    told.make(told.world.propose(*tree.nodes[1]))
    behind = tree.world([0])
    with pytest.raises(RevisionConflict):
        propose_undo(behind, told.log)


def make(path: Path) -> tuple[World, list[Commit]]:
    world, log = zoom_log()
    with WorldStore.create(path, world.header) as store:
        for commit in log:
            store.append(commit)
    return world, log


def test_undo_and_redo_are_in_the_store_and_need_no_older_file(tmp_path: Path) -> None:
    path = tmp_path / "w"
    world, log = make(path)
    node = log[1].added[0].id
    for propose in (propose_undo, propose_redo):
        with WorldStore.open(path, write=True) as store:
            store.append(propose(store.load(), store, node))
    with WorldStore.open(path) as store:
        again = store.load()
    assert again.digest() == world.digest() and again.revision == world.revision + 2
    # The first copy is lost; the one that came back stays.
    next((path / "commits").glob("00000002-*")).unlink()
    with WorldStore.open(path) as store:
        assert node in store.load().nodes and store.damaged == {}


def test_what_is_damaged_can_not_come_back_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "w"
    _, log = make(path)
    node = log[-1].added[0].id
    with WorldStore.open(path, write=True) as store:
        store.append(propose_undo(store.load(), store, node))
        revision = log[-1].revision
    file = next((path / "commits").glob(f"{revision:08d}-*"))
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with WorldStore.open(path, write=True) as store:
        world = store.load()
        with pytest.raises(ContentLost, match=f"the file of revision {revision}, which holds it, is damaged"):
            propose_redo(world, store)
        assert store.damaged == {}  # nothing live is
        store.append(propose_undo(world, store))  # the rest goes on
