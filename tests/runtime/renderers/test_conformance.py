"""What every renderer must agree on, whoever draws: the oracle's colours, alpha, depth and ids, at any depth.

A new renderer joins by one line in ``RENDERERS``. Scenes are small because the oracle is slow.
"""

import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from clouds import a_camera, cloud
from gsplat_stand_in import StandIn
from worlds import branching_world, nested_world

from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.runtime.renderers.cuda import CudaRenderer
from wonderzoom.runtime.renderers.gsplat_calls import Gsplat
from wonderzoom.runtime.renderers.opengl import OpenGLRenderer, OpenGLUnavailable
from wonderzoom.runtime.renderers.projection import FAR_ZETA, MIN_ALPHA
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.mips import level_count, make_mips, mip
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

# Every renderer: its name and how it is made (something with ``render`` and ``close``).
RENDERERS: dict[str, Callable[[], Any]] = {
    "cpu": lambda: CpuRenderer(threads=2),
    # The CUDA renderer whole, but for gsplat's kernels: these are what the stand-in stands in for.
    "cuda (stand-in for gsplat)": lambda: CudaRenderer(1 << 24, "cpu", Gsplat(StandIn())),
    "opengl": lambda: OpenGLRenderer(1 << 24),
}
NEEDS_SYSTEM = {"opengl"}  # EGL and a driver, at least Mesa's

H_REF = 27  # short side of the pictures that test worlds are made of
BACKGROUND = (0.2, 0.4, 0.6)
STEP = 1.0 / 255.0
CLOSE = 2.0 * STEP  # how far a pixel may be from the oracle's,
FEW = 1e-4  # but for one in 10,000
PSNR = 55.0  # dB, of the whole picture


@dataclass(frozen=True)
class Scene:
    """What is drawn."""

    visible: VisibleSet
    camera: Camera
    settings: RenderSettings

    @staticmethod
    def of(visible: VisibleSet, camera: Camera, **settings: Any) -> "Scene":
        """Native scales of test worlds refer to the pictures' own short side."""
        h_ref = min(camera.width, camera.height)
        return Scene(visible, camera, RenderSettings(h_ref=h_ref, background=BACKGROUND, **settings))

    @staticmethod
    def in_world(world: World, camera: Camera, **settings: Any) -> "Scene":
        """A view of a world made from pictures with a short side of H_REF."""
        settings = {"metric": world.header.metric, **settings}
        chosen = RenderSettings(h_ref=H_REF, background=BACKGROUND, **settings)
        return Scene(visible_set(world, camera, chosen), camera, chosen)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[pytest.mark.system] if name in NEEDS_SYSTEM else [])
        for name in sorted(RENDERERS)
    ],
)
def renderer(request: pytest.FixtureRequest) -> Iterator[Any]:
    try:
        made = RENDERERS[request.param]()
    except OpenGLUnavailable as error:
        pytest.skip(str(error))
    drawn(made, empty())  # threads start with the first picture
    yield made
    made.close()


# ---- scenes -----------------------------------------------------------------------------------------
def a_cloud(seed: int = 0, count: int = 400, camera: Camera | None = None, **options: Any) -> Scene:
    camera = camera or a_camera()
    settings = {key: options.pop(key) for key in ("modulation", "metric", "lod_bias") if key in options}
    return Scene.of(cloud(camera, count, seed, **options), camera, **settings)


def coarse_cloud(octaves: float, focal: float = 1e40) -> Scene:
    """Surfels 2^octaves pixels wide and more around a telephoto camera: nothing of them fits in float32."""
    camera = a_camera(focal=focal)
    return a_cloud(7, 200, camera, octaves=(octaves, octaves + 3), depths=(0.9, 1.1), bounded=False)


@cache
def nested() -> tuple[World, list[Camera]]:
    return nested_world(2, tilt=0.3, width=36, height=H_REF)


def nested_view(node: int, zoom: float, yaw: float = 0.12, pitch: float = 0.07, **settings: Any) -> Scene:
    world, cameras = nested()
    return Scene.in_world(world, cameras[node].orbited(yaw, pitch).zoomed(zoom), **settings)


@cache
def branching() -> tuple[World, list[Camera]]:
    clicks = ((0.3, 0.4, 4.0), (0.4, 0.5, 10.0))
    return branching_world(clicks, grandchildren=0, width=36, height=H_REF)


def branching_view(zoom: float = 2.5, **settings: Any) -> Scene:
    world, cameras = branching()
    return Scene.in_world(world, cameras[0].orbited(-0.1, 0.2).zoomed(zoom), **settings)


def over_budget() -> Scene:
    """Levels 1 and 2 of every pyramid, where pixels ask for the finest: both share, level 1 as if it were that."""
    world, _ = nested()
    drawn = [
        (mip(block, level), level)
        for block in world.blocks
        for level in (1, 2)
        if level < level_count(block)
        and not make_mips([block], level, [view.camera for view in world.node(block.node).views])
    ]
    blocks, levels = zip(*drawn, strict=True)
    visible = VisibleSet(blocks, levels, (1.0,) * len(blocks), 1, ((1, 2),) * len(blocks))
    return replace(nested_view(0, 0.3), visible=visible)


def empty() -> Scene:
    return Scene.of(VisibleSet((), (), (), 0), a_camera())


def turned_away() -> Scene:
    """Surfels, all of them behind the eye."""
    return a_cloud(depths=(-3.0, -0.5))


def an_empty_block() -> Scene:
    """A block without surfels between blocks with some: ids count on."""
    scene = a_cloud(3)
    blocks = list(scene.visible.blocks)
    nothing = replace(
        blocks[0],
        columns=blocks[0].surfels.take(slice(0, 0)),
        limits=type(blocks[0].bounds).open(0),
        hash="",
    )
    blocks.insert(1, nothing)
    count = len(blocks)
    return replace(scene, visible=VisibleSet(tuple(blocks), (0,) * count, (1.0,) * count, 1))


SCENES: dict[str, Callable[[], Scene]] = {
    "cloud": a_cloud,
    "crowded": lambda: a_cloud(1, octaves=(0.0, 3.5), bounded=False),
    "modulation paper": lambda: a_cloud(2, modulation="paper"),
    "modulation none": lambda: a_cloud(2, modulation="none"),
    "half resident": lambda: a_cloud(3, resident=(0.0, 1.0)),
    "half resident, paper": lambda: a_cloud(3, resident=(0.0, 1.0), modulation="paper"),
    "half resident, none": lambda: a_cloud(3, resident=(0.0, 1.0), modulation="none"),
    "radial metric": lambda: a_cloud(4, camera=a_camera(focal=30.0), metric="radial"),
    "finer by half an octave": lambda: a_cloud(4, lod_bias=-0.5),
    "telephoto": lambda: a_cloud(5, camera=a_camera(focal=1e9)),
    "orthographic to every bit": lambda: a_cloud(5, camera=a_camera(focal=1e200)),
    "wide angle": lambda: a_cloud(6, camera=a_camera(focal=14.0)),
    "wide angle, radial": lambda: a_cloud(6, camera=a_camera(focal=14.0), metric="radial"),
    "unequal focal lengths": lambda: a_cloud(7, camera=a_camera(squeeze=0.5)),
    "principal point at the rim": lambda: a_cloud(7, camera=a_camera(off_centre=(30.0, -22.0))),
    "inside the content": lambda: a_cloud(8, 600, depths=(-1.0, 1.5)),
    "one pixel": lambda: a_cloud(9, camera=a_camera(1, 1), octaves=(0.0, 5.0)),
    "a strip": lambda: a_cloud(9, camera=a_camera(131, 3), octaves=(0.0, 3.0)),
    "a column": lambda: a_cloud(9, camera=a_camera(2, 97), octaves=(0.0, 3.0)),
    "tiny surfels": lambda: a_cloud(10, 100, octaves=(-8.0, -2.0), bounded=False),
    "blocks of 2^19 pixels": lambda: coarse_cloud(12.0),
    "blocks of 2^21 pixels": lambda: coarse_cloud(15.0),
    "blocks of 2^40 pixels": lambda: coarse_cloud(34.0),
    "blocks of 2^300 pixels": lambda: coarse_cloud(294.0, 1e200),
    "a level of a world": lambda: nested_view(0, 1.2),
    "between two levels": lambda: nested_view(0, 2.1),
    "two levels side by side": lambda: nested_view(1, 0.5),
    "deep in a world": lambda: nested_view(2, 3.0, 0.4, -0.3),
    "far from a world": lambda: nested_view(0, 0.2),
    "all levels at once": lambda: nested_view(1, 0.7, modulation="none"),
    "siblings": branching_view,
    "mips, near": lambda: nested_view(0, 1.2, mips=True),
    "mips, a level gives way": lambda: nested_view(0, 0.5, mips=True),
    "mips, far": lambda: nested_view(0, 0.15, mips=True),
    "mips, a node half faded": lambda: nested_view(1, 0.42, 0.3, -0.3, mips=True),
    "mips, radial": lambda: nested_view(1, 0.3, 0.9, 0.2, mips=True, metric="radial"),
    "mips, all levels at once": lambda: nested_view(1, 0.3, modulation="none", mips=True),
    "mips, siblings": lambda: branching_view(0.7, mips=True),
    "coarser than pixels ask for": over_budget,
    "nothing": empty,
    "nothing in front": turned_away,
    "an empty block": an_empty_block,
}


@cache
def oracle(name: str) -> tuple[Scene, RenderedView, np.ndarray]:
    """A scene, what it looks like and how clear its ids are; drawn once for all renderers."""
    scene = SCENES[name]()
    view, margins = ReferenceRenderer().render_with_margins(scene.visible, scene.camera, scene.settings)
    return scene, view, margins


def drawn(renderer: Any, scene: Scene) -> RenderedView:
    return renderer.render(scene.visible, scene.camera, scene.settings)


def depth_of(scene: Scene) -> float:
    """The largest distance in depth of a surfel from the pivot, native pixels."""
    largest = 0.0
    for block in scene.visible.blocks:
        frame = scene.camera.cell_frame(block.cell)
        zeta = block.surfels.means @ frame.matrix[2] + frame.origin[2]
        largest = max(largest, float(np.abs(zeta).max(initial=0.0)))
    return min(largest, FAR_ZETA)


def a_faint_surfel(depth: float) -> float:
    """By how much depths of a pixel, times alpha, may differ: they are means over its surfels, and one of
    these may be just above or below MIN_ALPHA."""
    return 1.2 * MIN_ALPHA * depth + 1e-3


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10.0 * np.log10(np.mean((a.astype(np.float64) - b) ** 2) + 1e-12))


# ---- the laws ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SCENES)
def test_a_renderer_shows_what_the_oracle_shows(renderer: Any, name: str) -> None:
    scene, expected, margins = oracle(name)
    got = drawn(renderer, scene)
    shape = (scene.camera.height, scene.camera.width)
    assert (got.color.shape, got.color.dtype) == ((*shape, 3), np.float32)
    assert (got.alpha.shape, got.alpha.dtype) == (shape, np.float32)
    assert (got.zeta.shape, got.zeta.dtype) == (shape, np.float32)
    assert (got.surfel_ids.shape, got.surfel_ids.dtype) == (shape, np.int64)

    few = FEW * expected.alpha.size
    assert (np.abs(got.color - expected.color).max(-1) > CLOSE).sum() <= few
    assert psnr(got.color, expected.color) >= PSNR
    assert (np.abs(got.alpha - expected.alpha) > CLOSE).sum() <= few
    assert abs(got.drawn - expected.drawn) <= 0.01 * expected.drawn

    known = (expected.alpha > MIN_ALPHA + CLOSE) & np.isfinite(expected.zeta)
    assert np.isfinite(got.zeta[known]).all()
    assert not np.isfinite(got.zeta[expected.alpha < MIN_ALPHA - CLOSE]).any()
    if known.any():
        errors = np.abs(got.zeta[known].astype(np.float64) - expected.zeta[known])
        wrong = errors * expected.alpha[known] > a_faint_surfel(depth_of(scene))
        assert wrong.sum() <= few

    clear = margins > CLOSE
    assert (got.surfel_ids[clear] == expected.surfel_ids[clear]).all()
    assert (got.surfel_ids[expected.alpha == 0.0] == -1).all()
    assert got.surfel_ids.max() < scene.visible.surfel_count


@pytest.mark.parametrize("name", ["crowded", "telephoto", "mips, near", "blocks of 2^40 pixels", "nothing"])
def test_a_picture_with_depth_is_the_picture_and_the_depth(renderer: Any, name: str) -> None:
    scene, _, _ = oracle(name)
    picture, zeta = renderer.render_depth(scene.visible, scene.camera, scene.settings)
    plain = renderer.render_color(scene.visible, scene.camera, scene.settings)
    assert picture.dtype == np.uint8 and zeta.dtype == np.float32
    assert np.abs(picture.astype(int) - plain).max() <= 1  # a half, rounded either way
    np.testing.assert_array_equal(zeta, drawn(renderer, scene).zeta)


def test_scenes_test_something() -> None:
    """Most of them cover their picture, and the blocks of 2^40 pixels are that large."""
    covered = [name for name in SCENES if oracle(name)[1].alpha.mean() > 0.1]
    far = {"tiny surfels", "far from a world", "mips, far", "coarser than pixels ask for"}
    assert set(SCENES) - set(covered) == {*far, "nothing", "nothing in front"}
    for name in SCENES:
        if "mips" in name and name != "mips, near":
            assert max(oracle(name)[0].visible.mips) > 0
    scene = oracle("blocks of 2^40 pixels")[0]
    edges = [scene.camera.cell_frame(block.cell).edge_px for block in scene.visible.blocks]
    assert min(edges) > 2.0**38


def test_an_empty_picture_is_its_background(renderer: Any) -> None:
    scene = empty()
    view = drawn(renderer, scene)
    np.testing.assert_allclose(view.color, np.broadcast_to(BACKGROUND, view.color.shape), atol=1e-6)
    assert not view.alpha.any() and view.drawn == 0
    assert np.isnan(view.zeta).all() and (view.surfel_ids == -1).all()


@pytest.mark.parametrize("focal", [60.0, 1e7, 1e100])
def test_the_same_content_at_any_octree_depth_is_the_same_picture(renderer: Any, focal: float) -> None:
    """Law 9, at depths 0, 180 and 900."""
    top, *below = (
        drawn(renderer, a_cloud(11, camera=a_camera(focal=focal, level=level), octaves=(1.0, 4.0)))
        for level in (0, 180, 900)
    )
    assert top.alpha.mean() > 0.3
    for view in below:
        assert view.drawn == top.drawn
        assert np.abs(view.color - top.color).max() <= STEP
        assert np.abs(view.alpha - top.alpha).max() <= STEP
        assert np.array_equal(np.isfinite(view.zeta), np.isfinite(top.zeta))
        depth = float(np.nanmax(np.abs(top.zeta)))
        errors = (
            np.nan_to_num(np.abs(view.zeta - top.zeta))
            - 1e-4 * depth
            - 1e-3 * np.nan_to_num(np.abs(top.zeta))
        )
        assert (errors * top.alpha <= a_faint_surfel(depth)).all()


@pytest.mark.parametrize("zoom", [1.3, 2.6])
def test_the_same_world_at_any_octree_depth_covers_the_same_pixels(renderer: Any, zoom: float) -> None:
    """Law 9 for blocks and bounds that a world made."""
    views: list[RenderedView] = []
    for levels_down in (0, 180, 900):
        world, cameras = nested_world(1, tilt=0.4, width=36, height=H_REF, levels_down=levels_down)
        scene = Scene.in_world(world, cameras[0].orbited(0.1, 0.2).zoomed(zoom))
        views.append(drawn(renderer, scene))
    assert views[0].alpha.mean() > 0.9
    for view in views[1:]:
        assert np.abs(view.alpha - views[0].alpha).max() <= STEP
        np.testing.assert_allclose(view.zeta, views[0].zeta, atol=0.02)


def test_the_coarse_and_the_fine_part_of_a_deep_zoom_agree(renderer: Any) -> None:
    """Zooming where nothing finer is makes surfels grow without end; the middle keeps its colour."""
    world, cameras = nested()
    scenes = [Scene.in_world(world, cameras[2].zoomed(2.0**octave)) for octave in (18, 19, 25, 60)]
    centres = [drawn(renderer, scene).color[H_REF // 2, 18] for scene in scenes]
    for colour in centres[1:]:
        np.testing.assert_allclose(colour, centres[0], atol=STEP)


def test_two_threads_may_draw_with_one_renderer(renderer: Any) -> None:
    scenes = [SCENES[name]() for name in ("cloud", "crowded", "a level of a world", "wide angle")]
    alone = [drawn(renderer, scene) for scene in scenes]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(drawn, renderer, scenes[k % 4]) for k in range(24)]
    for k, job in enumerate(jobs):
        view, expected = job.result(), alone[k % 4]
        np.testing.assert_array_equal(view.color, expected.color)
        np.testing.assert_array_equal(view.alpha, expected.alpha)
        np.testing.assert_array_equal(view.zeta, expected.zeta)
        np.testing.assert_array_equal(view.surfel_ids, expected.surfel_ids)


@pytest.mark.parametrize("name", ["cloud", "crowded", "half resident", "a strip", "deep in a world"])
def test_the_fast_picture_is_the_full_view_as_bytes(renderer: Any, name: str) -> None:
    scene = SCENES[name]()
    picture = renderer.render_color(scene.visible, scene.camera, scene.settings)
    assert (picture.shape, picture.dtype) == ((scene.camera.height, scene.camera.width, 4), np.uint8)
    assert (picture[..., 3] == 255).all()
    levels = np.clip(drawn(renderer, scene).color.astype(np.float64), 0.0, 1.0) * 255.0
    # A byte is the nearest one; half way between two, rounding errors may choose.
    assert np.abs(picture[..., :3] - levels).max() <= 0.5 + 1e-4


def test_odd_levels_and_odd_residencies_are_refused(renderer: Any) -> None:
    scene = a_cloud()
    count = len(scene.visible.blocks)
    for wrong in (
        replace(scene.visible, shared=((1, 2),) * count),
        replace(scene.visible, mips=(2,) * count, shared=((0, 1),) * count),
        replace(scene.visible, mips=(-1,) * count, shared=((-1, 1),) * count),
        replace(scene.visible, residencies=(1.5,) * count),
        replace(scene.visible, residencies=(math.nan,) * count),
    ):
        with pytest.raises(ValueError, match="level|residency"):
            renderer.render(wrong, scene.camera, scene.settings)
