"""The fitter as a whole: what it reaches, what it may not do, what it leaves behind."""

import math
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from fit_problems import a_problem, pixel_aligned, seen_from, texture
from hypothesis import given
from hypothesis import strategies as st
from plane_and_step import PlaneAndStep

from wonderzoom.generation.lifting import lift
from wonderzoom.generation.stages import Layer
from wonderzoom.runtime.renderers.cpu_fitter import CpuFitter, initial_theta
from wonderzoom.runtime.renderers.fit_rasterizer import Precision, Rasterizer, RasterView
from wonderzoom.runtime.renderers.threads import Team
from wonderzoom.scene_graph.camera import quat_to_matrix
from wonderzoom.scene_graph.ports import (
    Cancelled,
    Control,
    FitProblem,
    FitResult,
    FitSettings,
    FitView,
)

DEFAULT = FitSettings()
GREY = np.full(3, 0.5)


def fit(problem, settings=DEFAULT, threads=1, control=None, precision: Precision = "float32") -> FitResult:
    return CpuFitter(threads, precision).fit(problem, settings, control or Control())


def fitted(problem: FitProblem, result: FitResult) -> FitProblem:
    """The problem that starts where ``result`` ended."""
    return replace(problem, quats=result.quats, log_scales=result.log_scales, opacities=result.opacities)


def drawn(problem: FitProblem, view: FitView, background=GREY) -> tuple[np.ndarray, np.ndarray]:
    """Picture [H, W, 3] and transmittance [H, W] of the surfels' start."""
    with Team(1) as team:
        raster = Rasterizer(problem.colors, problem.thickness, "float32", team)
        theta = initial_theta(problem, np.arange(len(problem.means)), "float32")
        image, left_over = raster.forward(RasterView.of(view, problem.means, "float32"), theta, background)
        shape = view.target.shape
        return image.T.reshape(shape).copy(), left_over.reshape(shape[:2]).copy()


def decibels(error: np.ndarray) -> float:
    return -10 * math.log10(float(np.mean(error.astype(np.float64) ** 2)))


def same_bytes(a: FitResult, b: FitResult) -> bool:
    arrays = all(
        getattr(a, k).tobytes() == getattr(b, k).tobytes() for k in ("quats", "log_scales", "opacities")
    )
    return arrays and a.losses == b.losses


# ---- what it reaches --------------------------------------------------------------------------------------
def test_the_default_steps_reach_30_db_on_a_picture_with_detail_in_every_pixel():
    problem = pixel_aligned(texture(3, 96, contrast=0.08))
    view = problem.views[0]
    before = decibels(drawn(problem, view)[0] - view.target)
    image, left_over = drawn(fitted(problem, fit(problem)), view)
    after = decibels(image - view.target)
    assert after >= 30 and after >= before + 2
    assert left_over.mean() < 0.05


def test_views_that_the_fit_never_saw_gain_too():
    scene = PlaneAndStep(96)
    own, zeta, _ = scene.view(np.eye(3))
    lifted = lift(Layer(scene.camera, own.target, zeta.astype(np.float32), np.ones(zeta.shape, bool)))
    problem = FitProblem(
        means=lifted.means.astype(np.float32),
        colors=lifted.colors.astype(np.float32) / np.float32(255),
        quats=lifted.quats,
        log_scales=lifted.log_scales,
        opacities=lifted.opacities,
        thickness=lifted.thickness,
        views=(FitView.of(scene.camera, own.target),),
    )
    after = fitted(problem, fit(problem))

    def measure(surfels, view, counts):
        image, left_over = drawn(surfels, view)
        return decibels((image - view.target)[counts]), float((left_over[counts] > 0.5).mean())

    everywhere = np.ones(zeta.shape, bool)
    assert measure(after, own, everywhere)[0] >= measure(problem, own, everywhere)[0] + 1.5
    half_turn = math.radians(5)
    for axis in ((0, 1, 0), (0, -1, 0), (1, 0, 0), (-1, 0, 0)):
        turn = quat_to_matrix(np.array([math.cos(half_turn), *(math.sin(half_turn) * np.array(axis))]))
        view, _, seen = scene.view(turn)
        assert seen.mean() > 0.5
        quality, holes = measure(after, view, seen)
        quality_before, holes_before = measure(problem, view, seen)
        assert quality >= quality_before + 1.0
        assert holes <= holes_before


def test_a_second_view_shapes_what_the_first_cannot_see():
    left, right = texture(1, 24), texture(2, 24)
    one = pixel_aligned(left)
    apart = np.array([-200.0, 0.0, 0.0])
    both = FitProblem(
        *(np.concatenate([a, b]) for a, b in zip(columns(one), columns(pixel_aligned(right)), strict=True)),
        views=(one.views[0], replace(one.views[0], translation=apart, target=right)),
    )
    both.means[24 * 24 :, 0] += 200
    result = fit(both)
    for view in both.views:
        assert decibels(drawn(fitted(both, result), view)[0] - view.target) > (
            decibels(drawn(both, view)[0] - view.target) + 1
        )


def columns(problem: FitProblem) -> tuple[np.ndarray, ...]:
    return (
        problem.means, problem.colors, problem.quats, problem.log_scales, problem.opacities, problem.thickness
    )  # fmt: skip


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_random_backgrounds_and_the_cover_term_close_what_is_open(weight):
    # The picture has the surfels' own colour: over a background of that colour nothing would ask for cover.
    grey = np.full((24, 24, 3), 0.5, np.float32)
    problem = pixel_aligned(grey, opacity=0.2)
    left_over = drawn(fitted(problem, fit(problem, FitSettings(cover_weight=weight))), problem.views[0])[1]
    inside = (slice(3, -3), slice(3, -3))
    before = drawn(problem, problem.views[0])[1][inside].mean()
    assert left_over[inside].mean() < 0.1 * before


def test_float64_says_the_same():
    problem = pixel_aligned(texture(5, 24))
    fast, exact = fit(problem), fit(problem, precision="float64")
    np.testing.assert_allclose(fast.losses, exact.losses, rtol=4e-2)
    assert fast.losses[0] == pytest.approx(exact.losses[0], rel=1e-4)


# ---- what it may not do -----------------------------------------------------------------------------------
rates = st.floats(0, 30)


@given(
    st.integers(0, 2**32 - 1),
    st.tuples(rates, rates, rates, st.floats(0, 2)),
    st.floats(0, math.pi / 3),
    st.floats(0, 2),
    st.sampled_from([0.0, 0.9]),
)
def test_no_rate_breaks_a_guard_or_makes_the_loss_worse(seed, rate, max_turn, max_change, momentum):
    problem = a_problem(seed)
    opacity_rate, quat_rate, scale_rate, last_rate = rate
    settings = FitSettings(
        4, opacity_rate, quat_rate, scale_rate, last_rate, (momentum, 0.99), max_turn, max_change
    )
    result = fit(problem, settings)
    assert len(result.losses) == 5 and np.isfinite(result.losses).all()
    assert result.losses[-1] <= result.losses[0]
    assert ((result.opacities > 0) & (result.opacities < 1)).all()
    change = np.abs(result.log_scales.astype(np.float64) - problem.log_scales)
    assert change.max() <= max_change + 1e-12
    np.testing.assert_allclose(np.linalg.norm(result.quats, axis=1), 1, atol=1e-6)
    normals = [quat_to_matrix(q)[:, :, 2] for q in (problem.quats, result.quats)]
    cosine = np.clip((normals[0] * normals[1]).sum(1), -1, 1)
    sine = np.linalg.norm(np.cross(normals[0], normals[1]), axis=1)
    assert np.arctan2(sine, cosine).max() <= max_turn + 1e-6


def test_the_defaults_allow_30_degrees_and_a_factor_of_two():
    assert math.degrees(DEFAULT.max_turn) == pytest.approx(30)
    assert math.exp(DEFAULT.max_log_scale_change) == pytest.approx(2)


def test_what_a_mask_hides_has_no_influence():
    problem = a_problem(4, masked=True)
    noise = np.random.default_rng(0)
    hidden = tuple(
        replace(v, target=np.where(v.mask[..., None], v.target, noise.random(v.target.shape, np.float32)))
        for v in problem.views
        if v.mask is not None
    )
    assert len(hidden) == len(problem.views)
    assert same_bytes(fit(problem), fit(seen_from(problem, hidden)))


@given(st.integers(0, 2**32 - 1), st.integers(1, 700))
def test_any_number_of_threads_gives_the_same_bytes(seed, count):
    problem, settings = a_problem(seed, count), FitSettings(iterations=2)
    alone = fit(problem, settings)
    assert all(same_bytes(alone, fit(problem, settings, threads)) for threads in (2, 3))


def test_backgrounds_follow_from_the_seed():
    problem = a_problem(9)
    assert same_bytes(fit(problem), fit(problem))
    assert not same_bytes(fit(problem), fit(replace(problem, seed=problem.seed + 1)))


# ---- cancelling, errors and what is left behind -----------------------------------------------------------
@pytest.mark.parametrize("polls", [0, 1, 5, 21])
def test_cancelling_ends_the_fit_at_the_next_view(polls):
    problem, asked, done = a_problem(3), [0], []

    def cancelled() -> bool:
        asked[0] += 1
        return asked[0] > polls

    with pytest.raises(Cancelled):
        fit(problem, control=Control(cancelled, done.append), threads=2)
    assert asked[0] == polls + 1 and len(done) == polls // len(problem.views)


def test_progress_rises_to_one():
    done: list[float] = []
    fit(a_problem(3), control=Control(progress=done.append))
    assert done == sorted(done) and done[-1] == 1 and len(done) == DEFAULT.iterations + 1


def test_no_iterations_return_the_start():
    problem = a_problem(6)
    result = fit(problem, FitSettings(iterations=0))
    np.testing.assert_array_equal(result.log_scales, problem.log_scales)
    np.testing.assert_allclose(result.opacities, problem.opacities, rtol=1e-6)
    assert result.losses == ()


def test_rows_that_are_not_finite_come_back_as_they_were():
    problem = a_problem(7)
    broken = {name: getattr(problem, name).copy() for name in ("means", "quats", "opacities")}
    broken["means"][3, 1], broken["quats"][5], broken["opacities"][8] = np.nan, 0, np.inf
    result = fit(replace(problem, **broken))
    for row in (3, 5, 8):
        np.testing.assert_array_equal(result.quats[row], broken["quats"][row])
        np.testing.assert_array_equal(result.log_scales[row], problem.log_scales[row])
        np.testing.assert_array_equal(result.opacities[row], broken["opacities"][row])
    kept = np.setdiff1d(np.arange(60), (3, 5, 8))
    alone = FitProblem(*(column[kept] for column in columns(problem)), views=problem.views, seed=problem.seed)
    np.testing.assert_array_equal(fit(alone).quats, result.quats[kept])


def test_a_problem_without_surfels_or_with_nothing_in_view_is_no_error():
    empty = a_problem(1, count=0)
    assert fit(empty).opacities.shape == (0,)
    behind = a_problem(1)
    behind.means[:, 2] -= 1000
    assert fit(behind).losses[-1] == fit(behind).losses[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colors": np.zeros((3, 3), np.float32)}, r"colors has shape \(3, 3\)"),
        ({"opacities": np.zeros((60, 1), np.float32)}, r"opacities has shape \(60, 1\)"),
        ({"views": ()}, "at least one view"),
    ],
)
def test_arrays_that_do_not_fit_together_are_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        fit(replace(a_problem(1), **change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"iterations": -1}, "iterations"),
        ({"scale_rate": math.nan}, "scale_rate"),
        ({"last_rate": -0.1}, "last_rate"),
        ({"betas": (0.0, 1.0)}, "betas"),
    ],
)
def test_settings_out_of_range_are_an_error(change, message):
    with pytest.raises(ValueError, match=message):
        fit(a_problem(1), replace(DEFAULT, **change))


@pytest.mark.parametrize(
    ("target", "mask"), [((8, 8), None), ((8, 8, 4), None), ((0, 8, 3), None), ((8, 8, 3), (8, 9))]
)
def test_a_view_of_the_wrong_shape_is_an_error(target, mask):
    problem = a_problem(1)
    hidden = None if mask is None else np.ones(mask, bool)
    view = replace(problem.views[0], target=np.zeros(target, np.float32), mask=hidden)
    with pytest.raises(ValueError, match="view 0 has shape"):
        fit(seen_from(problem, (view,)))


def test_working_memory_is_bounded_and_released():
    side = 96
    problem = pixel_aligned(texture(8, side))
    fit(problem)
    tracemalloc.start()
    try:
        result = fit(problem)
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # cpu_fitter's docstring: 280 bytes a surfel and 150 a pixel; the margin is for tiles at the edges.
    assert peak < 1.25 * (280 + 150) * side * side
    assert kept < result.quats.nbytes + result.log_scales.nbytes + result.opacities.nbytes + 20_000
