"""I'_i by Chain-of-Zoom in plain diffusers (stage ``upscale``): SD3 with a LoRA, one step, 4x a pass, chained.

The paper's upscaler. A picture that was enlarged 4x is encoded, ``z = E(x) s``; the transformer says at t = 1000,
under the words of the describer, what is wrong with it, ``v``; and ``D((z - v) / s + shift)`` is the picture with its
detail. That the shift is added when decoding but not subtracted when encoding is how the LoRA was trained.
"""

from __future__ import annotations

from typing import Annotated, Any

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.lora import Lora, applied, read_lora
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import running, seeded
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.tiling import tiled
from wonderzoom.generation.models.upscaling import enlarged, prompt_of
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
PIPELINE = "diffusers.StableDiffusion3Pipeline"
FACTOR = 4
MULTIPLE = 16  # of a tile's sides: latents are an eighth, patches of two by two
TIMESTEP = 1000.0  # the one step starts at full noise, as far as the transformer knows
TOKENS = 512  # of T5

NO_WORDS = "a sharp, finely detailed close-up photograph"


class ChainOfZoomUpscaler:
    """``stages.Upscaler``."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """SD3, its LoRA, and how they are run."""

        model: ModelReference  # stable-diffusion-3-medium in diffusers' layout; float32 as the authors run it
        lora: ModelReference  # what chain_of_zoom_weights wrote
        vae: ModelReference | None = None  # what it wrote of the encoder; None: that of ``model``
        t5: bool = True  # without the third text encoder 9.5 GB less, and words count less
        strength: Annotated[float, msgspec.Meta(ge=0.0, le=2.0)] = 1.0  # of the LoRA
        # Of the picture after a pass: what SD3 was tuned at here.
        tile: Annotated[int, msgspec.Meta(ge=64, le=1024, multiple_of=MULTIPLE)] = 512
        overlap: Annotated[int, msgspec.Meta(ge=0, le=512)] = 64

        def __post_init__(self) -> None:
            if self.overlap >= self.tile:
                raise ValueError(f"overlap = {self.overlap} must be below tile = {self.tile}")

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options
        self._lora: Lora | None = None

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> F32:
        """I'_i [H, W, 3]. Raises Cancelled, ModelUnavailable."""
        options = self._options
        prompt = prompt_of(words, NO_WORDS)

        def enlarge(image: F32, index: int, count: int) -> F32:
            size = (FACTOR * image.shape[1], FACTOR * image.shape[0])
            larger = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_CUBIC), np.float32)
            blurred = np.clip(larger, 0.0, 1.0)

            def one_tile(tile: F32, number: int, tiles: int) -> F32:
                if control.cancelled():
                    raise Cancelled
                seed = derived_seed(context.request.seed, "upscale", index, number)
                made = self._bench.shelf.run(
                    "upscale", options.model, lambda: self._tile(tile, prompt, seed, control)
                )
                control.progress((index + (number + 1) / tiles) / count)
                return made

            return tiled(blurred, options.tile, options.overlap, MULTIPLE, 1, one_tile)

        return enlarged(context.observation, FACTOR, enlarge, control)

    def _tile(self, tile: F32, prompt: str, seed: int, control: Control) -> F32:
        """One tile [h, w, 3] with its detail."""
        import torch

        shelf, options = self._bench.shelf, self._options
        left_out = None if options.t5 else {"text_encoder_3": None, "tokenizer_3": None}
        pipeline = shelf.pipeline("upscale", options.model, PIPELINE, left_out)
        vae = pipeline.vae
        if options.vae is not None:
            vae = shelf.module("upscale", options.vae, "diffusers.AutoencoderKL")
        if self._lora is None:
            self._lora = read_lora("upscale", options.lora, shelf.folder("upscale", options.lora))
        transformer, config = pipeline.transformer, vae.config

        def encode() -> tuple[Any, ...]:
            made = pipeline.encode_prompt(
                prompt,
                None,
                None,
                shelf.device,
                do_classifier_free_guidance=False,
                max_sequence_length=TOKENS,
            )
            return made[0], made[2]

        with running(pipeline, control):
            text = f"{prompt}\n{'t5' if options.t5 else ''}"
            embeds, pooled = self._bench.embeddings.encoded(options.model, text, shelf.device, encode)
            picture = torch.from_numpy(np.ascontiguousarray(tile.transpose(2, 0, 1)))[None] * 2.0 - 1.0
            latents = vae.encode(picture.to(shelf.device, vae.dtype)).latent_dist.sample(seeded(seed))
            latents = (latents * config.scaling_factor).to(transformer.dtype)
            if control.cancelled():
                raise Cancelled
            with applied("upscale", options.lora, transformer, self._lora, options.strength):
                wrong = transformer(
                    hidden_states=latents,
                    timestep=torch.full((1,), TIMESTEP, device=shelf.device),
                    encoder_hidden_states=embeds.to(transformer.dtype),
                    pooled_projections=pooled.to(transformer.dtype),
                    return_dict=False,
                )[0]
            if control.cancelled():
                raise Cancelled
            clean = (latents - wrong).to(vae.dtype) / config.scaling_factor + config.shift_factor
            made = vae.decode(clean, return_dict=False)[0][0]
            answer = made.float().cpu().numpy().transpose(1, 2, 0)
        return np.clip(answer * 0.5 + 0.5, 0.0, 1.0).astype(np.float32)
