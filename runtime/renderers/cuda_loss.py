"""0.8 L1 + 0.2 (1 - SSIM) in torch: what ``photometric_loss`` computes on the CPU, with torch's gradients.

SSIM as in 3D Gaussian splatting: a window of 11 x 11, sigma 1.5, zero beyond the frame, per channel; pixels outside
the mask are zero in both pictures, and means are over the pixels of the mask. Where the package fused_ssim is
installed (it computes the same in one kernel, over whole pictures) views without a mask use it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

L1_WEIGHT, SSIM_WEIGHT = 0.8, 0.2
_C1, _C2 = 0.01**2, 0.03**2  # of SSIM, for a range of one
_RADIUS, _SIGMA = 5, 1.5

# (picture, target), [1, 3, H, W] each -> mean SSIM, as a tensor with a gradient to the picture
Ssim = Callable[[Any, Any], Any]


def fused_ssim() -> Ssim | None:
    """The fused SSIM, where its package is installed and loads; None otherwise."""
    if importlib.util.find_spec("fused_ssim") is None:
        return None
    try:
        return getattr(importlib.import_module("fused_ssim"), "fused_ssim", None)
    except (ImportError, OSError, RuntimeError):  # compiled for another torch: ours does
        return None


class TorchLoss:
    """The loss against one target, on one device."""

    def __init__(
        self,
        target: NDArray[np.floating],
        mask: NDArray[np.bool_] | None,
        device: str,
        fused: Ssim | None = None,
    ) -> None:
        """target [H, W, 3]; mask [H, W] or None. A pixel whose target is not finite does not count."""
        import torch

        counts: NDArray[np.bool_] = np.asarray(np.isfinite(target).all(axis=2))
        if mask is not None:
            counts = counts & mask
        self.pixels = int(counts.sum())
        self._fused = fused if self.pixels == counts.size else None
        clean = np.where(counts[..., None], target, 0.0).astype(np.float32)
        self.mask = torch.from_numpy(counts.astype(np.float32)).to(device)  # [H, W] 0 or 1
        self._target = _planes(torch.from_numpy(clean).to(device))
        taps = torch.exp(-(torch.arange(-_RADIUS, _RADIUS + 1, device=device) ** 2) / (2 * _SIGMA**2))
        self._taps = taps / taps.sum()
        if self._fused is None:
            self._mean = self._blurred(self._target)
            self._variance = self._blurred(self._target**2) - self._mean**2

    def evaluate(self, image: Any) -> Any:
        """The loss of ``image`` [H, W, 3], a tensor with a gradient to it. An empty mask costs 0."""
        if self.pixels == 0:
            return 0.0 * image.sum()
        picture = _planes(image) * self.mask
        l1 = (picture - self._target).abs().sum() / (3 * self.pixels)
        return L1_WEIGHT * l1 + SSIM_WEIGHT * (1.0 - self._similarity(picture))

    def _similarity(self, picture: Any) -> Any:
        if self._fused is not None:
            return self._fused(picture, self._target)
        mean = self._blurred(picture)
        variance = self._blurred(picture**2) - mean**2
        together = self._blurred(picture * self._target) - mean * self._mean
        similar = (2 * mean * self._mean + _C1) * (2 * together + _C2)
        similar = similar / ((mean**2 + self._mean**2 + _C1) * (variance + self._variance + _C2))
        return (similar * self.mask).sum() / (3 * self.pixels)

    def _blurred(self, planes: Any) -> Any:
        """[1, 3, H, W] in the window, along rows and then down columns."""
        from torch.nn import functional

        window = self._taps.reshape(1, 1, 1, -1).expand(3, 1, 1, -1)
        across = functional.conv2d(planes, window, padding=(0, _RADIUS), groups=3)
        return functional.conv2d(across, window.transpose(2, 3), padding=(_RADIUS, 0), groups=3)


def _planes(image: Any) -> Any:
    """[H, W, 3] -> [1, 3, H, W]."""
    return image.permute(2, 0, 1)[None].contiguous()
