"""A world as files that any web server can give out: the page, its modules, and what a server would have streamed.

    index.html  static/NAME          the page (clients/web), with relative addresses
    world.msgpack                    {welcome, bookmarks, first, more}: messages of the protocol, and names of packs
    packs/NUMBER.msgpack             [surfels, ...]: deltas of the protocol (PROTOCOL.md, section 9)

The page takes them as if they came by a websocket (``clients/web/stored.js``). ``first`` packs have the coarsest levels
of all blocks, so that nothing is ever missing and all residencies can be 1; ``more`` lists for each node what sharpens
it, coarse to fine. All that is in the packs is loaded in the end: ``surfels`` bounds it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from wonderzoom.protocol import limits, messages, values
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.values import CellAddress, ShownBlock, SurfelLevel, index_bytes
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.surfel_blocks import bounds_of, payload_of, wire_name
from wonderzoom.runtime.wire import pose
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.mips import level_count, make_mips, mip
from wonderzoom.scene_graph.surfels import Block, BlockLost
from wonderzoom.scene_graph.world import World

INDEX, PACKS = "world.msgpack", "packs"
FIRST_SURFELS = 16  # of each level in the first packs, or a few more: they cover everything for little
PACK_BYTES = 512 << 10  # of payloads and bounds: half a second at 10 Mbit/s
_MARK = '<meta name="wonderzoom-world" content="' + INDEX + '">'


@dataclass
class Exported:
    """What was written."""

    surfels: int = 0
    levels: int = 0
    left_out: int = 0  # surfels of levels beyond the bound
    lost: set[str] = field(default_factory=set[str])  # nodes of which something can't be read


def export_static(
    world: World,
    name: str,
    bookmarks: Sequence[values.Bookmark],
    page: Mapping[str, tuple[str, bytes]],
    folder: Path,
    most: int,
    done: Callable[[int], None],
) -> Exported:
    """Write a world into an empty folder. ``page``: the files of the page; ``most`` surfels go in, the levels of all
    blocks at about the same resolution; ``done`` is told how many nodes are. Raises OSError, and
    ValueError for an empty world.
    """
    root = world.root
    if root is None:
        raise ValueError("the world is empty")
    told = Exported()
    nodes = sorted(
        world.nodes.values(),
        key=lambda node: (zoom_ln(frame_of(root, world.header), frame_of(node, world.header)), node.id),
    )
    blocks = {node.id: list(world.blocks_of(node.id)) for node in nodes}
    for node in nodes:
        _make_levels(blocks[node.id], [view.camera for view in node.views], told)
    chosen = _chosen([block for node in nodes for block in blocks[node.id]], most, told)
    (folder / PACKS).mkdir(parents=True)
    packs = _Packs(folder, world.revision)
    first: list[SurfelLevel] = []
    more: dict[str, list[tuple[str, int]]] = {}
    kept: dict[str, int] = {}  # the finest level of each block that could be written
    for number, node in enumerate(nodes, 1):
        base, finer = _encoded(blocks[node.id], chosen, told, kept)
        first += base
        more[node.id] = [packs.write(part, _showing(part, blocks[node.id])) for part in _parts(finer)]
        done(number)
    shown = [
        ShownBlock(
            block=bytes.fromhex(block.hash), finest=max(_base(block), kept[block.hash]),
            coarsest=_base(block), child_residency=1.0,
        )
        for node in nodes for block in blocks[node.id] if block.hash in kept
    ]  # fmt: skip
    *parts, last = list(_parts(first)) or [[]]
    names = [*(packs.write(part, []) for part in parts), packs.write(last, shown)]
    summaries = [_summary(world, node.id) for node in nodes]
    header = world.header
    welcome = messages.Welcome(
        protocol=limits.PROTOCOL, viewer="v1", name="", color="#ffb000", role="viewer", resume="",
        world=name[: limits.MAX_NAME], revision=world.revision, h_ref=header.h_ref, clock=0.0,
        nodes=summaries, camera=pose(frame_of(root, header)),
        worlds=[name[: limits.MAX_NAME]], ln_metres=math.log(header.root_edge * header.metres_per_unit),
        surfel_format=limits.SURFEL_FORMAT, metric=header.metric, background=header.background,
    )  # fmt: skip
    index = {
        "welcome": msgspec.Raw(encode(welcome)),
        "bookmarks": msgspec.Raw(encode(messages.Bookmarks(bookmarks=list(bookmarks)))),
        "first": names, "more": more,
    }  # fmt: skip
    (folder / INDEX).write_bytes(msgspec.msgpack.encode(index))
    _write_page(page, folder)
    told.surfels, told.levels = packs.surfels, packs.levels
    return told


def _make_levels(blocks: Sequence[Block], cameras: Sequence[Camera], told: Exported) -> None:
    """The pyramids of a node's blocks."""
    if not blocks:
        return
    try:
        make_mips(blocks, max(map(level_count, blocks)) - 1, cameras)
    except BlockLost:  # one at a time, so that only what is lost is missing
        for block in blocks:
            try:
                make_mips([block], level_count(block) - 1, cameras)
            except BlockLost:
                told.lost.add(block.node)


def _base(block: Block) -> int:
    """The level of a block in the first packs, and the coarsest that goes in: of FIRST_SURFELS or more."""
    levels = range(len(block.mips), -1, -1)
    return next((number for number in levels if mip(block, number).count >= FIRST_SURFELS), 0)


def _chosen(blocks: Sequence[Block], most: int, told: Exported) -> dict[str, int]:
    """The finest level of each block that goes in: all to their base, then level by level as far as there is room."""
    finest = {block.hash: _base(block) for block in blocks}
    count = sum(mip(block, number).count for block in blocks for number in [finest[block.hash]])
    for number in range(max(finest.values(), default=0) - 1, -1, -1):
        for block in blocks:
            if number >= _base(block):
                continue
            size = mip(block, number).count
            if count + size <= most and finest[block.hash] == number + 1:
                finest[block.hash] = number
                count += size
            else:
                told.left_out += size
    return finest


def _encoded(
    blocks: Sequence[Block], finest: Mapping[str, int], told: Exported, kept: dict[str, int]
) -> tuple[list[SurfelLevel], list[SurfelLevel]]:
    """The levels of a node's blocks: those of the first packs, and the finer ones, coarse to fine."""
    base: list[SurfelLevel] = []
    finer: list[SurfelLevel] = []
    for block in blocks:
        try:
            for number in range(_base(block), finest[block.hash] - 1, -1):
                (base if number == _base(block) else finer).append(_level(block, number))
                kept[block.hash] = number
        except (BlockLost, ValueError):  # the rest of it is left out; what is coarser stands in
            told.lost.add(block.node)
    finer.sort(key=lambda level: -level.level)
    return base, finer


def _level(block: Block, number: int) -> SurfelLevel:
    level = mip(block, number)
    x, y, z = (index_bytes(index) for index in block.cell.index)
    return SurfelLevel(
        hash=wire_name(level, number), block=bytes.fromhex(block.hash), node=block.node,
        cell=CellAddress(level=block.cell.level, x=x, y=y, z=z), level=number, count=level.count,
        payload=payload_of(level), bounds=bounds_of(level), bounds_revision=level.limits.revision,
    )  # fmt: skip


def _showing(levels: Iterable[SurfelLevel], blocks: Sequence[Block]) -> list[ShownBlock]:
    """How blocks are shown once those levels are there."""
    coarsest = {bytes.fromhex(block.hash): _base(block) for block in blocks}
    finest: dict[bytes, int] = {}
    for level in levels:
        finest[level.block] = min(level.level, finest.get(level.block, level.level))
    return [
        ShownBlock(block=block, finest=number, coarsest=coarsest[block], child_residency=1.0)
        for block, number in finest.items()
    ]


def _parts(levels: Sequence[SurfelLevel]) -> list[list[SurfelLevel]]:
    """Levels in their order, in parts of about PACK_BYTES."""
    parts: list[list[SurfelLevel]] = []
    size = PACK_BYTES
    for level in levels:
        if size >= PACK_BYTES or len(parts[-1]) == limits.MAX_LEVELS:
            parts.append([])
            size = 0
        parts[-1].append(level)
        size += len(level.payload or b"") + len(level.bounds)
    return parts


@dataclass
class _Packs:
    """Files of deltas, numbered as they are written."""

    folder: Path
    revision: int
    number: int = 0
    surfels: int = 0
    levels: int = 0

    def write(self, levels: list[SurfelLevel], shown: Sequence[ShownBlock]) -> tuple[str, int]:
        """One pack; its name, and its surfels."""
        self.number += 1
        count = sum(level.count for level in levels)
        self.surfels, self.levels = self.surfels + count, self.levels + len(levels)
        most = limits.MAX_SHOWN
        shows = [list(shown[at : at + most]) for at in range(0, len(shown), most)] or [[]]
        said = [
            messages.Surfels(
                delta=self.number, revision=self.revision, levels=levels if at == 0 else [], show=show
            )
            for at, show in enumerate(shows)
        ]
        name = f"{PACKS}/{self.number:05}.msgpack"
        (self.folder / name).write_bytes(msgspec.msgpack.encode([msgspec.Raw(encode(each)) for each in said]))
        return name, count


def _summary(world: World, name: str) -> values.NodeSummary:
    node, root = world.nodes[name], world.root
    assert root is not None
    frame = frame_of(node, world.header)
    return values.NodeSummary(
        id=node.id, camera=pose(frame), ln_magnification=zoom_ln(frame_of(root, world.header), frame),
        parent=node.parent,        prompt=node.prompt[: limits.MAX_PROMPT], generator=node.generator[: limits.MAX_NAME],
    )  # fmt: skip


def _write_page(page: Mapping[str, tuple[str, bytes]], folder: Path) -> None:
    """The page, with relative addresses, and told where its world is."""
    (folder / "static").mkdir()
    for name, (_, content) in page.items():
        if name == "index.html":
            text = (
                content.decode().replace('"/static/', '"static/').replace("<title>", f"{_MARK}\n  <title>", 1)
            )
            (folder / name).write_text(text, encoding="utf-8")
        elif not name.endswith(".html"):
            (folder / "static" / name).write_bytes(content)
