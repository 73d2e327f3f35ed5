# pyright: basic
"""Blending and its gradient pixel by pixel, in any precision: the float64 mode of the fitter.

Says what ``fit_blending`` says, without lanes, tile buffers or fast exponentials; what gradients are
checked with.
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
    RED,
    RIGHT,
    TILE,
    TILE_SHIFT,
    TOP,
    U,
    V,
    exp2_of,
)
from wonderzoom.runtime.renderers.projection import MAX_ALPHA, MIN_ALPHA
from wonderzoom.runtime.renderers.simd import KERNEL, fetch_add


@njit(**KERNEL)
def blend(
    counter, tile_starts, entry_rows, records, integers, buffer, width, height, background, opaque,
    image, transmittance, used,
):  # fmt: skip
    """As ``fit_blending.blend``; a pixel, not a tile, stops at ``opaque``, so pass 0 for equality."""
    kind = records.dtype.type
    tiles_x = (width + TILE - 1) // TILE
    tiles = tile_starts.shape[0] - 1
    half, one, low, high = kind(0.5), kind(1), kind(MIN_ALPHA), kind(MAX_ALPHA)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start, end = tile_starts[tile], tile_starts[tile + 1]
        ox, oy = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        used[tile] = end - start
        for y in range(oy, min(oy + TILE, height)):
            for x in range(ox, min(ox + TILE, width)):
                left_over, red, green, blue = one, kind(0), kind(0), kind(0)
                for i in range(start, end):
                    if left_over <= opaque:
                        break
                    j = np.int64(entry_rows[i])
                    outside_x = x < integers[j, LEFT] or x > integers[j, RIGHT]
                    if outside_x or y < integers[j, TOP] or y > integers[j, BOTTOM]:
                        continue
                    dx, dy = kind(x) + half - records[j, U], kind(y) + half - records[j, V]
                    form = records[j, CONIC_XX] * dx * dx + records[j, CONIC_XY] * dx * dy
                    form += records[j, CONIC_YY] * dy * dy
                    alpha = min(exp2_of(records[j, LOG_OPACITY] - form), high)
                    if alpha < low:
                        continue
                    weight = alpha * left_over
                    left_over -= weight
                    red += weight * records[j, RED]
                    green += weight * records[j, GREEN]
                    blue += weight * records[j, BLUE]
                k = y * width + x
                transmittance[k] = left_over
                image[0, k] = red + left_over * background[0]
                image[1, k] = green + left_over * background[1]
                image[2, k] = blue + left_over * background[2]


@njit(**KERNEL)
def blend_backward(
    counter, tile_starts, entry_rows, records, integers, buffer, width, height,
    image, transmittance, used, image_grad, transmittance_grad, entry_grads,
):  # fmt: skip
    """As ``fit_blending.blend_backward``, for a forward pass with ``opaque`` 0."""
    kind = records.dtype.type
    tiles_x = (width + TILE - 1) // TILE
    tiles = tile_starts.shape[0] - 1
    half, one, low, high = kind(0.5), kind(1), kind(MIN_ALPHA), kind(MAX_ALPHA)
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start, end = tile_starts[tile], tile_starts[tile + 1]
        tx, ty = tile % tiles_x, tile // tiles_x
        ox, oy = tx * TILE, ty * TILE
        columns, rows = min(TILE, width - ox), min(TILE, height - oy)
        left_over = np.ones((TILE, TILE), records.dtype)
        rest = np.zeros((TILE, TILE), records.dtype)
        for y in range(rows):
            for x in range(columns):
                k = (oy + y) * width + ox + x
                rest[y, x] = transmittance_grad[k] * transmittance[k]
                for c in range(3):
                    rest[y, x] += image_grad[c, k] * image[c, k]
        for i in range(start, end):
            j = np.int64(entry_rows[i])
            left, right = np.int64(integers[j, LEFT]), np.int64(integers[j, RIGHT])
            top, bottom = np.int64(integers[j, TOP]), np.int64(integers[j, BOTTOM])
            wide = (right >> TILE_SHIFT) - (left >> TILE_SHIFT) + 1
            entry = np.int64(integers[j, FIRST_ENTRY]) + (ty - (top >> TILE_SHIFT)) * wide
            entry += tx - (left >> TILE_SHIFT)
            sum_1, sum_xx, sum_xy, sum_yy = kind(0), kind(0), kind(0), kind(0)
            for y in range(max(top - oy, 0), min(bottom - oy, rows - 1) + 1):
                for x in range(max(left - ox, 0), min(right - ox, columns - 1) + 1):
                    dx, dy = kind(ox + x) + half - records[j, U], kind(oy + y) + half - records[j, V]
                    form = records[j, CONIC_XX] * dx * dx + records[j, CONIC_XY] * dx * dy
                    form += records[j, CONIC_YY] * dy * dy
                    raw = exp2_of(records[j, LOG_OPACITY] - form)
                    alpha = min(raw, high)
                    if alpha < low:
                        continue
                    k = (oy + y) * width + ox + x
                    before = left_over[y, x]
                    shade = image_grad[0, k] * records[j, RED] + image_grad[1, k] * records[j, GREEN]
                    shade += image_grad[2, k] * records[j, BLUE]
                    rest[y, x] -= alpha * before * shade
                    left_over[y, x] = before - alpha * before
                    if raw < high:
                        change = (before * shade - rest[y, x] / (one - alpha)) * alpha
                        sum_1 += change
                        sum_xx += change * dx * dx
                        sum_xy += change * dx * dy
                        sum_yy += change * dy * dy
            entry_grads[entry, 0] = sum_1
            entry_grads[entry, 1] = sum_xx
            entry_grads[entry, 2] = sum_xy
            entry_grads[entry, 3] = sum_yy
