"""The pivot camera: projection that stays exact at any magnification.

A camera is never an absolute eye: a deep focal zoom puts the eye 1e36 cells away. It is a *pivot* on
its optical axis (an exact position), an orientation, and logarithms of distance and focal length:

    P  = (f / D) R (p - q)                 view coordinates, in native pixels at the pivot, [3]
    w  = 1 + P_z / f                       depth in units of D
    uv = (fx/f, fy/f) * P_xy / w + (cx, cy)

with f = sqrt(fx fy), q the pivot, R world -> camera (OpenCV axes: x right, y down, z forward), D the
depth of the pivot. All quantities of order one to order image width at every depth of the world; only
``f / D`` is large, and it is applied per cell from exact cell differences. ``P_z`` is *zeta*: depth
relative to the pivot in native pixels, the unit of every depth map of this project.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.cells import (
    LN2,
    MAX_LEVEL,
    ORIGIN,
    PIXELS_PER_CELL,
    Cell,
    Position,
    saturated_shift,
)

Array = NDArray[np.float64]
_Number = TypeVar("_Number", float, Array)

# exp() of anything beyond is 0 or inf in float64; logarithms themselves stay exact far beyond.
_LN_LIMIT = 690.0
# Shorter focal lengths (in pixels) see a single pixel under 178 degrees and more: no pinhole camera.
_LN_MIN_FOCAL = math.log(2.0**-7)
# A crop may lie far off the axis, but a pixel of it must still be resolved to 1e-7 in float64.
_MAX_PRINCIPAL = 1e9
# Below this depth (in D) a surfel is behind or at the eye and is skipped (scale_semantics, section 2).
NEAR = 2.0**-7


def bounded_exp(x: float) -> float:
    """exp(x), saturating instead of overflowing."""
    return math.exp(max(-_LN_LIMIT, min(_LN_LIMIT, x)))


def quat_to_matrix(quat: NDArray[np.floating] | tuple[float, ...]) -> Array:
    """Rotation matrices [..., 3, 3] of wxyz quaternions [..., 4], normalised on the way."""
    if isinstance(quat, tuple):
        w, x, y, z = quat
        return np.array([*_rotation(w, x, y, z, math.sqrt(w * w + x * x + y * y + z * z))]).reshape(3, 3)
    q = np.asarray(quat, np.float64)
    w, x, y, z = (q[..., i] for i in range(4))
    matrix = np.empty((*q.shape[:-1], 9))
    for k, part in enumerate(_rotation(w, x, y, z, np.sqrt(w * w + x * x + y * y + z * z))):
        matrix[..., k] = part
    return matrix.reshape(*q.shape[:-1], 3, 3)


def _rotation(w: _Number, x: _Number, y: _Number, z: _Number, norm: _Number) -> Iterator[_Number]:
    """Row by row, of a quaternion of that length."""
    w, x, y, z = w / norm, x / norm, y / norm, z / norm
    yield 1 - 2 * (y * y + z * z)
    yield 2 * (x * y - w * z)
    yield 2 * (x * z + w * y)
    yield 2 * (x * y + w * z)
    yield 1 - 2 * (x * x + z * z)
    yield 2 * (y * z - w * x)
    yield 2 * (x * z - w * y)
    yield 2 * (y * z + w * x)
    yield 1 - 2 * (x * x + y * y)


def matrix_to_quat(matrix: NDArray[np.floating]) -> Array:
    """wxyz quaternions [..., 4] (w >= 0) of rotation matrices [..., 3, 3]; stable for every rotation."""
    m = np.asarray(matrix, np.float64)
    xx, yy, zz = m[..., 0, 0], m[..., 1, 1], m[..., 2, 2]
    xy, yx = m[..., 0, 1], m[..., 1, 0]
    xz, zx = m[..., 0, 2], m[..., 2, 0]
    yz, zy = m[..., 1, 2], m[..., 2, 1]
    # Four ways to write the quaternion, each good where its own component is the largest (Shepperd 1978).
    squares = (1 + xx + yy + zz, 1 + xx - yy - zz, 1 - xx + yy - zz, 1 - xx - yy + zz)
    ways = (
        (squares[0], zy - yz, xz - zx, yx - xy),
        (zy - yz, squares[1], xy + yx, xz + zx),
        (xz - zx, xy + yx, squares[2], yz + zy),
        (yx - xy, xz + zx, yz + zy, squares[3]),
    )
    quat, largest = np.stack(ways[0], -1), squares[0]
    for way, square in zip(ways[1:], squares[1:], strict=True):
        better = square > largest
        largest = np.where(better, square, largest)
        for i in range(4):
            np.copyto(quat[..., i], way[i], where=better)
    w, x, y, z = (quat[..., i] for i in range(4))
    length = np.sqrt(w * w + x * x + y * y + z * z)
    return quat / np.where(w < 0, -length, length)[..., None]


def multiply_quats(a: NDArray[np.floating], b: NDArray[np.floating]) -> Array:
    """Hamilton product: the rotation ``a`` after ``b``; wxyz, shapes broadcast, [..., 4]."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    aw, ax, ay, az = np.moveaxis(a, -1, 0)
    bw, bx, by, bz = np.moveaxis(b, -1, 0)
    return np.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ],
        -1,
    )


@dataclass(frozen=True, slots=True)
class CellFrame:
    """How positions local to one cell become view coordinates: ``P = matrix @ local + origin``."""

    origin: Array  # [3] native pixels at the pivot
    matrix: Array  # [3, 3] = edge_px * R
    edge_px: float  # edge of the cell, in native pixels at the pivot


@dataclass(frozen=True, slots=True)
class Camera:
    """A finite, invertible pinhole camera (see the module docstring)."""

    pivot: Position
    quat: tuple[float, float, float, float]  # wxyz, world -> camera
    ln_distance: float  # ln D, D in root edges
    ln_fx: float  # ln of the focal length in pixels
    ln_fy: float
    cx: float  # principal point, pixels; pixel centres are at k + 0.5
    cy: float
    width: int
    height: int

    def __post_init__(self) -> None:
        numbers = (*self.quat, self.ln_distance, self.ln_fx, self.ln_fy, self.cx, self.cy)
        if not all(math.isfinite(v) for v in numbers):
            raise ValueError(f"a camera needs finite numbers, got {numbers}")
        norm = math.sqrt(sum(v * v for v in self.quat))
        if norm < 1e-6:
            raise ValueError(f"the camera's orientation {self.quat} is not a rotation (norm {norm:.3g})")
        if abs(self.ln_fx - self.ln_fy) > math.log(16.0):
            ratio = bounded_exp(self.ln_fx - self.ln_fy)
            raise ValueError(f"fx / fy = {ratio:.3g}: the camera is singular or almost (allowed: 1/16 to 16)")
        if min(self.ln_fx, self.ln_fy) < _LN_MIN_FOCAL:
            shorter = bounded_exp(min(self.ln_fx, self.ln_fy))
            raise ValueError(
                f"a focal length of {shorter:.3g} pixels is singular or almost (allowed: 2**-7 up)"
            )
        if not (1 <= self.width <= 16384 and 1 <= self.height <= 16384):
            raise ValueError(f"an image of {self.width} x {self.height} pixels is outside 1 to 16384")
        if max(abs(self.cx), abs(self.cy)) > _MAX_PRINCIPAL:
            raise ValueError(f"a principal point of ({self.cx:.3g}, {self.cy:.3g}) px is beyond 1e9 pixels")
        octaves = max(abs(self.ln_distance), abs(self.ln_scale)) / LN2
        if octaves > MAX_LEVEL or abs(self.pivot.cell.level) > MAX_LEVEL:
            raise ValueError(
                f"a camera {octaves:.3g} octaves from the start, with its pivot in a cell of level "
                f"{self.pivot.cell.level}, is beyond {MAX_LEVEL}"
            )
        object.__setattr__(self, "quat", tuple(v / norm for v in self.quat))

    # ---- scales ---------------------------------------------------------------------------------
    @property
    def ln_f(self) -> float:
        """ln sqrt(fx fy)."""
        return 0.5 * (self.ln_fx + self.ln_fy)

    @property
    def inverse_f(self) -> float:
        """1 / f; 0 beyond float64, where the camera is orthographic to every bit anyway."""
        return math.exp(-self.ln_f) if self.ln_f < _LN_LIMIT else 0.0

    @property
    def ln_scale(self) -> float:
        """ln s at the pivot: root edges per pixel (Eq. 1)."""
        return self.ln_distance - self.ln_f

    @property
    def aspect(self) -> tuple[float, float]:
        """(fx / f, fy / f)."""
        return (math.exp(self.ln_fx - self.ln_f), math.exp(self.ln_fy - self.ln_f))

    def ln_render_scale(self, h_ref: int, lod_bias: float = 0.0) -> float:
        """r at the pivot: ln s as if the short side had ``h_ref`` pixels, shifted by ``lod_bias`` octaves."""
        return self.ln_scale + math.log(min(self.width, self.height) / h_ref) + lod_bias * LN2

    def ln_scale_at(self, points: NDArray[np.floating], radial: bool = False) -> Array:
        """ln s [...] of view coordinates [..., 3] (Eq. 1): along the optical axis or, ``radial``, the ray.

        -inf at and behind the near limit, where a point has no scale.
        """
        p = np.asarray(points, np.float64)
        w = 1.0 + p[..., 2] * self.inverse_f
        if radial:
            depth = np.hypot(np.hypot(p[..., 0] * self.inverse_f, p[..., 1] * self.inverse_f), w)
        else:
            depth = w
        in_front = w > NEAR
        return np.where(in_front, self.ln_scale + np.log(np.where(in_front, depth, 1.0)), -np.inf)

    # ---- geometry -------------------------------------------------------------------------------
    @property
    def rotation(self) -> Array:
        """World -> camera, [3, 3]."""
        return quat_to_matrix(self.quat)

    def cell_frame(self, cell: Cell) -> CellFrame:
        """The map from positions in ``cell`` (edges from its centre) to view coordinates."""
        pivot = self.pivot.cell
        pivot_edge_px = bounded_exp(pivot.ln_edge - self.ln_scale)
        # A power of two of the same number: cells of all levels agree on a point to float64's last bits.
        edge_px = min(saturated_shift(pivot_edge_px, pivot.level - cell.level), 1e300)
        centre = cell.centre_from(pivot) - np.asarray(self.pivot.offset)
        rotation = self.rotation
        with np.errstate(over="ignore"):
            origin = np.clip(rotation @ centre * pivot_edge_px, -1e300, 1e300)
        return CellFrame(origin, rotation * edge_px, edge_px)

    def view_point(self, position: Position) -> Array:
        """View coordinates P [3] of one exact position."""
        frame = self.cell_frame(position.cell)
        return frame.matrix @ np.asarray(position.offset) + frame.origin

    def project(self, points: NDArray[np.floating]) -> tuple[Array, Array]:
        """Pixels [..., 2] and depth w [...] (in D) of view coordinates [..., 3]; w <= NEAR is behind."""
        p = np.asarray(points, np.float64)
        w = 1.0 + p[..., 2] * self.inverse_f
        safe = np.where(np.abs(w) < 1e-12, 1e-12, w)
        ax, ay = self.aspect
        return np.stack([ax * p[..., 0] / safe + self.cx, ay * p[..., 1] / safe + self.cy], -1), w

    def unproject(self, uv: NDArray[np.floating], zeta: NDArray[np.floating]) -> Array:
        """View coordinates [..., 3] of pixels [..., 2] at zeta [...]."""
        uv, zeta = np.asarray(uv, np.float64), np.asarray(zeta, np.float64)
        w = 1.0 + zeta * self.inverse_f
        ax, ay = self.aspect
        return np.stack([(uv[..., 0] - self.cx) * w / ax, (uv[..., 1] - self.cy) * w / ay, zeta], -1)

    def map_from(self, other: Camera) -> tuple[Array, Array]:
        """``(matrix [3, 3], origin [3])``: P in the view of ``other`` is ``matrix @ P + origin`` in mine.

        The matrix is a rotation times the ratio of the scales at the two pivots.
        """
        ratio = bounded_exp(other.ln_scale - self.ln_scale)
        return ratio * self.rotation @ other.rotation.T, self.view_point(other.pivot)

    def position(self, point: NDArray[np.floating]) -> Position:
        """The exact position of view coordinates P [3]: the pivot moved by ``R^T P`` pixels."""
        pivot = self.pivot.rebased(self.fitting_level)
        pixels_per_edge = bounded_exp(pivot.cell.ln_edge - self.ln_scale)
        return pivot.moved(self.rotation.T @ np.asarray(point, np.float64) / pixels_per_edge)

    def pixel_centres(self) -> Array:
        """[H, W, 2] pixel centres."""
        u, v = np.meshgrid(
            np.arange(self.width, dtype=np.float64) + 0.5, np.arange(self.height, dtype=np.float64) + 0.5
        )
        return np.stack([u, v], -1)

    @property
    def fitting_level(self) -> int:
        """The level whose cells span about PIXELS_PER_CELL pixels at the pivot."""
        return level_of_scale(self.ln_scale)

    # ---- motions --------------------------------------------------------------------------------
    def rebased(self) -> Camera:
        """The same camera with its pivot in a cell of the fitting level, if it has left it by an octave."""
        level = self.fitting_level
        if abs(self.pivot.cell.level - level) <= 1:
            return self
        return replace(self, pivot=self.pivot.rebased(level))

    def resized(self, width: int, height: int) -> Camera:
        """The same view in another resolution; the short side keeps its field of view, as H_ref does."""
        ratio = min(width, height) / min(self.width, self.height)
        return replace(
            self,
            ln_fx=self.ln_fx + math.log(ratio),
            ln_fy=self.ln_fy + math.log(ratio),
            cx=width / 2 + (self.cx - self.width / 2) * ratio,
            cy=height / 2 + (self.cy - self.height / 2) * ratio,
            width=width,
            height=height,
        )

    def widened(self, margin: int) -> Camera:
        """The same camera with ``margin`` more pixels on every side (overscan)."""
        return replace(
            self,
            cx=self.cx + margin,
            cy=self.cy + margin,
            width=self.width + 2 * margin,
            height=self.height + 2 * margin,
        )

    def looking_at(self, point: NDArray[np.floating]) -> Camera:
        """The camera turned (same eye, least rotation) so that view point P [3] becomes the pivot, centred.

        The scale at the new pivot stays the scale that this camera had there, as ``s = depth / f`` is
        kept by changing f with the distance along the new axis.
        """
        p = np.asarray(point, np.float64)
        w = 1.0 + p[2] * self.inverse_f
        if w <= NEAR:
            raise ValueError(f"the point at depth {w:.3g} D is behind or at the eye: it can't be the pivot")
        # Direction from the eye to the point, in camera axes: (x, y) / depth, then the turn that centres it.
        x, y = p[0] * self.inverse_f / w, p[1] * self.inverse_f / w
        length = math.sqrt(1.0 + x * x + y * y)
        turn = _turn_to_axis(x / length, y / length, 1.0 / length)
        quat = multiply_quats(turn, np.asarray(self.quat))
        # New distance along the new axis: depth * length; s = D w / f is kept at the point.
        ln_depth = self.ln_distance + math.log(w)
        ln_distance = ln_depth + math.log(length)
        stretch = ln_distance - ln_depth
        return Camera(
            self.position(p),
            (float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3])),
            ln_distance,
            self.ln_fx + stretch,
            self.ln_fy + stretch,
            self.width / 2,
            self.height / 2,
            self.width,
            self.height,
        )

    def zoomed(self, factor: float) -> Camera:
        """Focal zoom about the pivot: f grows by ``factor``, the eye stays (the paper's C_i)."""
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"a zoom factor is a positive number, got {factor}")
        step = math.log(factor)
        return replace(self, ln_fx=self.ln_fx + step, ln_fy=self.ln_fy + step).rebased()

    def approached(self, factor: float) -> Camera:
        """Approach the pivot: D shrinks by ``factor``, the field of view stays."""
        if not (math.isfinite(factor) and factor > 0):
            raise ValueError(f"an approach factor is a positive number, got {factor}")
        return replace(self, ln_distance=self.ln_distance - math.log(factor)).rebased()

    def orbited(self, yaw: float, pitch: float) -> Camera:
        """Turn around the pivot by yaw (about the camera's y) and pitch (about its x), radians."""
        turn = multiply_quats(
            np.array([math.cos(pitch / 2), math.sin(pitch / 2), 0.0, 0.0]),
            np.array([math.cos(yaw / 2), 0.0, math.sin(yaw / 2), 0.0]),
        )
        quat = multiply_quats(turn, np.asarray(self.quat))
        return replace(self, quat=(float(quat[0]), float(quat[1]), float(quat[2]), float(quat[3])))


def _turn_to_axis(x: float, y: float, z: float) -> Array:
    """wxyz of the least rotation that takes unit direction (x, y, z) to (0, 0, 1)."""
    # Half-way construction: q = (1 + cos, direction x axis), normalised; exact for small angles too.
    quat = np.array([1.0 + z, y, -x, 0.0])
    norm = np.linalg.norm(quat)
    return quat / norm if norm > 1e-12 else np.array([0.0, 1.0, 0.0, 0.0])


def level_of_scale(ln_scale: float) -> int:
    """Octree level where surfels of native scale s live: round(log2(1 / (64 s))), s in root edges."""
    return round(-(ln_scale + math.log(PIXELS_PER_CELL)) / LN2)


def initial_camera(focal: float, width: int, height: int, ln_distance: float) -> Camera:
    """C_0: at the world's origin, looking along +z, its pivot at depth exp(ln_distance) root edges."""
    ln_focal = math.log(focal)
    level = level_of_scale(ln_distance - ln_focal)
    pivot = Position(ORIGIN.cell, (0.0, 0.0, math.exp(ln_distance))).rebased(level)
    return Camera(
        pivot, (1.0, 0.0, 0.0, 0.0), ln_distance, ln_focal, ln_focal, width / 2, height / 2, width, height
    )
