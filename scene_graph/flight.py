"""The flight between any two cameras: out until both places are in view, over, and in again.

The way is the optimal one of van Wijk and Nuij ("Smooth and efficient zooming and panning", InfoVis 2003): for
two views of widths w0 and w1, u1 apart, the hyperbola

    w(s) = w0 cosh r0 / cosh(rho s + r0),      0 <= s <= S = (r1 - r0) / rho

along which the picture flows past at a constant perceived speed, however it is split into zoom and pan. A pure
zoom is its limit, exponential in s. Widths and distances are kept as logarithms and the pivot is placed from the
nearer end, where what is left to it is ``sinh(rho (S - s)) / (rho^2 cosh r1)`` views: both stay of order one for
cousins that are a thousand octaves below their common ancestor.

Cameras with one eye keep it, so that nothing hidden comes to light on the way; others move it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera, multiply_quats
from wonderzoom.scene_graph.cells import LN2, Position
from wonderzoom.scene_graph.motions import CameraPath

# How much zooming out is preferred to panning: the value that the authors found people to like best.
_RHO = 1.42
_OCTAVES_PER_SECOND = 2.4
_SHORTEST_S, _LONGEST_S = 0.45, 5.0
# A turn by this many radians takes as long as a zoom by e.
_TURN_PER_E_FOLD = 0.8
# Two eyes closer than this, in D, are one.
_ONE_EYE = 1e-6
# Axes that differ by less leave the straight way by less than float64 tells apart.
_LEAST_TURN = 1e-6
# On the way a picture is never of a wider angle than this focal length, in short sides, or that of an end: the
# eye steps back instead.
_LEAST_FOCAL = 0.7
# exp() of more is beyond float64; asinh is a logarithm there to the last bit.
_LN_MOST = 300.0
# Differences of indices of more bits are counted in coarser units, whose square is still a float64.
_BITS = 480

F64 = NDArray[np.float64]
_AXIS = np.array([0.0, 0.0, 1.0])


def fly(start: Camera, end: Camera) -> CameraPath:
    """From ``start`` to ``end``, slow at both ends; pictures in the size of ``end`` on the way.

    Seconds grow with what the flight has to show, up to a few: the speed is what gives.
    """
    way = _Way.between(start.resized(end.width, end.height), end)

    def moved(now: float) -> Camera:
        share = min(max(now / seconds, 0.0), 1.0)
        if share in (0.0, 1.0):
            return end if share else start
        return way.camera(share * share * (3.0 - 2.0 * share))

    seconds = min(_LONGEST_S, _SHORTEST_S + way.length / LN2 / _OCTAVES_PER_SECOND)
    return CameraPath(seconds, moved)


@dataclass(frozen=True, slots=True)
class _Way:
    """All that a flight needs to know of its two ends."""

    start: Camera
    end: Camera
    apart: F64  # [3] unit vector from the pivot of start to that of end, world axes; 0 where they are one
    ln_apart: float  # ln of their distance, root edges
    r0: float
    r1: float  # ends of the hyperbola; with r0 = 0 and no distance: ln(w0 / w1), the exponential
    turn: float  # angle between the two optical axes, radians
    about: F64  # [3] unit axis of that turn, in the view axes of start
    roll: float  # what is left after it, about the optical axis, radians
    one_eye: bool

    @property
    def length(self) -> float:
        """In e-folds of zoom."""
        return math.hypot(self.r1 - self.r0, math.hypot(self.turn, self.roll) / _TURN_PER_E_FOLD)

    @staticmethod
    def between(start: Camera, end: Camera) -> _Way:
        apart, ln_apart = _apart(start.pivot, end.pivot)
        short = math.log(min(end.width, end.height))
        ln_zoom = end.ln_scale - start.ln_scale  # ln(w1 / w0)
        far = ln_apart + 2.0 * math.log(_RHO) - short - start.ln_scale  # ln(rho^2 u1 / w0)
        if not ln_apart > -math.inf or far < -30.0 + min(0.0, ln_zoom):  # no pixel of the finer one
            apart, ln_apart, r0, r1 = np.zeros(3), -math.inf, 0.0, -ln_zoom
        else:
            r0 = _minus_asinh([(1, 2.0 * ln_zoom - far), (-1, -far), (1, far)])
            r1 = _minus_asinh([(1, ln_zoom - far), (-1, -ln_zoom - far), (-1, far - ln_zoom)])
        axes = start.rotation[2], end.rotation[2]
        x, y, z = start.rotation @ axes[1]
        side = math.hypot(x, y)
        turn = math.atan2(side, z)
        about = np.array([y, -x, 0.0]) / side if side > 0.0 else np.array([1.0, 0.0, 0.0])
        straight = multiply_quats(_rotation(about, turn), np.array(start.quat))
        w, _, _, c = multiply_quats(np.array(end.quat), straight * [1.0, -1.0, -1.0, -1.0])
        roll = math.remainder(2.0 * math.atan2(c, w), 2.0 * math.pi)
        # Both eyes from the pivot of end, in D of end; what float64 can't hold is not one eye.
        ratio = math.exp(min(start.ln_distance - end.ln_distance, 600.0))
        between = apart * math.exp(min(ln_apart - end.ln_distance, 600.0))
        gap = float(np.linalg.norm(axes[1] - between - ratio * axes[0]))
        return _Way(start, end, apart, ln_apart, r0, r1, turn, about, roll, gap < _ONE_EYE)

    # ---- along the way ----------------------------------------------------------------------------
    def camera(self, share: float) -> Camera:
        """The camera at a share in (0, 1) of the way."""
        start, end = self.start, self.end
        ln_width, gone, left = self._hyperbola(share)  # of the way over: ln of the parts that are done, left
        ln_scale = start.ln_scale + ln_width
        done, rest = math.exp(gone), math.exp(left)
        ln_distance = start.ln_distance + share * (end.ln_distance - start.ln_distance)
        if self.one_eye:
            ln_distance = (
                math.log(rest * math.exp(start.ln_distance - end.ln_distance) + done) + end.ln_distance
            )
        # In pixels of the moment, world axes, from the nearer of the two pivots.
        from_end = left < gone
        near, sign, ln_part = (end, -1.0, left) if from_end else (start, 1.0, gone)
        step = np.zeros(3)
        if self.ln_apart > -math.inf:
            step = sign * self.apart * math.exp(ln_part + self.ln_apart - ln_scale)
        if self.one_eye and self.turn > _LEAST_TURN:
            pixels = math.exp(ln_part + near.ln_distance - ln_scale)
            step = step + pixels * self._bend(from_end, ln_part, ln_distance)
        ln_f = ln_distance - ln_scale
        narrowest = math.log(_LEAST_FOCAL * min(end.width, end.height))
        wide = min(start.ln_f, end.ln_f, narrowest) - ln_f
        if wide > 0.0:
            ln_distance, ln_f = ln_distance + wide, ln_f + wide
        aspect = 0.5 * (rest * (start.ln_fx - start.ln_fy) + done * (end.ln_fx - end.ln_fy))
        quat = multiply_quats(_rotation(self.about, done * self.turn), np.array(start.quat))
        quat = multiply_quats(_rotation(_AXIS, done * self.roll), quat)
        here = replace(
            end,
            pivot=near.pivot,
            quat=(float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3])),
            ln_distance=ln_distance,
            ln_fx=ln_f + aspect,
            ln_fy=ln_f - aspect,
            cx=rest * start.cx + done * end.cx,
            cy=rest * start.cy + done * end.cy,
        )
        return replace(here, pivot=here.position(here.rotation @ step)).rebased()

    def _hyperbola(self, share: float) -> tuple[float, float, float]:
        """ln(w / w0), and ln of the parts of the way over that are done and left."""
        r0, r1 = self.r0, self.r1
        if self.ln_apart == -math.inf:  # exponential; the way over is that of a zoom about one pixel
            half = 0.5 * r1
            if abs(half) < 1e-9:
                return -share * r1, math.log(share), math.log1p(-share)
            whole = _ln_sinh(abs(half))
            gone = (1.0 - share) * half + _ln_sinh(share * abs(half)) - whole
            left = -share * half + _ln_sinh((1.0 - share) * abs(half)) - whole
            return -share * r1, gone, left
        way = r1 - r0
        ln_width = _ln_cosh(r0) - _ln_cosh(r0 + share * way)
        whole = _ln_sinh(way)
        # (u1 - u) / u1 = sinh(rho (S - s)) cosh(r0) / (sinh(rho S) cosh(rho s + r0)), and u / u1 likewise.
        gone = _ln_sinh(share * way) + _ln_cosh(r1) - whole - _ln_cosh(r0 + share * way)
        left = _ln_sinh((1.0 - share) * way) + _ln_cosh(r0) - whole - _ln_cosh(r0 + share * way)
        return ln_width, gone, left

    def _bend(self, from_end: bool, ln_part: float, ln_distance: float) -> F64:
        """What keeps the eye where it is: how far the pivot leaves the straight way, [3] world axes.

        In D of the nearer end and per part of the way to it. The pivot is D(t) along the axis a(t), which turns
        evenly from one axis to the other, less the straight way; spelled out so that nothing cancels near the end.
        """
        near, other = (self.end, self.start) if from_end else (self.start, self.end)
        t = max(math.exp(ln_part), 1e-300)
        turn, ratio = self.turn, math.exp(other.ln_distance - near.ln_distance)
        distance = math.exp(ln_distance - near.ln_distance)
        sine = math.sin(turn)
        partial = math.sin(t * turn) / (t * sine)
        far = distance * partial - ratio
        half = math.sin(0.5 * t * turn) / t
        # D(t) = 1 + t (ratio - 1), times sin((1 - t) turn) / sin(turn), less 1 - t, over t.
        own = (ratio - 1.0) * math.sin((1.0 - t) * turn) / sine + 1.0
        own -= 2.0 * math.cos((1.0 - 0.5 * t) * turn) * half / sine
        return far * other.rotation[2] + own * near.rotation[2]


def _apart(start: Position, end: Position) -> tuple[F64, float]:
    """Unit vector and ln of the distance from one place to another, world axes and root edges."""
    level = max(start.cell.level, end.cell.level)
    here, there = start.rebased(level), end.rebased(level)
    whole = [b - a for a, b in zip(here.cell.index, there.cell.index, strict=True)]
    shift = max(0, max(each.bit_length() for each in whole) - _BITS)
    rest = np.array(there.offset) - np.array(here.offset)
    vector = np.array([float(each >> shift) for each in whole]) + rest * 2.0**-shift
    distance = float(np.linalg.norm(vector))
    if distance == 0.0:
        return np.zeros(3), -math.inf
    return vector / distance, math.log(distance) + (shift - level) * LN2


def _rotation(about: F64, angle: float) -> F64:
    """wxyz of the turn by an angle, radians, that takes the axes of a view to those of the turned one."""
    return np.array([math.cos(0.5 * angle), *(math.sin(0.5 * angle) * about)])


def _minus_asinh(terms: list[tuple[int, float]]) -> float:
    """``-asinh(b)`` for ``2 b`` the sum of ``sign exp(exponent)``."""
    most = max(exponent for _, exponent in terms)
    total = 0.5 * sum(sign * math.exp(exponent - most) for sign, exponent in terms)
    if most < _LN_MOST:
        return -math.asinh(total * math.exp(most))
    if total == 0.0:
        return 0.0
    return -math.copysign(math.log(2.0 * abs(total)) + most, total)


def _ln_cosh(x: float) -> float:
    return abs(x) + math.log1p(math.exp(-2.0 * abs(x))) - math.log(2.0)


def _ln_sinh(x: float) -> float:
    """Of a positive x."""
    return x + math.log(-math.expm1(-2.0 * x)) - math.log(2.0) if x > 0.0 else -math.inf
