"""Fits surfels to pictures on the graphics card: ``ports.Fitter`` with gsplat's gradients and Adam in torch.

Loss, start, rates, backgrounds, guards and the promise never to end worse than it began are those of
``cpu_fitter``; so are the formulas (``cuda_projection.flatten``). Two things differ: gsplat adds gradients up in
whatever order they come, so that two runs differ in the last bits, and gsplat 1.5 clamps alpha at 0.999.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers import gsplat_calls
from wonderzoom.runtime.renderers.cpu_fitter import (
    TURN_MARGIN,
    bounds_of,
    check,
    fitted,
    initial_theta,
    usable,
)
from wonderzoom.runtime.renderers.cuda_ellipses import flatten, footprint
from wonderzoom.runtime.renderers.cuda_loss import Ssim, TorchLoss, fused_ssim
from wonderzoom.runtime.renderers.cuda_projection import Splats, ordered
from wonderzoom.runtime.renderers.fit_projection import HUGE, TINY
from wonderzoom.runtime.renderers.fit_rasterizer import LOG_SCALE, LOGIT, QUAT
from wonderzoom.runtime.renderers.fit_update import EPSILON, STEEPEST
from wonderzoom.runtime.renderers.gsplat_calls import Gsplat
from wonderzoom.runtime.renderers.projection import KEY_SIGMAS, MIN_ALPHA, NEAR_SIGMAS
from wonderzoom.scene_graph.camera import NEAR
from wonderzoom.scene_graph.ports import (
    Cancelled,
    Control,
    FitProblem,
    FitResult,
    FitSettings,
    FitView,
)


class CudaFitter:
    """Fits on ``device``; ``library`` and ``device`` are for tests, as in ``CudaRenderer``."""

    name = "cuda"

    def __init__(self, device: str = "cuda", library: Gsplat | None = None) -> None:
        """Raises CudaUnavailable when this machine can't fit so. gsplat is loaded with the first fit."""
        if library is None:
            gsplat_calls.check()
        self._device, self._library = device, library

    def fit(self, problem: FitProblem, settings: FitSettings, control: Control) -> FitResult:
        """The fitted parameters; raises Cancelled within one iteration, ValueError for a bad problem.

        Rows that are not finite (or have no orientation) are left out and returned as they came.
        """
        check(problem, settings)
        if self._library is None:
            self._library = gsplat_calls.load()
        rows = np.flatnonzero(usable(problem))
        theta, losses = _descend(problem, rows, settings, control, self._library, self._device)
        return fitted(problem, rows, theta, losses)


def _descend(
    problem: FitProblem,
    rows: NDArray[np.intp],
    settings: FitSettings,
    control: Control,
    library: Gsplat,
    device: str,
) -> tuple[NDArray[np.float32], list[float]]:
    import torch

    begin = initial_theta(problem, rows, "float32").astype(np.float32)
    steps = settings.iterations
    if steps == 0:
        return begin, []
    start = torch.from_numpy(begin).to(device)
    theta = start.clone().requires_grad_()
    update = _Adam(start, bounds_of(begin, problem.log_scales[rows], settings.max_log_scale_change), settings)
    objective = _Objective(problem, rows, settings, library, device)
    random = np.random.Generator(np.random.Philox(problem.seed))
    backgrounds = random.random((steps, len(problem.views), 3))
    losses: list[float] = []
    for index in range(steps):
        theta.grad = None
        losses.append(objective.evaluate(theta, backgrounds[index], control))
        update.step(theta, index)
        control.progress((index + 1) / (steps + 1))
    with torch.no_grad():  # over the first backgrounds again: see ``cpu_fitter``
        result = objective.evaluate(theta, backgrounds[0], control)
    control.progress(1.0)
    if not result <= losses[0]:  # NaN counts as worse
        return begin, [*losses, losses[0]]
    return theta.detach().cpu().numpy(), [*losses, result]


class _Objective:
    """The mean loss over the views of a problem; see ``fit_objective``."""

    def __init__(
        self,
        problem: FitProblem,
        rows: NDArray[np.intp],
        settings: FitSettings,
        library: Gsplat,
        device: str,
    ) -> None:
        import torch

        fused = fused_ssim() if device == "cuda" else None
        self._library = library
        self._thickness = torch.from_numpy(problem.thickness[rows].astype(np.float32)).to(device)
        self._colors = torch.from_numpy(problem.colors[rows].astype(np.float32)).to(device)
        means = torch.from_numpy(problem.means[rows].astype(np.float64)).to(device)
        self._views = [_View(view, means, device, fused) for view in problem.views]
        self._share = 1.0 / len(self._views)
        self._cover = settings.cover_weight

    def evaluate(self, theta: Any, backgrounds: NDArray[np.float64], control: Control) -> float:
        """The loss over ``backgrounds`` [views, 3]; adds its gradient to theta's where that wants one."""
        import torch

        total = torch.zeros((), dtype=torch.float64, device=theta.device)
        for number, view in enumerate(self._views):
            if control.cancelled():
                raise Cancelled
            image, left = self._drawn(theta, view, backgrounds[number])
            uncovered = (left * view.loss.mask).sum() / max(view.loss.pixels, 1)
            loss = self._share * (view.loss.evaluate(image) + self._cover * uncovered)
            if loss.requires_grad:
                loss.backward()
            total += loss.detach().double()
        return float(total)

    def _drawn(self, theta: Any, view: _View, background: NDArray[np.float64]) -> tuple[Any, Any]:
        """Picture [H, W, 3] over a background and transmittance [H, W]."""
        import torch

        height, width = view.size
        behind = torch.from_numpy(background.astype(np.float32)).to(theta.device)
        splats = self._splats(theta, view)
        if not len(splats) or not bool((splats.radii > 0).any()):
            left = torch.ones((height, width), device=theta.device)
            return behind.expand(height, width, 3), left
        tiles = self._library.sort(splats, 1, width, height)
        shown, alphas = self._library.blend(splats, tiles, splats.colors, width, height)
        left = 1.0 - alphas[0]
        return shown[0] + left[..., None] * behind, left

    def _splats(self, theta: Any, view: _View) -> Splats:
        """All surfels on the screen; those that don't show have radius 0. Differentiable in theta."""
        import torch

        quat = theta[QUAT] / torch.linalg.vector_norm(theta[QUAT], dim=0)
        lengths = torch.exp(theta[LOG_SCALE])
        axes = torch.einsum("ij,jkn->ikn", view.rotation, _matrices(quat))  # [3, axis, N]
        u, v, n = (axes[:, k] * by for k, by in enumerate((lengths[0], lengths[1], self._thickness)))
        u, v, n = (list(axis.unbind(0)) for axis in (u, v, n))
        means, covariance, sharp, blurred = flatten(view.point, u, v, n, view.lens, view.size[::-1])
        opacity = torch.sigmoid(theta[LOGIT]) * torch.sqrt(sharp.clamp(min=TINY) / blurred)
        conics, radii, touches = footprint(means, covariance, blurred, opacity, view.size[::-1])
        with torch.no_grad():
            sigma, w = lengths.amax(0), view.point[2]
            touches &= (w > NEAR) & (w > NEAR_SIGMAS * sigma * view.lens[0])
            touches &= (opacity > MIN_ALPHA) & (blurred < HUGE)
            radii = torch.where(touches[:, None], radii, 0)
            keys = ordered(view.depth + KEY_SIGMAS * sigma)
        names = torch.zeros(len(keys), dtype=torch.int64, device=keys.device)
        return Splats(means, conics, opacity, radii, keys, self._colors, names, names)


class _View:
    """One view of a fit: where it sees the surfels, and its loss."""

    def __init__(self, view: FitView, means: Any, device: str, fused: Ssim | None) -> None:
        import torch

        rotation = torch.from_numpy(np.asarray(view.rotation, np.float64)).to(device)
        points = means @ rotation.T + torch.from_numpy(np.asarray(view.translation, np.float64)).to(device)
        self.rotation = rotation.float()
        self.depth = points[:, 2].float()
        self.point = (
            points[:, 0].float(),
            points[:, 1].float(),
            (1.0 + points[:, 2] * view.inverse_f).float(),
        )
        self.lens = torch.tensor(
            [view.inverse_f, *view.aspect, *view.center], dtype=torch.float32, device=device
        ).unbind(0)
        self.size = (view.target.shape[0], view.target.shape[1])
        self.loss = TorchLoss(view.target, view.mask, device, fused)


class _Adam:
    """Adam on theta [7, N], and after every step the guards; see ``fit_update``."""

    def __init__(
        self, start: Any, bounds: tuple[NDArray[np.floating], NDArray[np.floating]], settings: FitSettings
    ) -> None:
        import torch

        self._start = start
        self._first, self._second = torch.zeros_like(start), torch.zeros_like(start)
        self._lowest, self._highest = (torch.from_numpy(each).to(start.device) for each in bounds)
        rates = [settings.quat_rate] * 4 + [settings.scale_rate] * 2 + [settings.opacity_rate]
        self._rates = torch.tensor(rates, dtype=start.dtype, device=start.device)[:, None]
        self._settings = settings
        self._limit = min(max(settings.max_turn - TURN_MARGIN, 0.0), math.pi)

    def step(self, theta: Any, index: int) -> None:
        """Step number ``index`` of theta, in place. A gradient that is not finite counts as zero."""
        import torch

        b1, b2 = self._settings.betas
        last = max(self._settings.iterations - 1, 1)
        share = 1.0 - (1.0 - self._settings.last_rate) * index / last
        with torch.no_grad():
            grads = torch.zeros_like(theta) if theta.grad is None else theta.grad
            grads = torch.where(grads.abs() < STEEPEST, grads, 0.0)  # false for NaN too
            self._first.mul_(b1).add_(grads, alpha=1 - b1)
            self._second.mul_(b2).addcmul_(grads, grads, value=1 - b2)
            mean = self._first / (1 - b1 ** (index + 1))
            size = torch.sqrt(self._second / (1 - b2 ** (index + 1))) + EPSILON
            theta -= share * self._rates * mean / size
            theta[4:] = torch.minimum(torch.maximum(theta[4:], self._lowest), self._highest)
            theta[QUAT] = turned_back(theta[QUAT], self._start[QUAT], self._limit)


def turned_back(quats: Any, start: Any, limit: float) -> Any:
    """Unit quaternions [4, N] whose normals lie within ``limit`` radians of those of ``start`` [4, N].

    What exceeds is turned back along the great circle; what has no length or no direction to turn in is replaced
    by its start.
    """
    import torch

    q, s = quats.double(), start.double()
    norm = torch.linalg.vector_norm(q, dim=0)
    q = q / norm
    here, there = _matrices(q)[:, 2].T, _matrices(s)[:, 2].T  # normals [N, 3]
    axis = torch.linalg.cross(here, there)
    along, across = (here * there).sum(1), torch.linalg.vector_norm(axis, dim=1)
    excess = (torch.atan2(across, along) - limit).clamp(min=0.0)
    half, unit = 0.5 * excess, axis / across.clamp(min=1e-30)[:, None]
    turn = torch.cat([torch.cos(half)[None], torch.sin(half) * unit.T])
    back = _product(turn, q)
    back = torch.where(excess > 0.0, back, q)
    lost = ~(norm > 0.0) | ((excess > 0.0) & (across < 1e-9)) | ~torch.isfinite(back).all(0)
    return torch.where(lost, s, back).to(quats.dtype)


def _product(a: Any, b: Any) -> Any:
    """Hamilton products of wxyz quaternions [4, N]."""
    import torch

    (aw, ax, ay, az), (bw, bx, by, bz) = a, b
    return torch.stack(
        [
            aw * bw - ax * bx - ay * by - az * bz,
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
        ]
    )


def _matrices(quats: Any) -> Any:
    """Rotation matrices [3, 3, N] (row, column) of unit wxyz quaternions [4, N]."""
    import torch

    w, x, y, z = quats
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return torch.stack([torch.stack(row) for row in rows])
