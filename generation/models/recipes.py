"""Recipes: which adapter carries out each stage of a generator, with which models; read from TOML.

    about = "what this generator is for"
    version = 1

    [upscale]
    adapter = "klein"
    fallback = "embedded"                # where the model can't be used; without it that is an error
    model = { repo = "owner/name", licence = "Apache-2.0", dtype = "bfloat16" }
    steps = 4

A stage without a table is the embedded generator's. ``light``, ``paper`` and ``quality`` lie in ``recipes/`` beside
this file; any other is a file of the user's.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from wonderzoom.generation.models.locks import Locks
from wonderzoom.generation.models.references import ModelReference
from wonderzoom.generation.models.workbench import BadRecipe, read_options, references

STAGES = (
    "initial_depth",
    "inpaint",
    "describe",
    "upscale",
    "edit",
    "depth",
    "segment",
    "auxiliary",
    "outpaint",
    "text_to_image",
)
SHIPPED = ("light", "paper", "quality")
_HEADER = {"about", "version"}


@dataclass(frozen=True, slots=True)
class StageRecipe:
    """One stage: its adapter, the adapter's options, and what is used where its models can't be."""

    adapter: str
    options: Any
    fallback: bool = False  # to the embedded stage

    @property
    def models(self) -> dict[str, ModelReference]:
        """What it needs, by the names of the options."""
        return references(self.options)


@dataclass(frozen=True, slots=True)
class Recipe:
    """A generator on paper."""

    name: str
    about: str = ""
    version: int = 1
    stages: Mapping[str, StageRecipe] = field(default_factory=dict[str, StageRecipe])

    @property
    def label(self) -> str:
        """Name and version, as nodes record it."""
        return f"{self.name}/{self.version}"


def read_recipe(name_or_path: str) -> Recipe:
    """A shipped recipe by its name, or a file that ends in ``.toml``. Raises BadRecipe."""
    if name_or_path in SHIPPED:
        text = (files("wonderzoom.generation.models") / "recipes" / f"{name_or_path}.toml").read_text(
            encoding="utf-8"
        )
        return parse_recipe(name_or_path, text)
    path = Path(name_or_path)
    try:
        return parse_recipe(path.stem, path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise BadRecipe(f"{path} can't be read: {error}") from error


def parse_recipe(name: str, text: str) -> Recipe:
    """A recipe from its TOML. Raises BadRecipe with the stage and the field that are wrong."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise BadRecipe(f"recipe {name}: {error}") from error
    return recipe_from(name, table)


def recipe_from(name: str, table: Mapping[str, Any]) -> Recipe:
    """A recipe from what its TOML holds. Raises BadRecipe with the stage and the field that are wrong."""
    stages: dict[str, StageRecipe] = {}
    for key, value in table.items():
        if key in _HEADER:
            continue
        if key not in STAGES or not isinstance(value, dict):
            raise BadRecipe(f"recipe {name}: there is no stage {key!r}; there is: {', '.join(STAGES)}")
        try:
            read = _stage(key, dict(value))
        except BadRecipe as error:
            raise BadRecipe(f"recipe {name}: {error}") from error
        if read is not None:
            stages[key] = read
    about, version = table.get("about", ""), table.get("version", 1)
    if not isinstance(about, str) or not isinstance(version, int) or version < 1:
        raise BadRecipe(f"recipe {name}: about is a text, version a number from 1")
    return Recipe(name, about, version, stages)


def settled(recipe: Recipe, locks: Locks) -> Recipe:
    """The recipe with each model at the revision that a download has settled, where it names none itself.

    So that what is loaded, what an error names and what a node's provenance records is one commit. Raises LockDamaged.
    """

    def stage(part: StageRecipe) -> StageRecipe:
        open_ones = {name: model for name, model in part.models.items() if model.repo and not model.revision}
        found = {
            name: msgspec.structs.replace(model, revision=locks.revision(model.repo))
            for name, model in open_ones.items()
        }
        return replace(part, options=msgspec.structs.replace(part.options, **found))

    return replace(recipe, stages={name: stage(part) for name, part in recipe.stages.items()})


def _stage(stage: str, table: dict[str, Any]) -> StageRecipe | None:
    """One stage's table; None for the embedded one."""
    adapter = table.pop("adapter", None)
    fallback = table.pop("fallback", None)
    if not isinstance(adapter, str):
        raise BadRecipe(f"{stage}: adapter is missing")
    if fallback not in (None, "embedded"):
        raise BadRecipe(f"{stage}: fallback is 'embedded' or left out, not {fallback!r}")
    if adapter == "embedded":
        if table:
            raise BadRecipe(f"{stage}: the embedded stage has no options; remove {', '.join(table)}")
        return None
    return StageRecipe(adapter, read_options(stage, adapter, table), fallback is not None)
