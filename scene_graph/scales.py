"""The laws of scale: Eq. 1-4 of the paper, stacks, residency and modulation. The one definition.

Every other form (numba, torch, GLSL) is tested against this module. Scales are natural logarithms;
the argument order is coarse to fine: a surfel of native scale ``x`` is visible for render scales ``r``
between ``child`` (its finer successor's native scale) and ``parent`` (its coarser predecessor's).
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wonderzoom.scene_graph.cells import LN2

Array = NDArray[np.float64]
Modulation = Literal["optical_mass", "paper", "none"]

# Two native scales closer than this are the same scale: no bound is ever tighter (no division by ~0).
LN_SQRT2 = 0.5 * math.log(2.0)
NO_PARENT = math.inf
NO_CHILD = -math.inf
# A level of a pyramid gives way to the next where its surfels are half a pixel apart and the next one's a pixel: this
# many octaves after they are alike (docs/adr/0016).
MIP_SHARPNESS = 0.5
# Octaves of pixel size over which it does: an eighth of each octave. Meanwhile both are drawn.
MIP_FADE = 0.125
# Octaves from its level at which the share of a level ends (``mip_share``).
MIP_REACH = 0.5 + 0.5 * MIP_FADE
# Li2 has an infinite slope at 1; opacities are clamped here before modulation.
MAX_OPACITY = 0.9999
# Enough for 1e-6 by linear interpolation (measured: 4e-8 forward, 7e-8 inverse) and still inside L1/L2.
LI2_TABLE_SIZE = 4096


_SQRT_HALF = math.sqrt(0.5)
# ln((1 + s) / (1 - s)) = 2 s (1 + s^2 / 3 + s^4 / 5 + ...), from the last term; |s| <= 0.172 leaves 1e-14.
ATANH = tuple(1.0 / n for n in range(15, 0, -2))


def ln(x: ArrayLike) -> Array:
    """The natural logarithm of positive numbers, to 2e-14, in sums, products and quotients as they are written.

    Libraries round theirs differently: with this a choice comes out the same to the bit, compiled or not.
    """
    x = np.asarray(x, np.float64)
    mantissa, exponent = np.frexp(x)
    below = mantissa < _SQRT_HALF
    mantissa = np.where(below, 2.0 * mantissa, mantissa)
    with np.errstate(invalid="ignore"):
        s = (mantissa - 1.0) / (mantissa + 1.0)
    square, series = s * s, np.zeros_like(s)
    for term in ATANH:
        series = series * square + term
    return np.where(np.isinf(x), np.inf, (exponent - below) * LN2 + 2.0 * s * series)


def ramps(r: ArrayLike, x: ArrayLike, parent: ArrayLike, child: ArrayLike) -> tuple[Array, Array]:
    """``(up, dn)`` of section 4: up falls from 1 at x to 0 at parent, dn from 1 at x to 0 at child."""
    r, x = np.asarray(r, np.float64), np.asarray(x, np.float64)
    parent, child = np.asarray(parent, np.float64), np.asarray(child, np.float64)
    has_parent, has_child = np.isfinite(parent), np.isfinite(child)
    span_up = np.where(has_parent, parent, x + 1.0) - x
    span_dn = x - np.where(has_child, child, x - 1.0)
    up = np.where(has_parent, np.clip((np.where(has_parent, parent, r) - r) / span_up, 0.0, 1.0), 1.0)
    dn = np.where(has_child, np.clip((r - np.where(has_child, child, r)) / span_dn, 0.0, 1.0), 1.0)
    return up, dn


def weight(
    r: ArrayLike,
    x: ArrayLike,
    parent: ArrayLike,
    child: ArrayLike,
    residency: ArrayLike = 1.0,
    child_residency: ArrayLike = 1.0,
) -> Array:
    """Eq. 3 with residency: ``w = R up - R_child (1 - dn)``, in [0, 1].

    Along a stack of scales it telescopes to 1 for every render scale and every monotone residency
    (a child's R <= its parent's). Equals ``up + dn - 1`` when everything is resident.
    """
    up, dn = ramps(r, x, parent, child)
    return np.clip(np.asarray(residency) * up - np.asarray(child_residency) * (1.0 - dn), 0.0, 1.0)


def mip_share(octaves: ArrayLike, level: ArrayLike, finest: ArrayLike = 0, coarsest: ArrayLike = 0) -> Array:
    """The share of a weight that level ``level`` of a pyramid has, in [0, 1].

    ``octaves`` is log2 of the size of a pixel in native pixels there: ``(r_px - x) / ln 2``. Level m is alone where
    that is m + 1/16 to m + 15/16; between two levels they share, so that the levels ``finest`` to ``coarsest`` sum to
    1 for any size of pixels. Below and above all of them the last one is alone.
    """
    nearest = np.clip(np.asarray(octaves, np.float64) - MIP_SHARPNESS, finest, coarsest)
    distance = np.abs(nearest - np.asarray(level, np.float64))
    return np.clip((MIP_REACH - distance) / MIP_FADE, 0.0, 1.0)


def _li2_series(x: Array) -> Array:
    """Li2(x) for x in [0, 1]: power series below 1/2, Euler's reflection above."""
    reflected = x > 0.5
    z = np.where(reflected, 1.0 - x, x)
    total = np.zeros_like(z)
    power = np.ones_like(z)
    for n in range(1, 60):  # (1/2)^60 / 60^2 is below float64's resolution of the sum
        power = power * z
        total = total + power / (n * n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mirror = math.pi**2 / 6.0 - np.log(x) * np.log1p(-x) - total
    return np.where(reflected, np.where(x >= 1.0, math.pi**2 / 6.0, mirror), total)


def li2(opacity: ArrayLike) -> Array:
    """The dilogarithm of opacities in [0, 1], exact to float64.

    ``2 pi sx sy Li2(o)`` is the optical depth, integrated over the plane, of a 2-D Gaussian of peak o.
    """
    return _li2_series(np.clip(np.asarray(opacity, np.float64), 0.0, 1.0))


LI2_MAX = float(li2(MAX_OPACITY))


def li2_inverse(mass: ArrayLike) -> Array:
    """The opacity in [0, MAX_OPACITY] whose Li2 is ``mass``: Newton from the table, to 1e-12."""
    y = np.clip(np.asarray(mass, np.float64), 0.0, LI2_MAX)
    o = np.interp(y, LI2_MAX * np.arange(LI2_TABLE_SIZE) / (LI2_TABLE_SIZE - 1), LI2_INVERSE_TABLE)
    for _ in range(4):
        slope = np.where(o > 1e-9, -np.log1p(-np.minimum(o, MAX_OPACITY)) / np.maximum(o, 1e-9), 1.0)
        o = np.clip(o - (li2(o) - y) / slope, 0.0, MAX_OPACITY)
    return o


def _inverse_table() -> Array:
    """Opacities at LI2_TABLE_SIZE equal steps of Li2 from 0 to LI2_MAX, by bisection."""
    y = LI2_MAX * np.arange(LI2_TABLE_SIZE) / (LI2_TABLE_SIZE - 1)
    low, high = np.zeros_like(y), np.full_like(y, MAX_OPACITY)
    for _ in range(60):
        middle = 0.5 * (low + high)
        below = li2(middle) < y
        low, high = np.where(below, middle, low), np.where(below, high, middle)
    return 0.5 * (low + high)


# o = table[Li2(o) / LI2_MAX * (LI2_TABLE_SIZE - 1)], linearly interpolated; what the fast kernels use.
LI2_INVERSE_TABLE = _inverse_table()


def modulate(opacity: ArrayLike, alpha: ArrayLike, modulation: Modulation = "optical_mass") -> Array:
    """The opacity that a surfel of ``opacity`` is drawn with at weight ``alpha``.

    ``optical_mass`` keeps the area-integrated optical depth additive: ``Li2^-1(alpha Li2(o))``.
    ``paper`` is Eq. 2, ``alpha o``. ``none`` draws everything (the ablation of Table 3).
    """
    o = np.clip(np.asarray(opacity, np.float64), 0.0, MAX_OPACITY)
    alpha = np.asarray(alpha, np.float64)
    if modulation == "optical_mass":
        if (alpha >= 1.0).all():  # the usual case of a renderer's chunk, and the series are slow
            return np.broadcast_to(o, np.broadcast_shapes(o.shape, alpha.shape)).copy()
        return np.where(alpha >= 1.0, o, li2_inverse(alpha * li2(o)))
    if modulation == "paper":
        return alpha * o
    if modulation == "none":
        return np.broadcast_to(o, np.broadcast_shapes(o.shape, alpha.shape)).copy()
    raise ValueError(f"unknown modulation {modulation!r}: use optical_mass, paper or none")
