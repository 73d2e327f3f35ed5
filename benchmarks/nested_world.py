"""A synthetic world for measurements: five nested views of one relief, each as fine as its own picture.

Made through the real ``World`` from the real lifting, so blocks, bounds and octree are those of generated
worlds; only the pictures are formulas, so that it is there in seconds and the same everywhere.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.scale_node import ScaleNode, View, node_id
from wonderzoom.scene_graph.world import World

F64 = NDArray[np.float64]

ZOOMS = (4.0, 8.0, 5.0, 6.0)  # 960 times in all
FOCAL = 0.9  # of the picture's side
# Where each zoom looks, in picture sides from the middle: off-centre, so that levels are not concentric.
TARGETS = ((0.09, -0.06), (-0.1, 0.04), (0.05, 0.11), (-0.07, -0.09))
OPACITY = (0.85, 0.15)  # mean and standard deviation: what a fit leaves


def relief(a: F64, b: F64, bends: list[tuple[float, float, float]]) -> F64:
    """Depth behind the directions (a, b) = (x / z, y / z): a slanted ground with waves around each target."""
    depth = 2.5 - 0.35 * b
    for size, x, y in bends:
        along, across = (a - x) / size, (b - y) / size
        depth = depth + 0.1 * size * (
            np.sin(12.0 * along + 4.0 * across) + 0.5 * np.cos(25.0 * across - along)
        )
    return depth


def shade(a: F64, b: F64, size: float) -> F64:
    """sRGB in [0, 1] [..., 3]: waves from the whole picture down to two pixels of a view of width ``size``."""
    color = np.full((*a.shape, 3), 0.5)
    wave, amplitude, turn = 1.0, 0.13, 0.3
    while wave > size / 256.0:
        phase = 2.0 * math.pi * (a * math.cos(turn) + b * math.sin(turn)) / wave
        color += amplitude * np.stack([np.sin(phase), np.sin(phase + 0.5), np.sin(1.1 * phase + 1.2)], -1)
        wave, amplitude, turn = wave / 1.9, amplitude * 0.8, turn + 2.4
    return np.clip(color, 0.0, 1.0)


class NestedWorld:
    """``levels`` views of ``side`` x ``side`` surfels; ``cameras[k]`` made level k."""

    def __init__(self, levels: int = 5, side: int = 512) -> None:
        self.side = side
        self.world = World(WorldHeader(h_ref=side))
        self.cameras: list[Camera] = []
        first = initial_camera(FOCAL * side, side, side, math.log(2.5 / 16.0))
        # The whole relief is bent at all scales whatever is built of it: growing changes nothing that is there.
        bends, x, y, size = [], 0.0, 0.0, 1.0 / FOCAL
        self._directions = [(x, y)]
        for (dx, dy), zoom in zip((*TARGETS, (0.0, 0.0)), (*ZOOMS, 1.0), strict=True):
            bends.append((size, x, y))
            x, y, size = x + dx * size, y + dy * size, size / zoom
            self._directions.append((x, y))
        self._bends = bends
        parent: str | None = None
        for level in range(levels):
            x, y = self._directions[level]
            zoom = math.prod(ZOOMS[:level])
            depth = float(relief(np.array(x), np.array(y), bends))
            point = np.array([x, y, 1.0]) * depth / 2.5 - [0.0, 0.0, 1.0]
            camera = first.looking_at(point * math.exp(first.ln_f)).zoomed(zoom)
            parent = self._add(first, camera, level, parent)
            self.cameras.append(camera)

    def _add(self, first: Camera, camera: Camera, level: int, parent: str | None) -> str:
        rng = np.random.default_rng(level)
        uv = camera.pixel_centres()
        flat = np.stack([(uv[..., 0] - camera.cx), (uv[..., 1] - camera.cy)], -1) * camera.inverse_f
        direction = np.concatenate([flat, np.ones((*flat.shape[:2], 1))], -1)
        ray = direction @ (first.rotation @ camera.rotation.T).T  # along the axes of the first camera
        a, b = ray[..., 0] / ray[..., 2], ray[..., 1] / ray[..., 2]
        depth = relief(a, b, self._bends) / 2.5  # in D of the first camera
        # zeta: depth along this camera's axis, in D of the first, less its pivot's, in its own pixels.
        scale = math.exp(first.ln_distance - camera.ln_scale)
        zeta = (depth / ray[..., 2]) * scale - math.exp(camera.ln_f)
        size = 1.0 / (FOCAL * math.prod(ZOOMS[:level]))
        image = shade(a, b, size).astype(np.float32)
        mask = np.ones(zeta.shape, np.bool_)
        layer = lift(Layer(camera, image, zeta.astype(np.float32), mask))
        blocks = place(
            camera,
            layer.means,
            layer.quats,
            layer.log_scales,
            np.clip(rng.normal(*OPACITY, len(layer)), 0.1, 0.99),
            layer.colors,
            layer.ln_native,
            np.zeros(len(layer), np.uint16),
            layer.kind,
        )
        view = View(camera, mask, zeta.astype(np.float32), image=(image * 255).astype(np.uint8))
        nowhere, none = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), (0.0, 0.0)
        name = node_id(parent, camera, "", level, "benchmark/1")
        node = ScaleNode(
            name, parent, (), ORIGIN_CELL, nowhere, none, none, none, "", level, "benchmark/1", (view,)
        )
        self.world.apply(self.world.propose(node, list(blocks.items())))
        return name

    @property
    def surfels(self) -> int:
        return sum(len(block.surfels) for block in self.world.blocks)

    def view(self, scale: float, width: int, height: int) -> Camera:
        """The picture of level ``scale`` (between two levels for fractions), from a little aside, filling
        ``width`` x ``height``."""
        below = math.ceil(scale)
        camera = self.cameras[below]
        if below > scale:
            camera = camera.zoomed(ZOOMS[below - 1] ** (scale - below))
        return self._filling(camera.orbited(0.05, -0.03), width, height)

    def corner(self, width: int, height: int) -> Camera:
        """A view of level 0 where no zoom ever was: what it shows does not depend on the levels."""
        first = self.cameras[0]
        uv = np.array([0.24 * self.side, 0.76 * self.side])
        flat = (uv - self.side / 2) * first.inverse_f
        depth = float(relief(flat[0], flat[1], self._bends)) / 2.5
        zeta = np.array((depth - 1.0) * math.exp(first.ln_f))
        return self._filling(first.looking_at(first.unproject(uv, zeta)).zoomed(2.0), width, height)

    def _filling(self, camera: Camera, width: int, height: int) -> Camera:
        """The square picture of a camera cut to another shape, its long side 6 % tighter than the square."""
        zoom = 1.06 * max(width, height) / self.side
        return replace(camera.zoomed(zoom), cx=width / 2, cy=height / 2, width=width, height=height)
