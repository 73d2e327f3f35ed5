"""What a world holds, told to people (a tree) and to programs (JSON)."""

from __future__ import annotations

import math
from collections.abc import Mapping

from rich.text import Text
from rich.tree import Tree

from wonderzoom.runtime.camera_file import cell_out
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.sight import BYTES_A_SURFEL
from wonderzoom.scene_graph.camera import bounded_exp
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.scale_node import Interval, ScaleNode
from wonderzoom.scene_graph.world import World


def magnification(world: World, node: ScaleNode) -> float:
    """How many times the root's frame is enlarged in this node's frame, at its pivot; saturates at 1e299."""
    root = world.path(node.id)[0]
    return bounded_exp(zoom_ln(frame_of(root, world.header), frame_of(node, world.header)))


def surfel_count(world: World, node: ScaleNode) -> int:
    """Surfels of this node alone."""
    return sum(block.count for block in world.blocks_of(node.id))


def as_json(world: World) -> dict[str, object]:
    """``info --json``.

    ``cell`` is ``[level, ix, iy, iz]``, integers beyond 2**53 as strings; the three scales are [least,
    greatest] natural logarithms of root edges per pixel, null where there is no bound. Nodes are in the order
    in which they came. ``memory_bytes``: what all its surfels together take in memory.
    """
    return {
        "revision": world.revision,
        "memory_bytes": BYTES_A_SURFEL * sum(block.count for block in world.blocks),
        "nodes": [
            {
                "id": node.id,
                "parent": node.parent,
                "prompt": node.prompt,
                "magnification": magnification(world, node),
                "surfels": surfel_count(world, node),
                "cell": cell_out(node.cell),
                "native_scale": _interval(node.native_scale),
                "parent_scale": _interval(node.parent_scale),
                "child_scale": _interval(node.child_scale),
                "generator": node.generator,
                "seed": node.seed,
            }
            for node in world.nodes.values()
        ],
    }


def _interval(interval: Interval) -> list[float | None]:
    return [value if math.isfinite(value) else None for value in interval]


def as_tree(world: World, title: str, damaged: Mapping[str, str] | None = None) -> Tree:
    """The nodes below their parents, in the order in which they came."""
    damaged = damaged or {}
    order = {name: i for i, name in enumerate(world.nodes)}
    surfels = sum(surfel_count(world, node) for node in world.nodes.values())
    tree = Tree(Text(f"{title}: revision {world.revision}, {_nodes(len(world.nodes))}, {surfels:,} surfels"))
    branches: dict[str, Tree] = {}
    # Parents come before their children, so that deep chains need no recursion.
    for name in sorted(world.nodes, key=lambda name: (len(world.path(name)), order[name])):
        node = world.nodes[name]
        above = tree if node.parent is None else branches.get(node.parent, tree)
        branches[name] = above.add(_line(world, node, name in damaged))
    return tree


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _line(world: World, node: ScaleNode, is_damaged: bool) -> Text:
    line = Text(node.id, style="bold")
    line.append(f"  {_times(magnification(world, node))}  {surfel_count(world, node):,} surfels", style="dim")
    if node.prompt:
        line.append(f"  {short(node.prompt)!r}", style="green")
    if is_damaged:
        line.append("  damaged", style="red")
    return line


def _times(value: float) -> str:
    return f"{value:,.3g}x" if value < 1000.0 else f"{value:,.0f}x" if value < 1e6 else f"{value:.2g}x"


def short(text: str, most: int = 60) -> str:
    """At most that many characters, on one line."""
    flat = " ".join(text.split())
    return flat if len(flat) <= most else f"{flat[: most - 1]}…"
