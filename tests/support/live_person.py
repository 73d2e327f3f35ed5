"""Simulated people: each looks around, zooms, and has the faults of its kind; all of it drawn from one seed."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from live_call import RESUME_S, Asked, Call, Known, Scene
from live_surfels import BUDGET, LiveSurfels

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode
from wonderzoom.protocol.values import CameraPose, KnownLevel

Kind = Literal["guest", "slow", "restless", "stuck", "rude", "watcher", "drawer", "chooser", "hoarder"]
# So many of each kind in a crowd, in this order.
KINDS: tuple[Kind, ...] = (
    "guest", "restless", "slow", "stuck", "guest", "rude", "guest", "watcher", "restless", "guest",
)  # fmt: skip
# The same of a crowd in which many draw by themselves.
SURFEL_KINDS: tuple[Kind, ...] = (
    "drawer", "guest", "chooser", "slow", "drawer", "restless", "hoarder", "stuck", "chooser", "rude",
)  # fmt: skip
WISHES: dict[Kind, Literal["surfels", "auto"]] = {
    "drawer": "surfels",
    "chooser": "auto",
    "hoarder": "surfels",
}
Act = Literal[
    "fly",
    "follow",
    "rest",
    "zoom",
    "repeat",
    "cancel",
    "remove",
    "pick",
    "drop",
    "vanish",
    "go",
    "freeze",
    "mute",
    "rude",
    "switch",
    "forget",
    "hoard",
]
# What somebody does next, and how often of a hundred times.
HABITS: dict[Kind, dict[Act, int]] = {
    "guest": {
        "fly": 40, "follow": 4, "rest": 22, "zoom": 14, "repeat": 4, "cancel": 5, "remove": 2, "pick": 6, "go": 2,
        "freeze": 1,
    },
    "slow": {"fly": 56, "follow": 4, "rest": 24, "zoom": 8, "pick": 4, "drop": 4},
    "restless": {"fly": 37, "follow": 3, "rest": 12, "zoom": 14, "cancel": 4, "pick": 4, "drop": 16, "vanish": 6,
        "go": 4,
    },
    "stuck": {"fly": 50, "rest": 10, "zoom": 12, "freeze": 12, "mute": 16},
    "rude": {"fly": 40, "rest": 10, "zoom": 10, "rude": 40},
    "drawer": {"fly": 33, "rest": 12, "zoom": 10, "remove": 2, "follow": 3, "pick": 3, "drop": 7, "vanish": 2,
        "go": 2, "switch": 12, "forget": 14,
    },
    "chooser": {"fly": 50, "rest": 20, "zoom": 8, "follow": 4, "drop": 6, "freeze": 4, "switch": 4, "forget": 4},
    "hoarder": {"fly": 40, "rest": 10, "hoard": 40, "drop": 10},
    "watcher": {"fly": 50, "rest": 20, "zoom": 10, "repeat": 5, "cancel": 5, "remove": 5, "pick": 5},
}  # fmt: skip
WORDS = ("moss", "ladybug", "", "gate")
AWAY_S = (0.0, 0.05, 0.4, 1.5, 4.0)  # from a broken line to the next try
EDITOR, VIEWER, HOST = "the-token-of-editors", "the-token-of-viewers", "the-token-of-hosts"


class Place(Scene, Protocol):
    """Where people go."""

    places: Sequence[CameraPose]
    until: float  # when everybody comes to rest

    def connect(self, call: Call) -> None: ...


@dataclass
class Line:
    """How somebody is connected."""

    rate: float  # bytes a second
    latency: float  # seconds, one way
    decode_s: float

    @property
    def fit(self) -> bool:
        """Whether only the server may be to blame for what comes late."""
        return self.rate >= 2e6 and self.latency <= 0.05


def line_of(kind: Kind, rng: np.random.Generator) -> Line:
    if kind == "slow":
        return Line(float(10 ** rng.uniform(4.7, 5.5)), float(rng.uniform(0.05, 0.3)), 0.02)
    return Line(
        float(10 ** rng.uniform(6.4, 8.0)), float(rng.uniform(0.001, 0.04)), float(rng.uniform(0.0, 0.02))
    )


class Person:
    """``live`` until the house comes to rest; then it stays as it is: here, away or gone."""

    def __init__(
        self, number: int, house: Place, rng: np.random.Generator, kinds: Sequence[Kind] = KINDS
    ) -> None:
        self.name, self._house, self._rng = f"p{number}", house, rng
        self.kind: Kind = kinds[number % len(kinds)]
        self.line = line_of(self.kind, rng)
        self.known = Known()
        self.surfels = self._empty()
        self.call: Call | None = None
        self.away_since = 0.0
        self._loop = asyncio.get_running_loop()
        self._step = int(rng.integers(len(house.places)))
        self._requests = 0

    def _empty(self) -> LiveSurfels | None:
        if self.kind not in WISHES:
            return None
        return LiveSurfels(BUDGET, lambda true, *law: self._house.expect(true, self.name, *law))

    @property
    def here(self) -> Call | None:
        """The call, if it is open."""
        return self.call if self.call is not None and self.call.open else None

    @property
    def well(self) -> bool:
        """Whether it is here and does what a client has to."""
        return self.here is not None and self.here.silent_since is None

    # ---- coming and going -----------------------------------------------------------------------
    async def live(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, 0.4) * self._house.until)
        while self._loop.time() < self._house.until:
            call = await self.dial()
            if call.open:
                await self._visit(call)
            if call.open:
                return
            self.away_since = self._loop.time()
            await asyncio.sleep(float(self._rng.choice(AWAY_S)) + 0.01)

    async def dial(self) -> Call:
        """Connect, as the one that it was if the server still knows; ask again for what has no answer."""
        token = VIEWER if self.kind == "watcher" else EDITOR
        resume, was = self.known.resume, self.known.viewer
        if self.kind == "rude" and self._rng.random() < 0.2:
            token = "no such token anywhere"
        hello = messages.Hello(
            protocol=(1, 1), client="simulated", token=token, name=self.name, resume=resume,
            codecs=["jpeg"], surfel_formats=[limits.SURFEL_FORMAT] if self.surfels else [],
        )  # fmt: skip
        call = Call(
            self.name, self._house, self.known, hello, self.line.rate, self.line.latency, self.line.decode_s,
            self.surfels,
        )  # fmt: skip
        if token not in (VIEWER, EDITOR):
            call.sins.add(CloseCode.WRONG_TOKEN)
        self._house.connect(call)
        self._house.say(self.name, "dials", was or "-")
        await call.answered.wait()
        self.call = call
        if not call.open:
            return call
        if self.known.viewer == was:
            self._house.expect(resume is not None, self.name, "is taken for", was)
        else:
            away = self._loop.time() - self.away_since
            self._house.expect(resume is None or away > RESUME_S - 1.0, self.name, "is no longer", was)
            self.known.asked.clear()
        if self.surfels is not None:
            for have in self.surfels.begin():
                call.say(have)
            call.stream(WISHES[self.kind])
        call.look(self._house.places[self._step])
        for asked in self.known.asked.values():
            if not asked.ends and not asked.refused:
                call.ask(asked)
        return call

    async def _visit(self, call: Call) -> None:
        acts, weights = zip(*HABITS[self.kind].items(), strict=True)
        shares = np.array(weights) / sum(weights)
        while call.open and self._loop.time() < self._house.until:
            act: Act = acts[int(self._rng.choice(len(acts), p=shares))]
            await self._do(call, act)
        if call.open and call.acknowledges:
            call.thaw()

    # ---- what they do -----------------------------------------------------------------------------
    async def _do(self, call: Call, act: Act) -> None:
        rng = self._rng
        match act:
            case "fly":
                await self._fly(call, float(rng.uniform(0.2, 3.0)), float(rng.choice([10.0, 15.0])))
            case "follow":
                others = [each.id for each in call.present.viewers] if call.present else []
                if others:
                    whom = others[int(rng.integers(len(others)))]
                    self._house.say(self.name, "follows", whom)
                    call.follow(whom)
                    await asyncio.sleep(float(rng.exponential(1.5)))
            case "rest":
                await asyncio.sleep(float(rng.exponential(0.8)))
            case "zoom":
                await self._zoom(call)
            case "repeat" | "cancel":
                if self.known.asked:
                    names = list(self.known.asked)
                    asked = self.known.asked[names[int(rng.integers(len(names)))]]
                    self._house.say(self.name, act, asked.message.request)
                    if act == "repeat":
                        call.ask(asked)
                    else:
                        call.cancel(asked)
            case "remove":
                if nodes := sorted(self.known.nodes):
                    self._requests += 1
                    node = nodes[int(rng.integers(len(nodes)))]
                    self._house.say(self.name, "removes", node)
                    call.say(messages.RemoveNode(request=f"r{self._requests}", node=node))
            case "pick":
                if (spot := self._spot(call)) is not None:
                    self._requests += 1
                    call.say(messages.Pick(request=f"k{self._requests}", at=spot))
            case "drop" | "vanish":
                self._house.say(self.name, act)
                call.drop(silently=act == "vanish")
            case "go":
                self._house.say(self.name, "goes")
                call.leave()
                self.known, self.surfels = Known(), self._empty()
                await call.ended.wait()
            case "freeze":
                await self._freeze(call)
            case "mute":
                self._house.say(self.name, "falls mute")
                call.mute()
                await self._fly(call, 14.0, 5.0)
            case "rude":
                self._be_rude(call)
                await asyncio.sleep(1.0)
            case "switch":
                wish = ("frames", "surfels", "auto")[int(rng.integers(3))]
                self._house.say(self.name, "wants", wish)
                call.stream(wish)
                await asyncio.sleep(0.5)
            case "forget" if self.surfels is not None:
                names = [level.hash for level in self.surfels.held.known()]
                self._house.say(self.name, "forgets", len(names[::3]))
                if names:
                    self.surfels.forget(names[::3])
                    call.say(messages.Evicted(hashes=names[::3][: limits.MAX_NAMED]))
            case "hoard":
                self._hoard(call)
                await asyncio.sleep(0.3)
            case _:
                pass

    async def _fly(self, call: Call, seconds: float, fps: float) -> None:
        call.moves(moving=call.silent_since is None)
        places, turn = self._house.places, int(self._rng.choice([-1, 1]))
        for _ in range(round(seconds * fps)):
            if not call.open or self._loop.time() >= self._house.until:
                break
            self._step = (self._step + turn) % len(places)
            call.look(places[self._step])
            await asyncio.sleep(1.0 / fps)
        if call.open:
            call.moves(moving=False)

    async def _freeze(self, call: Call) -> None:
        """Reads nothing for a while; for long if that is its kind."""
        self._house.say(self.name, "freezes")
        call.freeze()
        call.look(self._house.places[self._step - 1])
        await asyncio.sleep(14.0 if self.kind == "stuck" else float(self._rng.uniform(0.5, 6.0)))
        call.thaw()
        await asyncio.sleep(0.5)

    def _be_rude(self, call: Call) -> None:
        call.sins |= {CloseCode.TOO_MANY, CloseCode.MALFORMED}
        self._house.say(self.name, "is rude")
        match int(self._rng.integers(4)):
            case 0:
                for _ in range(2 * limits.MESSAGE_BURST):
                    call.look(self._house.places[0])
            case 1:
                for _ in range(limits.MAX_MALFORMED):
                    call.link.say(b"\xc1nonsense")
            case 2:
                call.link.say("text")
            case _:
                call.link.say(bytes(limits.MAX_FROM_CLIENT + 1))

    def _hoard(self, call: Call) -> None:
        """Claims what it never had, gives up what nobody knows, and acknowledges what was never sent."""
        self._house.say(self.name, "hoards")
        names = [self._rng.bytes(16) for _ in range(50)]
        call.say(messages.Have(levels=[KnownLevel(hash=name, bounds_revision=1) for name in names]))
        call.say(messages.Evicted(hashes=names[25:]))
        for delta in self._rng.integers(1_000_000, 2_000_000, 5).tolist():
            call.say(messages.Ack(delta=delta))

    # ---- zooms ----------------------------------------------------------------------------------
    def _spot(self, call: Call) -> messages.Spot | None:
        if call.sent == "surfels" and call.seq:
            u, v = self._rng.uniform(0.05, 1.0, 2)
            return messages.Spot(seq=call.seq, u=float(u), v=float(v))
        if call.last is None:
            return None
        u, v = self._rng.uniform(0.05, 1.0, 2)
        return messages.Spot(frame=call.last.frame, u=float(u), v=float(v))

    async def _zoom(self, call: Call) -> None:
        rng = self._rng
        spot = self._spot(call)
        self._requests += 1
        said: dict[str, object] = {
            "request": f"z{self._requests}", "prompt": WORDS[int(rng.integers(len(WORDS)))],
            "seed": int(rng.integers(2)), "factor": float(rng.choice([2.0, 4.0, 8.0])),
        }  # fmt: skip
        nodes = sorted(self.known.nodes)
        match int(rng.integers(6)):
            case 0 | 1:  # where others zoom as well
                said["camera"] = self._house.places[4 * int(rng.integers(3))]
            case 2:  # into what somebody made
                said["camera"] = self._house.views[nodes[int(rng.integers(len(nodes)))]]
            case 3 if len(nodes) > 1:
                said["node"] = nodes[int(rng.integers(len(nodes)))]
                said["camera"], said["mode"] = self._house.views[str(said["node"])], "replace"
            case _ if spot is not None:
                said["at"] = spot
            case _:
                return
        asked = Asked(messages.Zoom(**said))  # type: ignore[arg-type]
        self.known.asked[asked.message.request] = asked
        self._house.say(self.name, "asks", asked.message.request, said["prompt"], said.get("node"))
        call.ask(asked)
        if rng.random() < 0.1:
            call.ask(asked)
        if rng.random() < 0.1:
            call.cancel(asked)
        await asyncio.sleep(0.2)
