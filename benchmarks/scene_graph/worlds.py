"""Worlds of a given size or depth, made by the real ``lift``, ``place`` and ``propose`` from formulas."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL, Cell
from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.scale_node import ScaleNode, View, node_id
from wonderzoom.scene_graph.surfels import Surfels
from wonderzoom.scene_graph.world import World

Placed = list[tuple[Cell, Surfels]]

ROOT = (256, 160)
FOCAL = 220.0
SIDE = 256  # of a zoom's picture: 65,536 surfels
STEP = 16  # root pixels that a zoom of 16x spans
PLACES = (ROOT[0] // STEP) * (ROOT[1] // STEP)
CHAIN = (128, 96)


def seen(camera: Camera, waves: float) -> NDArray[np.float32]:
    """zeta [H, W]: a gentle relief in the camera's own pixels."""
    uv = camera.pixel_centres()
    return (waves * np.sin(uv[..., 0] / 23.0) * np.cos(uv[..., 1] / 31.0)).astype(np.float32)


def node(camera: Camera, parent: str | None, waves: float = 4.0) -> tuple[ScaleNode, Placed]:
    """A node of one view with a surfel for each of its pixels."""
    zeta = seen(camera, waves)
    mask = np.ones(zeta.shape, np.bool_)
    image = np.random.default_rng(1).random((*zeta.shape, 3), np.float32)
    part = lift(Layer(camera, image, zeta, mask))
    columns = (part.means, part.quats, part.log_scales, part.opacities, part.colors, part.ln_native)
    blocks = place(camera, *columns, np.zeros(len(part), np.uint16), part.kind)
    view = View(camera, mask, zeta, image=(image * 255).astype(np.uint8))
    nowhere, none = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), (0.0, 0.0)
    name = node_id(parent, camera, "", 0, "benchmark/1")
    made = ScaleNode(name, parent, (), ORIGIN_CELL, nowhere, none, none, none, "", 0, "benchmark/1", (view,))
    return made, list(blocks.items())


def inside(camera: Camera, u: float, v: float, factor: float, width: int, height: int) -> Camera:
    """The zoom into a pixel of a view, from its eye."""
    turned = camera.looking_at(camera.unproject(np.array([u, v]), np.zeros(()))).zoomed(factor)
    return replace(turned, cx=width / 2, cy=height / 2, width=width, height=height)


def wide_world(
    zooms: int, log: Callable[[Commit], None] = lambda _commit: None
) -> tuple[World, list[Camera]]:
    """A root and up to ``PLACES`` zooms of 16x beside each other: ``cameras[k]`` made node k."""
    camera = initial_camera(FOCAL, *ROOT, math.log(0.2))
    world, cameras = World(WorldHeader(h_ref=ROOT[1])), [camera]
    first = _added(world, camera, None, log)
    for number in range(zooms):
        row, column = divmod(number * 97 % PLACES, ROOT[0] // STEP)  # neighbours come at different times
        cameras.append(inside(camera, (column + 0.5) * STEP, (row + 0.5) * STEP, 16.0, SIDE, SIDE))
        _added(world, cameras[-1], first, log)
    return world, cameras


def deep_world(
    zooms: int, log: Callable[[Commit], None] = lambda _commit: None
) -> tuple[World, list[Camera]]:
    """A chain of zooms of 8x, each a little off the middle of the last."""
    camera = initial_camera(0.85 * CHAIN[0], *CHAIN, math.log(0.2))
    world, cameras, parent = World(WorldHeader(h_ref=CHAIN[1])), list[Camera](), None
    for number in range(zooms + 1):
        if number:
            camera = inside(camera, 0.47 * CHAIN[0], 0.52 * CHAIN[1], 8.0, *CHAIN)
        cameras.append(camera)
        parent = _added(world, camera, parent, log, 1.0)
    return world, cameras


def _added(
    world: World, camera: Camera, parent: str | None, log: Callable[[Commit], None], waves: float = 4.0
) -> str:
    made, blocks = node(camera, parent, waves)
    commit = world.propose(made, blocks)
    log(commit)
    world.apply(commit)
    return made.id
