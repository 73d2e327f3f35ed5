"""I'_i by FLUX.2-klein (stage ``upscale``): the picture is enlarged and the model is asked for its fine detail."""

from __future__ import annotations

from typing import Annotated

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.images import resized
from wonderzoom.generation.models.klein import LEAST_SIDE, MOST_PIXELS, MULTIPLE, Klein
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.tiling import tiled
from wonderzoom.generation.models.upscaling import enlarged, prompt_of
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.scene_graph.ports import Control

F32 = NDArray[np.float32]

PROMPT = (
    "This is a close-up that has been enlarged and is blurred. Restore it as a sharp photograph of the same place:"
    " {words}. Add the fine texture and structure that such things show at this distance. Keep the layout, every"
    " outline, the colours and the light exactly where they are; add nothing else."
)
NO_WORDS = "the surfaces that the picture shows"


class KleinUpscaler:
    """``stages.Upscaler``."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """FLUX.2-klein and how it is run."""

        model: ModelReference
        steps: Annotated[int, msgspec.Meta(ge=1, le=50)] = 4  # what it is distilled to
        # An editor has no factor of its own; beyond 4x it has nothing to hold on to, and a chain does better.
        most_per_pass: Annotated[float, msgspec.Meta(ge=1.5, le=8.0)] = 4.0
        tile: Annotated[int, msgspec.Meta(ge=LEAST_SIDE, le=1024, multiple_of=MULTIPLE)] = 1024
        overlap: Annotated[int, msgspec.Meta(ge=0, le=512)] = 128

        def __post_init__(self) -> None:
            if self.overlap >= self.tile:
                raise ValueError(f"overlap = {self.overlap} must be below tile = {self.tile}")

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._options = options
        self._klein = Klein(bench, "upscale", options.model, options.steps)

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> F32:
        """I'_i [H, W, 3]; passes of equal factors, the last in the observation's size. Raises Cancelled."""
        observation, options = context.observation, self._options
        height, width = observation.color.shape[:2]
        prompt = PROMPT.format(words=prompt_of(words, NO_WORDS))

        def enlarge(image: F32, index: int, count: int) -> F32:
            left = observation.factor ** ((index + 1) / count - 1.0)  # of the final size
            size = (max(1, round(width * left)), max(1, round(height * left)))
            target = resized(image, *size)

            def one_tile(tile: F32, number: int, tiles: int) -> F32:
                begin, share = (index + number / tiles) / count, 1.0 / (tiles * count)
                seed = derived_seed(context.request.seed, "upscale", index, number)
                return self._small(tile, prompt, seed, control, begin, begin + share)

            return tiled(target, options.tile, options.overlap, MULTIPLE, 1, one_tile)

        return enlarged(observation, options.most_per_pass, enlarge, control)

    def _small(self, tile: F32, prompt: str, seed: int, control: Control, begin: float, end: float) -> F32:
        """One tile; where it is below the model's least size, it is shown enlarged."""
        height, width = tile.shape[:2]
        shown = resized(tile, *self._klein.size(width, height, MOST_PIXELS))
        return resized(self._klein.picture(shown, prompt, seed, control, begin, end), width, height)
