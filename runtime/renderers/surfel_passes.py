# pyright: basic
"""Compiled passes over the surfels of blocks that ask no view: boxes, sizes, soundness, and bounds as blocks hold them.

``coverage_kernels`` calls them; what they find is what ``scene_graph.coverage_loops`` says in numpy, to the bit.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.simd import AS_WRITTEN
from wonderzoom.scene_graph.surfels import MAX_LN_SIZE, MAX_OFFSET, REACH

CHUNK = 128  # rows of a block that are worked out at once, in vectors
_OFFSET, _SIZE = np.float32(MAX_OFFSET), np.float32(MAX_LN_SIZE)


@njit(**AS_WRITTEN)
def boxes(means, quats, across, thick, starts, ends, found):
    seen = np.empty(6 * CHUNK)  # one array: several at once would not be worked out in vectors
    for part in range(starts.shape[0]):
        x0, y0, z0, x1, y1, z1 = np.inf, np.inf, np.inf, -np.inf, -np.inf, -np.inf
        for first in range(starts[part], ends[part], CHUNK):
            count = min(CHUNK, ends[part] - first)
            for k in range(count):
                i = first + k
                w, x = np.float64(quats[i, 0]), np.float64(quats[i, 1])
                y, z = np.float64(quats[i, 2]), np.float64(quats[i, 3])
                s = 2.0 / (w * w + x * x + y * y + z * z)
                xx, yy, zz = s * x * x, s * y * y, s * z * z
                xy, xz, yz = s * x * y, s * x * z, s * y * z
                wx, wy, wz = s * w * x, s * w * y, s * w * z
                a, b, c = across[i, 0], across[i, 1], thick[i]
                p, q, r = (1.0 - (yy + zz)) * a, (xy - wz) * b, (xz + wy) * c
                right = REACH * math.sqrt(p * p + q * q + r * r)
                p, q, r = (xy + wz) * a, (1.0 - (xx + zz)) * b, (yz - wx) * c
                down = REACH * math.sqrt(p * p + q * q + r * r)
                p, q, r = (xz - wy) * a, (yz + wx) * b, (1.0 - (xx + yy)) * c
                ahead = REACH * math.sqrt(p * p + q * q + r * r)
                x, y, z = np.float64(means[i, 0]), np.float64(means[i, 1]), np.float64(means[i, 2])
                seen[k], seen[CHUNK + k], seen[2 * CHUNK + k] = x - right, y - down, z - ahead
                seen[3 * CHUNK + k], seen[4 * CHUNK + k], seen[5 * CHUNK + k] = (
                    x + right,
                    y + down,
                    z + ahead,
                )
            for k in range(count):
                x0, y0, z0 = min(x0, seen[k]), min(y0, seen[CHUNK + k]), min(z0, seen[2 * CHUNK + k])
                x1, y1 = max(x1, seen[3 * CHUNK + k]), max(y1, seen[4 * CHUNK + k])
                z1 = max(z1, seen[5 * CHUNK + k])
        found[part, 0, 0], found[part, 0, 1], found[part, 0, 2] = x0, y0, z0
        found[part, 1, 0], found[part, 1, 1], found[part, 1, 2] = x1, y1, z1


@njit(**AS_WRITTEN)
def sound(means, quats, log_scales, native, opacities):
    wrong = 0
    for i in range(means.shape[0]):
        wrong += not abs(means[i]) <= _OFFSET
    for i in range(log_scales.shape[0]):
        wrong += not abs(log_scales[i]) <= _SIZE
    for i in range(native.shape[0]):
        wrong += not abs(native[i]) <= _SIZE
        wrong += not (opacities[i] > 0 and opacities[i] <= 1)
        w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
        length = w * w + x * x + y * y + z * z
        wrong += not (length > 0.25 and length < 4.0)
    return wrong == 0


@njit(**AS_WRITTEN)
def sizes(log_scales, across, native, ln_edge, of_block, found):
    for i in range(native.shape[0]):
        found[0, i] = REACH * (across[i, 0] if log_scales[i, 0] >= log_scales[i, 1] else across[i, 1])
        found[1, i] = np.float64(native[i]) + ln_edge[of_block[i]]


@njit(**AS_WRITTEN)
def hulls(means, reach, starts, ends, found):
    for part in range(starts.shape[0]):
        for axis in range(3):
            low, high = np.inf, -np.inf
            for i in range(starts[part], ends[part]):
                low = min(low, np.float64(means[i, axis]) - reach[i])
                high = max(high, np.float64(means[i, axis]) + reach[i])
            found[part, 0, axis], found[part, 1, axis] = low, high


@njit(**AS_WRITTEN)
def limits(of_block, ln_edge, parent, child, parents, children, scales, places, used):
    for i in range(of_block.shape[0]):
        block = of_block[i]
        scales[0, i] = np.float32(parent[i] - ln_edge[block])
        scales[1, i] = np.float32(child[i] - ln_edge[block])
        if parents[i] >= 0:
            used[block, parents[i]] = True
        if children[i] >= 0:
            used[block, children[i]] = True
    place = np.full((used.shape[0], used.shape[1] + 1), -1, np.int16)  # -1 finds the last one
    for block in range(used.shape[0]):
        count = 0
        for name in range(used.shape[1]):
            if used[block, name]:
                place[block, name] = count
                count += 1
    for i in range(of_block.shape[0]):
        places[0, i] = place[of_block[i], parents[i]]
        places[1, i] = place[of_block[i], children[i]]
