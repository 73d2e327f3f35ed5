# pyright: basic
"""The CPU renderer's last stage: sort each tile's surfels front to back, blend them eight pixels at a time.

A thread draws tiles from a shared counter; a tile depends on nothing but its list, so who draws it does not
matter. A tile's state lives in one 1-D buffer with a constant distance between channels: the compiler then
knows that they do not overlap, and all of it stays in the first-level cache. The kernel has two forms, made
from one source by what is passed as None: colour only (films, streams) and colour, alpha, depth and ids.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.cpu_kernels import (
    AA,
    AB,
    BB,
    BLUE,
    BOTTOM,
    GREEN,
    ID,
    LEFT,
    LOG,
    RECORD,
    RED,
    RIGHT,
    TILE,
    TOP,
    ZETA,
    U,
    V,
)  # fmt: skip
from wonderzoom.runtime.renderers.cpu_memory import bits_float, float_bits, select_greater
from wonderzoom.runtime.renderers.projection import MAX_ALPHA, MIN_ALPHA
from wonderzoom.runtime.renderers.simd import (
    AS_WRITTEN,
    KERNEL,
    LANES,
    exp2,
    fetch_add,
    fma,
    keep_ge,
    lane_numbers,
    load,
    minimum,
    prefetch,
    splat,
    store,
)  # fmt: skip

# Pixels of one row of one channel: a box may start at the last pixel and always works on whole vectors.
_PITCH = TILE + LANES
# Channels: transmittance, red, green, blue; then sum of weight * zeta, largest weight, its id.
_ROW = 7 * _PITCH
CANVAS = TILE * _ROW  # float32 numbers of one thread's tile

_AHEAD = 6  # records to prefetch: the list's order is random in memory, a record is one cache line
_CHECK = 31  # look every 32 surfels whether the tile is finished
# A tile is finished when every pixel lets less than this through: a quarter of one 8-bit step.
_FINISHED = np.float32(1e-3)
# Depths of one tile that lie this close together (pixels) sort as 24-bit integers, to a 2^-14 of a pixel.
SHALLOW = np.float32(1024)
_KEY_STEPS = np.float32(2**24 - 8)  # rounding up must not reach 2^24
_TINY = np.float32(1e-30)
_VALUES = np.uint64(256)  # of a digit: eight bits, whose counts stay in the first-level cache

_0, _1, _HALF, _255 = np.float32(0), np.float32(1), np.float32(0.5), np.float32(255)
_MIN_ALPHA, _MAX_ALPHA, _LANES = np.float32(MIN_ALPHA), np.float32(MAX_ALPHA), np.float32(LANES)
_OPAQUE = -16777216  # 0xff000000: alpha of an RGBA pixel
_NOBODY = np.int32(-1)
_u = np.uint64
_uROW, _uPITCH = _u(_ROW), _u(_PITCH)
_R, _G, _B, _Z, _BEST, _WHO = (_u(channel * _PITCH) for channel in range(1, 7))
_32, _56, _LAST_VALUE, _LOW32 = _u(32), _u(56), _u(255), _u(0xFFFFFFFF)


@njit(inline="always")
def _ordered(key):
    """A finite float32 as an integer with the same order; -0 and 0 are the same."""
    bits = np.int64(float_bits(key))
    sign = bits >> 63
    return ((bits & 0x7FFFFFFF) ^ sign) - sign


# Compiled as written: contracted in the vectors of a loop and not in its rest, equal keys would differ by one step.
@njit(**AS_WRITTEN)
def sort_tile(start, n, entry_keys, entry_rows, first, second, histogram):
    """Sort entries [start, start + n), n > 0, by key, ties in order; rows are low halves of the answer.

    A radix sort between ``first`` and ``second``. Keys within SHALLOW of each other become 24-bit integers:
    as exact as float32, three passes; those of a tile with sky behind a twig are compared bit for bit.
    """
    low = entry_keys[_u(start)]
    high = low
    for e in range(start, start + n):
        key = entry_keys[_u(e)]
        low, high = min(low, key), max(high, key)
    # Keys and counts in loops of their own: the first is vectorised, which saves a third of the time.
    shallow = high - low <= SHALLOW
    if shallow:
        steps = _KEY_STEPS / max(high - low, _TINY)
        for e in range(n):
            key = _u(np.uint32(np.int32((entry_keys[_u(start + e)] - low) * steps)))
            first[_u(e)] = (key << _32) | _u(entry_rows[_u(start + e)])
    else:
        lowest = _ordered(low)
        for e in range(n):
            key = _u(_ordered(entry_keys[_u(start + e)]) - lowest)
            first[_u(e)] = (key << _32) | _u(entry_rows[_u(start + e)])
    histogram[:] = 0
    for e in range(n):
        key = first[_u(e)] >> _32
        histogram[key & _LAST_VALUE] += 1
        histogram[_VALUES + ((key >> _u(8)) & _LAST_VALUE)] += 1
        histogram[_u(2) * _VALUES + ((key >> _u(16)) & _LAST_VALUE)] += 1
    _sort_by_digit(0, n, first, second, histogram)
    _sort_by_digit(1, n, second, first, histogram)
    _sort_by_digit(2, n, first, second, histogram)
    if shallow:
        return second
    for e in range(n):
        histogram[_u(3) * _VALUES + (second[_u(e)] >> _56)] += 1
    _sort_by_digit(3, n, second, first, histogram)
    return first


@njit(inline="always")
def _sort_by_digit(digit, n, source, target, histogram):
    """One stable pass of ``sort_tile``: ``histogram`` has the counts of each digit's values."""
    base, shift = _u(digit) * _VALUES, _u(32 + 8 * digit)
    place = np.int32(0)
    for value in range(_VALUES):
        count = histogram[base + _u(value)]
        histogram[base + _u(value)] = place
        place += count
    for e in range(n):
        entry = source[_u(e)]
        at = base + ((entry >> shift) & _LAST_VALUE)
        place = histogram[at]
        histogram[at] = place + np.int32(1)
        target[_u(place)] = entry


@njit(**KERNEL)
def blend(
    counter, tile_starts, entry_keys, entry_rows, records, record_bits, canvas, width, height, background,
    picture, layers, ids,
):  # fmt: skip
    """Draw tiles until the counter runs out.

    ``records`` and ``record_bits``, the same memory as integers, are flat. ``picture`` [H W] int32 (RGBA bytes) is
    given, or ``layers`` [5, H W] float32 (red, green, blue, alpha, sum of weight * zeta), or both; with layers also
    ``ids`` [H W] int32, or not. What is not given is None, and costs nothing.
    """
    tiles = tile_starts.shape[0] - 1
    tiles_x = (width + TILE - 1) // TILE
    first, second = np.empty(4096, np.uint64), np.empty(4096, np.uint64)
    histogram = np.empty(4 * 256, np.int32)
    min_alpha, max_alpha = splat(_MIN_ALPHA), splat(_MAX_ALPHA)
    red_bg, green_bg, blue_bg = background[0], background[1], background[2]
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start = tile_starts[tile]
        n = tile_starts[tile + 1] - start
        x0, y0 = (tile % tiles_x) * TILE, (tile // tiles_x) * TILE
        last_x, last_y = min(TILE, width - x0) - 1, min(TILE, height - y0) - 1
        if n > first.shape[0]:
            first, second = np.empty(2 * n, np.uint64), np.empty(2 * n, np.uint64)
        order = first
        if n > 0:
            order = sort_tile(start, n, entry_keys, entry_rows, first, second, histogram)
        for y in range(TILE):
            row = _u(y) * _uROW
            for x in range(_PITCH):
                canvas[row + _u(x)] = _1
            for x in range(3 * _PITCH):
                canvas[row + _R + _u(x)] = _0
            if layers is not None:
                for x in range(_PITCH):
                    canvas[row + _Z + _u(x)] = _0
            if ids is not None:
                for x in range(_PITCH):
                    canvas[row + _BEST + _u(x)] = _0
                    canvas[row + _WHO + _u(x)] = bits_float(_NOBODY)
        live_row = 0  # rows above are finished
        for e in range(n):
            if (e & _CHECK) == _CHECK:
                while live_row <= last_y:
                    row = _u(live_row) * _uROW
                    live = False
                    for x in range(last_x + 1):
                        if canvas[row + _u(x)] > _FINISHED:
                            live = True
                            break
                    if live:
                        break
                    live_row += 1
                if live_row > last_y:
                    break
            if e + _AHEAD < n:
                prefetch(records, (order[_u(e + _AHEAD)] & _LOW32) * _u(RECORD), 0)
            j = (order[_u(e)] & _LOW32) * _u(RECORD)
            ab, bb, log_opacity = records[j + _u(AB)], records[j + _u(BB)], records[j + _u(LOG)]
            left = max(np.int64(record_bits[j + _u(LEFT)]) - x0, 0)
            right = min(np.int64(record_bits[j + _u(RIGHT)]) - x0, last_x)
            top = max(np.int64(record_bits[j + _u(TOP)]) - y0, live_row)
            bottom = min(np.int64(record_bits[j + _u(BOTTOM)]) - y0, last_y)
            red, green, blue = (
                splat(records[j + _u(RED)]),
                splat(records[j + _u(GREEN)]),
                splat(records[j + _u(BLUE)]),
            )
            aa = splat(records[j + _u(AA)])
            dx = splat(np.float32(x0 + left) + _HALF - records[j + _u(U)]) + lane_numbers()
            first_dy = np.float32(y0 + top) + _HALF - records[j + _u(V)]
            if layers is not None:
                zeta = splat(records[j + _u(ZETA)])
            if ids is not None:
                who = splat(records[j + _u(ID)])
            x = left
            for _ in range((right - left + LANES) >> 3):
                across = aa * dx * dx
                dy = first_dy
                at = _u(top) * _uROW + _u(x)
                for _ in range(bottom - top + 1):
                    exponent = fma(splat(ab * dy), dx, across) + splat(log_opacity + bb * dy * dy)
                    alpha = keep_ge(minimum(exp2(exponent), max_alpha), min_alpha)
                    transmittance = load(canvas, at)
                    weight = alpha * transmittance
                    store(canvas, at, transmittance - weight)
                    store(canvas, at + _R, fma(weight, red, load(canvas, at + _R)))
                    store(canvas, at + _G, fma(weight, green, load(canvas, at + _G)))
                    store(canvas, at + _B, fma(weight, blue, load(canvas, at + _B)))
                    if layers is not None:
                        store(canvas, at + _Z, fma(weight, zeta, load(canvas, at + _Z)))
                    if ids is not None:
                        best = load(canvas, at + _BEST)
                        store(canvas, at + _BEST, select_greater(weight, best, weight, best))
                        store(canvas, at + _WHO, select_greater(weight, best, who, load(canvas, at + _WHO)))
                    dy += _1
                    at += _uROW
                dx = dx + splat(_LANES)
                x += LANES
        for y in range(last_y + 1):
            row = _u(y) * _uROW
            out = _u((y0 + y) * width + x0)
            for x in range(last_x + 1):
                at = row + _u(x)
                left_over = canvas[at]
                r = canvas[at + _R] + left_over * red_bg
                g = canvas[at + _G] + left_over * green_bg
                b = canvas[at + _B] + left_over * blue_bg
                if picture is not None:
                    picture[out + _u(x)] = _byte(r) | (_byte(g) << 8) | (_byte(b) << 16) | np.int32(_OPAQUE)
                if layers is not None:
                    layers[0, out + _u(x)], layers[1, out + _u(x)], layers[2, out + _u(x)] = r, g, b
                    layers[3, out + _u(x)] = _1 - left_over
                    layers[4, out + _u(x)] = canvas[at + _Z]
                if ids is not None:
                    ids[out + _u(x)] = float_bits(canvas[at + _WHO])


@njit(inline="always")
def _byte(value):
    """A colour in [0, 1] as 0 ... 255, rounded."""
    return np.int32(min(max(value * _255 + _HALF, _0), _255))
