"""What all upscalers with a model share: I'_i = SR(O_i, S) in passes of the model, then agreement with O_i (Sec. 3.2).

The observation comes in the size that was asked for, but holds ``factor`` times less detail. It is averaged to the
resolution that it has, enlarged by the model pass by pass, brought to the asked size, and corrected twice: its low
frequencies are exchanged for those of the observation, which takes out any drift of colour, and then it is
back-projected (``embedded.consistency``) until it looks like O_i through O_i's pixels. Where the observation shows
nothing, it stays as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.consistency import consistent, observed
from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.images import resized
from wonderzoom.generation.observation import SEEN
from wonderzoom.generation.stages import Observation
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
# (a picture, the number of the pass, the number of passes) -> the picture, enlarged
Pass = Callable[[F32, int, int], F32]

LEAST_FACTOR = 1.05  # below, there is no detail to add
# One pass less where that leaves a picture this much too small: a quarter of an octave is not worth a pass.
SLACK = 2.0**0.25
# Standard deviation, in coarse pixels, of what counts as low frequencies: what O_i holds for certain.
LOW_SIGMA = 1.0


def passes_of(factor: float, own: float) -> int:
    """How many passes of a model that enlarges ``own`` times reach ``factor`` (at least one)."""
    return max(1, math.ceil(math.log(factor / SLACK) / math.log(own) - 1e-9))


def enlarged(observation: Observation, own: float, enlarge: Pass, control: Control) -> F32:
    """I'_i [H, W, 3], sRGB in [0, 1], of the observation's size, for any factor above 1.

    Raises Cancelled, and GenerationError where the model's picture is not finite.
    """
    color = np.clip(observation.color, 0.0, 1.0).astype(np.float32)
    factor, something = observation.factor, observation.alpha > SEEN
    if factor < LEAST_FACTOR or not something.any():
        return color
    height, width = color.shape[:2]
    # A model would paint a hole as an object: it sees what is beside the hole instead.
    whole = fill_from_nearest(color, something)
    image, count = observed(whole, factor), passes_of(factor, own)
    for index in range(count):
        if control.cancelled():
            raise Cancelled
        image = enlarge(image, index, count)
        if not np.isfinite(image).all():
            raise GenerationError("upscale", "the model's picture holds numbers that are not finite")
        control.progress((index + 1) / count)
    image = resized(np.asarray(image, np.float32), width, height)
    image = consistent(_with_low_frequencies(image, whole, factor), whole, factor)
    return np.where(something[..., None], image, color)


def _with_low_frequencies(image: F32, wanted: F32, factor: float) -> F32:
    """``image`` with its own detail on the low frequencies of ``wanted``."""

    def low(picture: F32) -> F32:
        sigma = LOW_SIGMA * factor
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT), np.float32)

    return image + low(wanted) - low(image)


def prompt_of(words: tuple[str, ...], fallback: str) -> str:
    """The words of the describer as one prompt; ``fallback`` where there are none."""
    return ", ".join(words) or fallback
