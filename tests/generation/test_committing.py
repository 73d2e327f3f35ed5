"""From proposals to revisions: what stands on a world that has moved on, what has to look again, what is refused."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from zoom_garden import LEFT, RIGHT, Garden, zoom_node

from wonderzoom.generation.committing import CommitThread, Stale
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store_errors import NoSpace
from wonderzoom.scene_graph.undo import NothingToRedo
from wonderzoom.scene_graph.world import InvalidCommit, RootRemoval, UnknownNode


@pytest.fixture
def garden(tmp_path: Path) -> Iterator[Garden]:
    made = Garden(tmp_path / "garden")
    yield made
    made.store.close()


def test_a_proposal_on_the_present_world_becomes_the_next_revision_as_it_is(garden: Garden) -> None:
    request = garden.request(LEFT)
    proposal = garden.proposal(garden.seen(), request)
    made = garden.committer.commit(proposal, request)
    assert (made.node, made.revision) == (proposal.zoomed.node, 2)
    assert garden.told == [2] and garden.store.revision == 2
    assert garden.seen().digest() == garden.committer.world.digest()


def test_a_proposal_stands_where_nothing_that_it_shows_has_changed(garden: Garden) -> None:
    before = garden.seen()
    left, right = garden.request(LEFT), garden.request(RIGHT)
    late = garden.proposal(before, right)
    garden.committer.commit(garden.proposal(before, left), left)
    made = garden.committer.commit(late, right)
    assert made.revision == 3
    assert garden.committer.world.check() == []  # bounds and patches are those of the present world
    # The same as if it had been asked for afterwards.
    in_order = before.copy()
    for request in (left, right):
        node, blocks = zoom_node(request, garden.root)
        in_order.apply(in_order.propose(node, blocks))
    assert in_order.digest() == garden.committer.world.digest() == garden.seen().digest()


@pytest.mark.parametrize("change", ["a zoom at the same place", "its removal", "far too many of them"])
def test_a_proposal_has_to_look_again_where_the_world_has_changed(garden: Garden, change: str) -> None:
    there = garden.make(LEFT, seed=1)
    before = garden.seen()
    request = garden.request((9.0, 10.0), seed=2)
    late = garden.proposal(before, request)
    if change == "its removal":
        assert garden.committer.remove(there) == 3
    elif change == "a zoom at the same place":
        garden.make(LEFT, seed=3)
    else:
        garden.committer._changes.clear()
        garden.make(RIGHT)
        garden.committer._changes.clear()  # as after 64 revisions
    digest = garden.committer.world.digest()
    with pytest.raises(Stale, match="the world is at revision 3, the zoom saw 2"):
        garden.committer.commit(late, request)
    assert garden.committer.world.digest() == digest == garden.seen().digest()
    again = garden.committer.commit(garden.proposal(garden.seen(), request), request)
    assert again.revision == 4 and garden.committer.world.check() == []


def test_a_parent_that_is_gone_elsewhere_is_an_error(garden: Garden) -> None:
    parent = garden.make(RIGHT)
    request = garden.request(LEFT)  # shows nothing of its parent, which it names all the same
    late = garden.proposal(garden.seen(), request, parent)
    garden.committer.remove(parent)
    with pytest.raises(UnknownNode):
        garden.committer.commit(late, request)
    assert garden.committer.world.revision == garden.store.revision == 3


def test_a_replacement_removes_what_was_named_on_any_revision(garden: Garden) -> None:
    old = garden.make(LEFT, seed=1)
    request = garden.request(LEFT, seed=2, mode="replace", node=old)
    proposal = garden.proposal(garden.seen(), request)
    elsewhere = garden.make(RIGHT)
    made = garden.committer.commit(proposal, request)
    assert set(garden.committer.world.nodes) == {garden.root, elsewhere, made.node}
    assert garden.committer.world.check() == []


def _bad_hash(commit: Commit) -> Commit:
    return replace(commit, blocks=(replace(commit.blocks[0], hash="0" * 32), *commit.blocks[1:]))


def _no_finite(commit: Commit) -> Commit:
    block = commit.blocks[0]
    means = block.surfels.means.copy()
    means[0] = float("nan")
    return replace(
        commit,
        blocks=(replace(block, columns=replace(block.surfels, means=means), hash=""), *commit.blocks[1:]),
    )


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda commit: replace(commit, revision=7), "adds one node in the next revision"),
        (lambda commit: replace(commit, added=()), "adds one node in the next revision, not 0"),
        (lambda commit: replace(commit, added=(replace(commit.added[0], prompt="x"),)), "not what was asked"),
        (lambda commit: replace(commit, added=(replace(commit.added[0], seed=9),)), "not what was asked"),
        (lambda commit: replace(commit, added=(replace(commit.added[0], parent=None),)), "adds no root"),
        (lambda commit: replace(commit, removed=("some",)), "a zoom that adds removes"),
        (lambda commit: replace(commit, reverts=1), "a zoom takes nothing back"),
        (_bad_hash, "does not have its hash"),
        (_no_finite, "finite"),
    ],
)
def test_what_was_not_asked_for_is_refused_and_never_reaches_the_disk(
    garden: Garden, spoil: Callable[[Commit], Commit], what: str
) -> None:
    request = garden.request(LEFT)
    good = garden.proposal(garden.seen(), request)
    bad = Proposal(replace(good.zoomed, commit=spoil(good.zoomed.commit)), good.base)
    digest = garden.committer.world.digest()
    with pytest.raises(InvalidCommit, match=what):
        garden.committer.commit(bad, request)
    assert garden.store.revision == 1 and garden.told == []
    assert garden.committer.world.digest() == digest
    assert garden.committer.commit(good, request).revision == 2


def test_a_replacement_of_more_than_was_named_is_refused(garden: Garden) -> None:
    old, other = garden.make(LEFT, seed=1), garden.make(RIGHT)
    request = garden.request(LEFT, seed=2, mode="replace", node=old)
    good = garden.proposal(garden.seen(), request)
    commit = replace(good.zoomed.commit, removed=(*good.zoomed.commit.removed, other))
    with pytest.raises(InvalidCommit, match="asked was"):
        garden.committer.commit(Proposal(replace(good.zoomed, commit=commit), good.base), request)


def test_undo_and_redo_are_commits_like_any_other(garden: Garden) -> None:
    first, second = garden.make(LEFT), garden.make(RIGHT)
    whole = garden.committer.world.digest()
    assert garden.committer.undo().removed == (second,)
    assert garden.committer.undo(first).removed == (first,)
    assert set(garden.committer.world.nodes) == {garden.root}
    assert [node.id for node in garden.committer.redo(second).added] == [second]
    assert [node.id for node in garden.committer.redo().added] == [first]
    assert garden.committer.world.digest() == whole == garden.seen().digest()
    assert garden.told == [2, 3, 4, 5, 6, 7]
    with pytest.raises(NothingToRedo):
        garden.committer.redo()
    with pytest.raises(RootRemoval):
        garden.committer.undo(garden.root)
    assert garden.store.revision == 7


def test_what_was_removed_comes_back_and_what_is_there_costs_nothing(garden: Garden) -> None:
    node = garden.make(LEFT)
    whole = garden.committer.world.digest()
    garden.committer.remove(node)
    assert garden.committer.restore(node) == 4
    assert garden.committer.world.digest() == whole == garden.seen().digest()
    assert garden.committer.restore(node) == 4 and garden.told == [2, 3, 4]
    with pytest.raises(NothingToRedo):
        garden.committer.restore("nobody")


def test_a_zoom_that_saw_what_is_undone_meanwhile_has_to_look_again(garden: Garden) -> None:
    node = garden.make(LEFT)
    request = garden.request(LEFT, seed=3)
    late = garden.proposal(garden.seen(), request)
    garden.committer.undo(node)
    with pytest.raises(Stale):
        garden.committer.commit(late, request)
    garden.committer.redo()
    with pytest.raises(Stale):
        garden.committer.commit(late, request)


def test_undo_and_redo_wait_their_turn_in_the_thread(garden: Garden) -> None:
    node = garden.make(LEFT)

    async def both() -> tuple[Commit, Commit]:
        thread = CommitThread(garden.committer)
        try:
            return await asyncio.gather(thread.undo(), thread.redo(node))
        finally:
            thread.close()

    undone, redone = asyncio.run(both())
    assert (undone.reverts, redone.reverts) == (2, 3)


def test_a_full_disk_leaves_the_world_as_it_was(garden: Garden, monkeypatch: pytest.MonkeyPatch) -> None:
    request = garden.request(LEFT)
    proposal = garden.proposal(garden.seen(), request)
    digest = garden.committer.world.digest()

    def full(_commit: Commit) -> None:
        raise NoSpace(garden.store.path, "the disk is full", "free some space")

    with monkeypatch.context() as patch:
        patch.setattr(garden.store, "append", full)
        with pytest.raises(NoSpace):
            garden.committer.commit(proposal, request)
    assert garden.committer.world.digest() == digest and garden.told == []
    assert garden.committer.commit(proposal, request).revision == 2
    assert garden.seen().digest() == garden.committer.world.digest()


def test_commits_are_made_in_the_order_in_which_they_are_asked_for(garden: Garden) -> None:
    before = garden.seen()
    requests = [garden.request(at, seed=seed) for seed, at in enumerate((LEFT, RIGHT, (24.0, 4.0)))]

    async def main() -> list[int]:
        thread = CommitThread(garden.committer)
        try:
            made = await asyncio.gather(
                *(thread.commit(garden.proposal(before, request), request) for request in requests)
            )
            gone = await thread.remove(made[0].node)
            return [*(each.revision for each in made), gone]
        finally:
            thread.close()

    assert asyncio.run(main()) == garden.told == [2, 3, 4, 5]
