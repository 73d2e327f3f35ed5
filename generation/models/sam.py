"""SAM 2 on one picture, without its own processor (which needs torchvision): points or boxes in, masks out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.pixels import pixels
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench

F32 = NDArray[np.float32]
SAM2 = "transformers.Sam2Model"


class Sam:
    """One picture [H, W, 3] under SAM 2; it is encoded once, by the first question."""

    def __init__(self, bench: Workbench, stage: Stage, reference: ModelReference, image: F32) -> None:
        self._stage: Stage = stage
        self._bench, self._reference, self._image = bench, reference, image
        self._encoded: Any = None

    def at_points(self, points: NDArray[np.floating]) -> tuple[F32, F32]:
        """What may lie at each of N points (x, y) in pixels: logits [3 N, h, w] and scores [3 N]; see ``full``.

        Each point gives three masks: part, thing and group. Raises ModelUnavailable.
        """
        return self._ask("input_points", points[None, :, None, :], True)

    def in_boxes(self, boxes: NDArray[np.floating]) -> tuple[F32, F32]:
        """The thing in each of N boxes (left, top, right, bottom) in pixels: logits [N, h, w] and scores [N].

        Raises ModelUnavailable.
        """
        return self._ask("input_boxes", boxes[None], False)

    def full(self, logits: F32) -> NDArray[np.bool_]:
        """Masks [N, H, W] at the picture's size from logits [N, h, w]."""
        import torch

        height, width = self._image.shape[:2]
        planes = torch.nn.functional.interpolate(
            torch.from_numpy(logits)[:, None], size=(height, width), mode="bilinear", align_corners=False
        )
        return (planes[:, 0] > 0.0).numpy()

    def _ask(self, kind: str, places: NDArray[np.floating], several: bool) -> tuple[F32, F32]:
        network: Any = self._bench.shelf.module(self._stage, self._reference, SAM2)
        height, width = self._image.shape[:2]
        side = int(network.config.prompt_encoder_config.image_size)
        # Coordinates are those of the square that the network sees.
        scale = np.array([side / width, side / height] * (places.shape[-1] // 2))

        def call() -> tuple[F32, F32]:
            import torch

            with torch.inference_mode():
                prompt = {kind: torch.from_numpy((places * scale).astype(np.float32))}
                if self._encoded is None:
                    prompt["pixel_values"] = pixels(self._image, side, side, network)
                else:
                    prompt["image_embeddings"] = self._encoded
                answer = network(**prompt, multimask_output=several)
                self._encoded = answer.image_embeddings
                logits = answer.pred_masks.flatten(0, 2).float().cpu().numpy()
                scores = answer.iou_scores.flatten().float().cpu().numpy()
            return np.asarray(logits, np.float32), np.asarray(scores, np.float32)

        return self._bench.shelf.run(self._stage, self._reference, call)
