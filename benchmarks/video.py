"""H.264 beside JPEG: bytes, PSNR and time of the frames of a moving camera.

    python -m benchmarks.video WORLD [--frames N] [--width W] [--height H]

The camera flies as the viewers of ``benchmarks.serving`` do. ``JPEG alike``: bytes that JPEG needs for the same PSNR,
between the two qualities around it. Times are of one thread's CPU. The key frame at the beginning is left out of the
means.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import simplejpeg
from numpy.typing import NDArray

from benchmarks.lookers import FPS, flight
from benchmarks.machine import machine, table
from wonderzoom.runtime.encoders import encode_jpeg
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.pacing import LADDER
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.video import Videos, crf_of
from wonderzoom.scene_graph.store import WorldStore
from wonderzoom.scene_graph.visible_set import visible_set

Pictures = list[NDArray[np.uint8]]


def psnr(pictures: Pictures, shown: Pictures) -> float:
    """Mean over the pictures, dB."""
    errors = [np.mean((a[..., :3].astype(np.float64) - b) ** 2) for a, b in zip(pictures, shown, strict=True)]
    return float(np.mean(10 * np.log10(255**2 / np.array(errors))))


def timed(pictures: Pictures, encode: Callable[[NDArray[np.uint8]], bytes]) -> tuple[list[bytes], float]:
    """What each becomes, and the milliseconds of CPU that one takes."""
    begun = time.thread_time()
    packets = [encode(picture) for picture in pictures]
    return packets, 1e3 * (time.thread_time() - begun) / len(pictures)


def as_jpeg(pictures: Pictures, quality: int) -> tuple[float, float, float]:
    """Bytes, PSNR and milliseconds of one picture."""
    packets, took = timed(pictures, lambda picture: encode_jpeg(picture, quality))
    shown = [simplejpeg.decode_jpeg(packet) for packet in packets]
    return float(np.mean([len(packet) for packet in packets[1:]])), psnr(pictures, shown), took


def as_video(pictures: Pictures, quality: int) -> tuple[float, float, float]:
    """The same of a stream."""
    videos = Videos(1)
    packets, took = timed(pictures, lambda picture: videos.encode("", picture, quality).payload)
    decoder: Any = av.CodecContext.create("h264", "r")
    shown: Pictures = []
    for packet in packets:
        (frame,) = decoder.decode(av.Packet(packet))
        colours = frame.reformat(format="rgb24", src_colorspace="ITU709", src_color_range="MPEG")
        shown.append(colours.to_ndarray())
    return float(np.mean([len(packet) for packet in packets[1:]])), psnr(pictures, shown), took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("world", type=Path)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--width", type=int, default=640)
    parser.add_argument("--height", type=int, default=360)
    asked = parser.parse_args()
    with WorldStore.open(asked.world) as store, CpuRenderer() as renderer:
        world = store.load()
        root = world.root
        assert root is not None
        start, settings = root.views[0].camera.resized(asked.width, asked.height), settings_of(world.header)
        cameras = [flight(start, 0, tick / FPS) for tick in range(asked.frames)]
        pictures = [
            renderer.render_color(visible_set(world, camera, settings), camera, settings)
            for camera in cameras
        ]
    qualities = [12, 20, 30, 42, 52, 60, 68, 82, 90]
    jpeg = [as_jpeg(pictures, quality) for quality in qualities]
    rows: list[list[str]] = []
    for quality in sorted({rung.quality for rung in LADDER}, reverse=True):
        size, quality_db, took = as_video(pictures, quality)
        alike = float(np.interp(quality_db, [db for _, db, _ in jpeg], [each for each, _, _ in jpeg]))
        plain, plain_db, plain_took = as_jpeg(pictures, quality)
        rows.append([
            f"{quality}", f"{plain / 1e3:.1f}", f"{plain_db:.1f}", f"{plain_took:.1f}", f"{crf_of(quality)}",
            f"{size / 1e3:.1f}", f"{quality_db:.1f}", f"{took:.1f}", f"{alike / 1e3:.1f}", f"1/{alike / size:.1f}",
        ])  # fmt: skip
    print(machine(), f"\n\n{asked.width}x{asked.height}, {asked.frames} frames\n")
    header = ["JPEG quality", "kB", "dB", "ms", "H.264 crf", "kB", "dB", "ms", "JPEG alike kB", "share"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
