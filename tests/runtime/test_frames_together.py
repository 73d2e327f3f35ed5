"""Frames that share a call of the renderer, on virtual time: the same pictures for everybody, and more of them."""

import asyncio
from collections import Counter
from typing import Any

import pytest
from flying import Client, Stage, fly, now, on_virtual_time, staged, turned
from virtual_time import run

from wonderzoom.protocol.limits import MAX_IN_FLIGHT
from wonderzoom.runtime.frame_loop import CALL_S, STALLED_S


async def crowd(stage: Stage, count: int, seconds: float) -> list[Client]:
    """That many viewers who all move for that long, and then look at a still."""
    clients = [stage.join(Client(f"v{number}")) for number in range(count)]
    # Not sixty times a second: a camera would come at the very moment at which a frame begins.
    await asyncio.gather(*(fly(stage, client, seconds, 47.0) for client in clients))
    await asyncio.sleep(2.0)
    return clients


def shown(together: int, count: int, **renderer: Any) -> list[list[tuple[float, int, bool]]]:
    """What each of a crowd sees, and when."""
    result: list[list[tuple[float, int, bool]]] = []

    async def body() -> None:
        async with staged(together=together, size=1000, **renderer) as stage:
            for client in await crowd(stage, count, 1.0):
                result.append([(round(at, 9), frame.camera_seq, frame.still) for at, frame in client.shown])

    run(body())
    return result


def test_where_drawing_takes_no_time_everybody_sees_the_same_at_the_same_moment() -> None:
    alone, shared = shown(1, 5, seconds=0.0), shown(16, 5, seconds=0.0)
    assert shared == alone and all(len(frames) > 25 for frames in alone)


@pytest.mark.parametrize("together", [4, 16])
def test_many_viewers_get_more_frames_and_each_as_many_as_the_next(together: int) -> None:
    """A call takes 16 ms and 2 ms for each frame: one by one, 55 frames a second for all."""

    async def body() -> None:
        async with staged(together=together, seconds=0.018, more=0.002, size=1000) as stage:
            counts = [len(client.shown) for client in await crowd(stage, 16, 2.0)]
            sizes = Counter(len(cameras) for cameras in stage.renderer.shared)
            assert max(sizes) <= together
            assert min(counts) >= 0.8 * max(counts)
            # Of what the renderer can do in calls that are short enough, most is done.
            largest = min(together, (CALL_S - 0.016) // 0.002)
            assert sum(counts) >= 0.8 * 2.0 * largest / (0.016 + 0.002 * largest)
            assert sum(counts) > 2.0 * 2.0 / 0.018  # one by one

    run(body())


@on_virtual_time
async def test_frames_of_a_call_are_each_for_the_viewer_who_asked_and_in_order() -> None:
    async with staged(together=8, seconds=0.009, more=0.001, encoding=0.004, size=1000) as stage:
        clients = [stage.join(Client(f"v{number}")) for number in range(12)]
        flights = [fly(stage, client, 2.0, start=1000 * k) for k, client in enumerate(clients)]
        last = await asyncio.gather(*flights)
        await asyncio.sleep(1.0)
        for client, end in zip(clients, last, strict=True):
            seqs = [frame.camera_seq for _, frame in client.shown]
            assert seqs == sorted(seqs) and client.most <= MAX_IN_FLIGHT
            assert all(frame.views[0].camera == turned(frame.camera_seq) for _, frame in client.shown)
            still = client.shown[-1][1]
            assert still.still and still.camera_seq == end
        for cameras in stage.renderer.shared:
            assert len(cameras) == len(set(cameras)) <= 8  # nobody twice


@on_virtual_time
async def test_who_comes_alone_does_not_wait_for_others() -> None:
    async with staged(together=16, seconds=0.01, more=0.001, size=1000) as stage:
        one, other = stage.join(Client("a")), stage.join(Client("b"))
        stage.loop.look(one.viewer, turned(1), 1)
        await asyncio.sleep(0.002)
        stage.loop.look(other.viewer, turned(2), 1)
        await asyncio.sleep(0.05)
        assert [len(cameras) for cameras in stage.renderer.shared] == [1, 1]
        (first, _), (second, _) = one.shown[0], other.shown[0]
        assert first == pytest.approx(0.015, abs=1e-3) and second == pytest.approx(0.025, abs=1e-3)


@on_virtual_time
async def test_a_call_is_no_longer_than_between_two_frames() -> None:
    """Frames that gain little by sharing: whoever becomes due meanwhile must not wait for sixteen of them."""
    async with staged(together=16, seconds=0.01, more=0.01, size=1000) as stage:
        await crowd(stage, 16, 4.0)
        settled = stage.renderer.shared[20:]
        # One more than fit, now and then, to find out whether they do.
        assert max(map(len, settled)) <= CALL_S / 0.01 + 1 and len(settled) > 100
        assert sum(map(len, settled)) / len(settled) <= CALL_S / 0.01 + 0.5


@on_virtual_time
async def test_while_frames_are_encoded_the_next_call_draws() -> None:
    async with staged(together=4, seconds=0.02, more=0.0, encoding=0.05, size=1000) as stage:
        await crowd(stage, 12, 4.0)
        assert stage.renderer.most == 1
        # With the encoding in a call it would be 4 s / 0.07 s = 57 of them.
        assert len(stage.renderer.shared) > 150


@on_virtual_time
async def test_a_frame_that_can_not_be_drawn_is_lost_to_its_own_viewer_alone() -> None:
    async with staged(together=8, seconds=0.01, more=0.001, size=1000) as stage:
        stage.renderer.broken = turned(13)
        clients = [stage.join(Client(f"v{number}")) for number in range(4)]
        for number, client in enumerate(clients):
            stage.loop.look(client.viewer, turned(13 if number == 2 else number), 1)
        await asyncio.sleep(1.0)
        assert stage.failed == ["v2: no picture"] and clients[2].shown == []
        for client in (*clients[:2], clients[3]):
            assert [frame.still for _, frame in client.shown] == [False, True]
        stage.loop.look(clients[2].viewer, turned(14), 2)
        await asyncio.sleep(1.0)
        assert [frame.camera_seq for _, frame in clients[2].shown] == [2, 2]


@on_virtual_time
async def test_who_leaves_or_stops_reading_in_the_middle_of_a_call_costs_the_others_nothing() -> None:
    async with staged(together=8, seconds=0.009, more=0.001, encoding=0.005, size=1000) as stage:
        clients = [stage.join(Client(f"v{number}")) for number in range(4)]
        flying = asyncio.gather(*(fly(stage, client, 13.0) for client in clients))
        await asyncio.sleep(2.003)
        clients[0].stuck = True
        await stage.loop.leave(clients[1].viewer)
        began, seen = now(), len(clients[1].shown)
        await flying
        assert len(clients[1].shown) <= seen + MAX_IN_FLIGHT
        ((at, name),) = stage.stalled
        assert name == "v0" and abs(at - began - STALLED_S) < 0.5
        assert all(len(client.shown) >= 0.95 * 13.0 * 25.0 for client in clients[2:])


@on_virtual_time
async def test_a_loop_that_ends_in_the_middle_of_a_call_leaves_nothing() -> None:
    async with staged(together=8, seconds=1.0, size=1000) as stage:
        for number in range(4):
            stage.loop.look(stage.join(Client(f"v{number}")).viewer, turned(number), 1)
        await asyncio.sleep(0.5)
        assert stage.renderer.running == 1
    assert stage.renderer.running == 0
