"""The pictures that the page draws of surfels, in a real browser, against the server's renderer: the same camera, the
same blocks."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from bench_page import GROUND, bench_page
from numpy.typing import NDArray
from worlds import Plane, facing, first_camera, plane_node

from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import WorldHeader
from wonderzoom.scene_graph.picking import pick
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("browser")]

WIDTH, HEIGHT, H_REF = 320, 240, 72
LEAST_DB = 35.0


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


def _world(levels_down: int = 0) -> tuple[World, Camera, Camera]:
    """A plane and a zoom into it, and the cameras of both."""
    world, camera = World(WorldHeader(h_ref=H_REF)), first_camera(96, H_REF, 80.0, levels_down)
    plane = facing(camera, 0.3)
    node, blocks = plane_node(camera, plane)
    world.apply(world.propose(node, blocks))
    zoomed = camera.zoomed(4.0)
    finer, blocks = plane_node(zoomed, Plane(zoomed.pivot, plane.normal), node.id)
    world.apply(world.propose(finer, blocks))
    return world, camera.resized(WIDTH, HEIGHT), zoomed.resized(WIDTH, HEIGHT)


def _half_way(visible: VisibleSet) -> VisibleSet:
    """As if the zoom had come six tenths of its way."""
    deepest = max(visible.blocks, key=lambda block: block.cell.level).node
    assert {block.node for block in visible.blocks} > {deepest}
    return replace(
        visible,
        residencies=tuple(0.6 if block.node == deepest else 1.0 for block in visible.blocks),
        child_residencies=tuple(0.6 for _ in visible.blocks),
    )


def decibels(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    return float(10 * np.log10(255.0**2 / max(np.mean((one.astype(np.float64) - other) ** 2), 1e-9)))


VIEWS = {
    "the first picture": lambda first, zoomed: first,
    "between two scales, turned": lambda first, zoomed: first.zoomed(2.0).orbited(0.2, 0.1),
    "a zoom": lambda first, zoomed: zoomed,
    "closer than there is detail": lambda first, zoomed: zoomed.zoomed(4.0),
    "far away, pyramids": lambda first, zoomed: first.zoomed(0.25),
    "a surfel larger than the picture": lambda first, zoomed: zoomed.zoomed(2.0**16),
}


@pytest.mark.parametrize("deep", [0, 700], ids=["at the top", "700 octaves down"])
@pytest.mark.parametrize("view", VIEWS)
def test_the_page_draws_what_the_server_draws(
    view: str, deep: int, chrome: Any, renderer: CpuRenderer
) -> None:
    world, first, zoomed = _world(deep)
    camera = VIEWS[view](first, zoomed)
    settings = RenderSettings(h_ref=H_REF, background=GROUND, mips=True)
    visible = visible_set(world, camera, settings)
    with bench_page(chrome, (WIDTH, HEIGHT)) as page:
        shown = page.draw(visible, camera, settings)
        _same(page.complaints, shown, visible, camera, settings, renderer)
    assert (shown.said["large"] > 0) == ("larger than" in view)


def test_inside_a_fade_and_in_the_radial_metric(chrome: Any, renderer: CpuRenderer) -> None:
    world, first, _ = _world()
    camera = first.zoomed(2.0)
    settings = RenderSettings(h_ref=H_REF, background=GROUND, mips=True, metric="radial")
    visible = _half_way(visible_set(world, camera, settings))
    whole = renderer.render_color(visible_set(world, camera, settings), camera, settings)[..., :3]
    with bench_page(chrome, (WIDTH, HEIGHT)) as page:
        shown = page.draw(visible, camera, settings)
        _same(page.complaints, shown, visible, camera, settings, renderer)
        assert decibels(shown.picture, whole) < LEAST_DB, "a fade looks different from its end"


def test_blocks_come_and_go_and_the_picture_is_that_of_those_that_stay(
    chrome: Any, renderer: CpuRenderer
) -> None:
    world, first, zoomed = _world()
    settings = RenderSettings(h_ref=H_REF, background=GROUND, mips=True)
    with bench_page(chrome, (WIDTH, HEIGHT)) as page:
        for camera in (first, zoomed, first.zoomed(0.25), zoomed.zoomed(2.0), first):
            visible = visible_set(world, camera, settings)
            shown = page.draw(visible, camera, settings)
            _same(page.complaints, shown, visible, camera, settings, renderer)
            assert page.page.evaluate(
                "() => { picture.store.drop([...picture.store.held.keys()].slice(0, 3)); return true; }"
            )


def _same(
    complaints: list[str],
    shown: Any,
    visible: VisibleSet,
    camera: Camera,
    settings: RenderSettings,
    renderer: CpuRenderer,
) -> None:
    assert shown.said["settled"] > 0 and shown.said["error"] == 0 and complaints == []
    wanted = renderer.render_color(visible, camera, settings)[..., :3]
    quality = decibels(shown.picture, wanted)
    assert quality >= LEAST_DB, f"{quality:.1f} dB"
    there = pick(renderer.render(visible, camera, settings), visible, camera, WIDTH / 2, HEIGHT / 2)
    assert there is not None and shown.said["zeta"] is not None
    # Places come within a 110th of their native pixel.
    native = np.exp(there.ln_scale - camera.ln_scale)
    assert abs(shown.said["zeta"] - there.zeta) < 0.05 * max(1.0, native)
