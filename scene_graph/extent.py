"""How far surfels reach: in space (boxes) and in scale (intervals). What culling and coverage agree on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.scale_node import Interval
from wonderzoom.scene_graph.surfels import THICKNESS, Bounds, Surfels

# How far a surfel reaches, in standard deviations: renderers cut there.
REACH = 3.0


def surfel_box(surfels: Surfels) -> NDArray[np.float64]:
    """The box [2, 3] of one or more surfels with their 3-sigma ellipses, in edges from the cell's centre."""
    axes = quat_to_matrix(surfels.quats)  # columns: two axes and the normal
    sigma = np.exp(surfels.log_scales.astype(np.float64))
    thickness = THICKNESS * np.exp(surfels.native.astype(np.float64))
    deviations = np.concatenate([sigma, thickness[:, None]], 1)
    extent = REACH * np.sqrt(((axes * deviations[:, None, :]) ** 2).sum(-1))
    means = surfels.means.astype(np.float64)
    return np.stack([(means - extent).min(0), (means + extent).max(0)])


def bounds_interval(cell: Cell, bounds: Bounds) -> Interval:
    """[min x_child, max x_parent] of a block, in ln root edges per pixel."""
    return (float(bounds.child.min()) + cell.ln_edge, float(bounds.parent.max()) + cell.ln_edge)
