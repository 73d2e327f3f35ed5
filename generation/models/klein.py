"""FLUX.2-klein as a function from a picture and a prompt to a picture: what its editor and its upscaler share.

4B, Apache-2.0, distilled to 4 steps without guidance; the picture is given as a reference, so that what the prompt
does not speak of is kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.images import resized, to_pil, working_size
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, running, seeded, watched
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]
PIPELINE = "diffusers.Flux2KleinPipeline"
MULTIPLE = 16  # of sides in pixels: latents are an eighth, packed two by two
LEAST_SIDE = 64  # the pipeline refuses smaller pictures
MOST_PIXELS = 1024 * 1024  # the pipeline shrinks larger references
TOKENS = 512


def text_layers(pipeline: Any) -> tuple[int, int, int]:
    """The layers of the text encoder that FLUX.2-klein reads: at a quarter, half and three quarters of its depth.

    That is 9, 18 and 27 of the 36 that Qwen3-4B and 8B have, as they were trained.
    """
    depth = int(pipeline.text_encoder.config.num_hidden_layers)
    return depth // 4, depth // 2, 3 * depth // 4


class Klein:
    """One FLUX.2-klein of one stage; the weights are shared with other stages by the shelf."""

    def __init__(self, bench: Workbench, stage: Stage, model: ModelReference, steps: int) -> None:
        self._bench, self._model, self._steps = bench, model, steps
        self._stage: Stage = stage

    def size(self, width: int, height: int, most_pixels: int) -> tuple[int, int]:
        """The size at which it works on a picture of that size."""
        wide, high = working_size(width, height, MULTIPLE, min(most_pixels, MOST_PIXELS))
        return max(wide, LEAST_SIDE), max(high, LEAST_SIDE)

    def picture(
        self, image: F32, prompt: str, seed: int, control: Control, begin: float = 0.0, end: float = 1.0
    ) -> F32:
        """``image`` [H, W, 3] as the prompt wants it, of the same size; sides are multiples of 16 from 64 on.

        Raises Cancelled, ModelUnavailable.
        """
        return self._bench.shelf.run(
            self._stage, self._model, lambda: self._run(image, prompt, seed, control, begin, end)
        )

    def _run(self, image: F32, prompt: str, seed: int, control: Control, begin: float, end: float) -> F32:
        shelf = self._bench.shelf
        pipeline = shelf.pipeline(self._stage, self._model, PIPELINE)
        height, width = image.shape[:2]

        def encode() -> tuple[Any, ...]:
            layers = text_layers(pipeline)
            options = {"max_sequence_length": TOKENS, "text_encoder_out_layers": layers}
            return (pipeline.encode_prompt(prompt, device=shelf.device, **options)[0],)

        with running(pipeline, control), fresh_scheduler(pipeline):
            (embeds,) = self._bench.embeddings.encoded(self._model, prompt, shelf.device, encode)
            made = pipeline(
                image=to_pil(image),
                prompt_embeds=embeds,
                width=width,
                height=height,
                num_inference_steps=self._steps,
                guidance_scale=1.0,  # it is distilled: guidance is in the weights
                generator=seeded(seed),
                output_type="np",
                callback_on_step_end=watched(control, self._steps, begin, end),
            ).images[0]
        return resized(np.clip(np.asarray(made, np.float32), 0.0, 1.0), width, height)
