"""The fixed cameras of the protocol: nine views round a new scene, and the descent into it.

Owns which cameras, their order and their names; every method is drawn at the same ones. The paper renders "9
sudoku-like novel views around each generated scene" and does not say how far apart: here the middle one is C_i,
the others are turned about its pivot by ``degrees``, up and down and left and right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.hops import hop

SIDE = 3  # of the grid
DESCENT_FRAMES = 13  # 12 steps: a zoom by 5 enlarges by 14 % from frame to frame
MIDDLE = SIDE * SIDE // 2


@dataclass(frozen=True, slots=True)
class ZoomCameras:
    """What is drawn of one zoom."""

    views: tuple[Camera, ...]  # nine, row by row, seen from above left to below right
    descent: tuple[Camera, ...]  # from the parent's frame to C_i

    @property
    def named(self) -> dict[str, Camera]:
        """File stem -> camera, in the order in which they are drawn."""
        names = [view_name(i) for i in range(len(self.views))]
        names += [descent_name(i) for i in range(len(self.descent))]
        return dict(zip(names, (*self.views, *self.descent), strict=True))


def view_name(index: int) -> str:
    """``view_00`` (above left) to ``view_22``: row and column."""
    return f"view_{index // SIDE}{index % SIDE}"


def descent_name(index: int) -> str:
    """``descent_00`` (the parent's frame) to ``descent_12`` (C_i)."""
    return f"descent_{index:02d}"


def nine_views(frame: Camera, degrees: float) -> tuple[Camera, ...]:
    """The grid round C_i; the middle one is C_i itself, to the bit."""
    step = math.radians(degrees)
    return tuple(
        frame if row == column == 0 else frame.orbited(column * step, -row * step)
        for row in (-1, 0, 1)
        for column in (-1, 0, 1)
    )


def neighbours() -> list[tuple[int, int]]:
    """Pairs of views side by side or one above the other, both ways round: 24 of (from, to)."""
    pairs = [(i, i + 1) for i in range(SIDE * SIDE) if i % SIDE < SIDE - 1]
    pairs += [(i, i + SIDE) for i in range(SIDE * (SIDE - 1))]
    return sorted([*pairs, *((b, a) for a, b in pairs)])


def zoom_cameras(parent: Camera, frame: Camera, degrees: float) -> ZoomCameras:
    """All cameras of a zoom from the frame ``parent`` to C_i, ``frame``.

    The descent enlarges at a constant rate, as films do (``scene_graph/motions.py``).
    """
    shares = [i / (DESCENT_FRAMES - 1) for i in range(DESCENT_FRAMES)]
    return ZoomCameras(nine_views(frame, degrees), tuple(hop(parent, frame, share) for share in shares))
