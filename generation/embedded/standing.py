"""Things in the world, seen by a camera: traced again for every view, over the picture of what is behind them.

Owns: the way from an exact place in the octree to rays in a thing's own coordinates, how several things hide each
other and are hidden, and their shadow on what they stand on. Does not own: shapes and light on them
(``tracing``), where a prompt puts things (``editing``).

View coordinates are native pixels relative to the camera's pivot, so a thing placed at magnification 1 is exact
at 1e9: its base is then 1e9 pixels away, which float64 holds to a hundred thousandth of a pixel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.lighting import SUN_DIRECTION
from wonderzoom.generation.embedded.memory import PlacedThing
from wonderzoom.generation.embedded.things import Thing
from wonderzoom.generation.embedded.tracing import (
    Lighting,
    Rays,
    Traced,
    light_at,
    lin,
    may_hit,
    srgb,
    tone,
    trace,
)
from wonderzoom.scene_graph.camera import NEAR, Camera, bounded_exp, quat_to_matrix

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Stop = Callable[[], bool] | None

# A thing whose bounding sphere is smaller than this on the screen has nothing to trace.
SMALLEST_PX = 1.5
# A pixel below this many object units is finer than float64 can tell surfaces apart: the thing is then no
# longer traced, and its surface goes on as any other picture content does.
FINEST_UNITS = 1e-12
# A thing stands on its surface, and surfaces are rough: it is hidden only where it lies this deep behind (units).
SUNK = 1.0
# The surface is in a thing's shadow only this near to the plane that it stands on (object units).
GROUND_REACH = 1.2
# ... and this far from the thing's bounding sphere, in radii: the sun is never low enough to reach farther.
SHADOW_RADII = 2.5
GROUND_STRIDE = 3  # pixels between shadow samples: shadows are soft
# Share of the light on open ground that the sun gives; the sky gives the rest.
SUN_SHARE = 0.62
SHADE_DEPTH = 0.85  # a full shadow takes this much of that share: light scatters
SOLID = 0.5  # coverage from which a pixel is the thing's own and has its depth


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """Things over a picture."""

    image: F32  # [H, W, 3] sRGB in [0, 1]
    alpha: F32  # [H, W] how much of the pixel is thing
    zeta: F32  # [H, W] native pixels relative to the pivot; NaN where there is none
    normals: F32  # [H, W, 3] view axes, facing the camera; 0 where there is none
    owner: NDArray[np.int32]  # [H, W] index of the thing; -1
    shade: F32  # [H, W] factor on the linear light of what is behind


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """One thing in a camera's view coordinates."""

    thing: Thing
    base: F64  # [3] view point of its origin
    turn: F64  # [3, 3] object -> view axes
    unit_px: float  # an object unit in native pixels at the pivot
    lighting: Lighting

    @staticmethod
    def of(placed: PlacedThing, camera: Camera) -> Standing:
        to_world = quat_to_matrix(placed.quat)
        x, y, z = to_world.T @ np.asarray(SUN_DIRECTION)
        lighting = Lighting((float(x), float(y), float(z)), placed.sun, placed.sky, placed.ground)
        return Standing(
            Thing(placed.kind, placed.seed, placed.color),
            camera.view_point(placed.place.position),
            camera.rotation @ to_world,
            bounded_exp(placed.ln_unit - camera.ln_scale),
            lighting,
        )

    @property
    def centre(self) -> F64:
        """View point [3] of the bounding sphere's centre."""
        return self.base + self.unit_px * (self.turn @ self.thing.shape.centre)

    @property
    def radius_px(self) -> float:
        """Radius of the bounding sphere in native pixels at the pivot."""
        return self.thing.shape.radius * self.unit_px

    def objects(self, points: F64) -> F64:
        """View points [..., 3] in object coordinates."""
        return (points - self.base) @ self.turn / self.unit_px

    def rays(self, camera: Camera, window: tuple[int, int, int, int]) -> Rays:
        """Rays of the window (left, top, right, bottom), started at the pivot's depth: their depth is zeta."""
        left, top, right, bottom = window
        ax, ay = camera.aspect
        x, y = (0.5 * (left + right) - camera.cx) / ax, (0.5 * (top + bottom) - camera.cy) / ay
        forward = np.array([x * camera.inverse_f, y * camera.inverse_f, 1.0])
        to_object = self.turn.T / self.unit_px
        return Rays(
            self.objects(np.array([x, y, 0.0])),
            to_object @ forward,
            to_object @ np.array([1.0 / ax, 0.0, 0.0]),
            to_object @ np.array([0.0, 1.0 / ay, 0.0]),
            camera.inverse_f,
            right - left,
            bottom - top,
        )

    def window(self, camera: Camera) -> tuple[int, int, int, int] | None:
        """The pixels (left, top, right, bottom) that may show the thing; None if there are none."""
        centre, radius = self.centre, self.radius_px
        near = 1.0 + (centre[2] - radius) * camera.inverse_f
        if 1.0 + (centre[2] + radius) * camera.inverse_f <= NEAR:
            return None
        if near <= NEAR:  # the eye may be inside the sphere
            return (0, 0, camera.width, camera.height)
        (u, v), _depth = camera.project(centre)
        # Off the axis a sphere looks longer, by no more than this.
        tilt = 1.0 + float(np.hypot(u - camera.cx, v - camera.cy)) * camera.inverse_f
        reach = min(radius / near * tilt, 1e15) * max(camera.aspect) + 1.0
        if reach < SMALLEST_PX:
            return None
        left, right = max(0.0, u - reach), min(float(camera.width), u + reach)
        top, bottom = max(0.0, v - reach), min(float(camera.height), v + reach)
        if left >= right or top >= bottom:
            return None
        return (math.floor(left), math.floor(top), math.ceil(right), math.ceil(bottom))

    @property
    def traceable(self) -> bool:
        """False when a pixel is too fine for float64 (see ``FINEST_UNITS``)."""
        return self.unit_px * FINEST_UNITS < 1.0

    def traced(
        self, camera: Camera, window: tuple[int, int, int, int], threads: int, cancelled: Stop
    ) -> tuple[Traced, F64] | None:
        """What the window shows and its zeta [h, w]; None where the thing is not."""
        thing, rays = self.thing, self.rays(camera, window)
        if not may_hit(thing.shape, rays):
            return None
        seen = trace(thing.shape, rays, self.lighting, thing.seed, thing.metres_per_unit, threads, cancelled)
        return (seen, seen.depth) if seen.hit.any() else None


def draw_things(
    things: Sequence[PlacedThing],
    camera: Camera,
    under: F32,  # [H, W, 3] sRGB in [0, 1]
    threads: int,
    cancelled: Stop = None,
    surface: F32
    | None = None,  # [H, W] zeta of what is behind; NaN where unknown. None: hides nothing, no shadow
) -> Drawn:
    """All things over ``under``, far ones first. Raises ``Cancelled``."""
    height, width = under.shape[:2]
    color = lin(under)
    alpha = np.zeros((height, width), np.float32)
    zeta = np.full((height, width), np.nan, np.float32)
    normals = np.zeros((height, width, 3), np.float32)
    owner = np.full((height, width), -1, np.int32)
    shade = np.ones((height, width), np.float32)
    standing = [(index, Standing.of(placed, camera)) for index, placed in enumerate(things)]
    standing = [pair for pair in standing if pair[1].traceable]
    if surface is not None:
        for _, each in standing:
            _shade(each, camera, surface, threads, cancelled, shade)
        color *= shade[..., None]
    for index, each in sorted(standing, key=lambda pair: -float(pair[1].centre[2])):
        window = each.window(camera)
        found = None if window is None else each.traced(camera, window, threads, cancelled)
        if window is None or found is None:
            continue
        seen, depth = found
        part = np.s_[window[1] : window[3], window[0] : window[2]]
        shown = seen.hit & ~(depth >= np.where(np.isfinite(zeta[part]), zeta[part], np.inf))
        if surface is not None:
            behind = surface[part] + SUNK * each.unit_px
            shown &= ~(depth > np.where(np.isfinite(behind), behind, np.inf))
        weight = np.where(shown, seen.alpha, np.float32(0))
        color[part] += (lin(srgb(tone(seen.color))) - color[part]) * weight[..., None]
        alpha[part] = 1.0 - (1.0 - alpha[part]) * (1.0 - weight)
        solid = weight > SOLID
        zeta[part] = np.where(solid, depth, zeta[part])
        normals[part] = np.where(
            solid[..., None], seen.normals @ each.turn.T.astype(np.float32), normals[part]
        )
        owner[part] = np.where(solid, np.int32(index), owner[part])
    return Drawn(srgb(color), alpha, zeta, normals, owner, shade)


def _shade(each: Standing, camera: Camera, surface: F32, threads: int, cancelled: Stop, shade: F32) -> None:
    """Multiply ``shade`` by the share of the light that the thing leaves to the surface around it."""
    step = GROUND_STRIDE
    first = step // 2
    coarse = surface[first::step, first::step].astype(np.float64)
    known = np.isfinite(coarse)
    if not known.any():
        return
    uv = camera.pixel_centres()[first::step, first::step]
    points = each.objects(camera.unproject(uv, np.where(known, coarse, 0.0)))
    shape = each.thing.shape
    away = np.hypot(points[..., 0] - shape.centre[0], points[..., 1] - shape.centre[1])
    near = known & (np.abs(points[..., 2]) < GROUND_REACH) & (away < SHADOW_RADII * shape.radius)
    if not near.any():
        return
    # Bumps of the surface that stick into the thing are still its ground.
    ground = np.stack([points[..., 0], points[..., 1], np.minimum(points[..., 2], 0.0)], -1)
    sky, sun = light_at(shape, ground, near, each.lighting.unit, threads, cancelled)
    lost = SUN_SHARE * SHADE_DEPTH * (1.0 - sun) + (1.0 - SUN_SHARE) * (1.0 - sky)
    fade = np.clip(2.0 - 2.0 * np.abs(points[..., 2]) / GROUND_REACH, 0.0, 1.0)
    fade = fade * np.clip(SHADOW_RADII * 2 - 2 * away / shape.radius, 0.0, 1.0)
    lost = np.where(near, fade * lost, 0.0).astype(np.float32)
    height, width = surface.shape
    # Sample k stands for the middle of its cell of ``step`` pixels.
    full = (lost.shape[1] * step, lost.shape[0] * step)
    fine = cv2.resize(lost, full, interpolation=cv2.INTER_LINEAR)
    fine = cv2.copyMakeBorder(
        fine, 0, max(0, height - full[1]), 0, max(0, width - full[0]), cv2.BORDER_REPLICATE
    )
    shade *= 1.0 - fine[:height, :width]
