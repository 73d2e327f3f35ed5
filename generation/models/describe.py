"""S = VLM(O_{i-1}, O_i): words for the upscaler, by a vision-language model (stage ``describe``, Sec. 3.2).

Two pictures are shown: of the parent's picture the part round the place that is zoomed into, CONTEXT times as wide
as the new view, so that the model sees what the place belongs to; and the observation, blurred as it is. What the
model says is text of a stranger: it becomes a bounded number of short, clean phrases before anything reads it.
"""

from __future__ import annotations

import re
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.models.images import resized, to_pil, working_size
from wonderzoom.generation.models.qwen_processor import NAME
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Observation, ZoomContext
from wonderzoom.scene_graph.camera import NEAR
from wonderzoom.scene_graph.ports import Cancelled, Control
from wonderzoom.scene_graph.scale_node import View

F32 = NDArray[np.float32]
MODEL = "transformers.AutoModelForImageTextToText"

CONTEXT = 4.0  # what one pass of the upscaler enlarges by
LEAST_WINDOW = 32  # pixels of the parent's picture: fewer say nothing
MULTIPLE = 32  # of sides: patches of 16, merged two by two
GRID = 5  # points along each side of the view that say where it lies in the parent's picture

TWO_PICTURES = (
    "Both pictures show the same place. The second one is the middle of the first, enlarged and therefore blurred."
    " Say what the second picture shows, seen this close: the things, their parts, materials and fine textures."
    " Answer with at most twelve short phrases, separated by commas, and nothing else."
)
ONE_PICTURE = (
    "This picture is an enlarged and therefore blurred close-up. Say what it shows, seen this close: the things,"
    " their parts, materials and fine textures. Answer with at most twelve short phrases, separated by commas,"
    " and nothing else."
)

MOST_PHRASES, MOST_WORDS, MOST_LETTERS = 12, 5, 40
_THOUGHT = re.compile(r"<think>.*?(</think>|\Z)", re.DOTALL)
_BETWEEN = re.compile(r"[,;\n\r|•·]|\.(?=\s|$)|:(?=\s|$)")
_NUMBERED = re.compile(r"^(\d+[.)]|[-*])\s*")
_NOT_OF_WORDS = re.compile(r"[^\w\s'’-]|_")


class VisionLanguageDescriber:
    """``stages.Describer``; greedy, so that the same pictures give the same words."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        """The model and how long it may speak."""

        model: ModelReference
        most_tokens: Annotated[int, msgspec.Meta(ge=1, le=512)] = 96  # twelve phrases with room
        # Of each picture: 1024 pixels are one token; a blurred view holds no more.
        most_pixels: Annotated[int, msgspec.Meta(ge=64 * 64, le=2048 * 2048)] = 512 * 512

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def describe(self, context: ZoomContext, control: Control) -> tuple[str, ...]:
        """At most 12 phrases of at most 5 words, lower case; none where the model says none.

        Raises Cancelled, ModelUnavailable.
        """
        pictures = [context.observation.color]
        before = surroundings(context.parent.main, context.observation)
        if before is not None:
            pictures.insert(0, before)
        text = self._bench.shelf.run("describe", self._options.model, lambda: self._said(pictures, control))
        return phrases(text)

    def _said(self, pictures: list[F32], control: Control) -> str:
        """What the model answers."""
        import torch

        shelf, options = self._bench.shelf, self._options
        if control.cancelled():
            raise Cancelled
        processor = shelf.part("describe", options.model, NAME)
        model = shelf.module("describe", options.model, MODEL)
        question = TWO_PICTURES if len(pictures) == 2 else ONE_PICTURE
        content = [*({"type": "image"} for _ in pictures), {"type": "text", "text": question}]
        asked = processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
        )
        shown = [self._shown(picture) for picture in pictures]
        inputs = processor(text=[asked], images=shown, return_tensors="pt").to(shelf.device)
        with torch.inference_mode():
            answer = model.generate(
                **inputs,
                max_new_tokens=options.most_tokens,
                do_sample=False,
                stopping_criteria=[_watching(control, options.most_tokens)],
            )
        if control.cancelled():
            raise Cancelled
        spoken = answer[0, inputs["input_ids"].shape[1] :]
        return str(processor.tokenizer.decode(spoken, skip_special_tokens=True))

    def _shown(self, picture: F32) -> Any:
        height, width = picture.shape[:2]
        return to_pil(resized(picture, *working_size(width, height, MULTIPLE, self._options.most_pixels)))


def _watching(control: Control, most_tokens: int) -> Any:
    """A StoppingCriteria: asked after each token, it tells progress and ends the answer of a job called off."""
    import torch
    from transformers import StoppingCriteria

    class Watching(StoppingCriteria):
        """One job's."""

        said = 0

        def __call__(self, input_ids: Any, scores: Any, **_others: Any) -> Any:
            self.said += 1
            control.progress(min(1.0, self.said / most_tokens))
            return torch.full((input_ids.shape[0],), control.cancelled(), device=input_ids.device)

    return Watching()


def surroundings(parent: View, observation: Observation) -> F32 | None:
    """The parent's picture [h, w, 3] round the observed place; whole where that lies outside; None without one."""
    if parent.image is None:
        return None
    picture = parent.image.astype(np.float32) / np.float32(255.0)
    height, width = picture.shape[:2]
    found = _box_in(parent, observation)
    if found is None:
        return picture
    (left, top), (right, bottom) = found
    x, y = (left + right) / 2.0, (top + bottom) / 2.0
    wide = max(CONTEXT * (right - left), LEAST_WINDOW)
    high = max(CONTEXT * (bottom - top), LEAST_WINDOW)
    if not (0.0 <= x <= width and 0.0 <= y <= height):
        return picture
    rows, columns = _within(y, high, height), _within(x, wide, width)
    return picture[rows, columns]


def _within(middle: float, length: float, limit: int) -> slice:
    """A window of that length in [0, limit], moved inward where it would reach beyond."""
    length = min(length, float(limit))
    start = min(max(middle - length / 2.0, 0.0), limit - length)
    first = int(start)
    return slice(first, min(limit, first + max(1, round(length))))


def _box_in(parent: View, observation: Observation) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """(least, greatest) pixel of the parent's picture that the observation shows; None where it shows none."""
    camera = observation.camera
    row = np.linspace(0, camera.height - 1, GRID).round().astype(int)
    column = np.linspace(0, camera.width - 1, GRID).round().astype(int)
    zeta = observation.zeta[np.ix_(row, column)].astype(np.float64)
    seen = np.isfinite(zeta)
    if not seen.any():
        return None
    zeta = np.where(seen, zeta, np.median(zeta[seen]))
    u, v = np.meshgrid(column + 0.5, row + 0.5)
    matrix, origin = parent.camera.map_from(camera)
    pixels, depth = parent.camera.project(camera.unproject(np.stack([u, v], -1), zeta) @ matrix.T + origin)
    pixels = pixels[(depth > NEAR) & np.isfinite(pixels).all(-1)]
    return (pixels.min(0), pixels.max(0)) if len(pixels) else None


def phrases(text: str) -> tuple[str, ...]:
    """Clean, short phrases of what a model said: letters, digits, hyphens and apostrophes, each phrase once."""
    found: list[str] = []
    for part in _BETWEEN.split(_THOUGHT.sub(" ", text)):
        plain = _NOT_OF_WORDS.sub(" ", _NUMBERED.sub("", part.strip()))
        words = plain.lower().split()[:MOST_WORDS]
        phrase = " ".join(words).strip(" '’-").removeprefix("and ")
        if phrase and len(phrase) <= MOST_LETTERS and phrase not in found and re.search(r"[^\W\d]", phrase):
            found.append(phrase)
    return tuple(found[:MOST_PHRASES])
