"""E_0 from words alone: a picture for ``create`` where a person gives no picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import GenerationError, Stage
from wonderzoom.generation.models.images import from_pil, resized, working_size
from wonderzoom.generation.models.klein import PIPELINE as KLEIN
from wonderzoom.generation.models.klein import text_layers
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, running, seeded, watched
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Control

U8 = NDArray[np.uint8]

_STAGE: Stage = "edit"  # words to a picture: what a missing model is reported under
_SD = "diffusers.StableDiffusionPipeline"
# A world is made of one view with depth: one place, in one light, nothing drawn over it.
_SCENE = (
    "A single photograph of one place, sharp from near to far, with foreground, middle ground and background."
)
_UNWANTED = "collage, split picture, text, watermark, frame, border, blurry"


class _TextToImage(ABC):
    """``stages.TextToImage`` on a pipeline of diffusers; holds no state between calls."""

    MULTIPLE: int  # of sides in pixels

    def __init__(self, bench: Workbench, model: ModelReference, steps: int, most_pixels: int) -> None:
        self._bench, self._model, self._steps, self._most_pixels = bench, model, steps, most_pixels

    def imagine(self, prompt: str, width: int, height: int, seed: int, control: Control) -> U8:
        """[height, width, 3] sRGB bytes of what ``prompt`` says; the same arguments give the same picture.

        Raises GenerationError without words, Cancelled within one step, and ModelUnavailable.
        """
        if not prompt.strip():
            raise GenerationError(_STAGE, "say in words what the first picture should show")
        pipeline, own = self._prepared()
        size = working_size(width, height, self.MULTIPLE, self._most_pixels)

        def call() -> Any:
            with running(pipeline, control) as ready, fresh_scheduler(ready):
                return ready(
                    prompt=f"{prompt}. {_SCENE}",
                    width=size[0],
                    height=size[1],
                    num_inference_steps=self._steps,
                    generator=seeded(derived_seed(seed, "text to image")),
                    callback_on_step_end=watched(control, self._steps),
                    **own,
                )

        made = self._bench.shelf.run(_STAGE, self._model, call).images[0]
        return np.rint(resized(from_pil(made), width, height) * 255.0).astype(np.uint8)

    @abstractmethod
    def _prepared(self) -> tuple[Any, dict[str, Any]]:
        """The pipeline, and what only its kind takes."""


class KleinText(_TextToImage):
    """Pictures from FLUX.2-klein, with the editor's own weights."""

    MULTIPLE = 16

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        steps: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4  # distilled to four
        most_pixels: Annotated[int, msgspec.Meta(ge=256, le=2048 * 2048)] = 1024 * 1024  # trained around it

    def __init__(self, bench: Workbench, options: Options) -> None:
        super().__init__(bench, options.model, options.steps, options.most_pixels)

    def _prepared(self) -> tuple[Any, dict[str, Any]]:
        pipeline = self._bench.shelf.pipeline(_STAGE, self._model, KLEIN)
        return pipeline, {"guidance_scale": 1.0, "text_encoder_out_layers": text_layers(pipeline)}


class SdText(_TextToImage):
    """Pictures from a text-to-image model of Stable Diffusion 1 or 2."""

    MULTIPLE = 8

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30
        guidance: Annotated[float, msgspec.Meta(ge=1.0, le=30.0)] = 7.5
        most_pixels: Annotated[int, msgspec.Meta(ge=64, le=2048 * 2048)] = 640 * 640  # beyond, things repeat

    def __init__(self, bench: Workbench, options: Options) -> None:
        super().__init__(bench, options.model, options.steps, options.most_pixels)
        self._guidance = options.guidance

    def _prepared(self) -> tuple[Any, dict[str, Any]]:
        # The safety checker of the 1.x checkpoints needs a class that transformers has dropped.
        left_out = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = self._bench.shelf.pipeline(_STAGE, self._model, _SD, left_out)
        return pipeline, {"guidance_scale": self._guidance, "negative_prompt": _UNWANTED}
