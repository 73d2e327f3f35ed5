"""How far surfels reach: in space (boxes) and in scale (intervals). What culling and coverage agree on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.coverage_loops import loops
from wonderzoom.scene_graph.scale_node import Interval
from wonderzoom.scene_graph.surfels import THICKNESS, Bounds, StoredBounds, StoredSurfels, Surfels

# Parts are worked on together up to this many rows: their columns fit a core's cache.
_BATCH_ROWS = 1 << 14


def surfel_boxes(parts: Sequence[Surfels | StoredSurfels]) -> NDArray[np.float64]:
    """For each part the box [2, 3] of its surfels with their 3-sigma ellipsoids: [B, 2, 3].

    In edges of the part's cell, from its centre; parts hold one surfel at least. Nothing is read: what is on disk
    says its box.
    """
    boxes = np.empty((len(parts), 2, 3))
    here: list[tuple[int, Surfels]] = []
    rows = 0
    for number, part in enumerate(parts):
        box = part.known_box if isinstance(part, Surfels) else part.box
        if box is not None:
            boxes[number] = box
            continue
        assert isinstance(part, Surfels)
        here.append((number, part))
        rows += len(part)
        if rows >= _BATCH_ROWS:
            _fill(boxes, here)
            here, rows = [], 0
    if here:
        _fill(boxes, here)
    return boxes


def _fill(boxes: NDArray[np.float64], here: Sequence[tuple[int, Surfels]]) -> None:
    """Work out the boxes of some parts (with their numbers), and leave them with these."""
    for (number, part), box in zip(here, _boxes([part for _, part in here]), strict=True):
        boxes[number] = box
        box.flags.writeable = False
        object.__setattr__(part, "known_box", box)


def _boxes(parts: Sequence[Surfels]) -> NDArray[np.float64]:
    starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
    joined = {
        name: np.concatenate([getattr(part, name) for part in parts])
        for name in ("means", "quats", "log_scales", "native")
    }
    across = np.exp(joined["log_scales"].astype(np.float64))
    thick = THICKNESS * np.exp(joined["native"].astype(np.float64))
    return loops().boxes(joined["means"], joined["quats"], across, thick, starts)


def bounds_interval(cell: Cell, bounds: Bounds | StoredBounds) -> Interval:
    """[min x_child, max x_parent] of a block, in ln root edges per pixel."""
    return (bounds.child_interval[0] + cell.ln_edge, bounds.parent_interval[1] + cell.ln_edge)


def native_interval(cell: Cell, surfels: Surfels | StoredSurfels) -> Interval:
    """Least and greatest native scale of a block, in ln root edges per pixel."""
    least, greatest = surfels.native_interval
    return (least + cell.ln_edge, greatest + cell.ln_edge)
