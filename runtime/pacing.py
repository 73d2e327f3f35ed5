"""How large, how good and how often: one viewer's frames follow its link and the render budget.

The link is known from acknowledgements, and from pings: without the way there and back a far link would look like
a slow one, and the smaller its frames became for that, the slower it would look. A frame took its bytes over the
rate from the moment at which it was sent, or at which the one before it had arrived, if that was later. Rate and
bytes a pixel are running means.
From them follows the best rung of a ladder of
(resolution, quality) whose frames fit into the time between two of them; when the lowest does not fit, frames
come less often. Going down is immediate, going up is one rung every half second, so that quality does not
flicker. No rung has a quality above the one that the viewer wishes at best. Values in, values out: the clock is
an argument.

Moving frames are H.264 instead of JPEG where the viewer can show that and the link could not take JPEG at its best:
an eighth of the bytes, for a little more latency and work.

Depth goes with moving frames while it takes a small part of the link, and with stills always. That drawing is slow is
no reason to leave it out: the fewer frames there are, the more a client has to make of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Codec = Literal["jpeg", "h264"]
Wish = Literal["auto", "jpeg", "h264"]

MOVING_FPS = 30.0
# Below this rate of frames a smaller picture serves better than a sharper one.
FLUID_FPS = 10.0
# Of the link that frames may fill: the rest is for what else is sent, and for errors of the estimate.
HEADROOM = 0.8
# A rung is taken again when its frames would fill this much of their share: less than 1, or it would flicker.
UP_WHEN = 0.7
UP_EVERY_S = 0.5
PING_EVERY_S = 5.0
# Of the link, what JPEG at its best may need before H.264 takes over, and below which it takes over again.
JPEG_FILLS, JPEG_FITS = 1.0, 0.5
# The same of depth: what it may need while it is sent, and below which it is sent again.
DEPTH_FILLS, DEPTH_FITS = 0.25, 0.15
_VIDEO_BYTES = 0.125  # of JPEG's, until some were seen
# A ping that comes back late has mostly waited behind frames; one that always does has a longer way.
_LONGER_WAY = 1.1
_MEAN = 0.25  # weight of a new observation in running means: about the last four frames
_LEAST_S = 1e-3  # acknowledgements that arrive together say nothing of a rate beyond this
# Of a frame's drawing time at full resolution, the part that does not depend on the resolution (measured with mips at
# 640x360, three views: 0.51 of the time for a quarter of the pixels, 0.42 for an eighth; without mips 0.74 and 0.63).
_FIXED_COST = 0.35


@dataclass(frozen=True, slots=True)
class Rung:
    """Resolution as a share of the viewport's sides, and JPEG quality, or that of H.264 that looks alike."""

    scale: float
    quality: int
    codec: Codec = "jpeg"

    @property
    def weight(self) -> float:
        """Relative bytes: pixels times what quality does to bytes a pixel (q40 : q70 : q90 = 37 : 55 : 100)."""
        return self.scale**2 * (0.2 + 0.8 * (self.quality / 90.0) ** 2.5)


LADDER = (
    Rung(1.0, 82),
    Rung(1.0, 68),
    Rung(0.75, 70),
    Rung(0.75, 52),
    Rung(0.5, 60),
    Rung(0.5, 42),
    Rung(0.35, 42),
)
START = 1  # before anything is known of a link


def _mean(old: float | None, new: float) -> float:
    return new if old is None else old + _MEAN * (new - old)


@dataclass(slots=True)
class _Sent:
    at: float
    size: int  # bytes


@dataclass(slots=True)
class Pacer:
    """What is known of one viewer's link and of the cost of its frames."""

    max_fps: float = MOVING_FPS
    best_quality: int = 100  # JPEG, [1, 100]: what the viewer wishes at best of moving frames
    wish: Wish = "jpeg"  # of moving frames; auto is for those who can show both
    eyes: int = 1  # pictures of a frame: two are JPEG, as a stream of video is of one
    depth_wished: bool = False  # with frames, as far as the link allows
    # Seconds that an empty message takes there and back; None until a ping came back.
    rtt: float | None = None
    rung: int = START
    rate: float | None = None  # bytes a second
    latency: float = 0.0  # seconds from sending a frame to its acknowledgement, the last one
    _codec: Codec = "jpeg"  # that auto has chosen
    _with_depth: bool = True  # the link has room for it
    _depth_bytes: float | None = None  # of a frame at full resolution
    _bytes_a_weight: dict[Codec, float] = field(default_factory=dict[Codec, float])
    _cost: float | None = None  # seconds of drawing at full resolution
    _flying: dict[int, _Sent] = field(default_factory=dict[int, _Sent])
    _last_arrival: float = -1e9
    _last_up: float = 0.0

    # ---- what happened ------------------------------------------------------------------------------
    def pinged(self, seconds: float) -> None:
        """An empty message took that long there and back: shorter counts at once, longer a tenth at a time."""
        self.rtt = seconds if self.rtt is None else min(seconds, _LONGER_WAY * self.rtt)

    def sent(self, frame: int, size: int, at: float) -> None:
        """A frame of that many bytes is given to the link."""
        self._flying[frame] = _Sent(at, size)

    def acknowledged(self, frame: int, at: float) -> float | None:
        """The client has it; the seconds that it took, None for a frame that is not on the way."""
        sent = self._flying.pop(frame, None)
        if sent is None:
            return None
        self.carried(sent.size, sent.at, at)
        self.latency = at - sent.at
        return self.latency

    def carried(self, size: int, sent_at: float, at: float) -> None:
        """What was sent then is acknowledged now: that is what the link carries."""
        arrived = at - (self.rtt or 0.0)
        took = arrived - max(sent_at, self._last_arrival)
        self._last_arrival = arrived
        self.rate = _mean(self.rate, size / max(took, _LEAST_S))

    def drawn(self, seconds: float, size: int, rung: Rung, *, depth: int = 0, key: bool = False) -> None:
        """A moving frame took that long to draw and has that many bytes, and ``depth`` more of its depth.

        Key frames are rare, and no measure."""
        self._cost = _mean(self._cost, seconds / _cost_share(rung))
        if depth:
            self._depth_bytes = _mean(self._depth_bytes, depth / rung.scale**2)
        if not key:
            before = self._bytes_a_weight.get(rung.codec)
            self._bytes_a_weight[rung.codec] = _mean(before, size / rung.weight)

    @property
    def codec(self) -> Codec:
        """Of moving frames, now."""
        if self.eyes > 1:
            return "jpeg"
        return self._codec if self.wish == "auto" else self.wish

    def wants_depth(self, still: bool) -> bool:
        """Whether the next frame is to have its depth."""
        return self.depth_wished and (still or self._with_depth)

    @property
    def current(self) -> Rung:
        """The rung in force."""
        return self._at(self.rung)

    @property
    def in_flight(self) -> int:
        return len(self._flying)

    def oldest(self) -> float | None:
        """When the oldest frame on the way was sent."""
        return min((sent.at for sent in self._flying.values()), default=None)

    def forget(self) -> None:
        """Nothing that is on the way will arrive."""
        self._flying.clear()

    # ---- what follows -------------------------------------------------------------------------------
    def choose(self, at: float, share: float = 1.0) -> Rung:
        """The rung for the next frame; ``share`` of the renderer's time is this viewer's, (0, 1]."""
        self._choose_codec()
        self._choose_depth()
        best = next((i for i in range(len(LADDER)) if self._fills(i, share) <= 1.0), len(LADDER) - 1)
        if best > self.rung:
            self.rung, self._last_up = best, at
        elif best < self.rung and at - self._last_up >= UP_EVERY_S:
            if self._fills(self.rung - 1, share) <= UP_WHEN:
                self.rung -= 1
            self._last_up = at
        return self.current

    def interval(self) -> float:
        """Seconds from the start of one frame to that of the next, at the rung in force."""
        return max(1.0 / self.max_fps, self._sending(self.rung))

    def _choose_codec(self) -> None:
        """Going to H.264 is for a link that JPEG at its best would fill, back for one that has room for two of it."""
        if self.rate is None or "jpeg" not in self._bytes_a_weight:
            return
        fills = self._bytes(self._at(0, "jpeg")) * self.max_fps / (HEADROOM * self.rate)
        if fills > JPEG_FILLS:
            self._codec = "h264"
        elif fills < JPEG_FITS:
            self._codec = "jpeg"

    def _choose_depth(self) -> None:
        """By what it would take of the link at the rung in force."""
        if self.rate is None or self._depth_bytes is None:
            return
        fills = self._depth_bytes * self.current.scale**2 * self.max_fps / (HEADROOM * self.rate)
        if fills > DEPTH_FILLS:
            self._with_depth = False
        elif fills < DEPTH_FITS:
            self._with_depth = True

    def _at(self, rung: int, codec: Codec | None = None) -> Rung:
        """A rung of the ladder as this viewer wishes it: as large, and no better than wished."""
        return Rung(LADDER[rung].scale, min(LADDER[rung].quality, self.best_quality), codec or self.codec)

    def _fills(self, rung: int, share: float) -> float:
        """How much of the time between two frames a rung takes, of the link or of the renderer."""
        at_rate = self._sending(rung) * self.max_fps
        return max(at_rate, self._drawing(rung) / share * min(FLUID_FPS, self.max_fps))

    def _sending(self, rung: int) -> float:
        return 0.0 if self.rate is None else self._bytes(self._at(rung)) / (HEADROOM * self.rate)

    def _bytes(self, rung: Rung) -> float:
        """Of a frame, as far as is known."""
        seen = self._bytes_a_weight
        guessed = _VIDEO_BYTES * seen.get("jpeg", 0.0) if rung.codec == "h264" else 0.0
        depth = (self._depth_bytes or 0.0) * rung.scale**2 if self.wants_depth(False) else 0.0
        return rung.weight * seen.get(rung.codec, guessed) + depth

    def _drawing(self, rung: int) -> float:
        return self.cost_of(self._at(rung)) or 0.0

    def cost_of(self, rung: Rung) -> float | None:
        """Seconds that a frame takes to draw and encode; None before the first."""
        return None if self._cost is None else self._cost * _cost_share(rung)


def _cost_share(rung: Rung) -> float:
    return _FIXED_COST + (1.0 - _FIXED_COST) * rung.scale**2
