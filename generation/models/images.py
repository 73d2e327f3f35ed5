"""Pictures as models take them: PIL images, sizes in multiples, bounded numbers of pixels."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

F32 = NDArray[np.float32]


def to_pil(image: F32) -> Image.Image:
    """[H, W, 3] sRGB in [0, 1] as a PIL picture."""
    return Image.fromarray(np.rint(np.clip(image, 0.0, 1.0) * 255.0).astype(np.uint8))


def from_pil(picture: Any) -> F32:
    """A PIL picture as [H, W, 3] sRGB in [0, 1]."""
    return np.asarray(picture.convert("RGB"), np.float32) / np.float32(255.0)


def mask_to_pil(mask: NDArray[np.bool_]) -> Image.Image:
    """[H, W] as a PIL picture: white where true."""
    return Image.fromarray(mask.astype(np.uint8) * 255)


def resized(image: F32, width: int, height: int) -> F32:
    """[H, W] or [H, W, C] in another size: area means when smaller, cubic when larger, within its own range."""
    old_height, old_width = image.shape[:2]
    if (old_width, old_height) == (width, height):
        return image
    smaller = width * height < old_width * old_height
    out = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
    return np.clip(out, image.min(), image.max()).astype(np.float32)


def working_size(width: int, height: int, multiple: int, most_pixels: int) -> tuple[int, int]:
    """The size near (width, height), of at most ``most_pixels``, whose sides are multiples: what a model runs at."""
    shrink = min(1.0, (most_pixels / (width * height)) ** 0.5)

    def rounded(side: float) -> int:
        return max(multiple, int(side * shrink / multiple + 0.5) * multiple)

    sides = rounded(width), rounded(height)
    while sides[0] * sides[1] > most_pixels and max(sides) > multiple:
        wide = sides[0] >= sides[1]
        sides = (sides[0] - multiple, sides[1]) if wide else (sides[0], sides[1] - multiple)
    return sides
