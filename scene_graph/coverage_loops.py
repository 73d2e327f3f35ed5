"""The inner loops of coverage: how far surfels reach, where they are in a view, which of their points it covers.

A process works bounds out with the loops that it chose (``use``): these, in numpy, or compiled ones of the same
functions (``runtime.renderers.coverage_kernels``, 2.5 times faster). Both agree **to the bit**, as bounds are part of a
world's digest: they are sums, products, quotients and roots in the order that is written here. Logarithms and
exponentials, which libraries round differently, come from numpy either way and are handed in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import NEAR, Camera, quat_to_matrix
from wonderzoom.scene_graph.frustum import Frustum
from wonderzoom.scene_graph.scale_node import View
from wonderzoom.scene_graph.scales import LN_SQRT2
from wonderzoom.scene_graph.surfels import REACH, Surfels

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I16 = NDArray[np.int16]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

# How far behind the registered depth still counts as on it, in pixels of the view there: the depth of a
# pixel is that of its centre, and a neighbour's may differ.
DEPTH_SLACK = 2.0
# The points of a footprint beside its centre: on the rim, and half-way between them at half the radius.
RIM = 8
_TURNS = 2.0 * np.pi * np.arange(RIM) / RIM
_BETWEEN = _TURNS + np.pi / RIM
ALONG = np.concatenate([np.cos(_TURNS), 0.5 * np.cos(_BETWEEN)])
ACROSS = np.concatenate([np.sin(_TURNS), 0.5 * np.sin(_BETWEEN)])
POINTS = 1 + 2 * RIM


@dataclass(frozen=True, slots=True)
class Lens:
    """A view as the loops take it."""

    mask: Mask  # [H, W]
    zeta: F32  # [H, W]
    rotation: F64  # [3, 3]
    numbers: F64  # [5] fx / f, fy / f, cx, cy, 1 / f
    frustum: Frustum  # in view axes
    camera: Camera
    radial: bool  # whether scales go by distance, not depth

    @staticmethod
    def of(view: View, radial: bool) -> Lens:
        camera = view.camera
        numbers = np.array([*camera.aspect, camera.cx, camera.cy, camera.inverse_f])
        frustum = Frustum.of(camera, in_view=True)
        mask, zeta = np.ascontiguousarray(view.mask)[:], np.ascontiguousarray(view.zeta)[:]
        mask.flags.writeable = zeta.flags.writeable = False  # compiled loops are made for one kind of array
        return Lens(mask, zeta, camera.rotation, numbers, frustum, camera, radial)


@dataclass(frozen=True, slots=True)
class Balls:
    """N surfels of B blocks, and the balls that their footprints lie in. Lengths in edges of their cells."""

    of_block: Rows  # [N] ascending
    means: F32  # [N, 3]
    reach: F64  # [N] REACH standard deviations along the longer axis
    pixel: F64  # [N] a native pixel
    native: F64  # [N] x, ln root edges per pixel

    def take(self, rows: Rows) -> Balls:
        """Some rows, of the same blocks."""
        return Balls(
            self.of_block[rows], self.means[rows], self.reach[rows], self.pixel[rows], self.native[rows]
        )


@dataclass(frozen=True, slots=True)
class Frames:
    """The cells of B blocks as a view sees them."""

    middle: F64  # [B, 3] centres, in pixels of the view along world axes
    edge: F64  # [B] in pixels
    ln_edge: F64  # [B] ln root edges
    lower: F64  # [B] no ln s of the view is less there; inf where it does not touch


@dataclass(frozen=True, slots=True)
class Spots:
    """n surfels where a view sees them, in its pixels at its pivot."""

    points: F64  # [3, n] view coordinates of their centres
    reach: F64  # [n] 3 standard deviations
    edges: F64  # [n] edge of the surfel's cell
    scale: F64  # [n] ln s of the view there
    native: F64  # [n] their own

    def take(self, which: Rows) -> Spots:
        """Some of them."""
        return Spots(
            np.take(self.points, which, 1),
            self.reach[which],
            self.edges[which],
            self.scale[which],
            self.native[which],
        )


class CoverageLoops(Protocol):
    """See ``NumpyLoops``."""

    batch_rows: int  # blocks are worked on together up to about this many rows

    def boxes(self, means: F32, quats: F32, across: F64, thick: F64, starts: Rows) -> F64: ...

    def sound(self, surfels: Surfels) -> bool: ...

    def sizes(
        self, log_scales: F32, across: F64, native: F32, ln_edge: F64, of_block: Rows
    ) -> tuple[F64, F64]: ...

    def hulls(self, means: F32, reach: F64, starts: Rows) -> F64: ...

    def look(self, lens: Lens, balls: Balls, frames: Frames, rows: Rows) -> Spots: ...

    def settle(
        self, lens: Lens, balls: Balls, frames: Frames, number: int, parent: F64, owner: Rows
    ) -> tuple[Rows, Spots, Mask]: ...

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
    ) -> None: ...

    def rims(self, lens: Lens, spots: Spots, quats: F32, spread: F64, whole: bool) -> Mask: ...

    def limits(
        self, of_block: Rows, ln_edge: F64, bounds: tuple[F64, F64], owners: tuple[Rows, Rows], names: int
    ) -> tuple[F32, F32, I16, I16, Mask]: ...


class NumpyLoops:
    """The definition."""

    def boxes(self, means: F32, quats: F32, across: F64, thick: F64, starts: Rows) -> F64:
        """The boxes [B, 2, 3] of runs of surfels, which begin at ``starts``, with their REACH.

        ``means`` [N, 3], ``quats`` [N, 4], standard deviations along both axes ``across`` [N, 2] and the normal [N].
        """
        w, x, y, z = np.ascontiguousarray(quats.T, np.float64)
        # Rows of the rotation: world axes in terms of the two axes and the normal.
        s = 2.0 / (w * w + x * x + y * y + z * z)
        xx, yy, zz = s * x * x, s * y * y, s * z * z
        xy, xz, yz = s * x * y, s * x * z, s * y * z
        wx, wy, wz = s * w * x, s * w * y, s * w * z
        rows = (
            (1.0 - (yy + zz), xy - wz, xz + wy),
            (xy + wz, 1.0 - (xx + zz), yz - wx),
            (xz - wy, yz + wx, 1.0 - (xx + yy)),
        )
        a, b = across.T
        found = np.empty((len(starts), 2, 3))
        for axis, (first, second, normal) in enumerate(rows):
            extent = REACH * np.sqrt((first * a) ** 2 + (second * b) ** 2 + (normal * thick) ** 2)
            found[:, 0, axis] = np.minimum.reduceat(means[:, axis] - extent, starts)
            found[:, 1, axis] = np.maximum.reduceat(means[:, axis] + extent, starts)
        return found

    def sound(self, surfels: Surfels) -> bool:
        """Whether all is well with one row or more (``Surfels.is_sound``)."""
        return surfels.is_sound()

    def sizes(
        self, log_scales: F32, across: F64, native: F32, ln_edge: F64, of_block: Rows
    ) -> tuple[F64, F64]:
        """``reach`` and ``native`` of ``Balls``.

        ``log_scales`` [N, 2], ``native`` [N] as columns hold them; ``across`` [N, 2] standard deviations.
        """
        longer = np.where(log_scales[:, 0] >= log_scales[:, 1], across[:, 0], across[:, 1])
        return REACH * longer, native.astype(np.float64) + ln_edge[of_block]

    def hulls(self, means: F32, reach: F64, starts: Rows) -> F64:
        """The boxes [B, 2, 3] of runs of balls of centres ``means`` [N, 3] and radii ``reach`` [N]."""
        low = np.minimum.reduceat(means - reach[:, None], starts)
        return np.stack([low, np.maximum.reduceat(means + reach[:, None], starts)], 1)

    # The columns of a batch fit a core's cache, and the cost of a call is spread over them (three times faster
    # than block by block).
    batch_rows = 1 << 14

    def look(self, lens: Lens, balls: Balls, frames: Frames, rows: Rows) -> Spots:
        """Some rows where a view sees them."""
        block = balls.of_block[rows]
        edges = frames.edge[block]
        means = np.ascontiguousarray(balls.means[rows].T, np.float64)
        points = turned(lens.rotation, means * edges + frames.middle.T[:, block])
        scale = lens.camera.ln_scale_at(points.T, lens.radial)
        return Spots(points, balls.reach[rows] * edges, edges, scale, balls.native[rows])

    def settle(
        self, lens: Lens, balls: Balls, frames: Frames, number: int, parent: F64, owner: Rows
    ) -> tuple[Rows, Spots, Mask]:
        """Let a view be the parent where it is the nearest so far, in place, and find where it may be the child.

        A view of equal scale is the parent where its ``number`` is less than ``owner`` [N]. Returns the rows at which
        it is finer and whose footprints it meets, these, and whether it covers their centres.
        """
        lower = frames.lower[balls.of_block]
        may = (parent >= lower) | (lower - LN_SQRT2 <= balls.native)
        rows = np.flatnonzero(may & (lower < np.inf))
        spots = self.look(lens, balls, frames, rows)
        which = met(lens, spots)
        spots, rows = spots.take(which), rows[which]
        centre = covered(lens, spots.points, spots.reach)
        known = parent[rows]
        nearer = (spots.scale < known) | ((spots.scale == known) & (number < owner[rows]))
        nearer &= coarser(spots) & centre
        parent[rows[nearer]], owner[rows[nearer]] = spots.scale[nearer], number
        fine = np.flatnonzero(finer(spots))
        return rows[fine], spots.take(fine), centre[fine]

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
        """Let a view that is finer at some spots be the nearest of their footprints' points that it covers, in place.

        ``nearest`` [H, POINTS] and ``whose`` are of the surfels ``local`` [n], ``spread`` [n, 2] their 3 sigma along
        both axes in cell edges; ``centre`` says whether their first point is covered.
        """
        hit = np.concatenate([centre[:, None], rings(lens, spots, quats, spread)], 1)
        better = hit & (spots.scale[:, None] > nearest[local])
        nearest[local] = np.where(better, spots.scale[:, None], nearest[local])
        whose[local] = np.where(better, number, whose[local])

    def rims(self, lens: Lens, spots: Spots, quats: F32, spread: F64, whole: bool) -> Mask:
        """[n] whether a view covers all the points beside the centres, or, where not ``whole``, any.

        ``spread`` [n, 2]: 3 sigma along both axes in cell edges.
        """
        hit = rings(lens, spots, quats, spread)
        return (np.logical_and if whole else np.logical_or).reduce(hit, axis=1)

    def limits(
        self, of_block: Rows, ln_edge: F64, bounds: tuple[F64, F64], owners: tuple[Rows, Rows], names: int
    ) -> tuple[F32, F32, I16, I16, Mask]:
        """Parent and child ``bounds`` [N] and their ``owners`` [N] (-1: none) as blocks hold them.

        Bounds relative to ``ln_edge`` [B]; owners as places among the names that the block uses; and which of the
        ``names`` each block uses [B, names].
        """
        parent, child = ((each - ln_edge[of_block]).astype(np.float32) for each in bounds)
        used = np.zeros((len(ln_edge), names + 1), np.bool_)  # -1 finds the last one
        for each in owners:
            used[of_block, each] = True
        used[:, -1] = False
        places = np.where(used, np.cumsum(used, 1) - 1, -1).astype(np.int16)
        parents, children = (places[of_block, each] for each in owners)
        return parent, child, parents, children, used[:, :-1]


# ---- the words of it --------------------------------------------------------------------------------
def coarser(spots: Spots) -> Mask:
    """[n] whether the view is coarser than the surfel, by more than sqrt 2."""
    return spots.scale > spots.native + LN_SQRT2


def finer(spots: Spots) -> Mask:
    """[n] whether it is finer, by more than sqrt 2."""
    return np.isfinite(spots.scale) & (spots.scale < spots.native - LN_SQRT2)


def met(lens: Lens, spots: Spots) -> Rows:
    """Which surfels a view may bound: it meets their footprint, at another scale; a superset."""
    other = np.flatnonzero(coarser(spots) | finer(spots))
    if not len(other):
        return other
    halves = np.broadcast_to(spots.reach[other, None], (len(other), 3))
    return other[lens.frustum.touches(spots.points[:, other].T, halves)]


def rings(lens: Lens, spots: Spots, quats: F32, spread: F64) -> Mask:
    """[n, 2 RIM] which points of the footprints, beside the centres, are covered."""
    axes = quat_to_matrix(quats)
    half = spread * spots.edges[:, None]
    first, second = (turned(lens.rotation, (half[:, k, None] * axes[:, :, k]).T) for k in range(2))
    offsets = first[:, :, None] * ALONG + second[:, :, None] * ACROSS
    return covered(lens, spots.points[:, :, None] + offsets, spots.reach[:, None])


def covered(lens: Lens, points: F64, reach: F64) -> Mask:
    """Which points [3, ...] project inside the mask at or in front of its depth, within ``reach`` and DEPTH_SLACK."""
    height, width = lens.mask.shape
    ax, ay, cx, cy, inverse_f = lens.numbers.tolist()
    x, y, z = points
    w = 1.0 + z * inverse_f
    ahead = w > NEAR
    safe = np.where(ahead, w, 1.0)
    u = ax * x / safe + cx
    v = ay * y / safe + cy
    inside = ahead & (u >= 0) & (u < width) & (v >= 0) & (v < height)
    at = np.nonzero(inside)
    pixel = v[at].astype(np.intp) * width + u[at].astype(np.intp)
    limit = lens.zeta.ravel()[pixel] + np.broadcast_to(reach, w.shape)[at] + DEPTH_SLACK * w[at]
    inside[at] = lens.mask.ravel()[pixel] & (z[at] <= limit)
    return inside


def turned(matrix: F64, vectors: F64) -> F64:
    """``matrix @ vectors`` [3, n], spelled out: BLAS rounds by the shape of the batch."""
    x, y, z = vectors
    return np.stack([row[0] * x + row[1] * y + row[2] * z for row in matrix])


# ---- which ones -------------------------------------------------------------------------------------
_chosen: list[CoverageLoops] = [NumpyLoops()]


def use(loops: CoverageLoops) -> CoverageLoops:
    """Work bounds out with these loops in this process from now on; what it used before.

    Nothing but its speed depends on them, so that no world carries them.
    """
    before, _chosen[0] = _chosen[0], loops
    return before


def loops() -> CoverageLoops:
    """What this process works bounds out with."""
    return _chosen[0]
