"""What only the OpenGL renderer promises: finished pictures, a bound on memory, ids in bands, its start and its end.

That it draws what the oracle draws: ``test_conformance.py``.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from clouds import a_camera, cloud
from worlds import nested_world

from wonderzoom.runtime.renderers import opengl
from wonderzoom.runtime.renderers.opengl import OpenGLRenderer, OpenGLUnavailable
from wonderzoom.runtime.renderers.opengl_tables import ROW_BYTES, SLAB_BYTES
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set

SETTINGS = RenderSettings(h_ref=48, background=(0.2, 0.4, 0.6))
pytestmark = [pytest.mark.system]


def made(pool_bytes: int = 1 << 24) -> OpenGLRenderer:
    try:
        return OpenGLRenderer(pool_bytes)
    except OpenGLUnavailable as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def renderer() -> Iterator[OpenGLRenderer]:
    with made() as renderer:
        yield renderer


def psnr(picture: np.ndarray, expected: np.ndarray) -> float:
    error = picture[..., :3] / 255.0 - np.clip(expected, 0.0, 1.0)
    return float(-10.0 * np.log10(np.mean(error**2) + 1e-12))


@pytest.mark.parametrize("zoom", [0.3, 2.1, 2.0**30])
@pytest.mark.parametrize("mips", [False, True])
def test_finished_pictures_are_the_oracles_to_50_decibels(
    renderer: OpenGLRenderer, zoom: float, mips: bool
) -> None:
    world, cameras = nested_world(2, tilt=0.3, width=36, height=27)
    settings = RenderSettings(h_ref=27, background=(0.2, 0.4, 0.6), mips=mips)
    camera = cameras[1].orbited(0.1, 0.05).zoomed(zoom)
    visible = visible_set(world, camera, settings)
    picture = renderer.render_color(visible, camera, settings)
    assert picture.shape == (27, 36, 4) and picture.dtype == np.uint8 and (picture[..., 3] == 255).all()
    assert psnr(picture, ReferenceRenderer().render(visible, camera, settings).color) >= 50.0


def test_a_half_resident_node_is_half_there(renderer: OpenGLRenderer) -> None:
    camera = a_camera()
    visible = cloud(camera, 500, 4, resident=(0.2, 0.8))
    picture = renderer.render_color(visible, camera, SETTINGS)
    assert psnr(picture, ReferenceRenderer().render(visible, camera, SETTINGS).color) >= 50.0


def test_memory_stays_within_its_bound_while_views_change() -> None:
    camera = a_camera()
    sets = [cloud(camera, 900, seed) for seed in range(8)]
    slabs = max(sum(-(-len(b.surfels) // 256) for b in each.blocks) for each in sets)
    bound = max((2 * slabs) * SLAB_BYTES, ROW_BYTES)
    with made(bound) as small, made() as large:
        for each in [*sets, *sets[::-1], sets[0]]:
            picture = small.render_color(each, camera, SETTINGS)
            np.testing.assert_array_equal(picture, large.render_color(each, camera, SETTINGS))
            assert 0 < small._painter.pool.nbytes <= bound
        assert small._painter.pool.evictions > 0 and large._painter.pool.evictions == 0
        assert small.memory_bytes < large.memory_bytes


def test_a_view_larger_than_the_bound_is_drawn_all_the_same() -> None:
    camera = a_camera()
    visible, other = cloud(camera, 3000, 1), cloud(camera, 10, 2)
    with made(0) as tight, made() as roomy:
        for each in (visible, other, visible):
            np.testing.assert_array_equal(
                tight.render_color(each, camera, SETTINGS), roomy.render_color(each, camera, SETTINGS)
            )


def test_new_bounds_of_the_same_blocks_are_seen(renderer: OpenGLRenderer) -> None:
    camera = a_camera()
    visible = cloud(camera, 500, 5, bounded=False)
    full = renderer.render_color(visible, camera, SETTINGS)
    blocks = tuple(
        block.with_bounds(replace(block.bounds, child=block.surfels.native + np.float32(5.0)))
        for block in visible.blocks
    )
    hidden = renderer.render_color(replace(visible, blocks=blocks), camera, SETTINGS)
    assert np.abs(hidden.astype(int) - full).max() > 50
    np.testing.assert_array_equal(renderer.render_color(visible, camera, SETTINGS), full)


@pytest.mark.parametrize("zoom", [0.4, 1.5, 6.0])
def test_a_place_is_where_the_whole_picture_has_it(renderer: OpenGLRenderer, zoom: float) -> None:
    world, cameras = nested_world(1, tilt=0.3, width=36, height=27)
    settings = RenderSettings(h_ref=27)
    camera = cameras[0].orbited(0.1, 0.05).zoomed(zoom)
    visible = visible_set(world, camera, settings)
    whole = renderer.render(visible, camera, settings)
    painter = renderer._painter
    found = 0
    for u, v in ((5.5, 4.5), (18.5, 13.5), (30.5, 20.5), (-400.5, 3.5)):
        place = renderer._run(painter.place_at, visible, camera, settings, u, v)
        inside = 0 <= u < 36 and whole.alpha[int(v), int(u)] >= 0.5
        assert (place is not None) == inside
        if place is not None:
            found += 1
            point = camera.view_point(place)
            assert point[2] == pytest.approx(whole.zeta[int(v), int(u)], abs=0.05)
            np.testing.assert_allclose(camera.project(point)[0], (u, v), atol=1e-3)
    assert found >= 1


def test_ids_that_need_more_room_than_there_is_come_in_bands(monkeypatch: pytest.MonkeyPatch) -> None:
    camera = a_camera()
    visible = cloud(camera, 900, 6, octaves=(1.0, 4.0))
    with made() as renderer:
        whole = renderer.render(visible, camera, SETTINGS)
    monkeypatch.setattr(opengl, "_FIRST_MEETINGS", 16)
    monkeypatch.setattr(opengl, "_MOST_MEETINGS", 2000)
    with made() as renderer:
        banded = renderer.render(visible, camera, SETTINGS)
        again = renderer.render(visible, camera, SETTINGS)
    for view in (banded, again):
        np.testing.assert_array_equal(view.surfel_ids, whole.surfel_ids)
        assert view.drawn == whole.drawn > 300


def test_a_view_larger_than_one_texture_is_an_error_that_says_what_helps(renderer: OpenGLRenderer) -> None:
    camera = a_camera()
    with made() as small:
        small._painter.pool._most_rows = 0
        with pytest.raises(opengl.OverBudget, match="a smaller budget"):
            small.render_color(cloud(camera, 100, 1), camera, SETTINGS)


def test_sizes_change_from_picture_to_picture(renderer: OpenGLRenderer) -> None:
    visible = cloud(a_camera(), 300, 7)
    for side in (8, 33, 64, 33, 17, 90, 8):
        camera = a_camera(side, side + 1)
        picture = renderer.render_color(visible, camera, SETTINGS)
        assert picture.shape == (side + 1, side, 4)
        assert psnr(picture, ReferenceRenderer().render(visible, camera, SETTINGS).color) >= 50.0


def test_a_closed_renderer_says_so() -> None:
    renderer = made()
    heard: list[str] = []
    renderer.warm_up(heard.append)
    assert all("compiled once" in text for text in heard)  # on a busy machine it may take long
    renderer.close()
    renderer.close()
    with pytest.raises(RuntimeError, match="closed"):
        renderer.render_color(VisibleSet((), (), (), 0), a_camera(), SETTINGS)


def test_an_opengl_without_buffers_for_shaders_has_no_ids(renderer: OpenGLRenderer) -> None:
    with made() as old:
        old._context.version_code = 330
        old.render_color(cloud(a_camera(), 10, 1), a_camera(), SETTINGS)
        with pytest.raises(OpenGLUnavailable, match=r"4\.3"):
            old.render(cloud(a_camera(), 10, 1), a_camera(), SETTINGS)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import moderngl

    monkeypatch.setattr(opengl.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(OpenGLUnavailable, match=r"wonderzoom-runtime\[desktop\]"):
        OpenGLRenderer()
    monkeypatch.undo()

    def fails(**_: object) -> None:
        raise Exception("libEGL.so not loaded")

    monkeypatch.setattr(moderngl, "create_context", fails)
    with pytest.raises(OpenGLUnavailable, match="libEGL.so not loaded.*libegl1"):
        OpenGLRenderer()
