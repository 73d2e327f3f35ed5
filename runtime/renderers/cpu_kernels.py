# pyright: basic
"""The CPU renderer's kernels before blending: cull chunks, project surfels, sort them into tiles.

Culling is float64 (a block's origin may be 1e200 pixels away); projection is float32 relative to each chunk's
centre, one straight loop that LLVM vectorises, then one that keeps what touches the picture. The formulas are
those of ``projection.project_block``; the symbols too. Every kernel takes a range of chunks, and surfels keep
the order (block, row) through every stage, so the result does not depend on the number of threads.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numba.np.numpy_support import carray

from wonderzoom.runtime.renderers import packing_kernels as packing
from wonderzoom.runtime.renderers.cpu_memory import float_bits, floats_at
from wonderzoom.runtime.renderers.packing import STRIDE
from wonderzoom.runtime.renderers.packing_kernels import CHUNK, COLUMNS
from wonderzoom.runtime.renderers.projection import BLUR, EDGE, KEY_SIGMAS, MIN_ALPHA, NEAR_SIGMAS
from wonderzoom.runtime.renderers.simd import KERNEL, log2
from wonderzoom.scene_graph.camera import NEAR
from wonderzoom.scene_graph.cells import LN2, MAX_SHIFT
from wonderzoom.scene_graph.scales import MIP_FADE, MIP_REACH

TILE = 32  # pixels; a tile's accumulators stay in the first-level cache
TILE_SHIFT = 5
RECORD = 16  # float32 numbers of one projected surfel: 64 bytes, one cache line
# U, V: mean in pixels. Alpha = 2^(LOG + AA dx dx + AB dx dy + BB dy dy), dx, dy in pixels from the mean.
# Then colour, zeta and, as int32 (``record_bits``), first and last column, first and last row and the id.
U, V, AA, AB, BB, LOG, RED, GREEN, BLUE, LEFT, RIGHT, TOP, BOTTOM, ZETA, ID = range(15)

# Indices of ``view``, the camera and the settings as float32 numbers.
INVERSE_F, AX, AY, CX, CY, U_LOW, U_HIGH, V_LOW, V_HIGH, WIDTH, HEIGHT, RADIAL, WEIGHTED, GAIN = range(14)
OCTAVES = 14  # by how many octaves a pixel is larger than the one of r (``frame_plan.pixel_octaves``)
# Columns of ``levels_of``.
LEVEL, FINEST, COARSEST = range(3)

_FAR = 1e300  # pixels: where ``Camera.cell_frame`` ends
_CUT_PX = 1.2  # a splat reaches beyond its 3.33 sigma by the blur: 3.33 sqrt(0.1) = 1.05 pixels


def _starts(columns) -> list[np.uint64]:
    """Where columns of a chunk (or of the scratch) start; unsigned, so that no index can be negative."""
    return [np.uint64(column * STRIDE) for column in columns]


_Y, _Z, _UX, _UY, _UZ, _VX, _VY, _VZ = _starts(range(packing.Y, packing.VZ + 1))
_OPACITY, _MASS, _NATIVE, _PARENT_SLOPE, _CHILD_SLOPE, _COLOR, _SIGMA, _NORMAL = _starts(
    range(packing.OPACITY, packing.NORMAL + 1)
)
# Columns of ``project``'s scratch; the first is u. Weights turn into opacities.
_SCRATCH = 12
_S_V, _S_AA, _S_AB, _S_BB, _S_LOG, _S_KEY, _S_XX, _S_YY, _S_ZETA, _S_WEIGHT, _S_SHARPNESS = _starts(
    range(1, _SCRATCH)
)
_E_RIGHT, _E_TOP, _E_BOTTOM = _starts(range(1, 4))  # of its integers; the first is the left edge

_0, _1, _2, _HALF = np.float32(0), np.float32(1), np.float32(2), np.float32(0.5)
_BLUR, _BLUR2, _NEAR = np.float32(BLUR), np.float32(BLUR * BLUR), np.float32(NEAR)
_NEAR_SIGMAS, _KEY_SIGMAS = np.float32(NEAR_SIGMAS), np.float32(KEY_SIGMAS)
_TINY = np.float32(1e-30)
_HALF_LN2 = np.float32(0.5 * math.log(2.0))
_HALF_LOG2E = np.float32(0.5 / math.log(2.0))
_TWO_LN2 = np.float32(2.0 * math.log(2.0))
_LOG_MIN_ALPHA = np.float32(math.log2(MIN_ALPHA))
_SKIP = np.float32(-1e9)  # in place of log2 opacity: not drawn
_BYTE = np.float32(1.0 / 255.0)
# ``scales.mip_share`` as min(max(_SHARE_TOP - _SHARE_SLOPE |octaves - level|, 0), 1).
_SHARE_TOP, _SHARE_SLOPE = np.float32(MIP_REACH / MIP_FADE), np.float32(1.0 / MIP_FADE)
_PER_LN2 = np.float32(1.0 / math.log(2.0))


@njit(inline="always")
def _low_end(center, size):
    """Left or top end of what the Jacobian follows, from the principal point."""
    return -EDGE * size - center


@njit(inline="always")
def _high_end(center, size):
    """Right or bottom end."""
    return (1.0 + EDGE) * size - center


@njit(inline="always")
def view_row(rotation, i, edge):
    """Row i of the map from cell edges to view coordinates, float32."""
    return (
        np.float32(rotation[i, 0] * edge),
        np.float32(rotation[i, 1] * edge),
        np.float32(rotation[i, 2] * edge),
    )


@njit(**KERNEL)
def see_blocks(
    positions, levels, offset, rotation, pivot_edge_px, render_scale, origins, edges_px, render_scales
):  # fmt: skip
    """``Camera.cell_frame`` of all blocks (see ``FramePlan``), and r at the pivot relative to their ln edge.

    ``offset`` is the pivot's in its cell, ``render_scale`` r at the pivot relative to that cell's ln edge.
    """
    for b in range(positions.shape[0]):
        x, y, z = positions[b, 0] - offset[0], positions[b, 1] - offset[1], positions[b, 2] - offset[2]
        for i in range(3):
            along = rotation[i, 0] * x + rotation[i, 1] * y + rotation[i, 2] * z
            origins[b, i] = min(max(along * pivot_edge_px, -_FAR), _FAR)
        finer = min(max(levels[b], -MAX_SHIFT), MAX_SHIFT)
        edges_px[b] = min(math.ldexp(pivot_edge_px, finer), _FAR)
        render_scales[b] = render_scale - levels[b] * LN2


@njit(**KERNEL)
def cull(
    spheres, intervals, block_of, origins, edges_px, render_scales, residencies, levels_of, rotation, lens, size,
    radial, weighted, pixel_octaves, kept, centers,
):  # fmt: skip
    """Write the chunks that may touch the picture to ``kept``, their view centres [C, 3]; returns how many.

    ``lens`` is (1/f, ax, ay, cx, cy) in float64. A chunk goes when its sphere lies behind the eye or outside
    one side of the picture, or when all its surfels have weight 0 at all its depths, by Eq. 3 or by the level of
    its pyramid.
    """
    inverse_f, ax, ay, cx, cy = lens
    width, height = size
    # A surfel reaches as far across a side as its Jacobian says, taken up to EDGE beyond the picture.
    tilt_x = max(abs(_low_end(cx, width)), abs(_high_end(cx, width))) * inverse_f
    tilt_y = max(abs(_low_end(cy, height)), abs(_high_end(cy, height))) * inverse_f
    norm_x, norm_y = math.sqrt(ax * ax + tilt_x * tilt_x), math.sqrt(ay * ay + tilt_y * tilt_y)
    count = 0
    for c in range(spheres.shape[0]):
        b = block_of[c]
        edge = edges_px[b]
        sx, sy, sz = spheres[c, 0] * edge, spheres[c, 1] * edge, spheres[c, 2] * edge
        x = rotation[0, 0] * sx + rotation[0, 1] * sy + rotation[0, 2] * sz + origins[b, 0]
        y = rotation[1, 0] * sx + rotation[1, 1] * sy + rotation[1, 2] * sz + origins[b, 1]
        z = rotation[2, 0] * sx + rotation[2, 1] * sy + rotation[2, 2] * sz + origins[b, 2]
        radius = spheres[c, 3] * edge
        w, deep = 1.0 + z * inverse_f, radius * inverse_f
        if w + deep < NEAR:
            continue
        # Signed distances to the sides, times w: (u - cx) w = ax x.
        reach_x, reach_y = radius * norm_x + _CUT_PX * (w + deep), radius * norm_y + _CUT_PX * (w + deep)
        if -ax * x - cx * w > reach_x or ax * x - (width - cx) * w > reach_x:
            continue
        if -ay * y - cy * w > reach_y or ay * y - (height - cy) * w > reach_y:
            continue
        finest, coarsest = levels_of[b, FINEST], levels_of[b, COARSEST]
        if weighted or finest < coarsest:
            depth = math.sqrt((x * inverse_f) ** 2 + (y * inverse_f) ** 2 + w * w) if radial else w
            nearest = render_scales[b] + math.log(max(depth - deep, NEAR))
            farthest = render_scales[b] + math.log(max(depth + deep, NEAR))
            # What finer blocks have taken over is drawn where they have not come all the way.
            over = farthest < intervals[c, 0] and residencies[b, 1] == residencies[b, 0]
            if weighted and (nearest > intervals[c, 1] or over):
                continue
            if finest < coarsest:
                level = levels_of[b, LEVEL]
                least = (nearest - intervals[c, 3]) / LN2 + pixel_octaves
                greatest = (farthest - intervals[c, 2]) / LN2 + pixel_octaves
                if min(max(least, finest), coarsest) >= level + MIP_REACH:
                    continue
                if min(max(greatest, finest), coarsest) <= level - MIP_REACH:
                    continue
        kept[count] = c
        centers[count, 0], centers[count, 1], centers[count, 2] = x, y, z
        count += 1
    return count


@njit(inline="always")
def _has_share(data, n, axis, w0, inverse_f, octaves0, level, finest, coarsest, radial):
    """Whether a row of a chunk may have a share at its depth: a fifth of the work of projecting it.

    A chunk's own bounds say little: native scales grow with depth, so that both ends of each span much, but not
    their difference. (In the radial metric they are all there is.)
    """
    if radial > _0:
        return True
    a, b, c = axis
    nearest = np.float32(1e9)
    for row in range(n):
        i = np.uint64(row)
        w = max(w0 + (a * data[i] + b * data[i + _Y] + c * data[i + _Z]) * inverse_f, _NEAR)
        octaves = log2(w) + octaves0 - data[i + _NATIVE] * _PER_LN2
        nearest = min(nearest, abs(min(max(octaves, finest), coarsest) - level))
    return nearest < np.float32(MIP_REACH)


@njit(**KERNEL)
def project(
    k0, k1, kept, centers, addresses, rows, first_ids, block_of, edges_px, render_scales, residencies, levels_of,
    rotation, view, source, table, is_large, records, record_bits, boxes, keys, found, tile_counts,
):  # fmt: skip
    """Project the kept chunks k0 ... k1-1: records [K CHUNK, RECORD], boxes (int16), sort keys.

    The surfels of chunk k that touch the picture are the first ``found[k]`` of its CHUNK places. Large chunks
    (``is_large``) are projected already and only counted into ``tile_counts``. ``table`` maps a weighted
    value of column ``source`` (times ``view[GAIN]``) to an opacity.
    """
    inverse_f, ax, ay, cx, cy = view[INVERSE_F], view[AX], view[AY], view[CX], view[CY]
    u_low, u_high, v_low, v_high = view[U_LOW], view[U_HIGH], view[V_LOW], view[V_HIGH]
    width, height, radial, weighted, gain = (
        view[WIDTH],
        view[HEIGHT],
        view[RADIAL] * inverse_f * inverse_f,
        view[WEIGHTED],
        view[GAIN],
    )
    octaves_more = view[OCTAVES]
    tiles_x = (np.int64(width) + TILE - 1) // TILE
    scratch, edges = np.empty(_SCRATCH * STRIDE, np.float32), np.empty(4 * STRIDE, np.int32)
    for k in range(k0, k1):
        c = kept[k]
        start = k * CHUNK
        if is_large[k]:
            for j in range(start, start + found[k]):
                for ty in range(boxes[j, 2] >> TILE_SHIFT, (boxes[j, 3] >> TILE_SHIFT) + 1):
                    for tx in range(boxes[j, 0] >> TILE_SHIFT, (boxes[j, 1] >> TILE_SHIFT) + 1):
                        tile_counts[ty * tiles_x + tx] += 1
            continue
        b = block_of[c]
        edge = edges_px[b]
        r00, r01, r02 = view_row(rotation, 0, edge)
        r10, r11, r12 = view_row(rotation, 1, edge)
        r20, r21, r22 = view_row(rotation, 2, edge)
        edge_px, per_edge = np.float32(edge), np.float32(1.0 / edge)
        x0, y0, z0 = np.float32(centers[k, 0]), np.float32(centers[k, 1]), np.float32(centers[k, 2])
        w0 = np.float32(1.0 + centers[k, 2] * np.float64(inverse_f))
        scale0 = np.float32(render_scales[b])
        residency, child_residency = np.float32(residencies[b, 0]), np.float32(residencies[b, 1])
        level, finest, coarsest = (
            np.float32(levels_of[b, LEVEL]),
            np.float32(levels_of[b, FINEST]),
            np.float32(levels_of[b, COARSEST]),
        )
        data = carray(floats_at(addresses[c]), (COLUMNS * STRIDE,))
        n = rows[c]
        if finest < coarsest and not _has_share(
            data,
            n,
            (r20, r21, r22),
            w0,
            inverse_f,
            scale0 * _PER_LN2 + octaves_more,
            level,
            finest,
            coarsest,
            radial,
        ):
            found[k] = 0
            continue
        for row in range(n):
            i = np.uint64(row)
            x, y, z = data[i], data[i + _Y], data[i + _Z]
            ux, uy, uz = data[i + _UX], data[i + _UY], data[i + _UZ]
            vx, vy, vz = data[i + _VX], data[i + _VY], data[i + _VZ]
            px, py = r00 * x + r01 * y + r02 * z + x0, r10 * x + r11 * y + r12 * z + y0
            dz = r20 * x + r21 * y + r22 * z
            w = w0 + dz * inverse_f
            safe = max(w, _NEAR)
            g = _1 / safe
            du, dv = ax * px * g, ay * py * g
            slope_u = min(max(du, u_low), u_high) * inverse_f
            slope_v = min(max(dv, v_low), v_high) * inverse_f
            # Eq. 3 at ln depth = ln2 / 2 log2(w^2 (+ x^2 + y^2 for the radial metric)), with both residencies ...
            ratio = log2(safe * safe + radial * (px * px + py * py))
            finer = ratio * _HALF_LN2 + scale0 - data[i + _NATIVE]
            fade = residency * min(max(finer, _0) * data[i + _PARENT_SLOPE], _1)
            fade += child_residency * min(max(-finer, _0) * data[i + _CHILD_SLOPE], _1)
            # ... and what this level of the pyramid has of it.
            octaves = min(max(finer * _PER_LN2 + octaves_more, finest), coarsest)
            share = min(max(_SHARE_TOP - _SHARE_SLOPE * abs(octaves - level), _0), _1)
            scratch[i + _S_WEIGHT] = max(residency - weighted * fade, _0) * share
            # Axes in view coordinates, then on the screen.
            ax_x, ax_y, ax_z = (
                r00 * ux + r01 * uy + r02 * uz,
                r10 * ux + r11 * uy + r12 * uz,
                r20 * ux + r21 * uy + r22 * uz,
            )
            bx_x, bx_y, bx_z = (
                r00 * vx + r01 * vy + r02 * vz,
                r10 * vx + r11 * vy + r12 * vz,
                r20 * vx + r21 * vy + r22 * vz,
            )
            nx, ny, nz = ax_y * bx_z - ax_z * bx_y, ax_z * bx_x - ax_x * bx_z, ax_x * bx_y - ax_y * bx_x
            stretch = data[i + _NORMAL] * per_edge
            nx, ny, nz = nx * stretch, ny * stretch, nz * stretch
            gu, gv = g * ax, g * ay
            hu, hv = g * slope_u, g * slope_v
            au, av = gu * ax_x - hu * ax_z, gv * ax_y - hv * ax_z
            bu, bv = gu * bx_x - hu * bx_z, gv * bx_y - hv * bx_z
            nu, nv = gu * nx - hu * nz, gv * ny - hv * nz
            xx, xy, yy = au * au + bu * bu + nu * nu, au * av + bu * bv + nu * nv, av * av + bv * bv + nv * nv
            # Cauchy-Binet: the determinant without cancellation.
            ab, an, bn = au * bv - av * bu, au * nv - av * nu, bu * nv - bv * nu
            sharp = ab * ab + an * an + bn * bn
            blurred = sharp + _BLUR * (xx + yy) + _BLUR2
            xx, yy = xx + _BLUR, yy + _BLUR
            sigma = data[i + _SIGMA] * edge_px
            seen = w >= _NEAR and w >= _NEAR_SIGMAS * sigma * inverse_f
            scratch[i + _S_SHARPNESS] = np.sqrt(sharp / blurred) if seen else _0
            inverse = _HALF_LOG2E / blurred
            scratch[i] = du + cx
            scratch[i + _S_V] = dv + cy
            scratch[i + _S_AA] = -yy * inverse
            scratch[i + _S_AB] = _2 * xy * inverse
            scratch[i + _S_BB] = -xx * inverse
            scratch[i + _S_KEY] = z0 + dz + _KEY_SIGMAS * sigma
            scratch[i + _S_XX] = xx
            scratch[i + _S_YY] = yy
            scratch[i + _S_ZETA] = z0 + dz
        # Tables can't be vectorised: a loop of its own, so that the loops before and after it are.
        for row in range(n):
            i = np.uint64(row)
            weight = scratch[i + _S_WEIGHT]
            opacity = data[i + _OPACITY]
            if weight < _1:
                value = weight * data[i + source] * gain
                step = np.int32(value)
                at = np.uint64(step)
                lower = table[at]
                opacity = lower + (value - np.float32(step)) * (table[at + np.uint64(1)] - lower)
            scratch[i + _S_WEIGHT] = opacity
        for row in range(n):
            i = np.uint64(row)
            log_opacity = log2(max(scratch[i + _S_WEIGHT] * scratch[i + _S_SHARPNESS], _TINY))
            above = log_opacity - _LOG_MIN_ALPHA
            reach = max(above, _0) * _TWO_LN2
            reach_u, reach_v = np.sqrt(reach * scratch[i + _S_XX]), np.sqrt(reach * scratch[i + _S_YY])
            u, v = scratch[i] - _HALF, scratch[i + _S_V] - _HALF
            left = np.int32(max(np.ceil(u - reach_u), _0))
            right = np.int32(min(np.floor(u + reach_u), width - _1))
            top = np.int32(max(np.ceil(v - reach_v), _0))
            bottom = np.int32(min(np.floor(v + reach_v), height - _1))
            edges[i], edges[i + _E_RIGHT], edges[i + _E_TOP], edges[i + _E_BOTTOM] = left, right, top, bottom
            visible = above > _0 and left <= right and top <= bottom
            scratch[i + _S_LOG] = log_opacity if visible else _SKIP
        j = np.uint64(start)
        first_id = np.int32(first_ids[c])
        for row in range(n):
            i = np.uint64(row)
            log_opacity = scratch[i + _S_LOG]
            if log_opacity == _SKIP:
                continue
            x0, x1 = edges[i], edges[i + _E_RIGHT]
            y0, y1 = edges[i + _E_TOP], edges[i + _E_BOTTOM]
            color = float_bits(data[i + _COLOR])
            records[j, U], records[j, V] = scratch[i], scratch[i + _S_V]
            records[j, AA], records[j, AB] = scratch[i + _S_AA], scratch[i + _S_AB]
            records[j, BB], records[j, LOG] = scratch[i + _S_BB], log_opacity
            records[j, RED] = np.float32(color & 255) * _BYTE
            records[j, GREEN] = np.float32((color >> 8) & 255) * _BYTE
            records[j, BLUE] = np.float32((color >> 16) & 255) * _BYTE
            records[j, ZETA] = scratch[i + _S_ZETA]
            keys[j] = scratch[i + _S_KEY]
            record_bits[j, LEFT], record_bits[j, RIGHT] = x0, x1
            record_bits[j, TOP], record_bits[j, BOTTOM] = y0, y1
            record_bits[j, ID] = first_id + np.int32(row)
            boxes[j, 0], boxes[j, 1], boxes[j, 2], boxes[j, 3] = x0, x1, y0, y1
            for ty in range(y0 >> TILE_SHIFT, (y1 >> TILE_SHIFT) + 1):
                for tx in range(x0 >> TILE_SHIFT, (x1 >> TILE_SHIFT) + 1):
                    tile_counts[ty * tiles_x + tx] += 1
            j += np.uint64(1)
        found[k] = np.int64(j) - start


@njit(**KERNEL)
def lay_out(tile_counts, band_starts, tile_starts):
    """Turn counts per (band of chunks, tile) into places in the lists; returns the number of entries."""
    bands, tiles = tile_counts.shape
    place = 0
    for tile in range(tiles):
        tile_starts[tile] = place
        for band in range(bands):
            band_starts[band, tile] = place
            place += tile_counts[band, tile]
    tile_starts[tiles] = place
    return place


@njit(**KERNEL)
def scatter(k0, k1, found, boxes, keys, next_place, tiles_x, entry_keys, entry_rows):
    """Write the surfels of kept chunks k0 ... k1-1 into the lists of the tiles they touch, in order."""
    for k in range(k0, k1):
        for j in range(k * CHUNK, k * CHUNK + found[k]):
            i = np.uint64(j)
            key = keys[i]
            for ty in range(boxes[i, 2] >> TILE_SHIFT, (boxes[i, 3] >> TILE_SHIFT) + 1):
                for tx in range(boxes[i, 0] >> TILE_SHIFT, (boxes[i, 1] >> TILE_SHIFT) + 1):
                    tile = ty * tiles_x + tx
                    place = np.uint64(next_place[tile])
                    next_place[tile] += 1
                    entry_keys[place] = key
                    entry_rows[place] = np.uint32(j)
