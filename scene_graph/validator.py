"""The validator: walks a live world and names, in words, each law that it breaks.

Everything that a world keeps beside its nodes and write-once columns is a cache of a pure function of these
(``docs/adr/0005``), so the laws can be decided on a world as it is: work the function out anew, compare.

* Tree: one root, from which every node is reached; parents and children name each other; no orphaned block.
* Law 7: write-once columns have the hash that they came with, and are still what admission lets in.
* Laws 1, 4, 5 and 6: bounds, on which every sum of weights rests, are those that the live views give, and
  nothing of how the world came to be is left in them; scale intervals and boxes of nodes follow from them.
* The octree has the cells that its blocks need, each with the aggregate of its subtree (what laws 4 and 8
  are pruned by).

Laws about a camera or a renderer (2, 3, 8 to 11, 13) hold for every sound world and are tests alone; 4 (c), whether
surfels are there where a view covers, shows in pictures: ``runtime.holes``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from wonderzoom.scene_graph.admission import wrong_with_block
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.coverage import compute_bounds
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.summaries import Scales, placed_in, scales_of, scales_over
from wonderzoom.scene_graph.surfels import Block, block_hash

if TYPE_CHECKING:
    from wonderzoom.scene_graph.world import World


def violations(world: World, cells: Mapping[str, Mapping[Cell, Scales]]) -> list[str]:
    """What is wrong with a world, a line each; empty for a sound one. ``cells``: its own list of each
    node's blocks. Takes as long as working all bounds out anew."""
    wrong: list[str] = []
    for name, node in world.nodes.items():
        if node.parent is not None and name not in getattr(world.nodes.get(node.parent), "children", ()):
            wrong.append(f"node {name!r}: its parent {node.parent!r} does not have it as a child")
        wrong += [
            f"node {name!r}: its child {child!r} is not live"
            for child in node.children
            if child not in world.nodes
        ]
    if sum(node.parent is None for node in world.nodes.values()) > 1:
        wrong.append("more than one root")
    wrong += _unreachable(world.nodes)
    blocks = world.octree.blocks()
    live: list[Block] = []
    for block in blocks:
        if block.node in world.nodes and (
            refused := wrong_with_block(block, len(world.nodes[block.node].views))
        ):
            wrong.append(refused)  # and worked out no further: one bad number spoils what it touches
        elif block.node in world.nodes:
            live.append(block)
    orphans = [block for block in blocks if block.node not in world.nodes]
    wrong += [f"block {b.node!r} in {b.cell}: an orphan, its node is not live" for b in orphans]
    for block, bounds in zip(live, compute_bounds(live, world.views), strict=True):
        where = f"block {block.node!r} in {block.cell}"
        if block_hash(block.cell, block.node, block.surfels) != block.hash:
            wrong.append(f"{where}: its write-once columns do not have its hash")
        if not bounds.same_as(block.bounds):
            wrong.append(f"{where}: its bounds are not those that the live views give")
    for name, node in world.nodes.items():
        own = [block for block in blocks if block.node == name]
        if {block.cell: scales_of(block) for block in own} != cells.get(name):
            wrong.append(f"node {name!r}: its blocks are not those of the octree")
        if not own:
            wrong.append(f"node {name!r}: it has no blocks")
            continue
        said = {field: getattr(node, field) for field in ("cell", "bounds", "native_scale")}
        if said != placed_in([(block.cell, block.surfels) for block in own]):
            wrong.append(f"node {name!r}: its cell, box or native scales are not those of its blocks")
        said = {field: getattr(node, field) for field in ("parent_scale", "child_scale")}
        if said != scales_over(scales_of(block) for block in own):
            wrong.append(f"node {name!r}: its parent or child scales are not those of its blocks")
    fresh = Octree()
    fresh.change(added=blocks)
    if fresh.cells() != world.octree.cells():
        wrong.append("octree: its cells are not those that its blocks need")
    else:
        wrong += [
            f"octree cell {cell}: its aggregate is not that of its subtree"
            for cell in fresh.cells()
            if fresh.aggregate(cell) != world.octree.aggregate(cell)
        ]
    return wrong


def _unreachable(nodes: Mapping[str, ScaleNode]) -> list[str]:
    """Nodes that no chain of live parents joins to a root: their parent is missing, or they are a circle."""
    reached = {name for name, node in nodes.items() if node.parent is None}
    waiting = list(reached)
    while waiting:
        below = [child for child in nodes[waiting.pop()].children if child in nodes and child not in reached]
        reached.update(below)
        waiting += below
    return [f"node {name!r}: it can't be reached from the root" for name in nodes if name not in reached]
