"""Camera motions as pure functions: what fingers, films, servers and tests move a camera by.

Steps take a camera to a camera (``zoomed_at``, ``framed``; ``Camera`` itself has ``zoomed``, ``orbited`` and the
like). Whole motions are a ``CameraPath``, a camera for each moment: ``zoom_in``, ``orbit``, ``along`` frames,
``through`` cameras at given times, and ``flight.fly`` between any two. They read no clock and keep no state, and
no position is an absolute number: each is the same at any depth of a world.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.hops import PAN_EASE, hop, hop_length
from wonderzoom.scene_graph.scale_node import View

# Fast enough to be a flight, slow enough to see what goes by: tried on films of eight zooms.
OCTAVES_PER_SECOND = 1.2
# What is framed keeps this share of the picture free on each side.
FRAME_MARGIN = 0.02
# Points of the orbit's height: it starts and ends at the camera, level in between.
_ORBIT_PITCH = 0.3
_ORBIT_SECONDS = 6.0
_LONGEST_S = 3600.0


class MotionError(ValueError):
    """A motion that can't be made of what was given; its text says why."""


@dataclass(frozen=True, slots=True)
class CameraPath:
    """A camera for every moment of ``seconds``; before and after it stands still."""

    seconds: float
    camera: Callable[[float], Camera]

    def frames(self, fps: float) -> list[float]:
        """The moments of the frames of a film: the first at 0, the last at the end."""
        steps = max(1, round(self.seconds * fps))
        return [self.seconds * i / steps for i in range(steps + 1)]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a motion along ln(scale) unfolds in time."""

    octaves_per_second: float = OCTAVES_PER_SECOND
    ease_seconds: float = 1.0  # of the soft start, and of the soft stop
    hold_start: float = 0.4  # seconds at rest: an eye needs a moment to find its way
    hold_end: float = 1.2
    pan_ease: float = PAN_EASE


# ---- steps --------------------------------------------------------------------------------------
def zoomed_at(camera: Camera, factor: float, u: float, v: float, zeta: float = 0.0) -> Camera:
    """Larger by ``factor`` from the same eye, with all that is at pixel (u, v) staying there, near and far.

    The eye turns by the difference of the two angles at which the pixel stands off the axis, before and after:
    tan(a - b) = tan a (1 - 1/k) / (1 + tan^2 a / k). The new pivot lies at depth ``zeta`` (native pixels, of the
    surface at the pixel where it is known), so that the scale there is what the camera speaks of.

    Raises MotionError for a factor that is not positive, and where the pivot would be at or behind the eye.
    """
    if not (math.isfinite(factor) and factor > 0.0):
        raise MotionError(f"a zoom factor is a positive number, got {factor}")
    x, y = (u - camera.cx) * math.exp(-camera.ln_fx), (v - camera.cy) * math.exp(-camera.ln_fy)
    share = (1.0 - 1.0 / factor) / (1.0 + (x * x + y * y) / factor)
    middle = np.array([camera.cx + share * (u - camera.cx), camera.cy + share * (v - camera.cy)])
    depth = 1.0 + zeta * camera.inverse_f
    if depth <= NEAR:
        raise MotionError(f"the depth {depth:.3g} D is behind or at the eye: it can't be zoomed into")
    turned = camera.looking_at(camera.unproject(middle, np.array(zeta)))
    step = math.log(factor)
    return replace(
        turned, ln_fx=camera.ln_fx + step, ln_fy=camera.ln_fy + step, cx=camera.cx, cy=camera.cy
    ).rebased()


def framed(view: View, width: int, height: int, margin: float = FRAME_MARGIN) -> Camera:
    """The camera that shows all that a view has made, as large as fits into ``width`` x ``height`` pixels.

    It has the eye of the view, looks at the middle of the rectangle around the view's mask, at the median depth
    of what is in it, and leaves ``margin`` of the picture free on each side. Raises MotionError where the view has
    made nothing.
    """
    rows, columns = (np.flatnonzero(view.mask.any(axis)) for axis in (1, 0))
    if not len(rows):
        raise MotionError("this view has made nothing that could be framed")
    camera = view.camera
    (top, bottom), (left, right) = ((each[0], each[-1] + 1.0) for each in (rows, columns))
    zeta = float(np.median(view.zeta[view.mask]))
    middle = camera.unproject(np.array([(left + right) / 2, (top + bottom) / 2]), np.array(zeta))
    turned = camera.looking_at(middle)
    # A picture of the rectangle has straight sides: if its corners are in the frame, all of it is.
    corners = np.array([(u, v) for u in (left, right) for v in (top, bottom)])
    matrix, origin = turned.map_from(camera)
    seen, _ = turned.project(camera.unproject(corners, np.full(4, zeta)) @ matrix.T + origin)
    across, down = np.abs(seen - [turned.cx, turned.cy]).max(0)
    free = 1.0 - 2.0 * margin
    step = math.log(min(free * width / (2.0 * across), free * height / (2.0 * down)))
    return replace(
        turned,
        ln_fx=turned.ln_fx + step,
        ln_fy=turned.ln_fy + step,
        cx=width / 2,
        cy=height / 2,
        width=width,
        height=height,
    ).rebased()


# ---- whole motions ------------------------------------------------------------------------------
def zoom_in(
    camera: Camera,
    factor: float,
    at: tuple[float, float] | None = None,
    zeta: float = 0.0,
    octaves_per_second: float = OCTAVES_PER_SECOND,
) -> CameraPath:
    """A zoom at a pixel (default: the pivot's) of constant perceived speed; a factor below 1 zooms out.

    See ``zoomed_at`` for ``zeta``. Raises MotionError.
    """
    if not (math.isfinite(factor) and factor > 0.0 and factor != 1.0):
        raise MotionError(f"a zoom factor is a positive number beside 1, got {factor}")
    u, v = (camera.cx, camera.cy) if at is None else at
    ln_factor = math.log(factor)
    seconds = abs(ln_factor) / (octaves_per_second * math.log(2.0))

    def moved(now: float) -> Camera:
        share = min(max(now / seconds, 0.0), 1.0)
        return camera if share == 0.0 else zoomed_at(camera, math.exp(share * ln_factor), u, v, zeta)

    return CameraPath(seconds, moved)


def along(cameras: Sequence[Camera], pace: Pace | None = None) -> CameraPath:
    """Through the cameras one after the other, at constant perceived speed with a soft start and stop."""
    pace = pace or Pace()
    lengths = [hop_length(a, b) for a, b in zip(cameras, cameras[1:], strict=False)]
    total = sum(lengths)
    if not total > 0.0:
        raise MotionError("a path needs two cameras that differ")
    speed = pace.octaves_per_second * math.log(2.0)
    ease = min(pace.ease_seconds, total / speed)
    moving = total / speed + ease

    def camera(seconds: float) -> Camera:
        travelled = _travelled(seconds - pace.hold_start, moving, ease) * total
        for index, length in enumerate(lengths):
            if travelled <= length or index == len(lengths) - 1:
                share = travelled / length if length > 0.0 else 1.0
                return hop(cameras[index], cameras[index + 1], share, pace.pan_ease)
            travelled -= length
        raise AssertionError("unreachable: the last hop takes what is left")

    return CameraPath(pace.hold_start + moving + pace.hold_end, camera)


def _travelled(seconds: float, moving: float, ease: float) -> float:
    """Share of the way in [0, 1]: the speed rises over ``ease`` seconds, is constant, falls as it rose."""
    if seconds <= 0.0:
        return 0.0
    if seconds >= moving:
        return 1.0
    if seconds > 0.5 * moving:
        return 1.0 - _travelled(moving - seconds, moving, ease)
    top = 1.0 / (moving - ease)  # the speed in between
    if seconds >= ease:
        return top * (seconds - 0.5 * ease)
    # The integral of (1 - cos(pi t / ease)) / 2.
    return top * 0.5 * (seconds - ease / math.pi * math.sin(math.pi * seconds / ease))


def orbit(camera: Camera, degrees: float = 12.0, seconds: float = _ORBIT_SECONDS) -> CameraPath:
    """Once left and right around the pivot, and a little up and down; ends where it began."""
    if not (math.isfinite(degrees) and 0.0 < degrees <= 180.0):
        raise MotionError(f"an orbit of {degrees} degrees: choose more than 0 and at most 180")

    def moved(now: float) -> Camera:
        phase = 2.0 * math.pi * min(max(now / seconds, 0.0), 1.0)
        if now <= 0.0 or now >= seconds:
            return camera
        swing = math.radians(degrees)
        return camera.orbited(swing * math.sin(phase), _ORBIT_PITCH * swing * 0.5 * math.sin(2.0 * phase))

    return CameraPath(seconds, moved)


def through(stops: Sequence[tuple[Camera, float]], pan_ease: float = PAN_EASE) -> CameraPath:
    """Through given cameras, each with the seconds to get there from the one before (the first: to rest)."""
    if not stops:
        raise MotionError("a path needs at least one camera")
    for index, (_, seconds) in enumerate(stops):
        if not (math.isfinite(seconds) and seconds >= 0.0):
            raise MotionError(f"camera {index + 1} of the path: {seconds} seconds; it must be 0 or more")
    times = np.cumsum([seconds for _, seconds in stops])
    if not 0.0 < times[-1] <= _LONGEST_S:
        raise MotionError(f"the path takes {times[-1]:g} seconds: choose more than 0 and at most an hour")

    def camera(now: float) -> Camera:
        index = int(np.searchsorted(times, now, side="right"))
        if index == 0:
            return stops[0][0]
        if index == len(stops):
            return stops[-1][0]
        share = (now - float(times[index - 1])) / stops[index][1]
        return hop(stops[index - 1][0], stops[index][0], share, pan_ease)

    return CameraPath(float(times[-1]), camera)
