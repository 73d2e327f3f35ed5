"""Worlds of chained zooms, hundreds deep, that show the same picture at every depth.

``plane_chain`` lays its surfels as generation does, without pictures to fit: 300 zooms take seconds. A
``PaintingStages`` generator goes the whole way of a zoom (observe, fit, lift, place, propose) for each.
"""

from dataclasses import dataclass, replace

import numpy as np
from plain_generator import PlainStages, plain_generator
from worlds import facing, first_camera, joined, lift, look_and_zoom, make_node, pictured, plane_view

from wonderzoom.generation.jobs import CreateRequest, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.generation.stages import ZoomContext
from wonderzoom.runtime.frames import aim, frame_of
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.ports import Control, FitSettings, Renderer
from wonderzoom.scene_graph.world import World

RATIO = 8.0
# Smaller than what is lifted: the reach of a coarse surfel in the middle stays within a small picture 8x finer.
SIGMA = 0.5


@dataclass(frozen=True)
class Chain:
    """A world, and for each of its nodes, from the root down, its id and the camera of its frame."""

    world: World
    nodes: tuple[str, ...]
    cameras: tuple[Camera, ...]


def painting(width: int, height: int) -> np.ndarray:
    """[H, W, 3] in [0, 1]: soft waves, brighter in the middle."""
    v, u = (np.mgrid[:height, :width] + 0.5) / np.array([height, width])[:, None, None]
    waves = [np.sin(7.0 * u + 2.0 * v), np.cos(6.0 * v - u), np.sin(5.0 * (u + v))]
    middle = np.exp(-8.0 * ((u - 0.5) ** 2 + (v - 0.5) ** 2))
    return np.clip(0.45 + 0.25 * np.stack(waves, -1) + 0.2 * middle[..., None], 0.0, 1.0)


def plane_chain(zooms: int, width: int = 72, height: int = 56, tilt: float = 0.2) -> Chain:
    """Zooms of 8x into one plane, each into the middle of the last."""
    camera = first_camera(width, height, 0.85 * width)
    plane = facing(camera, tilt)
    image = (painting(width, height) * 255.0 + 0.5).astype(np.uint8)
    world = World(WorldHeader(h_ref=max(64, height)))
    nodes: list[str] = []
    cameras: list[Camera] = []
    for _ in range(zooms + 1):
        if nodes:
            camera = look_and_zoom(camera, plane, width / 2, height / 2, RATIO)
            # The plane is given near the camera: far away its distance would be all rounding error.
            plane = replace(plane, point=camera.pivot)
        view = pictured(plane_view(camera, plane), image)
        node = make_node([view], nodes[-1] if nodes else None)
        world.apply(world.propose(node, joined([lift(view, plane, sigma=SIGMA, opacity=0.97)])))
        nodes.append(node.id)
        cameras.append(camera)
    return Chain(world, tuple(nodes), tuple(cameras))


class PaintingStages(PlainStages):
    """A generator that paints the same picture into every frame."""

    def upscale(self, context: ZoomContext, words: tuple[str, ...], control: Control) -> np.ndarray:
        camera, margin = context.observation.camera, context.observation.margin
        size = camera.width - 2 * margin, camera.height - 2 * margin
        rim = margin, margin
        return np.pad(painting(*size).astype(np.float32), (rim, rim, (0, 0)), "edge")


def painted_chain(zooms: int, renderer: Renderer, width: int = 96, height: int = 72) -> Chain:
    """The same by the pipeline: each zoom is aimed at what is seen, painted, fitted and proposed."""
    pipeline = Pipeline(
        plain_generator(PaintingStages()), renderer, CpuFitter(1), 1, FitSettings(iterations=3)
    )
    picture = (painting(width, height) * 255.0 + 0.5).astype(np.uint8)
    made = pipeline.create(CreateRequest(picture, focal=0.85 * width))
    world = World(made.header)
    world.apply(made.commit)
    nodes = [made.node]
    for _ in range(zooms):
        camera = aim(world, renderer, world.node(nodes[-1]), (0.5, 0.5), RATIO).camera
        zoomed = pipeline.zoom(world, ZoomRequest(camera, seed=1))
        world.apply(zoomed.commit)
        nodes.append(zoomed.node)
    frames = tuple(frame_of(world.node(node), world.header) for node in nodes)
    return Chain(world, tuple(nodes), frames)
