"""Where auxiliary views look from: the cameras C_i^k around C_i (Sec. 3.2, "Auxiliary view synthesis").

The paper says "neighboring viewpoints" only. Here they are the frames of a video: it begins at C_i itself, so that
the model starts from a picture that is known whole, moves out to the side, and goes once round the point that C_i
looks at. K = 4 n + 1 frames, as video autoencoders want them. Pure geometry.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import LN2

# A first picture hides a lot behind a small turn, and nobody has a model that invents more of it consistently;
# its fills (E_0) reach ten degrees already. Deep zooms show small relief that viewers go round, and ten degrees are
# what must not show holes. The released code goes from 1.4 to about 9 degrees, at thirty times E_0's focal length.
LEAST = math.radians(4.0)
MOST = math.radians(10.0)
FULL_AT = 5.0  # octaves of zoom below E_0 at which the orbit is widest: 32 times
# Share of the frames that lead from C_i to the orbit.
LEADING = 1.0 / 6.0
# The middle of the picture, as a share of its sides, whose median depth is what the orbit goes around.
MIDDLE = 0.5


def frame_count(groups: int) -> int:
    """K of ``groups`` = n >= 1: 4 n + 1. Raises ValueError."""
    if groups < 1:
        raise ValueError(f"a video needs at least one group of four frames, got {groups}")
    return 4 * groups + 1


def amplitude(octaves: float) -> float:
    """Radians between C_i and the orbit's cameras, seen from the pivot, ``octaves`` of zoom below E_0.

    LEAST at E_0's own scale (and above it), MOST from FULL_AT octaves on, linear between.
    """
    return LEAST + (MOST - LEAST) * min(1.0, max(0.0, octaves / FULL_AT))


def octaves_below(camera: Camera, root: Camera) -> float:
    """How many times, as a power of two, ``camera`` is finer than ``root``, each at its pivot."""
    return (root.ln_scale - camera.ln_scale) / LN2


def pivoted(main: Layer) -> Camera:
    """The layer's camera, same eye and same picture, with its pivot on the axis at the middle's median depth.

    Where the middle shows nothing the pivot stays where it is.
    """
    camera = main.camera
    rows, columns = (
        slice(int(side * (1 - MIDDLE) / 2), math.ceil(side * (1 + MIDDLE) / 2)) for side in main.mask.shape
    )
    part = main.zeta[rows, columns]
    shown = part[main.mask[rows, columns] & np.isfinite(part)]
    if not len(shown):
        return camera
    zeta = float(np.median(shown))
    depth = 1.0 + zeta * camera.inverse_f
    if depth <= NEAR:
        return camera
    point = camera.position(np.array([0.0, 0.0, zeta]))
    return replace(camera, pivot=point, ln_distance=camera.ln_distance + math.log(depth)).rebased()


def orbit(start: Camera, angle: float, count: int) -> tuple[Camera, ...]:
    """``count`` = 4 n + 1 cameras: ``start``, out to ``angle`` radians of yaw, then a full circle around the pivot.

    Every camera keeps ``start``'s distance, focal length and size. Raises ValueError.
    """
    if count < 5 or count % 4 != 1:
        raise ValueError(f"an orbit has 4 n + 1 frames, at least 5; got {count}")
    leading = max(1, round((count - 1) * LEADING))
    cameras: list[Camera] = []
    for k in range(count):
        if k < leading:
            along = k / leading
            reach, turn = angle * along * along * (3.0 - 2.0 * along), 0.0  # begins and ends without a jerk
        else:
            reach, turn = angle, 2.0 * math.pi * (k - leading) / (count - leading)
        cameras.append(start.orbited(reach * math.cos(turn), reach * math.sin(turn)) if reach else start)
    return tuple(cameras)


def adding(count: int, most: int) -> tuple[int, ...]:
    """Which of ``count`` frames add surfels: at most ``most`` of 1 .. count - 1, evenly, those far from C_i first.

    The first frame is C_i itself and those after it lead away: the middle of the rest is the far side of the circle,
    and its neighbours then add only what it could not see.
    """
    wanted = np.unique(np.rint(np.linspace(1, count - 1, min(most, count - 1))).astype(int)).tolist()
    ordered: list[int] = []
    while wanted:
        ordered.append(wanted.pop(len(wanted) // 2))
    return tuple(ordered)
