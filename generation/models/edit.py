"""I_i = Edit(I'_i, U_i) by FLUX.2-klein, or by InstructPix2Pix where memory is short (stage ``edit``)."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.editing import Finder, edited
from wonderzoom.generation.models.images import resized, to_pil, working_size
from wonderzoom.generation.models.klein import MOST_PIXELS, Klein
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, running, seeded, watched
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]

# A prompt may be an instruction or just the name of a thing.
PROMPT = (
    "Edit this photograph: {prompt}. If that names a thing, add it in the middle, resting on the surface that is"
    " shown, filling about a third of the picture, in the light of the picture and with a soft contact shadow. Keep"
    " everything else exactly as it is: framing, surfaces, colours, light and sharpness."
)
PLAIN_PROMPT = "add {prompt} in the middle of the picture"  # what InstructPix2Pix was trained on is short
# Words that make a prompt an instruction already.
VERBS = frozenset(
    (
        "add",
        "change",
        "cover",
        "cut",
        "draw",
        "fill",
        "give",
        "have",
        "make",
        "paint",
        "place",
        "put",
        "remove",
    )
    + ("replace", "scatter", "set", "show", "sprinkle", "turn")
)


class KleinEditor:
    """``stages.Editor``."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """FLUX.2-klein and how it is run."""

        model: ModelReference
        sam: ModelReference | None = (
            None  # with ``dino``: what of a change is a thing; without: its shape says
        )
        dino: ModelReference | None = None
        steps: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4  # what it is distilled to
        most_pixels: Annotated[int, msgspec.Meta(ge=128 * 128, le=MOST_PIXELS)] = MOST_PIXELS

        def __post_init__(self) -> None:
            Finder.of(self.sam, self.dino)

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options
        self._klein = Klein(bench, "edit", options.model, options.steps)

    def edit(self, context: ZoomContext, image: F32, control: Control) -> Edited:
        """I_i and what is new in it (``editing.edited``)."""
        prompt = PROMPT.format(prompt=context.request.prompt.strip())

        def one_try(shown: F32, seed: int, begin: float, end: float) -> F32:
            return self._klein.picture(shown, prompt, seed, control, begin, end)

        size = self._klein.size(image.shape[1], image.shape[0], self._options.most_pixels)
        finder = Finder.of(self._options.sam, self._options.dino)
        return edited(self._bench, context, image, size, finder, one_try, control)


class InstructPix2PixEditor:
    """``stages.Editor`` of Stable Diffusion 1.5's size: 2 GB, and it does what its size lets it."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """InstructPix2Pix and how it is run."""

        model: ModelReference
        sam: ModelReference | None = None
        dino: ModelReference | None = None
        steps: Annotated[int, msgspec.Meta(ge=1, le=200)] = 30
        guidance: Annotated[float, msgspec.Meta(gt=1.0, le=30.0)] = 7.5  # toward the words
        image_guidance: Annotated[float, msgspec.Meta(ge=1.0, le=5.0)] = 1.5  # toward the picture
        most_pixels: Annotated[int, msgspec.Meta(ge=128 * 128, le=MOST_PIXELS)] = 512 * 512  # as trained

        def __post_init__(self) -> None:
            Finder.of(self.sam, self.dino)

    PIPELINE = "diffusers.StableDiffusionInstructPix2PixPipeline"
    MULTIPLE = 64  # latents are an eighth, the network halves them three times

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def edit(self, context: ZoomContext, image: F32, control: Control) -> Edited:
        """I_i and what is new in it (``editing.edited``)."""
        options, prompt = self._options, instruction(context.request.prompt)

        def one_try(shown: F32, seed: int, begin: float, end: float) -> F32:
            return self._bench.shelf.run(
                "edit", options.model, lambda: self._run(shown, prompt, seed, control, begin, end)
            )

        size = working_size(image.shape[1], image.shape[0], self.MULTIPLE, options.most_pixels)
        finder = Finder.of(options.sam, options.dino)
        return edited(self._bench, context, image, size, finder, one_try, control)

    def _run(self, image: F32, prompt: str, seed: int, control: Control, begin: float, end: float) -> F32:
        shelf, options = self._bench.shelf, self._options
        # Its index names a class that transformers lost; its checker of content is not run: people see the edit.
        left_out = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        pipeline = shelf.pipeline("edit", options.model, self.PIPELINE, left_out)

        def encode(text: str) -> Any:
            tokenizer = pipeline.tokenizer
            length = tokenizer.model_max_length
            ids = tokenizer(
                text, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
            ).input_ids
            return pipeline.text_encoder(ids.to(shelf.device))[0]

        with running(pipeline, control), fresh_scheduler(pipeline):
            asked, unasked = (
                self._bench.embeddings.encoded(options.model, text, shelf.device, lambda: (encode(text),))[0]  # noqa: B023
                for text in (prompt, "")
            )
            made = pipeline(
                image=to_pil(image),
                prompt_embeds=asked,
                negative_prompt_embeds=unasked,
                num_inference_steps=options.steps,
                guidance_scale=options.guidance,
                image_guidance_scale=options.image_guidance,
                generator=seeded(seed),
                output_type="np",
                callback_on_step_end=watched(control, options.steps, begin, end),
            ).images[0]
        return resized(np.clip(np.asarray(made, np.float32), 0.0, 1.0), image.shape[1], image.shape[0])


def instruction(prompt: str) -> str:
    """A prompt as an instruction: as it is where it begins with a verb of editing, else "add ..."."""
    plain = " ".join(prompt.split())
    return plain if plain.partition(" ")[0].lower() in VERBS else PLAIN_PROMPT.format(prompt=plain)
