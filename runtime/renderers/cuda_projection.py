"""Surfels to screen-space Gaussians on the graphics card: one pass over the slabs of all viewers of a frame.

The formulas and the symbols are those of ``projection.project_block``; what is written here is their order in
torch. Slabs are culled in float64, weighted by Eq. 3, and only what has a weight goes on (compaction); positions
are relative to each slab's own centre, which float64 places in the view of each camera, so that float32 is exact
enough at any depth of a world. Blocks too large for that are projected by ``project_block`` itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import packing_kernels as packing
from wonderzoom.runtime.renderers.cuda_ellipses import ELLIPSES, Kernel
from wonderzoom.runtime.renderers.cuda_residency import INTERVAL, NATIVE, SPHERE, SlabPool
from wonderzoom.runtime.renderers.frame_plan import pixel_octaves
from wonderzoom.runtime.renderers.packing_kernels import CHUNK
from wonderzoom.runtime.renderers.projection import (
    EDGE,
    FAR_ZETA,
    KEY_SIGMAS,
    NEAR_SIGMAS,
)
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import LN2
from wonderzoom.scene_graph.ports import RenderSettings

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]

# Columns of what a slab knows: the numbers of its block and camera (``project``).
OCTAVES, RESIDENCIES, LEVELS = 5, slice(22, 24), slice(24, 27)
_PIECE_SLABS = 1 << 14  # 4 million surfels at a time: half a gigabyte of columns and intermediates
_STEPS = scales.LI2_TABLE_SIZE - 1


@dataclass(frozen=True, slots=True)
class Splats:
    """M projected surfels, image by image: what ``gsplat_calls`` takes. Tensors on one device."""

    means: Any  # float32 [M, 2] pixels
    shapes: (
        Any  # float32 [M, 3] inverse covariance (xx, xy, yy) in 1 / px^2; [M, 3, 3] rays in the mode "2dgs"
    )
    opacities: Any  # float32 [M] modulated and compensated for the blur
    radii: Any  # int32 [M, 2] pixels from the mean within which alpha >= MIN_ALPHA
    keys: Any  # float32 [M] positive, in the order of the contract's key
    colors: Any  # float32 [M, 4] sRGB in [0, 1] and zeta
    images: Any  # int64 [M] which image, ascending
    ids: Any  # int64 [M] row in that image's visible set

    def __len__(self) -> int:
        return len(self.means)

    @property
    def flat(self) -> bool:
        """Whether they are discs in space (``cuda_discs``) and not Gaussians on the screen."""
        return self.shapes.dim() == 3


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
    """The numbers of each camera, [V, 16]: 1/f, ax, ay, cx, cy, the rotation world -> view by rows, width, height."""
    return np.array(
        [
            [c.inverse_f, *c.aspect, c.cx, c.cy, *c.rotation.reshape(-1).tolist(), c.width, c.height]
            for c in cameras
        ],
        np.float64,
    ).reshape(-1, 16)


def project(
    pool: SlabPool,
    slabs: Slabs,
    cameras: list[Camera],
    settings: RenderSettings,
    device: str,
    kernel: Kernel | None = None,
) -> Splats:
    """The surfels of ``slabs`` that touch their images; settings of one law, cameras of any size."""
    import torch

    kernel = kernel or ELLIPSES

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
    # What a slab needs to know of its block and camera, [S, 27].
    known, image = sent(blocks)[block_of], sent(slabs.image_of)[block_of]
    centres, kept = _cull(pool.culling[slab], known, settings, kernel.reach_px)
    table = sent(opacity_table(settings))
    parts = [
        _project_piece(
            pool.data[slab[piece]],
            rows[piece],
            centres[piece],
            known[piece],
            (image[piece], first_ids[piece]),
            settings,
            table,
            kernel,
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


def _cull(culling: Any, known: Any, settings: RenderSettings, reach_px: float) -> tuple[Any, Any]:
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
    for along, aspect, centre, length in ((x, ax, cx, known[:, 20]), (y, ay, cy, known[:, 21])):
        tilt = (
            torch.maximum((-EDGE * length - centre).abs(), ((1 + EDGE) * length - centre).abs()) * inverse_f
        )
        reach = radius * torch.hypot(aspect, tilt) + reach_px * (w + deep)
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
    kept &= alone | (least.clamp(finest, coarsest) < level + scales.MIP_REACH)
    kept &= alone | (greatest.clamp(finest, coarsest) > level - scales.MIP_REACH)
    return centres, torch.nonzero(kept)[:, 0]


def _radial(settings: RenderSettings) -> bool:
    return settings.metric == "radial"


def _project_piece(
    data: Any,
    rows: Any,
    centres: Any,
    known: Any,
    names: tuple[Any, Any],
    settings: RenderSettings,
    table: Any,
    kernel: Kernel,
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
    weight = weight * ((scales.MIP_REACH - distance) / scales.MIP_FADE).clamp(0.0, 1.0)
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
    point = (px[k, lane], py[k, lane], w[k, lane])
    size = known[k, 20:22].float().unbind(1)
    means, shapes, opacity, radii, touches = kernel.shape(
        point, axes[0], axes[1], normal, lens, size, opacity
    )
    zeta = (centres[k, 2] + dz[k, lane]).clamp(-FAR_ZETA, FAR_ZETA)
    keys = ordered((zeta + KEY_SIGMAS * sigma[k, lane]).float())
    bits = column(packing.COLOR).view(torch.int32)
    colors = torch.stack(
        [(bits & 255) / 255.0, (bits >> 8 & 255) / 255.0, (bits >> 16 & 255) / 255.0, zeta.float()], -1
    )
    image, first_id = names
    drawn = torch.nonzero(touches)[:, 0]
    everything = (means, shapes, opacity, radii, keys, colors, image[k], first_id[k] + lane)
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


def ordered(keys: Any) -> Any:
    """Positive float32 numbers in the order of ``keys`` (float32 of any sign, at most 1e30 large).

    gsplat sorts by the bits of positive floats. Half of the sorted bits of the key are such a number: only keys
    that differ in their last bit alone become equal, and equal ones keep the order of (block, row).
    """
    import torch

    bits = (keys + 0.0).contiguous().view(torch.int32).long()  # sign-extended; -0 has become 0
    rising = torch.where(bits < 0, 0xFFFFFFFF - (bits & 0xFFFFFFFF), bits + (1 << 31))
    return (rising >> 1).int().view(torch.float32)
