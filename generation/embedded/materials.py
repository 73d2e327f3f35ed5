"""Which ladder of detail suits each pixel of a photo.

Colour, texture and place say little, and little is claimed: what looks like nothing in particular becomes
``generic`` or, where it is smooth, ``glaze``. Owns the evidence for each material and the cut along edges of
the picture. Does not own: the measures (``features``), the sky (``sky``), words (``lexicon``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.depth_registration import guided_filter
from wonderzoom.generation.embedded.features import Features, blurred
from wonderzoom.generation.embedded.sky import between

F32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

# Soft maximum over scores: a lead of 0.3 is a factor of six.
SHARPNESS = 6.0
# A material that leads on less than this share of the picture is noise and is dropped.
PRESENT = 1e-3
# Weights follow the picture's edges within this many pixels (guided filter; contrasts over 3 %).
CUT_RADIUS, CUT_EPSILON = 6, 1e-3
# Mean roughness of skin-coloured pixels: portraits stay near the first, coats of animals pass the second.
SMOOTH_SKIN, FURRY = 0.0145, 0.0175
# Roughness (see ``features``) of a plainly textured surface, and of the lightest visible texture.
TEXTURED, FAINT = 0.05, 0.02
OUTDOOR_SKY = 0.04  # share of sky from which ground, rock and water become likely
GREEN_SCENE = 0.06  # share of vegetation from which yellow and pink spots are likely petals


@dataclass(frozen=True, slots=True, eq=False)
class MaterialMap:
    """Weights of materials, 0..1, adding up to 1 at every pixel."""

    names: tuple[str, ...]  # [K]
    weights: F32  # [H, W, K]


def _skin(image: F32, features: Features) -> tuple[F32, F32]:
    """Human skin of every tone (chroma Cr, Cb of ITU-R 601, smooth) and fur of the same colours."""
    bytes_ = np.clip(image * 255.0, 0, 255).astype(np.uint8)
    ycc = cv2.cvtColor(bytes_, cv2.COLOR_RGB2YCrCb).astype(np.float32)
    color = (
        between(ycc[..., 1], 138, 172, 4)
        * between(ycc[..., 2], 92, 126, 4)
        * between(features.value, 0.35, 1.2, 0.05)
        * between(features.saturation, 0.12, 0.62, 0.04)
    )
    # One answer for the whole picture: an animal's nose is as smooth as a cheek, its coat as a whole is not.
    typical = float((color * features.roughness).sum() / (color.sum() + 1.0))
    furry = float(np.clip((typical - SMOOTH_SKIN) / (FURRY - SMOOTH_SKIN), 0, 1))
    smooth = np.clip(1.35 - features.roughness / 0.03, 0.1, 1.1)
    window = 2 * (min(color.shape) // 16) + 1
    coat = np.maximum(color, np.clip(cv2.blur(color, (window, window)) * 1.3, 0, 1))  # with its stripes
    return np.asarray(color * smooth * (1 - furry), np.float32), np.asarray(coat * furry, np.float32)


def _strands(features: Features, rough: F32) -> F32:
    """Where a region, not a single line, is streaked: hair, straw, brushed fur."""
    aligned = np.clip((blurred(features.coherence, 6.0) - 0.45) * 3.0, 0, 1)
    streaked = aligned * np.clip(rough * 1.2 - 0.45, 0, 1)
    window = 2 * (min(streaked.shape) // 16) + 1
    region = cv2.blur(streaked.astype(np.float32), (window, window))
    return np.asarray(np.clip((region - 0.12) * 2.2, 0, 1), np.float32)


def _grain(features: Features, brown: F32) -> F32:
    """Brown boards: sharp streaks over a whole region. Skin, hair and cloth of these colours are softer."""
    crisp = np.clip((blurred(features.sharpness, 8.0) - 0.75) * 4.0, 0, 1)
    aligned = np.clip((blurred(features.coherence, 8.0) - 0.45) * 5.0, 0, 1)
    window = 2 * (min(brown.shape) // 24) + 1
    region = cv2.blur((brown * crisp * aligned).astype(np.float32), (window, window))
    return np.clip(region * 2.0, 0, 1).astype(np.float32)


def _scores(image: F32, features: Features, sky: Mask) -> dict[str, F32]:
    """Evidence for each material, about 0 (none) to 1.6 (plain)."""
    hue, saturation, value = features.hue, features.saturation, features.value
    height, width = hue.shape
    down = np.broadcast_to(np.linspace(0, 1, height, dtype=np.float32)[:, None], (height, width))  # 1: bottom
    rough = np.clip(features.roughness / TEXTURED, 0, 1.5)
    textured = np.clip(blurred(features.roughness, 2.0) / FAINT, 0, 1)
    outdoor = float(sky.mean()) > OUTDOOR_SKY
    green = between(hue, 55, 165, 8) * np.clip(saturation * 4 - 0.3, 0, 1)
    meadow = float((green > 0.5).mean()) > GREEN_SCENE
    brown = between(hue, 12, 48, 5) * between(saturation, 0.18, 0.85, 0.05)
    blossom = between(hue, 38, 64, 4) + between(hue, 275, 345, 8) + 0.5 * (
        between(hue, 0, 14, 4) + between(hue, 350, 361, 4)
    )  # fmt: skip
    wood = _grain(features, between(hue, 8, 42, 4) * between(saturation, 0.42, 1.1, 0.03))
    skin, fur = _skin(image, features)
    smooth = blurred(np.clip(1 - rough * 2.2, 0, 1).astype(np.float32), 4.0)
    scores = {
        "grass": green * (1.6 - 0.15 * (1 - textured)) + 0.2 * (down - 0.5) - 0.1 * (value < 0.25),
        "foliage": green * 1.6 - 0.2 * (down - 0.5) + 0.35 * (rough - 0.6),
        "leafo": green * (1.9 - 1.1 * textured),
        "petal": blossom * between(saturation, 0.55, 2, 0.06) * between(value, 0.45, 2, 0.05)
        * (1.25 if meadow else 0.55),
        "skin": 1.15 * skin * (1 - wood),
        "fur": (0.6 if outdoor else 1.15) * fur * (1 - wood),
        "wood": 1.3 * wood,
        "fibre": 0.25 + 1.0 * _strands(features, rough) * (1 - wood),
        "glaze": 0.25 + 0.45 * smooth * (0.7 if outdoor else 1.0),
        "generic": np.full(hue.shape, 0.46, np.float32),
    }  # fmt: skip
    if outdoor:
        grey = between(saturation, -1, 0.22, 0.03)
        scores |= {
            "sky": np.where(sky, 3.0, -9.0),
            "soil": brown * between(value, 0, 0.75, 0.06) * 0.95 * (0.45 + 0.55 * rough) * (0.4 + 0.7 * down),
            "sand": brown
            * between(value, 0.6, 2, 0.05)
            * between(saturation, 0.05, 0.5, 0.05)
            * (down > 0.35),
            "rock": grey * (0.25 + 0.6 * np.clip(rough, 0, 1)),
            "water": between(hue, 165, 255, 8) * np.clip(saturation * 3, 0, 1) * 1.1 * (down > 0.35) * ~sky,
        }
    return {name: np.asarray(score, np.float32) for name, score in scores.items()}


def materials_of(
    image: F32, features: Features, sky: Mask, hints: Mapping[str, float] | None = None
) -> MaterialMap:
    """Weights for a picture [H, W, 3], sRGB in [0, 1]. ``hints`` add to the scores of materials by name."""
    scores = _scores(image, features, sky)
    for name, lead in (hints or {}).items():
        scores[name] = scores.get(name, np.zeros(sky.shape, np.float32)) + np.float32(lead)
    names = tuple(sorted(scores))
    stacked = np.stack([scores[name] for name in names], -1)
    weights = np.exp(SHARPNESS * (stacked - stacked.max(-1, keepdims=True)))
    weights /= weights.sum(-1, keepdims=True)
    lead = np.bincount(stacked.argmax(-1).ravel(), minlength=len(names)) / sky.size
    present = [k for k in range(len(names)) if lead[k] >= PRESENT]
    guide = blurred(features.luminance, 0.7)
    cut = np.stack(
        [guided_filter(guide, weights[..., k].copy(), CUT_RADIUS, CUT_EPSILON) for k in present], -1
    )
    cut = np.clip(cut, 1e-6, 1.0)
    return MaterialMap(
        tuple(names[k] for k in present), (cut / cut.sum(-1, keepdims=True)).astype(np.float32)
    )
