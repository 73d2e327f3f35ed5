# pyright: basic
"""Surfels to screen-space Gaussians and back: the projection of the CPU fitter and its gradient.

Antialiased EWA: the covariance of a flat Gaussian, projected by the Jacobian at its mean, plus BLUR, its
opacity scaled by sqrt(det before / det after). Parameters are columns ``theta`` [7, N]:
quaternion wxyz, ln sx, ln sy, logit of opacity. Work is cut into chunks of CHUNK surfels whatever the
number of threads, so every surfel takes the same code path and the bytes never depend on threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import overload

from wonderzoom.runtime.renderers import simd
from wonderzoom.runtime.renderers.projection import BLUR, EDGE, MIN_ALPHA
from wonderzoom.runtime.renderers.simd import KERNEL
from wonderzoom.scene_graph.camera import NEAR

CHUNK = 256  # surfels; a chunk's scratch (27 columns of float32) stays in the first-level cache
TILE = 32  # pixels; a tile's accumulators stay in the first-level cache
TILE_SHIFT = 5
TINY = 1e-12  # px^4: a flatter projection counts as this flat, so that its logarithm exists
HUGE = 1e30  # px^4: a larger determinant (or NaN) is not drawn

RECORD = 16  # numbers of one projected surfel: 64 bytes in float32
U, V, CONIC_XX, CONIC_XY, CONIC_YY, LOG_OPACITY, RED, GREEN, BLUE, KEY = range(10)
# The rest of a record is whole numbers, read through an integer view of the same memory.
LEFT, RIGHT, TOP, BOTTOM, FIRST_ENTRY = range(10, 15)

LN2 = math.log(2.0)
# Where column k of a chunk's scratch begins: constants, as arithmetic on them would double the compile time.
(
    _C1,
    _C2,
    _C3,
    _C4,
    _C5,
    _C6,
    _C7,
    _C8,
    _C9,
    _C10,
    _C11,
    _C12,
    _C13,
    _C14,
    _C15,
    _C16,
    _C17,
    _C18,
    _C19,
    _C20,
    _C21,
) = (np.uint64(k * CHUNK) for k in range(1, 22))
_ROWS_IN = 11  # theta (7), view mean (3), thickness
_ROWS_OUT = 9
_GRAD_ROWS = 4


def exp2_of(x) -> Any:
    """2^x in the precision of x (numba only)."""


def log2_of(x) -> Any:
    """log2 x in the precision of x (numba only)."""


@overload(exp2_of)
def _exp2_of(x):
    if x == types.float32:
        return lambda x: simd.exp2_exact(x)
    return lambda x: math.exp(x * 0.6931471805599453)


@overload(log2_of)
def _log2_of(x):
    if x == types.float32:
        return lambda x: simd.log2(x)
    return lambda x: math.log(x) * 1.4426950408889634


# Compiled once for both kernels and inlined by LLVM: inlining by numba would type them twice.
_INLINED = {name: value for name, value in KERNEL.items() if name != "cache"}


@njit(**_INLINED)
def _axes(w, x, y, z, r, one):
    """View-space axes (three columns) of a surfel: r @ matrix(q), q normalised; ``one`` in their precision."""
    two = one + one
    a0 = one - two * (y * y + z * z)
    a1 = two * (x * y + w * z)
    a2 = two * (x * z - w * y)
    b0 = two * (x * y - w * z)
    b1 = one - two * (x * x + z * z)
    b2 = two * (y * z + w * x)
    c0 = two * (x * z + w * y)
    c1 = two * (y * z - w * x)
    c2 = one - two * (x * x + y * y)
    return (
        r[0] * a0 + r[1] * a1 + r[2] * a2,
        r[3] * a0 + r[4] * a1 + r[5] * a2,
        r[6] * a0 + r[7] * a1 + r[8] * a2,
        r[0] * b0 + r[1] * b1 + r[2] * b2,
        r[3] * b0 + r[4] * b1 + r[5] * b2,
        r[6] * b0 + r[7] * b1 + r[8] * b2,
        r[0] * c0 + r[1] * c1 + r[2] * c2,
        r[3] * c0 + r[4] * c1 + r[5] * c2,
        r[6] * c0 + r[7] * c1 + r[8] * c2,
    )


@njit(**_INLINED)
def _slopes(x, y, width, height, beyond, inverse_f, ax, ay, cx, cy):
    """Slopes of the ray through (x, y) = P / w for the Jacobian, clamped to EDGE beyond the picture."""
    u = min(max(ax * x + cx, -beyond * width), width + beyond * width)
    v = min(max(ay * y + cy, -beyond * height), height + beyond * height)
    return (u - cx) * inverse_f / ax, (v - cy) * inverse_f / ay


@njit(**_INLINED)
def _flatten(axes, sx, sy, thick, gx, gy, kx, ky, blur):
    """Projected half-axes (six numbers), covariance xx, xy, yy, and its determinant before and after the blur."""
    a0, a1, a2, b0, b1, b2, c0, c1, c2 = axes
    ux, uy = gx * sx * (a0 - kx * a2), gy * sx * (a1 - ky * a2)
    vx, vy = gx * sy * (b0 - kx * b2), gy * sy * (b1 - ky * b2)
    nx, ny = gx * thick * (c0 - kx * c2), gy * thick * (c1 - ky * c2)
    # Cauchy-Binet: the determinant as a sum of squares cannot cancel, however long and thin.
    uv, un, vn = ux * vy - uy * vx, ux * ny - uy * nx, vx * ny - vy * nx
    det0 = uv * uv + un * un + vn * vn
    xx, xy = ux * ux + vx * vx + nx * nx, ux * uy + vx * vy + nx * ny
    yy = uy * uy + vy * vy + ny * ny
    return (ux, uy, vx, vy, nx, ny), xx, xy, yy, det0, det0 + blur * (xx + yy) + blur * blur


@njit(**KERNEL)
def _gather(start, count, theta, means, thickness, s):
    """Columns 0 to 10 of the scratch of a chunk: theta, means, thickness."""
    for row in range(_ROWS_IN):
        column = theta[row] if row < 7 else means[row - 7] if row < 10 else thickness
        for i in range(count):
            s[np.uint64(row * CHUNK + i)] = column[np.uint64(start + i)]


@njit(**KERNEL)
def project(
    chunk0, chunk1, theta, means, thickness, colors, camera, width, height,
    records, integers, tile_counts, chunk_entries,
):  # fmt: skip
    """Project chunks [chunk0, chunk1) into records; count the entries of each tile and of each chunk.

    means [3, N] are view coordinates; camera is (rotation row by row, 1/f, ax, ay, cx, cy).
    """
    kind = theta.dtype.type
    count = theta.shape[1]
    tiles_x = (width + TILE - 1) // TILE
    s = np.empty((_ROWS_IN + _ROWS_OUT) * CHUNK, theta.dtype)
    r = (
        camera[0], camera[1], camera[2], camera[3], camera[4], camera[5], camera[6], camera[7], camera[8],
    )  # fmt: skip
    inverse_f, ax, ay, cx, cy = camera[9], camera[10], camera[11], camera[12], camera[13]
    zero, half, one, three = kind(0), kind(0.5), kind(1), kind(3)
    near, tiny, huge, blur = kind(NEAR), kind(TINY), kind(HUGE), kind(BLUR)
    log2e, half_log2e, two_ln2 = kind(1 / LN2), kind(0.5 / LN2), kind(2 * LN2)
    log_min = kind(math.log2(MIN_ALPHA))
    nothing = kind(-1e9)
    edge_x, edge_y, beyond = kind(width), kind(height), kind(EDGE)
    for chunk in range(chunk0, chunk1):
        start = chunk * CHUNK
        m = min(CHUNK, count - start)
        _gather(start, m, theta, means, thickness, s)
        for lane in range(m):
            i = np.uint64(lane)
            qw, qx, qy, qz = s[i], s[i + _C1], s[i + _C2], s[i + _C3]
            sx = exp2_of(s[i + _C4] * log2e)
            sy = exp2_of(s[i + _C5] * log2e)
            logit = s[i + _C6]
            px, py = s[i + _C7], s[i + _C8]
            pz, thick = s[i + _C9], s[i + _C10]
            n = one / np.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
            axes = _axes(qw * n, qx * n, qy * n, qz * n, r, one)
            w = one + pz * inverse_f
            iw = one / max(w, near)
            gx, gy = ax * iw, ay * iw
            kx, ky = _slopes(px * iw, py * iw, edge_x, edge_y, beyond, inverse_f, ax, ay, cx, cy)
            _, xx, xy, yy, det0, det = _flatten(axes, sx, sy, thick, gx, gy, kx, ky, blur)
            xx += blur
            yy += blur
            log_opacity = half * log2_of(max(det0, tiny) / det) - log2_of(one + exp2_of(-logit * log2e))
            reach = max(log_opacity - log_min, zero) * two_ln2  # (alpha >= 1/255) is an ellipse
            drawn = w > near and w > three * max(sx, sy) * inverse_f and log_opacity > log_min and det < huge
            scale = half_log2e / det
            s[i + _C11] = gx * px + cx
            s[i + _C12] = gy * py + cy
            s[i + _C13] = yy * scale
            s[i + _C14] = (zero - xy - xy) * scale
            s[i + _C15] = xx * scale
            s[i + _C16] = log_opacity if drawn else nothing
            s[i + _C17] = np.sqrt(reach * xx)
            s[i + _C18] = np.sqrt(reach * yy)
            s[i + _C19] = pz + three * max(sx, sy)
        entries = 0
        for lane in range(m):
            i = np.uint64(lane)
            j = start + lane
            log_opacity = s[i + _C16]
            u, v = s[i + _C11], s[i + _C12]
            rx, ry = s[i + _C17], s[i + _C18]
            integers[j, LEFT] = 1
            integers[j, RIGHT] = 0
            # Written so that NaN falls out; the clamps keep the conversions to integers defined.
            inside = u + rx > zero and v + ry > zero and u - rx < edge_x and v - ry < edge_y
            if not (inside and log_opacity >= log_min):
                continue
            left = int(math.ceil(max(u - rx - half, zero)))
            right = int(math.floor(min(u + rx - half, edge_x - one)))
            top = int(math.ceil(max(v - ry - half, zero)))
            bottom = int(math.floor(min(v + ry - half, edge_y - one)))
            if right < left or bottom < top:
                continue
            for k in range(6):
                records[j, k] = s[i + np.uint64((11 + k) * CHUNK)]
            records[j, RED] = colors[j, 0]
            records[j, GREEN] = colors[j, 1]
            records[j, BLUE] = colors[j, 2]
            records[j, KEY] = s[i + _C19]
            integers[j, LEFT] = left
            integers[j, RIGHT] = right
            integers[j, TOP] = top
            integers[j, BOTTOM] = bottom
            for ty in range(top >> TILE_SHIFT, (bottom >> TILE_SHIFT) + 1):
                for tx in range(left >> TILE_SHIFT, (right >> TILE_SHIFT) + 1):
                    tile_counts[ty * tiles_x + tx] += 1
                    entries += 1
        chunk_entries[chunk] = entries


@njit(**KERNEL)
def project_backward(
    chunk0, chunk1, theta, means, thickness, camera, width, height, integers, entry_grads, accumulate, grads
):  # fmt: skip
    """d loss / d theta [7, N] of chunks [chunk0, chunk1), from the sums that blending left per entry.

    entry_grads [E, 4]: sums over pixels of v, v dx^2, v dx dy, v dy^2 with v = alpha d loss / d alpha. The
    entries of one surfel lie together, in tile order: their sum has one order, whoever made them.
    """
    kind = theta.dtype.type
    count = theta.shape[1]
    s = np.empty((_ROWS_IN + _GRAD_ROWS + 7) * CHUNK, theta.dtype)
    r = (
        camera[0], camera[1], camera[2], camera[3], camera[4], camera[5], camera[6], camera[7], camera[8],
    )  # fmt: skip
    inverse_f, ax, ay, cx, cy = camera[9], camera[10], camera[11], camera[12], camera[13]
    edge_x, edge_y, beyond = kind(width), kind(height), kind(EDGE)
    zero, half, one, two = kind(0), kind(0.5), kind(1), kind(2)
    near, tiny, blur, log2e = kind(NEAR), kind(TINY), kind(BLUR), kind(1 / LN2)
    for chunk in range(chunk0, chunk1):
        start = chunk * CHUNK
        m = min(CHUNK, count - start)
        _gather(start, m, theta, means, thickness, s)
        for lane in range(m):
            j = start + lane
            g0, gxx, gxy, gyy = zero, zero, zero, zero
            left, right = integers[j, LEFT], integers[j, RIGHT]
            if right >= left:
                first = integers[j, FIRST_ENTRY]
                wide = (right >> TILE_SHIFT) - (left >> TILE_SHIFT) + 1
                high = (integers[j, BOTTOM] >> TILE_SHIFT) - (integers[j, TOP] >> TILE_SHIFT) + 1
                for entry in range(first, first + wide * high):
                    g0 += entry_grads[entry, 0]
                    gxx += entry_grads[entry, 1]
                    gxy += entry_grads[entry, 2]
                    gyy += entry_grads[entry, 3]
            i = np.uint64(lane)
            s[i + _C11] = g0
            s[i + _C12] = gxx
            s[i + _C13] = gxy
            s[i + _C14] = gyy
        for lane in range(m):
            i = np.uint64(lane)
            qw, qx, qy, qz = s[i], s[i + _C1], s[i + _C2], s[i + _C3]
            sx = exp2_of(s[i + _C4] * log2e)
            sy = exp2_of(s[i + _C5] * log2e)
            logit = s[i + _C6]
            px, py = s[i + _C7], s[i + _C8]
            pz, thick = s[i + _C9], s[i + _C10]
            g0, sum_xx = s[i + _C11], s[i + _C12]
            sum_xy, sum_yy = s[i + _C13], s[i + _C14]
            n = one / np.sqrt(qw * qw + qx * qx + qy * qy + qz * qz)
            w, x, y, z = qw * n, qx * n, qy * n, qz * n
            axes = _axes(w, x, y, z, r, one)
            a0, a1, a2, b0, b1, b2, _, _, _ = axes
            iw = one / max(one + pz * inverse_f, near)
            gx, gy = ax * iw, ay * iw
            kx, ky = _slopes(px * iw, py * iw, edge_x, edge_y, beyond, inverse_f, ax, ay, cx, cy)
            columns, xx0, xy, yy0, det0, det = _flatten(axes, sx, sy, thick, gx, gy, kx, ky, blur)
            ux, uy, vx, vy, nx, ny = columns
            det0 = max(det0, tiny)
            xx, yy = xx0 + blur, yy0 + blur
            # d/d covariance of alpha = o sqrt(det0/det) exp(-d^T cov^-1 d / 2): cov^-1 S cov^-1 / 2 with the
            # second moments S of v, plus the two logarithms of determinants.
            i_det = one / det
            mxx, mxy, myy = yy * i_det, zero - xy * i_det, xx * i_det
            px0, px1 = mxx * sum_xx + mxy * sum_xy, mxx * sum_xy + mxy * sum_yy
            py0, py1 = mxy * sum_xx + myy * sum_xy, mxy * sum_xy + myy * sum_yy
            i_det0 = one / det0
            d_xx = half * (px0 * mxx + px1 * mxy + g0 * (yy0 * i_det0 - mxx))
            d_yy = half * (py0 * mxy + py1 * myy + g0 * (xx0 * i_det0 - myy))
            d_xy = px0 * mxy + px1 * myy - g0 * xy * (i_det0 - i_det)
            # To the columns of the Jacobian times the axes, then to the axes themselves.
            dux, duy = gx * (two * ux * d_xx + uy * d_xy), gy * (two * uy * d_yy + ux * d_xy)
            dvx, dvy = gx * (two * vx * d_xx + vy * d_xy), gy * (two * vy * d_yy + vx * d_xy)
            dnx, dny = gx * (two * nx * d_xx + ny * d_xy), gy * (two * ny * d_yy + nx * d_xy)
            duz, dvz, dnz = zero - kx * dux - ky * duy, zero - kx * dvx - ky * dvy, zero - kx * dnx - ky * dny
            s[i + _C19] = sx * (a0 * dux + a1 * duy + a2 * duz)
            s[i + _C20] = sy * (b0 * dvx + b1 * dvy + b2 * dvz)
            s[i + _C21] = g0 / (one + exp2_of(logit * log2e))
            # To problem axes, times scale: d loss / d matrix(q), one column for each axis.
            e0 = sx * (r[0] * dux + r[3] * duy + r[6] * duz)
            e1 = sx * (r[1] * dux + r[4] * duy + r[7] * duz)
            e2 = sx * (r[2] * dux + r[5] * duy + r[8] * duz)
            f0 = sy * (r[0] * dvx + r[3] * dvy + r[6] * dvz)
            f1 = sy * (r[1] * dvx + r[4] * dvy + r[7] * dvz)
            f2 = sy * (r[2] * dvx + r[5] * dvy + r[8] * dvz)
            h0 = thick * (r[0] * dnx + r[3] * dny + r[6] * dnz)
            h1 = thick * (r[1] * dnx + r[4] * dny + r[7] * dnz)
            h2 = thick * (r[2] * dnx + r[5] * dny + r[8] * dnz)
            gw = two * (z * e1 - y * e2 - z * f0 + x * f2 + y * h0 - x * h1)
            gi = two * (y * e1 + z * e2 + y * f0 - two * x * f1 + w * f2 + z * h0 - w * h1 - two * x * h2)
            gj = two * (x * e1 - two * y * e0 - w * e2 + x * f0 + z * f2 + w * h0 + z * h1 - two * y * h2)
            gk = two * (w * e1 - two * z * e0 + x * e2 - w * f0 - two * z * f1 + y * f2 + x * h0 + y * h1)
            along = gw * w + gi * x + gj * y + gk * z  # normalising q removes the gradient along q
            s[i + _C15] = (gw - along * w) * n
            s[i + _C16] = (gi - along * x) * n
            s[i + _C17] = (gj - along * y) * n
            s[i + _C18] = (gk - along * z) * n
        for row in range(7):
            column = grads[row]
            for i in range(m):
                before = column[np.uint64(start + i)] if accumulate else zero
                column[np.uint64(start + i)] = before + s[np.uint64((15 + row) * CHUNK + i)]
