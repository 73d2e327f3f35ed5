"""How a pipeline of diffusers is run as a stage: seeded, watched, called off within a step, tidy afterwards."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from wonderzoom.scene_graph.ports import Cancelled, Control

_SEEDS = 2**63  # torch takes seeds below 2^64; ours are any integer


def seeded(seed: int) -> Any:
    """A torch generator on the CPU, so that a seed means the same on every device."""
    import torch

    return torch.Generator("cpu").manual_seed(seed % _SEEDS)


def watched(
    control: Control, steps: int, begin: float = 0.0, end: float = 1.0
) -> Callable[..., dict[str, Any]]:
    """``callback_on_step_end`` of a pipeline: tells progress from ``begin`` to ``end``, and calls off within a step."""

    def after_step(_pipeline: Any, step: int, _timestep: Any, values: dict[str, Any]) -> dict[str, Any]:
        if control.cancelled():
            raise Cancelled
        control.progress(begin + (end - begin) * (step + 1) / max(1, steps))
        return values

    return after_step


@contextmanager
def running(pipeline: Any, control: Control) -> Generator[Any]:
    """Run ``pipeline`` within; hooks and caches are reset whatever happens, or they leak into the next job."""
    if control.cancelled():
        raise Cancelled
    import torch

    try:
        with torch.inference_mode():
            yield pipeline
    finally:
        pipeline.maybe_free_model_hooks()


@contextmanager
def fresh_scheduler(pipeline: Any) -> Generator[Any]:
    """A scheduler of the pipeline's own kind for the job within: they hold state, and pipelines share them."""
    shared = pipeline.scheduler
    pipeline.scheduler = type(shared).from_config(shared.config)
    try:
        yield pipeline.scheduler
    finally:
        pipeline.scheduler = shared


def portion(control: Control, begin: float, end: float) -> Control:
    """The control of one part of a stage: its progress from 0 to 1 is the stage's from ``begin`` to ``end``."""
    return replace(control, progress=lambda done: control.progress(begin + (end - begin) * done))
