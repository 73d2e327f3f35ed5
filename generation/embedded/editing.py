"""The edit: what a prompt asks for, put into the view (stage ``edit``).

Materials are laid first, things stand on them. Everything new is a function with a place in the world, kept in the
node's memory: this stage draws it once, deeper zooms draw it again. Owns where things go, how large they are and
how they stand. Does not own: the words (``lexicon``), how things and patches look (``standing``, ``laying``).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.laying import LOOKS, ChartView, lay
from wonderzoom.generation.embedded.lexicon import Parsed, Placement, parse
from wonderzoom.generation.embedded.lighting import Light, light_of
from wonderzoom.generation.embedded.memory import LaidMaterial, Place, PlacedThing
from wonderzoom.generation.embedded.standing import draw_things
from wonderzoom.generation.embedded.things import UPRIGHT, YAW, build, silhouette
from wonderzoom.generation.stages import Edited, Observation, ZoomContext
from wonderzoom.scene_graph.camera import Camera, matrix_to_quat
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Share of the frame that all new things together fill, and the bounds that words can't leave.
USUAL_SHARE = 0.26
# Several things share it, each a little larger than its part: they may overlap.
CROWDING = 0.8
# A thing's bounding sphere never grows beyond this share of the frame's short side.
MOST_OF_FRAME = 0.62
# Several things stand on a spiral of this radius (of the short side) around the point that was picked.
SPREAD = 0.34
GOLDEN_ANGLE = math.pi * (3.0 - math.sqrt(5.0))
# The surface that a picture suggests, x right, y down, z forward: seen from above at 38 degrees.
USUAL_NORMAL = np.array([0.0, -0.62, -0.78])
DEPTH_SHARE = 0.35  # how far the measured normal counts against the usual one: measured ones are rough
TOWARD_VIEWER = 0.30  # upright things lean this much toward the eye, so that one sees their tops
FACING = 0.5  # radians: upright things turn away from the eye by at most this, to either side
# A patch of material: radius in the frame's short side. Wide enough to be what the picture is about.
PATCH_RADIUS = 0.42
# What counts as changed: a shadow of more than 4 %, a patch of more than half a pixel.
SHADED, COVERED = 0.96, 0.5

THINGS, LAID, GROUND = "new things", "new materials", "drawn new things"  # keys of ``ZoomContext.shared``


@dataclass(frozen=True, slots=True)
class _Spot:
    """Where a thing goes."""

    pixel: tuple[float, float]  # of the view
    zeta: float
    normal: F64  # [3] view axes, toward the eye


class EmbeddedEditor:
    """Stage ``edit``."""

    def edit(self, context: ZoomContext, image: F32, control: Control) -> Edited:
        """I_i with what the prompt asks for; honest about the rest."""
        observation = context.observation
        parsed = parse(context.request.prompt)
        nothing = np.zeros(image.shape[:2], np.bool_)
        materials = _patches(context, parsed)
        things = _things(context, parsed, image)
        context.shared[THINGS], context.shared[LAID] = things, materials
        placed = _account(parsed, things, materials)
        if not things and not materials:
            return Edited(image, nothing, nothing, placed=placed, ignored=parsed.ignored)
        control.progress(0.1)
        ground, changed = image, nothing
        chart = context.shared.get("chart")
        if materials and isinstance(chart, ChartView):
            laid = lay(image, materials, chart, context.threads, control.cancelled)
            ground, changed = laid.image, laid.cover > COVERED
            control.progress(0.5)
        if not things:
            return Edited(ground, changed, nothing, placed=placed, ignored=parsed.ignored)
        drawn = draw_things(
            things, observation.camera, ground, context.threads, control.cancelled, observation.zeta
        )
        context.shared[GROUND] = drawn
        structure = drawn.owner >= 0
        changed = changed | structure | (drawn.shade < SHADED)
        return Edited(drawn.image, changed, structure, drawn.zeta, ground, placed, parsed.ignored)


def _account(
    parsed: Parsed, things: Sequence[PlacedThing], materials: Sequence[LaidMaterial]
) -> tuple[str, ...]:
    """What was made, in words: things with their number, materials, and what stands for another word."""
    stands_for = {kind: word for word, kind in parsed.substituted}
    said: list[str] = []
    for kind in dict.fromkeys(thing.kind for thing in things):
        count = sum(thing.kind == kind for thing in things)
        text = kind if count == 1 else f"{count} x {kind}"
        said.append(f"{text} (for {stands_for[kind]!r})" if kind in stands_for else text)
    return (*said, *dict.fromkeys(material.material for material in materials))


# ---- materials ----------------------------------------------------------------------------------


def _frame(observation: Observation) -> tuple[float, float, float]:
    """Centre (x, y) of the requested frame in the view and its short side, pixels."""
    height, width = observation.alpha.shape
    return 0.5 * width, 0.5 * height, float(min(width, height) - 2 * observation.margin)


def _patches(context: ZoomContext, parsed: Parsed) -> tuple[LaidMaterial, ...]:
    chart = context.shared.get("chart")
    if not isinstance(chart, ChartView):
        return ()
    x, y, side = _frame(context.observation)
    row, column = int(y), int(x)
    center = (float(chart.places[row, column, 0]), float(chart.places[row, column, 1]))
    radius = PATCH_RADIUS * side * float(chart.scale[row, column])
    return tuple(
        LaidMaterial(name, center, radius, context.request.seed * 31 + index)
        for index, name in enumerate(parsed.materials)
        if name in LOOKS
    )


# ---- things -------------------------------------------------------------------------------------


def _things(context: ZoomContext, parsed: Parsed, image: F32) -> tuple[PlacedThing, ...]:
    """Every thing of the prompt with its place, size and stand."""
    wanted = [(placement, i) for placement in parsed.things for i in range(placement.count)]
    if not wanted:
        return ()
    root = context.world.root
    first = root.main.image if root is not None else None
    whole = image if first is None else first.astype(np.float32) / 255.0
    light = light_of(whole, image)
    rng = np.random.default_rng([context.request.seed & 0xFFFFFFFF, len(wanted)])
    return tuple(
        _placed(context.observation, placement, index, len(wanted), light, context.request.seed, rng)
        for index, (placement, _) in enumerate(wanted)
    )


def _placed(
    observation: Observation,
    placement: Placement,
    index: int,
    count: int,
    light: Light,
    seed: int,
    rng: np.random.Generator,
) -> PlacedThing:
    camera = observation.camera
    x, y, side = _frame(observation)
    own_seed = (seed * 1009 + index) & 0xFFFFFFFF
    area, middle = silhouette(placement.kind, own_seed, placement.color)
    share = USUAL_SHARE / count**CROWDING
    frame_area = (observation.alpha.shape[0] - 2 * observation.margin) * (
        observation.alpha.shape[1] - 2 * observation.margin
    )
    usual = math.sqrt(share * frame_area / max(area, 1e-3))
    radius = build(placement.kind, own_seed, placement.color).radius
    unit_px = min(usual, MOST_OF_FRAME * side / radius) * placement.size
    if count > 1:
        unit_px *= float(rng.uniform(0.88, 1.12))
        turn = GOLDEN_ANGLE * index + float(rng.uniform(-0.3, 0.3))
        reach = SPREAD * side * math.sqrt((index + 0.35) / count)
        x, y = x + 1.2 * reach * math.cos(turn), y + reach * math.sin(turn)
    spot = _spot(observation, x, y, max(4.0, 0.5 * radius * unit_px))
    frame = _stand(camera, placement.kind, spot.normal, rng)
    # The middle of what one sees goes to the chosen point, so the base goes elsewhere: below it, mostly.
    aside = frame @ np.asarray(middle) * unit_px
    lower = _spot(observation, x - float(aside[0]), y - float(aside[1]), max(4.0, 0.3 * radius * unit_px))
    base = camera.unproject(np.array(lower.pixel), np.array(lower.zeta))
    depth = 1.0 + lower.zeta * camera.inverse_f
    quat = matrix_to_quat(camera.rotation.T @ frame)
    w, i, j, k = (float(v) for v in quat)
    return PlacedThing(
        placement.kind,
        own_seed,
        Place.of(camera.position(base)),
        (w, i, j, k),
        math.log(unit_px * depth) + camera.ln_scale,
        light.sun,
        light.sky,
        light.ground,
        placement.color,
    )


def _spot(observation: Observation, x: float, y: float, reach: float) -> _Spot:
    """Depth and normal of the surface around a pixel: a plane through what is known within ``reach`` pixels."""
    camera, zeta = observation.camera, observation.zeta
    height, width = zeta.shape
    x, y = min(max(x, 0.5), width - 0.5), min(max(y, 0.5), height - 0.5)
    low_x, high_x = int(max(0, x - reach)), int(min(width, x + reach + 1))
    low_y, high_y = int(max(0, y - reach)), int(min(height, y + reach + 1))
    window = zeta[low_y:high_y, low_x:high_x]
    known = np.isfinite(window)
    if int(known.sum()) < 6:
        filled = fill_from_nearest(np.nan_to_num(zeta), np.isfinite(zeta))
        return _Spot((x, y), float(filled[int(y), int(x)]), USUAL_NORMAL / np.linalg.norm(USUAL_NORMAL))
    rows, columns = np.nonzero(known)
    values = window[known].astype(np.float64)
    # What lies behind an edge is another surface: the plane is that of what is near the middle's depth.
    nearest = np.argmin((rows + low_y + 0.5 - y) ** 2 + (columns + low_x + 0.5 - x) ** 2)
    same = np.abs(values - values[nearest]) < 2.0 * reach
    across = np.stack(
        [columns[same] + low_x + 0.5 - x, rows[same] + low_y + 0.5 - y, np.ones(int(same.sum()))], -1
    )
    slopes = np.linalg.lstsq(across, values[same], rcond=None)[0]
    ax, ay = camera.aspect
    normal = np.array([slopes[0] * ax, slopes[1] * ay, -1.0])
    return _Spot((x, y), float(slopes[2]), normal / np.linalg.norm(normal))


def _stand(camera: Camera, kind: str, normal: F64, rng: np.random.Generator) -> F64:
    """Rotation object -> view axes [3, 3]: z away from the surface (or up), x turned around it."""
    eye = np.array([0.0, 0.0, -1.0])
    if kind in UPRIGHT:
        up = camera.rotation @ np.array([0.0, -1.0, 0.0])
        axis = up + TOWARD_VIEWER * eye
        yaw = YAW.get(kind, 0.0) + float(rng.uniform(-FACING, FACING))
    else:
        axis = DEPTH_SHARE * normal + (1.0 - DEPTH_SHARE) * USUAL_NORMAL
        yaw = float(rng.uniform(0.0, 2.0 * math.pi))
    axis = axis / np.linalg.norm(axis)
    toward = eye - axis * float(axis @ eye)
    if float(np.linalg.norm(toward)) < 0.05:  # seen from straight above: any direction faces the eye
        toward = np.array([0.0, 1.0, 0.0]) - axis * float(axis[1])
    toward = toward / np.linalg.norm(toward)
    forward = math.cos(yaw) * toward + math.sin(yaw) * np.cross(axis, toward)
    return np.stack([forward, np.cross(axis, forward), axis], -1)
