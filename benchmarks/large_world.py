"""A world of many surfels, on disk: one picture of a flat relief, and zooms side by side into it.

Made through the real ``World`` and ``WorldStore``, a node at a time, without ever being in memory as a whole:
``python -m benchmarks.large_world 10`` measures how long opening takes, against loading all of it.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.nested_world import shade
from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.cells import ORIGIN_CELL
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.scale_node import ScaleNode, View, node_id
from wonderzoom.scene_graph.store import WorldStore

SLOTS = 5  # zooms lie in a grid of so many by so many, each as wide as a slot
OPACITY = 0.9


def cameras(nodes: int, side: int) -> list[Camera]:
    """The first picture's camera, and those of ``nodes - 1`` zooms side by side, straight at the relief."""
    first = initial_camera(0.9 * side, side, side, math.log(0.2))
    found = [first]
    for number in range(nodes - 1):
        row, column = divmod(number, SLOTS)
        at = np.array([(column + 0.5) / SLOTS, (row + 0.5) / SLOTS]) * side
        pivot = first.position(first.unproject(at, np.zeros(())))
        found.append(replace(first, pivot=pivot).zoomed(float(SLOTS)))
    return found


def write(path: Path, nodes: int, side: int) -> None:
    """A world of ``nodes`` pictures of ``side`` x ``side`` surfels at ``path``."""
    if not 1 <= nodes <= 1 + SLOTS * SLOTS:
        raise ValueError(f"1 to {1 + SLOTS * SLOTS} nodes have a place, got {nodes}")
    header = WorldHeader(h_ref=side)
    flat, mask = np.zeros((side, side), np.float32), np.ones((side, side), np.bool_)
    parent: str | None = None
    with WorldStore.create(path, header) as store:
        world = store.load(PageCache(64 << 20))
        for number, camera in enumerate(cameras(nodes, side)):
            image = _picture(number, side)
            layer = lift(Layer(camera, image, flat, mask))
            blocks = place(
                camera, layer.means, layer.quats, layer.log_scales, np.full(len(layer), OPACITY), layer.colors,
                layer.ln_native, np.zeros(len(layer), np.uint16), layer.kind,
            )  # fmt: skip
            view = View(camera, mask, flat, image=(image * 255).astype(np.uint8))
            nowhere, none = ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)), (0.0, 0.0)
            name = node_id(parent, camera, "", number, "benchmark/1")
            node = ScaleNode(
                name, parent, (), ORIGIN_CELL, nowhere, none, none, none, "", number, "benchmark/1", (view,)
            )
            commit = world.propose(node, list(blocks.items()))
            world.apply(commit)
            store.append(commit)
            world.settle(store.settled(commit))
            parent = parent or name


def _picture(number: int, side: int) -> NDArray[np.float32]:
    """Waves of all sizes that a picture can show, others for each number."""
    across = np.linspace(-0.5, 0.5, side)
    a, b = np.meshgrid(across + number, across - number)
    return shade(a, b, 1.0).astype(np.float32)


def measure(path: Path, *, whole: bool) -> str:
    """A line of what opening or loading took, in this process, which should do nothing else."""
    begun, busy = time.perf_counter(), time.process_time()
    with WorldStore.open(path) as store:
        world = store.load(None if whole else PageCache())
    seconds, busy = time.perf_counter() - begun, time.process_time() - busy
    surfels = sum(block.count for block in world.blocks)
    how = "loaded whole" if whole else "opened"
    peak = peak_bytes() / 2**20
    return f"{surfels / 1e6:6.1f} M surfels {how:13}{seconds:8.2f} s, {busy:6.2f} of them CPU; {peak:6.0f} MiB at most"


def peak_bytes() -> int:
    """The most that this process has held in memory so far (Linux; what its parent held does not count)."""
    (line,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")
    )
    return 1024 * int(line.split()[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("nodes", type=int, nargs="?", default=10, help="pictures of a million surfels")
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--world", type=Path, help="one that was made before, or where to make it")
    parser.add_argument("--measure", choices=["open", "load"], help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(measure(options.world, whole=options.measure == "load"))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = options.world or Path(folder) / "world"
        if not path.exists():
            write(path, options.nodes, options.side)
        for what in ("open", "load"):
            command = [sys.executable, "-m", "benchmarks.large_world", f"--world={path}", f"--measure={what}"]
            subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
