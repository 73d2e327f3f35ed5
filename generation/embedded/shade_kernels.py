# pyright: basic
"""Light on the geometry buffer, for numba: relief, environment, gloss, translucency, clear bodies.

Owns: the step from (normal, colour, micro detail, visibility) to linear radiance and opacity. Does not own:
visibility itself (``visibility_kernels``), or pixels that several surfaces share (``edge_kernels``).

The environment is analytic (ground, horizon, sky with soft clouds, a sun whose highlight widens with
roughness), because it must be the same for every window and cost nothing to prepare.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from wonderzoom.generation.embedded.lattice_kernels import KERNEL, U, smoothstep
from wonderzoom.generation.embedded.shape_columns import (
    COAT,
    CONVEX,
    ELLIPSOID,
    GLOSS,
    KIND,
    MATERIAL,
    METAL,
    NO_FLOOR,
    OPACITY,
    PARAM,
    POSITION,
    REFLECTANCE,
    REFRACTION,
    ROTATION,
    ROUGHNESS,
    SHEEN,
    TRANSLUCENCY,
)
from wonderzoom.generation.embedded.space_kernels import fractal3

INTERNAL_BOUNCES = 6
DISPERSION = 0.018  # spread of the refractive index over red, green, blue
STEEPEST = 1.9  # relief gradients saturate here: steeper walls would turn black
FAR_APART = 0.06  # object units: visibility samples farther than this along the ray are another surface
SMOOTH_SHARE = 0.25  # share of the plain mean in the relief gradient (the rest is the one-sided minimum)


@njit(**KERNEL)
def sun_lobe(dx, dy, dz, light, roughness):
    """Highlight of the sun along a reflected direction; energy is kept as it widens."""
    alpha = 0.055 + 0.62 * roughness * (0.4 + 0.6 * roughness)
    c = dx * light[0] + dy * light[1] + dz * light[2]
    return math.exp((c - 1.0) / (2.0 * alpha * alpha)) / (4.0 * alpha * alpha)


@njit(**KERNEL)
def environment(dx, dy, dz, light, sun, sky, ground, roughness):
    """Radiance from a direction without the sun's disc."""
    t = smoothstep(-0.14 - 0.45 * roughness, 0.20 + 0.45 * roughness, dz)
    c = dx * light[0] + dy * light[1] + dz * light[2]
    glow = 0.13 * math.exp((c - 1.0) * 3.2) + 0.45 * math.exp((c - 1.0) * 14.0) * (1 - roughness)
    horizon = math.exp(-abs(dz) * 4.5) * 0.22
    cloud = 1.0
    if roughness < 0.45 and dz > 0:
        cloud += (1 - roughness / 0.45) * 0.75 * fractal3(dx * 2.6 + 5, dy * 2.6, dz * 3.4, 3, U(7))
    below = 0.75 + 0.25 * smoothstep(-1.0, 0.0, dz)
    r = (
        ground[0] * below * (1 - t)
        + (sky[0] * (1.0 - 0.25 * dz) * cloud + horizon * sun[0] + glow * sun[0]) * t
    )
    g = (
        ground[1] * below * (1 - t)
        + (sky[1] * (1.0 - 0.20 * dz) * cloud + horizon * sun[1] + glow * sun[1]) * t
    )
    b = (
        ground[2] * below * (1 - t)
        + (sky[2] * (1.0 - 0.10 * dz) * cloud + horizon * sun[2] + glow * sun[2]) * t
    )
    return r, g, b


@njit(inline="always")
def refract(dx, dy, dz, nx, ny, nz, ratio):
    """Refracted unit direction (zero vector on total reflection); n faces the incoming ray."""
    c = -(dx * nx + dy * ny + dz * nz)
    k = 1.0 - ratio * ratio * (1.0 - c * c)
    if k < 0:
        return 0.0, 0.0, 0.0
    q = ratio * c - math.sqrt(k)
    return ratio * dx + q * nx, ratio * dy + q * ny, ratio * dz + q * nz


@njit(inline="always")
def leave(P, T, i, x, y, z, dx, dy, dz):
    """Where a ray inside a clear primitive leaves it, in local coordinates: (distance, inward normal)."""
    p = PARAM
    if int(P[i, KIND]) == CONVEX:
        best, nx, ny, nz = 1e9, 0.0, 0.0, 1.0
        for k in range(int(P[i, p]), int(P[i, p]) + int(P[i, p + 1])):
            along = T[k, 0] * dx + T[k, 1] * dy + T[k, 2] * dz
            if along > 1e-9:
                t = (T[k, 3] - T[k, 0] * x - T[k, 1] * y - T[k, 2] * z) / along
                if t > 1e-4 and t < best:
                    best, nx, ny, nz = t, -T[k, 0], -T[k, 1], -T[k, 2]
        return best, nx, ny, nz
    a, b, c = dx / P[i, p], dy / P[i, p + 1], dz / P[i, p + 2]
    e, f, g = x / P[i, p], y / P[i, p + 1], z / P[i, p + 2]
    aa, ab, bb = a * a + b * b + c * c, a * e + b * f + c * g, e * e + f * f + g * g - 1
    t = (-ab + math.sqrt(max(0.0, ab * ab - aa * bb))) / aa
    if P[i, p + 3] > NO_FLOOR + 1 and dz < 0:
        floor = (P[i, p + 3] - z) / dz
        if floor < t:
            return max(floor, 0.0), 0.0, 0.0, 1.0
    nx, ny, nz = (x + t * dx) / P[i, p] ** 2, (y + t * dy) / P[i, p + 1] ** 2, (z + t * dz) / P[i, p + 2] ** 2
    size = math.sqrt(nx * nx + ny * ny + nz * nz)
    return t, -nx / size, -ny / size, -nz / size


@njit(**KERNEL)
def seen_through(P, T, i, px, py, pz, dx, dy, dz, nx, ny, nz, index, light, sun, sky, ground):
    """Radiance that a clear convex body sends along a ray that enters it at p: (r, g, b, length inside)."""
    dx, dy, dz = refract(dx, dy, dz, nx, ny, nz, 1.0 / index)
    r, p = ROTATION, POSITION
    gx, gy, gz = px - P[i, p], py - P[i, p + 1], pz - P[i, p + 2]
    x = P[i, r] * gx + P[i, r + 1] * gy + P[i, r + 2] * gz
    y = P[i, r + 3] * gx + P[i, r + 4] * gy + P[i, r + 5] * gz
    z = P[i, r + 6] * gx + P[i, r + 7] * gy + P[i, r + 8] * gz
    lx = P[i, r] * dx + P[i, r + 1] * dy + P[i, r + 2] * dz
    ly = P[i, r + 3] * dx + P[i, r + 4] * dy + P[i, r + 5] * dz
    lz = P[i, r + 6] * dx + P[i, r + 7] * dy + P[i, r + 8] * dz
    travelled = 0.0
    ox, oy, oz = lx, ly, lz
    for _ in range(INTERNAL_BOUNCES):
        t, mx, my, mz = leave(P, T, i, x, y, z, lx, ly, lz)
        if t > 1e8:
            break
        travelled += t
        x, y, z = x + t * lx, y + t * ly, z + t * lz
        ox, oy, oz = refract(lx, ly, lz, mx, my, mz, index)
        if ox * ox + oy * oy + oz * oz > 0:
            break
        c = lx * mx + ly * my + lz * mz
        lx, ly, lz = lx - 2 * c * mx, ly - 2 * c * my, lz - 2 * c * mz
        ox, oy, oz = lx, ly, lz
    wx = P[i, r] * ox + P[i, r + 3] * oy + P[i, r + 6] * oz
    wy = P[i, r + 1] * ox + P[i, r + 4] * oy + P[i, r + 7] * oz
    wz = P[i, r + 2] * ox + P[i, r + 5] * oy + P[i, r + 8] * oz
    er, eg, eb = environment(wx, wy, wz, light, sun, sky, ground, 0.08)
    s = min(4.0, sun_lobe(wx, wy, wz, light, 0.22)) * 0.35
    return er + s * sun[0], eg + s * sun[1], eb + s * sun[2], travelled


@njit(inline="always")
def one_sided(back, ahead):
    """The gentler of two slopes of one sign: keeps edges from drawing one-pixel lines that change with zoom."""
    if back * ahead <= 0:
        return SMOOTH_SHARE * 0.5 * (back + ahead)
    least = back if abs(back) < abs(ahead) else ahead
    return (1 - SMOOTH_SHARE) * least + SMOOTH_SHARE * 0.5 * (back + ahead)


@njit(inline="always")
def relief_normal(owners, points, normals, relief, footprint, x, y):
    """Surface normal tilted by the height of the micro detail over screen neighbours of the same primitive."""
    nx, ny, nz = np.float64(normals[y, x, 0]), np.float64(normals[y, x, 1]), np.float64(normals[y, x, 2])
    height, width = owners.shape
    if x == 0 or y == 0 or x == width - 1 or y == height - 1:
        return nx, ny, nz
    own = owners[y, x]
    if (
        owners[y, x - 1] != own
        or owners[y, x + 1] != own
        or owners[y - 1, x] != own
        or owners[y + 1, x] != own
    ):
        return nx, ny, nz
    here = relief[y, x]
    gx = one_sided(here - relief[y, x - 1], relief[y, x + 1] - here)
    gy = one_sided(here - relief[y - 1, x], relief[y + 1, x] - here)
    ax, ay, az = (
        0.5 * (points[y, x + 1, 0] - points[y, x - 1, 0]), 0.5 * (points[y, x + 1, 1] - points[y, x - 1, 1]),
        0.5 * (points[y, x + 1, 2] - points[y, x - 1, 2]),
    )  # fmt: skip
    bx, by, bz = (
        0.5 * (points[y + 1, x, 0] - points[y - 1, x, 0]), 0.5 * (points[y + 1, x, 1] - points[y - 1, x, 1]),
        0.5 * (points[y + 1, x, 2] - points[y - 1, x, 2]),
    )  # fmt: skip
    steep = math.sqrt(gx * gx + gy * gy) / footprint
    soft = STEEPEST / (1 + steep * 0.45)
    gx, gy = gx * soft, gy * soft
    ax, ay, az = ax + nx * gx, ay + ny * gx, az + nz * gx
    bx, by, bz = bx + nx * gy, by + ny * gy, bz + nz * gy
    cx, cy, cz = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    size = math.sqrt(cx * cx + cy * cy + cz * cz)
    if size < 1e-300:
        return nx, ny, nz
    cx, cy, cz = cx / size, cy / size, cz / size
    if cx * nx + cy * ny + cz * nz < 0:
        cx, cy, cz = -cx, -cy, -cz
    return cx, cy, cz


@njit(**KERNEL)
def visible(owners, depth, normals, visibility, stride, scale, x, y, here, nx, ny, nz):
    """Sky and sun at pixel (x, y) from the computed grid around it, as far as that is the same surface.

    ``here``: ray parameter of the surface there, (nx, ny, nz) its normal.
    """
    rows, columns = visibility.shape[0], visibility.shape[1]
    j0, i0 = y // stride, x // stride
    sky, sun, total = 0.0, 0.0, 1e-9
    for j in range(j0, min(j0 + 2, rows)):
        for i in range(i0, min(i0 + 2, columns)):
            yy, xx = j * stride, i * stride
            if owners[yy, xx] < 0:
                continue
            w = (1 - abs(y - yy) / stride) * (1 - abs(x - xx) / stride) + 1e-4
            alike = normals[yy, xx, 0] * nx + normals[yy, xx, 1] * ny + normals[yy, xx, 2] * nz
            w *= max(0.001, alike) ** 8
            if abs(depth[yy, xx] - here) * scale > FAR_APART:
                w *= 0.01
            sky += w * visibility[j, i, 0]
            sun += w * visibility[j, i, 1]
            total += w
    if total < 1e-8:
        return 0.6, 0.6
    return sky / total, sun / total


@njit(**KERNEL)
def shade(
    P, T, M, own, light, sun, sky, ground, px, py, pz, nx, ny, nz, bx, by, bz, vx, vy, vz, open_sky, open_sun, hollow,
    red, green, blue,
):  # fmt: skip
    """Linear radiance and opacity of one surface point: (r, g, b, opacity).

    n: normal of the smooth surface, b: with micro relief, v: toward the eye; hollow: light left in the relief;
    (red, green, blue): albedo.
    """
    m = int(P[own, MATERIAL])
    coat, through = M[m, COAT], M[m, TRANSLUCENCY]
    # Reflections of a lacquered surface see less of the relief than its diffuse light does.
    gx, gy, gz = bx + (nx - bx) * coat, by + (ny - by) * coat, bz + (nz - bz) * coat
    size = math.sqrt(gx * gx + gy * gy + gz * gz)
    gx, gy, gz = gx / size, gy / size, gz / size
    flat = nx * light[0] + ny * light[1] + nz * light[2]
    direct = max(0.0, bx * light[0] + by * light[1] + bz * light[2]) * open_sun
    back = max(0.0, -flat) * through * 0.8
    wrapped = through * 0.30 * max(0.0, flat * 0.5 + 0.5) * (0.4 + 0.6 * open_sky)
    up = 0.5 + 0.5 * bz
    facing = max(0.0, gx * vx + gy * vy + gz * vz)
    rx, ry, rz = 2 * facing * gx - vx, 2 * facing * gy - vy, 2 * facing * gz - vz
    rough, metal, f0 = M[m, ROUGHNESS], M[m, METAL], M[m, REFLECTANCE]
    er, eg, eb = environment(rx, ry, rz, light, sun, sky, ground, rough)
    fresnel = (f0 + (1 - f0) * (1 - facing) ** 5 * (1 - rough * 0.85)) * M[m, GLOSS]
    mirror = (0.30 + 0.70 * open_sky) * (0.5 + 0.5 * hollow) * (0.6 if rz < 0 else 1.0)
    shine = sun_lobe(rx, ry, rz, light, rough) * open_sun * smoothstep(-0.05, 0.15, flat) * hollow
    velvet = M[m, SHEEN] * (1 - max(0.0, nx * vx + ny * vy + nz * vz)) ** 3
    tr, tg, tb, inside = 0.0, 0.0, 0.0, 0.0
    index = M[m, REFRACTION]
    clear = index > 1 and (int(P[own, KIND]) == CONVEX or int(P[own, KIND]) == ELLIPSOID)
    if clear:
        for c in range(3):
            n = index * (1 + DISPERSION * (c - 1))
            sr, sg, sb, inside = seen_through(
                P, T, own, px, py, pz, -vx, -vy, -vz, gx, gy, gz, n, light, sun, sky, ground
            )
            if c == 0:
                tr = sr
            elif c == 1:
                tg = sg
            else:
                tb = sb
    r = g = b = 0.0
    for c in range(3):
        albedo = red if c == 0 else (green if c == 1 else blue)
        ambient = (sky[c] * up + ground[c] * (1 - up) * 0.8) * open_sky * hollow
        lit = sun[c] * (direct * (0.35 + 0.65 * hollow) + back + wrapped) + ambient
        body = albedo * lit
        if clear:
            seen = tr if c == 0 else (tg if c == 1 else tb)
            body = seen * max(albedo, 1e-4) ** min(inside, 4.0) + 0.08 * albedo * lit
        body += velvet * (0.5 * albedo + 0.12) * (ambient + sun[c] * 0.5 * max(0.0, flat + 0.3) * open_sun)
        seen = er if c == 0 else (eg if c == 1 else eb)
        share = fresnel * (1 - metal) + metal * albedo * (0.8 + 0.2 * fresnel)
        value = body * (1 - metal) + (seen * mirror + sun[c] * shine) * share
        if c == 0:
            r = value
        elif c == 1:
            g = value
        else:
            b = value
    opacity = M[m, OPACITY]
    if opacity < 1:
        bright = (r + g + b) / 3
        opacity = min(1.0, opacity + 0.55 * (1 - facing) ** 3 + min(1.0, max(0.0, bright - 0.75)) * 0.8)
    return r, g, b, opacity


@njit(**KERNEL)
def shade_rows(
    first, last, P, T, M, forward, step_x, step_y, spread, light, sun, sky, ground, stride, owners, depth, points,
    normals, colors, visibility, tint, relief, cavity, radiance, alpha,
):  # fmt: skip
    """Linear radiance [H, W, 3] and opacity [H, W] of rows [first, last); rays as in ``trace_kernels``.

    tint, relief (object units) and cavity come from the micro-detail ladder.
    """
    cx, cy = 0.5 * owners.shape[1], 0.5 * owners.shape[0]
    pixel = math.sqrt(max(
        step_x[0] ** 2 + step_x[1] ** 2 + step_x[2] ** 2, step_y[0] ** 2 + step_y[1] ** 2 + step_y[2] ** 2,
    ))  # fmt: skip
    scale = math.sqrt(forward[0] ** 2 + forward[1] ** 2 + forward[2] ** 2)
    for y in range(first, last):
        for x in range(owners.shape[1]):
            own = np.int64(owners[y, x])
            if own < 0:
                continue
            u, v = x + 0.5 - cx, y + 0.5 - cy
            vx = -forward[0] - spread * (u * step_x[0] + v * step_y[0])
            vy = -forward[1] - spread * (u * step_x[1] + v * step_y[1])
            vz = -forward[2] - spread * (u * step_x[2] + v * step_y[2])
            size = math.sqrt(vx * vx + vy * vy + vz * vz)
            vx, vy, vz = vx / size, vy / size, vz / size
            nx, ny, nz = (
                np.float64(normals[y, x, 0]),
                np.float64(normals[y, x, 1]),
                np.float64(normals[y, x, 2]),
            )
            red, green, blue = (
                np.float64(colors[y, x, 0] * tint[y, x, 0]), np.float64(colors[y, x, 1] * tint[y, x, 1]),
                np.float64(colors[y, x, 2] * tint[y, x, 2]),
            )  # fmt: skip
            footprint = (1 + spread * depth[y, x]) * pixel
            bx, by, bz = relief_normal(owners, points, normals, relief, footprint, x, y)
            if bx * vx + by * vy + bz * vz < 0:
                bx, by, bz = nx, ny, nz
            open_sky, open_sun = visible(
                owners, depth, normals, visibility, stride, scale, x, y, depth[y, x], nx, ny, nz
            )
            r, g, b, opacity = shade(
                P, T, M, own, light, sun, sky, ground, points[y, x, 0], points[y, x, 1], points[y, x, 2], nx, ny, nz,
                bx, by, bz, vx, vy, vz, open_sky, open_sun, np.float64(cavity[y, x]), red, green, blue,
            )  # fmt: skip
            radiance[y, x, 0], radiance[y, x, 1], radiance[y, x, 2], alpha[y, x] = r, g, b, opacity
