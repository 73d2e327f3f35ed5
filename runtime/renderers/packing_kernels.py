# pyright: basic
"""The layout of a packed chunk, and the kernel that fills it in one pass over the surfels of a block."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.cpu_memory import bits_float
from wonderzoom.runtime.renderers.simd import KERNEL

CHUNK = 256  # surfels: the scratch of one chunk stays in the first-level cache, culling stays fine
# Columns of a chunk. Lengths in cell edges; axes are the two standard deviations as vectors in cell axes.
X, Y, Z, UX, UY, UZ, VX, VY, VZ = range(9)
OPACITY, MASS, NATIVE, PARENT_SLOPE, CHILD_SLOPE, COLOR = range(9, 15)
SIGMA = 15  # the larger standard deviation
NORMAL = 16  # what the cross product of the two axes is multiplied with to have the length of the thickness
COLUMNS = 17

# No bound is nearer to the native scale than ln sqrt 2 (scale_semantics); this only keeps slopes finite.
LEAST_SPAN = 1e-6
_LEAST_AREA = 1e-30  # of a surfel, square cell edges: nothing that small is ever seen


@njit(**KERNEL)
def pack(
    means, quats, log_scales, opacities, masses, colors, native, parent, child, thickness, reach,
    data, spheres, intervals,
):  # fmt: skip
    """Fill ``data`` [C, COLUMNS, STRIDE], ``spheres`` [C, 4] and ``intervals`` [C, 4] of a block's C chunks.

    ``thickness`` in native pixels; ``reach`` in standard deviations. Rows beyond the last surfel are zeros:
    their opacity is 0 and they are never drawn.
    """
    n = means.shape[0]
    for c in range(data.shape[0]):
        first, last = c * CHUNK, min(n, (c + 1) * CHUNK)
        x0, y0, z0 = means[first, 0], means[first, 1], means[first, 2]
        x1, y1, z1 = x0, y0, z0
        for i in range(first, last):
            x, y, z = means[i, 0], means[i, 1], means[i, 2]
            x0, y0, z0 = min(x0, x), min(y0, y), min(z0, z)
            x1, y1, z1 = max(x1, x), max(y1, y), max(z1, z)
        # The centre is a sum of float32 numbers: exact in float64.
        cx = 0.5 * (np.float64(x0) + np.float64(x1))
        cy = 0.5 * (np.float64(y0) + np.float64(y1))
        cz = 0.5 * (np.float64(z0) + np.float64(z1))
        radius, finest, coarsest, least, greatest = 0.0, math.inf, -math.inf, math.inf, -math.inf
        data[c, :, :] = 0.0
        for i in range(first, last):
            row = i - first
            x, y, z = means[i, 0] - cx, means[i, 1] - cy, means[i, 2] - cz
            qw, qx = np.float64(quats[i, 0]), np.float64(quats[i, 1])
            qy, qz = np.float64(quats[i, 2]), np.float64(quats[i, 3])
            scale = 1.0 / math.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
            qw, qx, qy, qz = qw * scale, qx * scale, qy * scale, qz * scale
            su, sv = math.exp(np.float64(log_scales[i, 0])), math.exp(np.float64(log_scales[i, 1]))
            s = np.float64(native[i])
            data[c, X, row], data[c, Y, row], data[c, Z, row] = x, y, z
            data[c, UX, row] = su * (1.0 - 2.0 * (qy * qy + qz * qz))
            data[c, UY, row] = su * 2.0 * (qx * qy + qw * qz)
            data[c, UZ, row] = su * 2.0 * (qx * qz - qw * qy)
            data[c, VX, row] = sv * 2.0 * (qx * qy - qw * qz)
            data[c, VY, row] = sv * (1.0 - 2.0 * (qx * qx + qz * qz))
            data[c, VZ, row] = sv * 2.0 * (qy * qz + qw * qx)
            data[c, OPACITY, row], data[c, MASS, row] = opacities[i], masses[i]
            data[c, NATIVE, row] = native[i]
            # Eq. 3 as 1 - max(r - x, 0) / (parent - x) - max(x - r, 0) / (x - child); no bound: slope 0.
            data[c, PARENT_SLOPE, row] = 1.0 / max(np.float64(parent[i]) - s, LEAST_SPAN)
            data[c, CHILD_SLOPE, row] = 1.0 / max(s - np.float64(child[i]), LEAST_SPAN)
            bits = np.int32(colors[i, 0]) | (np.int32(colors[i, 1]) << 8) | (np.int32(colors[i, 2]) << 16)
            data[c, COLOR, row] = bits_float(np.int32(bits))
            data[c, SIGMA, row] = max(su, sv)
            data[c, NORMAL, row] = thickness * math.exp(s) / max(su * sv, _LEAST_AREA)
            radius = max(radius, math.sqrt(x * x + y * y + z * z) + reach * max(su, sv))
            finest, coarsest = min(finest, np.float64(child[i])), max(coarsest, np.float64(parent[i]))
            least, greatest = min(least, s), max(greatest, s)
        spheres[c, 0], spheres[c, 1], spheres[c, 2], spheres[c, 3] = cx, cy, cz, radius
        intervals[c, 0], intervals[c, 1], intervals[c, 2], intervals[c, 3] = finest, coarsest, least, greatest
