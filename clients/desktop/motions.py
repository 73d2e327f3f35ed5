"""How a hand moves a camera: steps that keep the eye, the horizon and what is under the pointer, as on the page.

Functions of cameras, exact at any depth; ``clients/web/camera.js`` has the same ones.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wonderzoom.scene_graph import motions
from wonderzoom.scene_graph.camera import NEAR, Camera, multiply_quats
from wonderzoom.scene_graph.cells import Position

_LEANING = 0.1  # of the world's y axis in the picture: below, one looks along it and there is no horizon
_CLOSE_PX = 0.5
_FAR_OUT = 20.0  # windows from this one: what is seen so far out is not shown
_LEAST_PX = 6.0  # of what is outlined
_TRIES = 3  # the picture of a wide lens does not move as a whole


def place_at(camera: Camera, u: float, v: float) -> Position:
    """The place at pixel (u, v) in the plane of the pivot."""
    return camera.position(camera.unproject(np.array([u, v]), np.array(0.0)))


def seen_at(camera: Camera, place: Position) -> tuple[float, float, float]:
    """(u, v, w): pixels of a place and its depth in D; below ``NEAR`` it is behind, and has no pixel."""
    uv, w = camera.project(camera.view_point(place))
    return float(uv[0]), float(uv[1]), float(w)


def turned(camera: Camera, dx: float, dy: float) -> Camera:
    """The picture moved by pixels from the same eye, which only turns; the horizon keeps its slant."""
    point = camera.unproject(np.array([camera.cx - dx, camera.cy - dy]), np.array(0.0))
    looked = replace(camera.looking_at(point), cx=camera.cx, cy=camera.cy)
    change = _slant(looked) - _slant(camera)
    if not math.isfinite(change):
        return looked.rebased()
    roll = np.array([math.cos(change / 2), 0.0, 0.0, math.sin(change / 2)])
    w, x, y, z = multiply_quats(roll, np.asarray(looked.quat)).tolist()
    return replace(looked, quat=(w, x, y, z)).rebased()


def panned(camera: Camera, dx: float, dy: float) -> Camera:
    """The picture moved by pixels of the focal plane: the eye moves aside."""
    ax, ay = camera.aspect
    return replace(camera, pivot=camera.position(np.array([-dx / ax, -dy / ay, 0.0]))).rebased()


def zoomed_at(camera: Camera, factor: float, u: float, v: float) -> Camera:
    """Larger by ``factor`` from the same eye, with what is at pixel (u, v) staying there."""
    place = place_at(camera, u, v)
    share = 1.0 / factor - 1.0
    moved = turned(camera, share * (u - camera.cx), share * (v - camera.cy)).zoomed(factor)
    for _ in range(_TRIES):
        now_u, now_v, w = seen_at(moved, place)
        if w > NEAR:
            moved = turned(moved, u - now_u, v - now_v)
    now_u, now_v, w = seen_at(moved, place)
    if w > NEAR and math.hypot(u - now_u, v - now_v) < _CLOSE_PX:
        return moved
    return motions.zoomed_at(camera, factor, u, v)  # of a very wide lens: exact, though the horizon may lean


def at_depth(camera: Camera, zeta: float) -> Camera:
    """The same picture with the pivot on the axis at a depth, native pixels; unchanged if that is behind."""
    w = 1.0 + zeta * camera.inverse_f
    if not w > NEAR:
        return camera
    pivot = camera.position(np.array([0.0, 0.0, zeta]))
    return replace(camera, pivot=pivot, ln_distance=camera.ln_distance + math.log(w)).rebased()


def covering(camera: Camera, width: int, height: int) -> Camera:
    """The same view in a window of another size, which its picture covers: what has another shape is cut off."""
    step = math.log(max(width / camera.width, height / camera.height))
    return replace(
        camera,
        ln_fx=camera.ln_fx + step,
        ln_fy=camera.ln_fy + step,
        cx=width / 2,
        cy=height / 2,
        width=width,
        height=height,
    ).rebased()


def ln_magnification(camera: Camera, root: Camera) -> float:
    """ln of how much larger a camera shows what it looks at than ``root`` does, on the short side."""
    _, w = root.project(root.view_point(camera.pivot))
    depth = math.log(float(w)) if w > NEAR else 0.0
    sides = math.log(min(root.width, root.height) / min(camera.width, camera.height))
    return root.ln_scale + depth - camera.ln_scale + sides


def corners(seen: Camera, camera: Camera) -> tuple[tuple[float, float], ...] | None:
    """The corners of what one camera sees as another one sees them; None where they are out of sight or a dot."""
    points = []
    for u, v in ((0, 0), (seen.width, 0), (seen.width, seen.height), (0, seen.height)):
        x, y, w = seen_at(camera, place_at(seen, u, v))
        if w <= NEAR or max(abs(x), abs(y)) > _FAR_OUT * max(camera.width, camera.height):
            return None
        points.append((x, y))
    wide = max(x for x, _ in points) - min(x for x, _ in points)
    return tuple(points) if wide >= _LEAST_PX else None


def _slant(camera: Camera) -> float:
    """How much the world's y axis leans in the picture, radians; NaN where one looks along it."""
    x, y = camera.rotation[:2, 1].tolist()
    return math.atan2(x, y) if math.hypot(x, y) > _LEANING else math.nan
