"""I'_i: agrees with what was seen, the same from every camera, finer than what was seen, and things exact."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from photo_world import METRES, PhotoWorld, photo

from wonderzoom.generation.embedded.chart import Charts, ChartView, metres_below, starts_chart
from wonderzoom.generation.embedded.consistency import observed, seen
from wonderzoom.generation.embedded.memory import EmbeddedMemory, LaidMaterial, Place, PlacedThing
from wonderzoom.generation.embedded.standing import Drawn, draw_things
from wonderzoom.generation.embedded.upscaling import (
    CHART,
    RELIEF,
    STANDING,
    EmbeddedUpscaler,
    chart_of,
    mirrored_places,
)
from wonderzoom.scene_graph.camera import Camera, matrix_to_quat
from wonderzoom.scene_graph.ports import Cancelled, Control

FACTOR = 6.0
SIDE = 120
IMAGE = photo()


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(np.mean((a - b) ** 2) + 1e-12))


def upscale(found: PhotoWorld, camera: Camera, threads: int = 1):
    context = found.context(found.observed(camera, FACTOR), threads=threads)
    return EmbeddedUpscaler(Charts()).upscale(context, (), Control()), context


def with_memory(things: tuple[PlacedThing, ...] = (), materials: tuple[LaidMaterial, ...] = ()) -> PhotoWorld:
    """A photo on a plane whose root remembers more."""
    found = PhotoWorld.of(IMAGE, tilt=0.3)
    root = found.root
    memory = EmbeddedMemory(metres_per_pixel=METRES, things=things, materials=materials)
    found.world.nodes[root.id] = replace(root, generator_state=memory.encode())
    return found


def ladybug(found: PhotoWorld, camera: Camera, pixels: float) -> PlacedThing:
    """One that lies on the plane at a camera's pivot, ``pixels`` of the camera long per unit."""
    normal = found.plane.seen(found.root.main.camera)
    normal = -normal if normal[2] > 0 else normal
    x = np.cross(normal, [0.0, 1.0, 0.0])
    x /= np.linalg.norm(x)
    turn = np.stack([x, np.cross(normal, x), normal], -1)
    quat = tuple(float(q) for q in matrix_to_quat(found.root.main.camera.rotation.T @ turn))
    ln_unit = camera.ln_scale + math.log(pixels)
    light = ((1.2, 1.15, 1.0), (0.4, 0.45, 0.5), (0.3, 0.3, 0.25))
    return PlacedThing("ladybug", 3, Place.of(camera.pivot), quat, ln_unit, *light)  # type: ignore[arg-type]


@pytest.mark.parametrize("tilt", [0.0, 0.6])
def test_low_passed_and_downsampled_it_equals_what_was_seen(tilt: float):
    found = PhotoWorld.of(IMAGE, tilt)
    camera = found.zoomed(FACTOR, 48.0, 36.0, SIDE)
    image, context = upscale(found, camera)
    o = context.observation
    assert image.shape == o.color.shape and image.dtype == np.float32
    assert psnr(seen(image, FACTOR), observed(o.color, FACTOR)) >= 40
    fine, blurred = (np.abs(np.diff(p.mean(-1))).mean() for p in (image, o.color))
    assert fine > 1.5 * blurred


def test_the_same_request_gives_the_same_bytes_with_any_number_of_threads():
    found = PhotoWorld.of(IMAGE, 0.4)
    camera = found.zoomed(FACTOR, 40.0, 30.0, SIDE)
    one, _ = upscale(found, camera, threads=1)
    three, _ = upscale(found, camera, threads=3)
    assert np.array_equal(one, three)


def test_from_15_degrees_aside_the_texture_is_the_same():
    """Zoom, orbit, zoom again: the picture seen aside, brought back, has the same fine detail."""
    found = PhotoWorld.of(IMAGE, 0.2)
    camera = found.zoomed(30.0, 24.0, 30.0, SIDE)
    straight, _ = upscale(found, camera)
    aside_camera = camera.orbited(math.radians(15), 0.0)
    aside, _ = upscale(found, aside_camera)
    zeta = found.plane.zeta(camera)
    matrix, origin = aside_camera.map_from(camera)
    at, _ = aside_camera.project(camera.unproject(camera.pixel_centres(), zeta) @ matrix.T + origin)
    at = (at - 0.5).astype(np.float32)
    back = cv2.remap(aside, at[..., 0], at[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT_101)

    def fine(picture: np.ndarray) -> np.ndarray:
        grey = cv2.GaussianBlur(picture.mean(-1), (0, 0), 1.0)
        return (grey - cv2.GaussianBlur(grey, (0, 0), 5.0))[20:-20, 20:-20].ravel()

    assert np.corrcoef(fine(straight), fine(back))[0, 1] > 0.75


@pytest.mark.slow
def test_twenty_zooms_stay_textured_through_every_new_chart():
    """Factor 6 each, 3.6e15 in all: two new charts on the way, and no view is flat or without hue."""
    found = PhotoWorld.of(IMAGE)
    stage, parent, charts = EmbeddedUpscaler(Charts()), found.root.id, set()
    for number in range(1, 21):
        camera = found.zoomed(FACTOR**number, 30.0, 30.0, SIDE)
        context = found.context(found.observed(camera, FACTOR, found.world.node(parent)), parent)
        image = stage.upscale(context, (), Control())
        chart = chart_of(context)
        charts.add(chart.node)
        o = context.observation
        assert (
            psnr(seen(image, FACTOR), observed(o.color, FACTOR)) >= 36
        )  # a clipped highlight costs a little
        light = np.log(image.mean(-1) + 0.02)
        assert light.std() > 0.03, number
        assert np.abs(np.diff(light, axis=1)).mean() > 0.01, number
        assert np.ptp(np.quantile(image[..., 0] / (image.sum(-1) + 0.02), [0.02, 0.98])) > 0.004, number
        memory = EmbeddedMemory(metres_per_pixel=metres_below(chart), chart=starts_chart(chart))
        parent = found.add(camera, (image * 255 + 0.5).astype(np.uint8), parent, memory)
    assert len(charts) == 3


def test_standing_things_are_traced_again_with_their_own_detail() -> None:
    camera = PhotoWorld.of(IMAGE, 0.3).zoomed(FACTOR, 48.0, 36.0, SIDE)
    things = (ladybug(PhotoWorld.of(IMAGE, 0.3), camera, 20.0),)
    found = with_memory(things=things)
    bare = found.observed(camera, FACTOR)
    exact = draw_things(things, camera, bare.color, 1)
    # What the coarse scene shows of it: the same, through coarse pixels.
    coarse = cv2.GaussianBlur(exact.image, (0, 0), 0.6 * FACTOR)
    context = found.context(replace(bare, color=coarse), threads=1)
    image = EmbeddedUpscaler(Charts()).upscale(context, (), Control())
    drawn = context.shared[STANDING]
    assert isinstance(drawn, Drawn)
    solid = drawn.alpha > 0.999
    assert 0.02 < solid.mean() < 0.6
    error = np.abs(image - exact.image)[solid]
    assert np.median(error) < 0.01
    assert np.quantile(error, 0.95) < 0.06


def test_laid_patches_are_drawn_again():
    found = with_memory(materials=(LaidMaterial("moss", (70.0, 36.0), 12.0, 5),))
    camera = found.zoomed(FACTOR, 70.0, 36.0, SIDE)
    mossy, context = upscale(found, camera)
    plain, _ = upscale(PhotoWorld.of(IMAGE, 0.3), camera)
    assert np.std(np.asarray(context.shared[RELIEF])) > 0
    apart = np.abs(mossy - plain).mean()
    assert apart > 0.01
    o = context.observation
    assert psnr(seen(mossy, FACTOR), observed(o.color, FACTOR)) >= 40  # and still what was seen


def test_where_depth_is_unknown_there_is_a_picture_too():
    found = PhotoWorld.of(IMAGE)
    camera = found.zoomed(FACTOR, 48.0, 36.0, SIDE)
    observation = found.observed(camera, FACTOR)
    zeta = observation.zeta.copy()
    zeta[:30] = np.nan
    context = found.context(replace(observation, zeta=zeta))
    image = EmbeddedUpscaler(Charts()).upscale(context, (), Control())
    assert np.isfinite(image).all()


def test_other_stages_find_the_chart():
    found = PhotoWorld.of(IMAGE)
    _, context = upscale(found, found.zoomed(FACTOR, side=48))
    assert isinstance(chart_of(context), ChartView)
    del context.shared[CHART]
    with pytest.raises(ValueError, match="has not run"):
        chart_of(context)


def test_cancelling_stops_it():
    found = PhotoWorld.of(IMAGE)
    context = found.context(found.observed(found.zoomed(FACTOR, side=48), FACTOR))
    with pytest.raises(Cancelled):
        EmbeddedUpscaler(Charts()).upscale(context, (), Control(cancelled=lambda: True))


def test_places_beside_a_chart_are_mirrored_into_it() -> None:
    places = np.array([[-3.0, 5.0], [13.0, 5.0], [4.0, -1.0], [4.0, 25.0], [9.5, 19.5]])
    assert np.array_equal(
        mirrored_places(places, (20, 10)),
        np.array([[3.0, 5.0], [7.0, 5.0], [4.0, 1.0], [4.0, 15.0], [9.5, 19.5]]),
    )
