"""Eq. 5 on a network of four numbers a pixel: it learns, and is given back as it was."""

from typing import Any

import numpy as np
import pytest
import torch

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.finetuning import Tuned, tune
from wonderzoom.scene_graph.ports import Cancelled, Control

HEIGHT, WIDTH = 12, 16
ROWS, COLUMNS = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
TARGET = (2.0 * COLUMNS + 3.0 * np.sin(ROWS)).astype(np.float32)
MASK = COLUMNS < 12


class Network(torch.nn.Module):
    """Depth from the column and, once it has learnt that, from the row."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.columns = torch.nn.Linear(1, 1)
        self.rows = torch.nn.Linear(HEIGHT, 1, bias=False)
        with torch.no_grad():
            self.columns.weight.fill_(0.5)
            self.rows.weight.mul_(0.1)
        self.rows.weight.requires_grad_(False)  # a flag that has to come back

    def forward(self) -> Any:
        columns = self.columns(torch.arange(WIDTH, dtype=torch.float32)[:, None])[:, 0]
        return columns[None, :] + self.rows.weight[0, :, None]


def state(network: torch.nn.Module) -> list[tuple[torch.Tensor, bool, bool]]:
    return [(p.detach().clone(), p.requires_grad, p.grad is None) for p in network.parameters()]


def untouched(network: torch.nn.Module, before: list[tuple[torch.Tensor, bool, bool]]) -> bool:
    return all(
        torch.equal(a[0], b[0]) and a[1:] == b[1:] for a, b in zip(state(network), before, strict=True)
    )


def tuned(network: Network, steps: int = 30, rate: float = 0.04, **options: Any) -> Tuned:
    parts: dict[str, Any] = {
        "trained": list(network.parameters()),
        "predict": network,
        "control": Control(),
        **options,
    }
    return tune(network, target=TARGET, mask=MASK, steps=steps, rate=rate, **parts)


def test_the_loss_falls_the_best_is_kept_and_the_network_is_as_before() -> None:
    network = Network()
    before, told = state(network), list[float]()
    result = tuned(network, control=Control(progress=told.append))
    assert untouched(network, before)
    assert len(result.losses) == 31 and min(result.losses) < 0.5 * result.losses[0]
    loss = np.abs(result.line(result.predicted) - TARGET)[MASK].mean()
    assert loss == pytest.approx(min(result.losses), rel=1e-4)
    assert told == sorted(told) and told[-1] == 1.0


def test_steps_that_make_it_worse_leave_the_start() -> None:
    network = Network()
    start = tuned(network, steps=0)
    wild = tuned(network, steps=3, rate=50.0)
    assert min(wild.losses) == wild.losses[0] and np.array_equal(wild.predicted, start.predicted)


def test_only_the_given_tensors_learn() -> None:
    network = Network()
    result = tuned(network, trained=[network.rows.weight])
    assert result.predicted[0, 1] - result.predicted[0, 0] == pytest.approx(0.5, abs=1e-5)
    assert min(result.losses) < 0.5 * result.losses[0]


@pytest.mark.parametrize("step", [0, 7])
def test_it_is_called_off_within_a_step_and_given_back(step: int) -> None:
    network = Network()
    before, asked = state(network), list[int]()

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > step + 1

    with pytest.raises(Cancelled):
        tuned(network, control=Control(cancelled=cancelled))
    assert len(asked) == step + 2 and untouched(network, before)
    assert np.array_equal(tuned(network).predicted, tuned(Network()).predicted)


def test_an_error_in_the_middle_gives_it_back() -> None:
    network = Network()
    before, calls = state(network), list[int]()

    def predict() -> Any:
        calls.append(1)
        if len(calls) == 5:
            raise RuntimeError("the device is gone")
        return network()

    with pytest.raises(RuntimeError, match="gone"):
        tuned(network, predict=predict)
    assert untouched(network, before)


def test_a_constant_prediction_is_only_shifted() -> None:
    network = Network()
    with torch.no_grad():
        for weights in network.parameters():
            weights.zero_()
    result = tuned(network)
    assert result.line.scale == 0.0 and len(result.losses) == 1
    assert np.allclose(result.line(result.predicted), np.median(TARGET[MASK]))


def test_depth_that_is_not_finite_is_an_error() -> None:
    network = Network()
    with pytest.raises(GenerationError, match="not finite"):
        tuned(network, predict=lambda: network() * float("nan"))
