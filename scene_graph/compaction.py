"""A world without its history: the log of a world in which only the survivors were ever made.

Nothing is changed in place: files of a log are never edited, and readers that follow it must not see revisions
go back. What is compacted is another world, made anew (``archive``).

What is kept: every live node with its views, state, columns and provenance, hence every frame and the digest
(law 6). What is lost: removed, replaced and undone nodes, so that no undo or redo brings them back, and the
revision numbers. Undo begins with the survivors, from the one that came last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import WorldDamaged
from wonderzoom.scene_graph.world import World


@dataclass(frozen=True, slots=True)
class Lost:
    """What compaction drops."""

    commits: int
    nodes: int  # lives of nodes that no undo and no redo can bring back any more


def lost_by_compaction(store: WorldStore) -> Lost:
    """What would be lost; from the record alone."""
    added, live, commits = 0, set[str](), 0
    for entry in store.entries():
        commits += 1
        live.difference_update(entry.removed)
        live.update(node for node, _parent in entry.added)
        added += len(entry.added) if not entry.reverts else 0
    return Lost(max(0, commits - len(live)), added - len(live))


def compacted(store: WorldStore) -> Iterator[Commit]:
    """The shortest log of a world: a commit for each live node, parents before children, in their order.

    Raises WorldDamaged where a live node is lost, before anything is given; and at the end, should the new
    world not have the digest of the old one.
    """
    world = store.load()
    if store.damaged:
        first = next(iter(store.damaged.values()))
        raise WorldDamaged(
            store.path, f"the world is damaged ({first})", "restore that file, or remove the node"
        )
    fresh = World(world.header)
    for node in world.nodes.values():
        commit = fresh.propose(node, [(block.cell, block.surfels) for block in world.blocks_of(node.id)])
        fresh.apply(commit)
        yield commit
    if fresh.digest() != world.digest():
        raise WorldDamaged(
            store.path, "the log's bounds are not those of its views", "see what wonderzoom info --check says"
        )
