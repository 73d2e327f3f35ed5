"""The stand-ins of the simulated server: a drawing that takes time, workers with fates, a disk in memory.

The world, its committer and all that is proposed are real, of the smallest pictures that the wire allows.
"""

import asyncio
import bisect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np
from worlds import Plane, facing, first_camera, joined, lift, make_node, plane_node, plane_view
from zoom_scripts import ScriptedExecutor

from wonderzoom.generation.committing import Committer, CommitThread, Made
from wonderzoom.generation.executors.executor import Proposal, WorkerLost
from wonderzoom.generation.jobs import AlreadyCovered, StageEvent, Zoomed, ZoomRequest
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.runtime.orders import Drawn, Order, Shown
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit, LogEntry, WorldHeader
from wonderzoom.scene_graph.picking import Pick
from wonderzoom.scene_graph.store_codec import encode_commit
from wonderzoom.scene_graph.store_errors import NoSpace
from wonderzoom.scene_graph.store_record import Row, content_hash
from wonderzoom.scene_graph.world import World

T = TypeVar("T")
SIDES = (24, 16)  # pixels of every node's picture: the least that a camera of the wire has
ROOT = first_camera(*SIDES, 20.0)
PLANE = facing(ROOT, 0.2)
HEADER = WorldHeader(h_ref=64)
SKY = 0.95  # beyond this share of a frame's width there is nothing


def first_commit() -> Commit:
    """A world of one picture."""
    return World(HEADER).propose(*plane_node(ROOT, PLANE))


@dataclass
class Disk:
    """What is durable: the log. ``fails`` says of each append whether the disk is full."""

    fails: Callable[[], bool]
    log: list[Commit] = field(default_factory=lambda: [first_commit()])

    def append(self, commit: Commit) -> None:
        if self.fails():
            raise NoSpace("garden", "the disk is full", "free some space")
        self.log.append(commit)

    def settled(self, commit: Commit) -> Commit:
        return commit

    @property
    def header(self) -> WorldHeader:
        return HEADER

    @property
    def revision(self) -> int:
        return self.log[-1].revision

    def rows(self, after: int = 0) -> list[Row]:
        """As they would be on a disk."""
        files = [(commit.revision, encode_commit(commit)) for commit in self.log[after:]]
        return [Row(revision, len(data), content_hash(data)) for revision, data in files]

    def entries(self) -> list[LogEntry]:
        return [commit.entry for commit in self.log]

    def commits(self, after: int = 0, until: int | None = None) -> Iterator[Commit]:
        yield from self.log[after:until]

    def load(self) -> World:
        world = World(HEADER)
        for commit in self.log:
            world.apply(commit)
        return world


class SlowCommits(CommitThread):
    """Durable after a while; what is asked first is done first."""

    def __init__(self, committer: Committer, seconds: float) -> None:
        super().__init__(committer)
        self._turn, self._seconds = asyncio.Lock(), seconds

    async def commit(self, proposal: Proposal, request: ZoomRequest) -> Made:
        async with self._turn:
            await asyncio.sleep(self._seconds)
            return await super().commit(proposal, request)

    async def remove(self, node: str) -> int:
        async with self._turn:
            await asyncio.sleep(self._seconds)
            return await super().remove(node)


@dataclass
class GardenExecutor(ScriptedExecutor):
    """Workers that see the world as it is when they begin, and propose one more plane."""

    world: Callable[[], World] = lambda: World()
    losses: list[str] = field(default_factory=list[str])

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        seen = self.world()
        zoomed = planted(seen, wish.request)
        try:
            await super().run(wish, on_event)
        except WorkerLost as lost:
            self.losses.append(lost.reason)
            raise
        return Proposal(zoomed, zoomed.commit.revision - 1)


def planted(world: World, request: ZoomRequest) -> Zoomed:
    """What the simplest generator makes: one more plane. Raises AlreadyCovered, UnknownNode."""
    camera = request.camera.resized(*SIDES)
    parent = _parent(world, camera)
    if request.mode == "replace" and request.node is not None:
        parent = world.node(request.node).parent
    plane = Plane(camera.pivot, PLANE.normal)
    view = plane_view(camera, plane)
    node = make_node([view], parent, request.prompt, request.seed)
    if node.id in world.nodes:
        raise AlreadyCovered(node.id)
    replaced = request.node if request.mode == "replace" else None
    commit = world.propose(node, joined([lift(view, plane)]), replaced)
    return Zoomed(commit, node.id, ("unicorn",), (request.prompt,))


def _parent(world: World, camera: Camera) -> str:
    """The newest node whose picture shows the pivot and is coarser; the root otherwise."""
    root = world.root
    assert root is not None
    parent = root.id
    for node in world.nodes.values():
        seen = node.main.camera
        uv, depth = seen.project(seen.view_point(camera.pivot)[None])
        inside = depth[0] > 0.0 and (uv[0] >= 0.0).all() and (uv[0] < SIDES).all()
        if inside and seen.ln_scale > camera.ln_scale + math.log(1.5):
            parent = node.id
    return parent


class FakeDrawing:
    """Frames of a world that cost what such frames cost, and show nothing. ``lanes`` at a time."""

    together = None  # one frame a call

    def __init__(
        self, revision: int, rng: np.random.Generator, lanes: int, seconds: float, size: int,
        world: Callable[[], World] = World,
    ) -> None:  # fmt: skip
        self.revision, self.lanes, self.world = revision, lanes, world
        self._rng, self._seconds, self._size = rng, seconds, size
        self._loop = asyncio.get_running_loop()
        self.calls = self.running = 0
        self._full_since = 0.0
        self._full: list[tuple[float, float]] = []  # when each time with all lanes taken ended, and their sum

    @property
    def most_seconds(self) -> float:
        """That a frame may take."""
        return 1.5 * self._seconds

    @property
    def most_bytes(self) -> int:
        """That a frame may have."""
        return math.ceil(1.5 * self._size)

    def apply(self, commit: Commit) -> None:
        assert commit.revision == self.revision + 1
        self.revision = commit.revision

    async def foresee(self, camera: Camera) -> None:
        """There are no pyramids here."""

    def reading(self, look: Callable[[World], T]) -> T:
        """For who is sent surfels: those are real."""
        return look(self.world())

    def begin_video(self, viewer: str) -> None:
        """Nobody here shows video."""

    async def draw(self, order: Order) -> Drawn:
        rung, (camera, *_) = order.rung, order.cameras
        self.calls += 1
        self.running += 1
        assert self.running <= self.lanes
        if self.running == self.lanes:
            self._full_since = self._loop.time()
        luck, more = self._rng.uniform(0.5, 1.5), self._rng.uniform(0.7, 1.3)
        seconds = self._seconds * luck * (0.6 + 0.4 * rung.scale**2)
        sized = camera if rung.scale == 1.0 else camera.resized(*(max(16, round(side * rung.scale)) for side in
            (camera.width, camera.height)))  # fmt: skip
        revision = self.revision
        try:
            await asyncio.sleep(seconds)
        finally:
            if self.running == self.lanes:
                now, before = self._loop.time(), self._full[-1][1] if self._full else 0.0
                self._full.append((now, before + now - self._full_since))
            self.running -= 1
        payload = bytes(round(self._size * rung.weight * more))
        return Drawn((Shown(sized, payload),), revision, 0.9 * seconds, 0.1 * seconds)

    def full_before(self, at: float) -> float:
        """Seconds before ``at`` in which no lane was free."""
        index = bisect.bisect_left(self._full, (at, -1.0))
        before = self._full[index - 1][1] if index else 0.0
        if index < len(self._full):
            end, total = self._full[index]
            return before + max(0.0, at - (end - (total - before)))
        return before + (max(0.0, at - self._full_since) if self.running == self.lanes else 0.0)

    async def pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        await asyncio.sleep(self._seconds)
        if u > SKY:
            return None
        spot = np.array([u * camera.width, v * camera.height])
        point = camera.unproject(spot, np.array(0.0))
        return Pick(camera.position(point), "n", 0, 0, camera.ln_scale, 0.0)

    def close(self) -> None:
        assert self.running == 0


def places(count: int) -> list[Camera]:
    """Views of the first picture, that many, along a closed path that comes nearer and turns."""
    wide = replace(ROOT, width=ROOT.width, height=ROOT.height).resized(96, 64)
    turns = [2.0 * math.pi * step / count for step in range(count)]
    return [
        wide.zoomed(1.5 + 0.5 * math.cos(turn)).orbited(0.3 * math.sin(turn), 0.2 * math.cos(turn))
        for turn in turns
    ]
