"""The loss against plain torch: convolutions for the windows, autograd for the gradient."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers.photometric_loss import PhotometricLoss
from wonderzoom.runtime.renderers.threads import Team

TAPS = torch.exp(-((torch.arange(11, dtype=torch.float64) - 5) ** 2) / (2 * 1.5**2))
WINDOW = torch.outer(TAPS, TAPS) / TAPS.sum() ** 2


def plain_loss(image, target, mask):
    """0.8 L1 + 0.2 (1 - SSIM) of [3, H, W] float64 tensors, means over ``mask`` [H, W]."""
    x, y = torch.where(mask, image, 0.0), torch.where(mask, target, 0.0)
    kernel = WINDOW.expand(3, 1, 11, 11)

    def blur(a):
        return torch.nn.functional.conv2d(a[None], kernel, padding=5, groups=3)[0]

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    ssim = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    count = 3 * mask.sum()
    return 0.8 * ((x - y).abs() * mask).sum() / count + 0.2 * (1 - (ssim * mask).sum() / count)


def evaluate(image, target, mask, dtype, threads=1):
    """Our loss of [H, W, 3] arrays and its gradient [H, W, 3]."""
    with Team(threads) as team:
        loss = PhotometricLoss(target, mask, dtype, team)
        planar = np.ascontiguousarray(image.reshape(-1, 3).T.astype(dtype))
        grad = np.empty_like(planar)
        value = loss.evaluate(planar, grad, loss.scratch())
    return value, grad.T.reshape(image.shape)


def pictures(seed, height, width):
    rng = np.random.default_rng(seed)
    target = rng.random((height, width, 3))
    return np.clip(target + rng.normal(0, 0.2, target.shape), 0, 1), target, rng.random((height, width)) < 0.6


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(1, 40), st.booleans())
def test_value_and_gradient_equal_plain_torch(seed, height, width, masked):
    image, target, mask = pictures(seed, height, width)
    if not masked or not mask.any():
        mask = np.ones_like(mask)
    x = torch.tensor(image.transpose(2, 0, 1)).requires_grad_()
    expected = plain_loss(x, torch.tensor(target.transpose(2, 0, 1)), torch.tensor(mask))
    expected.backward()
    assert x.grad is not None
    grad = x.grad.numpy().transpose(1, 2, 0)
    value, ours = evaluate(image, target, mask, np.float64)
    assert value == pytest.approx(expected.item(), rel=1e-10)
    np.testing.assert_allclose(ours, grad, atol=1e-12 * np.abs(grad).max() + 1e-15, rtol=1e-8)
    value, ours = evaluate(image, target, mask, np.float32)
    assert value == pytest.approx(expected.item(), rel=1e-4)
    np.testing.assert_allclose(ours, grad, atol=2e-4 * np.abs(grad).max())


def test_gradient_equals_finite_differences():
    image, target, mask = pictures(3, 17, 23)
    _, grad = evaluate(image, target, mask, np.float64)
    rng = np.random.default_rng(0)
    direction = rng.normal(size=image.shape)
    step = 1e-7
    up = evaluate(image + step * direction, target, mask, np.float64)[0]
    down = evaluate(image - step * direction, target, mask, np.float64)[0]
    assert (up - down) / (2 * step) == pytest.approx(float((grad * direction).sum()), rel=1e-5)


@given(st.integers(0, 2**32 - 1))
def test_what_the_mask_hides_has_no_influence(seed):
    image, target, mask = pictures(seed, 21, 18)
    mask[4, 4] = True
    rng = np.random.default_rng(seed + 1)
    other_image = np.where(mask[..., None], image, rng.normal(0, 50, image.shape))
    other_target = np.where(mask[..., None], target, rng.normal(0, 50, image.shape))
    value, grad = evaluate(image, target, mask, np.float32)
    same_value, same_grad = evaluate(other_image, other_target, mask, np.float32)
    assert (grad[~mask] == 0).all()
    assert same_value == value and same_grad.tobytes() == grad.tobytes()


def test_pixels_without_a_finite_target_do_not_count():
    image, target, _ = pictures(5, 20, 20)
    holed = target.copy()
    holed[3:9, 4:12] = np.nan
    holed[15, 15, 1] = np.inf
    mask = np.asarray(np.isfinite(holed).all(axis=2))
    value, grad = evaluate(image, holed, None, np.float32)
    assert np.isfinite(value) and np.isfinite(grad).all() and (grad[~mask] == 0).all()
    expected, _ = evaluate(image, target, mask, np.float32)
    assert value == expected


def test_an_equal_picture_costs_nothing_and_an_empty_mask_neither():
    image, target, mask = pictures(6, 12, 15)
    assert evaluate(target, target, None, np.float64)[0] == pytest.approx(0, abs=1e-12)
    value, grad = evaluate(image, target, np.zeros_like(mask), np.float32)
    assert value == 0 and not grad.any()


@given(st.integers(0, 2**32 - 1), st.integers(1, 50), st.integers(1, 50))
def test_any_number_of_threads_gives_the_same_bytes(seed, height, width):
    image, target, mask = pictures(seed, height, width)
    mask[0, 0] = True
    alone = evaluate(image, target, mask, np.float32, threads=1)
    for threads in (2, 3):
        together = evaluate(image, target, mask, np.float32, threads)
        assert alone[0] == together[0] and alone[1].tobytes() == together[1].tobytes()
