# pyright: basic
"""Signed distances of shapes, for numba: one distance per kind of primitive, and their union.

Owns: the mathematics between a shape's arrays and a distance. Does not own: rays (``trace_kernels``) and
colours (``surface_kernels``). Every function is a pure function of its arguments, so any thread, window or
zoom computes the same surface. No fastmath: precision is the point when a pixel is 1e-9 of the thing.

A distance may be a lower bound of the true one (never an upper bound): sphere tracing stays exact.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U
from wonderzoom.generation.embedded.shape_columns import (
    BALL,
    BALL_BLEND,
    BALL_GROUP,
    BALL_OPERATION,
    BALL_REACH,
    BLADE,
    BOX,
    BROAD_LEAF,
    CONE,
    CONVEX,
    CYLINDER,
    ELLIPSE,
    ELLIPSOID,
    FAN,
    FOLIAGE,
    FORK,
    HAIR,
    KIND,
    LEAF,
    LIPSCHITZ,
    LOBED,
    NO_FLOOR,
    PARAM,
    PETAL,
    POSITION,
    REVOLUTION,
    ROTATION,
    SHEET,
    STRIP,
    TORUS,
)
from wonderzoom.generation.embedded.space_kernels import mix3

NOWHERE = 1e9  # a distance larger than any thing
BYTE = 1.0 / 256


@njit(**KERNEL)
def outline(kind, u, width):
    """Half width of a sheet at fraction ``u`` of its length."""
    if u <= 0.0 or u >= 1.0:
        return 0.0
    if kind == PETAL:
        return width * (math.sin(math.pi * u**0.8) ** 0.55) * (0.35 + 0.65 * min(1.0, u * 2.2))
    if kind == LEAF:
        return width * math.sin(math.pi * u**0.75) ** 0.9 * (1.0 - 0.35 * u)
    if kind == ELLIPSE:
        return width * math.sqrt(max(0.0, 1 - (2 * u - 1) ** 2))
    if kind == FAN:
        return width * (u**0.6) * math.sqrt(max(0.0, 1 - u**6))
    if kind == STRIP:
        return width * min(1.0, min(u * 12.0, (1 - u) * 12.0))
    if kind == BLADE:
        return width * (1 - u)
    if kind == LOBED:  # oak leaf, fern frond
        return width * math.sin(math.pi * u**0.8) ** 0.7 * (0.62 + 0.38 * math.sin(u * 26.0) ** 2)
    return width * (0.16 + 0.84 * u) * math.sqrt(max(0.0, 1 - u**8))  # FORK: a tail


@njit(inline="always")
def to_local(P, i, x, y, z):
    dx, dy, dz = x - P[i, POSITION], y - P[i, POSITION + 1], z - P[i, POSITION + 2]
    r = ROTATION
    return (
        P[i, r] * dx + P[i, r + 1] * dy + P[i, r + 2] * dz,
        P[i, r + 3] * dx + P[i, r + 4] * dy + P[i, r + 5] * dz,
        P[i, r + 6] * dx + P[i, r + 7] * dy + P[i, r + 8] * dz,
    )


@njit(**KERNEL)
def ellipsoid_distance(x, y, z, rx, ry, rz):
    a, b, c = x / rx, y / ry, z / rz
    k0 = math.sqrt(a * a + b * b + c * c)
    a, b, c = a / rx, b / ry, c / rz
    k1 = math.sqrt(a * a + b * b + c * c)
    if k1 < 1e-9:
        return -min(rx, min(ry, rz))
    return k0 * (k0 - 1) / k1


@njit(inline="always")
def sheet_distance(P, i, x, y, z, care):
    p = PARAM
    length, width, kind = P[i, p], P[i, p + 1], int(P[i, p + 2])
    bend, cup, thick, curl, wave = P[i, p + 3], P[i, p + 4], P[i, p + 5], P[i, p + 6], P[i, p + 7]
    # Far from its box the box will do: no outline to evaluate and no slope to allow for.
    bx, by, bz = (
        max(max(-x, x - length), 0.0),
        max(abs(y) - width, 0.0),
        max(max(P[i, p + 8] - z, z - P[i, p + 9]), 0.0),
    )
    box = math.sqrt(bx * bx + by * by + bz * bz)
    if box > 0.04 * length and box > care:
        return box
    u = x / length
    u = 0.0 if u < 0 else (1.0 if u > 1 else u)
    rise = (bend * u * u + curl * u * u * u) * length + cup * y * y / width
    if wave > 0:
        rise += wave * math.sin(u * length / width * 4.0 + y / width * 2.0) * (abs(y) / width)
    half = outline(kind, u, width)
    across = abs(y) - half
    if kind == FORK:  # a notch cut into the far end
        across = max(across, (u - 0.62) * length * 1.2 - abs(y) * 1.3)
    above = abs(z - rise) - thick
    ends = max(x - length, -x)
    pa, pb, pc = max(above, 0.0), max(across, 0.0), max(ends, 0.0)
    if pa > 0 or pb > 0 or pc > 0:
        return math.sqrt(pa * pa + pb * pb + pc * pc) * P[i, LIPSCHITZ]
    return max(above, max(across * 0.5, ends)) * P[i, LIPSCHITZ]


@njit(inline="always")
def revolution_distance(P, T, i, x, y, z):
    """Signed distance to a closed polygon in (radius, height)."""
    p = PARAM
    start, n, rounding, lobes = int(P[i, p]), int(P[i, p + 1]), P[i, p + 2], P[i, p + 3]
    q = math.sqrt(x * x + (y / P[i, p + 5]) ** 2)
    if lobes > 0:
        q = q / (1 + P[i, p + 4] * math.cos(lobes * math.atan2(y, x)))
    best, sign, j = 1e18, 1.0, n - 1
    for k in range(n):
        ax, ay, bx, by = T[start + k, 0], T[start + k, 1], T[start + j, 0], T[start + j, 1]
        ex, ey, wx, wy = bx - ax, by - ay, q - ax, z - ay
        t = (wx * ex + wy * ey) / (ex * ex + ey * ey + 1e-12)
        t = 0.0 if t < 0 else (1.0 if t > 1 else t)
        gx, gy = wx - ex * t, wy - ey * t
        best = min(best, gx * gx + gy * gy)
        above, below, left = z >= ay, z < by, ex * wy > ey * wx
        if (above and below and left) or not (above or below or left):
            sign = -sign
        j = k
    return (sign * math.sqrt(best) - rounding) * P[i, LIPSCHITZ]


@njit(inline="always")
def convex_distance(P, T, i, x, y, z):
    """Largest signed plane distance, with smooth maxima at the edges (a polished bevel)."""
    start, n, bevel = int(P[i, PARAM]), int(P[i, PARAM + 1]), P[i, PARAM + 2]
    d = -NOWHERE
    for k in range(start, start + n):
        e = T[k, 0] * x + T[k, 1] * y + T[k, 2] * z - T[k, 3]
        h = bevel - abs(d - e)
        d = max(d, e)
        if h > 0 and bevel > 0:
            d += h * h / bevel * 0.25
    return d


@njit(inline="always")
def byte(h, k):
    """The k-th of eight numbers in [0, 1) from one hash: eight bits are enough for the pose of a leaf."""
    return float((h >> U(8 * k)) & U(255)) * BYTE


@njit(inline="always")
def blade_distance(P, i, h, ax, ay, az, dx, dy, dz, half):
    """One blade: (distance, local x, y, z). d: from its centre; a: outward direction of the volume there."""
    cell, growth, slender = P[i, PARAM + 3], int(P[i, PARAM + 4]), P[i, PARAM + 5]
    ux, uy, uz = byte(h, 4) * 2 - 1, byte(h, 5) * 2 - 1, byte(h, 6) * 2 - 1
    # Axis of the blade: leaves hang along the crown's surface, needles and hairs point outward.
    if growth == BROAD_LEAF:
        fx, fy, fz = ax * 0.8 + uy * 0.7, ay * 0.8 + uz * 0.7, az * 0.8 + 0.5 + ux * 0.7
        ax, ay, az = ux + ax * 0.35, uy + ay * 0.35, uz * 0.5 - 0.55
    else:
        spread = 0.55 if growth != HAIR else 0.32
        lift = 0.12 if growth != HAIR else -0.1
        ax, ay, az = ax + ux * spread, ay + uy * spread, az + uz * spread + lift
        fx, fy, fz = uy, uz, ux + 0.3
    size = math.sqrt(ax * ax + ay * ay + az * az) + 1e-12
    ax, ay, az = ax / size, ay / size, az / size
    dot = fx * ax + fy * ay + fz * az
    fx, fy, fz = fx - dot * ax, fy - dot * ay, fz - dot * az
    size = math.sqrt(fx * fx + fy * fy + fz * fz) + 1e-9
    fx, fy, fz = fx / size, fy / size, fz / size
    lx = dx * ax + dy * ay + dz * az
    lz = dx * fx + dy * fy + dz * fz
    sx, sy, sz = fy * az - fz * ay, fz * ax - fx * az, fx * ay - fy * ax
    ly = dx * sx + dy * sy + dz * sz
    a = half * (0.72 + 0.28 * byte(h, 7))
    if growth == BROAD_LEAF:
        b, thick = a * slender, 0.035 * cell
        # Lens of two circles: a pointed leaf, folded a little along its midrib and drooping at the tip.
        big = (a * a + b * b) / (2 * b)
        rim = math.sqrt(lx * lx + (abs(ly) + big - b) ** 2) - big
        lift = abs(lz + 0.25 * lx * lx / a - 0.35 * abs(ly) * (1 - abs(ly) / (4 * b))) - thick
        if max(rim, lift) > 0:
            return 0.75 * math.sqrt(max(rim, 0.0) ** 2 + max(lift, 0.0) ** 2), lx, ly, lz
        return 0.75 * max(rim, lift), lx, ly, lz
    t = 0.5 + 0.5 * lx / a
    t = 0.0 if t < 0 else (1.0 if t > 1 else t)
    along = lx - (2 * t - 1) * a
    return math.sqrt(ly * ly + lz * lz + along * along) - a * slender * (1.05 - t), lx, ly, lz


@njit(**KERNEL)
def leaf_at(P, i, x, y, z, known):
    """The blade of a foliage volume nearest to a local point.

    Returns (distance, x, y, z in the blade's own frame, hash of the blade). Only the eight cells around the
    point are searched, so the distance is capped by how near a blade of another cell may come. Volumes that
    are certainly farther than ``known`` are not searched.
    """
    p = PARAM
    rx, ry, rz, cell, growth = P[i, p], P[i, p + 1], P[i, p + 2], P[i, p + 3], int(P[i, p + 4])
    hollow, seed, density = P[i, p + 6], U(P[i, p + 7]), P[i, p + 8]
    jitter = 0.22 if growth != HAIR else 0.15
    half = (0.52 if growth != HAIR else 0.72) * cell
    far = ellipsoid_distance(x, y, z, rx, ry, rz)
    if far > 2.0 * cell or (far - cell) * 0.9 > known:
        return (far - cell) * 0.9, x, y, z, U(0)
    # Blades of cells that are not searched, and of cells outside the ellipsoid, stay at least this far away.
    best = 0.9 * max(cell * (1.0 - jitter) - half, far - half - jitter * cell)
    bx, by, bz, found = x, y, z, U(0)
    xi, yi, zi = math.floor(x / cell - 0.5), math.floor(y / cell - 0.5), math.floor(z / cell - 0.5)
    for c in range(8):
        gi, gj, gk = np.int64(xi) + (c & 1), np.int64(yi) + ((c >> 1) & 1), np.int64(zi) + (c >> 2)
        nx, ny, nz = (gi + 0.5) * cell, (gj + 0.5) * cell, (gk + 0.5) * cell
        rho = (nx / rx) ** 2 + (ny / ry) ** 2 + (nz / rz) ** 2
        if rho > 1.0 or rho < hollow * hollow:
            continue
        h = mix3(gi, gj, gk, seed)
        if byte(h, 3) > density:
            continue
        cx = nx + 2 * jitter * (byte(h, 0) - 0.5) * cell
        cy = ny + 2 * jitter * (byte(h, 1) - 0.5) * cell
        cz = nz + 2 * jitter * (byte(h, 2) - 0.5) * cell
        dx, dy, dz = x - cx, y - cy, z - cz
        if dx * dx + dy * dy + dz * dz > (half + max(min(best, known), 0.0)) ** 2:
            continue  # even its ball is farther
        nx, ny, nz = cx / (rx * rx), cy / (ry * ry), cz / (rz * rz)
        size = math.sqrt(nx * nx + ny * ny + nz * nz) + 1e-12
        d, lx, ly, lz = blade_distance(P, i, h, nx / size, ny / size, nz / size, dx, dy, dz, half)
        if d < best:
            best, bx, by, bz, found = d, lx, ly, lz, h
    return best, bx, by, bz, found


@njit(**KERNEL)
def primitive_distance(P, T, i, wx, wy, wz, known, care):
    x, y, z = to_local(P, i, wx, wy, wz)
    kind, p = int(P[i, KIND]), PARAM
    if kind == ELLIPSOID:
        d = ellipsoid_distance(x, y, z, P[i, p], P[i, p + 1], P[i, p + 2])
        if P[i, p + 3] > NO_FLOOR + 1:
            d = max(d, P[i, p + 3] - z)
        return d
    if kind == CONE:
        h, r1, r2 = P[i, p], P[i, p + 1], P[i, p + 2]
        q = math.sqrt(x * x + y * y)
        b = (r1 - r2) / h
        a = math.sqrt(max(0.0, 1 - b * b))
        k = -b * q + a * z
        if k < 0:
            return math.sqrt(q * q + z * z) - r1
        if k > a * h:
            return math.sqrt(q * q + (z - h) * (z - h)) - r2
        return a * q + b * z - r1
    if kind == BOX:
        r = P[i, p + 3]
        a, b, c = abs(x) - P[i, p] + r, abs(y) - P[i, p + 1] + r, abs(z) - P[i, p + 2] + r
        inside = min(max(a, max(b, c)), 0.0)
        a, b, c = max(a, 0.0), max(b, 0.0), max(c, 0.0)
        return math.sqrt(a * a + b * b + c * c) + inside - r
    if kind == TORUS:
        q = math.sqrt(x * x + y * y) - P[i, p]
        return math.sqrt(q * q + z * z) - P[i, p + 1]
    if kind == SHEET:
        return sheet_distance(P, i, x, y, z, care)
    if kind == REVOLUTION:
        return revolution_distance(P, T, i, x, y, z)
    if kind == CYLINDER:
        r = P[i, p + 2]
        a, b = math.sqrt(x * x + y * y) - P[i, p] + r, abs(z) - P[i, p + 1] + r
        inside = min(max(a, b), 0.0)
        a, b = max(a, 0.0), max(b, 0.0)
        return math.sqrt(a * a + b * b) + inside - r
    if kind == CONVEX:
        return convex_distance(P, T, i, x, y, z)
    if kind == FOLIAGE:
        return leaf_at(P, i, x, y, z, known)[0]
    return NOWHERE


@njit(inline="always")
def smooth_minimum(a, b, k):
    if k <= 0:
        return min(a, b)
    h = max(k - abs(a - b), 0.0) / k
    return min(a, b) - h * h * k * 0.25


@njit(**KERNEL)
def distance(P, B, T, chosen, count, x, y, z, care):
    """Distance to the union of the chosen primitives (in row order) and the index of the one that owns the point.

    Below ``care`` it is as exact as a primitive's own distance, above it may be a bound: soft shadows depend on
    how near a ray passes, the march along a ray does not.
    """
    nearest, owner = NOWHERE, -1
    part, part_owner, part_best, group = NOWHERE, -1, NOWHERE, -1.0
    for q in range(count):
        i = chosen[q]
        if B[i, BALL_GROUP] != group:
            if part < nearest:
                nearest, owner = part, part_owner
            part, part_owner, part_best, group = NOWHERE, -1, NOWHERE, B[i, BALL_GROUP]
        k, operation, reach = B[i, BALL_BLEND], B[i, BALL_OPERATION], B[i, BALL_REACH]
        ex, ey, ez = x - B[i, BALL], y - B[i, BALL + 1], z - B[i, BALL + 2]
        e2 = ex * ex + ey * ey + ez * ez
        if operation > 0:
            known = min(nearest, part)
            limit = max(reach + known + k, 0.0)
            if e2 > limit * limit and known < 0.1 * NOWHERE:
                continue  # its bounding ball is farther than what is already known
            # Far away the bounding ball will do; nearer it still sharpens a primitive's own lower bound.
            d = math.sqrt(e2) - reach
            if e2 < 4 * reach * reach + 0.25 or d < care:
                d = max(d, primitive_distance(P, T, i, x, y, z, known, care))
            if d < part_best:
                part_best, part_owner = d, i
            part = smooth_minimum(part, d, k)
        else:
            if operation < 0 and part > -reach:
                limit = reach + max(0.0, k - part)
                if e2 > limit * limit:
                    continue  # what it takes away is elsewhere
            d = primitive_distance(P, T, i, x, y, z, NOWHERE, care)
            if operation < 0:
                d = -d
            if d > part:
                part_owner = i
            part = -smooth_minimum(-part, -d, k)
    if part < nearest:
        nearest, owner = part, part_owner
    return nearest, owner
