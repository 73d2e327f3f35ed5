"""A chart's own content through a view: the picture it grew from, and the detail below its pixels.

Owns: how a picture, its materials and their ladders become one image at places of the chart. Does not own:
cameras (``chart``), what was laid or placed on top, agreement with what was seen (``consistency``).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.bands import over_rows
from wonderzoom.generation.embedded.base_upscaling import FACTORS, upscaled
from wonderzoom.generation.embedded.detail import Base, synthesise
from wonderzoom.generation.embedded.features import Features, blurred, features_of
from wonderzoom.generation.embedded.label_kernels import label_rows, sample_rows
from wonderzoom.generation.embedded.ladders import LADDERS
from wonderzoom.generation.embedded.materials import MaterialMap
from wonderzoom.generation.embedded.relief import relit

F32 = NDArray[np.float32]
Double = NDArray[np.float64]

# No element is drawn larger than this many pixels of the picture: larger ones fight what it shows.
LARGEST = 3.0
MARGIN = 6  # pixels of the picture around what a view sees, for the net's reach
# Contrast of the first rungs follows the photo's own: texture of this relative contrast shows them fully ...
FULL_CONTRAST = 0.06
# ... and smooth surfaces stay smooth, but never bare.
LEAST_CONTRAST, MOST_CONTRAST = 0.04, 0.5
# Orientation in steps, so that lattices stay whole over a patch instead of bending from pixel to pixel.
ORIENTATION_STEP = math.pi / 8
# Materials with a grain follow what the picture shows. Grass grows upward, everything else lies level: where
# directions change a lattice breaks off, and only a grain is worth that.
GRAINED = ("fur", "fibre", "wood", "bark", "metal", "fabric")
UPRIGHT = ("grass",)
PATCH_SIGMA = 5.0  # pixels
SAMPLES = 2


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What detail needs to know of the picture that a chart stands on."""

    image: F32  # [h, w, 3] sRGB in [0, 1]
    materials: MaterialMap  # [h, w, K]
    contrast: F32  # [h, w] 0..1: how much of the first rungs shows
    along: F32  # [h, w, 2] cosine and sine of twice the orientation


@dataclass(frozen=True, slots=True, eq=False)
class Drawn:
    """A chart's content in a view."""

    image: F32  # [H, W, 3] sRGB, not yet clipped
    height: Double  # [H, W] metres of relief
    materials: NDArray[np.int64]  # [H, W] rows of LADDERS


def picture_of(
    image: F32, materials: MaterialMap, features: Features | None = None, grown: bool = False
) -> Picture:
    """Measure a picture; ``grown``: it was generated, so its detail goes on at full contrast."""
    features = features or features_of(image)
    contrast = np.clip(features.roughness / FULL_CONTRAST, LEAST_CONTRAST, MOST_CONTRAST)
    if grown:
        contrast = np.ones_like(contrast)
    # Directions of patches, not of pixels: an average of what has a direction.
    weight = blurred(features.coherence, 1.0)
    twice = 2.0 * features.orientation
    along = np.stack([blurred(weight * wave, PATCH_SIGMA) for wave in (np.cos(twice), np.sin(twice))], -1)
    return Picture(image, materials, contrast, along)


def enlargement(scale: float) -> int:
    """Factor for the base where a view's pixel is ``scale`` pixels of the picture."""
    wanted = math.log2(max(1.0, 1.0 / scale)) + 0.25
    return FACTORS[min(len(FACTORS) - 1, int(wanted))]


def draw_surface(
    picture: Picture,
    places: Double,
    scale: Double,
    metres: float,
    seed: int,
    threads: int,
    cancelled: Callable[[], bool] | None = None,
) -> Drawn:
    """The content at ``places`` [H, W, 2] (pixels of the picture; pixel centres at .5).

    ``scale`` [H, W]: pixels of the picture per pixel of the view; ``metres``: real size of one of its pixels.
    """
    height, width = picture.image.shape[:2]
    low = np.clip(np.floor(places.min((0, 1))).astype(int) - MARGIN, 0, (width - 2, height - 2))
    high = np.clip(np.ceil(places.max((0, 1))).astype(int) + MARGIN, low + 2, (width, height))
    window = np.s_[low[1] : high[1], low[0] : high[0]]
    places, scale = np.ascontiguousarray(places), np.ascontiguousarray(scale)
    factor = enlargement(float(np.median(scale)))
    base = Base(upscaled(picture.image[window], factor), (low[0] * metres, low[1] * metres), factor / metres)
    kind = _labels(picture.materials, window, places, scale, seed, threads, cancelled)
    found = np.empty((*kind.shape, 3))
    fields = np.concatenate([picture.contrast[..., None], picture.along], -1)
    over_rows(
        sample_rows, len(places), threads, cancelled, places, scale, fields, True, _unsigned(seed), found
    )
    contrast, angle = found[..., 0], 0.5 * np.arctan2(found[..., 2], found[..., 1])
    angle = np.round(angle / ORIENTATION_STEP) * ORIENTATION_STEP
    angle[~np.isin(kind, [LADDERS.index(name) for name in GRAINED])] = 0.0
    angle[np.isin(kind, [LADDERS.index(name) for name in UPRIGHT])] = -0.5 * math.pi
    pixel = scale * metres
    largest = LARGEST * metres
    detail = synthesise(
        places * metres, kind, angle, contrast, pixel, largest, ladders=LADDERS.bridged(largest), seed=seed,
        samples=SAMPLES, threads=threads, base=base, cancelled=cancelled,
    )  # fmt: skip
    return Drawn(relit(detail.color, detail.height, detail.occlusion, pixel), detail.height, kind)


def _unsigned(seed: int) -> np.uint64:
    return np.uint64(seed & (2**64 - 1))


def _labels(
    materials: MaterialMap,
    window: tuple[slice, slice],
    places: Double,
    scale: Double,
    seed: int,
    threads: int,
    cancelled: Callable[[], bool] | None,
) -> NDArray[np.int64]:
    """Rows of LADDERS [H, W] at ``places``; ``window`` holds all of them."""
    rows = np.array([LADDERS.index(name) for name in materials.names])
    leading = np.unique(materials.weights[window].argmax(-1))
    if len(leading) == 1:
        return np.full(places.shape[:2], rows[leading[0]])
    labels = np.empty(places.shape[:2], np.int64)
    weights = np.ascontiguousarray(materials.weights)
    over_rows(label_rows, len(places), threads, cancelled, places, scale, weights, _unsigned(seed), labels)
    return rows[labels]
