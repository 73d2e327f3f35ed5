"""Viewers who draw by themselves, on the simulated server: what the server chooses for them, and who can harm whom."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import cache
from typing import Any

import numpy as np
import pytest
from live_call import Call, Known
from live_house import House, evening, play
from live_person import SURFEL_KINDS
from live_surfels import BUDGET

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.values import KnownLevel
from wonderzoom.runtime.streaming import FIRST_WINDOW
from wonderzoom.runtime.surfel_stream import MOST_CLAIMED, Stream

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
        await fly(ada, house, 4.0)
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


def test_what_was_chosen_for_the_line_before_is_not_taken_for_a_camera_of_the_next() -> None:
    """Cameras of a new program count from one again: a plan that was made a moment ago is of none of them."""
    house = House(calm=True)

    async def body() -> None:
        known = Known()
        ada = await house.guest("Ada", known, latency=0.001, surfels=BUDGET)
        ada.stream("surfels")
        await fly(ada, house, 2.0)
        for step in range(6):
            ada.look(house.places[step])
            await asyncio.sleep(0.003 * step)
            ada.drop(silently=False)
            ada = await house.guest("Ada", known, latency=0.001, surfels=BUDGET)
            ada.stream("surfels")
            ada.look(house.places[step + 9])
            await asyncio.sleep(0.05)
        await asyncio.sleep(1.0)
        assert ada.sees_all(1, 1)

    kept(play(house, body))


# ---- a crowd ----------------------------------------------------------------------------------------------
FAST = range(2)
HAPPENINGS = {
    "surfels are sent": " holds ",
    "frames are chosen": " is sent frames",
    "surfels are chosen": " is sent surfels",
    "somebody wants another kind": " wants frames",
    "levels are given up": " forgets ",
    "somebody hoards": " hoards",
    "a line breaks": " drop",
    "a zoom is committed": "committed None",
}


@cache
def evening_of(seed: int) -> House:
    return evening(seed, 10, 4.0, SURFEL_KINDS)


@pytest.mark.parametrize("seed", FAST)
def test_an_evening_with_viewers_who_draw_breaks_no_law(seed: int) -> None:
    assert evening_of(seed).broken == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 63))
def test_many_evenings_with_viewers_who_draw_break_no_law(seed: int) -> None:
    assert evening(seed, 30, 10.0, SURFEL_KINDS).broken == []


@pytest.mark.parametrize("happening", HAPPENINGS)
def test_evenings_of_viewers_who_draw_have_everything_in_them(happening: str) -> None:
    assert any(HAPPENINGS[happening] in line for seed in FAST for line in evening_of(seed).log)


# ---- who means harm ---------------------------------------------------------------------------------------
def account(house: House, call: Call) -> Stream:
    """What the server keeps of a viewer's surfels."""
    return house.session.streaming._feeds[call.known.viewer].stream


def levels(rng: np.random.Generator, count: int) -> list[KnownLevel]:
    drawn = rng.bytes(16 * count)
    return [KnownLevel(hash=drawn[16 * k : 16 * k + 16], bounds_revision=1) for k in range(count)]


async def never_acknowledges(house: House, bad: Call) -> None:
    bad.mute()
    for step in range(28):
        bad.look(house.places[step % len(house.places)])
        await asyncio.sleep(0.5)
    assert bad.code == CloseCode.STALLED


async def acknowledges_what_it_never_got(house: House, bad: Call) -> None:
    feed = house.session.streaming._feeds[bad.known.viewer]
    for number in range(400):
        bad.say(messages.Ack(delta=1_000_000 + number))
        await asyncio.sleep(0.005)
    assert feed.credit.window <= FIRST_WINDOW and feed.credit.in_flight == 0


async def claims_an_absurd_budget(house: House, bad: Call) -> None:
    assert bad.surfels is not None
    bad.surfels.held.budget = 1 << 26
    bad.stream("surfels")
    await fly(bad, house, 3.0)
    assert account(house, bad).count < 10_000  # there is no more of this world


async def floods_with_what_it_has(house: House, bad: Call) -> None:
    rng = np.random.default_rng(0)
    for _ in range(70):
        bad.say(messages.Have(levels=levels(rng, limits.MAX_NAMED)))
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.5)
    stream = account(house, bad)
    assert (
        len(stream._claimed) <= MOST_CLAIMED and not house.session.streaming._feeds[bad.known.viewer].orders
    )


async def gives_up_what_nobody_knows(house: House, bad: Call) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        bad.say(messages.Evicted(hashes=[level.hash for level in levels(rng, limits.MAX_NAMED)]))
        await asyncio.sleep(0.01)
    assert not account(house, bad)._drop


async def gives_up_everything_for_ever(house: House, bad: Call) -> None:
    assert bad.surfels is not None
    before = bad.surfels.bytes
    for _ in range(40):
        names = [level.hash for level in bad.surfels.held.known()]
        bad.surfels.forget(names)
        if names:
            bad.say(messages.Evicted(hashes=names[: limits.MAX_NAMED]))
        await asyncio.sleep(0.05)
    assert bad.surfels.bytes > before and account(house, bad).count < 10_000


async def changes_its_mind_without_end(house: House, bad: Call) -> None:
    for step in range(400):
        bad.stream(("frames", "surfels", "auto")[step % 3])
        await asyncio.sleep(0.01)
    bad.stream("surfels")
    bad.look(house.places[0])
    await asyncio.sleep(2.0)
    assert bad.sees_all(bad.seq, 1)


HARM = [
    never_acknowledges, acknowledges_what_it_never_got, claims_an_absurd_budget, floods_with_what_it_has,
    gives_up_what_nobody_knows, gives_up_everything_for_ever, changes_its_mind_without_end,
]  # fmt: skip


@pytest.mark.parametrize("harm", HARM)
def test_who_means_harm_is_bounded_and_slows_nobody(
    harm: Callable[[House, Call], Coroutine[Any, Any, None]],
) -> None:
    house = House(calm=True)

    async def body() -> None:
        bad = await house.guest("Mallory", surfels=BUDGET)
        bad.stream("surfels")
        bad.look(house.places[0])
        framed, drawing = await house.guest("Ada"), await house.guest("Bob", surfels=BUDGET)
        drawing.stream("surfels")
        harming = asyncio.create_task(harm(house, bad))
        done, shown = 0, framed.shown
        begun = house.now
        while not harming.done():
            camera = house.places[done % len(house.places)]
            framed.look(camera)
            if done % 15 == 0:  # plans take longer to make than frames that show nothing
                drawing.look(camera)
            done += 1
            await asyncio.sleep(1.0 / 30.0)
        await harming
        seconds = house.now - begun
        await asyncio.sleep(2.0)
        assert framed.shown - shown >= 20 * seconds and framed.sees_a_still(framed.seq, 1)
        assert drawing.sees_all(drawing.seq, 1)
        for feed in house.session.streaming._feeds.values():
            assert not feed.orders and feed.credit.in_flight < limits.MAX_UNACKED

    kept(play(house, body))


def test_nothing_piles_up_of_who_looks_nowhere_and_asks_for_nothing() -> None:
    house = House(calm=True)

    async def body() -> None:
        bad, rng = await house.guest("Mallory", surfels=BUDGET), np.random.default_rng(2)
        for _ in range(70):
            bad.say(messages.Have(levels=levels(rng, limits.MAX_NAMED)))
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.5)
        feed = house.session.streaming._feeds[bad.known.viewer]
        assert not feed.orders and len(feed.stream._claimed) <= MOST_CLAIMED

    kept(play(house, body))


def test_a_made_up_resume_is_somebody_new_and_what_it_claims_is_its_own_loss() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada = await house.guest("Ada", surfels=BUDGET)
        ada.stream("surfels")
        ada.look(house.places[0])
        await asyncio.sleep(2.0)
        assert ada.surfels is not None and ada.sees_all(ada.seq, 1)
        known = ada.surfels.held.known()
        thief = await house.guest("Mallory", Known(resume="x" * 43), surfels=BUDGET)
        assert thief.known.viewer != ada.known.viewer and ada.open
        thief.say(messages.Have(levels=known))  # it has none of them: nothing is sent that it says it has
        thief.stream("surfels")
        thief.look(house.places[0])
        await asyncio.sleep(2.0)
        assert thief.surfels is not None and thief.surfels.held.count == 0
        assert account(house, thief).count == account(house, ada).count
        ada.look(house.places[7])
        await asyncio.sleep(1.0)
        assert ada.sees_all(ada.seq, 1)

    kept(play(house, body))
