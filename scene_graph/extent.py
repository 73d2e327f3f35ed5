"""How far surfels reach: in space (boxes) and in scale (intervals). What culling and coverage agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.joining import tell_boxes
from wonderzoom.scene_graph.scale_node import Interval
from wonderzoom.scene_graph.surfels import Bounds, StoredBounds, StoredSurfels, Surfels


def surfel_boxes(parts: Sequence[Surfels | StoredSurfels]) -> NDArray[np.float64]:
    """For each part the box [2, 3] of its surfels with their 3-sigma ellipsoids: [B, 2, 3].

    In edges of the part's cell, from its centre; parts hold one surfel at least. Nothing is read: what is on disk
    says its box.
    """
    tell_boxes(part for part in parts if isinstance(part, Surfels))
    boxes = [part.known_box if isinstance(part, Surfels) else part.box for part in parts]
    return np.array(boxes, np.float64).reshape(-1, 2, 3)


def bounds_interval(cell: Cell, bounds: Bounds | StoredBounds) -> Interval:
    """[min x_child, max x_parent] of a block, in ln root edges per pixel."""
    return (bounds.child_interval[0] + cell.ln_edge, bounds.parent_interval[1] + cell.ln_edge)


def native_interval(cell: Cell, surfels: Surfels | StoredSurfels) -> Interval:
    """Least and greatest native scale of a block, in ln root edges per pixel."""
    least, greatest = surfels.native_interval
    return (least + cell.ln_edge, greatest + cell.ln_edge)
