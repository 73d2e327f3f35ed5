"""Eq. 5: a depth network tuned to one view's target, for the time of one zoom.

    L = sum m |D_target - (a D(I) + b)| / sum m

a and b are fitted once and then fixed; Adam trains the network; the best depth is kept. The network is lent: every
tensor is put back to the bit, whatever happens.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wonderzoom.generation.jobs import GenerationError
from wonderzoom.generation.models.depth_agreement import Line, fit_line
from wonderzoom.scene_graph.ports import Cancelled, Control

F32 = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best prediction [H, W], the line that makes it the target, and the loss before every step and at the end."""

    predicted: F32
    line: Line
    losses: tuple[float, ...]


@contextmanager
def lent(network: Any, trained: Sequence[Any]) -> Generator[None]:
    """Within, ``trained`` (parameters of the network) learn and nothing else does; afterwards all is as before."""
    import torch

    kept = [parameter.detach().clone() for parameter in trained]
    flags = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    try:
        network.requires_grad_(False)
        for parameter in trained:
            parameter.requires_grad_(True)
        yield
    finally:
        with torch.no_grad():
            for parameter, before in zip(trained, kept, strict=True):
                parameter.copy_(before)
                parameter.grad = None
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def tune(
    network: Any,
    trained: Sequence[Any],
    predict: Callable[[], Any],
    target: F32,
    mask: NDArray[np.bool_],
    steps: int,
    rate: float,
    control: Control,
) -> Tuned:
    """Eq. 5 in ``steps`` steps of Adam on the parameters ``trained`` of ``network``.

    ``predict`` gives the network's depth as a tensor [H, W], larger is farther; ``target`` [H, W] is in a domain
    where it is a straight line of that. Raises GenerationError for depth that is not finite, Cancelled within a step.
    """
    import torch

    _go_on(control)
    with torch.no_grad():
        start = predict()
        first = _checked(start)
    line = fit_line(first, target, mask)
    if steps == 0 or line.scale == 0.0 or not mask.any():  # no gradient reaches the network without a scale
        return Tuned(first, line, (_loss(line, first, target, mask),))
    best, least, losses = first, float("inf"), list[float]()
    with lent(network, trained), torch.enable_grad():
        optimiser = torch.optim.Adam(list(trained), lr=rate)
        wanted = torch.from_numpy(np.where(mask, target, 0.0)).to(start)
        where = torch.from_numpy(mask).to(start.device)
        for step in range(steps + 1):
            _go_on(control)
            predicted = predict()
            loss = (line.scale * predicted + line.shift - wanted).abs()[where].mean()
            losses.append(float(loss.detach()))
            if not np.isfinite(losses[-1]):
                break  # the rate was too high; what was best before stands
            if losses[-1] < least:
                best, least = predicted.detach().cpu().numpy().astype(np.float32), losses[-1]
            if step < steps:
                optimiser.zero_grad(set_to_none=True)
                loss.backward()
                optimiser.step()
            control.progress((step + 1) / (steps + 1))
    return Tuned(_checked(torch.from_numpy(best)), line, tuple(losses))


def _loss(line: Line, predicted: F32, target: F32, mask: NDArray[np.bool_]) -> float:
    return float(np.abs(line(predicted) - target)[mask].mean()) if mask.any() else 0.0


def _checked(predicted: Any) -> F32:
    values = np.asarray(predicted.detach().float().cpu().numpy(), np.float32)
    if not np.isfinite(values).all():
        raise GenerationError("depth", "the model's depth is not finite")
    return values


def _go_on(control: Control) -> None:
    if control.cancelled():
        raise Cancelled
