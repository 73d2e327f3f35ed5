"""Where to look at a cloud from: the camera C_0 of a world that is made of one.

A file of splats says nothing of cameras. What was lifted from one picture (exports of this program, worlds of single
images) lies in front of the origin, which was the eye: there the camera stands, and its picture is what the cloud
fills. Everything else is looked at from outside, along +z, from where the bulk of it fits into the picture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.formats.cloud import Cloud, FormatError
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import THICKNESS

Array = NDArray[np.float64]

# Standard deviation of a surfel in native pixels: what a splat's size says of its scale.
SIGMA = 0.7
# Of a splat as long and thin as e**8 only so much counts: a block holds sizes of e**-12 to e**12 cells.
MAX_LN_ASPECT = 8.0
# The short side of the picture follows the splats' sizes, within what is quick to draw.
SHORT_SIDES = (256, 1024)
# A thickness within these of what a size says is that of a surfel, which a fit may have stretched.
_LN_THINNER, _LN_THICKER = math.log(64.0), math.log(8.0)
_SAME = 0.98  # of ln sqrt 2: the same scale still
_LN_LARGEST = 13.0  # of a splat in its native pixels: 64 of them are a cell
_KNOWN_SIDES = (64, 4096)  # what a world's header takes
_LONG = 0.8  # focal length, of the long side: a 64 degree view, as for pictures that don't say
_SAMPLE = 1 << 20  # splats that are enough to find the bulk
_TAIL = 0.01  # of the opacity lies outside the bulk at each end
_FRONT = 0.98  # of the opacity in front of the origin: the origin was the eye
_WIDEST = math.tan(math.radians(60.0))
_OUTLYING = 2.0**40  # native pixels from the pivot: no frame holds both


@dataclass(frozen=True, slots=True)
class Standing:
    """C_0 and the frame of the world that it opens."""

    camera: Camera
    eye: Array  # [3] in the cloud's units
    root_edge: float
    short_side: int


def ln_native(cloud: Cloud) -> Array:
    """ln of the native pixel of each flattened splat, in the cloud's units: of the picture that would have made it.

    A slanted surface stretches a surfel one way only, so the shorter axis tells. A third axis that is as thin as
    that of a surfel tells exactly: this is how a surfel is written (``formats.flatten``).
    """
    sizes = cloud.log_scales.astype(np.float64)
    longer, shorter = sizes[:, :2].max(1), sizes[:, :2].min(1)
    of_size = np.maximum(shorter, longer - MAX_LN_ASPECT) - math.log(SIGMA)
    of_thickness = sizes[:, 2] - math.log(THICKNESS)
    alike = (of_thickness > of_size - _LN_THINNER) & (of_thickness < of_size + _LN_THICKER)
    return np.where(alike, of_thickness, of_size)


def stand_before(cloud: Cloud, focal: float | None = None, extent: Cloud | None = None) -> Standing:
    """A camera that sees the bulk of a flattened cloud, its pivot at the middle depth of that bulk.

    ``focal``: where it is known, in pixels; the eye is at the origin then. ``extent``: a larger cloud that the
    world has to hold.
    """
    step = -(-len(cloud) // _SAMPLE)
    some = cloud.take(slice(None, None, step))
    means, weights = some.means.astype(np.float64), some.opacities.astype(np.float64) + 1e-6
    found = _of_a_picture(means, weights)
    if found is None and focal is not None:
        raise FormatError(
            "its first splats do not lie in front of the eye that they are said to be seen from"
        )
    eye, depth, across, down = found or _from_outside(means, weights)
    ratio = min(max(across / down, 0.5), 2.0)
    pixel = math.exp(float(np.median(ln_native(some))))
    # So many pixels that one of them at the pivot is as large as the splats' own.
    wanted = 2.0 * min(across, down) * (depth / pixel if focal is None else focal)
    least, most = SHORT_SIDES if focal is None else _KNOWN_SIDES
    short = 2 * round(min(max(wanted, least), most) / 2)
    width, height = (round(short * ratio), short) if ratio >= 1.0 else (short, round(short / ratio))
    if focal is None:  # the whole of the bulk is in the picture
        focal = min(0.5 * width / across, 0.5 * height / down)
    else:
        focal *= min(max(wanted, least), most) / wanted
    held = cloud if extent is None else extent
    limit = float(np.sqrt(((held.means.astype(np.float64) - eye) ** 2).sum(1).max()))
    root_edge = 2.0 ** math.ceil(math.log2(4.0 * max(limit, depth)))
    camera = initial_camera(focal, width, height, math.log(depth / root_edge))
    return Standing(camera, eye, root_edge, short)


def seen_by(
    cloud: Cloud, standing: Standing, camera: Camera, native: Array
) -> tuple[Array, NDArray[np.bool_]]:
    """``native``, nowhere coarser than the camera's pixels, and which splats are finer than these.

    A view that is finer than a surfel stands for something finer in its place, one that is coarser for something
    coarser (scale_semantics, section 5): large splats would give way to the very view that shows them, and so would
    small ones, unless they are structures, which nothing coarser stands for.
    """
    pivot = standing.camera
    at = standing.eye + [0.0, 0.0, math.exp(pivot.ln_distance) * standing.root_edge]
    pixel = math.exp(pivot.ln_scale) * standing.root_edge
    matrix, origin = camera.map_from(pivot)
    scale = camera.ln_scale_at((cloud.means.astype(np.float64) - at) / pixel @ matrix.T + origin)
    scale += math.log(standing.root_edge)
    # A block holds no sizes beyond e**12 of its cell; what is so large near the eye is a wall in the way.
    least = cloud.log_scales[:, :2].max(1) - _LN_LARGEST
    found = np.maximum(np.minimum(native, scale + _SAME * LN_SQRT2), np.minimum(native, least))
    found = np.where(np.isfinite(scale), found, native)
    return found, found < scale - _SAME * LN_SQRT2


def near_enough(cloud: Cloud, standing: Standing, native: Array) -> NDArray[np.bool_]:
    """Which splats are not so far away, for their size, that no octree holds them together with the rest."""
    distance = np.abs(cloud.means.astype(np.float64) - standing.eye).max(1)
    return distance < _OUTLYING * np.exp(native)


def _of_a_picture(means: Array, weights: Array) -> tuple[Array, float, float, float] | None:
    """(eye, depth of the pivot, tangents across and down) where the origin was the eye; else None."""
    front = means[:, 2] > 1e-3 * np.abs(means).max(1)
    if weights[front].sum() < _FRONT * weights.sum():
        return None
    ahead = means[front]
    tangents = np.abs(ahead[:, :2]) / ahead[:, 2:]
    across, down = (_quantile(tangents[:, axis], weights[front], 1.0 - _TAIL) for axis in (0, 1))
    if not (0.0 < across <= _WIDEST and 0.0 < down <= _WIDEST):
        return None
    return np.zeros(3), _quantile(ahead[:, 2], weights[front], 0.5), across, down


def _from_outside(means: Array, weights: Array) -> tuple[Array, float, float, float]:
    low = np.array([_quantile(means[:, axis], weights, 2 * _TAIL) for axis in range(3)])
    high = np.array([_quantile(means[:, axis], weights, 1.0 - 2 * _TAIL) for axis in range(3)])
    half = np.maximum(0.5 * (high - low), 1e-3 * max(float((high - low).max()), 1e-6))
    ratio = min(max(half[0] / half[1], 0.5), 2.0)
    widest = 0.5 / _LONG  # tangent of half the long side
    across, down = (widest, widest / ratio) if ratio >= 1.0 else (widest * ratio, widest)
    # Back until the near face of the bulk's box fits.
    back = half[2] + max(half[0] / across, half[1] / down)
    middle = 0.5 * (low + high)
    return middle - [0.0, 0.0, back], float(back), across, down


def _quantile(values: Array, weights: Array, share: float) -> float:
    order = np.argsort(values, kind="stable")
    grown = np.cumsum(weights[order])
    return float(values[order[min(int(np.searchsorted(grown, share * grown[-1])), len(values) - 1)]])
