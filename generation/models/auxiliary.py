"""Auxiliary views (Sec. 3.2): {I_i^k} = VideoDiff({O_i^k}, {M_i^k}), and what they add to the scene.

The partial scene is rendered from an orbit around C_i (``orbits``, ``partial_world``), a video model makes what it
lacks, depth is found for some of the frames (``video_depth``), and each of these adds surfels only where nothing
shows yet, those of the frames before it included: no double layer. What is rendered is kept bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.auxiliary import behind
from wonderzoom.generation.jobs import GenerationError, Stage
from wonderzoom.generation.models.images import mask_to_pil, resized, to_pil, working_size
from wonderzoom.generation.models.orbits import adding, amplitude, frame_count, octaves_below, orbit, pivoted
from wonderzoom.generation.models.outpaint import composited
from wonderzoom.generation.models.partial_world import Look, PartialWorld, at_pixels, seen_from
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.running import fresh_scheduler, portion, running, seeded, watched
from wonderzoom.generation.models.seeds import derived_seed
from wonderzoom.generation.models.video_depth import behind_filled, video_depth
from wonderzoom.generation.models.workbench import Workbench
from wonderzoom.generation.stages import Edited, Layer, ZoomContext
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Cancelled, Control
from wonderzoom.scene_graph.surfels import FILL

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

_STAGE: Stage = "auxiliary"
_VACE = "diffusers.WanVACEPipeline"
_MULTIPLE = 16  # of its sides: 8 of the autoencoder, 2 of the transformer's patches
_GREY = np.float32(0.5)  # what it was trained to see where nothing is given
_STILL = (
    "A still scene, seen by a camera that circles it slowly. Nothing moves, and the light stays as it is."
)
_UNWANTED = "motion of things, changing light, flicker, new objects, blur, text, watermark"
# Fewer new pixels in a frame are not worth a layer.
_FEWEST = 16
# Nearer than what C_i shows there, by more than this share of the picture's width: C_i would have seen it.
_IN_FRONT = 0.01
# How the stage's progress goes to rendering, video, depth and surfels.
_LOOKED, _FILMED, _MEASURED = 0.05, 0.75, 0.95


class WanVaceViews:
    """``stages.AuxiliaryViews`` on Wan VACE and a prompted depth model; holds no state between calls."""

    class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
        model: ModelReference  # WanVACEPipeline
        depth: ModelReference  # PromptDepthAnything
        groups: Annotated[int, msgspec.Meta(ge=1, le=30)] = (
            4  # K = 4 groups + 1; 17 frames go round in 22 degrees
        )
        steps: Annotated[int, msgspec.Meta(ge=1, le=100)] = 20  # most of a frame is given: 50 are not needed
        guidance: Annotated[float, msgspec.Meta(ge=1.0, le=20.0)] = 5.0
        most_pixels: Annotated[int, msgspec.Meta(ge=256, le=1280 * 720)] = 832 * 480  # what it was trained at
        adding: Annotated[int, msgspec.Meta(ge=1, le=30)] = (
            9  # frames that add surfels, as in the released code
        )
        least_share: Annotated[float, msgspec.Meta(ge=0.0, lt=1.0)] = (
            0.001  # of all frames, that shows nothing
        )
        depth_pixels: Annotated[int, msgspec.Meta(ge=196, le=1024 * 1024)] = 518 * 518

    def __init__(self, bench: Workbench, options: Options) -> None:
        self._bench, self._options = bench, options

    def synthesise(self, context: ZoomContext, edited: Edited, main: Layer, control: Control) -> list[Layer]:
        """What lies behind new things, and layers of the orbit's frames, each only where nothing showed before it.

        Nothing is loaded where the orbit sees (almost) no hole. Raises Cancelled within one step, ModelUnavailable,
        and GenerationError for an answer that can't be used.
        """
        hidden = behind(context, edited, main)
        layers = [] if hidden is None else [hidden]
        partial = PartialWorld(context.world, context.parent, self._bench.renderer)
        partial.add([main, *layers], context.request.seed)
        cameras = self._cameras(context, main)
        looks: list[Look] = []
        for k, camera in enumerate(cameras):
            if control.cancelled():
                raise Cancelled
            looks.append(partial.look(camera))
            control.progress(_LOOKED * (k + 1) / len(cameras))
        if np.mean([look.empty.mean() for look in looks]) <= self._options.least_share:
            return layers
        images = self._filmed(context, edited, looks, portion(control, _LOOKED, _FILMED))
        order = adding(len(cameras), self._options.adding)
        measured = sorted(order)
        zetas = video_depth(
            self._bench,
            self._options.depth,
            _STAGE,
            [cameras[k] for k in measured],
            [images[k] for k in measured],
            [looks[k].zeta for k in measured],
            self._options.depth_pixels,
            portion(control, _FILMED, _MEASURED),
        )
        depths = dict(zip(measured, zetas, strict=True))
        shown = np.where(main.mask, main.zeta, context.observation.zeta).astype(np.float32)
        for done, k in enumerate(order):
            if control.cancelled():
                raise Cancelled
            zeta, possible = _not_in_front(cameras[k], depths[k], looks[k].zeta, main.camera, shown)
            mask = partial.look(cameras[k]).empty & possible
            if int(mask.sum()) >= _FEWEST:
                layers.append(Layer(cameras[k], images[k], zeta, mask, "auxiliary", FILL))
                partial.add(layers[-1:], context.request.seed)
            control.progress(_MEASURED + (1.0 - _MEASURED) * (done + 1) / len(order))
        return layers

    def _cameras(self, context: ZoomContext, main: Layer) -> tuple[Camera, ...]:
        """C_i^k, at the size that the video model works at."""
        start = pivoted(main)
        start = start.resized(*working_size(start.width, start.height, _MULTIPLE, self._options.most_pixels))
        root = context.world.root
        octaves = 0.0 if root is None else octaves_below(start, root.main.camera)
        return orbit(start, amplitude(octaves), frame_count(self._options.groups))

    def _filmed(
        self, context: ZoomContext, edited: Edited, looks: Sequence[Look], control: Control
    ) -> list[F32]:
        """I^k [H, W, 3] of every frame: made by the model where it was asked to, as rendered elsewhere."""
        options = self._options
        height, width = looks[0].empty.shape
        frames = [np.where(look.wanted[..., None], _GREY, look.color) for look in looks]
        full_height, full_width = edited.image.shape[:2]
        reference = resized(edited.image, *working_size(full_width, full_height, 1, width * height))
        pipeline = self._bench.shelf.pipeline(_STAGE, options.model, _VACE)

        def call() -> Any:
            with running(pipeline, control) as ready, fresh_scheduler(ready):
                return ready(
                    prompt=". ".join(part for part in (scene_words(context), _STILL) if part),
                    negative_prompt=_UNWANTED,
                    video=[to_pil(frame) for frame in frames],
                    mask=[mask_to_pil(look.wanted) for look in looks],
                    reference_images=[to_pil(reference)],
                    width=width,
                    height=height,
                    num_frames=len(looks),
                    num_inference_steps=options.steps,
                    guidance_scale=options.guidance,
                    generator=seeded(derived_seed(context.request.seed, "auxiliary views")),
                    output_type="np",
                    callback_on_step_end=watched(control, options.steps),
                )

        made = np.asarray(self._bench.shelf.run(_STAGE, options.model, call).frames[0], np.float32)
        if made.shape != (len(looks), height, width, 3) or not np.isfinite(made).all():
            raise GenerationError(_STAGE, f"{options.model.name} made {made.shape}, or no numbers")
        control.progress(1.0)
        return [
            composited(look.color, np.clip(frame, 0.0, 1.0), look.wanted)
            for look, frame in zip(looks, made, strict=True)
        ]


def scene_words(context: ZoomContext) -> str:
    """What is known in words about the place: what was asked for, and what this view was described by.

    Its parent's description stands in where the view has none of its own, or not yet.
    """
    said = ", ".join(context.words) or dict(context.parent.provenance).get("words", "")
    return ". ".join(part.strip() for part in (context.request.prompt, said) if part.strip())


def _not_in_front(camera: Camera, zeta: F32, rendered: F32, main: Camera, shown: F32) -> tuple[F32, Mask]:
    """``zeta`` [H, W] without what C_i would have seen, and where that is possible.

    A point in front of what C_i shows (``shown`` [h, w]) is in space that C_i has seen to be empty. The model was
    wrong there: what is behind the hole's rim goes on instead, where that is not in front as well.
    """

    def in_front(depth: F32) -> Mask:
        uv, seen = seen_from(camera, depth, main)
        there = at_pixels(shown, uv)
        with np.errstate(invalid="ignore"):
            return seen < there - _IN_FRONT * main.width

    wrong = in_front(zeta) & ~np.isfinite(rendered)
    if not wrong.any():
        return zeta, np.ones(zeta.shape, np.bool_)
    mended = np.where(wrong, behind_filled(rendered), zeta).astype(np.float32)
    return mended, ~(wrong & in_front(mended))
