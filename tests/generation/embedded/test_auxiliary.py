"""Further views: what new things hide, and their other sides, each surface once."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from photo_world import PhotoWorld, photo

from wonderzoom.generation.embedded.auxiliary import BEHIND, BLOT, AuxiliaryStage
from wonderzoom.generation.embedded.editing import EditorStage
from wonderzoom.generation.stages import Edited, Layer, ZoomContext
from wonderzoom.scene_graph.ports import Cancelled, Control
from wonderzoom.scene_graph.surfels import FILL, STRUCTURE, SURFACE

SIDE, FACTOR = 96, 4.0


@pytest.fixture(scope="module")
def ladybug() -> tuple[ZoomContext, Edited, Layer, list[Layer]]:
    """One zoom with a ladybug: context, I_i, the main layer and the further ones."""
    found = PhotoWorld.of(photo(), 0.5)
    context = found.context(found.observed(found.zoomed(FACTOR, side=SIDE), FACTOR))
    context = replace(context, request=replace(context.request, prompt="a ladybug"))
    edited = EditorStage().edit(context, context.observation.color, Control())
    main = main_layer(context, edited)
    return context, edited, main, AuxiliaryStage().synthesise(context, edited, main, Control())


def main_layer(context: ZoomContext, edited: Edited) -> Layer:
    assert edited.structure_zeta is not None
    zeta = np.where(edited.structure, edited.structure_zeta, context.observation.zeta).astype(np.float32)
    kind = np.where(edited.structure, np.uint8(STRUCTURE), np.uint8(SURFACE)).astype(np.uint8)
    return Layer(context.observation.camera, edited.image, zeta, np.isfinite(zeta), "main", kind)


def points(layer: Layer) -> np.ndarray:
    """View points [N, 3] of a layer's pixels."""
    camera = layer.camera
    return camera.unproject(camera.pixel_centres(), np.nan_to_num(layer.zeta))[layer.mask]


def test_behind_a_thing_lies_the_old_surface(ladybug: tuple) -> None:
    context, edited, main, layers = ladybug
    fill = layers[0]
    assert fill.role == "fill" and fill.kind == FILL and fill.camera == main.camera
    hidden = edited.structure & fill.mask
    assert hidden.sum() > 0.8 * edited.structure.sum()
    assert fill.mask.sum() < 1.4 * edited.structure.sum()
    assert (fill.zeta >= main.zeta)[hidden].all()
    # What the thing reaches into is taken along by it, behind all of it that is near.
    shown = np.where(edited.structure, main.zeta, -np.inf).astype(np.float32)
    least = cv2.dilate(shown, np.ones((2 * BLOT + 1,) * 2, np.uint8)) + BEHIND
    reached = edited.structure & (least > context.observation.zeta - 1.0)
    assert np.abs(fill.zeta - context.observation.zeta)[fill.mask & ~reached].max() < 2.0
    wanted = np.maximum(least, context.observation.zeta)
    assert reached.any() and np.abs(fill.zeta - wanted)[fill.mask & reached].max() < 2.0
    assert np.array_equal(fill.image, edited.under)


def test_the_sides_are_structure_that_the_main_view_does_not_see(ladybug: tuple) -> None:
    _, edited, main, layers = ladybug
    sides = [layer for layer in layers if layer.role != "fill"]
    assert len(sides) >= 2 and all(layer.role == "auxiliary" and layer.kind == STRUCTURE for layer in sides)
    for layer in sides:
        matrix, origin = main.camera.map_from(layer.camera)
        there = points(layer) @ matrix.T + origin
        uv, _ = main.camera.project(there)
        x, y = np.floor(uv).astype(int).T
        seen = edited.structure[y, x]
        deeper = there[:, 2] > main.zeta[y, x] + 1.0
        assert (deeper | ~seen).mean() > 0.97
        assert layer.normals is not None
        assert np.allclose(np.linalg.norm(layer.normals[layer.mask], axis=-1), 1.0, atol=1e-2)


def test_no_side_is_made_twice(ladybug: tuple) -> None:
    """In common coordinates no two further views have surfels within half of one of their own pixels."""
    _, _, main, layers = ladybug
    clouds = []
    for layer in layers[1:]:
        matrix, origin = main.camera.map_from(layer.camera)
        clouds.append(points(layer) @ matrix.T + origin)
    for i, one in enumerate(clouds):
        for other in clouds[:i]:
            apart = np.linalg.norm(one[:, None] - other[None], axis=-1).min(1)
            assert (apart < 0.4).mean() < 0.05


@pytest.mark.parametrize("angles", [(25.0, 0.0), (-25.0, 0.0), (0.0, 20.0)])
def test_from_the_side_they_show_what_the_main_view_does_not(
    ladybug: tuple, angles: tuple[float, float]
) -> None:
    """A point of the sides is nearer there than anything of the thing that the main view has in that pixel."""
    _, edited, main, layers = ladybug
    aside = main.camera.orbited(*(math.radians(angle) for angle in angles))

    def nearest(clouds: list[np.ndarray]) -> np.ndarray:
        depth = np.full((SIDE, SIDE), np.inf)
        for cloud in clouds:
            uv, _ = aside.project(cloud)
            x, y = np.floor(uv).astype(int).T
            keep = (x >= 0) & (y >= 0) & (x < SIDE) & (y < SIDE)
            np.minimum.at(depth, (y[keep], x[keep]), cloud[keep, 2])
        return depth

    def placed(layer: Layer, mask: np.ndarray) -> np.ndarray:
        matrix, origin = aside.map_from(layer.camera)
        return points(replace(layer, mask=mask)) @ matrix.T + origin

    alone = nearest([placed(main, edited.structure & main.mask)])
    sides = nearest([placed(each, each.mask) for each in layers[1:]])
    assert (sides < alone - 2.0).sum() > 8


def test_without_new_things_there_are_no_further_views() -> None:
    found = PhotoWorld.of(photo(), 0.5)
    context = found.context(found.observed(found.zoomed(FACTOR, side=SIDE), FACTOR))
    edited = EditorStage().edit(context, context.observation.color, Control())
    main = Layer(
        context.observation.camera, edited.image, context.observation.zeta, np.ones((SIDE, SIDE), np.bool_)
    )
    assert AuxiliaryStage().synthesise(context, edited, main, Control()) == []


def test_cancelling_stops(ladybug: tuple) -> None:
    context, edited, main, _ = ladybug
    with pytest.raises(Cancelled):
        AuxiliaryStage().synthesise(context, edited, main, Control(cancelled=lambda: True))
