"""What one viewer is shown of a world that is not all there: which blocks, and how far each has come.

A ``Sight`` remembers what its viewer was shown, so that what arrives, is evicted, is undone or is new fades over
FADE_S (``scene_graph.residency``) and nothing pops. What only comes into view is there at once, if it is in memory.
The root's blocks have nothing coarser behind them: they are read before the picture is drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.mips import Missing
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.residency import Fades, Links, links, shown
from wonderzoom.scene_graph.surfels import Block, BlockLost
from wonderzoom.scene_graph.visible_set import Rows, wanted_rows, with_levels
from wonderzoom.scene_graph.world import World

GUARD_BAND = 0.25  # of the view's longer side, on each side: what is read ahead
AHEAD_EVERY_S = 0.1  # walking the octree once more costs half of what choosing blocks costs
BYTES_A_SURFEL = 62  # columns and bounds, as they are read
FILL = (
    0.8  # of the memory for blocks, what one view may ask for: the rest is for others and for the way there
)


@dataclass(frozen=True, slots=True)
class Seen:
    """What to draw now."""

    visible: VisibleSet
    settled: bool  # nothing fades or is on its way
    final: bool  # settled, and nothing is drawn finer than it need be: the next frame would be the same
    lacking: tuple[Block, ...] = ()  # to be read, the most urgent first


@dataclass(slots=True)
class Sight:
    """One viewer's; one thread at a time. ``read`` reads a block now and says whether it is there."""

    ready: Callable[[Block], bool]  # its columns are there, for levels of its pyramid as for itself
    read: Callable[[Block], bool]
    room: int  # bytes that the blocks of one view may take
    ahead: bool = True  # whether anything may be on disk
    _fades: Fades = field(default_factory=Fades)
    _at: float | None = None
    _nodes: frozenset[str] = frozenset()  # that were in the world at the last look
    _revision: int = -1
    _last: tuple[Block, ...] = ()  # wanted at the last look
    _leaving: dict[str, Block] = field(
        default_factory=dict[str, Block]
    )  # no longer in the world, and still shown
    _linked: tuple[tuple[int, ...], Links] | None = None
    _beside: Sequence[Block] = ()  # missing around the view, when that was looked at
    _looked_at: float = -1e9
    _before: VisibleSet | None = None  # what was drawn last, as far as it was in the world

    def see(
        self,
        world: World,
        camera: Camera,
        settings: RenderSettings,
        now: float,
        lost: Collection[str],
        later: Callable[[Missing], None] | None = None,
    ) -> Seen:
        """What a moving picture shows ``now`` (seconds): what is there, and on its way.

        ``later`` hears of levels of pyramids that are missing, which are then not waited for (``visible_set``).
        """
        unmade: list[Missing] = []

        def note(missing: Missing) -> None:
            unmade.append(missing)
            if later is not None:
                later(missing)

        rows = wanted_rows(world, camera, settings)
        wanted = tuple(world.octree.rows.blocks(rows.tolist()))
        fitting = _fitting(wanted, self.room)
        have = {block.hash: block.hash not in lost and self._have(block, world) for block in wanted}
        there = {name: present and name in fitting for name, present in have.items()}
        known, first = self._turn(world, wanted), self._at is None
        at_once = {block.hash for block in wanted if first or block.node in known}
        # Of what was evicted nothing is left that could fade; what was undone is in nobody's way.
        here = {
            name: share if have.get(name, True) else 0.0
            for name, share in self._fades.shares.items()
            if name in have or name in self._leaving
        }
        seconds = 0.0 if self._at is None else now - self._at
        self._fades, self._at = Fades(here).moved(there, seconds, at_once), now
        self._leaving = {name: each for name, each in self._leaving.items() if name in self._fades.shares}
        missing = [b for b in wanted if b.hash in fitting and not there[b.hash] and b.hash not in lost]
        lacking = _coarse_first(missing)
        if not lacking:
            lacking = [block for block in self._beside if not self.ready(block)]
        hear = None if later is None else note
        visible = self._picture(world, camera, settings, rows, wanted, there, hear)
        settled = not missing and self._fades.settled(there)
        return Seen(visible, settled, settled and not unmade, tuple(lacking))

    def look_ahead(
        self, world: World, camera: Camera, settings: RenderSettings, now: float, lost: Collection[str]
    ) -> Sequence[Block]:
        """What is missing beside the view, to be read when nothing in it is; found out anew every AHEAD_EVERY_S.

        Apart from ``see``, which says it from then on, as no picture needs to wait for it.
        """
        if self.ahead and now >= self._looked_at + AHEAD_EVERY_S:
            self._beside, self._looked_at = self._around(world, camera, settings, lost), now
        return self._beside

    def whole(self, world: World, camera: Camera, settings: RenderSettings) -> VisibleSet:
        """What a picture shows that waits for everything: all blocks but those that are lost."""
        rows = wanted_rows(world, camera, settings)
        wanted = tuple(world.octree.rows.blocks(rows.tolist()))
        there = {block.hash: self.ready(block) or self.read(block) for block in wanted}
        self._turn(world, wanted)
        self._fades = Fades({name: float(present) for name, present in there.items()})
        self._leaving = {}
        return self._picture(world, camera, settings, rows, wanted, there, patient=True)

    # ---- parts ------------------------------------------------------------------------------------
    def _have(self, block: Block, world: World) -> bool:
        return self.ready(block) or (world.node(block.node).parent is None and self.read(block))

    def _turn(self, world: World, wanted: tuple[Block, ...]) -> frozenset[str]:
        """Take note of the world as it is now; the nodes of the one that was seen before."""
        known, before, self._last = self._nodes, self._last, wanted
        if self._revision != world.revision:
            self._nodes, self._revision = frozenset(world.nodes), world.revision
            gone = {block.hash: block for block in before if not _is_live(block, world)}
            self._leaving = {
                name: each for name, each in (self._leaving | gone).items() if not _is_live(each, world)
            }
        return known

    def _around(
        self, world: World, camera: Camera, settings: RenderSettings, lost: Collection[str]
    ) -> list[Block]:
        """What is missing beside the view, as far as there is room."""
        band = round(GUARD_BAND * max(camera.width, camera.height))
        rows = wanted_rows(world, camera.widened(band), settings)
        blocks = tuple(world.octree.rows.blocks(rows.tolist()))
        fitting = _fitting(blocks, self.room)
        return _coarse_first(
            [b for b in blocks if b.hash in fitting and b.hash not in lost and not self.ready(b)]
        )

    def _picture(
        self, world: World, camera: Camera, settings: RenderSettings, rows: Rows, wanted: tuple[Block, ...],
        there: dict[str, bool], later: Callable[[Missing], None] | None = None, *, patient: bool = False,
    ) -> VisibleSet:  # fmt: skip
        """The visible set by the shares of ``_fades``; ``patient``: what stands by is read, too."""
        shares = self._fades.shares
        if len(shares) == len(wanted) and all(share == 1.0 for share in shares.values()):
            self._before = with_levels(world, rows, camera, settings, self._before, later)
            return self._before
        table = world.octree.rows
        asked = {block.hash for block in (*wanted, *self._leaving.values())}
        by = table.blocks(wanted_rows(world, camera, settings, standing_by=True).tolist())
        live = {block.hash: block for block in (*wanted, *by)}
        blocks = sorted((self._leaving | live).values(), key=lambda block: (block.node, *_place(block)))
        is_live = np.array([block.hash in live for block in blocks], np.bool_)
        is_root = np.array(
            [block.hash in live and world.nodes[block.node].parent is None for block in blocks], np.bool_
        )
        here = np.array([there.get(block.hash) or self.ready(block) for block in blocks], np.bool_)
        for row in np.flatnonzero(~here & is_live & (is_root | patient)).tolist():
            here[row] = self.read(blocks[row])
        found = shown(
            np.array([shares.get(block.hash, 1.0) for block in blocks]),
            here,
            np.array([block.hash in asked for block in blocks], np.bool_),
            is_root,
            is_live,
            self._links(blocks, world, camera),
        )
        resident = {
            blocks[row].key: (share, below)
            for row, share, below in zip(
                found.rows.tolist(), found.residencies.tolist(), found.child_residencies.tolist(), strict=True
            )
            if is_live[row]
        }
        drawn = np.array([table.of(key) for key in resident], np.intp)
        self._before = with_levels(world, drawn, camera, settings, self._before, later)
        leaving = [
            (blocks[row], share)
            for row, share in zip(found.rows.tolist(), found.residencies.tolist(), strict=True)
            if not is_live[row]
        ]
        return _fading(self._before, resident, leaving)

    def _links(self, blocks: Sequence[Block], world: World, camera: Camera) -> Links:
        key = tuple(map(id, blocks))
        if self._linked is None or self._linked[0] != key:
            boxes = np.array([_box(block, world) for block in blocks]).reshape(-1, 2, 3)
            self._linked = key, links(blocks, boxes, camera)
        return self._linked[1]


def in_memory(block: Block) -> bool:
    """Whether a block's columns are there."""
    return block.in_memory


def all_of_it() -> Sight:
    """For pictures that wait for everything, as ``render`` makes; what is lost is found and left out."""

    return Sight(in_memory, _read, 0, ahead=False)


def everything() -> Sight:
    """For films of what somebody saw: what comes fades in, and nothing is ever missing but what is lost."""
    return Sight(_read, _read, 1 << 62, ahead=False)


def _read(block: Block) -> bool:
    try:
        return len(block.surfels) == len(block.bounds)
    except BlockLost:
        return False  # told of by whoever opened the world


def _is_live(block: Block, world: World) -> bool:
    return block.key in world.octree and world.octree.block(*block.key).hash == block.hash


def _box(block: Block, world: World) -> NDArray[np.float64]:
    if _is_live(block, world):
        return world.octree.rows.box[world.octree.rows.of(block.key)]
    return surfel_boxes([block.columns])[0]


def _fading(
    visible: VisibleSet,
    resident: Mapping[tuple[str, Cell], tuple[float, float]],
    leaving: Sequence[tuple[Block, float]],
) -> VisibleSet:
    """A visible set with both residencies of its blocks, and with what is no longer in the world, as it was."""
    pairs = [resident[block.key] for block in visible.blocks]
    gone = [block for block, _ in leaving]
    shares = [share for _, share in leaving]
    return VisibleSet(
        (*visible.blocks, *gone),
        (*visible.mips, *(0 for _ in gone)),
        (*(share for share, _ in pairs), *shares),
        visible.revision,
        (*visible.shared, *((0, 0) for _ in gone)),
        (*(below for _, below in pairs), *shares),
    )


def _place(block: Block) -> tuple[int, ...]:
    return (block.cell.level, *block.cell.index)


def _coarse_first(blocks: Sequence[Block]) -> list[Block]:
    """What many finer ones wait for is read before them."""
    return sorted(blocks, key=lambda block: (block.cell.level, block.node, block.cell.index))


def _fitting(blocks: Sequence[Block], room: int) -> set[str]:
    """The hashes of the blocks that fit into memory together, coarse ones first, up to the first that does not."""
    if BYTES_A_SURFEL * sum(block.count for block in blocks) <= room:
        return {block.hash for block in blocks}
    found, used = set[str](), 0
    for block in _coarse_first(blocks):
        used += BYTES_A_SURFEL * block.count
        if used > room:
            break
        found.add(block.hash)
    return found
