"""From a pixel to the exact place under it.

The renderer says which surfel weighs most in a pixel; the point is where the pixel's ray meets that surfel's
plane, not its centre: a zoom at it must not drift by the size of a coarse surfel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wonderzoom.scene_graph.camera import Camera, quat_to_matrix
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.ports import RenderedView, VisibleSet
from wonderzoom.scene_graph.surfels import REACH, Block


@dataclass(frozen=True, slots=True)
class Pick:
    """What lies under a pixel."""

    position: Position
    node: str
    view: int  # which of the node's views made the surfel
    kind: int  # SURFACE, FILL or STRUCTURE
    ln_scale: float  # native scale of the surfel, ln root edges per pixel
    zeta: float  # depth of the point, native pixels relative to the camera's pivot


def pick(rendered: RenderedView, visible: VisibleSet, camera: Camera, u: float, v: float) -> Pick | None:
    """What the picture of ``visible`` shows at pixel coordinates (u, v); None where it shows nothing.

    The position is on the ray through (u, v): a camera looking at it has the pixel at its centre.
    """
    height, width = rendered.surfel_ids.shape
    if not (0 <= u < width and 0 <= v < height):
        return None
    row = int(rendered.surfel_ids[int(v), int(u)])
    if row < 0:
        return None
    block, row = _row_of(visible, row)
    surfels = block.surfels
    zeta = _depth_on_plane(block, row, camera, u, v)
    point = camera.unproject(np.array([u, v]), np.array(zeta))
    return Pick(
        camera.position(point),
        block.node,
        int(surfels.view[row]),
        int(surfels.kind[row]),
        float(surfels.native[row]) + block.cell.ln_edge,
        zeta,
    )


def _row_of(visible: VisibleSet, row: int) -> tuple[Block, int]:
    """Block and row in it of a row of the concatenated visible set."""
    for block in visible.blocks:
        if row < block.count:
            return block, row
        row -= block.count
    raise ValueError(f"surfel id {row} past the end of the visible set: the picture shows another one")


def _depth_on_plane(block: Block, row: int, camera: Camera, u: float, v: float) -> float:
    """zeta at which the ray through (u, v) meets the plane of a surfel, within the surfel's own extent."""
    frame = camera.cell_frame(block.cell)
    surfels = block.surfels
    centre = frame.matrix @ surfels.means[row].astype(np.float64) + frame.origin
    axes = camera.rotation @ quat_to_matrix(surfels.quats[row])
    normal = axes[:, 2]
    # Points of the ray are start + zeta * step (unproject is affine in zeta).
    start = camera.unproject(np.array([u, v]), np.array(0.0))
    step = camera.unproject(np.array([u, v]), np.array(1.0)) - start
    sigma = np.exp(surfels.log_scales[row].astype(np.float64)) * frame.edge_px
    reach = REACH * float(np.abs(axes[2, :2] * sigma).sum())  # how far the surfel extends in depth
    facing = float(normal @ step)
    if abs(facing) < 1e-9:  # seen edge-on: any depth of its extent is as good
        return float(centre[2])
    zeta = float(normal @ (centre - start)) / facing
    return min(max(zeta, float(centre[2]) - reach), float(centre[2]) + reach)
