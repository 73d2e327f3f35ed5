# pyright: basic
"""0.8 L1 + 0.2 (1 - SSIM) of a picture against its target, and the gradient, masked (Sec. 3.1 of the paper).

SSIM as in 3D Gaussian splatting: a window of 11 x 11, sigma 1.5, zero beyond the frame, per channel. A
pixel outside the mask is zero in both pictures, as beyond the frame, so it can neither count nor leak
through a window; means are over the pixels of the mask. Windows are separable, and everything between the
two vertical blurs happens row by row, so a row's scratch stays in cache: three passes over the picture.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.simd import KERNEL
from wonderzoom.runtime.renderers.threads import Team

L1_WEIGHT = 0.8
SSIM_WEIGHT = 0.2
_C1, _C2 = 0.01**2, 0.03**2  # of SSIM, for a range of one
_RADIUS = 5
_TAPS = np.exp(-(np.arange(-_RADIUS, 1.0) ** 2) / (2 * 1.5**2))
_TAPS = _TAPS / (2 * _TAPS.sum() - _TAPS[-1])  # the outer five and the centre; the window is symmetric
_W0, _W1, _W2, _W3, _W4, _W5 = (float(t) for t in _TAPS)
_INLINE = {name: value for name, value in KERNEL.items() if name != "cache"}


@njit(**_INLINE)
def _blur_row(line, out, width):
    """out [width] = the window along ``line`` [width + 10], whose first and last five are zero."""
    kind = line.dtype.type
    w0, w1, w2, w3, w4, w5 = kind(_W0), kind(_W1), kind(_W2), kind(_W3), kind(_W4), kind(_W5)
    for column in range(width):
        x = np.uint64(column)
        value = w0 * (line[x] + line[x + np.uint64(10)])
        value += w1 * (line[x + np.uint64(1)] + line[x + np.uint64(9)])
        value += w2 * (line[x + np.uint64(2)] + line[x + np.uint64(8)])
        value += w3 * (line[x + np.uint64(3)] + line[x + np.uint64(7)])
        value += w4 * (line[x + np.uint64(4)] + line[x + np.uint64(6)]) + w5 * line[x + np.uint64(5)]
        out[x] = value


@njit(**_INLINE)
def _blur_column(plane, y, out, width):
    """out [width] = the window down rows y .. y + 10 of ``plane`` [H + 10, W], framed by zeros."""
    kind = plane.dtype.type
    w0, w1, w2, w3, w4, w5 = kind(_W0), kind(_W1), kind(_W2), kind(_W3), kind(_W4), kind(_W5)
    for column in range(width):
        x = np.uint64(column)
        value = w0 * (plane[y, x] + plane[y + 10, x]) + w1 * (plane[y + 1, x] + plane[y + 9, x])
        value += w2 * (plane[y + 2, x] + plane[y + 8, x]) + w3 * (plane[y + 3, x] + plane[y + 7, x])
        value += w4 * (plane[y + 4, x] + plane[y + 6, x]) + w5 * plane[y + 5, x]
        out[x] = value


@njit(**KERNEL)
def _blur_products(row0, row1, image, target, mask, height, width, planes):
    """planes[3 c + k]: x, x^2 and x y of channel c, blurred along rows [row0, row1)."""
    line = np.zeros((3, width + 2 * _RADIUS), image.dtype)
    for y in range(row0, row1):
        base = np.uint64(y * width)
        for c in range(3):
            for column in range(width):
                k, at = base + np.uint64(column), np.uint64(column + _RADIUS)
                t = target[c, k]
                value = mask[k] * image[c, k]
                line[0, at] = value
                line[1, at] = value * value
                line[2, at] = value * t
            for product in range(3):
                _blur_row(line[product], planes[3 * c + product, y + _RADIUS], width)


@njit(**KERNEL)
def _compare(row0, row1, planes, moments, mask, scale, height, width, slopes, sums):
    """SSIM and its slopes: sums[y] of SSIM over the mask; slopes[3 c + k] blurred along rows.

    slopes are d(sum) / d(mean x), d / d(mean x^2), d / d(mean x y), times ``scale``.
    """
    kind = planes.dtype.type
    two, one, c1, c2 = kind(2), kind(1), kind(_C1), kind(_C2)
    blurred = np.empty((3, width), planes.dtype)
    line = np.zeros((3, width + 2 * _RADIUS), planes.dtype)
    for y in range(row0, row1):
        base = np.uint64(y * width)
        row_sum = 0.0
        for c in range(3):
            for product in range(3):
                _blur_column(planes[3 * c + product], y, blurred[product], width)
            channel_sum = kind(0)
            for column in range(width):
                x, at = np.uint64(column), np.uint64(column + _RADIUS)
                k = base + x
                mx, my = blurred[0, x], moments[c, k]
                vx, vy = blurred[1, x] - mx * mx, moments[3 + c, k] - my * my
                cov = blurred[2, x] - mx * my
                luminance, contrast = two * mx * my + c1, two * cov + c2
                below_l, below_c = mx * mx + my * my + c1, vx + vy + c2
                inverse = one / (below_l * below_c)
                ssim = luminance * contrast * inverse
                weight = mask[k]
                channel_sum += weight * ssim
                weight *= scale
                d_square = kind(0) - ssim / below_c
                d_product = two * luminance * inverse
                d_mean = two * my * contrast * inverse - ssim * two * mx / below_l
                line[0, at] = weight * (d_mean - two * mx * d_square - my * d_product)
                line[1, at] = weight * d_square
                line[2, at] = weight * d_product
            row_sum += channel_sum
            for product in range(3):
                _blur_row(line[product], slopes[3 * c + product, y + _RADIUS], width)
        sums[y] = row_sum


@njit(**KERNEL)
def _collect(row0, row1, image, target, mask, slopes, l1_scale, height, width, grad, sums):
    """grad [3, H W] of the loss; sums[y] of |x - t| over the mask."""
    kind = image.dtype.type
    two, zero = kind(2), kind(0)
    blurred = np.empty((3, width), image.dtype)
    for y in range(row0, row1):
        base = np.uint64(y * width)
        row_sum = 0.0
        for c in range(3):
            for product in range(3):
                _blur_column(slopes[3 * c + product], y, blurred[product], width)
            channel_sum = zero
            for column in range(width):
                x = np.uint64(column)
                k = base + x
                weight, t = mask[k], target[c, k]
                difference = weight * (image[c, k] - t)
                channel_sum += abs(difference)
                sign = kind(difference > zero) - kind(difference < zero)
                slope = blurred[0, x] + two * (t + difference) * blurred[1, x] + t * blurred[2, x]
                grad[c, k] = weight * (l1_scale * sign + slope)
            row_sum += channel_sum
        sums[y] = row_sum


class PhotometricLoss:
    """The loss against one target; everything that depends on the target only is computed once."""

    def __init__(
        self, target: NDArray[np.floating], mask: NDArray[np.bool_] | None, dtype: type, team: Team
    ) -> None:
        """target [H, W, 3]; mask [H, W] or None. A pixel whose target is not finite does not count."""
        self.height, self.width = target.shape[:2]
        counts: NDArray[np.bool_] = np.asarray(np.isfinite(target).all(axis=2))
        if mask is not None:
            counts &= mask
        self.pixels = int(counts.sum())
        self.mask = counts.reshape(-1).astype(dtype)  # [H W] 0 or 1
        clean = np.where(counts[..., None], target, 0.0)
        self.target = np.ascontiguousarray(clean.reshape(-1, 3).T.astype(dtype))  # [3, H W]
        self._dtype = dtype
        self._team = team
        planes = self.scratch()[0]
        ones = np.ones_like(self.mask)
        self._rows(_blur_products, self.target, self.target, ones, self.height, self.width, planes)
        down = np.zeros((6, self.height * self.width), dtype)  # mean and mean square of the target
        for c in range(3):
            for k in range(2):
                _blur_plane(planes[3 * c + k], down[3 * k + c].reshape(self.height, self.width))
        self._moments = down

    def scratch(self) -> tuple[np.ndarray, np.ndarray]:
        """Two buffers that :meth:`evaluate` may use; views of one size share them."""
        shape = (9, self.height + 2 * _RADIUS, self.width)
        return np.zeros(shape, self._dtype), np.zeros(shape, self._dtype)

    def evaluate(self, image: np.ndarray, grad: np.ndarray, scratch: tuple[np.ndarray, np.ndarray]) -> float:
        """The loss of ``image`` [3, H W]; its gradient goes to ``grad`` [3, H W]. An empty mask costs 0."""
        if self.pixels == 0:
            grad[:] = 0
            return 0.0
        count = 3 * self.pixels
        planes, slopes = scratch
        ssim, l1 = np.zeros(self.height), np.zeros(self.height)  # summed in row order: one order for all
        kind, h, w = self._dtype, self.height, self.width
        self._rows(_blur_products, image, self.target, self.mask, h, w, planes)
        scale = kind(-SSIM_WEIGHT / count)
        self._rows(_compare, planes, self._moments, self.mask, scale, h, w, slopes, ssim)
        scale = kind(L1_WEIGHT / count)
        self._rows(_collect, image, self.target, self.mask, slopes, scale, h, w, grad, l1)
        return float(L1_WEIGHT * l1.sum() / count + SSIM_WEIGHT * (1.0 - ssim.sum() / count))

    def _rows(self, kernel, *arguments) -> None:
        self._team.run(kernel, [(y0, y1, *arguments) for y0, y1 in self._team.bands(self.height)])


@njit(**KERNEL)
def _blur_plane(plane, out):
    """out [H, W] = ``plane`` [H + 10, W] blurred down its rows."""
    for y in range(out.shape[0]):
        _blur_column(plane, y, out[y], out.shape[1])
