"""Depth with frames: what it costs, and what a frame that is moved by it has in common with the server's next one.

    python -m benchmarks.reprojection WORLD [--width W] [--height H] [--pictures FOLDER]

For the view of each node: bytes and time of the depth of a moving frame, and the PSNR of the frame (JPEG) against
what the server draws at a camera that has moved on: moved as a plane at the pivot's depth, as a client without depth
does it, and by its depth, with the plane behind that, as the page draws it; of what the plane reaches. ``known`` is the
PSNR and the share of what is not stretched over something that the frame does not show. Times are of one thread's CPU.
With ``--pictures`` the truth, the plane and the frame by its depth are written side by side.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from benchmarks.machine import machine, table
from wonderzoom.clients.reprojection import reprojected
from wonderzoom.protocol.depth_map import decode_depth
from wonderzoom.runtime.encoders import depth_of, encode_jpeg
from wonderzoom.runtime.frames import frame_of, settings_of
from wonderzoom.runtime.pacing import LADDER
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set

Bytes = NDArray[np.uint8]
MOTIONS: dict[str, Callable[[Camera], Camera]] = {
    "orbit 1.3 degrees": lambda camera: camera.orbited(0.02, 0.01),
    "orbit 5 degrees": lambda camera: camera.orbited(0.08, 0.03),
    "zoom 1.15, orbit 2 degrees": lambda camera: camera.zoomed(1.15).orbited(0.03, 0.02),
    "approach 1.1": lambda camera: camera.approached(1.1),
}


def psnr(a: Bytes, b: Bytes, where: NDArray[np.bool_] | None = None) -> float:
    errors = (a.astype(np.float64) - b) ** 2
    return float(10 * np.log10(255**2 / (errors if where is None else errors[where]).mean()))


def cpu_ms(call: Callable[[], object], times: int = 5) -> float:
    call()
    begun = time.thread_time()
    for _ in range(times):
        call()
    return 1e3 * (time.thread_time() - begun) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("world", type=Path)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    parser.add_argument("--pictures", type=Path)
    asked = parser.parse_args()
    size = asked.width, asked.height
    costs: list[list[str]] = []
    gains: list[list[str]] = []
    with WorldStore.open(asked.world) as store, CpuRenderer(1) as renderer:
        world = store.load()
        settings = settings_of(world.header)
        for number, node in enumerate(world.nodes.values()):
            camera = frame_of(node, world.header).resized(*size)
            visible = visible_set(world, camera, settings)
            picture, zeta = renderer.render_depth(visible, camera, settings)
            jpeg = encode_jpeg(picture, LADDER[0].quality)
            shown = simplejpeg.decode_jpeg(jpeg)
            depth = depth_of(zeta, camera)
            assert depth is not None
            known = decode_depth(depth.payload, (depth.height, depth.width), camera.inverse_f, depth.step)
            still = depth_of(zeta, camera, still=True)
            costs.append([
                f"{number}", f"{len(jpeg) / 1e3:.1f}", f"{len(depth.payload) / 1e3:.1f}",
                f"{len(still.payload) / 1e3:.1f}" if still else "-",
                f"{cpu_ms(lambda: renderer.render_color(visible, camera, settings)):.0f}",  # noqa: B023
                f"{cpu_ms(lambda: renderer.render_depth(visible, camera, settings)):.0f}",  # noqa: B023
                f"{cpu_ms(lambda: depth_of(zeta, camera)):.1f}",  # noqa: B023
            ])  # fmt: skip
            for name, moved in MOTIONS.items():
                target = moved(camera)
                truth = renderer.render_color(visible_set(world, target, settings), target, settings)[..., :3]
                plane = reprojected(shown, np.zeros((2, 2), np.float32), camera, target)
                deep = reprojected(shown, known, camera, target)
                drawn = np.where(deep.there[..., None], deep.colors, plane.colors)
                gains.append([
                    f"{number}", name, f"{psnr(plane.colors, truth, plane.there):.1f}",
                    f"{psnr(drawn, truth, plane.there):.1f}", f"{psnr(deep.colors, truth, deep.known):.1f}",
                    f"{deep.known.mean():.0%}",
                ])  # fmt: skip
                if asked.pictures:
                    asked.pictures.mkdir(parents=True, exist_ok=True)
                    beside = np.concatenate([truth, plane.colors, drawn], 1)
                    Image.fromarray(beside).save(asked.pictures / f"{number}-{name.replace(' ', '-')}.png")
    print(machine(), f"\n\n{asked.width}x{asked.height}\n")
    columns = [
        "node",
        "JPEG kB",
        "depth kB",
        "of a still kB",
        "picture ms",
        "with depth ms",
        "depth encoded ms",
    ]
    print(table(columns, costs), "\n")
    print(table(["node", "the camera moves by", "plane dB", "by depth dB", "known dB", "known"], gains))


if __name__ == "__main__":
    main()
