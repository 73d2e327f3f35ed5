"""The live views of a world, and which of them can see a place.

An insertion asks for the few views near it; asking must not cost more for the views elsewhere. Each view
keeps the four planes of its image through its eye in one common float64 frame, good enough to pass over
nearly all views in one matrix product (slack covers what float64 can't tell apart); the rest are tested
exactly, in pixels at their pivot.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, Camera, bounded_exp
from wonderzoom.scene_graph.cells import ORIGIN, ORIGIN_CELL, Cell, frames_in
from wonderzoom.scene_graph.frustum import CellTable, Frustum, boxes_in_pixels
from wonderzoom.scene_graph.scale_node import ScaleNode, View

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]

SIDES = 4  # planes of the image through the eye
# Relative to the distance from the origin; 4000 times what rounding does to the planes.
_SLACK = 1e-12
# What lies beyond this many root edges is left to the exact test: products could overflow.
_FAR = 1e150
_ROUNDING = 1e-9  # of ln s: bounds of boxes are worked out in another order than scales of points


@dataclass(frozen=True, slots=True)
class LiveView:
    """One view of a live node."""

    node: str
    index: int
    view: View

    @property
    def camera(self) -> Camera:
        return self.view.camera


@dataclass(frozen=True, slots=True)
class _Planes:
    """Of V views, in root edges from the origin."""

    normals: F64  # [V, SIDES, 3] unit, pointing into the view
    offsets: F64  # [V, SIDES]
    eyes: F64  # [V] bound of the eye's distance from the origin; inf: no planes, always tested exactly
    depths: F64  # [V, 4] depth in D is the first three times a place, plus the last

    @staticmethod
    def of(views: Sequence[LiveView]) -> _Planes:
        normals, offsets = np.zeros((len(views), SIDES, 3)), np.zeros((len(views), SIDES))
        eyes, depths = np.zeros(len(views)), np.zeros((len(views), 4))
        for i, each in enumerate(views):
            camera = each.camera
            distance = bounded_exp(camera.ln_distance)
            with np.errstate(over="ignore"):
                pivot = camera.pivot.from_(ORIGIN)
                eyes[i] = np.linalg.norm(pivot) + distance
            if eyes[i] > _FAR:
                eyes[i] = np.inf
                continue
            planes = Frustum.of(camera).normals[:SIDES]
            normals[i] = planes / np.linalg.norm(planes, axis=1, keepdims=True)
            eye = pivot - distance * camera.rotation[2]
            offsets[i] = -(normals[i] @ eye)
            depths[i] = *(camera.rotation[2] / distance), -(camera.rotation[2] @ eye) / distance
        return _Planes(normals, offsets, eyes, depths)

    @staticmethod
    def joined(parts: Sequence[_Planes]) -> _Planes:
        """Those of all views, in order."""
        some = [_Planes.of(()), *parts]
        return _Planes(
            np.concatenate([part.normals for part in some]),
            np.concatenate([part.offsets for part in some]),
            np.concatenate([part.eyes for part in some]),
            np.concatenate([part.depths for part in some]),
        )


@dataclass(frozen=True)
class _Family:
    """A node with its views."""

    node: ScaleNode

    @cached_property
    def views(self) -> tuple[LiveView, ...]:
        return tuple(LiveView(self.node.id, i, view) for i, view in enumerate(self.node.views))

    @cached_property
    def planes(self) -> _Planes:
        return _Planes.of(self.views)


class ViewIndex:
    """The live views, in (node, index) order, and the family of their nodes. Immutable.

    Planes are worked out when somebody first asks which views are near: a world that is loaded or drawn never does.
    """

    def __init__(self, nodes: Iterable[ScaleNode] = (), radial: bool = False) -> None:
        self.radial = radial
        self._families = {node.id: _Family(node) for node in sorted(nodes, key=lambda node: node.id)}

    @cached_property
    def views(self) -> tuple[LiveView, ...]:
        """All of them."""
        return tuple(view for family in self._families.values() for view in family.views)

    @cached_property
    def _planes(self) -> _Planes:
        return _Planes.joined([family.planes for family in self._families.values()])

    @cached_property
    def _ln_scales(self) -> F64:
        return np.array([view.camera.ln_scale for view in self.views])

    def changed(self, removed: Iterable[str] = (), added: Iterable[ScaleNode] = ()) -> ViewIndex:
        """The index without some nodes and with others."""
        gone = set(removed)
        families = {name: family for name, family in self._families.items() if name not in gone}
        families |= {node.id: _Family(node) for node in added}
        index = ViewIndex(radial=self.radial)
        index._families = dict(sorted(families.items(), key=lambda item: item[0]))
        return index

    def of_nodes(self, nodes: Iterable[str]) -> tuple[LiveView, ...]:
        """The views of some nodes, in the index's order."""
        return tuple(view for name in sorted(set(nodes)) for view in self._families[name].views)

    def parent(self, node: str) -> str | None:
        """The parent of a node, whose main view bounds what nothing coarser covers; None for a root."""
        return self._families[node].node.parent

    def main(self, node: str) -> View:
        """The main view of a node."""
        return self._families[node].node.main

    def near(
        self, cells: Sequence[Cell], boxes: F64, addresses: tuple[CellTable, Rows] | None = None
    ) -> Nearby:
        """The views that may see some of the boxes [B, 2, 3], in edges from the centres of their ``cells``.

        ``addresses``: the same cells as rows of a table, where there is one.
        """
        table, rows = addresses or (CellTable.of(cells), np.arange(len(cells)))
        if not (len(cells) and self.views):
            none = np.zeros((0, len(cells)), np.bool_)
            return Nearby([], np.zeros(0), none, table, rows, boxes, self.radial)
        near, least = self._may_touch(cells, boxes)
        order = np.flatnonzero(near.any(1))
        order = order[np.argsort(self._ln_scales[order], kind="stable")]
        views = [self.views[i] for i in order.tolist()]
        lowest = np.minimum.accumulate(least[order][::-1])[::-1]
        return Nearby(views, lowest, near[order], table, rows, boxes, self.radial)

    def _may_touch(self, cells: Sequence[Cell], boxes: F64) -> tuple[NDArray[np.bool_], F64]:
        """[V, B] whether view and box may touch, in float64; never a false no. And [V] a lower bound of the ln scale
        of each view in the boxes that it may touch."""
        edges, centres = frames_in(cells, ORIGIN_CELL)
        with np.errstate(over="ignore"):
            far = np.abs(centres).sum(1) + np.abs(boxes).max((1, 2)) * edges
            beyond = far > _FAR
            centres = np.where(beyond[:, None], 0.0, centres + boxes.mean(1) * edges[:, None])
            radius = 0.5 * np.linalg.norm(boxes[:, 1] - boxes[:, 0], axis=1) * edges
        far[beyond], radius[beyond] = np.inf, 0.0
        planes = self._planes
        inside = np.ones((len(self.views), len(cells)), np.bool_)
        slack = radius + _SLACK * (far + radius + planes.eyes[:, None])
        for side in range(SIDES):
            inside &= planes.normals[:, side] @ centres.T + planes.offsets[:, side, None] + slack >= 0.0
        with np.errstate(invalid="ignore", over="ignore"):
            x, y, z = planes.depths[:, :3].T
            per_edge = np.hypot(np.hypot(x, y), z)[:, None]  # whose squares may overflow
            depth = planes.depths[:, :3] @ centres.T + planes.depths[:, 3:] - slack * per_edge
        least = np.where(inside & (depth > NEAR), depth, np.where(inside, NEAR, np.inf)).min(
            1, initial=np.inf
        )
        return inside, self._ln_scales + np.log(least) - _ROUNDING


@dataclass(frozen=True, slots=True)
class Nearby:
    """Views near some boxes, finest at their pivots first; which boxes each touches is worked out when asked."""

    views: list[LiveView]
    least: F64  # [V] no view from here on has a smaller ln scale in any of the boxes
    _near: NDArray[np.bool_]  # [V, B]
    _table: CellTable
    _rows: Rows  # [B] of the boxes' cells
    _boxes: F64
    _radial: bool

    def touched(self, number: int) -> tuple[Rows, F64, F64]:
        """The boxes that a view's frustum touches, and a lower and an upper bound of its ln scale over each."""
        near, camera = np.flatnonzero(self._near[number]), self.views[number].camera
        frustum, frames = Frustum.of(camera), self._table.seen_from(camera)
        middle, halves = boxes_in_pixels(*frames.of(self._rows[near]), self._boxes[near])
        hit = np.flatnonzero(frustum.touches(middle, halves))
        least, greatest = (np.log(each) for each in frustum.depths(middle[hit], halves[hit], self._radial))
        return near[hit], camera.ln_scale + least - _ROUNDING, camera.ln_scale + greatest + _ROUNDING
