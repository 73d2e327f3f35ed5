"""A world of one picture on disk with its committer, and zooms into it that need no generator."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from worlds import Plane, facing, first_camera, look_and_zoom, plane_node

from wonderzoom.generation.committing import Committer
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import Zoomed, ZoomRequest
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

ROOT = first_camera(48, 36, 40.0)
PLANE = facing(ROOT, 0.2)
LEFT, RIGHT = (8.0, 10.0), (40.0, 26.0)  # pixels of the first picture whose zooms do not meet


class Garden:
    """A world of one picture on disk, its committer, and workers that have seen some revision of it."""

    def __init__(self, path: Path, header: WorldHeader | None = None) -> None:
        world = World(header or WorldHeader())
        node, blocks = plane_node(ROOT, PLANE)
        root = world.propose(node, blocks)
        self.root = node.id
        self.store = WorldStore.create(path, world.header)
        self.store.append(root)
        world.apply(root)
        self.told: list[int] = []
        self.committer = Committer(self.store, world, lambda commit: self.told.append(commit.revision))

    def seen(self) -> World:
        """The world as a worker sees it now."""
        return self.store.load()

    def request(self, at: tuple[float, float], **more: Any) -> ZoomRequest:
        return ZoomRequest(look_and_zoom(ROOT, PLANE, *at, 4.0), **more)

    def proposal(self, world: World, request: ZoomRequest, parent: str | None = None) -> Proposal:
        node, blocks = zoom_node(request, parent or self.root)
        replacing = request.node if request.mode == "replace" else None
        return Proposal(Zoomed(world.propose(node, blocks, replacing), node.id), world.revision)

    def make(self, at: tuple[float, float], **more: Any) -> str:
        request = self.request(at, **more)
        return self.committer.commit(self.proposal(self.seen(), request), request).node


def zoom_node(request: ZoomRequest, parent: str) -> tuple[ScaleNode, list[Any]]:
    """A zoom as the simplest generator makes it: one more plane."""
    plane = Plane(request.camera.pivot, PLANE.normal)
    node, blocks = plane_node(request.camera, plane, parent, seed=request.seed)
    return replace(node, prompt=request.prompt), blocks
