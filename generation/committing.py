"""From a proposal to a revision: the only place where zooms, undo and redo change a world that is served.

A worker proposes on the revision that it has seen. Where the world has moved on meanwhile, the proposal still
stands if none of its views shows anything that has changed: the same request would come out the same, only
bounds and patches are worked out again. Otherwise it is ``Stale``: the job has to look again, or a second layer
would lie over what another zoom has made there. Alternatives are worse: locking a place while a job runs
would let one viewer hold up others, and accepting everything would break the law of one layer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.scene_graph.commit import Commit, LogEntry
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.surfels import Block, block_hash
from wonderzoom.scene_graph.undo import propose_redo, propose_restoring, propose_undo
from wonderzoom.scene_graph.world import InvalidCommit, World

# Revisions that a proposal may be behind: more than can come while one job runs.
_REMEMBERED = 64


class Stale(Exception):
    """The world has changed where the proposal is: run the job again."""


@dataclass(frozen=True, slots=True)
class Made:
    """A zoom that is durable."""

    node: str
    revision: int


@dataclass(frozen=True, slots=True)
class _Change:
    revision: int
    where: Octree  # of the blocks that came and went


class Durable(Protocol):
    """Where commits become durable: a ``WorldStore`` that is open for writing."""

    def append(self, commit: Commit) -> None:
        """Make a commit durable, or raise and leave everything as it was."""
        ...

    def load(self) -> World:
        """The world as it is durable."""
        ...

    def settled(self, commit: Commit) -> Commit:
        """A commit that was appended, in the form in which it is kept: its columns perhaps on disk only."""
        ...

    def entries(self) -> Iterable[LogEntry]:
        """What each revision brings and takes, oldest first."""
        ...

    def commits(self, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        """The commits with ``after < revision <= until``, oldest first."""
        ...


class Committer:
    """Owns the open store and the world that belongs to it; all calls come from one thread at a time.

    ``told`` hears of every commit, in that thread, once it is durable.
    """

    def __init__(
        self, store: Durable, world: World, told: Callable[[Commit], None] = lambda _commit: None
    ) -> None:
        self.store, self.world = store, world
        self._told = told
        self._changes: deque[_Change] = deque(maxlen=_REMEMBERED)

    def commit(self, proposal: Proposal, request: ZoomRequest) -> Made:
        """Make a proposal durable. Raises Stale, WorldError or StoreError; then the world is as it was."""
        commit = proposal.zoomed.commit
        node = _checked(proposal, request)
        if proposal.base != self.world.revision:
            if not self._stands(proposal.base, node):
                raise Stale(f"the world is at revision {self.world.revision}, the zoom saw {proposal.base}")
            replaced = request.node if request.mode == "replace" else None
            placed = [(block.cell, block.surfels) for block in commit.blocks]
            commit = self.world.propose(node, placed, replaced)
        elif request.mode == "replace" and request.node is not None:
            if set(commit.removed) != set(self.world.subtree(request.node)):
                raise InvalidCommit(f"the proposal removes {commit.removed}, asked was {request.node!r}")
        self._make(commit)
        return Made(node.id, commit.revision)

    def remove(self, node: str) -> int:
        """Remove a node with all that was built on it; the new revision. Raises WorldError or StoreError."""
        commit = self.world.propose_removal(node)
        self._make(commit)
        return commit.revision

    def undo(self, node: str | None = None) -> Commit:
        """Take back the last change, or the one that made ``node``. Raises what ``propose_undo`` raises; StoreError."""
        commit = propose_undo(self.world, self.store, node)
        self._make(commit)
        return commit

    def redo(self, node: str | None = None) -> Commit:
        """Take back the last undo, or the last that took ``node``. Raises what ``propose_redo`` raises; StoreError."""
        commit = propose_redo(self.world, self.store, node)
        self._make(commit)
        return commit

    def restore(self, node: str) -> int:
        """Bring back a node that was removed, with all that went with it; the revision that has it.

        One that is there costs nothing. Raises what ``propose_restoring`` raises; StoreError.
        """
        if node in self.world.nodes:
            return self.world.revision
        commit = propose_restoring(self.world, self.store, node)
        self._make(commit)
        return commit.revision

    def _make(self, commit: Commit) -> None:
        """Applied first, as nothing else shows that a commit fits, and made durable before anyone is told."""
        gone = [block for name in commit.removed for block in self.world.blocks_of(name)]
        self.world.apply(commit)
        try:
            self.store.append(commit)
        except BaseException:
            self.world = self.store.load()
            raise
        where = Octree()
        where.change(added=_once([*gone, *commit.blocks]))
        self._changes.append(_Change(commit.revision, where))
        settled = self.store.settled(commit)
        self.world.settle(settled)
        self._told(settled)

    def _stands(self, base: int, node: ScaleNode) -> bool:
        """Whether the views of a node that was proposed on ``base`` show nothing that has changed since."""
        since = [change for change in self._changes if change.revision > base]
        if len(since) != self.world.revision - base:
            return False  # too long ago, or never
        return not any(change.where.touching(view.camera) for change in since for view in node.views)


class CommitThread:
    """A committer in a thread of its own: what is asked first is done first, the event loop never waits."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._pool = ThreadPoolExecutor(1, "commit")

    async def commit(self, proposal: Proposal, request: ZoomRequest) -> Made:
        """See ``Committer.commit``."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, self._committer.commit, proposal, request)

    async def remove(self, node: str) -> int:
        """See ``Committer.remove``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._committer.remove, node)

    async def restore(self, node: str) -> int:
        """See ``Committer.restore``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._committer.restore, node)

    async def undo(self, node: str | None = None) -> Commit:
        """See ``Committer.undo``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._committer.undo, node)

    async def redo(self, node: str | None = None) -> Commit:
        """See ``Committer.redo``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._committer.redo, node)

    def close(self) -> None:
        """Finish what was asked and end the thread."""
        self._pool.shutdown()


def _checked(proposal: Proposal, request: ZoomRequest) -> ScaleNode:
    """The new node of a proposal that is what was asked for. Raises InvalidCommit."""
    commit = proposal.zoomed.commit
    if commit.revision != proposal.base + 1 or len(commit.added) != 1:
        raise InvalidCommit(f"a zoom adds one node in the next revision, not {len(commit.added)} nodes")
    (node,) = commit.added
    if node.parent is None:
        raise InvalidCommit("a zoom adds no root")
    if (node.id, node.prompt, node.seed) != (proposal.zoomed.node, request.prompt, request.seed):
        raise InvalidCommit(f"node {node.id!r} is not what was asked for")
    if commit.reverts:
        raise InvalidCommit(f"a zoom takes nothing back, this one revision {commit.reverts}")
    if request.mode == "add" and commit.removed:
        raise InvalidCommit(f"a zoom that adds removes {commit.removed}")
    for block in commit.blocks:
        if block_hash(block.cell, block.node, block.surfels) != block.hash:
            raise InvalidCommit(f"a block of {node.id!r} does not have its hash")
    return node


def _once(blocks: Iterable[Block]) -> list[Block]:
    return list({block.key: block for block in blocks}.values())
