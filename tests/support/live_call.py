"""One connection of a simulated person, and what the protocol promises to whoever is at its other end.

Bytes are decoded by the client's own session. Whatever is heard is held to the laws: newest wins, every frame
says what it shows, revisions come one by one, a request is answered once.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from live_link import SEND_BUFFER, Link
from live_surfels import LiveSurfels

from wonderzoom.protocol import messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.session import ClientSession, State
from wonderzoom.protocol.values import CameraPose

# An answer to a request that was never taken in: another one may be.
NOT_TAKEN = frozenset(
    {ErrorCode.BUSY, ErrorCode.NOT_FOUND, ErrorCode.NOTHING_THERE, ErrorCode.INVALID, ErrorCode.FORBIDDEN}
)
RESUME_S = 60.0  # as PROTOCOL.md promises; numbers of laws are not those of the code that keeps them
IN_FLIGHT = 2
TOO_LATE_S = 3.0  # from being too late to cancel a zoom to its end: it is being committed


@dataclass
class Asked:
    """A zoom that somebody asked for."""

    message: messages.Zoom
    said: int = 0  # how often it was asked
    called_off: bool = False
    taken: bool = False  # the server has said that it waits or runs
    refused: int = 0  # how often it was not even taken in; another time it may be
    ends: list[messages.ZoomStatus] = field(default_factory=list[messages.ZoomStatus])


@dataclass
class Known:
    """What somebody knows of the world and of their own requests, over all connections."""

    viewer: str = ""
    resume: str | None = None
    revision: int = 0
    nodes: set[str] = field(default_factory=set[str])
    ever: set[str] = field(default_factory=set[str])
    welcomed: int = 0  # revision of the last welcome
    asked: dict[str, Asked] = field(default_factory=dict[str, Asked])


class Scene(Protocol):
    """What a call needs of the house that it is part of."""

    gone: dict[str, float]  # viewer -> from when on nobody is to be told of it
    views: dict[str, CameraPose]  # of nodes, by their name
    places: Sequence[CameraPose]  # where people look

    @property
    def is_recorded(self) -> bool: ...
    def say(self, *what: object) -> None: ...
    def expect(self, true: object, *law: object) -> None: ...
    def patience(self, call: "Call") -> float: ...


class Call:
    """See the module docstring. ``rate`` in bytes a second; ``latency`` in seconds, one way; ``decode_s`` is what a
    frame takes to be acknowledged."""

    def __init__(
        self, name: str, scene: Scene, known: Known, hello: messages.Hello, rate: float, latency: float,
        decode_s: float = 0.01, surfels: LiveSurfels | None = None,
    ) -> None:  # fmt: skip
        self.name, self.known, self._scene, self._decode_s = name, known, scene, decode_s
        self.surfels = surfels  # that the person holds, over all connections
        self.wish, self.sent = "frames", "frames"  # what it asked for, and is sent
        self.asked_at = 0.0  # when that was another one last
        self._loop = asyncio.get_running_loop()
        self.link = Link(rate, latency, self._hear, self._over)
        self.session = ClientSession(hello)
        self.answered, self.ended = asyncio.Event(), asyncio.Event()
        self.code: int | None = None  # that the server ended it with
        self.sins: set[CloseCode] = set()  # for which it may
        # What the person does.
        self.acknowledges = True
        self.silent_since: float | None = None  # it does not take frames as it should
        self.well_since = 0.0
        self.moving_since: float | None = None
        self._froze = False
        self.seq = 0
        self._said: dict[int, CameraPose] = {}
        # What it was told.
        self.last: messages.Frame | None = None
        self.last_at = 0.0
        self.shown = self.heard = 0  # frames, and messages of all kinds
        self.present: messages.Presence | None = None
        self.bookmarks: messages.Bookmarks | None = None
        self.secrets: list[str] = []  # of payloads
        self.leds: list[messages.Led] = []
        self.led_by: str | None = None
        self._followed: set[int] = set()  # numbers of own cameras from which on it followed somebody
        self.errors: list[messages.Error] = []
        self._unacknowledged = 0
        self._flush()

    # ---- the person -----------------------------------------------------------------------------
    @property
    def open(self) -> bool:
        return self.session.state is State.OPEN and not self.ended.is_set()

    def say(self, message: messages.FromClient) -> None:
        if self.open:
            self.session.send(message)
            self._flush()

    def look(self, camera: CameraPose) -> None:
        self.seq += 1
        self._said[self.seq] = camera
        self.say(messages.Camera(seq=self.seq, cameras=[camera], time=1e3 * self.now))

    def stream(self, wish: Literal["frames", "surfels", "auto"], **more: Any) -> None:
        """Ask for frames, for surfels, or for what suits."""
        self.moves(moving=False)
        self.wish, self.asked_at = wish, self.now
        self.sent = "surfels" if wish == "surfels" else "frames" if wish == "frames" else self.sent
        budget = self.surfels.held.budget if self.surfels else 1_000_000
        self.say(messages.Configure(stream=wish, surfel_budget=budget, **more))

    def ask(self, asked: Asked) -> None:
        asked.said += 1
        self.say(asked.message)

    def cancel(self, asked: Asked) -> None:
        asked.called_off = True
        self.say(messages.Cancel(request=asked.message.request))

    def follow(self, viewer: str | None, request: str = "f") -> None:
        self._followed.add(self.seq)
        self.say(messages.Follow(request=request, viewer=viewer))

    def leave(self) -> None:
        """Go for good."""
        self.sins.add(CloseCode.NORMAL)
        self.say(messages.Leave())

    def freeze(self) -> None:
        """Stop reading, as a program that hangs."""
        self.silent_since, self._froze = self.now, True
        self.link.freeze()

    def thaw(self) -> None:
        self.silent_since, self.well_since = None, self.now
        self.link.thaw()

    def mute(self) -> None:
        """Read, but never again acknowledge."""
        self.acknowledges, self.silent_since = False, self.now

    def drop(self, *, silently: bool) -> None:
        """The line breaks."""
        if silently:
            self.silent_since = self.now
        (self.link.vanish if silently else self.link.reset)()
        self.ended.set()
        self.answered.set()

    @property
    def now(self) -> float:
        return self._loop.time()

    def moves(self, moving: bool) -> None:
        """Between these, a frame has to come again and again."""
        if not moving:
            self._no_gap()
        self.moving_since = self.now if moving and self.sent == "frames" else None

    def _flush(self) -> None:
        for data in self.session.data_to_send():
            self.link.say(data)

    # ---- the laws -------------------------------------------------------------------------------
    def _expect(self, true: object, *law: object) -> None:
        self._scene.expect(true, self.name, *law)

    def _hear(self, data: bytes) -> None:
        if self.ended.is_set():
            return
        self.heard += 1
        self.session.receive_data(data)
        for message in self.session.events_received():
            match message:
                case messages.Frame():
                    self._frame(message)
                case messages.Surfels():
                    self._surfels(message)
                case messages.Streamed():
                    self._streamed(message)
                case messages.Presence():
                    self._presence(message)
                case messages.Welcome():
                    self._welcome(message)
                case messages.Commit():
                    self._commit(message)
                case messages.ZoomStatus():
                    self._status(message)
                case messages.Bye():
                    self.code = message.code
                case messages.Error():
                    self._error(message)
                case messages.Led():
                    self._led(message)
                case messages.Blocks():
                    self.secrets.append(message.blocks)
                case messages.Bookmarks():
                    self.bookmarks = message
                case messages.Picked():
                    self._scene.say(self.name, "picked", message.request, message.place is not None)
                case _:
                    self._expect(isinstance(message, messages.Stats), "hears", message)

    def _over(self, code: int | None) -> None:
        code = self.code if code is None else code
        self._scene.say(self.name, "is let go", code)
        self._expect(self._is_fair(code), "was let go with", code, "and did nothing wrong")
        self.code = code
        self.ended.set()
        self.answered.set()

    def _is_fair(self, code: int | None) -> bool:
        """Whether it may be let go so; None: the line was cut."""
        if code == CloseCode.STALLED:
            return self.silent_since is not None and self.now - self.silent_since >= 8.0
        if code is None:
            return self.silent_since is not None or bool(self.sins)
        return code in (CloseCode.GOING_AWAY, CloseCode.SERVER_FULL) or code in self.sins

    def _welcome(self, message: messages.Welcome) -> None:
        known = self.known
        known.viewer, known.resume, known.revision = message.viewer, message.resume, message.revision
        known.welcomed = message.revision
        known.nodes = {node.id for node in message.nodes}
        known.ever |= known.nodes
        self._scene.views.update({node.id: node.camera for node in message.nodes})
        if message.camera is not None:
            self._said[0] = message.camera
        self._scene.say(self.name, "enters as", message.viewer, message.revision)
        self._expect(message.recorded == self._scene.is_recorded, "is not told whether this is recorded")
        self.well_since = self.now
        self.answered.set()

    def _no_gap(self) -> None:
        if self.moving_since is None:
            return
        gap = self.now - max(self.moving_since, self.last_at)
        self._expect(gap <= self._scene.patience(self), "moves and was shown nothing for", f"{gap:.3f} s")

    def _frame(self, message: messages.Frame) -> None:
        seen = self.last
        if seen is not None:
            self._expect(message.camera_seq >= seen.camera_seq, "was shown an older camera")
            self._expect(message.revision >= seen.revision, "was shown an older world")
            same = (message.camera_seq, message.revision) == (seen.camera_seq, seen.revision)
            same = same and message.views[0].camera == seen.views[0].camera
            self._expect(not (seen.still and same), "was shown again what it sees at its best")
        self._expect(message.camera_seq <= self.seq, "was shown a camera it never sent:", message.camera_seq)
        self._expect(self._is_of(message), "was shown another view than it asked for")
        self._no_gap()
        self.last, self.last_at = message, self.now
        self.shown += 1
        self._unacknowledged += 1
        self._expect(self._unacknowledged <= IN_FLIGHT, "was sent", self._unacknowledged, "frames")
        self._scene.say(self.name, "sees", message.frame, message.camera_seq, message.revision, message.still)
        if self.acknowledges:
            self._loop.call_later(self._decode_s, self._acknowledge, message.frame)

    def _surfels(self, message: messages.Surfels) -> None:
        if self.surfels is None:
            self._expect(False, "was sent surfels and can't read them")
            return
        self.surfels.take(message, self.now)
        self._expect(message.camera_seq <= self.seq, "was sent surfels of a camera it never sent")
        self._scene.say(self.name, "holds", message.delta, self.surfels.held.count, message.complete)
        if self.acknowledges:
            self._loop.call_later(self._decode_s, self._acknowledge_delta, message.delta)

    def _streamed(self, message: messages.Streamed) -> None:
        self._scene.say(self.name, "is sent", message.kind, message.why)
        if self.wish != "auto":
            return  # it was on its way
        self.moves(moving=False)
        self.sent, self.asked_at = message.kind, self.now
        if self.surfels is not None:
            self.surfels.told.append(message)

    def _acknowledge_delta(self, delta: int) -> None:
        if self.acknowledges and self.open and self.surfels is not None:
            self.surfels.unacked.pop(delta, None)
            self.say(messages.Ack(delta=delta))

    def sees_all(self, seq: int, revision: int) -> bool:
        """Whether a view is there at its best, in whichever way."""
        if self.sent == "surfels" and self.surfels is not None:
            return self.surfels.whole(seq, revision)
        return self.sees_a_still(seq, revision)

    def _is_of(self, message: messages.Frame) -> bool:
        said, shown = self._said.get(message.camera_seq), message.views[0].camera
        if message.camera_seq in self._followed:
            return any(_alike(shown, place, whole=message.still) for place in self._scene.places)
        if said is None:
            return message.camera_seq == 0
        return _alike(shown, said, whole=message.still)

    def sees_a_still(self, seq: int, revision: int) -> bool:
        """Whether the view of that camera message is shown, at its best, in that revision of the world."""
        last, said = self.last, self._said.get(seq)
        if seq in self._followed and self.leds:
            said = self.leds[-1].camera
        if last is None or said is None or not last.still or last.revision != revision:
            return False
        return _alike(last.views[0].camera, said, whole=True)

    def _led(self, message: messages.Led) -> None:
        self._scene.say(self.name, "is led by", message.viewer)
        self.led_by = message.viewer
        if message.viewer is not None:
            places = self._scene.places
            fair = message.camera is None or any(_alike(message.camera, each, whole=True) for each in places)
            self._expect(fair and message.viewer != self.known.viewer, "is led nowhere:", message)
            self.leds.append(message)

    def _acknowledge(self, frame: int) -> None:
        if self.acknowledges and self.open:
            self._unacknowledged -= 1
            self.say(messages.Ack(frame=frame))

    def _commit(self, message: messages.Commit) -> None:
        known = self.known
        next_one = message.revision == known.revision + 1
        self._expect(next_one, "heard of", message.revision, "after", known.revision)
        known.revision = message.revision
        known.nodes -= set(message.removed)
        added = {node.id: node.camera for node in message.added}
        known.nodes |= added.keys()
        known.ever |= added.keys()
        self._scene.views.update(added)
        self._scene.say(self.name, "hears of", message.revision, sorted(added), message.removed)

    def _status(self, message: messages.ZoomStatus) -> None:
        request, known = message.request, self.known
        asked = known.asked.get(request)
        what = message.state, message.stage, message.node, message.code
        self._scene.say(self.name, "is told", request, *what)
        if asked is None:
            self._expect(False, "was told of a zoom it never asked for:", request)
            return
        if message.state in ("queued", "running"):
            self._expect(not asked.ends, "was told more of", request, "after its end")
            asked.taken = True
            return
        if not asked.taken and message.code in NOT_TAKEN:
            asked.refused += 1
            return
        asked.ends.append(message)
        self._expect(asked.ends[0] == message, "was told two ends of", request, asked.ends)
        self._expect(len(asked.ends) <= asked.said, "was told the end of", request, "again, unasked")
        off = message.state == "cancelled"
        self._expect(asked.called_off or not off, request, "was called off, and not by them")
        misplaced = message.code in (ErrorCode.NOTHING_THERE, ErrorCode.FORBIDDEN)
        self._expect(not misplaced, request, "was taken in, and then", message.code)
        if message.state == "committed":
            there = message.node in known.ever or message.revision <= known.welcomed
            self._expect(there and message.revision <= known.revision, "has", request, "before its commit")

    def _error(self, message: messages.Error) -> None:
        self._scene.say(self.name, "hears", message.code.value, message.request)
        self.errors.append(message)
        asked = self.known.asked.get(message.request or "")
        if asked is None:
            return
        if message.code is ErrorCode.FORBIDDEN:
            del self.known.asked[asked.message.request]
        elif message.code is ErrorCode.NOT_FOUND:  # cancelled in vain
            self._loop.call_later(TOO_LATE_S + self.link.latency, self._ends_soon, asked)

    def _ends_soon(self, asked: Asked) -> None:
        over = asked.ends or asked.refused or not self.open
        self._expect(over, "was told that", asked.message.request, "is over, and it goes on")

    def _presence(self, message: messages.Presence) -> None:
        self.present = message
        named = {viewer.id for viewer in message.viewers} | {zoom.viewer for zoom in message.zooms}
        if not self._froze:
            on_its_way = 1.0 + self.link.latency + 2.0 * SEND_BUFFER / self.link.rate
            for viewer in sorted(named & self._scene.gone.keys()):
                late = self.now - self._scene.gone[viewer]
                self._expect(late <= on_its_way, "is told of", viewer, f"who is gone for {late:.3f} s")
        names = [viewer.id for viewer in message.viewers]
        self._expect(len(names) == len(set(names)), "sees somebody twice")


def _alike(shown: CameraPose, said: CameraPose, *, whole: bool) -> bool:
    """Whether two cameras are the same, ``whole``: in the same resolution. The server normalises quaternions."""
    turned = sum(abs(a - b) for a, b in zip(shown.quat, said.quat, strict=True))
    same = shown.pivot == said.pivot and turned < 1e-9 and shown.ln_distance == said.ln_distance
    sides = (shown.width, shown.height, shown.ln_fx) == (said.width, said.height, said.ln_fx)
    return same and (sides or not whole)
