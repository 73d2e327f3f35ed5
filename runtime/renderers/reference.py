"""The oracle: a slow, exact renderer, surfel after surfel in float64, that every other must agree with.

No tiles, no tables, no approximation: it reads like the definition. Surfels go front to back by the
contract's key (zeta + 3 sigma, ties by block order and row); each pixel blends them with its remaining
transmittance.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.projection import (
    FAR_ZETA,
    MAX_ALPHA,
    MIN_ALPHA,
    MIN_TRANSMITTANCE,
    Splats,
    check_visible,
    drawn_blocks,
    falloff,
    pixel_centres,
    project_block,
)
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet


class ReferenceRenderer:
    """Draws any visible set exactly; some thousand surfels a second."""

    name = "reference"

    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        return self.render_with_margins(visible, camera, settings)[0]

    def render_with_margins(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[RenderedView, NDArray[np.float64]]:
        """The view, and by how much the largest weight of each pixel exceeds the second largest, [H, W]."""
        check_visible(visible)
        canvas = _Canvas(camera.width, camera.height)
        blocks: list[Splats] = []
        colors: list[NDArray[np.uint8]] = []  # of each block's surfels
        ids: list[int] = []  # of each block's first surfel
        first = 0
        for drawn in drawn_blocks(visible):
            splats = project_block(drawn, camera, settings)
            if len(splats.rows):
                blocks.append(splats)
                colors.append(drawn.block.surfels.colors)
                ids.append(first)
            first += drawn.block.count
        keys = np.concatenate([splats.keys for splats in blocks]) if blocks else np.empty(0)
        which = np.repeat(np.arange(len(blocks)), [len(splats.rows) for splats in blocks])
        index = np.concatenate([np.arange(len(s.rows)) for s in blocks]) if blocks else np.empty(0, np.intp)
        for position in np.argsort(keys, kind="stable"):
            b, i = int(which[position]), int(index[position])
            row = int(blocks[b].rows[i])
            canvas.blend(blocks[b], i, colors[b][row] / 255.0, ids[b] + row)
        view = canvas.view(np.asarray(settings.background, np.float64), len(keys))
        return view, canvas.largest - canvas.second


class _Canvas:
    """Per-pixel state of front-to-back blending, float64."""

    def __init__(self, width: int, height: int) -> None:
        shape = (height, width)
        self.color = np.zeros((*shape, 3))
        self.transmittance = np.ones(shape)
        self.done = np.zeros(shape, np.bool_)
        self.weight = np.zeros(shape)
        self.zeta = np.zeros(shape)  # sum of weight * zeta
        self.largest = np.zeros(shape)  # weight
        self.second = np.zeros(shape)  # weight
        self.ids = np.full(shape, -1, np.int64)

    def blend(self, splats: Splats, i: int, color: NDArray[np.float64], surfel_id: int) -> None:
        """Draw splat i behind everything drawn before."""
        left, right, top, bottom = (int(edge) for edge in splats.boxes[i])
        part = (slice(top, bottom + 1), slice(left, right + 1))
        gauss = falloff(splats, i, pixel_centres(left, right), pixel_centres(top, bottom))
        alpha = np.minimum(MAX_ALPHA, splats.opacities[i] * gauss)
        before = self.transmittance[part]
        after = before * (1.0 - alpha)
        touched = (alpha >= MIN_ALPHA) & ~self.done[part]
        finished = touched & (after < MIN_TRANSMITTANCE)
        self.done[part] |= finished
        touched &= ~finished
        weight = np.where(touched, alpha * before, 0.0)
        self.color[part] += weight[..., None] * color
        self.weight[part] += weight
        self.zeta[part] += weight * max(-FAR_ZETA, min(FAR_ZETA, splats.zetas[i]))
        larger = weight > self.largest[part]
        self.second[part] = np.maximum(self.second[part], np.minimum(weight, self.largest[part]))
        self.largest[part] = np.where(larger, weight, self.largest[part])
        self.ids[part] = np.where(larger, surfel_id, self.ids[part])
        self.transmittance[part] = np.where(touched, after, before)

    def view(self, background: NDArray[np.float64], drawn: int) -> RenderedView:
        """The finished picture over its background."""
        alpha = 1.0 - self.transmittance
        with np.errstate(invalid="ignore"):
            zeta = np.where(alpha >= MIN_ALPHA, self.zeta / np.maximum(self.weight, 1e-300), np.nan)
        return RenderedView(
            (self.color + self.transmittance[..., None] * background).astype(np.float32),
            alpha.astype(np.float32),
            zeta.astype(np.float32),
            self.ids,
            drawn,
        )
