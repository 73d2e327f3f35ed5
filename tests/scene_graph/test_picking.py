"""A pick is a place, exact at any depth (law 11), and says what is there."""

import math

import numpy as np
import pytest
from hypothesis import strategies as st
from laws import law
from trees import Soil, Zoom, deeper, plant
from worlds import facing, look_and_zoom, nested_world, plane_world

from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.picking import Pick, pick
from wonderzoom.scene_graph.ports import RenderedView, RenderSettings, VisibleSet
from wonderzoom.scene_graph.surfels import SURFACE
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World

HOW = RenderSettings(h_ref=18)


def looked_at(world: World, camera: Camera) -> tuple[VisibleSet, RenderedView]:
    visible = visible_set(world, camera, HOW)
    return visible, ReferenceRenderer().render(visible, camera, HOW)


def picked(world: World, camera: Camera, u: float, v: float) -> Pick:
    visible, picture = looked_at(world, camera)
    found = pick(picture, visible, camera, u, v)
    assert found is not None
    return found


@law(
    st.floats(0.2, 0.8),
    st.floats(0.2, 0.8),
    st.floats(2.0, 1e6),
    st.floats(-0.7, 0.7),
    st.floats(-0.5, 0.5),
    st.floats(-0.5, 0.5),
    st.sampled_from([0, 180, 900]),
    examples=12,
)
def test_law_11_a_picked_point_zoomed_at_stays_in_the_centre(
    u: float, v: float, factor: float, tilt: float, yaw: float, pitch: float, down: int
) -> None:
    """By focal length, by approach and on an orbit around it: the surface point itself, not only its ray."""
    tree = deeper(plant([Zoom(0, 0.5, 0.5, 4.0)], Soil(24, 18, tilt=tilt)), down)
    world, camera = tree.world(), tree.cameras[1]
    uv = np.array([u * camera.width, v * camera.height])
    truth = surface_point(tree.plane.seen(camera), camera, uv)
    place = camera.position(truth)
    found = picked(world, camera, *uv.tolist())
    assert found.zeta == pytest.approx(truth[2], abs=1e-3)
    turned = camera.looking_at(camera.view_point(found.position))
    for there in (
        turned.zoomed(factor),
        turned.approached(min(factor, 200.0)),
        turned.approached(3.0).orbited(yaw, pitch),
        turned.zoomed(min(factor, 50.0)).orbited(yaw, pitch),
    ):
        seen, depth = there.project(there.view_point(found.position))
        assert seen == pytest.approx([12.0, 9.0], abs=1e-6)
        # float32 columns place a surfel to 1e-4 of its own pixel: the truth may be off by that, magnified.
        within = 0.5 if factor <= 1e3 else 0.5e-3 * factor
        seen, depth = there.project(there.view_point(place))
        assert depth > 0
        assert np.abs(seen - [12.0, 9.0]).max() <= within


def surface_point(normal: np.ndarray, camera: Camera, uv: np.ndarray) -> np.ndarray:
    """Where a pixel's ray meets the plane through the pivot, in view coordinates."""
    start = camera.unproject(uv, np.array(0.0))
    step = camera.unproject(uv, np.array(1.0)) - start
    return start - (start @ normal) / (step @ normal) * step


@pytest.mark.parametrize("down", [0, 900])
def test_picks_follow_one_point_down_a_chain_of_zooms(down: int) -> None:
    """Pick, zoom at it, generate, pick again: the first point is still under the cross after four zooms."""
    world, cameras = nested_world(4, ratio=6.0, width=24, height=18, tilt=0.4, levels_down=down)
    for camera in cameras[1:]:
        found = picked(world, camera, 12.0, 9.0)
        seen, _ = camera.project(camera.view_point(found.position))
        assert seen == pytest.approx([12.0, 9.0], abs=1e-6)
        assert camera.view_point(found.position) == pytest.approx(np.zeros(3), abs=0.02)
        node = world.node(found.node)
        assert node.main.camera == camera
        assert found.ln_scale == pytest.approx(camera.ln_scale, abs=0.05)
        assert (found.view, found.kind) == (0, SURFACE)


def test_outside_and_empty_pixels_pick_nothing() -> None:
    world, (camera,) = plane_world(24, 18, 20.0)
    away = look_and_zoom(camera, facing(camera), 12.0, 9.0, 0.05)  # a small picture in a wide frame
    visible, picture = looked_at(world, away)
    for u, v in ((-0.1, 3.0), (24.0, 3.0), (3.0, 18.0), (3.0, -1.0), (math.nan, 3.0)):
        assert pick(picture, visible, away, u, v) is None
    assert pick(picture, visible, away, 1.0, 1.0) is None


def test_a_picture_of_another_visible_set_is_refused() -> None:
    world, (camera,) = plane_world(24, 18, 20.0)
    visible, picture = looked_at(world, camera)
    assert pick(picture, visible, camera, 12.0, 9.0) is not None
    with pytest.raises(ValueError, match="past the end of the visible set"):
        pick(picture, VisibleSet((), (), (), visible.revision), camera, 12.0, 9.0)


def test_a_pick_never_leaves_its_surfel() -> None:
    """Seen almost edge-on, a ray meets a surfel's plane far away: the point stays within three sigma."""
    world, (camera,) = plane_world(24, 18, 20.0)
    block = world.blocks[0]
    for angle in (1.4, 1.55, 1.5707963):
        edge_on = camera.orbited(0.0, angle)
        visible = VisibleSet((block,), (0,), (1.0,), 1)
        frame = edge_on.cell_frame(block.cell)
        centre = frame.matrix @ block.surfels.means[0].astype(np.float64) + frame.origin
        (u, v), _ = edge_on.project(centre)
        ids = np.zeros((edge_on.height, edge_on.width), np.int64)
        blank = np.zeros(ids.shape, np.float32)
        picture = RenderedView(np.zeros((*ids.shape, 3), np.float32), blank, blank, ids, 1)
        found = pick(picture, visible, edge_on, min(max(u, 0.0), 23.9), min(max(v, 0.0), 17.9))
        assert found is not None
        sigma = float(np.exp(block.surfels.log_scales[0]).max()) * frame.edge_px
        assert abs(found.zeta - centre[2]) <= 3.0 * math.sqrt(2.0) * sigma + 1e-6
