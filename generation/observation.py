"""O_i: looking at the existing world from C_i before anything is generated (Sec. 3.2, first step).

Owns the overscan, the target depth and the question of what exists here already at this scale.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.lifting import NYQUIST_SIGMA
from wonderzoom.generation.stages import Observation
from wonderzoom.scene_graph.camera import Camera, quat_to_matrix
from wonderzoom.scene_graph.ports import Renderer, RenderSettings, VisibleSet
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

Array = NDArray[np.float64]

# Overscan of 3 sigma of the coarsest surfel that will be covered; beyond 48 px it costs more new surfels
# (20 % at 512) than the soft rim is worth.
MAX_MARGIN = 48
# How wide the overscan must be is seen at a fraction of the resolution.
GLANCE = 4
# A pixel counts as seen when most of its light comes from surfels.
SEEN = 0.5


def settings_of(world: World) -> RenderSettings:
    """How the pictures that generation works from are rendered."""
    header = world.header
    return RenderSettings(h_ref=header.h_ref, metric=header.metric, background=header.background)


def native_scales(visible: VisibleSet) -> Array:
    """ln s_native (root edges per pixel) of every row of the visible set: [N]."""
    rows = [block.surfels.native.astype(np.float64) + block.cell.ln_edge for block in visible.blocks]
    return np.concatenate(rows) if rows else np.zeros(0)


def nodes_of_rows(visible: VisibleSet) -> tuple[list[str], NDArray[np.int64]]:
    """Sorted node ids and, for every row of the visible set, the index of its node."""
    names = sorted({block.node for block in visible.blocks})
    index = {name: i for i, name in enumerate(names)}
    rows = [np.full(block.count, index[block.node], np.int64) for block in visible.blocks]
    return names, np.concatenate(rows) if rows else np.zeros(0, np.int64)


def plane_zeta(
    visible: VisibleSet, camera: Camera, ids: NDArray[np.int64], zeta: NDArray[np.float32]
) -> Array:
    """Depth [H, W] of the dominant surfel's plane at each pixel; ``zeta`` where there is none.

    Sharper than the blended depth: no mixture of near and far at silhouettes, slopes inside one surfel kept.
    """
    if not (ids >= 0).any():
        return zeta.astype(np.float64)
    # Only surfels that dominate a pixel are turned into view coordinates: a small part of what is visible.
    used, row = np.unique(np.maximum(ids, 0), return_inverse=True)
    row = row.reshape(ids.shape)
    m, n, r = np.empty((len(used), 3)), np.empty((len(used), 3)), np.empty(len(used))
    first = 0
    for block in visible.blocks:
        s = block.surfels
        low, high = np.searchsorted(used, (first, first + len(s)))
        if low < high:
            rows = used[low:high] - first
            frame = camera.cell_frame(block.cell)
            m[low:high] = s.means[rows].astype(np.float64) @ frame.matrix.T + frame.origin
            n[low:high] = quat_to_matrix(s.quats[rows])[..., 2] @ camera.rotation.T
            r[low:high] = 3.0 * np.exp(s.log_scales[rows].max(1).astype(np.float64)) * frame.edge_px
        first += len(s)
    m, n, r = m[row], n[row], r[row]
    ax, ay = camera.aspect
    uv = camera.pixel_centres()
    a = np.stack([(uv[..., 0] - camera.cx) / ax, (uv[..., 1] - camera.cy) / ay, np.zeros(ids.shape)], -1)
    b = np.concatenate([a[..., :2] * camera.inverse_f, np.ones((*ids.shape, 1))], -1)
    facing = (n * b).sum(-1)
    facing = np.where(
        np.abs(facing) < 0.05, np.copysign(0.05, facing), facing
    )  # edge-on: bounded below anyway
    depth = (n * (m - a)).sum(-1) / facing
    depth = np.clip(depth, m[..., 2] - r, m[..., 2] + r)
    return np.where(ids >= 0, depth, zeta)


def observe(world: World, camera: Camera, renderer: Renderer) -> Observation:
    """Render the coarse scene at C_i, widened by the overscan that what it covers asks for."""
    settings = settings_of(world)
    camera = camera.rebased()
    small = camera.resized(*(max(1, side // GLANCE) for side in (camera.width, camera.height)))
    first = _look(world, small, renderer, settings, 0)
    seen = first.surfel_ids >= 0
    if seen.mean() < 0.01:
        raise GenerationError("observe", "the camera sees nothing of this world: aim at its content")
    coarsest = GLANCE * float(np.quantile(first.ratio[seen], 0.98))
    margin = int(min(MAX_MARGIN, math.ceil(3.0 * NYQUIST_SIGMA * max(1.0, coarsest))))
    return _look(world, camera.widened(margin), renderer, settings, margin)


def _look(
    world: World, camera: Camera, renderer: Renderer, settings: RenderSettings, margin: int
) -> Observation:
    visible = visible_set(world, camera, settings)
    view = renderer.render(visible, camera, settings)
    ids = np.where(view.alpha > SEEN, view.surfel_ids, -1)
    zeta = plane_zeta(visible, camera, ids, view.zeta)
    seen = (ids >= 0) & np.isfinite(zeta)
    w = 1.0 + np.where(seen, zeta, 0.0) * camera.inverse_f
    own = camera.ln_scale + np.log(np.maximum(w, 1e-9))
    native = native_scales(visible)
    ln_ratio = np.where(seen, native[np.maximum(ids, 0)] - own, 0.0) if len(native) else np.zeros(ids.shape)
    ratio = np.exp(np.clip(ln_ratio, -20.0, 20.0))
    return Observation(
        camera,
        margin,
        view.color,
        view.alpha,
        np.where(seen, zeta, np.nan).astype(np.float32),
        ratio.astype(np.float32),
        seen & (ln_ratio < LN_SQRT2),
        np.where(seen, ids, -1),
        visible,
        float(np.median(ratio[seen])) if seen.any() else 1.0,
    )


def dominant_node(observation: Observation, among: NDArray[np.bool_] | None = None) -> str:
    """The node that owns most of the seen pixels (ties: the first id)."""
    names, node = nodes_of_rows(observation.visible)
    ids = observation.surfel_ids
    chosen = ids >= 0 if among is None else (ids >= 0) & among
    count = np.bincount(node[ids[chosen]], minlength=len(names))
    return names[int(count.argmax())]
