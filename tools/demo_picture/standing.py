"""What stands in the meadow and is traced with the library's own things: sunflowers, trees, a house.

Near things are traced through the painter's own rays, so their outline, light and depth are exact. Woods are
pictures of a few traced trees, set up one by one.
"""

# pyright: basic
from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numba import njit
from numpy.typing import NDArray

from tools.demo_picture.country import LAKE, height, wood
from tools.demo_picture.light import GROUND, HAZE_LENGTH, SKY, SUN, SUN_DIRECTION, haze_color
from tools.demo_picture.noise import KERNEL, fractal
from tools.demo_picture.view import View
from wonderzoom.generation.embedded.shape_columns import LEAF
from wonderzoom.generation.embedded.shape_frames import aligned, turned
from wonderzoom.generation.embedded.shapes import Shape, ShapeArrays
from wonderzoom.generation.embedded.things import METRES, Thing
from wonderzoom.generation.embedded.things_flowers import (
    disc_material,
    flower_head,
    leaf_material,
    petal_material,
    stem_material,
)
from wonderzoom.generation.embedded.tracing import Lighting, Rays, trace

Array = NDArray[np.float64]
FINE = 2  # samples an axis of a pixel, for what is traced
TREE_PIXELS = 112  # height of the traced pictures that woods are made of
WOOD_SPACING = 9.0  # metres between neighbouring trees of a wood


@dataclass(slots=True)
class Canvas:
    """Linear colour [H, W, 3] over alpha (premultiplied) and depth [H, W]; inf where nothing stands."""

    color: Array
    alpha: Array
    depth: Array

    @staticmethod
    def blank(view: View) -> Canvas:
        size = (view.height, view.width)
        return Canvas(np.zeros((*size, 3)), np.zeros(size), np.full(size, np.inf))

    def put(self, x: int, y: int, color: Array, alpha: Array, depth: Array) -> None:
        """Lay a picture (straight colour) over what is there; parts outside the canvas are cut off."""
        h, w = alpha.shape
        x0, y0, x1, y1 = (
            max(0, x),
            max(0, y),
            min(self.alpha.shape[1], x + w),
            min(self.alpha.shape[0], y + h),
        )
        if x0 >= x1 or y0 >= y1:
            return
        part, here = np.s_[y0 - y : y1 - y, x0 - x : x1 - x], np.s_[y0:y1, x0:x1]
        a = alpha[part][..., None]
        self.color[here] = color[part] * a + self.color[here] * (1 - a)
        self.alpha[here] = a[..., 0] + self.alpha[here] * (1 - a[..., 0])
        self.depth[here] = np.where(alpha[part] > 0.02, depth[part], self.depth[here])


def light_of(turn: float) -> Lighting:
    """The evening's light in the coordinates of a thing that was yawed by ``turn``."""
    c, s = math.cos(-turn), math.sin(-turn)
    x, y, z = SUN_DIRECTION
    sun, sky, ground = ((float(r), float(g), float(b)) for r, g, b in (SUN * 0.86, SKY * 0.95, GROUND * 1.2))
    return Lighting((c * x - s * y, s * x + c * y, z), sun, sky, ground)


def hazed(color: Array, depth: Array | float, bearing: float) -> Array:
    """The same colour seen through the evening's haze."""
    clear = np.exp(-((np.asarray(depth) / HAZE_LENGTH) ** 1.15))[..., None]
    haze = np.array([haze_color(bearing, 1.0, 0.02, SUN_DIRECTION, i) for i in range(3)]) * 0.86
    return color * clear + haze * (1 - clear)


def stand(
    view: View,
    canvas: Canvas,
    shape: ShapeArrays,
    at: tuple[float, float, float],
    metres: float,
    turn: float,
    seed: int,
    threads: int,
) -> None:
    """Trace a shape whose origin is at a scene point through the painter's rays and lay it on the canvas."""
    c, s = math.cos(-turn), math.sin(-turn)
    rotate = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    place = np.asarray(at, np.float64)
    centre = place + metres * (rotate.T @ shape.centre)
    (u, v), depth = view.project(centre)
    reach = shape.radius * metres * view.focal / max(0.2, float(depth)) * 1.15 + 2
    x0, y0 = max(0, math.floor(u - reach)), max(0, math.floor(v - reach))
    x1, y1 = min(view.width, math.ceil(u + reach)), min(view.height, math.ceil(v + reach))
    if x0 >= x1 or y0 >= y1:
        return
    right, down, _ = view.axes / view.focal
    corner = view.corner() + x0 * right + y0 * down
    seen = seen_from(
        shape, rotate @ ((view.eye - place) / metres), rotate @ corner, rotate @ right, rotate @ down,
        (x1 - x0, y1 - y0), turn, seed, metres, threads,
    )  # fmt: skip
    depth_map = seen.depth * metres
    near = np.where(np.isfinite(depth_map), depth_map, 1.0)
    canvas.put(x0, y0, hazed(seen.color, near, float(place[0] / max(1.0, place[1]))), seen.alpha, depth_map)


@dataclass(frozen=True, slots=True)
class Seen:
    """Straight colour [h, w, 3], alpha [h, w] and ray parameter [h, w] (inf: nothing)."""

    color: Array
    alpha: Array
    depth: Array


def seen_from(
    shape: ShapeArrays, eye: Array, corner: Array, right: Array, down: Array, size: tuple[int, int], turn: float,
    seed: int, metres: float, threads: int,
) -> Seen:  # fmt: skip
    """Trace a window of pixels at FINE samples an axis and average them. All in object coordinates."""
    width, height = size
    centre = corner + 0.5 * width * right + 0.5 * height * down
    rays = Rays(eye + centre, centre, right / FINE, down / FINE, 1.0, width * FINE, height * FINE)
    traced = trace(shape, rays, light_of(turn), seed, metres, threads)
    alpha = traced.alpha.astype(np.float64)[..., None]
    both = np.concatenate([traced.color * alpha, alpha], -1)
    both = np.asarray(cv2.resize(both, size, interpolation=cv2.INTER_AREA), np.float64)
    samples = traced.depth.reshape(height, FINE, width, FINE).transpose(0, 2, 1, 3).reshape(height, width, -1)
    depth = 1.0 + np.sort(samples, -1)[..., 0]  # of the nearest surface in the pixel
    return Seen(both[..., :3] / np.maximum(both[..., 3:], 1e-6), both[..., 3], depth)


def stand_thing(
    view: View,
    canvas: Canvas,
    thing: Thing,
    x: float,
    y: float,
    size: float,
    turn: float,
    threads: int,
    above: float = 0.0,
) -> None:
    """A thing of the library on the ground, or ``above`` it; ``size`` 1 is its own real size."""
    at = (x, y, height(x, y) + above - 0.02 * size)
    stand(view, canvas, thing.shape, at, METRES[thing.kind] * size, turn, thing.seed, threads)


# ---- sunflowers ----------------------------------------------------------------------------------
def sunflower_plant(seed: int, tall: float, facing: tuple[float, float, float]) -> ShapeArrays:
    """A whole sunflower with a head of radius 1, ``tall`` radii high, looking along ``facing``."""
    rng = np.random.default_rng(seed)
    s = Shape()
    petal = s.material(petal_material((0.93, 0.55, 0.015), (0.72, 0.27, 0.006)))
    disc = s.material(disc_material((0.13, 0.060, 0.016), (0.30, 0.16, 0.03)))
    floret = s.material(disc_material((0.30, 0.15, 0.025), (0.62, 0.36, 0.04)))
    leaf = s.material(leaf_material())
    stem = s.material(stem_material((0.17, 0.30, 0.06)))
    frame = aligned(facing)
    out = np.asarray(facing) / np.linalg.norm(facing)
    head = np.array([0.0, 0.0, tall]) + 0.35 * out
    flower_head(s, head, frame, 1.0, rng, petal, disc, floret, leaf, rows=2, petals=21)
    back = head - 0.13 * out
    neck = back - 0.30 * out - np.array([0.0, 0.0, 0.40])
    s.part()
    s.chain([(0.1, 0.25, 0.0), (0.05, 0.2, 0.5 * tall), neck, back], 0.11, 0.085, stem, blend=0.05)
    count = 9
    for i in range(count):
        a, z = i * 2.4 + rng.uniform(-0.4, 0.4), tall * (0.10 + 0.68 * i / count)
        long = 2.3 * rng.uniform(0.8, 1.1) * (1 - 0.45 * i / count)
        s.part()
        s.sheet(
            (0.08 * math.cos(a) + 0.05, 0.08 * math.sin(a) + 0.2, z),
            turned(a, 0.35 + rng.uniform(-0.15, 0.25), rng.uniform(-0.4, 0.4)),
            long,
            long * 0.40,
            leaf,
            LEAF,
            bend=-0.32 - rng.uniform(0, 0.2),
            cup=0.12,
            thickness=0.012,
            wave=0.07,
        )
    return s.arrays()


# ---- woods ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Picture:
    """A traced tree at several sizes: premultiplied colour and alpha [h, w, 4], halved from level to level."""

    levels: tuple[NDArray[np.float32], ...]
    aspect: float  # width / height


def tree_picture(kind: str, seed: int, turn: float, threads: int) -> Picture:
    """Look at a tree from the front, as from far away."""
    shape = Thing(kind, seed).shape
    top = float(shape.centre[2] + shape.radius * 0.86)
    wide = 1.7 * shape.radius
    w, h = round(TREE_PIXELS * wide / top), TREE_PIXELS
    away, step = 40.0, top / TREE_PIXELS / 40.0
    c, s = math.cos(-turn), math.sin(-turn)
    rotate = np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
    right, down = np.array([step, 0, 0]), np.array([0, 0, -step])
    corner = np.array([0, 1.0, 0]) - 0.5 * w * right - 0.5 * h * down
    eye = np.array([0, -away, 0.5 * top])
    seen = seen_from(
        shape, rotate @ eye, rotate @ corner, rotate @ right, rotate @ down, (w, h), turn, seed, METRES[kind], threads,
    )  # fmt: skip
    level = np.concatenate([seen.color * seen.alpha[..., None], seen.alpha[..., None]], -1).astype(np.float32)
    levels = [level]
    while min(levels[-1].shape[:2]) > 4:
        a = levels[-1]
        size = (max(1, a.shape[1] // 2), max(1, a.shape[0] // 2))
        levels.append(np.asarray(cv2.resize(a, size, interpolation=cv2.INTER_AREA), np.float32))
    return Picture(tuple(levels), w / h)


def plant_picture(
    view: View,
    land: Array,
    land_depth: Array,
    picture: Picture,
    x: float,
    y: float,
    tall: float,
    bright: float,
) -> None:
    """Set a tree's picture up on the ground, hidden by the land in front of it."""
    z = height(x, y) - 0.02 * tall
    (u, v), depth = view.project(np.array([x, y, z]))
    depth = float(depth)
    h = view.focal * tall / depth
    w = h * picture.aspect
    if u + w < 0 or u - w > view.width or h < 1.0:
        return
    level = picture.levels[
        int(np.clip(math.floor(math.log2(picture.levels[0].shape[0] / h)), 0, len(picture.levels) - 1))
    ]
    x0, y0 = math.floor(u - 0.5 * w) - 1, math.floor(v - h) - 1
    wide, high = math.ceil(w) + 3, math.ceil(h) + 3
    place = np.array([
        [w / level.shape[1], 0, u - 0.5 * w - x0], [0, h / level.shape[0], v - h - y0],
    ], np.float32)  # fmt: skip
    part = cv2.warpAffine(level, place, (wide, high), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
    X0, Y0, X1, Y1 = max(0, x0), max(0, y0), min(view.width, x0 + wide), min(view.height, y0 + high)
    if X0 >= X1 or Y0 >= Y1:
        return
    part = part[Y0 - y0 : Y1 - y0, X0 - x0 : X1 - x0]
    here = np.s_[Y0:Y1, X0:X1]
    a = np.clip(part[..., 3:], 0, 1) * (land_depth[here] > depth - 0.02 * depth)[..., None]
    lit = hazed(part[..., :3].astype(np.float64) / np.maximum(part[..., 3:], 1e-4) * bright, depth, x / y)
    land[here] = lit * a + land[here] * (1 - a)
    land_depth[here] = np.where(a[..., 0] > 0.5, depth, land_depth[here])


@njit(**KERNEL)
def woods_of(x, y, out):
    for i in range(len(x)):
        out[i] = wood(x[i], y[i])


def forest(view: View, land: Array, land_depth: Array, rng: np.random.Generator, threads: int) -> int:
    """Woods on the hills and single trees at the shore, far to near; returns their number."""
    pines = [tree_picture("pine", 11 + k, 1.7 * k, threads) for k in range(3)]
    broad = [tree_picture("tree", 21 + k, 2.1 * k, threads) for k in range(3)]
    rows = []
    y = 440.0
    while y < 2400.0:
        half = 0.70 * y
        step = max(WOOD_SPACING, 0.0085 * y)
        xs = np.arange(-half, half, step)
        rows.append(
            np.column_stack(
                [
                    xs + rng.uniform(-0.45, 0.45, len(xs)) * step,
                    np.full(len(xs), y) + rng.uniform(-0.5, 0.5, len(xs)) * step,
                ]
            )
        )
        y += step
    at = np.concatenate(rows)
    density = np.empty(len(at))
    woods_of(at[:, 0].copy(), at[:, 1].copy(), density)
    at = at[density > rng.uniform(0.04, 1.0, len(at))]
    # Around the lake and along the dale: trees that stand alone or in small groups.
    lone = np.column_stack([rng.uniform(-330, 330, 900), rng.uniform(150, 470, 900)])
    clump = np.array([fractal_of(px, py) for px, py in lone])
    dry = np.array([height(px, py) for px, py in lone]) > LAKE + 0.6
    lone = lone[(clump > 0.10) & dry & (np.abs(lone[:, 0] + 20 - 0.1 * lone[:, 1]) > 0.11 * lone[:, 1])]
    at = np.concatenate([at, lone])
    order = np.argsort(-at[:, 1], kind="stable")
    for x, y in at[order]:
        high = rng.uniform(0.0, 1.0)
        conifer = rng.uniform() < (0.62 + 0.3 * (y > 900))
        tall = (9.0 + 7.0 * high) if conifer else (6.5 + 5.0 * high)
        pictures = pines if conifer else broad
        plant_picture(
            view,
            land,
            land_depth,
            pictures[rng.integers(len(pictures))],
            x,
            y,
            tall,
            rng.uniform(0.85, 1.25) * (1.15 if conifer else 1.0),
        )
    return len(at)


def fractal_of(x: float, y: float) -> float:
    """Where lone trees gather."""
    return fractal(x / 60.0 + 1.3, y / 60.0, 3, 502)
