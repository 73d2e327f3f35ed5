# pyright: basic
"""Bounds of surfels by compiled loops: what ``scene_graph.coverage_loops`` defines in numpy, to the bit.

One pass over the rows in the place of a dozen over columns; nothing is fused, reordered or contracted (``AS_WRITTEN``).
``warm_up`` makes a process use them.
"""

from __future__ import annotations

import math
import threading

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import hash_kernels
from wonderzoom.runtime.renderers.simd import AS_WRITTEN
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import ORIGIN
from wonderzoom.scene_graph.coverage_loops import (
    ACROSS,
    ALONG,
    DEPTH_SLACK,
    F32,
    F64,
    POINTS,
    Lens,
    Mask,
    Rows,
    Spots,
    use,
)
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import REACH

I64 = NDArray[np.int64]

_SLACK = 1e-9  # by which a footprint that just touches a plane of the frustum still meets it; any is right


class CompiledLoops:
    """See ``CoverageLoops``."""

    batch_rows = (
        1 << 16
    )  # the loops pass over their rows once: what a batch costs beside them counts for more

    def boxes(self, means: F32, quats: F32, across: F64, thick: F64, starts: I64) -> F64:
        found, ends = np.empty((len(starts), 2, 3)), np.append(starts[1:], len(means))
        _boxes(means, quats, across, thick, starts, ends, found)
        return found

    def look(
        self, rows: Rows, of_block: Rows, means: F64, reach: F64, middle: F64, edge: F64, rotation: F64
    ) -> tuple[F64, F64, F64]:
        points, columns = np.empty((3, len(rows))), np.empty((2, len(rows)))
        _look(rows, of_block, means, reach, middle, edge, rotation, points, columns)
        return points, columns[0], columns[1]

    def settle(
        self, lens: Lens, spots: Spots, rows: Rows, number: int, parent: F64, owner: Rows
    ) -> tuple[Rows, Mask]:
        which, centre = np.empty(len(rows), np.intp), np.empty(len(rows), np.bool_)
        planes = np.concatenate([lens.frustum.normals, lens.frustum.constants[:, None]], 1)
        count = _settle(
            planes, lens.numbers, lens.mask, lens.zeta, spots.points, spots.reach, spots.scale, spots.native,
            rows, number, parent, owner, which, centre,
        )  # fmt: skip
        return which[:count], centre[:count]

    def fold(
        self,
        lens: Lens,
        spots: Spots,
        centre: Mask,
        quats: NDArray[np.float32],
        spread: F64,
        local: Rows,
        number: int,
        nearest: F64,
        whose: Rows,
    ) -> None:
        _fold(
            lens.rotation, lens.numbers, lens.mask, lens.zeta,
            spots.points, spots.reach, spots.edges, spots.scale,
            centre, quats, spread, local, number, nearest, whose,
        )  # fmt: skip


def warm_up() -> None:
    """Compile the loops, or load them from numba's cache, by bounds of one surfel; use them in this process."""
    compiled = CompiledLoops()
    camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.5, 0.5, 1, 1)
    lens = Lens.of(View(camera, np.ones((1, 1), np.bool_), np.zeros((1, 1), np.float32)))
    one, none, row = np.ones(1), np.zeros(1), np.zeros(1, np.intp)
    shapes = (row, row, np.zeros((3, 1)), one, np.zeros((1, 3)), one, lens.rotation)
    spots = Spots(*compiled.look(*shapes), none, one)
    which, centre = compiled.settle(lens, spots, row, 0, one, row.copy())
    quats, bounds = np.array([[1.0, 0.0, 0.0, 0.0]], np.float32), np.full((1, POINTS), -np.inf)
    places = np.zeros((1, POINTS), np.intp)
    compiled.boxes(np.zeros((1, 3), np.float32), quats, np.ones((1, 2)), one, np.zeros(1, np.int64))
    compiled.fold(lens, spots.take(which), centre, quats, np.ones((1, 2)), row, 0, bounds, places)
    hash_kernels.warm_up()
    use(compiled)


def warm_up_in_background() -> threading.Thread:
    """Start ``warm_up`` in a daemon thread; returns it. Until it ends numpy works bounds out, to the same bits."""
    thread = threading.Thread(target=warm_up, name="warm-up bounds", daemon=True)
    thread.start()
    return thread


@njit(**AS_WRITTEN)
def _boxes(means, quats, across, thick, starts, ends, found):
    for part in range(starts.shape[0]):
        for axis in range(3):
            found[part, 0, axis], found[part, 1, axis] = np.inf, -np.inf
        for i in range(starts[part], ends[part]):
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
            found[part, 0, 0], found[part, 1, 0] = (
                min(found[part, 0, 0], x - right),
                max(found[part, 1, 0], x + right),
            )
            found[part, 0, 1], found[part, 1, 1] = (
                min(found[part, 0, 1], y - down),
                max(found[part, 1, 1], y + down),
            )
            found[part, 0, 2], found[part, 1, 2] = (
                min(found[part, 0, 2], z - ahead),
                max(found[part, 1, 2], z + ahead),
            )


@njit(**AS_WRITTEN)
def _look(rows, of_block, means, reach, middle, edge, rotation, points, columns):
    for i in range(rows.shape[0]):
        row = rows[i]
        block = of_block[row]
        e = edge[block]
        x = means[0, row] * e + middle[block, 0]
        y = means[1, row] * e + middle[block, 1]
        z = means[2, row] * e + middle[block, 2]
        for k in range(3):
            points[k, i] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
        columns[0, i] = reach[row] * e
        columns[1, i] = e


@njit(inline="always", **AS_WRITTEN)
def _covers(numbers, mask, zeta, x, y, z, reach):
    """Whether a view covers a point of its coordinates."""
    w = 1.0 + z * numbers[4]
    if not w > NEAR:
        return False
    u = numbers[0] * x / w + numbers[2]
    v = numbers[1] * y / w + numbers[3]
    if not (u >= 0.0 and u < mask.shape[1] and v >= 0.0 and v < mask.shape[0]):
        return False
    column, line = np.intp(u), np.intp(v)
    return mask[line, column] and z <= np.float64(zeta[line, column]) + reach + DEPTH_SLACK * w


@njit(inline="always", **AS_WRITTEN)
def _meets(planes, x, y, z, reach):
    """Whether a footprint may touch the frustum."""
    for k in range(planes.shape[0]):
        a, b, c, d = planes[k, 0], planes[k, 1], planes[k, 2], planes[k, 3]
        grown = (abs(a) + abs(b) + abs(c)) * reach
        size = grown + abs(a * x) + abs(b * y) + abs(c * z) + abs(d)
        if not a * x + b * y + c * z + d + grown + _SLACK * size >= 0.0:
            return False
    return True


@njit(**AS_WRITTEN)
def _settle(
    planes, numbers, mask, zeta, points, reach, scale, native, rows, number, parent, owner, which, centre
):
    count = 0
    for i in range(rows.shape[0]):
        s = scale[i]
        coarser = s > native[i] + LN_SQRT2
        finer = math.isfinite(s) and s < native[i] - LN_SQRT2
        if not (coarser or finer):
            continue
        x, y, z, r = points[0, i], points[1, i], points[2, i], reach[i]
        hit = _covers(numbers, mask, zeta, x, y, z, r)
        if finer:
            if hit or _meets(planes, x, y, z, r):
                which[count] = i
                centre[count] = hit
                count += 1
        elif hit:
            row = rows[i]
            if s < parent[row] or (s == parent[row] and number < owner[row]):
                parent[row] = s
                owner[row] = number
    return count


@njit(**AS_WRITTEN)
def _fold(
    rotation, numbers, mask, zeta, points, reach, edges, scale,
    centre, quats, spread, local, number, nearest, whose,
):  # fmt: skip
    for i in range(local.shape[0]):
        at, s, r = local[i], scale[i], reach[i]
        if centre[i] and s > nearest[at, 0]:
            nearest[at, 0] = s
            whose[at, 0] = number
        w, x = np.float64(quats[i, 0]), np.float64(quats[i, 1])
        y, z = np.float64(quats[i, 2]), np.float64(quats[i, 3])
        norm = math.sqrt(w * w + x * x + y * y + z * z)
        w, x, y, z = w / norm, x / norm, y / norm, z / norm
        a, b = spread[i, 0] * edges[i], spread[i, 1] * edges[i]
        ax, ay, az = a * (1 - 2 * (y * y + z * z)), a * (2 * (x * y + w * z)), a * (2 * (x * z - w * y))
        bx, by, bz = b * (2 * (x * y - w * z)), b * (1 - 2 * (x * x + z * z)), b * (2 * (y * z + w * x))
        px, py, pz = points[0, i], points[1, i], points[2, i]
        ux = rotation[0, 0] * ax + rotation[0, 1] * ay + rotation[0, 2] * az
        uy = rotation[1, 0] * ax + rotation[1, 1] * ay + rotation[1, 2] * az
        uz = rotation[2, 0] * ax + rotation[2, 1] * ay + rotation[2, 2] * az
        vx = rotation[0, 0] * bx + rotation[0, 1] * by + rotation[0, 2] * bz
        vy = rotation[1, 0] * bx + rotation[1, 1] * by + rotation[1, 2] * bz
        vz = rotation[2, 0] * bx + rotation[2, 1] * by + rotation[2, 2] * bz
        for k in range(ALONG.shape[0]):
            if not s > nearest[at, k + 1]:
                continue
            along, across = ALONG[k], ACROSS[k]
            x, y = px + (ux * along + vx * across), py + (uy * along + vy * across)
            z = pz + (uz * along + vz * across)
            if _covers(numbers, mask, zeta, x, y, z, r):
                nearest[at, k + 1] = s
                whose[at, k + 1] = number
