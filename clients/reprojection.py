"""A picture with depth, seen from another camera: what is nearer moves more, and hides what is behind it.

Between two frames a client shows the last one so, at the camera of this moment. The samples of depth are the corners
of a mesh, which is projected into the new view; each of its pixels then looks up its colour in the picture. Where
something comes to light that the picture does not show, the mesh is stretched: as depths are sent, a nearer thing takes
a rim of what is behind it along, so that a stretch has the colours of the background on both of its sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, Camera, bounded_exp

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

_TORN = 3.0  # a side that is so many times longer than it was: what it spans now is not known
_POINTS = 1.5  # of a side of the mesh, for each pixel that it is long: no pixel is left between two
_HALF = 256.0  # pixels of depth before or behind the pivot that half of what a depth buffer holds on that side is for
_LONGEST = 512.0  # pixels of a side of the mesh that are still filled


@dataclass(frozen=True)
class Reprojected:
    """A picture as another camera would see it."""

    colors: NDArray[np.uint8]  # [H, W, 3] sRGB, black where nothing is there
    there: NDArray[np.bool_]  # [H, W] what the first picture has something for
    known: NDArray[
        np.bool_
    ]  # [H, W] what of that it really shows: the rest is stretched over what it does not show


def reprojected(colors: NDArray[np.uint8], zeta: F32, camera: Camera, target: Camera) -> Reprojected:
    """The picture [H, W, 3] of ``camera``, with its depth ``zeta`` [h, w], as ``target`` sees it.

    ``zeta`` is in native pixels at the pivot of ``camera``, NaN where nothing is; it may have another resolution.
    """
    corners, sides = _mesh(zeta, camera)
    moved = _as_seen(corners, camera, target)
    with np.errstate(invalid="ignore", over="ignore"):
        uv, w = target.project(moved)
        depths = moved[..., 2] / w  # grows with depth, and so that straight sides stay straight
        uv[~(w > NEAR)] = np.nan
    longer = bounded_exp(camera.ln_scale - target.ln_scale)
    nearest, known = _nearest(uv, depths, longer * sides, target)
    there = np.isfinite(nearest)
    seen = np.zeros((target.height, target.width, 3), np.uint8)
    found = nearest[there]
    points = target.unproject(target.pixel_centres()[there], found / (1.0 - found * target.inverse_f))
    back, offset = camera.map_from(target)
    at, _ = camera.project(points @ back.T + offset)
    seen[there] = _sampled(colors, at / (camera.width, camera.height))
    return Reprojected(seen, there, known & there)


def clip_mesh(zeta: F32, camera: Camera, target: Camera) -> tuple[F32, NDArray[np.uint32]]:
    """The same mesh for graphics cards: ``(corners [N, 7], triangles [M, 3])``, of what is there.

    A corner is x, y, z, w in clip coordinates of a window whose first row is the lowest, nearer ones with a smaller z;
    and where in the picture it is, (0, 0) to (1, 1), times its depth there, and that: the picture is projected onto the
    mesh.
    """
    corners, _ = _mesh(zeta, camera)
    at, depth = camera.project(corners)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        moved = _as_seen(corners, camera, target)
        uv, w = target.project(moved)
        order = moved[..., 2] / np.maximum(w, NEAR)
        place = [
            2.0 * uv[..., 0] / target.width - 1.0,
            2.0 * uv[..., 1] / target.height - 1.0,
            order / (abs(order) + _HALF),
        ]
    picture = [at[..., 0] / camera.width * depth, at[..., 1] / camera.height * depth, depth]
    made = np.stack([*(each * w for each in place), w, *picture], -1)
    there = np.asarray(np.isfinite(made).all(-1))
    numbers = np.arange(there.size, dtype=np.uint32).reshape(there.shape)
    whole = np.asarray(np.logical_and.reduce(_four(there)))
    a, b, c, d = (corner[whole] for corner in _four(numbers))
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([b, d, c], -1)])
    return np.where(there[..., None], made, 0.0).reshape(-1, 7).astype(np.float32), triangles


def _as_seen(corners: F64, camera: Camera, target: Camera) -> F64:
    """View coordinates of one camera as those of another."""
    matrix, origin = target.map_from(camera)
    return corners @ matrix.T + origin


def _mesh(zeta: F32, camera: Camera) -> tuple[F64, F64]:
    """View coordinates [h + 2, w + 2, 3] of the samples' middles, and of the picture's rim; and the lengths of a cell's
    two sides in pixels, [2]."""
    height, width = zeta.shape
    step = np.array([camera.width / width, camera.height / height])
    across = np.clip((np.arange(-1, width + 1) + 0.5) * step[0], 0.0, camera.width)
    down = np.clip((np.arange(-1, height + 1) + 0.5) * step[1], 0.0, camera.height)
    middles = np.stack(np.meshgrid(across, down), -1)
    return camera.unproject(middles, np.pad(zeta.astype(np.float64), 1, "edge")), step


def _nearest(uv: F64, depths: F64, sides: F64, target: Camera) -> tuple[F64, NDArray[np.bool_]]:
    """Of the mesh, the nearest depth in each pixel [H, W], inf for none; and whether its cell is not stretched."""
    count = target.width * target.height
    nearest, known = np.full(count, np.inf), np.zeros(count, np.bool_)
    for pixels, found, whole in _points(uv, depths, sides, target):
        np.minimum.at(nearest, pixels, found)
        hit = nearest[pixels] == found
        known[pixels[hit]] = whole[hit]
    shape = target.height, target.width
    return nearest.reshape(shape), known.reshape(shape)


def _points(
    uv: F64, depths: F64, sides: F64, target: Camera
) -> Iterator[tuple[NDArray[np.intp], F64, NDArray[np.bool_]]]:
    """The cells of the mesh as points: pixels of the target, depths, and whether the cell is as it was.

    All cells that are about equally long go together.
    """
    size = np.array([target.width, target.height])
    a, b, c, d = (
        np.concatenate([part, depth[..., None]], -1).reshape(-1, 3)
        for part, depth in zip(_four(uv), _four(depths), strict=True)
    )
    with np.errstate(invalid="ignore"):
        low, high = np.minimum.reduce([a, b, c, d])[:, :2], np.maximum.reduce([a, b, c, d])[:, :2]
        extent = (high - low).max(1)
        seen = (high > 0.0).all(1) & (low < size).all(1) & (extent < _LONGEST)
    whole = extent <= _TORN * float(sides.max())
    order = np.ceil(np.log2(np.maximum(_POINTS * extent, 1.0), where=seen, out=np.zeros_like(extent)))
    for octave in np.unique(order[seen]).tolist():
        rows = np.flatnonzero(seen & (order == octave))
        n = 1 << int(octave)
        share = (np.arange(n) + 0.5) / n
        s, t = (each[..., None] for each in np.meshgrid(share, share))
        weights = ((1 - s) * (1 - t), s * (1 - t), (1 - s) * t, s * t)
        for part in np.array_split(rows, max(1, len(rows) * n * n >> 20)):
            points = sum(
                weight * corner[part, None, None]
                for weight, corner in zip(weights, (a, b, c, d), strict=True)
            )
            x, y, depth = np.moveaxis(np.asarray(points).reshape(-1, 3), -1, 0)
            inside = (x >= 0.0) & (x < size[0]) & (y >= 0.0) & (y < size[1])
            at = y[inside].astype(np.intp) * target.width + x[inside].astype(np.intp)
            yield at, depth[inside], np.repeat(whole[part], n * n)[inside]


def _four(corners: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any], NDArray[Any]]:
    """The corners of each cell: top left, top right, bottom left, bottom right."""
    return corners[:-1, :-1], corners[:-1, 1:], corners[1:, :-1], corners[1:, 1:]


def _sampled(colors: NDArray[np.uint8], at: F64) -> NDArray[np.uint8]:
    """Colours [N, 3] at shares (u, v) [N, 2] of a picture, between its pixels; beyond the rim that of the rim."""
    height, width = colors.shape[:2]
    x = np.clip(at[:, 0] * width - 0.5, 0.0, width - 1.0)
    y = np.clip(at[:, 1] * height - 0.5, 0.0, height - 1.0)
    left, top = x.astype(np.intp), y.astype(np.intp)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    s, t = (x - left)[:, None], (y - top)[:, None]
    upper = (1 - s) * colors[top, left] + s * colors[top, right]
    lower = (1 - s) * colors[bottom, left] + s * colors[bottom, right]
    return np.rint((1 - t) * upper + t * lower).astype(np.uint8)
