"""D_i^k: depth of the frames of a video (Sec. 3.2), in agreement with what is rendered and with each other.

The paper uses a video depth model; none is in the libraries. A single-picture model is used instead that is told the
rendered depth (PromptDepthAnything), so that frames agree by construction up to a scale and a shift each; these are
found for all frames at once, from the rendered depth and from where neighbours show the same points. Where depth is
rendered it is what comes out; holes follow the model. Everything is zeta in native pixels at one common pivot: the
cameras must be turns of one orbit (``orbits``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.jobs import GenerationError, Stage
from wonderzoom.generation.membrane import membrane
from wonderzoom.generation.models.images import resized, working_size
from wonderzoom.generation.models.partial_world import at_pixels, seen_from
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

_NETWORK = "transformers.PromptDepthAnythingForDepthEstimation"
# Of the pictures that its backbone was trained on (ImageNet).
_MEAN, _STD = np.array([0.485, 0.456, 0.406], np.float32), np.array([0.229, 0.224, 0.225], np.float32)
# The rendered depth is given at a quarter of the resolution, as in training (192 x 256 for 756 x 1008).
_PROMPT_SHRINK = 4
# Steps of depth per pixel of a hole's width beyond which it opened behind an outline: 1 / tan 10 degrees is 5.7.
_OPENED = 4.0
# Pixels of a frame, and of a pair, that take part in the alignment: 4 unknowns don't get better with more.
_SAMPLES = 3000
_ROUNDS = 6  # correspondences and weights are renewed in each; they settle in three or four
_RIDGE = 1e-3  # toward each frame's own fit, where nothing else says what its scale is
_FEWEST = 16  # known pixels from which a frame's own scale can be told


@dataclass(frozen=True, slots=True)
class _Frame:
    """One frame's prediction, centred and scaled for the solver, and the rendered depth."""

    camera: Camera
    unit: F64  # [H, W] prediction less its median, over its spread
    target: F64  # [H, W]; NaN where nothing is rendered


def video_depth(
    bench: Workbench,
    model: ModelReference,
    stage: Stage,
    cameras: Sequence[Camera],
    images: Sequence[F32],
    rendered: Sequence[F32],
    most_pixels: int,
    control: Control,
) -> list[F32]:
    """Zeta [H, W] of every frame, finite everywhere; ``rendered`` [H, W] is NaN where the model is to decide.

    Raises ModelUnavailable, Cancelled (between frames), and GenerationError where a model gives no numbers.
    """
    predictions: list[F32] = []
    for number, (image, target) in enumerate(zip(images, rendered, strict=True)):
        if control.cancelled():
            raise Cancelled
        predictions.append(_predicted(bench, model, stage, image, behind_filled(target), most_pixels))
        control.progress((number + 1) / (len(images) + 1))
    found = aligned(predictions, rendered, cameras)
    control.progress(1.0)
    return [registered(zeta, target) for zeta, target in zip(found, rendered, strict=True)]


def _predicted(
    bench: Workbench, model: ModelReference, stage: Stage, image: F32, prompt: F32, most_pixels: int
) -> F32:
    """The model's zeta [H, W] of ``image`` [H, W, 3], told ``prompt`` [H, W]."""
    low, high = float(prompt.min()), float(prompt.max())
    span = high - low
    if span <= 1e-6 * max(1.0, abs(low), abs(high)):
        return prompt  # the model divides by the range of its prompt: there is nothing that it could add
    network = bench.shelf.module(stage, model, _NETWORK)
    height, width = prompt.shape
    size = working_size(width, height, int(network.config.patch_size), most_pixels)
    pixels = (resized(image, *size) - _MEAN) / _STD
    told = resized((prompt - low) / span, *(max(8, side // _PROMPT_SHRINK) for side in size))

    def call() -> Any:
        import torch

        def tensor(values: F32) -> Any:
            return torch.from_numpy(np.ascontiguousarray(values)).to(bench.shelf.device, network.dtype)

        with torch.inference_mode():
            out = network(
                pixel_values=tensor(pixels.transpose(2, 0, 1)[None]),
                prompt_depth=tensor(1.0 + told[None, None]),  # 0 is its sign for "not measured"
            )
            return out.predicted_depth[0].float().cpu().numpy()

    depth = np.asarray(bench.shelf.run(stage, model, call), np.float32)
    if not np.isfinite(depth).all():
        raise GenerationError(stage, f"{model.name} gave a depth that is no number")
    return low + span * (resized(depth, width, height) - np.float32(1.0))


def behind_filled(zeta: F32) -> F32:
    """``zeta`` [H, W] with its holes (NaN) filled from around them; all zero where nothing is known.

    A turn by at most ten degrees opens a hole behind an outline that is a sixth as wide as the step of depth there:
    such a hole belongs to the farther side. Any other goes on as what is nearest in its row or column.
    """
    known = np.isfinite(zeta)
    if known.all() or not known.any():
        return np.nan_to_num(zeta).astype(np.float32)
    values = np.where(known, zeta, 0.0).astype(np.float32)
    found = [_nearest_along(values, known, axis, forward) for axis in (0, 1) for forward in (True, False)]
    depth, distance = (np.stack([each[i] for each in found]) for i in (0, 1))
    nearest = np.argmin(distance, 0)[None]
    base, gap = (np.take_along_axis(each, nearest, 0)[0] for each in (depth, distance))
    base = np.where(np.isfinite(gap), base, fill_from_nearest(values, known))
    reach = np.where(np.isfinite(gap), gap, 0.0)
    opened = np.isfinite(distance) & (depth - base > _OPENED * (distance + reach))
    farther = np.where(opened, depth, -np.inf).max(0)
    return np.where(known, zeta, np.maximum(base, farther)).astype(np.float32)


def _nearest_along(values: F32, known: Mask, axis: int, forward: bool) -> tuple[F32, F32]:
    """Of every pixel: the first known value before it (or, not ``forward``, after it) along an axis, and how many
    pixels away it is; inf where there is none."""
    side = known.shape[axis]
    place = np.arange(side)[:, None] if axis == 0 else np.arange(side)[None]
    if forward:
        at = np.maximum.accumulate(np.where(known, place, -1), axis)
    else:
        at = np.flip(np.minimum.accumulate(np.flip(np.where(known, place, side), axis), axis), axis)
    there = (at >= 0) & (at < side)
    taken = np.take_along_axis(values, np.clip(at, 0, side - 1), axis)
    return taken, np.where(there, np.abs(place - at), np.inf).astype(np.float32)


# ---- one scale and shift a frame, together ------------------------------------------------------
def aligned(predictions: Sequence[F32], rendered: Sequence[F32], cameras: Sequence[Camera]) -> list[F32]:
    """``a_k p_k + b_k`` [H, W] of every frame, where all (a_k, b_k) minimise, in one robust least-squares problem,
    the difference to the rendered depth and between neighbours where they show the same points. No a_k is negative:
    relief turned inside out is worse than none.
    """
    frames: list[_Frame] = []
    start = np.zeros((len(predictions), 2))
    for k, (prediction, target, camera) in enumerate(zip(predictions, rendered, cameras, strict=True)):
        centre = float(np.median(prediction))
        spread = float(np.median(np.abs(prediction - centre))) or 1.0
        unit = (np.asarray(prediction, np.float64) - centre) / spread
        frame = _Frame(camera, unit, np.asarray(target, np.float64))
        frames.append(frame)
        start[k] = _own_fit(frame, (spread, centre))
    found = start.copy()
    for _ in range(_ROUNDS):
        found = _solved(frames, found, start)
    return [
        (scale * frame.unit + shift).astype(np.float32)
        for frame, (scale, shift) in zip(frames, found.tolist(), strict=True)
    ]


def _own_fit(frame: _Frame, fallback: tuple[float, float]) -> F64:
    """(a, b) of one frame against its own rendered depth; ``fallback`` where too little is known."""
    known = _sampled(np.isfinite(frame.target))
    if int(known.sum()) < _FEWEST:
        return np.array(fallback)
    x, y = frame.unit[known], frame.target[known]
    solution = np.array([0.0, float(np.median(y))])
    for _ in range(_ROUNDS):
        weight = _trust(y - solution[0] * x - solution[1])
        a = np.stack([x, np.ones_like(x)], 1)
        normal = (a * weight[:, None]).T @ a + _RIDGE * np.diag([weight.sum(), 0.0])
        solution = np.asarray(np.linalg.solve(normal, (a * weight[:, None]).T @ y), np.float64)
    return _not_inside_out(solution, frame)


def _not_inside_out(solution: F64, frame: _Frame) -> F64:
    """A negative scale becomes 0, with the shift that fits then."""
    if solution[0] >= 0.0:
        return solution
    known = frame.target[np.isfinite(frame.target)]
    return np.array([0.0, float(np.median(known)) if len(known) else float(solution[1])])


def _solved(frames: Sequence[_Frame], found: F64, start: F64) -> F64:
    """One round: the (a_k, b_k) [K, 2] that fit best, with correspondences and weights from those of before."""
    unknowns = 2 * len(frames)
    normal, right = np.zeros((unknowns, unknowns)), np.zeros(unknowns)

    def add(rows: F64, values: F64, columns: list[int], residuals: F64) -> None:
        weight = _trust(residuals)
        normal[np.ix_(columns, columns)] += (rows * weight[:, None]).T @ rows
        right[columns] += (rows * weight[:, None]).T @ values

    for k, frame in enumerate(frames):
        known = _sampled(np.isfinite(frame.target))
        if known.any():
            x, y = frame.unit[known], frame.target[known]
            rows = np.stack([x, np.ones_like(x)], 1)
            add(rows, y, [2 * k, 2 * k + 1], rows @ found[k] - y)
    for k in range(len(frames) - 1):
        pair = _same_points(frames[k], frames[k + 1], found[k])
        if pair is not None:
            rows, values = pair
            columns = [2 * k, 2 * k + 1, 2 * k + 2, 2 * k + 3]
            add(rows, values, columns, rows @ found[k : k + 2].ravel() - values)
    amount = _RIDGE * np.maximum(np.diag(normal), 1.0)
    normal += np.diag(amount)
    right += amount * start.ravel()
    solution = np.asarray(np.linalg.solve(normal, right), np.float64).reshape(-1, 2)
    return np.stack([_not_inside_out(each, frame) for each, frame in zip(solution, frames, strict=True)])


def _same_points(one: _Frame, other: _Frame, found: F64) -> tuple[F64, F64] | None:
    """Equations (rows [N, 4] times (a, b, a', b') = values [N]): the points of ``one`` are where ``other`` says.

    Where a point appears is taken from ``found``; its depth there is linear in its depth here.
    """
    zeta = found[0] * one.unit + found[1]
    uv, _ = seen_from(one.camera, zeta.astype(np.float32), other.camera)
    there = at_pixels(other.unit, uv)
    chosen = _sampled(np.isfinite(there))
    if not chosen.any():
        return None
    matrix, origin = other.camera.map_from(one.camera)
    pixels = one.camera.pixel_centres()[chosen]
    first = one.camera.unproject(pixels, np.zeros(len(pixels)))
    step = one.camera.unproject(pixels, np.ones(len(pixels))) - first
    base, slope = first @ matrix[2] + origin[2], step @ matrix[2]
    here = one.unit[chosen]
    rows = np.stack([slope * here, slope, -there[chosen], -np.ones_like(here)], 1)
    return rows, -base


def _trust(residuals: F64) -> F64:
    """Weights of Cauchy's estimator: what is far off (an outline, something hidden) hardly counts."""
    scale = max(1.5 * float(np.median(np.abs(residuals))), 1e-3)
    return 1.0 / (1.0 + np.square(residuals / scale))


def _sampled(mask: Mask) -> Mask:
    """At most about _SAMPLES pixels of ``mask``, evenly in reading order: always the same ones."""
    chosen = np.flatnonzero(mask)
    every = max(1, len(chosen) // _SAMPLES)
    out = np.zeros(mask.size, np.bool_)
    out[chosen[::every]] = True
    return out.reshape(mask.shape)


# ---- to the rendered depth, and how well it went ------------------------------------------------
def registered(zeta: F32, target: F32) -> F32:
    """``target`` [H, W] where it is known; elsewhere ``zeta``, shifted smoothly so that it joins on.

    Outlines, where both differ by a lot, don't count for the shift.
    """
    known = np.isfinite(target)
    if not known.any():
        return zeta
    off = np.where(known, target - zeta, 0.0).astype(np.float32)
    middle = float(np.median(off[known]))
    reach = 0.5 + 3.0 * 1.4826 * float(np.median(np.abs(off[known] - middle)))
    joins = known & (np.abs(off - middle) <= reach)
    shift = membrane(off[..., None], joins)[..., 0]
    return np.where(known, target, zeta + shift).astype(np.float32)


def disagreement(zetas: Sequence[F32], cameras: Sequence[Camera]) -> float:
    """Median difference of depth between neighbours where they show the same points, as a share of the depth range
    that a picture is wide: 0.02 is two hundredths of the picture's width. 0 where nothing is shown twice.
    """
    found: list[F64] = []
    for k in range(len(zetas) - 1):
        uv, depth = seen_from(cameras[k], zetas[k], cameras[k + 1])
        there = at_pixels(zetas[k + 1], uv)
        both = np.isfinite(there)
        found.append(np.abs(depth[both] - there[both]) / cameras[k].width)
    joined = np.concatenate(found) if found else np.zeros(0)
    return float(np.median(joined)) if len(joined) else 0.0
