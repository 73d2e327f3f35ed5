"""Surfels to screen-space Gaussians on the graphics card: one pass over the slabs of all viewers of a frame.

The formulas and the symbols are those of ``projection.project_block``; what is written here is their order in
torch. Slabs are culled in float64, weighted by Eq. 3, and only what has a weight goes on (compaction); positions
are relative to each slab's own centre, which float64 places in the view of each camera, so that float32 is exact
enough at any depth of a world. Blocks too large for that are projected by ``project_block`` itself.

gsplat's ``rasterize_mode="antialiased"`` with ``eps2d = BLUR`` is the same law: a covariance blurred by BLUR and
an opacity times sqrt(det before / det after). Here the determinant is a sum of squares, which can't cancel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import packing_kernels as packing
from wonderzoom.runtime.renderers.cuda_residency import INTERVAL, NATIVE, SPHERE, SlabPool
from wonderzoom.runtime.renderers.frame_plan import pixel_octaves
from wonderzoom.runtime.renderers.packing_kernels import CHUNK
from wonderzoom.runtime.renderers.projection import (
    BLUR,
    EDGE,
    FAR_ZETA,
    KEY_SIGMAS,
    MIN_ALPHA,
    NEAR_SIGMAS,
)
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.ports import RenderSettings

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Columns of what a slab knows: the numbers of its block and camera (``project``).
OCTAVES, RESIDENCIES, LEVELS = 5, slice(20, 22), slice(22, 25)
_SHARE_REACH = (
    0.5 + 0.5 * scales.MIP_FADE
)  # octaves from its level at which a share ends (``scales.mip_share``)
_PIECE_SLABS = 1 << 14  # 4 million surfels at a time: half a gigabyte of columns and intermediates
_CUT_PX = 1.2  # a splat reaches beyond its 3.33 sigma by the blur: 3.33 sqrt(0.1) = 1.05 pixels
_STEPS = scales.LI2_TABLE_SIZE - 1
_SHARPEST_FAR = 1.0 / 2.0**27  # 1 / sigma in pixels: what is less sharp counts as this sharp
_LOG_KEY = (
    2.0**64
)  # sort keys beyond are logarithmic, so that float32 keeps the order of whatever a world holds
_MOST_RADIUS = 2**30  # pixels: radii are int32
# gsplat skips a pixel whose exponent comes out negative, as rounding makes it along the axis of a splat that is some
# thousand times longer than wide: a line of holes. Conics whose diagonal is larger by two rounding errors don't.
_FIRM, _LONG = 2.0**-21, 1e6  # by how much; from which square of the ratio of length to width on


@dataclass(frozen=True, slots=True)
class Splats:
    """M projected surfels, image by image: what ``gsplat_calls`` takes. Tensors on one device."""

    means: Any  # float32 [M, 2] pixels
    conics: Any  # float32 [M, 3] inverse covariance (xx, xy, yy) in 1 / px^2
    opacities: Any  # float32 [M] modulated and compensated for the blur
    radii: Any  # int32 [M, 2] pixels from the mean within which alpha >= MIN_ALPHA
    keys: Any  # float32 [M] positive, in the order of the contract's key
    colors: Any  # float32 [M, 4] sRGB in [0, 1] and zeta
    images: Any  # int64 [M] which image, ascending
    ids: Any  # int64 [M] row in that image's visible set

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True, slots=True)
class Slabs:
    """S slabs to draw in B blocks and V images. NumPy; ``project`` takes them to the device at once."""

    slabs: I64  # [S] in the pool
    rows: I64  # [S] surfels
    first_ids: I64  # [S] of the slab's first surfel in its image's visible set
    block_of: I64  # [S]
    image_of: I64  # [B] of each block
    origins: F64  # [B, 3] view coordinates of the cells' centres
    edges_px: F64  # [B]
    render_scales: F64  # [B] r at the pivot relative to the block's ln edge
    residencies: F64  # [B, 2] R and R_child
    levels_of: F64  # [B, 3] level of its pyramid, finest and coarsest that share its weight


def lenses(cameras: list[Camera]) -> F64:
    """The numbers of each camera, [V, 14]: 1/f, ax, ay, cx, cy, then the rotation world -> view row by row."""
    return np.array(
        [[c.inverse_f, *c.aspect, c.cx, c.cy, *c.rotation.reshape(-1).tolist()] for c in cameras], np.float64
    ).reshape(-1, 14)


def project(
    pool: SlabPool, slabs: Slabs, cameras: list[Camera], settings: RenderSettings, device: str
) -> Splats:
    """The surfels of ``slabs`` that touch their images; cameras of one size, settings of one law."""
    import torch

    width, height = cameras[0].width, cameras[0].height

    def sent(array: NDArray[Any]) -> Any:
        return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)

    slab, rows, first_ids, block_of = (
        sent(a) for a in (slabs.slabs, slabs.rows, slabs.first_ids, slabs.block_of)
    )
    pixel_scales = np.array([pixel_octaves(camera, settings) for camera in cameras])
    blocks = np.concatenate(
        [
            slabs.origins,
            slabs.edges_px[:, None],
            slabs.render_scales[:, None],
            pixel_scales[slabs.image_of, None],
            lenses(cameras)[slabs.image_of],
            slabs.residencies,
            slabs.levels_of,
        ],
        1,
    )
    # What a slab needs to know of its block and camera, [S, 25].
    known, image = sent(blocks)[block_of], sent(slabs.image_of)[block_of]
    centres, kept = _cull(pool.culling[slab], known, (width, height), settings)
    table = sent(opacity_table(settings))
    parts = [
        _project_piece(
            pool.data[slab[piece]],
            rows[piece],
            centres[piece],
            known[piece],
            (image[piece], first_ids[piece]),
            (width, height),
            settings,
            table,
        )
        for piece in torch.split(kept, _PIECE_SLABS)
    ]
    return joined(parts)


def joined(parts: list[Splats]) -> Splats:
    """All of several, in order; at least one."""
    import torch

    if len(parts) == 1:
        return parts[0]
    names = Splats.__slots__
    return Splats(*(torch.cat([getattr(part, name) for part in parts]) for name in names))


def by_image(splats: Splats) -> Splats:
    """In the order (image, id): where several sources were joined."""
    import torch

    order = torch.argsort(splats.ids, stable=True)
    order = order[torch.argsort(splats.images[order], stable=True)]
    return Splats(*(getattr(splats, name)[order] for name in Splats.__slots__))


def opacity_table(settings: RenderSettings) -> NDArray[np.float32]:
    """Opacities at equal steps of a weighted value, one more so that the last can be interpolated to.

    The value is Li2(o) for the modulation ``optical_mass`` (docs/adr/0004), the opacity itself otherwise.
    """
    if settings.modulation == "optical_mass":
        return np.append(scales.LI2_INVERSE_TABLE, scales.MAX_OPACITY).astype(np.float32)
    return np.minimum(np.arange(_STEPS + 2) / _STEPS, 1.0).astype(np.float32)


def _cull(culling: Any, known: Any, size: tuple[int, int], settings: RenderSettings) -> tuple[Any, Any]:
    """View coordinates of the slabs' centres [S, 3], and which slabs [K] may touch their image; float64.

    A slab goes when its sphere lies behind the eye or outside one side of the picture, or when all its surfels
    have weight 0 at all its depths (``cpu_kernels.cull``).
    """
    import torch

    origin, edge, render_scale = known[:, :3], known[:, 3], known[:, 4]
    inverse_f, ax, ay, cx, cy = known[:, 6:11].unbind(1)
    rotation = known[:, 11:20].reshape(-1, 3, 3)
    sphere, interval = culling[:, SPHERE], culling[:, INTERVAL]
    centres = torch.einsum("sij,sj->si", rotation, sphere[:, :3]) * edge[:, None] + origin
    x, y, z = centres.unbind(1)
    radius = sphere[:, 3] * edge
    w, deep = 1.0 + z * inverse_f, radius * inverse_f
    kept = w + deep >= NEAR
    for along, aspect, centre, length in ((x, ax, cx, size[0]), (y, ay, cy, size[1])):
        tilt = (
            torch.maximum((-EDGE * length - centre).abs(), ((1 + EDGE) * length - centre).abs()) * inverse_f
        )
        reach = radius * torch.hypot(aspect, tilt) + _CUT_PX * (w + deep)
        kept &= (-aspect * along - centre * w <= reach) & (aspect * along - (length - centre) * w <= reach)
    depth = torch.sqrt((x * inverse_f) ** 2 + (y * inverse_f) ** 2 + w * w) if _radial(settings) else w
    nearest = render_scale + torch.log((depth - deep).clamp(min=NEAR))
    farthest = render_scale + torch.log((depth + deep).clamp(min=NEAR))
    if settings.modulation != "none":
        # What finer blocks have taken over is drawn where they have not come all the way.
        resident, below = known[:, RESIDENCIES].unbind(1)
        kept &= (nearest <= interval[:, 1]) & ((farthest >= interval[:, 0]) | (resident != below))
    level, finest, coarsest = known[:, LEVELS].unbind(1)
    native = culling[:, NATIVE]
    least = (nearest - native[:, 1]) / LN2 + known[:, OCTAVES]
    greatest = (farthest - native[:, 0]) / LN2 + known[:, OCTAVES]
    alone = finest == coarsest
    kept &= alone | (least.clamp(finest, coarsest) < level + _SHARE_REACH)
    kept &= alone | (greatest.clamp(finest, coarsest) > level - _SHARE_REACH)
    return centres, torch.nonzero(kept)[:, 0]


def _radial(settings: RenderSettings) -> bool:
    return settings.metric == "radial"


def _project_piece(
    data: Any,
    rows: Any,
    centres: Any,
    known: Any,
    names: tuple[Any, Any],
    size: tuple[int, int],
    settings: RenderSettings,
    table: Any,
) -> Splats:
    """Of K slabs: weights of all rows [K, CHUNK], then everything else of those that have one."""
    import torch

    edge = known[:, 3]
    matrix = (known[:, 11:20] * edge[:, None]).float()  # cell edges -> view pixels, row by row
    inverse_f = known[:, 6].float()[:, None]
    x, y, z = data[:, packing.X], data[:, packing.Y], data[:, packing.Z]

    def rotated(row: int, a: Any, b: Any, c: Any, m: Any) -> Any:
        return m[:, 3 * row, None] * a + m[:, 3 * row + 1, None] * b + m[:, 3 * row + 2, None] * c

    dz = rotated(2, x, y, z, matrix)
    middle = centres.float()
    px = rotated(0, x, y, z, matrix) + middle[:, 0, None]
    py = rotated(1, x, y, z, matrix) + middle[:, 1, None]
    w = (1.0 + centres[:, 2] * known[:, 6]).float()[:, None] + dz * inverse_f
    sigma = data[:, packing.SIGMA] * edge.float()[:, None]
    seen = (w >= NEAR) & (w >= NEAR_SIGMAS * sigma * inverse_f)
    seen &= torch.arange(CHUNK, device=data.device) < rows[:, None]
    # Eq. 3 as R - R max(r - x, 0) / (parent - x) - R_child max(x - r, 0) / (x - child), ...
    residency, child_residency = known[:, RESIDENCIES].float()[:, :, None].unbind(1)
    weight = residency.expand_as(w)
    safe = w.clamp(min=NEAR)
    depth = torch.sqrt(safe**2 + (px * inverse_f) ** 2 + (py * inverse_f) ** 2) if _radial(settings) else safe
    finer = torch.log(depth) + known[:, 4].float()[:, None] - data[:, packing.NATIVE]
    if settings.modulation != "none":
        up = (finer.clamp(min=0.0) * data[:, packing.PARENT_SLOPE]).clamp(max=1.0)
        down = ((-finer).clamp(min=0.0) * data[:, packing.CHILD_SLOPE]).clamp(max=1.0)
        weight = (weight - residency * up - child_residency * down).clamp(min=0.0)
    # ... times the share of this level among the others of its pyramid.
    level, finest, coarsest = known[:, LEVELS].float()[:, :, None].unbind(1)
    octaves = finer / LN2 + known[:, OCTAVES].float()[:, None]
    distance = (torch.minimum(torch.maximum(octaves, finest), coarsest) - level).abs()
    weight = weight * ((_SHARE_REACH - distance) / scales.MIP_FADE).clamp(0.0, 1.0)
    k, lane = torch.nonzero(seen & (weight > 0.0)).unbind(1)

    def column(number: int) -> Any:
        return data[k, number, lane]

    opacity = _modulated(weight[k, lane], column, settings, table)
    m = matrix[k]
    axes = [
        [m[:, 3 * row] * a + m[:, 3 * row + 1] * b + m[:, 3 * row + 2] * c for row in range(3)]
        for a, b, c in (
            (column(packing.UX), column(packing.UY), column(packing.UZ)),
            (column(packing.VX), column(packing.VY), column(packing.VZ)),
        )
    ]
    (ux, uy, uz), (vx, vy, vz) = axes
    stretch = column(packing.NORMAL) / edge.float()[k]
    normal = [(uy * vz - uz * vy) * stretch, (uz * vx - ux * vz) * stretch, (ux * vy - uy * vx) * stretch]
    lens = known[k, 6:11].float().unbind(1)
    means, covariance, sharp, blurred = flatten(
        (px[k, lane], py[k, lane], w[k, lane]), axes[0], axes[1], normal, lens, size
    )
    opacity = opacity * torch.sqrt(sharp / blurred)
    conics, radii, touches = footprint(means, covariance, blurred, opacity, size)
    zeta = (centres[k, 2] + dz[k, lane]).clamp(-FAR_ZETA, FAR_ZETA)
    keys = ordered((zeta + KEY_SIGMAS * sigma[k, lane]).float())
    bits = column(packing.COLOR).view(torch.int32)
    colors = torch.stack(
        [(bits & 255) / 255.0, (bits >> 8 & 255) / 255.0, (bits >> 16 & 255) / 255.0, zeta.float()], -1
    )
    image, first_id = names
    drawn = torch.nonzero(touches)[:, 0]
    everything = (means, conics, opacity, radii, keys, colors, image[k], first_id[k] + lane)
    return Splats(*(part[drawn].contiguous() for part in everything))


def _modulated(weight: Any, column: Any, settings: RenderSettings, table: Any) -> Any:
    """Opacities at weights: Li2^-1(weight Li2(o)), or weight o; at full weight the opacity itself."""
    import torch

    optical = settings.modulation == "optical_mass"
    opacity = column(packing.OPACITY)
    value = weight * (column(packing.MASS) * (_STEPS / scales.LI2_MAX) if optical else opacity * _STEPS)
    step = value.long().clamp(0, _STEPS)
    lower = table[step]
    return torch.where(weight < 1.0, lower + (value - step) * (table[step + 1] - lower), opacity)


def flatten(
    point: tuple[Any, Any, Any], u: list[Any], v: list[Any], n: list[Any], lens: Any, size: tuple[int, int]
) -> tuple[Any, tuple[Any, Any, Any], Any, Any]:
    """Ellipsoids on the screen: (means [M, 2], blurred covariance (xx, xy, yy), determinants before and after).

    ``point`` is (P_x, P_y, w); u, v and n are the half-axes in view pixels, x, y, z each; ``lens`` is (1/f, ax,
    ay, cx, cy). Differentiable in the axes.
    """
    import torch

    (px, py, w), (inverse_f, ax, ay, cx, cy) = point, lens
    g = 1.0 / w.clamp(min=NEAR)
    du, dv = ax * px * g, ay * py * g

    def within(position: Any, centre: Any, length: int) -> Any:
        low, high = -EDGE * length - centre, (1.0 + EDGE) * length - centre
        return torch.minimum(torch.maximum(position, low), high) * inverse_f * g

    hu, hv = within(du, cx, size[0]), within(dv, cy, size[1])
    gu, gv = g * ax, g * ay
    across = [(gu * axis[0] - hu * axis[2], gv * axis[1] - hv * axis[2]) for axis in (u, v, n)]
    (au, av), (bu, bv), (cu, cv) = across
    xx, xy, yy = au * au + bu * bu + cu * cu, au * av + bu * bv + cu * cv, av * av + bv * bv + cv * cv
    # Cauchy-Binet: the determinant without cancellation.
    sharp = (au * bv - av * bu) ** 2 + (au * cv - av * cu) ** 2 + (bu * cv - bv * cu) ** 2
    blurred = sharp + BLUR * (xx + yy) + BLUR * BLUR
    return torch.stack([du + cx, dv + cy], -1), (xx + BLUR, xy, yy + BLUR), sharp, blurred


def footprint(
    means: Any, covariance: tuple[Any, Any, Any], determinant: Any, opacity: Any, size: tuple[int, int]
) -> tuple[Any, Any, Any]:
    """(conics [M, 3], radii int32 [M, 2], whether a pixel's centre lies within [M]) at alpha >= MIN_ALPHA."""
    import torch

    xx, xy, yy = covariance
    firm = 1.0 + _FIRM * ((xx + yy) ** 2 > _LONG * determinant)
    conics = torch.stack([yy * firm, -xy, xx * firm], -1) / determinant[:, None]
    with torch.no_grad():
        reach = 2.0 * torch.log((opacity / MIN_ALPHA).clamp(min=1.0))
        extents = torch.sqrt(reach[:, None] * torch.stack([xx, yy], -1))
        last = torch.tensor(size, device=means.device, dtype=means.dtype) - 1.0
        low = torch.maximum(torch.ceil(means - extents - 0.5), torch.zeros_like(last))
        high = torch.minimum(torch.floor(means + extents - 0.5), last)
        touches = (opacity > MIN_ALPHA) & (low <= high).all(1)
        radii = torch.ceil(extents).clamp(1, _MOST_RADIUS).int()
    return conics, radii, touches


def ordered(keys: Any) -> Any:
    """Positive float32 numbers in the order of ``keys`` (float32 of any sign, at most 1e30 large).

    gsplat sorts by the bits of positive floats. Half of the sorted bits of the key are such a number: only keys
    that differ in their last bit alone become equal, and equal ones keep the order of (block, row).
    """
    import torch

    bits = (keys + 0.0).contiguous().view(torch.int32).long()  # sign-extended; -0 has become 0
    rising = torch.where(bits < 0, 0xFFFFFFFF - (bits & 0xFFFFFFFF), bits + (1 << 31))
    return (rising >> 1).int().view(torch.float32)


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
