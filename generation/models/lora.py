"""A LoRA as a file of safetensors, laid over a network for the time of a job and taken off again.

The weights of a network are shared by the stages, so nothing is merged into them: while a LoRA is applied, each
linear layer that it names adds its low-rank part to its own answer. That costs two thin products a layer.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wonderzoom.generation.jobs import Stage
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.references import ModelReference

FILE = "pytorch_lora_weights.safetensors"  # as diffusers names it
PREFIX = "transformer."
DOWN, UP = ".lora_A.weight", ".lora_B.weight"


@dataclass(frozen=True, slots=True)
class LowRank:
    """What is added to one linear layer: ``up @ down``."""

    down: Any  # [rank, in]
    up: Any  # [out, rank]


Lora = Mapping[str, LowRank]  # layer of the transformer -> its part


def read_lora(stage: Stage, reference: ModelReference, folder: Path) -> Lora:
    """The LoRA in ``folder``, on the CPU. Raises ModelUnavailable."""
    import safetensors.torch

    path = folder / FILE
    try:
        tensors = safetensors.torch.load_file(path)
    except FileNotFoundError as error:
        raise _unavailable(stage, reference, "incomplete", f"{folder} has no {FILE}") from error
    except Exception as error:  # SafetensorError is an Exception of its own
        raise _unavailable(stage, reference, "damaged", f"{path}: {error}") from error
    names = {key.removeprefix(PREFIX).removesuffix(DOWN) for key in tensors if key.endswith(DOWN)}
    wanted = {f"{PREFIX}{name}{end}" for name in names for end in (DOWN, UP)}
    if not names or wanted != set(tensors):
        odd = min(wanted.symmetric_difference(tensors), default="no tensor")
        cause = f"{path} is not a LoRA of a transformer: {odd}"
        raise _unavailable(stage, reference, "wrong_kind", cause)
    return {
        name: LowRank(tensors[f"{PREFIX}{name}{DOWN}"], tensors[f"{PREFIX}{name}{UP}"])
        for name in sorted(names)
    }


@contextmanager
def applied(
    stage: Stage, reference: ModelReference, network: Any, lora: Lora, strength: float = 1.0
) -> Generator[None]:
    """``network`` with the LoRA while within; its weights are never touched.

    Raises ModelUnavailable where a layer is not in the network, or has another size.
    """
    import torch

    layers = dict(network.named_modules())
    for name, part in lora.items():
        layer = layers.get(name)
        if not isinstance(layer, torch.nn.Linear):
            cause = f"the model has no linear layer {name}"
            raise _unavailable(stage, reference, "wrong_kind", cause)
        fits = part.up.shape[0] == layer.out_features and part.down.shape[1] == layer.in_features
        if not fits or part.up.shape[1] != part.down.shape[0]:
            cause = f"layer {name} is {tuple(layer.weight.shape)}, its LoRA {_shapes(part)}"
            raise _unavailable(stage, reference, "wrong_kind", cause)
    handles: list[Any] = []
    try:
        for name, part in lora.items():
            handles.append(layers[name].register_forward_hook(_adding(part, strength)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _adding(part: LowRank, strength: float) -> Any:
    """A forward hook that adds the low-rank part, in float32 whatever the network runs in."""
    import torch

    def hook(_layer: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        x = inputs[0].to(torch.float32)
        down, up = (tensor.to(device=x.device, dtype=torch.float32) for tensor in (part.down, part.up))
        return output + (strength * (x @ down.T @ up.T)).to(output.dtype)

    return hook


def _shapes(part: LowRank) -> str:
    return f"{tuple(part.up.shape)} x {tuple(part.down.shape)}"


def _unavailable(stage: Stage, reference: ModelReference, reason: Any, cause: str) -> ModelUnavailable:
    hint = "convert it with python -m wonderzoom.generation.models.chain_of_zoom_weights"
    return ModelUnavailable(stage, reference.name, reference.revision, reason, cause, hint)
