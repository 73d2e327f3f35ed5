"""The painter's eye: a pinhole camera that looks along y, a little downward."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

LENS = 28.0  # millimetres on 35 mm film: wide, as one photographs landscapes
HORIZON = 0.37  # of the height: two parts of land, one of sky


@dataclass(frozen=True, slots=True)
class View:
    """Rays through pixels; ``depth`` of a point is its distance along the optical axis."""

    width: int
    height: int
    focal: float  # pixels
    horizon: float  # row of the horizon
    eye: Array  # [3]

    @staticmethod
    def of(width: int, height: int, eye_height: float) -> View:
        return View(width, height, LENS / 36.0 * width, HORIZON * height, np.array([0.0, 0.0, eye_height]))

    @property
    def axes(self) -> Array:
        """[3, 3] rows: right, down, forward, as directions of the scene."""
        pitch = math.atan2(0.5 * self.height - self.horizon, self.focal)
        c, s = math.cos(pitch), math.sin(pitch)
        return np.array([[1.0, 0.0, 0.0], [0.0, -s, -c], [0.0, c, -s]])

    def corner(self) -> Array:
        """Direction of the upper left corner of the picture, forward part 1."""
        right, down, forward = self.axes
        return forward - 0.5 * self.width / self.focal * right - 0.5 * self.height / self.focal * down

    def project(self, points: Array) -> tuple[Array, Array]:
        """Pixels [..., 2] and depth [...] of scene points [..., 3]."""
        local = (points - self.eye) @ self.axes.T
        depth = local[..., 2]
        safe = np.where(np.abs(depth) < 1e-6, 1e-6, depth)
        uv = local[..., :2] / safe[..., None] * self.focal
        return uv + np.array([0.5 * self.width, 0.5 * self.height]), depth
