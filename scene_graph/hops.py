"""The way from one camera to the next: a zoom whose target drifts to the middle, exact at any depth.

A hop is written relative to a *target*, the pivot of the finer of the two cameras: where the target stands in
the image, how large a pixel is there, how far the eye is, and how a camera that looks straight at it is turned.
Two cameras with one eye (a zoom and its parent) then differ in the first two only, and the hop is a plain zoom
of the image, without parallax. Nothing is an absolute number.

Constant perceived speed is a constant rate of ln(scale): each second enlarges the picture by the same factor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from wonderzoom.scene_graph.camera import NEAR, Camera

# Shares of a hop over which the sideways motion sets in and dies away; 0 would be a zoom about one fixed
# pixel, exact but with a jerk wherever two hops meet.
PAN_EASE = 0.25
# A sideways move by one frame takes as long as a zoom by e: without it a pan alone would take no time.
FRAMES_PER_E_FOLD = 1.0
# A target further than this from the axis of a camera is not moved within the image: the image turns.
_WIDE_COSINE = 0.5
# A shorter ramp is a step: its slope would overflow.
_LEAST_EASE = 1e-6
# Closer to 0 than this, the integral of exp(-rate x) is taken as that of its series.
_SMALL_RATE = 1e-9


@dataclass(frozen=True, slots=True)
class _Relative:
    """A camera as seen from a target; see the module docstring."""

    offset: np.ndarray  # [2] of the target from the principal point, in pixels before the aspect
    ln_scale: float  # at the target, ln root edges per pixel
    ln_distance: float  # from the eye to the target, ln root edges
    quat: np.ndarray  # [4] of the camera turned to the target


def _relative(camera: Camera, target: Camera) -> _Relative | None:
    """``camera`` relative to the pivot of ``target``; None where that is too far off its axis."""
    point = camera.view_point(target.pivot)
    depth = 1.0 + float(point[2]) * camera.inverse_f
    sideways = math.hypot(float(point[0]), float(point[1])) * camera.inverse_f
    if depth <= NEAR or depth < _WIDE_COSINE * math.hypot(depth, sideways):
        return None
    turned = camera.looking_at(point)
    return _Relative(point[:2] / depth, turned.ln_scale, turned.ln_distance, np.array(turned.quat))


def zoom_ln(start: Camera, end: Camera) -> float:
    """ln of the zoom factor from ``start`` to ``end`` (negative: outwards), at the finer one's pivot."""
    if end.ln_scale > start.ln_scale:
        return -zoom_ln(end, start)
    seen = _relative(start, end)
    return (start.ln_scale if seen is None else seen.ln_scale) - end.ln_scale


def hop_length(start: Camera, end: Camera) -> float:
    """How long a hop is in e-folds of scale: its zoom, or the move across the frame where that is more."""
    if end.ln_scale > start.ln_scale:
        start, end = end, start
    seen = _relative(start, end)
    if seen is None:
        return max(abs(zoom_ln(start, end)), math.pi / FRAMES_PER_E_FOLD)
    frames = math.hypot(*seen.offset) / min(start.width, start.height)
    return max(abs(seen.ln_scale - end.ln_scale), frames / FRAMES_PER_E_FOLD)


def hop(start: Camera, end: Camera, share: float, pan_ease: float = PAN_EASE) -> Camera:
    """The camera at ``share`` in [0, 1] of the way; the ends are ``start`` and ``end`` themselves.

    ln(scale) at the target is linear in ``share``. With one eye and ``pan_ease`` 0 every image is an exact
    enlargement about one fixed pixel: at magnification m of F, the target is at ``(F - m) / (F - 1)`` of
    its first offset. With an ease, that pixel wanders smoothly, from the centre and back to it.
    """
    if share <= 0.0:
        return start
    if share >= 1.0:
        return end
    if end.ln_scale > start.ln_scale:
        return hop(end, start, 1.0 - share, pan_ease)
    seen = _relative(start, end)
    if seen is None:
        return _swing(start, end, share, pan_ease)
    ln_zoom = seen.ln_scale - end.ln_scale
    offset = seen.offset * _remaining_pan(share, ln_zoom, pan_ease)
    ln_scale = seen.ln_scale - share * ln_zoom
    eased = 1.0 - _remaining_pan(share, 0.0, pan_ease)
    ln_distance = seen.ln_distance + eased * (end.ln_distance - seen.ln_distance)
    quat = slerp(seen.quat, np.array(end.quat), eased)
    return _looking_past(start, end, share, offset, ln_scale, ln_distance, quat)


def _looking_past(
    start: Camera,
    target: Camera,
    share: float,
    offset: np.ndarray,
    ln_scale: float,
    ln_distance: float,
    quat: np.ndarray,
) -> Camera:
    """The camera that shows the pivot of ``target`` at ``offset``; the inverse of ``_relative``."""
    # The angle theta between its axis and the target: pixel offset = f tan(theta), scale = L cos(theta) / f.
    sine = offset * math.exp(min(ln_scale - ln_distance, 0.0))
    squared = float(sine @ sine)
    cosine = math.sqrt(max(1.0 - squared, 1e-6))
    # Straight at the target first, with the f that ``looking_at`` then lengthens by 1 / cos(theta).
    ln_f = ln_distance + 2.0 * math.log(cosine) - ln_scale
    ln_aspect = (1.0 - share) * (start.ln_fx - start.ln_fy) + share * (target.ln_fx - target.ln_fy)
    straight = replace(
        target,
        quat=(float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3])),
        ln_distance=ln_distance,
        ln_fx=ln_f + 0.5 * ln_aspect,
        ln_fy=ln_f - 0.5 * ln_aspect,
    )
    # tan(theta) f of the straight camera: f tan(theta) cos(theta).
    aside = offset * cosine
    turned = straight.looking_at(np.array([-aside[0], -aside[1], 0.0]))
    centre = replace(
        turned,
        cx=(1.0 - share) * start.cx + share * target.cx,
        cy=(1.0 - share) * start.cy + share * target.cy,
    )
    return centre.rebased()


def _swing(start: Camera, end: Camera, share: float, pan_ease: float) -> Camera:
    """Between cameras that look in different directions: pivot, orientation, ln D, ln f, each for itself."""
    ln_zoom = start.ln_scale - end.ln_scale
    eased = 1.0 - _remaining_pan(share, 0.0, pan_ease)
    # What is left of the way to the finer pivot, in pixels of that camera: exact where it matters.
    left = _remaining_pan(share, ln_zoom, pan_ease) * math.exp(-share * ln_zoom)
    pivot = end.position(end.view_point(start.pivot) * left)
    quat = slerp(np.array(start.quat), np.array(end.quat), eased)

    def mixed(a: float, b: float) -> float:
        return a + share * (b - a)

    return replace(
        end,
        pivot=pivot,
        quat=(float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3])),
        ln_distance=mixed(start.ln_distance, end.ln_distance),
        ln_fx=mixed(start.ln_fx, end.ln_fx),
        ln_fy=mixed(start.ln_fy, end.ln_fy),
        cx=mixed(start.cx, end.cx),
        cy=mixed(start.cy, end.cy),
    ).rebased()


def _remaining_pan(share: float, ln_zoom: float, ease: float) -> float:
    """Pixels to the target at ``share`` of a hop, for one at its start.

    The image's sideways speed at the centre, in pixels, is a smooth trapezoid ``b``: rising over ``ease`` of
    the hop, constant, falling. In pixels of the moment, what is left is then
    ``exp(a s) integral_s^1 exp(-a x) b(x) dx``, divided by its value at 0. With ``b = 1`` that is
    ``(F - m) / (F - 1)``.
    """
    ease = min(ease, 0.5) if ease > _LEAST_EASE else 0.0

    def integral(begin: float) -> float:
        """``integral_begin^1 exp(-a (x - begin)) b(x) dx``."""
        total = 0.0
        for low, high, kind in ((0.0, ease, 1), (ease, 1.0 - ease, 0), (1.0 - ease, 1.0, -1)):
            low = max(low, begin)
            if high <= low:
                continue
            decay = math.exp(-ln_zoom * (low - begin))
            total += decay * _piece(low, high, kind, ease, ln_zoom)
        return total

    return integral(share) / integral(0.0)


def _piece(low: float, high: float, kind: int, ease: float, rate: float) -> float:
    """``integral_low^high exp(-rate (x - low)) b(x) dx`` on one part of the trapezoid."""
    width = high - low
    flat = -math.expm1(-rate * width) / rate if abs(rate) > _SMALL_RATE else width
    if kind == 0:
        return flat
    # b = (1 - cos(omega d)) / 2 with d the distance from the outer end.
    omega = math.pi / ease
    phase = omega * (low if kind > 0 else 1.0 - low)
    turn = omega if kind > 0 else -omega

    def wave(x: float) -> float:
        """Antiderivative of exp(-rate x) cos(phase + turn x)."""
        angle = phase + turn * x
        return math.exp(-rate * x) * (turn * math.sin(angle) - rate * math.cos(angle)) / (rate**2 + omega**2)

    return 0.5 * (flat - (wave(width) - wave(0.0)))


def slerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """Unit quaternions [4]: from a (share 0) to b (share 1) along the shorter great circle."""
    cosine = float(a @ b)
    if cosine < 0.0:
        b, cosine = -b, -cosine
    if cosine > 1.0 - 1e-9:  # the arc is straight to float64
        mixed = a + share * (b - a)
    else:
        angle = math.acos(cosine)
        mixed = (math.sin((1.0 - share) * angle) * a + math.sin(share * angle) * b) / math.sin(angle)
    return mixed / np.linalg.norm(mixed)
