"""Visible sets drawn with any OpenGL 3.3 context: what the headless renderer and the desktop client share.

A frame: chunks are culled in float64 as the CPU renderer does it (``frame_plan``), their surfels weighed and sorted
(``opengl_kernels``), and the order uploaded; the vertex shader does the rest (``opengl_shaders``). Surfels of blocks
too large for float32 are projected in float64 (``large_blocks``) and travel with the order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import cpu_kernels, opengl_kernels, opengl_shaders
from wonderzoom.runtime.renderers.frame_plan import (
    LARGE_EDGE_PX,
    BlockFrames,
    FramePlan,
    PlanBook,
    kept_chunks,
    pixel_octaves,
)
from wonderzoom.runtime.renderers.large_blocks import large_records
from wonderzoom.runtime.renderers.opengl_shaders import CHUNK_TEXELS, LARGE_BIT, QUADS, TABLES
from wonderzoom.runtime.renderers.opengl_tables import SlabPool, Table
from wonderzoom.runtime.renderers.packing import STRIDE, BlockCache
from wonderzoom.runtime.renderers.packing_kernels import CHUNK, MASS, OPACITY
from wonderzoom.runtime.renderers.projection import EDGE, MIN_ALPHA, project_block
from wonderzoom.scene_graph import scales
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Position
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I64 = NDArray[np.int64]
Bools = NDArray[np.bool_]

_PLACE_SIDE = 9  # pixels around a place that is asked for
_PLACE_ALPHA = 0.5
_LARGE = 16  # float32 numbers of a large surfel: 4 texels
# Its texels, from a record of the CPU renderer; what is -1 stays 0.
_RECORD = (
    cpu_kernels.U, cpu_kernels.V, cpu_kernels.AA, cpu_kernels.AB,
    cpu_kernels.BB, cpu_kernels.LOG, cpu_kernels.ZETA, -1,
    cpu_kernels.RED, cpu_kernels.GREEN, cpu_kernels.BLUE, -1,
)  # fmt: skip
_LI2_INVERSE = np.append(scales.LI2_INVERSE_TABLE, scales.MAX_OPACITY).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A frame as far as the CPU prepares it; its tables are uploaded."""

    count: int  # surfels in order
    order: NDArray[np.uint32]  # [count] entries, front to back: see ``opengl_shaders``
    kept: I64  # [K] chunks of the plan
    large_ids: I64  # of each large surfel in the visible set
    plan: FramePlan

    def ids(self, ranks: I64) -> I64:
        """Rows in the visible set of surfels of the order; -1 stays -1."""
        if not self.count:
            return ranks
        entries = self.order[np.maximum(ranks, 0)].astype(np.int64)
        large = entries >= LARGE_BIT
        small = np.where(large, 0, entries)
        ids = np.full(ranks.shape, -1, np.int64)
        if len(self.kept):
            ids = self.plan.first_ids[self.kept[small // CHUNK]] + small % CHUNK
        if large.any():
            ids = np.where(large, self.large_ids[np.where(large, entries - LARGE_BIT, 0)], ids)
        return np.where(ranks < 0, -1, ids)


class SurfelPainter:
    """Draws visible sets with ``context`` (of moderngl), in the thread that it is current in.

    ``max_bytes`` bounds the surfels that stay on the graphics card, and again their packed form in memory.
    """

    def __init__(self, context: Any, max_bytes: int) -> None:
        self._context = context
        self._cache = BlockCache(max_bytes)
        self._plans = PlanBook(self._cache)
        self.pool = SlabPool(context, max_bytes)
        self._order = Table(context, 1, "u4")
        self._chunks, self._large = Table(context, 4, "f4"), Table(context, 4, "f4")
        self._opacities = Table(context, 1, "f4")
        self._opacities.write(_LI2_INVERSE)
        corners = np.array([0, 1, 2, 2, 1, 3], np.uint32)
        quads = 4 * np.arange(QUADS, dtype=np.uint32)[:, None] + corners
        self._quads = context.buffer(quads.tobytes())
        self._color = self.program(*opengl_shaders.COLOR)
        self._layers: tuple[Any, Any] | None = None
        self._room = 0
        self._hold(1)

    # ---- drawing --------------------------------------------------------------------------------
    def paint(self, target: Any, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> int:
        """Draw a picture of the camera's size into a framebuffer, row 0 first (below, for OpenGL); over its background.

        Returns how many surfels were sent. Errors: ``check_visible``, ``opengl_tables.OverBudget``.
        """
        prepared = self.prepare(visible, camera, settings)
        target.use()
        target.clear(*settings.background, 0.0)
        self.blend(self._color, prepared, camera, settings)
        return prepared.count

    def paint_layers(
        self, prepared: Prepared, camera: Camera, settings: RenderSettings
    ) -> tuple[F32, F32, F32]:
        """(colour over nothing [H, W, 3], alpha [H, W], expected zeta [H, W], NaN where alpha < MIN_ALPHA)."""
        if self._layers is None:
            self._layers = self.program(*opengl_shaders.LAYERS)
        size = camera.width, camera.height
        attachments = [self._context.texture(size, count, dtype="f4") for count in (4, 1)]
        target = self._context.framebuffer(attachments)
        try:
            target.use()
            target.clear()
            self.blend(self._layers, prepared, camera, settings)
            shown, depth = (
                np.frombuffer(target.read(components=count, attachment=number, dtype="f4"), np.float32)
                for number, count in enumerate((4, 1))
            )
        finally:
            for each in (target, *attachments):
                each.release()
        shown = shown.reshape(camera.height, camera.width, 4)
        alpha = shown[..., 3].copy()
        with np.errstate(divide="ignore", invalid="ignore"):
            zeta = depth.reshape(alpha.shape) / alpha
        zeta[alpha < MIN_ALPHA] = np.nan
        return shown[..., :3], alpha, zeta

    def place_at(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings, u: float, v: float
    ) -> Position | None:
        """What is at pixel (u, v) of the picture: where its ray is half covered or more, at the expected depth."""
        middle = _PLACE_SIDE / 2
        around = replace(
            camera,
            width=_PLACE_SIDE,
            height=_PLACE_SIDE,
            cx=camera.cx - u + middle,
            cy=camera.cy - v + middle,
        )
        # Its pixels are those of the whole picture: so is the scale that they are looked at with.
        octaves = math.log2(min(camera.width, camera.height) / _PLACE_SIDE)
        settings = replace(settings, lod_bias=settings.lod_bias + octaves)
        prepared = self.prepare(visible, around, settings)
        _, alpha, zeta = self.paint_layers(prepared, around, settings)
        centre = _PLACE_SIDE // 2
        if alpha[centre, centre] < _PLACE_ALPHA:
            return None
        point = camera.unproject(np.array([u, v]), np.array(float(zeta[centre, centre])))
        return camera.position(point)

    def prepare(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> Prepared:
        """Cull, weigh, sort and upload."""
        plan = self._plans.plan(visible, camera)
        frames = BlockFrames.of(plan, camera, settings)
        kept, centers = kept_chunks(plan, frames, camera, settings)
        is_large = frames.edges_px[plan.block_of[kept]] > LARGE_EDGE_PX
        large, large_keys, large_ids, large_starts = _large_surfels(plan, kept, is_large, camera, settings)
        self._hold(len(kept) * CHUNK + len(large))
        source = MASS if settings.modulation == "optical_mass" else OPACITY
        count = opengl_kernels.list_surfels(
            kept, centers, plan.addresses, plan.rows, plan.block_of, frames.edges_px, frames.render_scales,
            plan.residencies, plan.levels_of, camera.rotation, float32_view(camera, settings),
            np.uint64(source * STRIDE), is_large, large_starts, large_keys, self._keys, self._entries,
        )  # fmt: skip
        order = opengl_kernels.sort_surfels(
            self._keys[:count], self._entries[:count], self._other_keys[:count], self._other_entries[:count]
        )
        self._order.write(order)
        self._large.write(large)
        self._chunks.write(self._chunk_table(plan, frames, kept, is_large, centers, camera))
        return Prepared(count, order, kept, large_ids, plan)

    def blend(
        self, program: tuple[Any, Any], prepared: Prepared, camera: Camera, settings: RenderSettings
    ) -> None:
        """Draw what is prepared with a program of ``opengl_shaders`` into the framebuffer in use, back to front."""
        shader, quads = program
        if not prepared.count:
            return
        (ax, ay), width, height = camera.aspect, camera.width, camera.height
        values: dict[str, object] = {
            "count": prepared.count,
            "rotation": tuple(camera.rotation.reshape(-1).tolist()),
            "inverse_f": camera.inverse_f,
            "aspect": (ax, ay),
            "centre": (camera.cx, camera.cy),
            "followed": (
                -EDGE * width - camera.cx,
                -EDGE * height - camera.cy,
                (1 + EDGE) * width - camera.cx,
                (1 + EDGE) * height - camera.cy,
            ),
            "size": (width, height),
            "octaves_more": pixel_octaves(camera, settings),
            "radial": settings.metric == "radial",
            "weighted": settings.modulation != "none",
            "optical": settings.modulation == "optical_mass",
        }
        for name, value in values.items():
            shader[name].value = value
        tables = (self.pool.texture, self._order.texture, self._chunks.texture)
        for unit, texture in enumerate((*tables, self._large.texture, self._opacities.texture)):
            if texture is not None:
                texture.use(unit)
        context = self._context
        context.enable_only(context.BLEND)
        context.blend_func = context.ONE, context.ONE_MINUS_SRC_ALPHA
        quads.render(context.TRIANGLES, instances=-(-prepared.count // QUADS))

    def program(self, vertex: str, fragment: str) -> tuple[Any, Any]:
        """A compiled program of ``opengl_shaders`` and the quads that it draws."""
        shader = self._context.program(vertex, fragment)
        for unit, name in enumerate(TABLES):
            if name in shader:
                shader[name].value = unit
        return shader, self._context.vertex_array(shader, [], index_buffer=self._quads, index_element_size=4)

    # ---- memory ---------------------------------------------------------------------------------
    @property
    def memory_bytes(self) -> int:
        """Bytes held now: surfels on the graphics card and packed in memory, and the tables of a frame."""
        tables = (self._order, self._chunks, self._large)
        return self.pool.nbytes + self._cache.nbytes + sum(t.nbytes for t in tables) + 16 * self._room

    def clear(self) -> None:
        """Drop all surfels."""
        self._plans.clear()
        self._cache.clear()
        self.pool.clear()

    def _hold(self, surfels: int) -> None:
        """Room to sort that many."""
        if surfels > self._room:
            self._room = surfels + surfels // 4
            self._keys, self._entries, self._other_keys, self._other_entries = (
                np.empty(self._room, np.uint32) for _ in range(4)
            )

    def _chunk_table(
        self, plan: FramePlan, frames: BlockFrames, kept: I64, is_large: Bools, centers: F64, camera: Camera
    ) -> F32:
        """[K, 16] of kept chunks. Only blocks with one that is not large need be on the graphics card."""
        table = np.zeros((len(kept), 4 * CHUNK_TEXELS), np.float32)
        small = kept[~is_large]
        if not len(small):
            return table
        of, centers = plan.block_of[small], centers[~is_large]
        seen = np.unique(of)
        names = [(each.hash, each.limits.key) for each in (plan.drawn[b].block for b in seen)]
        slabs = np.zeros(len(plan.rows), np.int64)
        for b, places in zip(seen, self.pool.place(names, [plan.packed[b] for b in seen]), strict=True):
            first = np.searchsorted(plan.block_of, b)
            slabs[first : first + len(places)] = places
        columns = (
            centers,
            1.0 + centers[:, 2] * camera.inverse_f,
            frames.edges_px[of],
            frames.render_scales[of],
            plan.residencies[of],
            plan.levels_of[of],
            slabs[small],
        )
        table[~is_large, :12] = np.column_stack(columns)
        return table


def _large_surfels(
    plan: FramePlan, kept: I64, is_large: Bools, camera: Camera, settings: RenderSettings
) -> tuple[F32, F32, I64, I64]:
    """Surfels of chunks too large for float32: (texels [L, 16], keys [L], ids [L], where each chunk begins [K + 1])."""
    texels: list[F32] = [np.empty((0, _LARGE), np.float32)]
    keys: list[F32] = [np.empty(0, np.float32)]
    ids: list[I64] = [np.empty(0, np.int64)]
    counts = np.zeros(len(kept) + 1, np.int64)
    for k in np.flatnonzero(is_large):
        chunk = int(kept[k])
        drawn = plan.drawn[plan.block_of[chunk]]
        first_row = int(plan.first_rows[chunk])
        rows = np.arange(first_row, first_row + int(plan.rows[chunk]))
        splats = project_block(drawn, camera, settings, rows)
        records, boxes, some = large_records(splats, drawn.block.surfels.colors, 0, camera)
        made = np.zeros((len(some), _LARGE), np.float32)
        for column, number in enumerate(_RECORD):
            if number >= 0:
                made[:, column] = records[:, number]
        made[:, 12:] = boxes
        texels.append(made)
        keys.append(some)
        ids.append(int(plan.first_ids[chunk]) - first_row + splats.rows)
        counts[k + 1] = len(some)
    return np.concatenate(texels), np.concatenate(keys), np.concatenate(ids), np.cumsum(counts)


def float32_view(camera: Camera, settings: RenderSettings) -> F32:
    """The ``view`` numbers of ``opengl_kernels``."""
    (ax, ay), width, height = camera.aspect, camera.width, camera.height
    tilt_x = max(abs(EDGE * width + camera.cx), abs((1 + EDGE) * width - camera.cx)) * camera.inverse_f
    tilt_y = max(abs(EDGE * height + camera.cy), abs((1 + EDGE) * height - camera.cy)) * camera.inverse_f
    return np.array(
        [
            camera.inverse_f,
            ax,
            ay,
            -camera.cx,
            width - camera.cx,
            -camera.cy,
            height - camera.cy,
            float(np.hypot(ax, tilt_x)),
            float(np.hypot(ay, tilt_y)),
            settings.metric == "radial",
            settings.modulation != "none",
            pixel_octaves(camera, settings),
        ],
        np.float32,
    )
