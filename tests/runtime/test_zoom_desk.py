"""The desk where people ask, on virtual time: whatever is asked has an answer, and one answer."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
import virtual_time
from zoom_garden import LEFT, PLANE, ROOT, Garden

from wonderzoom.generation.committing import CommitThread
from wonderzoom.generation.executors.executor import Proposal, WorkerState
from wonderzoom.generation.jobs import StageEvent
from wonderzoom.generation.service import ZoomService
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import limits, messages, values
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.participants import Participant, Roster
from wonderzoom.runtime.wire import camera_of, pose
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.cells import Cell, Position
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.picking import Pick
from wonderzoom.scene_graph.store_errors import NoSpace
from wonderzoom.scene_graph.surfels import SURFACE


class Ear:
    """A connection that keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def send(self, message: messages.FromServer) -> None:
        self.heard.append(message)


class Looking:
    """Finds ``found`` wherever one picks; what is an error, it raises. It takes a moment."""

    def __init__(self) -> None:
        self.found: Pick | Exception | None = None

    async def pick(self, _camera: object, _u: float, _v: float) -> Pick | None:
        await asyncio.sleep(0.1)
        if isinstance(self.found, Exception):
            raise self.found
        return self.found


class Office:
    """A desk over a world of one picture, with one guest and a worker that makes planes in half a second."""

    workers = 1
    state: WorkerState = "ready"
    restarts = 0

    def __init__(self, path: Path) -> None:
        self.garden = Garden(path / "garden", WorldHeader(h_ref=64))
        self.made: list[ZoomWish] = []  # jobs that were begun
        commits = CommitThread(self.garden.committer)
        self.service = ZoomService(self, lambda proposal, request: self.desk.commit(proposal, request))
        self.drawing = Looking()
        self.desk = ZoomDesk(
            self.garden.committer.world.header, cast(Drawing, self.drawing), self.service, commits, "plain/1"
        )
        self.ear = Ear()
        self.guest: Participant = Roster(cast(Any, None)).add("Ada", Role.EDITOR)
        self.guest.session = cast(ServerSession, self.ear)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        self.made.append(wish)
        await asyncio.sleep(0.5)
        return self.garden.proposal(self.garden.seen(), wish.request)

    async def zoomed(self, *zooms: messages.Zoom) -> list[messages.ZoomStatus]:
        """Everything that is said of zooms that are asked for at once."""
        self.ear.heard.clear()
        await asyncio.gather(*(self.desk.zoom(self.guest, zoom) for zoom in zooms))
        while self.desk.pending:
            await asyncio.sleep(0.1)
        return self.ear.heard

    async def removal(self, node: str) -> Any:
        """What is answered to a removal, if anything."""
        self.ear.heard.clear()
        await self.desk.remove(self.guest, messages.RemoveNode(request="r", node=node))
        return self.ear.heard[0] if self.ear.heard else None


def staffed(path: Path, body: Callable[[Office], Awaitable[None]]) -> Office:
    async def whole() -> Office:
        office = Office(path)
        try:
            await office.service.start()
            await body(office)
            await office.service.drain(60.0)
            await office.desk.close()
        finally:
            office.garden.store.close()
        return office

    return virtual_time.run(whole())


def error(code: ErrorCode, text: str) -> messages.Error:
    return messages.Error(code=code, message=text, request="r")


# ---- removals -----------------------------------------------------------------------------------------
def test_a_removal_says_what_is_gone_and_what_can_not_go(tmp_path: Path) -> None:
    """Not found is only what is not there: a client takes it, after a reconnect, for the end of a removal."""

    async def body(office: Office) -> None:
        node = office.garden.make(LEFT)
        assert await office.removal(node) is None and office.garden.told == [2, 3]
        gone = await office.removal(node)
        assert gone == error(ErrorCode.NOT_FOUND, f"there is no node {node!r} in this world")
        root = await office.removal(office.garden.root)
        assert root.code is ErrorCode.INVALID and "start a new one" in root.message
        assert office.garden.told == [2, 3]

    staffed(tmp_path, body)


def test_a_removal_that_can_not_be_written_is_answered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def body(office: Office) -> None:
        node = office.garden.make(LEFT)
        full: list[Exception] = [
            NoSpace("garden", "the disk is full", "free some space"),
            RuntimeError("a mistake"),
        ]

        def append(_commit: object) -> None:
            raise full.pop(0)

        monkeypatch.setattr(office.garden.store, "append", append)
        assert (await office.removal(node)) == error(
            ErrorCode.OUT_OF_SPACE, "garden: the disk is full; free some space"
        )
        assert not caplog.records
        answer = await office.removal(node)
        assert answer.code is ErrorCode.FAILED and "a mistake" not in answer.message
        assert "a mistake" in caplog.text
        monkeypatch.undo()
        assert await office.removal(node) is None

    staffed(tmp_path, body)


# ---- zooms and picks ----------------------------------------------------------------------------------
SPOT = messages.Spot(frame=1, u=0.5, v=0.5)


def picked(office: Office, position: Position) -> Pick:
    return Pick(position, office.garden.root, 0, SURFACE, 0.0, 0.0)


def deepest() -> values.CameraPose:
    """As fine a view as goes over the wire; at the reference resolution it is finer."""
    fine = replace(ROOT.resized(48, 36), ln_fx=limits.MAX_LN, ln_fy=limits.MAX_LN, ln_distance=limits.MAX_LN)
    return pose(fine)


def test_a_view_that_is_too_fine_to_tell_of_is_refused_before_anything_runs(tmp_path: Path) -> None:
    async def body(office: Office) -> None:
        camera = deepest()
        assert camera_of(camera).ln_fx == limits.MAX_LN  # the protocol and the desk both take it in
        told = await office.zoomed(messages.Zoom(request="z", camera=camera, prompt="moss"))
        assert [(each.request, each.state, each.code) for each in told] == [
            ("z", "failed", ErrorCode.INVALID)
        ]
        assert "ln_fx" in told[0].message
        assert (
            office.made == [] and not office.service.states() and not office.service.pending(office.guest.id)
        )

    staffed(tmp_path, body)


def test_a_place_that_is_too_deep_to_tell_of_is_no_place_to_zoom_or_pick(tmp_path: Path) -> None:
    async def body(office: Office) -> None:
        office.guest.saw(1, ROOT)
        deep = Position(Cell(limits.MAX_LEVEL, 0, 0, 0), (0.25, 0.25, 0.25))
        office.drawing.found = picked(office, deep)
        await office.desk.pick(office.guest, messages.Pick(request="p", at=SPOT))
        (answer,) = office.ear.heard
        assert isinstance(answer, messages.Error)
        assert (answer.request, answer.code) == ("p", ErrorCode.INVALID) and "level 2001" in answer.message

    staffed(tmp_path, body)


def test_what_goes_wrong_while_aiming_is_answered(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def body(office: Office) -> None:
        office.guest.saw(1, ROOT)
        office.drawing.found = RuntimeError("a mistake")
        (told,) = await office.zoomed(messages.Zoom(request="z", at=SPOT))
        assert (told.request, told.state, told.code) == ("z", "failed", ErrorCode.FAILED)
        await office.desk.pick(office.guest, messages.Pick(request="p", at=SPOT))
        assert (office.ear.heard[-1].request, office.ear.heard[-1].code) == ("p", ErrorCode.FAILED)
        assert caplog.text.count("RuntimeError: a mistake") == 2 and office.made == []

    staffed(tmp_path, body)


def test_a_zoom_that_is_said_twice_while_it_is_aimed_is_one(tmp_path: Path) -> None:
    async def body(office: Office) -> None:
        office.guest.saw(1, ROOT)
        office.drawing.found = picked(office, PLANE.point)
        zoom = messages.Zoom(request="z", at=SPOT)
        zooming = asyncio.create_task(office.zoomed(zoom, zoom))
        await asyncio.sleep(0.3)  # both are aimed
        assert [task.get_name() for task in asyncio.all_tasks()].count("follow z") == 1
        told = await zooming
        assert len(office.made) == 1 and office.garden.told == [2]
        assert [each.state for each in told].count("committed") == 1 and told[-1].revision == 2

    staffed(tmp_path, body)
