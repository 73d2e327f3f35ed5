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
STEEPEST = 1e15
_ROWS = 7
_STRICT = {**KERNEL, "fastmath": {"contract", "nsz"}}


_INLINED = {name: value for name, value in _STRICT.items() if name != "cache"}
# Cosines this close to the limit are decided in float64: float32 tells angles below 5e-4 from nothing else.
_DOUBT = 1e-6


@njit(**_INLINED)
def _normal(w, x, y, z, one):
    """The third column of the matrix of a unit quaternion; ``one`` in its precision (an int widens it)."""
    two = one + one
    return two * (x * z + w * y), two * (y * z - w * x), one - two * (x * x + y * y)


@njit(**_INLINED)
def _turn_back(theta, start, i, cos_limit, sin_limit):
    """Normalise quaternion ``i`` and turn its normal back to within the limit of the initial one."""
    w, x = np.float64(theta[0, i]), np.float64(theta[1, i])
    y, z = np.float64(theta[2, i]), np.float64(theta[3, i])
    sw, sx = np.float64(start[0, i]), np.float64(start[1, i])
    sy, sz = np.float64(start[2, i]), np.float64(start[3, i])
    norm = math.sqrt(w * w + x * x + y * y + z * z)
    if norm > 0.0:
        w, x, y, z = w / norm, x / norm, y / norm, z / norm
        n0, n1, n2 = _normal(w, x, y, z, 1.0)
        m0, m1, m2 = _normal(sw, sx, sy, sz, 1.0)
        a0, a1, a2 = n1 * m2 - n2 * m1, n2 * m0 - n0 * m2, n0 * m1 - n1 * m0
        along, across = n0 * m0 + n1 * m1 + n2 * m2, math.sqrt(a0 * a0 + a1 * a1 + a2 * a2)
        # A float32 quaternion has norm 1 to 1e-7 only, which matters to the cosine of a small angle.
        length = math.sqrt(along * along + across * across)
        cosine, sine = along / length, across / length
        if cosine < cos_limit:
            # Turn about (normal x initial normal) by what exceeds the limit; half-angles by square roots.
            if across < 1e-9:  # straight over: no plane to turn in
                w, x, y, z = sw, sx, sy, sz
            else:
                excess = min(max(cosine * cos_limit + sine * sin_limit, -1.0), 1.0)
                c, s = math.sqrt(0.5 + 0.5 * excess), math.sqrt(0.5 - 0.5 * excess) / across
                t0, t1, t2 = s * a0, s * a1, s * a2
                w, x, y, z = (
                    c * w - t0 * x - t1 * y - t2 * z,
                    c * x + t0 * w + t1 * z - t2 * y,
                    c * y - t0 * z + t1 * w + t2 * x,
                    c * z + t0 * y - t1 * x + t2 * w,
                )
    else:
        w, x, y, z = sw, sx, sy, sz
    theta[0, i], theta[1, i], theta[2, i], theta[3, i] = w, x, y, z


@njit(**_STRICT)
def step(
    chunk0, chunk1, theta, grads, first, second, rates, betas, unbias, lowest, highest, start,
    cos_limit, sin_limit,
):  # fmt: skip
    """Adam on chunks [chunk0, chunk1) of theta [7, N], then the guards.

    rates [7] per row; betas [2] and unbias [2] = 1 / (1 - beta^steps). lowest, highest [3, N]: bounds of
    ln sx, ln sy and the logit; start [>= 4, N]: the initial quaternions; the limit: how far a normal may turn.
    """
    kind = theta.dtype.type
    count = theta.shape[1]
    steepest, epsilon, zero, one = kind(STEEPEST), kind(EPSILON), kind(0), kind(1)
    b1, b2, c1, c2 = betas[0], betas[1], one - betas[0], one - betas[1]
    unbias1, unbias2 = unbias[0], unbias[1]
    momentum = b1 > zero
    clear = kind(cos_limit + _DOUBT)
    qw, qx, qy, qz = theta[0], theta[1], theta[2], theta[3]
    sw, sx, sy, sz = start[0], start[1], start[2], start[3]
    for chunk in range(chunk0, chunk1):
        i0, i1 = chunk * CHUNK, min((chunk + 1) * CHUNK, count)
        # Rows as arrays of their own and unsigned indices: only so does LLVM vectorise these loops.
        for row in range(_ROWS):
            rate, values, slopes, squares = rates[row], theta[row], grads[row], second[row]
            for index in range(i0, i1):
                i = np.uint64(index)
                g = slopes[i]
                g = g if abs(g) < steepest else zero  # false for NaN too
                v = b2 * squares[i] + c2 * g * g
                squares[i] = v
                if momentum:
                    g = b1 * first[row, i] + c1 * g
                    first[row, i] = g
                values[i] -= rate * (g * unbias1) / (np.sqrt(v * unbias2) + epsilon)
        for row in range(3):
            values, low, high = theta[4 + row], lowest[row], highest[row]
            for index in range(i0, i1):
                i = np.uint64(index)
                values[i] = min(max(values[i], low[i]), high[i])
        for index in range(i0, i1):
            i = np.uint64(index)
            w, x, y, z = qw[i], qx[i], qy[i], qz[i]
            shrink = one / np.sqrt(w * w + x * x + y * y + z * z)
            w, x, y, z = w * shrink, x * shrink, y * shrink, z * shrink
            n0, n1, n2 = _normal(w, x, y, z, one)
            m0, m1, m2 = _normal(sw[i], sx[i], sy[i], sz[i], one)
            if n0 * m0 + n1 * m1 + n2 * m2 >= clear:  # false for NaN
                qw[i], qx[i], qy[i], qz[i] = w, x, y, z
            else:
                _turn_back(theta, start, index, cos_limit, sin_limit)
