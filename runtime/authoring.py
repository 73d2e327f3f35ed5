"""The commands that change worlds: create, zoom, build, remove, undo, redo.

What would fail in the end (a taken place, a locked world, a node that is not there) is found before minutes
of work. Results are printed on stdout, progress and notes go to the reporter.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.zoom_events import ZoomCommitted
from wonderzoom.runtime import commands
from wonderzoom.runtime.build import Built, Maker, build, check_free, start_world
from wonderzoom.runtime.camera_file import read_camera
from wonderzoom.runtime.damage import DamagedWorld, damage_is_said
from wonderzoom.runtime.depth_maps import read_depth
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.frames import aim, at_reference, frame_of, newest, node_of, panned
from wonderzoom.runtime.pictures import SHORT_SIDE, read_picture
from wonderzoom.runtime.plans import Plan, read_plan
from wonderzoom.runtime.world_report import magnification, surfel_count
from wonderzoom.runtime.zooming import zoom_once
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.undo import propose_redo, propose_undo
from wonderzoom.scene_graph.world import RootRemoval, World

# ---- create -------------------------------------------------------------------------------------


def read_request(
    image: Path,
    depth: Path | None,
    focal_mm: float | None,
    maker: Maker,
    prompt: str = "",
    seed: int = 0,
    *,
    short_side: int,
    metres_per_unit: float | None = None,
) -> CreateRequest:
    """What files say of a picture, as generation takes it; notes go to the reporter."""
    picture = read_picture(image, short_side)
    notes = list(picture.notes)
    focal = picture.focal if focal_mm is None else picture.framing.focal(focal_mm)
    if depth is None:
        request = CreateRequest(picture.image, focal=focal, prompt=prompt, seed=seed)
    else:
        read = read_depth(depth, picture.framing)
        notes += read.notes
        sky = read.sky if read.sky.any() else None
        request = CreateRequest(picture.image, read.depth, sky, focal, metres_per_unit, prompt, seed)
    for note in notes:
        maker.reporter.note(f"{image.name}: {note}")
    return request


def create(command: commands.Create, maker: Maker) -> int:
    """A new world of a picture."""
    if command.image is None and not command.prompt:
        raise UsageError("give an IMAGE, or say in words what the first picture shows: --prompt TEXT")
    if command.image is None and (command.depth is not None or command.focal is not None):
        raise UsageError("--depth and --focal belong to an IMAGE; leave them out with --prompt alone")
    check_free(command.output)
    maker.generator_name(command.generator)
    with maker.reporter.stages("the picture") as watch:
        if command.image is None:
            picture = maker.imagine(command.generator, command.prompt, command.seed, watch)
            request = CreateRequest(picture, prompt=command.prompt, seed=command.seed)
        else:
            request = read_request(
                command.image, command.depth, command.focal, maker, command.prompt, command.seed,
                short_side=SHORT_SIDE,
            )  # fmt: skip
        created = maker.create(command.generator, request, watch)
    for note in created.notes:
        maker.reporter.note(note)
    with start_world(command.output, created) as store:
        world = store.load(maker.pages)
    root = world.node(created.node)
    print(f"{command.output}: a world of {surfel_count(world, root):,} surfels, root {root.id}")
    return 0


# ---- zoom ---------------------------------------------------------------------------------------


def zoom(command: commands.Zoom, maker: Maker) -> int:
    """One more node."""
    _check_zoom(command)
    camera = None if command.camera is None else read_camera(command.camera)
    with WorldStore.open(command.world, write=True) as store, damage_is_said(command.world):
        world = store.load(maker.pages)
        if store.damaged:
            raise DamagedWorld.of(store)
        node = newest(world) if command.node is None else node_of(world, command.node, command.world)
        if command.mode == "replace" and node.parent is None:
            raise RootRemoval(node.id)
        maker.generator_name(command.generator)
        with maker.reporter.stages("zoom") as watch:
            request = _request(command, camera, node, world, maker)
            made = zoom_once(store, world, request, command.generator, maker, watch)
    _tell(command, world, world.node(made.node), made)
    return 0


def _check_zoom(command: commands.Zoom) -> None:
    """Raise UsageError for options that contradict each other."""
    aimed = command.at is not None or command.factor is not None
    if aimed and command.camera is not None:
        raise UsageError("give either --at and --factor, or --camera, not both")
    if command.pan is not None and (aimed or command.camera is not None):
        raise UsageError("give --pan alone, without --at and --factor, and without --camera")
    if aimed and (command.at is None or command.factor is None):
        raise UsageError(f"--{'factor' if command.at else 'at'} is missing; give --at U,V and --factor F")
    if command.mode == "replace":
        if command.node is None:
            raise UsageError("--mode replace needs --node ID: the node that goes, with what was built on it")
    elif not aimed and command.camera is None and command.pan is None:
        raise UsageError("say where to zoom: --at U,V and --factor F, or --pan DX,DY, or --camera FILE")


def _request(
    command: commands.Zoom, camera: Camera | None, node: ScaleNode, world: World, maker: Maker
) -> ZoomRequest:
    """What generation is asked for, into the frame of ``node`` or at a camera."""
    asked = (command.prompt, command.seed, command.mode)
    if camera is not None:
        return ZoomRequest(at_reference(camera, world.header), *asked, command.node)
    if command.at is not None and command.factor is not None:
        return ZoomRequest(
            aim(world, maker.renderer, node, command.at, command.factor).camera, *asked, node.id
        )
    if command.pan is not None:
        # Whose child it is follows from what is seen there.
        named = command.node if command.mode == "replace" else None
        return ZoomRequest(panned(frame_of(node, world.header), *command.pan), *asked, named)
    return ZoomRequest(frame_of(node, world.header), *asked, node.id)  # replace: the same view again


def _tell(command: commands.Zoom, world: World, node: ScaleNode, made: ZoomCommitted) -> None:
    if command.json:
        print(
            json.dumps(
                {
                    "node": node.id,
                    "parent": node.parent,
                    "revision": world.revision,
                    "magnification": magnification(world, node),
                    "surfels": surfel_count(world, node),
                    "placed": list(made.placed),
                    "ignored": list(made.ignored),
                    "notes": list(made.notes),
                }
            )
        )
        return
    print(f"node {node.id}: {magnification(world, node):.3g}x, {surfel_count(world, node):,} surfels")
    if made.placed:
        print(f"placed: {', '.join(made.placed)}")
    for note in made.notes:
        print(note)
    if made.ignored:
        print(f"ignored, as the generator has nothing for it: {', '.join(made.ignored)}")


# ---- build --------------------------------------------------------------------------------------


def build_plan(command: commands.Build, maker: Maker) -> int:
    """A picture and a tree of zooms."""
    built = built_world(command.plan, command.output, maker)
    made = f"{len(built.made)} of {len(built.nodes) - 1} zooms made" if built.made else "nothing left to do"
    print(f"{command.output}: {made}")
    for name, node in built.nodes.items():
        ignored = f"  ignored: {', '.join(built.ignored[name])}" if name in built.ignored else ""
        print(f"{node}  {name}{ignored}")
    return 0


def built_world(plan_path: Path, output: Path, maker: Maker) -> Built:
    """A plan carried out, its picture read first."""
    plan = read_plan(plan_path)
    return build(plan, planned_request(plan, maker), output, maker)


def planned_request(plan: Plan, maker: Maker) -> CreateRequest:
    """The picture of a plan, read."""
    return read_request(
        plan.image,
        plan.depth,
        plan.focal,
        maker,
        plan.prompt,
        plan.seed,
        short_side=plan.short_side,
        metres_per_unit=plan.metres_per_unit,
    )


# ---- remove, undo, redo -------------------------------------------------------------------------


def remove(command: commands.Remove) -> int:
    """A subtree removed."""
    return _change(command.world, command.node, lambda world, _store: world.propose_removal(command.node))


def undo(command: commands.Undo) -> int:
    """A change taken back."""
    named = command.node or None
    return _change(command.world, named, lambda world, store: propose_undo(world, store, named))


def redo(command: commands.Redo) -> int:
    """An undo taken back."""
    named = command.node or None
    # Its node isn't in the world: what may be lost there has no say in it.
    return _change(command.world, None, lambda world, store: propose_redo(world, store, named))


def _change(path: Path, node: str | None, propose: Callable[[World, WorldStore], Commit]) -> int:
    """Make a commit of no new content durable; what is damaged outside of ``node`` forbids it.

    Only the blocks whose bounds change are read, and the views near them.
    """
    with WorldStore.open(path, write=True) as store, damage_is_said(path):
        world = store.load(PageCache())
        gone = world.subtree(node_of(world, node, path).id) if node is not None else []
        if any(name not in gone for name in store.damaged):
            raise DamagedWorld.of(store)
        commit = propose(world, store)
        store.append(commit)
        world.apply(commit)
    told = [
        f"{verb} {_listed(nodes)}"
        for verb, nodes in (
            ("removed", list(commit.removed)),
            ("brought back", [node.id for node in commit.added]),
        )
        if nodes
    ]
    print(f"{path}: {', '.join(told)}; {len(world.nodes)} left")
    return 0


def _listed(nodes: list[str]) -> str:
    """``node 3f2a9c81d0``, or some of them."""
    return (
        f"node {nodes[0]}"
        if len(nodes) == 1
        else f"{len(nodes)} nodes: {', '.join(nodes[:3])}" + (" and more" if len(nodes) > 3 else "")
    )
