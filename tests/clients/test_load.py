"""The load generator counts what a server does, and tells it in a table."""

import asyncio
import json
import math
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from played_server import Guest, PlayedServer

from wonderzoom.clients import load as room
from wonderzoom.clients.load import Load, Row, flight, main, percentile_ms, run
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.messages import Ack, Camera, Error
from wonderzoom.scene_graph.camera import initial_camera


def lets_stalled_ones_go(guest: Guest, _camera: Camera) -> None:
    def look() -> None:
        if guest.session.closed is None and not guest.all_heard(Ack):
            guest.refuse(CloseCode.STALLED, "nothing was acknowledged")

    # Five times what a slow one takes below: a busy machine is slow as well.
    asyncio.get_running_loop().call_later(1.0, look)


def loaded(
    prepare: Callable[[PlayedServer], object] = lambda _server: None, **options: Any
) -> dict[str, Row]:
    async def test() -> dict[str, Row]:
        async with PlayedServer() as server:
            server.on[Camera] = lets_stalled_ones_go
            prepare(server)
            rows = await run(Load(link=server.link, **options))
            await server.until(lambda: all(guest.left for guest in server.guests))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return {row.kind: row for row in rows}

    return asyncio.run(test())


def test_everybody_gets_what_is_theirs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SLOW_S", 0.2)
    monkeypatch.setattr(room, "_BREATH_S", 0.01)
    rows = loaded(viewers=3, slow=1, stalled=2, hostile=1, seconds=3.0, fps=20.0)
    viewer, slow, stalled, hostile = (rows[kind] for kind in ("viewer", "slow", "stalled", "hostile"))
    assert viewer.people == viewer.served == 3 and viewer.errors == {}
    assert 0.0 < viewer.frames_per_s <= 40.0
    assert viewer.bytes_per_s == pytest.approx(3 * 1004 * viewer.frames_per_s)
    assert viewer.p50_ms is not None and viewer.p99_ms is not None and 0.0 < viewer.p50_ms <= viewer.p99_ms
    assert viewer.first_frame_p50_ms is not None
    assert slow.served == 1 and slow.errors == {} and slow.frames_per_s < 6.0
    assert stalled.sent_away == 1 and stalled.held_s is not None  # the other one reads nothing
    assert hostile.errors == {}


@pytest.mark.parametrize("attack", list(room._ATTACKS))
def test_after_every_attack_one_is_sent_away(attack: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_ATTACKS", {attack: room._ATTACKS[attack]})
    monkeypatch.setattr(room, "_BREATH_S", 0.01)
    row = loaded(viewers=0, hostile=1, seconds=0.8)["hostile"]
    assert row.errors == {} and (row.sent_away >= 1) is (attack != "vanishing")


def test_what_goes_wrong_is_counted() -> None:
    def prepare(server: PlayedServer) -> None:
        server.on[Camera] = lambda guest, _camera: guest.say(
            Error(code=ErrorCode.FAILED, message="could not be drawn")
        )
        server.shows = False

    rows = loaded(prepare, viewers=2, seconds=0.6, fps=5.0)
    assert rows["viewer"].served == 0 and rows["viewer"].p50_ms is None
    ((text, count),) = rows["viewer"].errors.items()
    assert text == "failed: could not be drawn" and count >= 2


def test_a_server_that_puts_up_with_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_SENT_AWAY_WITHIN_S", 0.1)
    monkeypatch.setattr(room, "_ATTACKS", {"patience": []})
    rows = loaded(viewers=0, hostile=1, seconds=0.5)
    assert (
        set(rows["hostile"].errors) == {"still connected after patience"} and rows["hostile"].sent_away == 0
    )


def test_everybody_flies_elsewhere_within_three_octaves() -> None:
    start = initial_camera(500.0, 640, 360, math.log(3.0))
    for number in range(5):
        for seconds in range(0, 100, 7):
            camera = flight(start, number, float(seconds))
            assert 0.0 <= camera.ln_f - start.ln_f <= math.log(8.0) + 1e-9
    assert flight(start, 1, 1.0) != flight(start, 2, 1.0)


def test_percentiles_are_of_the_nearest_rank() -> None:
    values = [k / 1000.0 for k in range(1, 101)]
    assert percentile_ms(values, 0.5) == pytest.approx(50.0)
    assert percentile_ms(values, 0.99) == pytest.approx(99.0)
    assert percentile_ms([0.007], 0.99) == pytest.approx(7.0) and percentile_ms([], 0.5) is None


@pytest.fixture
def link() -> Iterator[str]:
    """Of a server that runs beside, in a thread."""
    ready, stop = threading.Event(), asyncio.Event()
    found: list[Any] = []

    async def serve() -> None:
        async with PlayedServer() as server:
            found.extend((server.link, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    assert ready.wait(10.0)
    yield found[0]
    found[1].call_soon_threadsafe(stop.set)
    thread.join()


def test_the_command_prints_a_table_or_json(link: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([link, "--viewers", "1", "--seconds", "0.6", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["kind"] == "viewer" and row["served"] == 1 and row["errors"] == {}
    assert main([link, "--viewers", "1", "--slow", "1", "--seconds", "0.6"]) == 0
    out = capsys.readouterr().out
    assert "viewer" in out and "slow" in out and "p99" in out


def test_the_command_says_what_is_wrong(link: str, capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in (
        ["nonsense"],
        [link, "--viewers", "0"],
        [link, "--seconds", "nan"],
        [link, "--fps", "1000"],
    ):
        assert main(wrong) == 2
        assert capsys.readouterr().err.startswith("wonderzoom load: ")
    assert main([link.partition("#")[0], "--viewers", "1", "--seconds", "0.6"]) == 1
    assert "token" in capsys.readouterr().out
