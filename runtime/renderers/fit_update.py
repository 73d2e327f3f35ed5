# pyright: basic
"""One step of Adam on the parameters of a fit, and the guards that keep a surfel from gaming its view.

After the step a quaternion has norm 1 and its normal lies within the allowed turn of the initial one (the
excess is turned back along the great circle), and log-scales lie within their bounds: projections, so the
guards hold after every step and not only on average. A gradient that is not finite counts as zero.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.fit_projection import CHUNK
from wonderzoom.runtime.renderers.simd import KERNEL

# Of sqrt(second moment). Gradients of a mean over pixels are about 1e-7, so this only prevents 0 / 0.
EPSILON = 1e-15
# Nothing photometric is as steep as this; its square still fits float32.
_STEEPEST = 1e15
_ROWS = 7
_STRICT = {**KERNEL, "fastmath": {"contract", "nsz"}}


@njit(inline="always", **{name: value for name, value in _STRICT.items() if name != "cache"})
def _normal(w, x, y, z):
    """The third column of the matrix of a unit quaternion."""
    return 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)


@njit(**_STRICT)
def step(
    chunk0, chunk1, theta, grads, first, second, rates, beta1, beta2, iteration, lowest, highest,
    start, limit,
):  # fmt: skip
    """Adam on chunks [chunk0, chunk1) of theta [7, N], then the guards.

    rates [7] per row; ``iteration`` counts from 1. lowest, highest [3, N]: bounds of ln sx, ln sy and
    the logit; start [4, N]: the initial quaternions; ``limit``: radians that a normal may turn.
    """
    kind = theta.dtype.type
    count = theta.shape[1]
    steepest, epsilon, zero, one = kind(_STEEPEST), kind(EPSILON), kind(0), kind(1)
    b1, b2, c1, c2 = kind(beta1), kind(beta2), kind(1.0 - beta1), kind(1.0 - beta2)
    unbias1 = kind(1.0 / (1.0 - beta1**iteration)) if beta1 > 0 else one
    unbias2 = kind(1.0 / (1.0 - beta2**iteration))
    least_cosine = math.cos(limit)
    for chunk in range(chunk0, chunk1):
        i0, i1 = chunk * CHUNK, min((chunk + 1) * CHUNK, count)
        for row in range(_ROWS):
            rate = rates[row]
            for i in range(i0, i1):
                g = grads[row, i]
                g = g if abs(g) < steepest else zero  # false for NaN too
                v = b2 * second[row, i] + c2 * g * g
                second[row, i] = v
                if beta1 > 0:
                    g = b1 * first[row, i] + c1 * g
                    first[row, i] = g
                theta[row, i] -= rate * (g * unbias1) / (np.sqrt(v * unbias2) + epsilon)
        for row in range(3):
            for i in range(i0, i1):
                theta[4 + row, i] = min(max(theta[4 + row, i], lowest[row, i]), highest[row, i])
        for i in range(i0, i1):
            w, x = np.float64(theta[0, i]), np.float64(theta[1, i])
            y, z = np.float64(theta[2, i]), np.float64(theta[3, i])
            sw, sx = np.float64(start[0, i]), np.float64(start[1, i])
            sy, sz = np.float64(start[2, i]), np.float64(start[3, i])
            norm = math.sqrt(w * w + x * x + y * y + z * z)
            if not norm > 0.0 or limit <= 0.0:
                w, x, y, z = sw, sx, sy, sz
            else:
                w, x, y, z = w / norm, x / norm, y / norm, z / norm
                n0, n1, n2 = _normal(w, x, y, z)
                m0, m1, m2 = _normal(sw, sx, sy, sz)
                cosine = n0 * m0 + n1 * m1 + n2 * m2
                if cosine < least_cosine:
                    # Turn about (normal x initial normal) by what exceeds the limit.
                    a0, a1, a2 = n1 * m2 - n2 * m1, n2 * m0 - n0 * m2, n0 * m1 - n1 * m0
                    sine = math.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
                    if sine < 1e-9:  # straight over: no plane to turn in
                        w, x, y, z = sw, sx, sy, sz
                    else:
                        half = 0.5 * (math.atan2(sine, cosine) - limit)
                        c, s = math.cos(half), math.sin(half) / sine
                        t0, t1, t2 = s * a0, s * a1, s * a2
                        w, x, y, z = (
                            c * w - t0 * x - t1 * y - t2 * z,
                            c * x + t0 * w + t1 * z - t2 * y,
                            c * y - t0 * z + t1 * w + t2 * x,
                            c * z + t0 * y - t1 * x + t2 * w,
                        )
            theta[0, i] = kind(w)
            theta[1, i] = kind(x)
            theta[2, i] = kind(y)
            theta[3, i] = kind(z)
