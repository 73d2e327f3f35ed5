"""Depth and sky of E_0 by networks: Depth Anything V2, metric or relative, and a network that knows the word sky.

What a person supplies wins: a depth map is used as the embedded generator uses it, a sky mask as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.depth_guess import ARM_LENGTH, EYE_HEIGHT
from wonderzoom.generation.embedded.features import features_of
from wonderzoom.generation.embedded.initial_depth import InitialDepthStage
from wonderzoom.generation.embedded.sky import sky_mask
from wonderzoom.generation.jobs import CreateRequest, GenerationError
from wonderzoom.generation.models.depth import PLAIN, in_float32
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.images import to_pil, working_size
from wonderzoom.generation.models.pixels import enlarged, pixels
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import InitialDepth
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

SEMANTIC = "transformers.AutoModelForSemanticSegmentation"
SEMANTIC_PROCESSOR = "transformers.AutoImageProcessor"
SKY = "sky"
# Relative networks give disparity, trained with sky at 0: what is this much smaller than the nearest is "far".
FARTHEST_RELATIVE = 200.0
NEAR_SHARE = 0.98  # of the scene is farther than "the nearest": what is nearer may be specks
NEAREST = 0.5  # of that distance; a speck in front would set the scale of the whole world (``frame_scene``)
# Metric networks say metres for the focal length that they were trained with; a longer lens sees the same
# picture from farther away. Hypersim (indoor): 0.87 of the width; Virtual KITTI (outdoor): 0.58.
INDOOR_FOCAL = 0.87


class DepthAnythingEstimator:
    """``stages.DepthEstimator``; ``sky`` None: the sky is told by its colours, as the embedded generator does."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference
        sky: ModelReference | None = (
            None  # a network of semantic segmentation that has a label "sky" (ADE20K)
        )
        trained_focal: Annotated[float, msgspec.Meta(gt=0.0, le=10.0)] = (
            INDOOR_FOCAL  # of a metric one, in widths
        )
        most_pixels: Annotated[int, msgspec.Meta(ge=14 * 14, le=4_000_000)] = 518 * 784

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options
        self._model = in_float32(options.model)

    def estimate(self, request: CreateRequest, focal: float, control: Control) -> InitialDepth:
        """Depth and sky of a picture; ``focal`` in its pixels.

        Raises ModelUnavailable, GenerationError for a map or a prediction that can't be used, Cancelled.
        """
        image = request.image.astype(np.float32) / np.float32(255.0)
        _go_on(control, 0.0)
        if request.sky is None and self._options.sky is not None:
            request = replace(request, sky=self._sky(image, self._options.sky))
            _go_on(control, 0.3)
        if request.depth is not None:
            return InitialDepthStage(self._bench.threads).estimate(request, focal, control)
        sky = request.sky if request.sky is not None else sky_mask(image, features_of(image))
        predicted, metric = self._predicted(image)
        _go_on(control, 0.9)
        result = (
            _metric(predicted, sky, focal / (self._options.trained_focal * image.shape[1]))
            if metric
            else _relative(predicted, sky)
        )
        _go_on(control, 1.0)
        return result

    def _predicted(self, image: F32) -> tuple[F32, bool]:
        """What the network says [H, W], and whether that is metres (else disparity)."""
        options = self._options
        network: Any = self._bench.shelf.module("depth", self._model, PLAIN)
        height, width = image.shape[:2]
        size = working_size(width, height, network.config.patch_size, options.most_pixels)

        def call() -> F32:
            import torch

            with torch.inference_mode():
                answer = network(pixel_values=pixels(image, *size, network)).predicted_depth
                return np.asarray(enlarged(answer, width, height)[0].cpu().numpy(), np.float32)

        predicted = self._bench.shelf.run("depth", self._model, call)
        if not np.isfinite(predicted).all():
            raise GenerationError("depth", f"{self._model.name} gave depth that is not finite")
        return predicted, network.config.depth_estimation_type == "metric"

    def _sky(self, image: F32, reference: ModelReference) -> Mask:
        """Where sky is the likeliest of the network's labels."""
        shelf = self._bench.shelf
        network: Any = shelf.module("depth", reference, SEMANTIC)
        labels = {str(name).strip().lower(): int(i) for i, name in network.config.id2label.items()}
        if SKY not in labels:
            raise ModelUnavailable(
                "depth", reference.name, reference.revision, "wrong_kind", "it has no label 'sky'",
                "choose a model that was trained on ADE20K",
            )  # fmt: skip
        processor: Any = shelf.part("depth", reference, SEMANTIC_PROCESSOR)
        height, width = image.shape[:2]

        def call() -> Mask:
            import torch

            with torch.inference_mode():
                asked = processor(images=to_pil(image), return_tensors="pt")
                logits = network(pixel_values=asked["pixel_values"].to(network.dtype)).logits
                full = torch.nn.functional.interpolate(
                    logits.float(), size=(height, width), mode="bilinear", align_corners=False
                )
                return np.asarray((full[0].argmax(0) == labels[SKY]).cpu().numpy(), np.bool_)

        return shelf.run("depth", reference, call)


def _metric(predicted: F32, sky: Mask, longer: float) -> InitialDepth:
    """Metres as the network says, and what a lens ``longer`` times that of its training makes of them."""
    scene = _usable(predicted, sky)
    nearest = max(1e-3, float(np.quantile(predicted[scene], 1.0 - NEAR_SHARE)))
    depth = np.maximum(predicted, np.float32(NEAREST * nearest))
    note = "depth in metres by a network that was trained with one lens"
    if not 0.95 < longer < 1.05:
        note += f"; this picture's is {longer:.2f} times as long, so all is that much farther"
    return InitialDepth(depth, sky, longer, (note,))


def _relative(disparity: F32, sky: Mask) -> InitialDepth:
    """Depth 1 at the nearest part; how many metres that is, is guessed as for depth maps without a unit."""
    scene = _usable(disparity, sky)
    nearest = float(np.quantile(disparity[scene], NEAR_SHARE))
    if nearest <= 0.0:
        raise GenerationError("depth", "the model sees nothing nearer than the sky")
    depth = (nearest / np.clip(disparity, nearest / FARTHEST_RELATIVE, nearest / NEAREST)).astype(np.float32)
    metres = 2.0 * EYE_HEIGHT if sky.any() else ARM_LENGTH
    note = f"depth is relative: its near part was taken to be {metres:g} m away"
    return InitialDepth(depth, sky, metres, (note,))


def _usable(predicted: F32, sky: Mask) -> Mask:
    """Pixels of the scene (all where there is nothing but sky). Raises GenerationError where nothing varies."""
    scene = ~sky if not sky.all() else np.ones_like(sky)
    values = predicted[scene]
    if float(values.max()) <= 0.0:
        raise GenerationError("depth", "the model gave no depth: nothing but zeros")
    return scene


def _go_on(control: Control, fraction: float) -> None:
    if control.cancelled():
        raise Cancelled
    control.progress(fraction)
