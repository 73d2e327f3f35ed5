"""What someone who asked for a zoom is told: where it waits, how far it is, and once how it ended.

``failure_of`` is the one place that turns errors into codes; the worker process uses it too, so that an
error reads the same wherever a job runs.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import AlreadyCovered, GenerationError, Stage
from wonderzoom.scene_graph.scale_node import PartLost
from wonderzoom.scene_graph.store_errors import StoreError
from wonderzoom.scene_graph.world import UnknownNode, WorldError

FailureCode = Literal[
    "already_covered",  # without a prompt there is nothing to generate here
    "unknown_node",  # the node to replace, or to build on, is gone
    "invalid",  # the world or the generator refuses what was asked
    "generation_failed",  # a stage failed; the message says which and why
    "out_of_memory",
    "worker_lost",  # the process that generates ended or hung, twice
    "conflict",  # the world kept changing where this zoom is
    "timed_out",  # no answer within the deadline
    "store_failed",  # the world could not be written
    "shutting_down",
    "internal",  # a mistake of ours, in the log
]


@dataclass(frozen=True, slots=True)
class ZoomQueued:
    """It waits."""

    position: int  # 1 is next
    eta: float  # seconds until the answer, expected


@dataclass(frozen=True, slots=True)
class ZoomRunning:
    """A worker is at it."""

    stage: Stage
    fraction: float  # of this stage, [0, 1]
    preview: NDArray[np.uint8] | None = field(default=None, compare=False)  # [h, w, 3] sRGB: I_i


@dataclass(frozen=True, slots=True)
class ZoomCommitted:
    """It is in the world, durably."""

    node: str
    revision: int
    ignored: tuple[str, ...] = ()  # prompt words that nothing was made for
    placed: tuple[str, ...] = ()
    seconds: dict[str, float] = field(default_factory=dict)  # of each stage
    notes: tuple[str, ...] = ()  # what was done otherwise than asked
    memory: dict[str, int] = field(
        default_factory=dict
    )  # bytes of the card, the most of each stage that used it


@dataclass(frozen=True, slots=True)
class ZoomFailed:
    """It is not in the world; ``retryable``: the same request may succeed later."""

    code: FailureCode
    message: str
    retryable: bool = False
    cause: BaseException | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class ZoomCancelled:
    """It was called off and left nothing behind."""


ZoomEnd = ZoomCommitted | ZoomFailed | ZoomCancelled
ZoomEvent = ZoomQueued | ZoomRunning | ZoomEnd


class JobFailed(Exception):
    """A job failed where its own error can't come from, as in another process."""

    def __init__(self, failure: ZoomFailed) -> None:
        super().__init__(failure.message)
        self.failure = failure


def failure_of(error: BaseException) -> ZoomFailed:
    """The event that tells of an error."""
    match error:
        case JobFailed():
            return replace(error.failure, cause=error)
        case AlreadyCovered():
            return ZoomFailed("already_covered", str(error), False, error)
        case GenerationError():
            memory = isinstance(error.__cause__, MemoryError)
            code: FailureCode = "out_of_memory" if memory else "generation_failed"
            return ZoomFailed(code, str(error), error.retryable, error)
        case MemoryError():
            return ZoomFailed("out_of_memory", "not enough memory for this zoom", True, error)
        case UnknownNode():
            return ZoomFailed("unknown_node", str(error), False, error)
        case WorldError() | ValueError():
            return ZoomFailed("invalid", str(error), False, error)
        case PartLost():
            what = f"{error}; restore that file from a backup, or remove the node"
            return ZoomFailed("invalid", what, False, error)
        case StoreError():
            return ZoomFailed("store_failed", str(error), error.retryable, error)
        case _:
            return ZoomFailed("internal", "something went wrong here; it is in the log", False, error)
