"""I_i = Edit(I'_i, U_i) by Qwen-Image-Edit (stage ``edit``): 20 B, for 80 GB.

Its text encoder looks at the picture as well, so that encodings of prompts can't be kept. Whatever the size of the
picture, the pipeline shows its autoencoder one of about a megapixel.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.edit import PROMPT
from wonderzoom.generation.models.editing import Finder, edited
from wonderzoom.generation.models.images import resized, to_pil, working_size
from wonderzoom.generation.models.qwen_processor import NAME
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, running, seeded, watched
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]
PIPELINE = "diffusers.QwenImageEditPlusPipeline"
MULTIPLE = 16  # of sides in pixels: latents are an eighth, packed two by two
UNWANTED = " "  # what the model was trained to steer away from: an empty prompt


class QwenEditor:
    """``stages.Editor``."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """Qwen-Image-Edit (2509 and later) and how it is run."""

        model: ModelReference
        sam: ModelReference | None = (
            None  # with ``dino``: what of a change is a thing; without: its shape says
        )
        dino: ModelReference | None = None
        steps: Annotated[int, msgspec.Meta(ge=1, le=100)] = 40
        guidance: Annotated[float, msgspec.Meta(ge=1.0, le=20.0)] = 4.0  # at 1 one pass a step instead of two
        most_pixels: Annotated[int, msgspec.Meta(ge=64 * 64, le=1024 * 1024)] = 1024 * 1024

        def __post_init__(self) -> None:
            Finder.of(self.sam, self.dino)

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def edit(self, context: ZoomContext, image: F32, control: Control) -> Edited:
        """I_i and what is new in it (``editing.edited``)."""
        options = self._options
        prompt = PROMPT.format(prompt=context.request.prompt.strip())

        def one_try(shown: F32, seed: int, begin: float, end: float) -> F32:
            return self._bench.shelf.run(
                "edit", options.model, lambda: self._run(shown, prompt, seed, control, begin, end)
            )

        size = working_size(image.shape[1], image.shape[0], MULTIPLE, options.most_pixels)
        finder = Finder.of(options.sam, options.dino)
        return edited(self._bench, context, image, size, finder, one_try, control)

    def _run(self, image: F32, prompt: str, seed: int, control: Control, begin: float, end: float) -> F32:
        shelf, options = self._bench.shelf, self._options
        inside = f"{options.model.subfolder}/processor".lstrip("/")
        where = msgspec.structs.replace(options.model, subfolder=inside)
        processor = shelf.part("edit", where, NAME)
        pipeline = shelf.pipeline("edit", options.model, PIPELINE, {"processor": processor})
        height, width = image.shape[:2]
        with running(pipeline, control), fresh_scheduler(pipeline):
            made = pipeline(
                image=[to_pil(image)],
                prompt=prompt,
                negative_prompt=UNWANTED if options.guidance > 1.0 else None,
                true_cfg_scale=options.guidance,
                width=width,
                height=height,
                num_inference_steps=options.steps,
                generator=seeded(seed),
                output_type="np",
                callback_on_step_end=watched(control, options.steps, begin, end),
            ).images[0]
        return resized(np.clip(np.asarray(made, np.float32), 0.0, 1.0), width, height)
