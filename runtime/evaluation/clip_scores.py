"""CLIP score and CLIP-IQA, by one CLIP model that is loaded like every model here: offline, at a settled commit.

CLIP score: Hessel et al., EMNLP 2021, without their factor of 2.5: the cosine, as in the paper's Table 1. CLIP-IQA:
Wang, Chan and Loy, AAAI 2023, with their fixed pair of prompts; the paper's CLIP-IQA+ has learned ones, which are
not licensed for every use. They take CLIP RN50 without position embeddings, this a vision transformer with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.loading import imported, load_module, load_part, locate
from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.runtime.evaluation.learned import Unavailable, Values

U8 = NDArray[np.uint8]

KEYS = ("clip", "clip_iqa")
CLIP = ModelReference(
    repo="openai/clip-vit-large-patch14",
    dtype="float32",
    licence="MIT",
    size_gb=1.7,
)
GOOD, BAD = "Good photo.", "Bad photo."
# Of the pictures that CLIP was trained with, sRGB in [0, 1].
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
DEVIATION = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)
_STAGE: Stage = "observe"  # of errors here: no stage is running


class ClipScores:
    """Takes both. Raises Unavailable where library or weights are not here."""

    def __init__(self, locks: Locks, cache: Path | None = None, reference: ModelReference = CLIP) -> None:
        try:
            self._torch: Any = imported(_STAGE, "torch")
            folder = locate(_STAGE, reference, locks, cache)
            model: Any = load_module(_STAGE, reference, folder, "transformers.CLIPModel")
            self._tokens: Any = load_part(_STAGE, reference, folder, "transformers.CLIPTokenizer")
        except ModelUnavailable as error:
            raise Unavailable(f"needs {error.model}: {error.cause}; {_remedy(error)}") from error
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._model = model.to(self._device)
        self.identity = f"{reference.name} {reference.revision or locks.revision(reference.repo)}"

    def score(self, pictures: Sequence[U8], prompt: str) -> Values:
        """See ``Scorer``; pictures [H, W, 3], the middle square of each."""
        side, longest = (
            int(self._model.config.vision_config.image_size),
            int(self._model.config.text_config.max_position_embeddings),
        )
        planes = self._torch.from_numpy(np.stack([planes_of(picture, side) for picture in pictures]))
        texts = [GOOD, BAD, *([prompt] if prompt else [])]
        tokens = self._tokens(
            texts, padding=True, truncation=True, max_length=longest, return_tensors="pt"
        ).to(self._device)
        with self._torch.inference_mode():
            seen = self._model(**tokens, pixel_values=planes.to(self._device))
            good = seen.logits_per_image[:, :2].softmax(-1)[:, 0].mean()
            cosines = seen.image_embeds @ seen.text_embeds.T
        return {
            "clip": float(cosines[:, 2].clamp(min=0.0).mean()) if prompt else None,
            "clip_iqa": float(good),
        }


def planes_of(picture: U8, side: int) -> NDArray[np.float32]:
    """The middle square of [H, W, 3], its short side resampled to ``side``, normalised for CLIP [3, side, side]."""
    height, width = picture.shape[:2]
    scale = side / min(height, width)
    size = (max(side, int(width * scale)), max(side, int(height * scale)))
    image = Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC)
    left, top = (size[0] - side) // 2, (size[1] - side) // 2
    square = np.asarray(image.crop((left, top, left + side, top + side)), np.float32) / np.float32(255.0)
    return np.ascontiguousarray(np.moveaxis((square - MEAN) / DEVIATION, -1, 0))


def _remedy(error: ModelUnavailable) -> str:
    return error.hint if error.reason == "not_installed" else "wonderzoom models download scores"
