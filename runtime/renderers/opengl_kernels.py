# pyright: basic
"""What the CPU does for each frame of the OpenGL renderer: which surfels are drawn, and in which order.

An exact, stable order by the contract's float32 key, in three passes over its bits; and, for ids, which surfel
weighs most among those that a pixel met.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numba.np.numpy_support import carray

from wonderzoom.runtime.renderers import packing_kernels as packing
from wonderzoom.runtime.renderers.cpu_kernels import COARSEST, FINEST, LEVEL, view_row
from wonderzoom.runtime.renderers.cpu_memory import float_bits, floats_at
from wonderzoom.runtime.renderers.opengl_shaders import LARGE_BIT
from wonderzoom.runtime.renderers.packing import REACH_SIGMAS, STRIDE
from wonderzoom.runtime.renderers.packing_kernels import CHUNK, COLUMNS
from wonderzoom.runtime.renderers.projection import KEY_SIGMAS, MIN_ALPHA, MIN_TRANSMITTANCE, NEAR_SIGMAS
from wonderzoom.runtime.renderers.simd import AS_WRITTEN, KERNEL, log2
from wonderzoom.scene_graph.camera import NEAR
from wonderzoom.scene_graph.scales import MIP_FADE, MIP_REACH

# Indices of ``view``, the camera and the settings as float32 numbers; the reaches are how far a surfel extends over a
# side of the picture, by its radius.
INVERSE_F, AX, AY, LEFT, RIGHT, TOP, BOTTOM, REACH_X, REACH_Y, RADIAL, WEIGHTED, OCTAVES = range(12)

_Y, _Z = np.uint64(packing.Y * STRIDE), np.uint64(packing.Z * STRIDE)
_NATIVE, _SIGMA = np.uint64(packing.NATIVE * STRIDE), np.uint64(packing.SIGMA * STRIDE)
_PARENT_SLOPE = np.uint64(packing.PARENT_SLOPE * STRIDE)
_CHILD_SLOPE = np.uint64(packing.CHILD_SLOPE * STRIDE)

_0, _1 = np.float32(0), np.float32(1)
_NEAR, _NEAR_SIGMAS, _KEY_SIGMAS = np.float32(NEAR), np.float32(NEAR_SIGMAS), np.float32(KEY_SIGMAS)
_REACH, _CUT_PX = np.float32(REACH_SIGMAS), np.float32(1.2)  # 1.05 pixels by the blur, as in cpu_kernels
_PER_LN2, _HALF_LN2 = np.float32(1.0 / np.log(2.0)), np.float32(0.5 * np.log(2.0))
_SHARE_TOP, _SHARE_SLOPE = np.float32(MIP_REACH / MIP_FADE), np.float32(1.0 / MIP_FADE)
_LEAST = np.float32(0.99 * MIN_ALPHA)  # the shader decides; rounding must not decide here
_SKIP = np.float32(np.inf)  # in place of a key
_LARGE = np.uint32(LARGE_BIT)
_DIGIT_BITS = 11
_DIGITS = 1 << _DIGIT_BITS


@njit(inline="always")
def _sortable(key):
    """The bits of a float32 in the order of its value."""
    bits = np.uint32(float_bits(key))
    return ~bits if bits >> np.uint32(31) else bits | np.uint32(0x80000000)


@njit(**KERNEL)
def list_surfels(
    kept, centers, addresses, rows, block_of, edges_px, render_scales, residencies, levels_of, rotation, view, source,
    is_large, large_starts, large_keys, keys, entries,
):  # fmt: skip
    """Write key and entry (``opengl_shaders``) of what may touch the picture, in order; returns how many.

    Surfels of large chunks (``is_large``) come ready: ``large_starts[k]`` ... ``large_starts[k + 1] - 1`` of chunk k.
    ``source``: the column that weights act on.
    """
    inverse_f, ax, ay = view[INVERSE_F], view[AX], view[AY]
    left, right, top, bottom = view[LEFT], view[RIGHT], view[TOP], view[BOTTOM]
    reach_x, reach_y = view[REACH_X], view[REACH_Y]
    radial, weighted, octaves_more = view[RADIAL] * inverse_f * inverse_f, view[WEIGHTED], view[OCTAVES]
    scratch = np.empty(CHUNK, np.float32)
    count = 0
    for k in range(len(kept)):
        if is_large[k]:
            for j in range(large_starts[k], large_starts[k + 1]):
                keys[count], entries[count] = _sortable(large_keys[j]), _LARGE | np.uint32(j)
                count += 1
            continue
        c = kept[k]
        b = block_of[c]
        edge = edges_px[b]
        r00, r01, r02 = view_row(rotation, 0, edge)
        r10, r11, r12 = view_row(rotation, 1, edge)
        r20, r21, r22 = view_row(rotation, 2, edge)
        edge_px = np.float32(edge)
        x0, y0, z0 = np.float32(centers[k, 0]), np.float32(centers[k, 1]), np.float32(centers[k, 2])
        w0 = np.float32(1.0 + centers[k, 2] * np.float64(inverse_f))
        scale0 = np.float32(render_scales[b])
        residency, child_residency = np.float32(residencies[b, 0]), np.float32(residencies[b, 1])
        level = np.float32(levels_of[b, LEVEL])
        finest, coarsest = np.float32(levels_of[b, FINEST]), np.float32(levels_of[b, COARSEST])
        data = carray(floats_at(addresses[c]), (COLUMNS * STRIDE,))
        n = rows[c]
        for row in range(n):
            i = np.uint64(row)
            x, y, z = data[i], data[i + _Y], data[i + _Z]
            px, py = r00 * x + r01 * y + r02 * z + x0, r10 * x + r11 * y + r12 * z + y0
            dz = r20 * x + r21 * y + r22 * z
            w = w0 + dz * inverse_f
            sigma = data[i + _SIGMA] * edge_px
            safe = max(w, _NEAR)
            finer = log2(safe * safe + radial * (px * px + py * py)) * _HALF_LN2 + scale0 - data[i + _NATIVE]
            fade = residency * min(max(finer, _0) * data[i + _PARENT_SLOPE], _1)
            fade += child_residency * min(max(-finer, _0) * data[i + _CHILD_SLOPE], _1)
            octaves = min(max(finer * _PER_LN2 + octaves_more, finest), coarsest)
            share = min(max(_SHARE_TOP - _SHARE_SLOPE * abs(octaves - level), _0), _1)
            # Both laws leave at most this of the opacity: Li2(o) >= o.
            most = max(residency - weighted * fade, _0) * share * data[i + source]
            radius = _REACH * sigma
            cut = _CUT_PX * (w + radius * inverse_f)
            over_x, over_y = radius * reach_x + cut, radius * reach_y + cut
            sx, sy = ax * px, ay * py
            seen = w >= _NEAR and w >= _NEAR_SIGMAS * sigma * inverse_f and most >= _LEAST
            inside = (
                left * w - sx <= over_x
                and sx - right * w <= over_x
                and top * w - sy <= over_y
                and sy - bottom * w <= over_y
            )
            scratch[row] = z0 + dz + _KEY_SIGMAS * sigma if seen and inside else _SKIP
        first = np.uint32(k * CHUNK)
        for row in range(n):
            if scratch[row] != _SKIP:
                keys[count], entries[count] = _sortable(scratch[row]), first + np.uint32(row)
                count += 1
    return count


@njit(**KERNEL)
def sort_surfels(keys, entries, other_keys, other_entries):
    """Sort ``entries`` by ``keys`` (uint32), equal ones as they come; the sorted entries end in the array returned.

    A radix sort: least significant digit first, each pass a counting sort. Passes over a digit that all keys share
    are left out. The other two arrays are scratch as long as the first.
    """
    n = len(keys)
    mask = np.uint32(_DIGITS - 1)
    counts = np.zeros((3, _DIGITS), np.int64)
    for i in range(n):
        key = keys[i]
        counts[0, key & mask] += 1
        counts[1, (key >> np.uint32(_DIGIT_BITS)) & mask] += 1
        counts[2, key >> np.uint32(2 * _DIGIT_BITS)] += 1
    for digit in range(3):
        shift = np.uint32(digit * _DIGIT_BITS)
        places = counts[digit]
        if n and places[(keys[0] >> shift) & mask] == n:
            continue
        place = 0
        for value in range(_DIGITS):
            here = places[value]
            places[value] = place
            place += here
        for i in range(n):
            key = keys[i]
            value = (key >> shift) & mask
            place = places[value]
            places[value] = place + 1
            other_keys[place], other_entries[place] = key, entries[i]
        keys, other_keys = other_keys, keys
        entries, other_entries = other_entries, entries
    return entries


@njit(**AS_WRITTEN)
def heaviest(meetings, first_pixel, best):
    """Write to ``best`` the rank of the surfel with the largest weight alpha T in each pixel, where it met any.

    ``meetings`` [M, 3] uint32: pixel, rank, bits of alpha, in any order. ``best`` [P] int64, of the pixels from
    ``first_pixel`` on. Of equal weights the front one counts; a pixel ends like the oracle's, nearly opaque.
    """
    alphas = meetings.view(np.float32)
    pixels, m = len(best), len(meetings)
    starts = np.zeros(pixels + 1, np.int64)
    for i in range(m):
        starts[meetings[i, 0] - first_pixel + 1] += 1
    for pixel in range(pixels):
        starts[pixel + 1] += starts[pixel]
    rows, next_place = np.empty(m, np.int64), starts[:-1].copy()
    for later in range(m):
        i = m - 1 - later  # the farthest was drawn first
        pixel = meetings[i, 0] - first_pixel
        place = next_place[pixel]
        next_place[pixel] = place + 1
        # Insertion: lists are short, and come nearly in order.
        rank = meetings[i, 1]
        while place > starts[pixel] and meetings[rows[place - 1], 1] > rank:
            rows[place] = rows[place - 1]
            place -= 1
        rows[place] = i
    for pixel in range(pixels):
        left, largest = 1.0, 0.0
        for place in range(starts[pixel], starts[pixel + 1]):
            i = rows[place]
            alpha = np.float64(alphas[i, 2])
            after = left * (1.0 - alpha)
            if after < MIN_TRANSMITTANCE:
                break
            if alpha * left > largest:
                largest = alpha * left
                best[pixel] = meetings[i, 1]
            left = after
