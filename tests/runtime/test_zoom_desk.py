"""The desk where people ask, on virtual time: whatever is asked has an answer, and one answer."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import pytest
import virtual_time
from zoom_garden import LEFT, Garden

from wonderzoom.generation.committing import CommitThread
from wonderzoom.generation.executors.executor import Proposal
from wonderzoom.generation.jobs import StageEvent
from wonderzoom.generation.service import ZoomService
from wonderzoom.generation.zoom_merging import ZoomWish
from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import ErrorCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.participants import Participant, Roster
from wonderzoom.runtime.zoom_desk import ZoomDesk
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.store_errors import NoSpace


class Ear:
    """A connection that keeps what is said."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def send(self, message: messages.FromServer) -> None:
        self.heard.append(message)


class Office:
    """A desk over a world of one picture, with one guest and a worker that makes planes in half a second."""

    workers = 1

    def __init__(self, path: Path) -> None:
        self.garden = Garden(path / "garden", WorldHeader(h_ref=64))
        self.made: list[ZoomWish] = []  # jobs that were begun
        commits = CommitThread(self.garden.committer)
        self.service = ZoomService(self, lambda proposal, request: self.desk.commit(proposal, request))
        self.desk = ZoomDesk(
            self.garden.committer.world.header, cast(Drawing, None), self.service, commits, "plain/1"
        )
        self.ear = Ear()
        self.guest: Participant = Roster(cast(Any, None)).add("Ada", Role.EDITOR)
        self.guest.session = cast(ServerSession, self.ear)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def run(self, wish: ZoomWish, on_event: Callable[[StageEvent], None]) -> Proposal:
        self.made.append(wish)
        return self.garden.proposal(self.garden.seen(), wish.request)

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
