"""What pyramids do to pictures: as many surfels as pixels ask for, whatever the fan-out, and nothing else to see."""

import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import strategies as st
from laws import law
from worlds import Plane, branching_world, facing, look_and_zoom, nested_world, plane_node, plane_world

from wonderzoom.runtime.renderers.coverage_kernels import CompiledLoops
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph import coverage_loops
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.scales import MIP_FADE
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

WIDTH, HEIGHT = 96, 72
# Surfels that touch a picture, per pixel: of the layer that is seen, and of the finer one that begins to show.
MOST_PER_PIXEL = 6.0
ZOOMS = (0.2, 0.5, 0.9, 1.0, 1.4, 2.0, 3.2, 5.0)


def picture(renderer: CpuRenderer, world: World, camera: Camera, mips: bool) -> np.ndarray:
    settings = RenderSettings(h_ref=HEIGHT, mips=mips, background=(0.5, 0.5, 0.5))
    shown = renderer.render(visible_set(world, camera, settings), camera, settings).color
    return np.clip(shown.astype(np.float64), 0.0, 1.0)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10.0 * np.log10(((a - b) ** 2).mean() + 1e-12))


@pytest.mark.parametrize("zoom", [1.5, 1.0, 0.7, 0.5, 0.3, 0.15])
def test_pyramids_show_what_the_surfels_do(zoom: float) -> None:
    """At most 1/100 off, root mean square, also next to the same view in sixteen times the pixels."""
    world, cameras = nested_world(1, tilt=0.4, width=WIDTH, height=HEIGHT)
    camera = cameras[0].orbited(0.1, 0.05).zoomed(zoom)
    fine = camera.resized(4 * WIDTH, 4 * HEIGHT)
    with CpuRenderer(2) as renderer:
        plain, merged = (picture(renderer, world, camera, mips) for mips in (False, True))
        assert psnr(merged, plain) >= 40.0
        smooth = picture(renderer, world, fine, False).reshape(HEIGHT, 4, WIDTH, 4, 3).mean((1, 3))
        assert psnr(merged, smooth) >= 38.0


def test_where_no_pixel_is_larger_than_a_native_one_pyramids_change_nothing() -> None:
    world, cameras = nested_world(0, tilt=0.4, width=WIDTH, height=HEIGHT)
    camera = cameras[0].orbited(0.1, 0.05).zoomed(1.5)
    with CpuRenderer(2) as renderer:
        plain, merged = (picture(renderer, world, camera, mips) for mips in (False, True))
    assert np.array_equal(plain, merged)


def crowd(side: int) -> tuple[World, list[Camera]]:
    """A root with ``side`` squared children side by side, each ten times finer."""
    clicks = [((k % side + 0.5) / side, (k // side + 0.5) / side, 10.0) for k in range(side * side)]
    return branching_world(clicks, grandchildren=0, width=WIDTH, height=HEIGHT)


@pytest.mark.parametrize("side", [1, 3, pytest.param(10, marks=pytest.mark.slow)])
def test_drawn_surfels_are_bounded_whatever_the_fan_out(side: int) -> None:
    """Law 10: children have as many surfels as their parent each, but their parent's view draws a few a pixel."""
    world, cameras = crowd(side)
    drawn: dict[bool, list[float]] = {False: [], True: []}
    with CpuRenderer(2) as renderer:
        for zoom in ZOOMS:
            for mips, counts in drawn.items():
                picture(renderer, world, cameras[0].zoomed(zoom), mips)
                counts.append(renderer.statistics.drawn / (WIDTH * HEIGHT))
    assert max(drawn[True]) <= MOST_PER_PIXEL
    if side >= 3:
        assert max(drawn[False]) > max(drawn[True])


# Of small pictures, so that a thousand crowds can be asked.
SMALL = (32, 24)
# A level has handed over to the next where a pixel is 2**(1 + f/2) of its pixels wide, f octaves being how long that
# takes: both are drawn there, and, where a finer node takes over from a coarser one, that one's level 0, one a pixel.
A_PIXEL_FACED = 4 ** (1 + MIP_FADE / 2) + 4 ** (MIP_FADE / 2) + 1
# Beside the picture, pixels from which a surfel reaches in: 3.33 sigma of 0.7 of one, with the filter of a tenth.
BESIDE = 2.5


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    before = coverage_loops.use(CompiledLoops())  # a crowd is made of some fifty insertions
    with CpuRenderer(1) as made:
        yield made
    coverage_loops.use(before)


def slants(camera: Camera, plane: Plane) -> np.ndarray:
    """[H, W] how much the rays of pixels head for a plane: 1 in the middle of one that faces the camera.

    Surfels are one a pixel where they were made; where they are seen, as many as this is there of what it is here.
    """
    towards = (camera.pixel_centres() - (camera.cx, camera.cy)) / math.exp(camera.ln_f)
    return np.abs(towards @ plane.seen(camera)[:2] + plane.seen(camera)[2])


def scattered(side: int, holes: set[int], ratios: list[float], tilt: float) -> tuple[World, Camera]:
    """A root with children in most squares of a board of ``side`` squared, each finer by a ratio of its own."""
    width, height = SMALL
    world, (camera,) = plane_world(width, height, focal=0.85 * width, tilt=tilt)
    plane, root = facing(camera, tilt), next(iter(world.nodes))
    adding = []
    for square in range(side * side):
        if square in holes:
            continue
        u, v = (square % side + 0.5) / side * width, (square // side + 0.5) / side * height
        ratio = max(1.5, side) * ratios[square % len(ratios)]
        there = look_and_zoom(camera, plane, u, v, ratio)
        adding.append(plane_node(there, replace(plane, point=there.pivot), root, seed=square))
    world.apply(world.propose_change(adding))
    return world, camera


@law(
    side=st.integers(1, 10),
    holes=st.sets(st.integers(0, 99), max_size=20),
    ratios=st.lists(st.floats(1.0, 3.0), min_size=1, max_size=5),
    tilt=st.floats(-0.6, 0.6),
    yaw=st.floats(-0.6, 0.6),
    pitch=st.floats(-0.4, 0.4),
    ln_zoom=st.floats(math.log(0.15), math.log(12.0)),
    examples=3,
)
def test_law_10_a_few_surfels_a_pixel_whatever_the_fan_out(
    renderer: CpuRenderer,
    side: int,
    holes: set[int],
    ratios: list[float],
    tilt: float,
    yaw: float,
    pitch: float,
    ln_zoom: float,
) -> None:
    """One to a hundred children beside each other, from afar, from among them and along the surface.

    The bound is what levels of pyramids ask for, six and a half surfels a pixel that faces the surface. One that
    sees it at a slant sees more of it, which is a property of the view and not of the world.
    """
    world, root = scattered(side, holes - {0}, ratios, tilt)
    plane, (width, height) = facing(root, tilt), SMALL
    rim = (width + 2 * BESIDE) * (height + 2 * BESIDE) / (width * height)
    for zoom in (math.exp(ln_zoom), 0.5 * side, side):
        camera = root.orbited(yaw, pitch).zoomed(zoom)
        how = RenderSettings(h_ref=height, mips=True)
        seen = renderer.render(visible_set(world, camera, how), camera, how)
        shown = seen.alpha > 0.02
        pixels = (slants(root, plane).max() / slants(camera, plane)[shown]).sum()
        assert seen.drawn <= A_PIXEL_FACED * max(1.0, pixels) * rim
