# pyright: basic
"""The walk of a pixel down its ladder, for numba.

Owns: how rungs add up. Each rung finds the element that covers the point, tints it, raises it and darkens
its gaps; the element's own frame is the ground of the next, finer rung. A rung fades in as a pixel becomes
smaller than its elements, so that a deeper zoom adds to what was seen and replaces nothing.

Deep down most rungs are far larger than the view. They are walked at the corners of tiles only, and where all
four corners of a tile end in the same element its pixels start from the interpolated state.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, SMALL, U, mix, smoothstep, unit_a, unit_b
from wonderzoom.generation.embedded.rung_kernels import step
from wonderzoom.generation.embedded.rungs import (
    ACCENT_TINT,
    ACCENTED,
    ANGLE,
    BRIGHT,
    COLUMNS,
    COVERED,
    CX,
    CY,
    HUE,
    LX,
    LY,
    OPEN,
    OWN,
    RESULT,
    RISE,
    SAMPLE,
    SHIFT,
    SIZE,
    TINT,
)  # fmt: skip

# An element shows from 1.3 pixels on and fully from 3.5: below it would alias, later it would pop in.
FIRST_SEEN = 1.3
FULLY_SEEN = 3.5
# The photo's own local contrast governs elements just below its resolution, the material's takes over within
# about one zoom of 8 (both in units of ln 8).
CONTRAST_START = 0.25
CONTRAST_FADE = 1.1
LN_8 = math.log(8.0)
# Neighbouring points farther apart than this many footprints lie on different surfaces.
SAME_SURFACE = 6.0
MOST_RUNGS = 160  # about 1e100 between the coarsest element and a pixel; charts restart long before
# Relief and hue of elements larger than this many pixels count less and less, by this power of their size:
# their slope is almost constant over the view, and what is seen of them is in the coarse picture already. In
# full, the sum over a deep ladder would drown the fine relief.
LARGE, LARGE_FADE = 150.0, 0.25
MOST_HUE = 0.35  # the sums of hues level off here
# A shift of hue multiplies and adds: in a saturated colour the weak channels have nothing to multiply. The sum is
# this share of the strongest channel.
PIGMENT = 0.6
TILE = 8  # pixels
# Elements of this many pixels are straight within a tile: their outlines bend by less than 0.1 pixel.
TILED = 100.0 * TILE

# State of a walk: the point in the element's frame; orientation there; the frame's turn against the chart;
# displacement (chart) to the spot whose base colour the element takes; size of the last rung; sums: ln
# brightness, red-blue shift, green shift, height, openness, tint.
X, Y, THETA, TURN_C, TURN_S, BASE_X, BASE_Y, LAST, LIGHT, RED, GREEN, RAISED, OPENED, TINTED = range(14)
STATE = TINTED + 3


@njit(**SMALL)
def begin(x, y, theta, st):
    """The state above the first rung."""
    for k in range(STATE):
        st[k] = 0.0
    st[X] = x
    st[Y] = y
    st[THETA] = theta
    st[TURN_C] = 1.0
    st[OPENED] = 1.0
    st[TINTED] = st[TINTED + 1] = st[TINTED + 2] = 1.0


@njit(**KERNEL)
def walk(table, counts, tail, ratio, m, first, seed, contrast, pixel, largest, stop, st, g, o):
    """Go down from rung ``first`` while elements are larger than ``stop`` and than what a pixel can show.

    ``st`` [STATE] is advanced; ``g`` [COLUMNS] and ``o`` [RESULT] are scratch. Returns the rung that comes
    next and the seed of the element it lies in.
    """
    count = counts[m]
    least = max(stop, pixel * FIRST_SEEN)
    size = st[LAST]
    for r in range(first, MOST_RUNGS):
        following = table[m, r, SIZE] if r < count else size / ratio
        if following < least:
            st[LAST] = size
            return r, seed
        size = following
        if size > largest:
            continue
        if r < count:
            for k in range(COLUMNS):
                g[k] = table[m, r, k]
        else:
            for k in range(COLUMNS):
                g[k] = tail[(r - count) % tail.shape[0], k]
            g[SIZE] = size
        seen = smoothstep(pixel * FIRST_SEEN, pixel * FULLY_SEEN, size)
        own = step(g, st[X], st[Y], st[THETA], seed, pixel, o)
        strength = seen
        if contrast < 1.0:
            below = max(0.0, math.log(largest / size) / LN_8 - CONTRAST_START) / CONTRAST_FADE
            strength *= 1 - (1 - contrast) * math.exp(-below * below)
        near = strength * (1 + size / (LARGE * pixel)) ** -LARGE_FADE
        st[LIGHT] += strength * o[BRIGHT]
        st[RED] += near * o[SHIFT]
        st[RAISED] += near * o[RISE]
        st[OPENED] *= 1 - strength * (1 - o[OPEN])
        accent = seen * o[ACCENTED]
        for k in range(3):
            st[TINTED + k] *= 1 + (g[TINT + k] - 1) * seen * (1 - accent) + (g[ACCENT_TINT + k] - 1) * accent
        if o[OWN] > 0:
            h = mix(3, 1, own)
            st[GREEN] += near * (unit_a(h) - 0.5) * g[HUE]
            if g[SAMPLE] > 0 and o[COVERED] > 0:
                dx = o[CX] - st[X]
                dy = o[CY] - st[Y]
                share = seen * min(1.0, strength * 1.4)
                away = g[SAMPLE] * size
                c = st[TURN_C]
                s = st[TURN_S]
                st[BASE_X] = (c * dx - s * dy + (unit_a(h) - 0.5) * away) * share
                st[BASE_Y] = (s * dx + c * dy + (unit_b(h) - 0.5) * away) * share
            st[X] = o[LX]
            st[Y] = o[LY]
            c = math.cos(o[ANGLE])
            s = math.sin(o[ANGLE])
            turned = st[TURN_C] * c - st[TURN_S] * s
            st[TURN_S] = st[TURN_S] * c + st[TURN_C] * s
            st[TURN_C] = turned
            st[THETA] = 0.0
        seed = own + U(101)
    st[LAST] = size
    return MOST_RUNGS, seed


@njit(**SMALL)
def seed_of(seed, material):
    """Each material has its own lattices."""
    return U(seed) + U(material) * U(7919)


@njit(**KERNEL)
def corner_rows(
    first, last, points, material, orientation, contrast, footprint, largest, table, counts, tail, ratio,
    seed, states, rungs, seeds,
):  # fmt: skip
    """Rows first..last-1 of the tiles' corners: the walk down to elements of TILED pixels."""
    height, width = material.shape
    g = np.empty(COLUMNS)
    o = np.empty(RESULT)
    st = np.empty(STATE)
    top_rung = np.int64(0)  # a variable: a literal would compile the walk twice
    for j in range(first, last):
        y = min(j * TILE, height - 1)
        for i in range(rungs.shape[1]):
            x = min(i * TILE, width - 1)
            m = material[y, x]
            rungs[j, i] = -1
            if m < 0:
                continue
            begin(points[y, x, 0], points[y, x, 1], orientation[y, x], st)
            pixel = footprint[y, x]
            rungs[j, i], seeds[j, i] = walk(
                table, counts, tail, ratio, m, top_rung, seed_of(seed, m), contrast[y, x], pixel,
                largest[y, x], TILED * pixel, st, g, o,
            )  # fmt: skip
            for k in range(STATE):
                states[j, i, k] = st[k]


@njit(**SMALL)
def shared_start(material, rungs, seeds, j, i, y, x):
    """The rung that all four corners of a tile reach in one element, -1 if they don't."""
    if j * TILE >= material.shape[0] - 1 or i * TILE >= material.shape[1] - 1:  # a last row or column
        return -1
    r = rungs[j, i]
    if r <= 0 or rungs[j, i + 1] != r or rungs[j + 1, i] != r or rungs[j + 1, i + 1] != r:
        return -1
    h = seeds[j, i]
    if seeds[j, i + 1] != h or seeds[j + 1, i] != h or seeds[j + 1, i + 1] != h:
        return -1
    return r if material[y, x] == material[j * TILE, i * TILE] else -1


@njit(**SMALL)
def bilinear(base, x, y):
    """``base`` [h, w, 3] at continuous pixel coordinates, clamped to its border."""
    x = min(max(x - 0.5, 0.0), base.shape[1] - 1.0)
    y = min(max(y - 0.5, 0.0), base.shape[0] - 1.0)
    i = min(int(x), base.shape[1] - 2)
    j = min(int(y), base.shape[0] - 2)
    fx = x - i
    fy = y - j
    a = (1 - fx) * (1 - fy)
    b = fx * (1 - fy)
    c = (1 - fx) * fy
    d = fx * fy
    return (
        a * base[j, i, 0] + b * base[j, i + 1, 0] + c * base[j + 1, i, 0] + d * base[j + 1, i + 1, 0],
        a * base[j, i, 1] + b * base[j, i + 1, 1] + c * base[j + 1, i, 1] + d * base[j + 1, i + 1, 1],
        a * base[j, i, 2] + b * base[j, i + 1, 2] + c * base[j + 1, i, 2] + d * base[j + 1, i + 1, 2],
    )


@njit(**KERNEL)
def detail_rows(
    first, last, points, material, orientation, contrast, footprint, largest, table, counts, tail, ratio,
    seed, states, rungs, seeds, offsets, base, origin_x, origin_y, base_scale, color, height, occlusion,
):  # fmt: skip
    """Rows first..last-1 of ``detail.synthesise``; a ``base`` of one pixel: none, colours are factors.

    ``offsets`` [S, 2]: samples of a pixel, pixels from its centre.
    """
    height_px, width_px = material.shape
    g = np.empty(COLUMNS)
    o = np.empty(RESULT)
    st = np.empty(STATE)
    with_base = base.shape[0] > 1
    samples = offsets.shape[0]
    for y in range(first, last):
        for x in range(width_px):
            m = material[y, x]
            if m < 0:
                color[y, x, 0] = color[y, x, 1] = color[y, x, 2] = 1.0
                height[y, x] = 0.0
                occlusion[y, x] = 1.0
                continue
            xa = x - 1 if x > 0 and material[y, x - 1] >= 0 else x
            xb = x + 1 if x + 1 < width_px and material[y, x + 1] >= 0 else x
            ya = y - 1 if y > 0 and material[y - 1, x] >= 0 else y
            yb = y + 1 if y + 1 < height_px and material[y + 1, x] >= 0 else y
            ux = (points[y, xb, 0] - points[y, xa, 0]) / max(1, xb - xa)
            vx = (points[y, xb, 1] - points[y, xa, 1]) / max(1, xb - xa)
            uy = (points[yb, x, 0] - points[ya, x, 0]) / max(1, yb - ya)
            vy = (points[yb, x, 1] - points[ya, x, 1]) / max(1, yb - ya)
            pixel = footprint[y, x]
            stretch = max(math.sqrt(ux * ux + vx * vx), math.sqrt(uy * uy + vy * vy))
            if stretch > SAME_SURFACE * pixel:
                ux = vx = uy = vy = 0.0
                stretch = pixel
            pixel = max(pixel, stretch * 0.8)
            j = y // TILE
            i = x // TILE
            start = shared_start(material, rungs, seeds, j, i, y, x)
            red = 0.0
            green = 0.0
            blue = 0.0
            opened = 0.0
            for sample in range(samples):
                a = offsets[sample, 0]
                b = offsets[sample, 1]
                u = points[y, x, 0] + ux * a + uy * b
                v = points[y, x, 1] + vx * a + vy * b
                if start > 0:
                    fx = (x + a - i * TILE) / (min((i + 1) * TILE, width_px - 1) - i * TILE)
                    fy = (y + b - j * TILE) / (min((j + 1) * TILE, height_px - 1) - j * TILE)
                    for k in range(STATE):
                        top = states[j, i, k] + fx * (states[j, i + 1, k] - states[j, i, k])
                        low = states[j + 1, i, k] + fx * (states[j + 1, i + 1, k] - states[j + 1, i, k])
                        st[k] = top + fy * (low - top)
                    rung = start
                    own_seed = seeds[j, i]
                else:
                    begin(u, v, orientation[y, x], st)
                    rung = 0
                    own_seed = seed_of(seed, m)
                walk(
                    table, counts, tail, ratio, m, rung, own_seed, contrast[y, x], pixel, largest[y, x], 0.0,
                    st, g, o,
                )  # fmt: skip
                light = math.exp(st[LIGHT])
                r0 = 1.0
                g0 = 1.0
                b0 = 1.0
                if with_base:
                    px = (u + st[BASE_X] - origin_x) * base_scale
                    py = (v + st[BASE_Y] - origin_y) * base_scale
                    r0, g0, b0 = bilinear(base, px, py)
                warm = MOST_HUE * math.tanh(st[RED] / MOST_HUE)
                fresh = MOST_HUE * math.tanh(st[GREEN] / MOST_HUE)
                pigment = PIGMENT * max(r0, g0, b0)
                red += max(0.0, r0 + (r0 + pigment) * warm) * light * st[TINTED]
                green += max(0.0, g0 + (g0 + pigment) * fresh) * light * st[TINTED + 1]
                blue += max(0.0, b0 - (b0 + pigment) * warm) * light * st[TINTED + 2]
                opened += st[OPENED]
                if sample == 0:  # height from one sample: an average would soften every crest
                    height[y, x] = st[RAISED]
            color[y, x, 0] = red / samples
            color[y, x, 1] = green / samples
            color[y, x, 2] = blue / samples
            occlusion[y, x] = opened / samples
