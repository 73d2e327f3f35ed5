"""Segments of I_i by SAM 2: "everything" masks from a grid of points, as labels for segment-wise alignment (Sec. 3.2).

Owns the grid, the choice among overlapping masks, and the labels. SAM 2 gives overlapping masks of things, parts and
groups; a label is one per pixel, so that what is smaller lies on what is larger.
"""

from __future__ import annotations

from typing import Annotated

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.sam import Sam
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

BATCH = 64  # points at once: 50 MB of masks
NMS_SIDE = 64  # masks are compared at this size: two that differ less are the same to a median of depth
# A mask is stable when it hardly changes with the threshold (as SAM's own generator asks).
STABILITY, STABILITY_OFFSET = 0.9, 1.0
MOST_MASKS = 1024  # best scores first; no picture has so many things

Share = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]


class Sam2Segmenter:
    """``stages.Segmenter``."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        points: Annotated[int, msgspec.Meta(ge=1, le=32)] = (
            16  # of the grid, along each side; 32: 0.8 GB at worst
        )
        least_score: Share = 0.7  # the network's own estimate of a mask's overlap with the truth
        stability: Share = STABILITY
        most_overlap: Share = (
            0.7  # intersection over union of two masks; more of it, and the better one stays
        )

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def segment(self, context: ZoomContext, edited: Edited, control: Control) -> NDArray[np.int32]:
        """Labels [H, W] from 0: one a mask, one a connected piece that no mask has, one for new things.

        Raises ModelUnavailable, Cancelled.
        """
        masks = self.everything(edited.image, control)
        labels = labelled(masks, edited.image.shape[:2])
        control.progress(1.0)
        return np.where(edited.structure, labels.max() + 1, labels).astype(np.int32)

    def everything(self, image: F32, control: Control) -> NDArray[np.bool_]:
        """The masks [N, H, W] of what is in a picture, the best first. Raises ModelUnavailable, Cancelled."""
        options = self._options
        height, width = image.shape[:2]
        sam = Sam(self._bench, "segment", options.model, image)
        grid = _grid(options.points) * np.array([width, height])
        kept: list[F32] = []
        scores: list[F32] = []
        for start in range(0, len(grid), BATCH):
            if control.cancelled():
                raise Cancelled
            logits, score = sam.at_points(grid[start : start + BATCH])
            good = (score >= options.least_score) & (_stability(logits) >= options.stability)
            kept.append(logits[good])
            scores.append(score[good])
            control.progress(0.9 * min(1.0, (start + BATCH) / len(grid)))
        logits, score = np.concatenate(kept), np.concatenate(scores)
        best = np.argsort(-score, kind="stable")[:MOST_MASKS]
        small = np.stack(
            [cv2.resize(logits[i], (NMS_SIDE, NMS_SIDE), interpolation=cv2.INTER_AREA) > 0 for i in best]
            or [np.zeros((NMS_SIDE, NMS_SIDE), np.bool_)]
        )
        chosen = best[distinct(small, options.most_overlap)] if len(best) else best
        if control.cancelled():
            raise Cancelled
        return sam.full(logits[chosen]) if len(chosen) else np.zeros((0, height, width), np.bool_)


def distinct(masks: NDArray[np.bool_], most_overlap: float) -> NDArray[np.int64]:
    """Which of the masks [N, h, w], the best first, remain when each may overlap no better one by more.

    Overlap is intersection over union; empty masks go.
    """
    flat = masks.reshape(len(masks), -1).astype(np.float32)
    common, area = flat @ flat.T, flat.sum(1)
    overlap = common / np.maximum(area[:, None] + area[None] - common, 1.0)
    kept: list[int] = []
    for i in range(len(masks)):
        if area[i] > 0 and (not kept or float(overlap[i, kept].max()) <= most_overlap):
            kept.append(i)
    return np.array(kept, np.int64)


def labelled(masks: NDArray[np.bool_], shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Labels [H, W] from 0, without gaps: smaller masks lie on larger ones; what has none, by connected pieces."""
    height, width = shape
    labels = np.full((height, width), -1, np.int32)
    for label, index in enumerate(np.argsort(-masks.sum((1, 2)), kind="stable")):
        labels[masks[index]] = label
    count, pieces = cv2.connectedComponents((labels < 0).astype(np.uint8), connectivity=4)
    if count > 1:
        labels = np.where(labels < 0, len(masks) + pieces - 1, labels)
    _, dense = np.unique(labels, return_inverse=True)
    return dense.reshape(height, width).astype(np.int32)


def _grid(side: int) -> NDArray[np.float64]:
    """Points [side^2, 2] in the unit square, the middles of its cells."""
    places = (np.arange(side) + 0.5) / side
    return np.stack(np.meshgrid(places, places), -1).reshape(-1, 2)


def _stability(logits: F32) -> NDArray[np.float64]:
    """Overlap of each mask [N, h, w] at a stricter and at a looser threshold, [N]."""
    strict = (logits > STABILITY_OFFSET).sum((1, 2))
    loose = (logits > -STABILITY_OFFSET).sum((1, 2))
    return strict / np.maximum(loose, 1)
