"""What is asked of generation and what it answers: values only.

``create`` makes E_0 from a picture, ``zoom`` makes E_i at a camera. Both answer with a commit proposal;
only the writer of the world commits it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.commit import Commit, WorldHeader
from wonderzoom.scene_graph.ports import Control

Mode = Literal["add", "replace"]
# Wire names of the stages (design, generation.md); progress and errors use them.
Stage = Literal[
    "observe", "describe", "upscale", "edit", "depth", "segment", "lift", "optimise", "auxiliary", "commit"
]
STAGES: tuple[Stage, ...] = (
    "observe",
    "describe",
    "upscale",
    "edit",
    "depth",
    "segment",
    "lift",
    "optimise",
    "auxiliary",
    "commit",
)
# A zoom is > sqrt 2, so that there is something to generate, and at most 16x: beyond, the coarse
# observation holds less than a 32 x 32 picture and nothing ties the new content to the old.
MIN_FACTOR = 2.0**0.5
MAX_FACTOR = 16.0
MAX_PROMPT = 2000  # characters
# An edit of a place that has this scale already is this much finer than what it covers: more than sqrt 2.
FINER_EDIT = 1.5
# In a node's provenance: its main view has this many times H_ref pixels on its short side.
FINER_KEY = "finer"


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """A picture that becomes E_0."""

    image: NDArray[np.uint8]  # [H, W, 3] sRGB, short side H_ref
    depth: NDArray[np.float32] | None = None  # [H, W] scene units (metres where known), larger is farther
    sky: NDArray[np.bool_] | None = None  # [H, W] sky pixels where known
    focal: float | None = None  # pixels of ``image``
    metres_per_unit: float | None = None  # of ``depth``, where known
    prompt: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class ZoomRequest:
    """A view in which finer content should appear."""

    camera: Camera  # the requested frame, without overscan; its pivot on the surface
    prompt: str = ""
    seed: int = 0
    mode: Mode = "add"
    node: str | None = None  # replace: the node to replace; add: the parent, None for the finest one there


@dataclass(frozen=True, slots=True)
class StageEvent:
    """Progress of one job."""

    stage: Stage
    fraction: float  # of this stage, [0, 1]
    preview: NDArray[np.uint8] | None = None  # [h, w, 3] sRGB: I_i as soon as it exists


@dataclass(frozen=True, slots=True)
class Watch:
    """How a job is followed and stopped."""

    cancelled: Callable[[], bool] = lambda: False
    event: Callable[[StageEvent], None] = lambda _event: None
    note: Callable[[str], None] = lambda _text: None  # what the person who asked should know of the result

    def control(self, stage: Stage) -> Control:
        """The control of one stage: progress becomes events."""
        return Control(self.cancelled, lambda fraction: self.event(StageEvent(stage, fraction)), self.note)


@dataclass(frozen=True, slots=True)
class Created:
    """E_0, ready to be committed as revision 1."""

    header: WorldHeader
    commit: Commit
    node: str
    notes: tuple[str, ...] = ()  # what was estimated, for the person who asked


@dataclass(frozen=True, slots=True)
class Zoomed:
    """E_i, ready to be committed."""

    commit: Commit
    node: str
    ignored: tuple[str, ...] = ()  # prompt words that nothing was made for
    placed: tuple[str, ...] = ()  # structures and materials that were made
    notes: tuple[str, ...] = ()  # what was done otherwise than asked, for the person who asked
    seconds: dict[str, float] = field(
        default_factory=dict
    )  # per stage; filled by the caller that owns a clock
    memory: dict[str, int] = field(
        default_factory=dict
    )  # bytes of the card, the most of each stage that used it


class GenerationError(Exception):
    """Stage, cause and whether to retry; the world stays at its old revision."""

    def __init__(self, stage: Stage, message: str, retryable: bool = False) -> None:
        super().__init__(f"{stage}: {message}")
        self.stage, self.retryable = stage, retryable


class AlreadyCovered(Exception):
    """Without a prompt there is nothing to generate here: ``node`` has this place at this scale."""

    _SAYS = "node {} already shows this place at this scale; give a prompt, or zoom further"

    def __init__(self, node: str) -> None:
        super().__init__(self._SAYS.format(node))
        self.node = node


class AlreadyMade(AlreadyCovered):
    """What is asked for is there: ``node`` was made at this camera, with these words and this seed."""

    _SAYS = "node {} is what this would make again; give other words, another seed, or zoom further"
