import math
from collections.abc import Iterator

import numpy as np
import pytest
from step_world import StepZoom, step_zoom
from worlds import first_camera

from wonderzoom.generation.models.partial_world import SHOWN, PartialWorld, at_pixels, seen_from
from wonderzoom.generation.stages import Layer
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.surfels import FILL


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture(scope="module")
def zoom(renderer: CpuRenderer) -> StepZoom:
    return step_zoom(renderer)


def test_a_turned_camera_sees_holes_that_a_layer_closes(zoom: StepZoom, renderer: CpuRenderer) -> None:
    before = zoom.world.digest()
    partial = PartialWorld(zoom.world, zoom.context.parent, renderer)
    partial.add([zoom.main], 0)
    straight = partial.look(zoom.main.camera)
    margin = 4  # half of a rim pixel's neighbours are missing
    inner = np.s_[margin:-margin, margin:-margin]
    assert not straight.empty[inner].any()
    assert np.nanmedian(np.abs(straight.zeta - zoom.main.zeta)) < 1.0
    assert np.abs(straight.color - zoom.edited.image)[inner].mean() < 0.05
    side = zoom.main.camera.orbited(math.radians(-12.0), 0.0)
    other = zoom.main.camera.orbited(math.radians(12.0), 0.0)
    look = max(partial.look(side), partial.look(other), key=lambda each: int(each.empty[inner].sum()))
    assert look.empty[inner].sum() > 100
    assert np.isnan(look.zeta[look.empty]).all() and np.isfinite(look.zeta[~look.empty]).all()
    assert (look.wanted & ~look.empty).any() and not (look.empty & ~look.wanted).any()
    # A wall far behind fills what was empty, and nothing else.
    deep = np.full(look.empty.shape, np.nanmax(look.zeta) + 5.0, np.float32)
    fill = Layer(look.camera, np.full((*deep.shape, 3), 0.5, np.float32), deep, look.empty, "auxiliary", FILL)
    partial.add([fill], 0)
    again = partial.look(look.camera)
    assert again.empty[inner].sum() < 0.1 * look.empty[inner].sum()
    whole = ~look.wanted
    assert np.abs(again.color - look.color)[whole].mean() < 0.01
    assert zoom.world.digest() == before
    assert 0.5 < SHOWN < 1.0


def test_nothing_is_added_of_a_layer_without_depth(zoom: StepZoom, renderer: CpuRenderer) -> None:
    partial = PartialWorld(zoom.world, zoom.context.parent, renderer)
    shape = zoom.main.mask.shape
    blank = Layer(zoom.main.camera, zoom.main.image, np.full(shape, np.nan, np.float32), np.ones(shape, bool))
    first = partial.look(zoom.main.camera)
    partial.add([blank], 0)
    assert np.array_equal(partial.look(zoom.main.camera).color, first.color)


def test_points_are_found_again_in_another_camera() -> None:
    camera = first_camera()
    zeta = np.full((camera.height, camera.width), 6.0, np.float32)
    zeta[0, 0] = np.nan
    uv, depth = seen_from(camera, zeta, camera)
    centres = camera.pixel_centres()
    assert np.isnan(uv[0, 0]).all() and np.isnan(depth[0, 0])
    assert np.allclose(uv[1:], centres[1:]) and np.allclose(depth[1:], 6.0)
    other = camera.orbited(0.2, -0.1)
    uv, depth = seen_from(camera, zeta, other)
    point = other.unproject(uv[20, 30], depth[20, 30])
    matrix, origin = other.map_from(camera)
    assert np.allclose(point, camera.unproject(centres[20, 30], np.array(6.0)) @ matrix.T + origin)
    behind, _ = seen_from(camera, np.full_like(zeta, -3.0 / camera.inverse_f), camera)
    assert np.isnan(behind).all()


def test_values_are_taken_from_the_pixel_that_holds_a_point() -> None:
    values = np.arange(6.0).reshape(2, 3)
    uv = np.array([[0.5, 0.5], [2.99, 1.99], [3.0, 0.5], [-0.01, 0.5], [1.2, 0.7], [np.nan, np.nan]])
    assert np.array_equal(at_pixels(values, uv), [0.0, 5.0, np.nan, np.nan, 1.0, np.nan], equal_nan=True)
