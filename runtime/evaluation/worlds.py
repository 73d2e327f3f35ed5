"""The worlds of an evaluation: made of plans where they are not there yet, with and without parts of the method.

Owns where worlds are kept and what their making took. Ablated worlds are made at the cameras of the whole one: a
scene is compared at the same place, even where another depth would have put the pivot elsewhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import Created, CreateRequest, Watch, Zoomed, ZoomRequest
from wonderzoom.runtime.authoring import planned_request
from wonderzoom.runtime.build import Maker, Painter, build
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation.suite import Entry
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.plans import ROOT, Plan
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

SECONDS = "seconds.json"  # node -> what its making took
WITHOUT = {
    "registration": Ablations(registration=False),
    "auxiliary": Ablations(auxiliary=False),
}


@dataclass(frozen=True, slots=True)
class Subject:
    """A world with the zooms in it that are scored."""

    name: str
    world: World
    zooms: dict[str, str]  # name -> node
    seconds: dict[str, float]  # node -> what its making took, where that was seen
    note: str = ""  # why a zoom is not there


class TimedMaker:
    """A maker whose zooms are timed; each time is kept at once, so that an interrupted build loses none."""

    def __init__(self, maker: Maker, path: Path, clock: Callable[[], float]) -> None:
        self._maker, self._path, self._clock = maker, path, clock

    @property
    def renderer(self) -> Painter:
        """Of the maker that is timed."""
        return self._maker.renderer

    @property
    def reporter(self) -> Reporter:
        """Of the maker that is timed."""
        return self._maker.reporter

    def generator_name(self, generator: str) -> str:
        """See ``Maker``."""
        return self._maker.generator_name(generator)

    def imagine(self, generator: str, prompt: str, seed: int, watch: Watch) -> NDArray[np.uint8]:
        """See ``Maker``."""
        return self._maker.imagine(generator, prompt, seed, watch)

    def create(self, generator: str, request: CreateRequest, watch: Watch) -> Created:
        """See ``Maker``."""
        begin = self._clock()
        created = self._maker.create(generator, request, watch)
        self._keep(created.node, self._clock() - begin)
        return created

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
        """See ``Maker``."""
        begin = self._clock()
        zoomed = self._maker.zoom(generator, world, request, watch)
        self._keep(zoomed.node, self._clock() - begin)
        return zoomed

    def ablated(self, ablations: Ablations) -> Maker:
        """See ``Maker``."""
        return TimedMaker(self._maker.ablated(ablations), self._path, self._clock)

    def _keep(self, node: str, seconds: float) -> None:
        kept = read_seconds(self._path) | {node: round(seconds, 3)}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def read_seconds(path: Path) -> dict[str, float]:
    """Node -> seconds; nothing where the file is not there or was cut short."""
    try:
        return {
            str(node): float(value) for node, value in json.loads(path.read_text(encoding="utf-8")).items()
        }
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def made_world(entry: Entry, folder: Path, maker: Maker, clock: Callable[[], float]) -> Subject:
    """The world of a plan, made or completed in ``folder``/NAME."""
    return _made(entry.name, entry.plan, folder / entry.name, maker, clock)


def ablated_world(
    entry: Entry, whole: Subject, without: str, folder: Path, maker: Maker, clock: Callable[[], float]
) -> Subject:
    """The same plan at the same cameras, made without a part of the method.

    Where a zoom can't be made any more, the ones before it are what there is, and ``note`` says why.
    """
    zooms = tuple(
        replace(zoom, camera=frame_of(whole.world.node(whole.zooms[zoom.name]), whole.world.header))
        for zoom in entry.plan.zooms
    )
    path = folder / f"{entry.name}-without-{without}"
    ablated = maker.ablated(WITHOUT[without])
    plan, note = replace(entry.plan, zooms=zooms), ""
    while True:
        try:
            return replace(_made(entry.name, plan, path, ablated, clock), note=note)
        except CommandError as error:
            there = _present(path)
            if there is None or there >= len(plan.zooms):
                raise
            note = f"{entry.name} without {without} ends after {there} of {len(zooms)} zooms: {error}"
            plan = replace(plan, zooms=plan.zooms[:there])


def _present(path: Path) -> int | None:
    """How many zooms a world has; None where there is no world."""
    if not path.exists():
        return None
    with WorldStore.open(path) as store:
        return len(store.load().nodes) - 1


def _made(name: str, plan: Plan, path: Path, maker: Maker, clock: Callable[[], float]) -> Subject:
    times = path.with_name(f"{path.name}.{SECONDS}")
    built = build(plan, planned_request(plan, maker), path, TimedMaker(maker, times, clock))
    zooms = {zoom: node for zoom, node in built.nodes.items() if zoom != ROOT}
    with WorldStore.open(path) as store:
        return Subject(name, store.load(), zooms, read_seconds(times))


def opened_world(path: Path) -> Subject:
    """A world that is there, with all of its zooms, each named after its node. Raises CommandError."""
    with WorldStore.open(path) as store:
        world = store.load()
        damaged = store.damaged
    if damaged:
        raise CommandError(f"{path}: the world is damaged ({next(iter(damaged.values()))}); restore it first")
    zooms = {node.id: node.id for node in world.nodes.values() if node.parent is not None}
    if not zooms:
        raise CommandError(f"{path}: this world has no zooms: there is nothing to score")
    return Subject(path.resolve().name, world, zooms, {})
