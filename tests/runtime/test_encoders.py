"""JPEG: what goes in comes out, within what the quality says."""

import io

import numpy as np
import pytest
from PIL import Image

from wonderzoom.runtime.encoders import STILL_QUALITY, encode_jpeg


def a_picture() -> np.ndarray:
    y, x = np.mgrid[:48, :80] / 48.0
    picture = np.stack([x / 2.0, y, 0.5 + 0.4 * np.sin(9.0 * x), np.ones_like(x)], -1)
    return (picture * 255).astype(np.uint8)


def psnr(payload: bytes, picture: np.ndarray) -> float:
    shown = np.asarray(Image.open(io.BytesIO(payload)).convert("RGB"), np.float64)
    return float(-10.0 * np.log10(((shown - picture[..., :3]) ** 2).mean() / 255.0**2))


def test_a_still_is_sharper_and_larger() -> None:
    picture = a_picture()
    moving, still = encode_jpeg(picture, 50), encode_jpeg(picture, STILL_QUALITY, still=True)
    assert len(moving) < len(still)
    assert psnr(moving, picture) > 30.0 and psnr(still, picture) > 42.0


def test_a_view_of_an_array_is_encoded_as_it_looks() -> None:
    picture = a_picture()
    assert encode_jpeg(picture[::-1, ::2], 80) == encode_jpeg(picture[::-1, ::2].copy(), 80)


@pytest.mark.parametrize(
    ("picture", "quality"),
    [
        (np.zeros((4, 4, 3), np.uint8), 80),
        (np.zeros((4, 4, 4), np.float32), 80),
        (a_picture(), 0),
        (a_picture(), 101),
    ],
)
def test_what_can_not_be_encoded_is_refused(picture: np.ndarray, quality: int) -> None:
    with pytest.raises(ValueError, match="expected|quality"):
        encode_jpeg(picture, quality)
