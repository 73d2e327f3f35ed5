"""Surfels to screen-space Gaussians in float64, one block at a time: the definition of what is drawn.

The oracle draws from this and nothing else; the CPU renderer uses it for the few blocks that are too large
on the screen for float32. It owns the constants of the picture that every renderer shares.

Antialiased EWA: the covariance of a flat Gaussian is projected by the Jacobian of the camera at its mean,
blurred by BLUR, and the opacity is scaled by sqrt(det before / det after), so that a surfel smaller than a
pixel keeps its optical mass. (Blur without that factor makes layers that should have faded look opaque.)
The Jacobian is taken at the mean clamped to EDGE image sizes beyond the picture, as gsplat does: beside the
eye the linearisation would smear a surfel over the whole picture.

Numbers stay finite for any magnification: lengths on the screen are in a unit of the surfel's own size
(``Splats.unit``), because variances of a block 1e200 pixels wide have no float64.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR, Camera, quat_to_matrix
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.ports import RenderSettings, Span, VisibleSet
from wonderzoom.scene_graph.surfels import THICKNESS, Block

F64 = NDArray[np.float64]
Rows = NDArray[np.intp]

BLUR = 0.1  # px^2 added to both variances: about a pixel box (1/12); why not the usual 0.3: docs/adr/0007
MIN_ALPHA = 1.0 / 255.0  # below one step of an 8-bit picture a surfel does not touch a pixel
MAX_ALPHA = 0.99  # 3D Gaussian splatting's clamp: something always shines through
MIN_TRANSMITTANCE = 1e-4  # a pixel with less left is finished
EDGE = 0.15  # of the image size: how far outside the picture the Jacobian follows a surfel (gsplat)
FAR_ZETA = 1e30  # native pixels: a depth map ends here (float32 would overflow not much further)
NEAR_SIGMAS = 3.0  # a surfel nearer to the eye than this many of its sigmas is skipped
KEY_SIGMAS = 3.0  # sort key: zeta + this many sigmas: of two layers on one surface the finer is in front


@dataclass(frozen=True, slots=True)
class Splats:
    """The surfels of one block that touch the picture, in row order."""

    rows: Rows  # [M] in the block
    means: F64  # [M, 2] pixels
    units: F64  # [M] pixels: the unit of ``conics``
    conics: F64  # [M, 3] inverse covariance (xx, xy, yy), 1 / unit^2
    opacities: F64  # [M] modulated and compensated for the blur
    keys: F64  # [M] sort key, native pixels at the pivot
    zetas: F64  # [M] P_z of the centre, native pixels at the pivot
    boxes: NDArray[np.int64]  # [M, 4] first and last column, first and last row where alpha >= MIN_ALPHA


@dataclass(frozen=True, slots=True)
class DrawnBlock:
    """A block of a visible set and what its weights depend on besides itself."""

    block: Block
    residency: float = 1.0  # R
    child_residency: float = 1.0  # R_child, of its finer successors
    mip: int = 0  # level of its pyramid
    shared: Span = (0, 0)  # levels among which the weight is shared


def drawn_blocks(visible: VisibleSet) -> list[DrawnBlock]:
    """The blocks of a visible set as they are drawn."""
    columns = (visible.blocks, visible.residencies, visible.child_residencies, visible.mips, visible.shared)
    return [DrawnBlock(*each) for each in zip(*columns, strict=True)]


def depth_ratio(points: F64, camera: Camera, radial: bool) -> F64:
    """Depth of view coordinates [N, 3] in units of D, by the world's metric; what r = ln s grows with."""
    w = 1.0 + points[:, 2] * camera.inverse_f
    if not radial:
        return w
    x, y = points[:, 0] * camera.inverse_f, points[:, 1] * camera.inverse_f
    return np.sqrt(x * x + y * y + w * w)


def block_weights(
    drawn: DrawnBlock, points: F64, camera: Camera, settings: RenderSettings, rows: Rows
) -> F64:
    """Eq. 3 for rows of a block at view coordinates ``points`` [N, 3], times the share of its level (mips)."""
    block, residency = drawn.block, drawn.residency
    ratio = np.maximum(depth_ratio(points, camera, settings.metric == "radial"), NEAR)
    surfels, ln_edge = block.surfels, block.cell.ln_edge
    if settings.modulation == "none":
        weights = np.full(len(rows), residency)
    else:
        weights = scales.weight(
            camera.ln_render_scale(settings.h_ref, settings.lod_bias) - ln_edge + np.log(ratio),
            surfels.native[rows],
            block.bounds.parent[rows],
            block.bounds.child[rows],
            residency,
            drawn.child_residency,
        )
    finest, coarsest = drawn.shared
    if finest == coarsest:
        return weights
    octaves = (camera.ln_scale - ln_edge + np.log(ratio) - surfels.native[rows]) / LN2
    return weights * scales.mip_share(octaves, drawn.mip, finest, coarsest)


@dataclass(frozen=True, slots=True)
class Placed:
    """The surfels of a block that have a weight before a camera, in row order; float64."""

    rows: Rows  # [M] in the block
    points: F64  # [M, 3] view coordinates, native pixels at the pivot
    lengths: F64  # [M, 2] standard deviations in cell edges
    sigma: F64  # [M] the larger one in native pixels at the pivot
    w: F64  # [M] 1 + z / D
    opacities: F64  # [M] modulated
    axes: F64  # [M, 3, 3] their own axes as columns, view coordinates, length 1
    edge_px: float  # native pixels of a cell edge

    @property
    def keys(self) -> F64:
        """[M] what they are sorted by."""
        return self.points[:, 2] + KEY_SIGMAS * self.sigma


def place_block(
    drawn: DrawnBlock, camera: Camera, settings: RenderSettings, rows: Rows | None = None
) -> Placed:
    """Of the given rows (default: all) of a block those that lie before the eye and have a weight."""
    block, surfels = drawn.block, drawn.block.surfels
    rows = np.arange(len(surfels)) if rows is None else rows
    frame = camera.cell_frame(block.cell)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        points = surfels.means[rows].astype(np.float64) @ frame.matrix.T + frame.origin
        lengths = np.exp(surfels.log_scales[rows].astype(np.float64))  # [N, 2] cell edges
        sigma = lengths.max(1) * frame.edge_px  # [N] native pixels at the pivot
        w = 1.0 + points[:, 2] * camera.inverse_f
        seen = (w >= NEAR) & (w >= NEAR_SIGMAS * sigma * camera.inverse_f)
        rows, points, lengths, sigma, w = rows[seen], points[seen], lengths[seen], sigma[seen], w[seen]

        weights = block_weights(drawn, points, camera, settings, rows)
        seen = weights > 0.0  # the others have handed over to finer ones
        rows, points, lengths, sigma, w = rows[seen], points[seen], lengths[seen], sigma[seen], w[seen]
        weights = weights[seen]
        opacities = scales.modulate(surfels.opacities[rows], weights, _law(settings))
        axes = camera.rotation @ quat_to_matrix(surfels.quats[rows])
    return Placed(rows, points, lengths, sigma, w, opacities, axes, frame.edge_px)


def project_block(
    drawn: DrawnBlock, camera: Camera, settings: RenderSettings, rows: Rows | None = None
) -> Splats:
    """Project the given rows (default: all) of a block; rows that don't touch the picture are left out."""
    placed, block = place_block(drawn, camera, settings, rows), drawn.block
    rows, points, w, opacities = placed.rows, placed.points, placed.w, placed.opacities
    inverse_f, (ax, ay) = camera.inverse_f, camera.aspect
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        # Axes of the ellipsoid in view coordinates: columns of [N, 3, 3].
        thickness = THICKNESS * np.exp(block.surfels.native[rows].astype(np.float64))
        lengths = placed.lengths
        axes = placed.axes * np.stack([lengths[:, 0], lengths[:, 1], thickness], -1)[:, None, :]
        u = ax * points[:, 0] / w + camera.cx
        v = ay * points[:, 1] / w + camera.cy
        slope_u = np.clip(u, -EDGE * camera.width, (1 + EDGE) * camera.width) - camera.cx
        slope_v = np.clip(v, -EDGE * camera.height, (1 + EDGE) * camera.height) - camera.cy
        spread_u = ax * axes[:, 0] - (slope_u * inverse_f)[:, None] * axes[:, 2]  # [N, 3] of the three axes
        spread_v = ay * axes[:, 1] - (slope_v * inverse_f)[:, None] * axes[:, 2]
        # Units of the largest spread, at least a pixel; ``spread`` still lacks the factor edge_px / w.
        scale = placed.edge_px / w
        largest = np.maximum(np.abs(spread_u).max(1), np.abs(spread_v).max(1)) * scale
        units = np.maximum(largest, 1.0)
        spread_u *= (scale / units)[:, None]
        spread_v *= (scale / units)[:, None]
    xx, xy, yy = (spread_u**2).sum(1), (spread_u * spread_v).sum(1), (spread_v**2).sum(1)
    # det before the blur as the sum of squared minors (Cauchy-Binet): no cancellation for thin splats.
    sharp = sum(
        (spread_u[:, i] * spread_v[:, j] - spread_u[:, j] * spread_v[:, i]) ** 2
        for i, j in ((0, 1), (0, 2), (1, 2))
    )
    with np.errstate(over="ignore"):  # 150 zooms above the view a pixel's blur is 0 to float64
        blur = BLUR / units**2
    blurred = sharp + blur * (xx + yy) + blur * blur
    xx, yy = xx + blur, yy + blur
    opacities = opacities * np.sqrt(sharp / np.maximum(blurred, 1e-300))

    reach = np.sqrt(2.0 * np.log(np.maximum(opacities / MIN_ALPHA, 1.0)))
    reach_u, reach_v = reach * np.sqrt(xx) * units, reach * np.sqrt(yy) * units
    boxes = np.concatenate([_box(u, reach_u, camera.width), _box(v, reach_v, camera.height)], 1)
    kept = (opacities > MIN_ALPHA) & (boxes[:, 0] <= boxes[:, 1]) & (boxes[:, 2] <= boxes[:, 3])
    conics = np.stack([yy, -xy, xx], -1) / np.maximum(blurred, 1e-300)[:, None]
    return Splats(
        rows[kept],
        np.stack([u, v], -1)[kept],
        units[kept],
        conics[kept],
        opacities[kept],
        placed.keys[kept],
        points[kept, 2],
        boxes[kept],
    )


def _law(settings: RenderSettings) -> scales.Modulation:
    """``none`` ignores scales, not residency: what is half there is drawn half."""
    return "paper" if settings.modulation == "none" else settings.modulation


def _box(mean: F64, reach: F64, size: int) -> NDArray[np.int64]:
    """First and last pixel [M, 2] whose centre lies within ``reach`` of ``mean``, cut to the image."""
    first = np.clip(np.ceil(np.nan_to_num(mean - reach) - 0.5), 0, size)
    last = np.clip(np.floor(np.nan_to_num(mean + reach) - 0.5), -1, size - 1)
    return np.stack([first, last], -1).astype(np.int64)


def falloff(splats: Splats, i: int, columns: F64, rows: F64) -> F64:
    """The Gaussian of splat i, in [0, 1], at pixel centres: [len(rows), len(columns)]."""
    unit = float(splats.units[i])
    xx, xy, yy = splats.conics[i].tolist()
    dx = ((columns - splats.means[i, 0]) / unit)[None, :]
    dy = ((rows - splats.means[i, 1]) / unit)[:, None]
    return np.asarray(np.exp(-0.5 * (xx * dx * dx + yy * dy * dy) - xy * dx * dy), np.float64)


def pixel_centres(first: int, last: int) -> F64:
    """Centres of the pixels first ... last."""
    return np.arange(first, last + 1, dtype=np.float64) + 0.5


def check_visible(visible: VisibleSet) -> None:
    """Raise ValueError for what can't be drawn: levels outside those that share a weight, odd residencies."""
    for level, (finest, coarsest) in set(zip(visible.mips, visible.shared, strict=True)):
        if not 0 <= finest <= level <= coarsest:
            raise ValueError(f"level {level} of a pyramid can't share with the levels {finest} to {coarsest}")
    for residency in {*visible.residencies, *visible.child_residencies}:
        if not 0.0 <= residency <= 1.0:
            raise ValueError(f"a residency lies in [0, 1], got {residency}")
