"""One connection's way out, on virtual time: what arrives of a goodbye, who is cut off and when, and what an end is."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from live_link import Link
from virtual_time import run
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import decode_from_server, encode
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.examples import CLIENT, SERVER
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime.line import GOODBYE_S, LONGEST_GOODBYE_S, Ending, Line, ending

FRAME = cast(messages.Frame, SERVER["frame"])
SLOW = 50_000.0  # bytes a second


@dataclass
class Talk:
    """A session that is open, on a link."""

    rate: float = SLOW
    heard: list[Any] = field(default_factory=list[Any])
    over: list[tuple[float, int | None]] = field(default_factory=list[tuple[float, int | None]])
    sent: int = 0
    frames: int = 0

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.session = ServerSession(0.0)
        self.session.receive_data(encode(CLIENT["hello"]), 0.0)
        self.session.welcome(cast(messages.Welcome, SERVER["welcome"]))
        self.link = Link(
            self.rate, 0.05, lambda data: self.heard.append(decode_from_server(data)),
            lambda code: self.over.append((loop.time(), code)),
        )  # fmt: skip
        self.line = Line(self.session, cast(Any, self.link), self._count)
        self.writer = asyncio.create_task(self.line.write())

    def _count(self, size: int) -> None:
        self.sent += size

    def show(self, size: int) -> None:
        self.frames += 1
        views = [messages.View(camera=FRAME.views[0].camera, payload=bytes(size))]
        self.session.send(
            messages.Frame(frame=self.frames, camera_seq=0, revision=1, views=views, quality=50)
        )
        self.line.nudge()

    async def end(self) -> float:
        """Wait for the end of the server's side; the seconds that it took."""
        began = asyncio.get_running_loop().time()
        await self.link.lost.wait()
        took = asyncio.get_running_loop().time() - began
        await self.line.end(self.writer)
        return took


def on_virtual_time(body: Callable[[], Awaitable[None]]) -> Callable[[], None]:
    def test() -> None:
        run(body())  # type: ignore[arg-type]

    test.__name__, test.__doc__ = body.__name__, body.__doc__
    return test


@on_virtual_time
async def test_a_goodbye_overtakes_the_frame_that_waits_before_it() -> None:
    talk = Talk()
    talk.show(200_000)  # more than the transport takes: the writer waits
    await asyncio.sleep(0.1)
    talk.show(200_000)
    talk.line.goodbye(CloseCode.GOING_AWAY, "the server stops", 2.0)
    await talk.end()
    kinds = [type(message) for message in talk.heard]
    assert kinds == [messages.Welcome, messages.Frame, messages.Bye]
    (at, code) = talk.over[0]
    assert code == CloseCode.GOING_AWAY and 4.0 < at < 4.3  # one frame of 200 kB at 50 kB/s, not two
    assert talk.sent < 202_000


@on_virtual_time
async def test_whoever_takes_what_is_sent_hears_the_goodbye_of_a_server_that_stops() -> None:
    talk = Talk()
    for _ in range(limits.MAX_IN_FLIGHT):
        talk.show(60_000)
    await asyncio.sleep(0.1)  # both are with the transport
    talk.line.goodbye(CloseCode.GOING_AWAY, "the server stops")
    took = await talk.end()
    assert talk.over[0][1] == CloseCode.GOING_AWAY and 2.0 < took < 3.0
    assert isinstance(talk.heard[-1], messages.Bye)


@pytest.mark.parametrize("code", [CloseCode.GOING_AWAY, CloseCode.STALLED, CloseCode.TOO_MANY])
def test_whoever_takes_nothing_is_cut_off(code: CloseCode) -> None:
    async def body() -> None:
        talk = Talk(1e9)
        talk.link.freeze()
        for _ in range(limits.MAX_IN_FLIGHT):
            talk.show(200_000)
        await asyncio.sleep(1.0)
        talk.line.goodbye(code, "enough")
        assert await talk.end() == pytest.approx(GOODBYE_S)
        await asyncio.sleep(1.0)
        assert talk.over[0][1] is None

    run(body())


@on_virtual_time
async def test_whoever_stalls_has_no_longer_for_taking_a_little() -> None:
    talk = Talk()
    for _ in range(limits.MAX_IN_FLIGHT):
        talk.show(200_000)
        await asyncio.sleep(0.1)
    talk.line.goodbye(CloseCode.STALLED, "too slow")
    assert await talk.end() == pytest.approx(GOODBYE_S)


@on_virtual_time
async def test_nobody_keeps_a_server_that_stops_by_taking_a_little_all_the_time() -> None:
    talk = Talk(1_000.0)
    talk.show(200_000)
    await asyncio.sleep(0.0)
    talk.line.goodbye(CloseCode.GOING_AWAY, "the server stops")
    assert await talk.end() == pytest.approx(LONGEST_GOODBYE_S)


@on_virtual_time
async def test_an_end_without_a_goodbye_waits_for_nothing() -> None:
    talk = Talk(1_000.0)
    talk.show(200_000)
    await asyncio.sleep(0.1)
    talk.link.abort()
    assert await talk.end() == 0.0
    assert talk.writer.done()


CLIENTS, OURS = Close(1001, ""), Close(1001, "")


@pytest.mark.parametrize(
    ("closed", "received", "sent", "received_first", "expected"),
    [
        (CloseCode.STALLED, None, Close(4430, ""), None, CloseCode.STALLED),
        (CloseCode.NORMAL, CLIENTS, OURS, True, CloseCode.NORMAL),  # it said bye before
        (None, CLIENTS, OURS, True, "closed_by_client"),  # a tab
        (None, Close(1005, ""), Close(1000, ""), True, "closed_by_client"),
        (None, CLIENTS, None, None, "closed_by_client"),  # and was gone before our answer
        (None, None, None, None, "lost"),
        (None, None, Close(1011, "keepalive ping timeout"), None, "lost"),
        (None, None, Close(1009, "too big"), None, "bad_websocket"),
        (None, Close(1002, ""), Close(1002, "wrong frame"), False, "bad_websocket"),
        (None, Close(1001, ""), Close(1001, ""), False, CloseCode.GOING_AWAY),
    ],
)
def test_an_end_is_called_what_it_was(
    closed: CloseCode | None,
    received: Close | None,
    sent: Close | None,
    received_first: bool | None,
    expected: Ending,
) -> None:
    assert ending(closed, ConnectionClosedError(received, sent, received_first)) == expected


def test_an_end_without_any_error_of_the_websocket_is_its_session_s() -> None:
    assert ending(CloseCode.HELLO_TIMEOUT, None) is CloseCode.HELLO_TIMEOUT
    assert ending(None, None) == "lost"
