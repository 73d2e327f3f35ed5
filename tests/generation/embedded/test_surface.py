"""A chart's content through a view: the photo's own, then detail of its materials, sharp at every depth."""

import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from photo_world import METRES, photo

from wonderzoom.generation.embedded.features import LUMA, features_of
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.materials import materials_of
from wonderzoom.generation.embedded.surface import Drawn, Picture, draw_surface, enlargement, picture_of
from wonderzoom.scene_graph.ports import Cancelled

SIDE = 64


@pytest.fixture(scope="module")
def picture() -> Picture:
    image = (photo(128, 96) / 255).astype(np.float32)
    features = features_of(image)
    return picture_of(image, materials_of(image, features, np.zeros(image.shape[:2], np.bool_)), features)


def look(picture: Picture, u: float, v: float, scale: float, side: int = SIDE, threads: int = 1) -> Drawn:
    step = (np.arange(side) + 0.5 - side / 2) * scale
    places = np.stack(np.meshgrid(u + step, v + step), -1).astype(np.float64)
    return draw_surface(picture, places, np.full((side, side), scale), METRES, 7, threads)


def slope(image: np.ndarray) -> float:
    """Log-log slope of the amplitude spectrum between 0.06 and 0.45 cycles per pixel."""
    grey = image @ LUMA
    side = len(grey)
    window = np.hanning(side)
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window[:, None] * window)) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(0.06, 0.45, 9)
    centres = np.sqrt(edges[1:] * edges[:-1])
    bands = [power[(frequency >= a) & (frequency < b)].mean() for a, b in zip(edges, edges[1:], strict=False)]
    return float(np.polyfit(np.log(centres), np.log(bands), 1)[0] / 2)


@settings(max_examples=12)
@given(st.floats(0.0, 10.0), st.floats(24, 104), st.floats(24, 72))
def test_every_depth_is_textured_and_sharp(picture: Picture, zooms: float, u: float, v: float):
    """Up to ten zooms of 6 (6e7 times): contrast within the view, energy up to the last octave."""
    scale = 0.5 * 6.0**-zooms
    drawn = look(picture, u, v, scale, 96)
    assert np.isfinite(drawn.image).all() and (drawn.image >= 0).all()
    light = np.log(drawn.image @ LUMA + 1e-3)
    if zooms > 1.5:  # the first zoom keeps the photo's smooth surfaces smooth
        assert light.std() > 0.03
        assert -2.4 < slope(drawn.image / drawn.image.mean()) < -0.3
        assert np.isfinite(drawn.height).all() and drawn.height.std() > 0


def test_the_first_zoom_shows_the_photo(picture: Picture):
    drawn = look(picture, 64.0, 48.0, 0.25, 128)
    here = picture.image[32:64, 48:80]
    coarse = cv2.resize(np.clip(drawn.image, 0, 1), (32, 32), interpolation=cv2.INTER_AREA)
    gain = here.mean() / coarse.mean()
    assert np.sqrt(np.mean((coarse * gain - here) ** 2)) < 0.08
    assert np.corrcoef(coarse.ravel(), here.ravel())[0, 1] > 0.85


def test_threads_do_not_matter(picture: Picture):
    one, three = (look(picture, 60.0, 40.0, 0.02, threads=n) for n in (1, 3))
    assert np.array_equal(one.image, three.image) and np.array_equal(one.height, three.height)
    assert np.array_equal(one.materials, three.materials)


def test_materials_are_those_of_the_places(picture: Picture):
    left, right = look(picture, 20.0, 48.0, 0.1), look(picture, 108.0, 48.0, 0.1)
    names = [LADDERS.names[np.bincount(d.materials.ravel()).argmax()] for d in (left, right)]
    assert names[0] in ("grass", "foliage", "leafo") and names[1] in ("glaze", "generic")


def test_a_border_between_materials_stays_irregular_far_below_a_pixel(picture: Picture):
    """Followed down, the border of two materials is never a straight line."""

    def border(y: float, scale: float, near: float, reach: float) -> float:
        """Where the material first changes along a row, looked for within ``reach`` of ``near``."""
        x = np.linspace(near - reach, near + reach, 1501)
        grid = np.stack([x, np.full_like(x, y)], -1)[None]
        kinds = draw_surface(picture, grid, np.full((1, len(x)), scale), METRES, 7, 1).materials[0]
        changes = np.flatnonzero(np.diff(kinds))
        return float(x[changes[0]]) if len(changes) else math.nan

    v = 48.0
    for scale in (0.1, 0.01, 0.001):
        middle = border(v, scale, 64.0, 12.0)
        reach = 40.0 * scale  # fine enough to see bends of a fiftieth of a pixel of that scale
        rows = np.linspace(v - 12 * scale, v + 12 * scale, 25)
        found = np.array([border(y, scale, middle, reach) for y in rows])
        assert np.isfinite(found).sum() > 12
        assert np.nanmax(np.abs(np.diff(found, 2))) > 0.1 * scale


def test_enlargement_never_blurs_and_never_exceeds_what_the_net_does():
    assert [enlargement(s) for s in (1.0, 0.9, 0.5, 0.25, 1 / 6, 1 / 8, 1e-9)] == [1, 1, 2, 4, 4, 8, 8]


def test_cancelling_raises(picture: Picture):
    places = np.zeros((8, 8, 2)) + 40.0
    with pytest.raises(Cancelled):
        draw_surface(picture, places, np.full((8, 8), 0.1), METRES, 1, 1, lambda: True)
