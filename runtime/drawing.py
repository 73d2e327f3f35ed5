"""Frames of a world that grows while it is looked at: drawn and encoded in threads, never on the event loop.

A renderer that draws several pictures in one call gets those of one moment together; what it has drawn is encoded
in other threads, picture by picture, while it draws the next. Where the CPU draws, a frame has one thread throughout.

The drawn world is a replica: the writer has another. A commit is applied to it between two frames' visible
sets, in the writer's thread, so that the loop waits for neither.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.encoders import encode_jpeg
from wonderzoom.runtime.frame_loop import Drawn, DrawTogether, Order, Together
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.pacing import Rung
from wonderzoom.runtime.platform import usable_threads
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.mips import Missing
from wonderzoom.scene_graph.picking import Pick, pick
from wonderzoom.scene_graph.ports import BatchRenderer, Look, RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

_LEAST_SIDE = 16  # pixels: a frame is never smaller than this
_PICK_SIDE = 3  # pixels drawn around a picked point


@dataclass(frozen=True, slots=True)
class _Picture:
    """A frame that is not encoded yet."""

    pixels: NDArray[np.uint8]  # [H, W, 4]
    camera: Camera
    revision: int
    render_s: float
    sharing: int


class Drawing:
    """A world as frames and picks. ``lanes`` of them are made at a time."""

    def __init__(self, world: World, renderer: Painter, lanes: int = 1, budget: int | None = None) -> None:
        """``budget``: surfels in a frame at most; what that leaves out is drawn coarser."""
        self._budget = budget
        self._world, self._renderer, self.lanes = world, renderer, lanes
        self._lock = threading.Lock()
        self.surfels = sum(len(block.surfels) for block in world.blocks)  # in memory
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="draw")
        self._encoders: ThreadPoolExecutor | None = None
        self.together: Together | None = None  # where the renderer draws several frames in one call
        if isinstance(renderer, BatchRenderer):
            self._encoders = ThreadPoolExecutor(
                min(usable_threads(), renderer.together), thread_name_prefix="encode"
            )
            self.together = Together(renderer.together, self._drawn_together(renderer, self._encoders))
        self._merging = ThreadPoolExecutor(1, thread_name_prefix="merge")
        self._asked: set[tuple[str, int, int]] = set()  # pyramids being made: hash, revision of bounds, level

    def apply(self, commit: Commit) -> None:
        """Show a commit from now on. In any thread."""
        with self._lock:
            gone = [block for name in commit.removed for block in self._world.blocks_of(name)]
            self._world.apply(commit)
            self.surfels += sum(len(block.surfels) for block in commit.blocks)
            self.surfels -= sum(len(block.surfels) for block in gone)

    async def draw(self, camera: Camera, rung: Rung, still: bool) -> Drawn:
        """A frame at the size and quality of ``rung``; see ``frame_loop.Draw``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._draw, camera, rung, still)

    async def pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        """What the frame of ``camera`` shows at (u, v), shares of it in [0, 1]; None for nothing."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._pick, camera, u, v)

    def close(self) -> None:
        """Finish what is being drawn and end the threads."""
        self._pool.shutdown()
        if self._encoders is not None:
            self._encoders.shutdown()
        self._merging.shutdown(cancel_futures=True)

    def _drawn_together(self, renderer: BatchRenderer, encoders: ThreadPoolExecutor) -> DrawTogether:
        """Several frames by one call of ``renderer``."""

        async def together(orders: Sequence[Order]) -> list[Awaitable[Drawn]]:
            loop = asyncio.get_running_loop()
            pictures = await loop.run_in_executor(self._pool, self._draw_all, renderer, orders)
            return [
                loop.run_in_executor(encoders, _encoded, picture, order)
                for picture, order in zip(pictures, orders, strict=True)
            ]

        return together

    # ---- in a thread ----------------------------------------------------------------------------
    def _draw(self, camera: Camera, rung: Rung, still: bool) -> Drawn:
        begun = time.perf_counter()
        settings, sized = settings_of(self._world.header, budget=self._budget), _sized(camera, rung)
        (visible,), revision = self._visible([sized], settings)
        pixels = self._renderer.render_color(visible, sized, settings)
        picture = _Picture(pixels, sized, revision, time.perf_counter() - begun, 1)
        return _encoded(picture, Order(camera, rung, still))

    def _draw_all(self, renderer: BatchRenderer, orders: Sequence[Order]) -> list[_Picture]:
        begun = time.perf_counter()
        settings = settings_of(self._world.header, budget=self._budget)
        cameras = [_sized(order.camera, order.rung) for order in orders]
        visibles, revision = self._visible(cameras, settings)
        looks = [Look(*each, settings) for each in zip(visibles, cameras, strict=True)]
        drawn = renderer.render_colors(looks)
        took = time.perf_counter() - begun
        return [
            _Picture(pixels, camera, revision, took, len(orders))
            for pixels, camera in zip(drawn, cameras, strict=True)
        ]

    def _visible(self, cameras: Sequence[Camera], settings: RenderSettings) -> tuple[list[VisibleSet], int]:
        """What each camera sees of one state of the world, and its revision."""
        with self._lock:
            visibles = [visible_set(self._world, each, settings, later=self._merge) for each in cameras]
            return visibles, self._world.revision

    def _merge(self, missing: Missing) -> None:
        """Have pyramids made beside the frames: no frame waits for them."""
        names = [(block.hash, block.bounds.revision, missing.level) for block in missing.blocks]
        new = [block for block, name in zip(missing.blocks, names, strict=True) if name not in self._asked]
        if new:
            self._asked.update(names)
            wanted = replace(missing, blocks=tuple(new))
            self._merging.submit(wanted.make).add_done_callback(partial(self._merged, names))

    def _merged(self, names: list[tuple[str, int, int]], done: Future[None]) -> None:
        self._asked.difference_update(names)
        if not done.cancelled():
            done.result()  # what went wrong is logged by the executor

    def _pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        """By a picture of a few pixels around the point: as exact as the whole, for the cost of what is there."""
        x, y = min(u * camera.width, camera.width - 1e-6), min(v * camera.height, camera.height - 1e-6)
        middle = _PICK_SIDE / 2
        around = replace(
            camera, width=_PICK_SIDE, height=_PICK_SIDE, cx=camera.cx - x + middle, cy=camera.cy - y + middle
        )
        settings = settings_of(
            self._world.header, mips=False
        )  # a place is a surfel's own, not a mean of many
        with self._lock:
            visible = visible_set(self._world, around, settings)
        rendered = self._renderer.render(visible, around, settings)
        return pick(rendered, visible, around, middle, middle)


def _sized(camera: Camera, rung: Rung) -> Camera:
    """The camera with a picture as large as the rung says."""
    if rung.scale == 1.0:
        return camera
    return camera.resized(
        *(max(_LEAST_SIDE, round(side * rung.scale)) for side in (camera.width, camera.height))
    )


def _encoded(picture: _Picture, order: Order) -> Drawn:
    begun = time.perf_counter()
    payload = encode_jpeg(picture.pixels, order.rung.quality, still=order.still)
    encode_s = time.perf_counter() - begun
    return Drawn(payload, picture.camera, picture.revision, picture.render_s, encode_s, picture.sharing)
