"""The lanes that rooms share, on virtual time: everybody on a server gets the same time, whichever room they are in."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import pytest
from virtual_time import run

from wonderzoom.runtime.frame_loop import Drawn, FrameLoop, Order, Together
from wonderzoom.runtime.lanes import Lanes
from wonderzoom.runtime.orders import Shown
from wonderzoom.runtime.viewer import Frame, Viewer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import ORIGIN

CAMERA = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 5.0, 5.0, 320.0, 180.0, 640, 360)


@dataclass
class Room:
    """Viewers who move all the time, and a drawing whose frames cost the same at any size."""

    lanes: Lanes
    seconds: float
    viewers: int
    together: int = 1
    spent: dict[str, float] = field(default_factory=dict[str, float])
    running: int = 0
    _looking: str = ""

    def __post_init__(self) -> None:
        together = Together(self.together, self.draw_together) if self.together > 1 else None
        clock = asyncio.get_running_loop().time
        self.loop = FrameLoop(self.draw, clock, together=together, lanes=self.lanes)
        self.people = [self._somebody(f"v{number}") for number in range(self.viewers)]
        self.task = asyncio.create_task(self.loop.run())

    def _somebody(self, name: str) -> Viewer:
        async def send(frame: Frame) -> None:
            self.spent[name] = self.spent.get(name, 0.0) + self.seconds
            asyncio.get_running_loop().call_later(0.005, self.loop.acknowledge, viewer, frame.id)

        viewer = Viewer(name, send)
        viewer.pacer.rtt = 0.005
        return viewer

    async def draw(self, order: Order) -> Drawn:
        self.running += 1
        _most.append(sum(room.running for room in _rooms))
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.running -= 1
        return Drawn((Shown(order.cameras[0], b"x" * 1000),), 0, self.seconds, 0.0)

    async def draw_together(self, orders: Sequence[Order]) -> list[Awaitable[Drawn]]:
        """A call in which each frame takes as long as alone: nothing is gained, and nobody may lose."""
        drawn = [await self.draw(order) for order in orders]
        took, sharing = self.seconds * len(orders), len(orders)
        return [_done(replace(each, render_s=took, sharing=sharing)) for each in drawn]

    async def fly(self, seconds: float) -> None:
        for each in self.people:
            self.loop.join(each)
        for seq in range(1, round(60 * seconds)):
            for each in self.people:
                self.loop.look(each, CAMERA.orbited(1e-3 * seq, 0.0), seq)
            await asyncio.sleep(1.0 / 60.0)


async def _done(drawn: Drawn) -> Drawn:
    return drawn


_rooms: list[Room] = []
_most: list[int] = []


@asynccontextmanager
async def rooms(
    lanes: Lanes, *kinds: tuple[float, int], together: int = 1
) -> AsyncGenerator[list[Room], None]:
    """One for each (seconds of a frame, viewers)."""
    _most.clear()
    _rooms[:] = [Room(lanes, *kind, together) for kind in kinds]
    try:
        yield _rooms
    finally:
        for room in _rooms:
            room.task.cancel()
        await asyncio.gather(*(room.task for room in _rooms), return_exceptions=True)


def on_virtual_time(body: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        run(body())  # type: ignore[arg-type]

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@pytest.mark.parametrize(
    ("costs", "together"),
    [((0.03, 0.03), 1), ((0.02, 0.08), 1), ((0.05, 0.03), 1), ((0.02, 0.08), 8)]
    + [pytest.param(costs, 8, marks=pytest.mark.slow) for costs in ((0.03, 0.03), (0.05, 0.03))],
)
def test_everybody_gets_the_same_time_whichever_room_they_are_in(
    costs: tuple[float, float], together: int
) -> None:
    async def body() -> None:
        async with rooms(Lanes(), (costs[0], 3), (costs[1], 1), together=together) as (many, one):
            await asyncio.gather(many.fly(20.0), one.fly(20.0))
            got = [*many.spent.values(), *one.spent.values()]
            assert len(got) == 4 and sum(got) > 17.0
            mean = sum(got) / 4
            assert all(0.9 * mean <= each <= 1.1 * mean for each in got)
            assert max(_most) == 1

    run(body())


@on_virtual_time
async def test_as_many_frames_are_drawn_as_there_are_lanes_in_all_rooms_together() -> None:
    async with rooms(Lanes(2), (0.03, 2), (0.03, 2), (0.03, 2)) as three:
        await asyncio.gather(*(room.fly(5.0) for room in three))
        assert max(_most) == 2
        assert sum(sum(room.spent.values()) for room in three) > 0.9 * 2 * 5.0


@on_virtual_time
async def test_a_room_that_closes_in_the_middle_of_a_frame_leaves_its_lane_to_the_others() -> None:
    lanes = Lanes()
    async with rooms(lanes, (0.03, 1), (1.0, 1)) as (stays, goes):
        flying = asyncio.gather(stays.fly(6.0), goes.fly(6.0))
        await asyncio.sleep(2.0)
        while not goes.running:
            await asyncio.sleep(0.01)
        goes.task.cancel()
        await asyncio.gather(goes.task, return_exceptions=True)
        before = dict(stays.spent)
        await flying
        assert stays.spent["v0"] - before["v0"] > 2.5
        await asyncio.sleep(1.0)
        assert not lanes.full
        before = dict(stays.spent)
        await stays.fly(2.0)  # and one that nobody moved in for a while begins at once
        assert stays.spent["v0"] > before["v0"]


@on_virtual_time
async def test_whether_there_is_room_for_one_more_depends_on_all_rooms() -> None:
    async with rooms(Lanes(), (0.06, 6), (0.06, 1)) as (many, one):
        assert one.loop.has_room and many.loop.has_room
        flying = asyncio.gather(many.fly(3.0), one.fly(3.0))
        await asyncio.sleep(2.0)
        assert one.loop.has_room and many.loop.has_room  # (7 + 1) * 0.06 s is less than half a second
        many.loop.cost = 0.2
        assert not one.loop.has_room and not many.loop.has_room
        await flying
        await asyncio.sleep(2.0)
        many.loop.cost = one.loop.cost = (
            5.0  # slow pictures some time ago keep nobody out once all stand still
        )
        assert one.loop.has_room and many.loop.has_room
