"""What the scale-adaptive opacity modulation saves (the paper's Table 3), on the CPU renderer.

    python -m benchmarks.scene_graph.modulation [--frames N] [--side N] [--size WxH] [--picture FILE]

A descent through five nested scales, once with the default modulation and once with ``none``, where every surfel
that is in view is drawn at full weight. Says frames a second, memory and surfels a frame, and draws the surfels of
each frame over the zoom (docs/modulation.png).
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.machine import machine, median, table
from benchmarks.nested_world import NestedWorld
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.motions import Pace, along
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.visible_set import visible_set

LEVELS = 5


def descent(nested: NestedWorld, frames: int, width: int, height: int) -> list[Camera]:
    """From the first frame to the last, at a constant perceived speed."""
    stops = [nested.view(float(level), width, height) for level in range(LEVELS)]
    path = along(stops, Pace(hold_start=0.0, hold_end=0.0))
    return [path.camera(path.seconds * i / (frames - 1)) for i in range(frames)]


def flown(
    nested: NestedWorld, cameras: list[Camera], modulation: Modulation
) -> tuple[list[str], list[tuple[float, float]]]:
    """A row of the table, and (magnification, thousands of surfels drawn) of each frame."""
    settings = RenderSettings(h_ref=nested.side, modulation=modulation)
    points: list[tuple[float, float]] = []
    seconds: list[float] = []
    memory = selected = 0
    with CpuRenderer(2) as renderer:
        for turn in (0, 1):  # the first compiles and packs
            for camera in cameras if turn else cameras[:: len(cameras) // 4]:
                began = time.perf_counter()
                visible = visible_set(nested.world, camera, settings)
                drawn = renderer.render(visible, camera, settings).drawn
                if not turn:
                    continue
                seconds.append(time.perf_counter() - began)
                memory = max(memory, renderer.memory_bytes)
                selected = max(selected, visible.surfel_count)
                octaves = (cameras[0].ln_scale - camera.ln_scale) / math.log(2.0)
                points.append((octaves, drawn / 1e3))
    drawn_at_most = max(count for _, count in points)
    cells = [
        "off" if modulation == "none" else "on",
        f"{1.0 / median(seconds):.1f}",
        f"{1.0 / max(seconds):.1f}",
        f"{memory / 2**20:.0f}",
        f"{selected:,}",
        f"{1e3 * median([count for _, count in points]):,.0f}",
        f"{1e3 * drawn_at_most:,.0f}",
    ]
    return cells, points


def chart(lines: dict[str, list[tuple[float, float]]], stops: list[float]) -> Image.Image:
    """Thousands of surfels drawn (a logarithmic axis) over octaves of zoom; ``stops`` are the five scales."""
    width, height, left, right, top, bottom = 860, 400, 64, 24, 44, 52
    picture = Image.new("RGB", (width, height), "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    most = max(x for line in lines.values() for x, _ in line)
    low, high = (math.log10(pick(y for line in lines.values() for _, y in line)) for pick in (min, max))
    low, high = math.floor(low * 4) / 4, math.ceil(high * 4) / 4

    def at(x: float, y: float) -> tuple[float, float]:
        across = left + (width - left - right) * x / most
        return across, height - bottom - (height - top - bottom) * (math.log10(y) - low) / (high - low)

    for mark in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        if low <= math.log10(mark) <= high:
            _, y = at(0.0, mark)
            pen.line([(left, y), (width - right, y)], (228, 228, 230))
            pen.text((left - 8 - font.getlength(f"{mark:,}"), y - 8), f"{mark:,}", "black", font)
    for number, stop in enumerate(stops):
        x, _ = at(stop, 10.0**low)
        pen.line([(x, top), (x, height - bottom)], (200, 200, 204))
        text = f"scale {number}, {2**stop:,.0f}x"
        pen.text((min(max(x - 0.5 * font.getlength(text), left), width - right - font.getlength(text)),
                  height - bottom + 8), text, "black", font)  # fmt: skip
    title = "thousand surfels drawn per frame, down five scales:"
    pen.text((left, 12), title, "black", font)
    right_of = left + font.getlength(title) + 16
    for (name, line), color in zip(lines.items(), ((213, 94, 0), (0, 114, 178)), strict=True):
        pen.line([at(x, y) for x, y in line], color, 3)
        pen.text((right_of, 12), name, color, font)
        right_of += 16 + font.getlength(name)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description="What the opacity modulation saves.")
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--size", default="640x360")
    parser.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    width, height = (int(part) for part in arguments.size.split("x"))
    print(machine("numpy", "numba"))
    nested = NestedWorld(LEVELS, arguments.side)
    print(
        f"\n{nested.surfels:,} surfels in {LEVELS} scales; {arguments.frames} frames of {width} x {height}\n"
    )
    cameras = descent(nested, arguments.frames, width, height)
    on, drawn_on = flown(nested, cameras, "optical_mass")
    off, drawn_off = flown(nested, cameras, "none")
    header = [
        "modulation",
        "frames/s (median)",
        "frames/s (worst)",
        "MiB of a frame",
        "surfels selected, most",
    ]
    print(table([*header, "surfels drawn, median", "surfels drawn, most"], [off, on]))
    if arguments.picture is not None:
        lines = {"without modulation": drawn_off, "with modulation": drawn_on}
        stops = [
            (cameras[0].ln_scale - nested.view(float(k), width, height).ln_scale) / math.log(2.0)
            for k in range(LEVELS)
        ]
        chart(lines, stops).save(arguments.picture, optimize=True)


if __name__ == "__main__":
    main()
