"""A textured plane with a square step in front of it: every view of it is known in closed form.

View coordinates of the centre camera, pixels: the plane is z = TILT y, the step z = FRONT within HALF of the
axis. A view turns about the pivot; its picture averages four by four rays a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.ports import FitView

TILT, FRONT = 0.3, -12.0
RAYS = 4  # a side of a pixel


@dataclass(frozen=True)
class PlaneAndStep:
    """The scene as seen from a camera of ``side`` x ``side`` pixels."""

    side: int

    @property
    def camera(self) -> Camera:
        return initial_camera(self.focal, self.side, self.side, 0.0)

    @property
    def focal(self) -> float:
        return 1.2 * self.side

    @property
    def half(self) -> float:
        return 0.2 * self.side

    def view(self, rotation: np.ndarray) -> tuple[FitView, np.ndarray, np.ndarray]:
        """(the view turned by ``rotation`` with its exact picture, zeta [H, W], what the centre camera saw).

        The last is [H, W] of bool: the whole pixel shows what the centre camera saw too, not near its edges.
        """
        n, f = self.side * RAYS, self.focal
        across = (np.arange(n) + 0.5) / RAYS - self.side / 2
        u, v = np.meshgrid(across, across)
        rays = np.stack([u / f, v / f, np.ones_like(u)], -1) @ rotation
        points, on_step = self._hit(rotation.T @ np.array([0.0, 0.0, -f]), rays)
        eye = np.array([0.0, 0.0, -f])
        first, _ = self._hit(eye, points - eye)
        seen = np.abs(first - points).max(-1) < 0.5
        seen &= (np.abs(points[..., :2] / (1 + points[..., 2:] / f)) < self.side / 2 - 6).all(-1)
        picture = self._paint(points, on_step).reshape(self.side, RAYS, self.side, RAYS, 3).mean((1, 3))
        whole = seen.reshape(self.side, RAYS, self.side, RAYS).all((1, 3))
        zeta = (points @ rotation.T)[RAYS // 2 :: RAYS, RAYS // 2 :: RAYS, 2]
        centre = (self.side / 2, self.side / 2)
        view = FitView(rotation, np.zeros(3), 1 / f, (1.0, 1.0), centre, picture.astype(np.float32))
        return view, zeta, whole

    def _hit(self, eye: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nearest points [..., 3] along rays from ``eye``, and which of them lie on the step."""
        far = (TILT * eye[1] - eye[2]) / (rays[..., 2] - TILT * rays[..., 1])
        near = (FRONT - eye[2]) / rays[..., 2]
        step = eye + near[..., None] * rays
        on_step = (np.abs(step[..., :2]) < self.half).all(-1)
        return np.where(on_step[..., None], step, eye + far[..., None] * rays), on_step

    def _paint(self, points: np.ndarray, on_step: np.ndarray) -> np.ndarray:
        """Waves of 3 to 70 pixels that move with the surface."""
        x, y = points[..., 0], points[..., 1]
        shades = []
        for channel in range(3):
            coarse = 0.18 * np.sin(0.09 * x + 0.05 * y + channel)
            middle = 0.12 * np.sin(0.31 * y - 0.17 * x + 2 * channel + on_step)
            fine = 0.06 * np.sin(1.1 * x + 0.5 * y + channel) + 0.06 * np.sin(1.4 * y - 0.8 * x + 3 * channel)
            finest = 0.04 * np.sin(2.2 * x + 0.3 * y) * np.sin(1.9 * y - 0.4 * x + channel)
            shades.append(0.5 + coarse + middle + fine + finest)
        return np.clip(np.stack(shades, -1), 0, 1)
