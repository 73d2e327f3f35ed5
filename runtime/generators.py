"""Which generators there are by name, and how one is put together: embedded, the shipped recipes, or a user's file.

Owns where models and their revisions are kept on this machine. Nothing of torch is loaded until a stage of a
model has its first job.
"""

from __future__ import annotations

import os
from collections.abc import Callable

from wonderzoom.generation.models.locks import LockDamaged, Locks
from wonderzoom.generation.models.recipes import SHIPPED, Recipe, read_recipe, settled
from wonderzoom.generation.models.shelf import Shelf
from wonderzoom.generation.models.workbench import BadRecipe, Workbench
from wonderzoom.generation.stages import Generator
from wonderzoom.runtime.errors import UsageError
from wonderzoom.runtime.links import data_folder
from wonderzoom.scene_graph.camera import Camera
from wonderzoom.scene_graph.ports import RenderedView, Renderer, RenderSettings, VisibleSet

EMBEDDED = "embedded"
NAMES = (EMBEDDED, *SHIPPED)
LOCK_FILE = "models.json"
# Bytes of a graphics card that stay free for drawing while models are on it.
RENDER_BYTES = 3 * 2**30
RENDER_VARIABLE = "WONDERZOOM_RENDER_BYTES"


class UnknownGenerator(UsageError):
    """A generator that this program does not have."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"there is no generator {name!r}; there is: {', '.join(NAMES)}, or a recipe's file NAME.toml"
        )


def locks() -> Locks:
    """The revisions that were downloaded for this user."""
    return Locks(data_folder(os.environ) / LOCK_FILE)


def recipe_of(name: str) -> Recipe:
    """The recipe of a generator with models. Raises UnknownGenerator, UsageError for a recipe that is wrong."""
    if name not in SHIPPED and not name.endswith(".toml"):
        raise UnknownGenerator(name)
    try:
        return read_recipe(name)
    except BadRecipe as error:
        raise UsageError(str(error)) from error


def render_bytes() -> int:
    """Bytes of a graphics card that are reserved for drawing. Raises UsageError."""
    given = os.environ.get(RENDER_VARIABLE, str(RENDER_BYTES))
    if not given.isdecimal():
        raise UsageError(f"{RENDER_VARIABLE} is a number of bytes, not {given!r}")
    return int(given)


def from_recipe(
    recipe: Recipe, embedded: Generator, renderer: Callable[[], Renderer], threads: int
) -> Generator:
    """The generator of a recipe; ``renderer`` is asked for when a stage draws. Raises UsageError."""
    from wonderzoom.generation.models.generator import build

    known = locks()
    shelf = Shelf(known, reserve_bytes=render_bytes())
    try:
        return build(settled(recipe, known), Workbench(shelf, _WhenDrawn(renderer), threads), embedded)
    except (BadRecipe, LockDamaged) as error:
        raise UsageError(str(error)) from error


class _WhenDrawn:
    """A renderer that is made when something is drawn first: compiling one takes longer than naming a generator."""

    name = "when drawn"

    def __init__(self, make: Callable[[], Renderer]) -> None:
        self._make = make

    def render(self, visible: VisibleSet, camera: Camera, settings: RenderSettings) -> RenderedView:
        """See ``Renderer.render``."""
        return self._make().render(visible, camera, settings)
