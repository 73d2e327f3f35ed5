"""Carrying out plans: a world that has what the plan says, however often it was interrupted on the way.

Every step is idempotent. A zoom of the plan is done when its parent has a child that was asked for in the
same words: same place, factor, prompt, seed and generator; it is found by its camera, never by its order. As
each zoom is one durable commit, and sees the same world whether or not the build was interrupted before it, a
resumed build ends with the same bytes.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import (
    AlreadyCovered,
    Created,
    CreateRequest,
    GenerationError,
    Watch,
    Zoomed,
    ZoomRequest,
)
from wonderzoom.runtime.errors import CommandError, UsageError
from wonderzoom.runtime.frames import NothingThere, aim, at_reference, frame_of
from wonderzoom.runtime.plans import ROOT, Plan, PlannedZoom
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.hops import zoom_ln
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import Renderer, RenderSettings, VisibleSet
from wonderzoom.scene_graph.scale_node import PartLost, ScaleNode
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.store_errors import WorldExists, WorldMissing, WorldReadOnly
from wonderzoom.scene_graph.world import World

# A node's camera is where the plan points if it is within these: wider than rounding, far narrower than
# anything that a person would tell apart.
_SAME_PIXEL = 0.5
_SAME_LN_FACTOR = 1e-3


class OtherWorld(CommandError):
    """The world at this place was made of something else."""


class Painter(Renderer, Protocol):
    """A renderer that also makes finished pictures, [H, W, 4] sRGB bytes, alone or with the zeta of ``render``."""

    def render_color(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> NDArray[np.uint8]: ...

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]: ...


class Maker(Protocol):
    """What commands work with: the composition root, or less in tests."""

    @property
    def renderer(self) -> Painter: ...

    @property
    def pages(self) -> PageCache:
        """Where worlds keep what they have read of themselves."""
        ...

    @property
    def reporter(self) -> Reporter: ...

    def generator_name(self, generator: str) -> str:
        """Name and version, as nodes record it."""
        ...

    def imagine(self, generator: str, prompt: str, seed: int, watch: Watch) -> NDArray[np.uint8]:
        """A picture of what the words say, [H, W, 3] sRGB. Raises UsageError where the generator makes none."""
        ...

    def create(self, generator: str, request: CreateRequest, watch: Watch) -> Created: ...

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed: ...

    def ablated(self, ablations: Ablations) -> Maker:
        """The same maker with parts of the method left out, for comparison."""
        ...


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did."""

    nodes: dict[str, str]  # name in the plan -> node, the root included
    made: tuple[str, ...]  # names of what was generated this time
    ignored: dict[str, tuple[str, ...]]  # name -> prompt words that nothing was made for


# ---- one world, one node ------------------------------------------------------------------------


def check_free(path: Path) -> None:
    """Raise the StoreError now that ``start_world`` would raise after minutes of work."""
    try:
        with WorldStore.open(path) as store:
            if store.revision == 0:
                return  # begun and never finished
            raise WorldExists(path, "there is a world already", "choose another path, or zoom into this one")
    except WorldMissing:
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise WorldExists(path, "something else is there already", "choose another path") from None
        folder = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
        if not folder.is_dir():
            raise WorldMissing(path, f"{folder} is a file", "choose another path") from None
        if not os.access(folder, os.W_OK | os.X_OK):
            raise WorldReadOnly(path, f"no permission to write in {folder}", "choose another path") from None


def start_world(path: Path, created: Created) -> WorldStore:
    """A new world with its root, open for writing; completes one whose creation was cut short."""
    try:
        store = WorldStore.create(path, created.header)
    except WorldExists:
        try:
            store = WorldStore.open(path, write=True)
        except WorldMissing:
            store = None
        if store is None or store.revision or store.header != created.header:
            if store is not None:
                store.close()
            raise
    try:
        store.append(created.commit)
    except BaseException:
        store.close()
        raise
    return store


def add(store: WorldStore, world: World, zoomed: Zoomed) -> ScaleNode:
    """Make a zoom durable, then real; of a world that is on disk its columns are let go of."""
    store.append(zoomed.commit)
    world.apply(zoomed.commit)
    world.settle(store.settled(zoomed.commit))
    return world.node(zoomed.node)


# ---- a whole plan -------------------------------------------------------------------------------


def build(plan: Plan, request: CreateRequest, path: Path, maker: Maker) -> Built:
    """Make at ``path`` what is missing of the plan; ``request`` is its picture, read.

    Raises OtherWorld, CommandError with the place in the plan, and what the store raises; what was made
    before an error stays, and is found the next time.
    """
    try:
        generator = maker.generator_name(plan.generator)
    except UsageError as error:  # of the plan, not of the command line
        raise CommandError(f"{plan.path}: {error}") from error
    with _begun(plan, request, path, maker) as store, _lost_is_said(path):
        world = store.load(maker.pages)
        if store.damaged:
            first = next(iter(store.damaged.values()))
            raise OtherWorld(f"{path}: the world is damaged ({first}); restore it before building on it")
        nodes = {ROOT: _checked_root(plan, request, path, world, generator).id}
        made: list[str] = []
        ignored: dict[str, tuple[str, ...]] = {}
        for number, zoom in enumerate(plan.zooms, 1):
            parent = world.node(nodes[zoom.parent])
            there = [child for child in world.children(parent.id) if _is_at(world, parent, child, zoom)]
            done = [child for child in there if _asked(child) == (zoom.prompt, zoom.seed, generator)]
            if done:
                nodes[zoom.name] = done[0].id
                continue
            old = there[0] if there and zoom.mode == "replace" else None
            what = f"zoom {number} of {len(plan.zooms)} ({zoom.name})"
            zoomed = _made(plan, zoom, world, parent, old, maker, what)
            nodes[zoom.name] = add(store, world, zoomed).id
            made.append(zoom.name)
            for note in zoomed.notes:
                maker.reporter.note(f"{zoom.name}: {note}")
            if zoomed.ignored:
                ignored[zoom.name] = zoomed.ignored
                maker.reporter.note(f"{zoom.name}: nothing was made for: {', '.join(zoomed.ignored)}")
    return Built(nodes, tuple(made), ignored)


@contextmanager
def _lost_is_said(path: Path) -> Generator[None]:
    """What is on disk is looked at when it is read: what is lost of the world shows then."""
    try:
        yield
    except PartLost as error:
        raise OtherWorld(
            f"{path}: the world is damaged ({error}); restore it before building on it"
        ) from error


def _begun(plan: Plan, request: CreateRequest, path: Path, maker: Maker) -> WorldStore:
    """The world at ``path``, open for writing: the one that is there, or a new one of the picture."""
    try:
        store = WorldStore.open(path, write=True)
        if store.revision:
            return store
        store.close()  # begun and never finished
    except WorldMissing:
        pass
    check_free(path)
    with maker.reporter.stages("the picture") as watch:
        created = maker.create(plan.generator, request, watch)
    for note in created.notes:
        maker.reporter.note(note)
    return start_world(path, created)


def _checked_root(plan: Plan, request: CreateRequest, path: Path, world: World, generator: str) -> ScaleNode:
    """The root, if it is that of this plan."""
    root = world.root
    if root is None:
        raise OtherWorld(f"{path}: this world has no root; build into another directory")
    difference = None
    if root.main.image is None or not np.array_equal(root.main.image, request.image):
        difference = "another picture, or in another size"
    elif (root.prompt, root.seed) != (plan.prompt, plan.seed):
        difference = f"another prompt or seed ({root.prompt!r}, {root.seed})"
    elif root.generator != generator:
        difference = f"{root.generator}, the plan asks for {generator}"
    elif request.focal is not None and abs(root.main.camera.ln_f - math.log(request.focal)) > 1e-6:
        difference = "another focal length"
    if difference:
        raise OtherWorld(f"{path}: the world there was made of {difference}; build into another directory")
    return root


def _asked(node: ScaleNode) -> tuple[str, int, str]:
    return node.prompt, node.seed, node.generator


def _is_at(world: World, parent: ScaleNode, child: ScaleNode, zoom: PlannedZoom) -> bool:
    """Whether a child shows what the plan points at, by its own camera."""
    frame, mine = frame_of(parent, world.header), frame_of(child, world.header)
    if zoom.camera is not None:
        wanted = at_reference(zoom.camera, world.header)
        pixel, factor = np.array([wanted.cx, wanted.cy]), zoom_ln(wanted, mine)
        shown, _ = wanted.project(wanted.view_point(mine.pivot))
        return _near(shown, pixel) and abs(factor) < _SAME_LN_FACTOR
    pixel = np.array([zoom.at[0] * frame.width, zoom.at[1] * frame.height])
    shown, _ = frame.project(frame.view_point(mine.pivot))
    return _near(shown, pixel) and abs(zoom_ln(frame, mine) - math.log(zoom.factor)) < _SAME_LN_FACTOR


def _near(a: NDArray[np.float64], b: NDArray[np.float64]) -> bool:
    return float(np.abs(a - b).max()) < _SAME_PIXEL


def _made(
    plan: Plan,
    zoom: PlannedZoom,
    world: World,
    parent: ScaleNode,
    old: ScaleNode | None,
    maker: Maker,
    what: str,
) -> Zoomed:
    """One zoom of the plan; errors say where in the plan it stands."""
    try:
        with maker.reporter.stages(what) as watch:
            if old is not None:  # the same view again, exactly
                camera = frame_of(old, world.header)
                request = ZoomRequest(camera, zoom.prompt, zoom.seed, "replace", old.id)
            elif zoom.camera is not None:
                camera = at_reference(zoom.camera, world.header)
                request = ZoomRequest(camera, zoom.prompt, zoom.seed, "add", parent.id)
            else:
                camera = aim(world, maker.renderer, parent, zoom.at, zoom.factor).camera
                request = ZoomRequest(camera, zoom.prompt, zoom.seed, "add", parent.id)
            return maker.zoom(plan.generator, world, request, watch)
    except (GenerationError, AlreadyCovered, NothingThere) as error:
        raise CommandError(f"{zoom.where}{error}") from error
