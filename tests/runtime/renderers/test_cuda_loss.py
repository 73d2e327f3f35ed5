"""The loss in torch is the CPU fitter's, with its gradient; the fused SSIM is taken where it computes the same."""

import sys
import types

import numpy as np
import pytest
import torch
from fit_problems import texture

from wonderzoom.runtime.renderers import cuda_loss
from wonderzoom.runtime.renderers.cuda_loss import TorchLoss, fused_ssim
from wonderzoom.runtime.renderers.photometric_loss import PhotometricLoss
from wonderzoom.runtime.renderers.threads import Team


def pictures(seed: int, height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    side = max(height, width)
    return texture(seed, side)[:height, :width], texture(seed + 100, side)[:height, :width]


@pytest.mark.parametrize(("height", "width"), [(23, 31), (4, 9), (2, 3)])
@pytest.mark.parametrize("masked", ["whole", "masked", "not finite", "nothing"])
def test_it_is_the_loss_of_the_cpu_and_its_gradient(height: int, width: int, masked: str) -> None:
    image, target = pictures(3, height, width)
    target, mask = target.copy(), None
    if masked == "masked":
        mask = np.random.default_rng(1).random((height, width)) < 0.6
    elif masked == "not finite":
        target[height // 2, width // 2, 1] = np.nan
    elif masked == "nothing":
        mask = np.zeros((height, width), bool)
    with Team(1) as team:
        ours = PhotometricLoss(target, mask, np.float32, team)
        grad = np.empty((3, height * width), np.float32)
        planes = np.ascontiguousarray(image.reshape(-1, 3).T)
        expected = ours.evaluate(planes, grad, ours.scratch())
    tensor = torch.from_numpy(image.copy()).requires_grad_()
    loss = TorchLoss(target, mask, "cpu")
    got = loss.evaluate(tensor)
    got.backward()
    assert loss.pixels == ours.pixels
    assert got.item() == pytest.approx(expected, rel=2e-5, abs=1e-7)
    found = tensor.grad.numpy().reshape(-1, 3).T  # type: ignore[union-attr]
    np.testing.assert_allclose(found, grad, atol=2e-3 * max(np.abs(grad).max(), 1e-12))


def test_the_fused_ssim_gets_whole_pictures_only_and_counts_the_same() -> None:
    image, target = pictures(5, 20, 24)
    asked: list[tuple[torch.Size, torch.Size]] = []
    plain = TorchLoss(target, None, "cpu")

    def fused(picture: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        asked.append((picture.shape, other.shape))
        return plain._similarity(picture)

    tensor = torch.from_numpy(image.copy())
    assert TorchLoss(target, None, "cpu", fused).evaluate(tensor) == plain.evaluate(tensor)
    assert asked == [((1, 3, 20, 24), (1, 3, 20, 24))]
    mask = np.ones((20, 24), bool)
    TorchLoss(target, mask, "cpu", fused).evaluate(tensor)
    assert len(asked) == 2
    mask[3, 4] = False
    TorchLoss(target, mask, "cpu", fused).evaluate(tensor)
    assert len(asked) == 2


def test_the_fused_ssim_is_found_where_it_is_installed_and_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda_loss.importlib.util, "find_spec", lambda _: None)
    assert fused_ssim() is None
    monkeypatch.setattr(cuda_loss.importlib.util, "find_spec", lambda _: object())
    function = lambda a, b: a  # noqa: E731
    monkeypatch.setitem(sys.modules, "fused_ssim", types.SimpleNamespace(fused_ssim=function))
    assert fused_ssim() is function

    def broken(_name: str) -> None:
        raise ImportError("compiled for another torch")

    monkeypatch.setattr(cuda_loss.importlib, "import_module", broken)
    assert fused_ssim() is None
