"""Worlds of chained zooms: what is seen, picked and worked is the same at the top and hundreds of zooms down."""

import math
from collections.abc import Iterator
from dataclasses import replace

import cv2
import numpy as np
import pytest
from deep_chain import Chain, painted_chain, painting, plane_chain

from wonderzoom.runtime.renderers.cpu import CpuRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.coverage_loops import Balls, Frames, Lens, NumpyLoops, Rows, Spots
from wonderzoom.scene_graph.flight import fly
from wonderzoom.scene_graph.motions import CameraPath, Pace, along
from wonderzoom.scene_graph.picking import pick
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

ZOOMS = 20  # of 8x, in the fast tests; 300, 10^270, in the slow ones
LEVEL = 1.0 / 255.0


@pytest.fixture(scope="module")
def renderer() -> Iterator[CpuRenderer]:
    with CpuRenderer(1) as made:
        yield made


@pytest.fixture(scope="module")
def chain() -> Chain:
    return plane_chain(ZOOMS)


def settings(world: World) -> RenderSettings:
    return RenderSettings(h_ref=world.header.h_ref)


def picture(world: World, camera: Camera, renderer: CpuRenderer) -> np.ndarray:
    how = settings(world)
    return renderer.render(visible_set(world, camera, how), camera, how).color


# ---- the same at any depth ----------------------------------------------------------------------------
def check_frames(chain: Chain, renderer: CpuRenderer, depths: list[int]) -> None:
    """The frames at some depths are one picture, and draw as many surfels."""
    pictures = [picture(chain.world, chain.cameras[k], renderer) for k in depths]
    for other in pictures[1:]:
        assert np.abs(other - pictures[0]).max() <= LEVEL
    assert np.ptp(pictures[0], (0, 1)).min() > 0.2  # not a plain colour
    check_counts(chain, depths)


def check_counts(chain: Chain, depths: list[int]) -> None:
    """As many surfels are drawn at one depth as at another."""
    counts = [visible_set(chain.world, chain.cameras[k], settings(chain.world)).surfel_count for k in depths]
    assert max(counts) <= 1.1 * min(counts)


def check_picks(chain: Chain, renderer: CpuRenderer, depths: list[int]) -> None:
    """What is picked lies under its pixel, on the surface, and belongs to the node whose frame it is."""
    how = settings(chain.world)
    for k in depths:
        camera = chain.cameras[k]
        visible = visible_set(chain.world, camera, how)
        rendered = renderer.render(visible, camera, how)
        for u, v in ((camera.cx, camera.cy), (0.3 * camera.width, 0.6 * camera.height)):
            found = pick(rendered, visible, camera, u, v)
            assert found is not None and found.node == chain.nodes[k]
            seen, _ = camera.project(camera.view_point(found.position))
            assert np.abs(seen - [u, v]).max() < 1e-6
            # Zoomed at eight times more, it is still there to half a pixel.
            there = camera.looking_at(camera.view_point(found.position)).zoomed(8.0)
            seen, _ = there.project(there.view_point(found.position))
            assert np.abs(seen - [there.cx, there.cy]).max() < 0.5


def test_law_9_frames_of_chained_zooms_are_the_same_at_any_depth(chain: Chain, renderer: CpuRenderer) -> None:
    check_frames(chain, renderer, [3, ZOOMS // 2, ZOOMS - 1])


def test_law_11_picks_are_as_exact_down_there(chain: Chain, renderer: CpuRenderer) -> None:
    check_picks(chain, renderer, [1, ZOOMS // 2, ZOOMS])


def test_a_chain_has_the_bounds_of_a_world_made_at_once(chain: Chain) -> None:
    """What an insertion leaves alone is what it could not have changed."""
    assert chain.world.check() == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_law_9_and_11_after_three_hundred_generated_zooms(renderer: CpuRenderer) -> None:
    chain = painted_chain(300, renderer)
    assert chain.cameras[0].ln_scale - chain.cameras[-1].ln_scale == pytest.approx(
        300 * math.log(8.0), abs=0.1
    )
    # Each zoom fits the same picture anew, from a seed of its own: each is as close to it, none equal to another.
    errors = [
        np.abs(picture(chain.world, chain.cameras[k], renderer) - painting(96, 72)).mean()
        for k in (6, 60, 299)
    ]
    assert max(errors) < 2.5 * LEVEL and np.ptp(errors) < LEVEL
    check_counts(chain, [6, 60, 299])
    check_picks(chain, renderer, [1, 60, 299])


# ---- what it costs ------------------------------------------------------------------------------------
def worked(chain: Chain, at: int, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Rows projected for an insertion beside node ``at``, and calls that it takes."""
    rows: list[int] = []
    whole = NumpyLoops.look

    def counted(loops: NumpyLoops, lens: Lens, balls: Balls, frames: Frames, some: Rows) -> Spots:
        rows.append(len(some))
        return whole(loops, lens, balls, frames, some)

    world = chain.world.copy()
    node = world.node(chain.nodes[at])
    placed = [(block.cell, block.surfels) for block in world.blocks_of(node.id)]
    world.apply(world.propose_removal(node.id))
    with monkeypatch.context() as patch:
        patch.setattr(NumpyLoops, "look", counted)
        world.propose(replace(node, children=()), placed)
    return sum(rows), len(rows)


def test_an_insertion_works_on_what_is_near_however_deep(
    chain: Chain, monkeypatch: pytest.MonkeyPatch
) -> None:
    shallow, deep = (worked(chain, at, monkeypatch) for at in (6, ZOOMS))
    # Of each ancestor at most the few surfels that the view lies within are asked.
    assert deep[0] <= shallow[0] + 40 * (ZOOMS - 6)
    assert deep[1] <= shallow[1] + 4


def test_blocks_far_larger_than_the_view_show_only_where_a_surfel_does(chain: Chain) -> None:
    """Against asking every surfel of every block."""
    how = settings(chain.world)
    for k in (5, ZOOMS):
        camera = chain.cameras[k]
        shown = {block.key for block in visible_set(chain.world, camera, how).blocks}
        r = camera.ln_render_scale(how.h_ref, how.lod_bias)
        for block in chain.world.blocks:
            frame = camera.cell_frame(block.cell)
            points = block.surfels.means.astype(np.float64) @ frame.matrix.T + frame.origin
            reach = 3.3 * np.exp(block.surfels.log_scales.astype(np.float64).max(1)) * frame.edge_px
            inside = (np.abs(points[:, 0]) < camera.width / 2 + reach) & (
                np.abs(points[:, 1]) < camera.height / 2 + reach
            )
            up, down = (
                bound.astype(np.float64) + block.cell.ln_edge
                for bound in (block.bounds.parent, block.bounds.child)
            )
            drawn = inside & (down < r - 1e-3) & (r + 1e-3 < up)
            if drawn.any() and k == ZOOMS:  # by far the telephoto: one scale, no perspective
                assert block.key in shown
        assert len(shown) < 40


# ---- flying down --------------------------------------------------------------------------------------
def check_flight(world: World, path: CameraPath, frames: int, renderer: CpuRenderer) -> int:
    """From picture to picture nothing changes but by the motion; how often the pivot's cell changed its level."""
    cameras = [path.camera(path.seconds * i / frames) for i in range(frames + 1)]
    before = picture(world, cameras[0], renderer)
    rebased = 0
    for a, b in zip(cameras, cameras[1:], strict=False):
        after = picture(world, b, renderer)
        matrix, origin = a.map_from(b)
        uv = b.pixel_centres()
        seen, _ = a.project(b.unproject(uv, np.zeros(uv.shape[:2])) @ matrix.T + origin)
        at = (seen - 0.5).astype(np.float32)
        moved = cv2.remap(before, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        inside = ((seen > 1.0) & (seen < [a.width - 1.0, a.height - 1.0])).all(-1)
        jump = np.abs(moved - after)[inside]
        assert jump.mean() < 3.0 * LEVEL and np.quantile(jump, 0.99) < 12.0 * LEVEL
        rebased += a.pivot.cell.level != b.pivot.cell.level
        before = after
    return rebased


def test_flying_down_without_a_stop_the_picture_never_jumps(chain: Chain, renderer: CpuRenderer) -> None:
    """From one frame to the next, while the camera re-bases itself."""
    path = along(chain.cameras[8:10], Pace(hold_start=0.0, hold_end=0.0))
    assert check_flight(chain.world, path, 36, renderer) >= 2


@pytest.mark.parametrize("down", [True, False])
def test_re_basing_is_not_seen(chain: Chain, renderer: CpuRenderer, down: bool) -> None:
    """The picture just before the pivot changes its cell and the one just after, found by bisection."""
    path = along([chain.cameras[15], chain.cameras[16]] if down else [chain.cameras[16], chain.cameras[15]])
    low, high = 0.0, path.seconds
    first = path.camera(low).pivot.cell.level
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if path.camera(middle).pivot.cell.level == first else (low, middle)
    one, other = path.camera(low), path.camera(high)
    assert one.pivot.cell.level != other.pivot.cell.level
    pictures = [picture(chain.world, camera, renderer) for camera in (one, other)]
    assert np.abs(pictures[0] - pictures[1]).max() < 1e-3


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_flying_through_three_hundred_zooms_without_a_stop_the_picture_never_jumps(
    renderer: CpuRenderer,
) -> None:
    chain = plane_chain(300)
    path = along(chain.cameras, Pace(hold_start=0.0, hold_end=0.0))
    assert check_flight(chain.world, path, 300 * 16, renderer) >= 600
    short = fly(chain.cameras[0], chain.cameras[-1])
    for share in (0.1, 0.5, 0.9):  # far faster than a picture can show, but every moment is one
        shown = picture(chain.world, short.camera(share * short.seconds), renderer)
        assert np.isfinite(shown).all() and np.ptp(shown) > 0.1
