"""What lies beside the world, painted by a model over the embedded generator's guess (stage ``outpaint``).

The guess continues sky, horizon and ground, in colour and in depth. The model starts from its picture and keeps its
large shapes, so that the guess's depth and sky stay those of what is painted.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.outpainting import OutpaintingStage
from wonderzoom.generation.models.auxiliary import scene_words
from wonderzoom.generation.models.outpaint import KleinPainting, Painting, SdPainting, painted
from wonderzoom.generation.models.running import portion
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Outpainted, ZoomContext
from wonderzoom.scene_graph.ports import Control

Mask = NDArray[np.bool_]

# Of the stage's time, what the guess takes: it is quick beside any model.
_GUESS_SHARE = 0.1
_WORDS = "the same place, going on naturally beyond the frame of the picture"


class _Outpainter:
    """``stages.Outpainter``; holds no state between calls."""

    def __init__(self, bench: Workbench, painting: Painting) -> None:
        self._bench, self._painting, self._guess = bench, painting, OutpaintingStage()

    def outpaint(self, context: ZoomContext, holes: Mask, control: Control) -> Outpainted:
        """The holes [H, W] of the frame painted. Raises ModelUnavailable, and Cancelled within a step."""
        guess = self._guess.outpaint(context, holes, portion(control, 0.0, _GUESS_SHARE))
        words = ". ".join(part for part in (_WORDS, scene_words(context)) if part)
        image = painted(
            self._bench,
            self._painting,
            "observe",
            np.clip(guess.image, 0.0, 1.0).astype(np.float32),
            holes,
            words,
            derived_seed(context.request.seed, "outpaint"),
            portion(control, _GUESS_SHARE, 1.0),
        )
        return replace(guess, image=image)


class KleinOutpainter(_Outpainter):
    """With FLUX.2-klein, on the editor's own weights."""

    class Options(KleinPainting, frozen=True, kw_only=True, forbid_unknown_fields=True):
        pass

    def __init__(self, bench: Workbench, options: Options) -> None:
        super().__init__(bench, options)


class SdOutpainter(_Outpainter):
    """With an inpainting model of Stable Diffusion 1 or 2."""

    class Options(SdPainting, frozen=True, kw_only=True, forbid_unknown_fields=True):
        pass

    def __init__(self, bench: Workbench, options: Options) -> None:
        super().__init__(bench, options)
