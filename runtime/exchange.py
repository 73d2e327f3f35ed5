"""The commands that carry worlds to other programs and back: export, import.

What would fail in the end (a taken place, a name that says no format) is found before anything is read. What a file
can't hold is told on stderr.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from wonderzoom.generation.jobs import Created
from wonderzoom.runtime import commands
from wonderzoom.runtime.build import Maker, check_free, start_world
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.film import check_target, replacing
from wonderzoom.runtime.frames import NothingThere, frame_of, node_of
from wonderzoom.runtime.importers.files import RELEASED, check_readable, read_cloud
from wonderzoom.runtime.importers.levels import chain_of
from wonderzoom.runtime.importers.released import read_released
from wonderzoom.runtime.importers.roots import root_of
from wonderzoom.runtime.viewing import loaded, tell_lost
from wonderzoom.runtime.world_report import surfel_count
from wonderzoom.scene_graph.formats import spz
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError, Splats
from wonderzoom.scene_graph.formats.flatten import (
    UNITS_TO_PIVOT,
    Frame,
    LeftOut,
    drawn_nearer,
    extent,
    gather,
    shortened,
)
from wonderzoom.scene_graph.formats.glb import write_glb
from wonderzoom.scene_graph.formats.ply import write_ply
from wonderzoom.scene_graph.formats.splat import write_splat
from wonderzoom.scene_graph.formats.spool import Spool
from wonderzoom.scene_graph.formats.spz import write_spz
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.surfels import BlockLost

if TYPE_CHECKING:
    from wonderzoom.scene_graph.camera import Camera
    from wonderzoom.scene_graph.world import World

PLY, SPLAT, SPZ, GLB = ".ply", ".splat", ".spz", ".glb"
_PAGES = 1 << 26  # bytes of blocks in memory: each is read once, or twice
# Beyond so many frames behind a node, or depths of a scene's middle, SPZ has what is far drawn nearer.
FAR_IN_SPZ = 64.0
WRITTEN = (PLY, SPLAT, SPZ, GLB)


# ---- export -------------------------------------------------------------------------------------


def export(command: commands.Export, maker: Maker) -> int:
    """One file of splats, or a page."""
    if command.html is not None:
        return _export_page(command, command.html, maker)
    output = command.output
    if output is None:
        raise UsageError("say what to write: --output FILE, or --html DIR")
    suffix = output.suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"--output is {output}; its name must end with {', '.join(WRITTEN)}")
    if command.model == "2dgs" and suffix != PLY:
        raise UsageError("--model 2dgs is for .ply: the other formats know splats of three sizes only")
    check_target(output)
    with WorldStore.open(command.world) as store, replacing(output) as unfinished:
        told: set[str] = set()
        while True:
            world = store.load(PageCache(_PAGES))
            tell_lost(command.world, {name: why for name, why in store.damaged.items() if name not in told})
            told |= store.damaged.keys()
            try:
                count, left = _export_splats(command, suffix, world, unfinished, maker)
                break
            except FormatError as error:
                raise CommandError(f"{output}: {error}") from error
            except BlockLost as lost:  # then once more, with what is coarser in its place
                store.give_up(lost)
    _tell_left_out(command, maker, left)
    print(f"{output}: {count:,} splats")
    return 0


def _export_splats(
    command: commands.Export, suffix: str, world: World, output: Path, maker: Maker
) -> tuple[int, LeftOut]:
    """Number of the splats written, and what is left out. Raises FormatError, BlockLost."""
    frame = frame_for(command, world)
    with Spool(output.parent) as splats:

        def keep(part: Cloud) -> None:
            far = suffix == SPZ
            splats.add(drawn_nearer(part, _far(frame), frame.eye_depth) if far else part)

        with maker.reporter.task("gathering surfels", len(world.blocks)) as done:
            left = gather(world, frame, keep, _ln_step(suffix, world, frame), _detail(command, world), done)
        with output.open("wb") as stream:
            _write(stream, suffix, command, splats)
        return len(splats), left


def _export_page(command: commands.Export, folder: Path, maker: Maker) -> int:
    """A folder that any web server can give out; it gets its name when it is whole."""
    from wonderzoom.runtime.bookmarks import UnreadableBookmarks, read_bookmarks
    from wonderzoom.runtime.server import page_files
    from wonderzoom.runtime.static_export import export_static

    if command.output is not None or command.node is not None or command.detail is not None:
        raise UsageError("--html goes with --surfels only: a page has the whole world in it")
    check_free(folder)
    world, _ = loaded(command.world, maker.pages)
    if world.root is None:
        raise NothingThere(f"{command.world}: this world is empty")
    try:
        bookmarks = read_bookmarks(command.world)
    except UnreadableBookmarks as error:
        maker.reporter.note(f"{error}; they are left out")
        bookmarks = []
    name = command.world.resolve().name
    part = folder.absolute().with_name(f".{folder.absolute().name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of one that was interrupted
        with maker.reporter.task("writing the page", len(world.nodes)) as done:
            told = export_static(world, name, bookmarks, page_files(), part, command.surfels, done)
        part.replace(folder)
    except OSError as error:
        raise CommandError(f"{folder}: could not write it: {error.strerror or error}") from error
    finally:
        shutil.rmtree(part, ignore_errors=True)
    if told.lost:
        maker.reporter.note(f"something of {len(told.lost)} nodes can't be read; what is coarser stands in")
    if told.left_out:
        maker.reporter.note(f"{told.left_out:,} surfels are left out; --surfels N says how many go in")
    print(f"{folder}: {told.surfels:,} surfels; serve it, for example: python -m http.server -d {folder}")
    return 0


def frame_for(command: commands.Export, world: World) -> Frame:
    """Scene units from the eye of the first picture, or frames from the pivot of a node."""
    if world.root is None:
        raise NothingThere(f"{command.world}: this world is empty")
    if command.node is None:
        return Frame.of_picture(frame_of(world.root, world.header))
    return Frame.of_place(frame_of(node_of(world, command.node, command.world), world.header))


def _detail(command: commands.Export, world: World) -> Camera | None:
    if command.detail is None or world.root is None:
        return None
    return frame_of(world.root, world.header).zoomed(command.detail)


def _ln_step(suffix: str, world: World, frame: Frame) -> float:
    """ln of the step of positions, and of the smallest size, where the format has such."""
    if suffix != SPZ:
        return -math.inf
    reach = float(shortened(np.array(extent(world, frame)), _far(frame)))
    return max(math.log(spz.finest_step(reach)), spz.LEAST_LN_SIZE)


def _far(frame: Frame) -> float:
    return FAR_IN_SPZ if frame.cut else FAR_IN_SPZ * UNITS_TO_PIVOT


def _write(stream: BinaryIO, suffix: str, command: commands.Export, splats: Splats) -> None:
    match suffix:
        case ".ply":
            place = f"from the eye of the first picture; {UNITS_TO_PIVOT:g} units to the middle of the scene"
            if command.node is not None:
                place = f"from the pivot of node {command.node}, its frame's short side is 1 unit"
            said = (f"WonderZoom: {place}; x right, y down, z forward; sRGB",)
            write_ply(stream, splats, command.model, said)
        case ".splat":
            write_splat(stream, splats)
        case ".spz":
            write_spz(stream, splats)
        case _:
            write_glb(stream, splats)


def _tell_left_out(command: commands.Export, maker: Maker, left: LeftOut) -> None:
    tell = maker.reporter.note
    if left.other_layers - left.too_fine:
        tell(f"{left.other_layers - left.too_fine:,} surfels of other layers are left out: a file shows one")
    if left.too_fine:
        more = "" if command.node else "; --node ID puts the origin at a node, where its own are fine"
        tell(
            f"{left.too_fine:,} surfels are finer than the format can place there: coarser ones stand in{more}"
        )
    if left.outside:
        tell(f"{left.outside:,} surfels lie outside the frame of node {command.node}")


# ---- import -------------------------------------------------------------------------------------


def import_world(command: commands.Import, maker: Maker) -> int:
    """A new world of a file of splats."""
    suffix = check_readable(command.file)
    check_free(command.output)
    if suffix == RELEASED:
        chain = chain_of(read_released(command.file), command.file.name, maker.renderer)
        first, *finer = chain.commits
        created = Created(chain.header, first, chain.root, chain.notes)
    else:
        cloud, kind = read_cloud(command.file)
        created, finer = root_of(cloud, command.file.name, kind, maker.renderer), []
    for note in created.notes:
        maker.reporter.note(f"{command.file.name}: {note}")
    with start_world(command.output, created) as store:
        for commit in finer:
            store.append(commit)
        world = store.load(maker.pages)
    count = sum(surfel_count(world, node) for node in world.nodes.values())
    nodes = "" if len(world.nodes) == 1 else f" in {len(world.nodes)} nodes"
    print(f"{command.output}: a world of {count:,} surfels{nodes}, root {created.node}")
    return 0
