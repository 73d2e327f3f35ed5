"""Random trees of zooms into one plane, for laws that hold for any tree.

A tree is a value: the nodes as ``World.propose`` takes them, parents before children, so that a test may
insert them in any order, and leave some out.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray
from worlds import Placed, Plane, facing, first_camera, joined, lift, look_and_zoom, make_node, plane_view

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2, Cell, Position
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE, SURFACE
from wonderzoom.scene_graph.world import World

MASKS = ("all", "left", "disc", "hole")


@dataclass(frozen=True)
class Zoom:
    """One zoom: where in the picture of an earlier node, how far, and which part becomes surfels."""

    parent: int  # number of an earlier node; 0 is the root
    u: float  # shares of that picture
    v: float
    ratio: float
    mask: str = "all"
    kind: int = SURFACE


@dataclass(frozen=True)
class Tree:
    """Nodes with their surfels, root first; ``parents[i]`` is the number of the parent of node i."""

    header: WorldHeader
    plane: Plane
    cameras: tuple[Camera, ...]
    parents: tuple[int, ...]  # -1 for the root
    nodes: tuple[tuple[ScaleNode, list[Placed]], ...]

    def world(self, order: Iterable[int] | None = None) -> World:
        """A world of some nodes, inserted in an order in which parents come before children."""
        world = World(self.header)
        for number in range(len(self.nodes)) if order is None else order:
            world.apply(world.propose(*self.nodes[number]))
        return world

    def id(self, number: int) -> str:
        return self.nodes[number][0].id


@st.composite
def zoom_lists(
    draw: st.DrawFn,
    most: int = 4,
    ratios: tuple[float, float] = (1.5, 20.0),
    masks: tuple[str, ...] = MASKS,
    kinds: tuple[int, ...] = (SURFACE, SURFACE, FILL, STRUCTURE),
) -> tuple[Zoom, ...]:
    """One to ``most`` zooms: chains, siblings that overlap, some that leave the picture."""
    share = st.floats(0.05, 0.95)
    return tuple(
        Zoom(
            draw(st.integers(0, number)),
            draw(share),
            draw(share),
            draw(st.sampled_from([1.4142135623730951, 4.0, 10.0]) | st.floats(*ratios)),
            draw(st.sampled_from(masks)),
            draw(st.sampled_from(kinds)),
        )
        for number in range(draw(st.integers(1, most)))
    )


@dataclass(frozen=True)
class Soil:
    """What all nodes of a tree share."""

    width: int = 16
    height: int = 12
    tilt: float = 0.0
    turn: float = 0.0
    flat: bool = False  # see ``plant``
    radial: bool = False
    levels_down: int = 0
    sigma: float = 0.7
    opacity: float = 0.9


def plant(zooms: Iterable[Zoom], soil: Soil | None = None) -> Tree:
    """The tree of some zooms.

    ``flat``: all cameras look straight at the plane from one distance, so that each view has one scale
    everywhere and laws about sums are exact; else they share an eye and turn, as zooms of a viewer do.
    """
    soil = soil or Soil()
    camera = first_camera(soil.width, soil.height, 0.85 * soil.width, soil.levels_down)
    plane = facing(camera, 0.0 if soil.flat else soil.tilt, soil.turn)
    cameras, parents = [camera], [-1]
    nodes = [_node(camera, plane, None, Zoom(0, 0.5, 0.5, 1.0), soil, 0)]
    for zoom in zooms:
        above = cameras[zoom.parent]
        u, v = zoom.u * soil.width, zoom.v * soil.height
        if soil.flat:
            moved = above.position(above.unproject(np.array([u, v]), np.array(0.0)))
            here = replace(above, pivot=moved).zoomed(zoom.ratio)
        else:
            # The plane is given near the camera: far away its distance would be all rounding error.
            here = look_and_zoom(above, replace(plane, point=above.pivot), u, v, zoom.ratio)
        near = replace(plane, point=here.pivot)
        nodes.append(_node(here, near, nodes[zoom.parent][0].id, zoom, soil, len(nodes)))
        cameras.append(here)
        parents.append(zoom.parent)
    header = WorldHeader(metric="radial" if soil.radial else "depth", h_ref=max(64, soil.height))
    return Tree(header, plane, tuple(cameras), tuple(parents), tuple(nodes))


def _node(
    camera: Camera, plane: Plane, parent: str | None, zoom: Zoom, soil: Soil, seed: int
) -> tuple[ScaleNode, list[Placed]]:
    view = plane_view(camera, plane, _mask(zoom.mask, camera))
    surfels = lift(view, plane, 0, zoom.kind, soil.sigma, soil.opacity, soil.radial)
    return make_node([view], parent, seed=seed), joined([surfels])


def _mask(name: str, camera: Camera) -> NDArray[np.bool_]:
    """Which pixels of a picture become surfels: ``hole`` leaves out a rectangle inside."""
    u, v = np.moveaxis(camera.pixel_centres() / [camera.width, camera.height], -1, 0)
    if name == "left":
        return u < 0.6
    if name == "disc":
        return (u - 0.5) ** 2 + (v - 0.5) ** 2 < 0.2
    if name == "hole":
        return ~((u > 0.3) & (u < 0.55) & (v > 0.4) & (v < 0.7))
    return np.ones(u.shape, np.bool_)


def deeper(tree: Tree, levels: int) -> Tree:
    """The same content that many octaves smaller: other cells, not a bit of difference in the columns."""
    ids: dict[str, str] = {}
    nodes: list[tuple[ScaleNode, list[Placed]]] = []
    for node, blocks in tree.nodes:
        views = tuple(
            View.of(deeper_camera(view.camera, levels), view.maps, view.role) for view in node.views
        )
        parent = None if node.parent is None else ids[node.parent]
        moved = make_node(views, parent, node.prompt, node.seed)
        ids[node.id] = moved.id
        nodes.append((moved, [(deeper_cell(cell, levels), surfels) for cell, surfels in blocks]))
    cameras = tuple(deeper_camera(camera, levels) for camera in tree.cameras)
    plane = replace(tree.plane, point=deeper_position(tree.plane.point, levels))
    return replace(tree, plane=plane, cameras=cameras, nodes=tuple(nodes))


def deeper_cell(cell: Cell, levels: int) -> Cell:
    return Cell(cell.level + levels, *cell.index)


def deeper_position(position: Position, levels: int) -> Position:
    return Position(deeper_cell(position.cell, levels), position.offset)


def deeper_camera(camera: Camera, levels: int) -> Camera:
    pivot = deeper_position(camera.pivot, levels)
    return replace(camera, pivot=pivot, ln_distance=camera.ln_distance - levels * LN2)
