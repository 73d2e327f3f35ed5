"""Many viewers who move at once, through the frame loop as servers have it: visible sets, calls, JPEG, turns, pacing.

No network: a frame that is sent has arrived. Each viewer flies somewhere else and may be given a lower resolution, as
on a server; what they get is told with it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from benchmarks.gpu.parts import Card, Row, Wrong
from benchmarks.gpu.tiled_world import TiledWorld
from benchmarks.machine import median
from wonderzoom.runtime.drawing import Drawing
from wonderzoom.runtime.frame_loop import Drawn, FrameLoop, Order, Together
from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.viewer import Frame, Viewer

_LOOKS_HZ = 30.0
_STEP = 1e-4  # radians between two cameras of a viewer
_WARM_S = 1.0  # before anything counts: surfels are uploaded, costs become known


@dataclass
class _Crowd:
    """What the viewers of one run were shown."""

    frames: dict[str, list[Frame]] = field(default_factory=dict[str, list[Frame]])
    calls: list[int] = field(default_factory=list[int])  # frames in each
    failed: list[str] = field(default_factory=list[str])

    def counted(self, drawing: Drawing) -> Together | None:
        """Its calls, counted."""
        together = drawing.together
        if together is None:
            return None

        async def draw(orders: Sequence[Order]) -> Sequence[Awaitable[Drawn]]:
            self.calls.append(len(orders))
            return await together.draw(orders)

        return Together(together.most, draw)


def through_the_loop(
    renderer: CudaRenderer,
    card: Card,
    world: TiledWorld,
    count: int = 64,
    seconds: float = 6.0,
    size: tuple[int, int] = (1280, 720),
    scales: tuple[float, float] = (0.0, 4.0),
) -> list[Row]:
    """Frames of ``count`` viewers, several in a call and one by one; raises Wrong when somebody is left out.

    They look at scales between these two.
    """
    rows: list[Row] = []
    for shared in (True, False):
        card.reset_peak()
        crowd = asyncio.run(_run(renderer, world, count, seconds, size, scales, shared))
        if crowd.failed:
            raise Wrong(f"{len(crowd.failed)} frames could not be drawn: {crowd.failed[0]}")
        got = [crowd.frames.get(f"v{number}", []) for number in range(count)]
        if not all(got):
            raise Wrong(f"{sum(not frames for frames in got)} of {count} viewers were shown nothing")
        rates = [len(frames) / seconds for frames in got]
        widths = [frame.views[0].camera.width for frames in got for frame in frames]
        how = "one frame a call"
        if shared:
            how = f"{np.mean(crowd.calls):.1f} frames a call"
        numbers = f"{median(rates):.1f} fps each, {min(rates):.1f} at least, {median(widths):.0f} px wide"
        memory = f"{card.peak_bytes() / 1e9:.2f} GB"
        rows.append([f"{count} viewers in the frame loop, {size[0]}x{size[1]}", how, numbers, memory])
    return rows


async def _run(
    renderer: CudaRenderer,
    world: Any,
    count: int,
    seconds: float,
    size: tuple[int, int],
    scales: tuple[float, float],
    shared: bool,
) -> _Crowd:
    crowd, rng, drawing = _Crowd(), np.random.default_rng(0), Drawing(world, renderer)
    together = crowd.counted(drawing) if shared else None
    loop = FrameLoop(
        drawing.draw,
        time.perf_counter,
        together=together,
        on_error=lambda _viewer, error: crowd.failed.append(str(error)),
    )
    starts = time.perf_counter() + _WARM_S

    def viewer(name: str) -> Viewer:
        async def send(frame: Frame) -> None:
            if time.perf_counter() >= starts:
                crowd.frames.setdefault(name, []).append(frame)
            asyncio.get_running_loop().call_soon(loop.acknowledge, made, frame.id)

        made = Viewer(name, send)
        made.pacer.rtt = 0.0
        return made

    viewers = [viewer(f"v{number}") for number in range(count)]
    cameras = [
        world.camera(float(rng.uniform(*scales)), *size, aside=float(rng.uniform(-0.2, 0.2))) for _ in viewers
    ]
    running = asyncio.create_task(loop.run())
    try:
        for each in viewers:
            loop.join(each)
        for seq in range(1, round(_LOOKS_HZ * (seconds + _WARM_S)) + 1):
            for each, camera in zip(viewers, cameras, strict=True):
                loop.look(each, camera.orbited(_STEP * seq, 0.0), seq)
            begins = starts - _WARM_S + seq / _LOOKS_HZ
            await asyncio.sleep(max(0.0, begins - time.perf_counter()))
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await asyncio.to_thread(drawing.close)
    return crowd
