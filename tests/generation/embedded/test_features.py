"""Measures of a photo: each one answers to what it names and to nothing else."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.generation.embedded.features import Features, features_of


def stripes(angle: float, period: float = 9.0, size: int = 96) -> np.ndarray:
    """A grey picture of stripes that run along ``angle`` (radians, growing downward)."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    across = -x * np.sin(angle) + y * np.cos(angle)
    wave = 0.5 + 0.3 * np.sin(2 * np.pi * across / period)
    return np.repeat(wave[..., None], 3, 2).astype(np.float32)


def centre(values: np.ndarray) -> np.ndarray:
    return values[24:-24, 24:-24]


@given(angle=st.floats(0.0, np.pi))
@settings(max_examples=25, deadline=None)
def test_orientation_runs_along_stripes(angle: float) -> None:
    features = features_of(stripes(angle))
    turn = (centre(features.orientation) - angle + np.pi / 2) % np.pi - np.pi / 2
    assert np.abs(turn).max() < np.radians(3)
    assert centre(features.coherence).min() > 0.9


def test_noise_has_no_direction() -> None:
    noise = np.random.default_rng(1).random((96, 96, 1), np.float32).repeat(3, 2)
    assert np.median(features_of(noise).coherence) < 0.35


def test_an_isolated_edge_is_not_rough_and_a_texture_is() -> None:
    step = np.full((128, 128, 3), 0.3, np.float32)
    step[:, 64:] = 0.8
    rng = np.random.default_rng(2)
    texture = np.full_like(step, 0.5) + rng.normal(0, 0.04, (128, 128, 1)).astype(np.float32)
    assert features_of(step).roughness.max() < 0.01
    assert features_of(np.clip(texture, 0, 1)).roughness.min() > 0.018


def test_roughness_is_relative_to_brightness() -> None:
    rng = np.random.default_rng(3)
    pattern = rng.normal(0, 0.06, (128, 128, 1)).astype(np.float32).repeat(3, 2)
    bright, dim = features_of(0.8 * (1 + pattern)), features_of(0.4 * (1 + pattern))
    assert np.median(dim.roughness) == pytest.approx(np.median(bright.roughness), rel=0.45)
    assert np.median(features_of(0.8 + pattern).roughness) < np.median(features_of(0.3 + pattern).roughness)


def test_blur_takes_sharpness_away() -> None:
    picture = np.random.default_rng(4).random((128, 128, 3), np.float32)
    sharp, soft = (
        features_of(picture),
        features_of(np.asarray(cv2.GaussianBlur(picture, (0, 0), 2.0), np.float32)),
    )
    assert np.median(soft.sharpness) < 0.5 * np.median(sharp.sharpness)


def test_colors_are_read_as_people_name_them() -> None:
    picture = np.zeros((48, 48, 3), np.float32)
    picture[:] = (0.1, 0.2, 0.8)
    features = features_of(picture)
    assert features.hue[24, 24] == pytest.approx(231.4, abs=1)
    assert features.value[24, 24] == pytest.approx(0.8)
    assert features.saturation[24, 24] == pytest.approx(0.875)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 2), (33, 47)])
@pytest.mark.parametrize("level", [0.0, 1.0])
def test_every_size_and_flat_picture_gives_finite_measures(size: tuple[int, int], level: float) -> None:
    features = features_of(np.full((*size, 3), level, np.float32))
    for name in Features.__dataclass_fields__:
        values = getattr(features, name)
        assert values.shape == size and values.dtype == np.float32 and np.isfinite(values).all(), name
