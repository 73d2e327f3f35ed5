"""What one viewer needs: the blocks that its camera can see at the scales and sizes that it sees them at.

A walk of the octree from the top, skipping subtrees by frustum and by scale interval; then, for each block, the levels
of its pyramid that the sizes of pixels ask for, or coarser ones where a budget doesn't hold them (``refinement``). The
answer depends on the world, the camera, the settings and what was drawn before only, in a fixed order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.columns import MOST_LEVELS
from wonderzoom.scene_graph.mips import Missing
from wonderzoom.scene_graph.octree import Octree
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.refinement import Candidates
from wonderzoom.scene_graph.selection_loops import Gaze, loops
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.world import World

Rows = NDArray[np.intp]
Levels = NDArray[np.int64]

# A splat reaches beyond its 3 sigma by the low-pass filter of the renderer: 3 sqrt(0.1) = 0.95 pixels.
GUARD_PX = 2.0
# Levels of pyramids reach further than the block that they stand for, by 3.3 sigma of 0.7 spacings of a pixel.
MIP_GUARD_PX = 4.0


# All pairs of a finest and a coarsest level, made once.
_SPANS = np.empty(MOST_LEVELS**2, np.object_)
_SPANS[:] = [divmod(span, MOST_LEVELS) for span in range(MOST_LEVELS**2)]


def visible_set(
    world: World,
    camera: Camera,
    settings: RenderSettings,
    before: VisibleSet | None = None,
    later: Callable[[Missing], None] | None = None,
) -> VisibleSet:
    """The blocks that can show in ``camera``'s image, in (node, cell, level) order, all of them fully resident.

    A block is left out when its box, with the 3 sigma of its surfels, lies outside the frustum, or when none
    of its surfels has a weight at the scales of its box. Modulation ``none`` gives every surfel its full
    weight, so that it is never left out for its scale.

    With ``settings.mips`` a block comes as those levels of its pyramid that have a share at the sizes of pixels over
    its box. With ``settings.budget`` these are coarser ones where all together would be more surfels than that; what
    was drawn ``before``, the visible set of this viewer's last frame, then stays where it is nearly as good.

    Pyramids are made when they are first seen, 2 microseconds a surfel. Who can't wait passes ``later``, which hears
    what is missing: until it is made, such blocks are drawn as they are. (A budget waits: it needs to know all sizes.)
    """
    return with_levels(world, wanted_rows(world, camera, settings), camera, settings, before, later)


def wanted_rows(world: World, camera: Camera, settings: RenderSettings, *, standing_by: bool = False) -> Rows:
    """The rows of the octree's blocks that can show, in (node, cell) order.

    ``standing_by``: with those whose surfels have all handed over to finer ones: they show where these are not there.
    """
    found = rows_in_view(world, camera, settings, standing_by=standing_by)
    return world.octree.rows.in_order(found)


def rows_in_view(
    world: World, camera: Camera, settings: RenderSettings, *, standing_by: bool = False
) -> Rows:
    """The same rows in no order, which is quicker."""
    every = settings.modulation == "none"
    scale_offset = None if every else camera.ln_render_scale(settings.h_ref, settings.lod_bias)
    guard = MIP_GUARD_PX if settings.mips else GUARD_PX
    return world.octree.walk(camera, guard, scale_offset, settings.metric == "radial", standing_by)


def with_levels(
    world: World,
    rows: Rows,
    camera: Camera,
    settings: RenderSettings,
    before: VisibleSet | None = None,
    later: Callable[[Missing], None] | None = None,
) -> VisibleSet:
    """The blocks of some rows as they are drawn: whole, or as levels of their pyramids; see ``visible_set``."""
    table, radial = world.octree.rows, settings.metric == "radial"
    if not settings.mips:
        blocks = tuple(table.blocks(rows.tolist()))
        return VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), world.revision)
    wanted = candidates(world.octree, rows, camera, radial)
    finest, coarsest = wanted.finest, wanted.coarsest
    # However little pyramids merge, they are no more than this.
    most = int((table.surfels[rows] * (coarsest - finest + 1)).sum())
    if settings.budget is not None and most > settings.budget:
        unknown = rows[table.sizes[rows, 0] == 0].tolist()
        for each in missing_levels(
            world, [(table.block(row), int(table.levels[row]) - 1) for row in unknown]
        ):
            each.make()
        table.measure(unknown)
        if unknown:
            wanted = candidates(world.octree, rows, camera, radial)
        finest, drawn = loops().refine(wanted, settings.budget, _levels_of(before, world, rows))
        rows, finest, coarsest, wanted = _kept(drawn, rows, finest, coarsest, wanted)
    coarsest = np.maximum(finest, coarsest)
    last = wanted.last
    made = table.have(rows, coarsest)
    if not made.all():
        lacking = np.flatnonzero(~made)
        for each in missing_levels(
            world, zip(table.blocks(rows[lacking].tolist()), coarsest[lacking].tolist(), strict=True)
        ):
            (Missing.make if later is None else later)(each)
        made = table.have(rows, coarsest)
        finest, coarsest, last = (np.where(made, levels, 0) for levels in (finest, coarsest, last))
    return _as_set(world, rows, finest, coarsest, last)


def candidates(octree: Octree, rows: Rows, camera: Camera, radial: bool) -> Candidates:
    """What the blocks of some rows ask for at the sizes of pixels over their boxes; sizes are as far as known."""
    frames = octree.frames(camera)
    gaze = Gaze(frames.frustum(MIP_GUARD_PX), None, radial, standing_by=False)
    return loops().ask(rows, octree.rows, frames, gaze, camera)


def _levels_of(before: VisibleSet | None, world: World, rows: Rows) -> Levels | None:
    """The finest level of each row's block that a visible set has, -1 for none; None without a visible set."""
    if before is None:
        return None
    table = world.octree.rows
    if before.chosen is not None and before.revision == world.revision:
        return loops().matched(rows, *before.chosen, table)
    known = {block.key: span[0] for block, span in zip(before.blocks, before.shared, strict=True)}
    return np.array([known.get(block.key, -1) for block in table.blocks(rows.tolist())], np.int64)


def _kept(
    drawn: NDArray[np.bool_],
    rows: Rows,
    finest: Levels,
    coarsest: Levels,
    wanted: Candidates,
) -> tuple[Rows, Levels, Levels, Candidates]:
    """The rows that are drawn, of each."""
    if drawn.all():
        return rows, finest, coarsest, wanted
    return rows[drawn], finest[drawn], coarsest[drawn], replace(wanted, last=wanted.last[drawn])


def _as_set(world: World, rows: Rows, finest: Levels, coarsest: Levels, last: Levels) -> VisibleSet:
    each, levels, spans = loops().spread(rows, finest, coarsest, last)
    return VisibleSet(
        world.octree.rows.drawn(each, levels),
        tuple(levels.tolist()),
        (1.0,) * len(levels),
        world.revision,
        tuple(_SPANS.take(spans).tolist()),
        chosen=(rows, finest),
    )


def missing_levels(world: World, wanted: Iterable[tuple[Block, int]]) -> list[Missing]:
    """What has to be made of the pyramids of blocks, so that they have these levels; the blocks' nodes are live."""
    missing = sorted(
        [(block.node, level, block) for block, level in wanted if level > len(block.mips)],
        key=lambda each: each[:2],
    )
    return [
        Missing(
            tuple([block for _, _, block in group]),
            level,
            tuple([view.camera for view in world.node(node).views]),
        )
        for (node, level), group in groupby(missing, lambda each: each[:2])
    ]
