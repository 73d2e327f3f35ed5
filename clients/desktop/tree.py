"""The scale nodes of a world, and in which of them one is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from wonderzoom.clients.desktop import motions
from wonderzoom.clients.poses import camera_of
from wonderzoom.protocol.values import NodeSummary
from wonderzoom.scene_graph.camera import NEAR, Camera

_INSIDE_LN = math.log(2.5)  # a node is where one is from this much before its own view on


@dataclass(frozen=True, slots=True)
class Node:
    """A scale node as people navigate by it."""

    id: str
    parent: str | None
    camera: Camera  # what was asked for: fly there to see it
    ln_magnification: float  # relative to the first picture
    prompt: str

    @property
    def title(self) -> str:
        """What it is called."""
        return self.prompt or ("the picture" if self.parent is None else "finer")


@dataclass(slots=True)
class Tree:
    """All nodes that there are now."""

    nodes: dict[str, Node] = field(default_factory=dict[str, Node])

    def update(self, summaries: Iterable[NodeSummary]) -> None:
        """These are all; those that are known stay as they are."""
        self.nodes = {
            each.id: self.nodes.get(each.id)
            or Node(each.id, each.parent, camera_of(each.camera), each.ln_magnification, each.prompt)
            for each in summaries
        }

    @property
    def root(self) -> Node | None:
        """The first picture."""
        return next((node for node in self.nodes.values() if node.parent is None), None)

    def path(self, name: str) -> list[Node]:
        """From the first picture to a node."""
        path: list[Node] = []
        node = self.nodes.get(name)
        while node is not None and len(path) < len(self.nodes):
            path.insert(0, node)
            node = None if node.parent is None else self.nodes.get(node.parent)
        return path

    def above(self, name: str) -> int:
        """How many nodes were built on one."""
        below = [node.id for node in self.nodes.values() if node.parent == name]
        return sum(1 + self.above(each) for each in below)

    def at(self, camera: Camera) -> Node | None:
        """The finest node that the middle of a view lies in."""
        found = self.root
        if found is None:
            return None
        ln = motions.ln_magnification(camera, found.camera)
        for node in self.nodes.values():
            if not found.ln_magnification <= node.ln_magnification <= ln + _INSIDE_LN:
                continue
            u, v, w = motions.seen_at(node.camera, camera.pivot)
            if w > NEAR and 0 <= u <= node.camera.width and 0 <= v <= node.camera.height:
                found = node
        return found


def times(ln: float) -> str:
    """exp(ln) as a magnification, for people."""
    power = ln / math.log(10.0)
    if power >= 6.0:
        exponent = math.floor(power)
        return f"{10 ** (power - exponent):.1f} x 10^{exponent} x"
    value = math.exp(ln)
    return f"{value:.1f} x" if value < 10 else f"{round(value):,} x"
