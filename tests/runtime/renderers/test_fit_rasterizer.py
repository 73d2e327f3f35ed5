"""The differentiable rasterizer against finite differences and a plain torch re-implementation."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from wonderzoom.runtime.renderers.fit_rasterizer import PARAMETERS, Precision, Rasterizer, RasterView
from wonderzoom.runtime.renderers.projection import BLUR
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.ports import FitView

WIDTH, HEIGHT = 44, 38  # more than one tile each way
BACKGROUND = np.array([0.2, 0.3, 0.4])


def scene(seed, count=14, focal=60.0):
    """Means [N, 3] around the picture's centre, theta [7, N], colours, thickness; pixels."""
    rng = np.random.default_rng(seed)
    means = np.stack(
        [rng.uniform(-20, 20, count), rng.uniform(-18, 18, count), rng.uniform(-15, 20, count)], 1
    )
    theta = np.empty((PARAMETERS, count))
    theta[:4] = rng.normal(size=(4, count))
    theta[4:6] = np.log(rng.uniform(1.5, 6, (2, count)))
    theta[6] = rng.uniform(-1.5, 2, count)
    return means, theta, rng.random((count, 3)), rng.uniform(0.01, 0.2, count)


def a_view(seed, inverse_f=1 / 60.0, width=WIDTH, height=HEIGHT):
    """A camera near the identity with unequal focal lengths and an off-centre principal point."""
    rng = np.random.default_rng(seed)
    rotation = quat_to_matrix(np.array([1.0, *rng.normal(0, 0.05, 3)]))
    aspect = (1.1, 1 / 1.1)
    center = (width / 2 + 1.3, height / 2 - 0.7)
    blank = np.zeros((height, width, 3), np.float32)
    return FitView(rotation, rng.normal(0, 1, 3), inverse_f, aspect, center, blank)


def plain_render(theta, means, colors, thickness, view, background, blur=BLUR):
    """The image model in plain torch, pixel by pixel and surfel by surfel: [3, H, W] and transmittance."""
    n = means.shape[0]
    rotation = torch.as_tensor(view.rotation)
    p = means @ rotation.T + torch.as_tensor(view.translation)
    w = 1 + p[:, 2] * view.inverse_f
    (ax, ay), (cx, cy) = view.aspect, view.center
    q = torch.nn.functional.normalize(theta[:4].T, dim=1)
    a, b, c, d = q.unbind(1)
    matrix = torch.stack(
        [
            1 - 2 * (c * c + d * d), 2 * (b * c - a * d), 2 * (b * d + a * c),
            2 * (b * c + a * d), 1 - 2 * (b * b + d * d), 2 * (c * d - a * b),
            2 * (b * d - a * c), 2 * (c * d + a * b), 1 - 2 * (b * b + c * c),
        ],
        1,
    ).reshape(n, 3, 3)  # fmt: skip
    sigma = torch.cat([torch.exp(theta[4:6].T), thickness[:, None]], 1)
    axes = rotation @ (matrix * sigma[:, None, :])
    zero = torch.zeros_like(w)
    height, width = view.target.shape[:2]
    mean = torch.stack([ax * p[:, 0] / w + cx, ay * p[:, 1] / w + cy], 1)
    edge = 0.15  # of the picture: how far outside it the Jacobian follows a surfel
    clamped = [mean[:, k].clamp(-edge * s, (1 + edge) * s) for k, s in enumerate((width, height))]
    jacobian = torch.stack(
        [
            torch.stack([ax / w, zero, -(clamped[0] - cx) * view.inverse_f / w], 1),
            torch.stack([zero, ay / w, -(clamped[1] - cy) * view.inverse_f / w], 1),
        ],
        1,
    )
    flat = jacobian @ axes
    covariance = flat @ flat.transpose(1, 2)
    blurred = covariance + blur * torch.eye(2, dtype=theta.dtype)
    opacity = torch.sigmoid(theta[6]) * torch.sqrt(torch.det(covariance) / torch.det(blurred))
    conic = torch.linalg.inv(blurred)
    order = torch.argsort((p[:, 2] + 3 * sigma[:, :2].max(1).values).detach(), stable=True)
    rows, columns = (torch.arange(k, dtype=theta.dtype) + 0.5 for k in (height, width))
    v, u = torch.meshgrid(rows, columns, indexing="ij")
    image = torch.zeros(3, height, width, dtype=theta.dtype)
    left_over = torch.ones(height, width, dtype=theta.dtype)
    for i in order.tolist():
        if w[i] <= 2**-7 or w[i] <= 3 * sigma[i, :2].max() * view.inverse_f:
            continue
        dx, dy = u - mean[i, 0], v - mean[i, 1]
        form = conic[i, 0, 0] * dx * dx + 2 * conic[i, 0, 1] * dx * dy + conic[i, 1, 1] * dy * dy
        alpha = (opacity[i] * torch.exp(-0.5 * form)).clamp_max(0.99)
        alpha = torch.where(alpha < 1 / 255, 0.0, alpha)
        image = image + alpha * left_over * colors[i][:, None, None]
        left_over = left_over * (1 - alpha)
    return image + left_over * torch.as_tensor(background)[:, None, None], left_over


def ours(
    theta,
    means,
    colors,
    thickness,
    view,
    image_grad=None,
    cover_grad=None,
    precision: Precision = "float64",
    threads=1,
):
    """(image [3, H, W], transmittance [H, W], gradient of theta or None) of our rasterizer."""
    height, width = view.target.shape[:2]
    with Team(threads) as team:
        raster = Rasterizer(colors, thickness, precision, team)
        placed = RasterView.of(view, means, precision)
        theta = np.ascontiguousarray(theta, precision)
        image, left_over = raster.forward(placed, theta, BACKGROUND)
        grads = None
        if image_grad is not None and cover_grad is not None:
            grads = np.empty_like(theta)
            flat = np.ascontiguousarray(image_grad.reshape(3, -1), precision)
            cover = np.ascontiguousarray(cover_grad.ravel(), precision)
            raster.backward(placed, theta, flat, cover, grads, accumulate=False)
        return image.reshape(3, height, width).copy(), left_over.reshape(height, width).copy(), grads


def weights(seed):
    rng = np.random.default_rng(seed + 1000)
    return rng.normal(size=(3, HEIGHT, WIDTH)), rng.normal(size=(HEIGHT, WIDTH))


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.0, 1 / 60.0, 1 / 400.0]))
def test_picture_and_gradient_equal_plain_torch(seed, inverse_f):
    means, theta, colors, thickness = scene(seed)
    view = a_view(seed, inverse_f)
    wi, wt = weights(seed)
    t = torch.tensor(theta, requires_grad=True)
    image, left_over = plain_render(
        t, torch.tensor(means), torch.tensor(colors), torch.tensor(thickness), view, BACKGROUND
    )
    ((image * torch.tensor(wi)).sum() + (left_over * torch.tensor(wt)).sum()).backward()
    assert t.grad is not None
    grad = t.grad.numpy()
    our_image, our_left_over, our_grad = ours(theta, means, colors, thickness, view, wi, wt)
    assert our_grad is not None
    np.testing.assert_allclose(our_image, image.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(our_left_over, left_over.detach().numpy(), atol=1e-10)
    np.testing.assert_allclose(our_grad, grad, atol=1e-8 * np.abs(grad).max())
    # Eight lanes of float32 say the same, up to its rounding, the fast exponential and alphas next to 1/255.
    fast_image, _, fast_grad = ours(theta, means, colors, thickness, view, wi, wt, "float32")
    assert fast_grad is not None
    assert np.abs(fast_image - our_image).max() < 6e-3
    assert np.abs(fast_image - our_image).mean() < 2e-4
    scale = np.abs(grad).max(axis=1, keepdims=True)
    assert (np.abs(fast_grad - grad) / scale).max() < 2e-2


def test_gradient_equals_finite_differences():
    means, theta, colors, thickness = scene(11)
    view = a_view(11)
    wi, wt = weights(11)
    grad = ours(theta, means, colors, thickness, view, wi, wt)[2]
    assert grad is not None

    def value(changed):
        image, left_over, _ = ours(changed, means, colors, thickness, view)
        return float((image * wi).sum() + (left_over * wt).sum())

    # Steps this small cross no alpha threshold in this scene, so the function is smooth along them.
    step = 1e-6
    for row in range(PARAMETERS):
        for column in range(theta.shape[1]):
            up, down = theta.copy(), theta.copy()
            up[row, column] += step
            down[row, column] -= step
            slope = (value(up) - value(down)) / (2 * step)
            assert slope == pytest.approx(grad[row, column], rel=1e-4, abs=1e-5 * np.abs(grad).max())


@given(st.integers(0, 2**32 - 1), st.integers(1, 2500))
def test_any_number_of_threads_gives_the_same_bytes(seed, count):
    means, theta, colors, thickness = scene(seed, count)
    theta[4:6] -= 1.0
    view = a_view(seed)
    wi, wt = weights(seed)
    alone = ours(theta, means, colors, thickness, view, wi, wt, "float32", 1)
    for threads in (2, 5):
        together = ours(theta, means, colors, thickness, view, wi, wt, "float32", threads)
        assert [a.tobytes() for a in alone if a is not None] == [
            a.tobytes() for a in together if a is not None
        ]


def test_ties_of_the_sort_key_keep_the_order_of_rows():
    colors = np.eye(3)
    theta = np.zeros((PARAMETERS, 3))
    theta[0], theta[4:6], theta[6] = 1, 1.0, 3.0
    view = FitView(np.eye(3), np.zeros(3), 0.0, (1.0, 1.0), (16.0, 16.0), np.zeros((32, 32, 3), np.float32))
    image, _, _ = ours(theta, np.zeros((3, 3)), colors, np.full(3, 0.02), view, precision="float32")
    red, green, blue = image[:, 16, 16]
    assert red > green > blue


def test_what_is_behind_too_near_or_absurd_is_not_drawn():
    view = FitView(
        np.eye(3), np.zeros(3), 1 / 50, (1.0, 1.0), (16.0, 16.0), np.zeros((32, 32, 3), np.float32)
    )
    means = np.array([[0, 0, -60], [0, 0, -49.9], [0, 0, -40], [1e30, 0, 0], [0, 0, 0]], float)
    theta = np.zeros((PARAMETERS, 5))
    theta[0], theta[4:6], theta[6] = 1, 0.0, 3.0
    theta[4, 2] = np.log(4.0)  # nearer than three sigma
    theta[4, 4] = 60.0  # covariance beyond float32
    wi, wt = np.ones((3, 32, 32)), np.ones((32, 32))
    image, left_over, grads = ours(theta, means, np.ones((5, 3)), np.full(5, 0.02), view, wi, wt, "float32")
    assert (left_over == 1).all()
    np.testing.assert_array_equal(
        image, np.broadcast_to(BACKGROUND.astype(np.float32)[:, None, None], image.shape)
    )
    assert grads is not None and np.isfinite(grads[:, :3]).all() and not grads[:, :3].any()
