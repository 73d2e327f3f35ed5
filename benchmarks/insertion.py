"""What a commit costs: place, propose, apply, append; and what opening a world costs.

    python -m benchmarks.insertion [--rounds N] [--far N ...] [--depth N] [--numpy]

A root of 768 x 512 pixels on a relief with depth edges and one zoom view above it: 512 x 512, and 864 x 608,
which is what generation makes for a viewer of 768 x 512. ``--far`` adds that many small nodes elsewhere first, and
the last rows have a root of 2448 x 1632, four million surfels: an insertion must not cost more for them. Bounds are
worked out and blocks hashed by compiled loops, as in a program that makes worlds, or with ``--numpy`` by their
definition. Times are medians over the rounds.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.machine import machine, median, table
from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.runtime.renderers import coverage_kernels
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL, Cell
from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.scale_node import ScaleNode, View, node_id
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.surfels import Surfels
from wonderzoom.scene_graph.world import World

T = TypeVar("T")
F64 = NDArray[np.float64]
Placed = list[tuple[Cell, Surfels]]

ROOT = (768, 512)
LARGE_ROOT = (2448, 1632)
VIEWS = ((512, 512), (864, 608))
FOCAL = 640.0
FACTOR = 4.0
AT = (400.0, 330.0)  # root pixel that is zoomed into
# Lengths are in pixels of ROOT; a larger root shows the same in more of them.


class Clock:
    """Wall and CPU milliseconds of named steps, over the rounds."""

    def __init__(self) -> None:
        self.wall: dict[str, list[float]] = {}
        self.cpu: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], T]) -> T:
        wall, cpu = time.perf_counter(), time.process_time()
        result = work()
        self.cpu.setdefault(name, []).append(1e3 * (time.process_time() - cpu))
        self.wall.setdefault(name, []).append(1e3 * (time.perf_counter() - wall))
        return result

    def told(self, name: str) -> str:
        """Wall (CPU) milliseconds."""
        return f"{median(self.wall[name]):.0f} ({median(self.cpu[name]):.0f})"


# ---- content ----------------------------------------------------------------------------------------
def pixels(root: Camera) -> float:
    """Pixels of a root for one of ROOT's."""
    return root.width / ROOT[0]


def relief(uv: F64, root: Camera) -> F64:
    """zeta [...] in root pixels of the surface behind root pixels [..., 2]: waves, ripples and steps."""
    u, v = uv[..., 0] / root.width, uv[..., 1] / root.height
    waves = 40.0 * np.sin(7.0 * u + 2.0 * v) + 25.0 * np.cos(11.0 * v - 3.0 * u) - 150.0 * (v - 0.5)
    ripples = 3.0 * np.sin(90.0 * u) * np.cos(70.0 * v)
    steps = 80.0 * ((np.sin(5.0 * u + 1.0) * np.sin(6.0 * v)) > 0.55)
    return pixels(root) * (waves + ripples - steps)


def zoomed_at(root: Camera, at: tuple[float, float], factor: float, size: tuple[int, int]) -> Camera:
    """The generation camera of a zoom into a place: the root's eye, turned, a longer focal length."""
    uv = pixels(root) * np.array(at)
    camera = root.looking_at(root.unproject(uv, relief(uv, root))).zoomed(factor)
    return replace(camera, cx=size[0] / 2, cy=size[1] / 2, width=size[0], height=size[1])


def seen(camera: Camera, root: Camera) -> NDArray[np.float32]:
    """zeta [H, W] of the relief in a camera with the root's eye."""
    uv = camera.pixel_centres()
    x, y = (uv[..., 0] - camera.cx) * camera.inverse_f, (uv[..., 1] - camera.cy) * camera.inverse_f
    direction = np.stack([x, y, np.ones_like(x)], -1) @ (root.rotation @ camera.rotation.T).T
    at = direction[..., :2] / direction[..., 2:] * (pixels(root) * FOCAL) + [root.cx, root.cy]
    matrix, origin = camera.map_from(root)
    return (root.unproject(at, relief(at, root)) @ matrix[2] + origin[2]).astype(np.float32)


def made(camera: Camera, root: Camera, parent: str | None, clock: Clock) -> tuple[ScaleNode, Placed]:
    """A node with all its surfels; what placing them takes goes to the clock."""
    zeta = seen(camera, root)
    mask = np.ones(zeta.shape, np.bool_)
    image = np.random.default_rng(1).random((*zeta.shape, 3), np.float32)
    part = lift(Layer(camera, image, zeta, mask))
    columns = (part.means, part.quats, part.log_scales, part.opacities, part.colors, part.ln_native)
    view = np.zeros(len(part), np.uint16)
    blocks = clock.time("place", lambda: place(camera, *columns, view, part.kind))
    views = (View(camera, mask, zeta, image=(image * 255).astype(np.uint8)),)
    nowhere, none = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), (0.0, 0.0)
    name = node_id(parent, camera, "", 0, "benchmark/1")
    node = ScaleNode(name, parent, (), ORIGIN_CELL, nowhere, none, none, none, "", 0, "benchmark/1", views)
    return node, list(blocks.items())


def grown(far: int, size: tuple[int, int] = ROOT) -> tuple[World, Camera, str, list[Commit]]:
    """A root, ``far`` small zooms along its upper rim, and the log."""
    root = initial_camera(FOCAL * size[0] / ROOT[0], *size, math.log(0.2))
    world, log, aside = World(WorldHeader(h_ref=ROOT[1])), list[Commit](), Clock()

    def add(node: ScaleNode, blocks: Placed) -> str:
        log.append(world.propose(node, blocks))
        world.apply(log[-1])
        return node.id

    first = add(*made(root, root, None, aside))
    for number in range(far):
        at = (8.0 + (ROOT[0] - 16.0) * ((number * 0.618034) % 1.0), 4.0 + 56.0 * number / far)
        add(*made(zoomed_at(root, at, 8.0 + number % 7, (64, 48)), root, first, aside))
    return world, root, first, log


# ---- measuring --------------------------------------------------------------------------------------
def insertion(world: World, root: Camera, parent: str, size: tuple[int, int], rounds: int) -> list[str]:
    """The cells of one row: a view is added, stored and removed again, some times."""
    clock = Clock()
    camera = zoomed_at(root, AT, FACTOR, size)
    count = changed = 0
    for _ in range(rounds):
        node, blocks = made(camera, root, parent, clock)
        commit = clock.time("propose", lambda n=node, b=blocks: world.propose(n, b))
        clock.time("apply", lambda c=commit: world.apply(c))
        with tempfile.TemporaryDirectory() as folder:
            with WorldStore.create(Path(folder) / "world", world.header) as store:
                first = replace(commit, revision=1)
                clock.time("append", lambda s=store, c=first: s.append(c))
        world.apply(world.propose_removal(node.id))
        count = sum(len(block.surfels) for block in commit.blocks)
        changed = sum(len(patch.bounds.parent) for patch in commit.patches)
    steps = ("place", "propose", "apply", "append")
    rate = count / (median(clock.cpu["propose"]) + median(clock.cpu["apply"])) / 1e3
    counts = [f"{count:,}", f"{changed:,}"]
    return [f"{size[0]} x {size[1]}", *counts, *(clock.told(step) for step in steps), f"{rate:.2f} M"]


def opening(far: int, depth: int, rounds: int) -> list[str]:
    """The cells of one row: a world of one root, ``far`` small nodes and ``depth`` full views, from disk."""
    clock = Clock()
    world, root, first, log = grown(far)
    for number in range(depth):
        at = (150.0 + 450.0 * number / max(1, depth - 1), 330.0)
        node, blocks = made(zoomed_at(root, at, FACTOR, VIEWS[0]), root, first, clock)
        log.append(world.propose(node, blocks))
        world.apply(log[-1])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world"
        with WorldStore.create(path, world.header) as store:
            for commit in log:
                store.append(commit)
        size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
        for _ in range(rounds):
            with clock.time("open", lambda: WorldStore.open(path)) as store:
                loaded = clock.time("load", store.load)
            assert loaded.revision == world.revision
    surfels = sum(len(block.surfels) for block in world.blocks)
    cells = [f"{len(world.nodes)} nodes", f"{surfels:,}", f"{size / 1e6:.0f}"]
    return [*cells, clock.told("open"), clock.told("load")]


def main() -> None:
    parser = argparse.ArgumentParser(description="What a commit costs, and what opening a world costs.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--far", type=int, nargs="*", default=[0, 200])
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--numpy", action="store_true")
    arguments = parser.parse_args()
    if not arguments.numpy:
        coverage_kernels.warm_up()
    print(machine("numpy", "numba"))
    rows: list[list[str]] = []
    worlds = [(f"{far} nodes elsewhere", far, ROOT) for far in arguments.far]
    for name, far, over in [*worlds, ("a root of 4 M", 0, LARGE_ROOT)]:
        world, root, first, _ = grown(far, over)
        for size in VIEWS:
            rows.append([name, *insertion(world, root, first, size, arguments.rounds)])
    steps = ["place", "propose", "apply", "append", "propose + apply, surfels/s of CPU"]
    print("\nWall (CPU) milliseconds\n")
    print(table(["world", "view", "surfels", "old rows in patched blocks", *steps], rows))
    world_rows = [opening(far, arguments.depth, arguments.rounds) for far in arguments.far]
    print("\n" + table(["world", "surfels", "MB on disk", "open", "load"], world_rows))


if __name__ == "__main__":
    main()
