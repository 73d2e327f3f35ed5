"""Scores of learned models, where a person has installed them: CLIP score, CLIP-IQA+, Q-Align, NIQE (Sec. 4).

Owns which metric of pyiqa (IQA-PyTorch) stands for which column of the paper's Table 1, and the one line that says
why a score is missing. pyiqa is no dependency: its licence is non-commercial, and all its metrics, NIQE too, load
weights or parameters that it fetches itself on first use. Nothing is loaded unless asked for (``--learned``).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]

LIBRARY = "pyiqa"


@dataclass(frozen=True, slots=True)
class Metric:
    """One learned score."""

    key: str
    title: str
    name: str  # of pyiqa
    better: str  # "higher" or "lower"
    needs: str  # what pyiqa loads for it
    options: dict[str, object] = field(default_factory=dict)  # when it is made
    asked: dict[str, object] = field(default_factory=dict)  # when it is called
    prompted: bool = False  # compares a picture with the prompt


METRICS = (
    # w = 1: the cosine, as Table 1 has it; pyiqa's own default multiplies it by 2.5
    Metric("clip", "CLIP score", "clipscore", "higher", "CLIP ViT-B/32", {"w": 1.0}, prompted=True),
    Metric("clip_iqa", "CLIP-IQA+", "clipiqa+", "higher", "CLIP RN50 and learned prompts"),
    Metric("qalign_iqa", "Q-Align IQA", "qalign", "higher", "Q-Align, 16 GB", {}, {"task_": "quality"}),
    Metric("qalign_iaa", "Q-Align IAA", "qalign", "higher", "Q-Align, 16 GB", {}, {"task_": "aesthetic"}),
    Metric("niqe", "NIQE", "niqe", "lower", "niqe_modelparameters.mat"),
)


class Learned:
    """The metrics that can be had here, made once; ``missing`` says why the others can't."""

    def __init__(
        self, wanted: bool, load: Callable[[str], Any] = importlib.import_module, device: str = "cpu"
    ) -> None:
        self.missing: dict[str, str] = {}
        self._made: dict[tuple[str, str], Any] = {}
        self._metrics: dict[str, Any] = {}
        self._device = device
        library = self._library(wanted, load)
        for metric in METRICS if library is not None else ():
            self._make(library, metric)

    @property
    def keys(self) -> tuple[str, ...]:
        """What is scored."""
        return tuple(self._metrics)

    def score(self, pictures: Sequence[U8], prompt: str) -> dict[str, float | None]:
        """Key -> mean over pictures [H, W, 3]; None where there are no words to compare them with."""
        found: dict[str, float | None] = {}
        for metric in METRICS:
            if metric.key not in self._metrics:
                continue
            if metric.prompted and not prompt:
                found[metric.key] = None
                continue
            model = self._metrics[metric.key]
            asked = dict(metric.asked) | ({"caption_list": [prompt]} if metric.prompted else {})
            values = [float(model(self._tensor(picture), **asked)) for picture in pictures]
            found[metric.key] = float(np.mean(values))
        return found

    def _library(self, wanted: bool, load: Callable[[str], Any]) -> Any:
        reason = "--learned, the package pyiqa and"
        if wanted:
            try:
                self._torch = load("torch")
                return load(LIBRARY)
            except ImportError as error:
                reason = f"the package pyiqa ({error}) and"
        for metric in METRICS:
            self.missing[metric.key] = f"not scored: needs {reason} {metric.needs}"
        return None

    def _make(self, library: Any, metric: Metric) -> None:
        """Q-Align serves twice and is made once."""
        kind = (metric.name, repr(metric.options))
        if kind not in self._made:
            try:
                self._made[kind] = library.create_metric(metric.name, device=self._device, **metric.options)
            except Exception as error:  # whatever a foreign model says when it can't be loaded
                self._made[kind] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        made = self._made[kind]
        if isinstance(made, str):
            self.missing[metric.key] = f"not scored: needs {metric.needs}; pyiqa could not load it: {made}"
        else:
            self._metrics[metric.key] = made

    def _tensor(self, picture: U8) -> Any:
        """[1, 3, H, W] in [0, 1]."""
        planes = np.ascontiguousarray(np.moveaxis(picture, -1, 0))[None].astype(np.float32) / 255.0
        return self._torch.from_numpy(planes).to(self._device)
