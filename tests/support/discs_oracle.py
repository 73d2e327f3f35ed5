"""The oracle of the mode "2dgs": each pixel's ray meets each surfel's plane, in float64, by two linear equations.

    P = p + s U + t V,   ax P_x = (x - cx) W,   ay P_y = (y - cy) W,   W = 1 + P_z / f

No matrix, no box, no tile. Weights, opacities and the order are those of the other renderers (``place_block``).
"""

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.projection import (
    FAR_ZETA,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    Placed,
    drawn_blocks,
    place_block,
)
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet

FILTER = 0.5  # px^2

F64 = NDArray[np.float64]


def draw(
    visible: VisibleSet, camera: Camera, settings: RenderSettings, compensated: bool = True
) -> tuple[RenderedView, F64]:
    """The view, and by how much the largest weight of each pixel exceeds the second, [H, W].

    ``compensated``: with opacities scaled by the share of what is drawn that the surfel itself has.
    """
    found: list[tuple[float, int, F64, float, F64]] = []  # key, id, alpha [H, W], zeta, colour
    first = 0
    for drawn in drawn_blocks(visible):
        block, placed = drawn.block, place_block(drawn, camera, settings)
        for i, row in enumerate(placed.rows):
            falloff, kept = _met(placed, i, camera)
            alpha = np.minimum(MAX_ALPHA, placed.opacities[i] * (kept if compensated else 1.0) * falloff)
            color = block.surfels.colors[row] / 255.0
            found.append((placed.keys[i], first + int(row), alpha, placed.points[i, 2], color))
        first += len(block.surfels)
    shape = (camera.height, camera.width)
    color, left, zeta, weights = np.zeros((*shape, 3)), np.ones(shape), np.zeros(shape), np.zeros(shape)
    largest, second, ids = np.zeros(shape), np.zeros(shape), np.full(shape, -1, np.int64)
    done, drawn = np.zeros(shape, np.bool_), 0
    for _, name, alpha, depth, shade in sorted(found, key=lambda each: each[0]):
        drawn += bool((alpha >= MIN_ALPHA).any())
        touched = (alpha >= MIN_ALPHA) & ~done
        finished = touched & (left * (1.0 - alpha) < MIN_TRANSMITTANCE)
        done |= finished
        weight = np.where(touched & ~finished, alpha * left, 0.0)
        color += weight[..., None] * shade
        zeta += weight * np.clip(depth, -FAR_ZETA, FAR_ZETA)
        weights += weight
        second = np.maximum(second, np.minimum(weight, largest))
        ids = np.where(weight > largest, name, ids)
        largest = np.maximum(largest, weight)
        left = left - weight
    color += left[..., None] * np.array(settings.background)
    with np.errstate(invalid="ignore", divide="ignore"):
        depth = np.where(weights >= MIN_ALPHA, zeta / weights, np.nan)
    view = RenderedView(
        color.astype(np.float32), (1.0 - left).astype(np.float32), depth.astype(np.float32), ids, drawn
    )
    return view, largest - second


def _met(placed: Placed, i: int, camera: Camera) -> tuple[F64, float]:
    """What surfel i is drawn with in each pixel [H, W], and the share of it that is its own."""
    inverse_f, (ax, ay) = camera.inverse_f, camera.aspect
    p, w = placed.points[i], placed.w[i]
    u, v = (placed.axes[i, :, k] * placed.lengths[i, k] * placed.edge_px for k in (0, 1))
    x = ((np.arange(camera.width) + 0.5 - camera.cx) / ax)[None, :]
    y = ((np.arange(camera.height) + 0.5 - camera.cy) / ay)[:, None]
    a, b, e = u[0] - x * inverse_f * u[2], v[0] - x * inverse_f * v[2], x * w - p[0]
    c, d, f = u[1] - y * inverse_f * u[2], v[1] - y * inverse_f * v[2], y * w - p[1]
    with np.errstate(all="ignore"):
        determinant = a * d - b * c
        s, t = (e * d - b * f) / determinant, (a * f - e * c) / determinant
        middle = (ax * p[0] / w, ay * p[1] / w)
        distance = (x * ax - middle[0]) ** 2 + (y * ay - middle[1]) ** 2
        falloff = np.exp(-0.5 * np.fmin(s * s + t * t, distance / FILTER))
        falloff = np.where(determinant == 0.0, 0.0, falloff)
        # Standard deviations of the surfel on the screen about its middle.
        jacobian = np.array(
            [
                [ax * each[0] - middle[0] * inverse_f * each[2] for each in (u, v)],
                [ay * each[1] - middle[1] * inverse_f * each[2] for each in (u, v)],
            ]
        ) / w  # fmt: skip
        one, other = np.linalg.svd(jacobian, compute_uv=False)
        wide = max(one, FILTER**0.5) * max(other, FILTER**0.5)
        return falloff, float(one * other / min(one * other + FILTER, wide))
