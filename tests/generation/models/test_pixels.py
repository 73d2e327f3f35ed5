from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from wonderzoom.generation.models.pixels import DEVIATION, MEAN, enlarged, pixels

NETWORK: Any = SimpleNamespace(dtype=torch.float32)


def test_the_mean_colour_becomes_zero_and_a_deviation_one() -> None:
    for sigma in (0.0, 1.0):
        colour = np.array(MEAN, np.float32) + sigma * np.array(DEVIATION, np.float32)
        tensor = pixels(np.broadcast_to(colour, (4, 6, 3)).astype(np.float32), 6, 4, NETWORK)
        assert tensor.shape == (1, 3, 4, 6)
        assert torch.allclose(tensor, torch.full_like(tensor, sigma), atol=1e-5)


def test_a_smaller_picture_holds_means_and_keeps_its_sides() -> None:
    stripes = np.zeros((8, 16, 3), np.float32)
    stripes[:, ::2] = 1.0
    tensor = pixels(stripes, 4, 2, NETWORK)
    middle = (0.5 - np.array(MEAN)) / np.array(DEVIATION)
    assert tensor.shape == (1, 3, 2, 4)
    assert np.allclose(tensor[0, :, :, 1:3].mean((1, 2)).numpy(), middle, atol=0.1)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_it_speaks_the_networks_number_format(dtype: torch.dtype) -> None:
    tensor = pixels(np.full((4, 4, 3), 0.5, np.float32), 4, 4, SimpleNamespace(dtype=dtype))
    assert tensor.dtype == dtype


def test_depth_is_enlarged_in_float32_and_gradients_pass() -> None:
    small = torch.ones(2, 3, 3, dtype=torch.bfloat16, requires_grad=True)
    large = enlarged(small, 5, 7)
    assert large.shape == (2, 7, 5) and large.dtype == torch.float32
    large.sum().backward()
    assert small.grad is not None and float(small.grad.float().sum()) == pytest.approx(70, rel=0.01)
