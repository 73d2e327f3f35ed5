"""The mean loss over views: its gradient, its cover term, its masks."""

import numpy as np
import pytest
from fit_problems import a_problem, seen_from

from wonderzoom.runtime.renderers.cpu_fitter import initial_theta
from wonderzoom.runtime.renderers.fit_objective import Objective
from wonderzoom.runtime.renderers.fit_rasterizer import PARAMETERS, Precision, Rasterizer, RasterView
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.ports import Control, FitProblem, FitSettings

BACKGROUNDS = np.array([[0.9, 0.1, 0.4], [0.2, 0.7, 0.3], [0.0, 0.5, 1.0]])


def evaluate(
    problem: FitProblem, settings: FitSettings, theta=None, precision: Precision = "float64", backgrounds=None
):
    """(loss, gradient [7, N]) at the start of ``problem`` or at ``theta``."""
    rows = np.arange(len(problem.means))
    theta = initial_theta(problem, rows, precision) if theta is None else theta
    backgrounds = BACKGROUNDS[: len(problem.views)] if backgrounds is None else backgrounds
    grads = np.full_like(theta, np.nan)
    with Team(1) as team:
        objective = Objective(problem, rows, settings, precision, team)
        return objective.evaluate(theta, backgrounds, grads, Control()), grads


def test_the_gradient_over_several_views_equals_finite_differences():
    problem = a_problem(5, count=30, side=40, views=3, masked=True)
    settings = FitSettings(cover_weight=0.3)
    theta = initial_theta(problem, np.arange(30), "float64")
    _, grad = evaluate(problem, settings, theta)
    rng = np.random.default_rng(0)
    for row in range(PARAMETERS):
        direction = np.zeros_like(theta)
        direction[row] = rng.normal(size=30)
        step = 1e-6 * direction  # small enough to cross no alpha threshold in this scene
        up = evaluate(problem, settings, theta + step)[0]
        down = evaluate(problem, settings, theta - step)[0]
        slope = (up - down) / 2e-6
        assert slope == pytest.approx(float((grad * direction).sum()), rel=2e-4, abs=1e-9)


def test_the_loss_is_the_mean_over_views():
    one = a_problem(1, views=1)
    twice = seen_from(one, one.views * 2)
    loss, grad = evaluate(one, FitSettings(), backgrounds=BACKGROUNDS[:1])
    same_loss, same_grad = evaluate(twice, FitSettings(), backgrounds=BACKGROUNDS[[0, 0]])
    assert same_loss == pytest.approx(loss, rel=1e-12)
    np.testing.assert_allclose(same_grad, grad, atol=1e-12 * np.abs(grad).max())


def test_the_cover_term_is_the_mean_transmittance_of_the_mask():
    problem = a_problem(2, views=1, masked=True)
    mask = problem.views[0].mask
    assert mask is not None
    theta = initial_theta(problem, np.arange(len(problem.means)), "float64")
    with Team(1) as team:
        raster = Rasterizer(problem.colors, problem.thickness, "float64", team)
        view = RasterView.of(problem.views[0], problem.means, "float64")
        left_over = raster.forward(view, theta, BACKGROUNDS[0])[1].reshape(mask.shape).copy()
    without = evaluate(problem, FitSettings(cover_weight=0.0))[0]
    weighted = evaluate(problem, FitSettings(cover_weight=0.25))[0]
    assert weighted - without == pytest.approx(0.25 * left_over[mask].mean(), rel=1e-9)
