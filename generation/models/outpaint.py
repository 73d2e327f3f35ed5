"""Filling holes of a picture with an inpainting model; what is not a hole comes back as it was, bit for bit.

Used for what E_0 hides (``inpaint``), and for what lies beside a picture. The picture's holes hold a first guess:
models start from it, so that what they paint stays where the depth of the guess says that it is.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.membrane import membrane
from wonderzoom.generation.models.images import from_pil, mask_to_pil, resized, to_pil, working_size
from wonderzoom.generation.models.klein import PIPELINE as KLEIN
from wonderzoom.generation.models.klein import text_layers
from wonderzoom.generation.models.loading import imported
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, running, seeded, watched
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

_KLEIN_INPAINT = "diffusers.Flux2KleinInpaintPipeline"
_SD_INPAINT = "diffusers.StableDiffusionInpaintPipeline"
# Beside the light and the palette, which come from the picture, this is all that is asked not to be there.
_UNWANTED = "blurry, smeared, text, watermark, frame, border"


class KleinPainting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How FLUX.2-klein fills holes."""

    model: ModelReference
    steps: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4  # distilled to four
    # Of four steps the first is skipped: the large shapes of the guess stay, its texture goes.
    strength: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.75
    most_pixels: Annotated[int, msgspec.Meta(ge=256, le=1024 * 1024)] = (
        1024 * 1024
    )  # the pipeline's own limit


class SdPainting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How an inpainting model of the Stable Diffusion 1 and 2 families fills holes."""

    model: ModelReference
    steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30
    strength: Annotated[float, msgspec.Meta(gt=0.0, le=1.0)] = 0.9  # it sees the kept part anyway
    guidance: Annotated[float, msgspec.Meta(ge=1.0, le=30.0)] = 7.5
    most_pixels: Annotated[int, msgspec.Meta(ge=64, le=1024 * 1024)] = 640 * 640  # trained at 512 x 512


Painting = KleinPainting | SdPainting


def guessed(image: F32, holes: Mask) -> F32:
    """``image`` [H, W, 3] with its ``holes`` filled smoothly from around them: a first guess where there is none."""
    return np.where(holes[..., None], membrane(image, ~holes), image).astype(np.float32)


def composited(image: F32, painted: F32, holes: Mask) -> F32:
    """``image`` [H, W, 3] in [0, 1] with its ``holes`` from ``painted``, without a seam.

    A model also changes what it was told to keep, mostly in tone. By as much as it is off there, smoothly
    continued, the holes are corrected; what is kept is exactly ``image``.
    """
    off = membrane(image - painted, ~holes)
    return np.where(holes[..., None], np.clip(painted + off, 0.0, 1.0), image).astype(np.float32)


def painted(
    bench: Workbench,
    painting: Painting,
    stage: Stage,
    image: F32,
    holes: Mask,
    prompt: str,
    seed: int,
    control: Control,
) -> F32:
    """``image`` [H, W, 3] sRGB in [0, 1] with ``holes`` [H, W] painted by the model; everything else is untouched.

    The model sees at most ``painting.most_pixels``. The same arguments give the same picture. Progress runs from 0
    to 1. Raises ModelUnavailable, and Cancelled within one step; ValueError where image and holes don't fit or are
    not finite.
    """
    if image.shape != (*holes.shape, 3) or not np.isfinite(image).all():
        raise ValueError(f"a finite picture {(*holes.shape, 3)} is needed, got {image.shape}")
    if control.cancelled():
        raise Cancelled
    if not holes.any():
        return image
    height, width = holes.shape
    pipeline, arguments, multiple = _prepared(bench, painting, stage)
    size = working_size(width, height, multiple, painting.most_pixels)
    small = resized(image, *size)
    # A working pixel that holds a part of a hole is one.
    covers = resized(holes.astype(np.float32), *size) > 1e-3

    def call() -> Any:
        with running(pipeline, control) as ready, fresh_scheduler(ready):
            return ready(
                prompt=prompt,
                image=to_pil(small),
                mask_image=mask_to_pil(covers),
                width=size[0],
                height=size[1],
                num_inference_steps=painting.steps,
                strength=min(1.0, max(painting.strength, 1.000001 / painting.steps)),  # one step at least
                generator=seeded(seed),
                callback_on_step_end=watched(control, painting.steps),
                **arguments,
            )

    result = from_pil(bench.shelf.run(stage, painting.model, call).images[0])
    if result.shape[:2] != (size[1], size[0]):
        raise ValueError(f"{painting.model.name} painted {result.shape[:2]}, not {size[1]} x {size[0]}")
    control.progress(1.0)
    return composited(image, resized(composited(small, result, covers), width, height), holes)


def _prepared(bench: Workbench, painting: Painting, stage: Stage) -> tuple[Any, dict[str, Any], int]:
    """The pipeline, what only its kind takes, and what its sides are multiples of."""
    if isinstance(painting, KleinPainting):

        def on_the_same_weights(source: Any) -> Any:
            kind = imported(stage, _KLEIN_INPAINT)
            made = kind(**source.components, is_distilled=source.config.is_distilled)
            made.set_progress_bar_config(disable=True)
            return made

        pipeline = bench.shelf.derived(stage, painting.model, _KLEIN_INPAINT, KLEIN, on_the_same_weights)
        layers = text_layers(pipeline)
        return pipeline, {"guidance_scale": 1.0, "text_encoder_out_layers": layers}, 16
    # The safety checker of the 1.x checkpoints needs a class that transformers has dropped; 2.x never had one.
    left_out = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    pipeline = bench.shelf.pipeline(stage, painting.model, _SD_INPAINT, left_out)
    return pipeline, {"guidance_scale": painting.guidance, "negative_prompt": _UNWANTED}, 8
