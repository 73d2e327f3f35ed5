"""The chart of a view: the picture on whose pixels all detail below it is a function of place.

A chart is the main view of one node, at first the root's photo. Every pixel of a deeper view finds its place
on it through the two cameras, so that the same place has the same texture from everywhere. float64 tells
places apart to about 1e-13 of the chart; a view that is ``RESTART`` times finer becomes the next chart with
its own picture, and the depth has no end. Pictures that another generator made are charts too: what they show
is not a function of any other. Owns the choice of the chart, its real size and the way from pixels to places.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import fill_from_nearest
from wonderzoom.generation.embedded.features import features_of
from wonderzoom.generation.embedded.label_kernels import sample_rows
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.materials import MaterialMap, materials_of
from wonderzoom.generation.embedded.memory import own_memory
from wonderzoom.generation.embedded.sky import sky_mask
from wonderzoom.generation.embedded.surface import Picture, picture_of
from wonderzoom.scene_graph.camera import Camera, bounded_exp
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.world import World

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]

# Chart pixels per pixel of a view below which the view starts a chart of its own: 1e-7 leaves float64 six
# digits below the pixel.
RESTART = 1e-7
# Below the last rung of every material the tail of the ladders repeats; a chart's real size is moved up by whole
# periods of it from here on, so that neither sizes nor the walk down to them end.
SMALLEST_METRES = 1e-16
TAIL_PERIOD = LADDERS.tail_ratio ** len(LADDERS.tail)
MOST_CHARTS = 4  # measured pictures kept: one a chart of the worlds in use


@dataclass(frozen=True, slots=True, eq=False)
class ChartView:
    """Where a view's pixels lie on their chart."""

    node: str  # whose main view the chart is
    is_root: bool
    camera: Camera  # of the chart
    picture: Picture
    places: F64  # [H, W, 2] pixels of the chart
    scale: F64  # [H, W] pixels of the chart per pixel of the view
    metres: float  # real size of a pixel of the chart
    seed: int


def places_on(chart: Camera, camera: Camera, zeta: NDArray[np.floating]) -> tuple[F64, F64]:
    """(places [H, W, 2] on the chart, chart pixels per pixel [H, W]) of a view's pixels at zeta."""
    points = camera.unproject(camera.pixel_centres(), zeta)
    matrix, origin = chart.map_from(camera)
    places, there = chart.project(points @ matrix.T + origin)
    here = 1.0 + points[..., 2] * camera.inverse_f
    scale = bounded_exp(camera.ln_scale - chart.ln_scale) * np.maximum(here, 1e-6) / np.maximum(there, 1e-6)
    return places, scale


def chart_node(world: World, node: str) -> ScaleNode:
    """The nearest ancestor (or itself) whose main view is a chart; the root at last."""
    path = world.path(node)
    for each in reversed(path):
        memory = own_memory(each)
        if each.main.has_image and (memory is None or memory.chart):
            return each
    return path[0]


def starts_chart(view: ChartView) -> bool:
    """Whether the node of this view is the chart of what is below it."""
    return _middle(view.scale) < RESTART


def metres_below(view: ChartView, restarts: bool = False) -> float:
    """Real size of a pixel of the chart that views below this one have; it ``restarts`` for other reasons, too."""
    if not (restarts or starts_chart(view)):
        return view.metres
    return wrapped(view.metres * _middle(view.scale))


def wrapped(metres: float) -> float:
    """The same phase of the endless tail at a size that numbers can hold."""
    while metres < SMALLEST_METRES:
        metres *= TAIL_PERIOD
    return metres


def _middle(scale: F64) -> float:
    return float(scale[scale.shape[0] // 2, scale.shape[1] // 2])


@dataclass(slots=True)
class Charts:
    """The charts of worlds, measured once each."""

    _pictures: dict[str, Picture] = field(default_factory=dict[str, Picture])

    def view(self, world: World, parent: str, camera: Camera, zeta: F32, seed: int) -> ChartView:
        """The chart of a view below ``parent``; ``zeta`` [H, W] finite."""
        node = chart_node(world, parent)
        main = node.main.camera
        places, scale = places_on(main, camera, zeta)
        metres = self._metres(world, parent, node, camera.ln_scale - math.log(_middle(scale)))
        root = world.root
        own_seed = seed if root is None else root.seed
        picture = self._picture(world, node)
        return ChartView(node.id, node.parent is None, main, picture, places, scale, metres, own_seed)

    def _metres(self, world: World, parent: str, node: ScaleNode, ln_pixel: float) -> float:
        """Real size of a chart pixel: inherited along a chain, else what the header says of the depth here.

        ``ln_pixel``: ln of that size in root edges. The first zoom below a photo chooses a power of two of the
        size at its own depth: neighbours at slightly different depths get the same ladder.
        """
        memory = own_memory(world.node(parent))
        if memory is not None and (parent != node.id or node.parent is not None):
            return memory.metres_per_pixel
        header = world.header
        wanted = wrapped(bounded_exp(ln_pixel) * header.root_edge * header.metres_per_unit)
        base = 1.0 if memory is None else memory.metres_per_pixel
        return base * 2.0 ** round(math.log2(wanted / base))

    def _picture(self, world: World, node: ScaleNode) -> Picture:
        """The chart's picture, measured."""
        known = self._pictures.get(node.id)
        if known is not None:
            return known
        if node.main.image is None:
            raise ValueError(f"node {node.id} keeps no picture, so nothing can be generated below it")
        image = node.main.image.astype(np.float32) / 255.0
        features = features_of(image)
        memory = own_memory(node)
        grown = node.parent is not None and memory is not None and not memory.measured
        if grown:
            materials = self._inherited(world, node)
        else:
            materials = materials_of(image, features, sky_mask(image, features))
        picture = picture_of(image, materials, features, grown)
        while len(self._pictures) >= MOST_CHARTS:
            del self._pictures[next(iter(self._pictures))]
        self._pictures[node.id] = picture
        return picture

    def _inherited(self, world: World, node: ScaleNode) -> MaterialMap:
        """The materials of a chart inside another chart: those of the other, at its places."""
        assert node.parent is not None
        zeta = fill_from_nearest(np.nan_to_num(node.main.zeta), np.isfinite(node.main.zeta))
        view = self.view(world, node.parent, node.main.camera, zeta, node.seed)
        outer = view.picture.materials
        weights = np.empty((*zeta.shape, len(outer.names)))
        given = (view.places, np.ascontiguousarray(view.scale), np.ascontiguousarray(outer.weights))
        sample_rows(0, len(zeta), *given, False, np.uint64(0), weights)
        return MaterialMap(outer.names, weights.astype(np.float32))
