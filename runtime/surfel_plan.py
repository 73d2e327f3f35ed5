"""What a viewer who draws by itself should hold: which levels of which blocks, the most useful first.

A plan follows from the world, the camera and the budget. It asks for what shows in the view, in a band around it, where
the camera is heading to, and if one steps back; of blocks that finer ones have replaced it knows that they stand by.
The first levels of all blocks come early, as few surfels cover much of the view; from there each step is worth the
error that it removes, times the pixels that it covers, for each surfel.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.hops import slerp
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.refinement import Candidates
from wonderzoom.scene_graph.residency import Links, links
from wonderzoom.scene_graph.selection_loops import loops
from wonderzoom.scene_graph.surfels import Block
from wonderzoom.scene_graph.visible_set import candidates, rows_in_view
from wonderzoom.scene_graph.world import World

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Mask = NDArray[np.bool_]

GUARD_BAND = 0.25  # of the view's longer side, on each side
BACK = 2.0  # what is seen if one steps back by this factor is kept ready
AHEAD_S = 0.3  # how far a motion is thought on: what arrives later than that is better chosen then
_FASTEST = math.log(4.0)  # of a zoom that is thought on, ln, and as many radians
# How much a pixel is worth beside one in the view.
IN_THE_BAND, AHEAD, BEHIND = 1.0 / 16.0, 1.0 / 4.0, 1.0 / 64.0
# Surfels of the first level of a block that is sent: about as many bytes as it takes to say which block that is.
FIRST_SURFELS = 16
ROOT_FIRST = 1e3  # worth of the first levels of the root, behind which there is nothing


@dataclass(frozen=True, slots=True)
class Plan:
    """B blocks in (node, cell) order and S steps. A value; made by ``make_plan``."""

    camera: Camera  # of the view with the band around it
    revision: int
    blocks: tuple[Block, ...]
    wanted: Mask  # [B] has a weight of its own there; the others stand by, or are asked for in case
    roots: Mask  # [B]
    finest: I64  # [B] levels that are asked for
    coarsest: I64  # [B]
    native: F64  # [B] mean native scale, ln root edges
    boxes: F64  # [B, 2, 3] cell edges
    steps: tuple[tuple[int, int], ...]  # (block, level), the most useful first
    cameras: Mapping[str, tuple[Camera, ...]]  # of the views of each node: what pyramids are made by
    gone: frozenset[
        str
    ]  # hashes, of those that were asked about, of blocks that are not in the world any more
    index: Mapping[str, int]  # a block's hash -> its row

    def links(self) -> Links:
        """Which of the blocks stand for parts of which; takes a while where nodes are many."""
        return links(self.blocks, self.boxes, self.camera)


def make_plan(
    world: World,
    camera: Camera,
    settings: RenderSettings,
    budget: int,
    before: Plan | None = None,
    ahead: Camera | None = None,
    held: Mapping[str, tuple[str, Cell]] | None = None,
) -> Plan:
    """The plan for a camera; ``world`` must not change meanwhile.

    ``budget``: surfels that may show in the view and around it; ``before``: the plan before this one, which stays where
    it is nearly as good; ``ahead``: where the camera will be soon; ``held``: hash and key of blocks to look for.
    """
    table, radial = world.octree.rows, settings.metric == "radial"
    wide = camera.widened(round(GUARD_BAND * max(camera.width, camera.height)))
    around = rows_in_view(world, wide, settings, standing_by=True)
    inside = rows_in_view(world, camera, settings)
    others = [
        (other, share) for other, share in ((ahead, AHEAD), (camera.zoomed(1.0 / BACK), BEHIND)) if other
    ]
    looks = [
        (wide, 1.0, around),
        *((each, share, rows_in_view(world, each, settings)) for each, share in others),
    ]
    found = np.unique(np.concatenate([rows for _, _, rows in looks]))
    rows = table.in_order(found)
    blocks = tuple(table.blocks(rows.tolist()))
    wanted = np.isin(rows, rows_in_view(world, wide, settings))
    roots = np.array([world.nodes[block.node].parent is None for block in blocks], np.bool_)
    place = np.zeros(len(table.slot), np.intp)
    place[rows] = np.arange(len(rows))

    finest, coarsest = np.full(len(rows), -1), np.zeros(len(rows), np.int64)
    steps: list[tuple[I64, I64, F64]] = []
    for other, share, its in looks:
        asked = _sized(candidates(world.octree, its, other, radial), table.surfels[its].astype(np.int64))
        at = place[its]
        low = asked.finest.copy()
        if other is wide:
            mine = wanted[at]
            known = None if before is None else _levels_of(before, [blocks[k] for k in at[mine].tolist()])
            low[mine], drawn = loops().refine(_rows_of(asked, mine), budget, known)
            value = np.where(np.isin(its, inside), 1.0, IN_THE_BAND)
            ask = mine.copy()
            ask[mine] = drawn
        else:
            value, ask = np.full(len(its), share), np.ones(len(its), np.bool_)
        high = np.maximum(low, asked.coarsest)
        new = finest[at] < 0
        finest[at[new]], coarsest[at[new]] = low[new], high[new]
        steps.append(_steps(at[ask], _rows_of(asked, ask), low[ask], high[ask], value[ask]))
        if other is wide:
            first = roots[at]
            base = np.maximum(_first_levels(asked), low)[first]
            steps.append((at[first], base, ROOT_FIRST + np.log2(asked.coverage[first])))
    which, level, worth = (np.concatenate(parts) for parts in zip(*steps, strict=True))
    order = np.argsort(-worth, kind="stable")
    return Plan(
        wide,
        world.revision,
        blocks,
        wanted,
        roots,
        finest,
        coarsest,
        table.native[rows].mean(1),
        table.box[rows].copy(),
        tuple(dict.fromkeys(zip(which[order].tolist(), level[order].tolist(), strict=True))),
        {name: tuple(view.camera for view in world.nodes[name].views) for name in {b.node for b in blocks}},
        frozenset(
            name
            for name, key in (held or {}).items()
            if key not in world.octree or world.octree.block(*key).hash != name
        ),
        {block.hash: k for k, block in enumerate(blocks)},
    )


def heading(before: Camera, now: Camera, seconds: float) -> Camera | None:
    """Where a camera that moved so within ``seconds`` will be AHEAD_S later; None where it stands or has jumped."""
    if seconds <= 0.0 or before == now:
        return None
    share = AHEAD_S / seconds
    zoom = share * (before.ln_scale - now.ln_scale)
    point = now.view_point(before.pivot)
    moved = -share * point
    if not (abs(zoom) <= _FASTEST and np.abs(moved).max() <= 2.0 * max(now.width, now.height)):
        return None
    turned = slerp(np.array(before.quat), np.array(now.quat), 1.0 + min(share, 3.0))
    quat = (float(turned[0]), float(turned[1]), float(turned[2]), float(turned[3]))
    return replace(now, pivot=now.position(moved), quat=quat).zoomed(math.exp(zoom))


def _sized(asked: Candidates, surfels: I64) -> Candidates:
    """With the sizes that pyramids will have about: a quarter at each level. Making them all only to know would take
    longer than sending what is needed of them."""
    levels = np.arange(int(asked.last.max(initial=0)) + 1)
    sizes = np.maximum(1, surfels[:, None] >> np.minimum(2 * levels, 62))
    return replace(asked, sizes=np.where(levels <= asked.last[:, None], sizes, 0))


def _rows_of(asked: Candidates, which: Mask) -> Candidates:
    return Candidates(
        asked.sizes[which],
        asked.finest[which],
        asked.coarsest[which],
        asked.last[which],
        asked.octaves[which],
        asked.coverage[which],
    )


def _first_levels(asked: Candidates) -> I64:
    """The finest level [N] of about FIRST_SURFELS or fewer."""
    few = (asked.sizes <= FIRST_SURFELS) & (np.arange(asked.sizes.shape[1]) <= asked.last[:, None])
    return np.where(few.any(1), few.argmax(1), asked.last)


def _steps(at: NDArray[np.intp], asked: Candidates, low: I64, high: I64, value: F64) -> tuple[I64, I64, F64]:
    """(block, level, worth) of the first levels of some blocks and of those from ``high`` to ``low``."""
    numbers = np.arange(asked.sizes.shape[1])
    first = np.maximum(_first_levels(asked), low)
    ask = ((numbers >= low[:, None]) & (numbers <= high[:, None])) | (numbers == first[:, None])
    # Surfels of level m are 2^m native pixels apart; that is the error that remains without them.
    worth = np.log2(value * asked.coverage)[:, None] + numbers - asked.octaves[:, None]
    worth = worth - np.log2(np.maximum(asked.sizes, 1))
    which, level = np.nonzero(ask)
    return at[which].astype(np.int64), level, worth[which, level]


def _levels_of(before: Plan, blocks: Sequence[Block]) -> I64:
    """The finest level of each block in a plan, -1 for none."""
    rows = [before.index.get(block.hash, -1) for block in blocks]
    return np.array(
        [-1 if row < 0 or not before.wanted[row] else before.finest[row] for row in rows], np.int64
    )
