"""The depth stage of E_0: a depth map that a person supplied wins, a guess from the picture otherwise.

Owns: what counts as sky in a supplied map, the repair of maps that were stored in few steps, and how many
metres a unit has. Does not own: reading files (``runtime``) or the guess itself (``depth_guess``).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.depth_guess import ARM_LENGTH, EYE_HEIGHT, guess_depth
from wonderzoom.generation.embedded.features import Features, features_of
from wonderzoom.generation.embedded.sky import sky_mask
from wonderzoom.generation.jobs import CreateRequest, GenerationError
from wonderzoom.generation.stages import InitialDepth
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Of the pixels, this share needs a depth; fewer say nothing about the others.
MIN_KNOWN = 0.05
# Depth this close to the farthest is "as far as the map goes"; sky is that far and looks like sky.
FAR_SHARE = 0.98
# Beyond this many times the nearest depth (its 1st percentile) there is no scene, whatever it looks like.
HUGE = 1e4
# A map is stored in steps when this share of its pixels equals both neighbours, at so many distinct levels
# or more: fewer are things that really are flat.
FLAT_SHARE = 0.05
MIN_LEVELS = 16
TERRACE_WINDOW = 15  # pixels that are averaged over: terraces wider than that are hardly seen
TERRACE_STEPS = 1.5  # differences of more steps are edges


class InitialDepthStage:
    """``stages.DepthEstimator`` of the embedded generator; holds no state between calls."""

    def __init__(self, threads: int = 1) -> None:
        self._threads = threads

    def estimate(self, request: CreateRequest, focal: float, control: Control) -> InitialDepth:
        """Depth and sky of a picture. Raises GenerationError for a map that can't be used, Cancelled."""
        image = request.image.astype(np.float32) / 255.0
        features = features_of(image)
        _step(control, 0.3)
        if request.depth is not None:
            result = _supplied(request, image, features, request.depth)
        else:
            sky = request.sky if request.sky is not None else sky_mask(image, features)
            _step(control, 0.4)
            result = _guessed(image, features, sky, focal)
        _step(control, 1.0)
        return result


def _step(control: Control, fraction: float) -> None:
    if control.cancelled():
        raise Cancelled
    control.progress(fraction)


def _guessed(image: F32, features: Features, sky: Mask, focal: float) -> InitialDepth:
    guess = guess_depth(image, features, sky, focal)
    if guess.mode == "landscape":
        how = f"seen from {EYE_HEIGHT:g} m above flat ground"
    else:
        how = f"a thing at about {ARM_LENGTH:g} m"
    return InitialDepth(guess.depth, sky, 1.0, (f"depth not given: guessed as {guess.mode}, {how}",))


# ---- a map that was supplied --------------------------------------------------------------------
def _supplied(request: CreateRequest, image: F32, features: Features, given: F32) -> InitialDepth:
    if given.shape != image.shape[:2]:
        wanted = " x ".join(map(str, image.shape[:2]))
        raise GenerationError("depth", f"the depth map is {given.shape}, the picture {wanted}")
    depth = np.asarray(given, np.float32)
    infinite = np.isposinf(depth)
    known = np.isfinite(depth) & (depth > 0)
    if float(known.mean()) < MIN_KNOWN:
        raise GenerationError("depth", f"only {known.mean():.1%} of the depth map are positive numbers")
    depth = fill_from_nearest(np.where(known, depth, 0).astype(np.float32), known)
    sky = infinite | (request.sky if request.sky is not None else _far_sky(image, features, depth))
    notes: tuple[str, ...] = ()
    scene = ~sky if not sky.all() else np.ones_like(sky)
    depth = without_terraces(depth, scene)
    metres = request.metres_per_unit
    if metres is None:
        metres, note = _metres_per_unit(depth[scene], bool(sky.any()))
        notes = (note,)
    return InitialDepth(depth, sky, metres, notes)


def _far_sky(image: F32, features: Features, depth: F32) -> Mask:
    """Pixels as far as the map goes that look like sky, and those farther than any scene."""
    near, far = float(np.quantile(depth, 0.01)), float(depth.max())
    sky = depth > HUGE * near
    if far > 2.0 * near:
        sky = sky | ((depth >= FAR_SHARE * far) & sky_mask(image, features))
    return sky


def _metres_per_unit(depth: F32, outdoors: bool) -> tuple[float, str]:
    """An estimate where the map does not say: metres if that is plausible, else the nearest part decides."""
    near, typical = (float(q) for q in np.quantile(depth, [0.05, 0.5]))
    if 0.1 <= near and typical <= 1000.0:
        return 1.0, "the depth map's unit is not known: taken as metres"
    distance = 2.0 * EYE_HEIGHT if outdoors else ARM_LENGTH
    return (
        distance / near,
        f"the depth map's unit is not known: its near part was taken to be {distance:g} m away",
    )


def without_terraces(depth: F32, inside: Mask) -> F32:
    """A depth map that was stored in steps, evened out by no more than half a step anywhere.

    Eight bits turn every slope into terraces with vertical walls. The step is the distance between the
    stored values, so the true surface lies within half of it: a smooth surface through all the terraces that
    stays within those bounds is as true to the file as the terraces are.
    """
    flat = inside.copy()
    flat[:, :-1] &= depth[:, :-1] == depth[:, 1:]
    flat[:-1] &= depth[:-1] == depth[1:]
    values = np.unique(depth[flat])
    if flat.mean() < FLAT_SHARE or len(values) < MIN_LEVELS:
        return depth
    # Depth as a number of steps. A step is the least distance of stored values thereabouts, since steps may
    # grow with depth and levels may be missing; ten steps are as good as any jump.
    gaps = np.diff(values).astype(np.float64)
    usual = ndimage.minimum_filter(gaps, size=9, mode="nearest")
    count = np.concatenate([[0.0], np.cumsum(np.minimum(gaps / usual, 10.0))])
    stairs = np.interp(depth, values, count).astype(np.float32)
    smooth = stairs
    for _ in range(2):
        smooth = cv2.bilateralFilter(smooth, TERRACE_WINDOW, TERRACE_STEPS, TERRACE_WINDOW / 3.0)
        smooth = np.clip(smooth, stairs - 0.5, stairs + 0.5)
    step = np.minimum(np.concatenate([usual[:1], usual]), np.concatenate([usual, usual[-1:]]))
    return np.where(inside, depth + np.interp(depth, values, step) * (smooth - stairs), depth).astype(
        np.float32
    )
