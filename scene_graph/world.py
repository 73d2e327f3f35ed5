"""The world: live nodes, their blocks and bounds, and the only door through which they change.

Everything that happens to a world is a ``Commit``: generation proposes one (``propose``), the owner of the
world applies it (``apply``), stores it and tells the viewers. A proposal changes nothing; a commit
is applied whole or not at all. Nodes and blocks are immutable values: what a ``VisibleSet`` holds stays
valid in other threads while the world moves on. The world itself belongs to one thread at a time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np

from wonderzoom.scene_graph.admission import (
    look_at,
    wrong_with_block,
    wrong_with_bounds,
    wrong_with_cells,
    wrong_with_columns,
)
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.commit import BoundsPatch, Commit, WorldHeader
from wonderzoom.scene_graph.coverage import bounds_in_runs, update_bounds
from wonderzoom.scene_graph.joining import Joined
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.scale_node import MEASURED, ScaleNode
from wonderzoom.scene_graph.summaries import Placed, Scales, placed_in, scales_of, scales_over
from wonderzoom.scene_graph.surfels import Block, Bounds, block_hashes
from wonderzoom.scene_graph.validator import violations
from wonderzoom.scene_graph.view_index import LiveView, ViewIndex


class WorldError(Exception):
    """What a world refuses: UnknownNode, RevisionConflict, RootRemoval or InvalidCommit."""


class UnknownNode(WorldError):
    """A node that is not (or no longer) in the world."""

    def __init__(self, node: str) -> None:
        super().__init__(f"there is no node {node!r} in this world")
        self.node = node


class RevisionConflict(WorldError):
    """A commit for another revision than the next one; propose again on the current world."""

    def __init__(self, expected: int, got: int) -> None:
        super().__init__(f"the next commit of this world has revision {expected}, got one of revision {got}")
        self.expected = expected
        self.got = got


class RootRemoval(WorldError):
    """The root can't be removed: nothing would be left; start a new world instead."""

    def __init__(self, node: str) -> None:
        super().__init__(
            f"node {node!r} is the root: without its first view there is no world, start a new one"
        )
        self.node = node


class InvalidCommit(WorldError):
    """A commit or a proposal that contradicts itself or the world."""


@dataclass(frozen=True, slots=True)
class _Proposal:
    """A change before its bounds are known."""

    nodes: tuple[ScaleNode, ...]
    places: list[tuple[str, Cell]]  # node and cell of each new block
    surfels: list[Joined]  # theirs, in runs
    removed: tuple[str, ...]


class World:
    """See the module docstring. ``nodes`` and ``blocks`` are for reading."""

    def __init__(self, header: WorldHeader | None = None) -> None:
        self.header = header or WorldHeader()
        self.revision = 0
        self.nodes: dict[str, ScaleNode] = {}
        self.octree = Octree()
        self.views = ViewIndex(radial=self.header.metric == "radial")
        self._cells: dict[str, dict[Cell, Scales]] = {}  # of each node's blocks

    # ---- reading --------------------------------------------------------------------------------
    @property
    def blocks(self) -> list[Block]:
        """All blocks, in (node, cell) order."""
        return self.octree.blocks()

    @property
    def root(self) -> ScaleNode | None:
        """The first node; None in an empty world."""
        return next((node for node in self.nodes.values() if node.parent is None), None)

    def node(self, node_id: str) -> ScaleNode:
        """The node of that name; UnknownNode when it is not live."""
        try:
            return self.nodes[node_id]
        except KeyError:
            raise UnknownNode(node_id) from None

    def children(self, node_id: str) -> list[ScaleNode]:
        """The children of a node, by id."""
        return [self.node(child) for child in self.node(node_id).children]

    def path(self, node_id: str) -> list[ScaleNode]:
        """From the root to the node."""
        path = [self.node(node_id)]
        while path[-1].parent is not None:
            path.append(self.node(path[-1].parent))
        return path[::-1]

    def subtree(self, node_id: str) -> list[str]:
        """The ids of a node and everything below it, sorted."""
        found = [self.node(node_id).id]
        for each in found:  # grows while it is read
            found.extend(self.nodes[each].children)
        return sorted(found)

    def blocks_of(self, node_id: str) -> list[Block]:
        """The blocks of one node, by cell."""
        self.node(node_id)
        return [self.octree.block(node_id, cell) for cell in sorted(self._cells[node_id])]

    def copy(self) -> World:
        """A world of its own with the same content; nodes, views and blocks, which never change, are shared."""
        other = World(self.header)
        other.revision = self.revision
        other.nodes = dict(self.nodes)
        other.octree = self.octree.copy()
        other.views = self.views
        other._cells = {node: dict(cells) for node, cells in self._cells.items()}
        return other

    # ---- proposing ------------------------------------------------------------------------------
    def propose(self, node: ScaleNode, blocks: Iterable[Placed], replacing: str | None = None) -> Commit:
        """The next commit, with ``node`` and its blocks; ``replacing`` removes a subtree in the same commit.

        ``cell``, ``bounds``, ``children`` and the three scale intervals of the node are worked out here, as
        are the bounds of the new surfels and of the old ones that the new views cover or are covered by.
        """
        return self.propose_change([(node, blocks)], () if replacing is None else (replacing,))

    def propose_removal(self, node_id: str) -> Commit:
        """The next commit, without a node and everything below it."""
        return self.propose_change((), (node_id,))

    def propose_change(
        self, adding: Iterable[tuple[ScaleNode, Iterable[Placed]]], removing: Iterable[str] = ()
    ) -> Commit:
        """The next commit, with some nodes (parents before children), and without some subtrees."""
        gone = tuple(sorted({name for top in removing for name in self._removable(top)}))
        nodes: dict[str, ScaleNode] = {}
        places: list[tuple[str, Cell]] = []
        surfels: list[Joined] = []
        for node, placed in adding:
            if node.id in nodes or (node.id in self.nodes and node.id not in gone):
                raise InvalidCommit(f"node {node.id!r} is in the world already")
            if node.parent is None:
                if self.nodes or nodes:
                    raise InvalidCommit(f"node {node.id!r} has no parent, but the world has a root already")
            elif node.parent not in nodes and (node.parent in gone or node.parent not in self.nodes):
                raise UnknownNode(node.parent)
            own = sorted(placed, key=lambda each: each[0])
            surfels += self._joined(node, own)
            places += [(node.id, cell) for cell, _ in own]
            nodes[node.id] = replace(node, **placed_in(own), children=())
        return self._resolve(_Proposal(tuple(nodes.values()), places, surfels, gone))

    def _joined(self, node: ScaleNode, placed: list[Placed]) -> list[Joined]:
        """The surfels of a new node, which may enter, in runs."""
        if not node.views:
            raise InvalidCommit(f"node {node.id!r} has no view: nothing could say what it covers")
        if not placed:
            raise InvalidCommit(f"node {node.id!r} has no surfels")
        cells = [cell for cell, _ in placed]
        if len(set(cells)) < len(cells):
            raise InvalidCommit(f"node {node.id!r} has two blocks in one cell")
        runs = Joined.in_runs([surfels for _, surfels in placed])
        for run in runs:
            look_at(run)
        for cell, surfels in placed:
            if wrong := wrong_with_columns(cell, node.id, surfels, len(node.views)):
                raise InvalidCommit(wrong)
        if wrong := wrong_with_cells(cells, self.octree.root):
            raise InvalidCommit(wrong)
        for run in runs:
            run.tell()
        return runs

    def _removable(self, node_id: str) -> tuple[str, ...]:
        if self.node(node_id).parent is None:
            raise RootRemoval(node_id)
        return tuple(self.subtree(node_id))

    def _resolve(self, proposal: _Proposal) -> Commit:
        """Bounds of the new blocks and patches of the old ones."""
        revision = self.revision + 1
        views = self.views.changed(proposal.removed, proposal.nodes)
        new_ids = [node.id for node in proposal.nodes]
        changed = (*self.views.of_nodes(proposal.removed), *views.of_nodes(new_ids))
        new = [
            (node, cell, surfels)
            for (node, cell), surfels in zip(
                proposal.places, chain.from_iterable(run.parts for run in proposal.surfels), strict=True
            )
        ]
        bounds = bounds_in_runs(proposal.places, proposal.surfels, views, revision)
        names = block_hashes((cell, node, surfels) for node, cell, surfels in new)
        blocks = [
            Block(cell, node, surfels, limits, name)
            for (node, cell, surfels), limits, name in zip(new, bounds, names, strict=True)
        ]
        patches = [
            BoundsPatch(block.node, block.cell, replace(bounds, revision=revision))
            for block, bounds in self._updated(views, changed, set(proposal.removed))
        ]
        nodes = tuple(
            replace(node, **scales_over(scales_of(block) for block in blocks if block.node == node.id))
            for node in proposal.nodes
        )
        return Commit(revision, nodes, proposal.removed, tuple(blocks), tuple(patches))

    def _updated(
        self, views: ViewIndex, changed: Sequence[LiveView], removed: set[str]
    ) -> Iterator[tuple[Block, Bounds]]:
        """Live blocks whose bounds differ once ``changed`` views have come or gone, in (node, cell) order."""
        touched = [
            [(block, rows) for block, rows in self.octree.reaching(each.camera) if block.node not in removed]
            for each in changed
        ]
        blocks = {block.key: block for some in touched for block, _ in some}
        number = {key: i for i, key in enumerate(sorted(blocks))}
        by = [
            (each, {number[block.key]: rows for block, rows in some})
            for each, some in zip(changed, touched, strict=True)
        ]
        yield from update_bounds([blocks[key] for key in number], by, views)

    # ---- applying -------------------------------------------------------------------------------
    def apply(self, commit: Commit) -> None:
        """Make a commit the present; raises and changes nothing when it does not fit."""
        if commit.revision != self.revision + 1:
            raise RevisionConflict(self.revision + 1, commit.revision)
        self._check_fits(commit)
        gone = [(node, cell) for node in commit.removed for cell in self._cells[node]]
        patched = [self.octree.block(p.node, p.cell).with_bounds(p.limits) for p in commit.patches]
        for node in commit.removed:
            parent = self.nodes[node].parent
            if parent is not None and parent not in commit.removed:
                kept = tuple(child for child in self.nodes[parent].children if child != node)
                self.nodes[parent] = replace(self.nodes[parent], children=kept)
        for node in commit.removed:
            del self.nodes[node], self._cells[node]
        for node in commit.added:
            self.nodes[node.id] = node
            self._cells[node.id] = {b.cell: scales_of(b) for b in commit.blocks if b.node == node.id}
            if node.parent is not None:
                parent = self.nodes[node.parent]
                self.nodes[parent.id] = replace(parent, children=tuple(sorted({*parent.children, node.id})))
        self.octree.change(gone, commit.blocks)
        self.octree.rebound(patched)
        for block in patched:
            self._cells[block.node][block.cell] = scales_of(block)
        for node in {patch.node for patch in commit.patches}:
            self.nodes[node] = replace(self.nodes[node], **scales_over(self._cells[node].values()))
        self.views = self.views.changed(commit.removed, commit.added)
        self.revision = commit.revision

    def settle(self, commit: Commit) -> None:
        """The commit that was applied last lies on disk now: let go of its columns and maps. Digests do not change."""
        if commit.revision != self.revision:
            raise RevisionConflict(self.revision, commit.revision)
        patched = [self.octree.block(p.node, p.cell).with_bounds(p.limits) for p in commit.patches]
        self.octree.rebound([*commit.blocks, *patched])
        for node in commit.added:
            self.nodes[node.id] = replace(self.nodes[node.id], views=node.views)
        self.views = self.views.changed((), commit.added)

    def _check_fits(self, commit: Commit) -> None:
        removed = set(commit.removed)
        if len(removed) < len(commit.removed):
            raise InvalidCommit(f"a node is removed twice: {list(commit.removed)}")
        for node in commit.removed:
            if self.node(node).parent is None:
                raise RootRemoval(node)
            left = [child for child in self.nodes[node].children if child not in removed]
            if left:
                raise InvalidCommit(f"removing {node!r} would leave its children {left} without a parent")
        live = set(self.nodes) - removed
        for node in commit.added:
            if node.id in live:
                raise InvalidCommit(f"node {node.id!r} is in the world already")
            if node.parent is None and live:
                raise InvalidCommit(f"node {node.id!r} has no parent, but the world has a root already")
            if node.parent is not None and node.parent not in live:
                raise UnknownNode(node.parent)
            if node.children or not node.views:
                raise InvalidCommit(f"a new node has views and no children yet, {node.id!r} is not so")
            live.add(node.id)
        added = {node.id: node for node in commit.added}
        if len({block.key for block in commit.blocks}) < len(commit.blocks):
            raise InvalidCommit("two blocks of one node in one cell")
        for block in commit.blocks:
            if block.node not in added:
                raise InvalidCommit(f"a block in {block.cell} belongs to {block.node!r}, which is not added")
        self._check_blocks(commit.blocks, {node.id: len(node.views) for node in commit.added})
        for patch in commit.patches:
            if patch.node in removed or (patch.node, patch.cell) not in self.octree:
                raise InvalidCommit(f"a patch names {patch.node!r} in {patch.cell}, which is not there")
            block = self.octree.block(patch.node, patch.cell)
            if wrong := _wrong_with_patch(block, patch):
                raise InvalidCommit(f"a patch of {patch.node!r} in {patch.cell}: {wrong}")

    def _check_blocks(self, blocks: Sequence[Block], views: dict[str, int]) -> None:
        for block in blocks:
            if wrong := wrong_with_block(block, views[block.node]):
                raise InvalidCommit(wrong)
        if blocks and (wrong := wrong_with_cells([block.cell for block in blocks], self.octree.root)):
            raise InvalidCommit(wrong)

    # ---- certainty ------------------------------------------------------------------------------
    def digest(self) -> str:
        """BLAKE2b of what is live: nodes, write-once columns, bounds, octree; not its history, nor ``MEASURED``."""
        digest = hashlib.blake2b(digest_size=16)
        digest.update(repr(self.header).encode())
        for name in sorted(self.nodes):
            node = self.nodes[name]
            digest.update(repr(_described(node)).encode())
            digest.update(node.generator_state)
            for view in node.views:
                digest.update(repr((view.camera, view.role, not view.has_image)).encode())
                for picture in (view.mask, view.zeta, view.image):
                    if picture is not None:
                        digest.update(np.ascontiguousarray(picture).tobytes())
        for block in self.octree.blocks():
            digest.update(f"{block.hash}{block.bounds.owners}".encode())
            for column in (
                block.bounds.parent,
                block.bounds.child,
                block.bounds.parent_owner,
                block.bounds.child_owner,
            ):
                digest.update(np.ascontiguousarray(column).tobytes())
        for cell in self.octree.cells():
            digest.update(repr((cell, self.octree.aggregate(cell))).encode())
        return digest.hexdigest()

    def check(self) -> list[str]:
        """Every law of this room that does not hold, in words; empty for a sound world. Slow (``validator``)."""
        return violations(self, self._cells)


def _wrong_with_patch(block: Block, patch: BoundsPatch) -> str:
    """Why a patch can't be of a block; what lies on disk is looked at by whoever reads it."""
    if len(patch.limits) != block.count:
        return f"{len(patch.limits)} bounds for {block.count} surfels"
    if isinstance(patch.limits, Bounds):
        return wrong_with_bounds(block.surfels, patch.limits)
    return ""


def _described(node: ScaleNode) -> tuple[object, ...]:
    """What a node says of itself, but for its views' pictures and what differs from one making to the next."""
    told = tuple((key, value) for key, value in node.provenance if key not in MEASURED)
    return (
        (node.id, node.parent, node.children, node.cell, node.bounds),
        (node.native_scale, node.parent_scale, node.child_scale),
        (node.prompt, node.seed, node.generator, told, len(node.views), len(node.generator_state)),
    )
