"""Detail is a function of place and pixel size: the same from every window, in any number of threads."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.embedded.detail import Base, Detail, synthesise
from wonderzoom.generation.embedded.ladders import LADDERS, NAMES
from wonderzoom.scene_graph.ports import Cancelled

SIDE = 24


def window(x: float, y: float, pixel: float, side: int = SIDE) -> np.ndarray:
    """Centres of a square window's pixels, [side, side, 2] metres."""
    step = (np.arange(side) + 0.5) * pixel
    return np.stack(np.meshgrid(x + step, y + step), -1)


def look(points: np.ndarray, pixel: float, material: str = "grass", **options: object) -> Detail:
    kind = np.full(points.shape[:2], LADDERS.index(material))
    arguments = {"ladders": LADDERS, "seed": 5, "samples": 1, **options}
    return synthesise(points, kind, 0.3, 1.0, pixel, 0.05, **arguments)  # type: ignore[arg-type]


def same(a: Detail, b: Detail) -> bool:
    return all(np.array_equal(getattr(a, f), getattr(b, f)) for f in ("color", "height", "occlusion"))


@settings(max_examples=15)
@given(
    material=st.sampled_from(NAMES),
    ln_pixel=st.floats(-20.0, -4.0),
    seed=st.integers(-(2**63), 2**64),
    samples=st.sampled_from([1, 2, 4]),
)
def test_any_number_of_threads_gives_the_same_bytes(material: str, ln_pixel: float, seed: int, samples: int):
    pixel = float(np.exp(ln_pixel))
    points = window(0.37, -1.2, pixel)
    one = look(points, pixel, material, seed=seed, samples=samples)
    assert same(one, look(points, pixel, material, seed=seed, samples=samples, threads=3))
    assert np.isfinite(one.color).all() and (one.color > 0).all()
    assert np.isfinite(one.height).all()
    assert ((one.occlusion > 0) & (one.occlusion <= 1)).all()


@settings(max_examples=15)
@given(st.sampled_from(NAMES), st.floats(-16.0, -5.0), st.integers(1, SIDE - 3), st.integers(1, SIDE - 3))
def test_overlapping_windows_agree(material: str, ln_pixel: float, dx: int, dy: int):
    pixel = float(np.exp(ln_pixel))
    points = window(2.0, 3.0, pixel, 2 * SIDE)
    whole = look(points, pixel, material)
    part = look(points[dy : dy + SIDE, dx : dx + SIDE], pixel, material)
    inside = np.s_[1:-1, 1:-1]  # at the border steps to the next pixel are one-sided
    apart = np.abs(whole.color[dy : dy + SIDE, dx : dx + SIDE] - part.color)[inside]
    assert np.quantile(apart, 0.98) < 0.02 and apart.mean() < 4e-3
    higher = np.abs(whole.height[dy : dy + SIDE, dx : dx + SIDE] - part.height)[inside] / pixel
    assert np.quantile(higher, 0.98) < 0.1


@settings(max_examples=10)
@given(st.sampled_from(["generic", "glaze", "grass", "skin", "rock", "fabric"]), st.integers(0, 20))
def test_every_scale_has_detail_of_its_own(material: str, octave: int):
    """From millimetres to picometres: light varies within a window and from pixel to pixel."""
    pixel = 1e-3 * 0.5**octave * 0.7
    picture = look(window(0.123, 0.456, pixel, 48), pixel, material, samples=2)
    light = np.log((picture.color.mean(-1) * picture.occlusion).astype(np.float64))
    assert light.std() > 0.015
    assert np.diff(light, axis=1).std() > 0.004


def test_a_smaller_pixel_keeps_the_elements_that_a_larger_one_showed():
    """The averages of the fine picture follow the coarse one."""
    coarse = look(window(0.0, 0.0, 4e-4), 4e-4, samples=2)
    fine = look(window(0.0, 0.0, 1e-4, 4 * SIDE), 1e-4, samples=2)
    averaged = fine.color.reshape(SIDE, 4, SIDE, 4, 3).mean((1, 3, 4))
    assert np.corrcoef(np.log(averaged).ravel(), np.log(coarse.color.mean(-1)).ravel())[0, 1] > 0.7


def test_seeds_change_what_is_drawn():
    points = window(0.0, 0.0, 1e-4)
    assert not same(look(points, 1e-4, seed=1), look(points, 1e-4, seed=2))


def test_where_there_is_no_material_nothing_is_changed():
    points = window(0.0, 0.0, 1e-4)
    material = np.full(points.shape[:2], LADDERS.index("rock"))
    material[:, : SIDE // 2] = -1
    found = synthesise(points, material, 0.0, 1.0, 1e-4, 0.05, ladders=LADDERS, seed=0)
    assert (found.color[:, : SIDE // 2] == 1).all() and (found.occlusion[:, : SIDE // 2] == 1).all()
    assert (found.height[:, : SIDE // 2] == 0).all()
    assert found.height[:, SIDE // 2 :].std() > 0


def test_larger_elements_than_allowed_are_left_out():
    """Below every rung's size nothing is drawn at all."""
    points = window(0.0, 0.0, 1e-3)
    kind = np.full(points.shape[:2], LADDERS.index("grass"))
    found = synthesise(points, kind, 0.0, 1.0, 1e-3, 1.2e-3, ladders=LADDERS, seed=0)
    assert (found.color == 1).all() and (found.height == 0).all()


def test_elements_take_the_base_colour_at_their_centre():
    """Over a base of sharp random stripes a blade shows one stripe's colour, not several."""
    rng = np.random.default_rng(1)
    stripes = np.repeat(rng.uniform(0.2, 0.9, (1, 64, 3)), 64, 0).astype(np.float32)
    base = Base(stripes, (0.0, 0.0), 64 / (SIDE * 1e-3))
    points = window(0.0, 0.0, 1e-3)
    plain = look(points, 1e-3, base=Base(np.full_like(stripes, 0.5), base.origin, base.scale))
    striped = look(points, 1e-3, base=base)
    assert np.array_equal(plain.height, striped.height)
    across = striped.color / plain.color * 0.5  # the colour that each pixel took
    below = across[:, :, 0].std(0)
    assert below.mean() > 0.02  # straight stripes would give 0: elements moved them
    assert stripes.min() - 1e-3 <= across.min() and across.max() <= stripes.max() + 1e-3


def test_contrast_scales_the_first_rungs_only():
    points = window(0.0, 0.0, 1e-3)
    kind = np.full(points.shape[:2], LADDERS.index("grass"))
    flat, full = (
        synthesise(points, kind, 0.0, contrast, 1e-3, 0.012, ladders=LADDERS, seed=0).color.std()
        for contrast in (0.0, 1.0)
    )
    assert flat < 0.2 * full


def test_cancelling_raises():
    points = window(0.0, 0.0, 1e-3)
    with pytest.raises(Cancelled):
        look(points, 1e-3, cancelled=lambda: True)


@pytest.mark.parametrize("material", [-2, len(NAMES)])
def test_unknown_materials_are_refused(material: int):
    with pytest.raises(ValueError, match="materials must be"):
        synthesise(np.zeros((2, 2, 2)), np.full((2, 2), material), 0, 1, 1e-3, 1, ladders=LADDERS, seed=0)


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="points must be"):
        synthesise(np.zeros((2, 3, 2)), np.zeros((2, 2)), 0, 1, 1e-3, 1, ladders=LADDERS, seed=0)
