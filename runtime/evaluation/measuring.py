"""All scores of one zoom: which views are drawn of which world, and what is compared with what.

Owns the list of scores, their units and their laws. Definitions are in ``scores.py``; pictures come from the
stored surfels by the renderer, except for I_i, which is what the first score compares them with.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import STAGES
from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.evaluation import scores
from wonderzoom.runtime.evaluation.scores import Shown
from wonderzoom.runtime.evaluation.steps import Step, drawn, edited, factor_of, picture_of, with_surface
from wonderzoom.runtime.evaluation.views import MIDDLE, ZoomCameras, neighbours
from wonderzoom.runtime.frames import settings_of
from wonderzoom.scene_graph.ports import VisibleSet
from wonderzoom.scene_graph.scales import Modulation
from wonderzoom.scene_graph.visible_set import visible_set

U8 = NDArray[np.uint8]
F32 = NDArray[np.float32]
Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Score:
    """One column of a table."""

    key: str
    title: str
    unit: str
    better: str  # "higher", "lower" or "" where neither is
    digits: int
    law: tuple[float, float] | None = None  # least and greatest (design: generation.md, "Laws")


SCORES = (
    Score("render_db", "render at C_i against I_i", "dB", "higher", 1, (30.0, np.inf)),
    Score("back_projection_db", "back-projection, zooms without words", "dB", "higher", 1, (32.0, np.inf)),
    Score(
        "back_projection_prompted_db",
        "back-projection outside new things, zooms with words",
        "dB",
        "higher",
        1,
    ),
    Score("zoom_consistency_db", "zoom consistency of the descent's ends", "dB", "higher", 1),
    Score("depth_disagreement", "depth disagreement of neighbouring views", "%", "lower", 2, (0.0, 2.0)),
    Score("reprojection_db", "reprojection between neighbouring views", "dB", "higher", 1),
    Score("common", "points that both of two neighbours show", "%", "higher", 1),
    Score("holes", "holes in the worst of the nine views", "%", "lower", 2, (0.0, 0.5)),
    Score("flicker", "flicker of the descent", "1/255", "lower", 2),
    Score("flicker_peak", "flicker in the worst frame", "1/255", "lower", 2),
    Score("flicker_before", "flicker of the same descent without the new scene", "1/255", "", 2),
    Score("slope", "slope of the spectrum at C_i", "", "", 2, (-2.0, -1.0)),
    Score("surfels", "surfels drawn in a view, mean of nine", "thousands", "lower", 0),
)
STAGE_COST = "stage_"  # and a stage's name: a cost's key
COSTS = (
    Score("seconds", "making the new scene", "s", "lower", 1),
    *(Score(STAGE_COST + stage, f"of that: {stage}", "s", "lower", 2) for stage in STAGES),
    Score("making_megabytes", "most memory of the process meanwhile", "MB", "lower", 0),
    Score("card_megabytes", "most memory of the graphics card meanwhile", "MB", "lower", 0),
    Score("fps", "drawing the nine views", "frames/s", "higher", 1),
    Score("megabytes", "surfels that a view needs", "MB", "lower", 1),
)
# Of another method's frames: what pictures alone tell.
OF_PICTURES = ("zoom_consistency_db", "flicker", "flicker_peak", "slope")


@dataclass(frozen=True, slots=True)
class Measured:
    """One zoom, scored."""

    values: Values
    costs: Values
    views: tuple[U8, ...]  # the nine pictures


def to_bytes(picture: F32) -> U8:
    """sRGB floats in [0, 1] as bytes."""
    return np.clip(picture * 255.0 + 0.5, 0, 255).astype(np.uint8)


def measure(
    step: Step,
    cameras: ZoomCameras,
    renderer: Painter,
    clock: Callable[[], float],
    modulation: Modulation = "optical_mass",
    floor: bool = True,
) -> Measured:
    """Every score of one zoom that needs no model; E_i is the world as it was right after it.

    ``floor``: also how much the same descent flickers in E_{i-1}, where nothing new comes in.
    """
    nine = [drawn(step.after, camera, renderer, modulation) for camera in cameras.views]
    views = [shown for shown, _, _ in nine]
    coarse, _, _ = drawn(step.before, cameras.views[MIDDLE], renderer, modulation)
    descent = [drawn(step.after, camera, renderer, modulation)[0] for camera in cameras.descent]
    factor = factor_of(cameras.descent[0], cameras.views[MIDDLE])
    new = edited(nine[MIDDLE][1], nine[MIDDLE][2], step.node.id)
    back = scores.back_projection(views[MIDDLE].color, coarse.color, new, factor)
    agreed = scores.agreement([with_surface(*each) for each in nine], neighbours())
    sizes = [view.drawn for _, view, _ in nine]
    values: Values = dict.fromkeys(score.key for score in SCORES)
    values["render_db"] = _own_picture(step, renderer, modulation)
    values["back_projection_prompted_db" if step.node.prompt else "back_projection_db"] = back
    values["depth_disagreement"] = None if agreed.depth is None else 100.0 * agreed.depth
    values["reprojection_db"] = agreed.colour
    values["common"] = 100.0 * agreed.common
    values["holes"] = 100.0 * scores.holes(views)
    zetas = [each.zeta for each in descent]
    values |= of_pictures([each.color for each in descent], views[MIDDLE].color, cameras, zetas)
    if floor:
        before = [drawn(step.before, camera, renderer, modulation)[0] for camera in cameras.descent]
        still = scores.flicker([f.color for f in before], cameras.descent, [f.zeta for f in before])
        values["flicker_before"] = None if still is None else still.mean
    values["surfels"] = float(np.mean(sizes)) / 1000.0
    needed = [_megabytes(visible) for _, _, visible in nine]
    costs: Values = {
        "fps": _speed(step, cameras, renderer, clock, modulation),
        "megabytes": float(np.mean(needed)),
    }
    return Measured(_rounded(values), costs, tuple(to_bytes(view.color) for view in views))


def of_pictures(descent: Sequence[F32], middle: F32, cameras: ZoomCameras, zetas: Sequence[F32]) -> Values:
    """The scores of any method's frames; ``zetas`` is the depth of the descent, of the world's own surfels."""
    jumps = scores.flicker(descent, cameras.descent, zetas)
    ends = (cameras.descent[0], cameras.descent[-1])
    factor = factor_of(*ends)
    return _rounded(
        {
            "zoom_consistency_db": scores.zoom_consistency(descent[0], descent[-1], ends, zetas[0], factor),
            "flicker": None if jumps is None else jumps.mean,
            "flicker_peak": None if jumps is None else jumps.peak,
            "slope": scores.spectrum_slope(middle),
        }
    )


def depths(step: Step, cameras: ZoomCameras, renderer: Painter) -> list[F32]:
    """Zeta of every frame of the descent."""
    return [drawn(step.after, camera, renderer)[0].zeta for camera in cameras.descent]


def _own_picture(step: Step, renderer: Painter, modulation: Modulation) -> float | None:
    """PSNR of the render at C_i against I_i, where I_i became surfels."""
    own = picture_of(step.node, step.after.header.h_ref)
    if own is None:
        return None
    camera, image, made = own
    shown: Shown = drawn(step.after, camera, renderer, modulation)[0]
    return scores.psnr(shown.color, image, made)


def _speed(
    step: Step, cameras: ZoomCameras, renderer: Painter, clock: Callable[[], float], modulation: Modulation
) -> float | None:
    """Frames a second of the nine views as a viewer gets them, one after the other; caches are warm."""
    settings = settings_of(step.after.header, modulation)
    begin = clock()
    for camera in cameras.views:
        renderer.render_color(visible_set(step.after, camera, settings), camera, settings)
    taken = clock() - begin
    return len(cameras.views) / taken if taken > 0.0 else None


def _megabytes(visible: VisibleSet) -> float:
    """What the surfels of a visible set, and their bounds, take."""
    total = 0
    for block in visible.blocks:
        total += sum(column.nbytes for column in block.surfels.columns().values())
        bounds = (getattr(block.bounds, each.name) for each in fields(block.bounds))
        total += sum(column.nbytes for column in bounds if isinstance(column, np.ndarray))
    return total / 1e6


def _rounded(values: Values) -> Values:
    """To what pictures of bytes can tell, so that the same world gives the same text."""
    return {key: None if value is None else float(f"{value:.6g}") for key, value in values.items()}
