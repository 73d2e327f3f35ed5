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

from wonderzoom.runtime.renderers import hash_kernels, surfel_passes
from wonderzoom.runtime.renderers.simd import AS_WRITTEN
from wonderzoom.runtime.renderers.surfel_passes import CHUNK
from wonderzoom.scene_graph.camera import NEAR, Camera
from wonderzoom.scene_graph.cells import ORIGIN
from wonderzoom.scene_graph.coverage_loops import (
    ACROSS,
    ALONG,
    DEPTH_SLACK,
    F32,
    F64,
    I16,
    POINTS,
    Balls,
    Frames,
    Lens,
    Mask,
    Rows,
    Spots,
    use,
)
from wonderzoom.scene_graph.coverage_loops import finer as is_finer
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import Surfels

# A view that is coarser (finer) than a surfel by more than sqrt 2, or nearly, as a ratio.
_COARSER, _FINER = math.sqrt(2.0) * (1.0 - 1e-6), math.sqrt(0.5) * (1.0 + 1e-6)
_RIM = len(ALONG)  # points of a footprint beside its centre
_LN_MOST = 600.0  # beyond this nothing is said of a ratio of scales by itself
_SLACK = 1e-9  # by which a footprint that just touches a plane of the frustum still meets it; any is right


class CompiledLoops:
    """See ``CoverageLoops``."""

    batch_rows = (
        1 << 17
    )  # the loops pass over their rows once: what a batch costs beside them counts for more

    def boxes(self, means: F32, quats: F32, across: F64, thick: F64, starts: Rows) -> F64:
        found, ends = np.empty((len(starts), 2, 3)), np.append(starts[1:], len(means))
        surfel_passes.boxes(_fixed(means), _fixed(quats), across, thick, starts, ends, found)
        return found

    def sound(self, surfels: Surfels) -> bool:
        return surfel_passes.sound(
            surfels.means.ravel(),
            surfels.quats,
            surfels.log_scales.ravel(),
            surfels.native,
            surfels.opacities,
        )

    def sizes(
        self, log_scales: F32, across: F64, native: F32, ln_edge: F64, of_block: Rows
    ) -> tuple[F64, F64]:
        found = np.empty((2, len(native)))
        surfel_passes.sizes(_fixed(log_scales), across, _fixed(native), ln_edge, of_block, found)
        return found[0], found[1]

    def hulls(self, means: F32, reach: F64, starts: Rows) -> F64:
        found, ends = np.empty((len(starts), 2, 3)), np.append(starts[1:], len(means))
        surfel_passes.hulls(_fixed(means), reach, starts, ends, found)
        return found

    def look(self, lens: Lens, balls: Balls, frames: Frames, rows: Rows) -> Spots:
        points, columns = np.empty((3, len(rows))), np.empty((2, len(rows)))
        _look(
            rows, balls.of_block, _fixed(balls.means), balls.reach, frames.middle, frames.edge, lens.rotation,
            points, columns,
        )  # fmt: skip
        scale = lens.camera.ln_scale_at(points.T, lens.radial)
        return Spots(points, columns[0], columns[1], scale, balls.native[rows])

    def settle(
        self, lens: Lens, balls: Balls, frames: Frames, number: int, parent: F64, owner: Rows
    ) -> tuple[Rows, Spots, Mask]:
        count = len(balls.of_block)
        coarse, fine = np.empty(count, np.intp), np.empty(count, np.intp)
        depth, centre = np.empty(count), np.empty(count, np.bool_)
        planes = np.concatenate([lens.frustum.normals, lens.frustum.constants[:, None]], 1)
        away = lens.camera.ln_scale - frames.ln_edge
        units = np.where(np.abs(away) < _LN_MOST, np.exp(np.clip(away, -_LN_MOST, _LN_MOST)), np.inf)
        coarser, finer = _find(
            planes, lens.numbers, lens.mask.shape, lens.mask.ravel(), lens.zeta.ravel(), lens.rotation, lens.radial,
            balls.of_block, _fixed(balls.means), balls.reach, balls.pixel, balls.native,
            frames.middle, frames.edge, frames.lower, units, parent, coarse, depth, fine, centre,
        )  # fmt: skip
        coarse, fine = coarse[:coarser], fine[:finer]
        if lens.radial:
            scale = self.look(lens, balls, frames, coarse).scale
        else:
            scale = lens.camera.ln_scale + np.log(depth[:coarser])
        _settle(scale, balls.native, coarse, number, parent, owner)
        spots = self.look(lens, balls, frames, fine)
        which = np.flatnonzero(is_finer(spots))
        return fine[which], spots.take(which), centre[which]

    def fold(
        self,
        lens: Lens,
        spots: Spots,
        centre: Mask,
        quats: F32,
        spread: F64,
        local: Rows,
        number: int,
        nearest: F64,
        whose: Rows,
    ) -> None:
        _fold(
            lens.numbers, lens.mask.shape, lens.mask.ravel(), lens.zeta.ravel(),
            _axes_of(lens, spots, quats, spread), spots.points, spots.reach, spots.scale,
            centre, local, number, nearest, whose,
        )  # fmt: skip

    def rims(self, lens: Lens, spots: Spots, quats: F32, spread: F64, whole: bool) -> Mask:
        hit = np.empty(len(spots.reach), np.bool_)
        _rims(
            lens.numbers, lens.mask.shape, lens.mask.ravel(), lens.zeta.ravel(),
            _axes_of(lens, spots, quats, spread), spots.points, spots.reach, whole, hit,
        )  # fmt: skip
        return hit

    def limits(
        self, of_block: Rows, ln_edge: F64, bounds: tuple[F64, F64], owners: tuple[Rows, Rows], names: int
    ) -> tuple[F32, F32, I16, I16, Mask]:
        count, used = len(of_block), np.zeros((len(ln_edge), names), np.bool_)
        scales, places = np.empty((2, count), np.float32), np.empty((2, count), np.int16)
        surfel_passes.limits(of_block, ln_edge, *bounds, *owners, scales, places, used)
        return scales[0], scales[1], places[0], places[1], used


def _axes_of(lens: Lens, spots: Spots, quats: F32, spread: F64) -> F64:
    axes = np.empty((len(quats), 6))
    _footprints(lens.rotation, spots.edges, quats, spread, axes)
    return axes


def _fixed(array):
    """The same, for reading: compiled loops are made for one kind of array, and columns are so."""
    array = array[:]
    array.flags.writeable = False
    return array


def warm_up() -> None:
    """Compile the loops, or load them from numba's cache, by bounds of one surfel; use them in this process."""
    compiled = CompiledLoops()
    camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.5, 0.5, 1, 1)
    lens = Lens.of(View(camera, np.ones((1, 1), np.bool_), np.zeros((1, 1), np.float32)), False)
    one, none, row = np.ones(1), np.zeros(1), np.zeros(1, np.intp)
    means, quats = np.zeros((1, 3), np.float32), np.array([[1.0, 0.0, 0.0, 0.0]], np.float32)
    balls, frames = Balls(row, means, one, one, one), Frames(np.zeros((1, 3)), one, none, none)
    compiled.boxes(means, quats, np.ones((1, 2)), one, row)
    compiled.hulls(means, one, row)
    compiled.sizes(means[:, :2].copy(), np.ones((1, 2)), means[:, 0].copy(), none, row)
    rest = (
        np.zeros((1, *shape), dtype)
        for shape, dtype in (((2,), "f4"), ((), "f4"), ((3,), "u1"), ((), "f4"), ((), "u2"), ((), "u1"))
    )
    compiled.sound(Surfels(means.copy(), quats.copy(), *rest))
    spots = compiled.look(lens, balls, frames, row)
    _, fine, centre = compiled.settle(lens, balls, frames, 0, one, row.copy())
    bounds, places = np.full((1, POINTS), -np.inf), np.zeros((1, POINTS), np.intp)
    compiled.fold(lens, fine, centre, quats[: len(centre)], np.ones((1, 2)), row, 0, bounds, places)
    compiled.rims(lens, spots, quats, np.ones((1, 2)), True)
    compiled.limits(row, none, (one, none), (row, row), 1)
    hash_kernels.warm_up()
    use(compiled)


def warm_up_in_background() -> threading.Thread:
    """Start ``warm_up`` in a daemon thread; returns it. Until it ends numpy works bounds out, to the same bits."""
    thread = threading.Thread(target=warm_up, name="warm-up bounds", daemon=True)
    thread.start()
    return thread


@njit(**AS_WRITTEN)
def _look(rows, of_block, means, reach, middle, edge, rotation, points, columns):
    for i in range(rows.shape[0]):
        row = rows[i]
        block = of_block[row]
        e = edge[block]
        x = np.float64(means[row, 0]) * e + middle[block, 0]
        y = np.float64(means[row, 1]) * e + middle[block, 1]
        z = np.float64(means[row, 2]) * e + middle[block, 2]
        for k in range(3):
            points[k, i] = rotation[k, 0] * x + rotation[k, 1] * y + rotation[k, 2] * z
        columns[0, i] = reach[row] * e
        columns[1, i] = e


@njit(**AS_WRITTEN)
def _pixel(ax, ay, cx, cy, inverse_f, width, height, x, y, z):
    """The pixel that a point of a view is seen at, -1 for none, and its depth.

    Of numbers alone: an array that is handed on costs more than this, as it is counted who holds it.
    """
    w = 1.0 + z * inverse_f
    if not w > NEAR:
        return -1, w
    u, v = ax * x / w + cx, ay * y / w + cy
    if not (u >= 0.0 and u < width and v >= 0.0 and v < height):
        return -1, w
    return np.intp(v) * width + np.intp(u), w


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
def _find(
    planes, numbers, shape, mask, zeta, rotation, radial, of_block, means, reach, pixel, native,
    middle, edge, lower, units, parent, coarse, depths, fine, centre,
):  # fmt: skip
    """The rows that a view covers and may be coarser at, with its depth there, and those that it meets and may be finer
    at, and whether it covers their centres; how many they are.

    Scales are compared to within a hair, and exactly later: mostly a view is as fine as a surfel, and nothing of that
    needs a logarithm.
    """
    ax, ay, cx, cy, inverse_f = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    height, width = shape
    r00, r01, r02 = rotation[0, 0], rotation[0, 1], rotation[0, 2]
    r10, r11, r12 = rotation[1, 0], rotation[1, 1], rotation[1, 2]
    r20, r21, r22 = rotation[2, 0], rotation[2, 1], rotation[2, 2]
    coarser, finer, first = 0, 0, 0
    seen = np.empty(6 * CHUNK)  # one array: several at once would not be worked out in vectors
    while first < of_block.shape[0]:
        block, start = of_block[first], first
        low, e, unit = lower[block], edge[block], units[block]
        count = 1
        while count < CHUNK and start + count < of_block.shape[0] and of_block[start + count] == block:
            count += 1
        first += count
        if not low < np.inf:
            continue
        a, b, c = middle[block, 0], middle[block, 1], middle[block, 2]
        for k in range(count):
            x = np.float64(means[start + k, 0]) * e + a
            y = np.float64(means[start + k, 1]) * e + b
            z = np.float64(means[start + k, 2]) * e + c
            px, py, pz = r00 * x + r01 * y + r02 * z, r10 * x + r11 * y + r12 * z, r20 * x + r21 * y + r22 * z
            w = 1.0 + pz * inverse_f
            seen[k], seen[CHUNK + k], seen[2 * CHUNK + k], seen[3 * CHUNK + k] = px, py, pz, w
            seen[4 * CHUNK + k], seen[5 * CHUNK + k] = ax * px / w + cx, ay * py / w + cy
        for k in range(count):
            i = start + k
            if not (parent[i] >= low or low - LN_SQRT2 <= native[i]):
                continue
            px, py, pz, w = seen[k], seen[CHUNK + k], seen[2 * CHUNK + k], seen[3 * CHUNK + k]
            if not w > NEAR:
                continue
            depth = w
            if radial:
                right, down = px * inverse_f, py * inverse_f
                depth = math.sqrt(right * right + down * down + w * w)
            size, r = depth * unit, reach[i] * e
            if pixel[i] * _FINER <= size <= pixel[i] * _COARSER:
                continue
            u, v = seen[4 * CHUNK + k], seen[5 * CHUNK + k]
            hit = False
            if u >= 0.0 and u < width and v >= 0.0 and v < height:
                at = np.intp(v) * width + np.intp(u)
                hit = mask[at] and pz <= np.float64(zeta[at]) + r + DEPTH_SLACK * w
            if hit and size > pixel[i]:
                coarse[coarser], depths[coarser] = i, w
                coarser += 1
            if not pixel[i] < size < np.inf and (hit or _meets(planes, px, py, pz, r)):
                fine[finer], centre[finer] = i, hit
                finer += 1
    return coarser, finer


@njit(**AS_WRITTEN)
def _settle(scale, native, rows, number, parent, owner):
    for i in range(scale.shape[0]):
        s, row = scale[i], rows[i]
        if s > native[row] + LN_SQRT2 and (s < parent[row] or (s == parent[row] and number < owner[row])):
            parent[row], owner[row] = s, number


@njit(**AS_WRITTEN)
def _axes(w, x, y, z, a, b):
    """The two axes of a footprint by its rotation, of lengths ``a`` and ``b``."""
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    ax, ay, az = a * (1 - 2 * (y * y + z * z)), a * (2 * (x * y + w * z)), a * (2 * (x * z - w * y))
    bx, by, bz = b * (2 * (x * y - w * z)), b * (1 - 2 * (x * x + z * z)), b * (2 * (y * z + w * x))
    return ax, ay, az, bx, by, bz


@njit(**AS_WRITTEN)
def _footprints(rotation, edges, quats, spread, found):
    """Both axes [n, 6] of footprints in a view, REACH standard deviations long."""
    for i in range(found.shape[0]):
        a, b, c, d, e, f = _axes(
            np.float64(quats[i, 0]), np.float64(quats[i, 1]), np.float64(quats[i, 2]), np.float64(quats[i, 3]),
            spread[i, 0] * edges[i], spread[i, 1] * edges[i],
        )  # fmt: skip
        for k in range(3):
            found[i, k] = rotation[k, 0] * a + rotation[k, 1] * b + rotation[k, 2] * c
            found[i, 3 + k] = rotation[k, 0] * d + rotation[k, 1] * e + rotation[k, 2] * f


@njit(**AS_WRITTEN)
def _fold(
    numbers, shape, mask, zeta, axes, points, reach, scale, centre, local, number, nearest, whose
):  # fmt: skip
    ax, ay, cx, cy, inverse_f = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    height, width = shape
    for i in range(local.shape[0]):
        at, s, r = local[i], scale[i], reach[i]
        if centre[i] and s > nearest[at, 0]:
            nearest[at, 0], whose[at, 0] = s, number
        for k in range(ALONG.shape[0]):
            if not s > nearest[at, k + 1]:
                continue
            x = points[0, i] + (axes[i, 0] * ALONG[k] + axes[i, 3] * ACROSS[k])
            y = points[1, i] + (axes[i, 1] * ALONG[k] + axes[i, 4] * ACROSS[k])
            z = points[2, i] + (axes[i, 2] * ALONG[k] + axes[i, 5] * ACROSS[k])
            pixel, w = _pixel(ax, ay, cx, cy, inverse_f, width, height, x, y, z)
            if pixel >= 0 and mask[pixel] and z <= np.float64(zeta[pixel]) + r + DEPTH_SLACK * w:
                nearest[at, k + 1], whose[at, k + 1] = s, number


@njit(**AS_WRITTEN)
def _rims(numbers, shape, mask, zeta, axes, points, reach, whole, hit):
    ax, ay, cx, cy, inverse_f = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    height, width = shape
    seen = np.empty(4 * _RIM)  # one array: several at once would not be worked out in vectors
    for i in range(hit.shape[0]):
        px, py, pz, r = points[0, i], points[1, i], points[2, i], reach[i]
        a, b, c, d, e, f = axes[i, 0], axes[i, 1], axes[i, 2], axes[i, 3], axes[i, 4], axes[i, 5]
        for k in range(_RIM):
            x, y = px + (a * ALONG[k] + d * ACROSS[k]), py + (b * ALONG[k] + e * ACROSS[k])
            z = pz + (c * ALONG[k] + f * ACROSS[k])
            w = 1.0 + z * inverse_f
            seen[k], seen[_RIM + k] = ax * x / w + cx, ay * y / w + cy
            seen[2 * _RIM + k], seen[3 * _RIM + k] = z, w
        hit[i] = whole
        for k in range(_RIM):
            u, v, z, w = seen[k], seen[_RIM + k], seen[2 * _RIM + k], seen[3 * _RIM + k]
            covers = False
            if w > NEAR and u >= 0.0 and u < width and v >= 0.0 and v < height:
                pixel = np.intp(v) * width + np.intp(u)
                covers = mask[pixel] and z <= np.float64(zeta[pixel]) + r + DEPTH_SLACK * w
            if covers != whole:
                hit[i] = covers
                break
