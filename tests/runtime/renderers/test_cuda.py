"""What only the CUDA renderer promises: several viewers in one call, a bound on memory, its start and its end.

That it draws what the oracle draws: ``test_conformance.py``.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from clouds import a_camera, cloud
from gsplat_stand_in import StandIn
from worlds import nested_world

from wonderzoom.runtime.renderers import gsplat_calls
from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.renderers.cuda_residency import SLAB_BYTES, OverBudget
from wonderzoom.runtime.renderers.gsplat_calls import CudaUnavailable, Gsplat
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.ports import BatchRenderer, Look, RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set

SETTINGS = RenderSettings(h_ref=48, background=(0.2, 0.4, 0.6))


def a_renderer(max_bytes: int = 1 << 24, version: str = "1.5.3", clamp: float = 0.999) -> CudaRenderer:
    return CudaRenderer(max_bytes, "cpu", Gsplat(StandIn(version, clamp)))


def calls(renderer: CudaRenderer) -> list[str]:
    stand_in = renderer._library._module  # type: ignore[union-attr]
    return [name for name, _ in stand_in.calls]


# ---- several viewers --------------------------------------------------------------------------------
def test_viewers_of_one_size_share_a_call_and_see_what_they_would_see_alone() -> None:
    world, cameras = nested_world(2, tilt=0.3, width=36, height=27)
    settings = RenderSettings(h_ref=27)
    views = [cameras[0].zoomed(1.2), cameras[1].orbited(0.1, 0.0), cameras[2], cameras[2].zoomed(2.0**40)]
    looks = [
        Look(visible_set(world, c, settings), c, replace(settings, background=(0.1 * k, 0.5, 0.9)))
        for k, c in enumerate(views)
    ]
    with a_renderer() as renderer:
        alone = [renderer.render_color(look.visible, look.camera, look.settings) for look in looks]
        before = len(calls(renderer))
        together = renderer.render_colors(looks)
        assert calls(renderer)[before:] == ["isect_tiles", "isect_offset_encode", "rasterize_to_pixels"]
        for one, other in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one, other)
        assert renderer.render_colors([]) == []


@pytest.mark.parametrize("mode", ["3dgs", "2dgs"])
def test_viewers_with_windows_of_any_size_share_a_call(mode: Any) -> None:
    cameras = [a_camera(64, 48), a_camera(50, 57), a_camera(33, 40), a_camera(70, 30)]
    looks = [
        Look(cloud(each, 200, seed), each.orbited(0.05 * seed, 0.0), SETTINGS)
        for seed, each in enumerate(cameras)
    ]
    with CudaRenderer(1 << 24, "cpu", Gsplat(StandIn()), mode) as renderer:
        alone = [renderer.render_color(look.visible, look.camera, look.settings) for look in looks]
        before = len(calls(renderer))
        together = renderer.render_colors(looks)
        assert len(calls(renderer)) == before + 3
        for look, one, other in zip(looks, alone, together, strict=True):
            assert other.shape == (look.camera.height, look.camera.width, 4) and other.flags.c_contiguous
            np.testing.assert_array_equal(one, other)


def test_viewers_that_can_not_share_get_calls_of_their_own() -> None:
    camera, wide = a_camera(), a_camera(300, 24)
    visible = cloud(camera, 300, 1)
    changed = replace(
        visible,
        blocks=tuple(
            b.with_bounds(replace(b.bounds, child=b.bounds.child - np.float32(0.3), revision=2))
            for b in visible.blocks
        ),
    )
    looks = [
        Look(visible, camera, SETTINGS),
        Look(visible, wide, SETTINGS),  # another size by far: a canvas for both would be mostly empty
        Look(visible, camera, replace(SETTINGS, modulation="paper")),  # another law
        Look(changed, camera, SETTINGS),  # the same blocks in another state of the world
        Look(visible, camera.orbited(0.1, 0.0), SETTINGS),
    ]
    with a_renderer() as renderer:
        pictures = renderer.render_colors(looks)
        assert calls(renderer).count("rasterize_to_pixels") == 4
        for look, picture in zip(looks, pictures, strict=True):
            expected = ReferenceRenderer().render(look.visible, look.camera, look.settings)
            assert picture.shape == (look.camera.height, look.camera.width, 4)
            assert np.abs(picture[..., :3] / 255.0 - np.clip(expected.color, 0, 1)).max() < 1 / 255


# ---- gsplat's versions --------------------------------------------------------------------------------
def test_the_clamp_of_alpha_is_all_that_the_versions_differ_in() -> None:
    """A surfel more opaque than 0.99: 1.6 is the oracle; 1.5 differs in its middle, by 0.009 a layer."""
    camera = a_camera()
    visible = cloud(camera, 12, 3, octaves=(4.0, 4.2), depths=(0.95, 1.05), bounded=False, margin=-0.3)
    opaque = tuple(
        replace(b, columns=replace(b.surfels, opacities=np.ones(len(b.surfels), np.float32)), hash="")
        for b in visible.blocks
    )
    visible = replace(visible, blocks=opaque)
    expected = ReferenceRenderer().render(visible, camera, SETTINGS)
    with a_renderer() as old, a_renderer(version="1.6.0", clamp=0.99) as new:
        shown, exact = (r.render(visible, camera, SETTINGS) for r in (old, new))
    assert np.abs(exact.color - expected.color).max() < 1e-4
    np.testing.assert_array_equal(exact.surfel_ids, expected.surfel_ids)
    difference = np.abs(shown.color - expected.color).max(-1)
    assert 1e-3 < difference.max() < 0.02 and np.median(difference) < 1e-3
    assert (shown.surfel_ids == expected.surfel_ids).mean() > 0.99


# ---- memory -----------------------------------------------------------------------------------------
def test_memory_stays_within_its_bound_while_views_change() -> None:
    camera = a_camera()
    sets = [cloud(camera, 900, seed) for seed in range(6)]
    largest = max(sum(-(-len(b.surfels) // 256) for b in each.blocks) for each in sets)
    with a_renderer((largest + 3) * SLAB_BYTES) as small, a_renderer() as large:
        for each in [*sets, *sets[::-1], sets[0]]:
            picture = small.render_color(each, camera, SETTINGS)
            np.testing.assert_array_equal(picture, large.render_color(each, camera, SETTINGS))
            assert 0 < small.memory_bytes <= (largest + 3) * SLAB_BYTES
        assert small._pool.evictions > 0 and large._pool.evictions == 0
        with pytest.raises(OverBudget):
            blocks = tuple(b for each in sets for b in each.blocks)
            everything = VisibleSet(blocks, (0,) * len(blocks), (1.0,) * len(blocks), 1)
            small.render_color(everything, camera, SETTINGS)
        small.render_color(sets[0], camera, SETTINGS)  # and goes on


def test_viewers_whose_surfels_do_not_fit_together_are_drawn_in_smaller_calls() -> None:
    camera = a_camera()
    looks = [Look(cloud(camera, 900, seed), camera, SETTINGS) for seed in range(5)]
    slabs = [sum(-(-len(b.surfels) // 256) for b in look.visible.blocks) for look in looks]
    with a_renderer(2 * max(slabs) * SLAB_BYTES) as small, a_renderer() as large:
        assert isinstance(small, BatchRenderer)
        for some, all_at_once in zip(small.render_colors(looks), large.render_colors(looks), strict=True):
            np.testing.assert_array_equal(some, all_at_once)
        assert calls(large).count("rasterize_to_pixels") == 1
        assert 3 <= calls(small).count("rasterize_to_pixels") <= 5


def test_a_commit_that_only_changes_bounds_uploads_nothing() -> None:
    world, cameras = nested_world(1, width=36, height=27)
    settings, camera = RenderSettings(h_ref=27), cameras[0].zoomed(1.7)
    with a_renderer() as renderer:
        both = visible_set(world, camera, settings)
        renderer.render_color(both, camera, settings)
        uploads = renderer._pool.uploads
        world.apply(world.propose_removal(list(world.nodes)[-1]))
        coarse = visible_set(world, camera, settings)
        assert any(b.bounds.revision == world.revision for b in coarse.blocks)
        after = renderer.render(coarse, camera, settings)
        assert renderer._pool.patches > 0 and renderer._pool.uploads == uploads
    expected = ReferenceRenderer().render(coarse, camera, settings)
    assert np.abs(after.color - expected.color).max() < 1e-4


# ---- start and end ----------------------------------------------------------------------------------
def test_a_machine_without_a_card_is_told_when_the_renderer_is_made() -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a card")
    with pytest.raises(CudaUnavailable, match="torch"):
        CudaRenderer()


def test_gsplat_is_loaded_with_the_first_picture_and_the_wait_explained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loads: list[int] = []

    def load() -> Gsplat:
        loads.append(1)
        return Gsplat(StandIn())

    monkeypatch.setattr(gsplat_calls, "check", lambda: None)
    monkeypatch.setattr(gsplat_calls, "load", load)
    monkeypatch.setattr(gsplat_calls, "compiled", lambda: False)
    said: list[str] = []
    with CudaRenderer(1 << 24, "cpu") as renderer:
        assert not loads
        renderer.warm_up(said.append)
        renderer.warm_up(said.append)
        assert loads == [1] and len(said) == 1 and "compiled once" in said[0]


def test_warming_up_draws_through_every_function() -> None:
    with a_renderer() as renderer:
        renderer.warm_up(lambda _: None)
        assert set(calls(renderer)) == set(gsplat_calls.USED)


def test_a_closed_renderer_refuses_and_holds_nothing() -> None:
    renderer, camera = a_renderer(), a_camera()
    visible = cloud(camera, 50, 1)
    renderer.render(visible, camera, SETTINGS)
    assert renderer.memory_bytes > 0 and renderer.statistics.drawn > 0
    renderer.close()
    renderer.close()
    assert renderer.memory_bytes == 0
    with pytest.raises(RuntimeError, match="closed"):
        renderer.render(visible, camera, SETTINGS)


def test_statistics_are_of_the_last_call() -> None:
    camera = a_camera()
    visible = cloud(camera, 500, 1)
    with a_renderer() as renderer:
        view = renderer.render(visible, camera, SETTINGS)
        assert renderer.statistics.drawn == view.drawn > 0
        assert renderer.statistics.entries >= view.drawn and renderer.statistics.slabs > 0
        renderer.render(VisibleSet((), (), (), 0), camera, SETTINGS)
        assert (renderer.statistics.drawn, renderer.statistics.entries) == (0, 0)
