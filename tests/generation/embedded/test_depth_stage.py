"""D_i: the coarse depth, the relief of what was generated, exact where things stand; and its segments."""

from dataclasses import replace

import numpy as np
import pytest
from photo_world import PhotoWorld, photo

from wonderzoom.generation.embedded.chart import Charts
from wonderzoom.generation.embedded.depth_stage import MOST_RELIEF, EmbeddedDepth
from wonderzoom.generation.embedded.standing import Drawn
from wonderzoom.generation.embedded.upscaling import RELIEF, STANDING, EmbeddedUpscaler
from wonderzoom.generation.stages import Edited, ZoomContext
from wonderzoom.scene_graph.ports import Control

FACTOR = 6.0
SIDE = 96
IMAGE = photo()


def upscaled(tilt: float) -> tuple[ZoomContext, Edited]:
    """A zoom into the textured half of the photo, up to the edit, which changed nothing."""
    found = PhotoWorld.of(IMAGE, tilt)
    context = found.context(found.observed(found.zoomed(30.0, 24.0, 30.0, SIDE), FACTOR))
    image = EmbeddedUpscaler(Charts()).upscale(context, (), Control())
    nothing = np.zeros(image.shape[:2], np.bool_)
    return context, Edited(image, nothing, nothing)


def with_thing(context: ZoomContext) -> np.ndarray:
    """Put a thing of known depth into the zoom; the pixels that it owns."""
    shape = context.observation.zeta.shape
    owned = np.zeros(shape, np.bool_)
    owned[30:60, 40:70] = True
    zeta = np.where(owned, -25.0 + 0.1 * np.arange(shape[1]), np.nan).astype(np.float32)
    context.shared[STANDING] = Drawn(
        image=np.zeros((*shape, 3), np.float32),
        alpha=owned.astype(np.float32),
        zeta=zeta,
        normals=np.zeros((*shape, 3), np.float32),
        owner=np.where(owned, 0, -1).astype(np.int32),
        shade=np.ones(shape, np.float32),
    )
    return owned


@pytest.mark.parametrize("tilt", [0.0, 0.5])
def test_it_agrees_with_the_target_within_one_percent_of_the_width(tilt: float):
    context, edited = upscaled(tilt)
    zeta = EmbeddedDepth().register(context, edited, Control())
    target = context.observation.zeta
    assert zeta.shape == target.shape and zeta.dtype == np.float32 and np.isfinite(zeta).all()
    assert np.median(np.abs(zeta - target)) <= 0.01 * SIDE


def test_generated_relief_stands_up_and_is_bounded():
    context, edited = upscaled(0.0)
    rough = EmbeddedDepth().register(context, edited, Control())
    del context.shared[RELIEF]
    plain = EmbeddedDepth().register(context, edited, Control())
    relief = plain - rough
    assert 0.02 < relief.std() and np.abs(relief).max() <= MOST_RELIEF + 1e-3


def test_a_standing_thing_has_its_traced_depth():
    context, edited = upscaled(0.0)
    owned = with_thing(context)
    zeta = EmbeddedDepth().register(context, edited, Control())
    drawn = context.shared[STANDING]
    assert isinstance(drawn, Drawn)
    assert np.array_equal(zeta[owned], drawn.zeta[owned])


def test_a_new_structure_has_the_editors_depth():
    context, edited = upscaled(0.0)
    new = np.zeros((SIDE, SIDE), np.bool_)
    new[10:20, 10:20] = True
    depth = np.where(new, np.float32(-40.0), np.float32(np.nan))
    edited = replace(edited, new=new, structure=new, structure_zeta=depth)
    zeta = EmbeddedDepth().register(context, edited, Control())
    assert (zeta[new] == -40.0).all() and (np.abs(zeta[~new]) < 20).all()


def test_segments_tell_things_structures_and_surface_apart():
    context, edited = upscaled(0.0)
    owned = with_thing(context)
    new = np.zeros_like(owned)
    new[10:20, 10:20] = True
    labels = EmbeddedDepth().segment(context, replace(edited, structure=new), Control())
    assert labels.dtype == np.int32 and labels.min() >= 0
    thing, structure, rest = (set(np.unique(labels[part])) for part in (owned, new, ~owned & ~new))
    assert len(thing) == len(structure) == 1
    assert not thing & structure and not (thing | structure) & rest
