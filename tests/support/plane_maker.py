"""A maker of worlds for tests of what runs generation: every picture is a plane, every zoom a finer one.

The world and its store are the real ones; only what is drawn and generated is simple.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from worlds import Plane, facing, pictured, plane_node

from wonderzoom.generation.ablations import Ablations
from wonderzoom.generation.jobs import Created, CreateRequest, StageEvent, Watch, Zoomed, ZoomRequest
from wonderzoom.runtime.build import Painter
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.progress import Reporter
from wonderzoom.scene_graph.camera import Camera, initial_camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.page_cache import PageCache
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.world import World

GENERATOR = "planes/1"
SIDE = 64


def request(seed: int = 0) -> CreateRequest:
    """A small picture, other ones for other seeds."""
    picture = np.random.default_rng(seed).integers(0, 256, (SIDE, 96, 3), dtype=np.uint8)
    return CreateRequest(picture, focal=80.0, seed=seed)


class PointRenderer:
    """Draws every surfel as three by three pixels, near over far: enough to point at things, and quick."""

    name = "points"

    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        shape = (camera.height, camera.width)
        first, points, colors, rows = 0, [np.zeros((0, 3))], [np.zeros((0, 3))], [np.zeros(0, np.int64)]
        for block in visible.blocks:
            frame = camera.cell_frame(block.cell)
            points.append(block.surfels.means @ frame.matrix.T + frame.origin)
            colors.append(block.surfels.colors / 255.0)
            rows.append(np.arange(first, first + len(block.surfels)))
            first += len(block.surfels)
        point, shade, row = np.concatenate(points), np.concatenate(colors), np.concatenate(rows)
        order = np.argsort(-point[:, 2], kind="stable")  # far ones first
        uv, depth = camera.project(point[order])
        order, uv = order[depth > 0.01], uv[depth > 0.01]
        left, top = np.floor(uv).astype(int).T
        shown = np.full(shape, -1, np.int64)
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                x, y = left + dx, top + dy
                seen = (x >= 0) & (x < shape[1]) & (y >= 0) & (y < shape[0])
                shown[y[seen], x[seen]] = order[seen]
        there = shown >= 0
        ids, zeta = np.full(shape, -1, np.int64), np.full(shape, np.nan, np.float32)
        color = np.broadcast_to(np.asarray(settings.background, np.float32), (*shape, 3)).copy()
        ids[there], zeta[there], color[there] = (values[shown[there]] for values in (row, point[:, 2], shade))
        alpha = (ids >= 0).astype(np.float32)
        return RenderedView(color, alpha, zeta, ids, len(point))

    def render_color(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> np.ndarray:
        return self.render_depth(visible, camera, settings)[0]

    def render_depth(
        self, visible: VisibleSet, camera: Camera, settings: RenderSettings
    ) -> tuple[np.ndarray, np.ndarray]:
        view = self.render(visible, camera, settings)
        opaque = np.full((*view.color.shape[:2], 1), 255, np.uint8)
        return np.concatenate([(view.color * 255.0 + 0.5).astype(np.uint8), opaque], -1), view.zeta


class PlaneMaker:
    """Implements ``runtime.build.Maker``; ``before_zoom`` hears the number of each zoom."""

    def __init__(self, renderer: Painter, reporter: Reporter) -> None:
        self.renderer, self.reporter, self.pages = renderer, reporter, PageCache()
        self.zooms = 0
        self.creations = 0
        self.before_zoom: Callable[[int], None] = lambda _number: None
        self.ablations = Ablations()

    def generator_name(self, generator: str) -> str:
        return GENERATOR

    def imagine(self, generator: str, prompt: str, seed: int, watch: Watch) -> np.ndarray:
        if generator != "painter":
            raise UsageError(f"the generator {generator!r} makes no pictures from words")
        watch.event(StageEvent("edit", 0.5))
        return request(sum(map(ord, prompt)) + seed).image

    def create(self, generator: str, request: CreateRequest, watch: Watch) -> Created:
        self.creations += 1
        watch.event(StageEvent("depth", 0.5))
        camera = initial_camera(request.focal or 80.0, request.image.shape[1], request.image.shape[0], -1.6)
        world = World(WorldHeader(h_ref=min(request.image.shape[:2])))
        node, blocks = plane_node(camera, facing(camera))
        node = self._named(node, request.prompt, request.seed)
        node = replace(node, views=(pictured(node.views[0], request.image),))
        return Created(world.header, world.propose(node, blocks), node.id)

    def zoom(self, generator: str, world: World, request: ZoomRequest, watch: Watch) -> Zoomed:
        self.zooms += 1
        self.before_zoom(self.zooms)
        watch.event(StageEvent("upscale", 0.5))
        replacing = request.node if request.mode == "replace" else None
        parent = request.node or next(reversed(world.nodes))  # the newest is the finest here
        if replacing is not None:
            parent = world.node(replacing).parent
        # Generated pictures have a rim that nobody asked for.
        tilt = 0.0 if self.ablations.registration else 0.6
        plane = Plane(request.camera.pivot, (tilt, 0.0, -1.0))
        node, blocks = plane_node(request.camera.widened(4), plane, parent)
        node = self._named(node, request.prompt, request.seed)
        words = request.prompt.split()
        ignored = tuple(word for word in words if word.startswith("un"))
        placed = tuple(word for word in words if word not in ignored)
        return Zoomed(world.propose(node, blocks, replacing), node.id, ignored, placed)

    def ablated(self, ablations: Ablations) -> "PlaneMaker":
        """Without registration a zoom's plane is tilted; auxiliary views it has none to leave out."""
        other = PlaneMaker(self.renderer, self.reporter)
        other.ablations = ablations
        return other

    def _named(self, node: ScaleNode, prompt: str, seed: int) -> ScaleNode:
        asked = hashlib.blake2b(f"{prompt} {seed}".encode(), digest_size=3).hexdigest()
        name = f"{node.id}-{asked}"
        return replace(node, id=name, prompt=prompt, seed=seed, generator=GENERATOR)
