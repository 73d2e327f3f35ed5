"""E_0 from words alone: a picture for ``create`` where a person gives no picture."""

from __future__ import annotations

from collections.abc import Mapping
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


class KleinText:
    """Pictures from FLUX.2-klein, with the editor's own weights; holds no state between calls."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        steps: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4  # distilled to four
        most_pixels: Annotated[int, msgspec.Meta(ge=256, le=2048 * 2048)] = 1024 * 1024  # trained around it

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def imagine(self, prompt: str, width: int, height: int, seed: int, control: Control) -> U8:
        """[height, width, 3] sRGB bytes of what ``prompt`` says; the same arguments give the same picture.

        Raises GenerationError without words, Cancelled within one step, and ModelUnavailable.
        """
        options = self._options
        _checked(prompt)
        pipeline = self._bench.shelf.pipeline(_STAGE, options.model, KLEIN)
        size = working_size(width, height, 16, options.most_pixels)
        own = {"guidance_scale": 1.0, "text_encoder_out_layers": text_layers(pipeline)}
        made = _made(
            self._bench,
            options.model,
            pipeline,
            f"{prompt}. {_SCENE}",
            size,
            options.steps,
            own,
            seed,
            control,
        )
        return _to_size(made, width, height)


class SdText:
    """Pictures from a text-to-image model of Stable Diffusion 1 or 2; holds no state between calls."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30
        guidance: Annotated[float, msgspec.Meta(ge=1.0, le=30.0)] = 7.5
        most_pixels: Annotated[int, msgspec.Meta(ge=64, le=2048 * 2048)] = 640 * 640  # beyond, things repeat

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def imagine(self, prompt: str, width: int, height: int, seed: int, control: Control) -> U8:
        """[height, width, 3] sRGB bytes of what ``prompt`` says; the same arguments give the same picture.

        Raises GenerationError without words, Cancelled within one step, and ModelUnavailable.
        """
        options = self._options
        _checked(prompt)
        # The safety checker of the 1.x checkpoints needs a class that transformers has dropped.
        left_out = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = self._bench.shelf.pipeline(_STAGE, options.model, _SD, left_out)
        size = working_size(width, height, 8, options.most_pixels)
        own = {"guidance_scale": options.guidance, "negative_prompt": _UNWANTED}
        made = _made(
            self._bench,
            options.model,
            pipeline,
            f"{prompt}. {_SCENE}",
            size,
            options.steps,
            own,
            seed,
            control,
        )
        return _to_size(made, width, height)


def _checked(prompt: str) -> None:
    if not prompt.strip():
        raise GenerationError(_STAGE, "say in words what the first picture should show")


def _made(
    bench: Workbench,
    model: ModelReference,
    pipeline: Any,
    prompt: str,
    size: tuple[int, int],
    steps: int,
    own: Mapping[str, Any],
    seed: int,
    control: Control,
) -> Any:
    def call() -> Any:
        with running(pipeline, control) as ready, fresh_scheduler(ready):
            return ready(
                prompt=prompt,
                width=size[0],
                height=size[1],
                num_inference_steps=steps,
                generator=seeded(derived_seed(seed, "text to image")),
                callback_on_step_end=watched(control, steps),
                **own,
            )

    return bench.shelf.run(_STAGE, model, call).images[0]


def _to_size(picture: Any, width: int, height: int) -> U8:
    image = resized(from_pil(picture), width, height)
    return np.rint(image * 255.0).astype(np.uint8)
