"""Frames of a world that grows while it is looked at: drawn and encoded in threads, never on the event loop.

The drawn world is a replica: the writer has another. A commit is applied to it between two frames' visible
sets, in the writer's thread, so that the loop waits for neither.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.encoders import encode_jpeg
from wonderzoom.runtime.frame_loop import Drawn
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.pacing import Rung
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.picking import Pick, pick
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

_LEAST_SIDE = 16  # pixels: a frame is never smaller than this
_PICK_SIDE = 3  # pixels drawn around a picked point


class Drawing:
    """A world as frames and picks. ``lanes`` of them are made at a time."""

    def __init__(self, world: World, renderer: Painter, lanes: int = 1) -> None:
        self._world, self._renderer, self.lanes = world, renderer, lanes
        self._lock = threading.Lock()
        self.surfels = sum(block.count for block in world.blocks)  # in memory
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="draw")

    def apply(self, commit: Commit) -> None:
        """Show a commit from now on. In any thread."""
        with self._lock:
            gone = [block for name in commit.removed for block in self._world.blocks_of(name)]
            self._world.apply(commit)
            self.surfels += sum(block.count for block in commit.blocks)
            self.surfels -= sum(block.count for block in gone)

    async def draw(self, camera: Camera, rung: Rung, still: bool) -> Drawn:
        """A frame at the size and quality of ``rung``; see ``frame_loop.Draw``."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._draw, camera, rung, still)

    async def pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        """What the frame of ``camera`` shows at (u, v), shares of it in [0, 1]; None for nothing."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._pick, camera, u, v)

    def close(self) -> None:
        """Finish what is being drawn and end the threads."""
        self._pool.shutdown()

    # ---- in a thread ----------------------------------------------------------------------------
    def _draw(self, camera: Camera, rung: Rung, still: bool) -> Drawn:
        begun = time.perf_counter()
        width, height = (max(_LEAST_SIDE, round(side * rung.scale)) for side in (camera.width, camera.height))
        sized = camera if rung.scale == 1.0 else camera.resized(width, height)
        picture, revision = self._picture(sized)
        drawn = time.perf_counter()
        payload = encode_jpeg(picture, rung.quality, still=still)
        return Drawn(payload, sized, revision, drawn - begun, time.perf_counter() - drawn)

    def _picture(self, camera: Camera) -> tuple[NDArray[np.uint8], int]:
        settings = settings_of(self._world.header)
        with self._lock:
            visible = visible_set(self._world, camera, settings)
            revision = self._world.revision
        return self._renderer.render_color(visible, camera, settings), revision

    def _pick(self, camera: Camera, u: float, v: float) -> Pick | None:
        """By a picture of a few pixels around the point: as exact as the whole, for the cost of what is there."""
        x, y = min(u * camera.width, camera.width - 1e-6), min(v * camera.height, camera.height - 1e-6)
        middle = _PICK_SIDE / 2
        around = replace(
            camera, width=_PICK_SIDE, height=_PICK_SIDE, cx=camera.cx - x + middle, cy=camera.cy - y + middle
        )
        settings = settings_of(self._world.header)
        with self._lock:
            visible = visible_set(self._world, around, settings)
        rendered = self._renderer.render(visible, around, settings)
        return pick(rendered, visible, around, middle, middle)
