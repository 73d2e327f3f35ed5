"""From lifted layers to a node's surfels: the fit to what the pictures show (Sec. 3.1), their places, their views.

Owns what is fitted to which picture, what happens to layers that no picture shows, and what a proposed node says of
itself before the world has worked out the rest. Does not own lifting (``lifting``) nor how a fit descends
(``ports.Fitter``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.lifting import Lifted, in_camera
from wonderzoom.generation.stages import Layer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.joining import concatenate
from wonderzoom.scene_graph.placement import place
from wonderzoom.scene_graph.ports import Control, FitProblem, FitSettings, Fitter, FitView
from wonderzoom.scene_graph.scale_node import Interval, View
from wonderzoom.scene_graph.surfels import Surfels


def fit_layers(
    layers: Sequence[Layer],
    lifted: Sequence[Lifted],
    main: Layer,
    fitter: Fitter,
    settings: FitSettings,
    seed: int,
    control: Control,
) -> list[Lifted]:
    """Optimise opacity, orientation and scales of what C_i sees against I_i; Cancelled within a step.

    ``lifted`` are the layers' surfels, in their order; so is the answer.
    """
    seen = (layer.camera == main.camera and layer.role in ("main", "sky") for layer in layers)
    shown = [i for i, is_shown in enumerate(seen) if is_shown]
    joined = [lifted[i] for i in shown]
    means = np.concatenate([part.means for part in joined])
    mask = np.any([layers[i].mask for i in shown], axis=0)
    problem = FitProblem(
        means=means.astype(np.float32),
        colors=np.concatenate([part.colors for part in joined]).astype(np.float32) / 255.0,
        quats=np.concatenate([part.quats for part in joined]),
        log_scales=np.concatenate([part.log_scales for part in joined]),
        opacities=np.concatenate([part.opacities for part in joined]),
        thickness=np.concatenate([part.thickness for part in joined]),
        views=(FitView.of(main.camera, np.ascontiguousarray(main.image, np.float32), mask),),
        seed=seed,
    )
    result = fitter.fit(problem, settings, control)
    fitted = list(lifted)
    start = 0
    for i, part in zip(shown, joined, strict=True):
        rows = slice(start, start + len(part))
        start += len(part)
        fitted[i] = replace(
            part,
            quats=result.quats[rows],
            log_scales=result.log_scales[rows],
            opacities=result.opacities[rows],
        )
    # What no picture shows has no gradient: it takes the median of what was fitted.
    median = np.float32(np.median(result.opacities)) if len(result.opacities) else np.float32(0.9)
    for i, part in enumerate(fitted):
        if i not in shown:
            fitted[i] = replace(part, opacities=np.full(len(part), median, np.float32))
    return fitted


def place_layers(parts: Sequence[Lifted], camera: Camera) -> list[tuple[Cell, Surfels]]:
    """The surfels of all layers by cell, in the order of cells; ``view`` is a layer's index."""
    found: dict[Cell, list[Surfels]] = {}
    for index, part in enumerate(parts):
        part = in_camera(part, camera)
        view = np.full(len(part), index, np.uint16)
        columns = (part.means, part.quats, part.log_scales, part.opacities, part.colors, part.ln_native)
        for cell, surfels in place(camera, *columns, view, part.kind).items():
            found.setdefault(cell, []).append(surfels)
    if not found:
        return []
    cells = sorted(found)
    # Cut again, so that nobody has to join them.
    whole = concatenate([part for cell in cells for part in found[cell]])
    ends = np.cumsum([0, *(sum(map(len, found[cell])) for cell in cells)]).tolist()
    return [(cell, whole.take(slice(*ends[i : i + 2]))) for i, cell in enumerate(cells)]


def view_of(layer: Layer, image: NDArray[np.uint8] | None = None) -> View:
    """What coverage needs of a layer: its camera, mask and registered depth."""
    mask = layer.mask & np.isfinite(layer.zeta)
    zeta = np.where(mask, layer.zeta, np.nan).astype(np.float32)
    return View(layer.camera, mask, zeta, layer.role, image)


class _Placed(TypedDict):
    """What ``World.propose`` works out from the surfels, whatever a proposal says."""

    cell: Cell
    bounds: tuple[tuple[float, float, float], tuple[float, float, float]]
    native_scale: Interval
    parent_scale: Interval
    child_scale: Interval


FILLED_IN_BY_THE_WORLD = _Placed(
    cell=Cell(0, 0, 0, 0),
    bounds=((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)),
    native_scale=(0.0, 0.0),
    parent_scale=(0.0, 0.0),
    child_scale=(0.0, 0.0),
)
