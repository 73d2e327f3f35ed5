"""The land and the sky seen through the view: march each ray to the ground, light what it meets.

Owns ground colours, snow, woods seen from afar, water and its mirror, and haze.
"""

# pyright: basic
from __future__ import annotations

import math

import numpy as np
from numba import njit

from tools.demo_picture.country import LAKE, height, path_share, wood
from tools.demo_picture.light import GROUND, HAZE_LENGTH, SKY, SUN, clear_sky, clouds, haze_color
from tools.demo_picture.noise import KERNEL, fractal, plane_noise, smoothstep

FAR = 14000.0  # metres; beyond there is sky only


@njit(**KERNEL)
def march(ox, oy, oz, dx, dy, dz, start, water):
    """Ray parameter where the ground (or, ``water``, the lake's surface) is met; -1 for none."""
    t = start
    before, low = t, 0.0
    while t < FAR:
        x, y, z = ox + dx * t, oy + dy * t, oz + dz * t
        ground = height(x, y)
        if water and ground < LAKE:
            ground = LAKE
        gap = z - ground
        if gap < 0.0:
            low, high = before, t
            for _ in range(26):
                middle = 0.5 * (low + high)
                ground = height(ox + dx * middle, oy + dy * middle)
                if water and ground < LAKE:
                    ground = LAKE
                if oz + dz * middle < ground:
                    high = middle
                else:
                    low = middle
            return 0.5 * (low + high)
        if dz > 0.0 and z > 2300.0:
            return -1.0
        before = t
        t += max(0.25 * gap, 0.0022 * t, 0.01)
    return -1.0


@njit(**KERNEL)
def sunlit(x, y, z, sun, reach):
    """Share of the sun that reaches a point of the ground; far hills shade softly."""
    t, least = 0.004 * reach + 0.05, 1.0
    while t < 6000.0:
        gap = z + sun[2] * t - height(x + sun[0] * t, y + sun[1] * t)
        least = min(least, 0.5 + 0.5 * gap / (0.012 * t + 0.02))
        if least <= 0.0:
            return 0.0
        t += max(0.4 * gap, 0.03 * t, 0.03)
    return least * least * (3.0 - 2.0 * least)


@njit(**KERNEL)
def slope_of(x, y, size, out):
    """Unit normal of the ground, over ``size`` metres."""
    gx = (height(x + size, y) - height(x - size, y)) / (2.0 * size)
    gy = (height(x, y + size) - height(x, y - size)) / (2.0 * size)
    n = 1.0 / math.sqrt(1.0 + gx * gx + gy * gy)
    out[0], out[1], out[2] = -gx * n, -gy * n, n


@njit(**KERNEL)
def meadow_color(x, y, footprint, out):
    """Albedo of grassland with its path, flowers too small to see and mown strips."""
    broad = fractal(x / 14.0, y / 14.0, 4, 81)
    fine = fractal(x / 0.35, y / 0.35, 4, 82) * math.exp(-footprint * 3.0)
    medium = fractal(x / 2.2, y / 2.2, 4, 83)
    dry = smoothstep(-0.2, 0.5, broad + 0.35 * medium)
    k = 1.0 + 0.45 * fine + 0.22 * medium
    r = (0.085 + 0.105 * dry) * k
    g = (0.150 + 0.075 * dry) * k
    b = (0.026 + 0.020 * dry) * k
    # Drifts of flowers as a tint.
    drift = smoothstep(0.12, 0.42, fractal(x / 9.0 + 4.0, y / 9.0, 4, 84)) * smoothstep(4.0, 14.0, y)
    speck = smoothstep(0.15, 0.55, fractal(x / 0.6, y / 0.9, 3, 85))
    f = drift * speck * 0.75 * (1.0 - smoothstep(60.0, 200.0, y))
    kind = plane_noise(x / 17.0, y / 23.0, 86)
    if kind > 0.1:
        r, g, b = r + (0.62 - r) * f, g + (0.60 - g) * f, b + (0.52 - b) * f
    elif kind > -0.35:
        r, g, b = r + (0.55 - r) * f, g + (0.10 - g) * f, b + (0.02 - b) * f
    else:
        r, g, b = r + (0.66 - r) * f, g + (0.48 - g) * f, b + (0.04 - b) * f
    p = path_share(x, y)
    if p > 0.0:
        s = 1.0 + 0.35 * fractal(x / 0.13, y / 0.13, 3, 87) * math.exp(-footprint * 6.0)
        s += 0.18 * fractal(x / 0.8, y / 0.8, 3, 88)
        r, g, b = r + (0.34 * s - r) * p, g + (0.235 * s - g) * p, b + (0.135 * s - b) * p
    out[0], out[1], out[2] = r, g, b


@njit(**KERNEL)
def land_color(x, y, z, normal, footprint, out):
    """Albedo of the ground anywhere."""
    meadow_color(x, y, footprint, out)
    if y > 140.0:
        beach = 1.0 - smoothstep(0.15, 0.9, z - LAKE)
        beach *= smoothstep(140.0, 200.0, y) * (1.0 - smoothstep(600.0, 700.0, y))
        for i in range(3):
            out[i] += ((0.36, 0.30, 0.22)[i] - out[i]) * beach
    w = wood(x, y)
    if w > 0.0:
        tuft = fractal(x / 7.0, y / 7.0, 3, 91)
        for i in range(3):
            out[i] += ((0.026, 0.052, 0.018)[i] * (1.0 + 0.8 * tuft) - out[i]) * w
    if y > 1500.0:
        high = smoothstep(1600.0, 3000.0, y)
        crag = fractal(x / 120.0, y / 120.0, 5, 92)
        band = fractal(x / 700.0 + z / 60.0, z / 55.0, 3, 93)
        rock = 1.0 + 0.30 * crag + 0.25 * band
        green = (1.0 - smoothstep(260.0, 520.0, z + 130.0 * crag)) * smoothstep(0.45, 0.75, normal[2])
        snow = smoothstep(470.0, 700.0, z + 240.0 * crag) * smoothstep(0.46, 0.66, normal[2] + 0.10 * crag)
        for i in range(3):
            c = (0.205, 0.180, 0.165)[i] * rock
            c += ((0.045, 0.075, 0.028)[i] * (1.0 + 0.5 * crag) - c) * green
            c += ((0.86, 0.88, 0.93)[i] - c) * snow
            out[i] += (c - out[i]) * high


@njit(**KERNEL)
def sky_color(dx, dy, dz, sun, cloud, out):
    clouds(dx, dy, dz, sun, cloud)
    for i in range(3):
        out[i] = clear_sky(dx, dy, dz, sun, i) * (1.0 - cloud[3]) + cloud[i]


@njit(**KERNEL)
def ground_color(x, y, z, dx, dy, dz, distance, footprint, sun, normal, albedo, out):
    """Colour of dry ground as seen along a direction from ``distance`` metres away."""
    slope_of(x, y, max(0.03, footprint * 0.8), normal)
    land_color(x, y, z, normal, footprint, albedo)
    w = wood(x, y)
    direct = max(0.0, normal[0] * sun[0] + normal[1] * sun[1] + normal[2] * sun[2])
    # Grass stands up: it catches a low sun that the bare slope would not.
    stand = 0.62 if y < 1500.0 else 0.0
    direct = direct * (1.0 - stand) + stand * (0.30 + 0.25 * direct)
    light = direct * sunlit(x, y, z + 0.05, sun, footprint)
    up = 0.5 + 0.5 * normal[2]
    clear = math.exp(-((distance / HAZE_LENGTH) ** 1.15))
    for i in range(3):
        ambient = SKY[i] * up + GROUND[i] * (1.0 - up)
        color = albedo[i] * (SUN[i] * light + ambient * (1.0 - 0.35 * w))
        out[i] = color * clear + haze_color(dx, dy, dz, sun, i) * (1.0 - clear) * 0.86


@njit(**KERNEL)
def look(eye, dx, dy, dz, pixel, sun, out, normal, albedo, cloud):
    """Colour of one ray into out[0:3]; returns its parameter at the ground, -1 for sky. pixel: size at 1."""
    t = march(eye[0], eye[1], eye[2], dx, dy, dz, 0.5, True)
    if t < 0.0:
        sky_color(dx, dy, dz, sun, cloud, out)
        return -1.0
    x, y, z = eye[0] + dx * t, eye[1] + dy * t, eye[2] + dz * t
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    footprint = pixel * t
    if height(x, y) >= LAKE:
        ground_color(x, y, z, dx, dy, dz, t * length, footprint, sun, normal, albedo, out)
        return t
    # Water: what it mirrors, and the deep where it does not. Seen from so low, the near sides of the ripples
    # are what shows: they mirror higher than a flat lake would.
    calm = 0.5 * fractal(x / 5.0, y / 2.2, 3, 55) / (1.0 + footprint) + plane_noise(x / 60.0, y / 14.0, 56)
    rx, ry, rz = dx + 0.01 * calm, dy, -dz + 0.085 + 0.022 * calm
    far = march(x, y, LAKE + 0.02, rx, ry, rz, 1.0, False)
    if far < 0.0:
        sky_color(rx, ry, rz, sun, cloud, out)
    else:
        px, py, pz = x + rx * far, y + ry * far, LAKE + 0.02 + rz * far
        ground_color(px, py, pz, rx, ry, rz, far * length, pixel * (t + far), sun, normal, albedo, out)
    facing = min(1.0, -dz / length)
    mirror = 0.35 + 0.63 * (0.05 + 0.95 * (1.0 - facing) ** 5)
    clear = math.exp(-((t * length / HAZE_LENGTH) ** 1.15))
    for i in range(3):
        color = out[i] * mirror * 0.96 + (0.020, 0.055, 0.070)[i] * (1.0 - mirror)
        out[i] = color * clear + haze_color(dx, dy, dz, sun, i) * (1.0 - clear) * 0.86
    return t


@njit(**KERNEL)
def land_rows(first, last, eye, corner, right, down, samples, chosen, sun, color, depth):
    """Rows of the picture without plants: linear colour [H, W, 3] and depth [H, W] (inf: sky).

    Only pixels of ``chosen`` [H, W] are looked at, ``samples`` times along each axis.
    """
    out, normal, albedo, cloud = np.zeros(3), np.zeros(3), np.zeros(3), np.zeros(4)
    pixel = math.sqrt(right[0] ** 2 + right[1] ** 2 + right[2] ** 2)
    depths = np.zeros(samples * samples)
    for row in range(first, last):
        for column in range(color.shape[1]):
            if not chosen[row, column]:
                continue
            r, g, b = 0.0, 0.0, 0.0
            for k in range(samples * samples):
                u = column + (k % samples + 0.5) / samples
                v = row + (k // samples + 0.5) / samples
                dx = corner[0] + u * right[0] + v * down[0]
                dy = corner[1] + u * right[1] + v * down[1]
                dz = corner[2] + u * right[2] + v * down[2]
                t = look(eye, dx, dy, dz, pixel, sun, out, normal, albedo, cloud)
                depths[k] = t if t > 0.0 else np.inf
                r, g, b = r + out[0], g + out[1], b + out[2]
            n = samples * samples
            color[row, column, 0], color[row, column, 1], color[row, column, 2] = r / n, g / n, b / n
            depth[row, column] = np.sort(depths)[n // 2]
