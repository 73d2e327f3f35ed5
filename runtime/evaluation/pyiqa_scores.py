"""CLIP-IQA+, Q-Align IQA and IAA, and NIQE with its authors' model, where a person has installed pyiqa.

Owns which metric of pyiqa (IQA-PyTorch) stands for which column. pyiqa is no dependency: its licence is for
non-commercial use, and it fetches its weights itself, also the file that its NIQE needs, and runs code of others'.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.runtime.evaluation.learned import Offer, Unavailable, Values

U8 = NDArray[np.uint8]
Load = Callable[[str], Any]

LIBRARY = "pyiqa"


@dataclass(frozen=True, slots=True)
class Column:
    """One score of one metric of pyiqa's."""

    key: str
    asked: dict[str, object] = field(default_factory=dict)  # when the metric is called


METRICS: dict[str, tuple[str, tuple[Column, ...]]] = {  # name in pyiqa -> what it loads, what it tells
    "clipiqa+": ("CLIP RN50 and learned prompts", (Column("clip_iqa_plus"),)),
    "qalign": (
        "Q-Align, 16 GB",
        (Column("qalign_iqa", {"task_": "quality"}), Column("qalign_iaa", {"task_": "aesthetic"})),
    ),
    "niqe": ("niqe_modelparameters.mat", (Column("niqe"),)),
}


def offers(load: Load = importlib.import_module) -> list[Offer]:
    """One for each metric, so that one that can't be loaded does not take the others with it."""
    return [
        Offer(tuple(column.key for column in columns), partial(PyiqaScores, name, load))
        for name, (_, columns) in METRICS.items()
    ]


class PyiqaScores:
    """One metric. Raises Unavailable where pyiqa, or what it loads, is not to be had."""

    def __init__(self, name: str, load: Load = importlib.import_module) -> None:
        needs, self._columns = METRICS[name]
        try:
            self._torch, library = load("torch"), load(LIBRARY)
        except ImportError as error:
            missing = (str(error).splitlines() or [""])[0]
            raise Unavailable(
                f"needs the package {LIBRARY} ({missing}) and what it loads; its licence is non-commercial"
            ) from error
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        try:
            self._metric = library.create_metric(name, device=self._device)
        except Exception as error:  # whatever a foreign model says when it can't be loaded
            said = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            raise Unavailable(f"needs {needs}; {LIBRARY} could not load it: {said}") from error
        self.identity = f"{LIBRARY} {getattr(library, '__version__', '')} {name}"

    def score(self, pictures: Sequence[U8], prompt: str) -> Values:
        """See ``Scorer``; words are not looked at."""
        return {
            column.key: float(
                np.mean([float(self._metric(self._tensor(each), **column.asked)) for each in pictures])
            )
            for column in self._columns
        }

    def _tensor(self, picture: U8) -> Any:
        """[1, 3, H, W] in [0, 1]."""
        planes = np.ascontiguousarray(np.moveaxis(picture, -1, 0))[None].astype(np.float32) / 255.0
        return self._torch.from_numpy(planes).to(self._device)
