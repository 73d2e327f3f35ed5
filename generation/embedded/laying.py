"""Materials laid over a surface: patches of moss, frost or sand with an irregular edge, drawn for any pixel size.

A patch is a circle on the chart whose edge is moved by noise of many sizes, so that it stays irregular however
far one zooms in. Its detail is the material's own ladder; its light is the light of the picture it is laid on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.bands import over_rows
from wonderzoom.generation.embedded.detail import synthesise
from wonderzoom.generation.embedded.features import LUMA
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.memory import LaidMaterial
from wonderzoom.generation.embedded.patch_kernels import patch_rows
from wonderzoom.generation.embedded.relief import relit

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
RGB = tuple[float, float, float]

# What a material looks like in even light, sRGB, and how much of it hides what is below.
LOOKS: dict[str, tuple[RGB, float]] = {
    "moss": ((0.36, 0.47, 0.15), 1.0),
    "grass": ((0.36, 0.52, 0.17), 1.0),
    "foliage": ((0.28, 0.44, 0.15), 1.0),
    "sand": ((0.82, 0.71, 0.51), 1.0),
    "snow": ((0.93, 0.95, 0.98), 1.0),
    "frost": ((0.84, 0.91, 0.97), 0.8),
    "rust": ((0.58, 0.29, 0.13), 0.95),
    "soil": ((0.36, 0.26, 0.17), 1.0),
    "wood": ((0.60, 0.44, 0.27), 1.0),
    "bark": ((0.42, 0.33, 0.25), 1.0),
    "rock": ((0.54, 0.52, 0.49), 1.0),
    "metal": ((0.62, 0.64, 0.67), 1.0),
    "water": ((0.24, 0.42, 0.50), 0.7),
    "fur": ((0.56, 0.43, 0.29), 1.0),
    "skin": ((0.86, 0.67, 0.55), 1.0),
    "fabric": ((0.45, 0.42, 0.60), 1.0),
    "plaster": ((0.86, 0.84, 0.79), 1.0),
    "petal": ((0.86, 0.46, 0.61), 1.0),
    "cracked": ((0.62, 0.52, 0.40), 1.0),
}
# Brightness of an evenly lit surface in a picture, and how far a patch follows darker and brighter places.
EVEN, DIMMEST, BRIGHTEST = 0.5, 0.4, 1.35
LIGHT_SIGMA = 0.06  # of the short side: light changes slower than texture
LARGEST = 0.12  # of a patch's radius: the largest element of its ladder that is drawn
SAMPLES = 2


@dataclass(frozen=True, slots=True, eq=False)
class ChartView:
    """Where a view's pixels lie on the chart; what an upscaler leaves in ``ZoomContext.shared["chart"]``."""

    places: F64  # [H, W, 2] pixels of the chart
    scale: F64  # [H, W] pixels of the chart per pixel of the view
    metres: float  # real size of one pixel of the chart
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """A picture with materials on it."""

    image: F32  # [H, W, 3] sRGB in [0, 1]
    cover: F32  # [H, W] how much of the pixel is laid material
    height: F64  # [H, W] metres of relief of the patches; 0 beside them


def lay(
    image: F32,
    materials: Sequence[LaidMaterial],
    chart: ChartView,
    threads: int,
    cancelled: Callable[[], bool] | None = None,
) -> Laid:
    """The picture with all patches, in order. Raises ``Cancelled``."""
    cover = np.zeros(image.shape[:2], np.float32)
    height = np.zeros(image.shape[:2])
    for material in materials:
        mask = _mask(material, chart, threads, cancelled)
        touched = mask > 0.0
        if not touched.any():
            continue
        rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
        part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
        color, opacity = LOOKS[material.material]
        kind = np.where(touched[part], LADDERS.index(material.material), -1)
        pixel = chart.scale[part] * chart.metres
        detail = synthesise(
            chart.places[part] * chart.metres,
            kind,
            0.0,
            1.0,
            pixel,
            LARGEST * material.radius * chart.metres,
            ladders=LADDERS,
            seed=material.seed,
            samples=SAMPLES,
            threads=threads,
            cancelled=cancelled,
        )
        own = relit(np.float32(color) * detail.color, detail.height, detail.occlusion, pixel)
        own = own * _light(image)[part][..., None]
        weight = (opacity * mask[part])[..., None]
        image = image.copy()
        image[part] = np.clip(image[part] * (1.0 - weight) + own * weight, 0.0, 1.0)
        cover[part] = np.maximum(cover[part], mask[part])
        height[part] = np.where(mask[part] > 0.5, detail.height, height[part])
    return Laid(image, cover, height)


def _mask(
    material: LaidMaterial, chart: ChartView, threads: int, cancelled: Callable[[], bool] | None
) -> F32:
    """[H, W] how much of each pixel the patch covers."""
    mask = np.zeros(chart.scale.shape, np.float32)
    over_rows(
        patch_rows,
        len(mask),
        threads,
        cancelled,
        chart.places,
        chart.scale,
        *material.center,
        material.radius,
        np.uint64(material.seed & (2**64 - 1)),
        mask,
    )
    return mask


def _light(image: F32) -> F32:
    """[H, W] brightness of the place, 1 in even light."""
    sigma = LIGHT_SIGMA * min(image.shape[:2])
    soft = cv2.GaussianBlur(image @ LUMA, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.clip(soft / EVEN, DIMMEST, BRIGHTEST).astype(np.float32)
