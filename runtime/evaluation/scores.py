"""Scores that need no model: pure functions of rendered views and pictures, each with its definition.

Owns what a number means, not which cameras or worlds it is taken of. Pictures are sRGB floats in [0, 1],
[H, W, 3]; depth is ``zeta``, native pixels relative to the camera's pivot.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, Camera

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

MOST_DB = 100.0  # of equal pictures
HOLE = 0.5  # alpha below this: less than half of a pixel's light comes from surfels
# Two views show the same point where their depths agree to this share (see ``agreement``).
SAME_POINT = 0.01
# Pictures are blurred by this before they are compared across a zoom, so that resampling itself is not seen.
FLICKER_BLUR = 1.0
GREY = np.array([0.299, 0.587, 0.114], np.float32)
LEAST_PIXELS = 64  # a score of fewer says nothing


@dataclass(frozen=True, slots=True)
class Shown:
    """One view as a renderer drew it."""

    camera: Camera
    color: F32  # [H, W, 3]
    alpha: F32  # [H, W]
    zeta: F32  # [H, W] NaN where nothing is


@dataclass(frozen=True, slots=True)
class Meeting:
    """Where the pixels of one view are in another."""

    uv: F32  # [H, W, 2] pixels of the other view
    zeta: F32  # [H, W] the depth that the other view should show there
    inside: Mask  # [H, W] known, in front of the other camera and in its picture


# ---- one picture ----------------------------------------------------------------------------------


def psnr(a: F32, b: F32, where: Mask | None = None) -> float | None:
    """Peak signal-to-noise ratio in dB over the pixels ``where`` (all); None of fewer than 64 pixels."""
    squared = ((a.astype(np.float64) - b) ** 2).mean(-1)
    chosen = squared.ravel() if where is None else squared[where]
    if chosen.size < LEAST_PIXELS:
        return None
    return min(MOST_DB, -10.0 * math.log10(max(float(chosen.mean()), 1e-10)))


def back_projection(now: F32, before: F32, edited: Mask, factor: float) -> float | None:
    """PSNR of two pictures of C_i averaged over coarse pixels, ``factor`` wide; outside what is ``edited``.

    ``before`` is O_i, what the coarse scene showed: new detail may only add what O_i could not resolve.
    """
    height, width = edited.shape
    size = (max(1, round(width / factor)), max(1, round(height / factor)))
    small = [cv2.resize(np.ascontiguousarray(each, np.float32), size, interpolation=cv2.INTER_AREA)
             for each in (now, before)]  # fmt: skip
    touched = cv2.resize(edited.astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0.0
    # A coarse surfel reaches over its neighbours: so does what an edit changes.
    touched = cv2.dilate(touched.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    return psnr(np.asarray(small[0], np.float32), np.asarray(small[1], np.float32), ~touched)


def spectrum_slope(image: F32) -> float | None:
    """Slope of ln amplitude over ln frequency, 0.06 to 0.45 cycles a pixel; photographs have -1 to -1.5.

    None of a picture without any detail.
    """
    grey = image @ GREY
    side = min(grey.shape)
    grey = grey[:side, :side].astype(np.float64)
    grey = grey - grey.mean()
    window = np.hanning(side)
    power = np.abs(np.fft.fft2(grey * window[:, None] * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(0.06, 0.45, 12)
    bands = [(frequency >= a) & (frequency < b) for a, b in zip(edges, edges[1:], strict=False)]
    means = [float(power[band].mean()) if band.any() else 0.0 for band in bands]
    if min(means) <= 1e-12:
        return None
    middle = [0.5 * (math.log(a) + math.log(b)) for a, b in zip(edges, edges[1:], strict=False)]
    return float(np.polyfit(middle, [0.5 * math.log(mean) for mean in means], 1)[0])


def holes(views: Sequence[Shown]) -> float:
    """The largest share of a view that shows nothing, in [0, 1]."""
    return max(float((view.alpha < HOLE).mean()) for view in views)


# ---- between views --------------------------------------------------------------------------------


def meeting(camera: Camera, zeta: F32, other: Camera) -> Meeting:
    """Where the pixels of ``camera``, at depth ``zeta`` [H, W], are seen by ``other``."""
    known = np.isfinite(zeta)
    matrix, origin = other.map_from(camera)
    points = camera.unproject(camera.pixel_centres(), np.where(known, zeta, 0.0)) @ matrix.T + origin
    uv, depth = other.project(points)
    x, y = uv[..., 0], uv[..., 1]
    inside = known & (depth > NEAR) & (x >= 0.5) & (y >= 0.5)
    inside &= (x <= other.width - 0.5) & (y <= other.height - 0.5)
    uv = np.where(inside[..., None], uv, 0.5)
    return Meeting(uv.astype(np.float32), points[..., 2].astype(np.float32), inside)


def sampled(values: F32, uv: F32, how: int = cv2.INTER_LINEAR) -> F32:
    """``values`` [H, W] or [H, W, C] at pixel coordinates uv [h, w, 2] (centres at k + 0.5)."""
    x, y = (np.ascontiguousarray(uv[..., i] - 0.5) for i in (0, 1))
    source = np.ascontiguousarray(values, np.float32)
    return np.asarray(cv2.remap(source, x, y, how, borderMode=cv2.BORDER_REPLICATE), np.float32)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well views agree with each other; None where they have no point in common."""

    depth: float | None  # median relative disagreement
    colour: float | None  # dB between a view and another one warped to it, where both show the same point
    common: float  # share of the pixels that should be seen at which both show the same point


def agreement(views: Sequence[Shown], pairs: Sequence[tuple[int, int]]) -> Agreement:
    """Reprojection of every pair (from, to): the first view's pixels, by their depth, into the second.

    A depth disagrees by ``|zeta - zeta'|`` over ``short side + |zeta|``: relative to how far the point is from the
    pivot, and to the picture near it. (Relative to the eye every depth agrees after some zooms: relief is then
    less than a thousandth of it.) The median is over the pixels that land in the other view and are not hidden
    there; the same pair the other way round tells of what hides them wrongly. Over pairs, the mean.
    """
    gaps: list[float] = []
    errors: list[float] = []
    common: list[float] = []
    for start, end in pairs:
        one, other = views[start], views[end]
        met = meeting(one.camera, one.zeta, other.camera)
        there = sampled(other.zeta, met.uv)
        reach = min(other.camera.width, other.camera.height) + np.abs(met.zeta)
        behind = (met.zeta - there) / reach  # how far behind what the other view shows
        with np.errstate(invalid="ignore"):
            due = met.inside & (behind <= SAME_POINT)  # never where either is NaN
        if int(due.sum()) < LEAST_PIXELS:
            continue
        gaps.append(float(np.median(np.abs(behind[due]))))
        same = due & (np.abs(np.where(due, behind, 0.0)) <= SAME_POINT)
        common.append(float(same.sum() / due.sum()))
        if int(same.sum()) >= LEAST_PIXELS:
            seen = sampled(other.color, met.uv)[same].astype(np.float64)
            errors.append(float(((seen - one.color[same]) ** 2).mean()))
    if not gaps:
        return Agreement(None, None, 0.0)
    error = -10.0 * math.log10(max(float(np.mean(errors)), 1e-10)) if errors else None
    return Agreement(float(np.mean(gaps)), error, float(np.mean(common)))


# ---- along a descent ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Flicker:
    """How much a point's colour jumps while the camera descends, in 1/255."""

    mean: float
    peak: float  # of the frame with most


def flicker(frames: Sequence[F32], cameras: Sequence[Camera], zetas: Sequence[F32]) -> Flicker | None:
    """Mean ``|c(t-1) - 2 c(t) + c(t+1)|`` of each point of frame t, seen in three frames one after the other.

    The neighbours are warped to frame t by its depth ``zeta``, all three blurred by one pixel: what is left is
    change that is no motion. A steady fade has second differences of zero; a pop by d in one frame has d twice.
    Of zooms by focal length the warp does not depend on depth.
    """
    blurred = [cv2.GaussianBlur(np.ascontiguousarray(f, np.float32), (0, 0), FLICKER_BLUR) for f in frames]
    found: list[float] = []
    for t in range(1, len(frames) - 1):
        before = meeting(cameras[t], zetas[t], cameras[t - 1])
        after = meeting(cameras[t], zetas[t], cameras[t + 1])
        both = before.inside & after.inside
        if int(both.sum()) < LEAST_PIXELS:
            continue
        one = sampled(np.asarray(blurred[t - 1], np.float32), before.uv, cv2.INTER_CUBIC)
        two = sampled(np.asarray(blurred[t + 1], np.float32), after.uv, cv2.INTER_CUBIC)
        second = np.abs(one + two - 2.0 * np.asarray(blurred[t], np.float32))[both]
        found.append(255.0 * float(second.mean()))
    if not found:
        return None
    return Flicker(float(np.mean(found)), float(np.max(found)))


def zoom_consistency(
    first: F32, last: F32, cameras: tuple[Camera, Camera], zeta: F32, factor: float
) -> float | None:
    """PSNR of the first frame of a descent against the last one, low-passed and reduced into its place.

    ``zeta`` is the depth of the first frame. Of pictures alone, so that any method's frames can be scored.
    """
    met = meeting(cameras[0], zeta, cameras[1])
    blurred = cv2.GaussianBlur(np.ascontiguousarray(last, np.float32), (0, 0), 0.5 * factor)
    return psnr(sampled(np.asarray(blurred, np.float32), met.uv), first, met.inside)
