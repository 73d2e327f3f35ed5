"""The look of a shape through a window: rays in; colour, opacity and geometry out.

Owns: the order of the passes (geometry, sun and sky, micro detail, light, edges) and what a caller sees of them.
Does not own: the kernels, the ladders of micro detail (``detail``), or where a thing stands in the world
(``standing``): rays and light arrive in the shape's own coordinates.

A thing is never stored as pixels. Every zoom traces it again, so its surface is exact at any depth; windows
that miss it cost almost nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.bands import over_rows
from wonderzoom.generation.embedded.detail import synthesise
from wonderzoom.generation.embedded.edge_kernels import edge_rows, refine_rows
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.shade_kernels import shade_rows
from wonderzoom.generation.embedded.shape_columns import (
    LARGEST,
    MATERIAL,
    RELIEF,
)
from wonderzoom.generation.embedded.shapes import (
    ShapeArrays,
)
from wonderzoom.generation.embedded.trace_kernels import TILE, trace_rows
from wonderzoom.generation.embedded.visibility_kernels import TILE as GRID_TILE
from wonderzoom.generation.embedded.visibility_kernels import see_rows

Double = NDArray[np.float64]
Single = NDArray[np.float32]
Mask = NDArray[np.bool_]
Stop = Callable[[], bool] | None

# Sun and sky are computed on every n-th pixel: every 2nd, fewer where they cannot change within a few pixels
# because a pixel is far below the softest shadow edge (object units).
SHADOW_EDGE = 0.006
FINEST_STRIDE, COARSEST_STRIDE = 2, 8
# First of the occlusion samples (object units; the third is nine times as far) and reach of shadow rays.
THING_SKY_STEP, THING_SUN_REACH = 0.035, 2.2
GROUND_SKY_STEP, GROUND_SUN_REACH = 0.06, 3.5
BEAM_SLACK = 1.05
# An anchor farther than this from the shape (bounding radii) is moved beside it: rays start near what they meet.
FAR_ANCHOR = 4.0
DETAIL_SAMPLES = 2  # per pixel along each axis: one ray a pixel, but the ladder is averaged inside


@dataclass(frozen=True, slots=True, eq=False)
class Rays:
    """A window of rays in object coordinates (see ``trace_kernels``): exact however far the eye is."""

    anchor: Double  # [3] where the window's central ray starts
    forward: Double  # [3] its direction, any length; depths are multiples of it
    step_x: Double  # [3] from one pixel's start to the next
    step_y: Double  # [3]
    spread: float  # how much a pixel grows per unit of depth: 1 / (depth of the anchor), 0 for parallel rays
    width: int
    height: int

    def advanced(self, depth: float) -> Rays:
        """The same rays, started ``depth`` further on."""
        grown = 1.0 + self.spread * depth
        return replace(
            self,
            anchor=self.anchor + depth * self.forward,
            step_x=self.step_x * grown,
            step_y=self.step_y * grown,
            spread=self.spread / grown,
        )


@dataclass(frozen=True, slots=True)
class Lighting:
    """A sun, a sky and a ground that reflects; linear RGB, about 1 for full daylight."""

    direction: tuple[float, float, float]  # toward the sun, object coordinates, any length
    sun: tuple[float, float, float] = (1.25, 1.17, 1.0)
    sky: tuple[float, float, float] = (0.42, 0.50, 0.62)
    ground: tuple[float, float, float] = (0.30, 0.32, 0.20)

    @property
    def unit(self) -> Double:
        """The direction toward the sun, of length 1."""
        direction = np.asarray(self.direction, np.float64)
        return direction / np.linalg.norm(direction)


@dataclass(frozen=True, slots=True, eq=False)
class Traced:
    """What the window shows. Arrays of hits are 0 (owners -1) where the ray misses."""

    color: Single  # [H, W, 3] linear scene radiance, not multiplied by alpha
    alpha: Single  # [H, W] coverage times opacity
    depth: Double  # [H, W] from the rays' start, in lengths of ``forward``; inf where nothing
    points: Double  # [H, W, 3] object coordinates
    normals: Single  # [H, W, 3] unit, facing the eye, without micro relief
    relief: Single  # [H, W] height of the micro relief along the normal, object units
    owners: NDArray[np.int32]  # [H, W] primitive index

    @property
    def hit(self) -> Mask:
        return self.owners >= 0


def tone(scene: NDArray[np.floating]) -> Single:
    """Linear scene radiance to linear display values: a soft shoulder that keeps highlights coloured."""
    return (scene * (1 + scene * 0.10) / (1 + scene * 0.42) * 1.02).astype(np.float32)


def srgb(display: NDArray[np.floating]) -> Single:
    """Linear display values to encoded ones, 0..1."""
    return np.power(np.clip(display, 0, 1), 1 / 2.2).astype(np.float32)


def lin(encoded: NDArray[np.floating]) -> Single:
    """Inverse of ``srgb``."""
    return np.power(np.clip(encoded, 0, 1), 2.2).astype(np.float32)


def _lengths(rays: Rays) -> tuple[float, float]:
    """(the longer pixel step, the length of ``forward``) in object units."""
    steps = np.linalg.norm(rays.step_x), np.linalg.norm(rays.step_y)
    return float(max(steps)), float(np.linalg.norm(rays.forward))


def _window(rays: Rays) -> tuple[Double, Double, Double, Double]:
    """The vectors as copies: a read-only array is another type to the compiler, and compiles everything again."""
    return rays.anchor.copy(), rays.forward.copy(), rays.step_x.copy(), rays.step_y.copy()


def may_hit(shape: ShapeArrays, rays: Rays) -> bool:
    """False when no ray of the window can meet the shape's bounding sphere (quick, conservative)."""
    pixel, scale = _lengths(rays)
    across = shape.centre - rays.anchor
    unit = rays.forward / scale
    along = float(across @ unit)
    away = float(np.linalg.norm(across - along * unit))
    grown = 1.0 + rays.spread * (along + shape.radius) / scale
    return (
        grown > 0
        and away < shape.radius + 0.5 * pixel * math.hypot(rays.width, rays.height) * grown * BEAM_SLACK
    )


def outline(shape: ShapeArrays, rays: Rays) -> Double:
    """Depth [H, W] of a window, inf where it misses: geometry alone, for weighing and placing things."""
    out = _Buffers.of(rays.height, rays.width)
    if may_hit(shape, rays):
        _geometry(shape, rays, np.uint64(0), 1, None, out)
    return out.depth


def light_at(
    shape: ShapeArrays,
    points: Double,
    valid: Mask,
    direction: Double,
    threads: int = 1,
    cancelled: Stop = None,
) -> tuple[Single, Single]:
    """Shares (sky, sun) [h, w] that points [h, w, 3] of the ground (object coordinates) see past the shape."""
    visibility = np.ones((*valid.shape, 2), np.float32)
    normals = np.zeros((*valid.shape, 3), np.float32)
    normals[..., 2] = 1.0
    over_rows(
        see_rows, valid.shape[0], threads, cancelled, shape.primitives, shape.bounds, shape.tables, direction,
        GROUND_SKY_STEP, GROUND_SUN_REACH, False, valid, points, normals, visibility, step=GRID_TILE,
    )  # fmt: skip
    return visibility[..., 0], visibility[..., 1]


@dataclass(slots=True, eq=False)
class _Buffers:
    """The geometry buffer and what later passes add to it."""

    depth: Double
    points: Double
    normals: Single
    owners: NDArray[np.int32]
    chart: Double
    colors: Single
    partial: Mask
    tint: Single
    cavity: Single
    relief: Double  # float64: the finest rung is many decades below the coarsest
    radiance: Single
    alpha: Single

    @staticmethod
    def of(height: int, width: int) -> _Buffers:
        def single(*channels: int) -> Single:
            return np.zeros((height, width, *channels), np.float32)

        def double(*channels: int) -> Double:
            return np.zeros((height, width, *channels))

        return _Buffers(
            depth=np.full((height, width), np.inf),
            points=double(3),
            normals=single(3),
            owners=np.full((height, width), -1, np.int32),
            chart=double(2),
            colors=single(3),
            partial=np.zeros((height, width), np.bool_),
            tint=np.ones((height, width, 3), np.float32),
            cavity=np.ones((height, width), np.float32),
            relief=double(),
            radiance=single(3),
            alpha=single(),
        )


def trace(
    shape: ShapeArrays, rays: Rays, lighting: Lighting, seed: int, metres_per_unit: float, threads: int = 1,
    cancelled: Stop = None,
) -> Traced:  # fmt: skip
    """Trace a window. The same arguments give the same bytes for any number of threads.

    ``metres_per_unit``: real size, which decides which micro detail a pixel can see. Raises ``Cancelled``.
    """
    out = _Buffers.of(rays.height, rays.width)
    if may_hit(shape, rays):
        scale = _lengths(rays)[1]
        ahead = float((shape.centre - rays.anchor) @ rays.forward) / scale**2
        moved = ahead if abs(ahead) * scale > FAR_ANCHOR * shape.radius else 0.0
        _fill(shape, rays.advanced(moved), lighting, seed, metres_per_unit, threads, cancelled, out)
        out.depth += moved
    return Traced(
        out.radiance, out.alpha, out.depth, out.points, out.normals, out.relief.astype(np.float32), out.owners
    )


def _fill(
    shape: ShapeArrays,
    rays: Rays,
    lighting: Lighting,
    seed: int,
    metres: float,
    threads: int,
    cancelled: Stop,
    out: _Buffers,
) -> None:
    """All passes; fills ``out``."""
    P, B, T, M = shape.primitives, shape.bounds, shape.tables, shape.materials
    window = (*_window(rays), rays.spread)
    pixel, scale = _lengths(rays)
    light, own_seed = lighting.unit, np.uint64(seed & (2**64 - 1))
    colors = [np.asarray(c, np.float64) for c in (lighting.sun, lighting.sky, lighting.ground)]

    def run(kernel: Callable[..., None], rows: int, *arguments: object, step: int = 1) -> None:
        over_rows(kernel, rows, threads, cancelled, *arguments, step=step)

    _geometry(shape, rays, own_seed, threads, cancelled, out)
    hit = out.owners >= 0
    if not (hit.any() or out.partial.any()):
        return
    stride = int(np.clip(SHADOW_EDGE / max(pixel, 1e-300), FINEST_STRIDE, COARSEST_STRIDE))
    grid = np.s_[::stride, ::stride]
    visibility = np.ones((*hit[grid].shape, 2), np.float32)
    run(
        see_rows, len(visibility), P, B, T, light, THING_SKY_STEP, THING_SUN_REACH, True, hit[grid].copy(),
        out.points[grid].copy(), out.normals[grid].copy(), visibility, step=GRID_TILE,
    )  # fmt: skip
    _detail(shape, hit, pixel, rays.spread, seed, metres, threads, cancelled, out)
    run(
        shade_rows, rays.height, P, T, M, *window[1:], light, *colors, stride, out.owners, out.depth, out.points,
        out.normals, out.colors, visibility, out.tint, out.relief, out.cavity, out.radiance, out.alpha,
    )  # fmt: skip
    edge = np.zeros(hit.shape, np.bool_)
    run(
        edge_rows,
        rays.height,
        scale,
        pixel,
        rays.spread,
        out.owners,
        out.depth,
        out.normals,
        out.partial,
        edge,
    )
    if not edge.any():
        return
    new = (out.owners.copy(), out.depth.copy(), out.points.copy(), out.normals.copy(), out.relief.copy())
    run(
        refine_rows, rays.height, P, B, T, M, *window, own_seed, light, *colors, stride, edge, out.owners, out.depth,
        out.points, out.normals, visibility, out.tint, out.cavity, out.relief, out.radiance, out.alpha, *new,
    )  # fmt: skip
    out.owners, out.depth, out.points, out.normals, out.relief = new
    gone = out.owners < 0
    out.depth[gone], out.points[gone], out.normals[gone], out.radiance[gone] = np.inf, 0, 0, 0


def _geometry(
    shape: ShapeArrays, rays: Rays, seed: np.uint64, threads: int, cancelled: Stop, out: _Buffers
) -> None:  # fmt: skip
    """What every pixel meets."""
    over_rows(
        trace_rows, rays.height, threads, cancelled, shape.primitives, shape.bounds, shape.tables, shape.materials,
        *_window(rays), rays.spread, seed,
        out.depth, out.points, out.normals, out.owners, out.chart, out.colors, out.partial, step=TILE,
    )  # fmt: skip


def _detail(
    shape: ShapeArrays, hit: Mask, pixel: float, spread: float, seed: int, metres: float, threads: int,
    cancelled: Stop, out: _Buffers,
) -> None:  # fmt: skip
    """The micro detail of the materials: tint, relief and cavity of the pixels that were hit."""
    if not hit.any():
        return
    ladder = np.array([-1 if name is None else LADDERS.index(name) for name in shape.ladders])
    rows, columns = np.flatnonzero(hit.any(1)), np.flatnonzero(hit.any(0))
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    owners = np.maximum(out.owners[part], 0)
    material = shape.primitives[:, MATERIAL].astype(np.int64)[owners]
    kind = np.where(hit[part], ladder[material], -1)
    if not (kind >= 0).any():
        return
    grown = 1.0 + spread * np.where(hit[part], out.depth[part], 0.0)
    found = synthesise(
        out.chart[part] * metres, kind, 0.0, 1.0, grown * (pixel * metres), shape.materials[material, LARGEST] * metres,
        ladders=LADDERS, seed=seed, samples=DETAIL_SAMPLES, threads=threads, cancelled=cancelled,
    )  # fmt: skip
    out.tint[part], out.cavity[part] = found.color, found.occlusion
    out.relief[part] = found.height / metres * shape.materials[material, RELIEF]
