"""Undo and redo as commits: what history says comes back, with its content from the log and its bounds from now.

A node's write-once columns, views and state are those that were stored, bit for bit; its bounds are not: they are
worked out for the views that are live now (law 6), as are those of the surfels around it. So a world after any
undo and redo has the digest of a world in which only the survivors were ever made.

The commit holds what it brings, like any other: a reader needs no other file than the next one, and an older
file that is lost later takes nothing back with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from wonderzoom.scene_graph.commit import Commit, LogEntry
from wonderzoom.scene_graph.history import History, Plan
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.summaries import Placed
from wonderzoom.scene_graph.world import RevisionConflict, RootRemoval, World, WorldError


class NothingToUndo(WorldError):
    """No change can be taken back."""


class NothingToRedo(WorldError):
    """No undo can be taken back."""


class ContentLost(WorldError):
    """What would come back is damaged in the log."""

    def __init__(self, node: str, revision: int) -> None:
        super().__init__(
            f"node {node!r} can't come back: the file of revision {revision}, which holds it, is damaged"
        )
        self.node, self.revision = node, revision


class Log(Protocol):
    """All revisions of a world: a ``WorldStore``."""

    def entries(self) -> Iterable[LogEntry]:
        """What each revision brings and takes, oldest first."""
        ...

    def commits(self, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        """The commits with ``after < revision <= until``, oldest first."""
        ...


def propose_undo(world: World, log: Log, node: str | None = None) -> Commit:
    """The next commit, which takes back the last change, or the one that made ``node`` with all built on it.

    ``world`` is at the newest revision of ``log``. Changes nothing. Raises UnknownNode, RootRemoval,
    NothingToUndo, ContentLost, RevisionConflict.
    """
    history = _history(world, log)
    if node is not None and world.node(node).parent is None:
        raise RootRemoval(node)
    plan = history.undo(node)
    if plan is None:
        raise NothingToUndo("there is nothing to undo: only the first node is left of what was made")
    return _proposed(world, log, plan)


def propose_redo(world: World, log: Log, node: str | None = None) -> Commit:
    """The next commit, which takes back the last undo, or the last one that took ``node``.

    As ``propose_undo``; raises NothingToRedo, ContentLost, RevisionConflict.
    """
    plan = _history(world, log).redo(node)
    if plan is None:
        which = "there is nothing to redo" if node is None else f"there is no undo of node {node!r} to redo"
        why = "nothing was undone, or what it stood on is gone, or it has been made again"
        raise NothingToRedo(f"{which}: {why}")
    return _proposed(world, log, plan)


def propose_restoring(world: World, log: Log, node: str) -> Commit:
    """The next commit, which brings back a node that was removed or undone, with all that went with it.

    As ``propose_undo``; raises NothingToRedo, ContentLost, RevisionConflict.
    """
    plan = _history(world, log).restore(node)
    if plan is None:
        raise NothingToRedo(
            f"node {node!r} can't come back: it is there, or never was, or what it stood on is gone"
        )
    return _proposed(world, log, plan)


def _history(world: World, log: Log) -> History:
    history = History(log.entries())
    if history.revision != world.revision:
        raise RevisionConflict(history.revision + 1, world.revision + 1)
    return history


def _proposed(world: World, log: Log, plan: Plan) -> Commit:
    restored = list(_restored(log, plan))
    return replace(world.propose_change(restored, plan.removing), reverts=plan.reverts)


def _restored(log: Log, plan: Plan) -> Iterator[tuple[ScaleNode, list[Placed]]]:
    read: dict[int, Commit] = {}
    for name, revision in plan.restoring:
        if revision not in read:
            (read[revision],) = log.commits(revision - 1, revision)
        node = next(node for node in read[revision].added if node.id == name)
        placed = [(block.cell, block.surfels) for block in read[revision].blocks if block.node == name]
        if not placed:
            raise ContentLost(name, revision)
        yield node, placed
