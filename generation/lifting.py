"""From pictures with depth to pixel-aligned surfels in view coordinates (Sec. 3.1 of the paper).

Owns the start of every surfel: mean by back-projection at the pixel centre, normal from depth, in-plane
standard deviations by Nyquist, native scale by Eq. 1. Everything is in view coordinates of the layer's
camera (native pixels at its pivot), so nothing here depends on the magnification.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera, matrix_to_quat, multiply_quats
from wonderzoom.scene_graph.ports import Metric
from wonderzoom.scene_graph.surfels import THICKNESS

Array = NDArray[np.float64]
F32 = NDArray[np.float32]

# Standard deviation in pixels: a Gaussian of 0.7 px falls to half the sampling rate's energy limit, so a
# lattice of them covers without visible gaps and blurs least (the released code uses the same value).
NYQUIST_SIGMA = 0.7
# A surfel seen edge-on would need an infinite scale; beyond 84 degrees it stays as long as at 84.
MIN_COSINE = 0.1
# Slopes on both sides of a pixel within this factor, or this step in pixels, belong to one surface.
SAME_SURFACE = 2.0
SAME_STEP = 0.25
# Steeper than this (80 degrees) toward one side and different toward the other: an outline, not a surface.
# Things one pixel thin have two of them and would otherwise be smeared into what is behind.
OUTLINE_SLOPE = 6.0
# Better start than the paper's 0.1: after the ten steps of ``FitSettings`` 2 to 5 dB more, 0.8 and 0.95
# within 0.4 dB (benchmarks/fitting.py); and surfels that no fit sees already cover.
START_OPACITY = 0.95


@dataclass(frozen=True, slots=True)
class Lifted:
    """N surfels of one layer, in view coordinates of ``camera``."""

    camera: Camera
    means: Array  # [N, 3] native pixels at the pivot
    quats: F32  # [N, 4] wxyz, surfel -> view axes
    log_scales: F32  # [N, 2] ln pixels
    opacities: F32  # [N]
    colors: NDArray[np.uint8]  # [N, 3] sRGB
    ln_native: Array  # [N] ln root edges per pixel (Eq. 1)
    kind: NDArray[np.uint8]  # [N]
    pixels: NDArray[np.int64]  # [N] row-major pixel that each surfel came from

    def __len__(self) -> int:
        return len(self.means)

    @property
    def thickness(self) -> F32:
        """[N] pixels: THICKNESS native pixels, in pixels at the pivot."""
        return (THICKNESS * np.exp(self.ln_native - self.camera.ln_scale)).astype(np.float32)


def edge_aware_slope(zeta: Array, w: Array, axis: int, valid: NDArray[np.bool_]) -> Array:
    """d zeta / d pixel along an axis, exact on planes; it never spans a depth edge.

    ``w = 1 + zeta / f`` is the depth in D. Along a row of a plane 1 / w is linear, so the difference to a
    neighbour b says ``(zeta_b - zeta) w / w_b``. Where both neighbours agree the slope is their mean, else it
    is the smaller one, or 0 where that is an outline too. Neighbours that are not ``valid`` do not count;
    with none the slope is 0.
    """
    ahead, here = [slice(None)] * 2, [slice(None)] * 2
    ahead[axis], here[axis] = slice(1, None), slice(None, -1)
    first, second = tuple(here), tuple(ahead)
    both = valid[first] & valid[second]
    step, ratio = zeta[second] - zeta[first], w[first] / w[second]
    forward, backward = np.full(zeta.shape, np.inf), np.full(zeta.shape, np.inf)
    forward[first] = np.where(both, step * ratio, np.inf)
    backward[second] = np.where(both, step / ratio, np.inf)
    near, far = np.minimum(np.abs(forward), np.abs(backward)), np.maximum(np.abs(forward), np.abs(backward))
    smaller = np.where(np.abs(forward) <= np.abs(backward), forward, backward)
    with np.errstate(invalid="ignore"):
        same_surface = np.isfinite(far) & (far <= SAME_SURFACE * near + SAME_STEP)
        alone = np.where(np.isfinite(far) & (near > OUTLINE_SLOPE * w), 0.0, smaller)
        slope = np.where(same_surface, 0.5 * (forward + backward), alone)
    return np.where(np.isfinite(slope), slope, 0.0)


def normals_from_depth(camera: Camera, zeta: NDArray[np.floating], mask: NDArray[np.bool_]) -> Array:
    """Unit normals [H, W, 3] in view axes that face the camera.

    The tangents follow from the back-projection: along a row P(u) = ((u - cx) w / ax, (v - cy) w / ay, zeta)
    with w = 1 + zeta / f, so dP/du = ((w + (u - cx) w') / ax, (v - cy) w' / ay, zeta') with w' = zeta' / f.
    """
    z = np.asarray(zeta, np.float64)
    w = 1.0 + z * camera.inverse_f
    ax, ay = camera.aspect
    uv = camera.pixel_centres()
    x, y = uv[..., 0] - camera.cx, uv[..., 1] - camera.cy
    zu, zv = edge_aware_slope(z, w, 1, mask), edge_aware_slope(z, w, 0, mask)
    wu, wv = zu * camera.inverse_f, zv * camera.inverse_f
    along_u = np.stack([(w + x * wu) / ax, y * wu / ay, zu], -1)
    along_v = np.stack([x * wv / ax, (w + y * wv) / ay, zv], -1)
    normal = np.cross(along_u, along_v)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-30)
    toward = camera_rays(camera)
    return np.where((normal * toward).sum(-1, keepdims=True) > 0, -normal, normal)


def camera_rays(camera: Camera) -> Array:
    """Viewing directions [H, W, 3] of the pixel centres in view axes, z = 1."""
    ax, ay = camera.aspect
    uv = camera.pixel_centres()
    x = (uv[..., 0] - camera.cx) * camera.inverse_f / ax
    y = (uv[..., 1] - camera.cy) * camera.inverse_f / ay
    return np.stack([x, y, np.ones_like(x)], -1)


def ln_native_scale(camera: Camera, points: Array, metric: Metric) -> Array:
    """Eq. 1 for view points [N, 3]: ln of depth (or distance) over focal length, root edges per pixel."""
    w = 1.0 + points[..., 2] * camera.inverse_f
    if metric == "radial":
        lateral = np.hypot(points[..., 0], points[..., 1]) * camera.inverse_f
        w = np.hypot(w, lateral)
    return camera.ln_scale + np.log(np.maximum(w, 1e-12))


def surface_frames(normals: Array) -> Array:
    """Rotations [N, 3, 3] surfel -> view: first axis the view's x along the surface, third the normal."""
    n = normals
    first = np.array([1.0, 0.0, 0.0]) - n * n[:, :1]
    length = np.linalg.norm(first, axis=1, keepdims=True)
    # Normals along x leave nothing to project: use the view's y there.
    other = np.array([0.0, 1.0, 0.0]) - n * n[:, 1:2]
    first = np.where(length > 1e-3, first, other)
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.asarray(np.cross(n, first), np.float64)
    return np.stack([first, second, n], 2)


def lift(layer: Layer, metric: Metric = "depth") -> Lifted:
    """One surfel for every pixel of the layer's mask."""
    camera, mask = layer.camera, layer.mask & np.isfinite(layer.zeta)
    zeta = np.where(mask, layer.zeta, 0.0).astype(np.float64)
    points = camera.unproject(camera.pixel_centres(), zeta)[mask]
    normals = layer.normals if layer.normals is not None else normals_from_depth(camera, zeta, mask)
    n = np.asarray(normals, np.float64)[mask]
    n /= np.maximum(np.linalg.norm(n, axis=1, keepdims=True), 1e-12)
    w = 1.0 + points[:, 2] * camera.inverse_f
    facing = np.abs(n[:, 2])
    cos_x = np.maximum(facing / np.maximum(np.hypot(n[:, 0], n[:, 2]), 1e-12), MIN_COSINE)
    cos_y = np.maximum(facing / np.maximum(np.hypot(n[:, 1], n[:, 2]), 1e-12), MIN_COSINE)
    ax, ay = camera.aspect
    sigma = np.stack([NYQUIST_SIGMA * w / ax / cos_x, NYQUIST_SIGMA * w / ay / cos_y], 1)
    kind = np.full(mask.shape, layer.kind, np.uint8) if isinstance(layer.kind, int) else layer.kind
    colors = np.clip(layer.image[mask] * 255.0 + 0.5, 0, 255).astype(np.uint8)
    return Lifted(
        camera,
        points,
        matrix_to_quat(surface_frames(n)).astype(np.float32),
        np.log(sigma).astype(np.float32),
        np.full(len(points), START_OPACITY, np.float32),
        colors,
        ln_native_scale(camera, points, metric),
        np.ascontiguousarray(kind[mask]),
        np.flatnonzero(mask).astype(np.int64),
    )


def in_camera(part: Lifted, camera: Camera) -> Lifted:
    """The same surfels in another camera's view coordinates."""
    if part.camera == camera:
        return part
    matrix, origin = camera.map_from(part.camera)
    scale = float(np.cbrt(np.linalg.det(matrix)))
    turn = matrix_to_quat(matrix / scale)
    return replace(
        part,
        camera=camera,
        means=part.means @ matrix.T + origin,
        quats=multiply_quats(turn, part.quats).astype(np.float32),
        log_scales=(part.log_scales + np.log(scale)).astype(np.float32),
    )
