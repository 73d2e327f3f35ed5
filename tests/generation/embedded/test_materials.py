"""Materials from colour, texture and place: plain cases are told apart, doubtful ones stay generic."""

import cv2
import numpy as np
import pytest

from wonderzoom.generation.embedded.features import features_of
from wonderzoom.generation.embedded.ladders import NAMES
from wonderzoom.generation.embedded.materials import MaterialMap, materials_of

SIDE = 160


def painted(
    color: tuple[float, float, float], contrast: float, stretch: tuple[float, float] = (1, 1), seed: int = 0
):
    """A surface of one colour with a texture of blobs ``stretch`` pixels wide and high."""
    noise = np.random.default_rng(seed).standard_normal((SIDE, SIDE)).astype(np.float32)
    noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=stretch[0], sigmaY=stretch[1])
    noise /= noise.std()
    return np.clip(np.array(color, np.float32) * np.exp(contrast * noise)[..., None], 0, 1)


def classified(image: np.ndarray, sky: np.ndarray | None = None, **hints: float) -> MaterialMap:
    none = np.zeros(image.shape[:2], np.bool_)
    return materials_of(image, features_of(image), none if sky is None else sky, hints)


def leading(found: MaterialMap, part: tuple[slice, slice] = np.s_[20:-20, 20:-20]) -> str:
    return found.names[int(found.weights[part].mean((0, 1)).argmax())]


@pytest.mark.parametrize(
    ("color", "contrast", "stretch", "expected"),
    [
        ((0.25, 0.45, 0.12), 0.25, (1.0, 1.0), {"foliage", "grass"}),
        ((0.80, 0.60, 0.50), 0.01, (6.0, 6.0), {"skin"}),
        ((0.66, 0.52, 0.38), 0.16, (1.0, 3.0), {"fur", "fibre"}),
        ((0.55, 0.33, 0.16), 0.14, (9.0, 0.7), {"wood"}),
        ((0.60, 0.10, 0.10), 0.003, (6.0, 6.0), {"glaze"}),
        ((0.55, 0.50, 0.62), 0.06, (1.5, 1.5), {"generic"}),
    ],
)
def test_plain_surfaces(color, contrast, stretch, expected):
    assert leading(classified(painted(color, contrast, stretch))) in expected


def test_a_landscape_has_sky_above_and_ground_below():
    image = np.concatenate(
        [painted((0.5, 0.7, 0.95), 0.004, (8, 8))[:80], painted((0.5, 0.4, 0.28), 0.3)[:80]]
    )
    sky = np.zeros((SIDE, SIDE), np.bool_)
    sky[:80] = True
    found = classified(image, sky)
    assert leading(found, np.s_[10:70, 10:-10]) == "sky"
    assert leading(found, np.s_[95:-5, 10:-10]) in {"soil", "sand", "rock"}


def test_ground_needs_a_sky():
    assert not {"sky", "soil", "sand", "rock", "water"} & set(
        classified(painted((0.5, 0.4, 0.28), 0.3)).names
    )


def test_words_can_decide():
    image = painted((0.55, 0.50, 0.62), 0.06, (1.5, 1.5))
    assert leading(classified(image, fabric=0.5)) == "fabric"


def test_weights_add_up_and_name_known_ladders():
    found = classified(
        np.concatenate([painted((0.25, 0.45, 0.12), 0.3)[:80], painted((0.6, 0.1, 0.1), 0.003)[:80]])
    )
    assert np.allclose(found.weights.sum(-1), 1, atol=1e-5) and found.weights.min() >= 0
    assert set(found.names) <= set(NAMES)


def test_borders_follow_the_picture():
    image = np.concatenate([painted((0.25, 0.45, 0.12), 0.2)[:80], painted((0.85, 0.83, 0.80), 0.003)[:80]])
    found = classified(image)
    plants = [i for i, name in enumerate(found.names) if name in ("grass", "foliage", "leafo")]
    plant = found.weights[..., plants].sum(-1)
    assert plant[:74, 10:-10].mean() > 0.8 and plant[88:, 10:-10].mean() < 0.2
