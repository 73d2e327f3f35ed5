"""Tracing: exact depth, the same at every zoom and for every number of threads, soft shadows."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.embedded.shapes import Material, Shape
from wonderzoom.generation.embedded.things import Thing, canonical_window
from wonderzoom.generation.embedded.tracing import Lighting, Rays, light_at, lin, outline, srgb, tone, trace
from wonderzoom.scene_graph.ports import Cancelled

LIGHT = Lighting((-0.4, -0.5, 0.8))
SIDE = 48


def ball(radius: float = 1.0) -> Shape:
    shape = Shape()
    shape.ball((0, 0, radius), radius, shape.material(Material((0.5, 0.2, 0.1), ladder=None)))
    return shape


def straight(width: float, side: int = SIDE, spread: float = 0.0) -> Rays:
    """Looking along +x at the ball's middle, from 3 units before it."""
    pixel = width / side
    return Rays(
        np.array([-3.0, 0.0, 1.0]), np.array([1.0, 0.0, 0.0]), np.array([0.0, -pixel, 0.0]),
        np.array([0.0, 0.0, -pixel]), spread, side, side,
    )  # fmt: skip


def across(rays: Rays) -> tuple[np.ndarray, np.ndarray]:
    """Offsets [H, W, 3] and directions [H, W, 3] of the pixel centres."""
    u = np.arange(rays.width) + 0.5 - rays.width / 2
    v = np.arange(rays.height) + 0.5 - rays.height / 2
    offset = u[None, :, None] * rays.step_x + v[:, None, None] * rays.step_y
    return offset, rays.forward + rays.spread * offset


@pytest.mark.parametrize("spread", [0.0, 0.3])
def test_the_depth_of_a_ball_is_the_analytic_one(spread: float) -> None:
    rays = straight(1.2, spread=spread)
    seen = trace(ball().arrays(), rays, LIGHT, 1, 0.01)
    offset, direction = across(rays)
    start = rays.anchor + offset - np.array([0.0, 0.0, 1.0])
    a, b, c = (direction**2).sum(-1), (start * direction).sum(-1), (start**2).sum(-1) - 1.0
    inside = b * b - a * c
    inner = inside > 0.3  # away from the rim, where a pixel is more than a point
    expected = (-b - np.sqrt(np.maximum(inside, 0.0))) / a
    pixel = np.linalg.norm(rays.step_x)
    assert seen.hit[inner].all()
    assert np.abs(seen.depth - expected)[inner].max() < 0.1 * pixel
    normal = seen.points - np.array([0.0, 0.0, 1.0])
    assert np.abs(seen.normals - normal)[inner].max() < 0.02
    assert np.isinf(seen.depth[~seen.hit]).all()


def test_pixels_on_the_rim_are_partly_covered() -> None:
    seen = trace(ball().arrays(), straight(3.0), LIGHT, 1, 0.01)
    partly = (seen.alpha > 0) & (seen.alpha < 1)
    assert partly.any() and seen.alpha.max() == 1.0
    assert seen.alpha.sum() * (3.0 / SIDE) ** 2 == pytest.approx(math.pi, rel=0.02)


def test_where_rays_start_does_not_matter() -> None:
    shape = Thing("ladybug", 1).shape
    rays = canonical_window(Thing("ladybug", 1), SIDE, SIDE)
    near, far = (trace(shape, rays.advanced(step), LIGHT, 1, 0.004) for step in (0.0, -2.0))
    both = near.hit & far.hit
    assert both.mean() > 0.95 * near.hit.mean()
    assert np.abs(far.depth[both] - near.depth[both] - 2.0).max() < 1e-2
    assert np.abs(near.alpha - far.alpha).mean() < 2e-3


def test_a_window_that_misses_holds_nothing() -> None:
    rays = replace(straight(1.0), anchor=np.array([-3.0, 40.0, 1.0]))
    seen = trace(ball().arrays(), rays, LIGHT, 1, 0.01)
    assert not seen.hit.any() and seen.alpha.max() == 0.0
    assert np.isinf(outline(ball().arrays(), rays)).all()


def test_the_outline_is_what_is_hit_by_middles_of_pixels() -> None:
    rays = straight(3.0)
    offset, _ = across(rays)
    seen = np.isfinite(outline(ball().arrays(), rays))
    away = np.linalg.norm(offset, axis=-1)
    assert seen[away < 0.98].all() and not seen[away > 1.02].any()


def test_the_same_bytes_for_any_number_of_threads() -> None:
    thing = Thing("bee", 3)
    rays = canonical_window(thing, SIDE, SIDE)
    one, three = (trace(thing.shape, rays, LIGHT, 3, 0.007, threads) for threads in (1, 3))
    for name in ("color", "alpha", "depth", "points", "normals", "relief", "owners"):
        assert np.array_equal(getattr(one, name), getattr(three, name)), name


@settings(max_examples=8)
@given(st.integers(0, SIDE - 1), st.integers(0, SIDE - 1))
def test_a_zoom_sees_the_same_surface_at_the_same_place(x: int, y: int) -> None:
    """The middle of a pixel, traced again with pixels 81 times smaller, lies where it lay."""
    thing = Thing("ladybug", 1)
    rays = canonical_window(thing, SIDE, SIDE)
    coarse = trace(thing.shape, rays, LIGHT, 1, 0.004)
    if coarse.alpha[y, x] < 1.0:
        return
    offset, _ = across(rays)
    fine = replace(
        rays, anchor=rays.anchor + offset[y, x], forward=rays.forward + rays.spread * offset[y, x],
        step_x=rays.step_x / 81, step_y=rays.step_y / 81, width=3, height=3,
    )  # fmt: skip
    seen = trace(thing.shape, fine, LIGHT, 1, 0.004)
    pixel = np.linalg.norm(rays.step_x)
    assert seen.hit[1, 1]
    if seen.owners[1, 1] == coarse.owners[y, x]:
        assert abs(seen.depth[1, 1] - coarse.depth[y, x]) < 2.0 * pixel


def test_far_ground_is_open_and_ground_below_is_dark() -> None:
    shape = ball(0.6).arrays()
    points = np.zeros((8, 8, 3))
    points[0, 0] = (0.02, 0.02, 0.0)  # under it
    points[0, 1] = 1.0 * np.array([0.4, 0.5, 0.0])  # in its shadow
    points[1:] = (60.0, 0.0, 0.0)
    valid = np.ones((8, 8), np.bool_)
    sky, sun = light_at(shape, points, valid, LIGHT.unit)
    assert (sky[1:] == 1.0).all() and (sun[1:] == 1.0).all()
    assert sun[0, 0] < 0.1 and sky[0, 0] < 0.5
    assert sun[0, 1] < 0.2


def test_a_cancelled_trace_stops() -> None:
    thing = Thing("ladybug", 1)
    with pytest.raises(Cancelled):
        trace(thing.shape, canonical_window(thing, SIDE, SIDE), LIGHT, 1, 0.004, 1, lambda: True)


@given(st.floats(0, 1))
def test_encoding_and_decoding_are_inverse(value: float) -> None:
    assert float(lin(srgb(np.array(value)))) == pytest.approx(value, abs=1e-5)


@given(st.floats(0, 20), st.floats(0, 20))
def test_tone_keeps_the_order_of_brightness(a: float, b: float) -> None:
    low, high = sorted((a, b))
    assert tone(np.array(low)) <= tone(np.array(high)) + 1e-6
