"""The simplest generator that keeps the contracts: enlarges what is there, lays what a prompt names.

Words: ``red`` paints a red disc on the surface (a material), ``ball`` puts a blue ball in front of it (a
structure); every other word is ignored, and said to be. Stages can be told to fail or to cancel.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from wonderzoom.generation.depth_registration import fill_from_nearest, register_depth
from wonderzoom.generation.jobs import CreateRequest, GenerationError
from wonderzoom.generation.stages import Edited, Generator, InitialDepth, Layer, Outpainted, ZoomContext
from wonderzoom.scene_graph.ports import Control
from wonderzoom.scene_graph.surfels import FILL

NAME = "plain/1"
RED, BLUE = np.array([0.9, 0.1, 0.1], np.float32), np.array([0.1, 0.2, 0.9], np.float32)
RADIUS = 0.25  # of the short side
BALL_HEIGHT = 0.2  # of the short side, toward the camera


@dataclass
class PlainStages:
    """All stages of one generator; ``on_stage`` is called with the name of each as it begins."""

    on_stage: Callable[[str], None] = lambda _name: None
    contexts: list[ZoomContext] = field(default_factory=list)
    knows_depth: bool = True  # of what it paints beside the world

    def estimate(self, request: CreateRequest, focal: float, control: Control) -> InitialDepth:
        self.on_stage("depth")
        height, width = request.image.shape[:2]
        if request.depth is not None:
            sky = request.sky if request.sky is not None else np.zeros((height, width), np.bool_)
            return InitialDepth(request.depth, sky, request.metres_per_unit or 1.0)
        depth = np.full((height, width), 2.0, np.float32)
        return InitialDepth(depth, np.zeros((height, width), np.bool_), 1.0, ("depth is flat",))

    def complete(
        self, request: CreateRequest, main: Layer, sky: Layer | None, control: Control
    ) -> list[Layer]:
        self.on_stage("auxiliary")
        return []

    def outpaint(self, context: ZoomContext, holes: np.ndarray, control: Control) -> Outpainted:
        """The colours of the nearest pixels, on a wall at the depth of the middle; the top fifth is sky."""
        self.on_stage("outpaint")
        seen = context.observation
        channels = [fill_from_nearest(np.ascontiguousarray(seen.color[..., k]), ~holes) for k in range(3)]
        wall = np.full(holes.shape, np.nanmedian(seen.zeta), np.float32) if self.knows_depth else None
        sky = holes & (np.arange(len(holes)) < len(holes) // 5)[:, None]
        return Outpainted(np.stack(channels, -1), sky, wall)

    def describe(self, context: ZoomContext, control: Control) -> tuple[str, ...]:
        self.on_stage("describe")
        self.contexts.append(context)
        return ("plain",)

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> np.ndarray:
        self.on_stage("upscale")
        return np.clip(context.observation.color, 0.0, 1.0)

    def edit(self, context: ZoomContext, image: np.ndarray, control: Control) -> Edited:
        self.on_stage("edit")
        words = context.request.prompt.split()
        height, width = image.shape[:2]
        v, u = np.mgrid[:height, :width] + 0.5
        distance = np.hypot(u - width / 2, v - height / 2) / min(height, width)
        disc = distance < RADIUS
        nothing = np.zeros_like(disc)
        ignored = tuple(word for word in words if word not in ("red", "ball"))
        placed = tuple(word for word in words if word in ("red", "ball"))
        if "ball" in words:
            cap = np.sqrt(np.maximum(RADIUS**2 - distance**2, 0.0)) / RADIUS
            surface = np.nan_to_num(context.observation.zeta)
            zeta = np.where(disc, surface - BALL_HEIGHT * min(height, width) * cap, np.nan)
            painted = np.where(disc[..., None], BLUE, image).astype(np.float32)
            return Edited(painted, disc, disc, zeta.astype(np.float32), image, placed, ignored)
        if "red" in words:
            painted = np.where(disc[..., None], RED, image).astype(np.float32)
            return Edited(painted, disc, nothing, None, None, placed, ignored)
        return Edited(image, nothing, nothing, None, None, placed, ignored)

    def register(self, context: ZoomContext, edited: Edited, control: Control) -> np.ndarray:
        self.on_stage("depth")
        zeta, _ = register_depth(context.observation.zeta, edited.image, context.observation.factor)
        return (
            zeta if edited.structure_zeta is None else np.where(edited.structure, edited.structure_zeta, zeta)
        )

    def segment(self, context: ZoomContext, edited: Edited, control: Control) -> np.ndarray:
        self.on_stage("segment")
        return edited.structure.astype(np.int32)

    def synthesise(self, context: ZoomContext, edited: Edited, main: Layer, control: Control) -> list[Layer]:
        self.on_stage("auxiliary")
        if edited.under is None:
            return []
        hidden = cv2.dilate(edited.structure.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        zeta, _ = register_depth(context.observation.zeta, edited.under, context.observation.factor)
        return [Layer(main.camera, edited.under, zeta, hidden, "fill", FILL)]

    def initial(self, request: CreateRequest, depth: InitialDepth, main: Layer) -> bytes:
        return b"root"

    def after_zoom(self, context: ZoomContext, edited: Edited) -> bytes:
        return b"zoom"


def plain_generator(stages: PlainStages | None = None, outpaints: bool = False) -> Generator:
    """All stages from one object; on demand it paints beside the world, too."""
    all_of_it = stages or PlainStages()
    return Generator(NAME, *([all_of_it] * 9), outpaint=all_of_it if outpaints else None)


def failing_at(stage: str) -> Callable[[str], None]:
    """For ``PlainStages.on_stage``: that stage fails."""

    def on_stage(name: str) -> None:
        if name == stage:
            raise GenerationError("upscale", f"{stage} was told to fail", retryable=True)

    return on_stage
