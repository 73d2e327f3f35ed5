"""The commands that only look at worlds: info, render. They may run while another program writes."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from wonderzoom.runtime import commands
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.words import MAX_SIDE
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_verify import verify

if TYPE_CHECKING:
    from wonderzoom.runtime.build import Maker
    from wonderzoom.scene_graph.camera import Camera
    from wonderzoom.scene_graph.motions import CameraPath
    from wonderzoom.scene_graph.world import World

_PICTURE, _FILM = ".png", ".mp4"
DESCENT, ORBIT = "descent", "orbit"


# ---- info ---------------------------------------------------------------------------------------


def info(command: commands.Info, maker: Maker | None = None) -> int:
    """The tree of nodes; with ``verify``, ``check`` or ``holes`` also whether the world is whole, 1 where it is not.

    ``maker`` draws what ``holes`` looks at.
    """
    from wonderzoom.runtime.world_report import as_json, as_tree

    verified = verify(command.world) if command.verify else None
    for line in verified.wrong if verified else ():
        print(f"{command.world}: {line}", file=sys.stderr)
    world, damaged = loaded(command.world, None if command.check else PageCache(0))
    wrong = world.check() if command.check else []
    open_at = _holes(world, maker) if maker is not None else []
    for line in (*wrong, *open_at):
        print(f"wrong: {line}", file=sys.stderr)
    if command.json:
        values = as_json(world)
        if verified is not None:
            values["verify"] = asdict(verified)
        if command.check:
            values["check"] = {"damaged": damaged, "wrong": wrong, "digest": world.digest()}
        if command.holes:
            values["holes"] = open_at
        print(json.dumps(values))
    else:
        from rich.console import Console

        Console(highlight=False).print(as_tree(world, str(command.world), damaged), soft_wrap=True)
        if verified is not None and not verified.wrong:
            print(f"{verified.commits} files, {verified.size:,} bytes: every byte is as it was written")
        if command.check and not (damaged or wrong):
            print(f"all laws hold, digest {world.digest()}")
        if command.holes and not open_at:
            print("no node opens a hole in its frame")
    return int(bool((verified and verified.wrong) or (command.check and damaged) or wrong or open_at))


def _holes(world: World, maker: Maker) -> list[str]:
    from wonderzoom.runtime.holes import holes

    with maker.reporter.task("looking at node", len(world.nodes)) as done:
        return holes(world, maker.renderer, done)


def loaded(path: Path, pages: PageCache | None = None) -> tuple[World, dict[str, str]]:
    """The world and what of it is lost, which is told on stderr: the rest can still be looked at.

    With ``pages`` its blocks are read when they are asked for, and what is lost of them shows then.
    """
    with WorldStore.open(path) as store:
        world = store.load(pages)
        damaged = store.damaged
    tell_lost(path, damaged)
    return world, damaged


def tell_lost(path: Path, damaged: Mapping[str, str]) -> None:
    """Say which nodes are lost, and why."""
    for node, reason in damaged.items():
        print(f"{path}: {node} is lost: {reason}", file=sys.stderr)


# ---- render -------------------------------------------------------------------------------------


def render(command: commands.Render, maker: Maker) -> int:
    """A picture or a film."""
    from wonderzoom.runtime.film import check_target

    suffix = command.output.suffix.lower()
    if suffix not in (_PICTURE, _FILM):
        raise UsageError(f"--output is {command.output}; its name must end with {_PICTURE} or {_FILM}")
    _check_options(command, suffix)
    check_target(command.output)
    given = _given_camera(command)
    with WorldStore.open(command.world) as store:
        world = store.load(maker.pages)
        tell_lost(command.world, known := store.damaged)
        if suffix == _PICTURE:
            draw_picture(command, given, world, maker)
        else:
            draw_film(command, given, world, maker)
        tell_lost(command.world, {name: why for name, why in store.damaged.items() if name not in known})
    print(command.output)
    return 0


def _check_options(command: commands.Render, suffix: str) -> None:
    """Raise UsageError for options that do not go together."""
    path = command.path or DESCENT
    if suffix == _PICTURE and command.path is not None:
        raise UsageError(f"--path is for films: name an {_FILM} file, or leave it out")
    if sum(each is not None for each in (command.camera, command.bookmark, command.node)) > 1:
        raise UsageError("give one of --camera, --bookmark and --node: each says where to look from")
    looks = command.camera is not None or command.bookmark is not None
    if suffix == _FILM and looks and path != ORBIT:
        raise UsageError("a camera is for pictures and for --path orbit")
    if suffix == _FILM and path not in (DESCENT, ORBIT) and command.node is not None:
        raise UsageError("--node goes with the paths descent and orbit; a path file has cameras of its own")
    if suffix == _FILM:
        check_even(command.size)


def _given_camera(command: commands.Render) -> Camera | None:
    from wonderzoom.runtime.camera_file import read_camera

    if command.bookmark is not None:
        from wonderzoom.runtime.bookmarks import bookmarked

        return bookmarked(command.world, command.bookmark)
    return None if command.camera is None else read_camera(command.camera)


def draw_picture(command: commands.Render, given: Camera | None, world: World, maker: Maker) -> None:
    """One view: the camera that is given, or the frame of a node (default: the newest)."""
    from wonderzoom.runtime.film import write_png
    from wonderzoom.runtime.frames import frame_of, newest, node_of, settings_of
    from wonderzoom.runtime.sight import all_of_it

    node = newest(world) if command.node is None else node_of(world, command.node, command.world)
    camera = sized(given or frame_of(node, world.header), command.size)
    settings = settings_of(world.header, command.modulation, budget=command.budget)
    visible = all_of_it().whole(world, camera, settings)
    write_png(command.output, maker.renderer.render_color(visible, camera, settings))


def sized(camera: Camera, size: tuple[int, int] | None) -> Camera:
    """A camera with pictures of that size, or of its own where that can be drawn. Raises CommandError."""
    from wonderzoom.runtime.frames import covered

    if size is not None:
        return covered(camera, *size)
    if max(camera.width, camera.height) > MAX_SIDE:
        raise CommandError(
            f"the camera has {camera.width} x {camera.height} pixels; at most {MAX_SIDE} a side are"
            " drawn: give --size"
        )
    return camera


def check_even(size: tuple[int, int] | None) -> None:
    """Raise UsageError for a size that no film has."""
    if size is not None and (size[0] % 2 or size[1] % 2):
        raise UsageError(f"--size is {size[0]}x{size[1]}; both sides of a film must be even")


def even_size(camera: Camera, size: tuple[int, int] | None) -> tuple[int, int]:
    """That of the pictures of a film: ``sized``, and even. Raises CommandError."""
    own = sized(camera, size)
    return max(2, own.width // 2 * 2), max(2, own.height // 2 * 2)


def draw_film(command: commands.Render, given: Camera | None, world: World, maker: Maker) -> None:
    """A camera path, drawn and encoded."""
    from wonderzoom.runtime.film import FPS, drawn, write_film
    from wonderzoom.runtime.frames import settings_of

    path = film_path(command, given, world)
    settings = settings_of(world.header, command.modulation, budget=command.budget)
    cameras = [path.camera(moment) for moment in path.frames(FPS)]
    comment = film_provenance(world, command)
    with maker.reporter.task("drawing the film", len(cameras)) as done:
        write_film(command.output, drawn(world, maker.renderer, cameras, settings, done), FPS, comment)


def film_provenance(world: World, command: commands.Render) -> str:
    """What a film was made of: the same text, the same film."""
    size = "" if command.size is None else f" {command.size[0]}x{command.size[1]}"
    budget = "" if command.budget is None else f" {command.budget} surfels"
    return f"wonderzoom {world.digest()} {command.path or DESCENT} {command.modulation} mips{size}{budget}"


def film_path(command: commands.Render, given: Camera | None, world: World) -> CameraPath:
    """The camera path that is asked for, with pictures of one even size."""
    from wonderzoom.runtime.camera_file import read_path
    from wonderzoom.runtime.frames import covered, deepest, frame_of, newest, node_of
    from wonderzoom.runtime.paths import descent, path_errors
    from wonderzoom.scene_graph.motions import orbit, through

    path = command.path or DESCENT
    if path == DESCENT:
        node = deepest(world) if command.node is None else node_of(world, command.node, command.world)
        return descent(world, node, even_size(frame_of(world.path(node.id)[0], world.header), command.size))
    if path == ORBIT:
        node = newest(world) if command.node is None else node_of(world, command.node, command.world)
        camera = given or frame_of(node, world.header)
        with path_errors():
            return orbit(covered(camera, *even_size(camera, command.size)))
    stops = read_path(Path(path))
    size = even_size(stops[0][0], command.size)
    with path_errors():
        return through([(covered(camera, *size), seconds) for camera, seconds in stops])
