# pyright: basic
"""Blending tiles front to back and its gradient, in eight lanes (float32): where fitting spends its time.

The backward pass walks forward too: with ``rest = g . (final colour - colour so far)`` per pixel, the
gradient of an alpha is ``T g . c - rest / (1 - alpha)``, so no transmittance has to be stored and nothing is
walked in reverse. Every (surfel, tile) entry gets its own four sums, so no two threads add to one number.
``fit_blending_scalar`` says the same without lanes, in any precision.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.fit_projection import (
    BLUE,
    BOTTOM,
    CONIC_XX,
    CONIC_XY,
    CONIC_YY,
    FIRST_ENTRY,
    GREEN,
    LEFT,
    LOG_OPACITY,
    RECORD,
    RED,
    RIGHT,
    TILE,
    TILE_SHIFT,
    TOP,
    U,
    V,
)
from wonderzoom.runtime.renderers.projection import MAX_ALPHA, MIN_ALPHA
from wonderzoom.runtime.renderers.simd import (
    KERNEL,
    exp2,
    fetch_add,
    fma,
    keep_ge,
    keep_lt,
    lane_numbers,
    load,
    minimum,
    prefetch,
    reciprocal,
    splat,
    store,
    total,
)

LANE_PAD = 8  # the last vector of a row may reach over the tile's right edge
PLANE = TILE + LANE_PAD  # floats from one plane of a row to the next
PLANES = 5  # forward: T, red, green, blue; backward: T, rest, and the three gradients
ROW = PLANES * PLANE  # floats from one row to the next: planes interleaved by row share cache lines
BUFFER = TILE * ROW
_AHEAD = 6  # entries; a record fetched this early has arrived when it is needed
_CHECK = 31  # whether a tile is opaque is asked every 32 entries

_ZERO, _ONE, _HALF = np.float32(0), np.float32(1), np.float32(0.5)
_MIN_ALPHA, _MAX_ALPHA = np.float32(MIN_ALPHA), np.float32(MAX_ALPHA)
_P1, _P2, _P3, _P4 = (np.uint64(k * PLANE) for k in (1, 2, 3, 4))


@njit(**KERNEL)
def blend(
    counter, tile_starts, entry_rows, records, integers, buffer, width, height, background, opaque,
    image, transmittance, used,
):  # fmt: skip
    """image [3, H W] over the background and final transmittance [H W]; used[tile]: entries blended.

    A tile stops when no pixel transmits more than ``opaque``.
    """
    tiles_x = (width + TILE - 1) // TILE
    tiles = tile_starts.shape[0] - 1
    low, high, lanes = splat(_MIN_ALPHA), splat(_MAX_ALPHA), lane_numbers()
    flat = records.reshape(-1)
    row = np.uint64(ROW)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start = tile_starts[tile]
        n = tile_starts[tile + 1] - start
        ox, oy = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        rows, columns = min(TILE, height - oy), min(TILE, width - ox)
        for y in range(TILE):
            at = np.uint64(y) * row
            for x in range(PLANE):
                buffer[at + np.uint64(x)] = _ONE
            for x in range(3 * PLANE):
                buffer[at + _P1 + np.uint64(x)] = _ZERO
        done = 0  # rows known to be opaque
        blended = n
        for i in range(n):
            if (i & _CHECK) == _CHECK:
                while done < rows:
                    at = np.uint64(done) * row
                    alive = False
                    for x in range(columns):
                        if buffer[at + np.uint64(x)] > opaque:
                            alive = True
                            break
                    if alive:
                        break
                    done += 1
                if done >= rows:
                    blended = i
                    break
            j = np.uint64(entry_rows[start + i])
            if i + _AHEAD < n:
                prefetch(flat, np.uint64(entry_rows[start + i + _AHEAD]) * np.uint64(RECORD), 0)
            u, v = records[j, U], records[j, V]
            cxx, cxy, cyy = -records[j, CONIC_XX], -records[j, CONIC_XY], -records[j, CONIC_YY]
            log_opacity = records[j, LOG_OPACITY]
            red, green, blue = splat(records[j, RED]), splat(records[j, GREEN]), splat(records[j, BLUE])
            left = max(np.int64(integers[j, LEFT]) - ox, 0)
            right = min(np.int64(integers[j, RIGHT]) - ox, columns - 1)
            top = max(np.int64(integers[j, TOP]) - oy, 0)
            bottom = min(np.int64(integers[j, BOTTOM]) - oy, rows - 1)
            vectors = (right - left + 8) >> 3
            first_dx = np.float32(ox + left) + _HALF - u
            first_dy = np.float32(oy + top) + _HALF - v
            for step in range(vectors):
                dx = splat(first_dx + np.float32(8 * step)) + lanes
                qxx = splat(cxx) * dx * dx
                dy = first_dy
                at = np.uint64(top) * row + np.uint64(left + 8 * step)
                for _ in range(bottom - top + 1):
                    power = fma(splat(cxy * dy), dx, qxx) + splat(log_opacity + cyy * dy * dy)
                    alpha = keep_ge(minimum(exp2(power), high), low)
                    before = load(buffer, at)
                    weight = alpha * before
                    store(buffer, at, before - weight)
                    store(buffer, at + _P1, fma(weight, red, load(buffer, at + _P1)))
                    store(buffer, at + _P2, fma(weight, green, load(buffer, at + _P2)))
                    store(buffer, at + _P3, fma(weight, blue, load(buffer, at + _P3)))
                    dy += _ONE
                    at += row
        used[tile] = blended
        for y in range(rows):
            at = np.uint64(y) * row
            out = np.uint64((oy + y) * width + ox)
            for x in range(columns):
                here, there = at + np.uint64(x), out + np.uint64(x)
                left_over = buffer[here]
                transmittance[there] = left_over
                image[0, there] = buffer[here + _P1] + left_over * background[0]
                image[1, there] = buffer[here + _P2] + left_over * background[1]
                image[2, there] = buffer[here + _P3] + left_over * background[2]


@njit(**KERNEL)
def blend_backward(
    counter, tile_starts, entry_rows, records, integers, buffer, width, height,
    image, transmittance, used, image_grad, transmittance_grad, entry_grads,
):  # fmt: skip
    """entry_grads [E, 4]: sums over pixels of v, v dx^2, v dx dy, v dy^2, where v = alpha dL / dalpha."""
    tiles_x = (width + TILE - 1) // TILE
    tiles = tile_starts.shape[0] - 1
    low, high, lanes = splat(_MIN_ALPHA), splat(_MAX_ALPHA), lane_numbers()
    zeros, ones = splat(_ZERO), splat(_ONE)
    flat = records.reshape(-1)
    row = np.uint64(ROW)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start = tile_starts[tile]
        n = tile_starts[tile + 1] - start
        tx, ty = tile % tiles_x, tile // tiles_x
        ox, oy = tx * TILE, ty * TILE
        rows, columns = min(TILE, height - oy), min(TILE, width - ox)
        for y in range(TILE):
            at = np.uint64(y) * row
            for x in range(PLANE):
                buffer[at + np.uint64(x)] = _ONE
            for x in range(4 * PLANE):
                buffer[at + _P1 + np.uint64(x)] = _ZERO
            if y < rows:
                source = np.uint64((oy + y) * width + ox)
                for x in range(columns):
                    k, here = source + np.uint64(x), at + np.uint64(x)
                    g0, g1, g2 = image_grad[0, k], image_grad[1, k], image_grad[2, k]
                    rest = g0 * image[0, k] + g1 * image[1, k] + g2 * image[2, k]
                    buffer[here + _P1] = rest + transmittance_grad[k] * transmittance[k]
                    buffer[here + _P2] = g0
                    buffer[here + _P3] = g1
                    buffer[here + _P4] = g2
        for i in range(n):
            j = np.uint64(entry_rows[start + i])
            left, right = np.int64(integers[j, LEFT]), np.int64(integers[j, RIGHT])
            top, bottom = np.int64(integers[j, TOP]), np.int64(integers[j, BOTTOM])
            wide = (right >> TILE_SHIFT) - (left >> TILE_SHIFT) + 1
            entry = np.int64(integers[j, FIRST_ENTRY]) + (ty - (top >> TILE_SHIFT)) * wide
            entry = np.uint64(entry + tx - (left >> TILE_SHIFT))
            if i >= used[tile]:  # behind an opaque tile: no gradient
                for k in range(4):
                    entry_grads[entry, k] = _ZERO
                continue
            if i + _AHEAD < n:
                prefetch(flat, np.uint64(entry_rows[start + i + _AHEAD]) * np.uint64(RECORD), 0)
            u, v = records[j, U], records[j, V]
            cxx, cxy, cyy = -records[j, CONIC_XX], -records[j, CONIC_XY], -records[j, CONIC_YY]
            log_opacity = records[j, LOG_OPACITY]
            red, green, blue = splat(records[j, RED]), splat(records[j, GREEN]), splat(records[j, BLUE])
            left, right = max(left - ox, 0), min(right - ox, columns - 1)
            top, bottom = max(top - oy, 0), min(bottom - oy, rows - 1)
            vectors = (right - left + 8) >> 3
            first_dx = np.float32(ox + left) + _HALF - u
            first_dy = np.float32(oy + top) + _HALF - v
            sum_1, sum_xx, sum_xy, sum_yy = zeros, zeros, zeros, zeros
            for step in range(vectors):
                dx = splat(first_dx + np.float32(8 * step)) + lanes
                qxx = splat(cxx) * dx * dx
                dy = first_dy
                at = np.uint64(top) * row + np.uint64(left + 8 * step)
                column_1, column_y, column_yy = zeros, zeros, zeros
                for _ in range(bottom - top + 1):
                    power = fma(splat(cxy * dy), dx, qxx) + splat(log_opacity + cyy * dy * dy)
                    raw = exp2(power)
                    alpha = keep_ge(minimum(raw, high), low)
                    before = load(buffer, at)
                    weight = alpha * before
                    shade = load(buffer, at + _P4) * blue
                    shade = fma(load(buffer, at + _P2), red, fma(load(buffer, at + _P3), green, shade))
                    rest = load(buffer, at + _P1) - weight * shade
                    change = (before * shade - rest * reciprocal(ones - alpha)) * alpha
                    change = keep_lt(change, raw, high)
                    store(buffer, at, before - weight)
                    store(buffer, at + _P1, rest)
                    change_y = change * splat(dy)
                    column_1 = column_1 + change
                    column_y = column_y + change_y
                    column_yy = fma(change_y, splat(dy), column_yy)
                    dy += _ONE
                    at += row
                sum_1 = sum_1 + column_1
                sum_xx = fma(column_1 * dx, dx, sum_xx)
                sum_xy = fma(column_y, dx, sum_xy)
                sum_yy = sum_yy + column_yy
            entry_grads[entry, 0] = total(sum_1)
            entry_grads[entry, 1] = total(sum_xx)
            entry_grads[entry, 2] = total(sum_xy)
            entry_grads[entry, 3] = total(sum_yy)
