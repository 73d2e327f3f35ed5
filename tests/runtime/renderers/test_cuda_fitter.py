"""The fitter on gsplat's gradients reaches what the CPU fitter reaches, and keeps its guards and promises."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from fit_problems import a_problem, pixel_aligned, texture
from gsplat_stand_in import StandIn
from hypothesis import given, settings
from hypothesis import strategies as st

from wonderzoom.runtime.renderers import cuda_fitter, gsplat_calls
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter
from wonderzoom.runtime.renderers.cuda_fitter import CudaFitter, turned_back
from wonderzoom.runtime.renderers.gsplat_calls import CudaUnavailable, Gsplat
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.ports import Cancelled, Control, FitProblem, FitResult, FitSettings

DEFAULT = FitSettings()


def fit(problem: FitProblem, chosen: FitSettings = DEFAULT, control: Control | None = None) -> FitResult:
    return CudaFitter("cpu", Gsplat(StandIn("1.6.0", 0.99))).fit(problem, chosen, control or Control())


def turns(problem: FitProblem, result: FitResult) -> np.ndarray:
    """Angles between the normals before and after."""
    normals = [quat_to_matrix(q)[:, :, 2] for q in (problem.quats, result.quats)]
    sine = np.linalg.norm(np.cross(normals[0], normals[1]), axis=1)
    return np.arctan2(sine, (normals[0] * normals[1]).sum(1))


# ---- what it reaches ------------------------------------------------------------------------------------
@pytest.mark.parametrize("masked", [False, True])
def test_it_starts_where_the_cpu_starts_and_goes_the_same_way(masked: bool) -> None:
    """The losses are those of the CPU fitter, to the last bits of the first three iterations."""
    problem = a_problem(4, masked=masked)
    mine, theirs = fit(problem), CpuFitter(1).fit(problem, DEFAULT, Control())
    np.testing.assert_allclose(mine.losses[:3], theirs.losses[:3], rtol=1e-4)
    np.testing.assert_allclose(mine.losses, theirs.losses, rtol=3e-2)


def test_one_step_is_the_cpu_fitters_step() -> None:
    problem, once = a_problem(2), FitSettings(iterations=1, betas=(0.9, 0.99))
    mine, theirs = fit(problem, once), CpuFitter(1).fit(problem, once, Control())
    for name in ("quats", "log_scales", "opacities"):
        difference = np.abs(getattr(mine, name) - getattr(theirs, name))
        assert np.quantile(difference, 0.97) < 1e-4  # a gradient of next to nothing may have either sign


def test_a_picture_with_detail_gains_what_it_gains_on_the_cpu() -> None:
    problem = pixel_aligned(texture(3, 32, contrast=0.08), opacity=0.5)
    mine, theirs = fit(problem), CpuFitter(1).fit(problem, DEFAULT, Control())
    assert mine.losses[-1] < 0.5 * mine.losses[0]
    assert mine.losses[-1] == pytest.approx(theirs.losses[-1], rel=5e-2)
    assert mine.opacities[:].mean() > 0.6  # random backgrounds ask for cover


def test_the_clamp_of_gsplat_15_changes_little() -> None:
    problem = pixel_aligned(texture(3, 20, contrast=0.08))
    old = CudaFitter("cpu", Gsplat(StandIn())).fit(problem, DEFAULT, Control())
    assert old.losses[-1] == pytest.approx(fit(problem).losses[-1], rel=2e-2)


# ---- what it may not do -----------------------------------------------------------------------------------
rates = st.floats(0, 30)


@settings(max_examples=8)
@given(
    st.integers(0, 2**32 - 1),
    st.tuples(rates, rates, rates, st.floats(0, 2)),
    st.floats(0, math.pi / 3),
    st.floats(0, 2),
    st.sampled_from([0.0, 0.9]),
)
def test_no_rate_breaks_a_guard_or_makes_the_loss_worse(
    seed: int, rate: tuple[float, ...], max_turn: float, max_change: float, momentum: float
) -> None:
    problem = a_problem(seed, count=30, side=16)
    opacity_rate, quat_rate, scale_rate, last_rate = rate
    chosen = FitSettings(
        3, opacity_rate, quat_rate, scale_rate, last_rate, (momentum, 0.99), max_turn, max_change
    )
    result = fit(problem, chosen)
    assert len(result.losses) == 4 and np.isfinite(result.losses).all()
    assert result.losses[-1] <= result.losses[0]
    assert ((result.opacities > 0) & (result.opacities < 1)).all()
    change = np.abs(result.log_scales.astype(np.float64) - problem.log_scales)
    assert change.max() <= max_change + 1e-12
    np.testing.assert_allclose(np.linalg.norm(result.quats, axis=1), 1, atol=1e-6)
    assert turns(problem, result).max() <= max_turn + 1e-6


@given(st.integers(0, 2**32 - 1), st.floats(0, math.pi))
@settings(max_examples=20)
def test_turning_back_leaves_what_is_within_and_puts_the_rest_on_the_rim(seed: int, limit: float) -> None:
    rng = np.random.default_rng(seed)
    start = rng.normal(size=(4, 40))
    start /= np.linalg.norm(start, axis=0)
    moved = start + rng.normal(size=(4, 40)) * rng.uniform(0, 3, 40)
    moved[:, 0], moved[:, 1] = 0.0, np.nan
    found = turned_back(torch.from_numpy(moved), torch.from_numpy(start), limit).numpy()
    np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1, atol=1e-12)
    np.testing.assert_array_equal(found[:, :2], start[:, :2])

    def angle(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        n, m = (quat_to_matrix(q.T)[:, :, 2] for q in (a, b))
        return np.arctan2(np.linalg.norm(np.cross(n, m), axis=1), (n * m).sum(1))

    before, after = angle(moved[:, 2:], start[:, 2:]), angle(found[:, 2:], start[:, 2:])
    np.testing.assert_allclose(after, np.minimum(before, limit), atol=1e-7)
    within = before < limit - 1e-9
    unit = moved[:, 2:] / np.linalg.norm(moved[:, 2:], axis=0)
    np.testing.assert_allclose(found[:, 2:][:, within], unit[:, within], atol=1e-12)


def test_a_result_that_is_worse_is_not_returned(monkeypatch: pytest.MonkeyPatch) -> None:
    problem, evaluate = a_problem(1), cuda_fitter._Objective.evaluate
    count = [0]

    def worse(self: cuda_fitter._Objective, *arguments: object) -> float:
        count[0] += 1
        return evaluate(self, *arguments) + (math.nan if count[0] > DEFAULT.iterations else 0.0)  # type: ignore[arg-type]

    monkeypatch.setattr(cuda_fitter._Objective, "evaluate", worse)
    result = fit(problem)
    assert result.losses[-1] == result.losses[0]
    np.testing.assert_array_equal(result.log_scales, problem.log_scales)


def test_backgrounds_follow_from_the_seed() -> None:
    problem = a_problem(9, count=20, side=16)
    assert fit(problem).losses == fit(problem).losses
    assert fit(problem).losses != fit(replace(problem, seed=problem.seed + 1)).losses


# ---- cancelling, errors and what is left behind -----------------------------------------------------------
@pytest.mark.parametrize("polls", [0, 1, 5, 21])
def test_cancelling_ends_the_fit_at_the_next_view(polls: int) -> None:
    problem, asked, done = a_problem(3, count=20, side=16), [0], list[float]()

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] > polls

    with pytest.raises(Cancelled):
        fit(problem, control=Control(cancelled, done.append))
    assert asked[0] == polls + 1 and len(done) == polls // len(problem.views)


def test_progress_rises_to_one() -> None:
    done: list[float] = []
    fit(a_problem(3, count=20, side=16), control=Control(progress=done.append))
    assert done == sorted(done) and done[-1] == 1 and len(done) == DEFAULT.iterations + 1


def test_no_iterations_return_the_start() -> None:
    problem = a_problem(6)
    result = fit(problem, FitSettings(iterations=0))
    np.testing.assert_array_equal(result.log_scales, problem.log_scales)
    assert result.losses == ()


def test_rows_that_are_not_finite_come_back_as_they_were() -> None:
    problem = a_problem(7)
    broken = {name: getattr(problem, name).copy() for name in ("means", "quats", "opacities")}
    broken["means"][3, 1], broken["quats"][5], broken["opacities"][8] = np.nan, 0, np.inf
    result = fit(replace(problem, **broken), FitSettings(iterations=2))
    for row in (3, 5, 8):
        np.testing.assert_array_equal(result.quats[row], broken["quats"][row])
        np.testing.assert_array_equal(result.opacities[row], broken["opacities"][row])
    assert np.isfinite(result.losses).all() and result.losses[-1] <= result.losses[0]


def test_a_problem_without_surfels_or_with_nothing_in_view_is_no_error() -> None:
    assert fit(a_problem(1, count=0)).opacities.shape == (0,)
    behind = a_problem(1)
    behind.means[:, 2] -= 1000
    result = fit(behind)
    assert (
        result.losses[-1]
        == result.losses[0]
        == pytest.approx(CpuFitter(1).fit(behind, DEFAULT, Control()).losses[0], rel=1e-5)
    )


def test_what_does_not_fit_together_is_an_error() -> None:
    with pytest.raises(ValueError, match="colors has shape"):
        fit(replace(a_problem(1), colors=np.zeros((3, 3), np.float32)))
    with pytest.raises(ValueError, match="iterations"):
        fit(a_problem(1), FitSettings(iterations=-1))


def test_a_machine_without_a_card_is_told_when_the_fitter_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(CudaUnavailable, match="torch"):
        CudaFitter()
    monkeypatch.setattr(gsplat_calls, "check", lambda: None)
    monkeypatch.setattr(gsplat_calls, "load", lambda: Gsplat(StandIn()))
    assert len(CudaFitter("cpu").fit(a_problem(1, 10, 8), FitSettings(iterations=1), Control()).losses) == 2
