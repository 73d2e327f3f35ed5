from types import SimpleNamespace
from typing import Any

import pytest
import torch

from wonderzoom.generation.models.running import fresh_scheduler, portion, running, seeded, watched
from wonderzoom.scene_graph.ports import Cancelled, Control


class Pipeline:
    """Counts how often its hooks were freed."""

    def __init__(self) -> None:
        self.freed = 0

    def maybe_free_model_hooks(self) -> None:
        self.freed += 1


def test_a_seed_means_the_same_every_time_and_any_integer_is_one() -> None:
    assert torch.equal(torch.rand(4, generator=seeded(7)), torch.rand(4, generator=seeded(7)))
    assert not torch.equal(torch.rand(4, generator=seeded(7)), torch.rand(4, generator=seeded(8)))
    for odd in (-1, 2**64, -(2**70)):
        assert torch.rand(1, generator=seeded(odd)).shape == (1,)


def test_steps_are_told_within_their_share() -> None:
    told: list[float] = []
    after = watched(Control(progress=told.append), steps=4, begin=0.5, end=1.0)
    for step in range(4):
        assert after(None, step, None, {"latents": step}) == {"latents": step}
    assert told == [0.625, 0.75, 0.875, 1.0]


def test_a_job_that_is_called_off_ends_after_the_step_that_runs() -> None:
    off = SimpleNamespace(now=False)
    after = watched(Control(cancelled=lambda: off.now), steps=4)
    after(None, 0, None, {})
    off.now = True
    with pytest.raises(Cancelled):
        after(None, 1, None, {})


@pytest.mark.parametrize("error", [None, Cancelled(), ValueError("no")])
def test_hooks_are_freed_whatever_happens(error: Exception | None) -> None:
    pipeline: Any = Pipeline()
    try:
        with running(pipeline, Control()) as same:
            assert same is pipeline and torch.is_inference_mode_enabled()
            if error is not None:
                raise error
    except (Cancelled, ValueError) as raised:
        assert raised is error
    assert pipeline.freed == 1


def test_what_is_called_off_before_it_begins_does_not_begin() -> None:
    pipeline: Any = Pipeline()
    with pytest.raises(Cancelled):
        with running(pipeline, Control(cancelled=lambda: True)):
            pytest.fail("it began")


@pytest.mark.parametrize("error", [None, Cancelled()])
def test_a_job_has_a_scheduler_of_its_own(error: Exception | None) -> None:
    from diffusers import DDIMScheduler

    shared = DDIMScheduler(beta_start=0.01)
    pipeline = SimpleNamespace(scheduler=shared)
    try:
        with fresh_scheduler(pipeline) as own:
            own.set_timesteps(3)
            assert pipeline.scheduler is own and own is not shared and own.config == shared.config
            if error is not None:
                raise error
    except Cancelled:
        pass
    assert pipeline.scheduler is shared and shared.num_inference_steps is None


def test_a_part_of_a_stage_tells_its_share_of_the_progress() -> None:
    told: list[float] = []
    part = portion(Control(cancelled=lambda: True, progress=told.append), 0.25, 0.75)
    for done in (0.0, 0.5, 1.0):
        part.progress(done)
    assert told == pytest.approx([0.25, 0.5, 0.75]) and part.cancelled()
