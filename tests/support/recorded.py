"""Evenings that are recorded on virtual time, and the maker that does them again."""

import asyncio
import io
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from live_house import LIMITS, House, evening
from live_world import HEADER, first_commit, planted
from plane_maker import PlaneMaker, PointRenderer

from wonderzoom.generation.jobs import Watch, Zoomed, ZoomRequest
from wonderzoom.runtime import recording as r
from wonderzoom.runtime.progress import Reporter
from wonderzoom.runtime.recorder import Recorder
from wonderzoom.runtime.recording import Recording, Start
from wonderzoom.runtime.replay import Replayed, replay
from wonderzoom.runtime.replaying import sessions_of
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.world import World

START = Start("2026-01-01T00:00:00+00:00", {"wonderzoom": "0", "generator": "planes/1", "renderer": "points"})


class GardenMaker(PlaneMaker):
    """Makes what the workers of a simulated house make."""

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
        self.zooms += 1
        return planted(world, request)


def garden_maker() -> GardenMaker:
    return GardenMaker(PointRenderer(), Reporter(lambda: 0.0, io.StringIO()))


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
        house = evening(seed, people, seconds, recorder)
        recorder.close()
        assert recorder.stopped == ""
        (session,) = sessions_of(Recording.open(path)).values()
        return Evening(house, path.read_bytes(), session.records)
