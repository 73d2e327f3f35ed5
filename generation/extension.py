"""A view that looks beside what exists: which part of it is empty, and how new content joins the old.

A panned, orbited or wider camera sees past the rim of the world. What lies there has no coarser counterpart, so
its surfels have no parent to fade into (kind STRUCTURE): they stay when one steps back, as the root's do. What
exists keeps its pixels, however coarse. Owns the holes of an observation, the depth at their rim and the layers
that close them. Does not own what is painted there (``stages.Outpainter``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.initial_scene import sky_layer
from wonderzoom.generation.jobs import MIN_FACTOR
from wonderzoom.generation.membrane import membrane
from wonderzoom.generation.observation import dominant_node
from wonderzoom.generation.stages import Edited, Layer, Observation, Outpainted
from wonderzoom.scene_graph.camera import Camera, bounded_exp
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE
from wonderzoom.scene_graph.world import World

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# More than this share of a frame empty: there is something to extend, however fine the rest is.
EMPTY_SHARE = 0.005
# Beside a hole the last surfels are half transparent: new ones begin under them, or the rim would show as a line.
SOLID, RIM = 0.9, 1  # alpha, pixels
# Surfels seen edge-on at the rim of a fill reach out of it as frays: narrower than this share of the short side.
FRAY = 0.05
# An eye that moves by less than this share of the pivot's distance has not moved.
STEP_ASIDE = 0.05
# New depth is brought to that of the rim and keeps its own shape farther from it (share of the long side).
DEPTH_REACH = 0.1
# Depths that differ by more (logarithms) are two things, one before the other, not one that is off.
ONE_SURFACE, ONE_SURFACE_PX = 0.25, 128.0  # whichever is less; native pixels where a view is deep
# So much nearer than a fill is what is painted over it, in native pixels.
IN_FRONT = 1.0
HIDING = 4  # pixels: over so many a surface bends to be in front of what it hides
# What is farther than this share of the root's sky is sky.
SKY_SHARE = 0.5
# The sky goes on behind a new skyline this far: soft outlines, and steps to the side.
SKY_BEHIND = 24.0  # pixels
# A pixel beside the horizon of a wide view may be far off, but not behind the eye.
NEAREST = 1e-3  # of the pivot's depth


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """The part of a view that is made of nothing that was there."""

    holes: Mask  # [H, W]
    sky: Mask  # [H, W] the holes in which nothing stands
    sky_zeta: F32  # [H, W] native pixels: how far the sky is; meaningless where there is none

    @property
    def ground(self) -> Mask:
        """The holes that something stands in."""
        return self.holes & ~self.sky


def is_empty(holes: Mask) -> bool:
    """Whether so much of a frame shows nothing that it is worth an extension."""
    return float(holes.mean()) >= EMPTY_SHARE


def holes_of(world: World, observation: Observation) -> Mask:
    """Pixels [H, W] that no picture ever showed.

    Where nothing exists; frays of coarse content, and half transparent pixels beside these. For an eye that
    stays where it was and looks at the scale of what is there, also where only a coarser fill is: it was a
    guess for a step to the side.
    """
    seen = np.isfinite(observation.zeta)
    if factor_of(observation) < MIN_FACTOR and _stays(world, observation):
        seen &= observation.covered | ~_filled(observation)
    side = 2 * round(0.5 * FRAY * min(seen.shape)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    padded = cv2.copyMakeBorder(seen.astype(np.uint8), side, side, side, side, cv2.BORDER_REPLICATE)
    whole = cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel)[side:-side, side:-side] > 0
    empty = ~seen | (~whole & ~observation.covered)
    beside = cv2.dilate(empty.astype(np.uint8), np.ones((2 * RIM + 1,) * 2, np.uint8)) > 0
    return empty | (beside & (observation.alpha < SOLID))


def _stays(world: World, observation: Observation) -> bool:
    """Whether the eye is where it was when what is seen here was pictured."""
    if not (observation.surfel_ids >= 0).any():
        return False
    mine, other = observation.camera, world.node(dominant_node(observation)).main.camera
    if mine.inverse_f == 0.0 or other.inverse_f == 0.0:
        return bool(mine.rotation[2] @ other.rotation[2] > 1.0 - 0.5 * STEP_ASIDE**2)
    matrix, origin = mine.map_from(other)
    eye = origin - matrix[:, 2] / other.inverse_f
    eye[2] += 1.0 / mine.inverse_f
    return float(np.linalg.norm(eye)) * mine.inverse_f < STEP_ASIDE


def factor_of(observation: Observation) -> float:
    """The zoom over what pictures have shown here; fills, which are coarser at will, do not count."""
    pictured = np.isfinite(observation.zeta) & ~_filled(observation)
    return float(np.median(observation.ratio[pictured])) if pictured.any() else observation.factor


def _filled(observation: Observation) -> Mask:
    """Pixels [H, W] whose dominant surfel is a fill."""
    kinds = [block.surfels.kind for block in observation.visible.blocks]
    if not kinds:
        return np.zeros(observation.zeta.shape, np.bool_)
    return (np.concatenate(kinds) == FILL)[np.maximum(observation.surfel_ids, 0)] & (
        observation.surfel_ids >= 0
    )


def seen_sky(world: World, observation: Observation) -> Mask:
    """Pixels [H, W] that show the sky: what is about as far off as the root's."""
    skies = [] if world.root is None else [view for view in world.root.views if view.role == "sky"]
    if not skies:
        return np.zeros(observation.zeta.shape, np.bool_)
    far = min(_distance(view.camera, float(np.nanmin(view.zeta))) for view in skies)
    camera = observation.camera
    with np.errstate(invalid="ignore"):
        w = 1.0 + observation.zeta.astype(np.float64) * camera.inverse_f
        return w * bounded_exp(camera.ln_distance) > SKY_SHARE * far


def _distance(camera: Camera, zeta: float) -> float:
    """Depth in root edges."""
    return (1.0 + zeta * camera.inverse_f) * bounded_exp(camera.ln_distance)


def completed(
    world: World, observation: Observation, holes: Mask, outpainted: Outpainted
) -> tuple[Observation, Beside]:
    """The observation as if what was painted beside it were there, and which part that is."""
    sky_seen = seen_sky(world, observation)
    there_is_one = bool(sky_seen.any())
    # A fill that stands before a new sky can't be taken away: what is painted there hides it.
    before = np.isfinite(observation.zeta) & ~sky_seen
    sky = outpainted.sky & holes & ~before if there_is_one else np.zeros_like(holes)
    far = fill_from_nearest(np.where(sky_seen, observation.zeta, 0.0).astype(np.float32), sky_seen)
    beside = Beside(holes, sky, far)
    color = np.where(holes[..., None], outpainted.image, observation.color).astype(np.float32)
    zeta = observation.zeta
    if outpainted.zeta is not None:
        zeta = np.where(beside.ground, outpainted.zeta, zeta)
        zeta = joined(observation.camera, zeta, observation.zeta, beside, sky_seen)
    return replace(observation, color=color, zeta=zeta, factor=factor_of(observation)), beside


def joined(camera: Camera, zeta: F32, seen: F32, beside: Beside, sky_seen: Mask) -> F32:
    """``zeta`` [H, W] of new content, brought to the depth that is ``seen`` (NaN: nothing) at the rim of the holes.

    What lacks at the rim fades out over DEPTH_REACH, in logarithms of depth, so that nothing comes to lie behind
    the eye. Where the two sides of the rim are different things nothing is missing. New content hides the
    fills that it replaces: it is nowhere behind them. The sky keeps its own depth.
    """
    known = np.isfinite(seen) & ~beside.holes & ~sky_seen
    ground = beside.ground & np.isfinite(zeta)
    result = np.where(beside.sky, beside.sky_zeta, zeta).astype(np.float32)
    if not (known.any() and ground.any()):
        return result
    perspective = max(camera.inverse_f, 1e-9)

    def logarithm(values: NDArray[np.floating]) -> NDArray[np.float64]:
        return np.log(np.maximum(1.0 + values.astype(np.float64) * perspective, NEAREST))

    # Both sides go on to the rim: the known one by its nearest pixels, the new one as it is.
    old = logarithm(fill_from_nearest(np.where(known, seen, 0.0).astype(np.float32), known))
    new = logarithm(np.where(ground, zeta, 0.0))
    near_known = cv2.dilate(known.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    rim = ground & near_known
    lacks = np.where(rim, old - new, 0.0)
    rim &= np.abs(lacks) < min(ONE_SURFACE, ONE_SURFACE_PX * perspective)
    smooth = membrane(lacks.astype(np.float32)[..., None], rim)[..., 0]  # 0 where there is no rim
    distance = cv2.distanceTransform((~near_known).astype(np.uint8), cv2.DIST_L2, 5)
    fade = np.exp(-distance / (DEPTH_REACH * max(zeta.shape)))
    brought = new + smooth * fade
    replaced = ground & np.isfinite(seen) & ~sky_seen
    if replaced.any():
        before = logarithm(np.where(replaced, seen, 0.0)) - IN_FRONT * perspective
        brought = _in_front(brought, np.where(replaced, before, np.inf))
    return np.where(ground, np.expm1(brought) / perspective, result).astype(np.float32)


def _in_front(depth: NDArray[np.float64], limit: NDArray[np.float64]) -> NDArray[np.float64]:
    """``depth`` [H, W] (logarithms), nearer where it lies beyond the limit, without new steps."""
    window = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * HIDING + 1, 2 * HIDING + 1))
    behind = np.maximum(depth - limit, 0.0)
    step = cv2.GaussianBlur(cv2.dilate(behind, window), (0, 0), 0.5 * HIDING)
    nearest = cv2.erode(np.minimum(limit, 1e9), window)  # of the limits around
    return np.maximum(depth - step, np.minimum(depth, nearest))


def sky_behind(camera: Camera, edited: Edited, beside: Beside) -> Layer | None:
    """The sky of the holes, and what goes on of it behind their skyline; None where there is none."""
    sky = beside.sky & ~edited.structure
    if not sky.any():
        return None
    reach = np.full(sky.shape, SKY_BEHIND, np.float32)
    layer = sky_layer(camera, edited.image, sky, beside.sky_zeta, reach)
    return replace(layer, mask=layer.mask & beside.holes, kind=STRUCTURE)
