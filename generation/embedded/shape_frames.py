"""Small geometry for those who build shapes: frames, turned frames, smooth outlines, capsules.

A rotation here is world-to-local: its rows are the local axes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def capsule(radii: Array) -> tuple[Array, float]:
    """(half axis, radius) of the capsule around an ellipsoid: as long as it, as wide as its second radius."""
    order = np.argsort(radii)
    axis = np.zeros(3)
    axis[order[2]] = radii[order[2]] - radii[order[1]]
    return axis, float(radii[order[1]])


def aligned(z: ArrayLike, x: ArrayLike | None = None) -> Array:
    """World-to-local rotation [3, 3] whose third row is ``z`` and whose first row is ``x`` made orthogonal."""
    up = np.asarray(z, np.float64)
    up = up / np.linalg.norm(up)
    side = np.array([1.0, 0.0, 0.0]) if x is None else np.asarray(x, np.float64)
    if abs(up @ side) > 0.95 * np.linalg.norm(side):  # nearly parallel: any other axis will do
        side = np.array([0.0, 1.0, 0.0]) if abs(up[1]) < 0.9 else np.array([0.0, 0.0, 1.0])
    side = side - up * (up @ side)
    side = side / np.linalg.norm(side)
    return np.array([side, np.cross(up, side), up])


def turned(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Array:
    """World-to-local rotation of a frame whose x axis is yawed about z, then pitched up, then rolled (radians)."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(
        roll,
    )  # fmt: skip
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1]])
    about_y = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return (about_z @ about_y @ about_x).T


def rounded(points: Array, pieces: int = 4) -> Array:
    """An open polyline [N, 2] subdivided by a Catmull-Rom spline through its points; radii stay >= 0."""
    ends = np.vstack([2 * points[0] - points[1], points, 2 * points[-1] - points[-2]])
    a, b, c, d = ends[:-3, None], ends[1:-2, None], ends[2:-1, None], ends[3:, None]
    t = (np.arange(pieces) / pieces)[None, :, None]
    curve = 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)
    smooth = np.vstack([curve.reshape(-1, 2), points[-1:]])
    return np.column_stack([np.maximum(smooth[:, 0], 0.0), smooth[:, 1]])
