"""One encode serves all who follow one camera, also as H.264, whose packets need those before them."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from flying import Client, Stage, on_virtual_time, staged, turned
from hypothesis import given, settings
from hypothesis import strategies as st
from virtual_time import run

from wonderzoom.runtime.riding import KEY_EVERY_S
from wonderzoom.runtime.viewer import Frame

Packet = tuple[str, int, int]  # the stream, how often it has begun, its number since


@dataclass
class Watcher(Client):
    """A client that shows video, and complains of a packet that its decoder could not use."""

    packets: list[Packet] = field(default_factory=list[Packet])
    lost: list[tuple[Packet, Packet]] = field(
        default_factory=list[tuple[Packet, Packet]]
    )  # before what can't be used

    def __post_init__(self) -> None:
        super().__post_init__()
        self.viewer.pacer.wish = "h264"

    async def take(self, frame: Frame) -> None:
        if frame.codec == "h264":
            name, began, number = frame.views[0].payload.decode().split(" ")[:3]
            packet = name, int(began), int(number)
            *_, last = self.packets or [("", 0, 0)]
            if not (frame.key if packet[2] == 0 else packet == (last[0], last[1], last[2] + 1)):
                self.lost.append((last, packet))
            self.packets.append(packet)
        await super().take(frame)


@asynccontextmanager
async def decoded(lanes: int = 1, **renderer: float) -> AsyncGenerator[Stage, None]:
    """A stage on which every packet could be used."""
    async with staged(lanes, **renderer) as stage:
        yield stage
        assert not stage.failed
        assert [each.lost for each in stage.clients if isinstance(each, Watcher) and each.lost] == []


def joined(stage: Stage, watcher: Watcher) -> Watcher:
    stage.join(watcher)
    return watcher


async def led(
    stage: Stage, leader: Client, followers: Sequence[Client], seconds: float, start: int = 0
) -> int:
    """Sixty cameras a second of the leader, whom the others follow."""
    seq = start
    for _ in range(round(60 * seconds)):
        seq += 1
        stage.loop.look(leader.viewer, turned(seq), seq)
        for each in followers:
            stage.loop.follow(each.viewer, turned(seq), leader.name)
        await asyncio.sleep(1.0 / 60.0)
    return seq


def moving(client: Client, since: float = 0.0) -> int:
    return sum(1 for at, frame in client.shown if not frame.still and at >= since)


@on_virtual_time
async def test_one_encode_serves_all_followers() -> None:
    async with decoded(seconds=0.01) as stage:
        ada, *others = [joined(stage, Watcher(name)) for name in ("a", "b", "c", "d", "e")]
        seq = await led(stage, ada, others, 2.0)
        calls, shown = stage.renderer.calls, [moving(each) for each in (ada, *others)]
        await led(stage, ada, others, 5.0, seq)
        gained = [moving(each) - before for each, before in zip((ada, *others), shown, strict=True)]
        assert gained[0] >= 140 and min(gained) >= gained[0] - 2
        assert stage.renderer.calls - calls <= gained[0] + 2
        assert {packet[0] for each in (ada, *others) for packet in each.packets[-100:]} == {"a"}


@on_virtual_time
async def test_who_comes_late_is_shown_something_at_once_and_joins_with_the_next_key() -> None:
    async with decoded(seconds=0.005) as stage:
        ada, bob = joined(stage, Watcher("a")), joined(stage, Watcher("b"))
        seq = await led(stage, ada, [bob], 2.0)
        late = joined(stage, Watcher("c"))
        seq = await led(stage, ada, [bob, late], 0.2, seq)
        assert moving(late) >= 3
        seq = await led(stage, ada, [bob, late], KEY_EVERY_S, seq)
        calls, shown = stage.renderer.calls, moving(ada)
        await led(stage, ada, [bob, late], 3.0, seq)
        assert stage.renderer.calls - calls <= moving(ada) - shown + 2
        keys = [packet for packet in ada.packets if packet[2] == 0]
        assert 2 <= len(keys) <= 4  # its first, and those of who joined


@on_virtual_time
async def test_who_could_not_take_every_packet_for_a_while_goes_on_with_a_key() -> None:
    async with decoded(seconds=0.005) as stage:
        ada, bob = joined(stage, Watcher("a")), joined(stage, Watcher("b"))
        seq = await led(stage, ada, [bob], 1.0)
        bob.latency = 0.12  # its acknowledgements are late, for a moment
        seq = await led(stage, ada, [bob], 0.1, seq)
        bob.latency = 0.005
        await led(stage, ada, [bob], 1.0, seq)
        assert {packet[0] for packet in bob.packets[-5:]} == {"b"}, "it is left alone for a while"


@on_virtual_time
async def test_a_follower_on_a_slow_link_drops_out_and_the_leader_sees_what_it_would_alone() -> None:
    alone = 0
    for links in ([], [20_000.0, 5_000.0]):
        async with decoded(seconds=0.005) as stage:
            ada = joined(stage, Watcher("a"))
            slow = [joined(stage, Watcher(f"s{k}", rate=rate, latency=0.1)) for k, rate in enumerate(links)]
            await led(stage, ada, slow, 8.0)
            if not links:
                alone = moving(ada)
                continue
            assert moving(ada) >= 0.97 * alone
            assert all(moving(each) > 3 for each in slow)
            assert sum(packet[2] == 0 for packet in ada.packets) <= 2 + 8.0 / KEY_EVERY_S


@on_virtual_time
async def test_without_the_leader_followers_share_among_themselves() -> None:
    """Whose viewport is another one, or who is sent surfels, encodes for nobody else."""
    async with decoded(seconds=0.005) as stage:
        others = [joined(stage, Watcher(name)) for name in ("b", "c", "d")]
        absent = Client("a")
        seq = 0
        for seconds in (2.0, 5.0):
            calls, shown = stage.renderer.calls, moving(others[0])
            for _ in range(round(60 * seconds)):
                seq += 1
                for each in others:
                    stage.loop.follow(each.viewer, turned(seq), absent.name)
                await asyncio.sleep(1.0 / 60.0)
        assert stage.renderer.calls - calls <= moving(others[0]) - shown + 2
        assert moving(others[2], 2.0) >= 140


links = st.sampled_from([3_000.0, 3e5, 1e9])
acts = st.tuples(
    st.sampled_from(
        ["stay", "away", "back", "leave", "join", "lost", "jpeg", "h264", "few", "many", "slow", "quick"]
    ),
    st.integers(0, 4),
)


@settings(max_examples=4)
@given(st.lists(links, min_size=5, max_size=5), st.lists(acts, min_size=10, max_size=40), st.integers(1, 2))
def test_whatever_happens_every_packet_can_be_decoded(
    rates: list[float], happenings: list[tuple[str, int]], lanes: int
) -> None:
    evening(rates, happenings, lanes)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@given(st.lists(links, min_size=5, max_size=5), st.lists(acts, min_size=10, max_size=40), st.integers(1, 2))
def test_whatever_happens_on_many_evenings_every_packet_can_be_decoded(
    rates: list[float], happenings: list[tuple[str, int]], lanes: int
) -> None:
    evening(rates, happenings, lanes)


def evening(rates: list[float], happenings: list[tuple[str, int]], lanes: int) -> None:
    async def body() -> None:
        async with decoded(lanes, seconds=0.008) as stage:
            crowd = [joined(stage, Watcher(f"v{k}", rate=rate, latency=0.02)) for k, rate in enumerate(rates)]
            here, seq, own = set(range(1, 5)), 0, set[int]()
            for act, who in happenings:
                client = crowd[who]
                match act:
                    case "away":
                        own.add(who)
                    case "back":
                        own.discard(who)
                    case "leave" if who:
                        here.discard(who)
                        await stage.loop.leave(client.viewer)
                    case "join" if who not in here:
                        here.add(who)
                        client.packets.clear()
                        stage.loop.join(client.viewer)
                    case "lost":
                        client.viewer.video = None
                    case "jpeg" | "h264":
                        client.viewer.pacer.wish = act
                    case "few" | "many":
                        client.viewer.pacer.max_fps = 7.0 if act == "few" else 30.0
                    case "slow" | "quick":
                        client.rate = 2_000.0 if act == "slow" else 1e6
                    case _:
                        pass
                for _ in range(10):
                    seq += 1
                    for k in sorted(here | {0}):
                        each = crowd[k]
                        if k == 0 or k in own:
                            stage.loop.look(each.viewer, turned(seq + 9000 * k), seq)
                        else:
                            stage.loop.follow(each.viewer, turned(seq), "v0")
                    await asyncio.sleep(0.04)
            await asyncio.sleep(1.0)
            for client in crowd:
                ids = [frame.id for _, frame in client.shown]
                assert all(before < after for before, after in pairwise(ids))

    run(body())
