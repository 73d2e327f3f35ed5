"""The panorama that a view is part of: a cylinder around the eye, upright in the world.

Turning around the vertical through the eye moves a cylinder's picture sideways and changes nothing else: the
horizon stays, a ground plane keeps its depth at each height, things keep their size. So what is to the side of a
picture may look like a part of it that was moved there, and stand where that part would stand. Owns the way
between a frame and its panorama. A view of a few degrees is its own panorama.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera

F64 = NDArray[np.float64]

# A focal length of so many frame widths sees under three degrees: there is no perspective to keep.
NARROW = 20.0
# A view that looks more steeply up or down than this (sine) has no panorama that is upright in the world.
STEEP = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class Panorama:
    """A cylinder whose pixels are as large as the frame's in its middle."""

    camera: Camera
    basis: F64  # [3, 3] rows: right, down, forward in view axes
    flat: bool
    left: float  # panorama pixels of the frame's leftmost and topmost points
    top: float
    width: int
    height: int

    @staticmethod
    def of(camera: Camera, down: F64) -> Panorama:
        """Of a view; ``down`` [3]: the world's vertical in its axes."""
        flat = camera.inverse_f * NARROW * max(camera.width, camera.height) < 1.0
        basis = np.eye(3)
        if abs(down[2]) < STEEP and down[1] > 0.0:
            forward = np.array([0.0, 0.0, 1.0]) - down[2] * down
            forward /= np.linalg.norm(forward)
            basis = np.asarray(np.stack([np.cross(down, forward), down, forward]), np.float64)
        whole = Panorama(camera, basis, flat, 0.0, 0.0, 0, 0)
        x, y = whole.from_frame(camera.pixel_centres())
        left, top = float(np.floor(x.min())), float(np.floor(y.min()))
        width, height = int(np.ceil(x.max() - left)), int(np.ceil(y.max() - top))
        return Panorama(camera, basis, flat, left, top, width, height)

    def _turned(self, uv: F64) -> tuple[F64, F64, F64]:
        """Viewing directions of pixels [..., 2] in the panorama's axes."""
        camera = self.camera
        ax, ay = camera.aspect
        x = (uv[..., 0] - camera.cx) * camera.inverse_f / ax
        y = (uv[..., 1] - camera.cy) * camera.inverse_f / ay
        right, down, forward = (row[0] * x + row[1] * y + row[2] for row in self.basis)
        return right, down, forward

    def from_frame(self, uv: F64) -> tuple[F64, F64]:
        """(x, y) in panorama pixels of frame pixels [..., 2]."""
        if self.flat:
            return uv[..., 0] - self.left, uv[..., 1] - self.top
        right, down, forward = self._turned(uv)
        x = np.arctan2(right, forward) / self.camera.inverse_f
        y = down / np.hypot(right, forward) / self.camera.inverse_f
        return x - self.left, y - self.top

    def to_frame(self, x: F64, y: F64) -> tuple[F64, F64]:
        """(u, v) of the frame; NaN where the frame's camera does not look."""
        if self.flat:
            return x + self.left, y + self.top
        camera = self.camera
        angle, height = (x + self.left) * camera.inverse_f, (y + self.top) * camera.inverse_f
        turned = np.stack([np.sin(angle), height, np.cos(angle)], -1) @ self.basis
        ahead = turned[..., 2] > 1e-3
        ax, ay = camera.aspect
        depth = np.where(ahead, turned[..., 2], np.nan) * camera.inverse_f
        return turned[..., 0] / depth * ax + camera.cx, turned[..., 1] / depth * ay + camera.cy

    def nearness(self, zeta: NDArray[np.floating]) -> F64:
        """[H, W] of the frame's zeta: one over the distance along the ground, in that of the pivot.

        Linear in y on level ground, and the same at every x. Pixels toward the eye where the view is flat.
        """
        z = np.asarray(zeta, np.float64)
        if self.flat:
            return -z
        return 1.0 / (np.maximum(1.0 + z * self.camera.inverse_f, 1e-6) * self._along())

    def zeta(self, nearness: F64) -> F64:
        """The way back, for every pixel of the frame."""
        if self.flat:
            return -nearness
        return (1.0 / (np.maximum(nearness, 1e-9) * self._along()) - 1.0) / self.camera.inverse_f

    def _along(self) -> F64:
        right, _, forward = self._turned(self.camera.pixel_centres())
        return np.hypot(right, forward)
