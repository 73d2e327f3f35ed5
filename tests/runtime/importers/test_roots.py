"""A cloud as a root: its surfels are the splats, and its view is what is drawn of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from plane_maker import PointRenderer
from splat_clouds import random_cloud
from worlds import plane_world

from wonderzoom.generation.jobs import Created
from wonderzoom.runtime.errors import CommandError
from wonderzoom.runtime.importers import standing
from wonderzoom.runtime.importers.roots import FAINTEST, GENERATOR, root_of
from wonderzoom.runtime.renderers.reference import ReferenceRenderer
from wonderzoom.scene_graph.formats.cloud import Cloud
from wonderzoom.scene_graph.formats.flatten import Frame, flatten
from wonderzoom.scene_graph.ports import RenderSettings
from wonderzoom.scene_graph.scales import weight
from wonderzoom.scene_graph.visible_set import visible_set
from wonderzoom.scene_graph.world import World


@pytest.fixture(autouse=True)
def small_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures as small as the clouds of these tests."""
    monkeypatch.setattr(standing, "SHORT_SIDES", (64, 1024))


def opened(created: Created) -> World:
    world = World(created.header)
    world.apply(created.commit)
    return world


def wall() -> Cloud:
    world, (camera,) = plane_world(96, 64, 80.0, opacity=1.0)
    return flatten(world, Frame.of_picture(camera)).cloud


def test_a_cloud_becomes_a_sound_world() -> None:
    cloud = wall()
    created = root_of(cloud, "wall.ply", "PLY", PointRenderer())
    world = opened(created)
    root = world.node(created.node)
    assert world.check() == [] and root.parent is None and root.generator == GENERATOR
    assert dict(root.provenance) == {"file": "wall.ply", "format": "PLY"}
    assert sum(len(block.surfels) for block in world.blocks) == len(cloud)
    again = root_of(cloud, "wall.ply", "PLY", PointRenderer())
    assert opened(again).digest() == world.digest()


def test_splats_come_back_as_they_were() -> None:
    cloud = wall()
    created = root_of(cloud, "wall.ply", "PLY", PointRenderer())
    world = opened(created)
    camera = world.node(created.node).main.camera
    back = flatten(
        world, replace(Frame.of_picture(camera), ln_unit=-math.log(created.header.root_edge))
    ).cloud
    here, there = (np.lexsort(np.round(each.means, 4).T) for each in (cloud, back))
    np.testing.assert_allclose(back.means[there], cloud.means[here], atol=1e-5)
    np.testing.assert_allclose(back.log_scales[there, :2], cloud.log_scales[here, :2], atol=1e-4)
    np.testing.assert_array_equal(back.opacities[there], cloud.opacities[here])
    np.testing.assert_array_equal(np.rint(255 * back.colors[there]), np.rint(255 * cloud.colors[here]))


def test_the_view_is_what_is_drawn() -> None:
    created = root_of(wall(), "wall.ply", "PLY", ReferenceRenderer())
    world = opened(created)
    main = world.node(created.node).main
    assert main.mask.mean() > 0.95 and main.image is not None
    assert np.abs(main.zeta[main.mask]).max() < 1.0  # the wall faces the camera
    header = created.header
    settings = RenderSettings(header.h_ref, header.metric, header.background)
    drawn = ReferenceRenderer().render(visible_set(world, main.camera, settings), main.camera, settings)
    assert np.abs(255 * drawn.color - main.image).max() < 1.0
    assert header.background != (0.0, 0.0, 0.0) and header.h_ref == main.camera.height


def test_faint_and_far_splats_are_left_out_and_told() -> None:
    cloud = wall()
    opacities, means = cloud.opacities.copy(), cloud.means.copy()
    opacities[:10] = 0.5 * FAINTEST
    means[20] = [0.0, 0.0, 1e25]
    created = root_of(replace(cloud, opacities=opacities, means=means), "x", "PLY", PointRenderer())
    assert len(created.notes) == 2 and "10 of 6,144 splats are too faint" in created.notes[0]
    assert "1 of 6,134 splats are too far" in created.notes[1]
    with pytest.raises(CommandError, match="too faint"):
        root_of(replace(cloud, opacities=np.zeros_like(opacities)), "x", "PLY", PointRenderer())


def test_what_covers_nothing_is_no_root() -> None:
    cloud = replace(wall(), opacities=np.full(96 * 64, 0.01, np.float32))
    with pytest.raises(CommandError, match="nothing of it can be seen"):
        root_of(cloud, "x", "PLY", ReferenceRenderer())


@pytest.mark.parametrize("reach", [1e-6, 1.0, 1e12])
def test_any_cloud_of_any_size_is_let_in(reach: float) -> None:
    cloud = random_cloud(3, 200, reach)
    cloud = replace(
        cloud, log_scales=cloud.log_scales + np.float32(math.log(reach)), opacities=np.ones(200, np.float32)
    )
    assert opened(root_of(cloud, "x", "PLY", PointRenderer())).check() == []


@pytest.mark.parametrize("ln_size", [-2.0, 0.0, 2.0])
def test_splats_of_any_size_show_in_their_own_view(ln_size: float) -> None:
    """Coarser or finer than the picture's pixels: none of them gives way to the view that shows it."""
    cloud = wall()
    uneven = np.where(np.arange(len(cloud)) % 2, ln_size, 0.0).astype(np.float32)
    created = root_of(
        replace(cloud, log_scales=cloud.log_scales + uneven[:, None]), "x", "PLY", PointRenderer()
    )
    world = opened(created)
    assert world.check() == []
    camera, header = world.node(created.node).main.camera, created.header
    for block in world.blocks:
        frame = camera.cell_frame(block.cell)
        points = block.surfels.means.astype(float) @ frame.matrix.T + frame.origin
        r = camera.ln_scale_at(points) - block.cell.ln_edge
        shown = weight(r, block.surfels.native, block.bounds.parent, block.bounds.child)
        assert (shown > 0.99).all()
    assert header.h_ref == camera.height
