"""Pictures as tensors for networks whose own processors need more than is installed, or choose sizes themselves."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

F32 = NDArray[np.float32]

# Mean and deviation of ImageNet in sRGB: what Depth Anything, SAM 2 and most vision backbones were trained with.
MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)


def pixels(image: F32, width: int, height: int, network: Any) -> Any:
    """[H, W, 3] sRGB in [0, 1] as a tensor [1, 3, height, width], normalised, in the network's number format."""
    import torch

    planes = torch.from_numpy(np.ascontiguousarray(image, np.float32)).permute(2, 0, 1)[None]
    if planes.shape[-2:] != (height, width):
        planes = torch.nn.functional.interpolate(
            planes, size=(height, width), mode="bilinear", antialias=True, align_corners=False
        )
    mean, deviation = (torch.tensor(values).view(1, 3, 1, 1) for values in (MEAN, DEVIATION))
    return ((planes - mean) / deviation).to(network.dtype)


def enlarged(values: Any, width: int, height: int) -> Any:
    """A tensor [N, h, w] at another size [N, height, width], in float32; gradients pass."""
    import torch

    return torch.nn.functional.interpolate(
        values[:, None].float(), size=(height, width), mode="bilinear", align_corners=False
    )[:, 0]
