"""E_i^partial: the world with what one zoom has made so far, and what it shows from further cameras (O^k, M^k).

"We first render conditioning frames from the current partial scene [...] along with masks indicating regions
requiring synthesis" (Sec. 3.2). Layers are lifted and placed as the pipeline does it, into a copy of the world: the
world itself is only read. Not fitted yet; opaque starts cover well enough to see where nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.fitting import FILLED_IN_BY_THE_WORLD, place_layers, view_of
from wonderzoom.generation.lifting import lift
from wonderzoom.generation.observation import SEEN, plane_zeta, settings_of
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Renderer
from wonderzoom.scene_graph.scale_node import ScaleNode, node_id
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Less light than this comes from surfels: nothing shows there. The released code takes 0.8 as well.
SHOWN = 0.8
# Beside a hole colours are mixed with the background: the model also makes the pixels around it.
GROWN = np.ones((3, 3), np.uint8)
_NAME = "partial"  # of the generator of nodes that are never committed


@dataclass(frozen=True, slots=True)
class Look:
    """O^k and M^k: what the partial world shows at one camera."""

    camera: Camera
    color: F32  # [H, W, 3] sRGB in [0, 1], over the world's background
    zeta: F32  # [H, W] native pixels relative to the pivot; NaN where nothing shows
    empty: Mask  # [H, W] where nothing shows yet: alpha below SHOWN

    @property
    def wanted(self) -> Mask:
        """M^k [H, W]: what a model is to make, the empty part grown by a pixel."""
        return cv2.dilate(self.empty.astype(np.uint8), GROWN) > 0


class PartialWorld:
    """A copy of a world to which layers are added, and the renderer that looks at it."""

    def __init__(self, world: World, parent: ScaleNode, renderer: Renderer) -> None:
        self._world, self._parent, self._renderer = world.copy(), parent.id, renderer
        self._settings = settings_of(world)

    def add(self, layers: Sequence[Layer], seed: int) -> None:
        """Make surfels of ``layers``, one node for all; nothing where no pixel of them has a depth."""
        camera = layers[0].camera
        blocks = place_layers([lift(layer, self._world.header.metric) for layer in layers], camera)
        if not blocks:
            return
        number = f"{len(self._world.nodes)}"
        node = ScaleNode(
            id=node_id(self._parent, camera, number, seed, _NAME),
            parent=self._parent,
            children=(),
            prompt=number,
            seed=seed,
            generator=_NAME,
            views=tuple(view_of(layer) for layer in layers),
            **FILLED_IN_BY_THE_WORLD,
        )
        self._world.apply(self._world.propose(node, blocks))

    def look(self, camera: Camera) -> Look:
        """What shows at ``camera``; depth is that of the plane of the surfel which shows most."""
        visible = visible_set(self._world, camera, self._settings)
        view = self._renderer.render(visible, camera, self._settings)
        ids = np.where(view.alpha > SEEN, view.surfel_ids, -1)
        zeta = plane_zeta(visible, camera, ids, view.zeta)
        empty = (view.alpha < SHOWN) | (ids < 0) | ~np.isfinite(zeta)
        color = np.clip(view.color, 0.0, 1.0).astype(np.float32)
        return Look(camera, color, np.where(empty, np.nan, zeta).astype(np.float32), empty)


def seen_from(camera: Camera, zeta: F32, other: Camera) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Where the pixels of ``camera`` with depth ``zeta`` [H, W] are in ``other``: pixels [H, W, 2] and zeta [H, W].

    Both are NaN where there is no depth, or where the point is behind ``other``.
    """
    matrix, origin = other.map_from(camera)
    points = camera.unproject(camera.pixel_centres(), zeta) @ matrix.T + origin
    uv, depth = other.project(np.nan_to_num(points))
    there = np.isfinite(points).all(-1) & (depth > 0.0)
    return np.where(there[..., None], uv, np.nan), np.where(there, points[..., 2], np.nan)


def at_pixels(values: NDArray[np.floating], uv: NDArray[np.float64]) -> NDArray[np.float64]:
    """``values`` [H, W] at the pixels that contain ``uv`` [..., 2]; NaN outside the picture."""
    height, width = values.shape
    with np.errstate(invalid="ignore"):
        inside = (uv[..., 0] >= 0) & (uv[..., 1] >= 0) & (uv[..., 0] < width) & (uv[..., 1] < height)
    column, row = (np.where(inside, uv[..., i], 0.0).astype(np.int64) for i in (0, 1))
    return np.where(inside, values[row, column], np.nan)
