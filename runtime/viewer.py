"""One person who looks: the newest camera, what was shown of it, and the frame that waits to be sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from wonderzoom.runtime.orders import Shown
from wonderzoom.runtime.pacing import Codec, Pacer
from wonderzoom.scene_graph.camera import Camera

# Why a frame that is drawn is not sent: a newer one took its place, the viewer has left, or as many as the
# protocol allows are on the way.
Dropped = Literal["replaced", "left", "no_credit"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A picture for one viewer, or one for each eye, and exactly what it shows."""

    id: int
    views: tuple[Shown, ...]
    camera_seq: int  # of the camera message that asked for it
    revision: int  # of the world
    still: bool
    quality: int
    waited_s: float  # from the camera message to the start of drawing
    render_s: float
    encode_s: float
    codec: Codec = "jpeg"
    key: bool = False  # of H.264: a decoder may begin with it

    @property
    def nbytes(self) -> int:
        """Of pictures and depths."""
        return sum(len(each.payload) + (len(each.depth.payload) if each.depth else 0) for each in self.views)


@dataclass(slots=True)
class Viewer:
    """What the frame loop knows of one viewer. ``send`` returns when the link has taken the frame."""

    id: str
    send: Callable[[Frame], Awaitable[None]]
    pacer: Pacer = field(default_factory=Pacer)
    camera: Camera | None = None  # the viewport's resolution; newest wins
    beside: Camera | None = None  # of the other eye, if there are two
    lod_bias: float = 0.0  # octaves that it wants everything coarser
    camera_seq: int = -1
    changed_at: float = 0.0  # when the camera, or the world in it, last changed
    begun_at: float = -1e9  # when the last frame was begun
    sees: str = ""  # in whose time what arrives fades in: its own id, or that of whom it follows
    led: bool = False  # the camera changed without a message of its own
    shown_seq: int = -1
    shown_revision: int = -1
    still_shown: bool = False
    settled: bool = True  # what was drawn last does not change by itself
    drawing: bool = False
    begins: int = 0  # how often it began anew: what was drawn before the last time is for nobody
    video: str | None = None  # the viewer of whose H.264 it has had every packet since a key frame
    keyed_at: float = -1e9  # when its own stream began anew
    alone_until: float = -1e9  # takes no stream of somebody else before
    slot: Frame | None = None  # drawn, and not yet taken by the link; newest wins

    def __post_init__(self) -> None:
        self.sees = self.sees or self.id

    @property
    def in_flight(self) -> int:
        """Frames that are being drawn, wait, or are not acknowledged."""
        return self.pacer.in_flight + (self.slot is not None) + self.drawing

    @property
    def cameras(self) -> tuple[Camera, ...]:
        """Of each eye."""
        return tuple(each for each in (self.camera, self.beside) if each is not None)

    def look(self, camera: Camera, seq: int, at: float, beside: Camera | None = None) -> bool:
        """Take a camera, or those of two eyes, unless newer ones are known. Returns whether they were taken."""
        if seq <= self.camera_seq:
            return False
        self.camera_seq = seq
        self._moved(camera, beside, at)
        self.sees = self.id
        return True

    def follow(self, camera: Camera, sees: str, at: float) -> None:
        """Take the camera of another viewer, whose id is ``sees``."""
        self.led = self._moved(camera, None, at) or self.led
        self.sees = sees

    def look_again(self, at: float) -> None:
        """What it sees could be drawn better, or as it is wanted now."""
        self.changed_at, self.still_shown = at, False

    def _moved(self, camera: Camera, beside: Camera | None, at: float) -> bool:
        if camera == self.camera and beside == self.beside:
            return False
        self.camera, self.beside, self.pacer.eyes = camera, beside, 1 if beside is None else 2
        self.look_again(at)
        return True

    def show_again(self, *, counting: bool = False) -> None:
        """Whatever was shown is gone, as after a reconnect; camera messages count from the beginning again, unless they
        go on ``counting``."""
        self.pacer.forget()
        self.begins += 1
        self.shown_seq = -1
        if not counting:
            self.camera_seq = -1
        self.shown_revision, self.still_shown, self.slot = -1, False, None
        self.settled, self.video = True, None

    def moving(self, revision: int) -> bool:
        """Whether something is to be shown that never was: another view, another world, or a step of what fades."""
        return (
            self.camera is not None
            and not self.still_shown
            and (
                not self.settled
                or self.led
                or self.shown_seq != self.camera_seq
                or self.shown_revision != revision
            )
        )
