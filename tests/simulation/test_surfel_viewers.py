"""Viewers who draw by themselves, on the simulated server: what the server chooses for them, and who can harm whom."""

import asyncio

import pytest
from live_call import Call, Known
from live_house import House, play

BUDGET = 20_000
LINKS = {"near": (1e7, 0.01), "slow": (2e3, 0.02), "far": (1e6, 0.3)}


def kept(house: House) -> None:
    """All laws held."""
    assert house.broken == []


async def fly(call: Call, house: House, seconds: float, fps: float = 20.0) -> None:
    for step in range(round(fps * seconds)):
        call.look(house.places[step % len(house.places)])
        await asyncio.sleep(1.0 / fps)


def told(call: Call) -> list[str]:
    assert call.surfels is not None
    return [each.kind for each in call.surfels.told]


# ---- what is chosen ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(("link", "kind"), [("near", "surfels"), ("slow", "frames"), ("far", "surfels")])
def test_who_leaves_it_to_the_server_is_sent_what_suits_the_line(link: str, kind: str) -> None:
    house = House(calm=True, frame_bytes=300)

    async def body() -> None:
        rate, latency = LINKS[link]
        ada = await house.guest("Ada", rate=rate, latency=latency, surfels=BUDGET)
        ada.stream("auto")
        await fly(ada, house, 8.0)
        await asyncio.sleep(20.0)
        assert ada.sent == kind and told(ada) == (["frames", "surfels"] if kind == "surfels" else ["frames"])
        assert ada.sees_all(ada.seq, 1)
        heard = ada.heard
        await asyncio.sleep(30.0)
        assert ada.heard == heard  # neither a still view of frames nor one of surfels costs anything

    kept(play(house, body))


def test_while_surfels_come_in_frames_go_on_and_end_with_the_first_whole_view() -> None:
    house = House(calm=True, frame_bytes=20_000)

    async def body() -> None:
        ada = await house.guest("Ada", rate=2e5, latency=0.05, surfels=BUDGET)
        ada.stream("auto")
        gaps: list[float] = []
        shown, at = 0, 0.0
        for step in range(400):
            ada.look(house.places[step % len(house.places)])
            await asyncio.sleep(0.02)
            if ada.shown > shown:
                gaps.append(house.now - at)
                shown, at = ada.shown, house.now
            if ada.surfels is not None and ada.surfels.held.complete:
                break
        assert ada.sent == "surfels" and max(gaps[1:]) < 0.5 and house.now - at < 0.5
        await asyncio.sleep(1.0)
        shown = ada.shown
        await fly(ada, house, 2.0)
        assert ada.shown == shown and ada.sees_all(0, 1)

    kept(play(house, body))


def test_a_program_that_shows_one_kind_only_is_sent_that() -> None:
    house = House(calm=True)

    async def body() -> None:
        blind = await house.guest("no frames", surfels=BUDGET, codecs=())
        old = await house.guest("no surfels")
        for call in (blind, old):
            call.stream("auto")
            await fly(call, house, 3.0)
            await asyncio.sleep(1.0)
        assert blind.sent == "surfels" and blind.shown == 0 and blind.sees_all(blind.seq, 1)
        assert old.sent == "frames" and old.sees_all(old.seq, 1)

    kept(play(house, body))


def test_who_comes_back_goes_on_as_it_was_and_says_what_it_wants_instead_of_auto_any_time() -> None:
    house = House(calm=True)

    async def body() -> None:
        known = Known()
        ada = await house.guest("Ada", known, surfels=BUDGET)
        ada.stream("auto")
        await fly(ada, house, 3.0)
        await asyncio.sleep(2.0)
        assert ada.sent == "surfels" and ada.surfels is not None
        levels = ada.surfels.levels
        ada.drop(silently=False)
        await asyncio.sleep(1.0)
        ada = await house.guest("Ada", known, surfels=ada.surfels)
        assert ada.surfels is not None
        for have in ada.surfels.begin():
            ada.say(have)
        ada.stream("auto")
        ada.look(house.places[0])
        await asyncio.sleep(3.0)
        assert ada.sent == "surfels" and ada.sees_all(ada.seq, 1)
        assert ada.surfels.levels - levels < levels  # only what it lacked
        ada.stream("frames")
        await fly(ada, house, 3.0)
        await asyncio.sleep(1.0)
        assert ada.sees_a_still(ada.seq, 1)
        ada.stream("surfels")
        ada.look(house.places[5])
        await asyncio.sleep(1.0)
        assert ada.surfels.whole(ada.seq, 1)

    kept(play(house, body))
