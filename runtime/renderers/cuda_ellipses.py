"""Surfels as Gaussians on the screen, on the graphics card: what the renderer's modes differ in, and the mode "3dgs".

gsplat's ``rasterize_mode="antialiased"`` with ``eps2d = BLUR`` is the same law: a covariance blurred by BLUR and
an opacity times sqrt(det before / det after). Here the determinant is a sum of squares, which can't cancel.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from wonderzoom.runtime.renderers.projection import BLUR, EDGE, MIN_ALPHA
from wonderzoom.scene_graph.camera import NEAR

Size = Sequence[Any]  # width and height in pixels: numbers, or those of each splat's own picture, tensors [M]

MOST_RADIUS = 2**30  # pixels: radii are int32
# gsplat skips a pixel whose exponent comes out negative, as rounding makes it along the axis of a splat that is some
# thousand times longer than wide: a line of holes. Conics whose diagonal is larger by two rounding errors don't.
_FIRM, _LONG = 2.0**-21, 1e6  # by how much; from which square of the ratio of length to width on


@dataclass(frozen=True, slots=True)
class Kernel:
    """How a surfel becomes a splat: what the modes of the renderer differ in here."""

    reach_px: float  # that a splat reaches beyond its 3.33 sigma
    shape: Callable[..., tuple[Any, Any, Any, Any, Any]]  # see ``ellipses``


def flatten(
    point: tuple[Any, Any, Any], u: list[Any], v: list[Any], n: list[Any], lens: Any, size: Size
) -> tuple[Any, tuple[Any, Any, Any], Any, Any]:
    """Ellipsoids on the screen: (means [M, 2], blurred covariance (xx, xy, yy), determinants before and after).

    ``point`` is (P_x, P_y, w); u, v and n are the half-axes in view pixels, x, y, z each; ``lens`` is (1/f, ax,
    ay, cx, cy). Differentiable in the axes.
    """
    import torch

    (px, py, w), (inverse_f, ax, ay, cx, cy) = point, lens
    g = 1.0 / w.clamp(min=NEAR)
    du, dv = ax * px * g, ay * py * g

    def within(position: Any, centre: Any, length: Any) -> Any:
        low, high = -EDGE * length - centre, (1.0 + EDGE) * length - centre
        return torch.minimum(torch.maximum(position, low), high) * inverse_f * g

    hu, hv = within(du, cx, size[0]), within(dv, cy, size[1])
    gu, gv = g * ax, g * ay
    across = [(gu * axis[0] - hu * axis[2], gv * axis[1] - hv * axis[2]) for axis in (u, v, n)]
    (au, av), (bu, bv), (cu, cv) = across
    xx, xy, yy = au * au + bu * bu + cu * cu, au * av + bu * bv + cu * cv, av * av + bv * bv + cv * cv
    # Cauchy-Binet: the determinant without cancellation.
    sharp = (au * bv - av * bu) ** 2 + (au * cv - av * cu) ** 2 + (bu * cv - bv * cu) ** 2
    blurred = sharp + BLUR * (xx + yy) + BLUR * BLUR
    return torch.stack([du + cx, dv + cy], -1), (xx + BLUR, xy, yy + BLUR), sharp, blurred


def ellipses(
    point: tuple[Any, Any, Any], u: list[Any], v: list[Any], n: list[Any], lens: Any, size: Size,
    opacity: Any,
) -> tuple[Any, Any, Any, Any, Any]:  # fmt: skip
    """Surfels as Gaussians on the screen: (means, shapes, opacities compensated for the blur, radii, whether each
    touches a pixel); see ``flatten`` and ``footprint``."""
    import torch

    means, covariance, sharp, blurred = flatten(point, u, v, n, lens, size)
    opacity = opacity * torch.sqrt(sharp / blurred)
    conics, radii, touches = footprint(means, covariance, blurred, opacity, size)
    return means, conics, opacity, radii, touches


ELLIPSES = Kernel(1.2, ellipses)  # the blur adds 3.33 sqrt(0.1) = 1.05 pixels


def last_pixels(size: Size, means: Any) -> Any:
    """The last column and row of a picture, or of each splat's own [M, 2], as ``means`` [M, 2] are."""
    import torch

    return (
        torch.stack([torch.as_tensor(side, device=means.device).to(means.dtype) for side in size], -1) - 1.0
    )


def falloff(conics: Any, means: Any, where: Any) -> Any:
    """The Gaussians [M] at pixel positions ``where`` [M, 2], in [0, 1]."""
    import torch

    (dx, dy), (xx, xy, yy) = (means - where).unbind(1), conics.unbind(1)
    return torch.exp(-(0.5 * (xx * dx * dx + yy * dy * dy) + xy * dx * dy))


def footprint(
    means: Any, covariance: tuple[Any, Any, Any], determinant: Any, opacity: Any, size: Size
) -> tuple[Any, Any, Any]:
    """(conics [M, 3], radii int32 [M, 2], whether a pixel's centre lies within [M]) at alpha >= MIN_ALPHA."""
    import torch

    xx, xy, yy = covariance
    firm = 1.0 + _FIRM * ((xx + yy) ** 2 > _LONG * determinant)
    conics = torch.stack([yy * firm, -xy, xx * firm], -1) / determinant[:, None]
    with torch.no_grad():
        reach = 2.0 * torch.log((opacity / MIN_ALPHA).clamp(min=1.0))
        extents = torch.sqrt(reach[:, None] * torch.stack([xx, yy], -1))
        last = last_pixels(size, means)
        low = torch.maximum(torch.ceil(means - extents - 0.5), torch.zeros_like(last))
        high = torch.minimum(torch.floor(means + extents - 0.5), last)
        touches = (opacity > MIN_ALPHA) & (low <= high).all(1)
        radii = torch.ceil(extents).clamp(1, MOST_RADIUS).int()
    return conics, radii, touches
