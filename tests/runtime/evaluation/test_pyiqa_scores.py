"""pyiqa is called as its source wants it, metric by metric, with a stand-in for the library."""

from typing import Any

import numpy as np
import pytest
import torch

from wonderzoom.runtime.evaluation.learned import METRICS, Learned
from wonderzoom.runtime.evaluation.pyiqa_scores import offers

PICTURES = [np.full((8, 12, 3), value, np.uint8) for value in (51, 153)]
KEYS = ("clip_iqa_plus", "qalign_iqa", "qalign_iaa", "niqe")


class Library:
    """A stand-in for pyiqa with its way of being called: the mean of a picture as its score."""

    __version__ = "0.1.16"

    def __init__(self, missing: str = "") -> None:
        self.missing, self.made, self.called = missing, [], []

    def create_metric(self, name: str, device: str) -> Any:
        self.made.append((name, device))
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
    learned = Learned(offers(loading(library)))
    assert learned.missing == {} and learned.keys == KEYS
    assert [name for name, _ in library.made] == ["clipiqa+", "qalign", "niqe"]
    assert learned.score(PICTURES, "a snail") == dict.fromkeys(KEYS, pytest.approx(0.4))
    assert ("qalign", {"task_": "aesthetic"}) in library.called and ("niqe", {}) in library.called
    assert learned.identity == tuple(f"pyiqa 0.1.16 {name}" for name in ("clipiqa+", "qalign", "niqe"))
    assert set(KEYS) < {metric.key for metric in METRICS}


def test_weights_that_can_not_be_had_are_one_line_and_the_others_are_scored() -> None:
    learned = Learned(offers(loading(Library(missing="qalign"))))
    assert set(learned.missing) == {"qalign_iqa", "qalign_iaa"}
    line = learned.missing["qalign_iqa"]
    assert line.startswith("needs Q-Align") and "no weights for it" in line and "\n" not in line
    assert set(learned.score(PICTURES, "")) == {"clip_iqa_plus", "niqe"}


@pytest.mark.parametrize("lacking", ["torch", "pyiqa"])
def test_without_the_library_nothing_is_scored_and_that_is_said(lacking: str) -> None:
    def load(name: str) -> Any:
        if name == lacking:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return torch

    learned = Learned(offers(load))
    assert learned.keys == () and learned.score(PICTURES, "a snail") == {}
    (line,) = set(learned.missing.values())
    assert set(learned.missing) == set(KEYS) and f"No module named '{lacking}'" in line
    assert "needs the package pyiqa" in line and "non-commercial" in line
