"""Frames of a world that grows while it is looked at: drawn and encoded in threads, never on the event loop.

The drawn world is a replica: the writer has another. A commit is applied to it between two frames' visible
sets, in the writer's thread, so that the loop waits for neither.
"""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.encoders import encode_jpeg
from wonderzoom.runtime.frame_loop import Drawn
from wonderzoom.runtime.frames import settings_of
from wonderzoom.runtime.pacing import Rung
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit
from wonderzoom.scene_graph.mips import Missing
from wonderzoom.scene_graph.picking import Pick, pick
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

_LEAST_SIDE = 16  # pixels: a frame is never smaller than this
_MERGED_AT_ONCE = 64  # blocks whose pyramids are made in one go: 0.1 s that closing may wait for
_PICK_SIDE = 3  # pixels drawn around a picked point


class Drawing:
    """A world as frames and picks. ``lanes`` of them are made at a time."""

    def __init__(self, world: World, renderer: Painter, lanes: int = 1, budget: int | None = None) -> None:
        """``budget``: surfels in a frame at most; what that leaves out is drawn coarser."""
        self._budget = budget
        self._world, self._renderer, self.lanes = world, renderer, lanes
        self._lock = threading.Lock()
        self.surfels = sum(len(block.surfels) for block in world.blocks)  # in memory
        self._pool = ThreadPoolExecutor(lanes, thread_name_prefix="draw")
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
        self._merging.shutdown(cancel_futures=True)

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
        settings = settings_of(self._world.header, budget=self._budget)
        with self._lock:
            visible = visible_set(self._world, camera, settings, later=self._merge)
            revision = self._world.revision
        return self._renderer.render_color(visible, camera, settings), revision

    def _merge(self, missing: Missing) -> None:
        """Have pyramids made beside the frames: no frame waits for them."""
        named = {(block.hash, block.bounds.revision, missing.level): block for block in missing.blocks}
        new = [name for name in named if name not in self._asked]
        self._asked.update(new)
        for start in range(0, len(new), _MERGED_AT_ONCE):
            names = new[start : start + _MERGED_AT_ONCE]
            wanted = replace(missing, blocks=tuple([named[name] for name in names]))
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
