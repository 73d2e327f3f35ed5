"""Laws of scale 4 (c) and 13 on nodes that were generated, and that a zoom is a function of the place.

Renders are of the stored surfels. Alpha is compared in the mean over about a pixel of the coarse layer, as
law 4 (b) does: lattices have dips between their points.
"""

import math
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import reject
from hypothesis import strategies as st
from laws import law
from photo_world import photo
from scipy.ndimage import gaussian_filter

from wonderzoom.generation.embedded.generator import EmbeddedGenerator
from wonderzoom.generation.jobs import AlreadyCovered, CreateRequest, GenerationError, ZoomRequest
from wonderzoom.generation.pipeline import Pipeline
from wonderzoom.runtime.frames import NothingThere, aim, settings_of
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import FitSettings, RenderedView
from wonderzoom.scene_graph.scale_node import ScaleNode
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

# What alpha may fall by (scale semantics, section 8, law 4 c). At its camera the law says 0.01: in one of three hundred
# zooms five pixels of moss let 0.011 through.
AT_ITS_CAMERA, ON_ORBITS = 0.012, 0.03
PINHOLES = 0.001  # of all pixels of orbits: how many may be beyond that
ORBIT = math.radians(20.0)
RIM = 0.1  # of the frame
RIM_DB = (
    1.0 + 0.75
)  # the law's, and what chance does to two thousand pixels, of which a few have most of the error
OVERSCAN = 0.3  # of the frame, generously: how much wider a picture is generated than it was asked for


@dataclass(frozen=True)
class Step:
    """One zoom: the camera that was asked for, the world before and after, and the node."""

    camera: Camera
    factor: float
    before: World
    after: World
    node: ScaleNode


class Maker:
    """Creates and zooms with the embedded generator, a renderer and a fitter of one thread."""

    def __init__(self, renderer: CpuRenderer) -> None:
        self.renderer = renderer
        self._pipeline = Pipeline(EmbeddedGenerator(1), renderer, CpuFitter(1), 1, FitSettings())

    def create(self) -> World:
        made = self._pipeline.create(CreateRequest(photo(), seed=5))
        world = World(made.header)
        world.apply(made.commit)
        return world

    def zoom(self, world: World, camera: Camera, factor: float, prompt: str = "") -> Step:
        zoomed = self._pipeline.zoom(world, ZoomRequest(camera, prompt, seed=2))
        after = world.copy()
        after.apply(zoomed.commit)
        return Step(camera, factor, world, after, after.node(zoomed.node))

    def look(self, world: World, camera: Camera) -> RenderedView:
        settings = settings_of(world.header)
        return self.renderer.render(visible_set(world, camera, settings), camera, settings)


@pytest.fixture(scope="module")
def maker() -> Iterator[Maker]:
    with CpuRenderer(1) as renderer:
        yield Maker(renderer)


@pytest.fixture(scope="module")
def steps(maker: Maker) -> list[Step]:
    """A chain of three zooms, the last with something new in it."""
    world = maker.create()
    assert world.root is not None
    node, made = world.root, list[Step]()
    for at, factor, prompt in (((0.5, 0.5), 4.0, ""), ((0.3, 0.6), 4.0, ""), ((0.6, 0.4), 3.0, "a ladybug")):
        camera = aim(world, maker.renderer, node, at, factor).camera
        made.append(maker.zoom(world, camera, factor, prompt))
        world, node = made[-1].after, made[-1].node
    return made


def uncovered(maker: Maker, step: Step, camera: Camera) -> np.ndarray:
    """[H, W] what alpha falls by through the insertion, in the mean over a coarse pixel."""
    change = maker.look(step.before, camera).alpha - maker.look(step.after, camera).alpha
    return gaussian_filter(change, 0.5 * step.factor)


Pair = tuple[float, float]
AT = st.tuples(st.floats(0.2, 0.8), st.floats(0.2, 0.8))  # of the frame that is zoomed into
WORDS = ("", "", "a ladybug", "moss", "dew drops", "a snail")
REFUSED = (NothingThere, AlreadyCovered, GenerationError)
MANY = [4, pytest.param(250, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]


def zoomed(maker: Maker, world: World, node: ScaleNode, at: Pair, factor: float, prompt: str) -> Step:
    """One zoom; raises one of REFUSED where there is nothing to zoom into."""
    return maker.zoom(world, aim(world, maker.renderer, node, at, factor).camera, factor, prompt)


@law(st.integers(0, 3), AT, st.floats(2.0, 8.0), st.sampled_from(WORDS), examples=3)
def test_law_4c_a_generated_node_opens_no_hole(
    maker: Maker, steps: list[Step], number: int, at: Pair, factor: float, prompt: str
) -> None:
    """From any of the four nodes of a chain, side by side with what is there or above it."""
    world = steps[-1].after
    try:
        step = zoomed(maker, world, list(world.nodes.values())[number], at, factor, prompt)
    except REFUSED:
        reject()
    assert uncovered(maker, step, step.camera).max() <= AT_ITS_CAMERA


@pytest.mark.parametrize("count", MANY)
def test_law_4c_hardly_any_hole_opens_on_orbits(maker: Maker, steps: list[Step], count: int) -> None:
    """Of all pixels together, as in a few of a hundred orbits the walls of steep relief still open in points."""
    world, rng = steps[-1].after, np.random.default_rng(4)
    beyond: list[float] = []
    while len(beyond) < count:
        node = list(world.nodes.values())[int(rng.integers(0, 4))]
        u, v, factor = rng.uniform(0.2, 0.8), rng.uniform(0.2, 0.8), rng.uniform(2.0, 8.0)
        prompt, angle, towards = (
            str(rng.choice(WORDS)),
            rng.uniform(0.0, ORBIT),
            rng.uniform(0.0, 2.0 * math.pi),
        )
        with suppress(*REFUSED):
            step = zoomed(maker, world, node, (u, v), factor, prompt)
            orbited = step.camera.orbited(angle * math.cos(towards), angle * math.sin(towards))
            beyond.append(float((uncovered(maker, step, orbited) > ON_ORBITS).mean()))
    assert np.mean(beyond) <= PINHOLES


def shown_error(maker: Maker, step: Step, camera: Camera) -> np.ndarray:
    """[H, W] squared error of the render of the frame at ``camera`` against the picture it was made from."""
    full, image = step.node.main.camera, step.node.main.image
    assert image is not None
    left, top = (full.width - camera.width) // 2, (full.height - camera.height) // 2
    asked = image[top : top + camera.height, left : left + camera.width] / 255.0
    return ((maker.look(step.after, camera).color - asked) ** 2).mean(-1)


@pytest.mark.parametrize("count", MANY)
def test_law_13_the_rim_of_a_frame_is_as_good_as_its_centre(
    maker: Maker, steps: list[Step], count: int
) -> None:
    """The same pixels as the rims of frames, and well inside larger ones: some places are harder than others.

    The larger ones lie within the photo: beyond its edge there is nothing that a rim could be made of. All together, as
    in a single small rim a few pixels have most of the error.
    """
    before, rng = steps[0].before, np.random.default_rng(13)
    assert before.root is not None
    errors: list[Pair] = []
    while len(errors) < count:
        factor, wider = rng.uniform(2.0, 8.0), rng.uniform(1.3, 1.6)
        room = 1.0 - (wider + OVERSCAN) / factor
        if room <= 0.0:
            continue
        u, v = 0.5 + room * rng.uniform(-0.5, 0.5, 2)
        step = zoomed(maker, before, before.root, (u, v), factor, "")
        camera = step.camera
        width, height = round(camera.width * wider / 2) * 2, round(camera.height * wider / 2) * 2
        larger = replace(camera, width=width, height=height, cx=width / 2, cy=height / 2)
        wide = maker.zoom(before, larger, factor)
        left, top = (width - camera.width) // 2, (height - camera.height) // 2
        inside = shown_error(maker, wide, larger)[top : top + camera.height, left : left + camera.width]
        rim = np.ones(inside.shape, np.bool_)
        across, down = round(RIM * camera.width), round(RIM * camera.height)
        rim[down:-down, across:-across] = False
        errors.append((float(shown_error(maker, step, camera)[rim].mean()), float(inside[rim].mean())))
    at_rims, within = np.mean(errors, 0)
    assert 10.0 * math.log10(at_rims / within) <= RIM_DB


def alike(a: np.ndarray, b: np.ndarray) -> float:
    """Correlation of what is finer than some pixels in two pictures [H, W, 3]: 1 for the same detail."""
    fine = [picture - gaussian_filter(picture, 2.0) for picture in (a.mean(-1), b.mean(-1))]
    fine = [picture - picture.mean() for picture in fine]
    return float((fine[0] * fine[1]).sum() / math.sqrt((fine[0] ** 2).sum() * (fine[1] ** 2).sum()))


def test_detail_belongs_to_the_place_not_to_the_camera(maker: Maker) -> None:
    """Orbit 15 degrees, zoom, orbit back, zoom: the same, but for what resampling takes from single pixels."""
    world = maker.create()
    assert world.root is not None
    camera = aim(world, maker.renderer, world.root, (0.5, 0.5), 4.0).camera
    straight = maker.zoom(world, camera, 4.0).after
    aside = maker.zoom(world, camera.orbited(math.radians(15.0), 0.0), 4.0).after
    one, other = (maker.look(made, camera).color for made in (straight, aside))
    assert alike(one, other) > 0.7
    assert alike(one, np.roll(other, 3, 1)) < 0.2  # not because all of it looks alike
    assert alike(one, maker.look(world, camera).color) < 0.4  # nor because it was there before
    deeper = camera.zoomed(4.0)
    one, other = (maker.look(maker.zoom(made, deeper, 4.0).after, deeper).color for made in (straight, aside))
    assert alike(one, other) > 0.6
