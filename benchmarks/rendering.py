"""Frames of the CPU renderer: how long they take, what a larger world adds, what each modulation costs.

    python -m benchmarks.rendering [--quick] [--rounds N] [--threads N]

Three tables, of the synthetic world of ``benchmarks/nested_world.py`` (five levels of 512 x 512 surfels,
zooms of 4, 8, 5 and 6). ``select`` is the walk of the octree that finds the visible set, ``draw`` the picture
from it; fps is of both, of a camera that moves; CPU is what all threads together spent on the frame, which a
busy machine changes least. Times are medians of rounds that take turns through all rows, so that a busy
machine is busy for all of them. ``memory`` is what the renderer holds.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from benchmarks.machine import machine, median, table
from benchmarks.nested_world import NestedWorld
from wonderzoom.runtime.renderers.cpu import CpuRenderer, FrameStatistics
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

VIEWS = (0.0, 0.5, 2.0, 4.0)
SIZES = ((480, 270), (640, 480), (1280, 720))
MODULATIONS: tuple[Modulation, ...] = ("optical_mass", "paper", "none")
ABLATED = (0.0, 4.0)  # far above the deepest level, and at it
Size = tuple[int, int]
JITTER = 1e-4  # radians: a camera that moves from frame to frame, but sees the same


@dataclass
class Case:
    """One row: a view, and what was measured of it."""

    world: World
    camera: Camera
    settings: RenderSettings
    renderer: CpuRenderer
    select: list[float] = field(default_factory=list)  # ms
    draw: list[float] = field(default_factory=list)  # ms
    cpu: list[float] = field(default_factory=list)  # ms of all threads together, of the whole frame
    visible: VisibleSet | None = None
    statistics: FrameStatistics | None = None

    def frame(self, number: int) -> None:
        """Select and draw once; the first frame (0) warms up and does not count."""
        camera = self.camera.orbited(JITTER * (number % 5), 0.0)
        used, start = time.process_time(), time.perf_counter()
        self.visible = visible_set(self.world, camera, self.settings)
        chosen = time.perf_counter()
        self.renderer.render_color(self.visible, camera, self.settings)
        end = time.perf_counter()
        self.statistics = self.renderer.statistics
        if number:
            self.select.append(1e3 * (chosen - start))
            self.draw.append(1e3 * (end - chosen))
            self.cpu.append(1e3 * (time.process_time() - used))

    @property
    def surfels(self) -> int:
        """Of the visible set: all surfels of its blocks."""
        return self.visible.surfel_count if self.visible else 0

    @property
    def drawn(self) -> int:
        """Surfels that touched the picture."""
        return self.statistics.drawn if self.statistics else 0

    @property
    def fps(self) -> float:
        return 1e3 / median([a + b for a, b in zip(self.select, self.draw, strict=True)])


def run(cases: Sequence[Case], rounds: int) -> None:
    """Frame after frame of all cases in turn."""
    for number in range(rounds + 1):
        for case in cases:
            case.frame(number)


def row(name: str, case: Case, *more: str) -> list[str]:
    return [
        name,
        f"{median(case.select):.1f}",
        f"{median(case.draw):.1f}",
        f"{median(case.cpu):.1f}",
        f"{case.fps:.1f}",
        f"{case.surfels:,}",
        f"{case.drawn:,}",
        *more,
    ]


COLUMNS = ["select ms", "draw ms", "CPU ms", "fps", "surfels in visible set", "drawn"]


def views(nested: NestedWorld, sizes: Sequence[Size], threads: Sequence[int], rounds: int) -> str:
    """E0 (the first picture) to E4 (the deepest), E0.5 between two levels."""
    settings = RenderSettings(h_ref=nested.side)
    with ExitStack() as stack:
        renderers = {count: stack.enter_context(CpuRenderer(count)) for count in threads}
        cases = {
            f"E{view:g}, {width}x{height}, {count} thread{'s' * (count > 1)}": Case(
                nested.world, nested.view(view, width, height), settings, renderers[count]
            )
            for view in VIEWS
            for width, height in sizes
            for count in threads
        }
        run(list(cases.values()), rounds)
    return table(["view", *COLUMNS], [row(name, case) for name, case in cases.items()])


def growth(nested: NestedWorld, threads: int, rounds: int) -> str:
    """The same view while the world grows where it doesn't show: elsewhere, or at scales too fine."""
    side, (width, height) = nested.side, SIZES[1]
    settings = RenderSettings(h_ref=side)
    worlds = {levels: NestedWorld(levels, side) for levels in (1, 2)} | {len(nested.cameras): nested}
    with CpuRenderer(threads) as renderer:
        named = {
            (view, levels): Case(
                world.world,
                world.corner(width, height) if view == "beside the zooms" else world.view(0.0, width, height),
                settings,
                renderer,
            )
            for view, least in (("beside the zooms", 1), ("above the zooms (E0)", 2))
            for levels, world in worlds.items()
            if levels >= least
        }
        run(list(named.values()), rounds)
    rows: list[list[str]] = []
    first: dict[str, float] = {}
    for (view, levels), case in named.items():
        base = first.setdefault(view, median(case.cpu))
        name = f"{view}, world of {worlds[levels].surfels:,}"
        rows.append(row(name, case, f"{100 * (median(case.cpu) / base - 1):+.0f} %"))
    return table(["view, surfels in the world", *COLUMNS, "CPU added"], rows)


def ablation(nested: NestedWorld, threads: int, rounds: int) -> str:
    """Table 3 of the paper: scale-aware modulation against drawing every surfel of every level."""
    width, height = SIZES[1]
    with ExitStack() as stack:
        cases = {
            (view, modulation): Case(
                nested.world,
                nested.view(view, width, height),
                RenderSettings(h_ref=nested.side, modulation=modulation),
                stack.enter_context(CpuRenderer(threads)),
            )
            for view in ABLATED
            for modulation in MODULATIONS
        }
        run(list(cases.values()), rounds)
        rows = [
            row(f"E{view:g}, {modulation}", case, f"{case.renderer.memory_bytes / 1e6:.0f}")
            for (view, modulation), case in cases.items()
        ]
    return table(["view, modulation", *COLUMNS, "memory MB"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the surfels, one size, few rounds")
    parser.add_argument("--rounds", type=int, default=0, help="frames of each row (default 15, quick 5)")
    parser.add_argument("--threads", type=int, nargs="*", default=[], help="default: 1 and all")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (5 if arguments.quick else 15)
    threads = arguments.threads or sorted({1, os.cpu_count() or 1})
    sizes = SIZES[1:2] if arguments.quick else SIZES

    print(machine("numpy", "numba", "llvmlite"))
    with CpuRenderer(1) as renderer:
        renderer.warm_up(print)
    nested = NestedWorld(5, 256 if arguments.quick else 512)
    blocks = nested.world.blocks
    print(f"a world of {nested.surfels:,} surfels in {len(blocks)} blocks, {len(nested.cameras)} levels")
    print("\nViews\n\n" + views(nested, sizes, threads, rounds))
    print("\nGrowth\n\n" + growth(nested, threads[-1], rounds))
    print("\nModulation\n\n" + ablation(nested, threads[-1], rounds))


if __name__ == "__main__":
    main()
