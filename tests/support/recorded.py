"""Evenings that are recorded on virtual time, and the maker that does them again."""

import asyncio
import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from live_house import LIMITS, House, evening
from live_world import HEADER, first_commit, planted
from plane_maker import PlaneMaker, PointRenderer
from rooms import NoUploads

from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.executors.inline import InlineExecutor
from wonderzoom.generation.jobs import Watch, Zoomed, ZoomRequest
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import messages
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.frames import frame_of
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.recorded_sessions import sessions_of
from wonderzoom.runtime.recorder import Recorder
from wonderzoom.runtime.recording import Recording, Start
from wonderzoom.runtime.replay import Replayed, replay
from wonderzoom.runtime.room import Parts, Room
from wonderzoom.runtime.uploads import Uploads
from wonderzoom.runtime.wire import pose
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

START = Start("2026-01-01T00:00:00+00:00", {"wonderzoom": "0", "generator": "planes/1", "renderer": "points"})


class GardenMaker(PlaneMaker):
    """Makes what the workers of a simulated house make."""

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
        self.zooms += 1
        return planted(world, request)


def garden_maker(kind: type[GardenMaker] = GardenMaker) -> GardenMaker:
    return kind(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))


def loop_time() -> float:
    """The clock of the loop that runs; 0 before and after."""
    loop = asyncio._get_running_loop()
    return 0.0 if loop is None else loop.time()


@dataclass(frozen=True)
class Evening:
    """What was lived, and the bytes of its recording."""

    house: House
    data: bytes
    records: list[r.AnyRecord]  # of its one session, without cameras

    def again(self, path: Path, records: list[r.AnyRecord] | None = None) -> tuple[Replayed, World]:
        """It, or other ``records``, done again in a new world at ``path``; and that world."""
        with WorldStore.create(path, HEADER) as store:
            store.append(first_commit())
            replayed = replay(self.records if records is None else records, store, garden_maker(), LIMITS)
            return replayed, store.load()


@cache
def recorded_evening(seed: int, people: int, seconds: float) -> Evening:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "evening.wzr"
        recorder = Recorder(path, START, loop_time)
        house = evening(seed, people, seconds, recorder=recorder)
        recorder.close()
        assert recorder.stopped == ""
        (session,) = sessions_of(Recording.open(path)).values()
        return Evening(house, path.read_bytes(), session.records)


# ---- a visit to a world on disk -------------------------------------------------------------------
class _Guest:
    """Somebody in a room, without a socket."""

    def __init__(self, room: Room, name: str, role: Role) -> None:
        now = loop_time()
        self.session, self._room, self._seq = ServerSession(now), room, 0
        hello = messages.Hello(protocol=(1, 1), client="test", name=name, token=SECRET, surfel_formats=[1])
        self.session.receive_data(encode(hello), now)
        who = room.session.enter(hello, role, self.session, lambda: None)
        assert who is not None
        self.who = who

    def say(self, message: messages.FromClient) -> None:
        self._room.session.hear(self.who, message)

    def look(self, camera: Camera) -> None:
        self._seq += 1
        self.say(messages.Camera(seq=self._seq, cameras=[pose(camera)]))

    async def leave(self) -> None:
        await self._room.session.leave(self.who, self.session, for_good=True)


SECRET = "a-token-that-nobody-may-find"


def visit(world: Path, recording: Path) -> str:
    """Ant zooms into a world, Bee follows and takes the zoom away again; the secret of who was there.

    Ant looks at it from near; what is recorded lasts about a second.
    """
    maker = PlaneMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))

    def make(wish: ZoomWish, watch: Watch) -> Proposal:
        with WorldStore.open(world) as store:
            seen = store.load()
        return Proposal(maker.zoom(wish.generator, seen, wish.request, watch), seen.revision)

    async def whole() -> str:
        recorder = Recorder(recording, START, loop_time)
        parts = Parts(PointRenderer(), lambda _path: InlineExecutor(make), "embedded", 4, recorder=recorder)
        uploads = cast(Uploads, NoUploads())
        room = await Room.open(world.name, world, parts, uploads, lambda: [world.name], ready=False)
        try:
            ant, bee = _Guest(room, "Ant", Role.HOST), _Guest(room, "Bee", Role.EDITOR)
            first = room.session._root()
            assert first is not None
            start = frame_of(first, room.session._header)
            ant.look(start)
            bee.look(start.resized(48, 32))
            bee.say(messages.Follow(viewer=ant.who.id, request="f1"))
            near = start.zoomed(4.0)
            for step in range(1, 9):
                ant.look(start.zoomed(4.0 ** (step / 8)))
                await asyncio.sleep(0.04)
            ant.say(messages.Zoom(request="z1", camera=pose(near), prompt="moss", seed=3))
            await _until(lambda: len(room.session.nodes) == 3)
            await asyncio.sleep(0.3)
            (made,) = (node.id for node in room.session.nodes.values() if node.seed == 3)
            bee.say(messages.RemoveNode(request="r1", node=made))
            await _until(lambda: len(room.session.nodes) == 2)
            ant.say(messages.RestoreNode(request="r2", node=made))
            await _until(lambda: len(room.session.nodes) == 3)
            await asyncio.sleep(0.3)
            secrets = ant.who.resume
            await ant.leave()
            await bee.leave()
            await room.drain()
            return secrets
        finally:
            await room.close()
            await asyncio.to_thread(recorder.close)

    return asyncio.run(whole())


async def _until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30.0):
        while not true():
            await asyncio.sleep(0.01)
