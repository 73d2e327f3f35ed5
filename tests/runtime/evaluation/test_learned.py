"""Scores of learned models: only what is asked for is made, and what can't be had is one line and no number."""

from collections.abc import Sequence

import numpy as np
import pytest

from wonderzoom.runtime.evaluation.learned import METRICS, Learned, Offer, Scorer, Unavailable, told

PICTURES = [np.full((8, 12, 3), value, np.uint8) for value in (51, 153)]


class Brightness:
    """Scores pictures by their mean."""

    identity = "brightness 1"

    def score(self, pictures: Sequence[np.ndarray], prompt: str) -> dict[str, float | None]:
        value = float(np.mean(pictures)) / 255.0
        return {"clip": value if prompt else None, "niqe": value, "unknown": 1.0}


def unavailable() -> Scorer:
    raise Unavailable("needs a file")


def test_what_can_be_had_is_scored_in_the_order_of_the_columns() -> None:
    learned = Learned([Offer(("niqe", "clip"), Brightness), Offer(("qalign_iqa", "qalign_iaa"), unavailable)])
    assert learned.keys == ("clip", "niqe") and learned.identity == ("brightness 1",)
    assert learned.score(PICTURES, "a snail") == {"clip": 0.4, "niqe": 0.4}
    assert learned.score(PICTURES, "") == {"clip": None, "niqe": 0.4}
    assert learned.missing == {"qalign_iqa": "needs a file", "qalign_iaa": "needs a file"}


def test_what_is_missing_for_one_reason_is_one_line() -> None:
    lines = told({"clip": "needs a", "niqe": "needs b", "clip_iqa": "needs a"})
    assert lines == ["CLIP score, CLIP-IQA, fixed prompts: not scored: needs a", "NIQE: not scored: needs b"]
    assert told({}) == []


def test_a_scorer_that_breaks_is_not_hidden() -> None:
    def broken() -> Scorer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Learned([Offer(("clip",), broken)])


def test_every_column_has_a_title_of_its_own() -> None:
    assert (
        len({metric.title for metric in METRICS}) == len({metric.key for metric in METRICS}) == len(METRICS)
    )
