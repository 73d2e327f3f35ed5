"""What pyramids do to pictures: as many surfels as pixels ask for, whatever the fan-out, and nothing else to see."""

import numpy as np
import pytest
from worlds import branching_world, nested_world

from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderSettings
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
