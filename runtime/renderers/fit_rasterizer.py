"""The differentiable rasterizer of the CPU fitter: one view forward, then its gradient.

Forward: project, bin, sort, blend. Backward: blend, project. Buffers are kept between calls and shared by
all views of a fit, so a view's backward pass must follow its own forward pass. float32 runs in eight lanes;
float64 is for checking gradients.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import fit_blending, fit_blending_scalar
from wonderzoom.runtime.renderers.fit_binning import lay_out, scatter, sort_tiles
from wonderzoom.runtime.renderers.fit_projection import CHUNK, RECORD, TILE, project, project_backward
from wonderzoom.runtime.renderers.simd import aligned_empty
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.ports import FitView

Array = NDArray[np.floating[Any]]
Precision = Literal["float32", "float64"]

# A tile stops when every pixel transmits less: a quarter of a step of an 8-bit picture is lost at most.
_OPAQUE = 1e-3
# Rows of theta, the parameters of a fit.
QUAT, LOG_SCALE, LOGIT, PARAMETERS = slice(0, 4), slice(4, 6), 6, 7


@dataclass(frozen=True, slots=True)
class RasterView:
    """One camera with the surfels' fixed means in its own coordinates."""

    camera: Array  # [14] rotation row by row, 1 / f, ax, ay, cx, cy
    means: Array  # [3, N] view coordinates, pixels
    width: int
    height: int

    @staticmethod
    def of(view: FitView, means: NDArray[np.floating[Any]], precision: Precision) -> RasterView:
        """``view`` of surfels at ``means`` [N, 3], problem coordinates."""
        numbers = [*view.rotation.ravel(), view.inverse_f, *view.aspect, *view.center]
        placed = view.rotation @ np.asarray(means, np.float64).T + view.translation[:, None]
        height, width = view.target.shape[:2]
        return RasterView(np.array(numbers, precision), placed.astype(precision), width, height)


class Rasterizer:
    """Draws N surfels of fixed colour and thickness; gradients for orientation, scales and opacity."""

    def __init__(self, colors: Array, thickness: Array, precision: Precision, team: Team) -> None:
        """colors [N, 3], thickness [N] in pixels."""
        count = len(colors)
        self.dtype = np.dtype(precision)
        self._colors = np.ascontiguousarray(colors, self.dtype)
        self._thickness = np.ascontiguousarray(thickness, self.dtype)
        self._team = team
        self._records: Array = aligned_empty((count, RECORD), self.dtype)
        self._integers = self._records.view(np.int32 if precision == "float32" else np.int64)
        self._chunks = -(-count // CHUNK)
        self._chunk_entries = np.zeros(self._chunks, np.int64)
        single = precision == "float32"
        # One buffer per thread: a tile's accumulators.
        size = fit_blending.BUFFER if single else 1
        self._buffers = [aligned_empty((size,), self.dtype) for _ in range(team.threads)]
        self._blend = fit_blending.blend if single else fit_blending_scalar.blend
        self._blend_backward = fit_blending.blend_backward if single else fit_blending_scalar.blend_backward
        self._opaque = self.dtype.type(_OPAQUE if single else 0.0)
        self._grow(1024)
        self._frames: dict[tuple[int, int], tuple[Array, Array, NDArray[np.int64], NDArray[np.int64]]] = {}
        self.entries = 0  # (surfel, tile) pairs of the last forward pass

    def _grow(self, entries: int) -> None:
        self._capacity = entries
        self._entry_keys = np.empty(entries, self.dtype)
        self._entry_rows = np.empty(entries, np.uint32)
        self._entry_grads = np.empty((entries, 4), self.dtype)

    def _frame(self, view: RasterView) -> tuple[Array, Array, NDArray[np.int64], NDArray[np.int64]]:
        size = (view.width, view.height)
        if size not in self._frames:
            tiles = -(-view.width // TILE) * -(-view.height // TILE)
            pixels = view.width * view.height
            self._frames[size] = (
                np.empty((3, pixels), self.dtype),
                np.empty(pixels, self.dtype),
                np.zeros(tiles + 1, np.int64),
                np.zeros(tiles, np.int64),
            )
        return self._frames[size]

    def forward(self, view: RasterView, theta: Array, background: Array) -> tuple[Array, Array]:
        """Picture [3, H W] over ``background`` [3], transmittance [H W]: valid until the next call."""
        image, transmittance, tile_starts, used = self._frame(view)
        team, bands = self._team, self._team.bands(self._chunks)
        tile_counts = np.zeros((len(bands), len(used)), np.int64)
        fixed = (theta, view.means, self._thickness, self._colors, view.camera, view.width, view.height)
        team.run(
            project,
            [
                (c0, c1, *fixed, self._records, self._integers, tile_counts[k], self._chunk_entries)
                for k, (c0, c1) in enumerate(bands)
            ],
        )
        tile_starts[:], places, chunk_starts = lay_out(tile_counts, self._chunk_entries)
        self.entries = int(tile_starts[-1])
        if self.entries > self._capacity:
            self._grow(self.entries + self.entries // 4)  # radii change slowly: a quarter lasts for a fit
        lists = (view.width, self._entry_keys, self._entry_rows)
        team.run(
            scatter,
            [
                (c0, c1, self._records, self._integers, chunk_starts, places[k], *lists)
                for k, (c0, c1) in enumerate(bands)
            ],
        )
        counter = np.zeros(1, np.int64)
        team.run(sort_tiles, [(counter, tile_starts, *lists[1:])] * team.threads)
        counter = np.zeros(1, np.int64)
        shade = np.asarray(background, self.dtype)
        team.run(
            self._blend,
            [
                (counter, tile_starts, self._entry_rows, self._records, self._integers, buffer, view.width,
                 view.height, shade, self._opaque, image, transmittance, used)
                for buffer in self._buffers
            ],
        )  # fmt: skip
        return image, transmittance

    def backward(
        self,
        view: RasterView,
        theta: Array,
        image_grad: Array,
        transmittance_grad: Array,
        grads: Array,
        *,
        accumulate: bool,
    ) -> None:
        """d loss / d theta into (or onto) ``grads`` [7, N]; ``view`` is that of the last forward pass."""
        image, transmittance, tile_starts, used = self._frame(view)
        counter = np.zeros(1, np.int64)
        self._team.run(
            self._blend_backward,
            [
                (counter, tile_starts, self._entry_rows, self._records, self._integers, buffer, view.width,
                 view.height, image, transmittance, used, image_grad, transmittance_grad, self._entry_grads)
                for buffer in self._buffers
            ],
        )  # fmt: skip
        fixed = (theta, view.means, self._thickness, view.camera, view.width, view.height)
        fixed += (self._integers, self._entry_grads)
        self._team.run(
            project_backward,
            [(c0, c1, *fixed, accumulate, grads) for c0, c1 in self._team.bands(self._chunks)],
        )
