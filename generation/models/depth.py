"""D_i by a depth network, registered to D_target (Sec. 3.2, Eq. 5): prompted by it, or tuned to it.

Both hand on depth that agrees with the old surface where that is known (``depth_agreement``); the pipeline then
aligns it segment by segment. New things without a depth of their own stand on the surface around them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import register_depth
from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.depth_agreement import (
    agreeing,
    from_disparity,
    standing,
    to_disparity,
)
from wonderzoom.generation.models.finetuning import tune
from wonderzoom.generation.models.images import resized, working_size
from wonderzoom.generation.models.pixels import enlarged, pixels
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, Observation, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

PROMPTED = "transformers.PromptDepthAnythingForDepthEstimation"
PLAIN = "transformers.DepthAnythingForDepthEstimation"
# The prompt's long side. It was trained with a phone's LiDAR of 256 x 192.
PROMPT_SIDE = 256
# The network sees a prompt from its least to its greatest value: single surfels must not set those.
PROMPT_OUTLIERS = 0.001
# A prompt that spans less than this share of the width is as good as constant, and a constant one gives a constant
# answer (its span is a factor of the output). A ramp of that height is added to it and taken from the answer.
LEAST_SPAN = 0.02
_WORKING_PIXELS = 518 * 784  # the resolution that the networks were trained at, in wide pictures too

Pixels = Annotated[int, msgspec.Meta(ge=14 * 14, le=4_000_000)]


def in_float32(reference: ModelReference) -> ModelReference:
    """The reference as depth needs it: bfloat16's eight bits are terraces, and lose a step of Eq. 5 altogether."""
    return msgspec.structs.replace(reference, dtype="float32")


class PromptedRegistrar:
    """``stages.DepthRegistrar`` by PromptDepthAnything: the rendered target is what its LiDAR would measure.

    The prompt is 1 + (zeta - lowest) / span: depth in [1, 2]. Zeta is a straight line of metric depth at every
    magnification, and the network works between the prompt's least and greatest value, so that no line matters.
    """

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        most_pixels: Pixels = _WORKING_PIXELS  # of the picture that the network sees

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options
        self._model = in_float32(options.model)

    def register(self, context: ZoomContext, edited: Edited, control: Control) -> F32:
        """Zeta [H, W] of I_i. Raises ModelUnavailable, GenerationError, Cancelled."""
        surface, edge = _surface(context.observation, edited)
        _go_on(control)
        predicted = self.prompted(edited.image, surface)
        control.progress(0.9)
        return _stood(context.observation, edited, surface, edge, predicted, predicted, 1.0, control)

    def prompted(self, image: F32, target: F32) -> F32:
        """Depth [H, W] of a picture [H, W, 3] in the target's unit; ``target`` [H, W] is finite everywhere.

        Raises ModelUnavailable, GenerationError.
        """
        prompt, ramp, lowest, span = _prompt(target)
        network: Any = self._bench.shelf.module("depth", self._model, PROMPTED)
        height, width = target.shape
        size = working_size(width, height, network.config.patch_size, self._options.most_pixels)

        def call() -> F32:
            import torch

            with torch.inference_mode():
                hint = torch.from_numpy(prompt)[None, None].to(network.dtype)
                answer = network(pixel_values=pixels(image, *size, network), prompt_depth=hint)
                return enlarged(answer.predicted_depth, width, height)[0].cpu().numpy().astype(np.float32)

        answer = self._bench.shelf.run("depth", self._model, call)
        if not np.isfinite(answer).all():
            raise GenerationError("depth", f"{self._model.name} gave depth that is not finite")
        return (lowest + (answer - 1.0) * span - ramp).astype(np.float32)


class TunedRegistrar:
    """``stages.DepthRegistrar`` by Depth Anything V2 and Eq. 5.

    Relative networks predict disparity, so scale, shift and loss are in disparity (``to_disparity``); metric ones
    predict depth, of which zeta itself is a straight line.
    """

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        # The authors take 50 to 100; on a CPU a step takes seconds, and 0 leaves scale and shift.
        steps: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 50
        rate: Annotated[float, msgspec.Meta(gt=0.0, le=0.01)] = 1e-6  # the authors'
        trained: Literal["all", "decoder"] = "all"  # the decoder alone takes about half the time
        most_pixels: Pixels = _WORKING_PIXELS

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options
        self._model = in_float32(options.model)

    def register(self, context: ZoomContext, edited: Edited, control: Control) -> F32:
        """Zeta [H, W] of I_i. Raises ModelUnavailable, GenerationError, Cancelled."""
        observation, options = context.observation, self._options
        surface, edge = _surface(observation, edited)
        mask = _known(observation, edited)
        _go_on(control)
        network: Any = self._bench.shelf.module("depth", self._model, PLAIN)
        relative = network.config.depth_estimation_type == "relative"
        height, width = surface.shape
        size = working_size(width, height, network.config.patch_size, options.most_pixels)
        picture = pixels(edited.image, *size, network)
        inverse_f = observation.camera.inverse_f
        target = np.where(mask, observation.zeta, 0.0).astype(np.float32)
        if relative:
            target = to_disparity(target, inverse_f)

        def predict() -> Any:
            depth = enlarged(network(pixel_values=picture).predicted_depth, width, height)[0]
            return -depth if relative else depth

        parts = [network] if options.trained == "all" else [network.neck, network.head]
        trained = [parameter for part in parts for parameter in part.parameters()]
        inner = Control(control.cancelled, lambda fraction: control.progress(0.9 * fraction))
        tuned = self._bench.shelf.run(
            "depth",
            self._model,
            lambda: tune(network, trained, predict, target, mask, options.steps, options.rate, inner),
        )
        predicted = tuned.line(tuned.predicted)
        if relative:
            predicted = from_disparity(predicted, inverse_f)
        return _stood(
            observation, edited, surface, edge, predicted, tuned.predicted, tuned.line.scale, control
        )


def _surface(observation: Observation, edited: Edited) -> tuple[F32, Mask]:
    """The old surface everywhere, without new things, and its depth edges."""
    ground = edited.under if edited.under is not None else edited.image
    return register_depth(observation.zeta, ground, observation.factor)


def _known(observation: Observation, edited: Edited) -> Mask:
    """m of Eq. 5: where the picture shows what the target has."""
    return np.isfinite(observation.zeta) & ~edited.structure


def _prompt(target: F32) -> tuple[F32, F32, float, float]:
    """The prompt [h, w] in [1, 2], the ramp in it [H, W], and the target's least value and span."""
    height, width = target.shape
    low, high = (float(v) for v in np.quantile(target, (PROMPT_OUTLIERS, 1.0 - PROMPT_OUTLIERS)))
    ramp = np.zeros_like(target)
    if high - low < LEAST_SPAN * width:
        # Nearer at the bottom, as most pictures are.
        ramp += np.linspace(LEAST_SPAN * width, 0.0, height, dtype=np.float32)[:, None]
        low, high = float((target + ramp).min()), float((target + ramp).max())
    span = high - low
    depth = 1.0 + (np.clip(target + ramp, low, high) - low) / span
    shrink = min(1.0, PROMPT_SIDE / max(height, width))
    small = resized(depth.astype(np.float32), max(2, round(width * shrink)), max(2, round(height * shrink)))
    # The network reads its limits from the prompt: they have to be the ones that the answer is read with.
    least, greatest = float(small.min()), float(small.max())
    if greatest > least:
        small = (1.0 + (small - least) / (greatest - least)).astype(np.float32)
        low, span = low + (least - 1.0) * span, (greatest - least) * span
    return small, ramp, low, span


def _stood(
    observation: Observation,
    edited: Edited,
    surface: F32,
    edge: Mask,
    predicted: F32,  # zeta
    raw: F32,  # what the network said of shapes, larger is farther
    scale: float,  # of ``raw``
    control: Control,
) -> F32:
    """The prediction in agreement with the surface, and new things on it."""
    zeta = agreeing(predicted, surface, edge, _known(observation, edited), observation.factor)
    things = edited.structure
    if edited.structure_zeta is not None:
        given = things & np.isfinite(edited.structure_zeta)
        zeta, things = np.where(given, edited.structure_zeta, zeta), things & ~given
    if things.any():
        zeta = np.where(things, standing(raw, scale, surface, things), zeta)
    if not np.isfinite(zeta).all():
        raise GenerationError("depth", "the registered depth is not finite")
    _go_on(control)
    control.progress(1.0)
    return zeta.astype(np.float32)


def _go_on(control: Control) -> None:
    if control.cancelled():
        raise Cancelled
