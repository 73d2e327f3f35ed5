"""What is given up where drawing is slow: resolution, or detail (``lod_bias``)? Both against a picture with all of it.

    python -m benchmarks.lod_bias WORLD [--width W] [--height H]

For the view of each node, near and from twice as far: the time of a frame (blocks chosen and drawn) and the PSNR of
what one sees, a smaller picture being enlarged as a browser does. Times are of one thread's CPU.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

from benchmarks.machine import machine, table
from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set

WAYS = [
    (1.0, 0.0),
    (0.75, 0.0),
    (0.5, 0.0),
    (0.35, 0.0),
    (1.0, 0.5),
    (1.0, 1.0),
    (1.0, 2.0),
    (1.0, 3.0),
    (0.75, 0.5),
]
TIMES = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("world", type=Path)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    asked = parser.parse_args()
    size = asked.width, asked.height
    rows: list[list[str]] = []
    with WorldStore.open(asked.world) as store, CpuRenderer(1) as renderer:
        world = store.load()
        plain = settings_of(world.header)
        cameras = {}
        for number, node in enumerate(world.nodes.values()):
            cameras[f"{number}"] = camera = frame_of(node, world.header).resized(*size)
            cameras[f"{number}, twice as far"] = camera.zoomed(0.5)
        for name, camera in cameras.items():
            truth = renderer.render_color(visible_set(world, camera, plain), camera, plain)[..., :3].astype(
                np.float64
            )
            row = [name]
            for scale, bias in WAYS:
                smaller = camera.resized(round(scale * size[0]), round(scale * size[1]))
                settings = replace(plain, lod_bias=bias)
                picture = renderer.render_color(visible_set(world, smaller, settings), smaller, settings)
                begun = time.process_time()
                for _ in range(TIMES):
                    renderer.render_color(visible_set(world, smaller, settings), smaller, settings)
                took = 1e3 * (time.process_time() - begun) / TIMES
                seen = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)[..., :3]
                error = np.mean((seen.astype(np.float64) - truth) ** 2)
                row.append(
                    f"{took:.0f} ms, {'-' if not error else f'{10 * np.log10(255**2 / error):.1f} dB'}"
                )
            rows.append(row)
    print(machine(), f"\n\n{asked.width}x{asked.height}\n")
    print(table(["view", *(f"{scale:.0%}, bias {bias:g}" for scale, bias in WAYS)], rows))


if __name__ == "__main__":
    main()
