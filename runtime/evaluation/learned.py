"""Scores of learned models (paper, Sec. 4): which there are, what takes them, and one line for each that is missing.

Owns the list of columns. What takes them is in ``clip_scores``, ``pyiqa_scores`` and ``niqe``; nothing is loaded
unless it is asked for, and what can't be loaded has no column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

U8 = NDArray[np.uint8]
Values = dict[str, float | None]


@dataclass(frozen=True, slots=True)
class Metric:
    """One learned score."""

    key: str
    title: str
    better: str  # "higher" or "lower"


METRICS = (
    Metric("clip", "CLIP score", "higher"),
    Metric("clip_iqa", "CLIP-IQA, fixed prompts", "higher"),
    Metric("clip_iqa_plus", "CLIP-IQA+", "higher"),
    Metric("qalign_iqa", "Q-Align IQA", "higher"),
    Metric("qalign_iaa", "Q-Align IAA", "higher"),
    Metric("niqe", "NIQE", "lower"),
    Metric("niqe_fitted", "NIQE, fitted to the photos of --pristine", "lower"),
)


class Unavailable(Exception):
    """Scores that can't be taken here: what is needed, in one line."""


class Scorer(Protocol):
    """What takes some of the scores."""

    @property
    def identity(self) -> str:
        """What the scores depend on besides the pictures: models, revisions, photos."""
        ...

    def score(self, pictures: Sequence[U8], prompt: str) -> Values:
        """Key -> mean over pictures [H, W, 3]; None where a score does not apply."""
        ...


@dataclass(frozen=True, slots=True)
class Offer:
    """Scores by their keys, and how their scorer is made. ``make`` raises Unavailable."""

    keys: tuple[str, ...]
    make: Callable[[], Scorer]


def told(missing: Mapping[str, str]) -> list[str]:
    """One line for all the scores, key -> reason, that are missing for the same reason."""
    titles = {metric.key: metric.title for metric in METRICS}
    return [
        f"{', '.join(titles[key] for key, why in missing.items() if why == reason)}: not scored: {reason}"
        for reason in dict.fromkeys(missing.values())
    ]


class Learned:
    """The scores that can be had here, their models loaded once."""

    def __init__(self, offers: Sequence[Offer]) -> None:
        self.missing: dict[str, str] = {}  # key -> why it is not scored
        self._scorers: list[tuple[tuple[str, ...], Scorer]] = []
        for offer in offers:
            try:
                self._scorers.append((offer.keys, offer.make()))
            except Unavailable as error:
                self.missing |= dict.fromkeys(offer.keys, str(error))

    @property
    def keys(self) -> tuple[str, ...]:
        """What is scored, in the order of ``METRICS``."""
        found = {key for keys, _ in self._scorers for key in keys}
        return tuple(metric.key for metric in METRICS if metric.key in found)

    @property
    def identity(self) -> tuple[str, ...]:
        """What the scores depend on besides the pictures."""
        return tuple(scorer.identity for _, scorer in self._scorers)

    def score(self, pictures: Sequence[U8], prompt: str) -> Values:
        """Key -> mean over pictures [H, W, 3]; None where a score does not apply, as without words."""
        found: Values = {}
        for keys, scorer in self._scorers:
            taken = scorer.score(pictures, prompt)
            found |= {key: taken[key] for key in keys}
        return {key: None if (value := found[key]) is None else float(f"{value:.6g}") for key in self.keys}
