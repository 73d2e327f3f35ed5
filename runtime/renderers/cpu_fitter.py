"""Fits surfels to pictures on the CPU: the embedded implementation of ``ports.Fitter``.

Opacity, orientation and scales follow Adam on 0.8 L1 + 0.2 D-SSIM (Sec. 3.1 of the paper), over a random
background colour in every iteration, so that the loss itself asks for full cover; positions and colours
stay. The result is the same bytes for any number of threads: every sum has one fixed order. While it runs a
fit holds about 280 bytes a surfel and 150 a pixel of each view; nothing of it outlives the call.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.renderers.fit_objective import Objective
from wonderzoom.runtime.renderers.fit_projection import CHUNK
from wonderzoom.runtime.renderers.fit_rasterizer import LOG_SCALE, LOGIT, PARAMETERS, QUAT, Precision
from wonderzoom.runtime.renderers.fit_update import step
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.ports import Control, FitProblem, FitResult, FitSettings, FitView

Array = NDArray[np.floating[Any]]

# Opacities stay where a surfel is still drawn (twice the least alpha) and where its logarithms exist.
_LEAST_OPACITY, _MOST_OPACITY = 2.0 / 255.0, 0.9999
# Kept free below the allowed turn, so that rounding a quaternion to float32 cannot exceed it.
TURN_MARGIN = 1e-6


class CpuFitter:
    """Fits on ``threads`` threads; ``precision`` "float64" is for checking gradients (slow)."""

    name = "cpu"

    def __init__(self, threads: int = 2, precision: Precision = "float32") -> None:
        if threads < 1:
            raise ValueError(f"a fitter needs at least one thread, got {threads}")
        self._threads = threads
        self._precision: Precision = precision

    def fit(self, problem: FitProblem, settings: FitSettings, control: Control) -> FitResult:
        """The fitted parameters; raises Cancelled within one iteration, ValueError for a bad problem.

        Rows that are not finite (or have no orientation) are left out and returned as they came.
        """
        check(problem, settings)
        rows = np.flatnonzero(usable(problem))
        with Team(self._threads) as team:
            theta, losses = self._descend(problem, rows, settings, control, team)
        return fitted(problem, rows, theta, losses)

    def _descend(
        self,
        problem: FitProblem,
        rows: NDArray[np.intp],
        settings: FitSettings,
        control: Control,
        team: Team,
    ) -> tuple[Array, list[float]]:
        theta = initial_theta(problem, rows, self._precision)
        steps = settings.iterations
        if steps == 0:
            return theta, []
        start = theta.copy()
        first = np.zeros_like(theta if settings.betas[0] > 0 else theta[:, :0])
        second, grads = np.zeros_like(theta), np.zeros_like(theta)
        limit = min(max(settings.max_turn - TURN_MARGIN, 0.0), math.pi)
        bounds = bounds_of(theta, problem.log_scales[rows], settings.max_log_scale_change)
        guards = (*bounds, start, math.cos(limit), math.sin(limit))
        rates = np.array([settings.quat_rate] * 4 + [settings.scale_rate] * 2 + [settings.opacity_rate])
        betas = np.array(settings.betas)
        objective = Objective(problem, rows, settings, self._precision, team)
        random = np.random.Generator(np.random.Philox(problem.seed))
        backgrounds = random.random((steps, len(problem.views), 3))
        chunks = team.bands(-(-len(rows) // CHUNK))
        losses: list[float] = []
        for index in range(steps):
            losses.append(objective.evaluate(theta, backgrounds[index], grads, control))
            share = 1.0 - (1.0 - settings.last_rate) * index / max(steps - 1, 1)
            unbias = 1.0 / (1.0 - betas ** (index + 1))
            now = [numbers.astype(theta.dtype) for numbers in (rates * share, betas, unbias)]
            moved = (theta, grads, first, second, *now, *guards)
            team.run(step, [(c0, c1, *moved) for c0, c1 in chunks])
            control.progress((index + 1) / (steps + 1))
        # Over the first backgrounds again, so that the two ends compare: a fit never makes a picture worse.
        result = objective.evaluate(theta, backgrounds[0], None, control)
        control.progress(1.0)
        if not result <= losses[0]:  # NaN counts as worse
            return start, [*losses, losses[0]]
        return theta, [*losses, result]

    def warm_up(self) -> None:
        """Compile every kernel (or load it from numba's cache) by a fit of one surfel."""
        one = np.ones(1, np.float32)
        view = FitView(np.eye(3), np.zeros(3), 0.0, (1.0, 1.0), (4.0, 4.0), np.zeros((8, 8, 3), np.float32))
        quat, flat = np.array([[1, 0, 0, 0]], np.float32), np.zeros((1, 2), np.float32)
        place = np.zeros((1, 3), np.float32)
        problem = FitProblem(place, place, quat, flat, 0.5 * one, 0.02 * one, (view,))
        self.fit(problem, FitSettings(iterations=1), Control())


def initial_theta(problem: FitProblem, rows: NDArray[np.intp], precision: Precision) -> Array:
    """Parameters [7, N] of the chosen rows: unit quaternion, ln sx, ln sy, logit of opacity."""
    theta = np.empty((PARAMETERS, len(rows)), precision)
    quats = problem.quats[rows].astype(np.float64)
    theta[QUAT] = (quats / np.linalg.norm(quats, axis=1, keepdims=True)).T
    theta[LOG_SCALE] = problem.log_scales[rows].T
    o = np.clip(problem.opacities[rows].astype(np.float64), _LEAST_OPACITY, _MOST_OPACITY)
    theta[LOGIT] = np.log(o / (1.0 - o))
    return theta


def check(problem: FitProblem, settings: FitSettings) -> None:
    """Raise ValueError when the arrays of a problem don't fit together or settings are out of range."""
    n = len(problem.means)
    wanted = {
        "means": (n, 3),
        "colors": (n, 3),
        "quats": (n, 4),
        "log_scales": (n, 2),
        "opacities": (n,),
        "thickness": (n,),
    }
    for name, shape in wanted.items():
        found = np.shape(getattr(problem, name))
        if found != shape:
            raise ValueError(f"{name} has shape {found}, expected {shape}")
    if not problem.views:
        raise ValueError("a fit needs at least one view")
    for number, view in enumerate(problem.views):
        if view.target.ndim != 3 or view.target.shape[2] != 3 or 0 in view.target.shape:
            raise ValueError(f"the target of view {number} has shape {view.target.shape}, expected [H, W, 3]")
        if view.mask is not None and view.mask.shape != view.target.shape[:2]:
            raise ValueError(
                f"the mask of view {number} has shape {view.mask.shape}, its target {view.target.shape}"
            )
    if settings.iterations < 0:
        raise ValueError(f"iterations must not be negative, got {settings.iterations}")
    if not all(0.0 <= beta < 1.0 for beta in settings.betas):
        raise ValueError(f"betas must lie in [0, 1), got {settings.betas}")
    for name in (
        "opacity_rate",
        "quat_rate",
        "scale_rate",
        "last_rate",
        "max_turn",
        "max_log_scale_change",
        "cover_weight",
    ):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value >= 0.0):
            raise ValueError(f"{name} must be a number of at least 0, got {value}")


def usable(problem: FitProblem) -> NDArray[np.bool_]:
    """The rows [N] that have an orientation and finite numbers only; no fitter touches the others."""
    columns = [problem.means, problem.colors, problem.quats, problem.log_scales]
    columns += [problem.opacities[:, None], problem.thickness[:, None]]
    finite = np.logical_and.reduce([np.isfinite(column).all(axis=1) for column in columns])
    with np.errstate(invalid="ignore", over="ignore"):
        return finite & (np.abs(problem.quats).max(axis=1, initial=0.0) > 1e-12)


def bounds_of(theta: Array, log_scales: Array, change: float) -> tuple[Array, Array]:
    """Lowest and highest ln sx, ln sy and logit, [3, N]; rounding never widens them."""
    start = log_scales.T.astype(np.float64)
    lowest, highest = np.empty((3, theta.shape[1]), theta.dtype), np.empty((3, theta.shape[1]), theta.dtype)
    low, high = (start - change).astype(theta.dtype), (start + change).astype(theta.dtype)
    lowest[:2] = np.where(low < start - change, np.nextafter(low, np.inf, dtype=theta.dtype), low)
    highest[:2] = np.where(high > start + change, np.nextafter(high, -np.inf, dtype=theta.dtype), high)
    lowest[2] = math.log(_LEAST_OPACITY / (1.0 - _LEAST_OPACITY))
    highest[2] = math.log(_MOST_OPACITY / (1.0 - _MOST_OPACITY))
    return lowest, highest


def fitted(problem: FitProblem, rows: NDArray[np.intp], theta: Array, losses: list[float]) -> FitResult:
    """The answer of a fit of ``rows`` that ended at ``theta``; the other rows as they came."""
    quats, log_scales = problem.quats.copy(), problem.log_scales.copy()
    opacities = problem.opacities.copy()
    quats[rows] = theta[QUAT].T
    log_scales[rows] = theta[LOG_SCALE].T
    opacities[rows] = sigmoid(theta[LOGIT])
    return FitResult(quats, log_scales, opacities, tuple(losses))


def sigmoid(logit: Array) -> NDArray[np.float32]:
    """Opacities of logits."""
    return (1.0 / (1.0 + np.exp(-logit.astype(np.float64)))).astype(np.float32)
