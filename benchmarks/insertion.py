"""What a commit costs: place, propose, apply, append, and how long a world takes to open.

    python benchmarks/insertion.py [--repeat N] [--far N]

A root of 768 x 512 pixels on a relief with depth edges, one zoom view of 864 x 608 pixels above it (the
size that generation makes for a 768 x 512 viewer), then a square one of 512 x 512. ``--far`` adds that many
nodes elsewhere first: an insertion must not cost more for them. Times are the best of N runs in this
process; nothing is asserted.
"""

from __future__ import annotations

import argparse
import math
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL, Cell
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.scale_node import ScaleNode, View, node_id
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.surfels import Surfels
from wonderzoom.scene_graph.world import World

T = TypeVar("T")
F64 = NDArray[np.float64]
Placed = list[tuple[Cell, Surfels]]

ROOT = (768, 512)
ZOOM = (864, 608)
FOCAL = 640.0


def relief(root: Camera, uv: F64) -> F64:
    """zeta [...] in root pixels of the surface behind root pixels [..., 2]: waves, ripples and steps."""
    u, v = uv[..., 0] / ROOT[0], uv[..., 1] / ROOT[1]
    waves = 40.0 * np.sin(7.0 * u + 2.0 * v) + 25.0 * np.cos(11.0 * v - 3.0 * u) - 150.0 * (v - 0.5)
    ripples = 3.0 * np.sin(90.0 * u) * np.cos(70.0 * v)
    steps = 80.0 * ((np.sin(5.0 * u + 1.0) * np.sin(6.0 * v)) > 0.55)
    return waves + ripples - steps


def look_at(camera: Camera, root: Camera, u: float, v: float, factor: float, size: tuple[int, int]) -> Camera:
    """A zoom by ``factor`` into root pixel (u, v), from the root's eye."""
    uv = np.array([u, v])
    point = camera.map_from(root)
    turned = camera.looking_at(point[0] @ root.unproject(uv, relief(root, uv)) + point[1])
    wide = turned.zoomed(factor)
    return Camera(
        wide.pivot, wide.quat, wide.ln_distance, wide.ln_fx, wide.ln_fy, size[0] / 2, size[1] / 2, *size
    )


def seen(camera: Camera, root: Camera) -> NDArray[np.float32]:
    """zeta [H, W] of the relief in a camera with the root's eye."""
    uv = camera.pixel_centres()
    x, y = (uv[..., 0] - camera.cx) * camera.inverse_f, (uv[..., 1] - camera.cy) * camera.inverse_f
    direction = np.stack([x, y, np.ones_like(x)], -1) @ (root.rotation @ camera.rotation.T).T
    at = direction[..., :2] / direction[..., 2:] * FOCAL + [root.cx, root.cy]
    points = root.unproject(at, relief(root, at))
    matrix, origin = camera.map_from(root)
    return (points @ matrix[2] + origin[2]).astype(np.float32)


def made(camera: Camera, root: Camera, parent: str | None) -> tuple[ScaleNode, Placed, float]:
    """A node with all its surfels, and the seconds that placing them took."""
    zeta = seen(camera, root)
    mask = np.ones(zeta.shape, np.bool_)
    rng = np.random.default_rng(1)
    image = rng.random((*zeta.shape, 3), np.float32)
    layer = lift(Layer(camera, image, zeta, mask))
    start = time.perf_counter()
    blocks = place(
        camera,
        layer.means,
        layer.quats,
        layer.log_scales,
        layer.opacities,
        layer.colors,
        layer.ln_native,
        np.zeros(len(layer), np.uint16),
        layer.kind,
    )
    seconds = time.perf_counter() - start
    view = View(camera, mask, zeta, image=(image * 255).astype(np.uint8))
    nowhere, none = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), (0.0, 0.0)
    name = node_id(parent, camera, "", 0, "benchmark/1")
    node = ScaleNode(name, parent, (), ORIGIN_CELL, nowhere, none, none, none, "", 0, "benchmark/1", (view,))
    return node, list(blocks.items()), seconds


def best(repeat: int, work: Callable[[], T]) -> tuple[float, T]:
    """The least seconds of some runs, and what the last one gave."""
    seconds = math.inf
    for _ in range(repeat - 1):
        start = time.perf_counter()
        work()
        seconds = min(seconds, time.perf_counter() - start)
    start = time.perf_counter()
    result = work()
    return min(seconds, time.perf_counter() - start), result


def grown(far: int) -> tuple[World, Camera, str]:
    """A root and ``far`` small zooms along its upper rim."""
    root = initial_camera(FOCAL, *ROOT, math.log(0.2))
    world = World(WorldHeader(h_ref=512))
    node, blocks, _ = made(root, root, None)
    world.apply(world.propose(node, blocks))
    for number in range(far):
        u = 8.0 + (ROOT[0] - 16.0) * ((number * 0.618034) % 1.0)
        camera = look_at(root, root, u, 4.0 + 56.0 * number / far, 8.0 + number % 7, (64, 48))
        one, parts, _ = made(camera, root, node.id)
        world.apply(world.propose(one, parts))
    return world, root, node.id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--far", type=int, nargs="*", default=[0, 200])
    arguments = parser.parse_args()
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}")
    print(
        "nodes elsewhere | view | surfels | old rows changed | place | propose | apply | append | surfels/s"
    )
    for far in arguments.far:
        world, root, root_id = grown(far)
        for size, factor in (((512, 512), 4.0), (ZOOM, 4.0)):
            camera = look_at(root, root, 400.0, 330.0, factor, size)
            measure(world, camera, root, root_id, far, arguments.repeat)


def measure(world: World, camera: Camera, root: Camera, parent: str, far: int, repeat: int) -> None:
    """One line of the table: the view of ``camera`` is added, measured and removed again."""
    place_s, (node, blocks, _) = min(
        ((result[2], result) for result in (made(camera, root, parent) for _ in range(repeat))),
        key=lambda pair: pair[0],
    )
    propose_s, commit = best(repeat, lambda: world.propose(node, blocks))
    apply_s = math.inf
    for _ in range(repeat):
        start = time.perf_counter()
        world.apply(world.propose(node, blocks))
        apply_s = min(apply_s, time.perf_counter() - start)
        world.apply(world.propose_removal(node.id))
    apply_s -= propose_s
    commit = world.propose(node, blocks)
    append_s = math.inf
    with tempfile.TemporaryDirectory() as folder:
        for number in range(repeat):
            with WorldStore.create(Path(folder) / str(number), world.header) as store:
                first = type(commit)(1, commit.added, (), commit.blocks, ())
                start = time.perf_counter()
                store.append(first)
                append_s = min(append_s, time.perf_counter() - start)
    count = sum(len(block.surfels) for block in commit.blocks)
    changed = sum(len(patch.bounds.parent) for patch in commit.patches)
    rate = count / (propose_s + apply_s)
    print(
        f"{far:5d} | {camera.width} x {camera.height} | {count} | {changed} | {place_s * 1e3:.0f} ms | "
        f"{propose_s * 1e3:.0f} ms | {apply_s * 1e3:.0f} ms | {append_s * 1e3:.0f} ms | {rate / 1e6:.2f} M"
    )


if __name__ == "__main__":
    main()
