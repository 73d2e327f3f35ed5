"""Frames of the OpenGL renderer beside the CPU renderer's: the same views of the same world, in turns.

    python -m benchmarks.opengl [--quick] [--rounds N]

The world is that of ``benchmarks/rendering.py``. Times are of the CPU, all threads together, which a busy machine
changes least: all of the work where Mesa's llvmpipe draws, with a graphics card only what is left of it. ``prepare`` is
what is done on one core before a picture is drawn: culling, weighing, sorting, uploading the order; ``draw`` is the
finished picture, that included. ``ids`` is ``render``, with depths and ids, of the smallest pictures. PSNR is the
finished picture's against the CPU renderer's, both in bytes, the worst of the row.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.machine import machine, median, table
from benchmarks.nested_world import NestedWorld
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.opengl import OpenGLRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.visible_set import visible_set

VIEWS = (0.0, 0.5, 2.0, 4.0)
SIZES = ((320, 180), (640, 360), (1280, 720))
JITTER = 1e-4  # radians: a camera that moves from frame to frame, but sees the same


def timed(draw: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """(milliseconds of the CPU, what it gave)."""
    start = time.process_time()
    result = draw(*arguments)
    return 1e3 * (time.process_time() - start), result


def rows(nested: NestedWorld, rounds: int, mips: bool) -> list[list[str]]:
    """A row for each view and size."""
    settings = RenderSettings(h_ref=nested.side, mips=mips)
    made: list[list[str]] = []
    with CpuRenderer() as cpu, OpenGLRenderer() as opengl:
        for view in VIEWS:
            for width, height in SIZES:
                camera, smallest = nested.view(view, width, height), (width, height) == SIZES[0]
                cpu_ms, prepare_ms, draw_ms, ids_ms = [], [], [], []
                worst = np.inf
                for number in range(rounds + 1):
                    moved: Camera = camera.orbited(JITTER * (number % 5), 0.0)
                    visible = visible_set(nested.world, moved, settings)
                    times = [
                        timed(cpu.render_color, visible, moved, settings),
                        timed(opengl.prepare, visible, moved, settings),
                        timed(opengl.render_color, visible, moved, settings),
                        timed(opengl.render, visible, moved, settings) if smallest else (0.0, None),
                    ]
                    if number:
                        for kept, (took, _) in zip((cpu_ms, prepare_ms, draw_ms, ids_ms), times, strict=True):
                            kept.append(took)
                    error = np.asarray(times[0][1], np.float64) - np.asarray(times[2][1])
                    worst = min(worst, 10 * np.log10(255**2 / max(np.mean(error[..., :3] ** 2), 1e-9)))
                made.append(
                    [
                        f"E{view:g}, {width}x{height}{', mips' * mips}",
                        *(f"{median(each):.0f}" for each in (cpu_ms, draw_ms, prepare_ms)),
                        f"{median(ids_ms):.0f}" if smallest else "",
                        f"{opengl.sent:,}",
                        f"{worst:.1f}",
                    ]
                )
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="a quarter of the surfels, few rounds")
    parser.add_argument("--rounds", type=int, default=0, help="frames of each row (default 9, quick 2)")
    arguments = parser.parse_args()
    rounds = arguments.rounds or (2 if arguments.quick else 9)
    print(machine("numpy", "numba", "moderngl"))
    with OpenGLRenderer() as renderer:
        print(renderer.device)
    nested = NestedWorld(5, 256 if arguments.quick else 512)
    names = ["view", "CPU renderer", "OpenGL draw", "of it prepare", "ids", "surfels", "PSNR dB"]
    print("\n" + table(names, rows(nested, rounds, False) + rows(nested, rounds, True)))


if __name__ == "__main__":
    main()
