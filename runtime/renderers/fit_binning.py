# pyright: basic
"""Which surfels touch which tile, front to back: the lists that blending walks, forward and backward.

Lists are a pure function of the records: a surfel's entries have consecutive numbers (in tile order), and a
tile's list is sorted stably by the sort key, so ties keep the order of the rows, for any number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from wonderzoom.runtime.renderers.fit_projection import (
    BOTTOM,
    CHUNK,
    FIRST_ENTRY,
    KEY,
    LEFT,
    RIGHT,
    TILE,
    TILE_SHIFT,
    TOP,
)
from wonderzoom.runtime.renderers.simd import KERNEL, fetch_add

_DIGIT = 256  # three stable passes of eight bits
_KEY_STEPS = float(2**24 - 1)  # of a tile's depth range: as fine as float32 itself


@njit(**KERNEL)
def lay_out(tile_counts, chunk_entries, band_starts, tile_starts, chunk_starts):
    """Turn counts per (band, tile) and per chunk into places; returns the number of entries."""
    bands, tiles = tile_counts.shape
    place = 0
    for tile in range(tiles):
        tile_starts[tile] = place
        for band in range(bands):
            band_starts[band, tile] = place
            place += tile_counts[band, tile]
    tile_starts[tiles] = place
    entries = 0
    for chunk in range(chunk_entries.shape[0]):
        chunk_starts[chunk] = entries
        entries += chunk_entries[chunk]
    return place


@njit(**KERNEL)
def scatter(chunk0, chunk1, records, integers, chunk_starts, next_place, width, entry_keys, entry_rows):
    """Write the rows of chunks [chunk0, chunk1) into the lists of the tiles they touch."""
    tiles_x = (width + TILE - 1) // TILE
    count = records.shape[0]
    for chunk in range(chunk0, chunk1):
        entry = chunk_starts[chunk]
        for j in range(chunk * CHUNK, min((chunk + 1) * CHUNK, count)):
            left, right = integers[j, LEFT], integers[j, RIGHT]
            if right < left:
                continue
            integers[j, FIRST_ENTRY] = entry
            key = records[j, KEY]
            for ty in range(integers[j, TOP] >> TILE_SHIFT, (integers[j, BOTTOM] >> TILE_SHIFT) + 1):
                for tx in range(left >> TILE_SHIFT, (right >> TILE_SHIFT) + 1):
                    tile = ty * tiles_x + tx
                    place = next_place[tile]
                    next_place[tile] = place + 1
                    entry_keys[np.uint64(place)] = key
                    entry_rows[np.uint64(place)] = j
                    entry += 1


@njit(**KERNEL)
def sort_tiles(counter, tile_starts, entry_keys, entry_rows):
    """Sort the list of every tile by key, stably; threads draw tiles from ``counter``."""
    one = np.uint64(1)
    low, shift, digit_mask = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(_DIGIT - 1)
    eight, sixteen, digits = np.uint64(8), np.uint64(16), np.uint64(_DIGIT)
    first = np.empty(4096, np.uint64)
    second = np.empty(4096, np.uint64)
    histogram = np.empty(3 * _DIGIT, np.int64)
    tiles = tile_starts.shape[0] - 1
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start = tile_starts[tile]
        n = tile_starts[tile + 1] - start
        if n < 2:
            continue
        if n > first.shape[0]:
            first = np.empty(2 * n, np.uint64)
            second = np.empty(2 * n, np.uint64)
        nearest = entry_keys[start]
        farthest = nearest
        for i in range(start, start + n):
            nearest = min(nearest, entry_keys[i])
            farthest = max(farthest, entry_keys[i])
        steps = _KEY_STEPS / (farthest - nearest) if farthest > nearest else 0.0
        histogram[:] = 0
        for i in range(n):
            key = np.uint64(np.int64((entry_keys[start + i] - nearest) * steps))
            first[np.uint64(i)] = (key << shift) | np.uint64(entry_rows[start + i])
            histogram[key & digit_mask] += 1
            histogram[digits + ((key >> eight) & digit_mask)] += 1
            histogram[digits + digits + ((key >> sixteen) & digit_mask)] += 1
        for turn in range(3):
            place = 0
            for digit in range(_DIGIT):
                here = histogram[turn * _DIGIT + digit]
                histogram[turn * _DIGIT + digit] = place
                place += here
        for i in range(n):
            value = first[np.uint64(i)]
            digit = (value >> shift) & digit_mask
            place = np.uint64(histogram[digit])
            histogram[digit] = np.int64(place + one)
            second[place] = value
        for i in range(n):
            value = second[np.uint64(i)]
            digit = digits + ((value >> (shift + eight)) & digit_mask)
            place = np.uint64(histogram[digit])
            histogram[digit] = np.int64(place + one)
            first[place] = value
        for i in range(n):
            value = first[np.uint64(i)]
            digit = digits + digits + ((value >> (shift + sixteen)) & digit_mask)
            place = np.uint64(histogram[digit])
            histogram[digit] = np.int64(place + one)
            entry_rows[start + np.int64(place)] = np.uint32(value & low)
