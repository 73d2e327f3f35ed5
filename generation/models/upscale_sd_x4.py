"""I'_i by Stable Diffusion's x4 upscaler (stage ``upscale``): light, 4x a pass, tiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.images import to_pil
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, running, seeded
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.tiling import tiled
from wonderzoom.generation.models.upscaling import enlarged, prompt_of
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
PIPELINE = "diffusers.StableDiffusionUpscalePipeline"
FACTOR = 4
MULTIPLE = 8  # of a tile's sides: the network halves them three times

NO_WORDS = "close-up photograph, sharp focus, fine natural texture"
UNWANTED = "blur, noise, compression artefacts, text, watermark"


class SdX4Upscaler:
    """``stages.Upscaler``."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The x4 upscaler and how it is run."""

        model: ModelReference
        steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 25
        guidance: Annotated[float, msgspec.Meta(ge=1.0, le=20.0)] = 5.0
        # Noise on what it sees, 0 to 350 of 1000: more invents more; O_i is clean, so little.
        noise_level: Annotated[int, msgspec.Meta(ge=0, le=350)] = 20
        # Of the picture before a pass: it was trained on 128, and 8 GB hold 160.
        tile: Annotated[int, msgspec.Meta(ge=16, le=512, multiple_of=MULTIPLE)] = 128
        overlap: Annotated[int, msgspec.Meta(ge=0, le=128)] = 16

        def __post_init__(self) -> None:
            if self.overlap >= self.tile:
                raise ValueError(f"overlap = {self.overlap} must be below tile = {self.tile}")

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> F32:
        """I'_i [H, W, 3]. Raises Cancelled, ModelUnavailable."""
        options = self._options
        prompt = prompt_of(words, NO_WORDS)

        def enlarge(image: F32, index: int, count: int) -> F32:
            def one_tile(tile: F32, number: int, tiles: int) -> F32:
                seed = derived_seed(context.request.seed, "upscale", index, number)

                def after_step(step: int, _timestep: Any, _latents: Any) -> None:
                    if control.cancelled():
                        raise Cancelled
                    done = (number + (step + 1) / options.steps) / tiles
                    control.progress((index + done) / count)

                return self._bench.shelf.run(
                    "upscale", options.model, lambda: self._tile(tile, prompt, seed, after_step, control)
                )

            return tiled(image, options.tile, options.overlap, MULTIPLE, FACTOR, one_tile)

        return enlarged(context.observation, FACTOR, enlarge, control)

    def _tile(
        self, tile: F32, prompt: str, seed: int, after_step: Callable[[int, Any, Any], None], control: Control
    ) -> F32:
        """One tile [h, w, 3] as [4 h, 4 w, 3]."""
        shelf, options = self._bench.shelf, self._options
        # Its checker of content and its watermark are none of its enlarging, and often not in its files.
        left_out = {"safety_checker": None, "feature_extractor": None, "watermarker": None}
        pipeline = shelf.pipeline("upscale", options.model, PIPELINE, left_out)
        guided = options.guidance > 1.0

        def encode() -> tuple[Any, ...]:
            both = pipeline.encode_prompt(prompt, shelf.device, 1, guided, UNWANTED)
            return both if guided else both[:1]

        with running(pipeline, control), fresh_scheduler(pipeline):
            text = f"{prompt}\n{UNWANTED if guided else ''}"
            embeds = self._bench.embeddings.encoded(options.model, text, shelf.device, encode)
            made = pipeline(
                image=to_pil(tile),
                prompt_embeds=embeds[0],
                negative_prompt_embeds=embeds[1] if guided else None,
                num_inference_steps=options.steps,
                guidance_scale=options.guidance,
                noise_level=options.noise_level,
                generator=seeded(seed),
                output_type="np",
                callback=after_step,
                callback_steps=1,
            ).images[0]
        return np.clip(np.asarray(made, np.float32), 0.0, 1.0)
