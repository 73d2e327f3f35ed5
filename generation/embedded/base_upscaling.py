"""A photo's own content, twice to eight times larger: a small net, then a light shock filter.

Owns: the net's arithmetic in numpy, its weights (``data/dead_leaves_x4.npz``) and the steepening of edges.
The net has 72,000 parameters and was trained by ``tools/train_base_upscaler.py`` on procedural pictures of
overlapping shapes only; no photograph was used. A photo is upscaled once, at most 8x; what lies below is
generated (``detail``), never upscaled again.
"""

from __future__ import annotations

from functools import cache
from importlib import resources

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.embedded.features import LUMA

F32 = NDArray[np.float32]

NET_FACTOR = 4
FACTORS = (1, 2, 4, 8)
BLOCKS = 3  # residual blocks of two convolutions
# Shock filter: iterations per factor, share moved by each, steepness of the second derivative's sign.
SHOCKS = 0.8
SHOCK_SHARE = 0.25
SHOCK_STEEPNESS = 300.0
# Gradients below one grey level of 255 have no direction.
NO_DIRECTION = 4e-6


@cache
def _weights() -> dict[str, F32]:
    """Convolutions as [out, in, k, k] and biases [out], float32."""
    path = resources.files("wonderzoom.generation.embedded").joinpath("data/dead_leaves_x4.npz")
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        return {name: stored[name].astype(np.float32) for name in stored.files}


def _convolve(x: F32, name: str, relu: bool = False) -> F32:
    """Same-size convolution of [h, w, in] with edge padding: one matrix product per tap."""
    weight, bias = _weights()[f"{name}.weight"], _weights()[f"{name}.bias"]
    height, width, channels = x.shape
    size = weight.shape[2]
    pad = size // 2
    padded = np.pad(x, ((pad, pad), (pad, pad), (0, 0)), mode="edge")
    out = np.tile(bias, (height * width, 1))
    for j in range(size):
        for i in range(size):
            patch = np.ascontiguousarray(padded[j : j + height, i : i + width]).reshape(-1, channels)
            out += patch @ weight[:, :, j, i].T
    if relu:
        np.maximum(out, 0.0, out=out)
    return out.reshape(height, width, -1)


def _net(image: F32) -> F32:
    """x4: bicubic plus what the net adds."""
    features = _convolve(image, "h", relu=True)
    for block in range(0, 2 * BLOCKS, 2):
        features = features + _convolve(_convolve(features, f"b.{block}", relu=True), f"b.{block + 1}")
    planes = _convolve(np.maximum(features, 0.0), "t")
    height, width = image.shape[:2]
    k = NET_FACTOR
    added = planes.reshape(height, width, 3, k, k).transpose(0, 3, 1, 4, 2).reshape(height * k, width * k, 3)
    return cv2.resize(image, (width * k, height * k), interpolation=cv2.INTER_CUBIC) + added


def back_projected(fine: F32, coarse: F32, iterations: int) -> F32:
    """``fine`` moved so that its averages over coarse pixels approach ``coarse``."""
    size = (fine.shape[1], fine.shape[0])
    for _ in range(iterations):
        averaged = cv2.resize(fine, (coarse.shape[1], coarse.shape[0]), interpolation=cv2.INTER_AREA)
        fine = fine + cv2.resize(coarse - averaged, size, interpolation=cv2.INTER_CUBIC)
    return fine


def _shock(image: F32, factor: int) -> F32:
    """Dark and bright sides of coherent edges spread until they meet: one iteration."""

    def smooth(values: F32, sigma: float) -> F32:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)

    def slope(values: F32, dx: int, dy: int, scale: float) -> F32:
        return np.asarray(cv2.Sobel(values, cv2.CV_32F, dx, dy, ksize=3, scale=scale), np.float32)

    grey = smooth(image @ LUMA, max(0.8, 0.16 * factor))
    gx, gy = slope(grey, 1, 0, 1 / 8), slope(grey, 0, 1, 1 / 8)
    xx, yy, xy = (smooth(product, 0.4 * factor) for product in (gx * gx, gy * gy, gx * gy))
    split = np.sqrt((xx - yy) ** 2 + 4.0 * xy**2)
    coherence = split / (xx + yy + NO_DIRECTION)
    across = 0.5 * np.arctan2(2.0 * xy, xx - yy)
    c, s = np.cos(across), np.sin(across)
    bend = (
        c * c * slope(grey, 2, 0, 1 / 4)
        + 2 * c * s * slope(grey, 1, 1, 1 / 4)
        + s * s * slope(grey, 0, 2, 1 / 4)
    )
    toward = np.tanh(bend * SHOCK_STEEPNESS)[..., None]
    share = (SHOCK_SHARE * coherence**2)[..., None]
    window = np.ones((3, 3), np.uint8)
    darker, brighter = cv2.erode(image, window), cv2.dilate(image, window)
    moved = np.maximum(toward, 0.0) * (image - darker) + np.maximum(-toward, 0.0) * (image - brighter)
    return np.asarray(image - share * moved, np.float32)


def upscaled(image: F32, factor: int) -> F32:
    """A picture [h, w, 3], sRGB in [0, 1], enlarged 1, 2, 4 or 8 times; averages over its pixels stay.

    Raises ValueError for another factor.
    """
    if factor not in FACTORS:
        raise ValueError(f"the base upscaler enlarges by {FACTORS}, got {factor}")
    image = np.ascontiguousarray(image, np.float32)
    if factor == 1:
        return image
    size = (image.shape[1] * factor, image.shape[0] * factor)
    interpolation = cv2.INTER_AREA if factor < NET_FACTOR else cv2.INTER_CUBIC
    fine = cv2.resize(_net(image), size, interpolation=interpolation)
    fine = back_projected(np.asarray(fine, np.float32), image, 2)
    for _ in range(int(SHOCKS * factor)):
        fine = _shock(fine, factor)
    averaged = cv2.resize(fine, (image.shape[1], image.shape[0]), interpolation=cv2.INTER_AREA)
    return np.clip(fine + cv2.resize(image - averaged, size, interpolation=cv2.INTER_LINEAR), 0.0, 1.0)
