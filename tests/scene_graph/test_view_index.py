"""The index finds every view that can see a box, in order, and passes over the others without looking."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene_strategies import cameras, cells
from trees import Soil, Zoom, plant
from worlds import make_node

from wonderzoom.scene_graph import view_index
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.cells import Cell
from wonderzoom.scene_graph.extent import surfel_boxes
from wonderzoom.scene_graph.frustum import CellTable, Frustum, boxes_in_pixels
from wonderzoom.scene_graph.scale_node import ScaleNode, View
from wonderzoom.scene_graph.view_index import ViewIndex

CORNERS = np.array([(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], np.float64)


def node_of(camera: Camera, seed: int) -> ScaleNode:
    """A node whose view covers nothing: only its frustum is asked for here."""
    small = Camera(
        camera.pivot, camera.quat, camera.ln_distance, camera.ln_fx, camera.ln_fy, 8.0, 6.0, 16, 12
    )
    nowhere = np.zeros((12, 16), np.bool_)
    return make_node([View(small, nowhere, np.zeros((12, 16), np.float32))], seed=seed)


@settings(max_examples=30)
@given(st.lists(cameras(focals=(10.0, 1e200)), min_size=1, max_size=6), st.data())
def test_no_view_that_touches_is_passed_over(some: list[Camera], data: st.DataObject) -> None:
    """Boxes in front of a random one of the cameras, in cells of any size; the exact test decides."""
    index = ViewIndex(node_of(camera, i) for i, camera in enumerate(some))
    places: list[Cell] = []
    boxes: list[np.ndarray] = []
    for _ in range(data.draw(st.integers(1, 4))):
        camera = data.draw(st.sampled_from(some))
        zeta = data.draw(st.floats(-0.9, 3.0)) * min(math.exp(min(camera.ln_f, 400.0)), 1e5)
        uv = np.array([data.draw(st.floats(0.0, 16.0)), data.draw(st.floats(0.0, 12.0))])
        place = camera.position(camera.unproject(uv, np.array(zeta)))
        inside = place.rebased(place.cell.level - data.draw(st.integers(0, 30)))
        size = data.draw(st.floats(1e-3, 1.0))
        places.append(data.draw(st.just(inside.cell) | cells()))
        boxes.append(np.array(inside.offset) + [[-size] * 3, [size] * 3])
    found = touched(index, places, np.stack(boxes))
    want = []
    for live in index.views:
        table = CellTable()
        for row, cell in enumerate(places):
            table.put(row, cell)
        middle, halves = boxes_in_pixels(
            *table.seen_from(live.camera).of(np.arange(len(places))), np.stack(boxes)
        )
        rows = np.flatnonzero(Frustum.of(live.camera).touches(middle, halves)).tolist()
        if rows:
            want.append((live.node, rows))
    assert found == want
    # What a place may look like from this view and from all coarser ones: never finer than the bound.
    nearby = index.near(places, np.stack(boxes))
    for number, live in enumerate(nearby.views):
        table = CellTable()
        for row, cell in enumerate(places):
            table.put(row, cell)
        for later in range(number + 1):
            at, lowest, highest = nearby.touched(number)
            middle, halves = boxes_in_pixels(*table.seen_from(live.camera).of(at), np.stack(boxes)[at])
            corners = middle[:, None] + halves[:, None] * CORNERS
            scales = live.camera.ln_scale_at(corners @ live.camera.rotation.T)
            assert (scales[np.isfinite(scales)] >= nearby.least[later]).all()
            assert (np.where(np.isfinite(scales), scales, np.inf) >= lowest[:, None]).all()
            assert (scales <= highest[:, None]).all()


def touched(index: ViewIndex, places: Sequence[Cell], boxes: np.ndarray) -> list[tuple[str, list[int]]]:
    """The views that touch some of the boxes, by name, and which boxes."""
    nearby = index.near(places, boxes)
    rows = {live.node: nearby.touched(i)[0].tolist() for i, live in enumerate(nearby.views)}
    return [(live.node, rows[live.node]) for live in index.views if rows.get(live.node)]


def test_views_elsewhere_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred zooms along the upper rim, one box at the lower: only the root is tested exactly."""
    zooms = [Zoom(0, 0.02 + 0.96 * k / 100, 0.1, 30.0) for k in range(100)]
    tree = plant([*zooms, Zoom(0, 0.5, 0.9, 30.0)], Soil(8, 6))
    index = ViewIndex(node for node, _ in tree.nodes)
    cells_, parts = zip(*tree.nodes[-1][1], strict=True)
    tested: list[int] = []
    exactly = view_index.boxes_in_pixels

    def counted(*arguments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        tested.append(1)
        return exactly(*arguments)

    monkeypatch.setattr(view_index, "boxes_in_pixels", counted)
    found = touched(index, cells_, surfel_boxes(parts))
    assert {node for node, _ in found} == {tree.id(0), tree.id(101)}
    assert len(tested) <= 4


def test_an_index_changes_into_another_and_stays() -> None:
    tree = plant([Zoom(0, 0.5, 0.5, 3.0), Zoom(1, 0.5, 0.5, 3.0)], Soil(8, 6))
    nodes = [node for node, _ in tree.nodes]
    whole, grown = ViewIndex(nodes), ViewIndex(nodes[:1])
    for node in nodes[1:]:
        grown = grown.changed(added=[node])
    assert [view.node for view in whole.views] == sorted(node.id for node in nodes)
    assert [view.node for view in grown.views] == [view.node for view in whole.views]
    less = grown.changed(removed=[nodes[2].id])
    assert len(less.views) == 2 and len(grown.views) == 3
    assert less.parent(nodes[1].id) == nodes[0].id and less.parent(nodes[0].id) is None
    assert less.main(nodes[1].id) is nodes[1].views[0]
    assert [view.node for view in grown.of_nodes([nodes[2].id, nodes[0].id])] == sorted(
        [nodes[0].id, nodes[2].id]
    )
    assert touched(ViewIndex(), [], np.zeros((0, 2, 3))) == []
    assert touched(ViewIndex(), [nodes[0].cell], np.zeros((1, 2, 3))) == []
    assert touched(whole, [], np.zeros((0, 2, 3))) == []
