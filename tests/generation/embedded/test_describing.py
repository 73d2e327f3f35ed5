"""Words for a view come from the world's own provenance: materials of the chart, things that stand in it."""

import math
from dataclasses import replace

import numpy as np
from photo_world import METRES, PhotoWorld, photo

from wonderzoom.generation.embedded.chart import Charts
from wonderzoom.generation.embedded.describing import EmbeddedDescriber
from wonderzoom.generation.embedded.ladders import NAMES
from wonderzoom.generation.embedded.memory import EmbeddedMemory, Place, PlacedThing
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import Control

IMAGE = photo()
PLANTS = {"grass", "foliage", "leafo"}


def words(found: PhotoWorld, camera: Camera) -> tuple[str, ...]:
    context = found.context(found.observed(camera, 6.0))
    return EmbeddedDescriber(Charts()).describe(context, Control())


def with_thing(camera: Camera) -> PhotoWorld:
    """The photo with a ladybug at a camera's pivot, twenty pixels a unit."""
    found = PhotoWorld.of(IMAGE)
    light = ((1.2, 1.15, 1.0), (0.4, 0.45, 0.5), (0.3, 0.3, 0.25))
    place, ln_unit = Place.of(camera.pivot), camera.ln_scale + math.log(20.0)
    thing = PlacedThing("ladybug", 3, place, (1.0, 0.0, 0.0, 0.0), ln_unit, *light)
    memory = EmbeddedMemory(metres_per_pixel=METRES, things=(thing,))
    found.world.nodes[found.root.id] = replace(found.root, generator_state=memory.encode())
    return found


def test_it_names_the_materials_of_the_place():
    found = PhotoWorld.of(IMAGE)
    green, red = words(found, found.zoomed(8.0, 20.0, 36.0)), words(found, found.zoomed(8.0, 80.0, 36.0))
    assert set(green) & PLANTS and not set(red) & PLANTS
    assert set(green) | set(red) <= set(NAMES)


def test_it_names_things_that_are_in_the_view_and_no_others():
    camera = PhotoWorld.of(IMAGE).zoomed(6.0, 24.0, 36.0)
    found = with_thing(camera)
    assert "ladybug" in words(found, camera)
    assert "ladybug" not in words(found, found.zoomed(40.0, 85.0, 10.0))


def test_unknown_depth_is_no_obstacle():
    found = PhotoWorld.of(IMAGE)
    observation = found.observed(found.zoomed(8.0), 6.0)
    blind = replace(observation, zeta=np.full_like(observation.zeta, np.nan))
    assert EmbeddedDescriber(Charts()).describe(found.context(blind), Control())
