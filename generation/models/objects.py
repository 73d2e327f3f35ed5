"""Masks of new things in an edited picture: what the prompt names and what changed, outlined by SAM 2.

With GroundingDINO the prompt's words are looked for in the new picture; without, each changed piece is a thing. Either
way a mask lies where the picture changed: what stood there before is nothing new, whatever it is called.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.images import to_pil
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.sam import Sam
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

DINO = "transformers.GroundingDinoForObjectDetection"
DINO_PROCESSOR = "transformers.GroundingDinoProcessor"
# The model's own defaults (its demo): boxes and words below are guesses.
BOX_SCORE = 0.3
WORDS_SCORE = 0.25
# A channel that moved by more than this, after a blur of one pixel, changed; editors move all colours a little.
CHANGE = 0.08
LEAST_AREA = 0.002  # of the picture: smaller changes are noise of the editor's
MOST_THINGS = 16  # the largest ones
# An outline is believed where it overlaps the change by this (intersection over union); else the change stands.
BELIEVED = 0.5
# A named thing is new when this share of its mask changed.
NEW_SHARE = 0.5


class ObjectFinder:
    """Looks for new things; loads its models at the first use. ``dino`` None: by what changed only."""

    def __init__(self, bench: Workbench, sam: ModelReference, dino: ModelReference | None = None) -> None:
        self._bench, self._sam, self._dino = bench, sam, dino

    def masks(
        self, stage: Stage, before: F32, after: F32, words: Sequence[str], control: Control
    ) -> list[Mask]:
        """Disjoint masks [H, W] of new things in ``after`` [H, W, 3], the largest first; ``before`` is without them.

        ``words`` name them ("ladybug", "red leaf"). Where none of them is found, what changed decides.
        Raises ModelUnavailable, Cancelled.
        """
        changed = changed_between(before, after)
        pieces = _pieces(changed)
        if not pieces:
            return []
        sam = Sam(self._bench, stage, self._sam, after)
        _go_on(control)
        found: list[Mask] = []
        if self._dino is not None and words:
            boxes = self._named(stage, self._dino, after, words)
            _go_on(control)
            if len(boxes):
                outlined = sam.full(sam.in_boxes(boxes)[0])
                reach = cv2.dilate(changed.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
                found = [
                    mask & reach
                    for mask in outlined
                    if mask.any() and float(changed[mask].mean()) >= NEW_SHARE
                ]
        if not found:
            boxes = np.array([_box(piece) for piece in pieces])
            outlined = sam.full(sam.in_boxes(boxes)[0])
            found = [
                outline if _overlap(outline, piece) >= BELIEVED else piece
                for outline, piece in zip(outlined, pieces, strict=True)
            ]
        _go_on(control)
        return _disjoint(found)

    def _named(
        self, stage: Stage, dino: ModelReference, image: F32, words: Sequence[str]
    ) -> NDArray[np.float64]:
        """Boxes [N, 4] (left, top, right, bottom) in pixels of what the words name, the surest first."""
        shelf = self._bench.shelf
        network: Any = shelf.module(stage, dino, DINO)
        processor: Any = shelf.part(stage, dino, DINO_PROCESSOR)
        height, width = image.shape[:2]
        plain = (" ".join(word.lower().replace(".", " ").split()) for word in words)
        text = ". ".join(plain) + "."
        most = int(network.config.max_text_len)  # tokens; more of them is an error in the network

        def call() -> NDArray[np.float64]:
            import torch

            with torch.inference_mode():
                asked = processor(
                    images=to_pil(image), text=text, return_tensors="pt", truncation=True, max_length=most
                )
                asked["pixel_values"] = asked["pixel_values"].to(network.dtype)
                answer = network(**asked)
                found = processor.post_process_grounded_object_detection(
                    answer,
                    asked["input_ids"],
                    threshold=BOX_SCORE,
                    text_threshold=WORDS_SCORE,
                    target_sizes=[(height, width)],
                )[0]
                order = found["scores"].argsort(descending=True)[:MOST_THINGS]
                return np.asarray(found["boxes"][order].float().cpu().numpy(), np.float64)

        boxes = shelf.run(stage, dino, call)
        boxes = np.clip(boxes, 0.0, np.array([width, height, width, height]))
        wide = (boxes[:, 2] - boxes[:, 0] >= 2.0) & (boxes[:, 3] - boxes[:, 1] >= 2.0)
        return boxes[wide]


def changed_between(before: F32, after: F32) -> Mask:
    """Where two pictures [H, W, 3] differ, without specks and pinholes."""
    difference = np.abs(after - before).max(-1).astype(np.float32)
    mask = (cv2.GaussianBlur(difference, (0, 0), 1.0) > CHANGE).astype(np.uint8)
    window = np.ones((3, 3), np.uint8)
    mask = cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, window), cv2.MORPH_CLOSE, window)
    return mask > 0


def _pieces(changed: Mask) -> list[Mask]:
    """The connected pieces that are large enough, the largest first."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(changed.astype(np.uint8), connectivity=8)
    area = np.asarray(stats)[1:, cv2.CC_STAT_AREA]
    order = np.argsort(-area, kind="stable")[:MOST_THINGS]
    return [labels == i + 1 for i in order if area[i] >= LEAST_AREA * changed.size]


def _box(mask: Mask) -> tuple[float, float, float, float]:
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1)


def _overlap(a: Mask, b: Mask) -> float:
    return float((a & b).sum() / max(1, (a | b).sum()))


def _disjoint(masks: Sequence[Mask]) -> list[Mask]:
    """Without what a larger one has already, and without those of which too little remains."""
    taken: Mask | None = None
    result: list[Mask] = []
    for mask in sorted(masks, key=lambda m: -int(m.sum())):
        rest = mask if taken is None else mask & ~taken
        if rest.sum() >= LEAST_AREA * mask.size:
            result.append(rest)
            taken = rest if taken is None else taken | rest
    return result


def _go_on(control: Control) -> None:
    if control.cancelled():
        raise Cancelled
