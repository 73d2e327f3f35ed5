"""What all editors with a model share: I_i = Edit(I'_i, U_i), and an honest account of it (stage ``edit``).

A model can't say which words it honoured. So the whole prompt counts as placed where at least 5 % of the view's
pixels changed, and is tried once more with another seed where fewer did. Where that fails too, the prompt is said
to be ignored, and nothing of it is kept: the picture stays I'_i.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.changes import Change, change, standing
from wonderzoom.generation.models.images import resized
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]
# (a picture of the working size, seed, begin and end of its share of progress) -> the picture, edited
Edit = Callable[[F32, int, float, float], F32]

LEAST_CHANGED = 0.05  # of the view's pixels: the law for a prompted thing
TRIES = 2
# What the tries take of a stage's progress; finding things takes the rest.
EDITING = 0.9


@dataclass(frozen=True, slots=True)
class Finder:
    """SAM and GroundingDINO, which say what of a change is a thing; either is an option of every editor."""

    sam: ModelReference
    dino: ModelReference

    @staticmethod
    def of(sam: ModelReference | None, dino: ModelReference | None) -> Finder | None:
        """None where neither is given. Raises ValueError where only one is."""
        if sam is None and dino is None:
            return None
        if sam is None or dino is None:
            raise ValueError(
                "sam and dino are given together, or neither: one finds boxes, the other outlines"
            )
        return Finder(sam, dino)

    def found(self, bench: Workbench, before: F32, after: F32, prompt: str, control: Control) -> Mask:
        """[H, W] pixels of the prompt's things in ``after``."""
        module = importlib.import_module(f"{__package__}.objects")
        masks: list[Mask] = module.ObjectFinder(bench, self.sam, self.dino).masks(
            "edit", before, after, (prompt,), control
        )
        return np.any(masks, axis=0) if masks else np.zeros(after.shape[:2], np.bool_)


def edited(
    bench: Workbench,
    context: ZoomContext,
    image: F32,
    size: tuple[int, int],
    finder: Finder | None,
    edit: Edit,
    control: Control,
) -> Edited:
    """I_i from I'_i ``image`` [H, W, 3] by ``edit``, which works at ``size`` (width, height).

    Raises Cancelled, ModelUnavailable, and GenerationError where the model's picture is not finite.
    """
    prompt = " ".join(context.request.prompt.split())
    height, width = image.shape[:2]
    nothing = np.zeros((height, width), np.bool_)
    if not prompt:
        return Edited(image, nothing, nothing)
    shown = resized(image, *size)
    before = resized(shown, width, height)
    made: Change | None = None
    for attempt in range(TRIES):
        if control.cancelled():
            raise Cancelled
        seed = derived_seed(context.request.seed, "edit", attempt)
        begin, end = (EDITING * (attempt + i) / TRIES for i in (0, 1))
        answer = edit(shown, seed, begin, end)
        if answer.shape != shown.shape or not np.isfinite(answer).all():
            raise GenerationError("edit", "the model's picture is not finite or has another size")
        found = change(image, before, resized(np.clip(answer, 0.0, 1.0), width, height))
        if _share(found.mask, context.observation.margin) >= LEAST_CHANGED:
            made = found
            break
    if made is None:
        control.note(
            f"the editor changed less than {LEAST_CHANGED:.0%} of the view in {TRIES} tries: nothing was kept"
        )
        return Edited(image, nothing, nothing, ignored=(prompt,))
    if finder is None:
        structure = standing(made.mask)
    else:
        # A thing is found whole, the change by its difference: what looks as before is no new surfel.
        structure = finder.found(bench, image, made.image, prompt, control) & made.mask
    control.progress(1.0)
    under = image if structure.any() else None
    return Edited(made.image, made.mask, structure, None, under, (prompt,))


def _share(mask: Mask, margin: int) -> float:
    """Of the requested frame, without its overscan."""
    inner = mask[margin : mask.shape[0] - margin, margin : mask.shape[1] - margin]
    return float(inner.mean()) if inner.size else float(mask.mean())
