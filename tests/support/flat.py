"""Flat trees as layers of one plane: one scale a view, so that sums of weights are exact."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from trees import Tree

from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.scales import LN_SQRT2, weight
from wonderzoom.scene_graph.world import World

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """The surfels of one node of a flat tree, on the plane, in pixels of the root."""

    native: float
    pixel: float  # of this layer, in pixels of the root
    centres: Array  # [N, 2]
    axes: Array  # [N, 2, 2] standard deviations along the two axes
    parent: Array  # [N] relative to nothing: ln root edges per pixel
    child: Array  # [N]
    low: Array  # [2] corners of the picture
    high: Array  # [2]
    mask: NDArray[np.bool_]  # [H, W] of the picture

    def nearest(self, points: Array) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
        """For each point [P, 2] the nearest surfel, and whether its 3-sigma footprint holds the point."""
        off = points[:, None] - self.centres
        rows = (off**2).sum(-1).argmin(1)
        off = points - self.centres[rows]
        inverse = np.linalg.inv(self.axes[rows])
        return rows, ((np.einsum("pij,pj->pi", inverse, off)) ** 2).sum(1) <= 9.0

    def footprints(self, rows: NDArray[np.intp]) -> Array:
        """[R, 17, 2] the points of footprints that decide on a child: centre, rim and half-way."""
        turns = 2.0 * np.pi * np.arange(8) / 8
        rings = [
            sigmas * np.stack([np.cos(turns + phase), np.sin(turns + phase)], -1)
            for sigmas, phase in ((3.0, 0.0), (1.5, np.pi / 8))
        ]
        around = np.concatenate([np.zeros((1, 2)), *rings]) * (1.0 - 1e-9)  # inside, to the last bit
        return self.centres[rows, None] + np.einsum("kj,rij->rki", around, self.axes[rows])

    def covers(self, points: Array) -> NDArray[np.bool_]:
        """Which points lie in the mask."""
        share = (points - self.low) / (self.high - self.low)
        height, width = self.mask.shape
        column, row = np.floor(share[:, 0] * width).astype(int), np.floor(share[:, 1] * height).astype(int)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        inside[inside] = self.mask[row[inside], column[inside]]
        return inside


def flat_layers(tree: Tree, world: World) -> list[Layer]:
    """The nodes of a flat tree as layers of one plane."""
    root = tree.cameras[0]
    layers: list[Layer] = []
    for number, camera in enumerate(tree.cameras):
        centres, axes, native, parent, child = [], [], [], [], []
        for block in world.blocks_of(tree.id(number)):
            frame, surfels = root.cell_frame(block.cell), block.surfels
            centres.append((surfels.means @ frame.matrix.T + frame.origin)[:, :2])
            turned = root.rotation @ quat_to_matrix(surfels.quats)
            axes.append(turned[:, :2, :2] * np.exp(surfels.log_scales)[:, None, :] * frame.edge_px)
            for column, values in ((native, surfels.native), (parent, block.bounds.parent)):
                column.append(values.astype(np.float64) + block.cell.ln_edge)
            child.append(block.bounds.child.astype(np.float64) + block.cell.ln_edge)
        corners = np.array([[0.0, 0.0], [camera.width, camera.height]])
        matrix, origin = root.map_from(camera)
        low, high = camera.unproject(corners, np.zeros(2)) @ matrix.T + origin
        layers.append(
            Layer(
                float(np.mean(np.concatenate(native))),
                math.exp(camera.ln_scale - root.ln_scale),
                np.concatenate(centres),
                np.concatenate(axes),
                np.concatenate(parent),
                np.concatenate(child),
                low[:2],
                high[:2],
                world.node(tree.id(number)).main.mask,
            )
        )
    return layers


def sum_at(layers: Sequence[Layer], point: Array, r: float) -> float:
    """The sum of weights at a point of the plane."""
    total = 0.0
    for layer in layers:
        rows, holds = layer.nearest(point[None])
        if holds[0]:
            total += float(weight(r, layer.native, layer.parent[rows[0]], layer.child[rows[0]]))
    return total


def child_residency(
    layers: Sequence[Layer], resident: Sequence[float], layer: Layer, rows: NDArray[np.intp]
) -> Array:
    """R_child [R] of some rows: the least resident of the finer layers that stand for part of a footprint.

    Of a layer that is finer by sqrt 2 exactly rounding decides, row by row, whether it counts: both are tried.
    """
    points = layer.footprints(rows)
    least = np.ones(len(rows))
    for border in (LN_SQRT2 - 1e-6, LN_SQRT2 + 1e-6):
        nearest, found = np.full(points.shape[:2], -np.inf), np.ones(points.shape[:2])
        for there, share in zip(layers, resident, strict=True):
            if there.native < layer.native - border:
                covered = there.covers(points.reshape(-1, 2)).reshape(nearest.shape) & (
                    there.native > nearest
                )
                nearest[covered], found[covered] = there.native, share
        least = np.minimum(least, found.min(1))
    return least
