"""People who share a world, on the simulated server: who follows whom, what is kept, and what a host may do."""

import asyncio

import pytest
from live_call import Call, Known
from live_house import House, play
from live_person import HOST, VIEWER

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode


def hello(name: str, token: str) -> messages.Hello:
    return messages.Hello(protocol=(1, 1), client="test", token=token, name=name)


def kept(house: House) -> None:
    """All laws held."""
    assert house.broken == []


async def fly(call: Call, house: House, seconds: float, fps: float = 30.0) -> None:
    for step in range(round(fps * seconds)):
        call.look(house.places[step % len(house.places)])
        await asyncio.sleep(1.0 / fps)


def follows(seen_by: Call) -> dict[str, str | None]:
    """Who follows whom, as one is told."""
    assert seen_by.present is not None
    return {each.name: each.following for each in seen_by.present.viewers}


# ---- following ------------------------------------------------------------------------------------------
def test_followers_see_what_the_leader_sees_in_pictures_that_are_drawn_once() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada = await house.guest("Ada")
        others = [await house.guest(name) for name in ("Bob", "Cyd", "Dan")]
        for call in (ada, *others):
            call.look(house.places[0])
        await asyncio.sleep(1.0)
        for call in others:
            call.follow(ada.known.viewer)
        await fly(ada, house, 2.0)  # all links are known
        drawn, before = house.drawing.calls, [call.shown for call in (ada, *others)]
        await fly(ada, house, 4.0)
        await asyncio.sleep(1.0)
        led, *shown = [call.shown - seen for call, seen in zip((ada, *others), before, strict=True)]
        assert led >= 110 and min(shown) >= 0.95 * led
        assert house.drawing.calls - drawn <= 1.05 * led
        assert all(call.sees_a_still(call.seq, 1) for call in (ada, *others))
        assert len({call.last.views[0].payload for call in (ada, *others) if call.last}) == 1
        assert follows(ada) == {"Ada": None} | dict.fromkeys(("Bob", "Cyd", "Dan"), ada.known.viewer)
        calls = house.drawing.calls
        await asyncio.sleep(30.0)
        assert house.drawing.calls == calls

    kept(play(house, body))


def test_a_slow_follower_slows_nobody() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada, slow = await house.guest("Ada"), await house.guest("slow", rate=1e5, latency=0.3)
        for call in (ada, slow):
            call.look(house.places[0])
        slow.follow(ada.known.viewer)
        await fly(ada, house, 6.0)
        assert ada.shown > 140 and 3 < slow.shown < 60
        await asyncio.sleep(3.0)
        assert slow.sees_a_still(slow.seq, 1)

    kept(play(house, body))


def test_who_moves_by_themselves_follows_nobody() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada, bob = await house.guest("Ada"), await house.guest("Bob")
        for call in (ada, bob):
            call.look(house.places[0])
        bob.follow(ada.known.viewer)
        ada.look(house.places[5])
        await asyncio.sleep(1.0)
        assert bob.leds[-1].viewer == ada.known.viewer
        bob.look(house.places[9])
        ada.look(house.places[6])
        await asyncio.sleep(1.0)
        assert bob.sees_a_still(bob.seq, 1) and follows(ada) == {"Ada": None, "Bob": None}
        told = len(bob.leds)
        await fly(ada, house, 1.0)
        assert len(bob.leds) == told

    kept(play(house, body))


def test_a_line_of_followers_looks_where_its_head_looks_and_no_ring_is_made() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada, bob, cyd = [await house.guest(name) for name in ("Ada", "Bob", "Cyd")]
        for call in (ada, bob, cyd):
            call.look(house.places[0])
        cyd.follow(bob.known.viewer)
        bob.follow(ada.known.viewer)
        ada.look(house.places[7])
        await asyncio.sleep(1.0)
        assert cyd.leds[-1].viewer == bob.known.viewer and cyd.leds[-1].camera == bob.leds[-1].camera
        assert cyd.last and ada.last and cyd.last.views == ada.last.views
        for call, whom in ((ada, cyd), (ada, ada), (bob, cyd)):
            call.follow(whom.known.viewer, "ring")
        ada.follow("v99", "nobody")
        await asyncio.sleep(0.5)
        codes = [(error.request, error.code) for error in (*ada.errors, *bob.errors)]
        assert sorted(codes) == sorted([("ring", ErrorCode.INVALID)] * 3 + [("nobody", ErrorCode.NOT_FOUND)])
        assert follows(ada) == {"Ada": None, "Bob": ada.known.viewer, "Cyd": bob.known.viewer}

    kept(play(house, body))


@pytest.mark.parametrize("for_good", [True, False])
def test_a_leader_who_is_gone_leaves_the_followers_where_they_are(for_good: bool) -> None:
    """For good, or after a minute; before that they may come back and lead on."""
    house = House(calm=True)

    async def body() -> None:
        ada, bob = await house.guest("Ada"), await house.guest("Bob")
        for call in (ada, bob):
            call.look(house.places[0])
        bob.follow(ada.known.viewer)
        ada.look(house.places[7])
        await asyncio.sleep(1.0)
        if for_good:
            ada.leave()
        else:
            ada.drop(silently=False)
            await asyncio.sleep(50.0)
            assert follows(bob) == {"Bob": ada.known.viewer}
            await asyncio.sleep(15.0)
        await asyncio.sleep(1.0)
        assert bob.led_by is None and follows(bob) == {"Bob": None}
        assert bob.sees_a_still(bob.seq, 1)

    kept(play(house, body))


# ---- bookmarks ------------------------------------------------------------------------------------------
def bookmark(house: House, request: str, name: str = "moss", place: int = 3) -> messages.AddBookmark:
    return messages.AddBookmark(request=request, name=name, camera=house.places[place])


def names(call: Call) -> list[str]:
    return [] if call.bookmarks is None else [each.name for each in call.bookmarks.bookmarks]


def test_everybody_hears_of_bookmarks_also_who_comes_later() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada, bob = await house.guest("Ada"), await house.guest("Bob", token=VIEWER)
        ada.say(bookmark(house, "b1", "moss"))
        ada.say(bookmark(house, "b2", "gate"))
        ada.say(bookmark(house, "b1", "something else"))  # asked again, as after a broken line
        await asyncio.sleep(1.0)
        cyd = await house.guest("Cyd")
        await asyncio.sleep(0.5)
        assert names(ada) == names(bob) == names(cyd) == ["moss", "gate"]
        assert bob.bookmarks and {each.by for each in bob.bookmarks.bookmarks} == {"Ada"}
        cyd.say(messages.RemoveBookmark(request="r1", bookmark="b1"))
        cyd.say(messages.RemoveBookmark(request="r2", bookmark="b1"))
        bob.say(bookmark(house, "b3"))
        bob.say(messages.RemoveBookmark(request="r3", bookmark="b2"))
        await asyncio.sleep(1.0)
        assert names(ada) == names(bob) == names(cyd) == ["gate"]
        assert [(each.request, each.code) for each in cyd.errors] == [("r2", ErrorCode.NOT_FOUND)]
        assert {each.code for each in bob.errors} == {ErrorCode.FORBIDDEN} and len(bob.errors) == 2

    kept(play(house, body))


def test_a_world_has_so_many_bookmarks_and_no_more() -> None:
    house = House(calm=True)

    async def body() -> None:
        ada = await house.guest("Ada")
        for number in range(limits.MAX_BOOKMARKS + 2):
            ada.say(bookmark(house, f"b{number}"))
        await asyncio.sleep(2.0)
        assert len(names(ada)) == limits.MAX_BOOKMARKS
        assert [each.code for each in ada.errors] == [ErrorCode.BUSY] * 2
        assert ada.heard < 20, "everybody hears the newest, not each"

    kept(play(house, body))


# ---- hosts ------------------------------------------------------------------------------------------------
def test_who_is_kicked_is_gone_and_nobody_who_was_known() -> None:
    house = House(calm=True)

    async def body() -> None:
        host, rude = await house.guest("host", token=HOST), await house.guest("rude")
        rude.sins.add(CloseCode.FORBIDDEN)
        was = rude.known.viewer
        host.say(messages.Kick(request="k1", viewer=was))
        await asyncio.sleep(1.0)
        assert rude.code == CloseCode.FORBIDDEN and host.present and len(host.present.viewers) == 1
        again = await house.guest("rude", rude.known)
        assert again.open and again.known.viewer != was
        host.say(messages.Kick(request="k2", viewer=was))
        host.say(messages.Kick(request="k3", viewer=host.known.viewer))
        again.say(messages.Kick(request="k4", viewer=host.known.viewer))
        await asyncio.sleep(0.5)
        codes = {each.request: each.code for each in (*host.errors, *again.errors)}
        assert host.secrets == [house.session.streaming.secret] and rude.secrets == []
        assert codes == {"k2": ErrorCode.NOT_FOUND, "k3": ErrorCode.INVALID, "k4": ErrorCode.FORBIDDEN}

    kept(play(house, body))


def test_a_lock_keeps_out_who_was_not_here_and_nobody_else() -> None:
    house = House(calm=True)

    async def body() -> None:
        host, ada = await house.guest("host", token=HOST), await house.guest("Ada")
        host.say(messages.Lock(request="l1", locked=True))
        ada.say(messages.Lock(request="l2", locked=False))
        await asyncio.sleep(0.5)
        assert (
            ada.present and ada.present.locked and [each.code for each in ada.errors] == [ErrorCode.FORBIDDEN]
        )
        assert host.secrets == ada.secrets == [house.session.streaming.secret]
        for token in (VIEWER, HOST):
            call = Call("new", house, Known(), hello("new", token), 1e7, 0.01)
            call.sins.add(CloseCode.FORBIDDEN)
            house.connect(call)
            await call.answered.wait()
            assert call.open == (token == HOST) and call.code == (None if call.open else CloseCode.FORBIDDEN)
        was = ada.known.viewer
        ada.drop(silently=False)
        await asyncio.sleep(5.0)
        back = await house.guest("Ada", ada.known)
        assert back.open and back.known.viewer == was
        host.say(messages.Lock(request="l3", locked=False))
        await asyncio.sleep(0.5)
        assert (await house.guest("late")).open and host.present and not host.present.locked

    kept(play(house, body))


def test_a_locked_world_stays_open_without_anybody_inside() -> None:
    house = House(calm=True)

    async def body() -> None:
        host = await house.guest("host", token=HOST)
        host.say(messages.Lock(request="l1", locked=True))
        await asyncio.sleep(0.1)
        host.leave()
        await asyncio.sleep(1.0)
        assert not house.session.viewers and not house.session.vacant

    kept(play(house, body))


def test_a_role_that_is_granted_counts_at_once_and_on_the_next_line() -> None:
    house = House(calm=True)

    async def body() -> None:
        host, ada = await house.guest("host", token=HOST), await house.guest("Ada", token=VIEWER)

        async def may() -> bool:
            request = f"b{len(ada.errors)}{len(names(host))}"
            before = len(ada.errors)
            ada.say(bookmark(house, request))
            await asyncio.sleep(0.5)
            return len(ada.errors) == before

        def grant(role: str) -> None:
            host.say(messages.Grant(request="g", viewer=ada.known.viewer, role=role))  # type: ignore[arg-type]

        assert not await may()
        grant("editor")
        assert await may() and ada.present
        assert {each.name: each.role for each in ada.present.viewers} == {"host": "host", "Ada": "editor"}
        ada.drop(silently=False)
        await asyncio.sleep(1.0)
        ada = await house.guest("Ada", ada.known, token=VIEWER)
        assert await may()
        grant("viewer")
        assert not await may()
        host.say(messages.Grant(request="g", viewer=host.known.viewer, role="viewer"))
        await asyncio.sleep(0.2)
        assert [each.code for each in host.errors] == [ErrorCode.INVALID]

    kept(play(house, body))
