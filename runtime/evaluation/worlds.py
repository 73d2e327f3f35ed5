"""The worlds of an evaluation: made of plans where they are not there yet, with and without parts of the method.

Owns where worlds are kept and what their making took. Ablated worlds are made at the cameras of the whole one: a
scene is compared at the same place, even where another depth would have put the pivot elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import STAGES, Created, CreateRequest, StageEvent, Watch, Zoomed, ZoomRequest
from wonderzoom.runtime.authoring import planned_request
from wonderzoom.runtime.build import Maker, Painter, build
from wonderzoom.runtime.damage import DamagedWorld
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.evaluation.machine import PeakMemory
from wonderzoom.runtime.evaluation.measuring import STAGE_COST, Values
from wonderzoom.runtime.evaluation.suite import Entry
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.plans import ROOT, Plan
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

MAKING = "making.json"  # node -> what its making took
WITHOUT = {
    "registration": Ablations(registration=False),
    "auxiliary": Ablations(auxiliary=False),
}


class Making(msgspec.Struct, frozen=True):
    """What the making of one node took."""

    seconds: float
    stages: dict[
        str, float
    ]  # stage (``generation.jobs.STAGES``) -> seconds; what is before the first counts to it
    megabytes: float | None = None  # the most memory that the process had meanwhile
    card_megabytes: float | None = None  # and that of tensors on the graphics card


@dataclass(frozen=True, slots=True)
class Subject:
    """A world with the zooms in it that are scored."""

    name: str
    world: World
    zooms: dict[str, str]  # name -> node
    makings: dict[str, Making]  # node -> what its making took, where that was seen
    note: str = ""  # why a zoom is not there


class StageClock:
    """How long each stage of one job takes: from its first event to that of the next."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._begin = self._since = clock()
        self._stage = ""
        self._seconds: dict[str, float] = {}

    def over(self, watch: Watch) -> Watch:
        """The same watch, listened to."""

        def event(happened: StageEvent) -> None:
            if happened.stage != self._stage:
                self._turn(happened.stage)
            watch.event(happened)

        return replace(watch, event=event)

    def end(self) -> tuple[float, dict[str, float]]:
        """Seconds of the whole job and of its stages, in the order of ``STAGES``."""
        now = self._turn("")
        order = [stage for stage in STAGES if stage in self._seconds]
        return now - self._begin, {stage: round(self._seconds[stage], 3) for stage in order}

    def _turn(self, stage: str) -> float:
        """The stage before ends now; one that comes again goes on."""
        now = self._clock()
        if self._stage:
            self._seconds[self._stage] = self._seconds.get(self._stage, 0.0) + now - self._since
            self._since = now
        self._stage = stage
        return now


class TimedMaker:
    """A maker whose work is timed, stage by stage; kept at once, so that an interrupted build loses nothing."""

    def __init__(self, maker: Maker, path: Path, clock: Callable[[], float]) -> None:
        self._maker, self._path, self._clock = maker, path, clock
        self._memory = PeakMemory()

    @property
    def renderer(self) -> Painter:
        """Of the maker that is timed."""
        return self._maker.renderer

    @property
    def pages(self) -> PageCache:
        """Of the maker that is timed."""
        return self._maker.pages

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
        stages = self._begin()
        created = self._maker.create(generator, request, stages.over(watch))
        self._keep(created.node, stages)
        return created

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
        """See ``Maker``."""
        stages = self._begin()
        zoomed = self._maker.zoom(generator, world, request, stages.over(watch))
        self._keep(zoomed.node, stages)
        return zoomed

    def ablated(self, ablations: Ablations) -> Maker:
        """See ``Maker``."""
        return TimedMaker(self._maker.ablated(ablations), self._path, self._clock)

    def _begin(self) -> StageClock:
        self._memory.begin()
        return StageClock(self._clock)

    def _keep(self, node: str, stages: StageClock) -> None:
        seconds, each = stages.end()
        process, card = self._memory.end()
        made = Making(round(seconds, 3), each, process, card)
        kept = read_makings(self._path) | {node: made}
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._path.write_bytes(msgspec.json.format(msgspec.json.encode(kept)) + b"\n")


def read_makings(path: Path) -> dict[str, Making]:
    """Node -> what its making took; nothing where the file is not there or was cut short."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Making])
    except (OSError, msgspec.MsgspecError):
        return {}


def making_costs(making: Making | None) -> Values:
    """The costs (``measuring.COSTS``) that are known of a node's making: none of an opened world."""
    if making is None:
        return {}
    found: Values = {"seconds": making.seconds}
    found |= {STAGE_COST + stage: seconds for stage, seconds in making.stages.items()}
    return found | {"making_megabytes": making.megabytes, "card_megabytes": making.card_megabytes}


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
        return len(store.load(PageCache(0)).nodes) - 1


def _made(name: str, plan: Plan, path: Path, maker: Maker, clock: Callable[[], float]) -> Subject:
    times = path.with_name(f"{path.name}.{MAKING}")
    built = build(plan, planned_request(plan, maker), path, TimedMaker(maker, times, clock))
    zooms = {zoom: node for zoom, node in built.nodes.items() if zoom != ROOT}
    with WorldStore.open(path) as store:
        return Subject(name, store.load(maker.pages), zooms, read_makings(times))


def opened_world(path: Path, pages: PageCache) -> Subject:
    """A world that is there, read through ``pages``, with all of its zooms, each named after its node.

    Raises CommandError.
    """
    with WorldStore.open(path) as store:
        world = store.load(pages)
        if store.damaged:
            raise DamagedWorld.of(store)
    zooms = {node.id: node.id for node in world.nodes.values() if node.parent is not None}
    if not zooms:
        raise CommandError(f"{path}: this world has no zooms: there is nothing to score")
    return Subject(path.resolve().name, world, zooms, {})
