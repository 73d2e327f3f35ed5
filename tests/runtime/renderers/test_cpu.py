"""What only the CPU renderer promises: threads, memory, remembered plans, its start and its end."""

import threading
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
from clouds import a_camera, cloud
from worlds import nested_world

from wonderzoom.runtime.renderers import cpu
from wonderzoom.runtime.renderers import cpu_kernels as kernels
from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cpu_blending import blend
from wonderzoom.runtime.renderers.packing_kernels import pack
from wonderzoom.scene_graph.ports import RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set

CAMERA = a_camera(150, 90)  # 15 tiles
SETTINGS = RenderSettings(h_ref=90)


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(threads=2) as made:
        made.render_color(VisibleSet((), (), (), 0), CAMERA, SETTINGS)  # threads start with the first picture
        yield made


def test_the_number_of_threads_changes_no_bit(renderer: CpuRenderer) -> None:
    for seed, focal in ((1, 60.0), (2, 1e9)):
        camera = a_camera(150, 90, focal=focal)
        visible = cloud(camera, 3000, seed, octaves=(0.0, 3.0))
        pictures = []
        views = []
        for threads in (1, 2, 3, 5):
            with CpuRenderer(threads) as other:
                views.append(other.render(visible, camera, SETTINGS))
                pictures.append(other.render_color(visible, camera, SETTINGS))
        assert views[0].alpha.mean() > 0.2
        for view, picture in zip(views, pictures, strict=True):
            np.testing.assert_array_equal(view.color, views[0].color)
            np.testing.assert_array_equal(view.alpha, views[0].alpha)
            np.testing.assert_array_equal(view.zeta, views[0].zeta)
            np.testing.assert_array_equal(view.surfel_ids, views[0].surfel_ids)
            np.testing.assert_array_equal(picture, pictures[0])


def test_pictures_do_not_depend_on_what_was_drawn_before(renderer: CpuRenderer) -> None:
    """Working memory, plans and packed blocks are kept from frame to frame and shared by all scenes."""
    small = cloud(CAMERA, 50, 3)
    with CpuRenderer(1) as fresh:
        expected = fresh.render(small, CAMERA, SETTINGS)
    renderer.render(cloud(CAMERA, 4000, 4), CAMERA, SETTINGS)
    for camera in (CAMERA, CAMERA.orbited(0.2, 0.1), CAMERA.zoomed(30.0), CAMERA):
        view = renderer.render(small, camera, SETTINGS)
    np.testing.assert_array_equal(view.color, expected.color)
    np.testing.assert_array_equal(view.surfel_ids, expected.surfel_ids)


def test_new_bounds_and_residencies_of_the_same_blocks_are_seen(renderer: CpuRenderer) -> None:
    visible = cloud(CAMERA, 500, 5, bounded=False)
    full = renderer.render(visible, CAMERA, SETTINGS)
    gone = replace(visible, residencies=(0.0,) * len(visible.blocks))
    assert renderer.render(gone, CAMERA, SETTINGS).drawn == 0
    # A child's bound at the very scale that everything is seen at: nothing is left. Same hash, same revision.
    blocks = tuple(
        block.with_bounds(replace(block.bounds, child=block.surfels.native + np.float32(5.0)))
        for block in visible.blocks
    )
    hidden = renderer.render(replace(visible, blocks=blocks), CAMERA, SETTINGS)
    again = renderer.render(visible, CAMERA, SETTINGS)
    assert hidden.drawn < full.drawn
    np.testing.assert_array_equal(again.color, full.color)


def test_a_cache_too_small_for_anything_still_draws() -> None:
    visible = cloud(CAMERA, 2000, 6)
    with CpuRenderer(2) as roomy, CpuRenderer(2, cache_bytes=0) as tight:
        expected = roomy.render(visible, CAMERA, SETTINGS)
        for _ in range(2):
            np.testing.assert_array_equal(tight.render(visible, CAMERA, SETTINGS).color, expected.color)
        assert roomy.memory_bytes > tight.memory_bytes > 0


def test_what_is_outside_or_at_another_scale_is_not_even_read(renderer: CpuRenderer) -> None:
    """Chunks of a visible set that is far too large are culled, and that changes nothing."""
    world, cameras = nested_world(1, width=160, height=120, tilt=0.2)
    settings = RenderSettings(h_ref=120)
    blocks = tuple(world.blocks)
    whole = VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), world.revision)
    chunks = sum(-(-len(block.surfels) // 256) for block in blocks)
    for camera, most in (
        (cameras[0].zoomed(0.8), 0.6),
        (cameras[0].zoomed(8.0), 0.4),
        (cameras[1].zoomed(6.0), 0.3),
    ):
        chosen = renderer.render(visible_set(world, camera, settings), camera, settings)
        np.testing.assert_allclose(renderer.render(whole, camera, settings).color, chosen.color, atol=4e-3)
        assert chosen.alpha.mean() > 0.5
        assert 0 < renderer.statistics.chunks < most * chunks


def test_statistics_tell_what_the_last_frame_did(renderer: CpuRenderer) -> None:
    view = renderer.render(cloud(CAMERA, 300, 7), CAMERA, SETTINGS)
    statistics = renderer.statistics
    assert statistics.drawn == view.drawn > 0
    assert statistics.entries >= view.drawn
    assert statistics.dynamic_bytes > 64 * view.drawn


def test_a_number_that_is_not_finite_is_refused(renderer: CpuRenderer) -> None:
    visible = cloud(CAMERA, 20, 8)
    block = visible.blocks[0]
    means = block.surfels.means.copy()
    means[0, 0] = np.nan
    broken = replace(block, columns=replace(block.surfels, means=means), hash="")
    blocks = (broken, *visible.blocks[1:])
    with pytest.raises(ValueError, match="means holds a number that is not finite"):
        renderer.render(replace(visible, blocks=blocks), CAMERA, SETTINGS)
    assert renderer.render(visible, CAMERA, SETTINGS).drawn > 0


def test_a_closed_renderer_says_so_and_leaves_no_thread() -> None:
    before = threading.active_count()
    renderer = CpuRenderer(3)
    visible = cloud(CAMERA, 100, 9)
    renderer.render(visible, CAMERA, SETTINGS)
    renderer.close()
    renderer.close()
    assert threading.active_count() == before
    assert renderer.memory_bytes == 0
    with pytest.raises(RuntimeError, match="closed"):
        renderer.render(visible, CAMERA, SETTINGS)


def test_closing_lets_frames_in_the_making_finish() -> None:
    renderer = CpuRenderer(2)
    visible = cloud(CAMERA, 3000, 10)
    pictures: list[np.ndarray] = []
    started = threading.Event()

    def draw() -> None:
        while True:
            started.set()
            try:
                pictures.append(renderer.render_color(visible, CAMERA, SETTINGS))
            except RuntimeError as error:
                assert "closed" in str(error)
                return

    thread = threading.Thread(target=draw)
    thread.start()
    started.wait()
    renderer.close()
    thread.join()
    for picture in pictures:
        np.testing.assert_array_equal(picture, pictures[0])


def test_after_the_warm_up_nothing_is_compiled_any_more(renderer: CpuRenderer) -> None:
    """Whatever is drawn, in whatever way its arrays came: a surprise would cost a viewer seconds."""
    renderer.warm_up(lambda _: None)
    every = (kernels.see_blocks, kernels.cull, kernels.project, kernels.lay_out, kernels.scatter, blend, pack)
    before = [list(kernel.signatures) for kernel in every]
    assert all(before)
    world, cameras = nested_world(1)
    settings = RenderSettings(h_ref=36, metric="radial", modulation="paper", lod_bias=0.5)
    scenes = [
        (visible_set(world, cameras[1], settings), cameras[1], settings),
        (cloud(CAMERA, 300, 11), CAMERA, SETTINGS),
        (VisibleSet((), (), (), 0), CAMERA, SETTINGS),
        (cloud(a_camera(focal=1e40), 50, 12, octaves=(20.0, 22.0), depths=(0.9, 1.1)), CAMERA, SETTINGS),
    ]
    for visible, camera, chosen in scenes:
        renderer.render(visible, camera, chosen)
        renderer.render_color(visible, camera, chosen)
    block = scenes[1][0].blocks[0]
    twice = np.repeat(block.bounds.parent, 2)
    odd = block.with_bounds(replace(block.bounds, parent=twice[::2], child=block.bounds.child.copy()))
    renderer.render(VisibleSet((odd,), (0,), (1.0,), 2), CAMERA, SETTINGS)
    assert [list(kernel.signatures) for kernel in every] == before


def test_a_slow_first_start_says_why_and_a_quick_one_is_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    told = threading.Event()

    def hear(text: str) -> None:
        heard.append(text)
        told.set()

    with CpuRenderer(1) as renderer:
        monkeypatch.setattr(cpu, "_PATIENCE_S", 60.0)
        renderer.warm_up(hear)
        assert not heard
        monkeypatch.setattr(cpu, "_PATIENCE_S", 0.0)
        # Compiling stands in as drawing that takes until the message was heard.
        monkeypatch.setattr(renderer, "render", lambda *_: told.wait(30.0))
        renderer.warm_up(hear)
    assert len(heard) == 1 and "compiled once" in heard[0]
