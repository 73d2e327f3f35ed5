"""Patches of material laid over a surface: what "mossy", "rust" or "snow" in a prompt become.

Owns: the outline, the colour and the relief of a patch in any view. A patch is a function of places on the chart
(the first picture's pixels), so it is evaluated again at every zoom, like everything generated here. Does not own:
the ladders of detail (``ladder_tables``) or which words mean which material (``vocabulary``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.bands import over_rows
from wonderzoom.generation.embedded.detail import synthesise
from wonderzoom.generation.embedded.features import LUMA
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.laying_kernels import patch_rows
from wonderzoom.generation.embedded.memory import LaidMaterial
from wonderzoom.generation.embedded.relief import relit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
RGB = tuple[float, float, float]

# What a patch looks like from afar, sRGB.
COLORS: dict[str, RGB] = {
    "moss": (0.22, 0.31, 0.06), "rust": (0.46, 0.20, 0.07), "frost": (0.80, 0.90, 1.0), "cracked": (0.58, 0.47, 0.36),
    "sand": (0.80, 0.69, 0.50), "snow": (0.93, 0.95, 0.98), "grass": (0.26, 0.40, 0.10), "bark": (0.33, 0.24, 0.17),
    "wood": (0.52, 0.33, 0.18), "fur": (0.55, 0.40, 0.25), "fabric": (0.60, 0.20, 0.18), "skin": (0.82, 0.60, 0.50),
    "metal": (0.60, 0.61, 0.64), "rock": (0.45, 0.43, 0.41), "petal": (0.90, 0.60, 0.15), "foliage": (0.18, 0.32, 0.08),
    "soil": (0.34, 0.24, 0.15), "water": (0.20, 0.36, 0.42), "plaster": (0.75, 0.71, 0.66),
}  # fmt: skip

OWN_SHARE = 0.7  # of the patch's own colour; the rest is what shows from below
LIGHT_SIGMA = 0.02  # of the short side: light and shadow coarser than this stay as the picture has them
MIDDLE_GREY = 0.45  # luminance of the surface under which a patch has its own colour
LEAST_LIGHT, MOST_LIGHT = 0.35, 1.7
CONTRAST = 0.95
LARGEST = 0.5  # of the radius: larger elements would not read as a texture of the patch
THICKNESS = 2.5  # pixels by which the patch stands above its surface at the edge
SHADOW, SHADOW_PX = 0.35, 3.0  # strength and offset of the shadow that its edge throws
SAMPLES = 2
GONE = 1.0 / 255.0


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A patch in a view."""

    image: F32  # [H, W, 3] sRGB: the picture with the patch
    cover: F32  # [H, W] how much of each pixel is patch
    height: F64  # [H, W] metres of relief; 0 outside


def cover_of(
    laid: LaidMaterial, places: F64, pixel: F64, threads: int, cancelled: Callable[[], bool] | None = None
) -> F32:
    """How much of each pixel the patch covers, [H, W]."""
    cover = np.zeros(pixel.shape, np.float32)
    offsets = np.ascontiguousarray(places - np.asarray(laid.center))
    over_rows(
        patch_rows, len(cover), threads, cancelled, offsets, laid.radius, np.ascontiguousarray(pixel),
        np.uint64(laid.seed & (2**64 - 1)), cover,
    )  # fmt: skip
    return cover


def lay(
    laid: LaidMaterial,
    image: F32,  # [H, W, 3] sRGB
    places: F64,  # [H, W, 2] chart pixels
    pixel: F64,  # [H, W] chart pixels per pixel of the view
    metres: float,  # real size of a chart pixel
    threads: int,
    cancelled: Callable[[], bool] | None = None,
) -> Laid | None:
    """The picture with one patch over it; None where the patch does not reach. Raises ``Cancelled``."""
    cover = cover_of(laid, places, pixel, threads, cancelled)
    if float(cover.max()) < GONE:
        return None
    sigma = max(1.0, LIGHT_SIGMA * min(cover.shape))
    below = cv2.GaussianBlur(image, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    light = np.clip((0.45 + 0.75 * (below @ LUMA) / MIDDLE_GREY) / 1.2, LEAST_LIGHT, MOST_LIGHT)
    own = np.asarray(COLORS[laid.material], np.float32) * light[..., None]
    color = np.clip((1 - OWN_SHARE) * below + OWN_SHARE * own, 0, 1)
    scale = pixel * metres
    found = synthesise(
        (places - np.asarray(laid.center)) * metres, np.where(cover > GONE, LADDERS.index(laid.material), -1), 0.0,
        CONTRAST, scale, LARGEST * laid.radius * metres, ladders=LADDERS, seed=laid.seed, samples=SAMPLES,
        threads=threads, cancelled=cancelled,
    )  # fmt: skip
    height = np.where(cover > GONE, found.height, 0.0) + THICKNESS * scale * cover
    painted = relit((color * found.color).astype(np.float32), height, found.occlusion, scale)
    shadow = cv2.GaussianBlur(cover, (0, 0), SHADOW_PX)
    shadow = np.roll(shadow, (int(SHADOW_PX), int(SHADOW_PX) - 1), (0, 1)) * (1 - cover)
    mixed = image * (1 - SHADOW * shadow[..., None]) * (1 - cover[..., None]) + painted * cover[..., None]
    return Laid(np.clip(mixed, 0, 1).astype(np.float32), cover, height)
