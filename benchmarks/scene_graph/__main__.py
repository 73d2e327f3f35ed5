"""What the scene graph costs against the size of a world (10^4 to 10^7 surfels) and depth (1 to 300 zooms of 8x).

    nice python -m benchmarks.scene_graph [--zooms N ...] [--depths N ...] [--rounds N]

Milliseconds of CPU, medians over the rounds: of

    cut       the visible set of one frame of 640 x 360, a little further on each time
    propose   bounds of a new node, and of the old surfels that it covers or is covered by
    apply     making that commit the present
    append    making it durable
    bounds    all bounds of one node's surfels, alone
    pick      from a pixel of a drawn picture to its place
    load      opening the whole world from disk; per million surfels in brackets

The last row is the exponent e of a fit ``time ~ size^e`` (or ``depth^e``): 0 is "does not grow", 1 is "in proportion".
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from benchmarks.machine import machine, median, table
from benchmarks.scene_graph.worlds import CHAIN, PLACES, SIDE, deep_world, inside, node, wide_world
from wonderzoom.runtime.renderers import coverage_kernels, selection_kernels
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.coverage import compute_bounds
from wonderzoom.scene_graph.picking import pick
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

T = TypeVar("T")

STEPS = ("cut", "propose", "apply", "append", "bounds", "pick", "load")
FRAME = (640, 360)


class Clock:
    """CPU milliseconds of named steps."""

    def __init__(self) -> None:
        self.taken: dict[str, list[float]] = {}

    def time(self, name: str, work: Callable[[], T]) -> T:
        before = time.process_time()
        result = work()
        self.taken.setdefault(name, []).append(1e3 * (time.process_time() - before))
        return result


def measured(
    world: World, log: Sequence[Commit], parent: Camera, size: tuple[int, int], rounds: int
) -> Clock:
    """All steps, at the node whose frame is ``parent``."""
    clock, settings = Clock(), RenderSettings(h_ref=world.header.h_ref)
    owner = next(each for each in world.nodes.values() if each.main.camera == parent)
    camera = inside(parent, 0.4 * parent.width, 0.45 * parent.height, 8.0, *size)
    view = parent.resized(*FRAME).zoomed(1.5)
    visible_set(world, view, settings)
    for turn in range(rounds):
        moved = view.zoomed(1.0 + 0.01 * turn)
        clock.time("cut", lambda m=moved: visible_set(world, m, settings))
        made, blocks = node(camera, owner.id)
        commit = clock.time("propose", lambda n=made, b=blocks: world.propose(n, b))
        clock.time("apply", lambda c=commit: world.apply(c))
        own = world.blocks_of(made.id)
        clock.time("bounds", lambda o=own: compute_bounds(o, world.views))
        world.apply(world.propose_removal(made.id))
        with tempfile.TemporaryDirectory() as folder:
            first = replace(commit, revision=1)
            with WorldStore.create(Path(folder) / "world", world.header) as store:
                clock.time("append", lambda s=store, c=first: s.append(c))
    small = parent.resized(160, 90)
    visible = visible_set(world, small, settings)
    with CpuRenderer(1) as renderer:
        drawn = renderer.render(visible, small, settings)
    for turn in range(rounds):
        clock.time("pick", lambda u=20.5 + turn: pick(drawn, visible, small, u, 40.5))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "world"
        with WorldStore.create(path, world.header) as store:
            for commit in log:
                store.append(commit)
        for _ in range(min(rounds, 3)):
            with WorldStore.open(path) as store:
                assert clock.time("load", store.load).nodes.keys() == world.nodes.keys()
    return clock


def row(name: str, world: World, clock: Clock, added: int) -> list[str]:
    surfels = sum(len(block.surfels) for block in world.blocks)
    told = {step: median(clock.taken[step]) for step in STEPS}
    rate = added / (told["propose"] + told["apply"]) / 1e3
    cells = [f"{told[step]:.2f}" if told[step] < 10 else f"{told[step]:.0f}" for step in STEPS]
    cells[-1] += f" ({1e6 * told['load'] / surfels:.0f})"
    return [name, f"{surfels:,}", *cells, f"{rate:.2f} M/s"]


def slopes(over: Sequence[float], clocks: Sequence[Clock]) -> list[str]:
    """The exponent of each step."""
    x = np.log(over)
    fits = (np.polyfit(x, np.log([median(clock.taken[step]) for clock in clocks]), 1)[0] for step in STEPS)
    return ["exponent", "", *(f"{fit:.2f}" for fit in fits), ""]


def main() -> None:
    parser = argparse.ArgumentParser(description="What the scene graph costs against size and depth.")
    parser.add_argument("--zooms", type=int, nargs="*", default=[1, 16, PLACES])
    parser.add_argument("--depths", type=int, nargs="*", default=[1, 10, 30, 100, 300])
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    coverage_kernels.warm_up()
    selection_kernels.warm_up()
    print(machine("numpy", "numba"))
    print("\nMilliseconds of CPU (load: per million surfels in brackets)\n")
    header = ["world", "surfels", *STEPS, "propose + apply"]
    for title, counts, make, size in (
        ("zooms beside each other", arguments.zooms, wide_world, (SIDE, SIDE)),
        ("zooms into each other", arguments.depths, deep_world, CHAIN),
    ):
        rows: list[list[str]] = []
        clocks: list[Clock] = []
        over: list[float] = []
        for count in counts:
            log: list[Commit] = []
            world, cameras = make(count, log.append)
            at = cameras[1] if make is wide_world else cameras[-1]
            clocks.append(measured(world, log, at, size, arguments.rounds))
            rows.append(row(f"{count} {title}", world, clocks[-1], size[0] * size[1]))
            over.append(
                float(count) if make is deep_world else sum(len(block.surfels) for block in world.blocks)
            )
        if len(counts) > 1:
            rows.append(slopes(over, clocks))
        if rows:
            print(table(header, rows) + "\n", flush=True)


if __name__ == "__main__":
    main()
