"""Views fit their cameras; names are what was asked."""

from dataclasses import replace

import numpy as np
import pytest
from worlds import facing, first_camera, make_node, plane_view

from wonderzoom.scene_graph.scale_node import View, node_id


def test_a_views_pictures_have_its_cameras_shape() -> None:
    camera = first_camera(12, 8)
    mask, zeta = np.ones((8, 12), np.bool_), np.zeros((8, 12), np.float32)
    assert View(camera, mask, zeta).role == "main"
    with pytest.raises(ValueError, match="mask"):
        View(camera, mask.T, zeta)
    with pytest.raises(ValueError, match="zeta"):
        View(camera, mask, zeta[:-1])
    with pytest.raises(ValueError, match="image"):
        View(camera, mask, zeta, image=np.zeros((8, 12), np.uint8))


def test_the_main_view_is_the_first() -> None:
    camera = first_camera(12, 8)
    plane = facing(camera)
    views = [plane_view(camera, plane), plane_view(camera.orbited(0.1, 0.0), plane, role="auxiliary")]
    assert make_node(views).main is views[0]


def test_a_name_is_a_hash_of_what_was_asked() -> None:
    camera = first_camera()
    name = node_id("p", camera, "a cat", 7, "test/1")
    assert len(name) == 10 and int(name, 16) >= 0
    assert name == node_id("p", replace(camera), "a cat", 7, "test/1")
    others = [
        node_id(None, camera, "a cat", 7, "test/1"),
        node_id("p", camera.zoomed(1.0001), "a cat", 7, "test/1"),
        node_id("p", camera, "a dog", 7, "test/1"),
        node_id("p", camera, "a cat", 8, "test/1"),
        node_id("p", camera, "a cat", 7, "test/2"),
        node_id("p", camera, "a cat", 7, "test/1", mode="replace"),
    ]
    assert len({name, *others}) == 7
