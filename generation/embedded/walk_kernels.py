# pyright: basic
"""The walk of a pixel down its ladder, for numba.

Owns: how rungs add up. Each rung finds the element that covers the point, tints it, raises it and darkens
its gaps; the element's own frame is the ground of the next, finer rung. A rung fades in as a pixel becomes
smaller than its elements, so that a deeper zoom adds to what was seen and replaces nothing.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U, mix, smoothstep, unit_a, unit_b
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
MOST_RUNGS = 160  # about 1e100 between the coarsest element and a pixel; beyond it charts have restarted


@njit(inline="always")
def spread(points, material, y, x, ya, xa, yb, xb):
    """Change of the point per pixel between two neighbours, one-sided at a border."""
    if material[ya, xa] < 0:
        ya, xa = y, x
    if material[yb, xb] < 0:
        yb, xb = y, x
    n = max(1, (yb - ya) + (xb - xa))
    return (points[yb, xb, 0] - points[ya, xa, 0]) / n, (points[yb, xb, 1] - points[ya, xa, 1]) / n


@njit(**KERNEL)
def walk(table, count, tail, ratio, x, y, theta, contrast, pixel, largest, seed, g, o, total):
    """Sum the rungs at a point. ``g`` [COLUMNS] and ``o`` [RESULT] are scratch.

    ``total`` [8]: ln brightness, red-blue shift, green shift, height, openness, tint (3). Returns the point
    whose base colour the spot takes: an element takes one colour, that of its centre.
    """
    start_x = x
    start_y = y
    total[:] = 0.0
    total[4] = 1.0
    total[5] = total[6] = total[7] = 1.0
    base_x = 0.0
    base_y = 0.0
    turn_c = 1.0  # frame of the element -> frame of the chart
    turn_s = 0.0
    size = 0.0
    for r in range(MOST_RUNGS):
        if r < count:
            g[:] = table[r]
            size = g[SIZE]
        else:
            g[:] = tail[(r - count) % tail.shape[0]]
            size /= ratio
            g[SIZE] = size
        if size < pixel * FIRST_SEEN:
            break
        if size > largest:
            continue
        seen = smoothstep(pixel * FIRST_SEEN, pixel * FULLY_SEEN, size)
        own = step(g, x, y, theta, seed, pixel, o)
        below = max(0.0, math.log(largest / size) / LN_8 - CONTRAST_START) / CONTRAST_FADE
        strength = seen * (1 - (1 - contrast) * math.exp(-below * below))
        total[0] += strength * o[BRIGHT]
        total[1] += strength * o[SHIFT]
        total[3] += strength * o[RISE]
        total[4] *= 1 - strength * (1 - o[OPEN])
        accent = seen * o[ACCENTED]
        for k in range(3):
            total[5 + k] *= 1 + (g[TINT + k] - 1) * seen * (1 - accent) + (g[ACCENT_TINT + k] - 1) * accent
        h = mix(3, 1, own)
        if o[OWN] > 0:
            total[2] += strength * (unit_a(h) - 0.5) * g[HUE]
        if g[SAMPLE] > 0 and o[COVERED] > 0:
            dx = o[CX] - x
            dy = o[CY] - y
            share = seen * min(1.0, strength * 1.4)
            base_x = (turn_c * dx - turn_s * dy) * share + (unit_a(h) - 0.5) * g[SAMPLE] * size * share
            base_y = (turn_s * dx + turn_c * dy) * share + (unit_b(h) - 0.5) * g[SAMPLE] * size * share
        if o[OWN] > 0:
            x = o[LX]
            y = o[LY]
            c = math.cos(o[ANGLE])
            s = math.sin(o[ANGLE])
            turn_c, turn_s = turn_c * c - turn_s * s, turn_s * c + turn_c * s
            theta = 0.0
        seed = own + U(101)
    return start_x + base_x, start_y + base_y


@njit(inline="always")
def bilinear(base, x, y, k):
    """``base`` [h, w, 3] at continuous pixel coordinates, clamped to its border."""
    x = min(max(x - 0.5, 0.0), base.shape[1] - 1.0)
    y = min(max(y - 0.5, 0.0), base.shape[0] - 1.0)
    i = min(int(x), base.shape[1] - 2)
    j = min(int(y), base.shape[0] - 2)
    fx = x - i
    fy = y - j
    return (1 - fy) * ((1 - fx) * base[j, i, k] + fx * base[j, i + 1, k]) + fy * (
        (1 - fx) * base[j + 1, i, k] + fx * base[j + 1, i + 1, k]
    )


@njit(**KERNEL)
def detail_rows(
    first, last, points, material, orientation, contrast, footprint, largest, table, counts, tail, ratio,
    seed, samples, base, origin_x, origin_y, base_scale, color, height, occlusion,
):  # fmt: skip
    """Rows first..last-1 of ``detail.synthesise``; a ``base`` of one pixel: none, colours are factors."""
    height_px, width_px = material.shape
    g = np.empty(COLUMNS)
    o = np.empty(RESULT)
    total = np.empty(8)
    with_base = base.shape[0] > 1
    share = 1.0 / (samples * samples)
    for y in range(first, last):
        for x in range(width_px):
            m = material[y, x]
            if m < 0:
                color[y, x] = 1.0
                height[y, x] = 0.0
                occlusion[y, x] = 1.0
                continue
            pixel = footprint[y, x]
            ux, vx = spread(points, material, y, x, y, max(x - 1, 0), y, min(x + 1, width_px - 1))
            uy, vy = spread(points, material, y, x, max(y - 1, 0), x, min(y + 1, height_px - 1), x)
            stretch = max(math.sqrt(ux * ux + vx * vx), math.sqrt(uy * uy + vy * vy))
            if stretch > SAME_SURFACE * pixel:
                ux = vx = uy = vy = 0.0
                stretch = pixel
            pixel = max(pixel, stretch * 0.8)
            own_seed = U(seed) + U(m) * U(7919)
            red = 0.0
            green = 0.0
            blue = 0.0
            opened = 0.0
            for sj in range(samples):
                for si in range(samples):
                    a = (si + 0.5) / samples - 0.5
                    b = (sj + 0.5) / samples - 0.5
                    u = points[y, x, 0] + ux * a + uy * b
                    v = points[y, x, 1] + vx * a + vy * b
                    bu, bv = walk(
                        table[m], counts[m], tail, ratio, u, v, orientation[y, x], contrast[y, x], pixel,
                        largest[y, x], own_seed, g, o, total,
                    )  # fmt: skip
                    light = math.exp(total[0])
                    r0 = 1.0
                    g0 = 1.0
                    b0 = 1.0
                    if with_base:
                        px = (bu - origin_x) * base_scale
                        py = (bv - origin_y) * base_scale
                        r0 = bilinear(base, px, py, 0)
                        g0 = bilinear(base, px, py, 1)
                        b0 = bilinear(base, px, py, 2)
                    red += r0 * light * (1 + total[1]) * total[5]
                    green += g0 * light * (1 + total[2]) * total[6]
                    blue += b0 * light * (1 - total[1]) * total[7]
                    opened += total[4]
                    if si == 0 and sj == 0:  # from one sample: an average would soften every crest
                        height[y, x] = total[3]
            color[y, x, 0] = red * share
            color[y, x, 1] = green * share
            color[y, x, 2] = blue * share
            occlusion[y, x] = opened * share
