"""A crowd for a server: viewers who fly, slow ones, stalled ones and hostile ones, and a table of what they got.

    wonderzoom load URL --viewers 20 --slow 2 --stalled 2 --hostile 2 --seconds 30

The question that it answers: does anybody who behaves notice those who don't? One process, one event loop: its own
share of a latency is below a millisecond up to some hundred viewers.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import ssl
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tyro
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table
from tyro.conf import Positional, arg

from wonderzoom.clients.aio import World, connect
from wonderzoom.clients.errors import BadLink, ClientError, Ended
from wonderzoom.clients.events import Disconnected
from wonderzoom.clients.line import Line, open_line, program
from wonderzoom.clients.links import Link, tls_context
from wonderzoom.clients.pictures import Picture
from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.codec import encode
from wonderzoom.protocol.counterexamples import INVALID_FROM_CLIENT
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.examples import POSE
from wonderzoom.scene_graph.camera import Camera

Kind = Literal["viewer", "slow", "stalled", "hostile"]
SLOW_S = 0.4  # that a slow viewer takes for a frame
_ARRIVE_S = 0.02  # from one to the next: a crowd, not an explosion
_SENT_AWAY_WITHIN_S = 5.0  # after what no server may put up with
_BREATH_S = 0.1  # between two attacks of one
_GOLDEN_ANGLE = 2.399963  # radians: everybody flies elsewhere


@dataclass(frozen=True, slots=True)
class Load:
    """Fly many viewers through a served world at once, and say what they got.

    A table tells for each kind of them how many frames came, and how late. Exit code 1:
    somebody who behaves was not served.

      wonderzoom load http://127.0.0.1:8700/#token=... --viewers 20 --slow 2 --hostile 2
      wonderzoom load https://192.168.7.20:8700/#token=... --certificate lan.crt
    """

    link: Annotated[Positional[str], arg(metavar="URL", help="as the server prints it, with #token=")]
    viewers: Annotated[int, arg(help="who fly and look at every frame")] = 8
    slow: Annotated[int, arg(help=f"who take {SLOW_S} s for a frame")] = 0
    stalled: Annotated[int, arg(help="who acknowledge nothing; every other one reads nothing either")] = 0
    hostile: Annotated[
        int, arg(help="who send garbage, flood, use wrong tokens and vanish, again and again")
    ] = 0
    seconds: Annotated[float, arg(help="how long")] = 10.0
    fps: Annotated[float, arg(help="cameras a second of each, and the most frames that it wants")] = 30.0
    width: Annotated[int, arg(help="pixels of every viewport")] = 640
    height: Annotated[int, arg(help="pixels of every viewport")] = 360
    certificate: Annotated[
        Path | None,
        arg(
            metavar="FILE",
            help="PEM of the server, if it is its own (serve --lan names it)",
            help_behavior_hint="",
        ),
    ] = None
    json: Annotated[bool, arg(help="print JSON instead of a table")] = False

    def check(self) -> None:
        """Raises ValueError for what is out of range."""
        crowd = (self.viewers, self.slow, self.stalled, self.hostile)
        if min(crowd) < 0 or not 1 <= sum(crowd) <= 10_000:
            raise ValueError("the crowd has from 1 to 10,000 people")
        if not 0.5 <= self.seconds <= 86_400.0:
            raise ValueError("--seconds: from 0.5 to a day")
        if not 1.0 <= self.fps <= limits.MAX_FPS:
            raise ValueError(f"--fps: from 1 to {limits.MAX_FPS}")
        if not all(limits.MIN_SIDE <= side <= limits.MAX_SIDE for side in (self.width, self.height)):
            raise ValueError(f"a viewport has from {limits.MIN_SIDE} to {limits.MAX_SIDE} pixels a side")


@dataclass(slots=True)
class Tally:
    """What one of the crowd got."""

    kind: Kind
    frames: int = 0
    bytes: int = 0
    seconds: float = 0.0  # from the welcome on
    first_frame: float | None = None  # seconds from the first packet on
    latencies: list[float] = field(default_factory=list[float])  # s, from a camera to the first frame of it
    sent_away: int = 0  # by the server, as it should be
    held: float | None = None  # seconds until it was
    errors: Counter[str] = field(default_factory=Counter[str])

    def count(self, picture: Picture, seen: int) -> None:
        """A frame came; ``seen``: the newest camera of which there was one before."""
        self.frames += 1
        self.bytes += len(picture.jpeg)
        if picture.seq > seen:
            self.latencies.append(picture.latency)


@dataclass(frozen=True, slots=True)
class Row:
    """All of one kind. Rates are for each, latencies in milliseconds, None where nothing was measured."""

    kind: Kind
    people: int
    served: int  # who got at least one frame
    frames_per_s: float
    p50_ms: float | None
    p99_ms: float | None
    first_frame_p50_ms: float | None
    bytes_per_s: float  # all of them together
    sent_away: int
    held_s: float | None  # the longest time until one was sent away
    errors: dict[str, int]


async def run(load: Load) -> list[Row]:
    """Send the crowd in and wait for its end. Raises BadLink, ValueError, and OSError for the certificate."""
    load.check()
    link = Link.parse(load.link)
    tls = tls_context(load.certificate) if link.secure else None
    people: list[tuple[Kind, int]] = [
        ("viewer", load.viewers), ("slow", load.slow), ("stalled", load.stalled), ("hostile", load.hostile)
    ]  # fmt: skip
    tallies = [Tally(kind) for kind, count in people for _ in range(count)]
    crowd = _Crowd(load, link, tls, asyncio.get_running_loop().time() + load.seconds)
    async with asyncio.TaskGroup() as group:
        for number, tally in enumerate(tallies):
            group.create_task(crowd.one(number, tally))
    present: list[Kind] = [kind for kind, count in people if count]
    return [_row(kind, [tally for tally in tallies if tally.kind == kind]) for kind in present]


class _Crowd:
    """How each kind behaves, until ``end`` of the loop's clock."""

    def __init__(self, load: Load, link: Link, tls: ssl.SSLContext | None, end: float) -> None:
        self._load, self._link, self._tls, self._end = load, link, tls, end
        self._loop = asyncio.get_running_loop()

    async def one(self, number: int, tally: Tally) -> None:
        """One of them, from its arrival to the end."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(self._end):
                await asyncio.sleep(number * _ARRIVE_S)
                try:
                    match tally.kind:
                        case "viewer":
                            await self._fly(number, tally, 0.0)
                        case "slow":
                            await self._fly(number, tally, SLOW_S)
                        case "stalled":
                            await self._stall(number, tally)
                        case "hostile":
                            await self._attack(number, tally)
                except ClientError as error:
                    tally.errors[str(error)] += 1

    async def _fly(self, number: int, tally: Tally, pause: float) -> None:
        began = self._loop.time()
        async with connect(
            self._load.link, name=f"load {number}", max_fps=self._load.fps, tls=self._tls
        ) as world:
            entered = self._loop.time()
            start = world.camera.resized(self._load.width, self._load.height)
            beside = [
                asyncio.create_task(self._steer(world, start, number)),
                asyncio.create_task(_note_errors(world, tally)),
            ]
            seen = 0
            try:
                async for picture in world.frames():
                    if tally.first_frame is None:
                        tally.first_frame = self._loop.time() - began
                    tally.count(picture, seen)
                    seen = max(seen, picture.seq)
                    await asyncio.sleep(pause)
            finally:
                tally.seconds = self._loop.time() - entered
                for task in beside:
                    task.cancel()
                for fault in await asyncio.gather(*beside, return_exceptions=True):
                    if isinstance(fault, Exception) and not isinstance(fault, ClientError):
                        raise fault
        if world.ended is not None and self._loop.time() < self._end:
            raise world.ended  # the server said goodbye too early

    async def _steer(self, world: World, start: Camera, number: int) -> None:
        for tick in itertools.count():
            world.look(flight(start, number, tick / self._load.fps))
            await asyncio.sleep(1.0 / self._load.fps)

    async def _stall(self, number: int, tally: Tally) -> None:
        """Look, and acknowledge nothing."""
        line = await self._line(self._link.token)
        entered = self._loop.time()
        try:
            camera = line.welcome.camera or POSE
            for seq in (1, 2, 3):
                await line.send(messages.Camera(seq=seq, cameras=[camera]))
            if number % 2:
                await asyncio.Event().wait()  # its socket fills
            while True:
                for message in await line.receive():
                    if isinstance(message, messages.Frame):
                        tally.frames += 1
                        tally.bytes += len(message.views[0].payload)
        except Ended as ended:
            if ended.code != CloseCode.STALLED:
                raise
            tally.sent_away, tally.held = 1, self._loop.time() - entered
        finally:
            tally.seconds = self._loop.time() - entered
            line.drop()
            await line.close(for_good=False)

    async def _attack(self, number: int, tally: Tally) -> None:
        """One attack after the other; after each the server has to end the conversation."""
        names = list(_ATTACKS)
        for turn in itertools.count(number):
            name = names[turn % len(names)]
            try:
                await self._attack_once(name, tally)
            except TimeoutError:
                tally.errors[f"still connected after {name}"] += 1
            except ClientError as error:
                tally.errors[str(error)] += 1
            await asyncio.sleep(_BREATH_S)

    async def _attack_once(self, name: str, tally: Tally) -> None:
        data = _ATTACKS[name]
        began = self._loop.time()
        try:
            line = await self._line(
                "wrong-token-of-a-stranger" if name == "a wrong token" else self._link.token
            )
        except ClientError as error:
            if name == "a wrong token" and not error.retryable:
                tally.sent_away += 1
                return
            raise
        try:
            for each in data:
                await line.send_raw(each)
            if name == "vanishing":
                return
            async with asyncio.timeout(_SENT_AWAY_WITHIN_S):
                while True:
                    await line.receive()
        except ClientError:
            tally.sent_away += 1
            tally.held = max(tally.held or 0.0, self._loop.time() - began)
        finally:
            line.drop()
            await line.close(for_good=False)

    async def _line(self, token: str | None) -> Line:
        hello = messages.Hello(
            protocol=(limits.PROTOCOL, limits.PROTOCOL), client=program(), codecs=["jpeg"], token=token
        )
        return await open_line(self._link, hello, self._tls)


_CAMERA = encode(messages.Camera(seq=1, cameras=[POSE]))
_ATTACKS: dict[str, Sequence[bytes | str]] = {
    "malformed messages": list(INVALID_FROM_CLIENT.values())[: 2 * limits.MAX_MALFORMED],
    "texts": ["a text"] * limits.MAX_MALFORMED,
    "a message that is too large": [bytes(limits.MAX_FROM_CLIENT + 1)],
    "a flood": [_CAMERA] * (2 * limits.MESSAGE_BURST),
    "a wrong token": [],
    "vanishing": [_CAMERA],
}


def flight(start: Camera, number: int, seconds: float) -> Camera:
    """Where somebody looks after that time: around the first view and up to eight times closer, each elsewhere."""
    phase = number * _GOLDEN_ANGLE
    yaw, pitch = 0.2 * math.sin(0.7 * seconds + phase), 0.1 * math.sin(0.9 * seconds + 2.0 * phase)
    octaves = 1.5 - 1.5 * math.cos(0.5 * seconds + phase)
    return start.orbited(yaw, pitch).zoomed(2.0**octaves)


async def _note_errors(world: World, tally: Tally) -> None:
    with contextlib.suppress(ClientError):  # whoever waits for frames hears it too
        async for event in world.events():
            match event:
                case messages.Error():
                    tally.errors[f"{event.code}: {event.message}"] += 1
                case Disconnected():
                    tally.errors[str(event.error)] += 1
                case _:
                    pass


def _row(kind: Kind, tallies: Sequence[Tally]) -> Row:
    latencies = sorted(itertools.chain.from_iterable(tally.latencies for tally in tallies))
    firsts = sorted(tally.first_frame for tally in tallies if tally.first_frame is not None)
    rates = [tally.frames / tally.seconds for tally in tallies if tally.seconds > 0.0]
    errors: Counter[str] = Counter()
    for tally in tallies:
        errors.update(tally.errors)
    return Row(
        kind=kind,
        people=len(tallies),
        served=sum(tally.frames > 0 for tally in tallies),
        frames_per_s=sum(rates) / len(tallies),
        p50_ms=percentile_ms(latencies, 0.5),
        p99_ms=percentile_ms(latencies, 0.99),
        first_frame_p50_ms=percentile_ms(firsts, 0.5),
        bytes_per_s=sum(tally.bytes / tally.seconds for tally in tallies if tally.seconds > 0.0),
        sent_away=sum(tally.sent_away for tally in tallies),
        held_s=max((tally.held for tally in tallies if tally.held is not None), default=None),
        errors=dict(errors.most_common(8)),
    )


def percentile_ms(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of sorted seconds, in milliseconds; None of nothing."""
    return 1e3 * ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def table(rows: Sequence[Row]) -> Table:
    """The rows for people, in 80 columns."""
    made = Table(
        box=SIMPLE,
        padding=(0, 1, 0, 0),
        caption="fps: frames a second of each; p50, p99: from a camera to the first frame of it; first: from "
        "connecting to the first frame; away: sent away by the server, after at most that many seconds",
        caption_justify="left",
    )
    headings = ("kind", "people", "served", "fps", "p50 ms", "p99 ms", "first ms", "MB/s", "away", "after s")
    for heading in headings:
        made.add_column(heading, justify="left" if heading == "kind" else "right", no_wrap=True)
    for row in rows:
        numbers = (row.frames_per_s, row.p50_ms, row.p99_ms, row.first_frame_p50_ms, row.bytes_per_s / 1e6)
        words = ("-" if number is None else f"{number:.1f}" for number in numbers)
        held = "-" if row.held_s is None else f"{row.held_s:.1f}"
        made.add_row(row.kind, str(row.people), str(row.served), *words, str(row.sent_away), held)
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 where everybody who behaves was served without an error, else 1; 2 for wrong arguments."""
    try:
        load = tyro.cli(Load, prog="wonderzoom load", args=arguments, config=(tyro.conf.FlagCreatePairsOff,))
        rows = asyncio.run(run(load))
    except (BadLink, ValueError, OSError) as error:
        print(f"wonderzoom load: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    if load.json:
        plain = [{each.name: getattr(row, each.name) for each in fields(row)} for row in rows]
        print(msgspec.json.encode(plain).decode())
    else:
        console = Console()
        console.print(table(rows))
        for row in rows:
            for text, count in row.errors.items():
                console.print(f"{row.kind}: {count} x {text}", markup=False, highlight=False)
    behaved = [row for row in rows if row.kind in ("viewer", "slow")]
    return 0 if all(row.served == row.people and not row.errors for row in behaved) else 1


if __name__ == "__main__":
    sys.exit(main())
