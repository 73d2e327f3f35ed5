"""Scores of learned models: taken as the library wants it, and never made up where it is not there."""

from typing import Any

import numpy as np
import pytest
import torch

from wonderzoom.runtime.evaluation.learned import METRICS, Learned

PICTURES = [np.full((8, 12, 3), value, np.uint8) for value in (51, 153)]


class Library:
    """A stand-in for pyiqa with its way of being called: the mean of a picture as its score."""

    def __init__(self, missing: str = "") -> None:
        self.missing, self.made, self.called = missing, [], []

    def create_metric(self, name: str, device: str, **options: Any) -> Any:
        self.made.append((name, device, options))
        if name == self.missing:
            raise FileNotFoundError("no weights\nfor it")

        def metric(pictures: torch.Tensor, **asked: Any) -> torch.Tensor:
            assert pictures.shape == (1, 3, 8, 12) and pictures.dtype == torch.float32
            assert 0.0 <= float(pictures.min()) and float(pictures.max()) <= 1.0
            self.called.append((name, asked))
            return pictures.mean()[None]

        return metric


def loading(library: Library) -> Any:
    return lambda name: torch if name == "torch" else library


def test_every_metric_is_made_once_and_called_as_it_wants() -> None:
    library = Library()
    learned = Learned(True, loading(library))
    assert learned.missing == {} and learned.keys == tuple(metric.key for metric in METRICS)
    assert library.made == [
        ("clipscore", "cpu", {"w": 1.0}),
        ("clipiqa+", "cpu", {}),
        ("qalign", "cpu", {}),  # once for both of its scores
        ("niqe", "cpu", {}),
    ]
    found = learned.score(PICTURES, "a snail")
    assert found == dict.fromkeys(learned.keys, pytest.approx(0.4))
    assert ("clipscore", {"caption_list": ["a snail"]}) in library.called
    assert ("qalign", {"task_": "aesthetic"}) in library.called and ("niqe", {}) in library.called


def test_without_words_there_is_nothing_to_compare_a_picture_with() -> None:
    found = Learned(True, loading(Library())).score(PICTURES, "")
    assert found["clip"] is None and found["niqe"] == pytest.approx(0.4)


def test_weights_that_can_not_be_had_are_one_line_and_no_number() -> None:
    learned = Learned(True, loading(Library(missing="qalign")))
    assert set(learned.missing) == {"qalign_iqa", "qalign_iaa"}
    line = learned.missing["qalign_iqa"]
    assert line.startswith("not scored: needs Q-Align") and "no weights for it" in line and "\n" not in line
    assert "qalign_iqa" not in learned.score(PICTURES, "a snail")


def test_without_the_library_nothing_is_scored_and_that_is_said() -> None:
    def load(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}")

    learned = Learned(True, load)
    assert learned.keys == () and learned.score(PICTURES, "a snail") == {}
    assert set(learned.missing) == {metric.key for metric in METRICS}
    assert all("not scored: needs the package pyiqa" in line for line in learned.missing.values())


def test_nothing_is_loaded_unless_asked_for() -> None:
    def load(name: str) -> Any:
        raise AssertionError(f"{name} was loaded")

    learned = Learned(False, load)
    assert learned.score(PICTURES, "a snail") == {}
    assert all("needs --learned" in line for line in learned.missing.values())
