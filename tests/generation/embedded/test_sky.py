"""Sky: smooth, of a sky's colour, and the top of the picture; a doubtful one is none."""

import cv2
import numpy as np
import pytest
from skimage import data

from wonderzoom.generation.embedded.features import features_of
from wonderzoom.generation.embedded.sky import sky_mask

HORIZON = 100
BLUE = ((0.25, 0.45, 0.85), (0.65, 0.78, 0.95))
SUNSET = ((0.62, 0.50, 0.60), (0.98, 0.78, 0.55))
OVERCAST = ((0.80, 0.81, 0.83), (0.90, 0.90, 0.91))


def landscape(zenith: tuple[float, ...], low: tuple[float, ...], seed: int = 0) -> np.ndarray:
    """A sky that runs from one colour to another over grassy noise."""
    rng = np.random.default_rng(seed)
    picture = np.empty((192, 256, 3), np.float32)
    share = np.linspace(0, 1, HORIZON, dtype=np.float32)[:, None, None]
    picture[:HORIZON] = np.asarray(zenith, np.float32) * (1 - share) + np.asarray(low, np.float32) * share
    picture[HORIZON:] = (0.2, 0.35, 0.1) + rng.normal(0, 0.08, (92, 256, 1))
    return np.clip(picture, 0, 1)


def mask_of(picture: np.ndarray) -> np.ndarray:
    return sky_mask(picture, features_of(picture))


@pytest.mark.parametrize("colors", [BLUE, SUNSET, OVERCAST], ids=["blue", "sunset", "overcast"])
def test_the_sky_ends_at_the_skyline(colors: tuple[tuple[float, ...], tuple[float, ...]]) -> None:
    mask = mask_of(landscape(*colors))
    assert mask[: HORIZON - 2].mean() > 0.995
    assert mask[HORIZON + 1 :].mean() < 0.005


def test_clouds_birds_and_gaps_belong_to_the_sky_and_masts_do_not() -> None:
    picture = landscape(*BLUE)
    cv2.ellipse(picture, (60, 40), (18, 9), 0, 0, 360, (0.97, 0.97, 0.98), -1)  # a cloud with a hard border
    cv2.circle(picture, (120, 30), 1, (0.1, 0.1, 0.1), -1)  # a bird
    cv2.rectangle(picture, (180, 40), (186, 130), (0.25, 0.15, 0.08), -1)  # a mast
    cv2.rectangle(picture, (200, 50), (230, 130), (0.15, 0.12, 0.1), -1)  # a frame ...
    cv2.rectangle(picture, (206, 56), (224, 90), (0.50, 0.65, 0.91), -1)  # ... and sky through it
    mask = mask_of(picture)
    assert mask[34:46, 50:70].all() and mask[28:33, 118:123].all()
    assert not mask[45:95, 181:185].any()
    assert mask[62:84, 210:220].all() and not mask[52:54, 204:226].any()


def test_a_blue_wall_down_to_the_floor_is_no_sky() -> None:
    picture = np.empty((160, 200, 3), np.float32)
    picture[:] = (0.45, 0.6, 0.9)
    assert not mask_of(picture).any()


def test_a_blue_thing_that_leaves_the_top_edge_free_is_no_sky() -> None:
    picture = landscape((0.4, 0.3, 0.2), (0.4, 0.3, 0.2))
    picture[30:90, 20:230] = (0.3, 0.5, 0.9)
    assert not mask_of(picture).any()


@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea"])
def test_indoor_photos_have_no_sky(name: str) -> None:
    assert not mask_of(getattr(data, name)().astype(np.float32) / 255).any()


def test_a_dusk_sky_is_found_between_the_struts_of_masts() -> None:
    picture = data.rocket().astype(np.float32) / 255
    mask = mask_of(picture)
    assert 0.7 < mask.mean() < 0.85
    assert mask[20:120, 360:430].all() and mask[20:200, 10:30].mean() > 0.9  # middle, and beyond the mast
    assert not mask[200:380, 318:327].any()  # the rocket


@pytest.mark.parametrize("size", [(1, 1), (2, 30), (30, 2)])
def test_tiny_pictures_are_answered(size: tuple[int, int]) -> None:
    picture = np.full((*size, 3), 0.9, np.float32)
    assert mask_of(picture).shape == size
