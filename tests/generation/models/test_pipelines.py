from types import SimpleNamespace

import pytest

from wonderzoom.generation.models.pipelines import klein_text_layers, portion, stage_seed, with_own_scheduler
from wonderzoom.scene_graph.ports import Control


def test_each_use_of_a_seed_is_another_and_always_the_same() -> None:
    assert stage_seed(5, "edit") == stage_seed(5, "edit")
    seeds = {stage_seed(seed, use) for seed in (-1, 0, 1, 2**70) for use in ("edit", "auxiliary views")}
    assert len(seeds) == 8 and all(0 <= seed < 2**63 for seed in seeds)


def test_the_layers_of_a_text_encoder_are_those_that_it_was_trained_with() -> None:
    def pipeline(layers: int) -> SimpleNamespace:
        return SimpleNamespace(text_encoder=SimpleNamespace(config=SimpleNamespace(num_hidden_layers=layers)))

    assert klein_text_layers(pipeline(36)) == (9, 18, 27)
    assert klein_text_layers(pipeline(4)) == (1, 2, 3)


def test_a_part_of_a_stage_tells_its_share_of_the_progress() -> None:
    told: list[float] = []
    part = portion(Control(cancelled=lambda: True, progress=told.append), 0.25, 0.75)
    for done in (0.0, 0.5, 1.0):
        part.progress(done)
    assert told == pytest.approx([0.25, 0.5, 0.75]) and part.cancelled()


def test_a_job_has_a_scheduler_of_its_own() -> None:
    from diffusers import FlowMatchEulerDiscreteScheduler

    shared = FlowMatchEulerDiscreteScheduler(shift=3.0)
    pipeline = SimpleNamespace(scheduler=shared)
    made = with_own_scheduler(pipeline).scheduler
    assert made is not shared and made.config.shift == 3.0
