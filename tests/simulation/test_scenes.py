"""Single scenes of the simulated server, each about something that went wrong in a crowd once."""

import asyncio

import pytest
from live_call import Asked, Call
from live_house import House, play

from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode


def calm(frame_bytes: int = 30_000) -> House:
    return House(calm=True, frame_bytes=frame_bytes)


def kept(house: House) -> None:
    """All laws held."""
    assert house.broken == []


async def fly(call: Call, house: House, seconds: float) -> None:
    for step in range(round(10 * seconds)):
        call.look(house.places[step % len(house.places)])
        await asyncio.sleep(0.1)


def zoom(call: Call, **said: object) -> Asked:
    """Ask for a zoom; in the middle of what is shown unless said otherwise."""
    request = f"z{len(call.known.asked) + 1}"
    if "camera" not in said:
        assert call.last is not None
        said["at"] = messages.Spot(frame=call.last.frame, u=0.5, v=0.5)
    asked = call.known.asked[request] = Asked(messages.Zoom(request=request, **said))  # type: ignore[arg-type]
    call.ask(asked)
    return asked


def states(asked: Asked) -> list[str]:
    return [end.state for end in asked.ends]


def test_an_evening_of_one() -> None:
    house = calm()

    async def body() -> None:
        call = await house.guest("Ada")
        await fly(call, house, 2.0)
        await asyncio.sleep(0.5)
        assert call.sees_a_still(20, 1)
        asked = zoom(call, prompt="moss")
        await asyncio.sleep(3.0)
        assert states(asked) == ["committed"] and call.known.revision == 2
        assert call.sees_a_still(20, 2)

    kept(play(house, body))


# ---- lines --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "frame_bytes", [1_000, 300_000]
)  # what is sent fits into buffers, or stands before them
def test_who_reads_nothing_is_gone_between_8_and_12_seconds(frame_bytes: int) -> None:
    house = calm(frame_bytes=frame_bytes)

    async def body() -> None:
        stuck, other = await house.guest("stuck"), await house.guest("other")
        stuck.freeze()  # before large frames are found to be too large
        flying = asyncio.gather(fly(stuck, house, 12.0), fly(other, house, 12.0))
        await asyncio.sleep(7.9)
        assert not stuck.link.lost.is_set()
        await asyncio.sleep(4.1)
        assert stuck.link.lost.is_set()
        await flying
        assert other.open and other.shown > 100

    kept(play(house, body))


def test_who_reads_nothing_makes_nothing_pile_up() -> None:
    house = calm(frame_bytes=300_000)

    async def body() -> None:
        stuck, *others = [await house.guest(name) for name in ("stuck", *"abcdef")]
        stuck.freeze()  # before large frames are found to be too large
        await asyncio.gather(*(fly(call, house, 6.0) for call in (stuck, *others)))
        who = house.session._roster.get(stuck.known.viewer)
        assert who is not None and who.session is not None
        assert stuck.link.buffered > 0 and len(who.session._outgoing) < 5
        stuck.thaw()
        await asyncio.sleep(1.0)
        for call in (stuck, *others):  # and is told the newest later
            assert call.present is not None and others[0].present is not None
            assert call.present.viewers == others[0].present.viewers

    kept(play(house, body))


def test_who_comes_back_while_a_frame_is_drawn_is_not_shown_what_the_line_before_asked_for() -> None:
    house = calm()

    async def body() -> None:
        first = await house.guest("Ada")
        await fly(first, house, 2.0)
        first.sins.add(CloseCode.NORMAL)  # as it is taken over
        first.look(house.places[40])
        await asyncio.sleep(0.0101)  # it has arrived, and its frame is begun
        again = await house.guest("Ada", first.known, latency=0.001)
        again.look(house.places[0])
        await asyncio.sleep(1.0)
        assert again.known.viewer == "v1" and again.sees_a_still(1, 1)
        assert first.code == CloseCode.NORMAL

    kept(play(house, body))


# ---- who is here --------------------------------------------------------------------------------------
def test_nobody_is_told_of_the_zooms_of_who_has_gone_and_they_are_made() -> None:
    house = calm()

    async def body() -> None:
        goes, stays = await house.guest("goes"), await house.guest("stays")
        await fly(goes, house, 0.5)
        zoom(goes, prompt="moss")
        await asyncio.sleep(0.5)
        assert stays.present is not None and [each.viewer for each in stays.present.zooms] == ["v1"]
        goes.leave()
        await asyncio.sleep(0.3)
        assert stays.present.zooms == [] and [each.id for each in stays.present.viewers] == ["v2"]
        await asyncio.sleep(3.0)
        assert stays.known.revision == 2

    kept(play(house, body))


def test_who_is_away_for_more_than_a_minute_begins_anew() -> None:
    house = calm()

    async def body() -> None:
        call = await house.guest("Ada")
        known, was = call.known, call.known.viewer
        for away_s, same in ((55.0, True), (62.0, False)):
            call.drop(silently=False)
            await asyncio.sleep(away_s)
            call = await house.guest("Ada", known)
            assert (known.viewer == was) is same

    kept(play(house, body))


# ---- requests -----------------------------------------------------------------------------------------
def test_an_answer_is_given_again_when_its_frame_is_long_forgotten() -> None:
    house = calm()

    async def body() -> None:
        first = await house.guest("Ada")
        await fly(first, house, 0.5)
        asked = zoom(first, prompt="moss")
        await fly(first, house, 1.0)
        first.drop(silently=False)
        await asyncio.sleep(3.0)  # committed meanwhile, and nobody was told
        again = await house.guest("Ada", first.known)
        again.ask(asked)
        await asyncio.sleep(0.5)
        assert states(asked) == ["committed"]

    kept(play(house, body))


@pytest.mark.parametrize("where", ["in a frame", "at a view"])
def test_a_zoom_can_be_called_off_at_once_and_stays_so(where: str) -> None:
    house = calm()

    async def body() -> None:
        call = await house.guest("Ada")
        await fly(call, house, 0.5)
        more = {"camera": house.places[0]} if where == "at a view" else {}
        asked = zoom(call, **more)
        call.cancel(asked)
        await asyncio.sleep(5.0)
        assert states(asked) == ["cancelled"] and call.errors == []
        call.ask(asked)
        await asyncio.sleep(5.0)
        assert states(asked) == ["cancelled"] * 2 and call.known.revision == 1

    kept(play(house, body))


def test_a_zoom_that_is_asked_twice_at_once_is_followed_once() -> None:
    house = calm()

    async def body() -> None:
        call = await house.guest("Ada")
        await fly(call, house, 0.5)
        asked = zoom(call, prompt="moss")
        call.ask(asked)
        await asyncio.sleep(0.5)
        assert [each.request for each in house.desk.pending] == ["z1"]
        assert len([task for task in asyncio.all_tasks() if task.get_name() == "follow z1"]) == 1
        await asyncio.sleep(3.0)
        assert states(asked) == ["committed"]

    kept(play(house, body))


def test_who_goes_while_a_zoom_is_aimed_leaves_no_job_behind() -> None:
    house = calm()

    async def body() -> None:
        call = await house.guest("Ada")
        await fly(call, house, 0.5)
        zoom(call)
        call.leave()
        await asyncio.sleep(5.0)
        assert house.executor.attempts == []

    kept(play(house, body))


def test_a_full_disk_is_said_to_whoever_wants_to_remove() -> None:
    house = calm()

    async def body() -> None:
        call = await house.guest("Ada")
        await fly(call, house, 0.5)
        asked = zoom(call)
        await asyncio.sleep(3.0)
        house.full = True
        node = str(asked.ends[0].node)
        call.say(messages.RemoveNode(request="r1", node=node))
        await asyncio.sleep(0.5)
        assert [(error.code, error.request) for error in call.errors] == [(ErrorCode.OUT_OF_SPACE, "r1")]
        house.full = False
        call.say(messages.RemoveNode(request="r2", node=node))
        await asyncio.sleep(0.5)
        assert node not in call.known.nodes and call.known.revision == 3

    kept(play(house, body))
