from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_pictures import empty_at, zoom

from wonderzoom.generation.embedded.consistency import observed, seen
from wonderzoom.generation.jobs import MAX_FACTOR, GenerationError
from wonderzoom.generation.models.upscaling import SLACK, enlarged, passes_of, prompt_of
from wonderzoom.scene_graph.ports import Cancelled, Control


@given(st.floats(1.01, 24.0), st.floats(1.5, 8.0))
@settings(max_examples=100, deadline=None)
def test_there_are_as_many_passes_as_the_factor_needs_and_no_more(factor: float, own: float) -> None:
    count = passes_of(factor, own)
    assert count >= 1 and own**count * SLACK * (1 + 1e-6) >= factor
    assert count == 1 or own ** (count - 1) * SLACK < factor


def noisy(image: np.ndarray, index: int, _count: int) -> np.ndarray:
    """A bad model: 4x, other colours, much noise."""
    larger = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    noise = np.random.default_rng(index).normal(0, 0.2, larger.shape)
    return (larger * [0.7, 1.1, 0.9] + 0.1 + noise).astype(np.float32)


@pytest.mark.parametrize("factor", [1.1, 1.5, 2.0, 3.7, 4.0, 8.0, 16.0, 24.0])
def test_seen_through_coarse_pixels_it_is_the_observation_whatever_the_model_did(factor: float) -> None:
    observation = zoom(factor, tilt=0.3).observation
    passes: list[int] = []

    def enlarge(image: np.ndarray, index: int, count: int) -> np.ndarray:
        passes.append(count)
        return noisy(image, index, count)

    made = enlarged(observation, 4.0, enlarge, Control())
    assert made.shape == observation.color.shape and made.dtype == np.float32
    assert 0.0 <= made.min() and made.max() <= 1.0
    assert passes == [passes_of(factor, 4.0)] * passes_of(factor, 4.0)
    wrong = seen(made, factor) - observed(observation.color, factor)
    assert -10 * np.log10((wrong**2).mean()) >= 40.0
    if factor >= 2.0:  # what lies above the observation's own resolution is the model's
        assert np.std(made - observation.color) > 0.02


def test_where_the_world_shows_nothing_nothing_is_made() -> None:
    context = empty_at(zoom(4.0), np.s_[:24], np.s_[:])
    shown: list[np.ndarray] = []

    def enlarge(image: np.ndarray, index: int, count: int) -> np.ndarray:
        shown.append(image)
        return noisy(image, index, count)

    made = enlarged(context.observation, 4.0, enlarge, Control())
    assert (made[:24] == 0.0).all() and made[24:].min() < made[24:].max()
    assert shown[0].min() > 0.0  # the model sees no black hole
    wrong = (seen(made, 4.0) - observed(context.observation.color, 4.0))[8:]
    assert -10 * np.log10((wrong**2).mean()) >= 35.0


def test_there_is_nothing_to_add_to_what_is_as_fine_as_asked_and_to_nothing() -> None:
    fine = zoom(1.0).observation
    assert np.array_equal(enlarged(fine, 4.0, noisy, Control()), fine.color)
    empty = empty_at(zoom(4.0), np.s_[:], np.s_[:]).observation
    assert np.array_equal(enlarged(empty, 4.0, noisy, Control()), empty.color)


def test_progress_is_told_and_a_job_called_off_ends_before_the_next_pass() -> None:
    told: list[float] = []
    enlarged(zoom(16.0).observation, 4.0, noisy, Control(progress=told.append))
    assert told == [0.5, 1.0]
    begun: list[int] = []

    def enlarge(image: np.ndarray, index: int, count: int) -> np.ndarray:
        begun.append(index)
        return noisy(image, index, count)

    with pytest.raises(Cancelled):
        enlarged(zoom(16.0).observation, 4.0, enlarge, Control(cancelled=lambda: bool(begun)))
    assert begun == [0]


def test_a_model_that_returns_no_numbers_is_an_error() -> None:
    def broken(image: np.ndarray, _index: int, _count: int) -> np.ndarray:
        return np.full_like(image, np.nan)

    with pytest.raises(GenerationError, match="not finite"):
        enlarged(zoom(4.0).observation, 4.0, broken, Control())


def test_every_factor_that_a_zoom_may_have_is_served() -> None:
    observation = replace(zoom(4.0).observation, factor=MAX_FACTOR * 1.5)
    assert enlarged(observation, 4.0, noisy, Control()).shape == observation.color.shape


def test_words_become_one_prompt() -> None:
    assert prompt_of(("moss", "wet bark"), "sharp") == "moss, wet bark"
    assert prompt_of((), "sharp") == "sharp"
