"""The CPU renderer: a tile rasteriser for surfels on any number of threads.

Stages of a frame: plan (which chunks, from where) -> cull chunks -> project -> lists per tile -> sort and
blend each tile. Cost follows what is seen: chunks outside the picture or of weight 0 are never read. Any
number of Python threads may draw with one renderer; each call has its own working memory, taken from a
pool. The picture is the same to the bit for any number of threads.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import cpu_kernels as kernels
from wonderzoom.runtime.renderers.closing import Closing
from wonderzoom.runtime.renderers.cpu_blending import CANVAS, blend
from wonderzoom.runtime.renderers.cpu_kernels import RECORD, TILE
from wonderzoom.runtime.renderers.frame_plan import (
    LARGE_EDGE_PX,
    BlockFrames,
    FramePlan,
    PlanBook,
    kept_chunks,
    pixel_octaves,
)
from wonderzoom.runtime.renderers.large_blocks import large_records
from wonderzoom.runtime.renderers.packing import STRIDE, BlockCache
from wonderzoom.runtime.renderers.packing_kernels import CHUNK, MASS, OPACITY
from wonderzoom.runtime.renderers.projection import EDGE, MIN_ALPHA, project_block
from wonderzoom.runtime.renderers.simd import aligned_empty
from wonderzoom.runtime.renderers.threads import Team, said_when_slow
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import ORIGIN
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import Block, Bounds, Surfels

F32 = NDArray[np.float32]
I64 = NDArray[np.int64]

DEFAULT_CACHE_BYTES = 1 << 30  # 16 million surfels: what one viewer's budget can show several times over
_PATIENCE_S = 3.0  # loading compiled kernels takes one second or two, compiling them half a minute
_FIRST_START = "Preparing the CPU renderer: it is compiled once on a machine (half a minute), then kept."

# Opacity by weighted value, one more entry so that the last can be interpolated to; and its steps per value.
_STEPS = scales.LI2_TABLE_SIZE - 1
_LINEAR = np.minimum(np.arange(_STEPS + 2) / _STEPS, 1.0).astype(np.float32)
_LI2_INVERSE = np.append(scales.LI2_INVERSE_TABLE, scales.MAX_OPACITY).astype(np.float32)


class _Workspace:
    """The memory of one frame in the making; grows to the largest frame it has served."""

    def __init__(self) -> None:
        self.chunks = self.entries = self.threads = 0
        self.hold_chunks(1)
        self.hold_entries(1)
        self.hold_threads(1)

    def hold_chunks(self, chunks: int) -> None:
        """Room for the surfels of that many chunks."""
        if chunks > self.chunks:
            self.chunks = chunks + chunks // 4
            self.records = aligned_empty((self.chunks * CHUNK, RECORD), np.float32)
            self.record_bits = self.records.view(np.int32)  # the same memory
            self.boxes = aligned_empty((self.chunks * CHUNK, 4), np.int16)
            self.keys = np.empty(self.chunks * CHUNK, np.float32)
            self.found = np.empty(self.chunks, np.int64)

    def hold_entries(self, entries: int) -> None:
        """Room for that many entries of tile lists."""
        if entries > self.entries:
            self.entries = entries + entries // 4
            self.entry_keys = np.empty(self.entries, np.float32)
            self.entry_rows = np.empty(self.entries, np.uint32)

    def hold_threads(self, threads: int) -> None:
        """A tile for each thread."""
        if threads > self.threads:
            self.threads = threads
            self.canvases = [aligned_empty((CANVAS,), np.float32) for _ in range(threads)]

    @property
    def nbytes(self) -> int:
        return self.chunks * CHUNK * (RECORD * 4 + 12) + self.entries * 8 + self.threads * CANVAS * 4


@dataclass(frozen=True, slots=True)
class FrameStatistics:
    """What the last frame of a renderer did, for benchmarks and budgets."""

    chunks: int  # chunks that were not culled
    drawn: int  # surfels that touched the picture
    entries: int  # (surfel, tile) pairs
    dynamic_bytes: int  # records and lists of this frame


class CpuRenderer(Closing):
    """Draws visible sets with numba kernels; close it (or use ``with``) to end its threads."""

    name = "cpu"

    def __init__(self, threads: int | None = None, cache_bytes: int = DEFAULT_CACHE_BYTES) -> None:
        self._team = Team(threads or os.cpu_count() or 1)
        self._cache = BlockCache(cache_bytes)
        self._lock = threading.Condition()  # notified when a frame is finished
        self._drawing = 0  # frames in the making
        self._closed = False
        self._workspaces: list[_Workspace] = []
        self._plans = PlanBook(self._cache)
        self.statistics = FrameStatistics(0, 0, 0, 0)

    # ---- drawing --------------------------------------------------------------------------------
    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        """Colour, alpha, expected zeta and ids."""
        height, width = camera.height, camera.width
        layers = np.empty((5, height * width), np.float32)
        ids = np.empty(height * width, np.int32)
        drawn = self._draw(visible, camera, settings, None, layers, ids)
        alpha, zeta = layers[3].reshape(height, width), _zeta(layers, height, width)
        color = np.ascontiguousarray(layers[:3].T).reshape(height, width, 3)
        return RenderedView(color, alpha.copy(), zeta, ids.astype(np.int64).reshape(height, width), drawn)

    def render_color(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> NDArray[np.uint8]:
        """The picture over its background as sRGB bytes, [H, W, 4] RGBA with A = 255: the fast path."""
        picture = np.empty(camera.height * camera.width, np.int32)
        self._draw(visible, camera, settings, picture, None, None)
        return picture.view(np.uint8).reshape(camera.height, camera.width, 4)

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[NDArray[np.uint8], F32]:
        """The picture that ``render_color`` draws, and its expected zeta [H, W] as ``render`` gives it."""
        height, width = camera.height, camera.width
        picture, layers = np.empty(height * width, np.int32), np.empty((5, height * width), np.float32)
        self._draw(visible, camera, settings, picture, layers, None)
        return picture.view(np.uint8).reshape(height, width, 4), _zeta(layers, height, width)

    def warm_up(self, on_wait: Callable[[str], None]) -> None:
        """Load or compile the kernels now; ``on_wait`` hears why that takes a while, if it does."""
        camera = Camera(ORIGIN, (1.0, 0.0, 0.0, 0.0), 0.0, 0.0, 0.0, 0.5, 0.5, 1, 1)
        with said_when_slow(_PATIENCE_S, lambda: on_wait(_FIRST_START)):
            self.render(one_surfel(), camera, RenderSettings())
            self.render_color(one_surfel(), camera, RenderSettings())
            self.render_depth(one_surfel(), camera, RenderSettings())

    @property
    def memory_bytes(self) -> int:
        """Bytes held now: packed blocks and working memory."""
        with self._lock:
            return self._cache.nbytes + sum(work.nbytes for work in self._workspaces)

    def close(self) -> None:
        """Finish the frames in the making, refuse new ones, end the threads and drop the packed blocks."""
        with self._lock:
            self._closed = True
            self._lock.wait_for(lambda: not self._drawing)
        self._team.close()
        self._cache.clear()
        self._plans.clear()
        self._workspaces.clear()

    # ---- one frame ------------------------------------------------------------------------------
    def _draw(
        self,
        visible: VisibleSet,
        camera: Camera,
        settings: RenderSettings,
        picture: NDArray[np.int32] | None,
        layers: F32 | None,
        ids: NDArray[np.int32] | None,
    ) -> int:
        """Fill the picture, layers, ids, whichever are given (see ``blend``); returns the number of surfels drawn."""
        with self._lock:
            if self._closed:
                raise RuntimeError("this renderer is closed")
            self._drawing += 1
            work = self._workspaces.pop() if self._workspaces else _Workspace()
        try:
            plan = self._plans.plan(visible, camera)
            return self._draw_in(work, plan, camera, settings, picture, layers, ids)
        finally:
            with self._lock:
                self._workspaces.append(work)
                self._drawing -= 1
                self._lock.notify_all()

    def _draw_in(
        self,
        work: _Workspace,
        plan: FramePlan,
        camera: Camera,
        settings: RenderSettings,
        picture: NDArray[np.int32] | None,
        layers: F32 | None,
        ids: NDArray[np.int32] | None,
    ) -> int:
        frames = BlockFrames.of(plan, camera, settings)
        rotation = camera.rotation
        kept, centers = kept_chunks(plan, frames, camera, settings)
        chunks = len(kept)
        work.hold_chunks(chunks)
        work.hold_threads(self._team.threads)
        is_large = _project_large(work, plan, frames, kept, camera, settings)

        tiles_x, tiles_y = -(-camera.width // TILE), -(-camera.height // TILE)
        bands = self._team.bands(chunks)
        tile_counts = np.zeros((len(bands), tiles_x * tiles_y), np.int64)
        view, source, table = _view_of(camera, settings)
        shared = (
            kept, centers, plan.addresses, plan.rows, plan.first_ids, plan.block_of, frames.edges_px,
            frames.render_scales, plan.residencies, plan.levels_of, rotation, view, np.uint64(source * STRIDE), table,
            is_large, work.records, work.record_bits, work.boxes, work.keys, work.found,
        )  # fmt: skip
        self._team.run(
            kernels.project, [(k0, k1, *shared, tile_counts[t]) for t, (k0, k1) in enumerate(bands)]
        )

        starts = np.empty_like(tile_counts)
        tile_starts = np.empty(tiles_x * tiles_y + 1, np.int64)
        entries = int(kernels.lay_out(tile_counts, starts, tile_starts))
        work.hold_entries(entries)
        lists = (work.entry_keys, work.entry_rows)
        self._team.run(
            kernels.scatter,
            [
                (k0, k1, work.found, work.boxes, work.keys, starts[t], tiles_x, *lists)
                for t, (k0, k1) in enumerate(bands)
            ],
        )

        counter = np.zeros(1, np.int64)
        background = np.asarray(settings.background, np.float32)
        target: tuple[Any, ...] = (camera.width, camera.height, background, picture, layers, ids)
        records, record_bits = work.records.reshape(-1), work.record_bits.reshape(-1)
        self._team.run(
            blend,
            [
                (counter, tile_starts, *lists, records, record_bits, canvas, *target)
                for canvas in work.canvases[: self._team.threads]
            ],
        )
        drawn = int(work.found[:chunks].sum())
        self.statistics = FrameStatistics(chunks, drawn, entries, drawn * (RECORD * 4 + 12) + entries * 8)
        return drawn


def _zeta(layers: F32, height: int, width: int) -> F32:
    """Expected zeta [H, W] of ``layers``; NaN where there is next to nothing."""
    alpha = layers[3]
    with np.errstate(divide="ignore", invalid="ignore"):
        zeta = layers[4] / alpha
    zeta[alpha < MIN_ALPHA] = np.nan
    return zeta.reshape(height, width)


def one_surfel() -> VisibleSet:
    """A surfel at the world's origin: something for every kernel to work on."""
    surfel = Surfels(
        np.zeros((1, 3), np.float32),
        np.array([[1, 0, 0, 0]], np.float32),
        np.zeros((1, 2), np.float32),
        np.ones(1, np.float32),
        np.zeros((1, 3), np.uint8),
        np.zeros(1, np.float32),
        np.zeros(1, np.uint16),
        np.zeros(1, np.uint8),
    )
    return VisibleSet((Block(ORIGIN.cell, "", surfel, Bounds.open(1)),), (0,), (1.0,), 0)


def _project_large(
    work: _Workspace,
    plan: FramePlan,
    frames: BlockFrames,
    kept: I64,
    camera: Camera,
    settings: RenderSettings,
) -> NDArray[np.bool_]:
    """Project the chunks of blocks too large for float32 into their places; which of ``kept`` those are."""
    is_large = frames.edges_px[plan.block_of[kept]] > LARGE_EDGE_PX
    for k in np.flatnonzero(is_large):
        chunk = int(kept[k])
        drawn = plan.drawn[plan.block_of[chunk]]
        first_row = int(plan.first_rows[chunk])
        rows = np.arange(first_row, first_row + int(plan.rows[chunk]))
        splats = project_block(drawn, camera, settings, rows)
        first_id = int(plan.first_ids[chunk]) - first_row
        records, boxes, keys = large_records(splats, drawn.block.surfels.colors, first_id, camera)
        places = slice(int(k) * CHUNK, int(k) * CHUNK + len(keys))
        work.records[places], work.boxes[places], work.keys[places] = records, boxes, keys
        work.found[k] = len(keys)
    return is_large


def _view_of(camera: Camera, settings: RenderSettings) -> tuple[F32, int, F32]:
    """(the ``view`` numbers of the kernels, the column that weights act on, the table back to opacities)."""
    (ax, ay), width, height = camera.aspect, camera.width, camera.height
    optical = settings.modulation == "optical_mass"
    view = np.array(
        [
            camera.inverse_f,
            ax,
            ay,
            camera.cx,
            camera.cy,
            -EDGE * width - camera.cx,
            (1 + EDGE) * width - camera.cx,
            -EDGE * height - camera.cy,
            (1 + EDGE) * height - camera.cy,
            width,
            height,
            settings.metric == "radial",
            settings.modulation != "none",
            _STEPS / scales.LI2_MAX if optical else _STEPS,
            pixel_octaves(camera, settings),
        ],
        np.float32,
    )
    return view, (MASS if optical else OPACITY), (_LI2_INVERSE if optical else _LINEAR)
