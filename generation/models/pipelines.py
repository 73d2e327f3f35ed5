"""What several adapters do with a pipeline: its own scheduler, seeds and progress of parts, settings of FLUX.2."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

from wonderzoom.scene_graph.ports import Control


def stage_seed(seed: int, use: str) -> int:
    """The seed of one use within a job: another for each, the same for the same job. In [0, 2^63)."""
    digest = hashlib.blake2b(f"{use} {seed}".encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


def with_own_scheduler(pipeline: Any) -> Any:
    """``pipeline`` with a new scheduler: they keep state, and pipelines on the same weights share theirs."""
    pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
    return pipeline


def klein_text_layers(pipeline: Any) -> tuple[int, int, int]:
    """The layers of the text encoder that FLUX.2-klein reads: at a quarter, half and three quarters of its depth.

    That is 9, 18 and 27 of the 36 that Qwen3-4B and 8B have, as they were trained.
    """
    depth = int(pipeline.text_encoder.config.num_hidden_layers)
    return depth // 4, depth // 2, 3 * depth // 4


def portion(control: Control, begin: float, end: float) -> Control:
    """The control of one part of a stage: its progress from 0 to 1 is the stage's from ``begin`` to ``end``."""
    return replace(control, progress=lambda done: control.progress(begin + (end - begin) * done))
