"""Splats of blocks too large on the screen for float32: projected in float64, told in numbers that float32 holds.

A block wider than 2^20 pixels shows a handful of its surfels at most, each a slow gradient over the picture.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.cuda_discs import discs
from wonderzoom.runtime.renderers.cuda_plans import Plan
from wonderzoom.runtime.renderers.cuda_projection import Splats, ordered
from wonderzoom.runtime.renderers.projection import FAR_ZETA, place_block, project_block
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings

F64 = NDArray[np.float64]

_SHARPEST_FAR = 1.0 / 2.0**27  # 1 / sigma in pixels: what is less sharp counts as this sharp
_LOG_KEY = 2.0**64  # keys beyond are logarithmic, so that float32 keeps the order of whatever a world holds
_OUTSIDE = 2.0**24  # pixels: a disc's middle farther off is said to be here, where no picture reaches


def far_splats(
    plan: Plan, number: int, image: int, camera: Camera, settings: RenderSettings, device: str, flat: bool
) -> Splats:
    """The splats of block ``number`` of a plan in an image; ``flat``: as discs in space."""
    import torch

    made = _far_discs if flat else _far_ellipses
    rows, means, shapes, opacities, radii, keys, zetas = made(plan, number, camera, settings)
    zetas = np.clip(zetas, -FAR_ZETA, FAR_ZETA)
    colors = np.concatenate([plan.drawn[number].block.surfels.colors[rows] / 255.0, zetas[:, None]], 1)

    def sent(array: NDArray[Any], kind: type) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array, kind)).to(device)

    return Splats(
        sent(means, np.float32),
        sent(shapes, np.float32),
        sent(opacities, np.float32),
        sent(radii, np.int32),
        ordered(sent(far_keys(keys), np.float32)),
        sent(colors, np.float32),
        sent(np.full(len(means), image), np.int64),
        sent(plan.first_ids[number] + rows, np.int64),
    )


def _far_ellipses(plan: Plan, number: int, camera: Camera, settings: RenderSettings) -> tuple[Any, ...]:
    """By the definition itself."""
    found = project_block(plan.drawn[number], camera, settings)
    size = (camera.width, camera.height)
    means, conics, factors = far_gaussians(found.means, found.units, found.conics, size)
    # A radius that reaches over the whole box from wherever the mean has come to lie.
    first, last = found.boxes[:, [0, 2]], found.boxes[:, [1, 3]] + 1
    radii = np.ceil(np.maximum(means - first, last - means)) * (1 + 1e-6) + 1
    return found.rows, means, conics, found.opacities * factors, radii, found.keys, found.zetas


def _far_discs(plan: Plan, number: int, camera: Camera, settings: RenderSettings) -> tuple[Any, ...]:
    """A disc is known by what it does to a ray, which has no size: only its middle may lie too far off for float32."""
    import torch

    placed = place_block(plan.drawn[number], camera, settings)
    size = (camera.width, camera.height)
    axes = placed.axes[:, :, :2] * (placed.lengths * placed.edge_px)[:, None, :]
    u, v = (list(torch.from_numpy(axes[:, :, k].copy()).unbind(1)) for k in (0, 1))
    x, y, _ = torch.from_numpy(placed.points).unbind(1)
    lens = (camera.inverse_f, *camera.aspect, camera.cx, camera.cy)
    point = (x, y, torch.from_numpy(placed.w))
    means, rays, opacities, _, touches = discs(
        point, u, v, [], lens, size, torch.from_numpy(placed.opacities)
    )
    kept = touches.numpy()
    means = np.clip(means.numpy()[kept], -_OUTSIDE, _OUTSIDE)
    # The whole picture from wherever the middle has come to lie.
    radii = np.ceil(np.maximum(means, np.array(size) - means)) * (1 + 1e-6) + 1
    rows, zetas = placed.rows[kept], placed.points[kept, 2]
    return rows, means, rays.numpy()[kept], opacities.numpy()[kept], radii, placed.keys[kept], zetas


def far_gaussians(means: F64, units: F64, conics: F64, size: tuple[int, int]) -> tuple[F64, F64, F64]:
    """Gaussians of any size as ones that float32 holds: (means [M, 2], conics [M, 3], factors of opacity [M]).

    In a direction in which a Gaussian is wider than 2^27 pixels a picture can't tell it from one of that width
    with the same value and slope at the picture's middle: across 2^14 pixels they differ by 1e-8.
    """
    middle = np.array(size, np.float64) / 2
    xx, xy, yy = conics.T
    values, vectors = np.linalg.eigh(np.stack([np.stack([xx, xy], -1), np.stack([xy, yy], -1)], -2))
    sharpness = np.sqrt(np.maximum(values, 0.0)) / units[:, None]  # [M, 2] 1 / sigma in pixels
    along = np.einsum("mik,mi->mk", vectors, means - middle)
    narrow = np.maximum(sharpness, _SHARPEST_FAR)
    moved = along * (sharpness / narrow) ** 2
    lost = 0.5 * ((along * sharpness) ** 2 - (moved * narrow) ** 2).sum(1)
    squares = np.einsum("mik,mk,mjk->mij", vectors, narrow**2, vectors)
    return (
        middle + np.einsum("mik,mk->mi", vectors, moved),
        np.stack([squares[:, 0, 0], squares[:, 0, 1], squares[:, 1, 1]], -1),
        np.exp(-lost),
    )


def far_keys(keys: F64) -> F64:
    """Keys in the same order: as they are up to _LOG_KEY, their logarithms beyond."""
    far = np.maximum(np.abs(keys) / _LOG_KEY, 1.0)
    return np.clip(keys, -_LOG_KEY, _LOG_KEY) * (1.0 + np.log2(far))
