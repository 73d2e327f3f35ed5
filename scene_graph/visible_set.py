"""What one viewer needs: the blocks that its camera can see at the scales and sizes that it sees them at.

A walk of the octree from the top, skipping subtrees by frustum and by scale interval. The answer depends on
the world and the camera only, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.frustum import Frustum, boxes_in_pixels
from wonderzoom.scene_graph.mips import make_mips, mip
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.ports import RenderSettings, Span, VisibleSet
from wonderzoom.scene_graph.scales import MIP_FADE, MIP_SHARPNESS
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.world import World

# A splat reaches beyond its 3 sigma by the low-pass filter of the renderer: 3 sqrt(0.1) = 0.95 pixels.
GUARD_PX = 2.0
# Levels of pyramids reach further than the block that they stand for, by 3 sigma of 0.6 spacings of 0.84 pixels.
MIP_GUARD_PX = 4.0
# Octaves from its level at which a share ends (``scales.mip_share``).
_REACH = 0.5 + 0.5 * MIP_FADE


def visible_set(world: World, camera: Camera, settings: RenderSettings) -> VisibleSet:
    """The blocks that can show in ``camera``'s image, in (node, cell, level) order, all of them fully resident.

    A block is left out when its box, with the 3 sigma of its surfels, lies outside the frustum, or when none
    of its surfels has a weight at the scales of its box. Modulation ``none`` gives every surfel its full
    weight, so that it is never left out for its scale. With ``settings.mips`` a block comes as those levels of its
    pyramid that have a share at the sizes of pixels over its box.
    """
    if settings.modulation == "none":
        scale_offset = None
    else:
        scale_offset = camera.ln_render_scale(settings.h_ref, settings.lod_bias)
    radial = settings.metric == "radial"
    if not settings.mips:
        blocks = tuple(world.octree.touching(camera, GUARD_PX, scale_offset, radial))
        return VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), world.revision)
    found = _levels(world.octree, camera, scale_offset, radial)
    _make(world, found)
    drawn: list[tuple[Block, int, Span]] = [
        (mip(block, level), level, (0, count - 1)) for block, levels, count in found for level in levels
    ]
    return VisibleSet(
        tuple([block for block, _, _ in drawn]),
        tuple([level for _, level, _ in drawn]),
        (1.0,) * len(drawn),
        world.revision,
        tuple([span for _, _, span in drawn]),
    )


def _levels(
    octree: Octree, camera: Camera, scale_offset: float | None, radial: bool
) -> list[tuple[Block, range, int]]:
    """The blocks that can show, with the levels of their pyramids that have a share at the sizes of pixels over
    their boxes (``scales.mip_share``), and how many levels they have."""
    table = octree.rows
    walked = octree.walk(camera, MIP_GUARD_PX, scale_offset, radial)
    rows = np.array(table.ordered(walked.tolist()), np.intp)
    middle, halves = boxes_in_pixels(*octree.frames(camera).of(table.slot[rows]), table.box[rows])
    least, greatest = Frustum.of(camera, MIP_GUARD_PX).depths(middle, halves, radial)
    native, last = table.native[rows], table.levels[rows] - 1
    octaves = camera.ln_scale / LN2 - MIP_SHARPNESS
    nearest = np.clip(octaves + (np.log(least) - native[:, 1]) / LN2, 0, last)
    farthest = np.clip(octaves + (np.log(greatest) - native[:, 0]) / LN2, 0, last)
    finest = np.clip(np.floor(nearest - _REACH) + 1, 0, last).astype(np.int64)
    coarsest = np.clip(np.ceil(farthest + _REACH) - 1, 0, last).astype(np.int64)
    spans = zip(finest.tolist(), coarsest.tolist(), (last + 1).tolist(), strict=True)
    return [
        (block, range(first, end + 1), count)
        for block, (first, end, count) in zip(table.blocks(rows.tolist()), spans, strict=True)
    ]


def _make(world: World, found: Sequence[tuple[Block, range, int]]) -> None:
    """Make the levels of pyramids that are missing."""
    missing = sorted(
        [(block.node, levels[-1], block) for block, levels, _ in found if levels[-1] > len(block.mips)],
        key=lambda each: each[:2],
    )
    for (node, level), group in groupby(missing, lambda each: each[:2]):
        make_mips([block for _, _, block in group], level, [view.camera for view in world.node(node).views])
