"""When two zoom requests ask for the same thing, so that one job answers both.

They do when they name the same generator, mode, node and seed, the same prompt, and show the same place in
the same octave: another seed is a wish for something else, and so is another angle.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from wonderzoom.generation.jobs import ZoomRequest
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.scales import LN_SQRT2

# Either view has to show at least half of the other: then what appears lies in both frames, and two things
# that a person asks for side by side, a frame of the finer view apart, stay two.
SHARED = 0.5
MAX_ANGLE = math.radians(30.0)  # between the optical axes: beyond, a generated relief shows another side
_SAMPLES = 16  # points a side that measure the shared part: to 6 % of a side


@dataclass(frozen=True, slots=True)
class ZoomWish:
    """What a zoom request asks of a generator."""

    request: ZoomRequest
    generator: str


def same_wish(a: ZoomWish, b: ZoomWish) -> bool:
    """Whether one job answers both; symmetric, and true of a wish and itself."""
    return _asked(a) == _asked(b) and same_view(a.request.camera, b.request.camera)


def _asked(wish: ZoomWish) -> tuple[object, ...]:
    request = wish.request
    words = " ".join(request.prompt.casefold().split())
    return wish.generator, request.mode, request.node, request.seed, words


def same_view(a: Camera, b: Camera) -> bool:
    """Whether two cameras show the same place in the same octave, from about the same side."""
    if abs(a.ln_scale - b.ln_scale) >= LN_SQRT2:
        return False
    if a.rotation[2] @ b.rotation[2] < math.cos(MAX_ANGLE):
        return False
    return _shares(a, b) and _shares(b, a)


def _shares(a: Camera, b: Camera) -> bool:
    """Whether ``a`` shows half of what ``b`` shows of the plane through the pivot of ``b``."""
    matrix, origin = a.map_from(b)
    if not np.abs(origin).max() <= a.width + a.height:  # elsewhere, in depth too
        return False
    u, v = np.meshgrid(*((np.arange(_SAMPLES) + 0.5) * side / _SAMPLES for side in (b.width, b.height)))
    points = b.unproject(np.stack([u, v], -1), np.zeros_like(u)) @ matrix.T + origin
    uv, depth = a.project(points)
    inside = (depth > NEAR) & (uv >= 0.0).all(-1) & (uv < [a.width, a.height]).all(-1)
    return float(inside.mean()) >= SHARED
