"""The mode "2dgs": surfels as discs in space that pixels' rays meet (Huang et al. 2024), for gsplat's 2DGS stages.

A point of a surfel is (s, t) in units of its two standard deviations: P = p + s U + t V in view coordinates. With
homogeneous pixels (x W, y W, W), W = 1 + P_z / f, that is the matrix of three rows

    [ax U_x + cx U_z / f   ax V_x + cx V_z / f   ax p_x + cx w]
    [ay U_y + cy U_z / f   ay V_y + cy V_z / f   ay p_y + cy w]       times (s, t, 1)
    [U_z / f               V_z / f               w            ]

which gsplat calls a ray transform: the ray of a pixel meets the surfel's plane where the first row is x, the second y
times the third. Its own projection makes the same matrix (a test compares them) but can't be used, for the reasons of
``gsplat_calls``: it sorts by view depth, and takes 3.33 sigma of every surfel for its box.

A surfel is drawn with exp(-min(s^2 + t^2, 2 d^2) / 2), d the distance in pixels from its middle: never narrower than
sigma = sqrt(1/2) pixels. gsplat leaves the opacity as it is, so that a layer that is many times finer than a pixel
would look opaque however faint Eq. 3 makes it. As the antialiased mode does, the opacity is therefore scaled by the
area that the surfel has over the area that is drawn (docs/adr/0014).
"""

from __future__ import annotations

from typing import Any

from wonderzoom.runtime.renderers.cuda_ellipses import MOST_RADIUS, Kernel, Size, last_pixels
from wonderzoom.runtime.renderers.projection import MIN_ALPHA
from wonderzoom.scene_graph.camera import NEAR

FILTER = 0.5  # px^2: the variance of what is drawn at least (gsplat: FILTER_INV_SQUARE_2DGS = 2)


def discs(
    point: tuple[Any, Any, Any], u: list[Any], v: list[Any], n: list[Any], lens: Any, size: Size,
    opacity: Any,
) -> tuple[Any, Any, Any, Any, Any]:  # fmt: skip
    """(middles [M, 2] pixels, rays [M, 3, 3], opacities compensated for the filter, radii int32 [M, 2], whether each
    touches a pixel at alpha >= MIN_ALPHA).

    ``point`` is (P_x, P_y, w); u and v are the half-axes in view pixels, x, y, z each; ``n``, the thickness, is not
    seen; ``lens`` is (1/f, ax, ay, cx, cy). Rays are scaled to 1: only ratios of a ray's nine numbers count.
    """
    import torch

    (px, py, w), (inverse_f, ax, ay, cx, cy) = point, lens
    safe = w.clamp(min=NEAR)
    du, dv = ax * px / safe, ay * py / safe
    x, y = du + cx, dv + cy
    u_w, v_w = u[2] * inverse_f, v[2] * inverse_f
    # Rows relative to the middle: nothing large is subtracted from something large.
    u_x, v_x = ax * u[0] - du * u_w, ax * v[0] - du * v_w
    u_y, v_y = ay * u[1] - dv * u_w, ay * v[1] - dv * v_w
    rays = torch.stack(
        [u_x + x * u_w, v_x + x * v_w, x * w, u_y + y * u_w, v_y + y * v_w, y * w, u_w, v_w, w], -1
    )
    rays = rays / rays.abs().amax(-1, keepdim=True)
    opacity = opacity * _kept((u_x / safe, v_x / safe), (u_y / safe, v_y / safe))
    squared = 2.0 * torch.log((opacity / MIN_ALPHA).clamp(min=1.0))  # of the reach, in standard deviations
    behind = squared * (u_w * u_w + v_w * v_w) - w * w
    low, high = zip(
        *(_extent(squared, a, b, u_w, v_w, behind) for a, b in ((u_x, v_x), (u_y, v_y))), strict=True
    )
    means = torch.stack([x, y], -1)
    low, high = torch.stack(low, -1), torch.stack(high, -1)
    last = last_pixels(size, means)
    first = torch.maximum(torch.ceil(means + low - 0.5), torch.zeros_like(last))
    final = torch.minimum(torch.floor(means + high - 0.5), last)
    touches = (opacity > MIN_ALPHA) & (first <= final).all(1)
    radii = torch.ceil(torch.maximum(-low, high)).clamp(1, MOST_RADIUS).int()
    return means, rays.reshape(-1, 3, 3), opacity, radii, touches


DISCS = Kernel(2.4, discs)  # the filter is 3.33 sqrt(0.5) = 2.36 pixels wide


def _kept(across: tuple[Any, Any], down: tuple[Any, Any]) -> Any:
    """The area of a surfel on the screen over the area that is drawn of it, in [0, 1].

    What is drawn is the larger one of the surfel and the filter at each pixel: at most as much as both together,
    and as a Gaussian that is nowhere narrower than the filter. The lesser of the two is exact for round surfels and
    for lines.
    """
    import torch

    (a, b), (c, d) = across, down
    unit = torch.stack([a, b, c, d], -1).abs().amax(-1).clamp(min=1.0)  # squares of squares stay finite
    a, b, c, d = a / unit, b / unit, c / unit, d / unit
    least = FILTER / (unit * unit)
    area = (a * d - b * c).abs()
    half = 0.5 * (a * a + b * b + c * c + d * d)
    longer = half + torch.sqrt((half * half - area * area).clamp(min=0.0))
    shorter = area * area / longer.clamp(min=1e-30)
    wide = torch.sqrt(torch.maximum(longer, least) * torch.maximum(shorter, least))
    return area / torch.minimum(area + least, wide)


def _extent(squared: Any, a: Any, b: Any, u_w: Any, v_w: Any, behind: Any) -> tuple[Any, Any]:
    """How far the disc of radius sqrt(``squared``) reaches from its middle along one side of the picture, pixels:
    down, up. The filter's reach at least; without end where the disc goes round the eye."""
    import torch

    own, mixed = squared * (a * a + b * b), squared * (a * u_w + b * v_w)
    root = torch.sqrt((mixed * mixed - own * behind).clamp(min=0.0))
    least = torch.sqrt(FILTER * squared)
    bounded = behind < 0.0
    scale = torch.where(bounded, behind, -1.0)
    low, high = (mixed + root) / scale, (mixed - root) / scale
    endless = torch.full_like(low, torch.inf)
    return (
        torch.where(bounded, torch.minimum(low, -least), -endless),
        torch.where(bounded, torch.maximum(high, least), endless),
    )


def falloff(rays: Any, means: Any, where: Any) -> Any:
    """What a surfel is drawn with at pixel positions, in [0, 1]: of M surfels (``rays`` [M, 3, 3], ``means`` [M, 2]) at
    ``where`` [M, 2]; 0 where the ray runs within the surfel's plane."""
    import torch

    crossed = torch.linalg.cross(
        where[:, :1] * rays[:, 2] - rays[:, 0], where[:, 1:] * rays[:, 2] - rays[:, 1]
    )
    met = crossed[:, 2] != 0.0
    s, t = (crossed[:, k] / torch.where(met, crossed[:, 2], 1.0) for k in (0, 1))
    distance = ((means - where) ** 2).sum(-1) / FILTER
    return torch.where(met, torch.exp(-0.5 * torch.minimum(s * s + t * t, distance)), 0.0)
