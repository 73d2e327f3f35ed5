"""Frames or surfels: what suits a viewer who leaves that to the server.

Surfels follow the hand at once, however far the server is and however many share it; but before a new view is sharp
some megabytes have to come. A frame has some kilobytes, and shows what the hand did a whole way there and back later.
So surfels suit where a view of them is sharp soon, and the longer a motion would take to show as a frame, the longer
that may take. A viewer who keeps too few surfels for its viewport sees frames sharper.

Estimates of a link waver. What is chosen stays until something else is better by far (GOOD, BAD), and for a while at
least, which doubles with each change that follows soon after another. Values in, values out: the clock is an argument.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from wonderzoom.runtime.surfel_stream import IN_VIEW

Kind = Literal["frames", "surfels"]

# A view is sharp enough to look at when two pixels' width is one surfel: a quarter of one a pixel, of 12 bytes.
SURFELS_A_PIXEL, BYTES_A_SURFEL = 0.25, 12.0
PATIENCE_S = 6.0  # for that, where a frame would come at once: 1280x720 at 3.7 Mbit/s
A_MOTION_S = 10.0  # seconds of patience more for each that a motion takes to show as a frame
GOOD, BAD = 0.7, 1.4  # of the patience: below the one surfels are chosen, above the other given up
ENOUGH, TOO_FEW = 0.5, 0.25  # of the surfels of a sharp view that the viewer keeps
HOLD_S, LONGEST_HOLD_S = 5.0, 80.0  # that a choice stays at least
CALM = 4.0  # holds without a change, after which the next one is HOLD_S again


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known of a viewer."""

    pixels: int  # of the viewport
    budget: int  # surfels that it keeps
    rate: float | None  # bytes a second that its link has carried; None: nothing was seen yet
    motion_s: float  # from a motion to its frame


@dataclass(slots=True)
class Suiting:
    """Of one viewer. It begins with frames: the first one comes soonest, and tells what the link is like."""

    kind: Kind = "frames"
    why: str = "the line is not known yet"
    _since: float | None = None  # the last change
    _hold: float = HOLD_S

    def choose(self, seen: Circumstances, now: float) -> bool:
        """Think again; whether something else suits from now on."""
        if self._since is not None and now < self._since + self._hold:
            return False
        kind, why = self._best(seen)
        if kind == self.kind:
            return False
        calm = self._since is None or now >= self._since + CALM * self._hold
        self._hold = HOLD_S if calm else min(2.0 * self._hold, LONGEST_HOLD_S)
        self.kind, self.why, self._since = kind, why, now
        return True

    def _best(self, seen: Circumstances) -> tuple[Kind, str]:
        """What suits, and why; what is chosen now, where that is nearly as good."""
        if seen.rate is None:
            return self.kind, self.why
        sharp = SURFELS_A_PIXEL * seen.pixels
        kept = IN_VIEW * seen.budget / sharp
        takes = min(sharp, IN_VIEW * seen.budget) * BYTES_A_SURFEL / seen.rate
        patience = PATIENCE_S + A_MOTION_S * seen.motion_s
        if kept < TOO_FEW:
            return "frames", f"{seen.budget:,} surfels are too few for a view of {seen.pixels:,} pixels"
        if takes > BAD * patience:
            mbit = 8e-6 * seen.rate
            return "frames", f"the line carries {mbit:.1f} Mbit/s: a view of surfels would take {takes:.0f} s"
        if kept >= ENOUGH and takes < GOOD * patience:
            return "surfels", f"motions don't wait for a frame, which takes {1e3 * seen.motion_s:.0f} ms"
        return self.kind, self.why
