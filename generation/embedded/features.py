"""What can be measured around every pixel of a photo without knowing what it shows.

Owns: the measures and the scales they are taken at. Does not own: what follows from them (sky, materials,
depth). Every measure is local, so a picture and its crop agree except near the border.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import guided_filter

F32 = NDArray[np.float32]

# Rec. 601 weights of sRGB bytes: what "grey" means throughout the embedded generator.
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Pixels. Gradients below one pixel are noise; orientation is that of a patch about ten pixels wide.
GRADIENT_SIGMA = 1.0
ORIENTATION_SIGMA = 4.0
# The residual of a guided filter of this radius is texture: edges stronger than sqrt(epsilon) = 5 % stay out.
TEXTURE_RADIUS = 3
TEXTURE_EPSILON = 2.5e-3
# The median over this share of the short side forgets lines that are thinner than half of it: 1/24 of
# 512 px are 21 px, wider than any outline and narrower than most surfaces.
TEXTURE_WINDOW = 1.0 / 24.0
# Residuals are stored as bytes for the median: 0.1 of full contrast is the most that a texture reaches.
TEXTURE_RANGE = 0.1
# Contrast is relative to brightness; this keeps black from dividing by zero.
DARK = 0.08
# Two octaves whose ratio tells sharp from defocused: detail between 1 and 2.5 px that 1 px blur would remove.
FINE_SIGMA, COARSE_SIGMA, SHARPNESS_WINDOW = 1.0, 2.5, 6.0
# Below this band energy (one sRGB byte) a flat patch has no sharpness to speak of.
FLAT = 4e-3


@dataclass(frozen=True, slots=True, eq=False)
class Features:
    """Measures of one photo, all [H, W] float32."""

    luminance: F32  # sRGB grey, 0..1
    hue: F32  # degrees, 0..360
    saturation: F32  # 0..1
    value: F32  # 0..1
    coherence: F32  # 0 no direction .. 1 stripes
    orientation: F32  # radians in (0, pi]: direction along the stripes, 0 = to the right, growing downward
    roughness: F32  # relative contrast of the texture inside surfaces; isolated edges do not count
    sharpness: F32  # energy of the finest octave over that of the next, 0 (defocused or flat) .. 1.5


def grey(image: F32) -> F32:
    """Luminance [H, W] of an sRGB picture [H, W, 3]."""
    return (image @ LUMA).astype(np.float32)


def blurred(values: F32, sigma: float) -> F32:
    """Gaussian average of standard deviation ``sigma`` pixels, mirrored at the border."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma, borderType=cv2.BORDER_REFLECT_101), np.float32)


def features_of(image: F32) -> Features:
    """Measure a picture [H, W, 3], sRGB in [0, 1]."""
    picture = np.ascontiguousarray(image, np.float32)
    luminance = grey(picture)
    hsv = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2HSV), np.float32)
    hue, saturation, value = (np.ascontiguousarray(hsv[..., channel]) for channel in range(3))
    coherence, orientation = _structure(luminance)
    return Features(
        luminance=luminance,
        hue=hue,
        saturation=saturation,
        value=value,
        coherence=coherence,
        orientation=orientation,
        roughness=_roughness(luminance),
        sharpness=_sharpness(luminance),
    )


def _structure(luminance: F32) -> tuple[F32, F32]:
    """Coherence and orientation of the structure tensor."""
    smooth = blurred(luminance, GRADIENT_SIGMA)
    gx = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8), np.float32)
    gy = np.asarray(cv2.Sobel(smooth, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8), np.float32)
    xx, yy, xy = (blurred(product, ORIENTATION_SIGMA) for product in (gx * gx, gy * gy, gx * gy))
    split = np.sqrt((xx - yy) ** 2 + 4.0 * xy**2)
    coherence = split / (xx + yy + 1e-6)  # 1e-6: gradients of a quarter of a byte have no direction
    across = 0.5 * np.arctan2(2.0 * xy, xx - yy)
    return coherence.astype(np.float32), (across + 0.5 * np.pi).astype(np.float32)


def _roughness(luminance: F32) -> F32:
    texture = np.abs(luminance - guided_filter(luminance, luminance, TEXTURE_RADIUS, TEXTURE_EPSILON))
    window = max(9, int(min(luminance.shape) * TEXTURE_WINDOW) | 1)
    as_bytes = (np.clip(texture / TEXTURE_RANGE, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
    typical = cv2.medianBlur(as_bytes, window).astype(np.float32) * (TEXTURE_RANGE / 255.0)
    return np.asarray(blurred(typical, 3.0) / (blurred(luminance, 5.0) + DARK), np.float32)


def _sharpness(luminance: F32) -> F32:
    once = blurred(luminance, FINE_SIGMA)
    fine = blurred(np.abs(luminance - once), SHARPNESS_WINDOW)
    coarse = blurred(np.abs(once - blurred(luminance, COARSE_SIGMA)), SHARPNESS_WINDOW)
    return np.clip(fine / (coarse + FLAT), 0.0, 1.5).astype(np.float32)
