# pyright: basic
"""Which surfels touch which tile, front to back: the lists that blending walks, forward and backward.

Lists are a pure function of the records: a surfel's entries have consecutive numbers (in tile order), and a
tile's list is sorted stably by the sort key, so ties keep the order of the rows, for any number of threads.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

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

_DIGIT, _PASSES = 256, 3  # stable passes of eight bits
_KEY_STEPS = float(2**24 - 1)  # of a tile's depth range: as fine as float32 itself


def lay_out(
    tile_counts: NDArray[np.int64], chunk_entries: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Counts per (band, tile) and per chunk become places: (tile starts [T + 1], band starts [B, T], chunk
    starts [C]); the last tile start is the number of entries."""
    bands, tiles = tile_counts.shape
    ends = np.cumsum(tile_counts.T.ravel())
    band_starts = np.concatenate([[0], ends])[:-1].reshape(tiles, bands)
    tile_starts = np.append(band_starts[:, 0], ends[-1] if tiles else 0)
    return tile_starts, np.ascontiguousarray(band_starts.T), np.cumsum(chunk_entries) - chunk_entries


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
    low, shift, eight, mask = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(8), np.uint64(_DIGIT - 1)
    source = np.empty(4096, np.uint64)
    target = np.empty(4096, np.uint64)
    places = np.empty(_DIGIT, np.int64)
    tiles = tile_starts.shape[0] - 1
    while True:
        tile = fetch_add(counter, 1)
        if tile >= tiles:
            break
        start = tile_starts[tile]
        n = tile_starts[tile + 1] - start
        if n < 2:
            continue
        if n > source.shape[0]:
            source = np.empty(2 * n, np.uint64)
            target = np.empty(2 * n, np.uint64)
        nearest = entry_keys[start]
        farthest = nearest
        for i in range(start, start + n):
            nearest = min(nearest, entry_keys[i])
            farthest = max(farthest, entry_keys[i])
        steps = _KEY_STEPS / (farthest - nearest) if farthest > nearest else 0.0
        for i in range(n):
            key = np.uint64(np.int64((entry_keys[start + i] - nearest) * steps))
            source[np.uint64(i)] = (key << shift) | np.uint64(entry_rows[start + i])
        digit_at = shift
        for _ in range(_PASSES):
            places[:] = 0
            for i in range(n):
                places[(source[np.uint64(i)] >> digit_at) & mask] += 1
            place = 0
            for digit in range(_DIGIT):
                here = places[digit]
                places[digit] = place
                place += here
            for i in range(n):
                value = source[np.uint64(i)]
                digit = (value >> digit_at) & mask
                place = places[digit]
                places[digit] = place + 1
                target[np.uint64(place)] = value
            source, target = target, source
            digit_at += eight
        for i in range(n):
            entry_rows[start + i] = np.uint32(source[np.uint64(i)] & low)
