"""A world of one photo, a box in front of a wall with nothing behind it, and one zoom into the box's edge."""

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np
from plain_generator import PlainStages, plain_generator

from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.observation import observe
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.stages import Edited, Layer, ZoomContext
from wonderzoom.runtime.frames import aim
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.ports import Control, FitSettings
from wonderzoom.scene_graph.world import World

SIZE = (96, 72)


@dataclass
class StepZoom:
    """What the stages of a zoom have when auxiliary views are asked for."""

    world: World
    context: ZoomContext
    edited: Edited
    main: Layer


@cache
def _world() -> World:
    width, height = SIZE
    coarse = np.random.default_rng(1).random((height // 8, width // 8, 3))
    picture = (np.clip(cv2.resize(coarse, SIZE, interpolation=cv2.INTER_CUBIC), 0, 1) * 255).astype(np.uint8)
    depth = np.full((height, width), 3.0, np.float32)
    depth[24:, 30:60] = 1.6
    with CpuRenderer(1) as renderer:
        pipeline = Pipeline(plain_generator(), renderer, CpuFitter(1), 1, FitSettings(iterations=3))
        made = pipeline.create(CreateRequest(picture, depth=depth, focal=80.0))
    world = World(made.header)
    world.apply(made.commit)
    return world


def step_zoom(renderer: CpuRenderer, prompt: str = "", factor: float = 2.0) -> StepZoom:
    """A zoom at the box's right edge, up to where its main layer is known."""
    world = _world()
    assert world.root is not None
    camera = aim(world, renderer, world.root, (0.62, 0.6), factor).camera
    request = ZoomRequest(camera, prompt=prompt, seed=7)
    observation = observe(world, camera, renderer)
    context = ZoomContext(world, request, observation, world.root, 1)
    stages = PlainStages()
    edited = stages.edit(context, stages.upscale(context, (), Control()), Control())
    zeta = stages.register(context, edited, Control())
    mask = np.isfinite(observation.zeta) & ~observation.covered
    return StepZoom(world, context, edited, Layer(observation.camera, edited.image, zeta, mask))
