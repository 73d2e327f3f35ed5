"""Somebody who is here: a name, a colour, a role, what was shown, and the line to them.

What is kept for one is bounded, and someone who does not take what is said is let go.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field

from wonderzoom.protocol import limits, messages
from wonderzoom.protocol.errors import CloseCode, ErrorCode
from wonderzoom.protocol.session import ServerSession
from wonderzoom.runtime.auth import Role
from wonderzoom.runtime.viewer import Frame, Viewer
from wonderzoom.scene_graph.camera import Camera

RESUME_S = 60.0  # a participant whose connection broke is kept this long
FRAMES_KNOWN = 8  # of each viewer, for picks: a click comes at most a second after its frame
CAMERAS_KNOWN = 256  # camera messages that are remembered: two seconds of them
STATS_S = 1.0
WAITING_MESSAGES = 2_000  # of one participant: the statuses of a full queue, and ten times as many

NAMES = (
    "Ant Bee Crane Deer Emu Finch Gecko Heron Ibis Jay Kite Lynx Mole Newt Otter Pika Quail Robin Stoat Tern Urial"
    " Vole Wren Yak Zebra"
).split()
# Colours that stay apart on a dark ground, also for people who see few of them.
COLORS = ("#ffb000", "#648fff", "#dc267f", "#00c2a8", "#fe6100", "#b388ff", "#7fd13b", "#ff8fab")


@dataclass
class Participant:
    """Somebody who is here, or was a minute ago."""

    id: str
    name: str
    color: str
    role: Role
    resume: str
    viewer: Viewer
    session: ServerSession | None = None  # of the connection, while there is one
    wake: Callable[[], None] = lambda: None
    left_at: float = 0.0
    frames: OrderedDict[int, Camera] = field(default_factory=OrderedDict[int, Camera])
    # Time and camera of camera messages.
    looks: OrderedDict[int, tuple[float, Camera]] = field(
        default_factory=OrderedDict[int, tuple[float, Camera]]
    )
    draws: bool = False  # by itself, from surfels: it is sent no frames
    waiting: int = 0  # messages since the connection last sent something
    granted: Role | None = None  # by a host, whatever the token says
    following: str | None = None  # the id of whom
    viewport: tuple[int, int] | None = None  # pixels, of the last camera that it said
    shown: int = 0  # frames since the last stats
    bytes: int = 0
    shows_video: bool = False  # the program on this connection can
    shows_frames: bool = True
    reads_surfels: bool = False
    stats_at: float = 0.0

    @property
    def here(self) -> bool:
        """Whether there is a connection."""
        return self.session is not None

    def arrived(
        self, hello: messages.Hello, role: Role, session: ServerSession, wake: Callable[[], None]
    ) -> None:
        """On a connection, with a program and what that can; a role that was granted stays."""
        self.name = " ".join(hello.name.split()) or self.name
        self.session, self.wake, self.waiting, self.role = session, wake, 0, self.granted or role
        self.shows_video = "h264" in hello.codecs
        self.reads_surfels = limits.SURFEL_FORMAT in hello.surfel_formats
        self.shows_frames = bool(hello.codecs) or not self.reads_surfels
        self.viewer.pacer.wish = "auto" if self.shows_video else "jpeg"
        self.viewer.pacer.depth_wished, self.viewer.lod_bias = False, 0.0  # until it says otherwise

    def configure(self, wishes: messages.Configure) -> bool:
        """What it wants from now on; H.264 only where it can show that. Whether its still is to be another one."""
        viewer, pacer = self.viewer, self.viewer.pacer
        pacer.max_fps, pacer.best_quality = wishes.max_fps, wishes.best_quality
        pacer.wish = wishes.codec if self.shows_video else "jpeg"
        other = wishes.lod_bias != viewer.lod_bias or (wishes.depth and not pacer.depth_wished)
        viewer.lod_bias, pacer.depth_wished = wishes.lod_bias, wishes.depth
        return other

    def saw(self, frame: int, camera: Camera) -> None:
        """Remember what a frame showed."""
        self.frames[frame] = camera
        while len(self.frames) > FRAMES_KNOWN:
            self.frames.popitem(last=False)

    def looked(self, seq: int, time: float, camera: Camera) -> None:
        """Remember what a camera message said, and when it was sent by the client's clock."""
        self.looks[seq] = time, camera
        while len(self.looks) > CAMERAS_KNOWN:
            self.looks.popitem(last=False)

    def camera_at(self, spot: messages.Spot) -> Camera | None:
        """The camera that a point was seen by, if that is not too long ago."""
        if spot.frame is not None:
            return self.frames.get(spot.frame)
        look = self.looks.get(spot.seq) if spot.seq is not None else None
        return None if look is None else look[1]

    def time_of(self, seq: int) -> float:
        """When a camera message was sent, by the client's clock; 0 for one that is not known."""
        look = self.looks.get(seq)
        return 0.0 if look is None else look[0]

    def stats(self, now: float, viewers: int) -> messages.Stats | None:
        """What it was given since it was told last, if that is STATS_S ago."""
        if now - self.stats_at < STATS_S:
            return None
        passed, self.stats_at = max(now - self.stats_at, 1e-3), now
        pacer, shown, size = self.viewer.pacer, self.shown, self.bytes
        self.shown = self.bytes = 0
        return messages.Stats(
            fps=min(1000.0, shown / passed), latency=1e3 * pacer.latency, bytes_per_s=size / passed,
            scale=pacer.current.scale, quality=pacer.current.quality, viewers=viewers,
        )  # fmt: skip

    def is_allowed(self, role: Role, request: str) -> bool:
        """Whether this role is enough for what ``request`` asks; if not, that is said."""
        if self.role.may(role):
            return True
        self.fail(ErrorCode.FORBIDDEN, f"that needs the role {role}; you have {self.role}", request)
        return False

    def fail(self, code: ErrorCode, text: str, request: str | None = None) -> None:
        """Say that something could not be served."""
        self.say(messages.Error(code=code, message=text[: limits.MAX_TEXT], request=request))

    def say(self, message: messages.FromServer) -> None:
        """Send a message, if there is a connection; one that does not take them any more is closed."""
        session = self.session
        if session is None:
            return
        self.waiting += 1
        if self.waiting > WAITING_MESSAGES:
            session.refuse(CloseCode.STALLED, "this connection does not take what it is sent")
        else:
            session.send(message)
        self.wake()


class Roster:
    """Everyone who is here, and those whose connection broke less than RESUME_S ago."""

    def __init__(self, show: Callable[[Participant, Frame], Awaitable[None]]) -> None:
        self._show = show
        self._all: dict[str, Participant] = {}
        self._count = 0

    def __iter__(self) -> Iterator[Participant]:
        return iter(list(self._all.values()))

    def get(self, id: str) -> Participant | None:
        """The participant of that id."""
        return self._all.get(id)

    @property
    def present(self) -> list[Participant]:
        """Those with a connection, in the order in which they came."""
        return [each for each in self._all.values() if each.here]

    def resumed(self, token: str | None) -> Participant | None:
        """Whose ``resume`` that is; compared in constant time."""
        given = (token or "").encode("utf-8", "surrogatepass")
        found = [each for each in self._all.values() if secrets.compare_digest(each.resume.encode(), given)]
        return found[0] if found else None

    def add(self, name: str, role: Role) -> Participant:
        """Somebody new; an empty name becomes an animal's."""
        number, self._count = self._count, self._count + 1
        made = Participant(
            f"v{number + 1}", " ".join(name.split()) or NAMES[number % len(NAMES)], COLORS[number % len(COLORS)], role,
            secrets.token_urlsafe(32), Viewer(f"v{number + 1}", lambda frame: self._show(made, frame)),
        )  # fmt: skip
        self._all[made.id] = made
        return made

    def remove(self, participant: Participant) -> bool:
        """Whether somebody was there to go."""
        return self._all.pop(participant.id, None) is not None

    def overdue(self, now: float) -> list[Participant]:
        """Those who did not come back in time."""
        return [each for each in self if not each.here and now - each.left_at >= RESUME_S]
