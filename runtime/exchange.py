"""The commands that carry worlds to other programs and back: export, import.

What would fail in the end (a taken place, a name that says no format) is found before anything is read. What a file
can't hold is told on stderr.
"""

from __future__ import annotations

import math
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
from wonderzoom.runtime.viewing import loaded
from wonderzoom.runtime.world_report import surfel_count
from wonderzoom.scene_graph.formats import spz
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError
from wonderzoom.scene_graph.formats.flatten import (
    UNITS_TO_PIVOT,
    Flat,
    Frame,
    drawn_nearer,
    extent,
    flatten,
    shortened,
)
from wonderzoom.scene_graph.formats.glb import write_glb
from wonderzoom.scene_graph.formats.ply import write_ply
from wonderzoom.scene_graph.formats.splat import write_splat
from wonderzoom.scene_graph.formats.spz import write_spz

if TYPE_CHECKING:
    from wonderzoom.scene_graph.camera import Camera
    from wonderzoom.scene_graph.world import World

PLY, SPLAT, SPZ, GLB = ".ply", ".splat", ".spz", ".glb"
# Beyond so many frames behind a node, or depths of a scene's middle, SPZ has what is far drawn nearer.
FAR_IN_SPZ = 64.0
WRITTEN = (PLY, SPLAT, SPZ, GLB)


# ---- export -------------------------------------------------------------------------------------


def export(command: commands.Export, maker: Maker) -> int:
    """One file of splats."""
    suffix = command.output.suffix.lower()
    if suffix not in WRITTEN:
        raise UsageError(f"--output is {command.output}; its name must end with {', '.join(WRITTEN)}")
    if command.model == "2dgs" and suffix != PLY:
        raise UsageError("--model 2dgs is for .ply: the other formats know splats of three sizes only")
    check_target(command.output)
    world, _ = loaded(command.world)
    try:
        frame = frame_for(command, world)
        with maker.reporter.task("gathering surfels", len(world.blocks)) as done:
            flat = flatten(world, frame, _ln_step(suffix, world, frame), _detail(command, world), done)
        with replacing(command.output) as unfinished, unfinished.open("wb") as stream:
            _write(stream, suffix, command, frame, flat.cloud)
    except FormatError as error:
        raise CommandError(f"{command.output}: {error}") from error
    _tell_left_out(command, maker, flat)
    print(f"{command.output}: {len(flat.cloud):,} splats")
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


def _write(stream: BinaryIO, suffix: str, command: commands.Export, frame: Frame, cloud: Cloud) -> None:
    match suffix:
        case ".ply":
            place = f"from the eye of the first picture; {UNITS_TO_PIVOT:g} units to the middle of the scene"
            if command.node is not None:
                place = f"from the pivot of node {command.node}, its frame's short side is 1 unit"
            said = (f"WonderZoom: {place}; x right, y down, z forward; sRGB",)
            write_ply(stream, cloud, command.model, said)
        case ".splat":
            write_splat(stream, cloud)
        case ".spz":
            write_spz(stream, drawn_nearer(cloud, _far(frame), frame.eye_depth))
        case _:
            write_glb(stream, cloud)


def _tell_left_out(command: commands.Export, maker: Maker, flat: Flat) -> None:
    tell = maker.reporter.note
    if flat.other_layers - flat.too_fine:
        tell(f"{flat.other_layers - flat.too_fine:,} surfels of other layers are left out: a file shows one")
    if flat.too_fine:
        more = "" if command.node else "; --node ID puts the origin at a node, where its own are fine"
        tell(
            f"{flat.too_fine:,} surfels are finer than the format can place there: coarser ones stand in{more}"
        )
    if flat.outside:
        tell(f"{flat.outside:,} surfels lie outside the frame of node {command.node}")


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
        world = store.load()
    count = sum(surfel_count(world, node) for node in world.nodes.values())
    nodes = "" if len(world.nodes) == 1 else f" in {len(world.nodes)} nodes"
    print(f"{command.output}: a world of {count:,} surfels{nodes}, root {created.node}")
    return 0
