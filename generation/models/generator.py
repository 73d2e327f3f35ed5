"""A generator from a recipe: each stage by the adapter that the recipe names, the others by the embedded generator.

Any mix works: what the embedded stages keep for each other they make themselves where the stage before was a
model's. A model that can't be used is an error, unless the recipe names the embedded stage as its fallback; then
the result says so.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from wonderzoom.generation.embedded.remembering import ForeignMemoryStage
from wonderzoom.generation.models.errors import ModelUnavailable
from wonderzoom.generation.models.recipes import Recipe, StageRecipe
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import BadRecipe, Workbench, adapter_class
from wonderzoom.generation.stages import Generator
from wonderzoom.scene_graph.ports import Control

log = logging.getLogger(__name__)

# Stages whose models make pixels: a picture that one of them made is no function of the chart that it lies in.
_PAINTERS = ("upscale", "edit", "outpaint")
# What each stage is asked by (``generation.stages``).
_METHODS = {
    "initial_depth": "estimate",
    "inpaint": "complete",
    "describe": "describe",
    "upscale": "upscale",
    "edit": "edit",
    "depth": "register",
    "segment": "segment",
    "auxiliary": "synthesise",
    "outpaint": "outpaint",
    "text_to_image": "imagine",
}


def build(recipe: Recipe, bench: Workbench, embedded: Generator) -> Generator:
    """The generator of a recipe; no weights are loaded before a stage has its first job.

    Raises BadRecipe for an adapter that there is not.
    """
    stages: dict[str, Any] = {}
    for name, part in recipe.stages.items():
        stage = adapter_class(name, part.adapter)(bench, part.options)
        other = getattr(embedded, name)
        if part.fallback and other is None:
            raise BadRecipe(f"recipe {recipe.name}: {name} has no embedded stage to fall back on")
        stages[name] = _or_embedded(name, stage, other) if part.fallback else stage
    if any(name in stages for name in _PAINTERS):
        stages["memory"] = ForeignMemoryStage()
    made_with = tuple((f"model.{name}", _said(part)) for name, part in sorted(recipe.stages.items()))
    return replace(embedded, name=recipe.label, made_with=made_with, **stages)


def _said(part: StageRecipe) -> str:
    """A stage's adapter and its models, for a node's provenance."""
    models = " ".join(_at(reference) for reference in part.models.values())
    return f"{part.adapter} {models}".strip()


def _at(reference: ModelReference) -> str:
    return f"{reference.name}@{reference.revision[:10]}" if reference.revision else reference.name


@dataclass(frozen=True, slots=True)
class _Fallback:
    """One method of a stage: the model's, or the embedded one where the model can't be used."""

    name: str
    model: Callable[..., Any]
    embedded: Callable[..., Any]

    def __call__(self, *values: Any) -> Any:
        try:
            return self.model(*values)
        except ModelUnavailable as error:
            log.warning("the embedded stage instead of the model: %s", error)
            control = values[-1]
            assert isinstance(control, Control)
            control.note(f"{self.name} without its model: {error}")
            return self.embedded(*values)


class _Stage:
    """A stage of one method, whatever its protocol calls it."""

    def __init__(self, method: str, call: _Fallback) -> None:
        setattr(self, method, call)


def _or_embedded(name: str, stage: Any, embedded: Any) -> Any:
    method = _METHODS[name]
    return _Stage(method, _Fallback(name, getattr(stage, method), getattr(embedded, method)))
