"""What a node says of its blocks: its cell, its box, and the intervals of its scales.

Owns these sums alone: the world keeps them up to date as bounds change, the validator works them out anew.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from wonderzoom.scene_graph.cells import Cell, common_ancestor, frames_in
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.scale_node import Interval
from wonderzoom.scene_graph.surfels import Block, StoredSurfels, Surfels

Placed = tuple[Cell, Surfels]
Scales = tuple[Interval, Interval]  # parent and child bounds of a block


def placed_in(blocks: Sequence[tuple[Cell, Surfels | StoredSurfels]]) -> dict[str, object]:
    """``cell``, ``bounds`` and ``native_scale`` of a node with these blocks."""
    cell = common_ancestor([each for each, _ in blocks])
    edges, centres = frames_in([each for each, _ in blocks], cell)
    boxes = surfel_boxes([surfels for _, surfels in blocks]) * edges[:, None, None] + centres[:, None]
    low, high = boxes[:, 0].min(0).tolist(), boxes[:, 1].max(0).tolist()
    native = (
        min(surfels.native_interval[0] + each.ln_edge for each, surfels in blocks),
        max(surfels.native_interval[1] + each.ln_edge for each, surfels in blocks),
    )
    return {"cell": cell, "bounds": (tuple(low), tuple(high)), "native_scale": native}


def scales_of(block: Block) -> Scales:
    """The parent and child intervals of a block, in ln root edges per pixel."""
    edge = block.cell.ln_edge
    (coarse, coarsest), (finest, fine) = block.limits.parent_interval, block.limits.child_interval
    return (coarse + edge, coarsest + edge), (finest + edge, fine + edge)


def scales_over(scales: Iterable[Scales]) -> dict[str, Interval]:
    """``parent_scale`` and ``child_scale`` of a node with blocks of these intervals."""
    found = list(scales)  # none for a node whose blocks are lost
    parent, child = (
        (
            min((each[side][0] for each in found), default=math.inf),
            max((each[side][1] for each in found), default=-math.inf),
        )
        for side in (0, 1)
    )
    return {"parent_scale": parent, "child_scale": child}
